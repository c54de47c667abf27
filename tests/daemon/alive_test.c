// SPDX-License-Identifier: MIT
/*
 * Two kechods, as of two hosts, and a process of the first whose source has promised signs of
 * life: sinks of both are told when it gives none, and not of what becomes of the kechods, which
 * are killed and started again.
 */
#include "../cluster/beating.h"
#include "daemon_test.h"

enum {
	HOSTS = 2,
	N = 300,		/* milliseconds */
	AWAY_MS = 500,		/* a kechod; less than it takes to count as failed */
	BACK_MS = 3000,		/* until all that this brings about is over */
};

static struct kechod node[HOSTS];

static const char *const options[HOSTS][4] = {
	{ "listen=127.0.0.1", "registry=" REGISTRY, "name=one" },
	{ "listen=127.0.0.2", "registry=" REGISTRY, "name=two" },
};

static bool started(unsigned int h)
{
	return daemon_start(&node[h], options[h]) && comes_true(daemon_answers(&node[h]));
}

/* A sink on each of both hosts. */
static struct {
	struct kecho *k;
	struct kecho_sink *s;
} at[HOSTS];

static struct beating *begin(const char *channel)
{
	static bool are_started;
	struct kecho_channel *ch;
	struct beating *b;
	unsigned int h;

	if (!own_network())
		return NULL;
	for (h = 0; h < HOSTS && !are_started; h++)
		if (!started(h))
			return NULL;
	are_started = true;
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", node[0].socket, 1);
	b = beating_make(channel, NULL, N);
	for (h = 0; h < HOSTS; h++) {
		setenv("KECHO_SOCKET", node[h].socket, 1);
		if (!ok(!kecho_open(&at[h].k, NULL) &&
			!kecho_channel_open(at[h].k, channel, NULL, &ch) &&
			!kecho_sink_open(ch, NULL, &at[h].s), "host %u: %s", h, kecho_explain()))
			return NULL;
	}
	setenv("KECHO_SOCKET", node[0].socket, 1);
	return b && beating_begin(b) ? b : NULL;
}

static void end(struct beating *b)
{
	unsigned int h;

	beating_end(b);
	for (h = 0; h < HOSTS; h++) {
		told(at[h].s, b, KECHO_ENDED, "it leaves");
		kecho_close(at[h].k);
	}
}

static void both_told(const struct beating *b, enum kecho_event_kind kind, const char *what)
{
	unsigned int h;

	for (h = 0; h < HOSTS; h++)
		told(at[h].s, b, kind, what);
}

static void both_untold(unsigned int ms)
{
	is_eq(untold(at[0].s, ms), 0, "at its host");
	is_eq(untold(at[1].s, 1), 0, "at the other");
}

/* Its process is stopped: its kechod lives, and so does the link. */
TEST(stopped)
{
	struct beating *b = begin("stopped");
	int i;

	must(b, "two hosts");
	for (i = 0; i < 3; i++) {
		both_untold(2 * N);
		kill(b->pid, SIGSTOP);
		told_silent(at[i % 2].s, b);
		told(at[!(i % 2)].s, b, KECHO_SILENT, "to the other, too");
		both_untold(3 * N);
		kill(b->pid, SIGCONT);
		both_told(b, KECHO_BACK, "it goes on");
	}
	end(b);
}

static void away(unsigned int h, unsigned int ms)
{
	int status;

	setenv("KECHO_SOCKET", node[h].socket, 1);	/* where we look for the next one */
	kill(node[h].pid, SIGKILL);
	is_eq(waitpid(node[h].pid, &status, 0), node[h].pid, "kechod %u is killed", h);
	sleep_us(ms * 1000);
	ok(started(h), "the next one");
}

/* Either kechod is replaced: a source that gives signs all the time is not silent, one that gives
 * none is not back. */
TEST(replaced)
{
	struct beating *b = begin("replaced");
	unsigned int h;

	must(b, "two hosts");
	for (h = 0; h < HOSTS; h++) {
		away(h, AWAY_MS);
		both_untold(BACK_MS);
		WRITE_ONCE(b->beats, false);
		both_told(b, KECHO_SILENT, "as before");
		away(h, AWAY_MS);
		both_untold(BACK_MS);
		WRITE_ONCE(b->beats, true);
		both_told(b, KECHO_BACK, "as before");
	}
	end(b);
}

/* While there is none, who shares the log sees its silence, and its end; who has a mirror hears
 * of it later. */
TEST(none_is_there)
{
	struct beating *b = begin("none");
	int status;

	must(b, "two hosts");
	kill(node[0].pid, SIGKILL);
	is_eq(waitpid(node[0].pid, &status, 0), node[0].pid, "kechod is killed");
	is_eq(untold(at[0].s, N), 0, "it is alive all the same");
	kill(b->pid, SIGSTOP);
	told_silent(at[0].s, b);
	kill(b->pid, SIGCONT);
	told(at[0].s, b, KECHO_BACK, "it goes on");
	ok(started(0), "the next one");
	is_eq(untold(at[0].s, BACK_MS), 0, "nothing more");
	kill(b->pid, SIGSTOP);
	told(at[0].s, b, KECHO_SILENT, "stopped again");
	kill(b->pid, SIGCONT);
	told(at[0].s, b, KECHO_BACK, "it goes on");
	kecho_close(at[1].k);
	beating_end(b);
	kecho_close(at[0].k);
}

TESTS(alive, stopped, replaced, none_is_there);
