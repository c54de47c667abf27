// SPDX-License-Identifier: MIT
/*
 * Types that sources announce: a sink of another node knows those of the events that it
 * reads, and reads them as its own version of the struct, whatever way they came.
 */
#include <kecho/type.h>
#include <pthread.h>

#include "pair.h"

enum {
	EACH = 200,	/* events of a type that is announced while sinks read */
	EACH_LONG = 20000,
	RETAINED = 16,
	LARGE = 40000,	/* goes in pieces */
};

/* Added: node. Removed: gone. Reordered: all. Widened: seq, cpu; name is shorter. */
struct old {
	uint32_t seq;
	int16_t cpu;
	uint64_t gone;
	char name[16];
};
struct new {
	char node[8], name[8];
	int64_t cpu;
	uint64_t seq;
};

static const struct old an_old = { .seq = 4000000000u, .cpu = -3, .gone = 1,
				   .name = "twelve bytes" };
static const struct new a_new = { .node = "here", .name = "short", .cpu = -3 - (1LL << 40),
				  .seq = 4000000000u + (1ULL << 40) };

static struct kecho_type *type_old(void)
{
	struct kecho_type *t = NULL;

	ok(!kecho_type_from_fields(&t, KECHO_TYPE(struct old, KECHO_FIELD(struct old, seq),
						  KECHO_FIELD(struct old, cpu),
						  KECHO_FIELD(struct old, gone),
						  KECHO_FIELD(struct old, name))),
	   "%s", kecho_explain());
	return t;
}

static struct kecho_type *type_new(void)
{
	struct kecho_type *t = NULL;

	ok(!kecho_type_from_fields(&t, KECHO_TYPE(struct new, KECHO_FIELD(struct new, node),
						  KECHO_FIELD(struct new, name),
						  KECHO_FIELD(struct new, cpu),
						  KECHO_FIELD(struct new, seq))),
	   "%s", kecho_explain());
	return t;
}

/* A type of one number, whose name ends in @i. */
static struct kecho_type *numbered(unsigned int i)
{
	struct kecho_field f = { "number", KECHO_FIELD_UNSIGNED, 0, 4, 0, 0, 0, 0, 0 };
	struct kecho_type *t = NULL;
	char name[16];

	snprintf(name, sizeof(name), "type%u", i);
	ok(!kecho_type_from_fields(&t, name, 4, &f, 1), "%s", kecho_explain());
	return t;
}

static int announce(struct pair *p, struct kecho_type *t)
{
	int number = kecho_source_announce(p->src, t);

	ok(number > 0, "announced: %s", number > 0 ? "yes" : kecho_explain());
	kecho_type_free(t);
	return number;
}

static void put(struct pair *p, int number, const void *data, size_t len)
{
	int err = kecho_submit(p->src, data, len, KECHO_TYPED(number));

	is_eq(err, 0, "submit: %s", err ? kecho_explain() : "");
}

static bool next(struct pair *p, struct kecho_event *ev)
{
	int err = kecho_read(p->snk, ev, SOON_MS);

	return is_eq(err, 0, "%s", err ? kecho_explain() : "read") &&
	       is_eq(ev->kind, KECHO_EVENT, "an event");
}

static bool is_of(struct pair *p, const struct kecho_event *ev, const char *name)
{
	const struct kecho_type *t = kecho_event_type(p->snk, ev);

	return ok(t, "number %u is known", ev->type) && is_str(kecho_type_name(t), name, "type");
}

/* ------------------------------------------------------------------ two versions */

static void check_new(const struct new *got)
{
	is_eq(got->seq, an_old.seq, "widened");
	is_eq(got->cpu, an_old.cpu, "widened with its sign");
	is_str(got->name, "twelve ", "cut, with an end");
	is_str(got->node, "", "added");
}

static void check_old(const struct old *got)
{
	is_eq(got->seq, 4000000000u, "cut");
	is_eq(got->cpu, -3, "cut");
	is_str(got->name, "short", "a longer string");
	is_eq(got->gone, 0, "removed");
}

