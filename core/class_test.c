// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Classes of sources on a link: what goes first, that nothing waits for ever, and that each
 * stream stays whole, however much the socket takes and wherever its connection breaks.
 */
#include "stream_test.h"

enum {
	SOURCES = 9,
	LOG = 512 << 10,	/* a quarter of it is no limit to a frame */
	EVENT = 1000,
	GOES = 400,
	/* What may go out between that a class is due a frame and that it goes. */
	SLACK = 2 * KE_TX_FRAMES * KE_PIECE_MAX,
};

/* Sources of node 0, all of which node 1 reads. */
struct crowd {
	struct world *w;
	struct ke_link *link;	/* from node 0 */
	u32 n;
	struct ke_source src[SOURCES];
	struct kecho_log_header *hdr[SOURCES];
	u8 *ring[SOURCES];
	u64 frames[SOURCES], bytes[KE_CLASSES];
	/* Of higher ranks since the last frame of this one, and of these what it waited for. */
	u64 since[KE_CLASSES], waited[KE_CLASSES];
};

static u32 rank_of(const struct ke_source *s)
{
	return ke_class_rank(s->member.traffic_class);
}

static bool crowd_add(struct crowd *c, u8 class)
{
	struct tnode *tn = &c->w->n[0];
	struct ke_source *s = &c->src[c->n];

	c->hdr[c->n] = kvzalloc(KECHO_LOG_HEADER_SIZE, GFP_KERNEL);
	c->ring[c->n] = kvzalloc(LOG, GFP_KERNEL);
	if (!c->hdr[c->n] || !c->ring[c->n] ||
	    ke_log_init(&s->log, c->hdr[c->n], c->ring[c->n], LOG, 0, 0))
		return false;
	s->member.owner = tn;
	s->member.role = KE_SOURCE;
	s->member.source = s;
	s->member.traffic_class = class;
	ke_source_init(s, &tn->node);
	c->n++;
	return !ke_member_join(&s->member, &tn->ch);
}

static struct ke_link *link_of(struct world *w, const struct tnode *tn)
{
	struct conn *conn;

	list_for_each_entry(conn, &w->conns, list)
		if (conn->tn == tn && !conn->lost)
			return &conn->link;
	return NULL;
}

/* A source of each of these classes, and all that is to be said has been said. */
static struct crowd *crowd_new(u64 seed, bool gated, const u8 *classes, u32 n)
{
	struct crowd *c = kvzalloc(sizeof(*c), GFP_KERNEL);
	u32 i;

	if (!ok(c, "memory"))
		return NULL;
	c->w = two_nodes(seed);
	is_eq(sink_open(&c->w->n[1], gated, false), 0, "sink");
	for (i = 0; i < n; i++)
		ok(crowd_add(c, classes[i]), "source %u", i);
	ok(world_pump(c->w), "quiet");
	ok(ke_channel_started(&c->w->n[1].ch), "started");
	c->link = link_of(c->w, &c->w->n[0]);
	return c;
}

static void crowd_drop(struct crowd *c)
{
	c->n--;
	ke_source_fini(&c->src[c->n]);
	ke_member_leave(&c->src[c->n].member);
	kvfree(c->hdr[c->n]);
	kvfree(c->ring[c->n]);
	memset(&c->src[c->n], 0, sizeof(c->src[c->n]));
}

static void crowd_end(struct crowd *c)
{
	while (c->n)
		crowd_drop(c);
	world_end(c->w);
	kvfree(c);
}

static u64 unsent(const struct ke_source *s)
{
	const struct ke_tstream *ts;

	ts = list_first_entry(&s->streams, struct ke_tstream, source_list);
	return s->log.head - ts->sent;
}

/* Until half a log is there. */
static void fill(struct ke_source *s)
{
	while (unsent(s) < LOG / 2)
		if (!ok(!submit_to(s, EVENT), "an event"))
			return;
}

static void fill_all(struct crowd *c)
{
	u32 i;

	for (i = 0; i < c->n; i++)
		fill(&c->src[i]);
}

/* ------------------------------------------------------------------- one go */

/* What of rank @rank is not in this go. */
static u64 left_out(const struct crowd *c, u32 rank)
{
	u64 left = 0;
	u32 i;

	for (i = 0; i < c->n; i++)
		if (rank_of(&c->src[i]) == rank)
			left += unsent(&c->src[i]);
	for (i = 0; i < c->link->nframes; i++)
		if (ke_tstream_rank(c->link->frame[i].stream) == rank)
			left -= c->link->frame[i].len;
	return left;
}

