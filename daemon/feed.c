// SPDX-License-Identifier: MIT
/*
 * A feed: one sink's reading of one log. Its process does the reading; kechod only
 * says where it begins and ends, and looks at the gates of sinks that block.
 *
 * A gate is set before its place in the log is chosen: the limit that follows from it
 * is stored, then a full fence, and only then the log's head is read. A source that
 * had seen no limit yet is at most one record further, which is an eighth of a log and 2 KiB.
 *
 * A sink that was there before us goes on where it was in a log that it had; we do not
 * know where. Its gate stands where no sink can be behind it until its process says more.
 */
#include "daemon.h"

enum { FROM_TRIES_MAX = 4 }; /* to begin where a log without limit is not overwritten yet */

static struct kd_feed *feed_make(struct kd_sink *k, struct list_head *list, int *err)
{
	struct kd_feed *f = calloc(1, sizeof(*f));

	*err = f ? kd_gate_take(k->o->s, 0, &f->slot) : -ENOMEM;
	if (*err) {
		free(f);
		return NULL;
	}
	f->sink = k;
	f->id = ++k->last_feed;
	list_add_tail(&f->sink_list, &k->feeds);
	list_add_tail(&f->log_list, list);
	return f;
}

static void unlink_feed(struct kd_feed *f)
{
	list_del(&f->sink_list);
	list_del(&f->log_list);
	free(f);
}

/* Its sink is ended for what it has not read: that is lost, behind what it was given. */
static u64 cut(struct kd_feed *f)
{
	u64 given = le64_to_cpu(READ_ONCE(kd_gate(f->sink->o->s, f->slot)->given));
	struct kd_source *src = f->source;
	struct ke_view v;
	u64 head, last;

	if (!src) {
		v = f->mirror->rs->view;
		head = f->mirror->rs->mirror.head;
		last = f->mirror->rs->mirror.seq;
	} else {
		v = kd_log_view(&src->log);
		head = src->head;
		last = src->seq;
		if (src->state == KD_JOINED && kd_source_now(src, &head, &last))
			return 0;
	}
	return ke_view_unread(&v, f->pos, given, head, last);
}

/* What its process says that it lost, which is at most all of @all; and what it will. */
u64 kd_feed_lost(struct kd_feed *f, u64 all)
{
	u64 lost = le64_to_cpu(READ_ONCE(kd_gate(f->sink->o->s, f->slot)->lost));

	if (lost > f->lost && lost <= all)
		f->lost = lost;
	lost = f->sink->err == -EPIPE ? cut(f) : 0;
	return f->lost + min(lost, all);
}

/* Its source keeps the count. */
static void keep_lost(struct kd_feed *f)
{
	if (f->source && f->source->o && f->source->o->s != f->sink->o->s)
		f->source->s.lost += kd_feed_lost(f, f->source->head / sizeof(struct kecho_record));
}

/* Its sink has ended, or could not begin. */
void kd_feed_free(struct kd_feed *f)
{
	struct kd_user *user = f->sink->o->s->user;
	struct kd_source *src = f->source;
	struct kd_mirror *m = f->mirror;

	keep_lost(f);
	kd_slot_give_back(&f->sink->o->s->gates, f->slot);
	unlink_feed(f);
	if (src)
		kd_source_room(src);
	if (m)
		kd_mirror_left(m, user);
}

/* The source's. */
u64 kd_feed_member(const struct kd_feed *f)
{
	return f->source ? f->source->s.member.id : f->mirror->rs->remote->id;
}

/* Of what was passed over in a row right before @pos. */
static u64 expired_before(const struct kd_feed *f, u64 pos)
{
	const struct ke_log *mirror = f->mirror ? &f->mirror->rs->mirror : NULL;

	return mirror && pos == mirror->head ? ke_log_passed(mirror) : 0;
}

