/* SPDX-License-Identifier: MIT */
/*
 * kechod: the node of a host, for the processes that attach to it.
 *
 *	kd ── kd_user ── kd_session		a process that is attached
 *	 │                   │
 *	 └─ kd_channel ── kd_opening		its part in one channel
 *	        │            ├─ kd_source ── kd_log	what it writes
 *	        │            └─ kd_sink ── kd_feed	what it reads: a kd_source's log,
 *	        └─ kd_bell                      │	or a kd_mirror's
 *	                                    kd_mirror
 *
 * All of it runs in one thread, so nothing here is locked, but for the registry's
 * answers (join.c). What a process wrote is only ever read through a mapping that it
 * cannot shrink, and no number in there is believed: positions are bounded by what
 * was published and never go back, and a log that makes no sense ends its source and
 * nothing else. Connections to other nodes, and the tie to the registry, are the
 * library's (lib/conn.c, lib/reg.c).
 */
#ifndef KECHO_DAEMON_H
#define KECHO_DAEMON_H

#include "internal.h"
#include "told.h"
#include "uapi/kecho_node.h"

enum kd_limits {
	KD_SLOTS = 4096,		/* of a process's gates, and of its limits */
	KD_EVENTS = 64,			/* taken from the kernel at once */
	KD_TURN_REQUESTS = 8,		/* of one process, before others have a turn */
	KD_TURN_BYTES = 256 << 10,	/* copied of one log, before others have a turn */
	KD_COPY_TRIES = 16,		/* to begin a copy where the log begins */
	KD_ANSWER_MAX = 56 << 10,	/* bytes of a list in one answer */
	KD_SOCKET_BYTES = 64 << 10,	/* in the kernel for a process that does not read */
	KD_JOINS_MAX = 32,		/* questions to the registry at a time */
	KD_USER_JOINS_MAX = 4,		/* of them, one user's */
	KD_CHANNEL_USERS_MAX = 32,	/* whose members of one channel ring each other */
	KD_USER_TYPES = KE_NODE_TYPES_MAX / 4,	/* bytes of its sources' types */
	KD_FILTER_BYTES = 32 << 10,	/* what a sink's filter costs beside itself, about */
	KD_MEMBER_BYTES = 8 << 10,	/* what a member costs beside its log, about */
	KD_END_MS = 2000,		/* to finish what was begun in a channel that has ended */
	KD_SESSION_BYTES = 256 << 10,	/* what a process costs before it does anything */
	KD_STALL_MIN_MS = 100,		/* that a source must leave others to read on */
	KD_TAKE_OVER_MS = 1000,		/* for processes to come back after a restart */
	KD_TAKE_OVER_LOOK_MS = 10,
	KD_NODE_UID = -1,		/* the "user" that kechod itself is for doorbells */
};

struct kd_watch {		/* in the epoll set; of a descriptor */
	void (*ready)(struct kd_watch *w, u32 events);
};

enum kd_block { KD_BLOCK_ALL, KD_BLOCK_GROUP, KD_BLOCK_OWNER };

struct kd_conf {
	char socket[108], run[96];
	char listen[64], advertise[64], registry[512], name[64];
	u64 user_memory;
	unsigned int user_processes, user_channels, user_members;
	enum kd_block block;
	gid_t block_gid;
	unsigned int timeout_ms, stop_ms;
};

enum kd_stop { KD_RUNS, KD_SENDS, KD_LEAVES, KD_ENDS };	/* stop.c */

struct kd {
	struct kecho k;		/* connections and registry; k.node is the node */
	struct ke_house house;
	struct kd_conf conf;
	u64 started_ms;
	int ep, listen_fd, lock_fd;
	struct kd_watch conns, listener, joined, signals;
	int joined_rx, joined_fd, signal_fd;
	enum kd_stop stop;
	u64 stop_ms;		/* so long it stays there */
	bool changed, cuts, sinks_failing, sources_failing;
	unsigned int nclosing;	/* sources */
	unsigned int ndrains;	/* channels */
	unsigned int nending;	/* openings of channels that were destroyed */
	bool accept_later;	/* no descriptor was left for a process */
	struct list_head users, sessions, channels, ready, rings, dead_bells;
	struct list_head waits, over;	/* answers that are due; that are due now */
	struct list_head joins;	/* that wait for a thread */
	struct ke_tells judges;
	unsigned int njoins, nsessions;
	u32 last_session;	/* number */
	u64 last_bell, last_ping_ns, memory;
	struct kd_keep *keep;	/* keep.c; NULL: nothing is kept any more */
	bool taking_over, holds;
	bool leaving;		/* to the next kechod */
	u64 take_over_by;	/* processes are back by then */
	u64 gates_by;		/* and sinks of other hosts; 0: that is over */
};

