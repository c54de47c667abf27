// SPDX-License-Identifier: MIT
/*
 * The copy of a source's log, beside a writer that goes on at the worst moments: here the
 * rest of kechod is stand-ins, and the writer runs when one of them is called.
 */
#include "daemon.h"
#include "tap.h"

enum {
	SIZE = 64 << 10,
	PAYLOAD = 200,
	PARTS = KECHO_LOG_MARKS,
};

static struct process {
	struct ke_log log;
	u64 acked;		/* what another host has, and waits behind */
	bool held;		/* by that host; else it writes as it likes */
	int bursts;		/* how often it writes on while we look at it */
	const char *failed;
} *process;

static int write_event(struct process *p)
{
	static const u8 payload[PAYLOAD];
	static const struct ke_event_info info;
	u64 seq = 0, spare = SIZE / PARTS + ke_record_max(SIZE);
	int err = ke_log_append(&p->log, &info, payload, PAYLOAD,
				p->held ? p->acked + SIZE - spare : KE_NO_LIMIT, &seq);

	if (!err)
		ke_log_publish(&p->log);
	return err;
}

/* Until the tail is behind where it was. */
static void burst(struct process *p)
{
	u64 tail = p->log.tail;

	while (p->log.tail == tail && !write_event(p))
		;
}

/* ------------------------------------------------------------ the rest of kechod */

int kd_source_now(struct kd_source *src, u64 *head, u64 *seq)
{
	*head = src->head = process->log.head;
	*seq = process->log.seq;
	return 0;
}

/* Asked for each piece: between a look at the log and a copy of it. */
int kd_source_head(struct kd_source *src, u64 *head)
{
	u64 seq;

	if (process->bursts) {
		process->bursts--;
		burst(process);
	}
	return kd_source_now(src, head, &seq);
}

void kd_source_fail(struct kd_source *src, const char *why)
{
	src->why = process->failed = why;
}

struct ke_view kd_log_view(const struct kd_log *l)
{
	return (struct ke_view){ .hdr = l->map, .ring = (u8 *)l->map + KECHO_LOG_HEADER_SIZE,
				 .size = l->size };
}

int kd_user_charge(struct kd_user *u, u64 bytes)
{
	u->memory += bytes;
	return 0;
}

void kd_user_uncharge(struct kd_user *u, u64 bytes)
{
	u->memory -= bytes;
}

int kd_bells_update(struct kd_channel *c)
{
	(void)c;
	return 0;
}

bool kd_bell_sleep(struct kd_source *src)
{
	(void)src;
	return true;
}

void kd_source_room(struct kd_source *src)
{
	(void)src;
}

void kd_say(int priority, const char *fmt, ...)
{
	(void)priority;
	(void)fmt;
}

void conn_kick(struct conn *c)
{
	(void)c;
}

/* ------------------------------------------------------------------ the copy of it */

struct rig {
	struct process process;
	struct kd d;
	struct kd_user user;
	struct kd_channel channel;
	struct kd_source src;
	u8 *memory;
};

static bool rig_new(struct rig *g)
{
	memset(g, 0, sizeof(*g));
	g->memory = calloc(1, KECHO_LOG_HEADER_SIZE + SIZE);
	if (!g->memory || ke_log_init(&g->process.log, (void *)g->memory,
				      g->memory + KECHO_LOG_HEADER_SIZE, SIZE, 0, 0))
		return false;
	process = &g->process;
	INIT_LIST_HEAD(&g->d.ready);
	g->channel.d = &g->d;
	g->src.c = &g->channel;
	g->src.user = &g->user;
	g->src.state = KD_JOINED;
	g->src.log = (struct kd_log){ .size = SIZE, .fd = -1, .map = g->memory };
	g->src.s.member.owner = &g->src;
	g->src.s.log.size = SIZE;
	INIT_LIST_HEAD(&g->src.s.gates);
	INIT_LIST_HEAD(&g->src.s.streams);
	g->src.s.limit = KE_NO_LIMIT;
	return true;
}

static void rig_free(struct rig *g)
{
	kd_copy_close(&g->src.s);
	is_eq(g->user.memory, 0, "nobody is charged for it any more");
	free(g->memory);
}

/* The log has wrapped, and another host has what is in all but the last @parts of it. */
static void write_behind(struct process *p, unsigned int parts)
{
	while (p->log.head < 3 * SIZE)
		write_event(p);
	p->acked = p->log.head;
	while (p->log.head - p->acked < (u64)parts * SIZE / PARTS)
		write_event(p);
}

/* Where what is left in the copy begins, from a record that was behind another host's gate. */
static u64 begins(const struct rig *g)
{
	struct ke_view v = ke_log_view(&g->src.s.log);
	u64 seq;

	return ke_view_retained(&v, g->process.acked, g->src.s.log.head, g->src.s.log.seq,
				g->src.s.log.seq, &seq);
}

/*
 * Another host had most of a log when kechod died, and its gate holds the rest. The next
 * kechod begins the copy at the tail, which goes on as far as that host lets it.
 */
TEST(tail_goes_on)
{
	struct rig g;
	int n;

	must(rig_new(&g), "a log");
	write_behind(&g.process, PARTS * 5 / 8);
	g.process.held = true;
	for (n = 1; n <= 3; n++) {
		g.process.bursts = n;
		must(!kd_copy_open(&g.src.s, KE_FROM_POS), "%d times the tail goes on", n);
		ok(!g.src.lapped && g.src.s.log.tail <= g.process.acked, "it has no gap");
		is_eq(begins(&g), g.process.acked, "not in what that host wants next");
		is_eq(g.src.s.log.head, g.process.log.head, "up to the last");
		is_eq(g.src.s.log.seq, g.process.log.seq, "which it knows");
		kd_copy_close(&g.src.s);
	}
	rig_free(&g);
}

/* Nobody holds it, and it is faster than we are: what is left is about half a log. */
TEST(never_stands)
{
	struct rig g;

	must(rig_new(&g), "a log");
	write_behind(&g.process, PARTS);
	g.process.bursts = 50 * KD_COPY_TRIES;
	is_eq(kd_copy_open(&g.src.s, KE_FROM_START), 0, "it is copied");
	ok(g.src.lapped, "with a gap");
	ok(begins(&g) > g.process.acked, "where it was overwritten");
	ok(!g.src.why, "which is no fault of its process");
	is_eq(g.src.s.log.head, g.process.log.head, "it is where the log is");
	is_eq(g.src.s.log.seq, g.process.log.seq, "and knows the number");
	rig_free(&g);
}

TEST(makes_no_sense)
{
	struct rig g;
	u64 pos;

	must(rig_new(&g), "a log");
	write_behind(&g.process, PARTS / 2);
	pos = g.process.acked & (SIZE - 1);
	*(u64 *)(g.memory + KECHO_LOG_HEADER_SIZE + pos) = ~0ULL;
	is_eq(kd_copy_open(&g.src.s, KE_FROM_START), -EPROTO, "it is not copied");
	ok(g.process.failed, "and has failed");
	ok(!g.src.ring && !g.src.copied, "nothing is left of the copy");
	rig_free(&g);
}

TESTS(copy, tail_goes_on, never_stands, makes_no_sense);
