/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's house: one node for each network namespace in which somebody is attached.
 *
 * Locks, in the order in which they are taken:
 *	kn.attaching	mutex: the node comes and goes
 *	kn.opening	mutex: a channel is asked for at the registry
 *	kn.lock		mutex: control calls of core, receiving, all lists of this file;
 *			kn_lock() also keeps out who takes data in softirq
 *	conn.tx		mutex: what core has to send on one connection
 *	kn.lock.data	rwlock, BH: to read: data is taken, from different connections, and
 *			nobody is in control; to write: for a moment as kn.lock is taken
 *	sink.lock	spinlock, BH: a sink's feeds and its reading position
 *	source.lock	spinlock, IRQ: a source's log, gates and streams
 *	bell.lock	spinlock, IRQ, a leaf: who sleeps until something is published
 *
 * Those who submit take source.lock and, if somebody sleeps, bell.lock: so they may be
 * anywhere. Nothing is allocated or freed under a spinlock.
 *
 * Who runs where: control is made by its callers and by works of kn_wq; events are given out
 * by kecho_read(), by a work of the sink in kn_callback_wq, or by its tasklet, and never by
 * two at once.
 */
#ifndef KECHO_KN_H
#define KECHO_KN_H

#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/sysctl.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "kecho.h"
#include "link.h"
#include "memory.h"
#include "native.h"
#include "reg.h"

struct kn_live;
struct kn_opening;
struct kn_psource;
struct kn_user;
struct mem_cgroup;
struct net;
struct sock;
struct sockaddr_storage;
struct socket;

enum kn_limits {
	KN_SETTINGS = 4,
	KN_BLOCK_SIZE = 24,	/* of the setting `block` */
	KN_BACKLOG = 128,	/* connections that were not accepted yet */
	KN_STRANGERS_MAX = 128,	/* that were, and whose hello has not come */
	KN_BATCH = 8,		/* events that a callback gets for one look at the logs */
	KN_TURN = 64,		/* events that a sink gets before others have their turn */
	KN_TURN_NS = 1000000,	/* or for so long, whichever is over first */
	KN_STRIKE = 8,		/* what one overrun counts, which so many good calls make up for */
	KN_STRIKES_MAX = 16 * KN_STRIKE,
};

/* Times, in milliseconds. */
enum kn_times {
	KN_SETUP_MS = 3000,	/* of a connection, until the other end's hello has come */
	KN_DIAL_AGAIN_MS = 500,	/* between two dials that go on at the same time */
	KN_OPEN_MS = 5000,
	KN_JOIN_MS = 5000,
	KN_LINGER_MS = 2000,
};

/* Which users' sinks may hold up the sources of others. */
enum kn_block { KN_BLOCK_ALL, KN_BLOCK_GROUP, KN_BLOCK_OWNER };

/* What is counted as it comes and goes: when the module goes all must have gone. */
enum kn_kind { KN_ATTACHMENT, KN_LOG, KN_CHANNEL, KN_SOURCE, KN_SINK, KN_FEED, KN_NOTICE,
	       KN_CONN, KN_BELL, KN_SESSION, KN_USER, KN_NATIVE, KN_KINDS };

/* Who sleeps on a bell is on its list once, and is taken off when it is woken. */
struct kn_waiter {
	struct list_head list;
	bool gone;		/* it is not to sleep there any more */
	void (*wake)(struct kn_waiter *w);	/* under the bell's lock */
};

struct kn_bell {
	spinlock_t lock;
	struct list_head waiters;
	refcount_t refs;
	struct kn_pages pages;		/* what processes see of it; */
	struct kecho_doorbell *shown;	/* NULL: none has asked */
	struct kn_waiter processes;	/* all of them together, who are */
	wait_queue_head_t asleep;	/* here */
};

/* A connection to another node. */
struct kn_conn {
	struct ke_link link;
	struct list_head list;
	struct kn *kn;
	struct socket *sock;
	struct mutex tx;
	bool open;		/* link.h's part is alive */
	bool connecting, closing;
	struct ke_id target;	/* whom we dialled */
	int dial_err;
	void (*was_ready)(struct sock *sk);	/* the socket's own callbacks */
	void (*was_changed)(struct sock *sk);
	void (*was_writable)(struct sock *sk);
	u64 rtt_ns;		/* as it was measured last; 0: it wasn't */
	u64 setup_ms;		/* until then its hello has come */
	struct work_struct send, receive;
	u8 *out;		/* taken from core; the work @send's alone, as the next */
	u32 out_at, out_len;
};

