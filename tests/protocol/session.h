/* SPDX-License-Identifier: MIT */
/*
 * Nodes of today that do what a recording says, over connections whose other end a
 * program holds. A node's actions:
 *
 *	channel, close			the channel is opened, closed
 *	source, sink POLICY [retained]	a member joins
 *	class CLASS			of the next source
 *	end, no-source, no-sink		the source's last event, a member leaves
 *	submit N BYTES			so many events of so many bytes, with an attribute
 *	lives MS			so long are its next events of use; 0: they are over
 *	piece OFFSET TOTAL		a piece, of 100 bytes, of a larger event
 *	to first|nobody|all		its next events are for one sink: that with the lowest
 *					id; for none, for all
 *	read				the sink takes all that is there
 *	wait MS				so long for room; its limit is two seconds
 *	node NAME TEXT, attr NAME TEXT	an attribute of the node, of the channel
 *	source-attr NAME TEXT		one of the source
 *	promise MS, sign		of the next source; one, and a quarter goes by
 *	type NAME			one of its types, of that name
 *	ping, stat			ask all others
 *	freeze, thaw, destroy		the channel
 *	drain				begun, or its next question; four times it is over
 *	tick				half a second goes by
 *
 * and of all nodes: "connect AB": A dials B; "cut": all connections break.
 */
#ifndef PROTOCOL_SESSION_H
#define PROTOCOL_SESSION_H

#include <stdio.h>
#include <stdlib.h>

#include "filter_test.h"
#include "node_test.h"
#include "script.h"

#define NODES	WORLD_NODES
#define COOKIE	0x0c00c1e0c00c1eULL

struct session_nodes {
	struct world *w;
	bool lives[NODES];		/* is a node of today */
	struct conn *conn[NODES][NODES];	/* [of][to] */
	struct ke_house house;
	/* Said, but not taken yet. */
	u8 said[NODES][NODES][FRAME_MAX + PIPE_BYTES];
	size_t said_len[NODES][NODES];
};

static inline unsigned int node_number(char name)
{
	return (unsigned int)(name - 'A') % NODES;
}

/* As docs/protocol.md has it; these nodes count nothing. */
static void session_stats(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	struct ke_member *m;
	u8 buf[512];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u32 i;

	ke_put_u64(&o, cookie);
	list_for_each_entry(m, &ch->members, list) {
		ke_put_u64(&o, m->id);
		ke_put_u8(&o, m->role);
		ke_put_u8(&o, m->policy);
		for (i = 0; i < 5; i++)
			ke_put_u64(&o, 0);
	}
	ke_link_send(l, KECHO_FRAME_STATS, ch->index, 0, buf, o.len);
}

/* Of the last session. */
static void session_end(struct session_nodes *s)
{
	unsigned int i;

	for (i = 0; i < NODES && s->w; i++) {
		if (s->lives[i] && s->w->n[i].has_sink)
			sink_close(&s->w->n[i]);
		if (s->lives[i])
			ke_drain_end(&s->w->n[i].ch);
	}
	if (s->w)
		world_free(s->w);
	memset(s, 0, sizeof(*s));
}

/* @who: the nodes of today, by their letters. */
static void session_begin(struct session_nodes *s, const char *who)
{
	unsigned int i;

	session_end(s);
	s->w = world_new(0, 1);
	if (!s->w)
		abort();
	s->house = test_house;
	s->house.stats = session_stats;
	for (; *who; who++) {
		i = node_number(*who);
		node_make(s->w, i);
		s->w->n[i].node.house = &s->house;
		s->lives[i] = true;
	}
}

static void connect_one(struct session_nodes *s, unsigned int of, unsigned int to, bool dialled)
{
	if (!s->lives[of])
		return;
	s->conn[of][to] = conn_new(&s->w->n[of], dialled);
	if (!s->conn[of][to])
		abort();
	s->conn[of][to]->raw = true;
}

static void cut_all(struct session_nodes *s)
{
	memset(s->conn, 0, sizeof(s->conn));
	world_cut(s->w);
}

