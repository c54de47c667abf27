// SPDX-License-Identifier: MIT
/*
 * A node that lies, or is broken: the library gives errors that name the thing, and goes
 * on; it never crashes, nor waits for longer than it says.
 *
 * The node is a process of the test's that answers as kechod would, but for one lie at a
 * time, or in the last test for some at random. KECHO_SEED=N repeats those; a short run
 * always has the same.
 */
#include "raw.h"

enum {
	SLOTS = 4096,
	MOST_S = 120,		/* for all that a process asks of a liar: some 10 s a call */
	ROUNDS = 20, ROUNDS_LONG = 300, SEED = 40,
	COMINGS = 40, STAY_US = 50000, LATE_US = 10000,
	ENDS = 300, END_US = 200,
};

enum lie {
	NONE,
	/* of ATTACH */
	PAGES_SMALL, PAGES_NONE, PAGES_MANY, PAGES_PIPES, PAGES_MISSING, ATTACH_SHORT,
	ATTACH_HANGUP, ATTACH_VERSION, RESULT_POSITIVE, RESULT_ABSURD,
	/* of what follows */
	CHANNEL_NO_HANDLE, CHANNEL_HANGUP, SOURCE_SLOT, SOURCE_GATE, SOURCE_SIZE, SOURCE_SMALL,
	SOURCE_NO_LOG, SOURCE_NO_HANDLE, SOURCE_HANGUP, SOURCE_HANGUP_LATE,
	LIST_ENDLESS, LIST_TOO_LONG, LIST_ENTRIES_SHORT, UNASKED, OTHER_COMMAND,
	/* in notes: nobody waits for those */
	FEED_SIZE, FEED_POS, FEED_POS_FAR, FEED_SLOT, FEED_NO_LOG, FEED_SMALL, FEED_PROMISE,
	BELL_SMALL, BELL_PIPE, BELL_FILE, NOTE_SHORT, SINK_GATE, NOTES_MANY, SINK_ENDS,
	SINK_ENDS_LATE, RANDOM,
};

struct liar {
	enum lie lie;
	u64 rng;
	char dir[32], socket[64];
	pid_t pid;
	int fd;
	u32 handle;
};

static struct liar node;