/* Who takes data does not wait for who is in control: he leaves it to a work. */
struct kn_lock {
	struct mutex mutex;
	rwlock_t data;
	bool taken;
};

struct kn {
	struct net *net;
	struct mutex attaching;
	unsigned int attached;
	u64 started_ms;
	struct mutex opening;
	struct kn_lock lock;
	struct ke_node node;
	struct list_head channels;
	struct list_head conns;
	struct work_struct reap;
	struct socket *listener;
	void (*listener_was_ready)(struct sock *sk);	/* its own callback */
	struct delayed_work accept;
	struct kn_reg reg;
	bool registry_used;
	struct ctl_table_header *sysctl;
	struct ctl_table settings[KN_SETTINGS + 1];	/* and an empty one */
	char listen[KE_ADDRESS_MAX + 1], registry[KE_ADDRESS_MAX + 1];
	char block[KN_BLOCK_SIZE];
	enum kn_block may_block;
	u32 block_gid;
	unsigned long mirrors_max_bytes;
	u64 mirrors_bytes, mirrors_refused;	/* what they have; how often that was too much */
	struct list_head pings, counts;	/* what processes ask other nodes */
	u64 last_ping_ns;
	struct kn_natives natives;
	wait_queue_head_t changed;
	u32 changes;		/* of all that somebody may wait for on @changed */
	struct delayed_work tick;
	bool stopping;
};

/* An attachment. */
struct kecho {
	struct kn *kn;
	struct list_head channels;
	struct list_head list;	/* of all */
	struct module *owner;	/* NULL: the kernel itself */
};

/* A channel of the node, for as long as an attachment has it open. */
struct kn_channel {
	struct ke_channel ch;
	struct list_head list;
	struct kn *kn;
	struct kn_bell *bell;
	u32 nholders;		/* of those who have it open, who hold it frozen */
	struct list_head users;	/* struct kecho_channel */
	struct list_head sources, sinks;
	struct list_head psinks;	/* of processes */
	struct kn_live *live;	/* what processes are shown; NULL: none has asked */
	struct kn_request repair;
	u64 repair_ms;		/* when it is to be made; 0: it isn't */
	struct kn_request look;	/* whose the name is, if it was refused */
	bool unnamed;		/* it is another's */
};

/* The same as one attachment has it. */
struct kecho_channel {
	struct list_head list;		/* of the attachment */
	struct list_head users;		/* of the node's channel */
	struct kecho *k;
	struct kn_channel *c;
	struct kn_opening *process;	/* it is a process's; NULL: a kernel service's */
	bool holds;			/* that holds it frozen */
	unsigned int retain;
	struct ke_sieve *in;		/* its filter for IN; NULL: there is none */
	kecho_member_fn watch;
	void *watch_arg;
	struct list_head notices;
	struct work_struct watching;
	struct task_struct *caller;	/* who is in the watcher; NULL: nobody */
};

struct kecho_source {
	struct ke_source s;
	struct list_head list;
	struct kecho_channel *ch;
	spinlock_t lock;
	struct kn_log *log;
	int linger_ms;
	u64 lifespan_ns;	/* of its events; 0: for ever */
	u32 ntypes;		/* that it has announced; read without a lock */
	struct kecho_source_stats stats;
	struct kecho_chosen chosen;
	__le64 *names;		/* of an event in pieces that is for some; NULL: none can be */
	struct work_struct chores;	/* what who submits can't do */
	struct list_head pfeeds;	/* of processes' sinks */
	struct kn_psource *proc;	/* it is a process's; NULL: a kernel service's */
};

