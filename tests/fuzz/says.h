/* SPDX-License-Identifier: MIT */
/*
 * What hostile nodes say and, those of this host, write to what they share. Most of
 * it is nearly good, so that the input gets past the first checks.
 */
#ifndef FUZZ_SAYS_H
#define FUZZ_SAYS_H

#include "house.h"

enum {
	BODY_MAX = 255,
	EXTRAS = KE_TX_FRAMES,	/* sources; with the first more than one go takes */
	LOGS = 3,		/* of a hostile node */
};

/* More members of ours. */
static struct {
	struct ke_source src[EXTRAS];
	struct kecho_log_header *hdr[EXTRAS];
	u8 *ring[EXTRAS];
	bool open;
	struct ke_member sink;
	bool has_sink;
} more;

/* ---------------------------------------------------------------- what they say */

/* What the node gets, in pieces as the input says. */
static void give(struct conn *c, const void *data, u32 len)
{
	if (c->closed || c->lost)
		return;
	check(c->in_len + len <= PIPE_BYTES);
	memcpy(c->in + c->in_len, data, len);
	c->in_len += len;
	while (c->in_len && !c->closed)
		conn_rx(c);
}

static void frame(struct conn *c, u8 type, u32 id, u64 pos, const void *body, u32 len)
{
	static u8 buf[sizeof(struct kecho_frame) + TEST_LOG];
	struct kecho_frame hdr = {
		.len = cpu_to_le32(len), .type = type, .id = cpu_to_le32(id),
		.pos = cpu_to_le64(pos),
	};

	check(len <= TEST_LOG);
	memcpy(buf, &hdr, sizeof(hdr));
	if (len)
		memcpy(buf + sizeof(hdr), body, len);
	give(c, buf, sizeof(hdr) + len);
}

static void send_out(struct conn *c, u8 type, u32 id, u64 pos, const struct ke_out *o)
{
	check(!o->bad);
	frame(c, type, id, pos, o->buf, o->len);
}

/* One of a few nodes: larger ids than ours and smaller ones, and our own. */
static struct ke_id some_node(u8 which)
{
	static const u8 ids[] = { 0x77, 0x78, 0x05, 0x10 };
	struct ke_id id;

	memset(&id, ids[which & 3], sizeof(id));
	return id;
}

static void put_contact(struct ke_out *o, u8 which)
{
	struct ke_contact c = { .node = some_node(which), .incarnation = which >> 4 & 1 };

	memset(&c.host, which & 4 ? 0x20 : 0x78, sizeof(c.host));	/* ours: 0x20 */
	strscpy(c.address, which & 8 ? "10.0.0.7:1" : "", sizeof(c.address));
	ke_put_contact(o, &c);
}

static void hello(struct conn *c, u8 who, u8 how)
{
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u32(&o, KECHO_PROTOCOL_VERSION + !(how & 15));
	ke_put_u32(&o, KECHO_PROTOCOL_VERSION + 1);
	put_contact(&o, who);
	ke_put_str(&o, "fuzz");
	ke_put_u16(&o, how == 0x81);
	ke_put_bytes(&o, buf, how >> 4);
	ke_put_u32(&o, KE_KNOWS);
	ke_put(&o, buf, how & 64 ? 9 : 0);	/* of a newer version */
	send_out(c, KECHO_FRAME_HELLO, 0, 0, &o);
}

/* The place of log @log of this peer; NULL: none, or nothing has come yet. */
static struct feed *feed_of(const struct conn *c, u32 log)
{
	struct feed *feed;

	for (feed = f.tn->feeds; feed; feed = feed->next)
		if (feed->begun && feed->rs && feed->rs->peer == c->link.peer &&
		    feed->rs->remote->log == log)
			return feed;
	return NULL;
}

static u64 some_pos(const struct conn *c, u32 log)
{
	struct feed *feed = feed_of(c, log);
	u8 how = take_u8(&f.in);
	u64 pos = 0;

	if (how & 1)
		pos = feed ? feed->rs->mirror.end : 0;
	else if (how & 2)
		pos = f.tn->has_src ? f.tn->src.log.head : 0;
	else if (how & 4)
		return take_u64(&f.in);
	return how & 8 ? pos + 8 * (s64)(s16)take_u16(&f.in) : pos;
}

static u32 our_log(u8 which)
{
	u32 i = which % (EXTRAS + 1);

	if (i < EXTRAS && more.open)
		return more.src[i].id;
	return f.tn->has_src ? f.tn->src.id : which;
}

