/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * kecho in the kernel: event channels for kernel services.
 *
 * The names and their meanings are libkecho's (include/kecho/kecho.h). What differs
 * is said here: a node belongs to a network namespace and is shared by all who attach there,
 * submitting never sleeps, and events come by a call in a thread, by a call in softirq, or by
 * kecho_read().
 *
 * Conventions of this header
 *   Errors    Functions return 0 or a count, or -errno. On an error no output was touched.
 *   Contexts  Functions sleep, and want a process context, unless their comment says "any
 *             context": then they may be called with spinlocks held, from softirq and from
 *             interrupts; but not from an NMI, nor with a lock of the scheduler held.
 *   Closing   An object is not used any more, by nobody, once its close was called. A close
 *             returns 0, or -EDEADLK: it was called in softirq, or from a callback that it
 *             would wait for, and nothing is closed. Two callbacks don't close each other's
 *             sinks.
 *   Modules   What a module has open when its exit has returned, or its init has failed, is
 *             closed for it: none of its callbacks runs any more when its code goes.
 *   Times     Names end in their unit. A timeout of -1 waits for ever, 0 not at all.
 *   Memory    Strings and structs that the caller passes are copied.
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_KERNEL_H
#define KECHO_KERNEL_H

#include <linux/module.h>
#include <linux/string.h>
#include <linux/types.h>

struct kecho_field;
struct kvec;
struct net;

/* Limits that a caller can meet. */
#define KECHO_NAME_MAX		127	/* bytes of a channel's or an attribute's name */
#define KECHO_EVENT_MAX		(16u << 20)	/* bytes of an event */
#define KECHO_EVENT_ATTRS_MAX	1024	/* bytes of an event's attributes, encoded */
#define KECHO_ATTR_VALUE_MAX	1024	/* bytes of one attribute's value */
#define KECHO_LOG_SIZE_MIN	(64u << 10)
#define KECHO_LOG_SIZE_DEFAULT	(256u << 10)
#define KECHO_LOG_SIZE_MAX	(64u << 20)
#define KECHO_STALL_MS_DEFAULT	30000

struct kecho;
struct kecho_channel;
struct kecho_source;
struct kecho_sink;

/* ------------------------------------------------------------------ the node */

struct kecho_options {
	struct net *net;	/* NULL: init_net */
};

/*
 * kecho_open - attach to the node of a network namespace, which lives as long as somebody is
 * attached and keeps the namespace alive. Where that node listens, and where its registry is,
 * says /proc/sys/net/kecho there when the first one attaches; without, it is alone. @opt may
 * be NULL. -ENODEV: the namespace is on its way out; -EINVAL: a setting is no ADDR:PORT;
 * -EADDRINUSE, -EADDRNOTAVAIL: it can't listen there; -ENOMEM. The attachment is the calling
 * module's.
 */
#define kecho_open(out, opt) kecho_open_for(THIS_MODULE, out, opt)
int kecho_open_for(struct module *owner, struct kecho **out, const struct kecho_options *opt);
/* kecho_close - detach: closes what is still open. @k may be NULL. */
int kecho_close(struct kecho *k);

/* ------------------------------------------------------------------ channels */

enum kecho_channel_flags {
	KECHO_EXISTING = 1,	/* the channel must exist: else -ENOENT */
	KECHO_EXCLUSIVE = 2,	/* it must not: else -EEXIST */
};

struct kecho_channel_options {
	unsigned int flags;
	/* Events of each source that are kept for sinks that join late; 0: none. At most what
	 * fits half the source's log. Counts for sources that are opened by this handle. */
	unsigned int retain;
	unsigned int timeout_ms;	/* 0: 5000 */
};

