// SPDX-License-Identifier: MIT
/*
 * What a process asks its node about: members, attributes, counters, links, channels.
 */
#include "client.h"
#include "feed.h"

static enum kecho_what kind_of(const struct kecho_channel *ch, const struct ke_member *m)
{
	return m ? KECHO_OF_MEMBER : ch ? KECHO_OF_CHANNEL : KECHO_OF_NODE;
}

int client_set(struct kecho *k, struct kecho_channel *ch, struct ke_member *m, const char *name,
	       const struct ke_value *v)
{
	struct kecho_ctl_attr set = { .what = cpu_to_le32(kind_of(ch, m)) };
	struct client_call call = { .cmd = KECHO_CMD_SET,
				    .handle = ch ? &ch->client->handle : NULL,
				    .handle_at = offsetof(struct kecho_ctl_attr, channel) };
	struct kvec req[2] = { { &set, sizeof(set) } };
	struct ke_attrs one = { 0 };
	int err = ke_attrs_set(&one, name, v, 0);

	if (err)
		return err;
	set.member = m ? cpu_to_le64(m->id) : 0;
	set.attrs_len = cpu_to_le32(one.len);
	req[1] = (struct kvec){ one.buf, one.len };
	err = client_call(k->client, &call, req, 2, 0);
	client_call_end(&call);
	ke_attrs_free(&one);
	if (err || !m)
		return err;
	/* The next node hears of it too. */
	pthread_mutex_lock(&k->lock);
	err = ke_attrs_set(&m->attrs, name, v, lib_deadline(0));
	pthread_mutex_unlock(&k->lock);
	return err;
}

/* The one attribute that the node has answered with. */
static int only_value(struct ke_in *in, const char *name, struct kecho_value *v, void *out,
		      size_t size)
{
	struct ke_attrs set = { 0 };
	int err = ke_attrs_get(&set, in, lib_deadline(0));

	err = err ?: value_find(&set, name, v, out, size);
	if (err == -ENOENT && !strncmp(name, "node.", 5))
		err = value_find(&set, name + 5, v, out, size);
	ke_attrs_free(&set);
	return err;
}

static int ask_value(struct kecho_channel *ch, uint64_t member, const char *name,
		     struct kecho_value *v, void *buf, size_t size)
{
	struct kecho_ctl_attr get = {
		.what = cpu_to_le32(member ? KECHO_OF_MEMBER : KECHO_OF_CHANNEL),
		.member = cpu_to_le64(member),
	};
	struct client_call call = { .cmd = KECHO_CMD_GET, .handle = &ch->client->handle,
				    .handle_at = offsetof(struct kecho_ctl_attr, channel) };
	struct kvec req = { &get, sizeof(get) };
	struct ke_in in;
	int err;

	if (strscpy(get.name, name, sizeof(get.name)) < 0)
		return -ENOENT;
	err = client_call(ch->k->client, &call, &req, 1, 0);
	if (!err && call.len < sizeof(get))
		err = -EPROTO;
	if (!err) {
		in = (struct ke_in){ .p = call.body + sizeof(get), .end = call.body + call.len };
		err = only_value(&in, name, v, buf, size);
	}
	client_call_end(&call);
	return err;
}

int client_get(struct kecho_channel *ch, uint64_t member, const char *name,
	       struct kecho_value *v, void *buf, size_t size)
{
	const struct ke_attrs *own, *node;
	int err;

	pthread_mutex_lock(&ch->k->lock);
	client_live_open(ch);
	err = client_live_get(ch, member, name, v, buf, size);
	/* Of a member that has gone the node knows nothing any more; we do. */
	if (err == -EAGAIN && member && find_gone(ch, member, &own, &node))
		err = strncmp(name, "node.", 5) ? value_find(own, name, v, buf, size) :
						  value_find(node, name + 5, v, buf, size);
	pthread_mutex_unlock(&ch->k->lock);
	return err == -EAGAIN ? ask_value(ch, member, name, v, buf, size) : err;
}

/* -------------------------------------------------------------------- lists */

/* Takes one entry; @at counts them all. */
typedef void (*take_fn)(void *to, size_t at, const void *entry);