/* One sink's reader of one log. */
struct kn_feed {
	struct list_head list;		/* of the sink */
	struct ke_reader reader;
	struct kecho_sink *sink;
	struct kecho_source *source;	/* our own; or */
	struct ke_rstream *rs;		/* another node's; both NULL: it is over */
	struct kn_log *log;
	u64 member;
	struct ke_gate gate;
	u64 released;		/* the gate's position */
	u64 said;		/* that, as the other node was told last */
	u64 last_seq;
	bool ended, failed, told;
	bool hungry;		/* it needs memory for an event in pieces, */
	struct kn_user *payer;	/* for which, if it has some, this user pays; NULL: none does */
	bool cut;		/* its sink has stalled: what it lacks is lost */
	bool due;		/* see kn_feeds_each() */
	struct ke_judge *judge;	/* of what its source has not judged; NULL: there is no filter */
	struct ke_judge *in;	/* the channel's filter for IN; NULL: there is none */
	struct ke_judge *next_judge, *next_in;	/* a new filter's, while that is made */
	u64 filtered;		/* by that */
	struct ke_match *match[KE_TYPES_MAX];	/* of its source's types, to the sink's */
};

struct kecho_sink {
	struct ke_member m;
	struct list_head list;
	struct kecho_channel *ch;
	spinlock_t lock;
	struct list_head feeds;
	struct kn_feed *held;	/* it gave the last events out; NULL: they are given back */
	bool retained;
	bool disconnected;	/* it has ended; read without the lock */
	int refused;		/* -errno: there is no place for a log that it is to read */
	bool overran;		/* as its callback takes too long */
	bool stalled;		/* it held up a source, or overran, and reads no logs any more */
	bool chores_due;
	unsigned long reading;	/* bit 0: somebody does */
	enum kecho_context context;
	kecho_filter_fn filter;
	/* What its channel's filter for IN remembers, of all feeds; of a new one. */
	struct ke_filter_state *in_state, *next_in_state;
	struct ke_type *type;	/* its reader's struct; NULL: it has said none */
	kecho_event_fn fn;
	kecho_ended_fn ended;
	bool end_told;
	void *arg;
	u64 budget_ns;		/* for each call; see budget.c */
	u32 strikes;
	struct task_struct *caller;	/* who is in a callback; NULL: nobody */
	void *copy;		/* a record that is not read in place */
	struct kn_waiter waiter;
	wait_queue_head_t wait;
	struct work_struct run;
	struct lock_class_key run_key;
	struct tasklet_struct bh;
	struct work_struct chores;
	struct kecho_sink_stats stats;
};

/* For the node, whose works end soon; and for callbacks. */
extern struct workqueue_struct *kn_wq, *kn_callback_wq;

/* balance.c */
void kn_made(enum kn_kind kind);
void kn_gone(enum kn_kind kind);
void kn_balance(void);

/* bell.c */
struct kn_bell *kn_bell_make(void);
void kn_bell_put(struct kn_bell *b);
static inline struct kn_bell *kn_bell_get(struct kn_bell *b)
{
	refcount_inc(&b->refs);
	return b;
}
/* Processes see it from here on; kn.lock is held. -ENOMEM. */
int kn_bell_show(struct kn_bell *b);
/* Any context. What was published before this is seen by who sleeps after it. */
void kn_bell_ring(struct kn_bell *b);
/* From here on until it is woken; who has armed looks once more, then sleeps. */
void kn_bell_arm(struct kn_bell *b, struct kn_waiter *w);
/* It isn't being woken, and won't be, on return; with @gone never again. */
void kn_bell_disarm(struct kn_bell *b, struct kn_waiter *w, bool gone);
/* Wake this one, asleep or not, unless it is gone. Any context. */
void kn_bell_wake(struct kn_bell *b, struct kn_waiter *w);

/* node.c */
struct kn *kn_of_net(struct net *net);
void kn_init(struct kn *kn, struct net *net);
void kn_lock(struct kn *kn);
bool kn_trylock(struct kn *kn);
void kn_unlock(struct kn *kn);
/* Data is taken, in softirq: nobody is in control until it ends. False: somebody is. */
bool kn_data_begin(struct kn *kn);
void kn_data_end(struct kn *kn);
/* The same in any context, for a moment. */
bool kn_look_begin(struct kn *kn);
void kn_look_end(struct kn *kn);
/* On kn->changed; the lock is held, and let go meanwhile. False: it is over, or who waits. */
bool kn_wait(struct kn *kn, unsigned long until);
void kn_changed(struct kn *kn);
/* A sink is told that it lost something: nodes that count it will ask. */
static inline void kn_count_loss(struct kn *kn)
{
	WRITE_ONCE(kn->node.losses, READ_ONCE(kn->node.losses) + 1);
}

