/* SPDX-License-Identifier: MIT */
/*
 * libkecho: event channels between processes, kernels and hosts.
 *
 * A process attaches once (kecho_open), opens channels by name, and opens
 * sources and sinks in them. An event submitted by a source reaches every sink
 * of the channel, on this host through shared memory, on others through one
 * link per pair of nodes. Per source, events arrive in the order of their
 * submission, each once; what a sink could not get is said, exactly, in its
 * place in the order.
 *
 * Conventions of this header
 *   Errors    Functions return 0 or a count, or -errno. On an error no output
 *             was touched. kecho_explain() has a sentence about the last error
 *             of the calling thread.
 *             A process that is attached to kechod gets more from any call that asks
 *             it: -ENOTCONN, it has gone; -EACCES, the channel's mode, or -EPERM, its
 *             configuration does not allow that; -ENOSPC, this user has all that it
 *             grants; -EPROTO, its answer makes no sense.
 *   Threads   Every function may be called from any thread. One sink is read by
 *             one thread at a time (a second gets -EBUSY); a source may be used
 *             by many threads.
 *   Blocking  A function blocks only where its comment says so. None may be
 *             called from a signal handler. An object is not used any more, by no
 *             thread, once its close was called.
 *   fork      A child has no part in its parent's objects: every call in it
 *             but kecho_close() says -EBADF; it may open its own.
 *   Times     Names end in their unit. A timeout of -1 waits for ever, 0 not
 *             at all.
 *   Memory    Strings and structs that the caller passes are copied. Pointers
 *             in a struct kecho_event live until the next kecho_read() of that
 *             sink.
 *
 * Source of the model: Poellabauer, Schwan, Eisenhauer, Kong, "KECho", 2002,
 * section 2 (channels, attributes, anonymous members).
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_KECHO_H
#define KECHO_KECHO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KECHO_VERSION		"0.1.0"

/* Limits that a caller can meet. */
#define KECHO_NAME_MAX		127	/* bytes of a channel's or an attribute's name */
#define KECHO_EVENT_MAX		(16u << 20)	/* bytes of an event */
#define KECHO_EVENT_WHOLE_MAX	34792	/* larger ones travel in pieces; most that kecho_reserve()
					 * gives with a log of the default size */
#define KECHO_EVENT_ATTRS_MAX	1024	/* bytes of an event's attributes, encoded */
#define KECHO_ATTR_VALUE_MAX	1024	/* bytes of one attribute's value */
#define KECHO_LOG_SIZE_MIN	(64u << 10)
#define KECHO_LOG_SIZE_DEFAULT	(256u << 10)
#define KECHO_LOG_SIZE_MAX	(64u << 20)
#define KECHO_STALL_MS_DEFAULT	30000
#define KECHO_ALIVE_MS_MIN	50
#define KECHO_ALIVE_MS_MAX	86400000

struct kecho;
struct kecho_channel;
struct kecho_source;
struct kecho_sink;

/* A sentence about the calling thread's last error: which thing, and why. Never
 * NULL; valid until the thread's next failing call. */
const char *kecho_explain(void);

/* ------------------------------------------------------------------ the node */

/*
 * Where this process attaches: to the kernel's node, /dev/kecho, if its module is loaded;
 * else to that of the host, kechod, if it runs; else the process is a node itself.
 * KECHO=kernel, KECHO=daemon or KECHO=embedded in the environment allows only that one;
 * KECHO_SOCKET is kechod's socket if it isn't /run/kecho/kechod.sock. `listen` and
 * `registry` are for a process that is a node itself: whoever sets them (or their
 * variables) is one, unless KECHO says kernel or daemon; then they mean nothing, nor does
 * `name`.
 *
 * Every field may be zero; then the environment variable named beside it decides, then
 * the default.
 */
