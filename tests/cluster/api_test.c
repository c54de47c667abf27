/* SPDX-License-Identifier: MIT */
/*
 * What kecho.h promises, between nodes of one host: a publisher's node and a
 * subscriber's node, with a channel open in both.
 */
#include <netinet/in.h>
#include <pthread.h>

#include "pair.h"

enum {
	FLOOD = 20000,
	FLOOD_LEN = 1000,
	COMINGS = 200,
};

/* The next event is @text with number @seq. */
static void comes(struct kecho_sink *s, u64 seq, const char *text)
{
	struct kecho_event ev;
	int err = kecho_read(s, &ev, SOON_MS);

	must(!err, "\"%s\" is read: %d", text, err);
	is_eq(ev.kind, KECHO_EVENT, "\"%s\"", text);
	is_eq(ev.seq, seq, "\"%s\"", text);
	ok(ev.len == strlen(text) && !memcmp(ev.data, text, ev.len), "it is \"%s\"", text);
}

static void put(struct kecho_source *s, const char *text)
{
	is_eq(kecho_submit(s, text, strlen(text), 0), 0, "submit \"%s\"", text);
}

TEST(order_of_all_ways)
{
	struct iovec v[] = { { (void *)"c", 1 }, { (void *)"", 0 }, { (void *)"dd", 2 } };
	struct kecho_reservation r[3];
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "order", KECHO_BLOCK)) {
		put(p.src, "a");
		is_eq(kecho_submit_vector(p.src, v, 3, 0), 3, "vector");
		is_eq(kecho_reserve(p.src, 8, 0, &r[0]), 0, "reserve");
		is_eq(kecho_reserve(p.src, 8, 0, &r[1]), 0, "reserve");
		is_eq(kecho_reserve(p.src, 8, 0, &r[2]), 0, "reserve");
		put(p.src, "last");
		memcpy(r[2].data, "third", 5);
		is_eq(kecho_commit(p.src, &r[2], 5), 0, "commit");
		kecho_abort(p.src, &r[1]);
		comes(p.snk, 1, "a");
		comes(p.snk, 2, "c");
		comes(p.snk, 3, "");
		comes(p.snk, 4, "dd");
		struct kecho_event ev;

		is_eq(kecho_read(p.snk, &ev, QUIET_MS), -ETIMEDOUT, "behind a reservation");
		memcpy(r[0].data, "first", 5);
		is_eq(kecho_commit(p.src, &r[0], 5), 0, "commit");
		comes(p.snk, 5, "first");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "third");
		ok(ev.len == 5 && !memcmp(ev.data, "third", 5), "the aborted one is skipped");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "last");
		ok(ev.len == 4 && !memcmp(ev.data, "last", 4), "it is the last");
	}
	pair_end(&p);
}

TEST(too_large)
{
	struct kecho_reservation r[65];
	struct pair p = {};
	unsigned int n;
	static char byte;

	ARENA();
	if (pair_stream(&p, "large", KECHO_LATEST)) {
		is_eq(kecho_submit(p.src, &byte, KECHO_EVENT_MAX + 1u, 0), -EMSGSIZE, "event");
		ok(strlen(kecho_explain()) > 0, "a sentence");
		is_eq(kecho_reserve(p.src, KECHO_EVENT_WHOLE_MAX + 1, 0, &r[0]), -EMSGSIZE,
		      "reservation");
		for (n = 0; n < 65 && !kecho_reserve(p.src, 8, 0, &r[n]); n++)
			;
		is_eq(n, 64, "reservations at a time");
		is_eq(kecho_reserve(p.src, 8, 0, &r[0]), -ENOBUFS, "one more");
		while (n)
			kecho_abort(p.src, &r[--n]);
	}
	pair_end(&p);
}

