/* SPDX-License-Identifier: MIT */
/*
 * The embedded house: the node inside the calling process.
 *
 * Locks, in the order in which they are taken:
 *	filter_lock	of a sink: its filter, as it judges by it
 *	kecho.lock	control calls of core, receiving, all lists of this file
 *	sink.lock	a sink's feeds and reading position
 *	source.lock	a source's log, gates and streams
 *	conn.tx		sending on one connection
 *
 * Who waits runs the node. Of the threads that wait while there are connections to
 * other hosts one is the leader: it polls them and the doorbells; the others wait
 * for it. The helper thread does the control connections of this host, and polls
 * the others only when no leader has for a millisecond.
 */
#ifndef KECHO_INTERNAL_H
#define KECHO_INTERNAL_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "kecho/filter.h"
#include "kecho/kecho.h"
#include "link.h"
#include "lock.h"
#include "promise.h"
#include "reg.h"
#include "uapi/kecho_node.h"

enum lib_limits {
	FEED_BUDGET = 64,	/* events that one source gives in a row */
	DISPATCH_BATCH = 16,	/* events that callbacks get for one look at the log */
	FILTERED_BATCHES_MAX = 64,	/* none of them for the sink: then it looks around */
	GATES_MAX = 1024,	/* of one node on its host */
	GATE_STRIDE = 64,
	DYING_MS = 200,		/* from a process's sockets to its pidfd, as it exits */
	WHY_MAX = 224,		/* bytes of a node's sentence that is kept */
	FDS_QUEUED_MAX = 16,	/* descriptors that came before the frame they belong to */
	FDS_PER_SHARE = 2,
	DOORBELLS_MAX = 1024,	/* of one channel on one host */
	TELL_PARTS = 4,		/* of a log: a part of an event that is told of at once */
	ROOM_LOOK_MS = 100,	/* a blocked submitter looks at its gates itself */
	HELPER_PARKED_TICKS = 50,
	LINGER_MS = 2000,
	JOIN_MS = 5000,
	SETUP_MS = 3000,	/* of a connection, until the other end's hello has come */
	DIAL_AGAIN_MS = 500,	/* between two dials that go on at the same time */
	OPEN_MS = 5000,
	/* In a socket, where streams of several classes go: what goes out in a millisecond. */
	UNSENT_MIN = 16 << 10,
	UNSENT_MAX = 128 << 10,
	PACE_BYTES = 1 << 20,	/* between two looks at how fast a connection is */
	SEAT_MS = 2000,		/* until all sources have a new filter */
};

struct kecho_filter;
struct kecho_type;

/* What a frame SHARE brings. */
enum share_kind { SHARE_GATES = 1, SHARE_DOORBELL, SHARE_LOG };

struct doorbell {
	uint64_t id;
	struct kecho_doorbell *page;
	int memfd, eventfd;
};

/* Descriptors that go out with the control byte at @at. */
struct outgoing {
	struct list_head list;
	u64 at;
	int fd[FDS_PER_SHARE];
	unsigned int n;
};

struct conn {
	struct ke_link link;
	struct list_head list;
	struct kecho *k;
	struct lib_lock tx;
	int fd, pidfd;
	bool open;		/* link.h's part is alive */
	bool connecting, closing, want_out;
	bool receiving;		/* a leader sleeps in the receive */
	u64 greeted;		/* the node that it leads to; 0: not known, or over */
	atomic_bool blocked;	/* the socket is full */
	atomic_bool kicked;	/* by who did not get the tx lock */
	u32 unsent;		/* bytes that it may have; 0: as many as it likes; the tx lock's */
	u32 pace;		/* bytes that go out in a millisecond; 0: not known; as these: */
	u64 pace_at;		/* of c->sent: when that is looked at again */
	struct ke_id target;	/* whom we dialled, or whose link was lost */
	int dial_err;
	u64 setup_ms;		/* until then its hello has come */
	u64 dying_ms;		/* until then the process at the other end may be exiting */
	struct list_head outgoing;
	u64 sent;
	int fds[FDS_QUEUED_MAX];
	unsigned int nfds;
	const u64 *gates;	/* the other node's */
	int bell;		/* wakes its submitters */
	u64 rtt_ns;
	char address[64];
};

