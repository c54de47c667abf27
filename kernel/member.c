// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Members: coming and going, who is there, their attributes, and those who watch. A watcher that
 * is kernel code is called by a work of its own, with no lock held, so what it hears is queued.
 */
#include "kn.h"

struct notice {
	struct list_head list;
	struct kecho_member m;
};

static struct kecho_channel *opened_by(const struct ke_member *m)
{
	return m->owner;
}

static u64 node_number(const struct ke_contact *c)
{
	__le64 number;

	memcpy(&number, c->node.b, sizeof(number));
	return le64_to_cpu(number);
}

static void describe_own(const struct kecho_channel *to, const struct ke_member *m,
			 enum kecho_member_state state, struct kecho_member *out)
{
	*out = (struct kecho_member){
		.id = m->id, .node = node_number(&to->c->kn->node.self),
		.role = m->role, .policy = m->policy, .state = state,
		.mine = opened_by(m)->k == to->k,
		.traffic_class = (enum kecho_class)m->traffic_class,
	};
}

static void describe_remote(const struct ke_remote *m, struct kecho_member *out)
{
	*out = (struct kecho_member){
		.id = m->id, .node = node_number(&m->presence->peer->contact), .role = m->role,
		.policy = m->policy, .state = (enum kecho_member_state)m->state, .remote = true,
		.traffic_class = (enum kecho_class)m->traffic_class,
	};
}

/* ------------------------------------------------------------------ watching */

/* Without memory for it, it is not heard of. A process's is a message: it is queued as it is, and
 * what it is told of the channel itself comes behind it. */
static void notice(struct kecho_channel *to, const struct kecho_member *m)
{
	struct notice *n;

	if (to->watch && to->process) {
		to->watch(to->watch_arg, m);
		return;
	}
	n = to->watch ? kmalloc(sizeof(*n), GFP_KERNEL_ACCOUNT) : NULL;
	if (!n)
		return;
	n->m = *m;
	list_add_tail(&n->list, &to->notices);
	kn_made(KN_NOTICE);
	queue_work(kn_callback_wq, &to->watching);
}

static void notice_own(struct kecho_channel *to, const struct ke_member *m,
		       enum kecho_member_state state)
{
	struct kecho_member out;

	describe_own(to, m, state, &out);
	notice(to, &out);
}

static void tell_all(struct kn_channel *c, const struct ke_member *m,
		     enum kecho_member_state state)
{
	struct kecho_channel *to;

	list_for_each_entry(to, &c->users, users)
		notice_own(to, m, state);
}

void kn_member_remote(struct ke_remote *m)
{
	struct kn_channel *c = m->presence->channel->owner;
	struct kecho_channel *to;
	struct kecho_member out;

	kn_live_remote(m);
	describe_remote(m, &out);
	list_for_each_entry(to, &c->users, users)
		notice(to, &out);
	kn_changed(c->kn);
}

/* The channel was destroyed. A process is told that, and knows who was there. */
void kn_members_left(struct kn_channel *c)
{
	struct kecho_channel *to;
	struct ke_member *m;

	list_for_each_entry(m, &c->ch.members, list)
		list_for_each_entry(to, &c->users, users)
			if (!to->process)
				notice_own(to, m, KECHO_LEFT);
}

/* The next notice, and who is to hear it; NULL: there is none. */
static struct notice *take(struct kecho_channel *ch, kecho_member_fn *fn, void **arg)
{
	struct notice *n;

	kn_lock(ch->c->kn);
	n = list_first_entry_or_null(&ch->notices, struct notice, list);
	if (n)
		list_del(&n->list);
	*fn = ch->watch;
	*arg = ch->watch_arg;
	kn_unlock(ch->c->kn);
	return n;
}

static void give(struct work_struct *work)
{
	struct kecho_channel *ch = container_of(work, struct kecho_channel, watching);
	kecho_member_fn fn;
	struct notice *n;
	void *arg;

	while ((n = take(ch, &fn, &arg))) {
		WRITE_ONCE(ch->caller, current);
		if (fn)
			fn(arg, &n->m);
		WRITE_ONCE(ch->caller, NULL);
		kfree(n);
		kn_gone(KN_NOTICE);
	}
}

bool kn_watch_is_own(const struct kecho_channel *ch)
{
	return READ_ONCE(ch->caller) == current;
}

