// SPDX-License-Identifier: MIT
/*
 * The library against the recording, over TCP: a process of today with one of version 1,
 * in both parts of the first session, and with a registry of version 1. The actions
 * become calls of the API, in a thread of their own, for some wait until the other end
 * has answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "../cluster/cluster.h"
#include "script.h"
#include "uapi/kecho.h"

enum { FRAME_WAIT_MS = 20000, BEAT_MS = 300, HEADER = KECHO_FRAME_HEADER_SIZE };

#define LISTEN	"127.0.0.1:7391"

enum { LISTEN_PORT = 7391, REGISTRY_PORT = 7390 };	/* REGISTRY's */

static struct player {
	char me;
	bool registry;		/* it is the other end */
	struct values values;
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *sink;
	int fd;
	u64 other;		/* the old node, for a ping */
	unsigned int submitted;
	unsigned int due;	/* what the sink is to be given */
	const char *action;	/* of the thread; NULL: none is under way */
	pthread_t thread;
	bool acting, done, failed;
	uint8_t in[FRAME_MAX];
	size_t in_len;
} pl;

/* ---------------------------------------------------------------------- actions */

static int read_due(void)
{
	struct kecho_event ev;
	int err = 0;

	for (; pl.due && !err; pl.due--)
		err = kecho_read(pl.sink, &ev, SOON_MS);
	return err;
}

static int submit_one(unsigned int len)
{
	const struct kecho_attr attr = { "k", kecho_string("vw") };
	char event[256];

	memset(event, 'a' + (int)pl.submitted++, sizeof(event));
	return kecho_submit_attrs(pl.src, event, len, &attr, 1, 0);
}

static int act_source(const char *what, const char *arg, const char *text)
{
	const struct kecho_source_options opt = { .log_size = 64 << 10 };

	if (!strcmp(what, "source"))
		return kecho_source_open(pl.ch, &opt, &pl.src);
	if (!strcmp(what, "source-attr"))
		return kecho_source_set(pl.src, arg, kecho_string(text));
	if (!strcmp(what, "submit"))
		return submit_one((unsigned int)atoi(text));
	if (!strcmp(what, "end"))
		kecho_source_close(pl.src);
	return 0;
}

static int act_registry(const char *what, const char *text)
{
	struct kecho_channel_info info;

	if (!strcmp(what, "put"))
		return kecho_channel_open(pl.k, text, NULL, &pl.ch);
	if (!strcmp(what, "list"))
		return kecho_channels(pl.k, &info, 1) == 1 ? 0 : -ENOENT;
	if (!strcmp(what, "drop"))
		kecho_channel_close(pl.ch);
	return 0;		/* it renews by itself */
}

static int act(const char *what, const char *arg, const char *text)
{
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };

	if (!strcmp(what, "channel"))
		return kecho_channel_open(pl.k, "test", NULL, &pl.ch);
	if (!strcmp(what, "attr"))
		return kecho_channel_set(pl.ch, arg, kecho_string(text));
	if (!strcmp(what, "sink"))
		return kecho_sink_open(pl.ch, &block, &pl.sink);
	if (!strcmp(what, "ping"))
		return kecho_ping(pl.k, pl.other, SOON_MS) < 0 ? -ETIMEDOUT : 0;
	if (!strcmp(what, "read"))
		return read_due();
	if (!strcmp(what, "no-sink"))
		kecho_sink_close(pl.sink);
	else if (!strcmp(what, "close"))
		kecho_channel_close(pl.ch);
	else
		return act_source(what, arg, text);
	return 0;
}

static void *act_thread(void *unused)
{
	char who[8], what[32], arg[64] = "", text[64] = "";

	sscanf(pl.action, "%7s %31s %63s %63s", who, what, arg, text);
	pl.failed = pl.registry ? act_registry(what, text) : act(what, arg, text);
	__atomic_store_n(&pl.done, true, __ATOMIC_RELEASE);
	return unused;
}

static void beat(void)
{
	const struct kecho_frame ping = { .type = KECHO_FRAME_PING };

	if (pl.fd >= 0 && !pl.registry && send(pl.fd, &ping, sizeof(ping), MSG_NOSIGNAL) < 0)
		return;		/* what is read next tells it */
}

/* The last action comes to its end. */
static bool acted(void)
{
	u64 beat_at = now_ns() + BEAT_MS * 1000000ull, end = now_ns() + FRAME_WAIT_MS * 1000000ull;

	if (!pl.acting)
		return true;
	while (!__atomic_load_n(&pl.done, __ATOMIC_ACQUIRE) && now_ns() < end) {
		sleep_us(STEP_US);
		if (now_ns() > beat_at) {
			beat();
			beat_at = now_ns() + BEAT_MS * 1000000ull;
		}
	}
	if (!pl.done)
		return false;
	pthread_join(pl.thread, NULL);
	pl.acting = false;
	return !pl.failed;
}

static bool dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(LISTEN_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	pl.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return pl.fd >= 0 && !connect(pl.fd, (void *)&a, sizeof(a));
}

/* ----------------------------------------------------------------------- frames */

static size_t whole_frame(void)
{
	size_t len;

	if (pl.in_len < HEADER)
		return 0;
	len = HEADER + pl.in[0] + (pl.in[1] << 8) + (pl.in[2] << 16);
	return len <= pl.in_len ? len : 0;
}

static void drop_frame(size_t len)
{
	pl.in_len -= len;
	memmove(pl.in, pl.in + len, pl.in_len);
}

/* What the library says of itself, whenever it is due. */
static bool heartbeat(const struct step *awaited)
{
	static const uint8_t zero[8];

	if (pl.in[4] == KECHO_FRAME_REG_RENEW)
		return !awaited || strcmp(awaited->text, "REG_RENEW");
	return pl.in[4] == KECHO_FRAME_PING && !memcmp(pl.in + 16, zero, 8);
}

