/* SPDX-License-Identifier: MIT */
/*
 * An attacker, and what it says to kechod: requests that may be granted, and what has become
 * of them when somebody was careless, or meant no good.
 */
#ifndef KECHO_SPEECH_H
#define KECHO_SPEECH_H

#include <kecho/filter.h>

#include "tally.h"

enum {
	BELLS_MAX = 8,
	HANDLES = 24,		/* a session's are small numbers: one of these, most often */
	STEPS_MAX = 4000,
	LIFE_US_MAX = 400000,
	FLOOD_MAX = 600,
};

/* What a process spends its life with; HOLD alone has the right to block. */
enum role { SPEAK, WRITE, ANYTHING, HOLD, ROLES };

struct attacker {
	struct raw r;
	u64 rng, until_ns;
	enum role role;
	int open[2];		/* channels of user B */
	struct raw_source s;
	struct raw_bell bell[BELLS_MAX];
	unsigned int nbells;
	u32 version;		/* of the last filter that it set */
	bool deaf, over;
	void (*more)(struct attacker *a);	/* what else it does to a device; may be NULL */
};

static inline u64 pick(struct attacker *a, u64 n)
{
	return next_random(&a->rng) % n;
}

/* A number that somebody may not have thought of, or near @about. */
static inline u64 odd_number(struct attacker *a, u64 about)
{
	static const u64 odd[] = { 0, 1, 7, 8, 63, 64, 4095, 4096, RAW_LOG - 8, RAW_LOG,
				   RAW_LOG + 8, S32_MAX, U32_MAX, 1ull << 32, 1ull << 40,
				   S64_MAX, U64_MAX / 2, U64_MAX - 7, U64_MAX - 1, U64_MAX };

	switch (pick(a, 4)) {
	case 0:
		return odd[pick(a, ARRAY_SIZE(odd))];
	case 1:
		return next_random(&a->rng) >> pick(a, 64);
	case 2:
		return about + (pick(a, 2) ? 8 : RAW_LOG) * (pick(a, 5) - 2);
	}
	return about + pick(a, 9) - 4;
}

struct message {
	struct kecho_msg head;
	u8 body[512];
	u32 len;		/* of the body */
	int fd[64];
	u32 nfds;
};

static const u32 body_size[COMMANDS] = {
	[KECHO_CMD_ATTACH] = sizeof(struct kecho_attach),
	[KECHO_CMD_CHANNEL_OPEN] = sizeof(struct kecho_ctl_channel_open),
	[KECHO_CMD_CHANNEL_CLOSE] = sizeof(struct kecho_ctl_channel),
	[KECHO_CMD_SOURCE_OPEN] = sizeof(struct kecho_ctl_source_open),
	[KECHO_CMD_SOURCE_READY] = sizeof(struct kecho_ctl_source),
	[KECHO_CMD_SOURCE_CLOSE] = sizeof(struct kecho_ctl_source),
	[KECHO_CMD_SINK_OPEN] = sizeof(struct kecho_ctl_sink_open),
	[KECHO_CMD_SINK_CLOSE] = sizeof(struct kecho_ctl_sink),
	[KECHO_CMD_SET] = sizeof(struct kecho_ctl_attr),
	[KECHO_CMD_GET] = sizeof(struct kecho_ctl_attr),
	[KECHO_CMD_MEMBERS] = sizeof(struct kecho_ctl_list),
	[KECHO_CMD_WATCH] = sizeof(struct kecho_ctl_channel),
	[KECHO_CMD_STATS] = sizeof(struct kecho_ctl_list),
	[KECHO_CMD_LINKS] = sizeof(struct kecho_ctl_list),
	[KECHO_CMD_PING] = sizeof(struct kecho_ctl_ping),
	[KECHO_CMD_CHANNELS] = sizeof(struct kecho_ctl_list),
	[KECHO_CMD_STATUS] = sizeof(struct kecho_ctl_status),
	[KECHO_CMD_FREEZE] = sizeof(struct kecho_ctl_channel_wait),
	[KECHO_CMD_THAW] = sizeof(struct kecho_ctl_channel_wait),
	[KECHO_CMD_DRAIN] = sizeof(struct kecho_ctl_channel_wait),
	[KECHO_CMD_DESTROY] = sizeof(struct kecho_ctl_channel_wait),
	[KECHO_CMD_OTHER] = sizeof(struct kecho_ctl_other),
	[KECHO_CMD_STILL] = sizeof(struct kecho_ctl_still),
	[KECHO_CMD_ANNOUNCE] = sizeof(struct kecho_ctl_announce),
	[KECHO_CMD_TYPE] = sizeof(struct kecho_ctl_type),
	[KECHO_CMD_LIVE] = sizeof(struct kecho_ctl_channel),
	[KECHO_CMD_ADDRESS] = sizeof(struct kecho_ctl_source),
	[KECHO_CMD_SINK_FILTER] = sizeof(struct kecho_ctl_sink_filter),
};

