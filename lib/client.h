/* SPDX-License-Identifier: MIT */
/*
 * A process that is attached to the node of its host, kechod: what it knows of it.
 *
 * The helper thread alone receives; notes take effect there, under the kecho lock. A
 * thread that asks something sends it itself and waits for the answer, except the
 * helper (in a callback), which receives until it has it.
 *
 * A node that is gone (its socket says so) takes all that was joined with it. Sources
 * and sinks go on with the logs that they have; when there is a node again the helper
 * joins everything anew, client_rejoin.c. Until then nothing is asked; who asks waits.
 */
#ifndef KECHO_CLIENT_H
#define KECHO_CLIENT_H

#include "feed.h"

#include <linux/futex.h>

enum client_limits {
	CALL_MS = 10000,	/* a node that takes longer than it was given is given up */
	CALL_FDS_MAX = 4,	/* descriptors of one message */
	RETRY_MIN_MS = 20,	/* between looks for a node; doubles up to */
	RETRY_MAX_MS = 160,	/* so that all are back soon: others wait for them */
	TAKEN_MS = 1000,	/* until a node that has let a sink go says why */
	ORPHAN_LOOK_MS = 10,
	ORPHAN_MS = 2000,	/* from our coming back to that of who shared a log with us */
	REFUSED_RING_MS = 10,	/* between two rings for submissions that are refused */
	FUTEXES_MAX = 16,	/* doorbells that a thread sleeps on; more are polled */
	/* An attribute has five bytes at least, and eight for when it was set. */
	LIVE_ATTRS_MAX = sizeof(((struct kecho_live_slot *)0)->data) / 13,
};

/*
 * A request and its answer. A handle is looked up when the request is sent: things get
 * others from each node, and have 0 while they have none. @handle's value goes to
 * @handle_at of the first struct.
 */
struct client_call {
	struct list_head list;
	u32 cmd, serial;
	const u32 *handle;	/* NULL: none */
	size_t handle_at;
	const int *give;	/* a descriptor that goes with it; NULL: none */
	u32 generation;		/* in: only of this node, and at once; 0: any. out: it was */
	bool done;
	int result;		/* an error of the node's; or of its not answering */
	u8 *body;		/* of the answer */
	u32 len;
	int fd[CALL_FDS_MAX];
	unsigned int nfds;
};

/* A message as it came. */
struct client_msg {
	struct kecho_msg head;
	u8 *body;		/* head.len bytes, and a 0 */
	int fd[CALL_FDS_MAX];
	unsigned int nfds;
};

/* What a node shares with us, for as long as a source writes to it. */
struct client_pages {
	atomic_int refs;
	struct kecho_gate_slot *gates;
	const struct kecho_limit_slot *limits;
	u32 slots;
};

/* A note for a sink whose own answer has not been seen yet. */
struct client_early {
	struct list_head list;
	struct client_msg msg;
};

enum client_state { CLIENT_UP, CLIENT_LOST, CLIENT_REJOINING };

struct client {
	struct kecho *k;
	bool device;		/* the node is the kernel's: @sock is /dev/kecho, */
	int ring;		/* and this is not there */
	struct lib_lock send;
	int sock;		/* changes under @send */
	u32 sock_generation;	/* the same: of whose node it is */
	struct client_pages *pages;
	u32 bit;		/* by which its sinks sleep; by READ_ONCE() and WRITE_ONCE() */
	enum client_state state;	/* under the kecho lock, like all below */
	bool rejoining;		/* the helper goes through the lists, whatever the state */
	u32 generation;		/* of nodes, from 1 */
	u32 serial;
	u64 up_ms;		/* since then there has been the node of now */
	u64 retry_ms;		/* when to look for a node again */
	u32 retry_wait_ms;
	u64 orphans_ms;		/* until then their sources may come back */
	struct list_head calls;
	unsigned int joining;	/* sinks whose handle we don't know yet */
	struct list_head early;
	unsigned int nearly;	/* of them */
	u8 in[KECHO_MSG_MAX + 1] __attribute__((aligned(8)));	/* the helper's: a message */
};

/* A doorbell that the node has told us of. */
struct client_bell {
	struct list_head list;
	atomic_int refs;
	u64 id;
	bool node;		/* it is the node that sleeps on it */
	u32 use;		/* enum kecho_doorbell_use */
	bool timer;
	bool kernel;		/* it alone writes the page, and is asked to sleep and to ring */
	struct kecho_doorbell *page;
	int fd;			/* rung for those who poll, polled by those who sleep */
};

/* Those that a channel's sources ring, or its sinks sleep on: never changed, replaced. */
struct client_bells {
	atomic_int refs;
	unsigned int n;
	struct client_bell *bell[];
};

/* A channel's table of members and their attributes, mapped. */
struct client_live {
	atomic_int refs;
	const void *map;
};

/* What stood in a slot of it. */
struct client_live_look {
	union {
		struct kecho_live_slot slot;
		u64 word[sizeof(struct kecho_live_slot) / sizeof(u64)];
	};
	struct ke_attrs own, node;	/* there, and in @since */
	struct ke_attr_since since[LIVE_ATTRS_MAX];
};

struct client_channel {
	u32 handle;
	bool watched;
	bool frozen;		/* as the node said last */
	u32 still_due;		/* the node waits until nothing is under way; 0: it does not */
	struct list_head known;	/* struct notice: members, while it is watched */
	struct list_head bells;
	/* Loaded under a source's lock; who has replaced it takes each of those once. */
	struct client_bells *ring;
	struct client_live *live;	/* its table, of the node of @live_generation */
	u32 live_generation;
	struct lib_lock lock;	/* of @sleep */
	struct client_bells *sleep;
	/* What sinks sleep on while there is no doorbell. */
	struct kecho_doorbell own;
};