/* conn.c; kn.lock is held, but for the kick and the work */
struct kn_conn *kn_conn_new(struct kn *kn, struct socket *sock);
int kn_conn_establish(struct kn_conn *c, bool dialled);
void kn_conn_kick(struct kn_conn *c);	/* any context that keeps the link alive */
void kn_conn_close(struct kn_conn *c);
void kn_conn_hangup(struct kn_conn *c);
void kn_conns_reap(struct work_struct *work);
static inline struct kn_conn *kn_conn_of(const struct ke_link *l)
{
	return l->owner;
}

/* dial.c; kn.lock is held */
void kn_dial(struct kn *kn, struct ke_peer *p);
void kn_dial_done(struct kn_conn *c);
void kn_dial_failed(struct kn_conn *c, int err);
bool kn_dials_run(struct kn *kn);	/* are there any that go on? */

/* listen.c */
int kn_address_parse(struct net *net, const char *s, struct sockaddr_storage *a);
/* A socket for that address, which keeps the namespace until TCP is through with it. */
int kn_socket(struct kn *kn, const char *s, struct sockaddr_storage *a, struct socket **sock);
int kn_listen(struct kn *kn, const char *address, char *told, size_t size);
void kn_unlisten(struct kn *kn);
void kn_listen_init(struct kn *kn);

/* channel.c; kn.lock is held */
bool kn_channel_is_own(const struct kecho_channel *ch);	/* are we in a callback of it? */
/* No callback of it runs any more, on return; not with kn.lock. */
void kn_channel_hush(struct kecho_channel *ch);

/* setting.c */
int kn_settings_make(struct kn *kn);
int kn_settings_take(struct kn *kn);	/* as the node begins; -EINVAL */
void kn_settings_free(struct kn *kn);

/* proc.c */
int kn_proc_make(struct net *net);
void kn_proc_free(struct net *net);

/* stream.c; kn.lock is held */
int kn_stream_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring);
void kn_stream_detach(struct ke_rstream *rs);
void kn_stream_started(struct ke_rstream *rs, u64 pos, u64 seq);
void kn_stream_published(struct ke_rstream *rs);
void kn_stream_ended(struct ke_rstream *rs);
u64 kn_stream_lost(struct ke_rstream *rs);
void kn_stream_released(struct ke_rstream *rs);
void kn_stream_stalled(struct ke_rstream *rs, u64 pos, bool end);

/* life.c; kn.lock is held */
u32 kn_lagging(struct ke_channel *c, const struct ke_in *marks);
void kn_destroyed(struct ke_channel *c);
void kn_stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie);
void kn_stats_put(struct ke_out *o, struct kn_channel *c);	/* of all members of this node */
void kn_put_source_stats(struct ke_out *o, const struct ke_source *s,
			 const struct kecho_source_stats *st);
void kn_put_sink_stats(struct ke_out *o, const struct ke_member *m,
		       const struct kecho_sink_stats *st);

/* hold.c; kn.lock is held */
void kn_hold_end(struct kecho_channel *ch);
u32 kn_processes_ending(const struct kn_channel *c);	/* dev_life.c */

/* house.c */
extern const struct ke_house kn_house;
u64 kn_now_ms(void);

/* attr.c */
int kn_value_check(struct kecho_value v, struct ke_value *out);
int kn_attrs_load(struct ke_attrs *a, const struct kecho_attr *attr, size_t n);
int kn_value_find(const struct ke_attrs *a, const char *name, struct kecho_value *v, void *buf,
		  size_t size);

/* member.c; kn.lock is held */
int kn_join(struct ke_member *m, struct kecho_channel *ch);
void kn_leave(struct ke_member *m, struct kecho_channel *ch);
void kn_member_remote(struct ke_remote *m);
void kn_members_left(struct kn_channel *c);
void kn_members_each(struct kecho_channel *ch,
		     void (*fn)(void *arg, const struct kecho_member *m), void *arg);
