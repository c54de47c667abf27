// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The log's writing side.
 *
 * Positions are bytes since the log was made and only grow. What lies where:
 *
 *	tail ........... head ........... end ........... tail + size
 *	 readable         written, not     free
 *	                  yet published
 *
 * Rules that this file keeps:
 *  - A reader that sees a head sees whole records up to it: the head is stored,
 *    with release, after all that lies before it. A writer that dies anywhere
 *    leaves nothing half-visible.
 *  - Before bytes are overwritten the tail is stored past them, then a write
 *    barrier: a reader that copied bytes and still finds the tail before them
 *    has copied what was meant.
 *  - A record never wraps: what is left at the ring's end becomes a pad.
 *  - The tail moves from mark to mark, not from record to record. A mark is the
 *    first record boundary in each sixteenth of the ring; it costs a lapped
 *    reader some of the oldest records, and spares the writer reading back what
 *    it wrote a lap ago.
 */
#include "log_impl.h"

int ke_log_init(struct ke_log *log, struct kecho_log_header *hdr, void *ring, u64 size, u64 pos,
		u64 seq)
{
	u32 i;

	BUILD_BUG_ON(sizeof(struct kecho_record) != 24);
	BUILD_BUG_ON(sizeof(struct kecho_record_match) != 16);
	BUILD_BUG_ON(sizeof(struct kecho_record_to) != 8);
	BUILD_BUG_ON(sizeof(struct kecho_record_life) != 8);
	BUILD_BUG_ON(sizeof(struct kecho_record_filtered) != 8);
	BUILD_BUG_ON(sizeof(struct kecho_log_header) > KECHO_LOG_HEADER_SIZE);
	BUILD_BUG_ON(sizeof(struct kecho_frame) != KECHO_FRAME_HEADER_SIZE);
	BUILD_BUG_ON(sizeof(struct kecho_doorbell) != 64);

	if (!ke_log_size_fits(size))
		return -EINVAL;
	if (!IS_ALIGNED(pos, KECHO_RECORD_ALIGN) || pos > KE_POSITION_MAX)
		return -EINVAL;

	memset(log, 0, sizeof(*log));
	log->hdr = hdr;
	log->ring = ring;
	log->size = size;
	log->head = log->end = log->tail = pos;
	log->lives = KE_NO_LIMIT;
	log->seq = seq;
	log->record_max = ke_record_max(size);
	for (i = 0; i < KECHO_LOG_MARKS; i++)
		log->mark[i] = pos;

	hdr->magic = cpu_to_le64(KECHO_LOG_MAGIC);
	hdr->size = cpu_to_le64(size);
	hdr->clock_ns = 0;
	hdr->want = 0;
	for (i = 0; i < KECHO_LOG_MARKS; i++)
		WRITE_ONCE(hdr->mark[i], cpu_to_le64(pos));
	WRITE_ONCE(hdr->tail, cpu_to_le64(pos));
	ke_log_show_head(hdr, pos, seq);
	return 0;
}

/* A mark that the other had not published, or that is of no use, stands at the tail. */
static void adopt_marks(struct ke_log *log)
{
	u64 mark;
	u32 i;

	for (i = 0; i < KECHO_LOG_MARKS; i++) {
		mark = le64_to_cpu(log->hdr->mark[i]);
		if (mark < log->tail || mark > log->head || !IS_ALIGNED(mark, KECHO_RECORD_ALIGN))
			mark = log->tail;
		log->mark[i] = mark;
		WRITE_ONCE(log->hdr->mark[i], cpu_to_le64(mark));
	}
}

int ke_log_adopt(struct ke_log *log, struct kecho_log_header *hdr, void *ring, u64 size)
{
	struct ke_view v = { .hdr = hdr, .ring = ring, .size = size };
	u64 head, seq, tail;

	if (!ke_log_size_fits(size))
		return -EINVAL;
	if (hdr->magic != cpu_to_le64(KECHO_LOG_MAGIC) || hdr->size != cpu_to_le64(size) ||
	    ke_view_now(&v, &head, &seq))
		return -EPROTO;
	tail = le64_to_cpu(hdr->tail);
	if (tail > head || head - tail > size || head > KE_POSITION_MAX ||
	    !IS_ALIGNED(tail | head, KECHO_RECORD_ALIGN))
		return -EPROTO;
	memset(log, 0, sizeof(*log));
	log->hdr = hdr;
	log->ring = ring;
	log->size = size;
	log->tail = tail;
	log->head = log->end = head;
	log->lives = tail;	/* nobody knows */
	log->seq = seq;
	log->record_max = ke_record_max(size);
	adopt_marks(log);
	ke_log_show_head(hdr, head, seq);
	return 0;
}

