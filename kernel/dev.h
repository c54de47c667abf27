/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * /dev/kecho: the processes of a namespace, at the kernel's node.
 *
 *	kn_session ── kn_opening ──┬─ kn_psource		what it writes
 *	 a process     its part    └─ kn_psink ── kn_pfeed	what it reads: a source's log,
 *		       in a channel				a process's or not, or a mirror
 *
 * All of it is under kn.lock, but for the messages that a process has yet to read. What a process
 * wrote is believed nowhere: positions are bounded by what was published and never go back, and a
 * log that makes no sense ends its source and nothing else. Processes read each other's logs
 * where they lie. Everybody else reads a process's log from a copy (core/copy.h), which is
 * made while somebody does and has the work of its source behind it.
 */
#ifndef KECHO_DEV_H
#define KECHO_DEV_H

#include "copy.h"
#include "kn.h"
#include "told.h"
#include "uapi/kecho_node.h"
#include "user.h"

enum kn_dev_limits {
	KN_SLOTS = 4096,		/* of a process's gates, and of its limits; */
	KN_SLOTS_PART = 256,		/* so many come at a time */
	KN_FROM_TRIES_MAX = 4,		/* to begin where a log is not overwritten yet */
	KN_TURN_BYTES = 256 << 10,	/* copied of one log, before others have a turn */
	KN_ANSWER_MAX = 56 << 10,	/* bytes of a list in one answer */
	KN_WHY_MAX = 160,		/* bytes of a sentence */
	KN_SESSION_BYTES = 4 << 10,	/* beside its slots */
	KN_OPEN_MAX_MS = 30000,		/* that it may keep others from opening a channel */
	KN_END_MS = 2000,		/* to finish what was begun in a channel that has ended */
	KN_FILTER_BYTES = 32 << 10,	/* what a sink's filter costs beside itself, about */
	KN_STALL_MIN_MS = 100,		/* that a source must leave others to read on */
};

struct kn_slots {
	struct kn_session *session;
	struct kn_pages part[KN_SLOTS / KN_SLOTS_PART];	/* of one file */
	unsigned int nparts;	/* that are there */
	u32 size;		/* of a slot */
	DECLARE_BITMAP(taken, KN_SLOTS);
	DECLARE_BITMAP(lent, KN_SLOTS);	/* until their process says in them that it is through */
};

struct message;

/* Of one who takes his answer himself. */
struct kn_call {
	struct list_head list;
	u32 serial, size;
	struct message *answer;		/* NULL: it is not there, or with the others */
};

struct kn_session {
	struct kref refs;
	struct kecho *k;
	struct kn *kn;
	const struct cred *cred;
	struct kn_user *user;
	struct mem_cgroup *memcg;	/* what is made for it by others is charged there */
	fl_owner_t owner;	/* the descriptors of who has opened it */
	bool root;		/* as far as this node goes */
	u64 whose;		/* as ke_member.whose: its filters are */
	bool over;
	unsigned long ending;	/* bit 0: it is queued */
	struct mutex opening;	/* before @closing: the registry is asked, and @k there meanwhile */
	struct mutex closing;	/* before kn.lock: no channel of it is closed meanwhile */
	struct kn_slots gates, limits;
	struct list_head openings;
	struct list_head dead;	/* sources, to be freed without the lock */
	u32 last_handle;
	spinlock_t out_lock;
	struct list_head out;	/* messages; under @out_lock, as the next two */
	unsigned int nout;
	struct list_head calls;	/* the same */
	bool cut;
	wait_queue_head_t readable, room;
	struct work_struct end;
	struct delayed_work late;	/* sources that are to stand still have had their time */
	struct ke_tells judges;
	struct delayed_work judging;	/* sources are to be told by what */
	struct work_struct chores;	/* what has failed is over when nobody looks at it */
};

/* A process's part in a channel. */
struct kn_opening {
	struct list_head list;
	struct kn_session *s;
	struct kecho_channel *ch;
	u32 handle;
	bool belled;		/* it has the channel's doorbell */
	bool freezes, drains;	/* it holds the channel; waits until it is drained */
	bool frozen;		/* it was told so */
	bool still_due;		/* what was begun may be under way until it says STILL, */
	u32 told;		/* with the number that it was told last */
	bool ending;		/* destroyed, and its sources have yet to stand still */
	struct list_head sources, sinks;
};

enum kn_psource_state { KN_MADE, KN_JOINED, KN_CLOSING, KN_OVER };

struct kn_psource {
	struct kecho_source src;	/* its log is that of the copy, while there is one */
	struct list_head list;
	struct kn_opening *o;
	struct kn *kn;
	enum kn_psource_state state;
	u32 handle, slot, gate;
	struct kn_log *shared;		/* what its process writes */
	struct ke_copy copy;
	struct kecho_log_header nothing;	/* what is said of it without a copy, at its end */
	unsigned int readers;		/* of the copy */
	bool held;			/* it is, by a gate */
	struct work_struct work;
	struct kn_waiter waiter;
	u64 limit;
	u64 stall_since_ms, stall_at;	/* so long it waits, for this limit; 0: it does not */
	bool said_end;
	u32 types_bytes;
	struct ke_told judge;
	const char *why;		/* nothing more is read there, for its log makes no sense */
	int err;			/* or there is no place for a copy */
};