/*
 * kecho_channel_open - open the channel @name, creating it if need be. Waits until every node
 * of the channel that answers knows of this one.
 * -EINVAL: an empty or too long name, or a byte in it below 0x21, 0x7f or '*';
 * -ENOENT, -EEXIST: see the flags; -EBUSY: @k has it open already; -ENOSPC: the node has 4096
 * channels open, or knows 4096 other nodes, or the registry is full; -ETIMEDOUT: the registry
 * does not answer, or waits for the channel's nodes; -ENOMEM.
 */
int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out);
/* Closes the channel with the sources and sinks that were opened by it. @ch may be NULL. */
int kecho_channel_close(struct kecho_channel *ch);
/* Its name, as long as the channel is open, and what tells it from all other channels. Any
 * context. */
const char *kecho_channel_name(const struct kecho_channel *ch);
void kecho_channel_uuid(const struct kecho_channel *ch, u8 uuid[16]);

/*
 * kecho_channel_freeze - hold the channel: until kecho_channel_thaw() no source of it, of no node,
 * publishes; kecho_submit() says -EAGAIN. Waits until every node of the channel has said that its
 * sources stand still, so what was submitted before is all there is. Several may hold it; it
 * is frozen as long as one does. Who closes the channel holds it no more, nor does a node that
 * fails; one that has failed is not asked.
 * -ETIMEDOUT, -ERESTARTSYS (who waits is killed): nothing is held; -EALREADY: it is held by this
 * kecho_channel_open() already; -ESHUTDOWN: it was destroyed.
 */
int kecho_channel_freeze(struct kecho_channel *ch, int timeout_ms);
/* kecho_channel_thaw - hold it no more. -EINVAL: it isn't held by this kecho_channel_open(). */
int kecho_channel_thaw(struct kecho_channel *ch);

/*
 * kecho_channel_drain - wait until every sink of the channel was given, or told as lost, all that
 * had been submitted when this was called, at every node. -ETIMEDOUT; -ERESTARTSYS; -EBUSY:
 * somebody else here drains it; -ENOSPC: it has over 4000 sources; -ENOMEM.
 */
int kecho_channel_drain(struct kecho_channel *ch, int timeout_ms);

/*
 * kecho_channel_destroy - end the channel for everybody, at every node. Its name is free on
 * return: who opens it gets another channel. Submitting says -ESHUTDOWN; sinks are given what was
 * submitted to its end, then they have ended with -ESHUTDOWN; watchers see all members leave. The
 * channel, its sources and sinks are yet to be closed. A node that is cut off learns it when a
 * link to one that knows is back.
 * -ETIMEDOUT, -ERESTARTSYS: the registry did not answer, and nothing has happened, or not all
 * nodes and processes have confirmed it; -ESHUTDOWN: it was destroyed before.
 */
int kecho_channel_destroy(struct kecho_channel *ch, int timeout_ms);

/* ---------------------------------------------------------------- attributes */

enum kecho_value_kind { KECHO_I64 = 1, KECHO_STRING = 2, KECHO_BYTES = 3 };

/* An attribute's value. Strings need not end in 0; @len counts without it. @age_ns is of one
 * that was read: how long ago it was set, if only to what it was; an event's has none, 0. */
struct kecho_value {
	enum kecho_value_kind kind;
	s64 i64;
	const void *data;
	size_t len;
	u64 age_ns;
};

static inline struct kecho_value kecho_i64(s64 v)
{
	return (struct kecho_value){ .kind = KECHO_I64, .i64 = v };
}

static inline struct kecho_value kecho_string(const char *s)
{
	return (struct kecho_value){ .kind = KECHO_STRING, .data = s, .len = strlen(s) };
}

static inline struct kecho_value kecho_bytes(const void *p, size_t len)
{
	return (struct kecho_value){ .kind = KECHO_BYTES, .data = p, .len = len };
}

struct kecho_attr {
	const char *name;
	struct kecho_value value;
};

/*
 * Set a live attribute, if only to what it is; of the node, which all who attach there share,
 * of a channel, or of a member. -E2BIG: value, or the set (8192 bytes, encoded), too large;
 * -EINVAL: name or kind; -ENOMEM.
 */
