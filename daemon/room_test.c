// SPDX-License-Identifier: MIT
/*
 * How far a log may grow while those are awaited who read it before kechod was there:
 * the rest of kechod is stand-ins.
 */
#include "daemon.h"
#include "tap.h"

enum { SIZE = 64 << 10, HELD = 3 * SIZE };

static u32 kept_gates;

struct ke_view kd_log_view(const struct kd_log *l)
{
	return (struct ke_view){ .hdr = l->map, .ring = (u8 *)l->map + KECHO_LOG_HEADER_SIZE,
				 .size = l->size };
}

bool kd_feed_look(struct kd_feed *f, u64 head)
{
	(void)f;
	(void)head;
	return false;
}

void kd_keep_gates(struct kd_kept *k, u32 gates)
{
	(void)k;
	kept_gates = gates;
}

void kd_source_fail(struct kd_source *src, const char *why)
{
	src->why = why;
}

void kd_source_stalls(struct kd_source *src, u64 limit)
{
	(void)src;
	(void)limit;
}

struct reader {
	struct ke_tstream stream;
	u64 pos;
};

struct rig {
	struct kd d;
	struct kd_channel channel;
	struct kd_session session;
	struct kd_opening opening;
	struct kd_source src;
	struct kecho_log_header hdr;
	struct kecho_limit_slot slot;
};

/* A source whose last limit was HELD, with @awaits gates of other hosts. */
static void rig_init(struct rig *g, u32 awaits)
{
	*g = (struct rig){ .d.gates_by = 1, .slot.limit = cpu_to_le64(HELD) };
	g->channel.d = &g->d;
	g->session.limits.map = &g->slot;
	g->opening.s = &g->session;
	g->src = (struct kd_source){ .c = &g->channel, .o = &g->opening, .state = KD_JOINED,
				     .held = HELD, .limit = HELD, .awaits = awaits,
				     .copied = true };
	g->hdr.head = cpu_to_le64(HELD - SIZE / 4);
	g->hdr.tail = cpu_to_le64(HELD - SIZE);
	g->src.log = (struct kd_log){ .size = SIZE, .fd = -1, .map = &g->hdr };
	g->src.s.log.size = SIZE;
	g->src.s.log.head = HELD - SIZE / 4;
	INIT_LIST_HEAD(&g->src.feeds);
	INIT_LIST_HEAD(&g->src.s.gates);
	INIT_LIST_HEAD(&g->src.s.streams);
}

static void comes(struct rig *g, struct reader *r, bool goes_on)
{
	*r = (struct reader){ .stream.goes_on = goes_on, .pos = HELD - SIZE / 4 };
	r->stream.gate.stream = &r->stream;
	ke_source_gate(&g->src.s, &r->stream.gate, &r->pos);
	kd_source_room(&g->src);
}

static u64 limit(const struct rig *g)
{
	return le64_to_cpu(g->slot.limit);
}

TEST(all_are_awaited)
{
	struct reader one, two, other;
	struct rig g;

	rig_init(&g, 2);
	kd_source_room(&g.src);
	is_eq(limit(&g), HELD, "nobody is back");
	comes(&g, &one, true);
	is_eq(limit(&g), HELD, "one of two");
	comes(&g, &other, false);
	is_eq(limit(&g), HELD, "who is new does not stand for who is not back");
	comes(&g, &two, true);
	ok(limit(&g) > HELD, "both are back");
	is_eq(limit(&g), one.pos + SIZE - kd_source_spare(&g.src), "so far the gates let it");
	is_eq(kept_gates, 3, "the next kechod is to await three");
}

TEST(in_time)
{
	struct reader one;
	struct rig g;

	rig_init(&g, 2);
	comes(&g, &one, true);
	is_eq(limit(&g), HELD, "one of two");
	g.d.gates_by = 0;
	kd_source_room(&g.src);
	ok(limit(&g) > HELD, "the other counts as dead");
	is_eq(kept_gates, 1, "and is awaited no more");
}

TESTS(room, all_are_awaited, in_time);
