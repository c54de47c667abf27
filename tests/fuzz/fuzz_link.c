/* SPDX-License-Identifier: MIT */
/*
 * Links to hostile nodes: any frames, in any pieces, over up to three connections
 * that are lost and come back, to a node that has a channel with sources and sinks
 * of its own. The others may be of this host: then they also write to the logs and
 * gates that they share. Most frames are nearly good, so that the input gets past
 * the first checks; between them our own side acts, and memory runs out.
 *
 * Our node may die as well; then another goes on as it, with the mirrors that it left.
 *
 * The node never crashes, never reads past a frame or a log, never hangs, and frees
 * all.
 */
#include "submits.h"
#include "adopt_test.h"

enum {
	OPS_MAX = 300,
	LEFT_MAX = 4,		/* mirrors that outlive their node */
};

/* ------------------------------------------------------------------- our own side */

static void extras_open(void)
{
	int i;

	if (more.open || !f.tn->open)
		return;
	for (i = 0; i < EXTRAS; i++) {
		struct ke_source *s = &more.src[i];

		more.hdr[i] = calloc(1, sizeof(*more.hdr[i]));
		more.ring[i] = calloc(1, TEST_LOG);
		memset(s, 0, sizeof(*s));
		check(!ke_log_init(&s->log, more.hdr[i], more.ring[i], TEST_LOG, 0, 0));
		s->member = (struct ke_member){ .owner = f.tn, .role = KE_SOURCE, .source = s,
						.traffic_class = i % KE_CLASSES };
		ke_source_init(s, &f.tn->node);
		s->judged_later = f.late;
		s->generation = i ? 0 : U32_MAX - 3;
		ke_member_join(&s->member, &f.tn->ch);
	}
	more.open = true;
}

static void extras_close(void)
{
	int i;

	for (i = 0; more.open && i < EXTRAS; i++) {
		ke_source_fini(&more.src[i]);
		ke_member_leave(&more.src[i].member);
		free(more.hdr[i]);
		free(more.ring[i]);
	}
	more.open = false;
}

static void extras_submit(u16 how)
{
	int i;

	for (i = 0; more.open && i < EXTRAS; i++)
		submit_judged(&more.src[i], how % LEN_MAX, how / LEN_MAX);
}

static void announce(struct ke_source *s, u8 how)
{
	u8 wire[SMALL_TYPE];
	char why[KE_TYPE_WHY_MAX];
	struct ke_types *had = ke_types_get(s->member.types);
	int index;

	small_type(wire, how);
	wire[0] ^= how >= 250;
	fail_alloc = how & 128 ? take_u8(&f.in) % 4 : 0;
	index = ke_source_announce(s, &f.tn->node, wire, sizeof(wire), why);
	fail_alloc = 0;
	check(index > 0 ? !!ke_types_at(s->member.types, index) : index < 0);
	ke_types_put(had);
}

/* More of them than a source may have. */
static void announce_all(struct ke_source *s)
{
	u8 how;

	for (how = 0; how <= KE_TYPES_MAX; how++)
		announce(s, how);
}

/* A second sink beside the one of core's tests; @id: it comes back, 0: it is new. */
static void sink2(bool gated, u64 id)
{
	struct ke_channel *ch = &f.tn->ch;

	if (!more.has_sink) {
		more.sink = (struct ke_member){ .owner = f.tn, .role = KE_SINK, .policy = !gated,
						.id = id };
		ch->sinks++;
		ch->gated += gated;
		ke_member_join(&more.sink, ch);
		ke_channel_subscribe(ch, false);
	} else {
		ch->sinks--;
		ch->gated -= more.sink.policy == 0;
		ke_channel_unsubscribe(ch);
		ke_member_leave(&more.sink);
	}
	more.has_sink = !more.has_sink;
}

static void leave_channel(void)
{
	if (!f.tn->open)
		return;
	if (more.has_sink)
		sink2(false, 0);
	extras_close();
	sink_close(f.tn);
	source_close(f.tn);
	ke_drain_end(&f.tn->ch);
	ke_channel_close(&f.tn->ch);
	f.tn->open = false;
}

/* What callers ask of attributes. */
static void look_at(const struct ke_attrs *a, const char *name)
{
	struct ke_attrs copy = { 0 };
	struct ke_value v;
	s64 set_ms;

	if (ke_attrs_find(a->buf, a->len, name, &v))
		return;
	if (v.kind != KE_VALUE_I64)
		touch(v.data, v.len);
	check(!ke_attrs_set_ms(a, name, &set_ms) && set_ms <= (s64)f.w->now);
	check(ke_attrs_age_ms(a, name, f.w->now) == (s64)f.w->now - set_ms);
	check(!ke_attrs_copy(&copy, a) && copy.len == a->len && !memcmp(copy.buf, a->buf, a->len));
	ke_attrs_free(&copy);
}