int kecho_node_set(struct kecho *k, const char *name, struct kecho_value v);
int kecho_channel_set(struct kecho_channel *ch, const char *name, struct kecho_value v);
int kecho_source_set(struct kecho_source *s, const char *name, struct kecho_value v);
int kecho_sink_set(struct kecho_sink *s, const char *name, struct kecho_value v);

/*
 * kecho_channel_get, kecho_member_get - read an attribute of the channel, or of a member by
 * its id; "node.NAME" is the attribute NAME of the member's node. @buf takes a string's or
 * bytes' value (cut at @size) and v->data points there. -ENOENT: no such member or attribute.
 */
int kecho_channel_get(struct kecho_channel *ch, const char *name, struct kecho_value *v,
		      void *buf, size_t size);
int kecho_member_get(struct kecho_channel *ch, u64 member, const char *name,
		     struct kecho_value *v, void *buf, size_t size);

/* ------------------------------------------------------------------- members */

enum kecho_role { KECHO_SOURCE = 1, KECHO_SINK = 2 };

/* What a sink that is too slow means for its sources. */
enum kecho_policy {
	KECHO_LATEST = 0,	/* nothing: the sink is lapped and told how many events it lost */
	KECHO_BLOCK = 1,	/* submit says -EAGAIN; but not for ever, see
				 * kecho_source_options.stall_ms */
	KECHO_DISCONNECT = 2,	/* nothing: the sink is lapped, told so, and ends */
};

enum kecho_member_state {
	KECHO_JOINED = 1,
	KECHO_LEFT = 2,		/* it closed */
	KECHO_FAILED = 3,	/* its process or host died, or can't be reached */
};

/* Whose events go first on a link; kernel sources are normal. */
enum kecho_class { KECHO_NORMAL = 0, KECHO_URGENT = 1, KECHO_BULK = 2 };

struct kecho_member {
	u64 id;			/* opaque; never reused */
	u64 node;		/* opaque: equal for members of one node */
	enum kecho_role role;
	enum kecho_policy policy;	/* of a sink */
	enum kecho_member_state state;
	bool mine;		/* it was opened by this attachment */
	bool remote;		/* it is on another host */
	enum kecho_class traffic_class;	/* of a source */
};

/* Called on each change, in a thread that may sleep, one call at a time for one channel. */
typedef void (*kecho_member_fn)(void *arg, const struct kecho_member *m);

/*
 * kecho_channel_watch - call @fn on each join, leave and failure of a member, first for those
 * that are there. One watcher for each kecho_channel_open(); NULL ends it, and on return the
 * old one is not running any more. -EDEADLK: from within @fn.
 */
int kecho_channel_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg);

/* kecho_members - up to @max members now; returns how many there are, maybe more. */
size_t kecho_members(struct kecho_channel *ch, struct kecho_member *m, size_t max);

/* ------------------------------------------------------------------- sources */

struct kecho_source_options {
	/* Bytes, a power of two; 0: KECHO_LOG_SIZE_DEFAULT. Charged to the caller's memory
	 * control group. */
	size_t log_size;
	/* How long a `block` sink may hold this source up, in milliseconds; 0:
	 * KECHO_STALL_MS_DEFAULT; -1: for ever. The time runs while submissions are refused,
	 * or wait, for a sink that reads nothing. Then the sink ends: it is told what it
	 * lost, and the source goes on. */
	int stall_ms;
	/* How long an event is of use, from its submission on, in nanoseconds; 0: for ever. That
	 * gives it a deadline, see kecho_submit_until(). */
	u64 lifespan_ns;
	/* How long kecho_source_close() waits for sinks of other nodes to have everything, in
	 * milliseconds; 0: 2000; -1: not at all. */
	int linger_ms;
	bool addresses;		/* it is known which sinks there are, for kecho_submit_to() */
	const struct kecho_attr *attrs;	/* of the member, from its birth */
	size_t nattrs;
};

