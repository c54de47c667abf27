// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who is woken for an event: who wants it, all when much was written, and nobody less than
 * that, while filters come and go.
 */
#include "filter_test.h"
#include "stream_test.h"

static struct parts parts;

/* @sink wants events of more than @n bytes; 0: all. */
static void want_longer(struct world *w, struct ke_member *sink, u32 n)
{
	const struct bpf_insn insns[] = {
		LDX(BPF_DW, 2, 1, CTX(len)), MOV(0, 1), JMP(BPF_JGT, 2, n, 1), MOV(0, 0), EXIT,
	};
	char why[KE_TYPE_WHY_MAX];

	parts_begin(&parts, KECHO_FILTER_EVENT);
	parts_insns(&parts, insns, ARRAY_SIZE(insns));
	parts_join(&parts);
	is_eq(ke_member_filter(sink, parts.wire, n ? parts.wire_len : 0, NULL, 0, why), 0,
	      "more than %u", n);
	ok(world_pump(w), "quiet");
}

/* Notes and appends what is judged by the source; it is told of by who asks. */
static void put(struct world *w, u32 len)
{
	struct ke_source *s = &w->n[0].src;
	struct ke_event_info info = { .time_ns = 1 };
	u64 seq = 0;

	h_source_lock(s);
	ke_judge_event(s->judge, &info, s->log.seq + 1, w->event, len, &test_ops);
	is_eq(ke_log_append(&s->log, &info, w->event, len, KE_NO_LIMIT, &seq), 0, "append");
	ke_source_note(s, &info);
	h_source_unlock(s);
}

enum { NOBODY, OWN = 1, THERE = 2, ALL = 4 };

static struct ke_tstream *stream_of(struct world *w)
{
	return list_first_entry(&w->n[0].src.streams, struct ke_tstream, source_list);
}

/* Publishes, and tells: whom? */
static u32 told(struct world *w)
{
	struct ke_source *s = &w->n[0].src;
	u32 who;

	h_source_lock(s);
	ke_log_publish(&s->log);
	who = ke_source_wakes_all(s) ? ALL : s->wakes_own * OWN | stream_of(w)->wakes * THERE;
	ke_source_woke(s);
	h_source_unlock(s);
	return who;
}

/* A source with a sink of its own and one of another node, which is as if on its host. */
static struct world *near(u64 seed)
{
	struct world *w = stream(seed, false, 0);

	if (!w)
		return NULL;
	is_eq(sink_open(&w->n[0], false, false), 0, "its own");
	stream_of(w)->local = true;
	return w;
}

static void far(struct world *w)
{
	stream_of(w)->local = false;
	world_end(w);
}

TEST(who)
{
	struct world *w = near(1);

	must(w, "nodes");
	put(w, 50);
	is_eq(told(w), ALL, "there is no filter");
	want_longer(w, &w->n[1].sink, 10);
	put(w, 5);
	is_eq(told(w), OWN, "it has none");
	put(w, 50);
	is_eq(told(w), OWN | THERE, "both");
	want_longer(w, &w->n[0].sink, 20);
	put(w, 5);
	is_eq(told(w), NOBODY, "nobody");
	put(w, 15);
	is_eq(told(w), THERE, "the other one");
	put(w, 50);
	put(w, 5);
	is_eq(told(w), OWN | THERE, "the first of two");
	is_eq(told(w), NOBODY, "nothing new");
	want_longer(w, &w->n[1].sink, 0);
	put(w, 5);
	is_eq(told(w), THERE, "it has none any more");
	far(w);
}

/* Until the sink knows of the new one both count. */
TEST(replaced)
{
	struct world *w = near(2);
	struct ke_verdict v;

	must(w, "nodes");
	want_longer(w, &w->n[1].sink, 30);
	want_longer(w, &w->n[0].sink, 30);
	put(w, 20);
	told(w);
	put(w, 20);
	is_eq(told(w), NOBODY, "not that long");
	w->n[0].src.judged_later = true;
	want_longer(w, &w->n[0].sink, 10);
	put(w, 40);
	is_eq(told(w) & OWN, OWN, "by the one before");
	put(w, 20);
	is_eq(told(w) & OWN, OWN, "and by the new one");
	ke_source_judges(&w->n[0].src, w->n[0].src.judge->generation);
	ok(ke_member_verdict(&w->n[0].sink, w->n[0].src.member.id, &v) && v.version == 2, "taken");
	put(w, 5);
	is_eq(told(w), NOBODY, "short");
	far(w);
}

/* What nobody wants, until somebody is woken; at most @bytes. */
static u32 slept(struct world *w, u32 bytes)
{
	u32 who, n = 0;

	do {
		put(w, 1000);
		who = told(w);
	} while (!who && ++n < bytes / 1000);
	return who;
}

