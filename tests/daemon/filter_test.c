// SPDX-License-Identifier: MIT
/*
 * Filters of sinks, as processes without the library see them: what kechod asks of a source
 * and tells a sink, and that one which does not answer, or says nonsense, keeps nobody long.
 * With the library: what nobody on another host wants does not go there.
 */
#include <kecho/filter.h>

#include "attr.h"
#include "hosts.h"
#include "raw.h"

enum {
	ANSWER_MS = 3000,	/* that a request may wait; none is to take so long */
	LATE_MS = 400,		/* kechod waits longer than this for a source */
	CHANGES = 6000,		/* more than there may be notes */
	FAR_EVENTS = 20000,
	FAR_EVERY = 1000,	/* so few are wanted */
	FAR_LEN = 100,
	FAR_BYTES_MAX = 100 << 10,	/* of 2 MB */
};

static struct kechod node;
static struct raw stays;	/* one that is gone would count for a while */
static int fds_idle;

static bool begin(struct raw *r, int *channel)
{
	static const char *const options[] = { "user-memory=4M", NULL };
	static bool started;

	if (!own_network())
		return false;
	if (!started) {
		started = daemon_start(&node, options) && comes_true(raw_open(&stays, &node)) &&
			  !raw_attach(&stays);
		fds_idle = daemon_fds(&node);
	}
	if (!started || !raw_open(r, &node) || raw_attach(r))
		return false;
	*channel = raw_channel(r, "filters");
	return *channel > 0;
}

static void end(struct raw *r)
{
	raw_close(r);
	ok(comes_true(daemon_fds(&node) == fds_idle), "nothing is left");
}

/* A filter as it travels; NULL: it is none. */
static struct kecho_filter *filter(const char *text)
{
	struct kecho_filter *f = NULL;

	ok(!kecho_filter_compile(&f, KECHO_FOR_EVENT, text, NULL), "%s: %s", text,
	   f ? "compiled" : kecho_explain());
	return f;
}

struct ask {
	struct kecho_ctl_sink_filter body;
	const void *wire;
};

static struct ask ask_for(int sink, u32 version, const struct kecho_filter *f)
{
	struct ask a = { .body = { .sink = sink, .version = version, .timeout_ms = ANSWER_MS } };
	size_t len = 0;

	a.wire = f ? kecho_filter_wire(f, &len) : "";
	a.body.len = len;
	return a;
}

static int set(struct raw *r, struct ask a)
{
	return raw_call_fds(r, KECHO_CMD_SINK_FILTER, &a.body, sizeof(a.body), a.wire, a.body.len,
			    NULL, 0);
}

/* Without waiting for the answer. */
static u32 say(struct raw *r, const struct ask *a)
{
	raw_send(r, KECHO_CMD_SINK_FILTER, &a->body, sizeof(a->body), a->wire, a->body.len);
	return r->serial;
}

static int answered(struct raw *r, u32 serial)
{
	struct raw_msg *m = raw_answer(r, serial);
	int err = m ? m->result : -ETIMEDOUT;

	raw_free(m);
	return err;
}

/* The next note of @cmd, whose struct is @body's. */
static bool noted(struct raw *r, u32 cmd, void *body, size_t len)
{
	struct raw_msg *m = raw_note(r, cmd, SAID_MS);

	if (m)
		memcpy(body, m->body, len);
	raw_free(m);
	return m;
}

/* The sink goes by what it was told; @slot is its feed's. */
static bool goes_by(struct raw *r, u32 slot, const struct kecho_note_judged *n)
{
	smp_store_release(&r->gates[slot].judged, cpu_to_le64(n->number));
	return write(r->bell, &(u64){ 1 }, sizeof(u64)) == sizeof(u64);
}

/* The source judges by the newest that it was told. */
static bool takes(struct raw *r, const struct raw_source *s, struct kecho_note_judge *n)
{
	if (!noted(r, KECHO_NOTE_JUDGE, n, sizeof(*n)))
		return false;
	smp_store_release(&r->gates[s->o.gate].judged, cpu_to_le64(n->number));
	return write(r->bell, &(u64){ 1 }, sizeof(u64)) == sizeof(u64);
}

TEST(refused)
{
	struct kecho_filter *f = filter("seq > 1");
	struct ask a;
	int ch, sink;
	struct raw r;

	must(begin(&r, &ch) && (sink = raw_sink(&r, ch, KECHO_LATEST, 0)) > 0, "a sink");
	is_eq(set(&r, ask_for(999, 1, f)), -EBADF, "no sink");
	is_eq(set(&r, ask_for(sink, 0, f)), -EINVAL, "no version");
	a = ask_for(sink, 1, f);
	a.body.type_len = a.body.len + 1;
	is_eq(set(&r, a), -EINVAL, "a type that is more than all");
	a.body.type_len = 8;
	is_eq(set(&r, a), -EPROTO, "a filter whose end is to be a type");
	a = ask_for(sink, 1, NULL);
	a.wire = "no filter at all";
	a.body.len = 16;
	is_eq(set(&r, a), -EPROTO, "no filter");
	is_eq(set(&r, ask_for(sink, U32_MAX, f)), 0, "the last version");
	is_eq(set(&r, ask_for(sink, 1, NULL)), 0, "an old one is none");
	a = ask_for(sink, 1, f);
	raw_send(&r, KECHO_CMD_SINK_FILTER, &a.body, sizeof(a.body), a.wire, a.body.len - 1);
	ok(!raw_recv(&r, SAID_MS) && !errno, "of another length than it says: cut off");
	kecho_filter_free(f);
	end(&r);
}