static void tell_feed(struct kd_feed *f, u64 pos, u64 seq, bool again)
{
	const struct kd_log *log = f->source ? &f->source->log : &f->mirror->log;
	u32 alive_ms = f->source ? f->source->s.member.alive_ms : f->mirror->rs->remote->alive_ms;
	struct kecho_note_feed note = {
		.sink = cpu_to_le32(f->sink->handle),
		.feed = cpu_to_le32(f->id),
		.size = cpu_to_le64(log->size),
		.pos = cpu_to_le64(pos),
		.seq = cpu_to_le64(seq),
		.expired = cpu_to_le64(expired_before(f, pos)),
		.member = cpu_to_le64(kd_feed_member(f)),
		.slot = cpu_to_le32(f->slot),
		.gated = f->sink->m.policy == KECHO_BLOCK,
		.again = again,
		.mine = !!f->source,
		.alive_ms = cpu_to_le32(alive_ms),
	};

	kd_note(f->sink->o->s, KECHO_NOTE_FEED, &note, sizeof(note), &log->fd, !again);
}

/* Its process begins at @pos, behind the event @seq; its gate stands at @gate. */
static void begin_feed(struct kd_feed *f, u64 pos, u64 seq, u64 gate)
{
	f->pos = gate;
	kd_gate(f->sink->o->s, f->slot)->pos = cpu_to_le64(gate);
	tell_feed(f, pos, seq, false);
	kd_feed_verdict(f);
}

/* ------------------------------------------------------ logs of this host */

/* The first that it may be given, if all of that is still there. */
static u64 from_where(const struct kd_feed *f, u64 head)
{
	struct ke_view v = kd_log_view(&f->source->log);
	u64 half = head > v.size / 2 ? head - v.size / 2 : 0;

	if (f->sink->from == KECHO_FROM_RETAINED && f->source->s.retain)
		return ke_view_boundary(&v, half, head);
	return head;
}

/*
 * Where a sink begins that comes when the source is there. Its gate stands at f->pos
 * meanwhile, before all that it may be given; without one the log may pass us.
 */
static int find_place(struct kd_feed *f, u64 *pos, u64 *seq)
{
	struct kd_source *src = f->source;
	struct ke_view v = kd_log_view(&src->log);
	u64 head, from, tries = FROM_TRIES_MAX;
	int err = kd_source_head(src, &head);

	do {
		if (err)
			return err;
		from = f->pos = from_where(f, head);
		kd_source_room(src);
		err = kd_source_now(src, &head, seq);
	} while (le64_to_cpu(READ_ONCE(v.hdr->tail)) > from && from < head && --tries);
	if (err)
		return err;
	*pos = tries ? from : head;
	if (*pos != head)
		*pos = ke_view_retained(&v, from, head, *seq, src->s.retain, seq);
	return 0;
}

static u64 lowest(u64 head, u64 size)
{
	return head > size ? head - size : 0;
}

/* Where a sink begins that was there before us, if it had not the log yet: with all that
 * is there, and told of what it cannot have. */
static int begin_again(struct kd_feed *f)
{
	const struct kd_log *log = f->source ? &f->source->log : &f->mirror->log;
	struct ke_view v = kd_log_view(log);
	u64 head = f->mirror ? f->mirror->rs->mirror.head : 0;
	int err = f->source ? kd_source_head(f->source, &head) : 0;

	if (!err)
		begin_feed(f, ke_view_boundary(&v, 0, head), 0, lowest(head, log->size));
	return err;
}

static int begin_at_source(struct kd_feed *f, bool from_start)
{
	u64 pos = 0, seq = 0;
	int err;

	if (!from_start && f->sink->from == KECHO_FROM_REJOIN)
		return begin_again(f);
	err = from_start ? 0 : find_place(f, &pos, &seq);
	if (!err)
		begin_feed(f, pos, seq, pos);
	return err;
}

/* @from_start: the source is new, and the sink sees all of it. A log that makes no
 * sense is no error of the sink's: it gets no feed of it. */
int kd_feed_source(struct kd_sink *k, struct kd_source *src, bool from_start)
{
	struct kd_feed *f;
	int err;

	f = feed_make(k, &src->feeds, &err);
	if (!f)
		return err;
	f->source = src;
	if (begin_at_source(f, from_start)) {
		kd_source_fail(src, "its log says what cannot be");
		kd_feed_free(f);
		return 0;
	}
	kd_source_room(src);
	return 0;
}

static struct kd_feed *feed_of_mirror(struct kd_sink *k, struct kd_mirror *m, int *err)
{
	struct kd_feed *f = feed_make(k, &m->feeds, err);