/* The next frame is at pl.in; heartbeats are none, but one awaited. 0: none comes. */
static size_t next_frame(const struct step *awaited)
{
	u64 end = now_ns() + FRAME_WAIT_MS * 1000000ull;
	struct pollfd p = { .fd = pl.fd, .events = POLLIN };
	ssize_t n;
	size_t len;

	for (;;) {
		len = whole_frame();
		if (len && !heartbeat(awaited))
			return len;
		if (len) {
			drop_frame(len);
			continue;
		}
		if (now_ns() > end)
			return 0;
		if (!poll(&p, 1, BEAT_MS)) {
			beat();
			continue;
		}
		n = recv(pl.fd, pl.in + pl.in_len, sizeof(pl.in) - pl.in_len, 0);
		if (n <= 0)
			return 0;
		pl.in_len += (size_t)n;
	}
}

/* It has taken all that was said to it, and says no more by itself. */
static bool heard_all(void)
{
	const struct kecho_frame ping = { .type = KECHO_FRAME_PING, .pos = cpu_to_le64(7) };
	size_t len;

	if (pl.fd < 0 || pl.registry)
		return true;
	if (send(pl.fd, &ping, sizeof(ping), MSG_NOSIGNAL) != (ssize_t)sizeof(ping))
		return false;
	len = next_frame(NULL);
	if (!len || !is_eq(pl.in[4], KECHO_FRAME_PONG, "a frame that was not recorded"))
		return false;
	drop_frame(len);
	return true;
}

/* What the other node does matters only to what our sink is to be given. */
static bool begin_action(const struct step *s)
{
	if (!acted())
		return false;
	if (!strncmp(s->text, "connect", 7))
		return dial();
	if (s->text[0] != pl.me) {
		pl.due += strstr(s->text, " submit ") || strstr(s->text, " end");
		return true;
	}
	/* A name is an option of kecho_open(), and a source that is closed has left. */
	if (strstr(s->text, " node ") || strstr(s->text, " no-source"))
		return true;
	if (!heard_all())
		return false;
	pl.action = s->text;
	pl.acting = true;
	pl.done = false;
	return !pthread_create(&pl.thread, NULL, act_thread, NULL);
}

static bool library_says(const struct step *s)
{
	size_t len = next_frame(s);
	const char *wrong = len ? step_differs(s, &pl.values, pl.in, len) : "nothing comes";

	if (len)
		drop_frame(len);
	return ok(!wrong, "node %c, line %u: %s", pl.me, s->line, wrong);
}

static bool library_hears(const struct step *s)
{
	static uint8_t frame[FRAME_MAX];
	size_t len = step_bytes(s, &pl.values, frame);

	if (!strcmp(s->text, "HELLO"))
		memcpy(&pl.other, frame + HEADER + 8, sizeof(pl.other));
	return ok(send(pl.fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len, "line %u", s->line);
}

static bool step(const struct step *s)
{
	if (!s->from)
		return ok(begin_action(s), "line %u: %s: %s", s->line, s->text, kecho_explain());
	return s->from == pl.me ? library_says(s) : library_hears(s);
}

/* The channel's id is the registry's choice. */
static bool know_channel(void)
{
	struct kecho_channel_info info;

	if (kecho_channels(pl.k, &info, 1) != 1)
		return false;
	values_set(&pl.values, "uuid.1", info.uuid, sizeof(info.uuid));
	return true;
}

static void play(char me, const char *name)
{
	const struct kecho_options opt = { .listen = LISTEN, .name = name };
	struct script *script = script_read(RECORDING);
	const struct step *s;
	bool good;

	ARENA();
	memset(&pl, 0, sizeof(pl));
	pl.me = me;
	pl.fd = -1;
	must(script->sessions, "%s", script->error);
	must(!kecho_open(&pl.k, &opt), "%s", kecho_explain());
	for (good = true, s = script->sessions->steps; s && good; s = s->next) {
		good = step(s);
		if (good && pl.fd < 0 && pl.me == s->text[0] && strstr(s->text, " channel"))
			good = ok(acted() && know_channel(), "its id");
	}
	ok(!s, "to the end");
	if (pl.fd >= 0)
		close(pl.fd);
	ok(acted(), "the last action");
	kecho_close(pl.k);
	values_free(&pl.values);
	script_free(script);
}

TEST(source)
{
	play('A', "node-0");
}

TEST(sink)
{
	play('B', "node-1");
}

/* Listens where the library looks for the registry. */
static int listen_registry(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(REGISTRY_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (void *)&a, sizeof(a)) || listen(fd, 1) ? -1 : fd;
}

TEST(old_registry)
{
	const struct kecho_options opt = { .listen = LISTEN, .registry = REGISTRY };
	struct script *script = script_read(RECORDING);
	const struct session *in = script->sessions;
	const struct step *s;
	int listener;

	ARENA();
	while (in && strcmp(in->name, "registry: one client"))
		in = in->next;
	memset(&pl, 0, sizeof(pl));
	pl.me = 'A';
	pl.registry = true;
	listener = listen_registry();
	must(in && listener >= 0, "a registry");
	must(!kecho_open(&pl.k, &opt), "%s", kecho_explain());
	pl.fd = accept(listener, NULL, NULL);
	for (s = in->steps; s; s = s->next)
		if (!step(s))
			break;
	ok(!s, "to the end");
	close(pl.fd);
	ok(acted(), "the last action");
	close(listener);
	kecho_close(pl.k);
	values_free(&pl.values);
	script_free(script);
}

TESTS(tcp, source, sink, old_registry);
