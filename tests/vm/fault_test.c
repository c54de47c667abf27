// SPDX-License-Identifier: MIT
/*
 * No memory: what kernel/fault_test.c does to calls of kernel code is done here to each request
 * of a process at the kernel's node, and to the module and a network namespace as they come. Of
 * all that one allocates the first fails, then the second alone, until none has.
 *
 * A request then says -ENOMEM, or -EFAULT where it could not be copied, and has done nothing, or
 * is done all the same; or the process is cut off, as it would have to be told something. Then
 * it comes again, as a new one.
 */
#include <sys/syscall.h>

#include "guest.h"

enum {
	FAULTS_MAX = 3000,	/* that one may have */
	NS_FAULTS = 60,		/* a namespace's last ones, which are ours */
	LOAD_FAULTS = 150,	/* those of a module that is loaded, which its init has */
};

static int nth;			/* /proc/thread-self/fail-nth */

static bool can_fail(void)
{
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth >= 0;
}

static void fail_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth, text, len, 0) != len && n)
		abort();
}

/* How many allocations more there would have had to be; asking may be the one that fails. */
static unsigned int fails_not(void)
{
	char text[16] = "";
	unsigned int left;

	if (pread(nth, text, sizeof(text) - 1, 0) < 1)
		return 1;
	left = strtoul(text, NULL, 10);
	if (left)
		fail_nth(0);
	return left;
}

/* ------------------------------------------------------------------- requests */

struct life {
	struct raw r;
	int channel, sink;
	struct raw_source s;
};

static int open_device(struct life *l)
{
	return raw_open(&l->r, NULL) ? 0 : -errno;
}

static int close_device(struct life *l)
{
	raw_close(&l->r);
	return 0;
}

static int attach(struct life *l)
{
	return raw_attach(&l->r);
}

static int open_channel(struct life *l)
{
	l->channel = raw_channel(&l->r, "fault");
	return min(l->channel, 0);
}

static int ask_channel(struct life *l, u32 cmd, u32 more)
{
	struct kecho_ctl_channel c = { .channel = l->channel, .on = more };

	return raw_call(&l->r, cmd, &c, sizeof(c));
}

static int close_channel(struct life *l)
{
	return ask_channel(l, KECHO_CMD_CHANNEL_CLOSE, 0);
}

static int watch(struct life *l)
{
	return ask_channel(l, KECHO_CMD_WATCH, true);
}

static int freeze(struct life *l)
{
	return ask_channel(l, KECHO_CMD_FREEZE, SAID_MS);
}

static int thaw(struct life *l)
{
	return ask_channel(l, KECHO_CMD_THAW, 0);
}

static int drain(struct life *l)
{
	return ask_channel(l, KECHO_CMD_DRAIN, SAID_MS);
}

static int destroy(struct life *l)
{
	return ask_channel(l, KECHO_CMD_DESTROY, SAID_MS);
}

static int channel_again(struct life *l)
{
	return close_channel(l) ?: open_channel(l);
}

static int show_live(struct life *l)
{
	struct kecho_ctl_channel c = { .channel = l->channel };
	int fd, err = raw_call_fds(&l->r, KECHO_CMD_LIVE, &c, sizeof(c), NULL, 0, &fd, 1);

	if (!err)
		close(fd);
	return err;
}

static int list(struct life *l, u32 cmd)
{
	struct kecho_ctl_list in = { .channel = l->channel, .timeout_ms = SAID_MS };

	return raw_call(&l->r, cmd, &in, sizeof(in));
}

static int list_all(struct life *l)
{
	struct kecho_ctl_status st;

	return list(l, KECHO_CMD_MEMBERS) ?: list(l, KECHO_CMD_STATS) ?:
	       list(l, KECHO_CMD_LINKS) ?: list(l, KECHO_CMD_CHANNELS) ?:
	       get_status(&l->r, &st) ? 0 : -EPIPE;
}