TEST(attributes)
{
	struct kecho_attr a[] = { { "n", kecho_i64(-7) }, { "s", kecho_string("text") } };
	struct kecho_value v;
	uint64_t id;
	struct kecho_event ev;
	struct pair p = {};
	char buf[16];

	ARENA();
	if (pair_stream(&p, "attrs", KECHO_BLOCK)) {
		is_eq(kecho_submit_attrs(p.src, "x", 1, a, 2, 0), 0, "submit");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "read");
		is_eq(kecho_event_get(&ev, "n", &v), 0, "n");
		is_eq(v.i64, -7, "n");
		is_eq(kecho_event_get(&ev, "s", &v), 0, "s");
		ok(v.kind == KECHO_STRING && v.len == 4 && !memcmp(v.data, "text", 4), "s");
		is_eq(kecho_event_get(&ev, "none", &v), -ENOENT, "none");
		is_eq(kecho_node_set(p.k[0], "load", kecho_i64(3)), 0, "node");
		is_eq(kecho_source_set(p.src, "rate", kecho_string("fast")), 0, "source");
		is_eq(kecho_channel_set(p.ch[0], "zone", kecho_bytes("\0\1", 2)), 0, "channel");
		id = kecho_source_id(p.src);
		ok(comes_true(!kecho_member_get(p.ch[1], id, "node.load", &v, buf, sizeof(buf)) &&
			      v.i64 == 3),
		   "the node's load");
		ok(comes_true(!kecho_member_get(p.ch[1], kecho_source_id(p.src), "rate", &v, buf,
						sizeof(buf)) &&
			      !memcmp(v.data, "fast", 4)),
		   "rate");
		ok(comes_true(!kecho_channel_get(p.ch[1], "zone", &v, buf, sizeof(buf)) &&
			      v.len == 2 && !memcmp(v.data, "\0\1", 2)),
		   "the channel's zone");
		is_eq(kecho_member_get(p.ch[1], 12345, "rate", &v, buf, sizeof(buf)), -ENOENT,
		      "no such member");
	}
	pair_end(&p);
}

/* What a member is born with is refused as what is set later. */
TEST(attributes_at_birth)
{
	static const char large[KECHO_ATTR_VALUE_MAX + 1];
	struct kecho_attr a[] = { { "zone", kecho_string("north") },
				  { "large", kecho_bytes(large, sizeof(large)) },
				  { "a b", kecho_i64(1) } };
	struct kecho_source_options src = { .attrs = a, .nattrs = 2 };
	struct kecho_sink_options snk = { .attrs = a + 2, .nattrs = 1 };
	struct kecho_value v;
	struct pair p = {};
	char buf[16];

	ARENA();
	if (pair_open(&p, "birth", NULL)) {
		is_eq(kecho_source_open(p.ch[0], &src, &p.src), -E2BIG, "too large a value");
		ok(strstr(kecho_explain(), "large"), "named: %s", kecho_explain());
		is_eq(kecho_sink_open(p.ch[0], &snk, &p.snk), -EINVAL, "no name");
		ok(strstr(kecho_explain(), "a b"), "named: %s", kecho_explain());
		src.nattrs = 1;
		is_eq(kecho_source_open(p.ch[0], &src, &p.src), 0, "%s", kecho_explain());
		ok(comes_true(!kecho_member_get(p.ch[1], kecho_source_id(p.src), "zone", &v, buf,
						sizeof(buf)) &&
			      v.len == 5 && !memcmp(v.data, "north", 5)),
		   "zone");
	}
	pair_end(&p);
}

static unsigned int changes[KECHO_FAILED + 1];

static void on_member(void *arg, const struct kecho_member *m)
{
	(void)arg;
	__atomic_fetch_add(&changes[m->state], 1, __ATOMIC_SEQ_CST);
}

