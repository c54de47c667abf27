// SPDX-License-Identifier: MIT
/*
 * Sessions of /dev/kecho that end at odd times: nothing that others still look at is gone by
 * then.
 */
#include "../daemon/raw.h"

enum {
	GONE_MS = 500,		/* a namespace without processes is, by then */
};

#define KERNEL()						\
	do {							\
		if (!with_kernel() || geteuid())		\
			skip("KECHO=kernel is not said, by root"); \
		signal(SIGPIPE, SIG_IGN);			\
	} while (0)

/* ------------------------------------------------------------ without its namespace */

struct outlived {
	bool done;
	int rang, opened;
};

/* The session's process has gone, and with it the namespace, but for what we hold of it. */
static int outlive(struct raw *r, pid_t parent, struct outlived *o)
{
	if (unshare(CLONE_NEWNET))
		return 1;
	while (getppid() == parent)
		sleep_us(STEP_US);
	sleep_us(GONE_MS * 1000);
	o->rang = raw_ring_node(r);
	o->opened = raw_channel(r, "late");
	WRITE_ONCE(o->done, true);
	return 0;
}

static int have_child(void *arg)
{
	pid_t self = getpid();
	struct raw r;

	if (unshare(CLONE_NEWNET) || !raw_open(&r, NULL) || raw_attach(&r) ||
	    raw_channel(&r, "early") < 0)
		return 1;
	return fork() ? 0 : outlive(&r, self, arg);
}

TEST(child_stays)
{
	struct outlived *o = shared(sizeof(*o));

	KERNEL();
	must(o, "memory");
	is_eq(ends(spawn(have_child, o)), 0, "a process with a child");
	ok(comes_true(READ_ONCE(o->done)), "its child");
	ok(o->opened == -EPIPE || o->opened == -ENOTCONN, "gets no channel: %d", o->opened);
}

/* A child opens and closes channels while its parent goes. */
static int busy_child(void *arg)
{
	struct kecho_ctl_channel c = { 0 };
	struct raw r;
	int i;

	if (!raw_open(&r, NULL) || raw_attach(&r))
		return 1;
	if (fork()) {
		sleep_us(*(u32 *)arg);
		return 0;
	}
	for (i = 0; i < 10000; i++) {
		c.channel = raw_channel(&r, "busy");
		if ((int)c.channel < 0)
			break;
		raw_call(&r, KECHO_CMD_CHANNEL_CLOSE, &c, sizeof(c));
	}
	return 0;
}

TEST(child_opens)
{
	u32 us;

	KERNEL();
	for (us = 0; us < 20000; us += 500)
		is_eq(ends(spawn(busy_child, &us)), 0, "a process with a busy child");
}

TESTS(session, child_stays, child_opens);