/* Does something of a higher rank than frame @i's go after it? */
static bool goes_before(const struct crowd *c, u32 i)
{
	u32 rank = ke_tstream_rank(c->link->frame[i].stream), other;

	for (other = 0; other < rank; other++)
		if (left_out(c, other))
			return true;
	while (++i < c->link->nframes)
		if (ke_tstream_rank(c->link->frame[i].stream) < rank)
			return true;
	return false;
}

static const u64 turn[KE_CLASSES] = { 0, KE_NORMAL_TURN, KE_BULK_TURN };

/* Each frame goes before higher ones only by right. */
static void go_is_right(const struct crowd *c)
{
	u32 i, rank;

	for (i = 0; i < c->link->nframes; i++) {
		rank = ke_tstream_rank(c->link->frame[i].stream);
		if (goes_before(c, i))
			ok(c->since[rank] >= turn[rank], "rank %u after %llu bytes", rank,
			   c->since[rank]);
	}
}

static void count_frame(struct crowd *c, const struct ke_tx_frame *f)
{
	u32 rank = ke_tstream_rank(f->stream), lower;

	c->frames[f->stream->source - c->src]++;
	c->bytes[rank] += f->len;
	c->since[rank] = c->waited[rank] = 0;
	for (lower = rank + 1; lower < KE_CLASSES; lower++) {
		c->since[lower] += f->len;
		c->waited[lower] += f->len;
	}
}

static void none_starves(struct crowd *c)
{
	u32 rank, i;

	for (rank = 1; rank < KE_CLASSES; rank++) {
		u64 left = 0;

		for (i = 0; i < c->n; i++)
			left += rank_of(&c->src[i]) == rank ? unsent(&c->src[i]) : 0;
		if (!left)
			c->waited[rank] = 0;
		ok(c->waited[rank] <= turn[rank] + SLACK, "rank %u has waited for %llu bytes",
		   rank, c->waited[rank]);
	}
}

/* The socket takes @most bytes. Gives how many went. */
static size_t go(struct crowd *c, size_t most)
{
	struct kvec v[KE_TX_VECS];
	struct ke_link *l = c->link;
	size_t total, at;
	u32 i, n;

	h_tx_lock(l);
	n = ke_link_tx(l, v);
	for (total = i = 0; i < n; i++)
		total += v[i].iov_len;
	go_is_right(c);
	most = min(most, total);
	at = (size_t)l->vec_rest + l->vec_control;
	for (i = 0; i < l->nframes && at < most; i++) {
		count_frame(c, &l->frame[i]);
		at += sizeof(struct kecho_frame) + l->frame[i].len;
	}
	ke_link_tx_done(l, most);
	h_tx_unlock(l);
	none_starves(c);
	return most;
}

/* What goes out next, without that it does: rest and control bytes, and the frames. */
static void look(struct crowd *c)
{
	struct kvec v[KE_TX_VECS];

	h_tx_lock(c->link);
	ke_link_tx(c->link, v);
}

static void looked(struct crowd *c)
{
	ke_link_tx_done(c->link, 0);
	h_tx_unlock(c->link);
}

static u32 class_at(const struct crowd *c, u32 i)
{
	return c->link->frame[i].stream->source->member.traffic_class;
}

/* --------------------------------------------------------------------- tests */

static const u8 one_each[] = { KE_BULK, KE_NORMAL, KE_URGENT };

TEST(order)
{
	struct crowd *c = crowd_new(1, false, one_each, 3);
	u32 i;

	must(c, "nodes");
	for (i = 0; i < c->n; i++)
		is_eq(submit_to(&c->src[i], EVENT), 0, "an event");
	look(c);
	is_eq(c->link->nframes, 3, "all in one go");
	is_eq(class_at(c, 0), KE_URGENT, "first");
	is_eq(class_at(c, 1), KE_NORMAL, "second");
	is_eq(class_at(c, 2), KE_BULK, "last");
	looked(c);
	crowd_end(c);
}

/* What is left of a class lets nothing before it, in the same go either. */
TEST(all_of_a_class)
{
	static const u8 classes[] = { KE_URGENT, KE_BULK };
	struct crowd *c = crowd_new(2, false, classes, 2);

	must(c, "nodes");
	fill_all(c);
	look(c);
	is_eq(c->link->nframes, 1, "a piece of what is urgent");
	is_eq(class_at(c, 0), KE_URGENT, "and no bulk beside it");
	looked(c);
	crowd_end(c);
}

