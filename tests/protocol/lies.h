/* SPDX-License-Identifier: MIT */
/*
 * A node that lies: it says to a node what a recording has one of its nodes say, with its own
 * names, and what the other one chose, in the places of the recording's; but one field of it,
 * its target, is changed to what makes little sense. From then on it says frames of that
 * session in any order, of which many have a field changed. Which and how follows from a seed.
 */
#ifndef PROTOCOL_LIES_H
#define PROTOCOL_LIES_H

#include <netinet/in.h>

#include "../cluster/cluster.h"
#include "script.h"
#include "uapi/kecho.h"

enum {
	LIES_MAX = 8192,	/* places to lie at */
	LIE_GROWS = 64,		/* bytes at most */
	HEAR_MS = 25,		/* so long for a frame that is to be answered */
	BABBLE = 30,		/* frames at most, in any order */
	SIDE_STEPS_MAX = 256,
};

/* Where to lie. */
struct lie_at {
	const struct session *session;
	const struct step *step;
	unsigned int field;
};

struct lies {
	struct script *script;
	struct lie_at at[LIES_MAX];
	unsigned int n;
	unsigned int fields;	/* the first ones: each field of each kind of frame, once */
};

/* What was done, by all. */
struct lied {
	u64 lives, frames, lies, hangups, refused;
	u8 at[LIES_MAX];	/* it was lied there */
};

struct liar {
	const struct lies *lies;
	struct lied *lied;
	const struct lie_at *target;
	char me;
	struct values values;
	const struct step *theirs;	/* the next frame that the other node is to say */
	u64 rng;
	int fd;
	u8 in[FRAME_MAX], out[FRAME_MAX + LIE_GROWS];
	size_t in_len;
};

static inline u64 lie_random(struct liar *l, u64 below)
{
	l->rng = l->rng * 6364136223846793005ull + 1442695040888963407ull;
	return (l->rng >> 33) % below;
}

static inline bool lies_know(const struct lies *l, const struct step *s, unsigned int field)
{
	unsigned int i;

	for (i = 0; i < l->n; i++)
		if (!strcmp(l->at[i].step->text, s->text) &&
		    !strcmp(l->at[i].step->field[l->at[i].field].name, s->field[field].name))
			return true;
	return false;
}

/* The fields of the frames that nodes say to each other: such as are new, or all. */
static inline void lies_add(struct lies *l, bool all)
{
	const struct session *in;
	const struct step *s;
	unsigned int i;

	for (in = l->script->sessions; in; in = in->next)
		for (s = in->steps; s && strncmp(in->name, "registry", 8); s = s->next)
			for (i = 0; s->from && i < s->n && l->n < LIES_MAX; i++)
				if (all || !lies_know(l, s, i))
					l->at[l->n++] = (struct lie_at){ in, s, i };
}

static inline bool lies_read(struct lies *l, const char *recording)
{
	l->script = script_read(recording);
	lies_add(l, false);
	l->fields = l->n;
	lies_add(l, true);
	return l->n && !l->script->error;
}

/* ------------------------------------------------------------------------ to hear */

static inline u8 type_of(const struct step *s)
{
	return s->n > 1 && s->field[1].len ? s->field[1].bytes[0] : 0;
}

/* What the other one chose is taken from the frame that stands for it in the recording. */
static inline void lie_heard(struct liar *l, const u8 *frame, size_t len)
{
	const struct step *s;

	for (s = l->theirs; s; s = s->next)
		if (s->from && s->from != l->me && type_of(s) == frame[4]) {
			step_differs(s, &l->values, frame, len);
			l->theirs = s->next;
			return;
		}
}

/* The frames that are there; false: it hung up. */
static inline bool lie_take(struct liar *l, int timeout_ms)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	size_t len;
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return true;
	n = recv(l->fd, l->in + l->in_len, sizeof(l->in) - l->in_len, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	l->in_len += (size_t)n;
	while (l->in_len >= KECHO_FRAME_HEADER_SIZE) {
		len = KECHO_FRAME_HEADER_SIZE + l->in[0] + (l->in[1] << 8) + (l->in[2] << 16);
		if (len > l->in_len)
			break;
		lie_heard(l, l->in, len);
		l->in_len -= len;
		memmove(l->in, l->in + len, l->in_len);
	}
	return true;
}

static inline bool lie_knows(const struct liar *l, const char *name)
{
	unsigned int i;

	for (i = 0; i < l->values.n && strcmp(l->values.v[i].name, name); i++)
		;
	return i < l->values.n;
}

/* What the frame tells, of what the other one chooses. */
static inline bool lie_knows_all(const struct liar *l, const struct step *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (s->field[i].value && !lie_knows(l, s->field[i].value))
			return false;
	return true;
}

/* If that is needed, until it has been said; as it is recorded, if it isn't, soon. */
static inline bool lie_hear(struct liar *l, const struct step *s)
{
	u64 until = now_ns() + HEAR_MS * 1000000ull;

	while (!lie_knows_all(l, s) && now_ns() < until)
		if (!lie_take(l, HEAR_MS / 5))
			return false;
	step_bytes(s, &l->values, l->out);
	return true;
}

/* -------------------------------------------------------------------------- to say */

/* Where the field begins, in what step_bytes() makes. */
static inline size_t field_begins(struct liar *l, const struct step *s, unsigned int field)
{
	static u8 buf[FRAME_MAX];
	struct step part = *s;

	part.n = field;
	return step_bytes(&part, &l->values, buf);
}

