/* SPDX-License-Identifier: MIT */
/*
 * The simulator's world: nodes that run the very core, what joins them, and what is
 * known to be true of them. One thread, virtual time, all chance from one seed.
 *
 *	world ── snode ── schan ── ssource, ssink     a process and what it has open
 *	  │        │                 │       │
 *	  │       conn (net.c)       │      sfeed     a sink's reader of one log
 *	  │                          │       │
 *	  └───── truth ──────────────┴───────┘        what a source really submitted
 *
 * Nodes of one host read each other's logs (slog) and gates (sgates) in place, as if they
 * were mapped: what lib/share.c passes as a descriptor is a counted pointer here.
 *
 * A step is one timer. It runs in one node, as whatever thread of it would: what core
 * allocates meanwhile is that node's. Files of this folder see each other's structures;
 * the noun that a function begins with says where it lives.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "link.h"
#include "registry.h"
#include "cover.h"
#include "memory.h"
#include "random.h"
#include "timer.h"
#include "trace.h"
#include "truth.h"

enum sim_limits {
	SIM_NODES_MAX = 32,	/* of a world in which things go wrong */
	SIM_CHANNELS_MAX = 16,
	SIM_MEMBERS_MAX = 64,	/* of a channel, that the workload opens */
	SIM_SEGMENTS_MAX = 64,	/* of a pipe */
	SIM_RESERVED_MAX = 4,	/* open reservations of a source */
	SIM_GATES_MAX = 256, /* of a process; 0 is none */
	SIM_VERSIONS_MAX = 256,	/* of a sink's filter */
	SIM_STEPS_MAX = 50000000,
};

enum sim_times {
	SIM_ACTIVE_MS = 40000,	/* faults end by then, whatever was submitted */
	SIM_CONVERGE_MS = 20000,	/* after that, all nodes know of each other */
	SIM_DRAIN_MS = 30000,	/* and all sinks have read all */
	SIM_LINGER_MS = 4000,	/* of a source that closes */
	SIM_JOIN_MS = 5000,	/* what a call that opens waits for the others */
	SIM_DIAL_MS = 1000,	/* nobody answers a dial: given up */
	SIM_LOOK_MS = 10,	/* between looks at what somebody waits for */
	SIM_REDIAL_MS = 250,	/* until a new registry is found, at most */
};

struct sim;
struct schan;
struct ssource;
struct ssink;
struct sfeed;
struct conn;

/* As in the library and on the wire. */
enum ssink_policy { SINK_LATEST,
		    SINK_BLOCK,
		    SINK_DISCONNECT };

/* ----------------------------------------------------------------------- nodes */

/* Memory of a log or mirror; it lives as long as somebody reads it. */
struct slog {
	struct snode *node;
	u32 refs;
	struct kecho_log_header *hdr;
	u8 *ring;
	u64 size, start;
	bool shared; /* others of this host may read it */
	struct ssource *src; /* whose it is then; NULL: that has gone */
};

/* The gates of a process, which those that it reads look at. */
struct sgates {
	u32 refs;
	u64 word[SIM_GATES_MAX];
};

/* On its way beside a SHARE, or come: one of the two. */
struct sshared {
	struct list_head list;
	u32 id;
	struct slog *log;
	struct sgates *gates;
};

struct sreserved {
	u64 cookie, seq;
	u8 *data;
	u32 len;
	bool judged, lives;	/* it has room to say so */
};

struct ssource {
	struct list_head list;
	struct ke_source s;
	struct schan *chan;
	struct slog *log;
	struct truth *t;
	struct timer act, sign;
	u64 signed_at;		/* as ke_log_sign() was last */
	u64 hangs_us;		/* until then it does nothing */
	u64 opened_us, close_us;	/* a deadline each */
	bool ready, closing, waiting, last, held_up;
	struct sreserved reserved[SIM_RESERVED_MAX];
	u32 nreserved;
	u64 piece_seq;		/* of an event that goes in piece by piece; 0: none */
	u32 piece_at;
	struct ke_event_info piece_match;	/* as it was judged, for whom it is */
	struct ke_roster *held;	/* which that points to */
	struct sfilter out;	/* its filter */
	bool addresses;		/* some events are for one sink */
	__le64 one;
	u32 gap_us, size_max, large_one_in;
	u64 limit_seen;
	u64 still_at;		/* the head when its node said that it stands still; else U64_MAX */
};