static u64 memory(struct raw *r)
{
	struct kecho_ctl_status st = { 0 };

	is_eq(raw_call(r, KECHO_CMD_STATUS, &st, sizeof(st)), 0, "status");
	return st.user_memory_bytes;
}

/* Each is charged to who set it, once. */
TEST(charged)
{
	struct kecho_filter *f = filter("seq > 1");
	int ch, sink, n = 0, err = 0;
	u64 idle, one;
	struct raw r;

	must(begin(&r, &ch), "a process");
	idle = memory(&r);
	must((sink = raw_sink(&r, ch, KECHO_LATEST, 0)) > 0, "a sink");
	one = memory(&r);
	is_eq(set(&r, ask_for(sink, 1, f)), 0, "a filter");
	ok(memory(&r) > one, "it costs something");
	is_eq(set(&r, ask_for(sink, 2, f)), 0, "another");
	is_eq(set(&r, ask_for(sink, 3, NULL)), 0, "none");
	is_eq(memory(&r), one, "it costs nothing any more");
	is_eq(set(&r, ask_for(sink, 4, f)), 0, "one more");
	is_eq(raw_sink_close(&r, sink), 0, "closed");
	is_eq(memory(&r), idle, "nor of one that has gone");
	while (!err && n++ < 200) {
		sink = raw_sink(&r, ch, KECHO_LATEST, 0);
		err = sink < 0 ? sink : set(&r, ask_for(sink, 1, f));
	}
	is_eq(err, -ENOSPC, "%d filters are more than a user may have", n);
	kecho_filter_free(f);
	end(&r);
}

/* What a source is told, what a sink is, and when. */
TEST(told)
{
	struct kecho_filter *f = filter("source.zone == \"eu\" && seq > 1"), *g = filter("seq > 2");
	struct kecho_note_judge_filter nf;
	struct kecho_note_judge_slots ns;
	struct kecho_note_judged said;
	struct kecho_note_judge n;
	struct raw_source src;
	struct raw_feed *feed;
	struct ask a, b;
	int ch, sink;
	u32 serial;
	struct raw r;

	must(begin(&r, &ch) && !raw_source(&r, ch, &src), "a source");
	must((sink = raw_sink(&r, ch, KECHO_LATEST, 0)) > 0 && (feed = raw_feed(&r)), "a sink");
	a = ask_for(sink, 1, f);
	serial = say(&r, &a);
	b = ask_for(sink, 2, g);
	is_eq(set(&r, b), -EBUSY, "one at a time");
	ok(noted(&r, KECHO_NOTE_JUDGE_FILTER, &nf, sizeof(nf)), "the source is told");
	is_eq(nf.len, a.body.len, "the filter");
	ok(noted(&r, KECHO_NOTE_JUDGE_SLOTS, &ns, sizeof(ns)), "what it finds");
	is_eq(ns.len, 0, "nothing yet");
	ok(!raw_note(&r, KECHO_NOTE_JUDGED, QUIET_MS), "the sink waits for the source");
	ok(takes(&r, &src, &n), "which judges");
	is_eq(n.bits, 1ULL << nf.bit, "by that");
	ok(noted(&r, KECHO_NOTE_JUDGED, &said, sizeof(said)), "the sink is told");
	is_eq(said.version, 1, "of its filter");
	is_eq(said.feed, feed->n.feed, "of its feed");
	is_eq(said.bit, nf.bit, "the bit");
	is_eq(said.from, n.generation, "the generation");
	ok(!raw_recv(&r, QUIET_MS), "the answer waits for the sink");
	ok(goes_by(&r, feed->n.slot, &said), "which goes by it");
	is_eq(answered(&r, serial), 0, "all judge by it");

	/* The bit of the first is held until the sink goes by the second. */
	serial = say(&r, &b);
	ok(takes(&r, &src, &n), "the source judges");
	is_eq(n.bits, 3, "by both");
	ok(noted(&r, KECHO_NOTE_JUDGED, &said, sizeof(said)) && said.version == 2, "the next");
	ok(!raw_note(&r, KECHO_NOTE_JUDGE, QUIET_MS), "both, as long as the sink says no more");
	ok(goes_by(&r, feed->n.slot, &said), "it goes by it");
	ok(takes(&r, &src, &n) && n.bits == 1ULL << said.bit, "by one");
	is_eq(answered(&r, serial), 0, "all judge by it");
	kecho_filter_free(f);
	kecho_filter_free(g);
	raw_feed_free(feed);
	raw_source_free(&src);
	end(&r);
}

