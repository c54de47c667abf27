// SPDX-License-Identifier: MIT
/*
 * What processes ask about: members, links, round trips, names, and the node itself.
 * A list goes out in answers of KD_ANSWER_MAX bytes; `from` and `next` are numbers of
 * entries.
 */
#include "daemon.h"
#include "probe.h"

void kd_entries_add(struct kd_entries *e, const void *entry)
{
	u32 room = e->room ? 2 * e->room : 64;
	u8 *buf = e->n < e->room ? e->buf : realloc(e->buf, (size_t)room * e->size);

	if (!buf)
		return; /* it is not told: there is no memory to tell it with */
	if (e->n == e->room)
		e->room = room;
	e->buf = buf;
	memcpy(buf + (size_t)e->n++ * e->size, entry, e->size);
}

void kd_entries_free(struct kd_entries *e)
{
	free(e->buf);
	e->buf = NULL;
	e->n = e->room = 0;
}

void kd_entries_answer(const struct kd_request *r, const struct kd_entries *e)
{
	struct kecho_ctl_list out = *(const struct kecho_ctl_list *)r->body;
	u64 from = min_t(u64, le64_to_cpu(out.from), e->n);
	u32 n = min_t(u32, e->n - from, KD_ANSWER_MAX / e->size);

	out.n = cpu_to_le32(n);
	out.more = cpu_to_le32(from + n < e->n);
	out.next = cpu_to_le64(from + n);
	out.entry_size = cpu_to_le32(e->size);
	kd_send(r->s, r->cmd, r->serial, 0, &out, sizeof(out),
		n ? e->buf + from * e->size : NULL, n * e->size, NULL, 0);
}

/* ------------------------------------------------------------------- members */

static u64 node_number(const struct ke_id *id)
{
	u64 n;

	memcpy(&n, id->b, sizeof(n));
	return n;
}

static bool is_mine(const struct kd_session *s, const struct ke_member *m)
{
	const struct kd_opening *o = m->role == KE_SOURCE ? ((struct kd_source *)m->owner)->o :
							    ((struct kd_sink *)m->owner)->o;

	return o && o->s == s;
}

struct kecho_ctl_member kd_describe_own(const struct kd_session *s, const struct ke_member *m)
{
	return (struct kecho_ctl_member){
		.id = cpu_to_le64(m->id),
		.node = cpu_to_le64(node_number(&s->d->k.node.self.node)),
		.role = m->role,
		.policy = m->policy,
		.state = KECHO_JOINED,
		.mine = is_mine(s, m),
		.traffic_class = m->traffic_class,
	};
}

static struct kecho_ctl_member describe_remote(const struct ke_remote *m)
{
	return (struct kecho_ctl_member){
		.id = cpu_to_le64(m->id),
		.node = cpu_to_le64(node_number(&m->presence->peer->contact.node)),
		.role = m->role,
		.policy = m->policy,
		.state = m->state,
		.remote = 1,
		.traffic_class = m->traffic_class,
	};
}

static void each_member(struct kd_opening *o, void (*fn)(void *arg, struct kecho_ctl_member *m),
			void *arg)
{
	struct kecho_ctl_member out;
	struct ke_presence *pr;
	struct ke_member *mine;
	struct ke_remote *m;

	if (o->c->ch.ended)
		return;
	list_for_each_entry(mine, &o->c->ch.members, list) {
		out = kd_describe_own(o->s, mine);
		fn(arg, &out);
	}
	list_for_each_entry(pr, &o->c->ch.presences, channel_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			if (m->state != KE_JOINED)
				continue;
			out = describe_remote(m);
			fn(arg, &out);
		}
	}
}

static struct kd_opening *opening_of(const struct kd_request *r, u32 channel)
{
	struct kd_opening *o = kd_opening(r->s, channel);

	if (!o)
		kd_refuse(r, -EBADF, "no channel %u of this process", channel);
	return o;
}

static void add_member(void *arg, struct kecho_ctl_member *m)
{
	kd_entries_add(arg, m);
}

void kd_members_request(const struct kd_request *r)
{
	const struct kecho_ctl_list *in = r->body;
	struct kd_entries all = { .size = sizeof(struct kecho_ctl_member) };
	struct kd_opening *o = opening_of(r, le32_to_cpu(in->channel));

	if (!o)
		return;
	each_member(o, add_member, &all);
	kd_entries_answer(r, &all);
	kd_entries_free(&all);
}