struct kd_user {
	struct list_head list;
	struct kd *d;
	uid_t uid;
	unsigned int refs, sessions, joins, channels, members;
	u32 types_bytes;	/* of its sources' types; part of */
	u64 memory;
};

/* A page of slots that a process and kechod share. */
enum kd_slot_state { KD_SLOT_FREE, KD_SLOT_TAKEN, KD_SLOT_LENT };

struct kd_slots {
	int fd;			/* the process's */
	int rw;			/* where more memory is had; -1: it has all */
	void *map;
	u32 size;		/* of a slot */
	u8 *state;		/* enum kd_slot_state */
	u32 backed;		/* slots with memory behind them */
	char file[24];		/* of the limits, in the run directory */
};

struct kd_session {
	struct list_head list;
	struct kd *d;
	struct kd_user *user;
	gid_t gid, *groups;
	unsigned int ngroups;
	pid_t pid;
	u32 number;		/* by which it sleeps */
	struct kd_watch sock_w, pid_w, bell_w;
	int sock, pidfd, bell;
	bool attached, cut, want_out;
	struct kd_slots gates, limits;
	struct list_head openings;
	u32 last_handle;
	struct list_head out;	/* messages that its socket did not take */
	unsigned int nout, nrequests;
};

struct kd_request {
	struct kd_session *s;
	u32 cmd, serial;
	void *body;
	u32 len, tail_len;	/* of the command's struct; of what follows it */
	int fd;			/* that came with it, until it is answered; -1 */
};

/* An answer that comes later. */
struct kd_wait {
	struct list_head list;
	struct kd_session *s;
	u32 cmd, serial;
	void *object;		/* it is about */
	u64 deadline_ms;
	bool (*done)(struct kd_wait *w);
	void (*finish)(struct kd_wait *w, bool in_time);
	u64 arg[2];
	u32 body_len;
	u8 body[] __attribute__((aligned(8)));
};

struct kd_entries {		/* of an answer */
	u8 *buf;
	u32 n, room, size;	/* entries, entries, bytes of one */
};

struct kd_channel {
	struct list_head list;
	struct kd *d;
	struct ke_channel ch;
	struct list_head openings, sources, sinks, bells;
	u32 refs;		/* openings, and sources that are left of them */
	u32 nmirrors;
	struct list_head ring_list;
	u32 whom;		/* bits of a doorbell; 0: nobody is to be rung, nor is it listed */
	bool taken_over;	/* a reference is held for who comes back */
	bool kept;		/* as of @kept_version of its attributes */
	u64 kept_version;
	u32 nholders;		/* openings that freeze it */
	struct kd_opening *drainer;
	u64 cookie;
	unsigned int due;	/* nodes that owe us their counters */
	struct kd_entries stats;	/* theirs */
	struct kd_live *live;	/* what it shows of attributes; NULL: nobody has asked */
};

struct kd_opening {
	struct list_head session_list, channel_list;
	struct kd_session *s;
	struct kd_channel *c;
	u32 handle;
	bool watch, ready;
	bool freezes;		/* it holds the channel */
	bool frozen;		/* it was told so */
	bool still_due;		/* what was begun may be under way until it says STILL, */
	u32 told;		/* with the number that it was told last */
	u64 end_ms;		/* destroyed: so long we wait for that; 0: not any more */
	struct list_head sources, sinks;
	u32 nsources, nsinks;	/* that have joined */
	struct kd_told *bells;	/* that its process was told of */
};

/* The memory of a log, for who reads it. */
struct kd_log {
	u64 size;
	int fd;			/* read-only */
	void *map;
};

enum kd_source_state { KD_MADE, KD_JOINED, KD_CLOSING, KD_OVER };

