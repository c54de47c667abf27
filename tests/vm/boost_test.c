// SPDX-License-Identifier: MIT
/*
 * Threads that are boosted: when they are, for how long, and that it is always undone.
 */
#include "guest.h"

#include <sched.h>
#include <sys/resource.h>

enum {
	NICE = 7,
	BOOST_US = 1000,
	LONG_BOOST_US = 20000,	/* in which who is awake gets to look, however slow the machine */
	BURN_MS = 100,		/* far longer, */
	BURN_MAX_MS = 5000,	/* also where a CPU may stand still for a while */
	ROUNDS = 20,
	SHARE_MS = 10,		/* one percent of a second */
	ASLEEP_MS = 50,		/* who has read all is, by then */
	PLAIN_UID = 61236,
};

/* A process with a sink that wants to be boosted. */
struct reader {
	char name[16];		/* of the channel */
	u32 boost_us;
	bool limited;		/* it is another user, who may be real-time */
	bool forks, closes;	/* when an event has come */
	int err;
	pid_t pid;
	bool ready;
	int at_once, later, child;	/* its policy, then; a child's */
	int nice;
	u64 got;
};

static int policy_of(pid_t pid)
{
	return sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK;
}

static void burn(void)
{
	u64 start = now_ns(), ms = 0;

	while (ms < BURN_MS || (ms < BURN_MAX_MS && policy_of(0) == SCHED_FIFO))
		ms = (now_ns() - start) / 1000000;
}

static int child_policy(void *arg)
{
	return policy_of(0) + (arg ? 1 : 0);
}

static void take(struct reader *r)
{
	r->at_once = policy_of(0);
	if (r->forks)
		r->child = ends(spawn(child_policy, NULL));
	burn();
	r->later = policy_of(0);
	r->nice = getpriority(PRIO_PROCESS, 0);
	WRITE_ONCE(r->got, r->got + 1);
}

/* In its time, if the machine is fast enough. */
static void close_now(struct reader *r, struct kecho *k)
{
	r->at_once = policy_of(0);
	kecho_close(k);
	r->later = policy_of(0);
	WRITE_ONCE(r->got, r->got + 1);
}

static bool be_limited(void)
{
	struct rlimit one = { 1, 1 };

	return !setrlimit(RLIMIT_RTPRIO, &one) && !setgid(PLAIN_UID) && !setuid(PLAIN_UID);
}

static int reads(void *arg)
{
	struct reader *r = arg;
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .boost_us = r->boost_us };
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct kecho *k;

	setpriority(PRIO_PROCESS, 0, NICE);
	if (r->limited && !be_limited())
		return 1;
	r->err = kecho_open(&k, NULL) ?: kecho_channel_open(k, r->name, NULL, &ch);
	r->err = r->err ?: kecho_sink_open(ch, &opt, &s);
	WRITE_ONCE(r->ready, true);
	while (!r->err && !kecho_read(s, &ev, -1)) {
		if (ev.kind == KECHO_ENDED)
			break;
		if (r->closes) {
			close_now(r, k);
			return 0;
		}
		take(r);
	}
	return 0;
}

struct stage {
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct reader *r;
	u64 sent;
};

static bool begin(struct stage *t, const struct reader *r)
{
	static unsigned int number;

	t->r = shared(sizeof(*t->r));
	t->sent = 0;
	if (!t->r)
		return false;
	*t->r = *r;
	snprintf(t->r->name, sizeof(t->r->name), "boost-%u", number++);
	t->r->boost_us = t->r->boost_us ?: BOOST_US;
	t->r->pid = spawn(reads, t->r);
	return ok(comes_true(READ_ONCE(t->r->ready)), "the reader is there") &&
	       is_eq(t->r->err, 0, "with its sink") &&
	       ok(!kecho_open(&t->k, NULL) &&
		  !kecho_channel_open(t->k, t->r->name, NULL, &t->ch) &&
		  !kecho_source_open(t->ch, NULL, &t->src), "%s", kecho_explain());
}

static void end(struct stage *t)
{
	kecho_close(t->k);
	is_eq(ends(t->r->pid), 0, "the reader ends");
}

static bool send_one(struct stage *t)
{
	return ok(!kecho_submit(t->src, "x", 1, 0), "submit") &&
	       ok(comes_true(READ_ONCE(t->r->got) == t->sent + 1), "it came") && ++t->sent;
}

static bool raised(const struct stage *t)
{
	return policy_of(t->r->pid) == SCHED_FIFO;
}

