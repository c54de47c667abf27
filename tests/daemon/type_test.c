// SPDX-License-Identifier: MIT
/*
 * Types at kechod: announced and asked for by processes that may say anything, on two hosts;
 * what a user may have of them; and that they are known to the next kechod.
 */
#include "pair.h"

#include <kecho/type.h>

enum {
	BIG_FIELDS = 512,
	BIG_NAME = 30,		/* bytes of a field's name: 26 KB of a type */
	USER_TYPES = 512 << 10,
	DEATHS = 3,
};

/* A type of one number, whose name ends in @i; its wire form is the caller's. */
static void *wire_of(unsigned int i, size_t *len)
{
	struct kecho_field f = { "number", KECHO_FIELD_UNSIGNED, 0, 4, 0, 0, 0, 0, 0 };
	struct kecho_type *t = NULL;
	const void *wire;
	char name[16];
	void *copy;

	snprintf(name, sizeof(name), "type%u", i);
	if (kecho_type_from_fields(&t, name, 4, &f, 1))
		return NULL;
	wire = kecho_type_wire(t, len);
	copy = malloc(*len);
	memcpy(copy, wire, *len);
	kecho_type_free(t);
	return copy;
}

/* One of about 26 KB. */
static struct kecho_type *big_type(unsigned int i)
{
	static char names[BIG_FIELDS][BIG_NAME + 1];
	static struct kecho_field f[BIG_FIELDS];
	struct kecho_type *t = NULL;
	char name[16];
	int n;

	for (n = 0; n < BIG_FIELDS; n++) {
		snprintf(names[n], sizeof(names[n]), "%0*d", BIG_NAME, n);
		f[n] = (struct kecho_field){ .name = names[n], .kind = KECHO_FIELD_UNSIGNED,
					     .size = 4 };
	}
	snprintf(name, sizeof(name), "big%u", i);
	ok(!kecho_type_from_fields(&t, name, 4, f, BIG_FIELDS), "%s", kecho_explain());
	return t;
}

/* Its number, or -errno. */
static int announce(struct raw *r, u32 source, const void *wire, size_t len)
{
	struct kecho_ctl_announce n = { .source = source, .type_len = len };
	int err = raw_call_fds(r, KECHO_CMD_ANNOUNCE, &n, sizeof(n), wire, len, NULL, 0);

	return err ?: (int)n.number;
}

static int announce_numbered(struct raw *r, u32 source, unsigned int i)
{
	size_t len;
	void *wire = wire_of(i, &len);
	int number = announce(r, source, wire, len);

	free(wire);
	return number;
}

static bool is_wire(const void *got, size_t got_len, unsigned int i)
{
	size_t len;
	void *wire = wire_of(i, &len);
	bool is = got_len == len && !memcmp(got, wire, len);

	free(wire);
	return is;
}

/* Whether type @number of @member is "type@i"; or -errno. */
static int ask(struct raw *r, u32 channel, u64 member, u32 number, unsigned int i)
{
	struct kecho_ctl_type t = { .channel = channel, .member = member, .number = number };
	struct raw_msg *m;
	int err;

	if (raw_send(r, KECHO_CMD_TYPE, &t, sizeof(t), NULL, 0))
		return -EPIPE;
	m = raw_answer(r, r->serial);
	if (!m)
		return -ETIMEDOUT;
	err = m->result;
	if (!err)
		err = m->len >= sizeof(t) &&
		      is_wire((u8 *)m->body + sizeof(t), m->len - sizeof(t), i);
	raw_free(m);
	return err;
}

TEST(asked)
{
	static const u8 nothing[64];
	struct raw_source s;
	struct raw other;

	must(begin() && raw_open(&other, &node[0]) && !raw_attach(&other), "two hosts");
	must(!raw_source_open(&a, ca, &s, 0), "a source");
	is_eq(announce_numbered(&a, s.o.source, 1), 1, "before it is ready");
	is_eq(raw_source_ready(&a, &s), 0, "ready");
	is_eq(announce_numbered(&a, s.o.source, 2), 2, "the second");
	is_eq(announce_numbered(&a, s.o.source, 1), 1, "the first again");
	is_eq(announce(&a, s.o.source, nothing, sizeof(nothing)), -EPROTO, "none");
	is_eq(announce(&a, s.o.source, NULL, 0), -EPROTO, "nothing");
	is_eq(announce_numbered(&a, s.o.source + 1, 3), -EBADF, "of no source");
	is_eq(announce_numbered(&other, s.o.source, 3), -EBADF, "of another's");
	is_eq(ask(&a, ca, s.o.member, 1, 1), 1, "here");
	ok(comes_true(ask(&b, cb, s.o.member, 2, 2) == 1), "there");
	is_eq(ask(&b, cb, s.o.member, 1, 1), 1, "the first, too");
	is_eq(ask(&b, cb, s.o.member, 0, 0), -ENOENT, "number 0");
	is_eq(ask(&b, cb, s.o.member, 3, 0), -ENOENT, "number 3");
	is_eq(ask(&b, cb, s.o.member, 16, 0), -ENOENT, "number 16");
	is_eq(ask(&b, cb, s.o.member, U32_MAX, 0), -ENOENT, "no number");
	is_eq(ask(&b, cb, s.o.member + 1, 1, 0), -ENOENT, "of nobody");
	is_eq(ask(&b, cb + 1, s.o.member, 1, 0), -ENOENT, "in no channel");
	is_eq(ask(&other, ca, s.o.member, 1, 0), -ENOENT, "in another's channel");
	raw_close(&other);
	raw_source_free(&s);
	end();
}

