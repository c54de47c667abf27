// SPDX-License-Identifier: MIT
/*
 * One submission that wakes sinks of many users: how many system calls the submitter makes
 * for it, which are counted by ptrace(), and who wakes whom when kechod stands still or dies.
 *
 * Each sleeper is a process with a sink that sleeps in kecho_read(), or in poll() on its
 * descriptor.
 */
#include "raw.h"

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

enum {
	SLEEPERS_MAX = 31,	/* and who submits: as many users as a channel may have */
	USER_FIRST = 20000,
	ROUNDS = 20,
	OWN = 2,		/* of the submitter's user: one in each kind of sleep */
};

struct sleeper {
	pid_t pid;
	uid_t uid;
	bool polls;
	u32 got;
};

/* Each field has one writer. */
static struct hall {
	u32 submit, submitted;	/* so many are to be; are */
	bool traced, there;
	struct sleeper sleeper[SLEEPERS_MAX + OWN];
} *hall;

static struct kechod node;
static unsigned int nsleepers;
static pid_t submitter_pid;

static struct kecho_channel *join(void)
{
	struct kecho_channel *ch;
	struct kecho *k;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "fanout", NULL, &ch))
		return NULL;
	return ch;
}

static int sleeper(void *arg)
{
	struct sleeper *me = arg;
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct pollfd p = { .events = POLLIN };
	int err;

	if (setgid(me->uid) || setuid(me->uid) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		return 1;
	ch = join();
	if (!ch || kecho_sink_open(ch, NULL, &s))
		return 1;
	p.fd = kecho_sink_fd(s);
	do {
		err = kecho_read(s, &ev, me->polls ? 0 : -1);
		if (err == -EAGAIN)
			poll(&p, 1, -1);
		else if (!err && ev.kind == KECHO_EVENT)
			WRITE_ONCE(me->got, me->got + 1);
	} while (!err || err == -EAGAIN);
	return 1;
}

/* Stops the calling thread, which is the first of @pid, if it is traced. */
static void mark(pid_t pid)
{
	if (hall->traced)
		syscall(SYS_tgkill, pid, pid, SIGSTOP);
}

static int submitter(void *arg)
{
	struct kecho_channel *ch = join();
	struct kecho_source *s;
	pid_t pid = getpid();

	(void)arg;
	if (!ch || kecho_source_open(ch, NULL, &s) ||
	    (hall->traced && ptrace(PTRACE_TRACEME, 0, 0, 0)))
		return 1;
	smp_store_release(&hall->there, true);
	for (;;) {
		while (hall->submitted == smp_load_acquire(&hall->submit))
			sleep_us(STEP_US);
		mark(pid);
		if (kecho_submit(s, "x", 1, KECHO_NOTIME))
			return 1;
		mark(pid);
		smp_store_release(&hall->submitted, hall->submitted + 1);
	}
}

/* ------------------------------------------------------------------- the stage */

static void add(unsigned int n, uid_t first, bool polls)
{
	unsigned int i;

	for (i = 0; i < n; i++, nsleepers++) {
		hall->sleeper[nsleepers].uid = first ? first + i : 0;
		hall->sleeper[nsleepers].polls = polls;
	}
}

static bool is_member(unsigned int n)
{
	struct kecho_ctl_status st = { 0 };
	struct raw r;
	bool good;

	good = raw_open(&r, &node) && !raw_call(&r, KECHO_CMD_STATUS, &st, sizeof(st)) &&
	       st.sinks == n && st.sources == 1;
	raw_close(&r);
	return good;
}

/* kechod, and all that were added; then who submits. */
static bool begin(bool traced)
{
	unsigned int i;

	if (!daemon_start(&node, (const char *const[]){ "registry=" REGISTRY, NULL }) ||
	    !comes_true(daemon_answers(&node)))
		return false;
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", node.socket, 1);
	hall->traced = traced;
	for (i = 0; i < nsleepers; i++)
		hall->sleeper[i].pid = spawn(sleeper, &hall->sleeper[i]);
	submitter_pid = spawn(submitter, NULL);
	return comes_true(is_member(nsleepers)) && comes_true(smp_load_acquire(&hall->there));
}

static bool stage(void)
{
	if (!hall)
		hall = shared(sizeof(*hall));
	if (!hall)
		return false;
	memset(hall, 0, sizeof(*hall));
	node = (struct kechod){ 0 };
	nsleepers = 0;
	return true;
}

static void end(void)
{
	unsigned int i;

	put_down(submitter_pid);
	for (i = 0; i < nsleepers; i++)
		put_down(hall->sleeper[i].pid);
}

static bool others_got(u32 n)
{
	unsigned int i;

	for (i = 0; i < nsleepers; i++)
		if (hall->sleeper[i].uid && READ_ONCE(hall->sleeper[i].got) != n)
			return false;
	return true;
}

static bool own_got(u32 n)
{
	unsigned int i;

	for (i = 0; i < nsleepers; i++)
		if (!hall->sleeper[i].uid && READ_ONCE(hall->sleeper[i].got) != n)
			return false;
	return true;
}

/* Whether thread @tid is inside that system call, with @second as its second argument. */
static bool inside(pid_t tid, long call, long second)
{
	char path[64];
	long nr = -1, arg = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%ld %*x %lx", &nr, (unsigned long *)&arg) != 2)
		nr = -1;
	if (f)
		fclose(f);
	return nr == call && arg == second;
}

/* At a doorbell, which is shared, or in poll() of one descriptor: not at a lock. */
static bool all_asleep(void)
{
	const struct sleeper *z;

	for (z = hall->sleeper; z < hall->sleeper + nsleepers; z++)
		if (!(z->polls ? inside(z->pid, SYS_poll, 1) :
				 inside(z->pid, SYS_futex, FUTEX_WAIT_BITSET)))
			return false;
	return true;
}

/* -------------------------------------------------------------------- counting */

/* To the next mark; gives at how many ends of system calls it passed. */
static int stops_until_mark(void)
{
	int status, stops = 0;

	while (waitpid(submitter_pid, &status, 0) == submitter_pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP)
			return stops;
		stops++;
		if (ptrace(PTRACE_SYSCALL, submitter_pid, 0, 0))
			break;
	}
	return -1;
}

