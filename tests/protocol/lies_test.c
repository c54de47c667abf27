/* SPDX-License-Identifier: MIT */
/*
 * Nodes that lie, see lies.h, to one that doesn't; with KECHO=kernel that is the kernel's.
 *
 *	liars ---TCP--- our node 127.0.0.1 ---TCP--- 127.0.0.2 a node that doesn't lie, either
 *
 * They are in the channel `test`, and may end it; who joins it again waits for them to agree,
 * 5 s at most. The channel `good` is between the two good ones: all that is submitted there
 * comes to both, in order and in time, over one link.
 */
#include <pthread.h>

#include "../cluster/net.h"
#include "lies.h"

enum {
	RUN_MS = 8000,
	RUN_GUEST_MS = 20000,
	RUN_LONG_MS = 600000,
	MORE_MS = 60000,
	LIARS = 2,
	PACE_US = 2000,
	EVENT_LEN = 200,
	LATE_MS_MAX = 2000,	/* between two events, whatever the liars do */
	OUR_PORT = 7391,
};

static struct hall {
	bool stop, quiet;	/* no more lies; no more events */
	struct honest {
		bool ready;
		u64 submitted, failed, late_ns;
		struct given of[2];
		u64 resumed;	/* the link */
		char why[200];
	} honest[2];
	u64 uuids;		/* odd: the next one is being written */
	u8 uuid[16];		/* of the channel `test` */
	long members;		/* of it */
	u64 destroyed;		/* how often it was */
	struct lied lied[LIARS];
} *hall;

static struct lies lies;
static bool kernels;		/* our node is the kernel's */

/* ------------------------------------------------------------------------- the good */

struct self {
	unsigned int i;
	struct honest *h;
	struct kecho *k;
	struct kecho_channel *good, *test;
	struct kecho_source *src, *test_src;
	struct kecho_sink *s, *test_s;
	u64 id, heard_ns;
};

static int attach(struct self *s)
{
	struct kecho_options opt = { .listen = s->i ? "127.0.0.2" : "127.0.0.1:7391",
				     .registry = REGISTRY };

	if (s->i || !kernels) {
		setenv("KECHO", "embedded", 1);
		return kecho_open(&s->k, &opt);
	}
	if (!node_setting("listen", "127.0.0.1:7391") || !node_setting("registry", REGISTRY))
		return -EINVAL;
	setenv("KECHO", "kernel", 1);
	return kecho_open(&s->k, NULL);
}

static int join_good(struct self *s)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };

	int err = kecho_channel_open(s->k, "good", NULL, &s->good);

	err = err ?: kecho_sink_open(s->good, &block, &s->s);
	return err ?: kecho_source_open(s->good, NULL, &s->src);
}

/* Again and again, as it may be destroyed, also while we do: -ESHUTDOWN. */
static int join_test(struct self *s)
{
	int err = kecho_channel_open(s->k, "test", NULL, &s->test);

	err = err ?: kecho_sink_open(s->test, NULL, &s->test_s);
	err = err ?: kecho_source_open(s->test, NULL, &s->test_src);
	if (err)
		return err;
	smp_store_release(&hall->uuids, hall->uuids + 1);
	smp_mb();
	kecho_channel_uuid(s->test, hall->uuid);
	smp_store_release(&hall->uuids, hall->uuids + 1);
	return 0;
}

static void submit_good(struct self *s)
{
	u64 buf[EVENT_LEN / sizeof(u64)];

	if (READ_ONCE(hall->quiet))
		return;
	stamp_write(buf, sizeof(buf), s->h->submitted + 1);
	if (!kecho_submit(s->src, buf, sizeof(buf), KECHO_DONTWAIT))
		WRITE_ONCE(s->h->submitted, s->h->submitted + 1);
}

static void read_good(struct self *s)
{
	struct kecho_event ev;
	u64 now = now_ns();

	while (!kecho_read(s->s, &ev, 0)) {
		s->h->failed += ev.kind == KECHO_ENDED;
		give(&s->h->of[ev.source == s->id ? 0 : 1], &ev);
		if (ev.source != s->id) {
			s->h->late_ns = max(s->h->late_ns, s->heard_ns ? now - s->heard_ns : 0);
			s->heard_ns = now;
		}
	}
}

static bool use_test(struct self *s)
{
	struct kecho_event ev;
	int err, n;

	err = kecho_submit(s->test_src, "to liars", 8, KECHO_DONTWAIT);
	for (n = 0; n < 100 && !kecho_read(s->test_s, &ev, 0); n++)
		;
	WRITE_ONCE(hall->members, kecho_members(s->test, NULL, 0));
	if (err != -ESHUTDOWN)
		return !err || err == -EAGAIN;
	do {
		kecho_channel_close(s->test);
		s->test = NULL;
		hall->destroyed++;
		err = join_test(s);
	} while (err == -ESHUTDOWN && s->test);
	return !err;
}

static int fails(struct self *s, const char *what)
{
	snprintf(s->h->why, sizeof(s->h->why), "%s: %s", what, kecho_explain());
	return 1;
}

/* What liars have part in: nothing of it is judged but that it goes on. */
static void *among_liars(void *arg)
{
	struct self *s = arg;

	while (use_test(s))
		sleep_us(PACE_US);
	fails(s, "test");
	return NULL;
}

static int honest(void *arg)
{
	struct self s = { .i = *(unsigned int *)arg };
	struct kecho_link_info l[1];
	pthread_t thread;

	s.h = &hall->honest[s.i];
	if (attach(&s) || join_good(&s) || (!s.i && join_test(&s)))
		return fails(&s, "joins");
	if (!s.i && pthread_create(&thread, NULL, among_liars, &s))
		return fails(&s, "a thread");
	s.id = kecho_source_id(s.src);
	WRITE_ONCE(s.h->ready, true);
	while (!READ_ONCE(hall->honest[!s.i].ready))
		sleep_us(PACE_US);
	for (;;) {
		submit_good(&s);
		read_good(&s);
		if (s.i && kecho_links(s.k, l, 1) > 0)
			s.h->resumed = l[0].resumed;
		sleep_us(PACE_US);
	}
}