/*
 * kecho_source_open - become a source. Waits until every sink that is in the channel now will
 * see this source's first event (5 s at most). -EINVAL: the log's size, or an attribute; -E2BIG: an
 * attribute; -ENOSPC: the node has 4096 sources and sinks; -ESHUTDOWN: the channel was
 * destroyed; -ENOMEM.
 */
int kecho_source_open(struct kecho_channel *ch, const struct kecho_source_options *opt,
		      struct kecho_source **out);
/* Leaves; waits for linger_ms at most. Sinks read its log to the end. @s may be NULL. */
int kecho_source_close(struct kecho_source *s);
/* The id that its events carry. Any context. */
u64 kecho_source_id(const struct kecho_source *s);
/* kecho_source_heard - does anybody read it now, here or on another host? Who makes events
 * only to submit them may save himself the trouble. Any context. */
bool kecho_source_heard(const struct kecho_source *s);

/* A type of events: a struct with a table of its fields. { KECHO_TYPE(struct load, ...) } of
 * kecho/field.h (in include/) is one. */
struct kecho_type {
	const char *name;	/* a "struct " before it is left out */
	size_t size;
	const struct kecho_field *fields;	/* in any order */
	size_t nfields;
};

/*
 * kecho_source_announce - let the channel know that events of this source may be of the type
 * @t, which is copied: who reads them, on whatever host, has them by their fields, and can
 * filter by those. Returns the type's number, from 1 on; the same for the same type.
 * -EINVAL: a field; the kernel's log says why; -E2BIG: over a limit of docs/types.md; -ENOSPC:
 * the source has 15 types, or they have over 256 KiB together, or all of this node's over
 * 2 MiB; -ESHUTDOWN: the channel was destroyed; -ENOMEM.
 */
int kecho_source_announce(struct kecho_source *s, const struct kecho_type *t);

enum kecho_submit_flags {
	KECHO_NOTIME = 2,	/* don't read the clock: time_ns is 0 */
};
/* Another flag: what is submitted is of the source's type of this number, see
 * kecho_source_announce(); -EINVAL: there is none. Without: plain bytes. */
#define KECHO_TYPED(number)	((unsigned int)(number) << 28)

/*
 * kecho_submit - submit an event of @len bytes at @data (0 is allowed), which are copied.
 * Any context; never sleeps. Sinks in threads are woken, those in softirq run soon after.
 * -EAGAIN: a `block` sink has not read what it would overwrite, or that is being copied to be
 * sent right now; the channel is frozen; or another event of this source is going in piece by
 * piece; -EMSGSIZE: over KECHO_EVENT_MAX,
 * or with a `block` sink over the log's size; -EINVAL: a type that was not announced;
 * -ESHUTDOWN: the channel was destroyed.
 */
int kecho_submit(struct kecho_source *s, const void *data, size_t len, unsigned int flags);

/*
 * kecho_submit_until - the same for one that is of no use after @deadline_ns, in nanoseconds
 * since 1970 by the real-time clock here (0: it always is, whatever its source's lifespan).
 * Where it has not been read by then it is dropped, and counted as expired: neither received
 * nor lost. Any context.
 */
int kecho_submit_until(struct kecho_source *s, const void *data, size_t len, u64 deadline_ns,
		       unsigned int flags);

/*
 * kecho_submit_vector - submit @n events, one per kvec, and wake sinks once. Any context.
 * Returns how many were submitted; the error if it met the first.
 */
ssize_t kecho_submit_vector(struct kecho_source *s, const struct kvec *events, size_t n,
			    unsigned int flags);

/* kecho_submit_attrs - kecho_submit() of one event with attributes of its own. May sleep.
 * -E2BIG: over KECHO_EVENT_ATTRS_MAX encoded; -EINVAL: a name or kind; -ENOMEM. */