struct sfeed {
	struct list_head list;
	struct ssink *sink;
	struct ke_rstream *rs;	/* NULL: our own source's log, or it has gone */
	struct ssource *src;	/* our own */
	struct slog *log;
	struct truth *t;
	struct ke_reader r;
	struct ke_gate gate;
	u64 released, said;
	u64 moved_us;		/* when released did */
	u64 seq;		/* of the last event that was told or lost */
	u64 last_seq;
	u64 cut_seq;		/* an event in pieces that a break fell into */
	u64 skipped, expired, either, unknown, voids;	/* that it was not told of: verdict.c */
	struct ke_promise promise;
	struct timer look;
	u64 heard_us;		/* since then its source is */
	u64 head_seen, head_us;	/* of the log, by who looks for signs, first then */
	bool silent;		/* as it was told */
	bool whole;		/* it gets all that there ever was */
	bool ended, gone, failed, told;
	const u8 *held;		/* in place, until the next read */
	u32 held_len;
	u64 held_seq;
};

/* How a source judges for a sink, as that knows. */
struct stold {
	struct ke_verdict v;	/* as was said last */
	bool due;		/* which it has yet to take */
	u32 version;
	u8 bit;
	bool known;		/* the source's node has heard of the sink */
};

struct ssink {
	struct list_head list;
	struct ke_member m;
	struct schan *chan;
	struct timer read;
	struct list_head feeds;
	u8 *copy;
	bool retained, disconnected;
	u32 gap_us, batch;
	u64 stopped_us;		/* reads nothing until then */
	u32 number;		/* in the world */
	struct sages zone;	/* its attribute */
	struct sfilter *version;	/* of its filter, 0: before the first */
	u32 nversions;
	struct stold *told;	/* by truth */
	u32 ntold;
	bool by_itself;		/* it takes what is said when it reads */
};

enum schan_state { CHAN_CLOSED,
		   CHAN_JOINING,
		   CHAN_OPEN,
		   CHAN_CLOSING };

struct schan {
	struct ke_channel ch;
	struct snode *node;
	enum schan_state state;
	u32 which;
	bool contact;		/* we are one of those that the registry names, and these */
	struct ke_contact told[KE_CONTACTS_MAX];
	u32 ntold;
	u64 deadline_us;
	struct list_head sources, sinks;
	struct timer look, repair, thaw;
};

/* One direction of a connection. */
struct pipe {
	u8 *buf;
	u32 at, len;
	u32 first, n;
	struct segment {
		u64 at_us;	/* when it arrives */
		u32 len;
	} segment[SIM_SEGMENTS_MAX];
	u64 last_us;
};

/* One end of a connection. */
struct conn {
	struct list_head list;
	struct ke_link link;
	struct snode *node;
	u16 peer;		/* the node at the other end */
	u32 id;
	struct conn *other;	/* NULL: it has gone */
	bool dialled, open, closing, eof, full;
	u64 eof_us;
	bool hole;		/* what is sent to this end vanishes */
	u32 vanished;
	u64 cut_in;		/* so many bytes more come, then it breaks */
	u64 looked;		/* control bytes that were traced */
	/* By rank, bytes of those before it since a frame of it, and since it has had more. */
	u32 since[KE_CLASSES], waited[KE_CLASSES];
	/* Of this batch, in PICKED: bytes of those before it, and some of its own. */
	u32 picked[KE_CLASSES];
	bool had_turn[KE_CLASSES];
	u32 piece;
	struct ke_id target;	/* of who dialled */
	bool local;
	bool died; /* the process at the other end */
	struct list_head coming, logs; /* what goes beside SHAREs to this end, and came */
	struct sgates *gates; /* of the other end */
	struct pipe in;
	struct timer rx, tx, greet;
};

/* What a node has sent: heartbeats and answers to those that ask for one, requests of the
 * registry with their answers, and all other frames. */
