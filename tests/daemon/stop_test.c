// SPDX-License-Identifier: MIT
/*
 * A kechod that is told to end: what processes had published until then is on the other
 * hosts before it is gone, if these take it in its time. Without processes its members have
 * left by then.
 */
#include "raw.h"

enum {
	LEN = 100,
	FEW = 100,
	/* Of 128 bytes: more than a mirror has room for, and not all that it and the log have,
	 * which is given in steps. */
	MANY = RAW_LOG / 100,
	SHORT_MS = 300,
};

static struct kechod node[2];
static struct raw a, b;		/* a process of each; @a publishes */
static struct raw_source src;
static struct raw_feed *feed;
static struct raw_bell ring;
static int systemd = -1;

/* Where kechod tells that it is ready, and that it ends. */
static bool be_systemd(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[32];

	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(name, sizeof(name), "@kecho-stop-%d", getpid());
	memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
	return systemd >= 0 && !setenv("NOTIFY_SOCKET", name, 1) &&
	       !bind(systemd, (void *)&at, offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

/* Whether it says that next. */
static bool is_told(const char *what)
{
	struct pollfd p = { .fd = systemd, .events = POLLIN };
	char said[256] = "";

	return poll(&p, 1, SAID_MS) == 1 && read(systemd, said, sizeof(said) - 1) > 0 &&
	       !strncmp(said, what, strlen(what));
}

/* The first gives up what it still has to send after @stop. */
static bool begin(const char *stop, u32 policy)
{
	const char *const options[2][5] = {
		{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one", stop },
		{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
	};
	int i, channel;

	if (!own_network() || !be_systemd())
		return false;
	memset(node, 0, sizeof(node));
	for (i = 0; i < 2; i++) {
		if (!daemon_start(&node[i], options[i]) || !comes_true(daemon_answers(&node[i])))
			return false;
		unsetenv("NOTIFY_SOCKET");
	}
	if (!is_told("READY=1") || !raw_open(&a, &node[0]) || !raw_open(&b, &node[1]) ||
	    raw_attach(&a) || raw_attach(&b))
		return false;
	channel = raw_channel(&b, "stop");
	if (channel < 0 || raw_sink(&b, channel, policy, KECHO_FROM_NOW) < 0)
		return false;
	channel = raw_channel(&a, "stop");
	if (channel < 0 || raw_source(&a, channel, &src))
		return false;
	feed = raw_feed(&b);
	return feed && raw_bell(&a, &ring);
}

static bool published(void)
{
	u64 one = 1;

	if (!raw_publish(&a, &src, LEN))
		return true;
	raw_ring(&ring);
	return write(a.bell, &one, sizeof(one)) < 0;
}

static bool publish(u64 n)
{
	while (n && comes_true(published()))
		n--;
	return !n;
}

static void told_to_end(void)
{
	kill(node[0].pid, SIGTERM);
	ok(is_told("STOPPING=1"), "systemd is told");
}

static bool runs(void)
{
	return !waitpid(node[0].pid, NULL, WNOHANG);
}

/* What was read of a mirror gives its source room. */
static u64 read_and_say(void)
{
	u64 one = 1, got = raw_read(&b, feed);

	return write(b.bell, &one, sizeof(one)) == sizeof(one) ? got : 0;
}

/* The source has failed with its process, after its @last event. */
static void has_failed(u64 last)
{
	struct kecho_note_feed_end n = { .gone = 0 };
	struct raw_msg *m;

	/* First it ends for now. */
	while (!n.gone && (m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS))) {
		memcpy(&n, m->body, sizeof(n));
		raw_free(m);
	}
	ok(n.gone && n.failed, "the source has failed");
	is_eq(n.last_seq, last, "behind its last");
}

static void end(void)
{
	raw_bell_free(&ring);
	raw_feed_free(feed);
	raw_source_free(&src);
	raw_close(&a);
	raw_close(&b);
	is_eq(daemon_stop(&node[1]), 0, "the second ends");
	close(systemd);
}

/* Nobody was rung for them: they are in the log, and nowhere else. */
TEST(not_copied_yet)
{
	must(begin("stop-ms=60000", KECHO_LATEST), "two hosts");
	ok(publish(FEW), "published");
	told_to_end();
	is_eq(daemon_ends(&node[0]), 0, "it ends");
	is_eq(raw_read(&b, feed), FEW, "all is there by then");
	is_eq(feed->bad + feed->lost, 0, "as it was");
	ok(!raw_note(&b, KECHO_NOTE_FEED_END, SHORT_MS), "its source may come back");
	end();
}

/* The mirror is full, and what is left waits for who reads it. */
TEST(waits_for_room)
{
	must(begin("stop-ms=60000", KECHO_BLOCK), "two hosts");
	ok(publish(MANY), "published");
	told_to_end();
	sleep_us(QUIET_MS * 1000);
	ok(runs(), "it waits");
	ok(comes_true(read_and_say() == MANY), "%llu of %d come", (unsigned long long)feed->got,
	   MANY);
	is_eq(feed->bad + feed->lost, 0, "as they were");
	is_eq(daemon_ends(&node[0]), 0, "then it ends");
	end();
}

/* Who never reads does not keep it. */
TEST(gives_up)
{
	u64 begun;

	must(begin("stop-ms=300", KECHO_BLOCK), "two hosts");
	ok(publish(MANY), "published");
	begun = now_ns();
	told_to_end();
	is_eq(daemon_ends(&node[0]), 0, "it ends");
	ok(now_ns() - begun >= SHORT_MS * 1000000ull, "not before its time");
	ok(raw_read(&b, feed) < MANY, "not all is there");
	end();
}

/* The process dies when kechod has been told to end. */
TEST(nobody_attached)
{
	must(begin("stop-ms=60000", KECHO_BLOCK), "two hosts");
	ok(publish(MANY), "published");
	told_to_end();
	raw_close(&a);
	sleep_us(QUIET_MS * 1000);
	ok(runs(), "it waits");
	ok(comes_true(read_and_say() == MANY), "%llu of %d come", (unsigned long long)feed->got,
	   MANY);
	is_eq(daemon_ends(&node[0]), 0, "then it ends");
	has_failed(MANY);
	is_eq(raw_open(&a, &node[1]), true, "another, to be closed");
	end();
}

TEST(told_twice)
{
	must(begin("stop-ms=3600000", KECHO_BLOCK), "two hosts");
	ok(publish(MANY), "published");
	told_to_end();
	ok(runs(), "it waits");
	kill(node[0].pid, SIGTERM);
	is_eq(daemon_ends(&node[0]), 0, "and does not any more");
	end();
}

TESTS(stop, not_copied_yet, waits_for_room, gives_up, nobody_attached, told_twice);