/* A frame of bulk is half out when something urgent comes, and a PING. */
TEST(partly_sent)
{
	static const u8 classes[] = { KE_URGENT, KE_BULK };
	struct crowd *c = crowd_new(3, false, classes, 2);

	must(c, "nodes");
	fill(&c->src[1]);
	go(c, 100);
	is_eq(submit_to(&c->src[0], EVENT), 0, "something urgent");
	ke_link_send(c->link, KECHO_FRAME_PING, 0, 1, NULL, 0);
	look(c);
	is_eq(c->link->vec_rest, KE_PIECE_SHORT + KECHO_FRAME_HEADER_SIZE - 100, "the rest");
	is_eq(c->link->vec_control, KECHO_FRAME_HEADER_SIZE, "then the PING");
	is_eq(c->link->nframes, 0, "and no more: it must not be kept twice");
	looked(c);
	go(c, SIZE_MAX);
	look(c);
	is_eq(class_at(c, 0), KE_URGENT, "then what is urgent");
	is_eq(class_at(c, 1), KE_BULK, "then bulk");
	looked(c);
	crowd_end(c);
}

/* Frames are short only where something may come that goes before, and the link is slow. */
TEST(short_frames)
{
	static const u32 pace[] = { 1000, 40000, U32_MAX };
	static const u8 classes[] = { KE_BULK, KE_BULK };
	struct crowd *c = crowd_new(4, false, classes, 2);
	u32 i;

	must(c, "nodes");
	ok(!ke_link_mixed(c->link), "of one class");
	fill_all(c);
	look(c);
	is_eq(c->link->frame[0].len, KE_PIECE_MAX, "as long as may be");
	looked(c);
	ok(crowd_add(c, KE_URGENT), "an urgent source");
	ok(world_pump(c->w), "quiet");
	ok(ke_link_mixed(c->link), "of several");
	fill_all(c);
	go(c, SIZE_MAX);
	look(c);
	is_eq(class_at(c, 0), KE_URGENT, "urgent");
	is_eq(c->link->frame[0].len, KE_PIECE_MAX, "as long as may be");
	looked(c);
	while (unsent(&c->src[2]))
		go(c, SIZE_MAX);
	fill_all(c);
	while (unsent(&c->src[2]))
		go(c, SIZE_MAX);
	look(c);
	is_eq(class_at(c, 0), KE_BULK, "bulk");
	is_eq(c->link->frame[0].len, KE_PIECE_SHORT, "short");
	looked(c);
	for (i = 0; i < ARRAY_SIZE(pace); i++) {
		ke_link_pace(c->link, pace[i]);
		look(c);
		is_eq(c->link->frame[0].len, clamp_t(u32, pace[i], KE_PIECE_SHORT, KE_PIECE_MAX),
		      "as the link is fast");
		looked(c);
	}
	crowd_drop(c);
	ok(!ke_link_mixed(c->link), "of one class again");
	crowd_end(c);
}

/* Control frames go out however much is urgent. */
TEST(control)
{
	static const u8 classes[] = { KE_URGENT, KE_URGENT };
	struct crowd *c = crowd_new(5, false, classes, 2);
	u32 i;

	must(c, "nodes");
	for (i = 0; i < 50; i++) {
		fill_all(c);
		ke_link_send(c->link, KECHO_FRAME_PING, 0, 1, NULL, 0);
		go(c, c->link->rest_len + KECHO_FRAME_HEADER_SIZE);
		is_eq(c->link->control_len, 0, "behind the rest of a frame at most");
		go(c, 1 + world_random(c->w, 200000));
	}
	crowd_end(c);
}

static bool about(u64 a, u64 b)
{
	return max(a, b) - min(a, b) <= max(a, b) / 4 + 4;
}

/* Nobody ever pauses: each class has its share, each source of it the same. */
TEST(shares)
{
	static const u8 classes[] = { KE_BULK, KE_URGENT, KE_NORMAL, KE_BULK, KE_URGENT,
				      KE_NORMAL, KE_BULK, KE_URGENT, KE_NORMAL };
	struct crowd *c = crowd_new(6, false, classes, SOURCES);
	u64 all;
	u32 i;

	must(c, "nodes");
	for (i = 0; i < 4 * GOES; i++) {
		fill_all(c);
		go(c, 1 + world_random(c->w, 300000));
	}
	all = c->bytes[0] + c->bytes[1] + c->bytes[2];
	ok(c->bytes[0] > all / 2, "urgent: %llu of %llu", c->bytes[0], all);
	ok(c->bytes[1] > all / 40, "normal: %llu", c->bytes[1]);
	ok(c->bytes[2] > all / 80, "bulk: %llu", c->bytes[2]);
	for (i = 3; i < SOURCES; i++)
		ok(about(c->frames[i], c->frames[i - 3]), "source %u: %llu frames, %u: %llu", i,
		   c->frames[i], i - 3, c->frames[i - 3]);
	crowd_end(c);
}