static inline u32 some_channel(struct attacker *a)
{
	return pick(a, 4) ? (u32)a->open[pick(a, 2)] : pick(a, HANDLES);
}

static inline void fill_open(struct attacker *a, struct kecho_ctl_channel_open *o)
{
	static const char *const name[] = { "own", "mixed", "read", "held" };

	o->timeout_ms = 1 + pick(a, 300);
	o->mode = pick(a, 2) ? 0 : 0600;
	o->flags = pick(a, 8) ? 0 : pick(a, 4);
	if (pick(a, 2))
		snprintf(o->name, sizeof(o->name), "%s", name[pick(a, 4)]);
	else
		snprintf(o->name, sizeof(o->name), "mine%u", (u32)pick(a, 12));
}

/* The body of a request that may be granted, or is refused for no more than a handle. */
static inline void fill(struct attacker *a, struct message *m, u32 cmd)
{
	struct kecho_ctl_source_open *source = (void *)m->body;
	struct kecho_ctl_sink_open *sink = (void *)m->body;
	struct kecho_ctl_attr *attr = (void *)m->body;
	struct kecho_ctl_list *list = (void *)m->body;
	struct kecho_ctl_type *type = (void *)m->body;
	u32 *word = (void *)m->body;

	word[0] = cmd == KECHO_CMD_SOURCE_OPEN ||
				  (cmd > KECHO_CMD_SINK_CLOSE && cmd != KECHO_CMD_ANNOUNCE) ?
			  some_channel(a) : pick(a, HANDLES);
	if (cmd == KECHO_CMD_ATTACH) {
		word[0] = KECHO_NODE_ABI;
	} else if (cmd == KECHO_CMD_CHANNEL_OPEN) {
		fill_open(a, (void *)m->body);
	} else if (cmd == KECHO_CMD_SOURCE_OPEN) {
		source->log_size = RAW_LOG << pick(a, 4);
		source->stall_ms = pick(a, 2);
		source->retain = pick(a, 100);
		source->traffic_class = pick(a, 4);
		source->alive_ms = pick(a, 4) ? 0 : KE_PROMISE_MS_MIN + pick(a, 100);
	} else if (cmd == KECHO_CMD_SINK_OPEN) {
		sink->channel = some_channel(a);
		sink->policy = pick(a, 3);
		sink->retained = pick(a, 3);
	} else if (cmd == KECHO_CMD_SET || cmd == KECHO_CMD_GET) {
		attr->what = 1 + pick(a, 3);
		attr->channel = some_channel(a);
		attr->member = a->s.o.member;
		strcpy(attr->name, pick(a, 2) ? "kecho.mode" : "nx");
	} else if (cmd == KECHO_CMD_STATS || cmd == KECHO_CMD_CHANNELS) {
		list->timeout_ms = 1 + pick(a, 100);
	} else if (cmd >= KECHO_CMD_FREEZE && cmd <= KECHO_CMD_DESTROY) {
		word[1] = pick(a, 100);
	} else if (cmd == KECHO_CMD_TYPE) {
		type->number = pick(a, 18);
		type->member = a->s.o.member;
	}
}