/* Whoever sleeps on what is not for him must move on with the log. */
TEST(part)
{
	const u32 part = TEST_LOG / KE_WAKE_PARTS;
	struct world *w = near(3);

	must(w, "nodes");
	want_longer(w, &w->n[0].sink, 2000);
	want_longer(w, &w->n[1].sink, 3000);
	put(w, 1);
	told(w);
	is_eq(slept(w, part), OWN | THERE, "both have slept for long");
	is_eq(slept(w, part / 2), NOBODY, "and then again not");
	put(w, 2500);
	is_eq(told(w), OWN, "it wants this one");
	is_eq(slept(w, part / 2), THERE, "the other one has slept for long");
	is_eq(slept(w, part), OWN, "and then this one");
	w->n[0].src.in_pieces = true;
	is_eq(told(w), ALL, "a piece may be of what is wanted");
	w->n[0].src.in_pieces = false;
	far(w);
}

/* Behind an open reservation nothing is published. */
TEST(unpublished)
{
	struct world *w = near(4);
	struct ke_event_info info = { .judged = true };
	struct ke_log *log;
	void *data;
	u64 cookie;

	must(w, "nodes");
	log = &w->n[0].src.log;
	want_longer(w, &w->n[0].sink, 10);
	want_longer(w, &w->n[1].sink, 10);
	put(w, 1);
	told(w);
	is_eq(ke_log_reserve(log, &info, 5, KE_NO_LIMIT, &data, &cookie), 0, "a reservation");
	put(w, 50);
	is_eq(told(w), OWN | THERE, "noted");
	is_eq(ke_log_judged(log, cookie, 0, w->n[0].src.judge->generation), 0, "not wanted");
	is_eq(ke_log_commit(log, cookie, 5, 1), 0, "commit");
	is_eq(told(w), OWN | THERE, "it is there only now");
	is_eq(told(w), NOBODY, "once");
	far(w);
}

/* For some sinks only. */
TEST(named)
{
	struct world *w = near(5);
	struct ke_event_info info = { .named = true };
	struct ke_source *s;
	__le64 id;

	must(w, "nodes");
	s = &w->n[0].src;
	is_eq(ke_source_address(s), 0, "it knows of sinks");
	want_longer(w, &w->n[0].sink, 10);
	put(w, 50);
	told(w);
	h_source_lock(s);
	ke_source_note(s, &info);
	ok(!s->wakes_own && !stream_of(w)->wakes, "nobody's");
	id = cpu_to_le64(w->n[1].sink.id);
	info.to = &id;
	info.nto = 1;
	ke_source_note(s, &info);
	ok(stream_of(w)->wakes, "the other node's");
	ke_source_woke(s);
	id = cpu_to_le64(w->n[1].sink.id + 1);
	ke_source_note(s, &info);
	ok(!stream_of(w)->wakes, "not the other node's");
	ke_source_woke(s);
	h_source_unlock(s);
	far(w);
}

/* Who comes or goes without a filter. */
TEST(come_and_go)
{
	struct world *w = near(6);
	struct ke_member other = { .role = KE_SINK };

	must(w, "nodes");
	want_longer(w, &w->n[0].sink, 10);
	want_longer(w, &w->n[1].sink, 10);
	put(w, 1);
	told(w);
	is_eq(ke_member_join(&other, &w->n[0].ch), 0, "one more");
	put(w, 1);
	is_eq(told(w), OWN, "it wants all");
	ke_member_leave(&other);
	put(w, 1);
	is_eq(told(w), NOBODY, "it is gone");
	far(w);
}

/* What lies behind an open reservation was noted when other sinks were there. */
TEST(come_meanwhile)
{
	struct world *w = near(7);
	struct ke_event_info info = { .judged = true };
	struct ke_member other = { .role = KE_SINK };
	struct ke_log *log;
	void *data;
	u64 cookie;
	u32 i;

	must(w, "nodes");
	log = &w->n[0].src.log;
	for (i = 0; i < 3; i++) {
		want_longer(w, &w->n[0].sink, 10);
		want_longer(w, &w->n[1].sink, 10);
		put(w, 1);
		told(w);
		is_eq(ke_log_reserve(log, &info, 5, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
		put(w, 5);
		is_eq(told(w), NOBODY, "nothing is there");
		stream_of(w)->local = i == 1;
		if (i)
			want_longer(w, &w->n[1].sink, 0);
		else
			is_eq(ke_member_join(&other, &w->n[0].ch), 0, "one more");
		is_eq(ke_log_abort(log, cookie), 0, "abort");
		ok(told(w) & (i ? THERE : OWN), "who came wants it: %u", i);
		if (!i)
			ke_member_leave(&other);
	}
	far(w);
}

/* The same, of the first filter that there is. */
TEST(decides_meanwhile)
{
	struct world *w = near(8);
	struct ke_event_info info = { .judged = false };
	struct ke_log *log;
	void *data;
	u64 cookie, seq = 0;

	must(w, "nodes");
	log = &w->n[0].src.log;
	is_eq(told(w), ALL, "it does not decide");
	is_eq(ke_log_reserve(log, &info, 5, KE_NO_LIMIT, &data, &cookie), 0, "reserved");
	is_eq(ke_log_append(log, &info, "event", 5, KE_NO_LIMIT, &seq), 0, "for all");
	want_longer(w, &w->n[0].sink, 10);
	is_eq(ke_log_abort(log, cookie), 0, "abort");
	is_eq(told(w), OWN | THERE, "both");
	far(w);
}

TESTS(wake, who, replaced, part, unpublished, named, come_and_go, come_meanwhile,
      decides_meanwhile);
