// SPDX-License-Identifier: MIT
/*
 * /dev/kecho, by a process that says and writes what it likes: it harms nobody but itself, and
 * gets no memory that it is not to write. Where the module isn't, all is skipped.
 */
#include <fcntl.h>

#include "cluster.h"
#include "uapi/kecho_node.h"

enum { LOG_SIZE = 64 << 10 };

/* A session, raw. */
struct raw {
	int fd;
	struct kecho_dev_receive in;
	struct kecho_msg *msg; /* the last that came */
	u8 buf[KECHO_MSG_MAX] __attribute__((aligned(8)));
};

static struct raw raw;

#define DEVICE() \
	do { \
		if (!with_kernel()) \
			skip("KECHO=kernel is not said"); \
		must(own_network(), "a network namespace"); \
		raw.fd = open(KECHO_DEV, O_RDWR | O_CLOEXEC); \
		must(raw.fd >= 0, "%s", KECHO_DEV); \
	} while (0)

static void raw_close(void)
{
	close(raw.fd);
}

/* 0, or -errno of write(). */
static int say(u32 cmd, const void *body, u32 len)
{
	static u8 buf[4096];
	struct kecho_msg *m = (void *)buf;

	*m = (struct kecho_msg){ .cmd = cmd, .serial = 1, .len = len };
	memcpy(m + 1, body, len);
	return write(raw.fd, buf, sizeof(*m) + len) < 0 ? -errno : 0;
}

/* The next message, with its descriptors in raw.in.fd; its command, or -errno. */
static int hear(void)
{
	raw.in.buf = (uintptr_t)raw.buf;
	raw.msg = (void *)raw.buf;
	return ioctl(raw.fd, KECHO_DEV_RECEIVE, &raw.in) < 0 ? -errno : (int)raw.msg->cmd;
}

/* Its answer, or what came before it; its result. */
static int ask(u32 cmd, const void *body, u32 len)
{
	int err = say(cmd, body, len), heard = 0;

	while (!err && heard != (int)cmd) {
		heard = hear();
		err = heard < 0 ? heard : 0;
	}
	return err ?: (int)raw.msg->result;
}

static int attach(void)
{
	struct kecho_attach a = { .abi = KECHO_NODE_ABI };

	return ask(KECHO_CMD_ATTACH, &a, sizeof(a));
}

static u32 open_channel(const char *name)
{
	struct kecho_ctl_channel_open c = { .timeout_ms = 1000 };

	snprintf(c.name, sizeof(c.name), "%s", name);
	if (ask(KECHO_CMD_CHANNEL_OPEN, &c, sizeof(c)))
		return 0;
	memcpy(&c, raw.msg + 1, sizeof(c));
	return c.channel;
}

/* Its handle, and its log mapped; @fd stays open. */
static u32 open_source(u32 channel, int *fd, struct kecho_log_header **log)
{
	struct kecho_ctl_source_open s = { .channel = channel, .log_size = LOG_SIZE };
	void *p;

	if (ask(KECHO_CMD_SOURCE_OPEN, &s, sizeof(s)))
		return 0;
	memcpy(&s, raw.msg + 1, sizeof(s));
	*fd = raw.in.fd[0];
	p = mmap(NULL, KECHO_LOG_HEADER_SIZE + LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd,
		 0);
	*log = p;
	return p == MAP_FAILED ? 0 : s.source;
}

TEST(no_requests)
{
	struct kecho_msg m = { .cmd = KECHO_CMD_ATTACH, .serial = 1, .len = 1 };
	u8 zeros[256] = { 0 };

	DEVICE();
	is_eq(hear(), -EAGAIN, "nothing was said");
	ok(write(raw.fd, &m, 1) < 0 && errno == EMSGSIZE, "a byte");
	ok(write(raw.fd, &m, sizeof(m)) < 0 && errno == EBADMSG, "less than it says");
	ok(write(raw.fd, zeros, sizeof(zeros)) < 0 && errno == EBADMSG, "zeros");
	ok(write(raw.fd, (void *)(uintptr_t)raw.fd, 100) < 0 && errno == EFAULT,
	   "nothing that is mapped");
	is_eq(say(KECHO_CMD_SOURCE_OPEN, zeros, 8), -EBADMSG, "a short one");
	is_eq(ask(999, zeros, 8), -EOPNOTSUPP, "one that is not known");
	is_eq(ask(KECHO_CMD_SOURCE_OPEN, zeros, sizeof(struct kecho_ctl_source_open)), -EBADF,
	      "of no channel");
	is_eq(ask(KECHO_CMD_SINK_OPEN, zeros, sizeof(struct kecho_ctl_sink_open)), -EBADF,
	      "of no channel");
	is_eq(attach(), 0, "after all that");
	raw_close();
}