static u64 pick(u64 n)
{
	u64 z = (node.rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % n;
}

/* ------------------------------------------------------------------- the liar */

static int memory(size_t size)
{
	int fd = memfd_create("liar", MFD_CLOEXEC);

	return ftruncate(fd, size) ? -1 : fd;
}

static int pipe_end(void)
{
	int fd[2];

	return pipe(fd) ? -1 : fd[1];	/* the other stays open: it fills, and blocks */
}

/* One field, length, descriptor or the whole is not what it should be. */
static void distort(struct kecho_msg *head, u8 *body, u32 *len, int *fd, u32 *nfds)
{
	static const u64 odd[] = { 0, 1, 7, 4096, S32_MAX, U32_MAX, 1ull << 40, U64_MAX - 7,
				   U64_MAX };
	u64 v = pick(2) ? odd[pick(ARRAY_SIZE(odd))] : pick(1 << 20);
	u32 at = *len >= 8 ? 4 * pick((*len - 4) / 4) : 0;

	switch (pick(9)) {
	case 0:
		head->result = v;
		break;
	case 1:
		*len = pick(*len + 1);
		break;
	case 2:
		head->cmd = pick(2) ? pick(80) : head->cmd;
		head->serial = pick(2) ? 0 : head->serial + pick(3);
		break;
	case 3:
		*nfds = pick(*nfds + 1);
		break;
	case 4:
		if (*nfds) {
			close(fd[0]);
			fd[0] = pick(2) ? pipe_end() : memory(pick(1 << 18));
		}
		break;
	case 5:
		head->len = v;
		return;
	default:
		memcpy(body + at, &v, *len - at >= 8 && pick(2) ? 8 : min_t(u32, *len - at, 4));
	}
	head->len = *len;
}

static void say(u32 cmd, u32 serial, s32 result, const void *what, u32 len, int *fd, u32 nfds)
{
	struct kecho_msg head = { cmd, serial, result, len };
	u8 body[1024];
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec v[] = { { &head, sizeof(head) }, { body, len } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	memcpy(body, what, len);
	if (node.lie == RANDOM && !pick(8))
		distort(&head, body, &len, fd, &nfds);
	v[1].iov_len = len;
	raw_give(&m, control.buf, fd, nfds);
	if (sendmsg(node.fd, &m, MSG_NOSIGNAL) < 0)
		return;		/* it has hung up on us */
}

static void note(u32 cmd, const void *body, u32 len, int *fd, u32 nfds)
{
	u32 i;

	say(cmd, 0, 0, body, len, fd, nfds);
	for (i = 0; i < nfds; i++)
		close(fd[i]);
}

static void attached(const struct kecho_msg *m)
{
	u32 there = node.lie == PAGES_SMALL ? SLOTS / 2 : SLOTS;
	struct kecho_attach a = { .abi = KECHO_NODE_ABI, .slots = SLOTS };
	int fd[] = { memory(SLOTS * KECHO_SLOT_SIZE), memory(there * KECHO_LIMIT_SIZE),
		     eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	struct kecho_limit_slot no_limit = { .limit = U64_MAX };
	u32 i, len = node.lie == ATTACH_SHORT ? 8 : sizeof(a);

	for (i = 0; i < there; i++)
		if (pwrite(fd[1], &no_limit, sizeof(no_limit), i * sizeof(no_limit)) < 0)
			_exit(3);
	if (node.lie == PAGES_NONE || node.lie == PAGES_MANY)
		a.slots = node.lie == PAGES_NONE ? 0 : U32_MAX;
	if (node.lie == PAGES_PIPES)
		fd[0] = fd[1] = fd[2] = pipe_end();
	if (node.lie == ATTACH_VERSION)
		a.abi = KECHO_NODE_ABI + 1;
	say(m->cmd, m->serial, node.lie == RESULT_POSITIVE ? 7 :
	    node.lie == RESULT_ABSURD ? S32_MIN : 0, &a, len, fd,
	    node.lie == PAGES_MISSING ? 2 : 3);
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

static void opened(const struct kecho_msg *m, const void *body)
{
	struct kecho_ctl_channel_open o = *(const struct kecho_ctl_channel_open *)body;

	o.channel = node.lie == CHANNEL_NO_HANDLE ? 0 : ++node.handle;
	say(m->cmd, m->serial, 0, &o, sizeof(o), NULL, 0);
}

static void source_made(const struct kecho_msg *m, const void *body)
{
	struct kecho_ctl_source_open o = *(const struct kecho_ctl_source_open *)body;
	int fd = memory(KECHO_LOG_HEADER_SIZE + (node.lie == SOURCE_SMALL ? 4096 : o.log_size));

	o.source = node.lie == SOURCE_NO_HANDLE ? 0 : ++node.handle;
	o.slot = node.lie == SOURCE_SLOT ? SLOTS : 1;
	o.gate = node.lie == SOURCE_GATE ? U32_MAX : 1;
	o.log_size = node.lie == SOURCE_SIZE ? 2 * o.log_size : o.log_size;
	o.member = 77;
	o.attrs_len = 0;
	say(m->cmd, m->serial, 0, &o, sizeof(o), &fd, node.lie != SOURCE_NO_LOG && !o.again);
	close(fd);
}

/* A log with some events, of a source that is not there. */
static int a_log(void)
{
	static const struct ke_event_info plain;
	size_t size = KECHO_LOG_HEADER_SIZE + RAW_LOG;
	int fd = memory(size), i;
	struct ke_log log = { 0 };
	u64 seq, data = 5;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED || ke_log_init(&log, p, (u8 *)p + KECHO_LOG_HEADER_SIZE, RAW_LOG, 0, 0))
		_exit(3);
	for (i = 0; i < 20; i++)
		ke_log_append(&log, &plain, &data, sizeof(data), U64_MAX, &seq);
	ke_log_publish(&log);
	munmap(p, size);
	return fd;
}

static void tell_bell(u32 channel)
{
	struct kecho_note_doorbell n = { .channel = channel, .id = ++node.handle,
					 .use = KECHO_RING | KECHO_SLEEP };
	int fd[] = { memory(node.lie == BELL_SMALL ? 0 : sizeof(struct kecho_doorbell)),
		     node.lie == BELL_PIPE ? pipe_end() :
		     node.lie == BELL_FILE ? memory(64) :
					     eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	note(KECHO_NOTE_DOORBELL, &n, node.lie == NOTE_SHORT ? 8 : sizeof(n), fd, 2);
}

static void tell_feed(u32 sink)
{
	struct kecho_note_feed n = { .sink = sink, .feed = ++node.handle, .slot = 2, .mine = 1,
				     .member = 78, .alive_ms = node.lie == FEED_PROMISE,
				     .size = node.lie == FEED_SIZE ? 4 * RAW_LOG : RAW_LOG };
	int fd = node.lie == FEED_SMALL ? memory(4096) : a_log();

	if (node.lie == FEED_POS)
		n.pos = RAW_LOG - 3;
	if (node.lie == FEED_POS_FAR)
		n.pos = U64_MAX - 7;
	if (node.lie == FEED_SLOT)
		n.slot = SLOTS;
	note(KECHO_NOTE_FEED, &n, sizeof(n), &fd, node.lie != FEED_NO_LOG);
}

static void sink_made(const struct kecho_msg *m, const void *body)
{
	struct kecho_ctl_sink_open o = *(const struct kecho_ctl_sink_open *)body;
	struct {
		struct kecho_note_end end;
		char why[40];
	} ends = { { 0, (u32)-ENOSPC }, "no place in /some/where for a log" };
	int i;

	o.sink = ++node.handle;
	o.gate = node.lie == SINK_GATE ? SLOTS : 3;
	o.slot = 3;
	o.member = 79;
	o.attrs_len = 0;
	tell_bell(o.channel);
	for (i = 0; i < (node.lie == NOTES_MANY ? 2 * KECHO_NOTES_MAX : 1); i++)
		tell_feed(o.sink);
	say(m->cmd, m->serial, 0, &o, sizeof(o), NULL, 0);
	if (node.lie != SINK_ENDS && node.lie != SINK_ENDS_LATE)
		return;
	sleep_us(node.lie == SINK_ENDS_LATE ? pick(END_US) : 0);
	ends.end.handle = o.sink;
	note(KECHO_NOTE_SINK_END, &ends, sizeof(ends.end) + strlen(ends.why), NULL, 0);
}

static void listed(const struct kecho_msg *m, const void *body)
{
	struct {
		struct kecho_ctl_list list;
		struct kecho_ctl_member member;
	} a = { .list = *(const struct kecho_ctl_list *)body };

	a.list.n = 1;
	a.list.entry_size = node.lie == LIST_ENTRIES_SHORT ? 8 : sizeof(a.member);
	a.list.more = node.lie == LIST_ENDLESS;
	if (node.lie == LIST_TOO_LONG)
		a.list.n = U32_MAX;
	say(m->cmd, m->serial, 0, &a, sizeof(a), NULL, 0);
}

static bool hangs_up(u32 cmd)
{
	if (node.lie == RANDOM)
		return !pick(60);
	return (node.lie == ATTACH_HANGUP && cmd == KECHO_CMD_ATTACH) ||
	       (node.lie == CHANNEL_HANGUP && cmd == KECHO_CMD_CHANNEL_OPEN) ||
	       (cmd == KECHO_CMD_SOURCE_READY &&
		(node.lie == SOURCE_HANGUP || node.lie == SOURCE_HANGUP_LATE));
}

/* One request; false: it hangs up. */
static bool answer(const struct kecho_msg *m, const void *body)
{
	u32 serial = m->serial + (node.lie == UNASKED && m->cmd == KECHO_CMD_CHANNEL_OPEN);

	if (hangs_up(m->cmd)) {
		sleep_us(node.lie == SOURCE_HANGUP_LATE ? LATE_US : 0);
		return false;
	}
	if (serial != m->serial || (node.lie == OTHER_COMMAND && m->cmd == KECHO_CMD_MEMBERS))
		say(m->cmd + 1, serial, 0, body, m->len, NULL, 0);
	else if (m->cmd == KECHO_CMD_ATTACH)
		attached(m);
	else if (m->cmd == KECHO_CMD_CHANNEL_OPEN)
		opened(m, body);
	else if (m->cmd == KECHO_CMD_SOURCE_OPEN)
		source_made(m, body);
	else if (m->cmd == KECHO_CMD_SINK_OPEN)
		sink_made(m, body);
	else if (m->cmd == KECHO_CMD_MEMBERS)
		listed(m, body);
	else
		say(m->cmd, m->serial, 0, body, m->len, NULL, 0);
	return true;
}

static int lie(void *arg)
{
	static u8 data[KECHO_MSG_MAX] __attribute__((aligned(8)));
	int listener = *(int *)arg;
	ssize_t n;

	for (;;) {
		node.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		do
			n = recv(node.fd, data, sizeof(data), 0);
		while (n >= (ssize_t)sizeof(struct kecho_msg) &&
		       answer((void *)data, data + sizeof(struct kecho_msg)));
		close(node.fd);
	}
	return 0;
}

static bool liar_start(enum lie what, u64 seed)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	node = (struct liar){ .lie = what, .rng = seed, .dir = "/tmp/liar-XXXXXX" };
	if (fd < 0 || !mkdtemp(node.dir))
		return false;
	snprintf(node.socket, sizeof(node.socket), "%s/sock", node.dir);
	strcpy(a.sun_path, node.socket);
	if (bind(fd, (void *)&a, sizeof(a)) || listen(fd, 8))
		return false;
	node.pid = spawn(lie, &fd);
	close(fd);
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", node.socket, 1);
	return node.pid > 0;
}

static void liar_stop(void)
{
	put_down(node.pid);
	unlink(node.socket);
	rmdir(node.dir);
}

/* ---------------------------------------------------------------- its process */

/* How far a process gets, and why no further. It reads for @wait_ms. */
struct outcome {
	int wait_ms;
	int open, channel, source, sink, members, read;
	char why[256];
};

static void explain(struct outcome *o, int err)
{
	if (err < 0 && !o->why[0])
		snprintf(o->why, sizeof(o->why), "%s", kecho_explain());
}

static void use_channel(struct kecho *k, struct kecho_channel *ch, struct outcome *o)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_member m[4];
	struct kecho_source *s = NULL;
	struct kecho_sink *sink = NULL;
	struct kecho_link_info l[2];
	struct kecho_value v;
	struct kecho_event ev;
	char buf[64];
	int i;

	o->source = kecho_source_open(ch, NULL, &s);
	explain(o, o->source);
	for (i = 0; s && i < 10; i++)
		kecho_submit(s, "event", 5, KECHO_DONTWAIT);
	o->sink = kecho_sink_open(ch, &block, &sink);
	explain(o, o->sink);
	for (i = 0; sink && i < 30 && o->read >= 0; i++)
		o->read = kecho_read(sink, &ev, o->wait_ms);
	if (o->read != -ETIMEDOUT)
		explain(o, o->read);
	o->members = kecho_members(ch, m, ARRAY_SIZE(m));
	explain(o, o->members);
	kecho_links(k, l, ARRAY_SIZE(l));
	kecho_channel_get(ch, "x", &v, buf, sizeof(buf));
	kecho_channel_set(ch, "x", kecho_i64(1));
	kecho_ping(k, 1, 10);
	kecho_sink_close(sink);
	kecho_source_close(s);
}

static int use(void *arg)
{
	struct kecho_options opt = { .timeout_ms = 100 };
	struct outcome *o = arg;
	struct kecho_channel *ch;
	struct kecho *k;

	o->open = kecho_open(&k, &opt);
	explain(o, o->open);
	if (o->open)
		return 0;
	o->channel = kecho_channel_open(k, "told", NULL, &ch);
	explain(o, o->channel);
	if (!o->channel) {
		use_channel(k, ch, o);
		kecho_channel_close(ch);
	}
	kecho_close(k);
	return 0;
}

/* Sources that go at any instant of their being joined with the next node. */
static int come_and_go(void *arg)
{
	struct outcome *o = arg;
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;
	int i;

	o->open = kecho_open(&k, NULL) ?: kecho_channel_open(k, "told", NULL, &ch);
	for (i = 0; !o->open && !o->source && i < COMINGS; i++) {
		o->source = kecho_source_open(ch, NULL, &s);
		sleep_us(pick(STAY_US));
		kecho_source_close(s);
	}
	explain(o, o->open ?: o->source);
	kecho_close(k);
	return 0;
}

/* Sinks that end at any instant of their first reading. */
static int ends_while_read(void *arg)
{
	struct outcome *o = arg;
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_sink *s;
	struct kecho *k;
	int i;

	o->open = kecho_open(&k, NULL) ?: kecho_channel_open(k, "told", NULL, &ch);
	for (i = 0; i < ENDS && !o->open && !(o->sink = kecho_sink_open(ch, NULL, &s)); i++) {
		while (!(o->read = kecho_read(s, &ev, o->wait_ms)))
			;
		if (o->read != -ENOSPC)
			break;
		kecho_sink_close(s);
	}
	explain(o, o->open ?: o->sink ?: o->read);
	kecho_close(k);
	return 0;
}

/* It ends by itself, in good order, in time. */
static bool survives(int (*process)(void *), int wait_ms, struct outcome *o)
{
	u64 until = now_ns() + MOST_S * 1000000000ull;
	int status = -1;
	pid_t pid;

	*o = (struct outcome){ .wait_ms = wait_ms };
	pid = spawn(process, o);
	while (waitpid(pid, &status, WNOHANG) == 0 && now_ns() < until)
		sleep_us(STEP_US);
	if (status == -1)
		put_down(pid);
	return status != -1 && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* ---------------------------------------------------------------------- tests */

TEST(honest)
{
	struct outcome *o = shared(sizeof(*o));

	must(o && own_network() && liar_start(NONE, 0), "a node");
	ok(survives(use, QUIET_MS, o), "a process");
	is_eq(o->open | o->channel | o->source | o->sink, 0, "gets all: %s", o->why);
	is_eq(o->members, 1, "is told who is there");
	is_eq(o->read, -ETIMEDOUT, "and reads all that there is");
	liar_stop();
}

static const struct {
	enum lie lie;
	const char *what;
	size_t at;		/* of an outcome: who is told */
	int err;
	const char *names;	/* its sentence */
} lies[] = {
#define OPEN	offsetof(struct outcome, open)
#define CHANNEL offsetof(struct outcome, channel)
#define SOURCE	offsetof(struct outcome, source)
#define MEMBERS offsetof(struct outcome, members)
#define READ	offsetof(struct outcome, read)
	{ PAGES_SMALL, "pages smaller than said", OPEN, -EPROTO, "pages" },
	{ PAGES_NONE, "no slots", OPEN, -EPROTO, "pages" },
	{ PAGES_MANY, "more slots than there are", OPEN, -EPROTO, "pages" },
	{ PAGES_PIPES, "pipes for pages", OPEN, -EPROTO, "pages" },
	{ PAGES_MISSING, "a descriptor too few", OPEN, -EPROTO, "pages" },
	{ ATTACH_SHORT, "half an answer", OPEN, -EPROTO, "kechod" },
	{ ATTACH_HANGUP, "a hang-up", OPEN, -ENOTCONN, "kechod" },
	{ ATTACH_VERSION, "a version of tomorrow", OPEN, -EPROTO, "version 2" },
	{ RESULT_POSITIVE, "a result that is none", OPEN, -EPROTO, "" },
	{ RESULT_ABSURD, "an error that is none", OPEN, -EPROTO, "" },
	{ CHANNEL_NO_HANDLE, "no handle", CHANNEL, -EPROTO, "told" },
	{ CHANNEL_HANGUP, "a hang-up", CHANNEL, -ENOTCONN, "told" },
	{ UNASKED, "an answer that nobody asked for", CHANNEL, -ENOTCONN, "told" },
	{ SOURCE_SLOT, "a slot that is none", SOURCE, -EPROTO, "told" },
	{ SOURCE_GATE, "a gate that is none", SOURCE, -EPROTO, "told" },
	{ SOURCE_SIZE, "another size", SOURCE, -EPROTO, "told" },
	{ SOURCE_SMALL, "a log smaller than said", SOURCE, -EPROTO, "told" },
	{ SOURCE_NO_LOG, "no log", SOURCE, -EPROTO, "told" },
	{ SOURCE_NO_HANDLE, "no handle", SOURCE, -EPROTO, "told" },
	{ SOURCE_HANGUP, "a hang-up, and joined with the next", SOURCE, 0, "" },
	{ LIST_ENDLESS, "a list without end", MEMBERS, -EPROTO, "told" },
	{ LIST_TOO_LONG, "more entries than there are", MEMBERS, -EPROTO, "told" },
	{ LIST_ENTRIES_SHORT, "half entries", MEMBERS, -EPROTO, "told" },
	{ OTHER_COMMAND, "the answer to another request", MEMBERS, -ENOTCONN, "told" },
	{ SINK_ENDS, "an end", READ, -ENOSPC, "/some/where" },
	{ FEED_SIZE, "a log of another size", OPEN, 0, "" },
	{ FEED_POS, "a position between records", OPEN, 0, "" },
	{ FEED_POS_FAR, "a position that no log has", OPEN, 0, "" },
	{ FEED_SLOT, "a slot that is none", OPEN, 0, "" },
	{ FEED_PROMISE, "a promise that nobody makes", OPEN, 0, "" },
	{ FEED_NO_LOG, "no log", OPEN, 0, "" },
	{ FEED_SMALL, "a log smaller than said", OPEN, 0, "" },
	{ BELL_SMALL, "a doorbell without memory", OPEN, 0, "" },
	{ BELL_PIPE, "a doorbell that blocks", OPEN, 0, "" },
	{ BELL_FILE, "a doorbell that cannot be polled", OPEN, 0, "" },
	{ NOTE_SHORT, "half a note", OPEN, 0, "" },
	{ SINK_GATE, "a gate that is none", OPEN, 0, "" },
	{ NOTES_MANY, "notes without end", OPEN, 0, "" },
};

TEST(one_lie)
{
	struct outcome *o = shared(sizeof(*o));
	size_t i;
	int got;

	must(o && own_network(), "a network");
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		must(liar_start(lies[i].lie, 0), "a node");
		ok(survives(use, lies[i].at == READ ? SOON_MS : QUIET_MS, o),
		   "%s: the process ends in good order", lies[i].what);
		got = *(int *)((u8 *)o + lies[i].at);
		is_eq(got, lies[i].err, "%s: %s", lies[i].what, o->why);
		ok(strstr(o->why, lies[i].names), "%s: '%s' names %s", lies[i].what, o->why,
		   lies[i].names);
		liar_stop();
	}
}

static void again(enum lie what, int (*process)(void *), int read)
{
	struct outcome *o = shared(sizeof(*o));

	must(o && own_network() && liar_start(what, SEED), "a node");
	ok(survives(process, SOON_MS, o), "the process ends in good order");
	is_eq(o->open | o->source | o->sink, 0, "and gets all: %s", o->why);
	is_eq(o->read, read, "and is told what there is: %s", o->why);
	liar_stop();
}

TEST(again_and_again)
{
	again(SOURCE_HANGUP_LATE, come_and_go, 0);
	again(SINK_ENDS_LATE, ends_while_read, -ENOSPC);
}

TEST(lies_at_random)
{
	const char *env = getenv("KECHO_SEED");
	u64 seed = env ? strtoull(env, NULL, 0) : long_run() ? now_ns() : SEED;
	struct outcome *o = shared(sizeof(*o));
	int i, n = long_run() ? ROUNDS_LONG : ROUNDS, all = 0;

	printf("# seed %llu\n", (unsigned long long)seed);
	must(o && own_network(), "a network");
	for (i = 0; i < n; i++) {
		must(liar_start(RANDOM, seed + i), "a node");
		ok(survives(use, QUIET_MS, o), "seed %llu: the process ends in good order: %s",
		   (unsigned long long)seed + i, o->why);
		all += !o->open && !o->channel && !o->source && !o->sink;
		liar_stop();
	}
	ok(all && all < n, "%d of %d got all that they asked for", all, n);
}

TESTS(liar, honest, one_lie, again_and_again, lies_at_random);
