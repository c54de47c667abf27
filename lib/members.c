// SPDX-License-Identifier: MIT
/*
 * The members that an embedded node knows of, its own and the others', and the
 * attributes of all.
 */
#include "feed.h"

typedef void (*each_fn)(void *arg, const struct kecho_member *m);

static void describe_own(struct kecho *k, const struct ke_member *m, struct kecho_member *out)
{
	u64 node;

	memcpy(&node, k->node.self.node.b, sizeof(node));
	*out = (struct kecho_member){
		.id = m->id, .node = node, .role = (enum kecho_role)m->role,
		.policy = (enum kecho_policy)m->policy, .state = KECHO_JOINED, .mine = 1,
		.traffic_class = (enum kecho_class)m->traffic_class,
	};
}

static void each_member(struct kecho_channel *ch, each_fn fn, void *arg)
{
	struct kecho_member out;
	struct ke_presence *pr;
	struct ke_member *mine;
	struct ke_remote *m;

	if (ch->ch.ended)
		return;
	list_for_each_entry(mine, &ch->ch.members, list) {
		describe_own(ch->k, mine, &out);
		fn(arg, &out);
	}
	list_for_each_entry(pr, &ch->ch.presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			if (m->state != KE_JOINED)
				continue;
			member_describe(m, &out);
			fn(arg, &out);
		}
	}
}

struct members {
	struct kecho_member *m;
	size_t n, max;
};

static void count_member(void *arg, const struct kecho_member *m)
{
	struct members *all = arg;

	if (all->n < all->max)
		all->m[all->n] = *m;
	all->n++;
}

ssize_t embedded_members(struct kecho_channel *ch, struct kecho_member *m, size_t max)
{
	struct members all = { .m = m, .max = max };

	pthread_mutex_lock(&ch->k->lock);
	each_member(ch, count_member, &all);
	pthread_mutex_unlock(&ch->k->lock);
	return all.n;
}

static void notice_member(void *arg, const struct kecho_member *m)
{
	struct kecho_channel *ch = arg;
	struct notice *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->m = *m;
	notice_add(ch, n);
}

/* The watcher is to hear of it; the kecho lock is held. */
void watch_tell(struct kecho_channel *ch, const struct kecho_member *m)
{
	u64 one = 1;

	if (!ch->watch)
		return;
	notice_member(ch, m);
	if (write(ch->k->wake, &one, sizeof(one)) < 0)
		return;		/* full: the helper has yet to look */
}

/* The same, of one of our own that is in the channel. */
void watch_tell_own(struct kecho_channel *ch, const struct ke_member *m,
		    enum kecho_member_state state)
{
	struct kecho_member out;

	describe_own(ch->k, m, &out);
	out.state = state;
	watch_tell(ch, &out);
}

int embedded_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg)
{
	struct kecho *k = ch->k;
	u64 one = 1;

	pthread_mutex_lock(&k->lock);
	notices_end(ch);
	ch->watch = fn;
	ch->watch_arg = arg;
	if (fn)
		each_member(ch, notice_member, ch);
	pthread_mutex_unlock(&k->lock);
	if (write(k->wake, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

/* ---------------------------------------------------------------- attributes */

/* Of a member that has left while its events are still being read. */
bool find_gone(struct kecho_channel *ch, uint64_t id, const struct ke_attrs **own,
	       const struct ke_attrs **node)
{
	struct kecho_sink *s;
	struct feed *f;
	bool found = false;

	list_for_each_entry(s, &ch->sinks, list) {
		lib_lock(&s->lock);
		list_for_each_entry(f, &s->feeds, list) {
			if (f->member != id || !f->gone)
				continue;
			*own = &f->attrs;
			*node = &f->node_attrs;
			found = true;
		}
		lib_unlock(&s->lock);
	}
	return found;
}

/* Of one of our members, or another's: its own attributes, and its node's. */
static bool find_attrs(struct kecho_channel *ch, uint64_t id, const struct ke_attrs **own,
		       const struct ke_attrs **node)
{
	struct ke_presence *pr;
	struct ke_member *mine;
	struct ke_remote *m;

	list_for_each_entry(mine, &ch->ch.members, list) {
		if (mine->id != id)
			continue;
		*own = &mine->attrs;
		*node = &ch->k->node.attrs;
		return true;
	}
	list_for_each_entry(pr, &ch->ch.presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			if (m->id != id)
				continue;
			*own = &m->attrs;
			*node = &pr->peer->attrs;
			return true;
		}
	}
	return find_gone(ch, id, own, node);
}

int embedded_get(struct kecho_channel *ch, uint64_t member, const char *name,
		 struct kecho_value *v, void *buf, size_t size)
{
	const struct ke_attrs *own, *node;
	int err = -ENOENT;

	pthread_mutex_lock(&ch->k->lock);
	if (!member)
		err = value_find(&ch->ch.attrs, name, v, buf, size);
	else if (find_attrs(ch, member, &own, &node))
		err = strncmp(name, "node.", 5) ? value_find(own, name, v, buf, size) :
						  value_find(node, name + 5, v, buf, size);
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}

int embedded_set(struct kecho *k, struct kecho_channel *ch, struct ke_member *m,
		 const char *name, const struct ke_value *v)
{
	int err;

	pthread_mutex_lock(&k->lock);
	err = m	 ? ke_member_set(m, name, v) :
	      ch ? ke_channel_set(&ch->ch, name, v) : ke_node_set(&k->node, name, v);
	pthread_mutex_unlock(&k->lock);
	return err;
}