int kecho_submit_attrs(struct kecho_source *s, const void *data, size_t len,
		       const struct kecho_attr *attrs, size_t nattrs, unsigned int flags);

/*
 * kecho_submit_wait - kecho_submit() that waits up to @timeout_ms where that says -EAGAIN.
 * -ETIMEDOUT; -ERESTARTSYS: a signal came.
 */
int kecho_submit_wait(struct kecho_source *s, const void *data, size_t len, unsigned int flags,
		      int timeout_ms);

/*
 * kecho_source_filter - from here on the events of the source are for those sinks only that a
 * program for OUT chooses, @len bytes at @wire as kecho_filter_wire() gives them in user space;
 * @len 0: for all. It takes the place of the one before, while events flow: each is for whom one of
 * them chooses, those that are submitted after this has returned by this one. May sleep; not kept.
 * It is asked in each submission, with interrupts off, for each sink that this node knows of; a
 * sink that is chosen still has its own filter. An event that is for nobody was submitted, and has
 * its number: see kecho_source_chosen(). Events of types that it can't be made for are for nobody.
 * -EPROTO: it is no filter for OUT; -EACCES: it can't be made for a type that the source has
 * announced; of these the kernel's log says more; -E2BIG: its programs have too many bytes;
 * -ESHUTDOWN: the channel was destroyed; -ENOMEM. Then it is as it was.
 * A submission then may say -E2BIG: more sinks are chosen than a record of its log can name, which
 * are 1024 in the smallest log, 4096 in one of the default size.
 */
int kecho_source_filter(struct kecho_source *s, const void *wire, size_t len);

/* Of events that were for some sinks only, by a filter or kecho_submit_to(): how many sinks were
 * named for them, together, and how many events were for nobody. Any context. */
struct kecho_chosen {
	u64 sinks, nobody;
};
void kecho_source_chosen(struct kecho_source *s, struct kecho_chosen *c);

/*
 * kecho_submit_to - kecho_submit() of an event for one sink of the channel only, whoever's, on
 * whatever host: @to is its id. Its own filter decides as of any event; no filter for OUT is asked.
 * @to may also be the id of a source, such as an event's, whose owner has said where replies go:
 * its attribute "reply" is an integer, the id of a sink, which then gets it. Any context.
 * -ENOENT: there is no such sink, as far as this node has heard; -EINVAL: the source was opened
 * without kecho_source_options.addresses, and has had no filter for OUT; -EAGAIN: as
 * kecho_submit(), or where a source has its replies go to is just being changed, perhaps.
 */
int kecho_submit_to(struct kecho_source *s, const void *data, size_t len, u64 to,
		    unsigned int flags);

/* --------------------------------------------------------------------- sinks */

enum kecho_event_kind {
	KECHO_EVENT = 1,	/* an event */
	KECHO_LOST = 2,		/* events [seq, last_seq] of @source will not come */
	KECHO_ENDED = 3,	/* @source left or failed; @last_seq was its last that came */
};

struct kecho_event {
	enum kecho_event_kind kind;
	unsigned int type;	/* of the payload, at its source; 0: plain bytes */
	u64 source;		/* the member that submitted it */
	u64 seq;		/* per source, from 1 */
	u64 last_seq;		/* LOST: end of the range, inclusive; ENDED: see above */
	u64 time_ns;		/* EVENT: submitted, nanoseconds since 1970 at the source;
				 * 0: by KECHO_NOTIME */
	u64 deadline_ns;	/* EVENT: of no use after that, by the real-time clock here; 0: it
				 * has none, or that is not known yet */
	const void *data;	/* EVENT; valid until the sink is read again, or the callback
				 * returns. In the log itself where the sink blocks */
	size_t len;
	bool failed;		/* ENDED: it failed, it did not leave */
	const void *attrs;	/* EVENT: for kecho_event_get(); NULL: none */
	size_t attrs_len;
};