/* All of a source's types, then its end for good. */
static void told(struct raw *r, unsigned int n)
{
	struct raw_msg *m;
	bool gone = false;
	unsigned int i;

	for (i = 1; i <= n; i++) {
		struct kecho_note_type *t;

		m = raw_note(r, KECHO_NOTE_TYPE, SAID_MS);
		must(m, "type %u", i);
		t = (void *)m->body;
		is_eq(t->number, i, "its number");
		ok(is_wire(t + 1, m->len - sizeof(*t), i), "type %u", i);
		raw_free(m);
	}
	while (!gone && (m = raw_note(r, KECHO_NOTE_FEED_END, SAID_MS))) {
		gone = ((struct kecho_note_feed_end *)m->body)->gone;
		raw_free(m);
	}
	ok(gone, "its end");
}

TEST(gone)
{
	struct raw_source s;

	must(begin(), "two hosts");
	ok(raw_sink(&a, ca, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink here");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "and there");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(announce_numbered(&a, s.o.source, 1), 1, "a type");
	is_eq(announce_numbered(&a, s.o.source, 2), 2, "another");
	is_eq(raw_source_close(&a, &s, 5000), 0, "closed");
	told(&a, 2);
	told(&b, 2);
	ok(comes_true(ask(&b, cb, s.o.member, 1, 1) == -ENOENT), "nobody is asked any more");
	raw_source_free(&s);
	end();
}

/* As many bytes as a user may have, of sources of its own; @first numbers them. */
static int announce_big(struct raw *r, u32 source, unsigned int first, u64 *bytes)
{
	struct kecho_type *t;
	unsigned int i;
	int number = 1;
	size_t len = 0;

	for (i = 0; i < 9 && number > 0; i++) {
		const void *wire;

		t = big_type(first + i);
		wire = kecho_type_wire(t, &len);
		number = announce(r, source, wire, len);
		*bytes += number > 0 ? len : 0;
		kecho_type_free(t);
	}
	return number;
}

TEST(limits)
{
	struct raw_source s[4];
	u64 bytes = 0;
	int i, n, err = 1;

	must(begin(), "two hosts");
	for (n = 0; n < 4 && err > 0; n++) {
		must(!raw_source(&a, ca, &s[n]), "a source");
		err = announce_big(&a, s[n].o.source, 100 * n, &bytes);
	}
	is_eq(err, -ENOSPC, "a user has a limit");
	ok(bytes <= USER_TYPES && bytes > USER_TYPES * 9 / 10, "%llu bytes",
	   (unsigned long long)bytes);
	is_eq(announce_big(&a, s[0].o.source, 0, &bytes), 9, "what is there is no more");
	is_eq(raw_source_close(&a, &s[0], 0), 0, "one is closed");
	err = announce_numbered(&a, s[n - 1].o.source, 1);
	ok(err > 0, "a place is free: %d", err);
	for (i = 0; i < n; i++)
		raw_source_free(&s[i]);
	end();
	must(begin(), "a process that comes after it");
	must(!raw_source(&a, ca, &s[0]), "a source");
	is_eq(announce_big(&a, s[0].o.source, 0, &bytes), 9, "has all again");
	for (i = 10; i <= 15; i++)
		is_eq(announce_numbered(&a, s[0].o.source, i), i, "up to fifteen");
	is_eq(announce_numbered(&a, s[0].o.source, 16), -ENOSPC, "a source has a limit");
	raw_source_free(&s[0]);
	end();
}

/* ------------------------------------------------------------------- the library */

static const char *const alone[] = { "registry=" REGISTRY, NULL };

struct party {
	struct kechod d;
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	u64 seq;
};

static bool next_typed(struct kecho_sink *s, unsigned int i, u64 seq)
{
	const struct kecho_type *t;
	struct kecho_event ev;
	char name[16];
	int err;

	do
		err = kecho_read(s, &ev, SOON_MS);
	while (!err && ev.kind != KECHO_EVENT);
	snprintf(name, sizeof(name), "type%u", i);
	t = err ? NULL : kecho_event_type(s, &ev);
	return is_eq(err, 0, "read") && is_eq(ev.seq, seq, "the next") &&
	       ok(t, "type %u is known", i) && is_str(kecho_type_name(t), name, "it is");
}

static void submit_typed(struct party *p, unsigned int i)
{
	size_t len;
	void *wire = wire_of(i, &len);
	struct kecho_type *t = NULL;
	int number, err;

	must(!kecho_type_load(&t, wire, len), "a type");
	number = kecho_source_announce(p->src, t);
	is_eq(number, i, "%s", number < 0 ? kecho_explain() : "its number");
	err = kecho_submit(p->src, &i, sizeof(i), KECHO_TYPED(number));
	is_eq(err, 0, "%s", err ? kecho_explain() : "submitted");
	p->seq++;
	kecho_type_free(t);
	free(wire);
}

static bool party_open(struct party *p)
{
	memset(p, 0, sizeof(*p));
	if (!own_network() || !daemon_start(&p->d, alone) || !comes_true(daemon_answers(&p->d)))
		return false;
	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", p->d.socket, 1);
	return !kecho_open(&p->k, NULL) && !kecho_channel_open(p->k, "party", NULL, &p->ch) &&
	       !kecho_source_open(p->ch, NULL, &p->src) &&
	       !kecho_sink_open(p->ch, NULL, &p->snk);
}

/* The next kechod hears of all of them, with their numbers, and who comes new there, too. */
TEST(restart)
{
	struct kecho_type *t = NULL;
	struct kecho *k;
	struct kecho_channel *ch;
	struct party p;
	unsigned int i;

	must(party_open(&p), "a kechod");
	for (i = 1; i <= DEATHS; i++) {
		submit_typed(&p, i);
		ok(next_typed(p.snk, i, p.seq), "before the death");
		kill(p.d.pid, SIGKILL);
		waitpid(p.d.pid, NULL, 0);
		must(daemon_start(&p.d, alone) && comes_true(daemon_answers(&p.d)), "the next");
		submit_typed(&p, i);
		ok(next_typed(p.snk, i, p.seq), "after it");
	}
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "party", NULL, &ch), "another");
	for (i = 1; i <= DEATHS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "type%u", i);
		is_eq(kecho_member_type(ch, kecho_source_id(p.src), i, &t), 0, "%s is known", name);
		is_str(t ? kecho_type_name(t) : "", name, "it is");
		kecho_type_free(t);
		t = NULL;
	}
	kecho_close(k);
	kecho_close(p.k);
	is_eq(daemon_stop(&p.d), 0, "the end");
}