TEST(watch)
{
	struct kecho_member m[4];
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "watch", KECHO_DISCONNECT)) {
		is_eq(kecho_channel_watch(p.ch[1], on_member, NULL), 0, "watch");
		ok(comes_true(READ_ONCE(changes[KECHO_JOINED]) == 2), "those who are there");
		is_eq(kecho_members(p.ch[1], m, 4), 2, "members");
		ok(m[0].mine != m[1].mine && m[0].role != m[1].role, "one of each");
		is_eq(m[0].role == KECHO_SINK ? m[0].policy : m[1].policy, KECHO_DISCONNECT,
		      "policy");
		kecho_source_close(p.src);
		ok(comes_true(READ_ONCE(changes[KECHO_LEFT]) == 1), "it left");
		is_eq(READ_ONCE(changes[KECHO_FAILED]), 0, "nobody failed");
		is_eq(kecho_source_open(p.ch[1], NULL, &p.src), 0, "one of the watcher's own");
		ok(comes_true(READ_ONCE(changes[KECHO_JOINED]) == 3), "it hears of that");
		kecho_source_close(p.src);
		ok(comes_true(READ_ONCE(changes[KECHO_LEFT]) == 2), "and that it left");
		kecho_sink_close(p.snk);
		ok(comes_true(READ_ONCE(changes[KECHO_LEFT]) == 3), "and of its sink");
		is_eq(READ_ONCE(changes[KECHO_JOINED]), 3, "each joined once");
		is_eq(kecho_channel_watch(p.ch[1], NULL, NULL), 0, "no more");
	}
	pair_end(&p);
}

TEST(channel_names_and_flags)
{
	struct kecho_channel_options existing = { .flags = KECHO_EXISTING };
	struct kecho_channel_options exclusive = { .flags = KECHO_EXCLUSIVE };
	char longest[KECHO_NAME_MAX + 2];
	struct kecho_channel *ch;
	struct pair p = {};

	ARENA();
	memset(longest, 'n', sizeof(longest));
	longest[KECHO_NAME_MAX + 1] = 0;
	if (pair_open(&p, "there", NULL)) {
		is_eq(kecho_channel_open(p.k[0], "none", &existing, &ch), -ENOENT, "existing");
		ok(strstr(kecho_explain(), "none"), "named: %s", kecho_explain());
		kecho_channel_close(p.ch[1]);
		is_eq(kecho_channel_open(p.k[1], "there", &exclusive, &ch), -EEXIST, "exclusive");
		is_eq(kecho_channel_open(p.k[0], "", NULL, &ch), -EINVAL, "empty");
		is_eq(kecho_channel_open(p.k[0], "a b", NULL, &ch), -EINVAL, "a space");
		is_eq(kecho_channel_open(p.k[0], "a*", NULL, &ch), -EINVAL, "a star");
		is_eq(kecho_channel_open(p.k[0], longest, NULL, &ch), -EINVAL, "too long");
		longest[KECHO_NAME_MAX] = 0;
		is_eq(kecho_channel_open(p.k[0], longest, &exclusive, &ch), 0, "the longest");
		is_str(kecho_channel_name(ch), longest, "its name");
		ok(strlen(kecho_explain()) > 0, "explained");
	}
	pair_end(&p);
}

TEST(more_channels_than_room)
{
	struct kecho_channel_info c[2] = {};
	struct kecho_channel *ch;
	struct kecho *k = NULL;
	char name[16];
	int i;

	ARENA();
	is_eq(kecho_open(&k, NULL), 0, "%s", kecho_explain());
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "channel-%d", i);
		must(!kecho_channel_open(k, name, NULL, &ch), "%s", kecho_explain());
	}
	is_eq(kecho_channels(k, c, 2), i, "how many there are");
	is_eq(kecho_channels(k, NULL, 0), i, "without any");
	ok(!strncmp(c[1].name, "channel-", 8), "one of them is %s", c[1].name);
	kecho_close(k);
}

TEST(retained_for_late_sinks)
{
	struct kecho_channel_options opt = { .retain = 3 };
	struct kecho_sink_options late = { .policy = KECHO_BLOCK, .retained = 1 };
	struct pair p = {};

	ARENA();
	if (pair_open(&p, "retain", &opt) && !kecho_source_open(p.ch[0], NULL, &p.src)) {
		put(p.src, "1");
		put(p.src, "2");
		put(p.src, "3");
		put(p.src, "4");
		is_eq(kecho_sink_open(p.ch[1], &late, &p.snk), 0, "%s", kecho_explain());
		put(p.src, "5");
		comes(p.snk, 2, "2");
		comes(p.snk, 3, "3");
		comes(p.snk, 4, "4");
		comes(p.snk, 5, "5");
	}
	pair_end(&p);
}

