// SPDX-License-Identifier: MIT
/*
 * Channels: opening by name, members, attributes.
 */
#include "internal.h"

int value_check(const char *name, struct kecho_value v, struct ke_value *out)
{
	if (v.len > KECHO_ATTR_VALUE_MAX)
		return lib_fail(-E2BIG, "attribute '%s': %zu bytes; the most is %d", name, v.len,
				KECHO_ATTR_VALUE_MAX);
	*out = (struct ke_value){ .kind = v.kind, .len = v.len, .i64 = v.i64, .data = v.data };
	return 0;
}

int attrs_set(struct ke_attrs *a, const char *name, struct kecho_value v)
{
	struct ke_value value;
	int err = value_check(name, v, &value);

	if (err)
		return err;
	err = ke_attrs_set(a, name, &value);
	return err ? lib_fail(err, "attribute '%s'", name) : 0;
}

int attrs_load(struct ke_attrs *a, const struct kecho_attr *attr, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = attrs_set(a, attr[i].name, attr[i].value);
	if (err)
		ke_attrs_free(a);
	return err;
}

/* ------------------------------------------------------------------- opening */

/* The kecho lock is held, and let go meanwhile. */
int channel_wait(struct kecho_channel *ch, bool (*done)(const struct ke_channel *),
		 unsigned int timeout_ms)
{
	u64 deadline = lib_deadline(timeout_ms);

	while (!done(&ch->ch))
		if (!lib_wait(ch->k, deadline))
			return -ETIMEDOUT;
	return 0;
}

static int check_name(const char *name)
{
	const unsigned char *p;

	if (!name || !*name)
		return lib_fail(-EINVAL, "a channel without a name");
	if (strlen(name) > KECHO_NAME_MAX)
		return lib_fail(-EINVAL, "channel '%.20s…': a name of over %d bytes", name,
				KECHO_NAME_MAX);
	for (p = (const void *)name; *p; p++)
		if (*p < 0x21 || *p == '*' || *p == 0x7f)
			return lib_fail(-EINVAL, "channel '%s': byte 0x%02x in the name", name, *p);
	return 0;
}

static bool has_channel(struct kecho *k, const char *name)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &k->channels, list)
		if (!ch->ch.ended && !strcmp(ch->ch.name, name))
			return true;
	return false;
}

static int join(struct kecho_channel *ch, const char *name, unsigned int flags)
{
	struct ke_contact contact[KE_CONTACTS_MAX];
	unsigned int n = KE_CONTACTS_MAX, i, reg_flags = 0;
	struct kecho *k = ch->k;
	struct ke_id uuid;
	char why[160];
	int err;

	reg_flags |= flags & KECHO_EXISTING ? KE_REG_EXISTING : 0;
	reg_flags |= flags & KECHO_EXCLUSIVE ? KE_REG_EXCLUSIVE : 0;
	err = ke_reg_join(k->reg, name, reg_flags, ch->timeout_ms, &uuid, contact, &n, why,
			  sizeof(why));
	if (err)
		return lib_fail(err, "channel '%s': %s", name, why);
	pthread_mutex_lock(&k->lock);
	err = ke_channel_open(&ch->ch, &k->node, &uuid, name);
	if (err) {
		pthread_mutex_unlock(&k->lock);
		ke_reg_leave(k->reg, name);
		return lib_fail(err, "channel '%s': %d are open here, the most there can be", name,
				KE_CHANNELS_MAX);
	}
	ch->ch.owner = ch;
	list_add_tail(&ch->list, &k->channels);
	for (i = 0; i < n && !err; i++)
		err = ke_channel_contact(&ch->ch, &contact[i]);
	if (err == -ENOSPC)
		lib_fail(err, "channel '%s': %d nodes are known here, the most there can be", name,
			 KE_NODES_MAX);
	else if (err)
		lib_fail(err, "channel '%s'", name);
	if (!err) {
		channel_wait(ch, ke_channel_synced, ch->timeout_ms);
		err = lib_refused(ch);
	}
	/* None of those answers: the registry will know others soon. */
	if (!err && n && !names_linked(ch, contact, n))
		ke_reg_repair_later(k->reg, name);
	pthread_mutex_unlock(&k->lock);
	return err;
}

