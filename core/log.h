/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The log: the ring of one source, or a mirror of it. One writer, any number
 * of readers, which may be other processes that map it read-only.
 */
#ifndef KE_LOG_H
#define KE_LOG_H

#include "plat.h"
#include "uapi/kecho.h"
#include "bounds.h"

/* What a reader needs to know of a log. The size comes from the node, never from
 * the page. */
struct ke_view {
	const struct kecho_log_header *hdr;
	const u8 *ring;
	u64 size;
};

/* A word of a log, which its writer may be writing. */
static inline u64 ke_log_word(const void *p)
{
	return le64_to_cpu(READ_ONCE(*(const __le64 *)p));
}

static inline const u8 *ke_view_at(const struct ke_view *v, u64 pos)
{
	return v->ring + (pos & (v->size - 1));
}

/* Bytes from @pos to the ring's end: what lies there in one piece. */
static inline u64 ke_view_piece(const struct ke_view *v, u64 pos)
{
	return v->size - (pos & (v->size - 1));
}

enum ke_reservation_state { KE_RESERVED, KE_COMMITTED };

struct ke_reservation {
	u64 pos;
	u64 seq;
	u64 word;		/* the record's first word as it was reserved */
	u16 names;		/* ids that there is room for, or that are there */
	enum ke_reservation_state state;
};

/* The writer's side, private to it. Its calls are serialised by its owner. */
struct ke_log {
	struct kecho_log_header *hdr;
	u8 *ring;
	u64 size;
	u64 head;		/* published */
	u64 end;		/* written or reserved; a mirror: received, also part of a record */
	u64 tail;
	u64 seq;		/* the last that was given to an event */
	u64 mark[KECHO_LOG_MARKS];
	u64 bytes;		/* of payload, ever */
	/* A mirror: what was passed over last ends here, began behind this event, and so many
	 * of it had expired. */
	u64 pass_end, pass_before, pass_expired;
	u64 lives;		/* where the first record with a deadline is; KE_NO_LIMIT: none */
	u32 record_max;
	/* A ring of the oldest open reservation and all that came after it. */
	u32 first, next;
	struct ke_reservation reserved[KE_RESERVATIONS_MAX];
};

/* What an event's record says beside its payload. */
struct ke_event_info {
	u64 time_ns;
	u64 deadline_ns;	/* 0: none */
	u8 type;
	bool judged : 1;	/* by the sinks' filters: @bits of their set @generation */
	bool named : 1;		/* it is for the @nto sinks @to only, by their ids, ascending */
	u16 attrs_len;
	u16 nto;
	u32 generation;
	u64 bits;
	const __le64 *to;
	const void *attrs;	/* encoded; NULL: none */
	u32 frag_offset;
	u32 frag_total;		/* 0: the record is the whole event */
};

/* Instead of a bit: the sink judges by itself; or it has no filter and wants all. */
enum { KE_BIT_SELF = 64, KE_BIT_ALL = 65 };

#define KE_NO_LIMIT U64_MAX

/* A mirror that passes over more than a ring has a tail that is at least so much less than a
 * ring ahead of who was at its head. */
#define KE_JUMP_SLACK 64

static inline u64 ke_record_align(u64 len)
{
	return ALIGN(len, KECHO_RECORD_ALIGN);
}

/* Bytes that say which @n sinks it is for. */
static inline u64 ke_record_names_size(u32 n)
{
	return sizeof(struct kecho_record_to) + n * sizeof(__le64);
}

/* Bytes of a record around a payload of @len bytes. */
static inline u64 ke_record_size(const struct ke_event_info *info, u64 len)
{
	u64 size = sizeof(struct kecho_record) + len;

	if (unlikely(info->frag_total))
		size += sizeof(struct kecho_record_fragment);
	if (unlikely(info->attrs_len))
		size += ke_record_align(sizeof(struct kecho_record_attrs) + info->attrs_len);
	if (unlikely(info->judged | info->named)) {
		size += info->judged ? sizeof(struct kecho_record_match) : 0;
		size += info->named ? ke_record_names_size(info->nto) : 0;
	}
	if (unlikely(info->deadline_ns))
		size += sizeof(struct kecho_record_life);
	return size;
}

static inline bool ke_log_size_fits(u64 size)
{
	return is_power_of_2(size) && size >= KE_LOG_SIZE_MIN && size <= KE_LOG_SIZE_MAX;
}

static inline u32 ke_record_max(u64 log_size)
{
	return min_t(u64, KE_RECORD_MAX, log_size / KE_RECORDS_PER_LOG_MIN + KE_RECORD_EXTRA);
}

/* So many sinks can be named by a record of @record_max bytes; then there still is room for
 * all other sections and some payload. */
static inline u32 ke_names_max(u32 record_max)
{
	return (record_max - KE_RECORD_EXTRA) / sizeof(__le64);
}

