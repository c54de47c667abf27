// SPDX-License-Identifier: MIT
/*
 * Deadlines between processes of two kechods: what has expired is counted, exactly, by each sink
 * and in what anybody asks for; also by a sink that comes in a row of such events.
 */
#include "hosts.h"

enum {
	EVENTS = 5000,
	LEN = 300,
	LONG_NS = 1000000000,
};

/* A sink, and what it was given. */
struct seat {
	struct kecho_sink *s;
	u64 came, lost, first;	/* events; those submitted before it came */
	bool ended;
};

static struct kechod host[2];
static struct kecho *k[2];
static struct kecho_channel *ch[2];
static struct kecho_source *src;
static u64 submitted;

/* Any third of them is over, or will be before it is read. */
static void submit_some(unsigned int n)
{
	static unsigned int seed = 1;
	static const char event[LEN];
	u64 wrong = 0, now;

	for (; n; n--) {
		now = clock_ns(CLOCK_REALTIME);
		wrong += kecho_submit_until(src, event, sizeof(event), rand_r(&seed) % 3 ?
					    now + 100ull * LONG_NS : now - rand_r(&seed) % 1000,
					    0) != 0;
		submitted++;
	}
	is_eq(wrong, 0, "all submitted");
}

/* All over. */
static void submit_over(unsigned int n)
{
	for (; n; n--, submitted++)
		is_eq(kecho_submit_until(src, "x", 1, 1, 0), 0, "submit");
}

static bool sit(struct seat *seat, enum kecho_policy policy)
{
	struct kecho_sink_options opt = { .policy = policy };

	seat->first = submitted;
	return ok(!kecho_sink_open(ch[1], &opt, &seat->s), "sink: %s", kecho_explain());
}

/* All that is there for now. */
static void take(struct seat *seat, int timeout_ms)
{
	struct kecho_event ev;

	while (!seat->ended && !kecho_read(seat->s, &ev, timeout_ms)) {
		seat->came += ev.kind == KECHO_EVENT;
		seat->lost += ev.kind == KECHO_LOST ? ev.last_seq - ev.seq + 1 : 0;
		seat->ended = ev.kind == KECHO_ENDED;
	}
}

static u64 expired_of(const struct seat *seat)
{
	struct kecho_sink_stats st;

	kecho_sink_stats(seat->s, &st);
	return st.expired;
}

/* As anybody hears of it. */
static u64 told_of(uint64_t member)
{
	struct kecho_member_stats st[8];
	ssize_t i, n = kecho_channel_stats(ch[0], st, 8, SOON_MS);

	for (i = 0; i < n && i < 8; i++)
		if (st[i].member.id == member)
			return st[i].expired;
	return ~0ull;
}

static void counted(struct seat *seat, const char *what)
{
	struct kecho_event ev;

	take(seat, SOON_MS);
	ok(seat->ended, "%s: to the end", what);
	/* Who finds nothing tells what it has read. */
	is_eq(kecho_read(seat->s, &ev, 0), -EAGAIN, "%s: no more", what);
	is_eq(seat->came + seat->lost + expired_of(seat), submitted - seat->first, "%s: the sum",
	      what);
	ok(seat->came && expired_of(seat), "%s: some of both", what);
	is_eq(told_of(kecho_sink_id(seat->s)), expired_of(seat), "%s: as it is told", what);
}

static bool begin(void)
{
	return start_hosts(host) && attach_to(&host[0], "lives", &k[0], &ch[0]) &&
	       attach_to(&host[1], "lives", &k[1], &ch[1]) &&
	       !kecho_source_open(ch[0], NULL, &src);
}

static void end(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		kecho_channel_close(ch[i]);
		kecho_close(k[i]);
		is_eq(daemon_stop(&host[i]), 0, "the end");
	}
}

TEST(far)
{
	struct seat block = { 0 }, latest = { 0 }, late = { 0 };
	struct kecho_source_stats st;
	unsigned int i;

	if (!own_network())
		skip("no network namespace of its own");
	must(begin() && sit(&block, KECHO_BLOCK) && sit(&latest, KECHO_LATEST), "two hosts: %s",
	     kecho_explain());
	for (i = 0; i < EVENTS; i += 100) {
		submit_some(100);
		take(&block, 0);
		take(&latest, 0);
	}
	/* It comes in the middle of a row of those that are over. */
	submit_over(2000);
	is_eq(kecho_channel_drain(ch[0], 0), -ETIMEDOUT, "it is said how far they are");
	take(&block, 100);
	must(sit(&late, KECHO_LATEST), "a late one");
	submit_over(2000);
	submit_some(100);
	ok(comes_true((kecho_source_stats(src, &st), st.expired > 3000)), "%llu were not sent",
	   (unsigned long long)st.expired);
	ok(told_of(kecho_source_id(src)) >= st.expired, "as it is told");
	kecho_source_close(src);
	counted(&block, "block");
	counted(&latest, "latest");
	counted(&late, "late");
	is_eq(block.lost + late.lost, 0, "these lost none");
	end();
}

TESTS(deadline, far);