struct kn_psink {
	struct list_head list;		/* of the opening */
	struct list_head channel_list;
	struct kn_opening *o;
	struct ke_member m;
	u32 handle, gate, slot, last_feed;
	bool retained;
	bool filtering;			/* who has set its filter waits */
	unsigned long filter_bytes;	/* that this costs */
	bool opens;			/* its process waits for it: who does ends it, too */
	int err;			/* it is to end with this */
	struct list_head feeds;
};

struct kn_pfeed {
	struct list_head sink_list, source_list;
	struct kn_psink *sink;
	struct kecho_source *source;	/* or */
	struct ke_rstream *rs;
	struct kn_log *log;
	u64 member;
	u32 id, slot;
	bool ended;
	bool charged;			/* its user is, for the mirror */
	bool gated;			/* @gate is the source's; else of its limit */
	struct ke_gate gate;
	u64 pos;			/* what it has read, as far as it blocks */
	u64 said;			/* that, as the other node was told last */
	u64 lost;
	u64 asked;			/* for which limit it was asked to move on */
	u32 judged, version;		/* notes JUDGED that it got; of the filter in the last */
	bool open;			/* its process has yet to go by that */
};

/* A request. */
struct kn_ask {
	struct kn_session *s;
	u32 cmd, serial;
	void *body;
	u32 len, tail_len;	/* of the command's struct; of what follows it */
};

struct kn_answer {
	const void *body;
	u32 len;
	const void *tail;
	u32 tail_len;
	struct file *file[2];
	unsigned int nfiles;
};

/* dev_message.c */
void kn_send(struct kn_session *s, u32 cmd, u32 serial, int result, const struct kn_answer *a);
void kn_note(struct kn_session *s, u32 cmd, const void *body, u32 len, struct file *file);
void kn_answer(const struct kn_ask *r, const void *body);
void kn_refuse(const struct kn_ask *r, int err, const char *fmt, ...) __printf(3, 4);
void kn_cut(struct kn_session *s);
long kn_receive(struct kn_session *s, struct kecho_dev_receive __user *arg);
void kn_call_begin(struct kn_session *s, struct kn_call *call);
/* The answer's bytes; 0: it is not his to take; or an error. */
long kn_call_end(struct kn_session *s, struct kn_call *call, struct kecho_dev_receive *to,
		 struct kecho_dev_receive __user *arg);
void kn_messages_drop(struct kn_session *s);
int kn_request_run(struct kn_session *s, void *data, u32 len);	/* dev_request.c */

/* dev_slots.c */
int kn_slots_make(struct kn_slots *sl, struct kn_session *s, u32 size, const char *name);
void kn_slots_free(struct kn_slots *sl);
int kn_slot_take(struct kn_slots *sl, u32 *slot);
void kn_slot_give_back(struct kn_slots *sl, u32 slot);
void kn_slot_lend(struct kn_slots *sl, u32 slot);
static inline bool kn_slot_there(const struct kn_slots *sl, u32 slot)
{
	return slot / KN_SLOTS_PART < smp_load_acquire(&sl->nparts);
}
/* Of a slot that is there. */
struct kecho_gate_slot *kn_gate(const struct kn_session *s, u32 slot);
struct kecho_limit_slot *kn_limit(const struct kn_session *s, u32 slot);

/* dev_channel.c */
struct kn_opening *kn_opening(const struct kn_session *s, u32 handle);
void kn_channel_open_request(const struct kn_ask *r);
void kn_channel_close_request(const struct kn_ask *r);
void kn_watch_request(const struct kn_ask *r);
struct kecho_ctl_member kn_describe(const struct kn_opening *o, const struct kecho_member *m);
void kn_opening_free(struct kn_opening *o);	/* its sources and sinks are gone */

/* dev_rights.c */
enum kn_right { KN_MANAGE = 1, KN_PUBLISH = 2, KN_SUBSCRIBE = 4 };
u32 kn_rights(const struct kn_session *s, const struct kn_channel *c);
u32 kn_user(const struct kn_session *s);
bool kn_may_block(const struct kn_session *s, const struct kn_channel *c);
int kn_own_channel(const struct kn_session *s, struct kn_channel *c, u32 mode);

