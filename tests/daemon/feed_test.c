// SPDX-License-Identifier: MIT
/*
 * What kechod tells sources and sinks of one host: where a log is read from, how far it
 * may grow, who is to be rung, and how it ends.
 */
#include "raw.h"

static struct kechod node;
static struct raw a, b;		/* two processes; in most tests @a has the source */
static int ca, cb;

static bool begin(void)
{
	static bool started;

	if (!own_network())
		return false;
	if (!started)
		started = daemon_start(&node, NULL) && comes_true(daemon_answers(&node));
	if (!started || !raw_open(&a, &node) || !raw_open(&b, &node) || raw_attach(&a) ||
	    raw_attach(&b))
		return false;
	ca = raw_channel(&a, "feeds");
	cb = raw_channel(&b, "feeds");
	return ca > 0 && cb > 0;
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
}

TEST(source_first)
{
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;
	int sink;

	must(begin(), "two processes");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(raw_publish(&a, &s, 10), 0, "published");
	is_eq(raw_publish(&a, &s, 10), 0, "published");
	sink = raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW);
	ok(sink > 0, "a sink");
	f = raw_feed(&b);
	must(f, "its feed");
	is_eq(f->n.sink, sink, "of this sink");
	is_eq(f->n.pos, s.log.head, "from now on");
	is_eq(f->n.seq, 2, "after the second");
	ok(!f->n.gated && f->n.mine, "a source of this host that it does not hold up");
	raw_publish(&a, &s, 10);
	is_eq(raw_read(&b, f), 1, "one comes");
	is_eq(f->bad + f->lost, 0, "as it was");
	is_eq(raw_source_close(&a, &s, 1000), 0, "closed");
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	if (ok(m, "its end")) {
		struct kecho_note_feed_end *n = (void *)m->body;

		is_eq(n->last_seq, 3, "the third was the last");
		ok(n->gone && !n->failed, "it has left");
	}
	raw_free(m);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

TEST(sink_first)
{
	struct raw_source s;
	struct raw_feed *f;

	must(begin(), "two processes");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	must(!raw_source_open(&a, ca, &s, 0), "a source");
	raw_publish(&a, &s, 10);
	ok(!raw_note(&b, KECHO_NOTE_FEED, QUIET_MS), "it is not ready yet");
	is_eq(raw_source_ready(&a, &s), 0, "ready");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(f->n.pos, 0, "from the first on");
	is_eq(raw_read(&b, f), 1, "which comes");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* Events that were retained, rejoined, and none of them. */
TEST(from)
{
	struct raw_source s;
	struct raw_feed *f;
	int i;

	must(begin(), "two processes");
	must(!raw_source_open(&a, ca, &s, 5) && !raw_source_ready(&a, &s), "a source");
	for (i = 0; i < 100; i++)
		raw_publish(&a, &s, 10);
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_RETAINED) > 0, "a late sink");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(f->n.seq, 95, "the last five");
	is_eq(raw_read(&b, f), 5, "which come");
	is_eq(f->bad + f->lost, 0, "as they were");
	raw_feed_free(f);
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_RETAINED) > 0, "one that blocks");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(raw_read(&b, f), 5, "the same");
	raw_feed_free(f);
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_REJOIN) > 0, "one that was there before");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(raw_read(&b, f), 100, "all of it");
	is_eq(f->lost, 0, "nothing was lost");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* The limit follows the slowest gate, and a source that waits is woken. */
TEST(gate)
{
	struct raw_source s;
	struct raw_feed *f;
	u32 bell;
	u64 one = 1;
	int n = 0;

	must(begin(), "two processes");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(a.limits[s.o.slot].limit, U64_MAX, "nothing holds it up");
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW) > 0, "a sink that blocks");
	f = raw_feed(&b);
	must(f && f->n.gated, "its gate");
	is_eq(a.limits[s.o.slot].limit, RAW_LOG, "a log from its start");
	while (!raw_publish(&a, &s, 100))
		n++;
	ok(n > 300, "a log of events: %d", n);
	((struct kecho_log_header *)s.map)->want = RAW_LOG / 2;
	ok(write(a.bell, &one, 8) == 8, "it asks");
	bell = a.limits[s.o.slot].bell;
	ok(raw_read(&b, f) == (u64)n, "all are read");
	ok(write(b.bell, &one, 8) == 8, "and said");
	ok(comes_true(a.limits[s.o.slot].bell != bell), "it is woken");
	ok(comes_true(a.limits[s.o.slot].limit == s.log.head + RAW_LOG), "and has a log again");
	is_eq(raw_publish(&a, &s, 100), 0, "it goes on");
	raw_close(&b);
	ok(comes_true(a.limits[s.o.slot].limit == U64_MAX), "a gate goes with its process");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