static inline size_t grow(struct liar *l, size_t at, size_t len)
{
	size_t n = 1 + lie_random(l, LIE_GROWS), i;

	memmove(l->out + at + n, l->out + at, len - at);
	for (i = 0; i < n; i++)
		l->out[at + i] = (u8)lie_random(l, 256);
	return len + n;
}

/* A number beside it, or one that is nothing like it. */
static inline void change(struct liar *l, u8 *p, size_t n)
{
	u64 how = lie_random(l, 8), bit = lie_random(l, 8 * n), v = 0;
	size_t i;

	if (how == 0)
		p[bit / 8] ^= (u8)(1 << bit % 8);
	else if (how == 1 || how == 2)
		memset(p, how == 1 ? 0 : 0xff, n);
	else if (how == 3)
		p[n - 1] ^= 0x80;
	else if (how == 4) {
		memset(p, 0, n);
		p[bit / 8] = (u8)(1 << bit % 8);
	} else if (how == 5 || how == 6) {
		memcpy(&v, p, min_t(size_t, n, 8));
		v += how == 5 ? 1 : -1;
		memcpy(p, &v, min_t(size_t, n, 8));
	} else {
		for (i = 0; i < n; i++)
			p[i] = (u8)lie_random(l, 256);
	}
}

/* Changes it, ends the frame in it, or puts more there; what the frame is long by now. */
static inline size_t lie(struct liar *l, const struct step *s, unsigned int field, size_t len)
{
	size_t begin = field_begins(l, s, field), end = field_begins(l, s, field + 1), i;
	u64 how = lie_random(l, 8);

	l->lied->lies++;
	if (begin == end || (how == 0 && begin >= KECHO_FRAME_HEADER_SIZE))
		len = grow(l, begin, len);
	else if (how == 1 && begin >= KECHO_FRAME_HEADER_SIZE)
		len = begin + lie_random(l, end - begin);
	else
		change(l, l->out + begin, end - begin);
	/* It is said to be as long as it is, unless that is the lie. */
	for (i = 0; i < 4 && field; i++)
		l->out[i] = (u8)((len - KECHO_FRAME_HEADER_SIZE) >> 8 * i);
	return len;
}

/* @field: where it lies; s->n: nowhere. False: it hung up, or reads nothing. */
static inline bool lie_say(struct liar *l, const struct step *s, unsigned int field)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	size_t len = step_bytes(s, &l->values, l->out), at = 0;
	ssize_t n;

	if (field < s->n)
		len = lie(l, s, field, len);
	l->lied->frames++;
	while (at < len && poll(&p, 1, HEAR_MS) > 0) {
		n = send(l->fd, l->out + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return at == len;
}

/* -------------------------------------------------------------------------- a life */

static inline bool lie_dial(struct liar *l, u16 port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return l->fd >= 0 && !connect(l->fd, (void *)&a, sizeof(a));
}

/* The session up to its target, good, and behind it as if nothing were. */
static inline bool lie_session(struct liar *l)
{
	const struct step *s;

	for (s = l->target->session->steps; s; s = s->next) {
		if (s->from == l->me && s->to != 'C' &&
		    !lie_say(l, s, s == l->target->step ? l->target->field : s->n))
			return false;
		if (s->to == l->me && !lie_hear(l, s))
			return false;
		if (!lie_take(l, 0))
			return false;
	}
	return true;
}

static inline bool lie_babble(struct liar *l)
{
	const struct step *side[SIDE_STEPS_MAX], *s;
	unsigned int n = 0, i;

	for (s = l->target->session->steps; s && n < SIDE_STEPS_MAX; s = s->next)
		if (s->from == l->me)
			side[n++] = s;
	for (i = 0; i < BABBLE; i++) {
		s = side[lie_random(l, n)];
		if (!lie_say(l, s, (unsigned int)lie_random(l, 2 * s->n)) || !lie_take(l, 0))
			return false;
	}
	return true;
}

/* Of a node that is new, or was here before. */
static inline void lie_names(struct liar *l, const u8 uuid[16])
{
	static const char *const names[][2] = { { "A.node", "A.incarnation" },
						{ "B.node", "B.incarnation" },
						{ "C.node", "C.incarnation" } };
	u64 id[2] = { lie_random(l, 8) ? l->rng : 1, 7 }, incarnation = 1 + lie_random(l, 2);

	values_set(&l->values, names[l->me - 'A'][0], id, sizeof(id));
	values_set(&l->values, names[l->me - 'A'][1], &incarnation, sizeof(incarnation));
	values_set(&l->values, "uuid.1", uuid, 16);
}

/* One connection, which lies at the place number @at first. */
static inline void lie_once(const struct lies *lies, struct lied *lied, unsigned int at, u64 seed,
			    u16 port, const u8 uuid[16])
{
	static struct liar l;

	l = (struct liar){ .lies = lies, .lied = lied, .target = &lies->at[at], .rng = seed };
	l.me = l.target->step->from;
	l.theirs = l.target->session->steps;
	lie_random(&l, 2);
	lie_names(&l, uuid);
	lied->lives++;
	lied->at[at] = 1;
	if (!lie_dial(&l, port))
		lied->refused++;
	else if (!lie_session(&l) || !lie_babble(&l))
		lied->hangups++;
	close(l.fd);
	values_free(&l.values);
}

#endif
