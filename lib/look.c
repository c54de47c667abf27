// SPDX-License-Identifier: MIT
/*
 * Looking, of an embedded node: counters of members, links, round trips, the registry's channels.
 */
#include "counters.h"
#include "internal.h"

enum { CHANNELS_FIRST = 256 };	/* that there is room for at first */

static void put_all(struct ke_out *o, struct kecho_channel *ch)
{
	struct kecho_source_stats out;
	struct kecho_sink_stats in;
	struct kecho_source *src;
	struct kecho_sink *s;

	list_for_each_entry(src, &ch->sources, list) {
		kecho_source_stats(src, &out);
		ke_counters_put(o, &src->s.member, &(struct ke_counters){
			.events = out.submitted, .bytes = out.bytes, .lost = src->s.lost,
			.expired = out.expired,
		});
	}
	list_for_each_entry(s, &ch->sinks, list) {
		kecho_sink_stats(s, &in);
		ke_counters_put(o, &s->m, &(struct ke_counters){
			.events = in.received, .bytes = in.bytes, .lost = in.lost,
			.expired = in.expired, .lag_bytes = in.lag_bytes,
		});
	}
}

void stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	u8 *buf = malloc(KECHO_FRAME_BODY_MAX);
	struct ke_out o = { .buf = buf, .size = KECHO_FRAME_BODY_MAX };

	if (!buf) {
		ke_link_break(l);
		return;
	}
	ke_put_u64(&o, cookie);
	put_all(&o, ch->owner);
	ke_link_send(l, KECHO_FRAME_STATS, ch->index, 0, buf, o.len);
	free(buf);
}

static void take_stats(struct stat_query *q, struct ke_in *in, const struct kecho_member *base,
		       const char *name)
{
	struct kecho_member_stats st = { .member = *base };
	struct ke_counters c;

	strscpy(st.node_name, name, sizeof(st.node_name));
	while (ke_counters_get(in, &c)) {
		st.member.id = c.member;
		st.member.role = (enum kecho_role)c.role;
		st.member.policy = (enum kecho_policy)c.policy;
		st.events = c.events;
		st.bytes = c.bytes;
		st.lost = c.lost;
		st.expired = c.expired;
		st.lag_bytes = c.lag_bytes;
		if (q->n < q->max)
			q->st[q->n] = st;
		q->n++;
	}
}

void stats_in(struct ke_link *l, struct ke_channel *c, struct ke_peer *p, struct ke_in *in)
{
	struct kecho_channel *ch = c->owner;
	struct kecho_member base = { .state = KECHO_JOINED, .remote = !l->local };
	u64 cookie = ke_get_u64(in);

	if (!ch->query || ch->query->cookie != cookie)
		return;
	memcpy(&base.node, p->contact.node.b, sizeof(base.node));
	take_stats(ch->query, in, &base, p->name);
	if (ch->query->due)
		ch->query->due--;
	pthread_cond_broadcast(&ch->k->changed);
}

static void own_stats(struct kecho_channel *ch, struct stat_query *q)
{
	u8 *buf = malloc(KECHO_FRAME_BODY_MAX);
	struct ke_out o = { .buf = buf, .size = KECHO_FRAME_BODY_MAX };
	struct kecho_member base = { .state = KECHO_JOINED, .mine = 1 };
	struct ke_in in;

	if (!buf)
		return;
	put_all(&o, ch);
	memcpy(&base.node, ch->k->node.self.node.b, sizeof(base.node));
	in = (struct ke_in){ .p = buf, .end = buf + o.len };
	take_stats(q, &in, &base, ch->k->node.name);
	free(buf);
}

ssize_t embedded_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
		       int timeout_ms)
{
	struct kecho *k = ch->k;
	struct stat_query q = { .st = st, .max = max, .cookie = lib_house.random(k) };
	u64 deadline = lib_deadline(timeout_ms < 0 ? OPEN_MS : timeout_ms);

	pthread_mutex_lock(&k->lock);
	if (ch->query) {
		pthread_mutex_unlock(&k->lock);
		return lib_fail(-EBUSY, "channel '%s': another thread asks for counters",
				ch->ch.name);
	}
	ch->query = &q;
	q.due = ke_channel_ask_counters(&ch->ch, q.cookie);
	while (q.due && lib_wait(k, deadline))
		;
	/* Ours last: before they answer the others say what their sinks lost of our sources. */
	own_stats(ch, &q);
	ch->query = NULL;
	pthread_mutex_unlock(&k->lock);
	return q.n;
}

