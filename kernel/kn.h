/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's house: one node for each network namespace in which somebody is attached.
 *
 * Locks, in the order in which they are taken:
 *	kn.attaching	mutex: the node comes and goes
 *	kn.lock		mutex: control calls of core, all lists of this file
 *	sink.lock	spinlock, BH: a sink's feeds and its reading position
 *	source.lock	spinlock, IRQ: a source's log, gates and streams
 *	bell.lock	spinlock, IRQ, a leaf: who sleeps until something is published
 *
 * Those who submit take source.lock and, if somebody sleeps, bell.lock: so they may be
 * anywhere. Nothing is allocated or freed under a spinlock.
 *
 * Who runs where: control is made by its callers and by works of kn_wq; events are given out
 * by kecho_read(), by a work of the sink, or by its tasklet, and never by two at once.
 */
#ifndef KECHO_KN_H
#define KECHO_KN_H

#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "kecho.h"
#include "link.h"

struct net;

enum kn_limits {
	KN_BATCH = 8,		/* events that a callback gets for one look at the logs */
	KN_BUDGET = 64,		/* events that a sink gets before others have their turn */
};

/* What is counted as it comes and goes: when the module goes all must have gone. */
enum kn_kind { KN_ATTACHMENT, KN_LOG, KN_CHANNEL, KN_SOURCE, KN_SINK, KN_FEED, KN_NOTICE,
	       KN_KINDS };

/* A log in memory: the header's page, then the ring. Counted references. */
struct kn_log {
	refcount_t refs;
	unsigned int npages;
	struct page **pages;
	void *map;
	wait_queue_head_t room;	/* who waits until a gate moves */
};

/* Who sleeps on a bell is on its list once, and is taken off when it is woken. */
struct kn_bell {
	spinlock_t lock;
	struct list_head waiters;
};

struct kn_waiter {
	struct list_head list;
	bool gone;		/* it is not to sleep there any more */
	void (*wake)(struct kn_waiter *w);	/* under the bell's lock */
};

struct kn {
	struct net *net;
	struct mutex attaching;
	unsigned int attached;
	struct mutex lock;
	struct ke_node node;
	struct list_head channels;
	wait_queue_head_t changed;
	u32 changes;		/* of all that somebody may wait for on @changed */
	struct delayed_work tick;
	bool stopping;
};

/* An attachment. */
struct kecho {
	struct kn *kn;
	struct list_head channels;
};

/* A channel of the node, for as long as an attachment has it open. */
struct kn_channel {
	struct ke_channel ch;
	struct list_head list;
	struct kn *kn;
	struct kn_bell bell;
	struct list_head users;	/* struct kecho_channel */
	struct list_head sources, sinks;
};

/* The same as one attachment has it. */
struct kecho_channel {
	struct list_head list;		/* of the attachment */
	struct list_head users;		/* of the node's channel */
	struct kecho *k;
	struct kn_channel *c;
	unsigned int retain;
	kecho_member_fn watch;
	void *watch_arg;
	struct list_head notices;
	struct work_struct watching;
};

struct kecho_source {
	struct ke_source s;
	struct list_head list;
	struct kecho_channel *ch;
	spinlock_t lock;
	struct kn_log *log;
	struct kecho_source_stats stats;
	struct work_struct stalled;
};

/* One sink's reader of one log. */
struct kn_feed {
	struct list_head list;		/* of the sink */
	struct ke_reader reader;
	struct kecho_sink *sink;
	struct kecho_source *source;	/* NULL: it is over */
	struct kn_log *log;
	u64 member;
	struct ke_gate gate;
	u64 released;		/* the gate's position */
	u64 last_seq;
	bool ended, failed, told;
	bool hungry;		/* it needs memory for an event in pieces */
	bool cut;		/* its sink has stalled: what it lacks is lost */
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
	bool stalled;		/* it held up a source, and reads no logs any more */
	bool chores_due;
	unsigned long reading;	/* bit 0: somebody does */
	enum kecho_context context;
	kecho_event_fn fn;
	void *arg;
	void *copy;		/* a record that is not read in place */
	struct kn_waiter waiter;
	wait_queue_head_t wait;
	struct work_struct run;
	struct tasklet_struct bh;
	struct work_struct chores;
	struct kecho_sink_stats stats;
};

extern struct workqueue_struct *kn_wq;

/* balance.c */
void kn_made(enum kn_kind kind);
void kn_gone(enum kn_kind kind);
void kn_balance(void);

/* log.c */
struct kn_log *kn_log_make(size_t ring);
void kn_log_put(struct kn_log *log);
static inline struct kn_log *kn_log_get(struct kn_log *log)
{
	refcount_inc(&log->refs);
	return log;
}
static inline void *kn_log_ring(const struct kn_log *log)
{
	return log->map + KECHO_LOG_HEADER_SIZE;
}

/* bell.c */
void kn_bell_init(struct kn_bell *b);
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
/* On kn->changed; the lock is held, and let go meanwhile. False: it is over. */
bool kn_wait(struct kn *kn, unsigned long until);
void kn_changed(struct kn *kn);

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
void kn_watch_init(struct kecho_channel *ch);

/* feed.c */
int kn_feed_source(struct kecho_sink *s, struct kecho_source *src, bool retained);
void kn_feeds_end_source(struct kecho_source *src);
void kn_feeds_free(struct kecho_sink *s);
void kn_feeds_chores(struct kecho_sink *s);
void kn_feeds_release(struct kecho_sink *s);
bool kn_feeds_ready(struct kecho_sink *s);
bool kn_feeds_shut(struct kecho_sink *s);
unsigned int kn_feeds_next(struct kecho_sink *s, struct kecho_event *ev, unsigned int max);
u64 kn_feeds_lag(struct kecho_sink *s);

/* dispatch.c */
void kn_dispatch_init(struct kecho_sink *s);
void kn_dispatch_start(struct kecho_sink *s);
void kn_dispatch_stop(struct kecho_sink *s);
/* Nothing is there: sleep until there is. False: there is something by now. */
bool kn_dispatch_arm(struct kecho_sink *s);

/* stall.c */
void kn_stall_end(struct kecho_sink *s);
void kn_stall_own(struct ke_source *s, struct ke_gate *gate);

#endif
