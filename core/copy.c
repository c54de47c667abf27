// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Copying what another process writes: see copy.h.
 */
#include "copy.h"

enum {
	TRIES = 16,	/* to begin where the log begins */
	GAP = 8,	/* bytes that a step over a gap counts as */
};

int ke_copy_head(struct ke_copy *c, u64 *head)
{
	const struct ke_view *v = &c->from;
	u64 h, tail;

	if (c->over) {
		*head = c->head;
		return 0;
	}
	h = le64_to_cpu(smp_load_acquire(&v->hdr->head));
	tail = min_t(u64, le64_to_cpu(READ_ONCE(v->hdr->tail)), h);
	if (h < c->head || h > KE_POSITION_MAX || h - tail > v->size ||
	    !IS_ALIGNED(h, KECHO_RECORD_ALIGN))
		return -EPROTO;
	*head = c->head = h;
	return 0;
}

int ke_copy_now(struct ke_copy *c, u64 *head, u64 *seq)
{
	u64 number, h;
	int err;

	if (c->over) {
		*head = c->head;
		*seq = c->seq;
		return 0;
	}
	number = le64_to_cpu(smp_load_acquire(&c->from.hdr->head_seq));
	err = ke_copy_head(c, head);
	if (!err && !ke_view_now(&c->from, &h, &number)) {
		if (h < *head || h > KE_POSITION_MAX)
			return -EPROTO;
		*head = c->head = h;
	}
	*seq = number;
	return err;
}

/* The tail passes a position that a gate holds by up to a part of the ring, and
 * overwrites nothing there. */
static bool passed(const struct ke_copy *c, u64 pos)
{
	u64 tail = le64_to_cpu(READ_ONCE(c->from.hdr->tail));

	return tail > pos && (list_empty(&c->s->gates) || tail - pos >= c->from.size);
}

static void copy_words(__le64 *to, const __le64 *from, u64 len)
{
	u64 i;

	for (i = 0; i < len / sizeof(*to); i++)
		to[i] = READ_ONCE(from[i]);
}

/*
 * On to c->skip. Pads stand for what is left out; behind a gate they go only as far as it
 * lets them, since what has yet to be read lies in their way. 0: no further now.
 */
static s64 skip_on(struct ke_copy *c)
{
	struct ke_log *copy = &c->s->log;
	u64 to = c->skip;
	int err;

	if (!list_empty(&c->s->gates))
		to = min3(to, ke_source_limit(c->s, to) & ~7ULL, copy->head + copy->size / 2);
	if (to <= copy->head)
		return 0;
	if (!ke_source_unpinned(c->s, to - copy->head))
		return -EAGAIN;
	err = ke_log_skip(copy, to);
	if (to == c->skip)
		c->skip = 0;
	return err ?: GAP;
}

/* What was there has been overwritten: on from about halfway. */
static s64 lapped(struct ke_copy *c, u64 head)
{
	u64 pos = ke_view_resync(&c->from, head);

	if (pos <= c->s->log.end || pos > KE_POSITION_MAX)
		return -EPROTO;
	c->skip = pos;
	c->lapped = true;
	return skip_on(c);
}

/* How much more there is now, in one piece; *@head is where it ends in all. */
static int next_piece(struct ke_copy *c, u64 *head, u64 *len)
{
	struct ke_log *copy = &c->s->log;
	struct ke_view v = ke_log_view(copy);
	int err = ke_copy_head(c, head);
	u64 limit;

	if (err)
		return err;
	limit = ke_source_limit(c->s, *head) & ~7ULL;
	*len = min3(*head, limit, copy->end + KE_PIECE_MAX);
	*len = *len > copy->end ? min(*len - copy->end, ke_view_piece(&v, copy->end)) : 0;
	return 0;
}

s64 ke_copy_piece(struct ke_copy *c)
{
	struct ke_log *copy = &c->s->log;
	u64 head, len, pos = copy->end;
	int err;
	void *to;

	if (c->skip)
		return skip_on(c);
	err = next_piece(c, &head, &len);
	if (err || !len)
		return err;
	if (passed(c, pos))
		return lapped(c, head);
	if (!ke_source_unpinned(c->s, len))
		return -EAGAIN;
	to = ke_log_window(copy, len);
	if (WARN_ON_ONCE(!to))
		return -EPROTO;
	copy_words(to, (const __le64 *)ke_view_at(&c->from, pos), len);
	smp_rmb();
	if (passed(c, pos))
		return lapped(c, head);
	return ke_log_accept(copy, len) ?: (s64)len;
}

bool ke_copy_complete(const struct ke_copy *c)
{
	return c->s->log.end == c->head;
}

/* All that is there from @pos on, as far as it has not been overwritten, or up to there. */
static int fill(struct ke_copy *c, struct kecho_log_header *hdr, void *ring, u64 pos, u64 seq,
		bool with_gaps)
{
	struct ke_log *copy = &c->s->log;
	u64 most = 2 * c->from.size;
	s64 n = 1;
	int err = ke_log_init(copy, hdr, ring, c->from.size, pos, 0);

	if (err)
		return err;
	c->skip = 0;
	c->lapped = false;
	while (n > 0 && most >= (u64)n && (with_gaps || !c->lapped)) {
		n = ke_copy_piece(c);
		most -= n > 0 ? n : 0;
	}
	if (n < 0)
		return n;
	/* No record told its number: there was none behind @pos. */
	if (!copy->seq) {
		copy->seq = seq;
		hdr->seq = hdr->head_seq = cpu_to_le64(seq);
	}
	return 0;
}

/*
 * All that is there must be in the copy first, for that is what a reader's start is chosen
 * from. The writer runs on meanwhile: if it passes where we began, that is no reason to leave
 * out what is still there.
 */
int ke_copy_begin(struct ke_copy *c, struct kecho_log_header *hdr, void *ring)
{
	u64 head, seq, pos;
	int i, err = 0;

	c->lapped = true;
	for (i = 1; i <= TRIES && c->lapped && !err; i++) {
		err = ke_copy_now(c, &head, &seq);
		if (err)
			return err;
		pos = ke_view_boundary(&c->from, 0, head);
		if (pos > head || head - pos > c->from.size)
			return -EPROTO;
		err = fill(c, hdr, ring, pos, seq, i == TRIES);
	}
	return err;
}