struct listing {
	u32 cmd;
	size_t size;		/* of an entry, at least */
	size_t max;		/* entries that there is room for */
	take_fn take;
	void *to;
	const char *what, *name;
};

static int take_page(const struct listing *l, const struct client_call *call,
		     const struct kecho_ctl_list *list, size_t *n)
{
	u32 entries = le32_to_cpu(list->n), size = le32_to_cpu(list->entry_size), i;
	const u8 *p = call->body + sizeof(*list);

	if (entries && (size < l->size || (u64)entries * size > call->len - sizeof(*list)))
		return lib_fail(-EPROTO, "%s%s: the node's answer", l->what, l->name);
	for (i = 0; i < entries; i++, p += size, (*n)++)
		if (*n < l->max)
			l->take(l->to, *n, p);
	return 0;
}

/* How many there are, all of them. */
static ssize_t ask_list(struct kecho *k, struct kecho_channel *ch, const struct listing *l,
			unsigned int timeout_ms)
{
	struct kecho_ctl_list list = { 0 };
	struct kvec req = { &list, sizeof(list) };
	struct client_call call;
	size_t n = 0;
	u64 from;
	int err;

	do {
		from = le64_to_cpu(list.next);
		call = (struct client_call){ .cmd = l->cmd,
					     .handle = ch ? &ch->client->handle : NULL };
		list.timeout_ms = cpu_to_le32(timeout_ms);
		list.from = list.next;
		client_call(k->client, &call, &req, 1, timeout_ms);
		err = client_asked(&call, &list, sizeof(list), l->what, l->name);
		if (!err)
			err = take_page(l, &call, &list, &n);
		/* From no further on it would be asked for for ever. */
		if (!err && list.more && le64_to_cpu(list.next) <= from)
			err = lib_fail(-EPROTO, "%s%s: kechod's list has no end", l->what,
				       l->name);
		client_call_end(&call);
	} while (!err && list.more);
	return err ?: (ssize_t)n;
}

void client_member(const struct kecho_ctl_member *in, struct kecho_member *out)
{
	*out = (struct kecho_member){
		.id = le64_to_cpu(in->id), .node = le64_to_cpu(in->node),
		.role = (enum kecho_role)in->role, .policy = (enum kecho_policy)in->policy,
		.state = (enum kecho_member_state)in->state, .mine = in->mine,
		.remote = in->remote, .traffic_class = (enum kecho_class)in->traffic_class,
	};
}

static void take_member(void *to, size_t at, const void *entry)
{
	struct kecho_ctl_member in;

	memcpy(&in, entry, sizeof(in));
	client_member(&in, (struct kecho_member *)to + at);
}

ssize_t client_members(struct kecho_channel *ch, struct kecho_member *m, size_t max)
{
	struct listing l = { KECHO_CMD_MEMBERS, sizeof(struct kecho_ctl_member), max, take_member,
			     m, "members of ", ch->ch.name };

	return READ_ONCE(ch->ch.ended) ? 0 : ask_list(ch->k, ch, &l, 0);
}

static void take_stats(void *to, size_t at, const void *entry)
{
	struct kecho_member_stats *st = (struct kecho_member_stats *)to + at;
	struct kecho_ctl_stats in;

	memcpy(&in, entry, sizeof(in));
	client_member(&in.member, &st->member);
	st->events = le64_to_cpu(in.events);
	st->bytes = le64_to_cpu(in.bytes);
	st->lost = le64_to_cpu(in.lost);
	st->expired = le64_to_cpu(in.expired);
	st->lag_bytes = le64_to_cpu(in.lag_bytes);
	strscpy(st->node_name, in.node_name, sizeof(st->node_name));
}

ssize_t client_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
		     int timeout_ms)
{
	struct listing l = { KECHO_CMD_STATS, sizeof(struct kecho_ctl_stats), max, take_stats,
			     st, "counters of ", ch->ch.name };
	struct kecho_sink *s;

	/* The node reads ours where we leave them. */
	pthread_mutex_lock(&ch->k->lock);
	list_for_each_entry(s, &ch->sinks, list)
		feeds_release(s);
	pthread_mutex_unlock(&ch->k->lock);
	return ask_list(ch->k, ch, &l, timeout_ms < 0 ? OPEN_MS : timeout_ms);
}

