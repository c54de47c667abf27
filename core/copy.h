/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The log of a source that another process writes, and our copy of it. What a process wrote
 * is never sent, nor read where it lies, by anybody but processes that have it mapped: a record
 * that lies, or is changed while it is read, would end a link that all share. So it is copied
 * like a `latest` sink reads, checked as what comes from another host is, and read from the
 * copy, which is the source's ke_log and has the same positions.
 *
 * While a gate of the source holds it up, the copy is held up: it grows to where the gate lets
 * it, and the house lets the process write to a log beyond the copy.
 */
#ifndef KE_COPY_H
#define KE_COPY_H

#include "source.h"

struct ke_copy {
	struct ke_source *s;	/* s->log is the copy, while there is one */
	struct ke_view from;	/* the log, whose writer may write anything */
	u64 head, seq;		/* as they were seen last; */
	bool over;		/* nothing is published any more: these are the last of it */
	u64 skip;		/* the copy goes on there, after a gap; 0: no */
	bool lapped;		/* it has had a gap since it began */
};

/*
 * ke_copy_head - the head of the log, made sane. -EPROTO: it cannot be.
 * ke_copy_now - the same, and the number of the last event before it. One that never stands
 * still gets the number that it said before: a loss may be told that was none.
 */
int ke_copy_head(struct ke_copy *c, u64 *head);
int ke_copy_now(struct ke_copy *c, u64 *head, u64 *seq);
/*
 * ke_copy_begin - in @hdr and @ring, with all that is there, as far as it is not overwritten
 * meanwhile.
 * ke_copy_piece - one more piece: how many bytes; 0: no further now, for there is nothing, or a
 * gate. Under the source's lock.
 * ke_copy_complete - is all in the copy that was seen of the log?
 * -EPROTO: the log makes no sense. -EAGAIN: a send reads right where it would go.
 */
int ke_copy_begin(struct ke_copy *c, struct kecho_log_header *hdr, void *ring);
s64 ke_copy_piece(struct ke_copy *c);
bool ke_copy_complete(const struct ke_copy *c);

#endif
