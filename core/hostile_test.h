/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A peer that is a test's: its frames are put into the connection byte by byte.
 */
#ifndef KE_HOSTILE_TEST_H
#define KE_HOSTILE_TEST_H

#include "stream_test.h"

static __maybe_unused int put_frame(struct conn *c, u8 type, u32 id, u64 pos, const void *body,
				    u32 len, u32 said)
{
	struct kecho_frame f = {
		.len = cpu_to_le32(said), .type = type, .id = cpu_to_le32(id),
		.pos = cpu_to_le64(pos),
	};

	memcpy(c->in, &f, sizeof(f));
	if (len)
		memcpy(c->in + sizeof(f), body, len);
	c->in_len = sizeof(f) + len;
	while (c->in_len && !c->closed)
		conn_rx(c);
	return c->err;
}

static __maybe_unused int put_hello(struct conn *c, u32 least, u32 most, u16 auth,
				    const struct ke_contact *self)
{
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u32(&o, least);
	ke_put_u32(&o, most);
	ke_put_contact(&o, self);
	ke_put_str(&o, "stranger");
	ke_put_u16(&o, auth);
	ke_put_bytes(&o, NULL, 0);
	ke_put_u32(&o, KE_KNOWS);
	return put_frame(c, KECHO_FRAME_HELLO, 0, 0, buf, o.len, o.len);
}

static const struct ke_contact stranger = {
	.node = { { 0x77 } }, .host = { { 0x78 } }, .incarnation = 5,
};

static __maybe_unused int put_member(struct conn *c, u64 id, u32 log, u64 size)
{
	u8 buf[64];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u64(&o, id);
	ke_put_u8(&o, log ? KE_SOURCE : KE_SINK);
	ke_put_u8(&o, 0);
	ke_put_u8(&o, 1);
	ke_put_u32(&o, log);
	ke_put_u64(&o, size);
	ke_put_bytes(&o, NULL, 0);
	return put_frame(c, KECHO_FRAME_MEMBER, 1, 0, buf, o.len, o.len);
}

/* A node with a source and a sink, whose peer is a test's. */
static __maybe_unused struct world *meet(struct conn **c, bool gated)
{
	static const u8 channel[20] = { 1, 2, 3 }, start[16];
	static const u8 subscribe[14] = { KE_FROM_NOW };
	struct world *w = world_new(1, 1);

	*c = NULL;
	if (!w)
		return NULL;
	channel_open(&w->n[0]);
	sink_open(&w->n[0], gated, false);
	if (source_open(&w->n[0], 0))
		*c = conn_new(&w->n[0], false);
	if (!ok(*c, "memory")) {
		world_free(w);
		return NULL;
	}
	(*c)->raw = true;
	is_eq(put_hello(*c, 1, 1, 0, &stranger), 0, "hello");
	is_eq(put_frame(*c, KECHO_FRAME_CHANNEL, 1, 0, channel, 20, 20), 0, "channel");
	is_eq(put_member(*c, 0x1234, 1, TEST_LOG), 0, "member");
	is_eq(put_frame(*c, KECHO_FRAME_SYNCED, 1, 0, NULL, 0, 0), 0, "synced");
	is_eq(put_frame(*c, KECHO_FRAME_START, 1, 0, start, 16, 16), 0, "start");
	is_eq(put_frame(*c, KECHO_FRAME_SUBSCRIBE, 1, 0, subscribe, 14, 14), 0, "subscribe");
	return w;
}

#endif