static int set(struct life *l)
{
	struct kecho_ctl_attr a = { .what = KECHO_OF_CHANNEL, .channel = l->channel,
				    .attrs_len = 6 };

	return raw_call_fds(&l->r, KECHO_CMD_SET, &a, sizeof(a), "\2\1\1\0nx", 6, NULL, 0);
}

static int get(struct life *l)
{
	struct kecho_ctl_attr a = { .what = KECHO_OF_CHANNEL, .channel = l->channel,
				    .name = "n" };

	return raw_call(&l->r, KECHO_CMD_GET, &a, sizeof(a));
}

/* -------------------------------------------------------------------- members */

static int open_source(struct life *l)
{
	l->s.o = (struct kecho_ctl_source_open){ .channel = l->channel, .log_size = RAW_LOG };
	return raw_call_fds(&l->r, KECHO_CMD_SOURCE_OPEN, &l->s.o, sizeof(l->s.o), NULL, 0,
			    &l->s.fd, 1);
}

static int close_source(struct life *l)
{
	int err = raw_source_close(&l->r, &l->s, 0);

	if (!err)
		raw_source_free(&l->s);
	return err;
}

/* No request: nothing fails meanwhile. */
static int map_log(struct life *l)
{
	unsigned int left = fails_not();
	struct raw_source *s = &l->s;
	int err;

	s->map = mmap(NULL, KECHO_LOG_HEADER_SIZE + RAW_LOG, PROT_READ | PROT_WRITE, MAP_SHARED,
		      s->fd, 0);
	if (s->map == MAP_FAILED)
		return -ENOMEM;
	err = ke_log_init(&s->log, s->map, (u8 *)s->map + KECHO_LOG_HEADER_SIZE, RAW_LOG, 0, 0);
	fail_nth(left);
	return err;
}

/* A source that can't be is gone. */
static int be_ready(struct life *l)
{
	int err = raw_source_ready(&l->r, &l->s);

	if (err != -ENOMEM)
		return err;
	raw_source_free(&l->s);
	return open_source(l) ?: map_log(l) ?: err;
}

static int ready_again(struct life *l)
{
	return close_source(l) ?: open_source(l) ?: map_log(l);
}

static int source_again(struct life *l)
{
	return open_source(l) ?: map_log(l) ?: be_ready(l);
}

static int announce(struct life *l)
{
	static const char type[] = "kt\1\0\0\0\0\0\0\0\1\0\1\0\0\0a";
	struct kecho_ctl_announce a = { .source = l->s.o.source, .type_len = sizeof(type) - 1 };

	return raw_call_fds(&l->r, KECHO_CMD_ANNOUNCE, &a, sizeof(a), type, sizeof(type) - 1,
			    NULL, 0);
}

static int ask_type(struct life *l)
{
	struct kecho_ctl_type t = { .channel = l->channel, .number = 1,
				    .member = l->s.o.member };

	return raw_call(&l->r, KECHO_CMD_TYPE, &t, sizeof(t));
}

static int open_sink(struct life *l)
{
	l->sink = raw_sink(&l->r, l->channel, KECHO_BLOCK, KECHO_FROM_NOW);
	return min(l->sink, 0);
}

static int close_sink(struct life *l)
{
	return raw_sink_close(&l->r, l->sink);
}

/* ------------------------------------------------------------------ one by one */

struct step {
	const char *name;
	int (*call)(struct life *l);
	int (*undo)(struct life *l);
};

#define STEP(call, undo) { #call, call, undo }

static const struct step step[] = {
	STEP(open_device, close_device),
	STEP(attach, NULL),
	STEP(open_channel, close_channel),
	STEP(watch, NULL),
	STEP(freeze, thaw),
	STEP(thaw, freeze),
	STEP(drain, NULL),
	STEP(set, NULL),
	STEP(get, NULL),
	STEP(show_live, NULL),
	STEP(open_source, close_source),
	STEP(map_log, NULL),
	STEP(be_ready, ready_again),
	STEP(announce, NULL),
	STEP(ask_type, NULL),
	STEP(open_sink, close_sink),
	STEP(list_all, NULL),
	STEP(close_sink, open_sink),
	STEP(close_source, source_again),
	STEP(destroy, channel_again),
};