struct kd_source {
	struct ke_source s;		/* s.log is our copy of it, while other hosts read */
	struct kecho_log_header copy_hdr;
	u8 *ring;			/* of the copy */
	u64 skip;			/* the copy goes on there, after a gap; 0: no */
	bool lapped;			/* the copy has had a gap since it began */
	struct list_head opening_list, channel_list, ready_list;
	struct kd_channel *c;
	struct kd_opening *o;		/* NULL: its process has gone */
	struct kd_user *user;
	struct kd_log log;
	int memfd;			/* until it is sealed */
	enum kd_source_state state;
	u32 handle, slot, gate;
	struct list_head feeds;
	u64 head, seq;			/* as we saw it last; closing: the last of it */
	u64 limit;
	u64 held;			/* its limit until all who may read it are back */
	bool again;			/* its log was there before us */
	u32 generation;			/* the same: of the last filters that it judged by */
	bool names;			/* the same: its records may name sinks */
	u64 stop_at;			/* its head when we were told to end */
	u32 awaits;			/* gates of other hosts that it had, until they are back */
	struct kd_kept *kept;
	u64 events, bytes;		/* as its process said, once that is gone */
	u32 types_bytes;		/* that its user was charged for */
	u64 linger_ms;
	bool copied, queued, said_end, frozen;
	struct ke_told judge;
	u32 stall_ms;
	u64 stall_since_ms, stall_at;	/* so long it waits, for this limit; 0: it does not */
	const char *why;	/* its log makes no sense: nothing more is read there */
};

struct kd_sink {
	struct list_head opening_list, channel_list;
	struct kd_channel *c;
	struct kd_opening *o;
	struct ke_member m;
	u32 handle, gate, slot, last_feed;
	u32 from;		/* enum kecho_from */
	struct kd_kept *kept;
	u64 filter_bytes;	/* that its filter costs */
	int err;		/* it is to end with this */
	char why[WHY_MAX];	/* a sentence about that */
	struct list_head feeds;
};

struct kd_feed {
	struct list_head sink_list, log_list;
	struct kd_sink *sink;
	struct kd_source *source;	/* or */
	struct kd_mirror *mirror;
	u32 id, slot;
	bool ended;
	u64 pos;			/* gated: what it has read */
	u64 lost;
	u64 asked;			/* the limit for which it was to move on */
	u32 judged, version;		/* notes JUDGED that it got; of the filter in the last */
	bool open;			/* its process has yet to go by that */
	u64 woken;			/* the mirror's head when it was */
};

struct kd_mirror {
	struct ke_rstream *rs;
	struct kd_channel *c;
	struct kd_log log;
	struct list_head feeds;
	struct list_head charges;
	u64 noted;			/* up to here was looked at who wants it */
	char file[24];			/* in the run directory */
};