struct kecho_options {
	/* KECHO_LISTEN: "ADDR[:PORT]", an address of this host where nodes of other
	 * hosts reach this one by TCP. Default: none, only this host's nodes do, and
	 * those that this one dials. Nodes that listen on different addresses are
	 * different hosts. "0.0.0.0" or "::" is every address: each node is told the one
	 * at which its connection begins here, the registry the one that leads to it. */
	const char *listen;
	/* KECHO_ADVERTISE: "ADDR[:PORT]", where others reach what listens there, if it is
	 * another address, such as that of a router that translates. Without PORT: the
	 * one of listen. */
	const char *advertise;
	/* KECHO_REGISTRY: where the registry is. Default: one per user and network
	 * namespace, on a Unix socket, served by the user's first node.
	 * "ADDR:PORT": a node that can bind that serves it when nobody does.
	 * "etcd:URL[,URL...]", each "http://HOST:PORT" or https: it is kept in etcd,
	 * of which up to 8 members are named here. ETCDCTL_CACERT, ETCDCTL_CERT,
	 * ETCDCTL_KEY, ETCDCTL_USER and ETCDCTL_PASSWORD say how etcd is reached, as
	 * for etcdctl. See docs/registry.md. */
	const char *registry;
	/* KECHO_NODE: a name for people; the node attribute "name". Default: the
	 * host's name. */
	const char *name;
	/* How long kecho_open() and kecho_channel_open() try, in milliseconds.
	 * Default 5000. */
	unsigned int timeout_ms;
};

/*
 * kecho_open - attach this process.
 * @opt may be NULL. Starts two threads that sleep unless there is work: a helper, and
 * (in a process that is a node) one for the registry; with etcd one more.
 * May block for opt->timeout_ms while the registry is sought, or kechod does not answer.
 * -EADDRNOTAVAIL, -EADDRINUSE: listen; -EINVAL: an option that does not parse, or
 * advertise without listen;
 * -ETIMEDOUT: no registry answers; -EACCES: it belongs to another user, or etcd does not
 * let this one in; -ELIBACC, -ELIBBAD: what is needed for etcd is not installed, or is of
 * another version;
 * -ENOENT, -ECONNREFUSED: KECHO says kernel or daemon, and there is none; -ENOTCONN: it
 * went away; -ENOSPC: this user has there what it may have; -EPROTO: it speaks another
 * version; -ENOMEM, -EMFILE.
 */
int kecho_open(struct kecho **out, const struct kecho_options *opt);

/*
 * kecho_close - detach: closes what is still open, waits for what lingers (see
 * kecho_source_options.linger_ms), ends its threads. @k may be NULL. Not from a callback.
 */
void kecho_close(struct kecho *k);

/* ------------------------------------------------------------------ channels */

enum kecho_channel_flags {
	KECHO_EXISTING = 1,	/* the channel must exist: else -ENOENT */
	KECHO_EXCLUSIVE = 2,	/* it must not: else -EEXIST */
};

struct kecho_channel_options {
	unsigned int flags;
	/* Events of each source that are kept for sinks that join late; 0: none.
	 * At most what fits half the source's log. Counts for this process's sources. */
	unsigned int retain;
	unsigned int timeout_ms;	/* 0: that of kecho_open() */
};

/*
 * kecho_channel_open - open the channel @name, creating it if need be.
 * Blocks until every node of the channel that answers knows of this one. One that can
 * neither be dialled nor dials within 2 s is not waited for; kecho_links() shows it, and it
 * is tried for on.
 * -EINVAL: an empty or too long name, or a byte in it below 0x21, 0x7f or '*';
 * -ENOENT, -EEXIST: see the flags; -EBUSY: this process has it open already, whatever
 * the flags; -ENOSPC: it has 4096 channels open, or knows 4096 other nodes, or the registry
 * is full; -ESHUTDOWN: it was destroyed meanwhile; -ENOMEM;
 * -EPROTONOSUPPORT: a node of it speaks no version of the protocol that this one does;
 * -ETIMEDOUT: the registry does not answer, or waits for the channel's nodes.
 */
int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out);
/* Closes the channel with its sources and sinks; blocks as long as those linger. @ch may
 * be NULL. Not from a callback. */
void kecho_channel_close(struct kecho_channel *ch);
/* Its name, which lives as long as the channel is open, and what tells it from all other
 * channels, also from those that had the name before. */
const char *kecho_channel_name(const struct kecho_channel *ch);
void kecho_channel_uuid(const struct kecho_channel *ch, uint8_t uuid[16]);