static void read_versions(struct pair *p)
{
	struct kecho_type *old_type = type_old(), *new_type = type_new();
	struct kecho_event ev;
	uint64_t present = 0;
	struct old old;
	struct new new;

	memset(&old, 0xee, sizeof(old));
	memset(&new, 0xee, sizeof(new));
	if (old_type && new_type && next(p, &ev) && is_of(p, &ev, "old")) {
		is_eq(kecho_event_as(p->snk, &ev, new_type, &new, &present), 0, "as new");
		check_new(&new);
		is_eq(present, 0xb, "all but node");	/* cpu, name, node, seq */
		is_eq(kecho_event_as(p->snk, &ev, old_type, &old, NULL), 0, "as old");
		is_eq(old.gone, 1, "as it is");
	}
	if (old_type && new_type && next(p, &ev) && is_of(p, &ev, "new")) {
		is_eq(kecho_event_as(p->snk, &ev, old_type, &old, NULL), 0, "as old");
		check_old(&old);
	}
	if (next(p, &ev)) {
		ok(!ev.type && !kecho_event_type(p->snk, &ev), "plain bytes have none");
		is_eq(kecho_event_as(p->snk, &ev, new_type, &new, NULL), -ENOMSG, "plain bytes");
		ok(strlen(kecho_explain()) > 0, "a sentence");
	}
	kecho_type_free(old_type);
	kecho_type_free(new_type);
}

static void versions(struct pair *p)
{
	int old = announce(p, type_old()), new = announce(p, type_new());

	is_eq(old, 1, "the first");
	is_eq(new, 2, "the second");
	put(p, old, &an_old, sizeof(an_old));
	put(p, new, &a_new, sizeof(a_new));
	put(p, 0, "bytes", 5);
	read_versions(p);
}

TEST(of_one_host)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "local", KECHO_BLOCK))
		versions(&p);
	pair_end(&p);
}

/* Nodes that listen on two addresses are two hosts. */
static bool hosts_open(struct pair *p, const char *name,
		       const struct kecho_channel_options *channel)
{
	static const char *const address[] = { "127.0.0.1", "127.0.0.2" };
	struct kecho_options opt = { .registry = REGISTRY };
	int i;

	for (i = 0; i < 2; i++) {
		opt.listen = address[i];
		if (!ok(!kecho_open(&p->k[i], &opt), "host %d: %s", i, kecho_explain()) ||
		    !ok(!kecho_channel_open(p->k[i], name, channel, &p->ch[i]), "channel: %s",
			kecho_explain()))
			return false;
	}
	return true;
}

static bool hosts_stream(struct pair *p, const char *name)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };

	return hosts_open(p, name, NULL) &&
	       ok(!kecho_source_open(p->ch[0], NULL, &p->src) &&
		  !kecho_sink_open(p->ch[1], &block, &p->snk), "%s", kecho_explain());
}

static void two_hosts(void)
{
	ARENA();
	if (with_node())
		skip("a process that listens is a node itself");
}

TEST(of_two_hosts)
{
	struct pair p = {};

	two_hosts();
	if (tap_state.skip)
		return;
	if (hosts_stream(&p, "wire"))
		versions(&p);
	pair_end(&p);
}

/* A process reads its own source, too. */
TEST(of_one_process)
{
	struct pair p = {};

	ARENA();
	if (pair_open(&p, "own", NULL) &&
	    ok(!kecho_source_open(p.ch[0], NULL, &p.src) &&
	       !kecho_sink_open(p.ch[0], NULL, &p.snk), "%s", kecho_explain()))
		versions(&p);
	pair_end(&p);
}