int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out)
{
	struct kecho_channel *ch;
	int err = check_name(name);

	if (err)
		return err;
	if (lib_forked(k))
		return lib_fail(-EBADF, "channel '%s': a child of fork has no part in it", name);
	pthread_mutex_lock(&k->lock);
	err = has_channel(k, name) ? -EBUSY : 0;
	pthread_mutex_unlock(&k->lock);
	if (err)
		return lib_fail(err, "channel '%s' is open here already", name);
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return lib_fail(-ENOMEM, "channel '%s'", name);
	ch->k = k;
	ch->retain = opt ? opt->retain : 0;
	ch->timeout_ms = opt && opt->timeout_ms ? opt->timeout_ms : k->timeout_ms;
	INIT_LIST_HEAD(&ch->sources);
	INIT_LIST_HEAD(&ch->sinks);
	INIT_LIST_HEAD(&ch->notices);
	err = join(ch, name, opt ? opt->flags : 0);
	if (!err)
		*out = ch;
	else if (ch->ch.node)
		kecho_channel_close(ch);
	else
		free(ch);
	return err;
}

void kecho_channel_close(struct kecho_channel *ch)
{
	struct kecho *k;
	struct notice *n, *next;

	if (!ch || lib_forked(ch->k))
		return;
	k = ch->k;
	kecho_channel_watch(ch, NULL, NULL);
	while (!list_empty(&ch->sources))
		kecho_source_close(list_first_entry(&ch->sources, struct kecho_source, list));
	while (!list_empty(&ch->sinks))
		kecho_sink_close(list_first_entry(&ch->sinks, struct kecho_sink, list));
	/* Of a destroyed one the name may be another's by now. */
	if (!READ_ONCE(ch->ch.ended))
		ke_reg_leave(k->reg, ch->ch.name);
	pthread_mutex_lock(&k->lock);
	ke_channel_close(&ch->ch);
	list_del(&ch->list);
	doorbells_close(ch);
	list_for_each_entry_safe(n, next, &ch->notices, list)
		free(n);
	pthread_mutex_unlock(&k->lock);
	free(ch);
}

const char *kecho_channel_name(const struct kecho_channel *ch)
{
	return ch->ch.name;
}

/* The kecho lock is held. That there is no memory for one will be told again. */
void channels_told(struct kecho *k)
{
	struct ke_reg_told t[TOLD_BATCH];
	struct kecho_channel *ch;
	unsigned int n, i;

	if (!atomic_exchange(&k->told, false))
		return;
	do {
		n = ke_reg_told(k->reg, t, TOLD_BATCH);
		for (i = 0; i < n; i++)
			list_for_each_entry(ch, &k->channels, list)
				if (!strcmp(ch->ch.name, t[i].name) &&
				    !ke_id_cmp(&ch->ch.uuid, &t[i].uuid) &&
				    ke_channel_contact(&ch->ch, &t[i].who))
					break;
	} while (n == TOLD_BATCH);
}

/* ------------------------------------------------------------------- members */

typedef void (*each_fn)(void *arg, const struct kecho_member *m);