static bool join_sink(struct tnode *tn, const char *policy, bool retained)
{
	tn->sink = (struct ke_member){ .owner = tn, .role = KE_SINK };
	if (!strcmp(policy, "block"))
		tn->sink.policy = 1;
	else if (!strcmp(policy, "disconnect"))
		tn->sink.policy = 2;
	else if (strcmp(policy, "latest"))
		return false;
	tn->has_sink = true;
	tn->ch.sinks++;
	tn->ch.gated += tn->sink.policy == 1;
	return !ke_channel_subscribe(&tn->ch, retained) && !ke_member_join(&tn->sink, &tn->ch);
}

static bool address(struct tnode *tn, const char *to)
{
	const struct ke_roster *r;

	tn->names = strcmp(to, "all");
	tn->to = 0;
	if (!tn->names || ke_source_address(&tn->src))
		return !tn->names;
	r = tn->src.choice->roster;
	if (!strcmp(to, "first") && r->n)
		tn->to = cpu_to_le64(r->sink[0].id);
	return tn->to || !strcmp(to, "nobody");
}

/* An event with an attribute, or a piece of one; few different bytes, to be read. */
static bool submit_event(struct tnode *tn, u32 len, u32 offset, u32 total)
{
	static const u8 attrs[] = { KE_VALUE_STRING, 1, 2, 0, 'k', 'v', 'w' };
	struct ke_event_info info = { .time_ns = 1700000000000000000ULL, .frag_offset = offset,
				      .frag_total = total, .judged = tn->judges,
				      .bits = tn->bits, .generation = 1,
				      .deadline_ns = tn->deadline_ns, .named = tn->names,
				      .to = &tn->to, .nto = tn->to != 0 };
	struct ke_source *s = &tn->src;
	u64 seq = 0, size = len + 128;
	bool good;

	if (!total) {
		info.attrs = attrs;
		info.attrs_len = sizeof(attrs);
	}
	memset(tn->w->event, 'a' + (int)(s->log.seq % 26), len);
	h_source_lock(s);
	good = ke_log_room(&s->log, size, ke_source_limit(s, s->log.end + size)) &&
	       ke_source_unpinned(s, size) &&
	       !ke_log_append(&s->log, &info, tn->w->event, len, s->limit, &seq);
	ke_log_publish(&s->log);
	h_source_unlock(s);
	return good;
}

/* Of its next events; or of what the others want of it. */
static bool judge(struct tnode *tn, const char *what, u64 bits)
{
	struct ke_tstream *ts;

	if (!strcmp(what, "judges")) {
		tn->judges = true;
		tn->bits = bits;
		return true;
	}
	if (!strcmp(what, "lives")) {
		tn->deadline_ns = bits ? h_realtime_ns(tn) + bits * 1000000 : 1;
		return true;
	}
	list_for_each_entry(ts, &tn->src.streams, source_list) {
		h_tx_lock(ts->link);
		ke_tstream_want(ts, bits, false, 0);
		h_tx_unlock(ts->link);
	}
	return !strcmp(what, "wanted");
}

/* Its sink wants events of more than @n bytes; 0: all. */
static bool set_filter(struct tnode *tn, u32 n)
{
	static struct parts parts;
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};
	char why[KE_TYPE_WHY_MAX];

	if (!n)
		return !ke_member_filter(&tn->sink, NULL, 0, NULL, 0, why);
	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_join(&parts);
	return !ke_member_filter(&tn->sink, parts.wire, parts.wire_len, NULL, 0, why);
}

/* Each answer comes between two actions, so the steps of the limit are some of these. */
static bool wait_for_room(struct tnode *tn, u32 ms)
{
	struct ke_source *s = &tn->src;
	bool due;

	s->stall_ms = 2 * KE_STALL_ASK_MS;
	h_source_lock(s);
	ke_source_stalled(s, KE_LOG_SIZE_MIN / 8);
	tn->w->now += ms;
	due = ke_source_stalled(s, KE_LOG_SIZE_MIN / 8);
	h_source_unlock(s);
	if (due)
		ke_source_end_stalled(s);
	return due;
}