TEST(doorbells)
{
	struct raw_bell ring, sleep;
	struct raw_source s;
	struct raw_msg *m;
	int sink;

	must(begin(), "two processes");
	must(!raw_source(&a, ca, &s), "a source");
	ok(!raw_note(&a, KECHO_NOTE_DOORBELL, QUIET_MS), "nobody sleeps yet");
	sink = raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW);
	must(raw_bell(&a, &ring) && raw_bell(&b, &sleep), "both have a doorbell");
	is_eq(ring.use, KECHO_RING, "one to ring");
	is_eq(sleep.use, KECHO_SLEEP, "one to sleep on");
	is_eq(ring.id, sleep.id, "the same");
	sleep.page->waiters = KECHO_WAIT_POLL;
	is_eq(ring.page->waiters, KECHO_WAIT_POLL, "it is one page");
	raw_ring(&ring);
	ok(poll(&(struct pollfd){ .fd = sleep.event, .events = POLLIN }, 1, SAID_MS) == 1, "rung");
	is_eq(raw_sink_close(&b, sink), 0, "the sink goes");
	m = raw_note(&a, KECHO_NOTE_DOORBELL, SAID_MS);
	ok(m && ((struct kecho_note_doorbell *)m->body)->use == KECHO_DOORBELL_GONE,
	   "and with it the doorbell");
	raw_free(m);
	raw_bell_free(&ring);
	raw_bell_free(&sleep);
	raw_source_free(&s);
	end();
}

/* A process that dies: its sinks' gates lift, its sources fail with all they had. */
TEST(death)
{
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;
	int i;

	must(begin(), "two processes");
	must(!raw_source(&a, ca, &s), "a source");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	f = raw_feed(&b);
	must(f, "a feed");
	for (i = 0; i < 7; i++)
		raw_publish(&a, &s, 10);
	raw_close(&a);
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	if (ok(m, "the source's end")) {
		struct kecho_note_feed_end *n = (void *)m->body;

		ok(n->gone && n->failed, "it has failed");
		is_eq(n->last_seq, 7, "after the seventh");
	}
	is_eq(raw_read(&b, f), 7, "which are there");
	raw_free(m);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

TEST(members)
{
	struct kecho_ctl_list l = { 0 };
	struct kecho_ctl_channel w = { .on = 1 };
	struct kecho_ctl_member *n;
	struct raw_source s;
	struct raw_msg *m;

	must(begin(), "two processes");
	must(!raw_source(&a, ca, &s), "a source");
	w.channel = l.channel = cb;
	is_eq(raw_call(&b, KECHO_CMD_WATCH, &w, sizeof(w)), 0, "watch");
	m = raw_note(&b, KECHO_NOTE_MEMBER, SAID_MS);
	n = m ? (void *)m->body : NULL;
	ok(n && n->role == KECHO_SOURCE && n->state == KECHO_JOINED && !n->mine && !n->remote,
	   "the source is there");
	raw_free(m);
	is_eq(raw_call(&b, KECHO_CMD_MEMBERS, &l, sizeof(l)), 0, "members");
	is_eq(l.n, 1, "one");
	is_eq(l.more, 0, "no more");
	raw_close(&a);
	m = raw_note(&b, KECHO_NOTE_MEMBER, SAID_MS);
	n = m ? (void *)m->body : NULL;
	ok(n && n->state == KECHO_FAILED, "it has failed with its process");
	raw_free(m);
	raw_source_free(&s);
	end();
}

TEST(stops)
{
	if (!own_network())
		skip("no network namespace of its own");
	is_eq(daemon_stop(&node), 0, "kechod stops when it is told to");
}

TESTS(feed, source_first, sink_first, from, gate, doorbells, death, members, stops);