struct wire {
	u64 beats, beat_bytes;
	u64 asks, ask_bytes;
	u64 frames, bytes;
};

struct snode_known {
	u64 incarnation;
	struct ke_id id;
};

struct snode {
	struct sim *w;
	u16 index, host;
	bool shy; /* only its own host can dial it */
	struct sgates *gates;
	bool gate_used[SIM_GATES_MAX];
	bool up, host_down, gone;	/* gone: what it still does reaches nobody */
	bool reap, reaping;
	struct ke_node node;
	u64 incarnation;
	u64 frozen_us;		/* until then */
	u64 thaw_us;		/* then it went on with all that was due, or will */
	u64 stand_us, stood_at_us, lag_us;	/* of monotonic time */
	u64 stood_us;		/* it was frozen, or will be, for so long, ever */
	struct sages load;	/* its attribute */
	u64 boot_us;		/* when it began */
	u64 runs_from_us;	/* it has not stood since */
	s64 wall_ms;
	u64 set_us;		/* the wall clock was, last */
	u64 real_max_ns;	/* the latest that its wall clock has shown before it was set */
	u32 locks;
	u64 client;		/* of the registry */
	bool cut_off;		/* of it, and knows: publishes all when it is back */
	struct memory mem;
	struct wire wire;
	u64 log_bytes;		/* of it, logs and mirrors that somebody reads */
	struct timer tick, life, renew, churn;
	struct timer clock, memory;	/* faults of those end */
	struct list_head conns, dials;
	struct schan *chan;
	/* By node, those that were linked last. */
	struct snode_known *known;
};

struct sim_options {
	u64 seed;
	u32 nodes, hosts, channels, members;
	u64 events;
	u32 faults;		/* BIT(enum sim_fault) */
	bool trace;
	bool steady;		/* nothing goes wrong, and nobody comes by itself */
	bool filters;		/* sinks have some */
};

enum sim_phase { PHASE_ACTIVE,
		 PHASE_CALM,
		 PHASE_QUIET,
		 PHASE_CLOSE,
		 PHASE_OVER };

struct path {
	u32 latency_us;
	bool blocked;
};

struct sim {
	struct sim_options opt;
	u64 now_us, step, rng;
	enum sim_phase phase;
	u64 phase_us;		/* since */
	struct timers timers;
	struct trace trace;
	struct cover cover;
	bool broken;
	u64 well_us;		/* since then nothing goes wrong; U64_MAX: something does */
	bool stirred;		/* nodes met again, or a sink went, though all had settled */
	char why[256];
	struct snode *node;
	struct truth **truth;
	u32 ntruths;
	u32 last_conn, last_sink;
	struct ke_registry *reg;
	u64 last_client;
	struct path *path;	/* by net_path() */
	bool *no_registry;	/* by node */
	u32 pipe_size;
	struct timer phase_timer, fault_timer, heal_timer;
	u64 submitted;
	u8 *scratch;		/* an event, SIM_LARGE_MAX bytes */
	u8 *body;		/* what the registry says */
};

enum { SIM_LARGE_MAX = 256 << 10 };

/* world.c */
struct sim *sim_new(const struct sim_options *opt);
void sim_run(struct sim *w);
/* sim_run_until - all steps that are due by then; it is that time, or something is broken. */
void sim_run_until(struct sim *w, u64 at_us);
/* sim_step - the next one, unless it is due later than @at_us; false: it is, or broken. */
bool sim_step(struct sim *w, u64 at_us);
/* sim_settle - what a call from outside a step has left behind in @n. */
void sim_settle(struct snode *n);
/* sim_close - no more steps but those that close everything in order. */
void sim_close(struct sim *w);
void sim_free_all(struct sim *w);
u32 sim_random(struct sim *w, u32 n);
bool sim_one_in(struct sim *w, u32 n);
bool sim_fault(struct sim *w, enum sim_fault f);
void sim_broken(struct sim *w, const char *fmt, ...) __printf(2, 3);
void sim_trace(const struct snode *n, enum trace_kind kind, u64 a, u64 b, u64 c);
void sim_trace_world(struct sim *w, enum trace_kind kind, u64 a, u64 b, u64 c);
/* sim_set - @t fires in @delay_us. */
void sim_set(struct snode *n, struct timer *t, u64 delay_us);
/* sim_set_sooner - the same, unless it fires sooner already. */
void sim_set_sooner(struct snode *n, struct timer *t, u64 delay_us);
void sim_cancel(struct snode *n, struct timer *t);

