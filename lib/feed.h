/* SPDX-License-Identifier: MIT */
/* The feeds of a sink: each reads the log of one source. */
#ifndef KECHO_FEED_H
#define KECHO_FEED_H

#include "internal.h"

struct feed {
	struct list_head list;		/* of the sink */
	struct ke_reader reader;
	struct kecho_sink *sink;
	struct ke_rstream *rs;		/* NULL: our own source's log, or it is gone */
	struct kecho_source *source;
	struct shared_log *log;		/* what keeps the memory */
	uint64_t member;
	struct ke_gate gate;
	u32 id;				/* the node's number of it */
	bool mine;			/* the source is of this host */
	bool bounded;			/* nothing behind last_seq counts */
	bool may_go;			/* it may lose its gate while it reads in place */
	bool orphan;			/* its node is gone, its source perhaps not */
	struct kecho_gate_slot *slot;	/* where a node looks; NULL: not attached to one */
	u64 rung;			/* released, when the node was rung for it */
	u64 released;			/* atomic: what the gate says */
	u64 said;			/* released, as the source was told last */
	bool gone;			/* drain it, then tell the end and drop it */
	bool ended;			/* nothing comes for now */
	bool told;
	bool failed;
	bool cut;			/* its sink has stalled: what it lacks is lost */
	u64 last_seq;
	struct ke_promise promise;	/* of its source, to give signs of life */
	struct list_head promised;	/* if it has: of the kecho */
	struct feed_types *types;	/* of its source, as they were asked for; NULL: none */
	/* Of a member that has gone, for as long as its events come. */
	struct ke_attrs attrs, node_attrs;
};

/* seat.c */
void seat_take(struct feed *f);
void seat_go_by(struct feed *f, const struct ke_verdict *v);

/* feed_type.c */
int feed_type_load(struct kecho_channel *ch, uint64_t member, unsigned int number,
		   struct kecho_type **out);
void feed_types_keep(struct feed *f, const struct ke_types *types);
void feed_type_keep(struct feed *f, unsigned int number, const void *wire, size_t len);
void feed_types_free(struct feed *f);

/* stall.c */
void stall_cut(struct kecho_sink *s);
void stall_end(struct kecho_sink *s);
bool stall_taken(struct kecho_sink *s);
void stall_own(struct ke_source *s, struct ke_gate *gate);
void stall_in(struct ke_rstream *rs, u64 pos, bool end);

/* feed.c */
int feed_stream(struct kecho_sink *s, struct ke_rstream *rs, u64 pos, u64 seq);
int feed_source(struct kecho_sink *s, struct kecho_source *src, bool retained);
int feed_node(struct kecho_sink *s, struct shared_log *log, const struct kecho_note_feed *n,
	      struct kecho_gate_slot *slot);
void feed_again(struct feed *f, const struct kecho_note_feed *n, struct kecho_gate_slot *slot);
void feeds_of(struct ke_rstream *rs, void (*fn)(struct feed *f, void *arg), void *arg);
void feed_free(struct feed *f);
void feed_leave_slot(struct feed *f);
void feeds_end(struct kecho_sink *s);
void feeds_released(struct kecho *k, struct ke_rstream *rs);
void feeds_drop_told(struct kecho_sink *s);
void feeds_release(struct kecho_sink *s);
void feed_store_released(struct kecho_sink *s, struct feed *f);
/* Much was read, or (@all) something, since its source was told. */
static inline bool feed_must_say(const struct feed *f, bool all)
{
	return f->released - f->said >= (all ? 1 : f->reader.view.size / 8);
}

/* take.c */
bool feeds_ready(void *sink);
bool feeds_shut(struct kecho_sink *s);
bool feed_is_kept(const struct kecho_sink *s, const struct feed *f);
unsigned int feeds_next(struct kecho_sink *s, struct kecho_event *ev, unsigned int max, bool *due);

/* move_on.c */
void feeds_move_on(struct kecho_channel *ch, struct kecho_source *src, struct ke_rstream *rs);
void feed_move_on(struct kecho_sink *s, struct feed *f);

#endif
