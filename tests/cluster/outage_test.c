/* SPDX-License-Identifier: MIT */
/*
 * Links are cut for random times, in all ways that a network has, under load and with a
 * sink that blocks: nothing is lost, nothing repeated, all in order. Several pairs of
 * hosts at once, each in namespaces of its own:
 *
 *	near 10.99.0.1 [cuta]---veth---[cutb] 10.99.0.2 far
 *	  source, registry, filter              sink
 *
 * The log is the buffer that a stream goes on from, so it holds what is submitted in the
 * longest outage: RECORD_LEN bytes of each of RATE events a second for MS_MAX_LONG. A
 * node that is not heard for 2 s has failed and its gates are lifted: both ends must
 * notice in time, and go on soon after the cut has healed.
 */
#include <pthread.h>

#include "net.h"

enum {
	RATE = 10000,			/* events a second */
	EVENT_LEN = 40,
	RECORD_LEN = 64,		/* of such an event in the log */
	LOG_SIZE = 32 << 20,
	PAIRS = 2, CUTS = 5, MS_MAX = 3000,
	PAIRS_LONG = 10, CUTS_LONG = 10, MS_MAX_LONG = 30000,
	MS_MIN = 100,
	REST_MS = 1500,			/* between two cuts, at most */
	DETECT_BAR_MS = 2000,
	/* An end that hears does so until the other has been silent for long and hangs up. */
	HEARS_MS = 1500,
	FLOW_BAR_MS = 1000,
	CUTS_MAX = 128,
	SEED = 3,
};

_Static_assert(LOG_SIZE / RECORD_LEN > MS_MAX_LONG / 1000 * RATE, "the log holds an outage");

#define OUTAGE_REGISTRY "10.99.0.1:7390"