static bool set_attr(struct tnode *tn, const char *what, const char *name, const char *text)
{
	struct ke_value v = { .kind = KE_VALUE_STRING, .data = text, .len = strlen(text) };

	if (!strcmp(what, "node"))
		return !ke_node_set(&tn->node, name, &v);
	if (!strcmp(what, "attr"))
		return !ke_channel_set(&tn->ch, name, &v);
	return !ke_member_set(&tn->src.member, name, &v);
}

static bool announce(struct tnode *tn, const char *name)
{
	struct ke_field f[] = {
		{ .name_len = 3, .kind = KE_FIELD_SIGNED, .offset = 8, .size = 4 },
		{ .name = 3, .name_len = 4, .kind = KE_FIELD_STRING, .offset = 12, .size = 20 },
	};
	struct ke_type t = { .size = 32, .fields = f, .nfields = 2, .name = 7,
			     .name_len = strlen(name) };
	char names[80], why[KE_TYPE_WHY_MAX];
	u8 wire[256];
	int len;

	snprintf(names, sizeof(names), "cpuhost%s", name);
	t.names = names;
	len = ke_type_encode(&t, wire, sizeof(wire));
	return len > 0 && ke_source_announce(&tn->src, &tn->node, wire, len, why) > 0;
}

static void ask_all(struct session_nodes *s, unsigned int i, bool stat)
{
	struct ke_peer *p;

	list_for_each_entry(p, &s->w->n[i].node.peers, list) {
		if (!p->link)
			continue;
		if (stat)
			ke_link_send(p->link, KECHO_FRAME_STAT, s->w->n[i].ch.index, COOKIE, NULL,
				     0);
		else
			ke_link_send(p->link, KECHO_FRAME_PING, 0, COOKIE, NULL, 0);
	}
}

static bool drain_step(struct ke_channel *ch)
{
	u32 lag, silent;
	int n;

	if (!ch->drain && ke_drain_begin(ch))
		return false;
	n = ke_drain_step(ch, &lag, &silent);
	if (n)
		ke_drain_end(ch);
	return n >= 0;
}

static void give_sign(struct tnode *tn)
{
	tn->hdr->alive = cpu_to_le64(le64_to_cpu(tn->hdr->alive) + 1);
	tn->w->now += ke_promise_step(tn->alive_ms);
	ke_node_tell(&tn->node);
}

static bool act_whole(struct ke_channel *ch, const char *what)
{
	if (!strcmp(what, "freeze"))
		ke_channel_freeze(ch);
	else if (!strcmp(what, "thaw"))
		ke_channel_thaw(ch);
	else if (!strcmp(what, "destroy"))
		ke_channel_destroy(ch);
	else
		return !strcmp(what, "drain") && drain_step(ch);
	return true;
}

static bool act_plain(struct session_nodes *s, unsigned int i, const char *what)
{
	struct tnode *tn = &s->w->n[i];

	if (!strcmp(what, "channel")) {
		channel_open(tn);
	} else if (!strcmp(what, "close")) {
		ke_channel_close(&tn->ch);
		tn->open = false;
	} else if (!strcmp(what, "source")) {
		return source_open(tn, 0);
	} else if (!strcmp(what, "end")) {
		ke_source_end(&tn->src);
	} else if (!strcmp(what, "no-source")) {
		source_close(tn);
	} else if (!strcmp(what, "no-sink")) {
		sink_close(tn);
	} else if (!strcmp(what, "read")) {
		sink_read(tn);
	} else if (!strcmp(what, "sign")) {
		give_sign(tn);
	} else if (!strcmp(what, "tick")) {
		s->w->now += KE_HEARTBEAT_MS;
		ke_node_tick(&tn->node);
	} else if (!strcmp(what, "ping") || !strcmp(what, "stat")) {
		ask_all(s, i, *what == 's');
	} else {
		return act_whole(&tn->ch, what);
	}
	return true;
}

static bool set_class(struct tnode *tn, const char *name)
{
	static const char *const names[] = { "normal", "urgent", "bulk" };
	u8 i;

	for (i = 0; i < KE_CLASSES; i++) {
		if (!strcmp(name, names[i])) {
			tn->traffic_class = i;
			return true;
		}
	}
	return false;
}