enum kecho_other {
	KECHO_OTHER_NONE = 0,
	KECHO_OTHER_MET = 1,	/* who opens the name gets this channel */
	KECHO_OTHER_NAMED = 2,	/* who opens the name gets the other one */
};

/*
 * kecho_channel_other - does another channel have this one's name?
 * Two come about when a network falls apart and both sides go on, or all contacts of a
 * channel stand still for longer than the registry waits for them. They are never
 * merged: members go on as they were, but newcomers come into one of them only. Every
 * node of the channel hears of it, from the registry or from the others.
 * Returns an enum kecho_other, and if that is not KECHO_OTHER_NONE the @uuid of the
 * other, which was met last and needn't be there any more. To get to it when it has the
 * name: close this one and open the name again.
 */
int kecho_channel_other(struct kecho_channel *ch, uint8_t uuid[16]);

/*
 * kecho_channel_freeze - hold the channel: until kecho_channel_thaw() no source of it, of
 * no node, publishes; submissions wait, or say -EAGAIN. Blocks until every node of the
 * channel has said that its sources stand still (what had begun is finished first: events
 * in pieces, reservations), so what was submitted before is all there is. Several nodes
 * may hold it; it is frozen as long as one does. A node that closes it, fails or dies holds
 * nothing any more. A node that has failed is not asked: what it publishes on its side, if
 * it is only cut off, is not held.
 * -ETIMEDOUT: a node did not confirm in time, and nothing is held; -EALREADY: this node
 * holds it; -ESHUTDOWN: it was destroyed.
 */
int kecho_channel_freeze(struct kecho_channel *ch, int timeout_ms);
/* kecho_channel_thaw - hold it no more. Doesn't block. -EINVAL: this node doesn't hold it. */
int kecho_channel_thaw(struct kecho_channel *ch);

/*
 * kecho_channel_drain - wait until every sink of the channel was given, or told as lost,
 * all that had been submitted when this was called, at every node.
 * -ETIMEDOUT: kecho_explain() says how many sinks lag, or how many nodes don't answer;
 * -EBUSY: another thread drains it; -ENOSPC: it has over 4000 sources; -ENOMEM.
 */
int kecho_channel_drain(struct kecho_channel *ch, int timeout_ms);

/*
 * kecho_channel_destroy - end the channel for everybody, at every node. Its name is free
 * on return: who opens it gets another channel. Submitting says -ESHUTDOWN; sinks read what
 * was submitted to its end, then kecho_read() says -ESHUTDOWN; watchers see all members
 * leave. The channel and its sources and sinks, here too, are yet to be closed. A node that
 * is cut off learns it when a link to one that knows is back.
 * -ETIMEDOUT: the registry did not answer, and nothing has happened, or not all nodes have
 * confirmed, and kecho_explain() says which; -ESHUTDOWN: it was destroyed before.
 */
int kecho_channel_destroy(struct kecho_channel *ch, int timeout_ms);

/* ---------------------------------------------------------------- attributes */

enum kecho_value_kind { KECHO_I64 = 1, KECHO_STRING = 2, KECHO_BYTES = 3 };

/* An attribute's value. Strings need not end in 0; @len counts without it. @age_ns is of one
 * that was read: how long ago it was set, if only to what it was; an event's has none, 0. */
struct kecho_value {
	enum kecho_value_kind kind;
	int64_t i64;
	const void *data;
	size_t len;
	uint64_t age_ns;
};

static inline struct kecho_value kecho_i64(int64_t v)
{
	struct kecho_value val = { KECHO_I64, v, NULL, 0, 0 };
	return val;
}

static inline struct kecho_value kecho_string(const char *s)
{
	struct kecho_value val = { KECHO_STRING, 0, s, 0, 0 };

	while (s[val.len])
		val.len++;
	return val;
}

static inline struct kecho_value kecho_bytes(const void *p, size_t len)
{
	struct kecho_value val = { KECHO_BYTES, 0, p, len, 0 };
	return val;
}

struct kecho_attr {
	const char *name;
	struct kecho_value value;
};