/* dev_source.c */
struct kn_psource *kn_psource(const struct kn_session *s, u32 handle);
void kn_source_open_request(const struct kn_ask *r);
void kn_source_ready_request(const struct kn_ask *r);
void kn_source_close_request(const struct kn_ask *r);
void kn_address_request(const struct kn_ask *r);
void kn_psource_close(struct kn_psource *ps, bool failed);
bool kn_psource_drained(struct kn_psource *ps);
void kn_psource_gone(struct kn_psource *ps);
void kn_psource_fail(struct kn_psource *ps, int err, const char *why);
void kn_psource_fails(struct kn_psource *ps);
void kn_psources_bury(struct kn_session *s);
void kn_psource_lies(struct kn_psource *ps);

/* dev_room.c */
void kn_psource_room(struct kn_psource *ps);

/* dev_copy.c */
void kn_copy_init(struct kn_psource *ps);
void kn_copy_free(struct kn_psource *ps, struct kn_session *s);
void kn_copy_kick(struct kn_psource *ps);
void kn_copy_now(struct kn_psource *ps);	/* all that is there, or a turn of it */

/* dev_sink.c */
struct kn_psink *kn_psink(const struct kn_session *s, u32 handle);
void kn_sink_open_request(const struct kn_ask *r);
void kn_sink_close_request(const struct kn_ask *r);
void kn_psink_close(struct kn_psink *k, bool failed);
void kn_psink_fail(struct kn_psink *k, int err);
void kn_psink_fails(struct kn_psink *k);

/* dev_feed.c */
int kn_pfeed_source(struct kn_psink *k, struct kecho_source *src, bool from_start);
void kn_pfeed_end(struct kn_pfeed *f, u64 last_seq, bool failed, const struct ke_attrs *attrs,
		  const struct ke_attrs *node_attrs);
void kn_pfeed_free(struct kn_pfeed *f);
bool kn_pfeed_look(struct kn_pfeed *f, u64 head);
u64 kn_pfeed_lost(struct kn_pfeed *f);
void kn_session_rang(struct kn_session *s);

/* dev_filter.c */
void kn_sink_filter_request(const struct kn_ask *r);
void kn_pfeed_verdict(struct kn_pfeed *f);
void kn_pfeed_took(struct kn_pfeed *f);

/* dev_judge.c */
void kn_judging_init(struct kn_session *s);
void kn_judge_init(struct kn_psource *ps);
void kn_judge_took(struct kn_psource *ps);

/* dev_life.c */
void kn_freeze_request(const struct kn_ask *r);
void kn_thaw_request(const struct kn_ask *r);
void kn_drain_request(const struct kn_ask *r);
void kn_destroy_request(const struct kn_ask *r);
void kn_still_request(const struct kn_ask *r);
void kn_other_request(const struct kn_ask *r);
void kn_thaw(struct kn_opening *o);
void kn_drain_end(struct kn_opening *o);
void kn_session_late(struct kn_session *s);

/* dev_type.c */
void kn_announce_request(const struct kn_ask *r);
void kn_type_request(const struct kn_ask *r);
void kn_psource_forget_types(struct kn_psource *ps);
void kn_pfeed_types(struct kn_pfeed *f, const struct ke_types *types);

/* dev_live.c */
void kn_live_request(const struct kn_ask *r);

/* Threads that are boosted as they sleep on a channel's bell. */
struct kn_boosts {
	struct mutex lock;
	struct list_head list;
};

/* dev_boost.c */
struct kn_boost;
bool kn_may_boost(void);	/* the calling thread */
void kn_boosts_init(struct kn_boosts *all);
void kn_boosts_end(struct kn_boosts *all);	/* nobody sleeps there */
/* The calling thread is about to sleep, and to run next when it is woken, for @us at most; 0: it
 * isn't, and @out is NULL. -EPERM; -ENOMEM, or too many do. */
int kn_boost_sleep(struct kn_boosts *all, u32 us, struct kn_boost **out);
/* It is awake. */
void kn_boost_wakes(struct kn_boost *b, u32 us, bool rung);
int kn_boost_init(void);
void kn_boost_exit(void);

/* dev_bell.c */
int kn_bell_tell(struct kn_opening *o);

/* dev_attr.c */
void kn_set_request(const struct kn_ask *r);
void kn_get_request(const struct kn_ask *r);
int kn_take_attrs(struct ke_attrs *a, const void *live, u32 len);

/* A list, of which an answer has a part. */
struct kn_entries {
	const struct kn_ask *r;
	u8 *buf;
	u32 size, room, n;	/* bytes of one; entries */
	u64 from, all;
};

/* dev_look.c */
bool kn_entries_begin(struct kn_entries *e, const struct kn_ask *r, u32 size);
void kn_entries_add(struct kn_entries *e, const void *entry);
void kn_entries_answer(struct kn_entries *e);
struct kn_opening *kn_list_opening(const struct kn_ask *r);
void kn_members_request(const struct kn_ask *r);
void kn_ping_request(const struct kn_ask *r);
void kn_links_request(const struct kn_ask *r);
void kn_channels_request(const struct kn_ask *r);
void kn_status_request(const struct kn_ask *r);

/* dev_stats.c */
void kn_stats_request(const struct kn_ask *r);

#endif
