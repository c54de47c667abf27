// SPDX-License-Identifier: MIT
/*
 * Two kechods, as of two hosts: what is written on one is read on the other, from a
 * copy and in a mirror, at the pace of the slowest that blocks; and what a process
 * writes that makes no sense ends its source and no link.
 */
#include "pair.h"

enum {
	OTHER_UID = 61235,
	NAMES = 1000,
};

/* Publishes @n events of @len bytes, rings, and gives those that the limit let. */
static int publish(struct raw_source *s, struct raw_bell *bell, int n, u32 len)
{
	int i;

	for (i = 0; i < n && !raw_publish(&a, s, len); i++)
		raw_ring(bell);
	return i;
}

/* What was read of a mirror gives its source room. */
static u64 read_and_say(struct raw_feed *f)
{
	u64 one = 1, got = raw_read(&b, f);

	return write(b.bell, &one, sizeof(one)) == sizeof(one) ? got : 0;
}

TEST(events)
{
	struct raw_bell ring, sleep;
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;

	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	is_eq(raw_publish(&a, &s, 10), 0, "before");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(f->n.seq, 1, "after the first");
	ok(!f->n.mine, "of a mirror");
	must(raw_bell(&a, &ring) && raw_bell(&b, &sleep), "doorbells, of the nodes");
	is_eq(sleep.use, KECHO_SLEEP | KECHO_DOORBELL_TIMER, "rung by a timer");
	is_eq(publish(&s, &ring, 100, 10), 100, "published");
	ok(comes_true(raw_read(&b, f) == 100), "all come");
	sleep.page->waiters = KECHO_WAIT_POLL;
	is_eq(publish(&s, &ring, 1, 10), 1, "one more");
	ok(poll(&(struct pollfd){ .fd = sleep.event, .events = POLLIN }, 1, SAID_MS) == 1,
	   "the sink's doorbell is rung");
	ok(comes_true(raw_read(&b, f) == 101), "it is there");
	is_eq(f->bad + f->lost, 0, "all as they were");
	is_eq(raw_source_close(&a, &s, 5000), 0, "closed when all is there");
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	ok(m && ((struct kecho_note_feed_end *)m->body)->last_seq == 102, "the last is said");
	ok(m && !((struct kecho_note_feed_end *)m->body)->failed, "and that it has left");
	raw_free(m);
	raw_bell_free(&ring);
	raw_bell_free(&sleep);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* The class of a source is seen on the other host. */
TEST(classes)
{
	struct kecho_ctl_channel w = { .on = 1 };
	struct raw_source s = { 0 };
	struct kecho_ctl_member *n;
	struct raw_msg *m;
	u32 i;

	must(begin(), "two hosts");
	w.channel = cb;
	is_eq(raw_call(&b, KECHO_CMD_WATCH, &w, sizeof(w)), 0, "watch");
	for (i = KECHO_NORMAL; i <= KECHO_BULK; i++) {
		s.o = (struct kecho_ctl_source_open){
			.channel = ca,
			.log_size = RAW_LOG,
			.traffic_class = i,
		};
		must(!raw_source_make(&a, &s) && !raw_source_ready(&a, &s), "a source");
		m = raw_note(&b, KECHO_NOTE_MEMBER, SAID_MS);
		n = m ? (void *)m->body : NULL;
		ok(n && n->state == KECHO_JOINED && n->traffic_class == i, "class %u", i);
		raw_free(m);
		is_eq(raw_source_close(&a, &s, 0), 0, "closed");
		raw_free(raw_note(&b, KECHO_NOTE_MEMBER, SAID_MS));
		raw_source_free(&s);
	}
	end();
}

/* A source whose process dies has failed on the other host too, with all that it had. */
TEST(death)
{
	struct raw_source s;
	struct raw_feed *f;
	struct raw_msg *m;
	int i;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f, "a feed");
	for (i = 0; i < 300; i++)
		raw_publish(&a, &s, 100);	/* nobody is rung */
	raw_close(&a);
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	ok(m && ((struct kecho_note_feed_end *)m->body)->failed, "it has failed");
	ok(m && ((struct kecho_note_feed_end *)m->body)->last_seq == 300, "after the last");
	is_eq(raw_read(&b, f), 300, "which is there");
	is_eq(f->bad + f->lost, 0, "with all before");
	raw_free(m);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* All that the limit lets, and asks for more. */
static u64 publish_more(struct raw_source *s, struct raw_bell *bell, u32 len)
{
	u64 one = 1, n = publish(s, bell, 1000, len);

	return write(a.bell, &one, sizeof(one)) == sizeof(one) ? n : 0;
}

/* Log and mirror fill; nothing is lost, and the source goes on when it is read. */
TEST(blocks)
{
	u64 published = 0, until;
	struct raw_bell ring;
	struct raw_source s;
	struct raw_feed *f;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW) > 0, "a sink that blocks");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f && f->n.gated, "a gated feed");
	must(raw_bell(&a, &ring), "a doorbell");
	ok(comes_true((published += publish_more(&s, &ring, 100)) > RAW_LOG / 136 * 3 / 2),
	   "more than the log holds: %llu", (unsigned long long)published);
	for (until = now_ns() + 300000000; now_ns() < until; sleep_us(1000))
		published += publish_more(&s, &ring, 100);
	ok(published < 2 * RAW_LOG / 136, "as many as fit: %llu", (unsigned long long)published);
	ok(comes_true((read_and_say(f), published += publish_more(&s, &ring, 100)) >
		      8 * RAW_LOG / 136), "it goes on: %llu", (unsigned long long)published);
	ok(comes_true(read_and_say(f) == published), "%llu of %llu come",
	   (unsigned long long)f->got, (unsigned long long)published);
	is_eq(f->bad + f->lost, 0, "none is lost");
	raw_bell_free(&ring);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* All that is there; the node hears of it each half log, as from any sink. */