/* As far as before this step, from nothing. */
static bool come_again(struct life *l, u32 to)
{
	u32 i;

	raw_source_free(&l->s);
	raw_close(&l->r);
	for (i = 0; i < to; i++)
		if (step[i].call(l))
			return false;
	return true;
}

/* 1: none failed. The step is done then, or is to be done again. */
static int try(struct life *l, u32 i, u32 n, bool *cut)
{
	int err;

	fail_nth(n + 1);
	err = step[i].call(l);
	*cut = err == -EPIPE;
	if (fails_not())
		return err ?: 1;
	if (!err && step[i].undo)
		err = step[i].undo(l);
	return err == -ENOMEM || err == -EFAULT || err == -EPIPE ? 0 : err;
}

static bool each_fails(struct life *l, u32 i)
{
	u32 n, cuts = 0;
	bool cut;
	int err = 0;

	for (n = 0; n < FAULTS_MAX && !err; n++) {
		err = try(l, i, n, &cut);
		if (!err && cut && !come_again(l, i))
			err = -ECONNREFUSED;
		cuts += cut;
	}
	printf("# %s: %u allocations, %u times cut off\n", step[i].name, n - 1, cuts);
	return is_eq(err, 1, "%s: allocation %u", step[i].name, n);
}

TEST(requests)
{
	static struct life l;
	u32 i;

	IN_GUEST();
	if (!can_fail())
		skip("this kernel injects no faults");
	raw_close(&l.r);
	for (i = 0; i < ARRAY_SIZE(step); i++)
		must(each_fails(&l, i), "step %u", i);
	raw_close(&l.r);
	must(come_again(&l, ARRAY_SIZE(step)), "all goes well");
	raw_close(&l.r);
}

/* ----------------------------------------------------- namespaces, the module */

static int new_namespace(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

static int load(void)
{
	int fd = open("/kecho.ko", O_RDONLY | O_CLOEXEC);
	int err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;

	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "kecho", O_NONBLOCK) ? -errno : 0;
}

static unsigned int count_faults(int (*call)(void))
{
	fail_nth(INT_MAX);
	if (call())
		return 0;
	return INT_MAX - fails_not();
}

/* The last @faults of its allocations. */
static void last_fail(const char *what, int (*call)(void), int (*undo)(void), unsigned int faults)
{
	unsigned int n = count_faults(call), last = n + faults / 2, refused = 0;
	bool none;
	int err = 0;

	must(n, "%s", what);
	if (undo)
		must(!undo(), "%s, undone", what);
	printf("# %s: %u allocations\n", what, n);
	for (n = n > faults ? n - faults : 1; n < last && !err; n++) {
		fail_nth(n);
		err = call();
		none = fails_not();
		refused += !!err;
		if (!err && undo)
			must(!undo(), "%s, undone", what);
		err = none ? err ?: 1 : 0;
	}
	is_eq(err, 1, "%s: allocation %u", what, n);
	printf("# %s: %u refused\n", what, refused);
}

TEST(namespaces)
{
	IN_GUEST();
	if (!can_fail())
		skip("this kernel injects no faults");
	last_fail("a namespace", new_namespace, NULL, NS_FAULTS);
}

TEST(module)
{
	IN_GUEST();
	if (!can_fail())
		skip("this kernel injects no faults");
	must(comes_true(!unload()), "unloaded");
	last_fail("the module", load, unload, LOAD_FAULTS);
	is_eq(load(), 0, "it is there again");
}

TESTS(kernel_fault, requests, namespaces, module);