/* Memory of a log, ours or mapped, for as long as somebody reads it. */
struct shared_log {
	atomic_int refs;
	void *map;
	size_t size;		/* of the mapping */
	int fd;			/* -1: not kept */
	dev_t dev;		/* which memory it is */
	ino_t ino;
};

/* A sink's filter, and its type, as a node is told of it. */
struct client_filter {
	u8 *wire;
	u32 len, type_len;	/* of both; of the type, which is behind it */
	u32 version;		/* 0: there never was one */
};

struct kecho_source {
	struct ke_source s;
	struct list_head list;
	struct kecho_channel *ch;
	struct lib_lock lock;
	struct shared_log *log;
	int linger_ms;
	u64 lifespan_ns;	/* of its events; 0: for ever */
	unsigned int inside;	/* threads in a call that has let go of the lock meanwhile */
	unsigned int ntypes;	/* that may be submitted; under its lock */
	bool announcing;	/* a thread asks the node to take a type */
	struct kecho_type *announced[KE_TYPES_MAX];	/* that the next node is to have */
	struct kecho_source_stats stats;
	struct kecho_chosen chosen;
	/* What a node says of it; NULL: not attached to one. */
	const struct kecho_limit_slot *slot;
	struct kecho_gate_slot *counters;
	struct client_pages *pages;	/* where these are */
	struct ke_noted noted;	/* of what was appended since others were rung */
	bool node_rings;	/* if many sleep: it is not gone */
	u64 rings;		/* times that it was asked to */
	u32 handle;
	struct client_judge *judge;	/* the node's */
	struct client_choice *choice;	/* what it chooses sinks by; NULL: it never has */
	bool names;		/* sinks, as its node was told, or is to be */
	u32 generation;		/* of the newest filters that records may name */
	bool unjudged;		/* there is no memory for what the node says of them */
	struct ke_roster *held;	/* an event that is going in piece by piece has names of it */
	unsigned int waiting;	/* threads, for room */
	u32 kick;		/* a futex: these are to look, whatever the node's bell says */
	u64 asked;		/* the limit at which more was asked for; 0: it wasn't */
	u64 refused_ms;		/* when the node was rung for a submission that was refused */
	int end_error;		/* why it is closed; 0: it was closed here */
	char end_why[WHY_MAX];	/* the same, as the node says */
};

struct kecho_sink {
	struct ke_member m;
	struct list_head list;
	struct kecho_channel *ch;
	struct lib_lock lock;
	struct list_head feeds;
	unsigned int budget;	/* events that the first feed still may give in a row */
	bool retained, reading;
	bool disconnected;	/* it has ended; the reader looks without the lock, as at `taken` */
	bool stalled;		/* it held up a source, and reads no logs any more */
	bool taken;		/* a source did not wait for it: it is to be ended */
	bool says;		/* somebody hears what it has read */
	unsigned int boost_us;	/* of who waits for it; 0: not at all */
	kecho_event_fn fn;
	void *arg;
	void *copy;		/* a record that is not read in place */
	int pollfd, pending;
	bool pending_set;
	struct kecho_sink_stats stats;
	struct kecho_gate_slot *counters;	/* where a node looks */
	/* Its limit is 0 before a log goes on without waiting for this sink; also when its
	 * node has gone, and there is another. */
	const struct kecho_limit_slot *kept;
	struct client_pages *pages;		/* where it is */
	u32 handle;
	struct lib_lock filter_lock;
	struct sink_filter *filter;	/* NULL: all events are for it */
	struct client_filter told;	/* the node, if there is one; or it is to be */
	bool telling;			/* somebody does; under the kecho lock */
	struct sink_filter *in;		/* its channel's; NULL: there is none */
	bool picky;			/* there is one of both; read without the lock */
	struct list_head dispatched;	/* of the channel, with the next under its lock */
	struct sink_filter *in_next;
	/* Events that were not, as it found itself, or feeds did that are gone; atomic. */
	u64 filtered;
	u64 judged;		/* of the events that were taken last, each bit: at the source */
	u64 real_ns, mono_ns;	/* when these were taken; 0: nobody has asked */
	int end_error;		/* why it is disconnected; 0: it was too slow */
	char end_why[WHY_MAX];	/* the same, as the node says */
};

