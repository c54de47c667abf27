// SPDX-License-Identifier: MIT
/*
 * Our copy of a source's log, while other hosts read it. What a process wrote is never
 * sent as it stands: a record that lies, or is changed while it is sent, would end the
 * link that all share. So it is copied like a `latest` sink reads, checked as what comes
 * from another host is, and sent from the copy, which has the same positions.
 *
 * While a sink of another host holds the source up, the copy holds it up: it grows to
 * where that sink's gate lets it, and the source to a log beyond the copy.
 */
#include "daemon.h"

#include <syslog.h>

/* The tail passes a position that a gate holds by up to a part of the ring, and
 * overwrites nothing there. */
static bool passed(const struct kd_source *src, u64 pos)
{
	u64 tail = le64_to_cpu(READ_ONCE(kd_log_view(&src->log).hdr->tail));

	return tail > pos && (list_empty(&src->s.gates) || tail - pos >= src->log.size);
}

static void copy_words(__le64 *to, const __le64 *from, u64 len)
{
	u64 i;

	for (i = 0; i < len / 8; i++)
		to[i] = READ_ONCE(from[i]);
}

/*
 * On to src->skip. Pads stand for what is left out; behind a gate they go only as far as
 * it lets them, since what has yet to be sent lies in their way. 0: no further now.
 */
static s64 skip_on(struct kd_source *src)
{
	struct ke_log *copy = &src->s.log;
	u64 to = src->skip;
	int err;

	if (!list_empty(&src->s.gates))
		to = min3(to, ke_source_limit(&src->s, to) & ~7ULL, copy->head + copy->size / 2);
	if (to <= copy->head)
		return 0;
	err = ke_log_skip(copy, to);
	if (to == src->skip)
		src->skip = 0;
	return err ?: 8;
}

/* What was there has been overwritten: on from about halfway. */
static s64 lapped(struct kd_source *src, u64 head)
{
	struct ke_view v = kd_log_view(&src->log);
	u64 pos = ke_view_resync(&v, head);

	if (pos <= src->s.log.end || pos > KE_POSITION_MAX)
		return -EPROTO;
	src->skip = pos;
	src->lapped = true;
	return skip_on(src);
}

/* How much more there is now, in one piece; *@head is where it ends in all. -EPROTO. */
static int next_piece(struct kd_source *src, u64 *head, u64 *len)
{
	struct ke_log *copy = &src->s.log;
	u64 limit, to_end = copy->size - (copy->end & (copy->size - 1));
	int err = 0;

	if (src->state == KD_JOINED)
		err = kd_source_head(src, head);
	else
		*head = src->head;
	if (err)
		return err;
	limit = ke_source_limit(&src->s, *head) & ~7ULL;
	*len = min3(*head, limit, copy->end + KE_PIECE_MAX);
	*len = *len > copy->end ? min(*len - copy->end, to_end) : 0;
	return 0;
}

/* One piece: how many bytes; -EPROTO: the log makes no sense. */
static s64 copy_piece(struct kd_source *src)
{
	struct ke_view v = kd_log_view(&src->log);
	struct ke_log *copy = &src->s.log;
	u64 head, len, pos = copy->end;
	int err;
	void *to;

	if (src->skip)
		return skip_on(src);
	err = next_piece(src, &head, &len);
	if (err || !len)
		return err;
	if (passed(src, pos))
		return lapped(src, head);
	to = ke_log_window(copy, len);
	if (WARN_ON_ONCE(!to))
		return -EPROTO;
	copy_words(to, (const __le64 *)(v.ring + (pos & (v.size - 1))), len);
	smp_rmb();
	if (passed(src, pos))
		return lapped(src, head);
	return ke_log_accept(copy, len) ?: (s64)len;
}

static void kick_links(struct kd_source *src)
{
	struct ke_tstream *ts;

	list_for_each_entry(ts, &src->s.streams, source_list)
		if (ts->link)
			conn_kick(ts->link->owner);
}

/* All that there is, or a turn of it; true: there is more. */
static bool copy_turn(struct kd_source *src)
{
	u64 head = src->s.log.head;
	s64 n = 1, left = KD_TURN_BYTES;

	while (!src->why && n > 0 && left > 0) {
		n = copy_piece(src);
		left -= n;
	}
	if (n < 0)
		kd_source_fail(src, "its log says what cannot be");
	if (src->s.log.head != head)
		kick_links(src);
	if (n > 0)
		return true;
	kd_source_room(src);
	/* At a gate there is nothing to wait for but the gate. */
	return !src->why && src->state == KD_JOINED && !kd_bell_sleep(src) &&
	       ke_source_limit(&src->s, src->s.log.end + 8) > src->s.log.end + 7;
}