static void read_in_steps(struct raw_feed *f, u64 *rung)
{
	struct kecho_ctl_link link;
	struct ke_item item;
	u64 one = 1;
	bool more;

	do {
		more = ke_reader_next(&f->reader, &item) == 1;
		f->got += more;
		smp_store_release(&b.gates[f->n.slot].pos, f->reader.released);
		if (f->reader.released - *rung < RAW_LOG / 2)
			continue;
		*rung = f->reader.released;
		is_eq(write(b.bell, &one, sizeof(one)), sizeof(one), "the node is rung");
		/* By the second answer it has looked. */
		ok(raw_link(&b, &link) && raw_link(&b, &link), "and looks");
	} while (more);
}

/* The node looks itself how far a sink is, an event behind where that has told it: the room that
 * the next step makes is less than half a log then, and there is none for another step. */
TEST(steps)
{
	u64 published = 0, rung = 0, until;
	struct raw_bell ring;
	struct raw_source s;
	struct raw_feed *f;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW) > 0, "a sink that blocks");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f && raw_bell(&a, &ring), "a feed and a doorbell");
	is_eq(published = publish(&s, &ring, 1, 768), 1, "published");
	ok(comes_true((read_in_steps(f, &rung), f->got == 1)), "it comes");
	for (until = now_ns() + 300000000; now_ns() < until; sleep_us(1000))
		published += publish_more(&s, &ring, 1000);
	ok(comes_true((read_in_steps(f, &rung), published += publish_more(&s, &ring, 1000)) >
		      8 * RAW_LOG / 1032), "it goes on: %llu", (unsigned long long)published);
	raw_bell_free(&ring);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* A `latest` source is never held up; what is lost is told exactly. */
TEST(lapped)
{
	struct raw_bell ring;
	struct raw_source s;
	struct raw_feed *f;
	u64 all = 20000;

	must(begin(), "two hosts");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	must(!raw_source(&a, ca, &s), "a source");
	f = raw_feed(&b);
	must(f && raw_bell(&a, &ring), "a feed and a doorbell");
	is_eq(publish(&s, &ring, all, 500), all, "none waits");
	ok(comes_true(raw_read(&b, f) + f->lost == all), "%llu come, %llu are lost",
	   (unsigned long long)f->got, (unsigned long long)f->lost);
	is_eq(f->bad, 0, "those that come are good");
	raw_bell_free(&ring);
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

TEST(retained)
{
	struct raw_source s;
	struct raw_feed *f;
	int i;

	must(begin(), "two hosts");
	must(!raw_source_open(&a, ca, &s, 10) && !raw_source_ready(&a, &s), "a source");
	for (i = 0; i < 100; i++)
		raw_publish(&a, &s, 10);
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_RETAINED) > 0, "a late sink");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(f->n.seq, 90, "the last ten");
	ok(comes_true(raw_read(&b, f) == 10), "come");
	is_eq(f->bad + f->lost, 0, "as they were");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