struct notice {
	struct list_head list;
	struct kecho_member m;
};

struct kecho_channel {
	struct ke_channel ch;
	struct list_head list;
	struct kecho *k;
	struct list_head sources, sinks;
	unsigned int retain, timeout_ms;
	struct doorbell *bells;	/* DOORBELLS_MAX; [0] is the one that we sleep on, and share */
	atomic_uint nbells;
	kecho_member_fn watch;
	void *watch_arg;
	struct list_head notices;
	bool in_watch;
	struct stat_query *query;
	struct client_channel *client;
	pthread_mutex_t dispatch_lock;
	struct list_head dispatched;	/* sinks */
	struct kecho_filter *in;	/* their filter for IN; NULL: none */
	struct kecho_type *in_type;
};

struct stat_query {
	struct kecho_member_stats *st;
	size_t max, n;
	u64 cookie;
	unsigned int due;
};

struct shared_in {		/* a log that came and waits for its START */
	struct list_head list;
	struct conn *c;
	u32 log;
	struct shared_log *mem;
};

/*
 * What differs by whom the process is attached to. The rest, submitting and reading
 * above all, is the same code on the same structs. Each call is made without locks, by
 * a process that has not forked, and explains its own errors.
 */
struct lib_attach {
	void (*close)(struct kecho *k);		/* all channels are closed */
	int (*channel_join)(struct kecho_channel *ch, const char *name, unsigned int flags);
	void (*channel_leave)(struct kecho_channel *ch);
	int (*source_join)(struct kecho_source *s, size_t log_size);
	void (*source_leave)(struct kecho_source *s);
	int (*sink_join)(struct kecho_sink *s);
	void (*sink_leave)(struct kecho_sink *s);
	/*
	 * The sources of the channel are to judge by this filter for the sink; NULL: by none.
	 * Alone of all it is called with a lock, the sink's filter_lock, and does not wait;
	 * the other one then does, until they do so. NULL: sinks judge by themselves.
	 */
	void (*seat)(struct kecho_sink *s, const struct kecho_filter *f,
		     const struct kecho_type *type);
	int (*seated)(struct kecho_sink *s);
	/* @f NULL: the source has no filter for OUT any more. It is to know of all sinks. */
	int (*choose)(struct kecho_source *s, const struct kecho_filter *f);
	int (*address)(struct kecho_source *s);
	/* Where replies to a source go, as it says; 0: nowhere. */
	u64 (*reply_to)(struct kecho_source *s, u64 source);
	/* @m is ours; NULL: of the channel; @ch is NULL too: of the node. */
	int (*set)(struct kecho *k, struct kecho_channel *ch, struct ke_member *m,
		   const char *name, const struct ke_value *v);
	/* @member 0: of the channel. */
	int (*get)(struct kecho_channel *ch, uint64_t member, const char *name,
		   struct kecho_value *v, void *buf, size_t size);
	/* The type's number, when all who read the source know it. */
	int (*announce)(struct kecho_source *s, const struct kecho_type *t);
	int (*type)(struct kecho_channel *ch, uint64_t member, unsigned int number,
		    struct kecho_type **out);
	ssize_t (*members)(struct kecho_channel *ch, struct kecho_member *m, size_t max);
	/* Notices of all members that are there, then of changes; or no more. */
	int (*watch)(struct kecho_channel *ch, kecho_member_fn fn, void *arg);
	ssize_t (*stats)(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
			 int timeout_ms);
	ssize_t (*links)(struct kecho *k, struct kecho_link_info *l, size_t max);
	int64_t (*ping)(struct kecho *k, uint64_t node, int timeout_ms);
	ssize_t (*channels)(struct kecho *k, struct kecho_channel_info *c, size_t max);
	int (*freeze)(struct kecho_channel *ch, int timeout_ms);
	int (*thaw)(struct kecho_channel *ch);
	int (*drain)(struct kecho_channel *ch, int timeout_ms);
	int (*destroy)(struct kecho_channel *ch, int timeout_ms);
	int (*other)(struct kecho_channel *ch, uint8_t uuid[16]);
};

