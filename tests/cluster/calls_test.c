// SPDX-License-Identifier: MIT
/*
 * System calls of a thread that submits, or looks: none while nobody sleeps, one if somebody does,
 * for one sink or eight in processes of their own. They are counted by the process that traces
 * that thread.
 */
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <linux/ptrace.h>

#include "cluster.h"

enum {
	SINKS_MAX = 8,
	WAYS_MAX = 3,		/* to sleep: in a futex, in poll, and both for the own node */
	TIMES = 64,
	MARK = 0x6b65,		/* of a call that is no other's: begins and ends a section */
	ASLEEP_US = 200000,	/* longer than from the last look to sleep */
};

enum section { NONE, NOBODY_SLEEPS, ALL_SLEEP, NOTHING_THERE, SECTIONS };

enum phase { OPENS, BUSY, SLEEPS, OVER };

struct calls {
	unsigned int sinks;
	enum phase phase;
	enum phase at[SINKS_MAX];
	u64 got[SINKS_MAX];
	unsigned int n[SECTIONS];
	int err;
};

static struct calls *calls;

/* ---------------------------------------------------------------------- sinks */

static int read_all(struct kecho_sink *s, u64 *got)
{
	struct kecho_event ev;
	int err;

	while (!(err = kecho_read(s, &ev, 0)))
		WRITE_ONCE(*got, *got + 1);
	return err == -EAGAIN ? 0 : err;
}

/* It sleeps once, and is busy with other things before that. */
static int sink(void *arg)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	unsigned int i = *(unsigned int *)arg;
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;
	int err;

	err = kecho_open(&k, NULL) ?: kecho_channel_open(k, "calls", NULL, &ch);
	err = err ?: kecho_sink_open(ch, &block, &s);
	WRITE_ONCE(calls->at[i], BUSY);
	while (!err && READ_ONCE(calls->phase) < SLEEPS)
		sleep_us(STEP_US);
	err = err ?: read_all(s, &calls->got[i]);
	WRITE_ONCE(calls->at[i], SLEEPS);
	err = err ?: kecho_read(s, &ev, SOON_MS);
	WRITE_ONCE(calls->got[i], calls->got[i] + !err);
	while (!err && READ_ONCE(calls->phase) < OVER)
		sleep_us(STEP_US);
	kecho_close(k);
	return -err;
}

static bool all_at(enum phase phase)
{
	unsigned int i;

	for (i = 0; i < calls->sinks; i++)
		if (READ_ONCE(calls->at[i]) != phase)
			return false;
	return true;
}

/* --------------------------------------------------------------- who is traced */

static void mark(enum section s)
{
	syscall(SYS_getpgid, MARK, s);
}

static int submit(struct kecho_source *s, unsigned int times)
{
	char event[100] = { 0 };
	int err = 0;

	while (!err && times--)
		err = kecho_submit(s, event, sizeof(event), 0);
	return err;
}

static int look(struct kecho_sink *s)
{
	struct kecho_event ev;
	unsigned int i;
	int err = -EAGAIN;

	for (i = 0; i < TIMES && err == -EAGAIN; i++)
		err = kecho_read(s, &ev, 0);
	return err == -EAGAIN ? 0 : err ?: -EEXIST;
}

static int go_through(struct kecho_source *src, struct kecho_sink *own)
{
	int err;

	mark(NOBODY_SLEEPS);
	err = submit(src, TIMES);
	mark(NONE);
	WRITE_ONCE(calls->phase, SLEEPS);
	if (err || !comes_true(all_at(SLEEPS)))
		return err ?: -ETIMEDOUT;
	sleep_us(ASLEEP_US);
	mark(ALL_SLEEP);
	err = submit(src, 1);
	mark(NONE);
	if (err)
		return err;
	mark(NOTHING_THERE);
	err = look(own);
	mark(NONE);
	return err;
}

static int source(void *arg)
{
	struct kecho_source *src;
	struct kecho_channel *ch, *other;
	struct kecho_sink *own;
	struct kecho *k;
	int err;

	(void)arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	raise(SIGSTOP);
	err = kecho_open(&k, NULL) ?: kecho_channel_open(k, "calls", NULL, &ch) ?:
	      kecho_source_open(ch, NULL, &src) ?: kecho_channel_open(k, "empty", NULL, &other) ?:
	      kecho_sink_open(other, NULL, &own);
	/* The first calls make what the others need. */
	err = err ?: submit(src, 1) ?: look(own);
	sleep_us(ASLEEP_US);
	calls->err = err ?: go_through(src, own);
	WRITE_ONCE(calls->phase, OVER);
	kecho_close(k);
	return 0;
}

/* ------------------------------------------------------------------- who traces */

/* One stop of it; *@section is where it is. */
static void count_call(pid_t pid, int status, unsigned long *section, int *signal)
{
	struct ptrace_syscall_info info;

	*signal = 0;
	if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
		*signal = WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
		return;
	}
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_getpgid && info.entry.args[0] == MARK)
		*section = info.entry.args[1];
	else if (*section < SECTIONS)
		calls->n[*section]++;
}

static int trace(pid_t pid)
{
	unsigned long section = NONE;
	int status, signal = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return -1;
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, NULL, signal);
		if (waitpid(pid, &status, 0) != pid)
			return -1;
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return status;
		count_call(pid, status, &section, &signal);
	}
}

static void with_sinks(unsigned int n)
{
	pid_t pid[SINKS_MAX];
	unsigned int i;

	ARENA();
	calls = shared(sizeof(*calls));
	must(calls, "memory");
	calls->sinks = n;
	for (i = 0; i < n; i++)
		pid[i] = spawn(sink, &i);
	ok(comes_true(all_at(BUSY)), "%u sinks", n);
	is_eq(trace(spawn(source, NULL)), 0, "a source that is traced");
	is_eq(calls->err, 0, "it submits and looks");
	for (i = 0; i < n; i++) {
		is_eq(ends(pid[i]), 0, "sink %u", i);
		is_eq(calls->got[i], TIMES + 2, "sink %u gets all", i);
	}
	is_eq(calls->n[NOBODY_SLEEPS], 0, "calls in %d submissions while nobody sleeps", TIMES);
	/* Sinks that are nodes of their own sleep in more ways than one. */
	ok(calls->n[ALL_SLEEP] == 1 || (!with_node() && calls->n[ALL_SLEEP] <= WAYS_MAX),
	   "%u calls in one that wakes %u sinks", calls->n[ALL_SLEEP], n);
	is_eq(calls->n[NOTHING_THERE], 0, "calls in %d looks where nothing is", TIMES);
}

TEST(one_sink)
{
	with_sinks(1);
}

TEST(eight_sinks)
{
	with_sinks(8);
}

TESTS(calls, one_sink, eight_sinks);