/* ----------------------------------------------------------------------- the liars */

static void uuid_now(u8 uuid[16])
{
	u64 n;

	do {
		n = smp_load_acquire(&hall->uuids);
		memcpy(uuid, hall->uuid, 16);
		smp_rmb();
	} while (n % 2 || n != READ_ONCE(hall->uuids));
}

static int liar(void *arg)
{
	unsigned int i = *(unsigned int *)arg, at;
	u8 uuid[16];

	nice(19);	/* what is disturbed then is disturbed by what they say */
	/* First in each field once, then at each place in turn. */
	for (at = i; !READ_ONCE(hall->stop); at += LIARS) {
		uuid_now(uuid);
		lie_once(&lies, &hall->lied[i], at % lies.n, at + 1, OUR_PORT, uuid);
	}
	return 0;
}

/* In how many fields they lied. */
static unsigned int lied_in(void)
{
	unsigned int i, at, n = 0;

	for (at = 0; at < lies.fields; at++) {
		for (i = 0; i < LIARS && !READ_ONCE(hall->lied[i].at[at]); i++)
			;
		n += i < LIARS;
	}
	return n;
}

/* And longer, as long as it takes to lie in each field. */
static void wait_for(u64 ms)
{
	u64 now = now_ns(), until = now + ms * 1000000ull, most = until + MORE_MS * 1000000ull;

	while ((now < until || (now < most && lied_in() < lies.fields)) &&
	       !hall->honest[0].why[0] && !hall->honest[1].why[0]) {
		sleep_us(100000);
		now = now_ns();
	}
}

static void lie_for(u64 ms)
{
	u64 lives = 0, frames = 0, told = 0, hangups = 0;
	unsigned int number[LIARS], i;
	pid_t pid[LIARS];

	for (i = 0; i < LIARS; i++) {
		number[i] = i;
		pid[i] = spawn(liar, &number[i]);
	}
	wait_for(ms);
	WRITE_ONCE(hall->stop, true);
	for (i = 0; i < LIARS; i++) {
		is_eq(ends(pid[i]), 0, "a liar ends");
		lives += hall->lied[i].lives;
		frames += hall->lied[i].frames;
		told += hall->lied[i].lies;
		hangups += hall->lied[i].hangups;
	}
	pr_info("# %llu nodes said %llu frames, %llu of them lies, in %u of %u fields; %llu were "
		"cut off; the channel ended %llu times\n", (unsigned long long)lives,
		(unsigned long long)frames, (unsigned long long)told, lied_in(), lies.fields,
		(unsigned long long)hangups, (unsigned long long)hall->destroyed);
	is_eq(lied_in(), lies.fields, "they lied in each field");
	ok(hangups, "and were seen to");
}

/* ------------------------------------------------------------------------- the test */

static bool all_came(unsigned int i)
{
	struct honest *h = &hall->honest[i];

	return READ_ONCE(h->of[0].last) == READ_ONCE(h->submitted) &&
	       READ_ONCE(h->of[1].last) == READ_ONCE(hall->honest[!i].submitted);
}

static void judge_honest(unsigned int i)
{
	struct honest *h = &hall->honest[i];
	int from;

	ok(comes_true(all_came(i)), "%u: all came", i);
	is_str(h->why, "", "%u goes on", i);
	is_eq(h->failed, 0, "%u: nobody has failed", i);
	for (from = 0; from < 2; from++)
		is_eq(h->of[from].wrong + h->of[from].lost, 0, "%u: in order, and none is lost", i);
#ifndef SANITIZED
	if (!emulated())
		ok(h->late_ns < LATE_MS_MAX * 1000000ull, "%u: %.0f ms without one", i,
		   h->late_ns / 1e6);
#endif
	is_eq(h->resumed, 0, "%u: the link has stood", i);
	pr_info("# %u got %llu events of the other, at most %.0f ms apart\n", i,
		(unsigned long long)h->of[1].came, h->late_ns / 1e6);
}

static void judge_all(void)
{
	WRITE_ONCE(hall->quiet, true);
	judge_honest(0);
	judge_honest(1);
	/* All liars have hung up: what they were goes. */
	ok(comes_true(READ_ONCE(hall->members) == 2), "%ld members stay", hall->members);
}

TEST(good_go_on)
{
	const char *recording = getenv("KECHO_RECORDING");
	unsigned int i, number[2] = { 0, 1 };
	pid_t pid[2] = { 0 }, registry;

	must(own_network(), "a network namespace of its own");
	kernels = with_kernel();
	setenv("KECHO", "embedded", 1);
	hall = shared(sizeof(*hall));
	must(hall && lies_read(&lies, recording ?: RECORDING), "%s", lies.script->error);
	registry = net_registry(REGISTRY);
	if (registry) {
		for (i = 0; i < 2; i++)
			pid[i] = spawn(honest, &number[i]);
		for (i = 0; i < 2; i++)
			ok(comes_true(READ_ONCE(hall->honest[i].ready)), "%u is there: %s", i,
			   hall->honest[i].why);
		lie_for(long_run() ? RUN_LONG_MS : kernels ? RUN_GUEST_MS : RUN_MS);
		judge_all();
	}
	put_down(pid[0]);
	put_down(pid[1]);
	put_down(registry);
	script_free(lies.script);
}

TESTS(lies, good_go_on);