struct kecho {
	const struct lib_attach *attach;
	struct client *client;	/* NULL: the node is our own */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ke_node node;
	struct ke_reg *reg;
	unsigned int fork_generation, timeout_ms;
	struct list_head conns, channels, shared;
	int ep;			/* the helper's */
	int io;			/* TCP connections and doorbells; in ep while armed */
	int wake, bell, nudge;
	int unix_fd, tcp_fd;
	uint16_t any_port;	/* it listens there on every address; 0: it does not */
	int gates_fd;
	u64 *gates;
	bool gate_used[GATES_MAX];
	atomic_int ntcp;
	pthread_t helper;
	bool stop;
	pthread_mutex_t lead;	/* of the followers, and of what the helper polls */
	pthread_cond_t follow;
	atomic_uintptr_t leader;	/* 0: nobody */
	atomic_uint nfollowers;	/* that sleep until the leader is through */
	atomic_uint nfutexes;	/* that sleep on a doorbell, or are about to */
	bool leading;		/* the leader holds the kecho lock, whose this is */
	struct conn *direct;	/* that the leader sleeps in; the kecho lock's */
	atomic_bool armed, helper_parked;
	atomic_uint runs, reaped;
	atomic_int fd_sinks;
	atomic_bool run_polled;	/* somebody polls kecho_run_fd() */
	int run_fd, run_pending;
	u64 ping_sent, ping_rtt_ns;
	struct ke_peer *ping_peer;
	bool noticed;		/* a channel has notices that nobody was given yet */
	struct list_head promised;	/* feeds whose sources promise signs of life */
	u64 look_ms;		/* then the helper looks for those; 0: not at all */
};

/* explain.c */
int lib_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int lib_fail_as(int err, const char *sentence);
/* Is a node of the channel refused? Fails with the reason. The kecho lock is held. */
int lib_refused(const struct kecho_channel *ch);
extern atomic_uint lib_fork_generation;

static inline bool lib_forked(const struct kecho *k)
{
	return k->fork_generation !=
	       atomic_load_explicit(&lib_fork_generation, memory_order_relaxed);
}

static inline u64 lib_clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (u64)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The channel is frozen, and what @s does is nothing that had begun before. */
static inline bool source_held(const struct kecho_source *s)
{
	return s->s.frozen && !s->s.in_pieces;
}

static inline struct kecho *lib_of(const struct ke_node *n)
{
	return n->owner;
}

/* house.c */
extern const struct ke_house lib_house;
bool lib_wait(struct kecho *k, u64 deadline_ms);	/* on k->changed; false: it has passed */
u64 lib_deadline(unsigned int timeout_ms);

void member_describe(const struct ke_remote *m, struct kecho_member *out);

/* open.c */
int lib_start_helper(struct kecho *k, void *(*run)(void *));

/* embedded.c */
bool embedded_wanted(const struct kecho_options *opt);
int embedded_open(struct kecho *k, const struct kecho_options *opt);