/* main.c, conf.c, journal.c */
void kd_conf_init(struct kd_conf *c);
int kd_conf_finish(struct kd_conf *c);
int kd_conf_read(struct kd_conf *c, const char *file);
int kd_conf_set(struct kd_conf *c, const char *key, const char *value);
void kd_journal_open(void);
void kd_say(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* house.c */
void kd_house_init(struct kd *d);
/* loop.c */
int kd_watch(struct kd *d, int fd, u32 events, struct kd_watch *w);
int kd_loop(struct kd *d);

/* stop.c */
void kd_stop(struct kd *d);
void kd_stop_look(struct kd *d);

/* Processes go on with the next kechod: those that are attached, or to come. */
static inline bool kd_is_left(const struct kd *d)
{
	return d->nsessions || d->taking_over;
}

/* user.c */
struct kd_user *kd_user_get(struct kd *d, uid_t uid);
void kd_user_put(struct kd_user *u);
int kd_user_charge(struct kd_user *u, u64 bytes);
int kd_user_member(struct kd_user *u, u64 bytes);
void kd_user_no_member(struct kd_user *u, u64 bytes);
void kd_user_uncharge(struct kd_user *u, u64 bytes);
enum kd_right { KD_MANAGE = 1, KD_PUBLISH = 2, KD_SUBSCRIBE = 4 };
u32 kd_rights(const struct kd_session *s, const struct kd_channel *c);
bool kd_may_block(const struct kd_session *s, const struct kd_channel *c);
int kd_own_channel(const struct kd_session *s, struct kd_channel *c, u32 mode);

/* slots.c */
int kd_slots_make_gates(struct kd_slots *g);
int kd_slots_make_limits(struct kd_slots *l, const char *run);
void kd_slots_free(const struct kd *d, struct kd_slots *sl);
int kd_slot_take(struct kd_slots *sl, u32 *slot);
void kd_slot_give_back(struct kd_slots *sl, u32 slot);
void kd_slot_lend(struct kd_slots *sl, u32 slot);
struct kecho_gate_slot *kd_gate(const struct kd_session *s, u32 slot);
int kd_gate_take(struct kd_session *s, u64 pos, u32 *slot);
void kd_run_path(const struct kd *d, char *path, size_t size, const char *file);
int kd_run_file(const char *run, const char *prefix, char *file, size_t file_size, u64 size,
		int *rw, int *ro);
void kd_run_file_remove(const struct kd *d, const char *file);

/* keep.c */
void kd_keep_leave(struct kd *d);
struct ke_contact kd_keep_self(const struct kd *d);
u16 kd_keep_port(const struct kd *d);
void kd_keep_listens(struct kd *d, u16 port);
struct kd_kept *kd_keep_member(const struct kd_session *s, const struct ke_member *m, u32 slot);
void kd_keep_forget(struct kd *d, struct kd_kept *k);
struct kd_kept *kd_keep_find(const struct kd_session *s, const struct kd_channel *c, u32 role,
			     u64 id);
u32 kd_kept_log(const struct kd_kept *k);
u32 kd_kept_gates(const struct kd_kept *k);
void kd_keep_gates(struct kd_kept *k, u32 gates);
void kd_keep_back(struct kd_kept *k, const struct kd_session *s, u32 slot);
void kd_keep_channel(struct kd_channel *c);
void kd_keep_channels(struct kd *d);
void kd_keep_no_channel(struct kd_channel *c);
void kd_keep_mirror(const struct kd_mirror *m);
void kd_keep_lost(const struct kd_mirror *m, u64 lost);

/* takeover.c */
int kd_take_over_begin(struct kd *d);
void kd_take_over(struct kd *d);
bool kd_taking_over(struct kd *d);
int kd_take_over_timeout(const struct kd *d);

/* session.c */
int kd_lock_run(struct kd *d);
int kd_sessions_open(struct kd *d);
void kd_accept(struct kd *d);
void kd_session_cut(struct kd_session *s, const char *why);
void kd_sessions_reap(struct kd *d);
void kd_session_free(struct kd_session *s);

/* message.c */
void kd_receive(struct kd_session *s);
void kd_flush(struct kd_session *s);
void kd_drop_messages(struct kd_session *s);
void kd_send(struct kd_session *s, u32 cmd, u32 serial, s32 result, const void *body, u32 len,
	     const void *tail, u32 tail_len, const int *fd, unsigned int nfds);
void kd_note(struct kd_session *s, u32 cmd, const void *body, u32 len, const int *fd,
	     unsigned int nfds);
void kd_answer(const struct kd_request *r, const void *body);
void kd_refuse(const struct kd_request *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void kd_request(const struct kd_request *r);	/* request.c */

/* wait.c */
struct kd_wait *kd_wait(const struct kd_request *r, void *object, const void *body,
			unsigned int timeout_ms, bool (*done)(struct kd_wait *w),
			void (*finish)(struct kd_wait *w, bool in_time));
void kd_wait_answer(struct kd_wait *w, bool in_time);
struct kd_request kd_wait_request(const struct kd_wait *w);
void kd_waits_look(struct kd *d);
int kd_waits_timeout(struct kd *d);
bool kd_waits_on(struct kd *d, const void *object, u32 cmd);
void kd_waits_drop(struct kd_session *s);
void kd_waits_cancel(struct kd *d, const void *object, int err, const char *why);

/* channel.c, join.c */
int kd_joins_init(struct kd *d);
void kd_joins_forget(struct kd_session *s);
void kd_joins_end(struct kd *d);
void kd_join_end(const struct kd_request *r, struct kd_opening *o, u32 timeout_ms);
void kd_list_names(const struct kd_request *r, u32 timeout_ms);
void kd_join(const struct kd_request *r, u32 flags, u32 timeout_ms, u32 mode, const char *name);
void kd_channel_joined(const struct kd_request *r, struct kd_channel *c, u32 timeout_ms,
		       u32 mode);
struct kd_channel *kd_channel_find(struct kd *d, const char *name);
struct kd_channel *kd_channel_make(struct kd *d, const char *name, const struct ke_id *uuid,
				   const struct ke_contact *contact, unsigned int n, int *err);
void kd_channel_get(struct kd_channel *c);
void kd_channel_put(struct kd_channel *c);
struct kd_opening *kd_opening(const struct kd_session *s, u32 handle);
void kd_opening_close(struct kd_opening *o, bool failed);
void kd_channel_open_request(const struct kd_request *r);
void kd_channel_close_request(const struct kd_request *r);

/* log.c */
void kd_log_init(struct kd_log *l);
int kd_log_make(struct kd_log *l, u64 size, int *memfd);
int kd_log_seal(struct kd_log *l, int memfd);
int kd_log_take(struct kd_log *l, u64 size, int memfd);
int kd_log_mirror(struct kd *d, struct kd_log *l, u64 size, char *file, size_t file_size);
int kd_log_again(struct kd_log *l, int dir, const char *file);
void kd_log_fini(struct kd_log *l);
struct ke_view kd_log_view(const struct kd_log *l);

/* source.c */
void kd_source_open_request(const struct kd_request *r);
void kd_source_ready_request(const struct kd_request *r);
void kd_source_close_request(const struct kd_request *r);
void kd_address_request(const struct kd_request *r);
void kd_source_close(struct kd_source *src, bool failed);
void kd_source_fail(struct kd_source *src, const char *why);
void kd_sources_closing(struct kd *d);
void kd_source_over(struct kd_source *src);
void kd_sources_abandon(struct kd *d);
void kd_source_counters(struct kd_source *src);
struct kd_source *kd_source(const struct kd_session *s, u32 handle);

/* type.c */
void kd_announce_request(const struct kd_request *r);
void kd_type_request(const struct kd_request *r);
void kd_types_forget(struct kd_source *src);
void kd_feed_types(struct kd_feed *f, const struct ke_types *types);

/* room.c */
struct kecho_limit_slot *kd_limit_slot(const struct kd_source *src);
int kd_source_head(struct kd_source *src, u64 *head);
int kd_source_now(struct kd_source *src, u64 *head, u64 *seq);
u64 kd_source_spare(const struct kd_source *src);
void kd_source_room(struct kd_source *src);

/* copy.c */
int kd_copy_open(struct ke_source *s, u8 from);
void kd_copy_close(struct ke_source *s);
void kd_copy_wanted(struct kd_source *src);
bool kd_copies_run(struct kd *d);
bool kd_copy_complete(const struct kd_source *src);

/* sink.c */
void kd_sink_open_request(const struct kd_request *r);
void kd_sink_close_request(const struct kd_request *r);
void kd_sink_close(struct kd_sink *k, bool failed);
void kd_sink_fail(struct kd_sink *k, int err, const char *why);
void kd_sinks_failing(struct kd *d);
struct kd_sink *kd_sink(const struct kd_session *s, u32 handle);

/* filter.c */
void kd_sink_filter_request(const struct kd_request *r);
bool kd_judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
	       const struct ke_verdict *v);
void kd_feed_verdict(struct kd_feed *f);
void kd_feed_took(struct kd_feed *f);

/* judge.c */
void kd_judge_init(struct kd_source *src);
void kd_judge_fini(struct kd_source *src);
void kd_judge_again(struct kd_source *src);
void kd_judges(struct ke_source *s);
void kd_wakes(struct ke_source *s);
void kd_judge_took(struct kd_source *src);

/* feed.c */
u64 kd_feed_member(const struct kd_feed *f);
int kd_feed_source(struct kd_sink *k, struct kd_source *src, bool from_start);
int kd_feed_mirror(struct kd_sink *k, struct kd_mirror *m, u64 pos, u64 seq);
int kd_feed_mirror_again(struct kd_sink *k, struct kd_mirror *m);
void kd_feed_free(struct kd_feed *f);
u64 kd_feed_lost(struct kd_feed *f, u64 all);
void kd_feed_end(struct kd_feed *f, u64 last_seq, bool failed, const struct ke_attrs *attrs,
		 const struct ke_attrs *node_attrs);
void kd_feed_goes_on(struct kd_feed *f);
bool kd_feed_look(struct kd_feed *f, u64 head);
void kd_session_rang(struct kd_session *s);

/* mirror.c */
int kd_mirror_again(struct kd_channel *c, const struct kd_log *log, struct ke_kept *kept,
		    const char *file);
int kd_mirror_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring);
void kd_mirror_detach(struct ke_rstream *rs);
void kd_mirror_started(struct ke_rstream *rs, u64 pos, u64 seq);
void kd_mirror_published(struct ke_rstream *rs);
void kd_mirror_ended(struct ke_rstream *rs);
u64 kd_mirror_lost(struct ke_rstream *rs);
int kd_mirrors_again(struct kd_sink *k);
void kd_mirror_released(struct kd_mirror *m);
void kd_mirror_left(struct kd_mirror *m, const struct kd_user *user);