/* What a big-endian machine announces and submits. */
TEST(other_byte_order)
{
	struct kecho_type *t = type_old(), *turned = NULL, *reader = type_new();
	struct old o = { .seq = htobe32(7), .cpu = (int16_t)htobe16(-2), .name = "turned" };
	struct kecho_event ev;
	struct pair p = {};
	struct new new;
	const void *native;
	u8 wire[1024];
	size_t len;

	ARENA();
	native = kecho_type_wire(t, &len);
	must(len <= sizeof(wire), "a small type");
	memcpy(wire, native, len);
	wire[3] ^= 1;	/* its flags */
	kecho_type_free(t);
	if (ok(!kecho_type_load(&turned, wire, len), "%s", kecho_explain()) &&
	    pair_stream(&p, "order", KECHO_LATEST)) {
		put(&p, announce(&p, turned), &o, sizeof(o));
		if (next(&p, &ev) &&
		    is_eq(kecho_event_as(p.snk, &ev, reader, &new, NULL), 0, "read")) {
			is_eq(new.seq, 7, "a number");
			is_eq(new.cpu, -2, "one with a sign");
			is_str(new.name, "turned", "a string");
		}
	}
	kecho_type_free(reader);
	pair_end(&p);
}

/* --------------------------------------------------------------- ways to submit */

TEST(all_ways)
{
	static const unsigned int large[LARGE / sizeof(unsigned int)] = { 5 };
	struct kecho_attr attr = { "level", kecho_i64(3) };
	struct iovec v[] = { { (unsigned int[]){ 1 }, 4 }, { (unsigned int[]){ 2 }, 4 } };
	struct kecho_reservation r;
	struct kecho_event ev;
	struct pair p = {};
	unsigned int i;
	int number;

	ARENA();
	if (pair_stream(&p, "ways", KECHO_LATEST)) {
		announce(&p, numbered(1));
		number = announce(&p, numbered(2));
		is_eq(kecho_submit_vector(p.src, v, 2, KECHO_TYPED(number)), 2, "vector");
		i = 3;
		is_eq(kecho_submit_attrs(p.src, &i, 4, &attr, 1, KECHO_TYPED(number)), 0,
		      "attributes");
		is_eq(kecho_reserve(p.src, 4, KECHO_NOTIME | KECHO_TYPED(number), &r), 0, "room");
		*(unsigned int *)r.data = 4;
		is_eq(kecho_commit(p.src, &r, 4), 0, "commit");
		for (i = 1; i <= 4 && next(&p, &ev) && is_of(&p, &ev, "type2"); i++)
			is_eq(*(const unsigned int *)ev.data, i, "event");
		put(&p, number, large, sizeof(large));
		if (next(&p, &ev) && is_of(&p, &ev, "type2"))
			is_eq(ev.len, sizeof(large), "in pieces");
	}
	pair_end(&p);
}

/* ------------------------------------------------------------- while sinks read */

struct reading {
	struct pair *p;
	unsigned int last;	/* type, whose last event ends it */
	u64 wrong, typed;
};

/* Every event of type i is of "type<i>". */
static void check(struct reading *r, const struct kecho_event *ev)
{
	const struct kecho_type *t = kecho_event_type(r->p->snk, ev);
	char name[16];

	snprintf(name, sizeof(name), "type%u", ev->type);
	r->wrong += !t || strcmp(kecho_type_name(t), name);
	r->typed++;
}

static void *reader(void *arg)
{
	struct reading *r = arg;
	struct kecho_event ev;

	do {
		if (kecho_read(r->p->snk, &ev, SOON_MS) || ev.kind != KECHO_EVENT) {
			r->wrong++;
			break;
		}
		if (ev.type)
			check(r, &ev);
	} while (ev.type != r->last || *(const unsigned int *)ev.data);
	return NULL;
}

/* A new type, and at once events of it, down to number 0. */
static void flood(struct pair *p, unsigned int each)
{
	unsigned int i, n;
	int number;

	for (i = 1; i <= KECHO_TYPES_MAX; i++) {
		number = announce(p, numbered(i));
		is_eq(number, i, "its number");
		for (n = each; n--;)
			if (!ok(!kecho_submit(p->src, &n, sizeof(n), KECHO_TYPED(number)),
				"submit: %s", kecho_explain()))
				return;
		put(p, 0, "plain", 5);
	}
}