/* client.c, and what else of an attached process is known outside of client*.c */
int client_open(struct kecho *k, bool device, bool *there);
void client_ring(const struct kecho *k);
void client_pages_put(struct client_pages *p);
void client_tell(struct kecho_source *s);
void client_forget_types(struct kecho_source *s);
void client_judge_free(struct kecho_source *s);
void client_choice_free(struct kecho_source *s);
void client_choice_look(struct kecho_source *s);
void client_settle(struct kecho *k);
void client_stalled(struct kecho_sink *s);
void client_taken(struct kecho_sink *s);
u64 client_limit(struct kecho_source *s, u64 end);
void client_wait_for_room(struct kecho_source *s, u64 size);
void client_refused(struct kecho_source *s, u64 size);
void client_wake(struct kecho_channel *ch);
void client_sleep_on(struct kecho_channel *ch, u32 how);
bool client_futexes(struct kecho_channel *ch);
void client_sleep(struct kecho_sink *s, bool (*ready)(void *), void *arg, int left_ms);

/* joins.c */
int embedded_channel_join(struct kecho_channel *ch, const char *name, unsigned int flags);
void embedded_channel_leave(struct kecho_channel *ch);
int embedded_source_join(struct kecho_source *s, size_t log_size);
void embedded_source_leave(struct kecho_source *s);
void source_end(struct kecho_source *s);
int embedded_sink_join(struct kecho_sink *s);
void embedded_sink_leave(struct kecho_sink *s);

/* choose.c */
int embedded_choose(struct kecho_source *s, const struct kecho_filter *f);
int embedded_address(struct kecho_source *s);
u64 embedded_reply_to(struct kecho_source *s, u64 source);
int source_address(struct kecho_source *s);
int choose_explain(const struct kecho_source *s, int err, const char *why);

/* seat.c */
void embedded_seat(struct kecho_sink *s, const struct kecho_filter *f,
		   const struct kecho_type *type);
int embedded_seated(struct kecho_sink *s);
bool seat_judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
		 const struct ke_verdict *v);

/* members.c */
ssize_t embedded_members(struct kecho_channel *ch, struct kecho_member *m, size_t max);
int embedded_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg);
void watch_tell(struct kecho_channel *ch, const struct kecho_member *m);
void watch_tell_own(struct kecho_channel *ch, const struct ke_member *m,
		    enum kecho_member_state state);
bool find_gone(struct kecho_channel *ch, uint64_t id, const struct ke_attrs **own,
	       const struct ke_attrs **node);
int embedded_set(struct kecho *k, struct kecho_channel *ch, struct ke_member *m,
		 const char *name, const struct ke_value *v);
int embedded_get(struct kecho_channel *ch, uint64_t member, const char *name,
		 struct kecho_value *v, void *buf, size_t size);

/* look.c */
ssize_t embedded_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
		       int timeout_ms);
ssize_t embedded_links(struct kecho *k, struct kecho_link_info *l, size_t max);
int64_t embedded_ping(struct kecho *k, uint64_t node, int timeout_ms);
ssize_t embedded_channels(struct kecho *k, struct kecho_channel_info *c, size_t max);
void stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie);
void stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p, struct ke_in *in);

/* conn.c */
int conn_watch(int ep, int fd, u32 events, void *what);
struct conn *conn_new(struct kecho *k, int fd);
int conn_establish(struct conn *c, bool local, bool dialled);
void conn_accept(struct kecho *k, int listener);
void conn_input(struct conn *c, u32 events);
void conn_received(struct conn *c, ssize_t n, int err);
void conn_flush(struct conn *c);
void conn_kick(struct conn *c);
void conn_hangup(struct conn *c);
void conn_close(struct conn *c);
void conn_reap(struct kecho *k);
void conn_died(struct conn *c);

/* dial.c */
socklen_t dial_unix_address(struct sockaddr_un *a, const struct ke_id *id);
void dial(struct kecho *k, struct ke_peer *p);
void dial_done(struct conn *c);
void dial_failed(struct conn *c, int err);
bool dials_run(struct kecho *k);