static void tell(struct kd_opening *o, struct kecho_ctl_member *m)
{
	m->channel = cpu_to_le32(o->handle);
	kd_note(o->s, KECHO_NOTE_MEMBER, m, sizeof(*m), NULL, 0);
}

/* The state of a member of another host has changed. */
void kd_tell_remote(struct ke_remote *m)
{
	struct kd_channel *c = m->presence->channel->owner;
	struct kecho_ctl_member out = describe_remote(m);
	struct kd_opening *o;

	c->d->changed = true;
	kd_live_remote(m);
	if (m->state != KE_JOINED)
		PROBE(member_gone, c->ch.name, m->id, m->state);
	list_for_each_entry(o, &c->openings, channel_list)
		if (o->watch)
			tell(o, &out);
}

/* The same of one of ours. */
void kd_tell_member(struct kd_channel *c, const struct ke_member *m, u8 state)
{
	struct kecho_ctl_member out;
	struct kd_opening *o;

	kd_live_own(c, m, state == KECHO_JOINED);
	if (state == KECHO_JOINED)
		PROBE(join, c->ch.name, m->id, m->role);
	else if (state == KECHO_LEFT)
		PROBE(leave, c->ch.name, m->id, m->role);
	else
		PROBE(member_gone, c->ch.name, m->id, state);
	if (c->ch.ended)	/* they have all left, which CHANNEL_END says */
		return;
	list_for_each_entry(o, &c->openings, channel_list) {
		if (!o->watch)
			continue;
		out = kd_describe_own(o->s, m);
		out.state = state;
		tell(o, &out);
	}
}

static void tell_there(void *arg, struct kecho_ctl_member *m)
{
	tell(arg, m);
}

void kd_watch_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kd_opening *o = opening_of(r, le32_to_cpu(in->channel));

	if (!o)
		return;
	o->watch = in->on;
	kd_answer(r, in);
	if (o->watch)
		each_member(o, tell_there, o);
}

/* --------------------------------------------------------------------- links */

static void add_link(struct kd_entries *all, const struct ke_peer *p)
{
	struct conn *c = p->link ? p->link->owner : NULL;
	struct kecho_ctl_link l = {
		.node = cpu_to_le64(node_number(&p->contact.node)),
		.up = !!c,
		.resumed = cpu_to_le64(p->resumed), .refused = cpu_to_le32(p->refused != 0),
		.oldest = cpu_to_le32(p->speaks.oldest), .newest = cpu_to_le32(p->speaks.newest),
	};

	if (!c && p->contact.address[0])
		l.error = cpu_to_le32((u32)p->error);
	else if (!c)
		l.error = cpu_to_le32((u32)-EDESTADDRREQ);
	strscpy(l.name, p->name, sizeof(l.name));
	strscpy(l.address, c ? c->address : p->contact.address, sizeof(l.address));
	if (c) {
		l.version = cpu_to_le32(p->link->version);
		l.rtt_ns = cpu_to_le64(c->rtt_ns);
		l.rx_bytes = cpu_to_le64(c->link.rx_bytes);
		l.tx_bytes = cpu_to_le64(c->link.tx_bytes);
	}
	kd_entries_add(all, &l);
}

void kd_links_request(const struct kd_request *r)
{
	struct kd_entries all = { .size = sizeof(struct kecho_ctl_link) };
	struct ke_peer *p;

	list_for_each_entry(p, &r->s->d->k.node.peers, list)
		add_link(&all, p);
	kd_entries_answer(r, &all);
	kd_entries_free(&all);
}

static struct ke_peer *peer_by_number(struct kd *d, u64 node)
{
	struct ke_peer *p;

	list_for_each_entry(p, &d->k.node.peers, list)
		if (p->link && node == node_number(&p->contact.node))
			return p;
	return NULL;
}

/* arg[0] is when it went out, arg[1] how long it took. */
void kd_pong(struct kd *d, u64 sent_ns, u64 rtt_ns)
{
	struct kd_wait *w;

	list_for_each_entry(w, &d->waits, list)
		if (w->cmd == KECHO_CMD_PING && w->arg[0] == sent_ns)
			w->arg[1] = max_t(u64, rtt_ns, 1);
	d->changed = true;
}

