/* SPDX-License-Identifier: MIT */
/*
 * Logs under threads: readers that are lapped, readers behind a gate, and
 * submitters that reserve side by side. Each reader checks each byte, the order,
 * and at the end that what it got and what it was told to have lost is all
 * that was submitted.
 *
 *	log_stress [SECONDS]
 *
 * Made to run under the sanitizers. The thread sanitizer is asked to overlook one
 * thing: that a reader that copies loads bytes which are being overwritten, and
 * throws the copy away. All else, and a gated reader's every access, is checked.
 */
#include "reader.h"
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum {
	READERS = 3,
	SUBMITTERS = 3,
	SECONDS_DEFAULT = 3,
	PAYLOAD_MAX = 3000,
	BIG_EVERY = 101,		/* each so many events one in pieces */
	BIG_TOTAL = 40000,
	BIG_PIECE = 3000,
};

struct run {
	struct ke_log log;
	struct kecho_log_header *hdr;
	u8 *ring;
	pthread_mutex_t lock;
	u64 deadline_ns;
	bool gated;
	bool voids;		/* each so many numbers one is aborted instead */
	u64 released;		/* by the gated reader */
	u64 last;		/* submitted; 0: not at the end yet */
};

struct reading {
	struct run *run;
	bool in_place;
	u64 seen, voids, lost;
	struct ke_reader r;
	u8 copy[KE_RECORD_MAX] __aligned(8);
	u8 big[BIG_TOTAL] __aligned(8);
};

static double seconds = SECONDS_DEFAULT;

/* Of the thread sanitizer; loads still acquire. */
void AnnotateIgnoreReadsBegin(const char *file, int line) __attribute__((__weak__));
void AnnotateIgnoreReadsEnd(const char *file, int line) __attribute__((__weak__));

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The 8 bytes at @i of event @seq: any byte of another event or another place shows. */
static u64 pattern(u64 seq, u32 i)
{
	return seq * 0x9e3779b97f4a7c15ULL + i;
}

static void fill(void *to, u64 seq, u32 offset, u32 len)
{
	u32 i;
	u64 word;

	for (i = 0; i < len; i += 8) {
		word = pattern(seq, offset + i);
		memcpy((u8 *)to + i, &word, 8);
	}
}

static bool is_filled(const void *data, u64 seq, u32 len)
{
	u32 i;
	u64 word;

	for (i = 0; i < len; i += 8) {
		memcpy(&word, (const u8 *)data + i, 8);
		if (word != pattern(seq, i))
			return false;
	}
	return true;
}

static bool is_big(u64 seq)
{
	return seq % BIG_EVERY == 0;
}

static u32 length(u64 seq)
{
	if (is_big(seq))
		return BIG_TOTAL;
	return (pattern(seq, 0) >> 40) % (seq & 7 ? 200 : PAYLOAD_MAX) / 8 * 8;
}

/* --------------------------------------------------------------------- readers */

/* The number after @last is one that was aborted. */
static bool is_void(const struct reading *me, u64 last)
{
	return me->run->voids && is_big(last + 1);
}

static bool check_item(struct reading *me, const struct ke_item *item, u64 *last)
{
	if (item->seq != *last + 1 && is_void(me, *last)) {
		me->voids++;
		++*last;
	}
	if (!is_eq(item->seq, *last + 1, "each number follows the one before"))
		return false;
	if (item->kind == KE_ITEM_LOST) {
		*last = item->last;
		me->lost += item->last - item->seq + 1;
		return true;
	}
	*last = item->seq;
	me->seen++;
	return is_eq(item->len, length(item->seq), "length of %llu", item->seq) &&
	       ok(is_filled(item->data, item->seq, item->len), "bytes of %llu", item->seq);
}

static int read_item(struct reading *me, struct ke_item *item)
{
	int n;

	if (AnnotateIgnoreReadsBegin && !me->in_place)
		AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	n = ke_reader_next(&me->r, item);
	if (AnnotateIgnoreReadsEnd && !me->in_place)
		AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	return n;
}