void kn_watch_init(struct kecho_channel *ch)
{
	INIT_LIST_HEAD(&ch->notices);
	INIT_WORK(&ch->watching, give);
}

/* kn.lock is held. */
void kn_members_each(struct kecho_channel *ch,
		     void (*fn)(void *arg, const struct kecho_member *m), void *arg)
{
	struct kecho_member out;
	struct ke_presence *pr;
	struct ke_member *own;
	struct ke_remote *m;

	if (ch->c->ch.ended)
		return;
	list_for_each_entry(own, &ch->c->ch.members, list) {
		describe_own(ch, own, KECHO_JOINED, &out);
		fn(arg, &out);
	}
	list_for_each_entry(pr, &ch->c->ch.presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			if (m->state != KE_JOINED)
				continue;
			describe_remote(m, &out);
			fn(arg, &out);
		}
	}
}

static void notice_each(void *arg, const struct kecho_member *m)
{
	notice(arg, m);
}

int kecho_channel_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg)
{
	struct kn *kn = ch->c->kn;

	if (kn_watch_is_own(ch))
		return -EDEADLK;
	kn_lock(kn);
	ch->watch = NULL;
	kn_unlock(kn);
	flush_work(&ch->watching);	/* what is queued is told nobody */
	if (!fn)
		return 0;
	kn_lock(kn);
	ch->watch = fn;
	ch->watch_arg = arg;
	kn_members_each(ch, notice_each, ch);
	kn_unlock(kn);
	return 0;
}
EXPORT_SYMBOL_GPL(kecho_channel_watch);

/* ------------------------------------------------------------ coming and going */

int kn_join(struct ke_member *m, struct kecho_channel *ch)
{
	int err = ke_member_join(m, &ch->c->ch);

	if (!err)
		kn_live_own(ch->c, m, true);
	if (!err && !ch->c->ch.ended)
		tell_all(ch->c, m, KECHO_JOINED);
	return err;
}

/* It may never have come in. That the members of a destroyed channel left was told then. */
void kn_leave(struct ke_member *m, struct kecho_channel *ch)
{
	if (!list_empty(&m->list) && !ch->c->ch.ended)
		tell_all(ch->c, m, m->failed ? KECHO_FAILED : KECHO_LEFT);
	kn_live_own(ch->c, m, false);
	ke_member_leave(m);
}

/* -------------------------------------------------------------------- to look */

struct members {
	struct kecho_member *m;
	size_t n, max;
};

static void count(void *arg, const struct kecho_member *m)
{
	struct members *all = arg;

	if (all->n < all->max)
		all->m[all->n] = *m;
	all->n++;
}

size_t kecho_members(struct kecho_channel *ch, struct kecho_member *m, size_t max)
{
	struct members all = { .m = m, .max = max };

	kn_lock(ch->c->kn);
	kn_members_each(ch, count, &all);
	kn_unlock(ch->c->kn);
	return all.n;
}
EXPORT_SYMBOL_GPL(kecho_members);

/* Of one of our members, or another's: its own attributes, or its node's. NULL: no such member. */
const struct ke_attrs *kn_member_attrs(const struct kn_channel *c, u64 id, bool of_node)
{
	const struct ke_presence *pr;
	const struct ke_member *own;
	const struct ke_remote *m;

	list_for_each_entry(own, &c->ch.members, list)
		if (own->id == id)
			return of_node ? &c->kn->node.attrs : &own->attrs;
	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->id == id)
				return of_node ? &pr->peer->attrs : &m->attrs;
	return NULL;
}

int kecho_channel_get(struct kecho_channel *ch, const char *name, struct kecho_value *v,
		      void *buf, size_t size)
{
	struct kn *kn = ch->c->kn;
	int err;

	kn_lock(kn);
	err = kn_value_find(&ch->c->ch.attrs, name, v, buf, size);
	kn_unlock(kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_channel_get);

int kecho_member_get(struct kecho_channel *ch, u64 member, const char *name,
		     struct kecho_value *v, void *buf, size_t size)
{
	size_t of_node = str_has_prefix(name, "node.");
	struct kn *kn = ch->c->kn;
	const struct ke_attrs *a;
	int err = -ENOENT;

	kn_lock(kn);
	a = kn_member_attrs(ch->c, member, of_node);
	if (a)
		err = kn_value_find(a, name + of_node, v, buf, size);
	kn_unlock(kn);
	return err;
}
EXPORT_SYMBOL_GPL(kecho_member_get);