static void while_read(struct pair *p)
{
	unsigned int each = long_run() ? EACH_LONG : EACH;
	struct reading r = { .p = p, .last = KECHO_TYPES_MAX };
	struct kecho_type *one_more = numbered(KECHO_TYPES_MAX + 1);
	pthread_t thread;

	if (!ok(!pthread_create(&thread, NULL, reader, &r), "a thread"))
		return;
	flood(p, each);
	pthread_join(thread, NULL);
	is_eq(r.wrong, 0, "events of no type, or another");
	is_eq(r.typed, (u64)each * KECHO_TYPES_MAX, "all");
	is_eq(kecho_source_announce(p->src, one_more), -ENOSPC, "one more");
	ok(strstr(kecho_explain(), "as many types"), "%s", kecho_explain());
	kecho_type_free(one_more);
	is_eq(announce(p, numbered(3)), 3, "one of them again");
}

TEST(while_read_here)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "flood", KECHO_BLOCK))
		while_read(&p);
	pair_end(&p);
}

TEST(while_read_there)
{
	struct pair p = {};

	two_hosts();
	if (tap_state.skip)
		return;
	if (hosts_stream(&p, "flood-wire"))
		while_read(&p);
	pair_end(&p);
}

TEST(no_such_number)
{
	struct kecho_reservation r;
	struct kecho_type *t;
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "number", KECHO_LATEST)) {
		is_eq(kecho_submit(p.src, "a", 1, KECHO_TYPED(1)), -EINVAL, "none at all");
		is_eq(announce(&p, numbered(1)), 1, "one");
		is_eq(kecho_submit(p.src, "a", 1, KECHO_TYPED(1)), 0, "it");
		is_eq(kecho_submit(p.src, "a", 1, KECHO_TYPED(2)), -EINVAL, "the next");
		ok(strstr(kecho_explain(), "number 2"), "%s", kecho_explain());
		is_eq(kecho_reserve(p.src, 1, KECHO_TYPED(2), &r), -EINVAL, "to reserve");
		is_eq(kecho_member_type(p.ch[1], kecho_source_id(p.src), 1, &t), 0, "asked for");
		is_str(kecho_type_name(t), "type1", "it is");
		kecho_type_free(t);
		is_eq(kecho_member_type(p.ch[1], kecho_source_id(p.src), 2, &t), -ENOENT, "none");
		is_eq(kecho_member_type(p.ch[1], kecho_source_id(p.src), 16, &t), -ENOENT, "nor");
		is_eq(kecho_member_type(p.ch[1], 1, 1, &t), -ENOENT, "of nobody");
	}
	pair_end(&p);
}

/* -------------------------------------------------------- before, and afterwards */

/* A sink that comes late knows the types of what was retained for it. */
static void late(struct pair *p)
{
	struct kecho_sink_options opt = { .retained = 1 };

	if (!ok(!kecho_source_open(p->ch[0], NULL, &p->src), "%s", kecho_explain()))
		return;
	put(p, announce(p, type_old()), &an_old, sizeof(an_old));
	put(p, announce(p, type_new()), &a_new, sizeof(a_new));
	put(p, 0, "bytes", 5);
	if (ok(!kecho_sink_open(p->ch[1], &opt, &p->snk), "%s", kecho_explain()))
		read_versions(p);
}

TEST(late_sink)
{
	struct kecho_channel_options retain = { .retain = RETAINED };
	struct pair p = {};

	ARENA();
	if (pair_open(&p, "late", &retain))
		late(&p);
	pair_end(&p);
}

TEST(late_sink_there)
{
	struct kecho_channel_options retain = { .retain = RETAINED };
	struct pair p = {};

	two_hosts();
	if (tap_state.skip)
		return;
	if (hosts_open(&p, "late-wire", &retain))
		late(&p);
	pair_end(&p);
}