/* One of 16 types without fields, behind a request to announce it. */
static inline void put_type(struct attacker *a, struct message *m)
{
	struct kecho_ctl_announce *ann = (void *)m->body;
	u8 t[] = "kt\1\0\0\0\0\0\0\0\1\0\1\0\0\0a";

	t[sizeof(t) - 2] += pick(a, 16);
	memcpy(ann + 1, t, sizeof(t) - 1);
	ann->type_len = sizeof(t) - 1;
	m->len += ann->type_len;
}

/* A filter, or what was one, or none. */
static inline void fill_filter(struct attacker *a, struct message *m)
{
	static const char *const text[] = { "seq % 3 == 1", "source.nx > sink.nx", "len > 100",
					    "node.nx == channel.nx && once(seq)" };
	struct kecho_ctl_sink_filter *body = (void *)m->body;
	struct kecho_filter *f = NULL;
	u8 *tail = (u8 *)(body + 1);
	size_t len = 0;
	const void *wire;

	body->sink = pick(a, HANDLES);
	body->version = pick(a, 8) ? ++a->version : odd_number(a, a->version);
	body->timeout_ms = pick(a, 50);
	if (!pick(a, 5) || kecho_filter_compile(&f, KECHO_FOR_EVENT, text[pick(a, 4)], NULL))
		return;
	wire = kecho_filter_wire(f, &len);
	len = min_t(size_t, len, sizeof(m->body) - sizeof(*body));
	memcpy(tail, wire, len);
	kecho_filter_free(f);
	while (!pick(a, 3))
		tail[pick(a, len)] = pick(a, 256);
	body->len = len;
	body->type_len = pick(a, 8) ? 0 : pick(a, len);
	m->len += len;
}

/* A valid request. */
static inline struct message make_message(struct attacker *a)
{
	struct message m = { .len = 0 };
	u32 cmd = 1 + pick(a, COMMANDS - 1);
	struct kecho_ctl_attr *attr = (void *)m.body;

	m.len = body_size[cmd];
	fill(a, &m, cmd);
	if (cmd == KECHO_CMD_SET) {
		memcpy(attr + 1, "\2\1\1\0nx", 6);
		attr->attrs_len = 6;
		m.len += 6;
	} else if (cmd == KECHO_CMD_SINK_FILTER) {
		fill_filter(a, &m);
	}
	if (cmd == KECHO_CMD_ANNOUNCE)
		put_type(a, &m);
	m.head = (struct kecho_msg){ .cmd = cmd, .serial = ++a->r.serial, .len = m.len };
	return m;
}

static inline void change_field(struct attacker *a, struct message *m)
{
	u32 at = 4 * pick(a, m->len / 4), old, i, n = 1 + pick(a, 3);
	u64 v;

	for (i = 0; i < n; i++, at = 4 * pick(a, m->len / 4)) {
		memcpy(&old, m->body + at, sizeof(old));
		v = odd_number(a, old);
		memcpy(m->body + at, &v, at + 8 <= m->len && pick(a, 2) ? 8 : 4);
	}
}

static inline void add_fds(struct attacker *a, struct message *m, u32 n, bool closed)
{
	int pair[2];
	u32 i;

	for (i = 0; i < n; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			break;
		close(pair[0]);	/* its other end is gone as it arrives */
		m->fd[m->nfds++] = pair[1];
	}
	/* One that is the connection itself, and holds it open when this process goes. */
	if (!closed && m->nfds < ARRAY_SIZE(m->fd))
		m->fd[m->nfds++] = dup(a->r.fd);
}