	if (f)
		f->mirror = m;
	return f;
}

int kd_feed_mirror_again(struct kd_sink *k, struct kd_mirror *m)
{
	int err;
	struct kd_feed *f = feed_of_mirror(k, m, &err);

	return f ? begin_again(f) : err;
}

int kd_feed_mirror(struct kd_sink *k, struct kd_mirror *m, u64 pos, u64 seq)
{
	int err;
	struct kd_feed *f = feed_of_mirror(k, m, &err);

	if (f)
		begin_feed(f, pos, seq, pos);
	return f ? 0 : err;
}

/* The stream that had broken goes on. */
void kd_feed_goes_on(struct kd_feed *f)
{
	if (f->ended)
		tell_feed(f, f->pos, 0, true);
	f->ended = false;
}

/* ---------------------------------------------------------------- its end */

/* Nothing comes for now (@attrs is NULL) or ever; then the feed is freed. */
void kd_feed_end(struct kd_feed *f, u64 last_seq, bool failed, const struct ke_attrs *attrs,
		 const struct ke_attrs *node_attrs)
{
	struct kd_session *s = f->sink->o->s;
	struct kecho_note_feed_end note = {
		.sink = cpu_to_le32(f->sink->handle),
		.feed = cpu_to_le32(f->id),
		.last_seq = cpu_to_le64(last_seq),
		.failed = failed,
		.gone = !!attrs,
	};
	struct ke_out o = { 0 };

	f->ended = true;
	if (attrs) {
		o.size = ke_attrs_live_len(attrs) + ke_attrs_live_len(node_attrs);
		o.buf = malloc(o.size);
	}
	if (o.buf) {
		ke_attrs_put(&o, attrs, lib_deadline(0));
		ke_attrs_put(&o, node_attrs, lib_deadline(0));
	}
	kd_send(s, KECHO_NOTE_FEED_END, 0, 0, &note, sizeof(note), o.buf, o.len, NULL, 0);
	free(o.buf);
	if (!attrs)
		return;
	keep_lost(f);
	/* The process still drains it, and says in the slot when it is through. */
	kd_slot_lend(&s->gates, f->slot);
	unlink_feed(f);
}

/* ----------------------------------------------------------------- gates */

/* Has it read on? Never believed back, or beyond @head. */
bool kd_feed_look(struct kd_feed *f, u64 head)
{
	u64 pos = le64_to_cpu(smp_load_acquire(&kd_gate(f->sink->o->s, f->slot)->pos));

	/* It has given the log up; nobody has to wait for it. */
	if (pos == U64_MAX ? f->pos == U64_MAX : pos <= f->pos || pos > head)
		return false;
	f->pos = pos;
	return true;
}

static void look_at_sink(struct kd_sink *k)
{
	struct kd_feed *f, *next;
	u64 head;

	list_for_each_entry_safe(f, next, &k->feeds, sink_list) {
		kd_feed_took(f);
		if (k->m.policy != KECHO_BLOCK)
			continue;
		if (f->mirror && kd_feed_look(f, f->mirror->rs->mirror.head))
			kd_mirror_released(f->mirror);
		if (f->source && !kd_source_head(f->source, &head) && kd_feed_look(f, head))
			kd_source_room(f->source);
	}
}

/* Whoever waits for room has written what nobody wants, perhaps, and so did not wake us for it. */
static void look_at_source(struct kd_source *src)
{
	if (src->copied && READ_ONCE(kd_log_view(&src->log).hdr->want))
		kd_copy_wanted(src);
	kd_source_room(src);
	kd_bells_left(src);
	kd_judge_took(src);
}

/* A process has rung: what it has read, or written, has passed where somebody waits; it goes
 * by what it was told; or it leaves others to us to be rung. */
void kd_session_rang(struct kd_session *s)
{
	struct kd_opening *o;
	struct kd_source *src;
	struct kd_sink *k;

	list_for_each_entry(o, &s->openings, session_list) {
		list_for_each_entry(src, &o->sources, opening_list)
			look_at_source(src);
		list_for_each_entry(k, &o->sinks, opening_list)
			look_at_sink(k);
	}
}