/* The system calls of the @n-th submission: each stops where it begins and where it ends, and
 * so do the first mark's end and the second one's beginning. */
static int calls_of(u32 n)
{
	int stops;

	smp_store_release(&hall->submit, n);
	if (stops_until_mark() < 0 || ptrace(PTRACE_SYSCALL, submitter_pid, 0, 0))
		return -1;
	stops = stops_until_mark();
	if (stops < 0 || ptrace(PTRACE_CONT, submitter_pid, 0, 0))
		return -1;
	return (stops - 2) / 2;
}

/* It is never more than @most, and that when all sleep. */
static void count(int most)
{
	int calls, max = 0;
	u32 i;

	for (i = 1; i <= ROUNDS; i++) {
		ok(comes_true(all_asleep()), "round %u: all sleep", i);
		calls = calls_of(i);
		must(calls >= 0 && calls <= most, "round %u: %d system calls, %d at most", i, calls,
		     most);
		max = max(max, calls);
		must(comes_true(others_got(i) && own_got(i)), "round %u: all have it", i);
	}
	is_eq(max, most, "system calls");
}

static void count_with(int most)
{
	if (ok(begin(true), "%u sleepers and who submits", nsleepers))
		count(most);
	end();
	is_eq(daemon_stop(&node), 0, "kechod stops");
}

#define STAGE()									\
	do {									\
		if (geteuid())							\
			skip("needs root, to be several users");		\
		if (!own_network())						\
			skip("no network namespace of its own");		\
		must(stage(), "memory");					\
	} while (0)

/* ----------------------------------------------------------------------- tests */

/* However many sleep: one for each kind of sleep. */
TEST(one_user)
{
	STAGE();
	add(6, 0, false);
	add(6, 0, true);
	count_with(2);
}

TEST(few_users)
{
	STAGE();
	add(KECHO_RINGS_MAX, USER_FIRST, false);
	count_with(KECHO_RINGS_MAX);
}

TEST(few_users_both_kinds)
{
	STAGE();
	add(1, 0, false);
	add(1, 0, true);
	add(KECHO_RINGS_MAX, USER_FIRST, false);
	add(KECHO_RINGS_MAX, USER_FIRST, true);
	count_with(2 + 2 * KECHO_RINGS_MAX);
}