static void set_attr(u8 how)
{
	static u8 bytes[KE_ATTR_VALUE_MAX + 8];
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
					     KE_REPLY_ATTR, "no name", "" };
	const char *name = names[take_u8(&f.in) % ARRAY_SIZE(names)];
	struct ke_value v = { .kind = how % 5, .data = bytes, .i64 = how };
	struct ke_peer *p;

	fail_alloc = f.starve;
	v.len = how & 8 ? sizeof(bytes) - take_u8(&f.in) : take_u8(&f.in);
	if (how >> 4 & 1)
		ke_node_set(&f.tn->node, name, &v);
	else if (how & 32 && f.tn->open)
		ke_channel_set(&f.tn->ch, name, &v);
	else if (how & 4 && f.tn->has_src && how & 64)
		announce_all(&f.tn->src);
	else if (how & 4 && f.tn->has_src)
		announce(&f.tn->src, take_u8(&f.in));
	else if (how & 128 ? f.tn->has_sink : f.tn->has_src)
		ke_member_set(how & 128 ? &f.tn->sink : &f.tn->src.member, name, &v);
	fail_alloc = 0;
	list_for_each_entry(p, &f.tn->node.peers, list)
		look_at(&p->attrs, name);
}

/* Of each source of theirs, and of ours. */
static void ask_sources(void)
{
	const struct ke_presence *pr;
	const struct ke_remote *m;

	list_for_each_entry(pr, &f.tn->ch.presences, channel_list) {
		ke_channel_linked(&f.tn->ch, &pr->peer->contact.node);
		list_for_each_entry(m, &pr->remotes, list) {
			ke_channel_reply_to(&f.tn->ch, m->id);
			check(ke_channel_types(&f.tn->ch, m->id) == m->types);
		}
	}
	if (!f.tn->has_src)
		return;
	ke_channel_reply_to(&f.tn->ch, f.tn->src.member.id);
	check(ke_channel_types(&f.tn->ch, f.tn->src.member.id) == f.tn->src.member.types);
}

/* What callers of the library wait for. */
static void ask(struct conn *c)
{
	struct ke_channel *ch = &f.tn->ch;

	ke_node_wait_ms(&f.tn->node);
	ask_filtered();
	if (c) {
		ke_link_pending(&c->link);
		ke_link_mixed(&c->link);
	}
	if (f.tn->open)
		ask_sources();
	if (f.tn->open && ke_channel_synced(ch) && ke_channel_acked(ch))
		ke_channel_started(ch);
	if (f.tn->has_src)
		ke_source_told(&f.tn->src);
	if (f.tn->has_src && ke_source_drained(&f.tn->src))
		check(ke_source_arrived(&f.tn->src, f.tn->src.log.head));
	else if (f.tn->has_src)
		ke_source_arrived(&f.tn->src, f.tn->src.log.head);
}

/* The application may write to its own log as it likes: our node reads it. */
static void scribble(u8 how)
{
	u64 v = how & 128 ? take_u64(&f.in) : 8 * (u64)take_u16(&f.in);

	if (!f.tn->has_src)
		return;
	if (how & 16)
		f.tn->hdr->head = v;
	else if (how & 32)
		f.tn->hdr->tail = v;
	else if (how & 64)
		f.tn->hdr->mark[how & 15] = v;
	else
		*(u64 *)(f.tn->ring + 8 * (u64)take_u16(&f.in) % TEST_LOG) = v;
}

/* ------------------------------------------------------------------------- acts */

static void connect_any(struct hostile *h, u8 how)
{
	u8 who = take_u8(&f.in);

	if (h->c)
		return;
	hostile_open(h, how & 1, how & 2);
	if (how & 2)
		memset(&h->dialled, 0x77, sizeof(h->dialled));
	if (how & 4)
		return;
	hello(h->c, who, how >> 4 | 2);
	if (how & 8)
		join(h->c, how >> 4);
	if (how & 32)
		join_judged(h->c, take_u8(&f.in));
}