/*
 * Set a live attribute, if only to what it is; every node of the channel (for a node: of all
 * its channels) sees the last value soon. Others are told at once, or within 10 ms of being
 * told before, so it may be set as often as one likes. None blocks, but for kechod. -E2BIG:
 * value, or the set (8192 bytes, encoded), too large; -EINVAL: name or kind; -ENOMEM; -EPERM:
 * of kechod's node, or named kecho.*, which only nodes set.
 */
int kecho_node_set(struct kecho *k, const char *name, struct kecho_value v);
int kecho_channel_set(struct kecho_channel *ch, const char *name, struct kecho_value v);
int kecho_source_set(struct kecho_source *s, const char *name, struct kecho_value v);
int kecho_sink_set(struct kecho_sink *s, const char *name, struct kecho_value v);

/*
 * kecho_channel_get, kecho_member_get - read an attribute of the channel, or of
 * a member by its id; "node.NAME" is the attribute NAME of the member's node.
 * @buf takes a string's or bytes' value (cut at @size) and v->data points there; v->age_ns
 * says how long ago it was set.
 * Members that have left are known as long as a sink here reads their events.
 * -ENOENT: no such member or attribute (kecho_explain() says nothing of it).
 */
int kecho_channel_get(struct kecho_channel *ch, const char *name, struct kecho_value *v,
		      void *buf, size_t size);
int kecho_member_get(struct kecho_channel *ch, uint64_t member, const char *name,
		     struct kecho_value *v, void *buf, size_t size);

/* ------------------------------------------------------------------- members */

enum kecho_role { KECHO_SOURCE = 1, KECHO_SINK = 2 };

/*
 * What the events of a source are on their way to other hosts, to each of which there is one
 * link for all: what is urgent goes before what is normal, that before bulk, as soon as the
 * piece that is being sent is out. A class that has to wait is not left to wait for ever: see
 * docs/protocol.md. On one host nothing is sent, so there all are the same.
 */
enum kecho_class {
	KECHO_NORMAL = 0,
	KECHO_URGENT = 1,
	KECHO_BULK = 2,
};

/* What a sink that is too slow means for its sources. */
enum kecho_policy {
	KECHO_LATEST = 0,	/* nothing: the sink is lapped and told how many events it lost */
	KECHO_BLOCK = 1,	/* submit waits for it, or says -EAGAIN; but not for ever, see
				 * kecho_source_options.stall_ms */
	KECHO_DISCONNECT = 2,	/* nothing: the sink is lapped, told so, and ends */
};

enum kecho_member_state {
	KECHO_JOINED = 1,
	KECHO_LEFT = 2,		/* it closed */
	KECHO_FAILED = 3,	/* its process or host died, or can't be reached */
};

struct kecho_member {
	uint64_t id;		/* opaque; never reused */
	uint64_t node;		/* opaque: equal for members of one node */
	enum kecho_role role;
	enum kecho_policy policy;	/* of a sink */
	enum kecho_member_state state;
	int mine;		/* it belongs to this process */
	int remote;		/* it is on another host */
	enum kecho_class traffic_class;	/* of a source */
};

/* Called on each change, in the helper thread, one call at a time; must not block. */
typedef void (*kecho_member_fn)(void *arg, const struct kecho_member *m);

/*
 * kecho_channel_watch - call @fn on each join, leave and failure of a member,
 * first for those that are there. One watcher per channel; NULL ends it, and on
 * return the old one is not running any more (unless called from within it).
 */
int kecho_channel_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg);

/* kecho_members - up to @max members now; returns how many there are, maybe more. */
ssize_t kecho_members(struct kecho_channel *ch, struct kecho_member *m, size_t max);

/* ------------------------------------------------------------------- sources */