/* One to kechod, whatever their number. */
TEST(many_users)
{
	STAGE();
	add(SLEEPERS_MAX / 2, USER_FIRST, false);
	add(SLEEPERS_MAX - SLEEPERS_MAX / 2, USER_FIRST + SLEEPERS_MAX / 2, true);
	count_with(1);
}

TEST(many_users_and_own)
{
	STAGE();
	add(KECHO_RINGS_MAX + 1, USER_FIRST, false);
	add(1, 0, false);
	add(1, 0, true);
	count_with(3);
}

/* Who was left to kechod is woken when that goes on; the others at once. */
TEST(node_stands_still)
{
	int status;

	STAGE();
	add(SLEEPERS_MAX, USER_FIRST, false);
	add(1, 0, false);
	if (ok(begin(false) && comes_true(all_asleep()), "all sleep")) {
		kill(node.pid, SIGSTOP);
		waitpid(node.pid, &status, WUNTRACED);
		ok(comes_true(all_asleep()), "also those that it rang before");
		WRITE_ONCE(hall->submit, 2);
		ok(comes_true(own_got(2)), "of the own user");
		sleep_us(QUIET_MS * 1000);
		ok(others_got(0), "of others nobody is woken");
		kill(node.pid, SIGCONT);
		ok(comes_true(others_got(2)), "all of them when it goes on");
	}
	end();
	is_eq(daemon_stop(&node), 0, "kechod stops");
}

/* Its youngest thread. */
static pid_t helper_of(pid_t pid)
{
	char path[64];
	struct dirent *e;
	pid_t tid = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (atoi(e->d_name) && atoi(e->d_name) != pid)
			tid = atoi(e->d_name);
	if (d)
		closedir(d);
	return tid;
}

/* At their socket and what wakes them. */
static bool helpers_wait(void)
{
	unsigned int i;

	for (i = 0; i < nsleepers; i++)
		if (!inside(helper_of(hall->sleeper[i].pid), SYS_poll, 2))
			return false;
	return true;
}

static bool hold(pid_t tid)
{
	return tid && !ptrace(PTRACE_SEIZE, tid, 0, 0) && !ptrace(PTRACE_INTERRUPT, tid, 0, 0) &&
	       waitpid(tid, NULL, __WALL) == tid;
}

static void let_go(pid_t tid)
{
	ptrace(PTRACE_DETACH, tid, 0, 0);
}

/* Nobody learns that it has died until the submitter's helper runs again: who sleeps is
 * woken by the submitter then, and by nobody else. When all were woken once and their helpers
 * wait for more, they have heard of the doorbell. */
static void leave_to_the_dead(void)
{
	pid_t helper = helper_of(submitter_pid);
	unsigned int i, held = 0;
	siginfo_t dead;

	WRITE_ONCE(hall->submit, 1);
	must(comes_true(others_got(1) && all_asleep() && helpers_wait()), "all have woken once");
	for (i = 0; i < nsleepers; i++)
		held += hold(helper_of(hall->sleeper[i].pid));
	must(hold(helper) && held == nsleepers, "helpers stand still");
	kill(node.pid, SIGKILL);
	must(!waitid(P_PID, node.pid, &dead, WEXITED | WNOWAIT), "kechod is dead");
	WRITE_ONCE(hall->submit, 2);
	ok(comes_true(smp_load_acquire(&hall->submitted) == 2), "submitted");
	sleep_us(QUIET_MS * 1000);
	ok(others_got(1), "nobody rings");
	let_go(helper);
	ok(comes_true(others_got(2)), "it rings as it learns of it");
	ok(comes_true(all_asleep()), "all sleep");
	WRITE_ONCE(hall->submit, 3);
	ok(comes_true(others_got(3)), "and from then on");
	for (i = 0; i < nsleepers; i++)
		let_go(helper_of(hall->sleeper[i].pid));
}

TEST(node_is_dead)
{
	STAGE();
	add(SLEEPERS_MAX, USER_FIRST, false);
	if (ok(begin(false) && comes_true(all_asleep()), "all sleep"))
		leave_to_the_dead();
	end();
	is_eq(daemon_stop(&node), -1, "it was killed");
}

TESTS(fanout, one_user, few_users, few_users_both_kinds, many_users, many_users_and_own,
      node_stands_still, node_is_dead);