/* Payload bytes of the largest record without sections in a log of @log_size. */
static inline u32 ke_payload_max(u64 log_size)
{
	return ke_record_max(log_size) - sizeof(struct kecho_record);
}

/*
 * ke_log_init - make a log in @hdr and @ring, of @size bytes, both zeroed. Its
 * first position is @pos (for a mirror: where its stream starts) and the next
 * sequence number @seq + 1. -EINVAL: a size that is no power of two or out of range,
 * or @pos unaligned or over KE_POSITION_MAX.
 */
int ke_log_init(struct ke_log *log, struct kecho_log_header *hdr, void *ring, u64 size, u64 pos,
		u64 seq);
/*
 * ke_log_adopt - go on with a log that another process wrote until it died, anywhere;
 * nobody else writes it now. What it had not published is as if it had never been.
 * -EINVAL: a bad size; -EPROTO: it is no log of this size, or cannot be.
 */
int ke_log_adopt(struct ke_log *log, struct kecho_log_header *hdr, void *ring, u64 size);
struct ke_view ke_log_view(const struct ke_log *log);

/*
 * ke_log_append - write an event, to be seen after ke_log_publish().
 * @limit is the position that the log may grow to (gates; KE_NO_LIMIT: none).
 * Every append of an event's later pieces passes @seq of the first; 0 gives the
 * event the next number. Returns that number in @seq.
 * -EAGAIN: @limit; -EMSGSIZE: over log->record_max; -ENOBUFS: too many
 * reservations are open, or this would overwrite the oldest; wait for its end.
 */
int ke_log_append(struct ke_log *log, const struct ke_event_info *info, const void *data, u32 len,
		  u64 limit, u64 *seq);

/* ke_log_room - would ke_log_append() of a record of @size bytes stay in @limit? */
bool ke_log_room(const struct ke_log *log, u64 size, u64 limit);

/* ke_log_make_room - move the tail for a record of @size bytes now; did it move? */
bool ke_log_make_room(struct ke_log *log, u64 size);
/* ke_log_make_room_to - the same for a log that ends at @end, no more than its size away. */
bool ke_log_make_room_to(struct ke_log *log, u64 end);

/* ke_log_pieces_end - where the log ends with all pieces of an event of @len bytes, of @piece
 * bytes each, and with what is left empty at the ring's end. */
u64 ke_log_pieces_end(const struct ke_log *log, const struct ke_event_info *info, size_t len,
		      u32 piece);

/*
 * ke_log_reserve - the same in two steps: the payload is written by the caller
 * between this and ke_log_commit() or ke_log_abort(), which publish. One that names sinks
 * has room for so many; who they are is said later.
 * ke_log_judged - one that was made so is judged, before its commit; without this it is not, and
 * says so. -EINVAL: it was not made so.
 * ke_log_expires - the same of one that was made with a deadline: it is another.
 * ke_log_names_room - for so many sinks there is room; -EINVAL: it names none.
 * ke_log_named - it is for those of @info, no more than there is room for; or for all, if that
 * names none. Before its commit, with the same @len: what was written to it moves.
 */
int ke_log_reserve(struct ke_log *log, const struct ke_event_info *info, u32 len, u64 limit,
		   void **data, u64 *cookie);
int ke_log_judged(struct ke_log *log, u64 cookie, u64 bits, u32 generation);
int ke_log_expires(struct ke_log *log, u64 cookie, u64 deadline_ns);
int ke_log_names_room(struct ke_log *log, u64 cookie);
void ke_log_named(struct ke_log *log, u64 cookie, const struct ke_event_info *info, u32 len);
int ke_log_commit(struct ke_log *log, u64 cookie, u32 len, u64 time_ns);
int ke_log_abort(struct ke_log *log, u64 cookie);
/* ke_log_abort_all - all that are open: nobody will commit them. */
void ke_log_abort_all(struct ke_log *log);

/* ke_log_publish - let readers see all up to the oldest open reservation. */
void ke_log_publish(struct ke_log *log);

/*
 * The mirror: bytes of records come in from a link, in any pieces.
 *
 * ke_log_window - where the next @len bytes at log->end go; makes room for them.
 * NULL: they would wrap around the ring's end.
 * ke_log_accept - @len bytes were put there; publishes the records that are whole
 * now. -EPROTO: they are no records, or their sequence goes back.
 * ke_log_skip - nothing comes from log->head to @pos, a record boundary.
 * ke_log_pass - the same, as nobody here wants it: the events behind @before, the last up to
 * @seq, of which @expired had expired. What is unread may be overwritten, by a ring or more.
 * -EPROTO: it is no such place, or these numbers go back, as ke_log_may_pass() says before.
 * ke_log_passed - a reader that begins at the head: how many of what was passed over in a row
 * right before it had expired.
 */