struct kecho_source_options {
	/* Bytes, a power of two; 0: KECHO_LOG_SIZE_DEFAULT. Events of up to an eighth of it,
	 * and 64 KiB, are read where they lie; larger ones are copied at the sink. */
	size_t log_size;
	/* How long an event is of use, from its submission on, in nanoseconds; 0: for ever. That
	 * gives it a deadline, see kecho_submit_until(). */
	uint64_t lifespan_ns;
	enum kecho_class traffic_class;	/* for as long as the source is there */
	/* How long a `block` sink may hold this source up, in milliseconds; 0:
	 * KECHO_STALL_MS_DEFAULT; -1: for ever. The time runs while a submission waits or is
	 * refused for a sink that reads nothing. Then the sink ends: it is told what it lost,
	 * kecho_read() says -EPIPE, and the source goes on. It may take some seconds more. */
	int stall_ms;
	/* A promise: while it is open this source submits something, or calls
	 * kecho_source_alive(), at least so often, in milliseconds, from KECHO_ALIVE_MS_MIN to
	 * KECHO_ALIVE_MS_MAX; 0: none. If it does not, sinks are told so, as KECHO_SILENT, before
	 * twice that time is over. */
	unsigned int alive_ms;
	/* How long kecho_source_close() waits for remote and blocking sinks to have
	 * everything, in milliseconds; 0: 2000; -1: not at all. */
	int linger_ms;
	const struct kecho_attr *attrs;	/* of the member, from its birth */
	size_t nattrs;
};

/*
 * kecho_source_open - become a source. Blocks until every sink that is in the
 * channel now will see this source's first event (5 s at most). -EINVAL: the log's size, the
 * class, alive_ms, or an attribute; -E2BIG: an attribute; -ENOSPC: this process has 4096 sources
 * and sinks; -ESHUTDOWN: the channel was destroyed; -ENOMEM.
 */
int kecho_source_open(struct kecho_channel *ch, const struct kecho_source_options *opt,
		      struct kecho_source **out);
/* Leaves; blocks for linger_ms at most. Sinks read its log to the end. Threads that submit
 * get -EPIPE. @s may be NULL. */
void kecho_source_close(struct kecho_source *s);
/* The id that its events carry. */
uint64_t kecho_source_id(const struct kecho_source *s);

/*
 * kecho_source_alive - a sign of life, as promised by alive_ms, from who has nothing to submit.
 * A call that submits or reserves is one too, also if it waits, or says -EAGAIN: who is held up
 * is alive. No lock, no system call. -EINVAL: nothing was promised.
 */
int kecho_source_alive(struct kecho_source *s);

enum kecho_submit_flags {
	KECHO_DONTWAIT = 1,	/* -EAGAIN instead of waiting for a `block` sink */
	KECHO_NOTIME = 2,	/* don't read the clock, half of the cost: time_ns is 0 */
};
/* Another flag: what is submitted is of the source's type of this number, see
 * kecho_source_announce() in type.h; -EINVAL: there is none. Without: plain bytes. */
#define KECHO_TYPED(number)	((unsigned int)(number) << 28)

/*
 * kecho_submit - submit an event of @len bytes at @data (0 is allowed).
 * @data is copied. Waits only while the channel is frozen, the log is full and a `block`
 * sink has not read it, or another thread's event goes in piece by piece; never with
 * KECHO_DONTWAIT. Costs no system call when no sink sleeps, and few
 * when any number does, of any number of users.
 * -EAGAIN; -EMSGSIZE: over KECHO_EVENT_MAX, or with KECHO_DONTWAIT and a `block` sink over
 * the log's size; -ENOBUFS: see kecho_reserve(); -EPIPE: the source was closed;
 * -ESHUTDOWN: the channel was destroyed; -EPROTO: kechod found its log broken.
 */
int kecho_submit(struct kecho_source *s, const void *data, size_t len, unsigned int flags);

/*
 * kecho_submit_until - the same for one that is of no use after @deadline_ns, in nanoseconds
 * since 1970 by CLOCK_REALTIME here (0: it always is, whatever its source's lifespan). Where it
 * has not been read by then it is dropped: by a sink that reads it, also if it was over as it
 * was submitted, or in front of a link to another host. Sinks count it as expired: neither
 * received, nor lost, nor filtered. On other hosts their node finds out what the deadline is by
 * their clock, to half a round trip; while it doesn't know nothing expires there.
 */
int kecho_submit_until(struct kecho_source *s, const void *data, size_t len, uint64_t deadline_ns,
		       unsigned int flags);