/* How often the link has broken; the node that has mirrors counts that. */
static u64 breaks(void)
{
	struct kecho_ctl_link l;

	return raw_link(&b, &l) && l.up ? l.resumed : U64_MAX;
}

/* A source that will lie, and one of another, each read over there. */
static struct raw_source bad, good;
static struct raw_feed *of_bad, *of_good;
static struct raw_bell ring;

static bool begin_lies(u32 policy)
{
	if (!begin() || raw_sink(&b, cb, policy, KECHO_FROM_NOW) <= 0 ||
	    raw_source(&a, ca, &bad))
		return false;
	of_bad = raw_feed(&b);
	if (raw_source(&a, ca, &good))
		return false;
	of_good = raw_feed(&b);
	return of_bad && of_good && raw_bell(&a, &ring);
}

static void end_lies(void)
{
	raw_bell_free(&ring);
	raw_feed_free(of_bad);
	raw_feed_free(of_good);
	raw_source_free(&bad);
	raw_source_free(&good);
	end();
}

/* A process that writes nonsense into its log: others' sources go on, and the link. */
TEST(nonsense)
{
	struct kecho_note_end *n;
	struct raw_msg *m;
	u64 before;

	must(begin_lies(KECHO_LATEST), "two sources, read by another host");
	before = breaks();
	publish(&bad, &ring, 10, 10);
	publish(&good, &ring, 10, 10);
	ok(comes_true(raw_read(&b, of_bad) == 10), "the first ten come");
	memset((u8 *)bad.map + KECHO_LOG_HEADER_SIZE, 0xee, RAW_LOG);
	publish(&bad, &ring, 1, 10);
	memset((u8 *)bad.map + KECHO_LOG_HEADER_SIZE, 0xee, RAW_LOG);
	bad.log.hdr->head += 4096;
	raw_ring(&ring);
	m = raw_note(&a, KECHO_NOTE_SOURCE_END, SAID_MS);
	n = m ? (void *)m->body : NULL;
	ok(n && n->handle == bad.o.source && n->error == (u32)-EPROTO, "its source is over");
	raw_free(m);
	m = raw_note(&b, KECHO_NOTE_FEED_END, SAID_MS);
	ok(m && ((struct kecho_note_feed_end *)m->body)->failed, "and has failed over there");
	raw_free(m);
	publish(&good, &ring, 10, 10);
	ok(comes_true(raw_read(&b, of_good) == 20), "the other goes on");
	is_eq(breaks(), before, "the link has stood");
	end_lies();
}

/* An event for @n sinks, from the id @id on, up or down; it says that they are @says. */
static bool publish_for(u32 n, u64 id, s64 step, u16 says)
{
	static __le64 to[NAMES];
	struct ke_event_info info = { .named = true, .to = to, .nto = n };
	u32 i;

	for (i = 0; i < n; i++)
		to[i] = cpu_to_le64(id + step * i);
	if (raw_publish_named(&bad, &info, sizeof(u64), says))
		return false;
	raw_ring(&ring);
	return true;
}

/* A process names sinks that there are not, in no order, more than there are bytes: kechod
 * looks at whom, and passes over or sends what is there; its readers see that it lies. */
