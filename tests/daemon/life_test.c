// SPDX-License-Identifier: MIT
/*
 * What is done to a channel as a whole, and to a sink that holds a source up for too long,
 * among processes of one kechod and of two.
 */
#include "pair.h"

enum {
	STALL_MS = 300,
	CLOCK_MS = 10,	/* a tick of the clock that kechod looks at */
};

static struct kecho_ctl_channel_wait wait_for(int channel, u32 timeout_ms)
{
	return (struct kecho_ctl_channel_wait){ .channel = channel, .timeout_ms = timeout_ms };
}

/* Sends it; raw_answer() has what comes of it. */
static int ask(struct raw *r, u32 cmd, int channel, u32 timeout_ms)
{
	struct kecho_ctl_channel_wait w = wait_for(channel, timeout_ms);

	return raw_send(r, cmd, &w, sizeof(w), NULL, 0);
}

static int result(struct raw *r)
{
	struct raw_msg *m = raw_answer(r, r->serial);
	int err = m ? m->result : -ETIMEDOUT;

	raw_free(m);
	return err;
}

/* The number of the next such note; 0: it has none; or -1: none comes. */
static int told(struct raw *r, u32 note)
{
	struct raw_msg *m = raw_note(r, note, SAID_MS);
	struct kecho_ctl_still *n = m ? (void *)m->body : NULL;
	int number = n ? (int)n->number : -1;

	raw_free(m);
	return number;
}

static bool told_frozen(struct raw *r, bool on)
{
	int number = told(r, KECHO_NOTE_FROZEN);

	return on ? number > 0 : !number;
}

/* What had begun before the note of that number is over. */
static int still(struct raw *r, int channel, u32 number)
{
	struct kecho_ctl_still s = { .channel = channel, .number = number };

	return raw_call(r, KECHO_CMD_STILL, &s, sizeof(s));
}

/* A process of the other host holds the channel: its sources stand when they say so. */
TEST(freeze)
{
	struct kecho_ctl_channel_wait w;
	struct raw_source s;
	struct raw_msg *m;
	int number;

	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(raw_publish(&a, &s, 10), 0, "it publishes");
	is_eq(ask(&b, KECHO_CMD_FREEZE, cb, SAID_MS), 0, "freeze");
	number = told(&a, KECHO_NOTE_FROZEN);
	ok(number > 0, "the source's process is told");
	m = raw_recv(&b, QUIET_MS);
	ok(!m, "and waited for");
	raw_free(m);
	is_eq(raw_publish(&a, &s, 10), 0, "it finishes something");
	is_eq(still(&a, ca, number), 0, "and stands still");
	is_eq(result(&b), 0, "the channel is frozen");
	is_eq(a.limits[s.o.slot].limit, s.log.head, "the limit holds it");
	is_eq(raw_publish(&a, &s, 10), -EAGAIN, "it cannot publish");
	w = wait_for(cb, 0);
	is_eq(raw_call(&b, KECHO_CMD_FREEZE, &w, sizeof(w)), -EALREADY, "once");
	is_eq(raw_call(&b, KECHO_CMD_THAW, &w, sizeof(w)), 0, "thaw");
	ok(told_frozen(&a, false), "it is told");
	ok(comes_true(a.limits[s.o.slot].limit == U64_MAX), "and free");
	is_eq(raw_call(&b, KECHO_CMD_THAW, &w, sizeof(w)), -EINVAL, "it is not held any more");
	raw_source_free(&s);
	end();
}

/* Who holds a channel and dies holds nothing; who never stands still is not waited for. */
TEST(holder_dies)
{
	struct kecho_ctl_channel_wait w;
	struct raw_source s;
	struct raw_msg *m;
	int first, number;

	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	w = wait_for(cb, QUIET_MS);
	is_eq(raw_call(&b, KECHO_CMD_FREEZE, &w, sizeof(w)), -ETIMEDOUT, "a deaf process");
	first = told(&a, KECHO_NOTE_FROZEN);
	ok(first > 0 && told_frozen(&a, false), "it was held, and is not");
	is_eq(ask(&b, KECHO_CMD_FREEZE, cb, SAID_MS), 0, "freeze");
	number = told(&a, KECHO_NOTE_FROZEN);
	ok(number > 0 && number != first, "told");
	is_eq(still(&a, ca, first), 0, "what it says to the first");
	m = raw_recv(&b, QUIET_MS);
	ok(!m, "is no answer to the second");
	raw_free(m);
	is_eq(still(&a, ca, number), 0, "still");
	is_eq(result(&b), 0, "frozen");
	raw_close(&b);
	ok(told_frozen(&a, false), "it goes on");
	ok(comes_true(!raw_publish(&a, &s, 10)), "and publishes");
	raw_source_free(&s);
	end();
}