/* Sources of any classes that pause and go on, and a socket that takes what it likes: the
 * rules hold in each go. */
static void run_rules(u64 seed)
{
	struct crowd *c;
	u8 classes[SOURCES];
	u32 i, round, n = 1 + seed % SOURCES, busy = 0;

	for (i = 0; i < n; i++)
		classes[i] = (seed / 3 + i * (1 + seed % 2)) % KE_CLASSES;
	c = crowd_new(seed, false, classes, n);
	must(c, "nodes");
	for (round = 0; round < GOES; round++) {
		if (round % 20 == 0) {
			busy = world_random(c->w, 1 << n);
			ke_link_pace(c->link, world_random(c->w, 100000));
		}
		for (i = 0; i < n; i++) {
			if (busy & 1 << i)
				fill(&c->src[i]);
			else if (unsent(&c->src[i]) < LOG / 2 && !world_random(c->w, 4))
				is_eq(submit_to(&c->src[i], world_random(c->w, 3000)), 0,
				      "an event");
		}
		go(c, world_random(c->w, 8) ? 1 + world_random(c->w, 100000) : 0);
	}
	crowd_end(c);
}

TEST(rules)
{
	u64 seed;

	for (seed = 0; seed < 40; seed++)
		run_rules(seed);
}

/* Everything arrives, whatever its class, over links that break and are resumed. */
static void run_whole(u64 seed)
{
	struct crowd *c = crowd_new(seed, true, one_each, 3);
	struct tnode *sink;
	u64 submitted = 0;
	u32 i, round;

	must(c, "nodes");
	sink = &c->w->n[1];
	c->w->piece = 1 + world_random(c->w, 60000);
	for (round = 0; round < 60; round++) {
		for (i = 0; i < c->n; i++)
			while (world_random(c->w, 8) &&
			       !submit_to(&c->src[i], world_random(c->w, 6000)))
				submitted++;
		world_step(c->w);
		if (round % 20 == 10)
			c->w->cut_at = c->w->moved + 1 + world_random(c->w, 200000);
	}
	ok(world_wait(c->w, 1000), "quiet");
	ok(linked(c->w, 0, 1), "seed %llu: linked", seed);
	is_eq(sink->bad + sink->damaged, 0, "seed %llu: in order, as submitted", seed);
	is_eq(sink->lost, 0, "seed %llu: nothing is lost", seed);
	is_eq(sink->got, submitted, "seed %llu: all came", seed);
	crowd_end(c);
}

TEST(whole)
{
	u64 seed;

	for (seed = 0; seed < 40; seed++)
		run_whole(seed);
}

static const struct ke_remote *only_remote(const struct tnode *tn)
{
	struct ke_presence *pr;

	pr = list_first_entry(&tn->ch.presences, struct ke_presence, channel_list);
	return list_first_entry_or_null(&pr->remotes, struct ke_remote, list);
}

/* A source that is opened again, of another class, is another source. */
TEST(reopened)
{
	static const u8 classes[] = { KE_URGENT, KE_BULK };
	struct crowd *c = crowd_new(7, true, classes, 1);
	u32 i;

	must(c, "nodes");
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		is_eq(only_remote(&c->w->n[1])->traffic_class, classes[i], "known there");
		ok(!list_empty(&c->link->streams[ke_class_rank(classes[i])]), "goes as such");
		is_eq(submit_to(&c->src[0], EVENT), 0, "an event");
		ok(world_pump(c->w), "quiet");
		is_eq(c->w->n[1].got, i + 1, "it came");
		crowd_drop(c);
		ok(world_pump(c->w), "quiet");
		if (!i)
			ok(crowd_add(c, classes[1]), "again");
		ok(world_pump(c->w), "quiet");
	}
	crowd_end(c);
}

TESTS(class, order, all_of_a_class, partly_sent, short_frames, control, shares, rules, whole,
      reopened);