/* The connection breaks, and perhaps its process is known to have died, or is refused. */
static void cut(struct hostile *h, u8 how)
{
	struct ke_peer *p = h->c->link.peer;
	struct ke_id id;

	if (p)
		id = p->contact.node;
	if (p && how & 2)
		ke_peer_refuse(p, KE_REFUSED_LAYOUT);
	h->c->closed = true;
	reap();
	p = p && how & 1 ? ke_peer_find(&f.tn->node, &id) : NULL;
	if (p && !p->link)
		ke_peer_dead(p);
}

static void hang_up(void)
{
	struct hostile *h;

	for (h = f.peer; h < f.peer + PEERS; h++)
		if (h->c)
			h->c->closed = true;
	reap();
}

static u32 leave_mirrors(struct left *left)
{
	struct feed *feed;
	u32 n = 0;

	for (feed = f.tn->has_sink ? f.tn->feeds : NULL; feed && n < LEFT_MAX; feed = feed->next)
		if (feed->begun && !feed->rs->local && feed_leave(feed, &left[n]))
			n++;
	return n;
}

/* It may have been killed at any instruction: a word of the header isn't what it was to be. */
static void adopt(struct left *left, u8 how)
{
	if (how & 8)
		((u64 *)left->kept.hdr)[take_u8(&f.in) % (sizeof(*left->kept.hdr) / 8)] =
			take_u64(&f.in);
	fail_alloc = how >> 4;
	if (feed_adopt(f.tn, left))
		f.mirrors += left->kept.log_size;
	else
		left_free(left);
	fail_alloc = 0;
}

static void die_and_go_on(u8 how)
{
	struct left left[LEFT_MAX];
	bool has_sink = f.tn->has_sink, gated = f.tn->sink.policy;
	u32 i, n = leave_mirrors(left);

	leave_channel();
	hang_up();
	ke_node_fini(&f.tn->node);
	node_make(f.w, 0);
	f.tn->node.house = &fuzz_house;
	channel_open(f.tn);
	if (has_sink)
		check(!sink_open(f.tn, gated, false));
	for (i = 0; i < n; i++)
		adopt(&left[i], i ? take_u8(&f.in) : how);
}

static void drain(struct ke_channel *ch)
{
	u32 lag, silent;

	if (!ch->drain)
		ke_drain_begin(ch);
	if (ch->drain && ke_drain_step(ch, &lag, &silent))
		ke_drain_end(ch);
}

static void act_whole(u8 how)
{
	struct ke_channel *ch = &f.tn->ch;

	if (how < 64)
		ke_channel_freeze(ch);
	else if (how < 96)
		ke_channel_thaw(ch);
	else if (how < 240)
		drain(ch);
	else
		ke_channel_destroy(ch);
	check(ke_channel_undestroyed(ch) <= f.tn->node.npeers);
}

static void act_channel(u8 how)
{
	static const struct ke_contact contact = { .node = { { 0x55 } }, .address = "10.0.0.9:1" };

	if (how & 1)
		leave_channel();
	else if (!f.tn->open)
		channel_open(f.tn);
	else if (how & 2)
		act_whole(take_u8(&f.in));
	else if (how & 4)
		die_and_go_on(how);
	else if (how & 8)
		ke_channel_other(&f.tn->ch, &contact.node);
	else
		ke_channel_contact(&f.tn->ch, &contact);
}

/* What those who read our source want. */
static void want_any(u8 how)
{
	struct ke_tstream *ts;

	if (!f.tn->has_src)
		return;
	f.tn->judges = how & 1;
	f.tn->bits = how >> 1 & 7;
	if (how & 16)
		ke_source_due(&f.tn->src, f.tn->src.log.head);
	list_for_each_entry(ts, &f.tn->src.streams, source_list)
		if (ts->link && !ts->local) {
			h_tx_lock(ts->link);
			ke_tstream_want(ts, how >> 5, how & 8, how);
			h_tx_unlock(ts->link);
		}
}

static void act_source(u8 how)
{
	if (how & 64 && !f.tn->has_src && f.tn->open)
		check(source_open(f.tn, how & 32 ? 8 * (u64)take_u16(&f.in) : 0));
	else if (how & 1 && f.tn->has_src)
		ke_source_end(&f.tn->src);
	else if (how & 2)
		source_close(f.tn);
	else if (how & 4)
		extras_open();
	else if (how & 8)
		extras_close();
	else if (how & 128)
		want_any(take_u8(&f.in));
	else
		extras_submit(take_u16(&f.in));
}

static void act_sink(u8 how)
{
	if (how & 1 && f.tn->open)
		sink2(how & 2, how & 32 ? how >> 6 : 0);
	else if (how & 4)
		sink_close(f.tn);
	else if (!f.tn->has_sink && f.tn->open)
		sink_open(f.tn, how & 8, how & 16);
}