/* One action; false: it is none, or fails. Those of nodes that are not here are done. */
static bool session_act(struct session_nodes *s, const char *text)
{
	char who[8], what[32], arg[64], text2[64];
	int n = sscanf(text, "%7s %31s %63s %63s", who, what, arg, text2);
	unsigned int i, j, count, bytes;

	if (!strcmp(who, "cut") && n == 1) {
		cut_all(s);
		return true;
	}
	if (!strcmp(who, "connect") && n == 2) {
		i = node_number(what[0]);
		j = node_number(what[1]);
		connect_one(s, i, j, true);
		connect_one(s, j, i, false);
		return true;
	}
	i = node_number(who[0]);
	if (n < 2 || !s->lives[i])
		return n >= 2;
	if (sscanf(text, "%*s submit %u %u", &count, &bytes) == 2) {
		while (count-- && bytes < KE_RECORD_MAX)
			if (!submit_event(&s->w->n[i], bytes, 0, 0))
				return false;
		return true;
	}
	if (sscanf(text, "%*s promise %u", &s->w->n[i].alive_ms) == 1)
		return true;
	if (sscanf(text, "%*s filter %u", &count) == 1)
		return set_filter(&s->w->n[i], count);
	if (sscanf(text, "%*s wait %u", &count) == 1)
		return wait_for_room(&s->w->n[i], count);
	if (sscanf(text, "%*s piece %u %u", &count, &bytes) == 2)
		return submit_event(&s->w->n[i], 100, count, bytes);
	if (!strcmp(what, "sink") && n >= 3)
		return join_sink(&s->w->n[i], arg, n == 4);
	if (sscanf(text, "%*s %*s %u", &count) == 1 && n == 3)
		return judge(&s->w->n[i], what, count);
	if (!strcmp(what, "class") && n == 3)
		return set_class(&s->w->n[i], arg);
	if (!strcmp(what, "to") && n == 3)
		return address(&s->w->n[i], arg);
	if (!strcmp(what, "type") && n == 3)
		return announce(&s->w->n[i], arg);
	if (n == 4)
		return set_attr(&s->w->n[i], what, arg, text2);
	return act_plain(s, i, what);
}

/* What the node has to say by now. */
static size_t pull(struct conn *c, u8 *to, size_t room)
{
	struct kvec v[KE_TX_VECS];
	size_t part, n = 0;
	u32 i, nvec;

	h_tx_lock(&c->link);
	nvec = ke_link_tx(&c->link, v);
	for (i = 0; i < nvec; i++) {
		part = min_t(size_t, v[i].iov_len, room - n);
		memcpy(to + n, v[i].iov_base, part);
		n += part;
	}
	ke_link_tx_done(&c->link, n);
	h_tx_unlock(&c->link);
	return n;
}

/* The next whole frame that node @of says to @to, into @p; its length, or 0. */
static size_t session_frame(struct session_nodes *s, unsigned int of, unsigned int to, u8 *p)
{
	struct conn *c = s->conn[of][to];
	size_t *len = &s->said_len[of][to], frame;
	u8 *said = s->said[of][to];

	if (!c || c->lost) {
		*len = 0;
		return 0;
	}
	*len += pull(c, said + *len, sizeof(s->said[of][to]) - *len);
	if (*len < KECHO_FRAME_HEADER_SIZE)
		return 0;
	frame = KECHO_FRAME_HEADER_SIZE + get_unaligned_le32(said);
	if (frame > FRAME_MAX || frame > *len)
		return 0;
	memcpy(p, said, frame);
	*len -= frame;
	memmove(said, said + frame, *len);
	return frame;
}

/* Bytes that node @of gets from @from; 0, or why it hangs up. */
static int session_give(struct session_nodes *s, unsigned int of, unsigned int from, const u8 *p,
			size_t len)
{
	struct conn *c = s->conn[of][from];

	if (!c || c->closed)
		return -ENOTCONN;
	while (len && !c->closed) {
		u32 part = min_t(size_t, len, PIPE_BYTES);

		memcpy(c->in, p, part);
		c->in_len = part;
		while (c->in_len && !c->closed)
			conn_rx(c);
		p += part;
		len -= part;
	}
	return c->err;
}

#endif