static bool ponged(struct kd_wait *w)
{
	return w->arg[1];
}

static void ping_over(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);

	((struct kecho_ctl_ping *)w->body)->rtt_ns = cpu_to_le64(w->arg[1]);
	if (in_time)
		kd_answer(&r, w->body);
	else
		kd_refuse(&r, -ETIMEDOUT, "ping: that node does not answer");
}

void kd_ping_request(const struct kd_request *r)
{
	const struct kecho_ctl_ping *in = r->body;
	struct ke_peer *p = peer_by_number(r->s->d, le64_to_cpu(in->node));
	u64 sent = max(r->s->d->last_ping_ns + 1, lib_clock_ns(CLOCK_MONOTONIC));
	struct kd_wait *w;

	if (!p) {
		kd_refuse(r, -ENOTCONN, "ping: no link to that node");
		return;
	}
	r->s->d->last_ping_ns = sent;
	w = kd_wait(r, NULL, in, le32_to_cpu(in->timeout_ms), ponged, ping_over);
	if (!w)
		return;
	w->arg[0] = sent;
	ke_link_send(p->link, KECHO_FRAME_PING, 0, sent, NULL, 0);
}

/* ----------------------------------------------------------- names, the node */

void kd_channels_request(const struct kd_request *r)
{
	const struct kecho_ctl_list *in = r->body;

	kd_list_names(r, le32_to_cpu(in->timeout_ms) ?: r->s->d->conf.timeout_ms);
}

void kd_channels_answer(const struct kd_request *r, const struct ke_reg_info *info, ssize_t n)
{
	struct kd_entries all = { .size = sizeof(struct kecho_ctl_channel_info) };
	struct kecho_ctl_channel_info c;
	ssize_t i;

	if (n < 0) {
		kd_refuse(r, n, "the registry does not answer");
		return;
	}
	for (i = 0; i < n; i++) {
		c = (struct kecho_ctl_channel_info){ .contacts = cpu_to_le32(info[i].contacts),
						     .other = cpu_to_le32(info[i].other) };
		memcpy(c.uuid, info[i].uuid.b, sizeof(c.uuid));
		strscpy(c.name, info[i].name, sizeof(c.name));
		kd_entries_add(&all, &c);
	}
	kd_entries_answer(r, &all);
	kd_entries_free(&all);
}

static void count_members(struct kd *d, struct kecho_ctl_status *st)
{
	u32 channels = 0, sources = 0, sinks = 0;
	struct kd_channel *c;
	struct kd_source *src;

	list_for_each_entry(c, &d->channels, list) {
		channels++;
		sinks += c->ch.sinks;
		list_for_each_entry(src, &c->sources, channel_list)
			sources++;
	}
	st->channels = cpu_to_le32(channels);
	st->sources = cpu_to_le32(sources);
	st->sinks = cpu_to_le32(sinks);
}

static void count_nodes(struct kd *d, struct kecho_ctl_status *st)
{
	u32 nodes = 0, links = 0;
	struct ke_peer *p;

	list_for_each_entry(p, &d->k.node.peers, list) {
		nodes++;
		links += !!p->link;
	}
	st->nodes = cpu_to_le32(nodes);
	st->links = cpu_to_le32(links);
}

void kd_status_request(const struct kd_request *r)
{
	struct kd *d = r->s->d;
	struct kecho_ctl_status st = {
		.uptime_ms = cpu_to_le64(lib_deadline(0) - d->started_ms),
		.pid = cpu_to_le32(getpid()),
		.abi = cpu_to_le32(KECHO_NODE_ABI),
		.processes = cpu_to_le32(d->nsessions),
		.memory_bytes = cpu_to_le64(d->memory),
		.user_memory_bytes = cpu_to_le64(r->s->user->memory),
		.user_memory_max = cpu_to_le64(d->conf.user_memory),
	};

	count_members(d, &st);
	count_nodes(d, &st);
	strscpy(st.version, KECHO_VERSION, sizeof(st.version));
	strscpy(st.name, d->k.node.name, sizeof(st.name));
	strscpy(st.listen, d->k.node.self.address, sizeof(st.listen));
	if (strscpy(st.registry, d->conf.registry, sizeof(st.registry)) < 0)
		strcpy(st.registry + sizeof(st.registry) - 4, "...");
	kd_answer(r, &st);
}