/* Ways to cut a wire; all at the near host. */
static const struct way {
	const char *name, *cut, *heal;
	bool near_hears, far_hears;
} ways[] = {
	{ "link down", "ip link set cuta down", "ip link set cuta up", false, false },
	{ "both ways dropped",
	  "nft \"add rule inet cut in iifname cuta drop; add rule inet cut out oifname cuta drop\"",
	  "nft flush table inet cut", false, false },
	{ "inwards dropped", "nft add rule inet cut in iifname cuta drop",
	  "nft flush table inet cut", false, true },
	{ "outwards dropped", "nft add rule inet cut out oifname cuta drop",
	  "nft flush table inet cut", true, false },
	{ "rejected",
	  "nft \"add rule inet cut in iifname cuta tcp dport != 0 reject with tcp reset; "
	  "add rule inet cut out oifname cuta reject with tcp reset\"",
	  "nft flush table inet cut", false, false },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

struct outage {
	unsigned int way, ms;
	u64 near_failed_ns, far_failed_ns;	/* after the cut; 0: not noticed */
	u64 flow_ns, caught_ns;			/* after the heal */
};

/* One pair of hosts. Each field has one writer. */
static struct pair {
	bool apart, wired, ready;
	bool loaded;		/* no more will be submitted */
	bool stop;
	int failed;		/* 0, or the line of the step that did not work */
	u64 submitted;		/* the near host's */
	u64 waited_ns_max;	/* of one submission */
	u64 cut_at, heal_at, heal_number;	/* heal_at is 0 while a cut lasts */
	u64 near_failed_at;
	struct given far;
	u64 far_failed_at, flow_at, caught_at;
	struct outage cut[CUTS_MAX];
} *pairs;

static unsigned int npairs, ncuts, ms_max;

/* ------------------------------------------------------------------ the far host */

static void account(struct pair *p, const struct kecho_event *ev)
{
	u64 now = now_ns();

	give(&p->far, ev);
	if (ev->kind == KECHO_ENDED)	/* until it is heard again */
		p->far.wrong += !ev->failed && !READ_ONCE(p->stop);
	if (ev->kind != KECHO_EVENT)
		return;
	if (!smp_load_acquire(&p->heal_at))
		return;
	if (!p->flow_at)
		WRITE_ONCE(p->flow_at, now);
	if (!p->caught_at && ev->seq >= p->heal_number)
		smp_store_release(&p->caught_at, now);
}

static void far_watch(void *arg, const struct kecho_member *m)
{
	struct pair *p = arg;

	if (m->state == KECHO_FAILED)
		WRITE_ONCE(p->far_failed_at, now_ns());
}

static int far_host(void *arg)
{
	const struct kecho_options opt = { .listen = "10.99.0.2", .registry = OUTAGE_REGISTRY };
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch;
	struct kecho_event ev[64];
	struct pair *p = arg;
	struct kecho_sink *s;
	struct kecho *k;
	ssize_t i, n;

	if (!host_apart(&p->apart) || !comes_true(READ_ONCE(p->wired)))
		return 1;
	if (kecho_open(&k, &opt) || kecho_channel_open(k, "outage", NULL, &ch) ||
	    kecho_channel_watch(ch, far_watch, p) || kecho_sink_open(ch, &block, &s))
		return 1;
	WRITE_ONCE(p->ready, true);
	while (!READ_ONCE(p->stop)) {
		n = kecho_read_vector(s, ev, ARRAY_SIZE(ev), 100);
		for (i = 0; i < n; i++)
			account(p, &ev[i]);
	}
	kecho_close(k);
	return 0;
}

/* ----------------------------------------------------------------- the near host */

struct load {
	struct pair *p;
	struct kecho_source *s;
};

static void *submit_all(void *arg)
{
	struct load *l = arg;
	struct pair *p = l->p;
	u64 buf[EVENT_LEN / sizeof(u64)], begin = now_ns(), before, n = 0;

	while (!READ_ONCE(p->loaded)) {
		while (n < (now_ns() - begin) / (1000000000 / RATE)) {
			stamp_write(buf, sizeof(buf), n + 1);
			before = now_ns();
			if (kecho_submit(l->s, buf, sizeof(buf), 0))
				return NULL;
			p->waited_ns_max = max(p->waited_ns_max, now_ns() - before);
			WRITE_ONCE(p->submitted, ++n);
		}
		sleep_us(1000);
	}
	return NULL;
}

static void near_watch(void *arg, const struct kecho_member *m)
{
	struct pair *p = arg;

	if (m->state == KECHO_FAILED)
		WRITE_ONCE(p->near_failed_at, now_ns());
}

static u64 after(u64 at, u64 since)
{
	return at > since ? at - since : 0;
}

/* Times are counted from before the command, so they are never too short. */
static bool cut_once(struct pair *p, struct outage *o)
{
	WRITE_ONCE(p->near_failed_at, 0);
	WRITE_ONCE(p->far_failed_at, 0);
	smp_store_release(&p->heal_at, 0);
	p->cut_at = now_ns();
	if (!net_do(0, "%s", ways[o->way].cut))
		return false;
	sleep_us(o->ms * 1000);
	/* What came so far came before, or through what is still open. */
	p->flow_at = p->caught_at = 0;
	p->heal_number = READ_ONCE(p->submitted);
	smp_store_release(&p->heal_at, now_ns());
	o->near_failed_ns = after(READ_ONCE(p->near_failed_at), p->cut_at);
	o->far_failed_ns = after(READ_ONCE(p->far_failed_at), p->cut_at);
	if (!net_do(0, "%s", ways[o->way].heal) || !comes_true(smp_load_acquire(&p->caught_at)))
		return false;
	o->flow_ns = after(p->flow_at, p->heal_at);
	o->caught_ns = after(p->caught_at, p->heal_at);
	return true;
}

static u32 random_below(u64 *state, u32 below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % below;
}

/* 0, or the line that failed. */
static int cut_all(struct pair *p, struct kecho_channel *ch, unsigned int me)
{
	const struct kecho_source_options big = { .log_size = LOG_SIZE };
	struct load l = { .p = p };
	u64 seed = SEED + me;
	pthread_t loader;
	unsigned int i;
	int bad = 0;

	if (kecho_channel_watch(ch, near_watch, p) || kecho_source_open(ch, &big, &l.s) ||
	    pthread_create(&loader, NULL, submit_all, &l))
		return __LINE__;
	for (i = 0; i < ncuts && !bad; i++) {
		struct outage *o = &p->cut[i];

		sleep_us((MS_MIN + random_below(&seed, REST_MS - MS_MIN)) * 1000);
		o->way = (me + i) % WAYS;
		o->ms = MS_MIN + random_below(&seed, ms_max - MS_MIN);
		if (!cut_once(p, o))
			bad = __LINE__;
	}
	WRITE_ONCE(p->loaded, true);
	pthread_join(loader, NULL);
	if (!bad && !comes_true(READ_ONCE(p->far.last) == p->submitted))
		bad = __LINE__;
	WRITE_ONCE(p->stop, true);
	return bad;
}

static int near_run(struct pair *p, unsigned int me, pid_t far)
{
	const struct kecho_options opt = { .listen = "10.99.0.1", .registry = OUTAGE_REGISTRY };
	struct kecho_channel *ch;
	struct kecho *k;
	int bad;

	if (!comes_true(READ_ONCE(p->apart)) ||
	    !net_wire("cut", 0, "10.99.0.1", far, "10.99.0.2") || !net_filter(0) ||
	    kecho_open(&k, &opt))
		return __LINE__;
	WRITE_ONCE(p->wired, true);
	if (kecho_channel_open(k, "outage", NULL, &ch) || !comes_true(READ_ONCE(p->ready)))
		bad = __LINE__;
	else
		bad = cut_all(p, ch, me);
	kecho_close(k);
	return bad;
}

static int near_host(void *arg)
{
	struct pair *p = arg;
	int fds = fds_of(getpid());
	bool apart;
	pid_t far;

	if (!host_apart(&apart))
		return 1;
	far = spawn(far_host, p);
	p->failed = near_run(p, p - pairs, far);
	WRITE_ONCE(p->stop, true);
	if (ends(far) && !p->failed)
		p->failed = __LINE__;
	if (!net_gone(fds) && !p->failed)
		p->failed = __LINE__;
	return p->failed != 0;
}

/* ----------------------------------------------------------------------- verdict */

static int compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void tell(const char *what, u64 *ns, unsigned int n)
{
	if (!n)
		return;
	qsort(ns, n, sizeof(*ns), compare);
	pr_info("# %s: p50 %.0f ms, p90 %.0f ms, max %.0f ms of %u\n", what, ns[n / 2] / 1e6,
		ns[n * 9 / 10] / 1e6, ns[n - 1] / 1e6, n);
}

/* The sanitizers' times mean nothing. */
static void judge_times(const struct pair *p, const struct outage *o)
{
#ifndef SANITIZED
	const struct way *w = &ways[o->way];
	u64 near_ms = DETECT_BAR_MS + (w->near_hears ? HEARS_MS : 0);
	u64 far_ms = DETECT_BAR_MS + (w->far_hears ? HEARS_MS : 0);

	ok(o->near_failed_ns ? o->near_failed_ns <= near_ms * 1000000 : o->ms < near_ms,
	   "pair %td: a cut of %u ms (%s) was noticed by the source's node after %.0f ms",
	   p - pairs, o->ms, w->name, o->near_failed_ns / 1e6);
	ok(o->far_failed_ns ? o->far_failed_ns <= far_ms * 1000000 : o->ms < far_ms,
	   "pair %td: a cut of %u ms (%s) was noticed by the sink's node after %.0f ms",
	   p - pairs, o->ms, w->name, o->far_failed_ns / 1e6);
	ok(o->flow_ns <= FLOW_BAR_MS * 1000000ull, "pair %td: %s for %u ms, flow after %.0f ms",
	   p - pairs, ways[o->way].name, o->ms, o->flow_ns / 1e6);
#else
	(void)p;
	(void)o;
#endif
}

/* How long it took an end to notice: one that hears nothing, one that still hears. */
static struct {
	u64 ns[2 * CUTS_MAX];
	unsigned int n;
} noticed[2];

static void deaf_or_not(u64 ns, bool hears)
{
	noticed[hears].ns[noticed[hears].n++] = ns;
}

static void judge_all(void)
{
	static u64 flow[CUTS_MAX], caught[CUTS_MAX];
	unsigned int n = 0, i, j;

	for (i = 0; i < npairs; i++) {
		for (j = 0; j < ncuts; j++) {
			const struct outage *o = &pairs[i].cut[j];

			if (o->near_failed_ns)
				deaf_or_not(o->near_failed_ns, ways[o->way].near_hears);
			if (o->far_failed_ns)
				deaf_or_not(o->far_failed_ns, ways[o->way].far_hears);
			flow[n] = o->flow_ns;
			caught[n++] = o->caught_ns;
			judge_times(&pairs[i], o);
			pr_info("# pair %u: %-17s %5u ms, noticed %4.0f and %4.0f ms, "
				"flow %4.0f ms, caught up %4.0f ms\n", i, ways[o->way].name, o->ms,
				o->near_failed_ns / 1e6, o->far_failed_ns / 1e6, o->flow_ns / 1e6,
				o->caught_ns / 1e6);
		}
	}
	tell("failure noticed where nothing comes", noticed[0].ns, noticed[0].n);
	tell("failure noticed where only the way back is cut", noticed[1].ns, noticed[1].n);
	tell("from healing to flow", flow, n);
	tell("from healing until all is there", caught, n);
}

static void judge_events(const struct pair *p)
{
	is_eq(p->failed, 0, "the line of pair %td that failed", p - pairs);
	is_eq(p->far.wrong, 0, "pair %td: gaps, repeats or torn events", p - pairs);
	is_eq(p->far.lost, 0, "pair %td: lost", p - pairs);
	is_eq(p->far.came, p->submitted, "pair %td: each came once", p - pairs);
	pr_info("# pair %td: %llu submitted, %llu came, %llu lost, submission took %.1f ms "
		"at most\n", p - pairs, (unsigned long long)p->submitted,
		(unsigned long long)p->far.came, (unsigned long long)p->far.lost,
		p->waited_ns_max / 1e6);
}

TEST(outages)
{
	pid_t pid[PAIRS_LONG];
	unsigned int i;

	if (geteuid())
		skip("needs root");
	ARENA();
	npairs = long_run() ? PAIRS_LONG : PAIRS;
	ncuts = long_run() ? CUTS_LONG : CUTS;
	ms_max = long_run() ? MS_MAX_LONG : MS_MAX;
	pairs = shared(npairs * sizeof(*pairs));
	must(pairs, "memory");
	for (i = 0; i < npairs; i++)
		pid[i] = spawn(near_host, &pairs[i]);
	for (i = 0; i < npairs; i++)
		is_eq(waitpid(pid[i], NULL, 0), pid[i], "pair %u has ended", i);
	for (i = 0; i < npairs; i++)
		judge_events(&pairs[i]);
	judge_all();
}

TESTS(outage, outages);