/* -ENOENT: nothing, and nothing will come. */
static int next_item(struct reading *me, struct ke_item *item)
{
	u64 last = smp_load_acquire(&me->run->last);	/* before the look at the log */
	int n = read_item(me, item);

	if (n == -ENOBUFS) {
		ke_reader_give(&me->r, me->big, sizeof(me->big));
		n = read_item(me, item);
	}
	if (me->in_place)
		smp_store_release(&me->run->released, me->r.released);
	if (n || !last || ke_reader_head(&me->r) != me->r.pos)
		return n;
	return ke_reader_finish(&me->r, last, item) ?: -ENOENT;
}

static void *read_log(void *arg)
{
	struct reading *me = arg;
	struct ke_item item;
	u64 last = 0;
	int n;

	for (;;) {
		n = next_item(me, &item);
		if (n < 0)
			break;
		if (n == 0)
			sched_yield();
		else if (!check_item(me, &item, &last))
			break;
	}
	is_eq(n, -ENOENT, "the reader came to the end");
	if (me->in_place)	/* whatever happened, nobody waits for us */
		smp_store_release(&me->run->released, U64_MAX / 2);
	if (last + 1 == me->run->last && is_void(me, last)) {
		me->voids++;
		last++;
	}
	is_eq(last, me->run->last, "the last number");
	is_eq(me->seen + me->lost + me->voids, last, "each number is accounted for");
	is_eq(me->lost, me->r.lost, "losses are counted");
	return NULL;
}

/* ------------------------------------------------------------------ submitters */

static u64 limit(struct run *run)
{
	return run->gated ? smp_load_acquire(&run->released) + run->log.size : KE_NO_LIMIT;
}

static void append_waiting(struct run *run, const struct ke_event_info *info, const void *data,
			   u32 len, u64 *seq)
{
	int err;

	while ((err = ke_log_append(&run->log, info, data, len, limit(run), seq)) == -EAGAIN) {
		ke_log_publish(&run->log);
		sched_yield();
	}
	is_eq(err, 0, "append");
}

static void submit_big(struct run *run, u64 n)
{
	struct ke_event_info info = { .frag_total = BIG_TOTAL };
	u8 data[BIG_PIECE];
	u64 seq = 0;
	u32 len;

	for (; info.frag_offset < BIG_TOTAL; info.frag_offset += len) {
		len = min_t(u32, BIG_PIECE, BIG_TOTAL - info.frag_offset);
		fill(data, n, info.frag_offset, len);
		append_waiting(run, &info, data, len, &seq);
		ke_log_publish(&run->log);
	}
}

/* One writer, at full speed, sometimes several events at once. */
static void write_log(struct run *run)
{
	struct ke_event_info info = { .type = 1 };
	u8 data[PAYLOAD_MAX];
	u64 n, seq;

	for (n = 1; n % 64 || now_ns() < run->deadline_ns; n++) {
		if (is_big(n)) {
			submit_big(run, n);
			continue;
		}
		seq = 0;
		fill(data, n, 0, length(n));
		append_waiting(run, &info, data, length(n), &seq);
		if (n & 4)
			ke_log_publish(&run->log);
	}
	ke_log_publish(&run->log);
	smp_store_release(&run->last, run->log.seq);
}

/* Reserves and ends under the lock, and writes the payload outside of it. */
static void *reserve_and_write(void *arg)
{
	struct run *run = arg;
	struct ke_event_info info = { .type = 1 };
	u64 seq = 0, cookie = 0;
	void *data = NULL;
	int err;

	while (seq % 64 || now_ns() < run->deadline_ns) {
		pthread_mutex_lock(&run->lock);
		err = ke_log_reserve(&run->log, &info, PAYLOAD_MAX, KE_NO_LIMIT, &data, &cookie);
		seq = run->log.seq;
		pthread_mutex_unlock(&run->lock);
		if (err) {	/* a slow one holds the whole log */
			ok(err == -ENOBUFS, "reserve: %d", err);
			sched_yield();
			continue;
		}
		fill(data, seq, 0, is_big(seq) ? 0 : length(seq));
		pthread_mutex_lock(&run->lock);
		if (is_big(seq))
			err = ke_log_abort(&run->log, cookie);
		else
			err = ke_log_commit(&run->log, cookie, length(seq), 0);
		pthread_mutex_unlock(&run->lock);
		is_eq(err, 0, "end of a reservation");
	}
	return NULL;
}