TEST(drain)
{
	struct kecho_ctl_channel_wait w;
	struct raw_bell bell;
	struct raw_source s;
	struct raw_feed *f;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink over there");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f, "a feed");
	w = wait_for(ca, SAID_MS);
	is_eq(raw_call(&a, KECHO_CMD_DRAIN, &w, sizeof(w)), 0, "nothing to wait for");
	must(raw_bell(&a, &bell), "kechod's doorbell");
	is_eq(raw_publish(&a, &s, 10), 0, "published");
	raw_ring(&bell);
	w = wait_for(ca, 100);
	is_eq(raw_call(&a, KECHO_CMD_DRAIN, &w, sizeof(w)), -ETIMEDOUT, "it is not read");
	is_eq(ask(&a, KECHO_CMD_DRAIN, ca, SAID_MS), 0, "drain");
	raw_read(&b, f);
	smp_store_release(&b.gates[f->n.slot].given, s.log.head);
	is_eq(result(&a), 0, "it is");
	raw_bell_free(&bell);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* Processes of one host hold it each for itself. */
TEST(holders)
{
	struct kecho_ctl_channel_wait w;
	struct raw_source s;
	struct raw c;
	int cc;

	must(begin() && raw_open(&c, &node[0]) && !raw_attach(&c), "three processes");
	cc = raw_channel(&c, "life-held");
	ca = raw_channel(&a, "life-held");
	cb = raw_channel(&b, "life-held");
	must(!raw_source(&b, cb, &s), "a source");
	is_eq(ask(&a, KECHO_CMD_FREEZE, ca, SAID_MS), 0, "one");
	is_eq(still(&b, cb, told(&b, KECHO_NOTE_FROZEN)), 0, "the source stands");
	is_eq(result(&a), 0, "holds it");
	w = wait_for(cc, SAID_MS);
	is_eq(raw_call(&c, KECHO_CMD_FREEZE, &w, sizeof(w)), 0, "and another");
	is_eq(raw_call(&c, KECHO_CMD_FREEZE, &w, sizeof(w)), -EALREADY, "once");
	w = wait_for(ca, 0);
	is_eq(raw_call(&a, KECHO_CMD_THAW, &w, sizeof(w)), 0, "one lets go");
	is_eq(raw_call(&a, KECHO_CMD_THAW, &w, sizeof(w)), -EINVAL, "of what it held");
	is_eq(raw_publish(&b, &s, 10), -EAGAIN, "it is held");
	raw_close(&c);
	ok(told_frozen(&b, false), "until the other is gone");
	ok(comes_true(!raw_publish(&b, &s, 10)), "then it goes on");
	raw_source_free(&s);
	end();
}

/* A process stands still for the last time: what it publishes until it says so counts. */
TEST(destroy)
{
	struct kecho_note_feed_end *n;
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;
	int cc, number;
	struct raw c;

	must(begin() && raw_open(&c, &node[0]) && !raw_attach(&c), "three processes");
	ca = raw_channel(&a, "life-over");
	cb = raw_channel(&b, "life-over");
	cc = raw_channel(&c, "life-over");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink over there");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(raw_publish(&a, &s, 10), 0, "published");
	is_eq(ask(&c, KECHO_CMD_DESTROY, cc, SAID_MS), 0, "destroy");
	ok(told(&c, KECHO_NOTE_CHANNEL_END) > 0 && told(&b, KECHO_NOTE_CHANNEL_END) > 0,
	   "who has no source there is told");
	number = told(&a, KECHO_NOTE_CHANNEL_END);
	ok(number > 0, "and the source's process");
	m = raw_recv(&c, QUIET_MS);
	ok(!m, "and waited for");
	raw_free(m);
	is_eq(raw_publish(&a, &s, 10), 0, "it finishes something");
	is_eq(still(&a, ca, number), 0, "and stands still");
	is_eq(result(&c), 0, "destroyed");
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	n = m ? (void *)m->body : NULL;
	ok(n && n->last_seq == 2 && !n->failed, "the end of its feed");
	raw_free(m);
	is_eq(raw_read(&b, f), 2, "which is there to the last");
	is_eq(raw_sink(&a, ca, KECHO_LATEST, KECHO_FROM_NOW), -ESHUTDOWN, "nothing more there");
	raw_close(&c);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* Who never says that it stands still has its time; who dies has no more. */
TEST(destroy_deaf)
{
	struct kecho_note_feed_end *n;
	struct raw_source s;
	struct raw_msg *m;
	int round;

	for (round = 0; round < 2; round++) {
		must(begin(), "two hosts");
		ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink over there");
		must(!raw_source(&a, ca, &s), "a source");
		is_eq(raw_publish(&a, &s, 10), 0, "published");
		is_eq(ask(&b, KECHO_CMD_DESTROY, cb, SAID_MS), 0, "destroy");
		ok(told(&a, KECHO_NOTE_CHANNEL_END) > 0, "told");
		if (round)
			raw_close(&a);
		is_eq(result(&b), 0, "destroyed");
		m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
		n = m ? (void *)m->body : NULL;
		ok(n && n->last_seq == 1 && n->failed == round, "it ends where it is");
		raw_free(m);
		raw_source_free(&s);
		end();
	}
}

/* A sink of the source's own host, or (@far) of the other, that does not read. */
static void stall(struct raw *r, int channel, bool far)
{
	struct raw_source s = { .o = { .channel = ca, .log_size = RAW_LOG, .stall_ms = STALL_MS } };
	u64 one = 1, until = now_ns() + 8000000000ull, begun = now_ns();
	struct kecho_note_end *n;
	struct raw_bell bell;
	struct raw_msg *m = NULL;
	u32 slot;

	ok(raw_sink_slot(r, channel, KECHO_BLOCK, KECHO_FROM_NOW, &slot) > 0, "a sink that blocks");
	is_eq(r->limits[slot].limit, U64_MAX, "what it reads is kept");
	must(!raw_source_make(&a, &s), "a source");
	must(!raw_source_ready(&a, &s) && raw_bell(&a, &bell), "it joins");
	while (!m && now_ns() < until) {
		while (!raw_publish(&a, &s, 1000))
			raw_ring(&bell);
		s.log.hdr->want = s.log.end + 2080 - RAW_LOG / 2;
		if (write(a.bell, &one, 8) != 8)
			break;
		m = raw_note(r, KECHO_NOTE_SINK_END, 20);
	}
	n = m ? (void *)m->body : NULL;
	ok(n && n->error == (u32)-EPIPE, "%s, it is ended", far ? "far" : "near");
	is_eq(r->limits[slot].limit, 0, "which its page says too");
	ok(now_ns() - begun >= (STALL_MS - CLOCK_MS) * 1000000ull, "not before its time");
	ok(comes_true(a.limits[s.o.slot].limit == U64_MAX), "nobody holds the source up");
	ok(comes_true(a.limits[s.o.slot].stalls == 1), "which is counted");
	raw_free(m);
	raw_bell_free(&bell);
	raw_source_free(&s);
}

TEST(stalled_here)
{
	struct raw c;
	int cc;

	must(begin() && raw_open(&c, &node[0]) && !raw_attach(&c), "three processes");
	cc = raw_channel(&c, "life-here");
	ca = raw_channel(&a, "life-here");
	stall(&c, cc, false);
	raw_close(&c);
	end();
}

TEST(stalled_there)
{
	must(begin(), "two hosts");
	stall(&b, cb, true);
	end();
}

TEST(stops)
{
	if (!own_network())
		skip("no network namespace of its own");
	is_eq(daemon_stop(&node[1]), 0, "the second stops");
	is_eq(daemon_stop(&node[0]), 0, "the first stops");
}

TESTS(life, freeze, holder_dies, holders, drain, destroy, destroy_deaf, stalled_here,
      stalled_there, stops);