/*
 * kecho_submit_vector - submit @n events, one per iovec, and wake sinks once.
 * Returns how many were submitted: fewer than @n only with KECHO_DONTWAIT or
 * when an error met a later one; the error if it met the first.
 */
ssize_t kecho_submit_vector(struct kecho_source *s, const struct iovec *events, size_t n,
			    unsigned int flags);

/* kecho_submit_attrs - the same for one event with attributes of its own.
 * -E2BIG: over KECHO_EVENT_ATTRS_MAX encoded; -EINVAL: a name or kind; -ENOMEM. */
int kecho_submit_attrs(struct kecho_source *s, const void *data, size_t len,
		       const struct kecho_attr *attrs, size_t nattrs, unsigned int flags);

/*
 * kecho_submit_to - submit an event for one sink of the channel only, of whatever process:
 * @to is its id. Its own filter decides as of any event. @to may also be the id of a source,
 * such as an event's, whose owner has said where replies go: its attribute "reply" is an
 * integer, the id of a sink (kecho_source_set()); that sink then gets it, and nobody need
 * know which one it is.
 * No filter for OUT (kecho_source_filter()) is asked. The first time it may block for a
 * moment, to find out who is in the channel. -ENOENT: there is no such sink, as far as this
 * node has heard.
 */
int kecho_submit_to(struct kecho_source *s, const void *data, size_t len, uint64_t to,
		    unsigned int flags);

/*
 * kecho_reserve, kecho_commit, kecho_abort - write an event in place.
 * kecho_reserve() gives @len bytes in the log itself, aligned to 8, which hold anything
 * (a record is at most 66 KiB, and an eighth of the log and 2 KiB, 24 bytes of it not yours;
 * -EMSGSIZE over that), and waits as kecho_submit() does;
 * kecho_commit() publishes the first @len of them, kecho_abort() none; neither blocks, and
 * either may come from another thread. Each reservation takes its place in the order when
 * it is made: what is later is seen only after it is committed or aborted. So from the
 * oldest open one on there are at most 64 reservations and events, no more than the log holds
 * (-ENOBUFS). kecho_commit() says -EMSGSIZE over what was reserved, -E2BIG of more sinks than it
 * has room for, which leaves it so, and -EINVAL of none. Else the errors of kecho_submit().
 */
struct kecho_reservation {
	void *data;
	size_t len;
	uint64_t cookie;
	uint64_t seq;		/* that the event has if it is committed */
	unsigned int flags;
};
int kecho_reserve(struct kecho_source *s, size_t len, unsigned int flags,
		  struct kecho_reservation *r);
int kecho_commit(struct kecho_source *s, struct kecho_reservation *r, size_t len);
void kecho_abort(struct kecho_source *s, struct kecho_reservation *r);

/* --------------------------------------------------------------------- sinks */

enum kecho_event_kind {
	KECHO_EVENT = 1,	/* an event */
	KECHO_LOST = 2,		/* events [seq, last_seq] of @source will not come */
	KECHO_ENDED = 3,	/* @source left or failed; @last_seq was its last that came */
	/* @source lives, as far as is known, but gave no sign of that for as long as it has
	 * promised to (alive_ms); @last_seq was its last that came. And: it does again. */
	KECHO_SILENT = 4,
	KECHO_BACK = 5,
};

struct kecho_event {
	enum kecho_event_kind kind;
	unsigned int type;	/* of the payload, see kecho_event_type(); 0: plain bytes */
	uint64_t source;	/* the member that submitted it */
	uint64_t seq;		/* per source, from 1 */
	uint64_t last_seq;	/* LOST: end of the range, inclusive; else see above */
	uint64_t time_ns;	/* EVENT: submitted, nanoseconds since 1970 at the source;
				 * 0: by KECHO_NOTIME */
	const void *data;	/* EVENT; valid until the sink is read again */
	size_t len;
	int failed;		/* ENDED: 1 if it failed, 0 if it left */
	const void *attrs;	/* EVENT: for kecho_event_get(); NULL: none */
	size_t attrs_len;
	uint64_t deadline_ns;	/* EVENT: of no use after that, by CLOCK_REALTIME here; 0: it has
				 * none, or that is not known yet */
};