/* Who has no room for it says so to those that are in the way. */
static void submit_any(u16 how)
{
	struct ke_source *s = &f.tn->src;
	bool due;

	if (submit_lives(s, how) != -EAGAIN)
		return;
	h_source_lock(s);
	due = ke_source_stalled(s, how % LEN_MAX);
	h_source_unlock(s);
	if (due)
		ke_source_end_stalled(s);
}

static void act_ours(u8 op, u8 how)
{
	switch (op) {
	case 0:
		if (f.tn->has_src && !f.tn->src.closed)
			submit_any(take_u16(&f.in));
		break;
	case 1:
		f.tn->idle = how & 1;
		sink_read(f.tn);
		break;
	case 2:
		f.w->now += how & 1 ? take_u16(&f.in) : 8 * how;
		f.tn->ahead_ns += how > 250 ? take_u64(&f.in) : 0;	/* the clock is set */
		ke_node_tick(&f.tn->node);
		break;
	case 3:
		act_sink(how);
		break;
	case 4:
		act_source(how);
		break;
	case 5:
		act_channel(how);
		break;
	case 6:
		set_attr(how);
		break;
	default:
		scribble(how);
	}
}

typedef void say_fn(struct conn *c, u8 how);

static void act_theirs(struct hostile *h, u8 op, u8 how)
{
	static say_fn *const says[] = {
		say_any,
		say_data,
		say_subscribe,
		say_start,
		say_ack,
		say_member,
		say_channel,
		say_nodes,
		say_attr,
		say_bytes,
		write_log,
	};
	struct conn *c = h->c;

	if (op < ARRAY_SIZE(says))
		says[op](c, how);
	else if (op == ARRAY_SIZE(says))
		write_gate(h, how);
	else if (op == ARRAY_SIZE(says) + 1)
		cut(h, how);
	else if (op == ARRAY_SIZE(says) + 2)
		hello(c, take_u8(&f.in), how);
	else if (op == ARRAY_SIZE(says) + 3)
		how & 1 ? say_whole(c, how >> 1) : say_stall(c, how >> 1);
	else if (how == 255)
		ke_link_break(&c->link);
	else if (how >= 192)
		say_judged(c, how);
	else if (how >= 128)
		say_taken(c, how);
	else if (how >= 64)
		say_filter(c, take_u8(&f.in));
	else if (how == 63)
		say_many(c);
	else
		conn_tx(c);
}

static void act(u8 op)
{
	struct hostile *h = &f.peer[op / 64 % PEERS];
	u8 how = take_u8(&f.in);

	op %= 64;
	if (op == 63)
		ask(h->c);
	else if (op == 62)
		f.w->piece = 1 + take_u16(&f.in);
	else if (op == 61 && how & 14)
		act_filters(how >> 1 & 7, how >> 4);
	else if (op == 61)
		f.anew = how & 1;
	else if (op >= 48)
		act_ours(op % 8, how);
	else if (!h->c)
		connect_any(h, how);
	else {
		fail_alloc = op >= 32 ? take_u8(&f.in) % 16 : 0;
		act_theirs(h, op % 16, how);
		fail_alloc = 0;
	}
}

static void setup(u8 how)
{
	house_init();
	show_nothing();
	f.w = world_new(1, 1);
	check(f.w);
	f.tn = &f.w->n[0];
	f.tn->node.house = &fuzz_house;
	f.w->piece = how & 1 ? 16 : 5000;
	f.tn->alive_ms = how & 8 ? KE_PROMISE_MS_MIN : 0;
	channel_open(f.tn);
	show_channel(&f.tn->ch);
	check(!sink_open(f.tn, how & 2, false));
	check(source_open(f.tn, 0));
	f.tn->src.stall_ms = 1000;
	if (how & 4)
		extras_open();
	if (how & 16) {
		announce(&f.tn->src, 0);
		choose_ours(how & 32);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 ops;
	u8 how;

	memset(&f, 0, sizeof(f));
	f.in = (struct input){ data, size };
	how = take_u8(&f.in);
	setup(how);
	if (how & 8)
		connect_any(&f.peer[0], take_u8(&f.in));
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++) {
		act(take_u8(&f.in));
		reap();
		dials_answered();
	}
	check(!f.w->lock_faults);
	wait_over();
	leave_channel();
	hang_up();
	check(!f.mirrors && !f.tn->node.filters_bytes);
	world_free(f.w);
	return 0;
}