static unsigned int flood(struct kecho_source *s, unsigned int flags)
{
	static u64 buf[FLOOD_LEN / sizeof(u64)];
	unsigned int n = 0;

	for (n = 0; n < FLOOD; n++) {
		stamp_write(buf, sizeof(buf), n + 1);
		if (kecho_submit(s, buf, sizeof(buf), flags))
			break;
	}
	return n;
}

TEST(block_and_dontwait)
{
	struct kecho_source_stats st;
	struct kecho_event ev;
	struct pair p = {};
	unsigned int n, i;

	ARENA();
	if (pair_stream(&p, "block", KECHO_BLOCK)) {
		n = flood(p.src, KECHO_DONTWAIT);
		ok(n > 0 && n < FLOOD, "%u fit", n);
		is_eq(kecho_submit(p.src, "x", FLOOD_LEN < n, KECHO_DONTWAIT) == -EAGAIN ||
			      kecho_submit(p.src, &ev, sizeof(ev), KECHO_DONTWAIT) == -EAGAIN,
		      1, "full");
		for (i = 1; i <= n && !kecho_read(p.snk, &ev, SOON_MS); i++)
			ok(ev.seq == i && stamp_good(ev.data, ev.len), "event %u", i);
		is_eq(i, n + 1, "all that fitted came");
		while (!kecho_read(p.snk, &ev, QUIET_MS))
			;
		ok(comes_true(!kecho_submit(p.src, "on", 2, KECHO_DONTWAIT)), "it goes on");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "read");
		kecho_source_stats(p.src, &st);
		ok(st.refused > 0 && st.submitted > n, "%llu refused",
		   (unsigned long long)st.refused);
	}
	pair_end(&p);
}

TEST(latest_counts_losses)
{
	struct kecho_sink_stats st;
	struct kecho_event ev;
	struct pair p = {};
	u64 next = 1, lost = 0, came = 0;

	ARENA();
	if (pair_stream(&p, "latest", KECHO_LATEST)) {
		is_eq(flood(p.src, 0), FLOOD, "submitted");
		while (next <= FLOOD && !kecho_read(p.snk, &ev, SOON_MS)) {
			is_eq(ev.seq, next, "without a gap");
			lost += ev.kind == KECHO_LOST ? ev.last_seq - ev.seq + 1 : 0;
			came += ev.kind == KECHO_EVENT && stamp_number(&ev) == ev.seq;
			next = (ev.kind == KECHO_LOST ? ev.last_seq : ev.seq) + 1;
		}
		ok(lost > 0 && came > 0, "%llu lost", (unsigned long long)lost);
		is_eq(lost + came, FLOOD, "all accounted for");
		kecho_sink_stats(p.snk, &st);
		is_eq(st.lost, lost, "the sink's count");
		is_eq(st.received, came, "the sink's count");
		is_eq(st.lag_bytes, 0, "nothing waits");
	}
	pair_end(&p);
}