/* What it may not write stays so, by whatever way. */
TEST(sealed)
{
	struct kecho_log_header *log;
	struct kecho_ctl_source ready = { 0 };
	char path[64];
	int gates, limits, fd, again;
	u32 channel;
	void *p;

	DEVICE();
	must(!attach(), "attached");
	gates = raw.in.fd[0];
	limits = raw.in.fd[1];
	ok(ftruncate(gates, 0) < 0 && ftruncate(gates, 1 << 20) < 0, "the gates' size");
	ok(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, limits, 0) == MAP_FAILED, "the limits");
	ok(write(limits, "x", 1) < 0, "by a call");
	ok(fallocate(limits, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0, "a hole");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, limits, 0);
	ok(p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_WRITE) < 0, "a mapping's rights");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", limits);
	again = open(path, O_RDWR);
	ok(again < 0 || mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED,
	   "opened again");
	if (again >= 0)
		close(again);
	channel = open_channel("sealed");
	ready.source = open_source(channel, &fd, &log);
	must(ready.source, "a source");
	is_eq(ask(KECHO_CMD_SOURCE_READY, &ready, sizeof(ready)), 0, "ready");
	ok(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED, "mapped once more");
	is_eq(ask(KECHO_CMD_SOURCE_READY, &ready, sizeof(ready)), -EBADF, "ready once more");
	WRITE_ONCE(log->want, 0);
	raw_close();
	munmap(log, KECHO_LOG_HEADER_SIZE + LOG_SIZE);
	munmap(p, 4096);
	close(gates);
	close(limits);
	close(fd);
}

/* Others in the channel go on, and hear that it is over. */
static void lie(void (*how)(struct kecho_log_header *log), const char *what)
{
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_ctl_source ready = { 0 };
	struct kecho_log_header *log;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho_event ev;
	struct kecho *k = NULL;
	u32 channel;
	int fd, heard;

	DEVICE();
	must(!attach(), "attached");
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "lie", NULL, &ch) &&
		     !kecho_source_open(ch, NULL, &src) && !kecho_sink_open(ch, &block, &snk),
	     "others: %s", kecho_explain());
	channel = open_channel("lie");
	ready.source = open_source(channel, &fd, &log);
	must(ready.source && !ask(KECHO_CMD_SOURCE_READY, &ready, sizeof(ready)), "a source");
	how(log);
	ioctl(raw.fd, KECHO_DEV_RING);
	while ((heard = hear()) != KECHO_NOTE_SOURCE_END && (heard > 0 || heard == -EAGAIN))
		ioctl(raw.fd, KECHO_DEV_RING);
	is_eq(heard, KECHO_NOTE_SOURCE_END, "%s: it is over", what);
	is_eq(kecho_submit(src, "good", 4, 0), 0, "%s: others submit", what);
	is_eq(kecho_read(snk, &ev, SOON_MS), 0, "%s: others read", what);
	raw_close();
	kecho_close(k);
	munmap(log, KECHO_LOG_HEADER_SIZE + LOG_SIZE);
	close(fd);
}

static void not_aligned(struct kecho_log_header *log)
{
	WRITE_ONCE(log->head, 4);
}

static void too_far(struct kecho_log_header *log)
{
	WRITE_ONCE(log->head, 8ULL << 20);
}

static void endless(struct kecho_log_header *log)
{
	memset(log, 0xff, KECHO_LOG_HEADER_SIZE + LOG_SIZE);
}

TEST(heads_that_lie)
{
	lie(not_aligned, "not aligned");
	lie(too_far, "more than a log");
	lie(endless, "all ones");
}

/* Positions of a sink that reads what was never published hold nobody up for long, nor let
 * anybody overrun others. */
TEST(gates_that_lie)
{
	struct kecho_ctl_sink_open s = { .policy = KECHO_BLOCK };
	struct kecho_gate_slot *gates;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho *k = NULL;
	int i, n, sent = 0;

	DEVICE();
	must(!attach(), "attached");
	n = ((struct kecho_attach *)(raw.msg + 1))->slots;
	gates = mmap(NULL, n * sizeof(*gates), PROT_READ | PROT_WRITE, MAP_SHARED, raw.in.fd[0],
		     0);
	must(gates != MAP_FAILED, "the gates");
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "gates", NULL, &ch) &&
		     !kecho_source_open(ch, NULL, &src),
	     "others: %s", kecho_explain());
	s.channel = open_channel("gates");
	must(!ask(KECHO_CMD_SINK_OPEN, &s, sizeof(s)), "a sink");
	for (i = 0; i < n; i++)
		WRITE_ONCE(gates[i].pos, (u64)i << 60 | 0xfff1);
	ioctl(raw.fd, KECHO_DEV_RING);
	while (!kecho_submit(src, raw.buf, 1000, KECHO_DONTWAIT) && sent < 10000)
		sent++;
	ok(sent > 100 && sent < 1000, "the gate stands where it was: %d sent", sent);
	for (i = 0; i < n; i++)
		WRITE_ONCE(gates[i].pos, ~0ULL);
	ioctl(raw.fd, KECHO_DEV_RING);
	ok(comes_true(!kecho_submit(src, raw.buf, 1000, KECHO_DONTWAIT)), "it is given up");
	raw_close();
	kecho_close(k);
	munmap(gates, n * sizeof(*gates));
}

TESTS(device, no_requests, sealed, heads_that_lie, gates_that_lie);