const struct ke_attrs *kn_member_attrs(const struct kn_channel *c, u64 id, bool of_node);
void kn_watch_init(struct kecho_channel *ch);
bool kn_watch_is_own(const struct kecho_channel *ch);	/* are we in its watcher? */

/* dev_feed.c: the same for processes' sinks; kn.lock is held */
void kn_pfeeds_started(struct ke_rstream *rs, u64 pos, u64 seq);
void kn_pfeeds_ended(struct ke_rstream *rs);
void kn_pfeeds_detach(struct ke_rstream *rs);
u64 kn_pfeeds_lost(struct ke_rstream *rs);
u64 kn_pfeeds_slowest(struct ke_rstream *rs);	/* ~0: nobody blocks */
void kn_pfeeds_stalled(struct ke_rstream *rs, u64 pos);
bool kn_pfeed_stalled_own(struct kecho_source *src, const struct ke_gate *gate);
void kn_pfeeds_end_source(struct kecho_source *src);
void kn_psinks_feed(struct kecho_source *src);
/* A mirror that one of them pays for; those who can't end. NULL: none can. */
struct kn_log *kn_psinks_mirror(struct kn_channel *c, size_t ring);
void kn_psinks_refuse(struct kn_channel *c, int err);
u32 kn_psinks_lagging(struct kn_channel *c, const struct ke_in *marks);

/* dev_source.c, dev_copy.c, dev_look.c: sources of processes; kn.lock is held */
void kn_psource_frozen(struct kn_psource *ps);	/* or not any more, perhaps */
void kn_opening_ended(struct kn_opening *o);	/* its channel was destroyed */
int kn_copy_hold(struct kecho_source *src);	/* a sink of the kernel reads it, */
void kn_copy_release(struct kecho_source *src);	/* and no more */
int kn_copy_open(struct ke_source *s, u8 from);	/* the same for other nodes */
void kn_copy_close(struct ke_source *s);
void kn_copy_moved(struct kecho_source *src);	/* a gate of it has; any context */
u64 kn_source_last(const struct kecho_source *src);	/* the number of its last event */
/* Who comes now reads it: else its feeds have been told their end. */
bool kn_source_goes_on(const struct kecho_source *src);
struct kn_user *kn_source_user(const struct kecho_source *src);	/* to be put; NULL: none */
struct mem_cgroup *kn_source_memcg(const struct kecho_source *src);	/* of a process's */
void kn_process_stats(struct ke_out *o, struct kn_channel *c);

/* dev_filter.c, dev_judge.c: processes' filters; kn.lock is held */
bool kn_pfilter_judged(struct ke_member *sink, u64 source, const struct ke_verdict *v);
void kn_judges(struct ke_source *s);
void kn_wakes(struct ke_source *s);

/* dev_live.c: what processes are shown of it has changed; kn.lock is held */
void kn_live_own(const struct kn_channel *c, const struct ke_member *m, bool there);
void kn_live_remote(const struct ke_remote *m);
void kn_live_channel(const struct kn_channel *c);
void kn_live_node(const struct kn_channel *c, const struct ke_peer *p);	/* NULL: ours */
void kn_live_free(struct kn_channel *c);

/* dev_look.c, dev_stats.c: answers to what processes asked; kn.lock is held */
void kn_pong(struct ke_link *l, u64 sent_ns);
void kn_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p, struct ke_in *in);

/* dev.c */
int kn_dev_init(void);
void kn_dev_exit(void);

/* submit.c: the clock that filters see; submitting */
extern const struct ke_filter_ops kn_filter_ops;
struct ke_event_info kn_event_info(const struct kecho_source *s, unsigned int flags);
int kn_submit(struct kecho_source *s, struct ke_event_info *info, const void *data, size_t len);

/* choose.c; kn.lock is held */
int kn_choose_begin(struct kecho_source *s);	/* events for single sinks may come */
void kn_choose_end(struct kecho_source *s);

/* source.c; kn.lock is held */
void kn_source_end(struct kecho_source *s);