static void put_attr(struct ke_out *o)
{
	u8 kind = take_u8(&f.in), how = take_u8(&f.in), len = how % 16;
	u8 value[16] = { how >> 4 };

	ke_put_u8(o, kind % 5);
	ke_put_u8(o, 1);
	if (kind % 5 == KE_VALUE_I64)
		len = 8 + (kind > 200);
	ke_put_u16(o, len);
	ke_put_u8(o, kind & 128 ? 'a' : 'b');
	ke_put(o, value, len);
}

/* A set as it travels: with ages, of a channel also with versions. */
static void put_set(struct ke_out *o, u32 n, bool versions)
{
	u8 set[64];
	struct ke_out attrs = { .buf = set, .size = sizeof(set) };
	u32 i;

	for (i = 0; i < n; i++)
		put_attr(&attrs);
	ke_put_bytes(o, set, attrs.len);
	for (i = 0; i < n; i++)
		ke_put_u32(o, take_u8(&f.in) << 4);
	for (i = 0; versions && i < n; i++)
		ke_put_u64(o, (s8)take_u8(&f.in));
}

static void say_channel(struct conn *c, u8 how)
{
	u8 body[20] = { 1, 2, 3 };

	body[0] += how >> 6 == 3;
	frame(c, KECHO_FRAME_CHANNEL, 1 + (how & 1), 0, body, sizeof(body));
}

static void say_member(struct conn *c, u8 how)
{
	u8 buf[128], log = 1 + how % LOGS;
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, how & 8 ? log : how);
	ke_put_u8(&o, how & 16 ? KE_SINK : KE_SOURCE);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, how & 4);
	ke_put_u32(&o, log);
	ke_put_u64(&o, TEST_LOG << (how & 32 ? take_u8(&f.in) % 12 : 0));
	put_set(&o, how >> 7, false);
	if (how & 2) {	/* a class, which may be none, a promise, and what newer nodes say */
		ke_put_u8(&o, how >> 4 & 3);
		ke_put_u32(&o, take_u8(&f.in) << 6);
		ke_put(&o, "new", how >> 6);
	}
	send_out(c, how & 64 ? KECHO_FRAME_MEMBER_GONE : KECHO_FRAME_MEMBER, 1, 0, &o);
}

static void say_nodes(struct conn *c, u8 how)
{
	u8 buf[512];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_id id;

	if (how & 64) {
		id = some_node(how);
		ke_put(&o, &id, sizeof(id));
		send_out(c, KECHO_FRAME_MEET, 1, 0, &o);
		return;
	}
	put_contact(&o, how);
	if (how & 32)
		put_contact(&o, take_u8(&f.in));
	send_out(c, KECHO_FRAME_NODES, 1, 0, &o);
}

static void say_subscribe(struct conn *c, u8 how)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u64 pos = how & 128 ? some_pos(c, 1) : 0;

	ke_put_u8(&o, how & 3);
	ke_put_u8(&o, how >> 2 & 1);
	ke_put_u32(&o, how >> 3 & 7);
	ke_put_u64(&o, take_u8(&f.in));
	send_out(c, KECHO_FRAME_SUBSCRIBE, our_log(take_u8(&f.in)), pos, &o);
}