/* client.c */
void client_lost(struct client *c);
void client_members_gone(struct kecho_channel *ch, enum kecho_member_state state);

int client_connect(bool device);
int client_attach(struct client *c);

/* client_rejoin.c */
void client_rejoin(struct client *c);
void client_again_later(struct client *c);
void client_orphan(struct kecho_sink *s);
void client_orphan_mirrors(struct kecho_sink *s);
bool client_orphans(struct client *c);

/* client_call.c */
int client_call(struct client *c, struct client_call *call, struct kvec *req, unsigned int n,
		unsigned int timeout_ms);
int client_ask(struct client *c, u32 cmd, const u32 *handle, void *arg, size_t size,
	       unsigned int timeout_ms, const char *what, const char *name);
int client_asked(struct client_call *call, void *arg, size_t size, const char *what,
		 const char *name);
void client_call_end(struct client_call *call);
int client_take_fd(struct client_call *call, unsigned int i);
int client_result(__le32 said);
int client_receive(struct client *c);
void client_fail_calls(struct client *c);
void client_msg_close(struct client_msg *m);

/* client_note.c */
int client_note(struct client *c, struct client_msg *m);
void client_join_begin(struct client *c);
int client_join_end(struct client *c, struct kecho_sink *s);
void client_forget_early(struct client *c);
/* The sink ends, with @error. */
void client_sink_over(struct kecho_sink *s, int error);

/* client_seat.c */
void client_seat(struct kecho_sink *s, const struct kecho_filter *f,
		 const struct kecho_type *type);
int client_seated(struct kecho_sink *s);
void client_seat_again(struct kecho_sink *s);
int client_judged(struct client *c, struct client_msg *m, struct kecho_sink *s, struct feed *f);

/* client_judge.c */
extern const struct ke_judge_ops client_judge_ops;
int client_judge_note(struct client *c, struct client_msg *m);
int client_judge_type(struct kecho_source *s, const struct kecho_type *t);

/* client_bell.c */
struct client_channel *client_channel_make(void);
void client_channel_free(struct kecho_channel *ch);
bool client_is_bell(int fd);
int client_bell_in(struct kecho_channel *ch, const struct kecho_note_doorbell *n, int fd[2]);
void client_bells_drop(struct kecho_channel *ch);
void client_wait_futexes(struct futex_waitv *v, unsigned int n, int left_ms);
void client_ring_alone(struct kecho_channel *ch);

/* client_join.c */
bool client_lock_joined(struct kecho *k, u32 generation);
int client_channel_join(struct kecho_channel *ch, const char *name, unsigned int flags);
void client_channel_leave(struct kecho_channel *ch);
int client_source_join(struct kecho_source *s, size_t log_size);
void client_source_leave(struct kecho_source *s);
int client_sink_join(struct kecho_sink *s);
void client_sink_leave(struct kecho_sink *s);
int client_channel_again(struct kecho_channel *ch);
int client_source_again(struct kecho_source *s);
int client_sink_again(struct kecho_sink *s);

/* client_life.c */
int client_freeze(struct kecho_channel *ch, int timeout_ms);
int client_thaw(struct kecho_channel *ch);
int client_drain(struct kecho_channel *ch, int timeout_ms);
int client_destroy(struct kecho_channel *ch, int timeout_ms);
int client_other(struct kecho_channel *ch, uint8_t uuid[16]);
void client_frozen(struct kecho_channel *ch, u32 number);
void client_destroyed(struct kecho_channel *ch, u32 number);
void client_stand_still(struct client *c);

/* client_type.c */
int client_announce(struct kecho_source *s, const struct kecho_type *t);
int client_announce_again(struct kecho_source *s);
int client_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		struct kecho_type **out);

/* client_live.c */
int client_live_get(const struct kecho_channel *ch, u64 member, const char *name,
		    struct kecho_value *v, void *buf, size_t size);
bool client_live_open(struct kecho_channel *ch);
struct client_live *client_live_hold(struct client_live *l);
void client_live_put(struct client_live *l);
const struct kecho_live_head *client_live_head(const struct client_live *l);
/* Of a member; 0: it has none. */
u32 client_live_slot(const struct client_live *l, u64 member);
u32 client_live_version(const struct client_live *l, u32 slot);
/* False: it does not keep still, or says what cannot be. */
bool client_live_read(const struct client_live *l, u32 slot, struct client_live_look *to);

/* client_choice.c */
int client_choose(struct kecho_source *s, const struct kecho_filter *f);
int client_address(struct kecho_source *s);
u64 client_reply_to(struct kecho_source *s, u64 source);
int client_choice_again(struct kecho_source *s);

/* client_room.c */
void client_room_wake(struct kecho_source *s);

/* client_look.c */
int client_ask_watch(struct kecho_channel *ch, bool on);
void client_member(const struct kecho_ctl_member *in, struct kecho_member *out);
int client_set(struct kecho *k, struct kecho_channel *ch, struct ke_member *m, const char *name,
	       const struct ke_value *v);
int client_get(struct kecho_channel *ch, uint64_t member, const char *name,
	       struct kecho_value *v, void *buf, size_t size);
ssize_t client_members(struct kecho_channel *ch, struct kecho_member *m, size_t max);
int client_watch(struct kecho_channel *ch, kecho_member_fn fn, void *arg);
ssize_t client_stats(struct kecho_channel *ch, struct kecho_member_stats *st, size_t max,
		     int timeout_ms);
ssize_t client_links(struct kecho *k, struct kecho_link_info *l, size_t max);
int64_t client_ping(struct kecho *k, uint64_t node, int timeout_ms);
ssize_t client_channels(struct kecho *k, struct kecho_channel_info *c, size_t max);

#endif