/* life.c */
void kd_freeze_request(const struct kd_request *r);
void kd_thaw_request(const struct kd_request *r);
void kd_drain_request(const struct kd_request *r);
void kd_destroy_request(const struct kd_request *r);
void kd_destroy_named(const struct kd_request *r, struct kd_opening *o, int err, u32 left_ms);
void kd_other_request(const struct kd_request *r);
void kd_still_request(const struct kd_request *r);
void kd_thaw(struct kd_opening *o);
void kd_drain_end(struct kd_opening *o);
void kd_frozen(struct kd_source *src);
void kd_destroyed(struct ke_channel *ch);
void kd_ends_look(struct kd *d);
void kd_end_sources(struct kd_opening *o);
u32 kd_lagging(struct ke_channel *ch, const struct ke_in *marks);

/* live.c */
void kd_live_request(const struct kd_request *r);
void kd_live_channel(const struct kd_channel *c);
void kd_live_own(const struct kd_channel *c, const struct ke_member *m, bool there);
void kd_live_remote(const struct ke_remote *m);
void kd_live_node(struct kd *d, const struct ke_peer *p);
void kd_live_whole(struct kd *d);
void kd_live_free(struct kd_channel *c);

/* stall.c */
void kd_source_stalls(struct kd_source *src, u64 limit);
void kd_mirror_stalled(struct ke_rstream *rs, u64 pos, bool end);