static void say_start(struct conn *c, u8 how)
{
	u8 buf[16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u32 log = 1 + how % LOGS;
	u64 pos = some_pos(c, log);

	ke_put_u64(&o, how >> 4);
	if (how & 8)
		ke_put_u8(&o, how >> 7);
	else
		ke_put_u64(&o, how & 64 ? how : 0);
	send_out(c, how & 8 ? KECHO_FRAME_END : KECHO_FRAME_START, log, pos, &o);
}

static void say_ack(struct conn *c, u8 how)
{
	u8 buf[16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u64 pos = some_pos(c, 0);

	ke_put_u64(&o, how & 8 ? take_u64(&f.in) : pos + TEST_LOG);
	ke_put_u64(&o, how & 7);
	send_out(c, KECHO_FRAME_ACK, our_log(how >> 4), pos, &o);
}

/* Nearly good: it goes on from where our mirror is. */
static void say_pass(struct conn *c, u8 how)
{
	u8 buf[24];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u32 log = 1 + how % LOGS;
	struct feed *feed = feed_of(c, log);
	u64 seq = feed ? feed->rs->mirror.seq : 0;

	ke_put_u64(&o, seq + (how >> 4 & 3));
	ke_put_u64(&o, seq + (how >> 6));
	ke_put_u64(&o, how >> 5 & 1);
	send_out(c, KECHO_FRAME_PASS, log, some_pos(c, log), &o);
}

/* The same, with a record of 32 bytes that is good, often. */
static void say_picked(struct conn *c, u8 how)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	u32 log = 1 + how % LOGS;
	struct feed *feed = feed_of(c, log);
	u64 seq = feed ? feed->rs->mirror.seq : 0;

	ke_put_u64(&o, seq + (how >> 6));
	ke_put_u8(&o, how >> 2 & 8);
	if (how & 32)
		ke_put_u8(&o, how >> 4 & 1);
	ke_put(&o, "\x51\x20\x02\x03\0\0abcdefgh", how & 8 ? take_u8(&f.in) & 15 : 13);
	send_out(c, KECHO_FRAME_PICKED, log, some_pos(c, log), &o);
}

/* What time it is there, as we asked, or as nobody did: about ours, and before or behind. */
static void say_clock(struct conn *c, u8 how)
{
	__le64 real = cpu_to_le64(h_realtime_ns(f.tn) + 100000000 * (u64)(s8)take_u8(&f.in));

	frame(c, KECHO_FRAME_PONG, 0, how & 3 ? c->link.asked_ns : how & 4, &real, sizeof(real));
}

static void say_stall(struct conn *c, u8 how)
{
	u32 log = 1 + how % LOGS;
	u8 end = how >> 2 & 3;

	if (how & 64)
		(how & 128 ? say_picked : say_pass)(c, how);
	else if (how & 32)
		say_clock(c, how);
	else
		frame(c, KECHO_FRAME_STALL, log, some_pos(c, log), &end, how != 31);
}

/* By which it was asked last. */
static u64 drain_number(const struct conn *c)
{
	const struct ke_presence *pr;

	if (!f.tn->open)
		return 0;
	list_for_each_entry(pr, &f.tn->ch.presences, channel_list)
		if (pr->peer->link == &c->link)
			return pr->drain_asked;
	return 0;
}

/* Of a channel as a whole; it is destroyed seldom, as that ends much. */
static void say_whole(struct conn *c, u8 how)
{
	struct ke_channel *ch = &f.tn->ch;
	u8 body[52], kind = how % 5;
	u64 pos = how & 8 ? take_u8(&f.in) : kind == 3 ? drain_number(c) : ch->freeze;
	u32 len = kind == 3 ? 4 + 16 * (how >> 4 & 3) : 16 * (how >> 4 & 3);

	take_bytes(&f.in, body, len);
	if (kind < 4)
		frame(c, KECHO_FRAME_FREEZE + kind, 1, pos, body, how < 250 ? len : 7);
	else if (how > 60)
		frame(c, KECHO_FRAME_DESTROY, 1, 0, NULL, 0);
}

/* Live ones of the node, the channel, or one of its members; perhaps not all is there. */
static void say_attr(struct conn *c, u8 how)
{
	u8 buf[192];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	bool channel = how & 12, member = how & 8;

	ke_put_u64(&o, member ? take_u8(&f.in) : 0);
	put_set(&o, how % 4, channel && !member);
	if (how & 16)
		o.len -= take_u8(&f.in) % o.len;
	send_out(c, KECHO_FRAME_ATTR, channel || how & 64, 0, &o);
}

#define SMALL_TYPE (16 + 20 + 2)

/* Of 128 kinds, half of them such that filters can't read their field. */
static void small_type(u8 *wire, u8 how)
{
	struct ke_field field = { .name = 1, .name_len = 1, .kind = KE_FIELD_UNSIGNED,
				  .size = 1 << (how & 3), .offset = how & 64 ? 40000 : 0 };
	struct ke_type t = { .names = "tf", .name_len = 1, .nfields = 1, .fields = &field,
			     .size = field.offset + 8 + (how >> 2 & 15) };

	check(ke_type_encode(&t, wire, SMALL_TYPE) == SMALL_TYPE);
}

/* A type of a source of theirs, perhaps with a byte that is wrong. */
static void say_type(struct conn *c, u8 how)
{
	u8 buf[8 + SMALL_TYPE];

	put_unaligned_le64(1 + how % LOGS, buf);
	small_type(buf + 8, how);
	if (how & 64)
		buf[take_u8(&f.in) % sizeof(buf)] ^= take_u8(&f.in);
	frame(c, KECHO_FRAME_TYPE, 1, how & 128 ? take_u8(&f.in) % 18 : how >> 2 & 15, buf,
	      sizeof(buf));
}

/* What a node of this host answers to a TYPE of ours. */
static void say_type_ack(struct conn *c, u8 how)
{
	__le64 id = cpu_to_le64(f.tn->src.member.id);

	frame(c, KECHO_FRAME_MEMBER_ACK, 1, how % (KE_TYPES_MAX + 2), &id, sizeof(id));
}

static void say_any(struct conn *c, u8 how)
{
	static const u8 types[] = { 1, 128, 3, 4, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
				    32, 33, 34, 35, 36, 129, 37, 38, 39, 40, 41, 42, 43, 44,
				    255, 48 };
	u8 body[BODY_MAX];
	u32 id = take_u8(&f.in) % 5, len = take_u8(&f.in);
	u64 pos = some_pos(c, id);

	if (types[how % ARRAY_SIZE(types)] == KECHO_FRAME_TYPE) {
		if (how & 128)
			say_type_ack(c, take_u8(&f.in));
		else
			say_type(c, take_u8(&f.in));
		return;
	}
	take_bytes(&f.in, body, len);
	frame(c, types[how % ARRAY_SIZE(types)], id, pos, body, len);
}

static void say_bytes(struct conn *c, u8 how)
{
	u8 raw[64];

	take_bytes(&f.in, raw, how >> 2);
	give(c, raw, how >> 2);
}

/* A record where the mirror's next one belongs. */
static void say_data(struct conn *c, u8 how)
{
	u32 log = 1 + how % LOGS, len = take_u16(&f.in) % (TEST_LOG / 4) & ~7U;
	struct feed *feed = feed_of(c, log);
	struct kecho_record rec = { .len = cpu_to_le32(sizeof(rec)), .kind = KECHO_RECORD_EVENT,
				    .data_words = 3 };
	static u64 words[TEST_LOG / 4 / sizeof(u64)];
	u64 left;

	if (!feed || feed->rs->local || feed->rs->mirror.end != feed->rs->mirror.head)
		return;
	left = feed->rs->mirror.size - (feed->rs->mirror.end & (feed->rs->mirror.size - 1));
	if (left < sizeof(rec))
		return;
	len = max_t(u64, min_t(u64, left, len), sizeof(rec));
	rec.seq = cpu_to_le64(feed->rs->mirror.seq + 1 + (how >> 6));
	memcpy(words, &rec, sizeof(rec));
	words[3] = (len - sizeof(rec)) | (u64)KECHO_RECORD_PAD << 32;
	frame(c, KECHO_FRAME_DATA, log, feed->rs->mirror.end, words, len);
}

/* The peer is in the channel, has a source and reads ours. */
static void join(struct conn *c, u8 how)
{
	u8 subscribe[14] = { KE_FROM_NOW, how & 1, 1 }, start[16] = { 0 };

	if (c->link.local)
		frame(c, KECHO_FRAME_SHARE, 0, 0, start, 1);
	say_channel(c, 0);
	say_member(c, 0);
	frame(c, KECHO_FRAME_SYNCED, 1, 0, NULL, 0);
	frame(c, KECHO_FRAME_START, 1, 0, start, sizeof(start));
	frame(c, KECHO_FRAME_SUBSCRIBE, our_log(EXTRAS), 0, subscribe, sizeof(subscribe));
}

/* ----------------------------------------------- what they write to, of this host */

static void write_gate(struct hostile *h, u8 how)
{
	u64 pos = 0;

	if (!h->gates)
		return;
	if (how & 128)
		pos = take_u64(&f.in);
	else if (f.tn->has_src)
		pos = f.tn->src.log.head - 8 * (u64)take_u8(&f.in);
	h->gates[how % GATES] = pos;
}

/* A word of a log that we map, about where our reader is. */
static void write_log(struct conn *c, u8 how)
{
	struct feed *feed = feed_of(c, 1 + how % LOGS);
	u64 v, pos;

	if (!feed || !feed->rs->local)
		return;
	pos = feed->r.pos;
	v = how & 8 ? take_u64(&f.in) : pos + 8 * (s64)(s16)take_u16(&f.in);
	switch (how >> 4 & 7) {
	case 0:
		feed->hdr->head = cpu_to_le64(v);
		break;
	case 1:
		feed->hdr->tail = cpu_to_le64(v);
		break;
	case 2:
		feed->hdr->mark[take_u8(&f.in) % KECHO_LOG_MARKS] = cpu_to_le64(v);
		break;
	case 3:
		feed->hdr->seq = cpu_to_le64(v);
		break;
	default:
		pos += 8 * (how >> 4 & 3);
		*(__le64 *)(feed->ring + (pos & (feed->rs->view.size - 1))) = v;
	}
}

#endif