TEST(disconnect_ends)
{
	struct kecho_event ev;
	struct pair p = {};
	int err, n = 0;

	ARENA();
	if (pair_stream(&p, "disconnect", KECHO_DISCONNECT)) {
		flood(p.src, 0);
		while (!(err = kecho_read(p.snk, &ev, SOON_MS)) && n++ < FLOOD)
			;
		is_eq(err, -EPIPE, "too slow");
		is_eq(kecho_read(p.snk, &ev, 0), -EPIPE, "for good");
	}
	pair_end(&p);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

TEST(descriptor)
{
	struct kecho_event ev;
	struct pair p = {};
	int fd, i;

	ARENA();
	if (pair_stream(&p, "fd", KECHO_BLOCK)) {
		fd = kecho_sink_fd(p.snk);
		/* A doorbell that is new is rung once. */
		ok(comes_true(kecho_read(p.snk, &ev, 0) == -EAGAIN && !readable(fd, QUIET_MS)),
		   "quiet");
		for (i = 0; i < 20; i++) {
			put(p.src, "1");
			put(p.src, "2");
			ok(readable(fd, SOON_MS), "something");
			ok(readable(fd, SOON_MS), "by level");
			is_eq(kecho_read(p.snk, &ev, 0), 0, "first");
			ok(readable(fd, SOON_MS), "the second");
			is_eq(kecho_read(p.snk, &ev, 0), 0, "second");
			/* Frames of the link may make it readable once more. */
			ok(comes_true(kecho_read(p.snk, &ev, 0) == -EAGAIN && !readable(fd, 0)),
			   "quiet again");
		}
	}
	pair_end(&p);
}

static void *come_and_go(void *channel)
{
	struct kecho_source *s;
	long err = 0;
	int i;

	for (i = 0; i < COMINGS && !err; i++) {
		err = kecho_source_open(channel, NULL, &s);
		if (!err)
			kecho_source_close(s);
	}
	return (void *)err;
}

/* Who is told of members rings all that poll, while others begin to. */
TEST(descriptors_meanwhile)
{
	struct kecho_sink *first, *s;
	struct pair p = {};
	pthread_t other;
	void *err;
	int i;

	ARENA();
	if (pair_open(&p, "meanwhile", NULL) &&
	    ok(!kecho_sink_open(p.ch[1], NULL, &first) && kecho_sink_fd(first) >= 0, "%s",
	       kecho_explain()) && !pthread_create(&other, NULL, come_and_go, p.ch[0])) {
		for (i = 0; i < COMINGS; i++) {
			must(!kecho_sink_open(p.ch[1], NULL, &s), "%s", kecho_explain());
			ok(kecho_sink_fd(s) >= 0, "a descriptor");
			kecho_sink_close(s);
		}
		pthread_join(other, &err);
		is_eq((long)err, 0, "sources");
	}
	pair_end(&p);
}

static void count(void *arg, const struct kecho_event *ev)
{
	*(int *)arg += ev->kind == KECHO_EVENT;
}

TEST(callbacks)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK, .fn = count };
	struct pair p = {};
	int n = 0;

	ARENA();
	opt.arg = &n;
	if (pair_open(&p, "run", NULL) && !kecho_source_open(p.ch[0], NULL, &p.src) &&
	    !kecho_sink_open(p.ch[1], &opt, &p.snk)) {
		is_eq(kecho_run(p.k[1], 0), 0, "nothing");
		put(p.src, "1");
		put(p.src, "2");
		ok(comes_true(kecho_run(p.k[1], 10) >= 0 && n == 2), "both: %d", n);
		put(p.src, "3");
		ok(readable(kecho_run_fd(p.k[1]), SOON_MS), "something to do");
		is_eq(kecho_run(p.k[1], SOON_MS), 1, "one");
	}
	pair_end(&p);
}

static int child_of_fork(void *arg)
{
	struct pair *p = arg;
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho *k;

	if (kecho_submit(p->src, "x", 1, 0) != -EBADF || kecho_read(p->snk, &ev, 0) != -EBADF)
		return 3;
	if (kecho_channel_open(p->k[0], "y", NULL, &ch) != -EBADF ||
	    kecho_run(p->k[0], 0) != -EBADF)
		return 4;
	kecho_close(p->k[0]);
	if (kecho_open(&k, NULL) || kecho_channel_open(k, "fork", NULL, &ch))
		return 5;
	kecho_close(k);
	return 0;
}

TEST(fork_has_no_part)
{
	struct pair p = {};

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
	skip("the thread sanitizer has no threads after a fork");
#endif
#endif
	ARENA();
	if (pair_stream(&p, "fork", KECHO_BLOCK)) {
		is_eq(ends(spawn(child_of_fork, &p)), 0, "the child's calls");
		put(p.src, "parent");
		comes(p.snk, 1, "parent");
	}
	pair_end(&p);
}