/* snode.c */
void snode_init(struct sim *w, u16 index);
void snode_start(struct snode *n);
enum snode_end { NODE_KILLED = 1,
		 NODE_CRASHED,
		 NODE_CLOSED };
void snode_stop(struct snode *n, enum snode_end how);
u64 snode_now_us(const struct snode *n);
u64 snode_real_ns(const struct snode *n);
/* snode_runs_from_us - its clock has not stood since; U64_MAX: it does. */
u64 snode_runs_from_us(const struct snode *n);
/* snode_has_been - its wall clock has shown a later time than this one. */
bool snode_has_been(const struct snode *n, u64 real_ns);
/* snode_stood_us - it, or its clock, has stood still for so long, ever. */
u64 snode_stood_us(const struct snode *n);
void snode_changed(struct snode *n);
void snode_look(struct snode *n);
bool snode_same_host(const struct sim *w, u16 a, u16 b);
struct snode *snode_by_id(struct sim *w, const struct ke_id *id);
/* snode_index - which of the nodes a contact is, whatever its incarnation. */
u16 snode_index(const struct ke_contact *c);
void snode_free(struct snode *n);

/* schan.c */
void schan_init(struct snode *n, u32 which);
void schan_open(struct schan *c);
void schan_close(struct schan *c);
void schan_drop(struct schan *c);	/* with all that it has, at once */
void schan_repair(struct schan *c);
/* schan_freeze - hold it for @ms. */
void schan_freeze(struct schan *c, u32 ms);

/* names.c: the registry. -EAGAIN: it is not reached, or says to try again. */
int names_join(struct schan *c, u8 how, struct ke_id *uuid);
/* names_look - which channel has the name. */
int names_look(struct schan *c, struct ke_id *uuid);
/* names_found - who is new in the channel finds us, or somebody to whom we are linked. */
bool names_found(const struct schan *c);
void names_connect(struct snode *n);
void names_lost(struct sim *w);
void names_drop(struct schan *c);
void names_gone(struct snode *n);
/* names_renew - the leases; and publishes what the registry has lost. */
void names_renew(struct snode *n);

/* house.c */
extern const struct ke_house sim_house;
extern const struct ke_filter_ops sim_filter_ops;

/* share.c: what nodes of one host share */
struct slog *slog_new(struct snode *n, u64 size, bool shared);
void slog_put(struct slog *log);
struct sgates *sgates_new(void);
void sgates_put(struct sgates *g);
void share_gates(struct conn *c);
void share_log(struct ke_link *l, struct ke_source *s);
void share_in(struct ke_link *l, struct ke_channel *ch, struct ke_in *in);
/* share_take - the log that came last under this number; NULL: none. */
struct slog *share_take(struct conn *c, u32 log);
void share_forget(struct conn *c);
/* share_wake - sinks of the other nodes of this host: there is something to read. */
void share_wake(struct schan *c);

/* net.c */
void net_dial(struct snode *n, struct ke_peer *p);
void net_hangup(struct conn *c, int err);
struct path *net_path(const struct sim *w, u16 from, u16 to);
u32 net_latency(struct sim *w, u16 from, u16 to);
void net_reap(struct snode *n);
void net_drop_all(struct snode *n, bool say);
bool net_open(const struct sim *w, u16 from, u16 to);
void net_healed(struct sim *w);
bool net_cut_one(struct sim *w);
bool net_halfopen_one(struct sim *w);

/* conn.c: the bytes of one connection */
struct conn *conn_new(struct snode *n, u16 peer, bool dialled);
/* conn_establish - it stands: a link. -ENOMEM. */
int conn_establish(struct conn *c);
void conn_free(struct conn *c, bool say);
/* conn_reset - the other end hears that it is over, of what is on its way at most @keep. */
void conn_reset(struct conn *c, u32 keep);