struct ke_view ke_log_view(const struct ke_log *log)
{
	return (struct ke_view){ .hdr = log->hdr, .ring = log->ring, .size = log->size };
}

/* ------------------------------------------------------------ marks and tail */

u64 ke_log_boundary(const struct ke_log *log, u64 pos)
{
	u64 part, last = ke_log_part(log, log->end);

	if (pos <= log->tail)
		return log->tail;
	for (part = ke_log_part(log, pos); part <= last; part++) {
		u64 mark = log->mark[part % KECHO_LOG_MARKS];

		if (ke_log_part(log, mark) == part && mark >= pos)
			return mark;
	}
	/* The end of a mirror may lie in a record; its head doesn't. */
	return pos <= log->head ? log->head : log->end;
}

/* ----------------------------------------------------------- writing records */

/* Where a record of @size bytes starts: here, or after a pad at the ring's start. */
static u64 place(const struct ke_log *log, u64 size)
{
	u64 left = ke_log_to_ring_end(log, log->end);

	return size <= left ? log->end : log->end + left;
}

bool ke_log_room(const struct ke_log *log, u64 size, u64 limit)
{
	size = ke_record_align(size);
	return place(log, size) + size <= limit;
}

static bool has_reservations(const struct ke_log *log)
{
	return log->first != log->next;
}

static bool reservations_full(const struct ke_log *log)
{
	return log->next - log->first == KE_RESERVATIONS_MAX;
}

static struct ke_reservation *reservation(struct ke_log *log, u32 i)
{
	return &log->reserved[i % KE_RESERVATIONS_MAX];
}

/* Would a log that ends at @end overwrite what somebody writes to? The oldest
 * reservation in the ring is open: publishing drops all before it. */
static bool laps_reservation(struct ke_log *log, u64 end)
{
	return unlikely(has_reservations(log)) &&
	       end > reservation(log, log->first)->pos + log->size;
}

bool ke_log_make_room_to(struct ke_log *log, u64 end)
{
	u64 tail = log->tail;

	if (laps_reservation(log, end))
		return false;
	ke_log_free_to(log, end);
	return log->tail != tail;
}

bool ke_log_make_room(struct ke_log *log, u64 size)
{
	size = ke_record_align(size);
	return ke_log_make_room_to(log, place(log, size) + size);
}

u64 ke_log_pieces_end(const struct ke_log *log, const struct ke_event_info *info, size_t len,
		      u32 piece)
{
	struct ke_event_info one = *info;
	u64 end = log->end, size, left;
	size_t at, n;

	one.frag_total = len;
	for (at = 0; at < len; at += n) {
		n = min_t(size_t, piece, len - at);
		size = ke_record_align(ke_record_size(&one, n));
		left = ke_log_to_ring_end(log, end);
		end += size > left ? left + size : size;
		one.attrs_len = 0;
	}
	return end;
}

/* Take room for a record of @size bytes (aligned); its position in @pos. A call would cost a
 * submission a tenth. */
static __always_inline int take(struct ke_log *log, u64 size, u64 limit, u64 *pos)
{
	u64 start;

	if (size > log->record_max)
		return -EMSGSIZE;
	start = place(log, size);
	if (start + size > limit)
		return -EAGAIN;
	if (laps_reservation(log, start + size))
		return -ENOBUFS;
	ke_log_free_to(log, start + size);
	if (start != log->end) {
		ke_log_set_mark(log, log->end);
		ke_log_put_pad(log, log->end, start - log->end);
	}
	ke_log_set_mark(log, start);
	log->end = start + size;
	*pos = start;
	return 0;
}

static void put_match(u8 *p, u64 bits, u32 generation)
{
	ke_log_put_word(p, bits);
	ke_log_put_word(p + offsetof(struct kecho_record_match, generation), generation);
}

static u8 section_flags(const struct ke_event_info *info)
{
	return (info->frag_total ? KECHO_RECORD_F_FRAGMENT : 0) |
	       (info->attrs_len ? KECHO_RECORD_F_ATTRS : 0) |
	       (info->judged ? KECHO_RECORD_F_MATCH : 0) |
	       (info->named ? KECHO_RECORD_F_TO : 0) |
	       (info->deadline_ns ? KECHO_RECORD_F_LIFE : 0);
}

/* What is reserved has none yet. */
static void put_names(u8 *p, const struct ke_event_info *info)
{
	if (info->to)
		memcpy(p, info->to, info->nto * sizeof(*info->to));
}