/* listen.c */
int listen_unix(struct kecho *k);
int listen_tcp(struct kecho *k, const char *listen, const char *advertise, const char *registry);
void listen_learn(struct kecho *k, int fd);

/* share.c */
struct shared_log *shared_log_make(size_t ring);
/* NULL: it is not what it must be; @known is set if it is, or could be, a log of ours. */
struct shared_log *shared_log_map(int fd, size_t ring, bool *known);
void shared_log_put(struct shared_log *log);
void share_gates(struct conn *c);
void share_doorbell(struct conn *c, struct kecho_channel *ch);
void share_log(struct ke_link *l, struct ke_source *s);
void share_in(struct ke_link *l, struct ke_channel *ch, struct ke_in *in);
struct shared_log *share_take(struct conn *c, u32 log);
void share_forget(struct conn *c);
int doorbell_make(struct kecho_channel *ch);
void doorbells_close(struct kecho_channel *ch);
void doorbell_ring(struct kecho_channel *ch);
void doorbell_ring_fenced(struct kecho_channel *ch);
/* By what a node sleeps on a doorbell. */
static inline u32 doorbell_bit(const struct ke_id *node)
{
	return KECHO_WAIT_NUMBER(node->b[0]);
}

void doorbell_ring_some(struct kecho_channel *ch, u32 nodes);
bool doorbell_wake(struct kecho_doorbell *d, u32 whom);
void *shared_map(int fd, size_t size, int prot);
struct shared_log *shared_log_open(int fd, size_t ring, int prot);

/* direct.c */
struct conn *direct_claim(struct kecho *k, struct kvec *into);
ssize_t direct_sleep(struct conn *c, const struct kvec *into);
void direct_done(struct conn *c, ssize_t n, int err);
void direct_interrupt(struct conn *c);

/* wait.c */
u64 wait_deadline(int timeout_ms);
bool wait_over(u64 deadline);
int wait_once(struct kecho *k, struct kecho_sink *s, bool (*ready)(void *), void *arg,
	      u64 deadline);
void sleep_on(struct kecho_channel *ch, u32 how);
void wait_wake(struct kecho *k);
void wait_arm(struct kecho *k);
void *helper_main(void *arg);
void io_run(struct kecho *k, int timeout_ms);
void notice_add(struct kecho_channel *ch, struct notice *n);
void notices_end(struct kecho_channel *ch);
void notices_run(struct kecho *k);

/* names.c */
int embedded_other(struct kecho_channel *ch, uint8_t uuid[16]);
void names_run(struct kecho *k);
bool names_linked(const struct ke_channel *ch, const struct ke_contact *contact, unsigned int n);
enum kecho_other names_other(struct kecho *k, const struct ke_channel *ch);

/* sink.c */
void sink_free(struct kecho_sink *s);
/* source.c */
void source_free(struct kecho_source *s);
void source_tell(struct kecho_source *s);

/* life.c */
int embedded_freeze(struct kecho_channel *ch, int timeout_ms);
int embedded_thaw(struct kecho_channel *ch);
int embedded_drain(struct kecho_channel *ch, int timeout_ms);
int embedded_destroy(struct kecho_channel *ch, int timeout_ms);
u32 life_lagging(struct ke_channel *ch, const struct ke_in *marks);
void life_destroyed(struct ke_channel *ch);
/* attrs.c */
int value_check(const char *name, struct kecho_value v, struct ke_value *out);
int value_find(const struct ke_attrs *a, const char *name, struct kecho_value *v, void *buf,
	       size_t size);
int attrs_load(struct ke_attrs *a, const struct kecho_attr *attr, size_t n);

/* announce.c */
int embedded_announce(struct kecho_source *s, const struct kecho_type *t);
int embedded_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		  struct kecho_type **out);

#endif