static void describe_own(struct kecho *k, const struct ke_member *m, struct kecho_member *out)
{
	u64 node;

	memcpy(&node, k->node.self.node.b, sizeof(node));
	*out = (struct kecho_member){
		.id = m->id, .node = node, .role = (enum kecho_role)m->role,
		.policy = (enum kecho_policy)m->policy, .state = KECHO_JOINED, .mine = 1,
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

ssize_t kecho_members(struct kecho_channel *ch, struct kecho_member *m, size_t max)
{
	struct members all = { .m = m, .max = max };

	if (lib_forked(ch->k))
		return -EBADF;
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
	list_add_tail(&n->list, &ch->notices);
}

int kecho_channel_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg)
{
	struct kecho *k = ch->k;
	bool inside = pthread_equal(pthread_self(), k->helper);
	u64 one = 1;

	if (lib_forked(k))
		return -EBADF;
	pthread_mutex_lock(&k->lock);
	ch->watch = fn;
	ch->watch_arg = arg;
	while (ch->in_watch && !inside)
		pthread_cond_wait(&k->changed, &k->lock);
	if (fn)
		each_member(ch, notice_member, ch);
	pthread_mutex_unlock(&k->lock);
	if (write(k->wake, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

/* ---------------------------------------------------------------- attributes */

static int give_value(const struct ke_value *in, struct kecho_value *v, void *buf, size_t size)
{
	*v = (struct kecho_value){ .kind = (enum kecho_value_kind)in->kind, .i64 = in->i64 };
	if (in->kind == KE_VALUE_I64)
		return 0;
	v->len = min_t(size_t, in->len, size);
	if (v->len)
		memcpy(buf, in->data, v->len);
	v->data = buf;
	return 0;
}

static int find_value(const struct ke_attrs *a, const char *name, struct kecho_value *v, void *buf,
		      size_t size)
{
	struct ke_value in;
	int err = ke_attrs_find(a->buf, a->len, name, &in);

	return err ?: give_value(&in, v, buf, size);
}

int kecho_channel_get(struct kecho_channel *ch, const char *name, struct kecho_value *v, void *buf,
		      size_t size)
{
	int err;

	pthread_mutex_lock(&ch->k->lock);
	err = find_value(&ch->ch.attrs, name, v, buf, size);
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}

/* Of a member that has left while its events are still being read. */
static bool find_gone(struct kecho_channel *ch, uint64_t id, const struct ke_attrs **own,
		      const struct ke_attrs **node)
{
	struct kecho_sink *s;
	struct feed *f;

	list_for_each_entry(s, &ch->sinks, list) {
		list_for_each_entry(f, &s->feeds, list) {
			if (f->member != id || !f->gone)
				continue;
			*own = &f->attrs;
			*node = &f->node_attrs;
			return true;
		}
	}
	return false;
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

int kecho_member_get(struct kecho_channel *ch, uint64_t member, const char *name,
		     struct kecho_value *v, void *buf, size_t size)
{
	const struct ke_attrs *own, *node;
	int err = -ENOENT;

	pthread_mutex_lock(&ch->k->lock);
	if (find_attrs(ch, member, &own, &node))
		err = strncmp(name, "node.", 5) ? find_value(own, name, v, buf, size) :
						  find_value(node, name + 5, v, buf, size);
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}

int kecho_channel_set(struct kecho_channel *ch, const char *name, struct kecho_value v)
{
	struct ke_value value;
	int err = value_check(name, v, &value);

	if (err)
		return err;
	pthread_mutex_lock(&ch->k->lock);
	err = ke_channel_set(&ch->ch, name, &value);
	pthread_mutex_unlock(&ch->k->lock);
	return err ? lib_fail(err, "attribute '%s' of channel '%s'", name, ch->ch.name) : 0;
}

int kecho_node_set(struct kecho *k, const char *name, struct kecho_value v)
{
	struct ke_value value;
	int err = value_check(name, v, &value);

	if (err)
		return err;
	pthread_mutex_lock(&k->lock);
	err = ke_node_set(&k->node, name, &value);
	pthread_mutex_unlock(&k->lock);
	return err ? lib_fail(err, "attribute '%s' of the node", name) : 0;
}

int kecho_event_get(const struct kecho_event *ev, const char *name, struct kecho_value *v)
{
	struct ke_value in;
	int err;

	if (!ev->attrs || !ke_attrs_check(ev->attrs, ev->attrs_len))
		return -ENOENT;
	err = ke_attrs_find(ev->attrs, ev->attrs_len, name, &in);
	if (err)
		return err;
	*v = (struct kecho_value){ .kind = (enum kecho_value_kind)in.kind, .i64 = in.i64,
				   .data = in.data, .len = in.kind == KE_VALUE_I64 ? 0 : in.len };
	return 0;
}
