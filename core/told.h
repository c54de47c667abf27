/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Filters at a node whose processes write and read logs themselves: what the process of a source
 * is told to judge by, whom it need not wake, and what that of a sink is told of the logs that it
 * reads. All are notes and pages of uapi/kecho_node.h; the house sends them.
 */
#ifndef KE_TOLD_H
#define KE_TOLD_H

#include "source.h"
#include "uapi/kecho_node.h"

/* Sources of processes of which something is due. */
struct ke_tells {
	struct list_head due;	/* they are to be told */
	struct list_head open;	/* they have yet to judge by what they were; by late_ms */
};

/* What the process of a source was told to judge by. */
struct ke_told {
	struct list_head list;		/* of the @tells */
	struct ke_tells *tells;
	struct ke_source *s;
	u32 handle;			/* as its process knows it */
	/* A note, and what follows it. */
	void (*send)(struct ke_told *t, u32 cmd, const void *body, u32 len, const void *tail,
		     u32 tail_len);
	u32 number, generation;		/* of the last note JUDGE; 0: none */
	bool open, late, stale;		/* the process has yet to go by it; something is new */
	u64 late_ms;			/* nobody waits for that after this */
	/* By bit: of the filter that it has; of what that was told to find. */
	u32 from[KE_JUDGE_FILTERS_MAX], stamp[KE_JUDGE_FILTERS_MAX];
};

/*
 * ke_told_changed - something is new. True: ke_tells_run() is due, but not from here.
 * ke_told_took - what `judged` of the source's slot says. True, as before.
 * ke_told_end - it judges nothing more, or there is nobody to tell.
 * ke_tells_run - tell those that are due, and wait no more for those that have had their time.
 * Gives when the next will have; 0: there is none.
 */
bool ke_told_changed(struct ke_told *t);
bool ke_told_took(struct ke_told *t, __le64 judged);
void ke_told_end(struct ke_told *t);
u64 ke_tells_run(struct ke_tells *all, u64 now_ms);

/* ke_told_filter - what the process of a sink asks for; all that follows @in is there. As
 * ke_member_filter(). */
int ke_told_filter(struct ke_member *sink, const struct kecho_ctl_sink_filter *in, char *why);

/* ke_show_wants - in a slot of the limits. While it changes it says that all are wanted.
 * ke_wants_there - what is wanted of a source by all other nodes. */
void ke_show_wants(struct kecho_slot_wants *to, const struct ke_wants *w);
struct ke_wants ke_wants_there(const struct ke_source *s);

/* A note JUDGED: the @number-th of this feed. */
static inline struct kecho_note_judged ke_judged_note(u32 sink, u32 feed, u32 number,
						      const struct ke_verdict *v)
{
	return (struct kecho_note_judged){
		.sink = cpu_to_le32(sink), .feed = cpu_to_le32(feed),
		.version = cpu_to_le32(v->version), .number = cpu_to_le32(number),
		.from = cpu_to_le32(v->from), .since = cpu_to_le32(v->since), .bit = v->bit,
	};
}

#endif