/* feed.c; kn.lock is held for all but those who read */
int kn_feed_source(struct kecho_sink *s, struct kecho_source *src, bool retained);
int kn_feed_stream(struct kecho_sink *s, struct ke_rstream *rs, u64 pos, u64 seq);
void kn_feeds_drop_told(struct kecho_sink *s);
void kn_feeds_end_source(struct kecho_source *src);
void kn_feeds_free(struct kecho_sink *s);
/* @fn may sleep. */
void kn_feeds_each(struct kecho_sink *s, void (*fn)(struct kn_feed *f, void *arg), void *arg);
/* The source @member has announced another type. */
void kn_feeds_learn(struct kn_channel *c, u64 member);
void kn_feeds_chores(struct kecho_sink *s);
void kn_feeds_release(struct kecho_sink *s);
bool kn_feeds_ready(struct kecho_sink *s);
bool kn_feeds_shut(struct kecho_sink *s);
unsigned int kn_feeds_next(struct kecho_sink *s, struct kecho_event *ev, unsigned int max);
/* What is counted in its feeds, too, in all of it; the sink's lock is held. */
void kn_feeds_count(struct kecho_sink *s, struct kecho_sink_stats *st);

/* deadline.c; the sink's lock is held */
bool kn_deadline_is_over(struct kn_feed *f, const struct ke_item *item);
/* By our CLOCK_REALTIME; 0: there is none, or it is not known what it is here. */
u64 kn_deadline_here(const struct kn_feed *f, const struct ke_item *item);

/* filter.c; kn.lock is held, but to judge, where it is the sink's */
int kn_filter_begin(struct kn_feed *f);
int kn_judge_make(struct kn_feed *f, struct ke_sieve *s, struct ke_judge **out);
/* Is it one for events of no type that was announced? */
int kn_sieve_check(const struct ke_sieve *s, char *why);
void kn_filter_end(struct kn_feed *f);
void kn_filter_learn(struct kn_feed *f);
void kn_filters_look(struct kn_channel *c);	/* attributes have changed */
bool kn_filter_wants(struct kn_feed *f, const struct ke_item *item);
bool kn_filter_judged(struct ke_member *sink, u64 source, const struct ke_verdict *v);

/* channel_filter.c; kn.lock is held */
int kn_in_join(struct kecho_sink *s);	/* before it has feeds */
void kn_in_leave(struct kecho_sink *s);
int kn_in_begin(struct kn_feed *f);

/* type.c: as it travels; kvfree() it. Returns its length. */
int kn_type_encode(const struct kecho_type *type, void **wire);

/* typed.c; kn.lock is held, but to open */
int kn_typed_open(struct kecho_sink *s, const struct kecho_type *type);
int kn_typed_learn(struct kn_feed *f);
void kn_typed_end(struct kn_feed *f);

/* budget.c */
u64 kn_budget_default(enum kecho_context context);
/* How many events it may be given at once; give it these. */
unsigned int kn_budget_batch(const struct kecho_sink *s);
void kn_budget_call(struct kecho_sink *s, const struct kecho_event *ev, unsigned int n);
/* Does its own filter want what it was given, which it is to read? */
bool kn_budget_wants(struct kecho_sink *s, const struct kecho_event *ev);
void kn_budget_detach(struct kecho_sink *s);	/* it overran; kn.lock is held */

/* owner.c */
int kn_owners_init(void);
void kn_owners_exit(void);
void kn_owner_add(struct kecho *k, struct module *owner);
void kn_owner_del(struct kecho *k);

/* dispatch.c */
void kn_dispatch_init(struct kecho_sink *s);
void kn_dispatch_fini(struct kecho_sink *s);
void kn_dispatch_start(struct kecho_sink *s);
void kn_dispatch_stop(struct kecho_sink *s);
bool kn_dispatch_is_own(const struct kecho_sink *s);	/* are we in its callback? */
/* Nothing is there: sleep until there is. False: there is something by now. */
bool kn_dispatch_arm(struct kecho_sink *s);

/* stall.c */
void kn_stall_end(struct kecho_sink *s);
void kn_sink_refuse(struct kecho_sink *s, int err);	/* who reads it ends it */
void kn_stall_own(struct ke_source *s, struct ke_gate *gate);

#endif