/* --------------------------------------------------------------------- links */

static void describe_link(const struct ke_peer *p, struct kecho_link_info *out)
{
	struct conn *c = p->link ? p->link->owner : NULL;

	memset(out, 0, sizeof(*out));
	memcpy(&out->node, p->contact.node.b, sizeof(out->node));
	strscpy(out->name, p->name, sizeof(out->name));
	strscpy(out->address, p->local ? "unix" : c ? c->address : p->contact.address,
		sizeof(out->address));
	out->up = !!c;
	out->resumed = p->resumed;
	out->oldest = p->speaks.oldest;
	out->newest = p->speaks.newest;
	out->refused = p->refused != 0;
	if (!c) {
		out->error = p->error;
		if (!p->local && !p->contact.address[0])
			out->error = -EDESTADDRREQ;
		return;
	}
	out->version = p->link->version;
	out->rtt_ns = c->rtt_ns;
	out->rx_bytes = c->link.rx_bytes;
	out->tx_bytes = c->link.tx_bytes;
}

ssize_t embedded_links(struct kecho *k, struct kecho_link_info *l, size_t max)
{
	struct ke_peer *p;
	size_t n = 0;

	pthread_mutex_lock(&k->lock);
	list_for_each_entry(p, &k->node.peers, list) {
		if (n < max)
			describe_link(p, &l[n]);
		n++;
	}
	pthread_mutex_unlock(&k->lock);
	return n;
}

static struct ke_peer *peer_by_number(struct kecho *k, uint64_t node)
{
	struct ke_peer *p;

	list_for_each_entry(p, &k->node.peers, list)
		if (p->link && !memcmp(&node, p->contact.node.b, sizeof(node)))
			return p;
	return NULL;
}

int64_t embedded_ping(struct kecho *k, uint64_t node, int timeout_ms)
{
	u64 deadline = lib_deadline(timeout_ms < 0 ? OPEN_MS : timeout_ms), sent;
	struct ke_peer *p;
	int64_t rtt = -ETIMEDOUT;

	pthread_mutex_lock(&k->lock);
	while (k->ping_peer && lib_wait(k, deadline))
		;
	p = k->ping_peer ? NULL : peer_by_number(k, node);
	if (!p) {
		pthread_mutex_unlock(&k->lock);
		return lib_fail(-ENOTCONN, "ping: no link to that node");
	}
	sent = lib_clock_ns(CLOCK_MONOTONIC);
	k->ping_peer = p;
	k->ping_sent = sent;
	ke_link_send(p->link, KECHO_FRAME_PING, 0, sent, NULL, 0);
	while (k->ping_peer && k->ping_sent == sent && lib_wait(k, deadline))
		;
	if (!k->ping_peer) {
		rtt = k->ping_rtt_ns;
		p = peer_by_number(k, node);
		if (p)
			((struct conn *)p->link->owner)->rtt_ns = rtt;
	}
	k->ping_peer = NULL;
	pthread_mutex_unlock(&k->lock);
	return rtt;
}

/* All that the registry has, in memory that is the caller's. */
static ssize_t list_all(struct kecho *k, struct ke_reg_info **info)
{
	size_t room = CHANNELS_FIRST;
	ssize_t n;

	for (;; room *= 2) {
		*info = calloc(room, sizeof(**info));
		if (!*info)
			return lib_fail(-ENOMEM, "the registry's channels");
		n = ke_reg_list(k->reg, *info, room, k->timeout_ms);
		if (n >= 0 && (size_t)n < room)
			return n;
		free(*info);
		if (n < 0)
			return lib_fail(n, "the registry does not answer");
	}
}

ssize_t embedded_channels(struct kecho *k, struct kecho_channel_info *c, size_t max)
{
	struct ke_reg_info *info;
	ssize_t n = list_all(k, &info), i;

	if (n < 0)
		return n;
	for (i = 0; i < n && (size_t)i < max; i++) {
		strscpy(c[i].name, info[i].name, sizeof(c[i].name));
		memcpy(c[i].uuid, info[i].uuid.b, sizeof(c[i].uuid));
		c[i].contacts = info[i].contacts;
		c[i].other = info[i].other;
	}
	free(info);
	return n;
}