/* Called in the thread that runs kecho_run(), never concurrently for one sink, with no lock
 * held. May submit; may not close its sink. */
typedef void (*kecho_event_fn)(void *arg, const struct kecho_event *ev);

struct kecho_sink_options {
	enum kecho_policy policy;	/* default KECHO_LATEST */
	int retained;		/* first the events that the channel's sources retain */
	kecho_event_fn fn;	/* events come by kecho_run(); NULL: by kecho_read() */
	void *arg;
	const struct kecho_attr *attrs;
	size_t nattrs;
	/* A thread that sleeps in kecho_read() for this sink runs next when something comes,
	 * before all that are not real-time, and for so many microseconds at most; 0: as any
	 * other. Only with a kernel's node, and by CAP_SYS_NICE or RLIMIT_RTPRIO; how long, and
	 * how much of a CPU, the module limits: docs/kernel.md. */
	unsigned int boost_us;
};

/*
 * kecho_sink_open - become a sink. Blocks until every source that is in the
 * channel now sends to it (5 s at most): what they submit later is seen. -EINVAL: the
 * policy, or an attribute; -E2BIG: an attribute; -ENOSPC: this process has 4096 sources and
 * sinks; -EPROTONOSUPPORT: a node of the channel shares logs of a layout that is unknown
 * here; -EPERM: kechod allows this user no `block`, or the kernel no boost; -EOPNOTSUPP: a boost,
 * and the node is not a kernel's; -ESHUTDOWN: the channel was destroyed; -ENOMEM.
 */
int kecho_sink_open(struct kecho_channel *ch, const struct kecho_sink_options *opt,
		    struct kecho_sink **out);
/* Leaves; doesn't block. No thread may be reading it. @s may be NULL. */
void kecho_sink_close(struct kecho_sink *s);
/* Its id as a member. */
uint64_t kecho_sink_id(const struct kecho_sink *s);

/*
 * kecho_read - the next event, loss or end. Waits up to @timeout_ms.
 * Returns 0; -EAGAIN: nothing (timeout 0); -ETIMEDOUT; -EPIPE: a `disconnect` sink
 * was too slow and has ended, or a `block` sink was ended as it stalled a source (what
 * it was given last is not to be trusted then: the log went on); -ESHUTDOWN: the
 * channel was destroyed, and all was read; -EBUSY: another thread reads this sink;
 * -ENOSPC: kechod had no room for one more log of another host, and the sink has ended.
 */
int kecho_read(struct kecho_sink *s, struct kecho_event *ev, int timeout_ms);

/*
 * kecho_read_vector - up to @max events at once, as many of one source as lie in a
 * row now (64 at most; only `block` sinks, which read in place, get more than one).
 * Waits for the first as kecho_read() does. All are valid until the sink is read
 * again. Returns how many, at least 1, or an error of kecho_read(); -EINVAL: @max
 * is 0.
 */
ssize_t kecho_read_vector(struct kecho_sink *s, struct kecho_event *ev, size_t max,
			  int timeout_ms);

/*
 * kecho_sink_fd - a descriptor that polls readable while kecho_read(…, 0) may
 * return something; when it finds nothing, the descriptor is quiet until something
 * comes. It belongs to the sink; only poll it. -EMFILE, -ENFILE, -ENOMEM.
 */
int kecho_sink_fd(struct kecho_sink *s);

/* kecho_event_get - an event's attribute by name; v->data lives as the event's. -ENOENT. */
int kecho_event_get(const struct kecho_event *ev, const char *name, struct kecho_value *v);

/*
 * kecho_run - wait up to @timeout_ms for events and call the callbacks of this
 * node's sinks until none is left. Returns how many events, losses and ends it delivered,
 * 0 when the time is up. Of a sink that ended for being too slow comes no more; kecho_read()
 * says why. kecho_run_fd() polls readable when kecho_run(k, 0) has something to do; it
 * belongs to @k. -EMFILE, -ENFILE, -ENOMEM.
 */
ssize_t kecho_run(struct kecho *k, int timeout_ms);
int kecho_run_fd(struct kecho *k);

#ifdef __cplusplus
}
#endif

#include "look.h"

#endif
