/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reading a log: one position in one log, for one sink or (without delivery) one
 * link. Nothing that is read is trusted: a log may be another process's.
 */
#ifndef KE_READER_H
#define KE_READER_H

#include "log.h"

enum ke_item_kind {
	KE_ITEM_EVENT,
	KE_ITEM_LOST,	/* events @seq to @last will not come */
};

struct ke_item {
	enum ke_item_kind kind;
	u8 type;
	bool judged;	/* the sink wants it; else that is for the sink to judge */
	u16 attrs_len;
	u32 len;
	u64 seq;
	u64 last;
	u64 time_ns;
	u64 deadline_ns;	/* by the clock that the log's header names; 0: none */
	const void *data;	/* in the log or in the reader's memory, until the next call */
	const void *attrs;
};

/* The source judges for the sink of this reader, from generation @from on. */
struct ke_reader_verdict {
	u64 end;		/* what it has judged lies before this; of the newest: not known */
	u32 from;
	u8 bit;			/* or KE_BIT_SELF, KE_BIT_ALL */
};

struct ke_reader {
	struct ke_view view;
	bool in_place;		/* a gate protects what is read; else it is copied and checked */
	u64 pos;		/* next record */
	u64 released;		/* the writer may have all before this */
	u64 until;		/* the owner's: what lies behind this is not read yet */
	u64 seq;		/* of the last event that was delivered or said to be lost */
	u64 lost;		/* events said to be lost, ever */
	u64 filtered;		/* events that the source has said not to be for us, ever */
	u64 expired;		/* events that were not sent, as they had expired, ever */
	u64 passed;		/* of these, in the row that was passed over and goes on, perhaps */
	u64 sink;		/* whose it is; 0: nobody's, who gets what is for some only, too */
	struct ke_reader_verdict verdict[KE_VERDICTS_MAX];	/* newest last */
	u32 nverdicts;
	u64 self, taken;	/* see ke_reader_gated(); self 0: nobody can take its gate */
	/* An event in pieces. @big is the owner's memory, see ke_reader_give(). */
	u8 *big;
	u32 big_size;
	u32 big_have, big_total;
	u64 big_seq;
	u64 skip_seq;		/* the event that there was no memory for */
	u64 big_time_ns, big_deadline_ns;
	u8 big_type;
	bool big_judged;
	u16 big_attrs_len;
	u8 big_attrs[KE_EVENT_ATTRS_MAX];
	/* A record's copy when it is not read in place; KE_RECORD_MAX bytes, the owner's. */
	u8 *copy;
};

/*
 * ke_reader_init - start at @pos, where the next event's number is @seq + 1.
 * @copy: KE_RECORD_MAX bytes aligned to 8, for a reader that is not @in_place.
 */
void ke_reader_init(struct ke_reader *r, struct ke_view view, bool in_place, u64 pos, u64 seq,
		    void *copy);

/* ke_reader_behind - it begins in a mirror, where ke_log_passed() is @expired. */
static inline void ke_reader_behind(struct ke_reader *r, u64 expired)
{
	r->passed = expired;
}

/* ke_reader_for - from here on what is for some sinks only is left out, unless @sink is one
 * of them. */
static inline void ke_reader_for(struct ke_reader *r, u64 sink)
{
	r->sink = sink;
}

/*
 * ke_reader_judged - the source judges by another version of the sink's filter from
 * generation @from on; what is known from before @since is void. What it has judged not to
 * be for the sink is left out from here on. Between calls, by who makes them.
 * ke_reader_crowded - what so many versions have judged is not read yet that another one would
 * soon displace the oldest: of its events nobody would know how they were judged.
 */
void ke_reader_judged(struct ke_reader *r, u8 bit, u32 from, u32 since);
bool ke_reader_crowded(const struct ke_reader *r);

/*
 * ke_reader_next - the next event or loss. 1: @item; 0: nothing there, or nothing to
 * tell in as many records as one call reads: then ke_reader_head() isn't r->pos, and
 * whoever wants to sleep looks at that first;
 * -ENOBUFS: an event of r->big_total bytes needs memory, see ke_reader_give();
 * -EPROTO: the log is damaged, there is no going on.
 */
int ke_reader_next(struct ke_reader *r, struct ke_item *item);

/*
 * ke_reader_plain - the next event, if it lies before @end, is in sequence, for us, and its
 * record is a header, a payload, perhaps how it was judged and a deadline. False: see what
 * ke_reader_next() says. For many events at once, whose bytes the writer keeps: r->released
 * stays.
 * ke_reader_plain_end - the @end for now; r->pos if the log isn't read in place.
 */
bool ke_reader_plain(struct ke_reader *r, u64 end, struct ke_item *item);
u64 ke_reader_plain_end(const struct ke_reader *r);

/* ke_reader_skim - go on over what is not for us, if that is next. Of a log that is read in place,
 * when nothing of it is held. */
void ke_reader_skim(struct ke_reader *r);

/* ke_reader_give - @buf of @size bytes for events in pieces; the old one is the
 * owner's again. NULL: there is none, count that event as lost. */
void ke_reader_give(struct ke_reader *r, void *buf, u32 size);

/*
 * ke_reader_gated - its gate may be taken away: the log's header then names @self, behind
 * the first @taken ones. Until ke_reader_kept() says no, all that was read before the
 * question lay in the log untouched; then nothing of it is to be believed.
 */
void ke_reader_gated(struct ke_reader *r, u64 self, u64 taken);
bool ke_reader_kept(const struct ke_reader *r);

/* ke_reader_finish - no more will come, and the source's last event was @last: is
 * there a loss to tell? 1: @item; 0. */
int ke_reader_finish(struct ke_reader *r, u64 last, struct ke_item *item);

/* ke_reader_head - the log's head, made sane: never before r->pos, never more than
 * a log ahead of the tail. -EPROTO as a value: KE_HEAD_BAD. */
#define KE_HEAD_BAD U64_MAX
u64 ke_reader_head(const struct ke_reader *r);

/* ke_view_resync - a record boundary about halfway between tail and head. */
u64 ke_view_resync(const struct ke_view *v, u64 head);

#endif
