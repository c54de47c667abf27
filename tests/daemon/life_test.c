// SPDX-License-Identifier: MIT
/*
 * What is done to a channel as a whole, and to a sink that holds a source up for too long,
 * among processes of one kechod and of two.
 */
#include "raw.h"

enum {
	STALL_MS = 300,
	CLOCK_MS = 10,	/* a tick of the clock that kechod looks at */
};

static struct kechod node[2];
static struct raw a, b;		/* a process of each; @a publishes */
static int ca, cb;

static bool begin(void)
{
	static const char *const options[2][4] = {
		{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one" },
		{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
	};
	static bool started;
	static int round;
	char name[32];
	int i;

	if (!own_network())
		return false;
	for (i = 0; i < 2 && !started; i++)
		if (!daemon_start(&node[i], options[i]) || !comes_true(daemon_answers(&node[i])))
			return false;
	started = true;
	snprintf(name, sizeof(name), "life%d", round++);
	if (!raw_open(&a, &node[0]) || !raw_open(&b, &node[1]) || raw_attach(&a) ||
	    raw_attach(&b))
		return false;
	ca = raw_channel(&a, name);
	cb = raw_channel(&b, name);
	return ca > 0 && cb > 0;
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
}

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

static bool told_frozen(struct raw *r, bool on)
{
	struct raw_msg *m = raw_note(r, KECHO_NOTE_FROZEN, SAID_MS);
	struct kecho_note_frozen *n = m ? (void *)m->body : NULL;
	bool good = n && n->on == (u32)on;

	raw_free(m);
	return good;
}

/* A process of the other host holds the channel: its sources stand when they say so. */
TEST(freeze)
{
	struct kecho_ctl_channel_wait w;
	struct raw_source s;
	struct raw_msg *m;

	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(raw_publish(&a, &s, 10), 0, "it publishes");
	is_eq(ask(&b, KECHO_CMD_FREEZE, cb, SAID_MS), 0, "freeze");
	ok(told_frozen(&a, true), "the source's process is told");
	m = raw_recv(&b, QUIET_MS);
	ok(!m, "and waited for");
	raw_free(m);
	is_eq(raw_publish(&a, &s, 10), 0, "it finishes something");
	w = wait_for(ca, 0);
	is_eq(raw_call(&a, KECHO_CMD_STILL, &w, sizeof(w)), 0, "and stands still");
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

	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	w = wait_for(cb, QUIET_MS);
	is_eq(raw_call(&b, KECHO_CMD_FREEZE, &w, sizeof(w)), -ETIMEDOUT, "a deaf process");
	ok(told_frozen(&a, true) && told_frozen(&a, false), "it was held, and is not");
	is_eq(ask(&b, KECHO_CMD_FREEZE, cb, SAID_MS), 0, "freeze");
	ok(told_frozen(&a, true), "told");
	w = wait_for(ca, 0);
	is_eq(raw_call(&a, KECHO_CMD_STILL, &w, sizeof(w)), 0, "still");
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

TEST(destroy)
{
	struct kecho_ctl_channel_wait w;
	struct kecho_note_feed_end *n;
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink over there");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(raw_publish(&a, &s, 10), 0, "published");
	w = wait_for(cb, SAID_MS);
	is_eq(raw_call(&b, KECHO_CMD_DESTROY, &w, sizeof(w)), 0, "destroyed from there");
	m = raw_note(&b, KECHO_NOTE_CHANNEL_END, SAID_MS);
	ok(m, "the sink's process is told");
	raw_free(m);
	m = raw_note(&b, KECHO_NOTE_FEED_END, 0);
	n = m ? (void *)m->body : NULL;
	ok(n && n->last_seq == 1, "behind the end of its feed");
	raw_free(m);
	is_eq(raw_read(&b, f), 1, "which is there to the last");
	m = raw_note(&a, KECHO_NOTE_CHANNEL_END, SAID_MS);
	ok(m, "and the source's");
	raw_free(m);
	is_eq(raw_sink(&a, ca, KECHO_LATEST, KECHO_FROM_NOW), -ESHUTDOWN, "nothing more there");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
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
	must(!raw_call_fds(&a, KECHO_CMD_SOURCE_OPEN, &s.o, sizeof(s.o), NULL, 0, &s.fd, 1),
	     "a source");
	s.map = mmap(NULL, KECHO_LOG_HEADER_SIZE + RAW_LOG, PROT_READ | PROT_WRITE, MAP_SHARED,
		     s.fd, 0);
	must(s.map != MAP_FAILED, "its log");
	ke_log_init(&s.log, s.map, (u8 *)s.map + KECHO_LOG_HEADER_SIZE, RAW_LOG, 0, 0);
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

TESTS(life, freeze, holder_dies, drain, destroy, stalled_here, stalled_there, stops);
