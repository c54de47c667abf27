// SPDX-License-Identifier: MIT
/*
 * The trace: see trace.h. One of the two files that print.
 */
#include <stdio.h>

#include "trace.h"
#include "uapi/kecho.h"

#define TRACE_TEXT(name, text) [TRACE_##name] = text,
static const char *const texts[TRACES] = { TRACE_KINDS(TRACE_TEXT) };

static const char *const frames[] = {
	[KECHO_FRAME_HELLO] = "HELLO",
	[KECHO_FRAME_PING] = "PING",
	[KECHO_FRAME_PONG] = "PONG",
	[KECHO_FRAME_CHANNEL] = "CHANNEL",
	[KECHO_FRAME_CHANNEL_GONE] = "CHANNEL_GONE",
	[KECHO_FRAME_NODES] = "NODES",
	[KECHO_FRAME_SYNCED] = "SYNCED",
	[KECHO_FRAME_MEMBER] = "MEMBER",
	[KECHO_FRAME_MEMBER_GONE] = "MEMBER_GONE",
	[KECHO_FRAME_MEMBER_ACK] = "MEMBER_ACK",
	[KECHO_FRAME_ATTR] = "ATTR",
	[KECHO_FRAME_SUBSCRIBE] = "SUBSCRIBE",
	[KECHO_FRAME_START] = "START",
	[KECHO_FRAME_UNSUBSCRIBE] = "UNSUBSCRIBE",
	[KECHO_FRAME_END] = "END",
	[KECHO_FRAME_SKIP] = "SKIP",
	[KECHO_FRAME_ACK] = "ACK",
	[KECHO_FRAME_FILTER] = "FILTER",
	[KECHO_FRAME_JUDGED] = "JUDGED",
	[KECHO_FRAME_JUDGED_ACK] = "JUDGED_ACK",
	[KECHO_FRAME_PASS] = "PASS",
	[KECHO_FRAME_PICKED] = "PICKED",
};

static const char *frame_name(u64 type)
{
	return type < ARRAY_SIZE(frames) && frames[type] ? frames[type] : "a frame";
}

static void print(const struct trace_entry *e)
{
	unsigned long long v[3] = { e->v[0], e->v[1], e->v[2] };

	printf("%llu.%06llu #%llu ", (unsigned long long)e->at_us / 1000000,
	       (unsigned long long)e->at_us % 1000000, (unsigned long long)e->step);
	if (e->node == TRACE_WORLD)
		printf("world: ");
	else
		printf("node %u: ", e->node);
	if (e->kind == TRACE_FRAME)
		printf("connection %llu: sends %s, id %llu, pos %llu", v[0],
		       frame_name(v[1] >> 32), v[1] & U32_MAX, v[2]);
	else
		printf(texts[e->kind], v[0], v[1], v[2]);
	putchar('\n');
}

static u64 mix(u64 hash, u64 v)
{
	hash = (hash ^ v) * 0x9fb21c651e98df25ULL;
	return hash ^ (hash >> 32);
}

void trace_add(struct trace *t, u64 at_us, u64 step, u16 node, enum trace_kind kind, u64 a, u64 b,
	       u64 c)
{
	struct trace_entry *e = &t->last[t->n++ % TRACE_KEPT];

	*e = (struct trace_entry){ at_us, step, { a, b, c }, node, kind };
	t->hash = mix(mix(mix(mix(t->hash, at_us ^ (u64)kind << 48 ^ (u64)node << 56), a), b), c);
	if (t->print)
		print(e);
}

void trace_show(const struct trace *t)
{
	u64 i = t->n > TRACE_KEPT ? t->n - TRACE_KEPT : 0;

	for (; i < t->n && !t->print; i++)
		print(&t->last[i % TRACE_KEPT]);
}