static int change(struct raw *r, u64 member, u8 value)
{
	struct kecho_ctl_attr attr = { .what = KECHO_OF_MEMBER, .member = member };
	u8 set[] = { KE_VALUE_I64, 1, 8, 0, 'x', value, 0, 0, 0, 0, 0, 0, 0 };

	attr.attrs_len = sizeof(set);
	return raw_call_fds(r, KECHO_CMD_SET, &attr, sizeof(attr), set, sizeof(set), NULL, 0);
}

/* A source that never says that it judges has one note to read, however much changes; who
 * sets a filter waits for it once, and not long. */
TEST(silent_source)
{
	struct kecho_filter *f = filter("source.x > 3");
	struct kecho_note_judged said;
	int ch, sink, other, i, err = 0;
	struct raw_source src;
	struct raw_feed *feed;
	u64 member, before;
	struct raw r, s;
	struct ask a;
	u32 serial;

	must(begin(&r, &ch) && (sink = raw_sink(&r, ch, KECHO_LATEST, 0)) > 0, "a sink");
	must(raw_open(&s, &node) && !raw_attach(&s), "another process");
	other = raw_channel(&s, "filters");
	must(other > 0 && !raw_source(&s, other, &src) && (feed = raw_feed(&r)), "a source");
	member = src.o.member;
	before = now_ns();
	a = ask_for(sink, 1, f);
	serial = say(&r, &a);
	ok(noted(&r, KECHO_NOTE_JUDGED, &said, sizeof(said)) && goes_by(&r, feed->n.slot, &said),
	   "the sink is told");
	is_eq(answered(&r, serial), 0, "set");
	ok(now_ns() - before > LATE_MS * 1000000ull, "not at once");
	ok(now_ns() - before < ANSWER_MS * 1000000ull, "but soon");
	for (i = 0; i < CHANGES && !err; i++)
		err = change(&s, member, i);
	is_eq(err, 0, "%d changes: it is there yet", i);
	ok(s.nnotes < 16, "and was told no more than %u notes", s.nnotes);
	before = now_ns();
	a = ask_for(sink, 2, NULL);
	serial = say(&r, &a);
	ok(noted(&r, KECHO_NOTE_JUDGED, &said, sizeof(said)) && goes_by(&r, feed->n.slot, &said) &&
	   !answered(&r, serial), "no filter");
	ok(now_ns() - before < LATE_MS * 1000000ull, "nobody waits for it again");
	raw_feed_free(feed);
	raw_source_free(&src);
	raw_close(&s);
	kecho_filter_free(f);
	end(&r);
}

/* ------------------------------------------------------------------- two hosts */

/* As many as a log has room for, the last of which is wanted. */
static bool submit_some(struct kecho_source *src)
{
	static const char event[FAR_LEN];
	int i, n = 0;

	for (i = 0; i < FAR_EVERY; i++)
		n += !kecho_submit(src, event, sizeof(event), 0);
	return n == FAR_EVERY;
}

TEST(far)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct kecho_filter *f = filter("seq % 1000 == 0");
	struct kecho_channel *ch[2];
	struct kechod host[2] = { 0 };
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *snk;
	struct kecho *k[2];
	u64 before, seq;
	int i;

	if (!own_network())
		skip("no network namespace of its own");
	must(start_hosts(host) && attach_to(&host[0], "far", &k[0], &ch[0]) &&
	     attach_to(&host[1], "far", &k[1], &ch[1]), "two hosts");
	must(!kecho_source_open(ch[0], NULL, &src) && !kecho_sink_open(ch[1], &opt, &snk),
	     "a source, a sink: %s", kecho_explain());
	is_eq(kecho_sink_filter(snk, f, NULL), 0, "its filter");
	before = sent(k[0]);
	for (seq = FAR_EVERY; seq <= FAR_EVENTS; seq += FAR_EVERY)
		ok(submit_some(src) && !kecho_read(snk, &ev, SOON_MS) &&
		   ev.kind == KECHO_EVENT && ev.seq == seq, "event %llu",
		   (unsigned long long)seq);
	is_eq(kecho_sink_filtered(snk), FAR_EVENTS - FAR_EVENTS / FAR_EVERY, "not the others");
	ok(sent(k[0]) - before < FAR_BYTES_MAX, "%llu bytes went out",
	   (unsigned long long)(sent(k[0]) - before));
	kecho_source_close(src);
	kecho_sink_close(snk);
	for (i = 0; i < 2; i++) {
		kecho_channel_close(ch[i]);
		kecho_close(k[i]);
		is_eq(daemon_stop(&host[i]), 0, "the end");
	}
	kecho_filter_free(f);
}

TESTS(filter, refused, charged, told, silent_source, far);