/* bell.c */
int kd_bells_update(struct kd_channel *c);
void kd_bells_forget(struct kd_opening *o);
void kd_bells_free(struct kd_channel *c);
void kd_bells_reap(struct kd *d);
void kd_bells_ring(struct kd_channel *c, u32 whom);
void kd_bells_wake(struct kd_channel *c);
void kd_bells_left(struct kd_source *src);
bool kd_bell_sleep(struct kd_source *src);

/* look.c, stats.c, attr.c */
void kd_entries_add(struct kd_entries *e, const void *entry);
void kd_entries_answer(const struct kd_request *r, const struct kd_entries *e);
void kd_entries_free(struct kd_entries *e);
struct kecho_ctl_member kd_describe_own(const struct kd_session *s, const struct ke_member *m);
void kd_members_request(const struct kd_request *r);
void kd_watch_request(const struct kd_request *r);
void kd_stats_request(const struct kd_request *r);
void kd_links_request(const struct kd_request *r);
void kd_ping_request(const struct kd_request *r);
void kd_channels_answer(const struct kd_request *r, const struct ke_reg_info *info, ssize_t n);
void kd_channels_request(const struct kd_request *r);
void kd_status_request(const struct kd_request *r);
int kd_take_attrs(struct ke_attrs *a, const void *live, u32 len);
void kd_set_request(const struct kd_request *r);
void kd_get_request(const struct kd_request *r);
void kd_pong(struct kd *d, u64 sent_ns, u64 rtt_ns);
void kd_tell_remote(struct ke_remote *m);
void kd_tell_member(struct kd_channel *c, const struct ke_member *m, u8 state);
void kd_stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie);
void kd_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p, struct ke_in *in);

#endif
