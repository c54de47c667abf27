/* SPDX-License-Identifier: MIT */
/*
 * A link to a hostile node: after a good hello any frames, in any pieces, to a node
 * that has a channel with a source and a sink. Half of the input is what the peer
 * sends, as frames with lengths that are right unless they say otherwise; between
 * them our own source and sink act. The node never crashes, never reads past a
 * frame, never hangs, and frees all.
 */
#include "input.h"
#include "node_test.h"

enum { OPS_MAX = 300, BODY_MAX = 255 };

static struct input in;

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
	struct kecho_frame f = {
		.len = cpu_to_le32(len), .type = type, .id = cpu_to_le32(id),
		.pos = cpu_to_le64(pos),
	};

	give(c, &f, sizeof(f));
	if (len)
		give(c, body, len);
}

static void hello(struct conn *c)
{
	static const struct ke_contact self = { .node = { { 0x77 } }, .host = { { 0x78 } } };
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u32(&o, KECHO_PROTOCOL_VERSION);
	ke_put_u32(&o, KECHO_PROTOCOL_VERSION);
	ke_put_contact(&o, &self);
	ke_put_str(&o, "fuzz");
	ke_put_u16(&o, 0);
	ke_put_bytes(&o, NULL, 0);
	frame(c, KECHO_FRAME_HELLO, 0, 0, buf, o.len);
}

/* The peer is in the channel, with a source, and reads ours. */
static void join(struct conn *c, bool gated)
{
	static const u8 channel[20] = { 1, 2, 3 };
	u8 subscribe[14] = { KE_FROM_NOW, gated };
	u8 buf[64], start[8] = { 0 };
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, 7);
	ke_put_u8(&o, KE_SOURCE);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, 1);
	ke_put_u32(&o, 1);
	ke_put_u64(&o, TEST_LOG);
	ke_put_bytes(&o, NULL, 0);
	frame(c, KECHO_FRAME_CHANNEL, 1, 0, channel, sizeof(channel));
	frame(c, KECHO_FRAME_MEMBER, 1, 0, buf, o.len);
	frame(c, KECHO_FRAME_SYNCED, 1, 0, NULL, 0);
	frame(c, KECHO_FRAME_START, 1, 0, start, sizeof(start));
	frame(c, KECHO_FRAME_SUBSCRIBE, 1, 0, subscribe, sizeof(subscribe));
}

static u64 some_pos(const struct tnode *tn)
{
	u8 how = take_u8(&in);

	if (how & 1)
		return tn->feeds && tn->feeds->begun ? tn->feeds->rs->mirror.end : 0;
	if (how & 2)
		return tn->has_src ? tn->src.log.head : 0;
	return how & 4 ? take_u64(&in) : 8 * (u64)take_u16(&in);
}

static void any_frame(struct conn *c)
{
	static const u8 types[] = { 1, 2, 3, 4, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 32,
				    33, 34, 35, 36, 36, 36, 37, 38 };
	u8 type = take_u8(&in), body[BODY_MAX];
	u32 id = take_u8(&in), len = take_u8(&in);
	u64 pos = some_pos(c->tn);

	take_bytes(&in, body, len);
	frame(c, types[type % ARRAY_SIZE(types)], id, pos, body, len);
}

/* A record where the mirror's next one belongs. */
static void good_data(struct conn *c)
{
	struct feed *f = c->tn->feeds;
	struct kecho_record rec = { .len = cpu_to_le32(sizeof(rec)), .kind = KECHO_RECORD_EVENT,
				    .data_words = 3 };
	u64 words[4096] = { 0 }, left;
	u32 len = take_u16(&in) % sizeof(words) & ~7U;

	if (!f || !f->begun || f->rs->mirror.end != f->rs->mirror.head)
		return;
	left = TEST_LOG - (f->rs->mirror.end & (TEST_LOG - 1));
	len = max_t(u64, min_t(u64, left, len), sizeof(rec));
	if (left < sizeof(rec))
		return;
	rec.seq = cpu_to_le64(f->rs->mirror.seq + 1);
	memcpy(words, &rec, sizeof(rec));
	words[3] = (len - sizeof(rec)) | (u64)KECHO_RECORD_PAD << 32;
	frame(c, KECHO_FRAME_DATA, 1, f->rs->mirror.end, words, len);
}

static void act(struct world *w, struct conn *c, u8 op)
{
	struct tnode *tn = &w->n[0];
	u8 raw[64];

	switch (op & 15) {
	case 0:
		take_bytes(&in, raw, op >> 2);
		give(c, raw, op >> 2);
		break;
	case 1:
		if (tn->has_src && !tn->src.closed)
			submit(tn, take_u16(&in) % 8000);
		break;
	case 2:
		conn_tx(c);
		break;
	case 3:
		tn->idle = op & 16;
		sink_read(tn);
		break;
	case 4:
		w->now += take_u16(&in);
		ke_node_tick(&tn->node);
		break;
	case 5:
		if (op & 16)
			sink_close(tn);
		else if (!tn->has_sink)
			check(!sink_open(tn, op & 32, op & 64));
		break;
	case 6:
		if (op & 16 && tn->has_src)
			ke_source_end(&tn->src);
		else if (op & 32)
			source_close(tn);
		else if (!tn->has_src)
			check(source_open(tn, 0));
		break;
	case 7:
	case 8:
		good_data(c);
		break;
	case 9:
		w->piece = 1 + take_u16(&in);
		break;
	default:
		any_frame(c);
	}
}

static struct conn *connect(struct world *w)
{
	struct conn *c = conn_new(&w->n[0], false);

	check(c);
	c->raw = true;
	hello(c);
	return c;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct world *w = world_new(1, 1);
	struct conn *c;
	u32 ops;
	u8 how;

	check(w);
	in = (struct input){ data, size };
	how = take_u8(&in);
	w->piece = how & 1 ? 16 : 5000;
	channel_open(&w->n[0]);
	check(!sink_open(&w->n[0], how & 2, false));
	check(source_open(&w->n[0], 0));
	c = connect(w);
	if (how & 4)
		join(c, how & 8);
	for (ops = 0; in.len && ops < OPS_MAX; ops++) {
		act(w, c, take_u8(&in));
		close_conns(w);
		answer_dials(w);
		if (c->lost && how & 16) {
			c->raw = false;	/* the same node, again */
			close_conns(w);
			c = connect(w);
			how &= ~16;
			join(c, how & 8);
		}
	}
	check(!w->lock_faults);
	world_free(w);
	return 0;
}