/* Makes a request into something else. */
static inline void mutate(struct attacker *a, struct message *m, enum kind k)
{
	u32 i;

	switch (k) {
	case MSG_FIELD:
		change_field(a, m);
		break;
	case MSG_RANDOM:
		for (i = 0; i < m->len; i++)
			m->body[i] = pick(a, 256);
		break;
	case MSG_SHORT:
		m->len = pick(a, m->len);
		m->head.len = pick(a, 2) ? m->len : m->head.len;
		break;
	case MSG_LENGTH:
		m->head.len = odd_number(a, m->len);
		break;
	case MSG_TAIL:
		m->len += 8 * (1 + pick(a, 8));
		m->head.len = m->len;
		break;
	case MSG_NO_REQUEST:
		m->head.serial = pick(a, 2) ? 0 : m->head.serial;
		m->head.result = m->head.serial ? odd_number(a, 1) : 0;
		m->head.cmd = pick(a, 2) ? m->head.cmd : KECHO_NOTE_FEED + pick(a, 8);
		break;
	case MSG_UNKNOWN:
		m->head.cmd = odd_number(a, COMMANDS - 1);
		break;
	case MSG_FDS:
		add_fds(a, m, 1 + pick(a, 3), false);
		break;
	case MSG_FDS_MANY:
		add_fds(a, m, 60, false);
		break;
	case MSG_FDS_CLOSED:
		add_fds(a, m, 1 + pick(a, 3), true);
		break;
	default:
		break;
	}
}

/* The device says at once that something is no request, and goes on. */
static inline bool was_said(struct attacker *a, int err)
{
	if (a->r.device && (err == -EBADMSG || err == -EMSGSIZE))
		return true;
	if (err && err != -EAGAIN && err != -ENOBUFS && err != -ETOOMANYREFS)
		a->over = true;
	return !err;
}

static inline bool send_message(struct attacker *a, struct message *m, u32 more)
{
	static u8 zero[2 * KECHO_MSG_MAX];
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(m->fd))];
	} control = { 0 };
	struct iovec v[] = { { &m->head, sizeof(m->head) }, { m->body, m->len }, { zero, more } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = 3 };
	bool said;
	u32 i;

	raw_give(&h, control.buf, m->fd, m->nfds);
	said = was_said(a, raw_say(&a->r, &h, MSG_DONTWAIT));
	for (i = 0; i < m->nfds; i++)
		close(m->fd[i]);
	if (said && m->head.cmd < COMMANDS)
		__atomic_fetch_add(&tally->message[m->head.cmd], 1, __ATOMIC_RELAXED);
	return said;
}

/* Those that end the connection are rarer, or nothing else would come about. */
static inline enum kind some_kind(struct attacker *a)
{
	static const enum kind kind[] = { MSG_VALID, MSG_VALID, MSG_FIELD, MSG_FIELD, MSG_UNKNOWN,
					  MSG_RANDOM, MSG_FDS, MSG_FDS_MANY, MSG_FDS_CLOSED };
	static const enum kind fatal[] = { MSG_SHORT, MSG_LONG, MSG_LENGTH, MSG_TAIL,
					   MSG_NO_REQUEST };

	return pick(a, 12) ? kind[pick(a, ARRAY_SIZE(kind))] : fatal[pick(a, ARRAY_SIZE(fatal))];
}

static inline void speak(struct attacker *a)
{
	enum kind k = some_kind(a);
	struct message m = make_message(a);

	/* A random body is no reason to cut it off, unless a tail is said to follow. */
	mutate(a, &m, k);
	if (send_message(a, &m, k == MSG_LONG ? KECHO_MSG_MAX : 0))
		count(k);
}

static inline void flood(struct attacker *a)
{
	u32 i, n = 1 + pick(a, FLOOD_MAX);
	struct message m = make_message(a);

	for (i = 0; i < n && !a->over; i++) {
		m.head.serial = ++a->r.serial;
		if (!send_message(a, &m, 0))
			break;
	}
	count(FLOOD);
}

#endif