void *ke_log_window(struct ke_log *log, u32 len);
int ke_log_accept(struct ke_log *log, u32 len);
int ke_log_skip(struct ke_log *log, u64 pos);
bool ke_log_may_pass(const struct ke_log *log, u64 pos, u64 before, u64 seq, u64 expired);
int ke_log_pass(struct ke_log *log, u64 pos, u64 before, u64 seq, u64 expired);
u64 ke_log_passed(const struct ke_log *log);

/* ke_log_boundary - the first record boundary that is known at or after @pos, else
 * the end of the log. */
u64 ke_log_boundary(const struct ke_log *log, u64 pos);

/*
 * ke_log_retained - where a reader starts that wants the last @n events, at most
 * half the log of them; *@seq is the number of the last event before that.
 */
u64 ke_log_retained(const struct ke_log *log, u64 n, u64 *seq);

/*
 * Of a log that somebody else writes, and who may write anything:
 *
 * ke_view_now - the head, aligned, and the number of the last event before it.
 * -EAGAIN: its writer is too fast for us just now, or it lies.
 * ke_view_boundary - as ke_log_boundary(): the first that the log names from @pos on,
 * not behind @head.
 * ke_view_retained - as ke_log_retained(), of the records from @from, a boundary, to
 * @head, whose last event is @last; none if that is more than a log holds. All of it,
 * whatever is written there meanwhile.
 */
int ke_view_now(const struct ke_view *v, u64 *head, u64 *seq);
u64 ke_view_boundary(const struct ke_view *v, u64 pos, u64 head);
u64 ke_view_retained(const struct ke_view *v, u64 from, u64 head, u64 last, u64 n, u64 *seq);
/* ke_view_unread - the events up to @head, whose last is @last, behind @given, which who has read
 * up to @pos says that he was given; 0 if he has given the log up, or it has passed him. */
u64 ke_view_unread(const struct ke_view *v, u64 pos, u64 given, u64 head, u64 last);

/* ke_record_check - is this a record that fits in @room bytes? @word is its first 8
 * bytes, loaded once. */
bool ke_record_check(u64 word, u64 room, u32 record_max);

/* ke_view_record - is what lies at @pos one, before @head? @word: its first 8 bytes. */
bool ke_view_record(const struct ke_view *v, u64 pos, u64 head, u64 *word);

/* Ids of sinks, ascending, as records name them. */
struct ke_names {
	u32 n;
	__le64 id[];
};

/* ke_names_have - is @id among @n ids, if they ascend? Anything may lie there. */
bool ke_names_have(const __le64 *names, u32 n, u64 id);
/* ke_names_meet - is one of these @n ids among them? */
bool ke_names_meet(const struct ke_names *there, const __le64 *names, u32 n);

static inline u32 ke_record_word_len(u64 word)
{
	return (u32)word;
}

static inline u8 ke_record_word_kind(u64 word)
{
	return word >> 32;
}

static inline u8 ke_record_word_flags(u64 word)
{
	return word >> 40;
}

static inline u32 ke_record_word_data(u64 word)
{
	return ((word >> 48) & 0xff) * 8;
}

static inline u8 ke_record_word_type(u64 word)
{
	return word >> 56;
}

/* Does it say for which sinks it is? */
static inline bool ke_record_word_names(u64 word)
{
	return ke_record_word_flags(word) & KECHO_RECORD_F_TO;
}

/* Does it have a deadline? */
static inline bool ke_record_word_lives(u64 word)
{
	return ke_record_word_flags(word) & KECHO_RECORD_F_LIFE;
}

/* Where the last sections are, if they are there: its deadline, */
static inline u32 ke_record_word_life(u64 word)
{
	return ke_record_word_data(word) -
	       (ke_record_word_lives(word) ? sizeof(struct kecho_record_life) : 0);
}

/* before that how many sinks it is for, */
static inline u32 ke_record_word_to(u64 word)
{
	return ke_record_word_life(word) -
	       (ke_record_word_names(word) ? sizeof(struct kecho_record_to) : 0);
}

/* and before that how it was judged. */
static inline u32 ke_record_word_match(u64 word)
{
	return ke_record_word_to(word) - sizeof(struct kecho_record_match);
}

/* The deadline of the record @rec, which is good as one; 0: none. */
static inline u64 ke_record_deadline(const u8 *rec, u64 word)
{
	const u8 *life = rec + ke_record_word_life(word);

	return ke_record_word_lives(word) ? ke_log_word(life) : 0;
}

/* How many sinks the record @rec, which is good as one, names. */
static inline u32 ke_record_nto(const u8 *rec, u64 word)
{
	const u8 *to = rec + ke_record_word_to(word);

	return ke_record_word_names(word) ? (u16)ke_log_word(to) : 0;
}

#endif