/* Whoever looks whether it is busy may be in its way first. */
static void *reads(void *sink)
{
	struct kecho_event ev;
	int err;

	do {
		err = kecho_read(sink, &ev, SOON_MS);
	} while (err == -EBUSY);
	return (void *)(long)err;
}

TEST(one_reader_at_a_time)
{
	struct kecho_event ev;
	struct pair p = {};
	pthread_t other;
	void *err;

	ARENA();
	if (pair_stream(&p, "busy", KECHO_BLOCK) &&
	    !pthread_create(&other, NULL, reads, p.snk)) {
		ok(comes_true(kecho_read(p.snk, &ev, 0) == -EBUSY), "busy");
		put(p.src, "x");
		pthread_join(other, &err);
		is_eq((long)err, 0, "the first reader");
	}
	pair_end(&p);
}

/* A connection that never says who it is gets no more than a while. */
TEST(silent_connection)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7444) };
	const struct kecho_options opt = { .listen = "127.0.0.1:7444" };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct kecho *k = NULL;
	char buf[512];
	ssize_t n;

	ARENA();
	if (with_node())
		skip("who listens is the node");
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ok(!kecho_open(&k, &opt), "%s", kecho_explain());
	ok(!connect(fd, (void *)&a, sizeof(a)), "connect");
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		;
	is_eq(n, 0, "it was closed");
	close(fd);
	kecho_close(k);
}

TEST(read_vector)
{
	enum { EVENTS = 100, MANY = 64 };
	struct kecho_event ev[MANY];
	struct pair p = {};
	unsigned int i, seq = 0;
	ssize_t n;

	ARENA();
	if (pair_stream(&p, "vector", KECHO_BLOCK)) {
		is_eq(kecho_read_vector(p.snk, ev, 0, 0), -EINVAL, "room for none");
		is_eq(kecho_read_vector(p.snk, ev, MANY, 0), -EAGAIN, "nothing there");
		for (i = 1; i <= EVENTS; i++)
			kecho_submit(p.src, &i, sizeof(i), i % 2 ? KECHO_NOTIME : 0);
		for (i = 0; seq < EVENTS && i < EVENTS; i++) {
			n = kecho_read_vector(p.snk, ev, MANY, SOON_MS);
			if (!ok(n > 0 && n <= MANY, "%zd events", n))
				break;
			/* All of them are still there when the last has come. */
			for (ssize_t j = 0; j < n; j++) {
				seq++;
				is_eq(ev[j].seq, seq, "in order");
				is_eq(*(const unsigned int *)ev[j].data, seq, "payload");
				is_eq(!ev[j].time_ns, seq % 2, "time of %u", seq);
			}
		}
		ok(i < EVENTS / 2, "%u calls", i);
	}
	pair_end(&p);
}

TEST(close_drains)
{
	struct kecho_event ev;
	struct pair p = {};
	unsigned int i;

	ARENA();
	if (pair_stream(&p, "drain", KECHO_LATEST)) {
		put(p.src, "1");
		put(p.src, "2");
		kecho_source_close(p.src);
		for (i = 1; i <= 2; i++)
			comes(p.snk, i, i == 1 ? "1" : "2");
		is_eq(kecho_read(p.snk, &ev, SOON_MS), 0, "the end");
		is_eq(ev.kind, KECHO_ENDED, "it is");
		is_eq(ev.last_seq, 2, "behind the last");
		is_eq(ev.failed, 0, "it left");
	}
	pair_end(&p);
}

TESTS(api, order_of_all_ways, too_large, attributes, attributes_at_birth, watch,
      channel_names_and_flags, more_channels_than_room, retained_for_late_sinks,
      block_and_dontwait, latest_counts_losses, disconnect_ends, descriptor,
      descriptors_meanwhile, callbacks, fork_has_no_part, one_reader_at_a_time,
      silent_connection, read_vector, close_drains);