/* Writes the sections of a record at @p; returns their end, where the ids start. */
static u8 *put_sections(u8 *p, const struct ke_event_info *info)
{
	if (info->frag_total) {
		ke_log_put_word(p, info->frag_offset | (u64)info->frag_total << 32);
		p += sizeof(struct kecho_record_fragment);
	}
	if (info->attrs_len) {
		ke_log_put_word(p, info->attrs_len);
		memcpy(p + sizeof(struct kecho_record_attrs), info->attrs, info->attrs_len);
		p += ke_record_align(sizeof(struct kecho_record_attrs) + info->attrs_len);
	}
	if (info->judged) {
		put_match(p, info->bits, info->generation);
		p += sizeof(struct kecho_record_match);
	}
	if (info->named) {
		ke_log_put_word(p, info->nto);
		p += sizeof(struct kecho_record_to);
	}
	if (info->deadline_ns) {
		ke_log_put_word(p, info->deadline_ns);
		p += sizeof(struct kecho_record_life);
	}
	if (info->named)
		put_names(p, info);
	return p;
}

/* Who sends the log looks at deadlines from the first one on. */
static void note_life(struct ke_log *log, u64 pos)
{
	if (log->lives == KE_NO_LIMIT)
		WRITE_ONCE(log->lives, pos);
}

/* Writes all of a record of @size bytes but its payload; returns where that goes. */
static inline u8 *put_header(struct ke_log *log, u64 pos, const struct ke_event_info *info,
			     u64 size, u32 len, u64 seq)
{
	u8 *rec = ke_log_at(log, pos), *p = rec + sizeof(struct kecho_record);
	u64 what = ke_record_word(0, KECHO_RECORD_EVENT, 0, sizeof(struct kecho_record), 0);

	if (unlikely(size != sizeof(struct kecho_record) + len)) {
		what = ke_record_word(0, KECHO_RECORD_EVENT, section_flags(info),
				      put_sections(p, info) - rec, 0);
		p = rec + size - len;
		if (info->deadline_ns)
			note_life(log, pos);
	}
	ke_log_put_word(rec, what | ke_record_word(size, 0, 0, 0, info->type));
	ke_log_put_word(rec + 8, seq);
	ke_log_put_word(rec + 16, info->time_ns);
	return p;
}

int ke_log_append(struct ke_log *log, const struct ke_event_info *info, const void *data, u32 len,
		  u64 limit, u64 *seq)
{
	u64 size = ke_record_size(info, len), pos, n;
	int err;

	if (unlikely(info->attrs_len > KE_EVENT_ATTRS_MAX))
		return -EMSGSIZE;
	if (unlikely(has_reservations(log) && reservations_full(log)))
		return -ENOBUFS;
	err = take(log, ke_record_align(size), limit, &pos);
	if (err)
		return err;

	n = *seq ? *seq : ++log->seq;
	memcpy(put_header(log, pos, info, size, len, n), data, len);
	log->bytes += len;
	if (unlikely(has_reservations(log)))
		*reservation(log, log->next++) = (struct ke_reservation){
			.pos = pos, .seq = n, .state = KE_COMMITTED,
		};
	*seq = n;
	return 0;
}

int ke_log_reserve(struct ke_log *log, const struct ke_event_info *info, u32 len, u64 limit,
		   void **data, u64 *cookie)
{
	u64 size = ke_record_size(info, len), pos;
	int err;

	WARN_ON_ONCE(info->to);
	if (info->attrs_len > KE_EVENT_ATTRS_MAX)
		return -EMSGSIZE;
	if (reservations_full(log))
		return -ENOBUFS;
	err = take(log, ke_record_align(size), limit, &pos);
	if (err)
		return err;

	*data = put_header(log, pos, info, size, len, ++log->seq);
	*cookie = log->next;
	*reservation(log, log->next++) = (struct ke_reservation){
		.pos = pos,
		.seq = log->seq,
		.word = le64_to_cpu(*(__le64 *)ke_log_at(log, pos)),
		.names = info->named ? info->nto : 0,
		.state = KE_RESERVED,
	};
	return 0;
}

/* The open reservation that @cookie names, or NULL. */
static struct ke_reservation *find_reservation(struct ke_log *log, u64 cookie)
{
	struct ke_reservation *r;

	if (cookie > U32_MAX || (u32)cookie - log->first >= log->next - log->first)
		return NULL;
	r = reservation(log, cookie);
	return r->state == KE_RESERVED ? r : NULL;
}