/* Never called concurrently for one sink, with no lock held. May submit; of its own sink it may
 * ask, but not close it. */
typedef void (*kecho_event_fn)(void *arg, const struct kecho_event *ev);

/* Is this event for the sink? A filter in C, called as, and just before, the callback; or by
 * kecho_read(). Its time counts as the callback's. */
typedef bool (*kecho_filter_fn)(void *arg, const struct kecho_event *ev);

/* Called once, in a thread, after the last event: no more will come, as kecho_sink_error() says
 * in @err. The sink is still to be closed, but not from here. */
typedef void (*kecho_ended_fn)(void *arg, int err);

#define KECHO_NO_BUDGET U64_MAX

enum kecho_context {
	KECHO_THREAD = 0,	/* a kernel thread, which may sleep; others' callbacks don't wait */
	KECHO_SOFTIRQ = 1,	/* softirq: soonest, and may not sleep */
};

struct kecho_sink_options {
	enum kecho_policy policy;	/* default KECHO_LATEST */
	bool retained;		/* first the events that the channel's sources retain */
	enum kecho_context context;	/* where @fn is called */
	/* Its reader's struct, for kecho_event_as(): copied; NULL: there is none. */
	const struct kecho_type *type;
	kecho_filter_fn filter;	/* NULL: all events are for it */
	kecho_event_fn fn;	/* NULL: events come by kecho_read() */
	kecho_ended_fn ended;	/* of a sink with a callback; may be NULL */
	void *arg;
	/* How long a call of @fn may take, with @filter, in nanoseconds; 0: as the module's
	 * parameters say, at first 10 ms in softirq and 1 s in a thread; KECHO_NO_BUDGET: as
	 * long as it likes.
	 * A sink that is over it 16 times in a row, or for long in more than one call of
	 * nine, is detached: it ends with -ETIME, what it has not read is lost for it, and
	 * its sources don't wait for it any more. */
	u64 budget_ns;
	const struct kecho_attr *attrs;
	size_t nattrs;
};

/*
 * kecho_sink_open - become a sink of every source that is in the channel or comes. Waits until
 * those that are send to it (5 s at most). -EINVAL: the policy, the context, the type, or an
 * attribute; -E2BIG: an attribute, or the type; -ENOSPC: the node has 4096 sources and sinks, or
 * no place for a log of another's; -ESHUTDOWN: the channel was destroyed; -ENOMEM.
 */
int kecho_sink_open(struct kecho_channel *ch, const struct kecho_sink_options *opt,
		    struct kecho_sink **out);
/* Leaves; its callback isn't running any more on return. @s may be NULL. */
int kecho_sink_close(struct kecho_sink *s);
/* Its id as a member. Any context. */
u64 kecho_sink_id(const struct kecho_sink *s);
/*
 * kecho_sink_error - why no more events come. 0: they do; -EPIPE: it was too slow, see
 * kecho_read(); -ETIME: its callback was, see kecho_sink_options.budget_ns; -ESHUTDOWN: the
 * channel was destroyed, and all was read; -ENOSPC or -ENOMEM: another node's source has come
 * whose log has no place here. Any context but interrupts.
 */
int kecho_sink_error(struct kecho_sink *s);

/*
 * kecho_read - the next event, loss or end, of a sink without a callback. Waits up to
 * @timeout_ms. Returns 0; -EAGAIN: nothing (timeout 0); -ETIMEDOUT; -ERESTARTSYS: a signal
 * came; -EPIPE: a `disconnect` sink was too slow and has ended, or a `block` sink was ended
 * as it stalled a source (what it was given last is not to be trusted then: the log went on);
 * -ESHUTDOWN: the channel was destroyed, and all was read; -EBUSY: another thread reads it;
 * -EINVAL: it has a callback.
 */
int kecho_read(struct kecho_sink *s, struct kecho_event *ev, int timeout_ms);