TEST(raised_for_a_time)
{
	struct reader r = { .forks = true, .boost_us = LONG_BOOST_US };
	struct stage t;
	int i;

	IN_GUEST();
	must(set_limit("boost_max_us", LONG_BOOST_US) && set_limit("boost_percent", 100),
	     "limits");
	must(begin(&t, &r), "begin");
	for (i = 0; i < 3; i++) {
		ok(comes_true(raised(&t)), "asleep it is raised");
		must(send_one(&t), "an event");
		is_eq(t.r->at_once, SCHED_FIFO, "so it is as it wakes");
		is_eq(t.r->child, SCHED_OTHER, "its child is not");
		is_eq(t.r->later, SCHED_OTHER, "nor itself when its time is over");
		is_eq(t.r->nice, NICE, "with the nice value that it had");
	}
	end(&t);
	must(set_limit("boost_max_us", BOOST_US) && set_limit("boost_percent", 20), "as it was");
}

TEST(closing_undoes)
{
	struct reader r = { .closes = true };
	struct stage t;

	IN_GUEST();
	must(begin(&t, &r), "begin");
	ok(comes_true(raised(&t)), "asleep it is raised");
	send_one(&t);
	end(&t);
	is_eq(t.r->later, SCHED_OTHER, "not any more");
}

/* What somebody else has set stays. */
TEST(others_may_set_it)
{
	struct sched_param five = { 5 }, was;
	struct reader r = { 0 };
	struct stage t;

	IN_GUEST();
	must(begin(&t, &r), "begin");
	ok(comes_true(raised(&t)), "asleep it is raised");
	is_eq(sched_setscheduler(t.r->pid, SCHED_RR, &five), 0, "somebody sets its policy");
	must(send_one(&t) && send_one(&t), "events");
	is_eq(t.r->at_once, SCHED_RR, "it is that as it wakes");
	is_eq(t.r->later, SCHED_RR, "and later");
	ok(!sched_getparam(t.r->pid, &was) && was.sched_priority == 5, "at its priority");
	end(&t);
}

TEST(a_share_of_the_cpu)
{
	struct reader r = { .boost_us = SHARE_MS * 1000 / 2 };
	struct stage t;
	int i;

	IN_GUEST();
	must(set_limit("boost_percent", 1) && set_limit("boost_max_us", r.boost_us), "limits");
	must(begin(&t, &r), "begin");
	ok(comes_true(raised(&t)), "asleep it is raised");
	for (i = 0; i < ROUNDS && (!i || t.r->at_once == SCHED_FIFO); i++) {
		sleep_us(ASLEEP_MS * 1000);
		must(send_one(&t), "an event");
	}
	ok(i > 1 && i < ROUNDS, "its share is used up: %d", i);
	for (i = 0; i < ROUNDS && t.r->at_once != SCHED_FIFO; i++) {
		sleep_us(1000000);
		must(send_one(&t), "an event");
	}
	ok(i < ROUNDS, "and grows again: %d", i);
	end(&t);
	must(set_limit("boost_percent", 20) && set_limit("boost_max_us", 1000), "limits");
}

static int has_no_right(void *arg)
{
	struct reader *r = arg;

	if (setgid(PLAIN_UID) || setuid(PLAIN_UID))
		return 1;
	reads(r);
	return r->err == -EPERM ? 0 : 2;
}

TEST(rights)
{
	struct reader none = { .name = "boost-no", .boost_us = BOOST_US };
	struct reader r = { .limited = true };
	struct stage t;

	IN_GUEST();
	is_eq(ends(spawn(has_no_right, &none)), 0, "who has no right is refused");
	must(begin(&t, &r), "begin");
	ok(comes_true(raised(&t)), "RLIMIT_RTPRIO is one");
	end(&t);
}

TEST(killed)
{
	struct reader r = { 0 };
	struct stage t;
	int i;

	IN_GUEST();
	for (i = 0; i < 3; i++) {
		must(begin(&t, &r), "begin");
		ok(comes_true(raised(&t)), "asleep it is raised");
		if (i)
			kecho_submit(t.src, "x", 1, 0);
		if (i == 2)
			sleep_us(STEP_US);
		kill(t.r->pid, SIGKILL);
		ok(ends(t.r->pid) != 0, "killed");
		kecho_close(t.k);
	}
}

TESTS(boost, raised_for_a_time, closing_undoes, others_may_set_it, a_share_of_the_cpu, rights,
      killed);