/* What is urgent has its turn first; in a round each has one. */
void kd_copy_wanted(struct kd_source *src)
{
	if (!src->copied || src->queued)
		return;
	src->queued = true;
	if (src->s.member.traffic_class == KE_URGENT)
		list_add(&src->ready_list, &src->c->d->ready);
	else
		list_add_tail(&src->ready_list, &src->c->d->ready);
}

/* A turn of each; true: there is more to do at once. */
bool kd_copies_run(struct kd *d)
{
	struct kd_source *src;
	LIST_HEAD(now);

	list_splice_init(&d->ready, &now);
	while (!list_empty(&now)) {
		src = list_first_entry(&now, struct kd_source, ready_list);
		list_del_init(&src->ready_list);
		src->queued = false;
		if (src->copied && copy_turn(src))
			kd_copy_wanted(src);
		if (src->state == KD_CLOSING)
			d->changed = true;
	}
	return !list_empty(&d->ready);
}

/* Is all of it here that its process has published? */
bool kd_copy_complete(const struct kd_source *src)
{
	return !src->copied || src->why || src->s.log.end == src->head;
}

/* Where the copy begins: *@seq is the last event before, if that is known. */
static int begin(struct kd_source *src, u8 from, u64 *pos, u64 *seq)
{
	struct ke_view v = kd_log_view(&src->log);
	u64 head = src->head, half;
	int err = 0;

	*seq = src->seq;
	if (src->state == KD_JOINED)
		err = kd_source_now(src, &head, seq);
	*pos = head;
	half = head > v.size / 2 ? head - v.size / 2 : 0;
	if (from == KE_FROM_START || from == KE_FROM_POS)
		*pos = ke_view_boundary(&v, 0, head);
	else if (from == KE_FROM_RETAINED && src->s.retain)
		*pos = ke_view_boundary(&v, half, head);
	if (!err && (*pos > head || head - *pos > v.size))
		err = -EPROTO;
	return err;
}

/* All that is there from @pos on, as far as it has not been overwritten, or up to there. */
static int fill(struct kd_source *src, u64 pos, u64 seq, bool with_gaps)
{
	struct ke_log *copy = &src->s.log;
	u64 most = 2 * copy->size;
	s64 n = 1;
	int err = ke_log_init(copy, &src->copy_hdr, src->ring, src->log.size, pos, 0);

	if (err)
		return err;
	src->skip = 0;
	src->lapped = false;
	while (n > 0 && most >= (u64)n && (with_gaps || !src->lapped)) {
		n = copy_piece(src);
		most -= max_t(s64, n, 0);
	}
	if (n < 0)
		return n;
	/* No record told its number: there was none behind @pos. */
	if (!copy->seq) {
		copy->seq = seq;
		copy->hdr->seq = copy->hdr->head_seq = cpu_to_le64(seq);
	}
	return 0;
}

/*
 * Another host begins to read it: all that is there must be in the copy first, for that
 * is what the stream's start is chosen from. What the host held until now begins a little
 * behind the tail, and the source runs on meanwhile: if the tail passes where we began,
 * that is no reason to leave out what is still there. A source that is held runs into its
 * limit, so the next attempt, or the one after it, has it all.
 */
static int catch_up(struct kd_source *src, u8 from)
{
	int i, err = 0;
	u64 pos, seq;

	src->lapped = true;
	for (i = 1; i <= KD_COPY_TRIES && src->lapped && !err; i++)
		err = begin(src, from, &pos, &seq) ?: fill(src, pos, seq, i == KD_COPY_TRIES);
	return err;
}

int kd_copy_open(struct ke_source *s, u8 from)
{
	struct kd_source *src = s->member.owner;
	u64 size = src->log.size;
	int err = src->why ? -EPROTO : kd_user_charge(src->user, size);

	if (err) {
		kd_say(LOG_WARNING, "other hosts cannot read a source of user %u in '%s': %s",
		       src->user->uid, src->c->ch.name, strerror(-err));
		return err;
	}
	src->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (src->ring == MAP_FAILED) {
		src->ring = NULL;
		kd_user_uncharge(src->user, size);
		return -ENOMEM;
	}
	err = catch_up(src, from);
	if (err) {
		kd_copy_close(s);
		kd_source_fail(src, "its log says what cannot be");
		return err;
	}
	src->copied = true;
	err = kd_bells_update(src->c);
	if (err)
		kd_copy_close(s);
	else
		kd_copy_wanted(src);
	return err;
}

void kd_copy_close(struct ke_source *s)
{
	struct kd_source *src = s->member.owner;

	if (!src->ring)
		return;
	munmap(src->ring, src->log.size);
	kd_user_uncharge(src->user, src->log.size);
	src->ring = NULL;
	s->log.ring = NULL;
	s->log.hdr = src->state == KD_JOINED ? src->log.map : &src->copy_hdr;
	if (!src->copied)
		return;
	src->copied = false;
	WARN_ON_ONCE(kd_bells_update(src->c));
	kd_source_room(src);
}