static void left(struct pair *p)
{
	u64 id = kecho_source_id(p->src);
	struct kecho_type *t = NULL;
	struct kecho_event ev;

	put(p, announce(p, type_old()), &an_old, sizeof(an_old));
	put(p, announce(p, type_new()), &a_new, sizeof(a_new));
	put(p, 0, "bytes", 5);
	kecho_source_close(p->src);
	ok(comes_true(kecho_members(p->ch[1], NULL, 0) == 1), "it has left");
	is_eq(kecho_member_type(p->ch[1], id, 2, &t), 0, "its type is known");
	kecho_type_free(t);
	read_versions(p);
	is_eq(kecho_read(p->snk, &ev, SOON_MS), 0, "its end");
	is_eq(ev.kind, KECHO_ENDED, "its end");
	ok(comes_true(kecho_member_type(p->ch[1], id, 2, &t) == -ENOENT), "its type is not");
}

/* Who reads what a source has left knows what it was. */
TEST(source_left)
{
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "left", KECHO_LATEST))
		left(&p);
	pair_end(&p);
}

TEST(source_left_there)
{
	struct pair p = {};

	two_hosts();
	if (tap_state.skip)
		return;
	if (hosts_stream(&p, "left-wire"))
		left(&p);
	pair_end(&p);
}

/* -------------------------------------------------------------------- the reader */

/* More types of a reader than are remembered, made anew each time where the last one was. */
TEST(many_readers)
{
	struct kecho_event ev;
	struct pair p = {};
	unsigned int i, j;
	struct old old;
	struct new new;

	ARENA();
	if (pair_stream(&p, "readers", KECHO_LATEST)) {
		put(&p, announce(&p, type_old()), &an_old, sizeof(an_old));
		must(next(&p, &ev), "the event");
		for (i = 0; i < 8; i++) {
			struct kecho_type *t[3] = { type_old(), type_new(), numbered(i) };
			unsigned int number = 1;

			memset(&old, 0xee, sizeof(old));
			memset(&new, 0xee, sizeof(new));
			is_eq(kecho_event_as(p.snk, &ev, t[i % 3], i % 3 == 2 ? (void *)&number :
					     i % 3 ? (void *)&new : (void *)&old, NULL), 0, "read");
			if (i % 3 == 0)
				is_eq(old.gone, 1, "as old");
			else if (i % 3 == 1)
				check_new(&new);
			else
				is_eq(number, 0, "as what it is not");
			for (j = 0; j < 3; j++)
				kecho_type_free(t[j]);
		}
	}
	pair_end(&p);
}

struct called {
	struct kecho_sink *s;
	struct kecho_type *t;
	unsigned int n;
};

static void called(void *arg, const struct kecho_event *ev)
{
	struct called *c = arg;
	struct new new;

	if (ev->kind == KECHO_EVENT && !kecho_event_as(c->s, ev, c->t, &new, NULL)) {
		check_new(&new);
		c->n++;
	}
}

TEST(in_callbacks)
{
	struct called c = { .t = type_new() };
	struct kecho_sink_options opt = { .fn = called, .arg = &c };
	struct pair p = {};
	int number, i;

	ARENA();
	if (pair_open(&p, "called", NULL) &&
	    ok(!kecho_sink_open(p.ch[1], &opt, &c.s) &&
	       !kecho_source_open(p.ch[0], NULL, &p.src), "%s", kecho_explain())) {
		number = announce(&p, type_old());
		for (i = 0; i < 5; i++)
			put(&p, number, &an_old, sizeof(an_old));
		while (c.n < 5 && kecho_run(p.k[1], SOON_MS) > 0)
			;
		is_eq(c.n, 5, "events");
	}
	pair_end(&p);
	kecho_type_free(c.t);
}

/* Destroyed, or closed: nobody hears of types any more. */
TEST(no_source)
{
	struct kecho_type *t = type_old();
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "destroyed", KECHO_LATEST)) {
		is_eq(kecho_channel_destroy(p.ch[0], SOON_MS), 0, "destroyed");
		ok(comes_true(kecho_source_announce(p.src, t) == -ESHUTDOWN), "it has ended: %s",
		   kecho_explain());
	}
	kecho_type_free(t);
	pair_end(&p);
}

TESTS(types, of_one_host, of_two_hosts, of_one_process, other_byte_order, all_ways,
      while_read_here, while_read_there, no_such_number, late_sink, late_sink_there, source_left,
      source_left_there, many_readers, in_callbacks, no_source);