static void run_submitters(struct run *run)
{
	pthread_t threads[SUBMITTERS];
	int i;

	for (i = 0; i < SUBMITTERS; i++)
		if (!is_eq(pthread_create(&threads[i], NULL, reserve_and_write, run), 0, "thread"))
			break;
	while (i--)
		pthread_join(threads[i], NULL);
	is_eq(run->log.head, run->log.end, "all is published");
	smp_store_release(&run->last, run->log.seq);
}

/* ------------------------------------------------------------------------ runs */

static void run_free(struct run *run)
{
	if (!run)
		return;
	kvfree(run->hdr);
	kvfree(run->ring);
	kvfree(run);
}

static struct run *run_new(u64 size, bool gated)
{
	struct run *run = kvzalloc(sizeof(*run), GFP_KERNEL);

	if (!run)
		return NULL;
	run->hdr = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	run->ring = kvzalloc(size, GFP_KERNEL);
	if (!run->hdr || !run->ring || ke_log_init(&run->log, run->hdr, run->ring, size, 0, 0)) {
		run_free(run);
		return NULL;
	}
	pthread_mutex_init(&run->lock, NULL);
	run->gated = gated;
	run->deadline_ns = now_ns() + (u64)(seconds * 1e9 / 3);
	return run;
}

/* @submit while all readers read; the first in place if the log is gated. */
static void with_readers(struct run *run, void (*submit)(struct run *run), struct reading *readings)
{
	pthread_t threads[READERS];
	int i, n;

	for (n = 0; n < READERS; n++) {
		struct reading *me = &readings[n];

		me->run = run;
		me->in_place = run->gated && !n;
		ke_reader_init(&me->r, ke_log_view(&run->log), me->in_place, 0, 0, me->copy);
		if (!is_eq(pthread_create(&threads[n], NULL, read_log, me), 0, "thread"))
			break;
	}
	submit(run);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void run_test(u64 size, bool gated, bool voids, void (*submit)(struct run *run))
{
	struct run *run = run_new(size, gated);
	struct reading *readings = kvzalloc(READERS * sizeof(*readings), GFP_KERNEL);
	u64 lost = 0;
	int i;

	if (!ok(run && readings, "memory"))
		goto free_run;
	run->voids = voids;
	with_readers(run, submit, readings);
	for (i = 0; i < READERS; i++) {
		ok(readings[i].seen > 0, "reader %d got something", i);
		lost += readings[i].lost;
	}
	if (gated)
		is_eq(readings[0].lost, 0, "nothing is lost behind a gate");
	else
		ok(lost > 0, "somebody was lapped");
	pr_info("# %llu events, %llu laps; %d readers lost %llu\n", run->last,
		run->log.head / size, READERS, lost);
free_run:
	kvfree(readings);
	run_free(run);
}

TEST(lapped)
{
	run_test(KE_LOG_SIZE_MIN, false, false, write_log);
}

TEST(gated)
{
	run_test(KE_LOG_SIZE_MIN, true, false, write_log);
}

TEST(reservations)
{
	run_test(KE_LOG_SIZE_MIN, false, true, run_submitters);
}

TESTS(log_stress, lapped, gated, reservations);

int main(int argc, char **argv)
{
	const struct tap_suite *const all[] = { &log_stress_suite };

	if (argc > 2 || (argc == 2 && (seconds = atof(argv[1])) <= 0)) {
		fprintf(stderr, "log_stress: usage: log_stress [SECONDS]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv(SHIM_PANIC_ON_WARN, "1", 0);
	return tap_run(all, 1) ? EXIT_FAILURE : EXIT_SUCCESS;
}