int ke_log_judged(struct ke_log *log, u64 cookie, u64 bits, u32 generation)
{
	struct ke_reservation *r = find_reservation(log, cookie);

	if (!r || !(ke_record_word_flags(r->word) & KECHO_RECORD_F_MATCH))
		return -EINVAL;
	put_match(ke_log_at(log, r->pos) + ke_record_word_match(r->word), bits, generation);
	return 0;
}

int ke_log_expires(struct ke_log *log, u64 cookie, u64 deadline_ns)
{
	struct ke_reservation *r = find_reservation(log, cookie);

	if (!r || !ke_record_word_lives(r->word))
		return -EINVAL;
	ke_log_put_word(ke_log_at(log, r->pos) + ke_record_word_life(r->word), deadline_ns);
	return 0;
}

int ke_log_names_room(struct ke_log *log, u64 cookie)
{
	const struct ke_reservation *r = find_reservation(log, cookie);

	return r && ke_record_word_names(r->word) ? r->names : -EINVAL;
}

/* Where its payload begins, in its record. */
static u64 payload_at(const struct ke_reservation *r)
{
	return ke_record_word_data(r->word) + r->names * sizeof(__le64);
}

/* The record @rec has no struct kecho_record_to any more; what is behind it moves. */
static void forget_names(struct ke_reservation *r, u8 *rec)
{
	u32 len = sizeof(struct kecho_record_to), to = ke_record_word_to(r->word);

	memmove(rec + to, rec + to + len, ke_record_word_data(r->word) - to - len);
	r->word &= ~((u64)KECHO_RECORD_F_TO << 40);
	r->word -= (u64)len / 8 << 48;
	r->names = 0;
}

void ke_log_named(struct ke_log *log, u64 cookie, const struct ke_event_info *info, u32 len)
{
	struct ke_reservation *r = find_reservation(log, cookie);
	u8 *rec, *from;

	if (WARN_ON_ONCE(ke_log_names_room(log, cookie) < info->nto ||
			 payload_at(r) + len > ke_record_word_len(r->word)))
		return;
	rec = ke_log_at(log, r->pos);
	from = rec + payload_at(r);
	if (info->named) {
		ke_log_put_word(rec + ke_record_word_to(r->word), info->nto);
		put_names(rec + ke_record_word_data(r->word), info);
		r->names = info->nto;
	} else {
		forget_names(r, rec);
	}
	memmove(rec + payload_at(r), from, len);
}

int ke_log_commit(struct ke_log *log, u64 cookie, u32 len, u64 time_ns)
{
	struct ke_reservation *r = find_reservation(log, cookie);
	u64 data, was, is;

	if (!r)
		return -EINVAL;
	data = payload_at(r);
	if (data + len > ke_record_word_len(r->word))
		return -EMSGSIZE;

	was = ke_record_align(ke_record_word_len(r->word));
	is = ke_record_align(data + len);
	if (is < was)
		ke_log_put_pad(log, r->pos + is, was - is);
	ke_log_put_word(ke_log_at(log, r->pos), (r->word & ~(u64)U32_MAX) | (data + len));
	ke_log_put_word(ke_log_at(log, r->pos) + 16, time_ns);
	log->bytes += len;
	r->state = KE_COMMITTED;
	ke_log_publish(log);
	return 0;
}

/* It keeps its number: a gap in the sequence would read as a loss. */
static void void_reservation(struct ke_log *log, struct ke_reservation *r)
{
	ke_log_put_word(ke_log_at(log, r->pos),
			ke_record_word(ke_record_word_len(r->word), KECHO_RECORD_VOID, 0,
				       sizeof(struct kecho_record), 0));
	r->state = KE_COMMITTED;
}

int ke_log_abort(struct ke_log *log, u64 cookie)
{
	struct ke_reservation *r = find_reservation(log, cookie);

	if (!r)
		return -EINVAL;
	void_reservation(log, r);
	ke_log_publish(log);
	return 0;
}

void ke_log_abort_all(struct ke_log *log)
{
	u32 i;

	for (i = log->first; i != log->next; i++)
		if (reservation(log, i)->state == KE_RESERVED)
			void_reservation(log, reservation(log, i));
	ke_log_publish(log);
}

void ke_log_publish(struct ke_log *log)
{
	u64 head = log->end, seq = log->seq;

	while (has_reservations(log)) {
		struct ke_reservation *r = reservation(log, log->first);

		if (r->state == KE_RESERVED) {
			head = r->pos;
			seq = r->seq - 1;
			break;
		}
		log->first++;
	}
	if (head == log->head)
		return;
	log->head = head;
	ke_log_show_head(log->hdr, head, seq);
}