static void take_link(void *to, size_t at, const void *entry)
{
	struct kecho_link_info *out = (struct kecho_link_info *)to + at;
	struct kecho_ctl_link in;

	memcpy(&in, entry, sizeof(in));
	memset(out, 0, sizeof(*out));
	out->node = le64_to_cpu(in.node);
	out->up = !!in.up;
	out->rtt_ns = le64_to_cpu(in.rtt_ns);
	out->rx_bytes = le64_to_cpu(in.rx_bytes);
	out->tx_bytes = le64_to_cpu(in.tx_bytes);
	out->resumed = le64_to_cpu(in.resumed);
	out->refused = in.refused != 0;
	out->version = le32_to_cpu(in.version);
	out->oldest = le32_to_cpu(in.oldest);
	out->newest = le32_to_cpu(in.newest);
	out->error = (int)le32_to_cpu(in.error);
	strscpy(out->name, in.name, sizeof(out->name));
	strscpy(out->address, in.address, sizeof(out->address));
}

ssize_t client_links(struct kecho *k, struct kecho_link_info *link, size_t max)
{
	struct listing l = { KECHO_CMD_LINKS, sizeof(struct kecho_ctl_link), max, take_link,
			     link, "links", "" };

	return ask_list(k, NULL, &l, 0);
}

static void take_channel(void *to, size_t at, const void *entry)
{
	struct kecho_channel_info *out = (struct kecho_channel_info *)to + at;
	struct kecho_ctl_channel_info in;

	memcpy(&in, entry, sizeof(in));
	strscpy(out->name, in.name, sizeof(out->name));
	memcpy(out->uuid, in.uuid, sizeof(out->uuid));
	out->contacts = le32_to_cpu(in.contacts);
	out->other = in.other != 0;
}

ssize_t client_channels(struct kecho *k, struct kecho_channel_info *c, size_t max)
{
	struct listing l = { KECHO_CMD_CHANNELS, sizeof(struct kecho_ctl_channel_info), max,
			     take_channel, c, "channels", "" };

	return ask_list(k, NULL, &l, k->timeout_ms);
}

int64_t client_ping(struct kecho *k, uint64_t node, int timeout_ms)
{
	u32 timeout = timeout_ms < 0 ? OPEN_MS : timeout_ms;
	struct kecho_ctl_ping ping = { .node = cpu_to_le64(node),
				       .timeout_ms = cpu_to_le32(timeout) };
	int err = client_ask(k->client, KECHO_CMD_PING, NULL, &ping, sizeof(ping), timeout,
			     "ping", "");

	return err ?: (int64_t)le64_to_cpu(ping.rtt_ns);
}

/* -------------------------------------------------------------------- watch */

int client_ask_watch(struct kecho_channel *ch, bool on)
{
	struct kecho_ctl_channel watch = { .on = cpu_to_le32(on) };

	ch->client->watched = on;
	return client_ask(ch->k->client, KECHO_CMD_WATCH, &ch->client->handle, &watch,
			  sizeof(watch), 0, "members of ", ch->ch.name);
}

/* What was said for the watcher of until now is of no concern to the next. */
static void end_watch(struct kecho_channel *ch)
{
	struct notice *n, *next;

	pthread_mutex_lock(&ch->k->lock);
	notices_end(ch);
	list_for_each_entry_safe(n, next, &ch->client->known, list) {
		list_del(&n->list);
		free(n);
	}
	pthread_mutex_unlock(&ch->k->lock);
}

int client_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg)
{
	int err = 0;

	end_watch(ch);
	if (ch->client->watched)
		err = client_ask_watch(ch, false);
	if (err || !fn)
		return err;
	pthread_mutex_lock(&ch->k->lock);
	ch->watch = fn;
	ch->watch_arg = arg;
	pthread_mutex_unlock(&ch->k->lock);
	err = client_ask_watch(ch, true);
	if (err)
		end_watch(ch);
	return err;
}