TEST(names)
{
	struct kecho_ctl_source names;
	struct ke_item item;
	u64 before;

	must(begin_lies(KECHO_LATEST), "two sources, read by another host");
	before = breaks();
	names = (struct kecho_ctl_source){ .source = 999 };
	is_eq(raw_call(&a, KECHO_CMD_ADDRESS, &names, sizeof(names)), -EBADF, "no source");
	names.source = bad.o.source;
	is_eq(raw_call(&a, KECHO_CMD_ADDRESS, &names, sizeof(names)), 0, "it may name sinks");
	ok(publish_for(NAMES, U64_MAX, -7, NAMES) && publish_for(3, 5, 0, 3) &&
	   publish_for(0, 0, 0, 0) && publish_for(NAMES, 1, 3, NAMES), "names");
	publish(&bad, &ring, 10, 10);
	ok(comes_true(raw_read(&b, of_bad) == 10), "what names nobody comes");
	is_eq(of_bad->lost + of_bad->bad, 0, "the others are not for us");
	ok(publish_for(1, 9, 0, U16_MAX), "more than are there");
	publish(&bad, &ring, 10, 10);
	publish(&good, &ring, 10, 10);
	ok(comes_true(raw_read(&b, of_good) == 10), "the other goes on");
	ok(comes_true(ke_reader_next(&of_bad->reader, &item) == -EPROTO), "its reader sees it");
	is_eq(raw_source_close(&a, &bad, 0), 0, "it ends as any");
	publish(&good, &ring, 10, 10);
	ok(comes_true(raw_read(&b, of_good) == 20), "and the other goes on");
	is_eq(breaks(), before, "the link has stood");
	end_lies();
}

/* The same of one that a sink over there holds up: it says that it did not wait. */
TEST(leap)
{
	u64 before, round;

	must(begin_lies(KECHO_BLOCK), "two sources, read by a sink that blocks");
	before = breaks();
	for (round = 1; round < 8; round++) {
		publish(&bad, &ring, 1000, 100);
		bad.log.hdr->head = (round * 3 + 1) * RAW_LOG + 1000 * round;
		bad.log.hdr->tail = bad.log.hdr->head - 64;
		memset((u8 *)bad.map + KECHO_LOG_HEADER_SIZE, 0xee, RAW_LOG / 2);
		raw_ring(&ring);
		publish(&good, &ring, 10, 10);
		ok(comes_true(read_and_say(of_good) == 10 * round), "the other goes on: %llu",
		   (unsigned long long)of_good->got);
		read_and_say(of_bad);
	}
	is_eq(breaks(), before, "the link has stood");
	end_lies();
}

static u64 memory_of(struct raw *r)
{
	struct kecho_ctl_status st = { 0 };

	return raw_call(r, KECHO_CMD_STATUS, &st, sizeof(st)) ? 0 : st.user_memory_bytes;
}

/* A second user's sink of a mirror that is there, and stays. */
static int reads_too(void *name)
{
	struct raw_feed *f;
	struct raw r;
	u64 before;
	int ch, sink;

	if (!become(OTHER_UID, OTHER_UID, 0, NULL) || !raw_open(&r, &node[1]) || raw_attach(&r))
		return 10;
	ch = raw_channel(&r, name);
	before = memory_of(&r);
	sink = raw_sink(&r, ch, KECHO_LATEST, KECHO_FROM_NOW);
	f = raw_feed(&r);
	if (!f || memory_of(&r) < before + RAW_LOG)
		return 11;
	return raw_sink_close(&r, sink) || memory_of(&r) != before ? 12 : 0;
}

TEST(charged)
{
	struct raw_source s;
	struct raw_feed *f;

	if (geteuid())
		skip("only root can be two users");
	must(begin(), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	ok(raw_sink(&b, cb, KECHO_LATEST, KECHO_FROM_NOW) > 0, "a sink");
	f = raw_feed(&b);
	must(f, "a feed");
	is_eq(ends(spawn(reads_too, channel_name)), 0, "for a mirror pays who reads it");
	raw_feed_free(f);
	raw_source_free(&s);
	end();
}

TEST(stops)
{
	if (!own_network())
		skip("no network namespace of its own");
	is_eq(daemon_stop(&node[1]), 0, "the second stops");
	is_eq(daemon_stop(&node[0]), 0, "the first stops");
}

TESTS(remote, events, classes, death, blocks, steps, lapped, retained, nonsense, names, leap,
      charged, stops);