/* A process of the kechod @d, which is started; a source, or a sink. */
static bool one_of(struct party *p, const char *const *options, bool source)
{
	if (!daemon_start(&p->d, options) || !comes_true(daemon_answers(&p->d)))
		return false;
	setenv("KECHO_SOCKET", p->d.socket, 1);
	return !kecho_open(&p->k, NULL) && !kecho_channel_open(p->k, "there", NULL, &p->ch) &&
	       !(source ? kecho_source_open(p->ch, NULL, &p->src) :
			  kecho_sink_open(p->ch, NULL, &p->snk));
}

static bool waits_for_it(struct kecho_sink *s)
{
	struct kecho_sink_stats st;

	kecho_sink_stats(s, &st);
	return st.lag_bytes;
}

/* What lay in a mirror when its kechod died, of a type that nobody had asked for: the next
 * kechod is asked before it has heard of the source's host. */
TEST(restart_there)
{
	static const char *const options[2][4] = {
		{ "listen=127.0.0.1", "registry=" REGISTRY, "name=one" },
		{ "listen=127.0.0.2", "registry=" REGISTRY, "name=two" },
	};
	struct party here = {}, there = {};

	must(own_network() && !setenv("KECHO", "daemon", 1), "a network");
	must(one_of(&here, options[0], true) && one_of(&there, options[1], false), "two hosts: %s",
	     kecho_explain());
	ok(comes_true(kecho_members(here.ch, NULL, 0) == 2), "they know of each other");
	submit_typed(&here, 1);
	ok(comes_true(waits_for_it(there.snk)), "it is there");
	kill(there.d.pid, SIGKILL);
	waitpid(there.d.pid, NULL, 0);
	must(daemon_start(&there.d, options[1]) && comes_true(daemon_answers(&there.d)),
	     "the next one");
	ok(next_typed(there.snk, 1, 1), "it is read");
	submit_typed(&here, 2);
	ok(next_typed(there.snk, 2, 2), "and what comes then");
	kecho_close(here.k);
	kecho_close(there.k);
	is_eq(daemon_stop(&here.d), 0, "the end");
	is_eq(daemon_stop(&there.d), 0, "of both");
}

TEST(stops)
{
	is_eq(daemon_stop(&node[0]), 0, "the one");
	is_eq(daemon_stop(&node[1]), 0, "the other");
}

TESTS(type, asked, gone, limits, stops, restart, restart_there);