/* sturn.c: whose turn it is on a link */
/* sturn_check - a batch of frames is about to be sent. */
void sturn_check(struct conn *c);
/* sturn_sent - of those one of this rank went out, or began to. */
void sturn_sent(struct conn *c, u32 rank, u32 len);
/* sturn_picked - PICKED was queued for the log @log, with so many bytes. */
void sturn_picked(struct conn *c, u32 log, u32 len);

/* ssource.c */
struct ssource *ssource_open(struct schan *c);
void ssource_close(struct ssource *s);
void ssource_free(struct ssource *s, bool said);
void ssource_room(struct ssource *s);
/* ssource_stream_to - its stream to a node; NULL: there is none. */
struct ke_tstream *ssource_stream_to(struct ssource *s, u16 node);
void ssource_feed_own(struct ssource *s);
/* ssource_submit_one - an event, from whichever thread; false: no room. */
bool ssource_submit_one(struct ssource *s);
/* ssource_submit_len - an event of @len bytes in one record; false: no room. */
bool ssource_submit_len(struct ssource *s, u32 len);

/* ssubmit.c; the source's lock is held */
/* ssubmit_any - an event, a piece of one, or something about a reservation; false: no room. */
bool ssubmit_any(struct ssource *s);
bool ssubmit_whole(struct ssource *s, u32 len);
/* ssubmit_piece - the next one of the event that is going in. */
bool ssubmit_piece(struct ssource *s);
/* ssubmit_settle - one of its reservations is committed, or given up. */
void ssubmit_settle(struct ssource *s, bool abort);
/* ssubmit_tell - others may see what was submitted. */
void ssubmit_tell(struct ssource *s);
/* ssubmit_forget - no more pieces of that event. */
void ssubmit_forget(struct ssource *s);

/* ssink.c */
struct ssink *ssink_open(struct schan *c, u8 policy, bool retained);
void ssink_close(struct ssink *s);
void ssink_wake(struct schan *c);
void ssink_calm(struct ssink *s);
/* ssink_stalled - it held up the source of its feed @f, and ends. */
void ssink_stalled(struct sfeed *f);

/* sfeed.c */
void sfeed_add(struct ssink *s, struct ke_rstream *rs, struct ssource *src, struct slog *log,
	       struct ke_view view, struct truth *t, u64 pos, u64 seq);
void sfeed_free(struct sfeed *f);
void sfeeds_of(struct ke_rstream *rs, void (*fn)(struct sfeed *f, void *arg), void *arg);
void sfeeds_drop_told(struct ssink *s);
/* sfeed_next - what comes next was told and checked; false: nothing is there. */
bool sfeed_kept(const struct sfeed *f);
bool sfeed_next(struct sfeed *f);
void sfeed_release(struct sfeed *f, bool all);
void sfeed_release_stream(struct ke_rstream *rs);

/* check.c: the invariants */
void check_node(struct snode *n);
void check_source(struct ssource *s);
void check_frame(struct conn *c, u8 type, u32 id, u64 pos);
void check_member(struct snode *n, const struct ke_remote *m, struct snode *of);
/* check_gates - after something that may have dropped a stream of this source. */
void check_gates(struct ssource *s);
bool check_got(struct sfeed *f, const struct ke_item *item);
void check_end(struct sfeed *f);
/* converge.c: NULL: it holds; else what is missing. */
const char *check_converged(struct sim *w);
const char *check_drained(struct sim *w);

/* show.c */
void show_world(const struct sim *w);

/* faults.c */
void faults_start(struct sim *w);
void faults_end(struct sim *w);

/* scale.c: 0; 1: something grows, or is broken */
int scale_run(const u32 *nodes, u32 n);

/* churn.c */
void churn_start(struct snode *n);
/* churn_settle_in - a channel was opened: members of it. */
void churn_settle_in(struct schan *c);
/* Names of channels' attributes. */
enum { CHURN_ATTRS = 3 };
extern const char *const churn_attrs[CHURN_ATTRS];

#endif