/*
 * kecho_sink_filter - from here on the sink gets only those events that a program says yes to,
 * @len bytes at @wire: a filter as it travels, as kecho_filter_wire() gives it in user space;
 * @len 0: all. It takes the place of the one before, while events flow: each is judged by one
 * of them, those that are submitted after this has returned by this one. Losses and ends come as
 * without it. A filter is judged where the source is, and what is for no sink of a host does not
 * travel there; what the source did not judge is judged as it is read. Fields are those of the
 * type that an event's source has announced; @type says what all others are; NULL: plain bytes.
 * Neither is kept.
 * Waits until the sources of the channel judge by it; a node that does not answer in 2 s goes
 * over to it later. -EPROTO: it is no filter for events; -EACCES: it can't be made for @type;
 * -ENOSPC: the filters of the node have over 1 MiB; of these the kernel's log says more;
 * -EINVAL, -E2BIG: the type; -EAGAIN: the sink has yet to read events from before 24 other
 * filters; -EPIPE: it has ended; -ESHUTDOWN: the channel was destroyed; -ENOMEM. Then it is as it
 * was.
 */
int kecho_sink_filter(struct kecho_sink *s, const void *wire, size_t len,
		      const struct kecho_type *type);

/*
 * kecho_event_as - an event as the struct that the sink has named when it was opened: fields that
 * both have by their names, converted, as docs/types.md says; all others are 0. @present gets a
 * bit for each field of the table, in the order of their names, bit i % 64 of word i / 64: it is
 * there; it may be NULL. As long as the event is valid, in the callback or by who has read it;
 * never sleeps. -ENOMSG: nothing is known of the event's type, or the sink has named none.
 */
int kecho_event_as(struct kecho_sink *s, const struct kecho_event *ev, void *to, u64 *present);

/*
 * kecho_channel_filter - from here on this attachment's sinks of the channel, those that are open
 * and those to come, get only those events that a program for IN says yes to, @len bytes at @wire;
 * @len 0: all. It is asked for each sink, as that reads, of the events that the sink's own program
 * lets through, so what it asks of the sink decides who gets an event; once() and rate() remember
 * by the sink. It takes the place of the one before, while events flow. What is left out counts as
 * filtered. @type is as for kecho_sink_filter(); neither is kept. May sleep, and waits for nobody.
 * -EPROTO: it is no filter for IN; -EACCES: it can't be made for @type; of these the kernel's log
 * says more; -EINVAL, -E2BIG: the type; -ENOMEM. Then it is as it was.
 */
int kecho_channel_filter(struct kecho_channel *ch, const void *wire, size_t len,
			 const struct kecho_type *type);

/* kecho_event_get - an event's attribute by name; v->data lives as the event's. Any context.
 * -ENOENT. */
int kecho_event_get(const struct kecho_event *ev, const char *name, struct kecho_value *v);

/* ------------------------------------------------------------------- to look */

/* Since it was opened. Any context but interrupts. */
struct kecho_source_stats {
	u64 submitted, bytes;
	u64 waited;		/* submissions that had to wait */
	u64 refused;		/* -EAGAIN */
	u64 stalled;		/* times that `block` sinks were to end as they held it up */
	u64 expired;		/* events that were not sent as they had expired, to each host */
};
struct kecho_sink_stats {
	u64 received, bytes;
	u64 lost;		/* events that came as KECHO_LOST */
	u64 expired;		/* that were over before they were read: kecho_submit_until() */
	u64 filtered;		/* that were not for it, wherever they were judged */
	u64 lag_bytes;		/* published by its sources, not yet read */
	/* Of its callback: the time in all its calls, in the longest, and how many took longer
	 * than they may. */
	u64 busy_ns, longest_ns, overruns;
};
void kecho_source_stats(struct kecho_source *s, struct kecho_source_stats *st);
void kecho_sink_stats(struct kecho_sink *s, struct kecho_sink_stats *st);

#endif
