/* SPDX-License-Identifier: MIT */
/*
 * A process of user A: it speaks with kechod, or the kernel's node, by hand, says what it likes,
 * and writes what it likes wherever it may write. All of it follows from a seed, but for what
 * the others do meanwhile.
 */
#ifndef KECHO_ATTACK_H
#define KECHO_ATTACK_H

#include <sys/timerfd.h>

#include "grip.h"
#include "speech.h"

/* ------------------------------------------------------------ what it is given */

static inline struct attacker *attacker_of(struct raw *r)
{
	return container_of(r, struct attacker, r);
}

static inline void keep_bell(struct attacker *a, struct raw_msg *m)
{
	const struct kecho_note_doorbell *n = (void *)m->body;
	struct raw_bell *b = &a->bell[a->nbells];

	if (a->r.device)
		read_only(m->fd[0], sizeof(*b->page), FD_BELL, true);
	else
		sized(m->fd[0], sizeof(*b->page), FD_BELL);
	if (a->nbells == BELLS_MAX)
		return;
	b->use = n->use;
	b->page = mmap(NULL, sizeof(*b->page), PROT_READ | (a->r.device ? 0 : PROT_WRITE),
		       MAP_SHARED, m->fd[0], 0);
	b->event = dup(m->fd[1]);
	a->nbells += b->page != MAP_FAILED && b->event >= 0;
}

static inline void look_at_feed(struct raw *r, struct raw_msg *m)
{
	const struct kecho_note_feed *n = (void *)m->body;
	u32 i;

	for (i = 0; i < tally->nsources; i++)
		if (n->member == READ_ONCE(tally->source[i].member) &&
		    !strcmp(tally->source[i].channel, "own"))
			wrong("user A has got a log of a channel that it may not read");
	read_only(m->fd[0], KECHO_LOG_HEADER_SIZE + n->size, n->mine ? FD_LOG : FD_MIRROR,
		  r->device);
}

static inline void look_at(struct raw *r, struct raw_msg *m)
{
	struct attacker *a = attacker_of(r);

	if (m->cmd == KECHO_NOTE_FEED && m->nfds)
		look_at_feed(r, m);
	else if (m->cmd == KECHO_NOTE_DOORBELL && m->nfds == 2)
		keep_bell(a, m);
	else if (m->cmd == KECHO_CMD_ATTACH && m->nfds >= 2) {
		const struct kecho_attach *at = (void *)m->body;

		sized(m->fd[0], at->slots * KECHO_SLOT_SIZE, FD_GATES);
		read_only(m->fd[1], at->slots * KECHO_LIMIT_SIZE, FD_LIMITS, r->device);
	}
}

/* ----------------------------------------------------------------------- pages */

static inline void store(struct attacker *a, enum kind k, __le64 *word)
{
	WRITE_ONCE(*word, odd_number(a, READ_ONCE(*word)));
	count(k);
}

static inline void write_ring(struct attacker *a)
{
	u64 *ring = (u64 *)((u8 *)a->s.map + KECHO_LOG_HEADER_SIZE);
	u64 at = pick(a, RAW_LOG / 8), i, n = 1 + pick(a, 64);

	if (pick(a, 2)) {	/* lengths, kinds, flags where records begin */
		at = (a->s.log.head & (RAW_LOG - 1)) / 8;
		ring[(at + RAW_LOG / 8 - 2 * pick(a, 40)) % (RAW_LOG / 8)] = odd_number(a, 0x218);
		count(LOG_LENGTH);
		return;
	}
	for (i = 0; i < n; i++)
		ring[(at + i) % (RAW_LOG / 8)] = next_random(&a->rng);
	count(LOG_RECORD);
}

/* Records that name sinks: none, many, in any order, more than they have bytes. */
static inline void write_names(struct attacker *a)
{
	__le64 to[64];
	struct ke_event_info info = { .named = true, .to = to, .nto = pick(a, 64) };
	u32 i;

	for (i = 0; i < info.nto; i++)
		to[i] = odd_number(a, i);
	if (!raw_publish_named(&a->s, &info, pick(a, 64),
			       pick(a, 4) ? info.nto : odd_number(a, info.nto)))
		count(LOG_NAMES);
}

static inline void write_log(struct attacker *a)
{
	struct kecho_log_header *h = a->s.map;

	if (!h)
		return;
	switch (pick(a, 10)) {
	case 0:
		return store(a, LOG_HEAD, &h->head);
	case 1:
		return store(a, LOG_TAIL, &h->tail);
	case 2:
		return store(a, LOG_SEQ, pick(a, 2) ? &h->seq : &h->head_seq);
	case 3:
		return store(a, LOG_WANT, &h->want);
	case 4:
		return store(a, LOG_MARK, &h->mark[pick(a, KECHO_LOG_MARKS)]);
	case 5:
		return store(a, LOG_TAKEN, pick(a, 2) ? &h->taken : &h->magic);
	case 6:
		/* Not any more, once it is sealed. */
		if (!madvise(h, KECHO_LOG_HEADER_SIZE + RAW_LOG, MADV_REMOVE))
			wrong("LOG_HOLE: user A can take the memory of a log");
		count(LOG_HOLE);
		return;
	case 7:
		return write_names(a);
	}
	write_ring(a);
}

static inline void ring(struct attacker *a, u32 times)
{
	u32 i;

	for (i = 0; i < a->nbells; i++)
		raw_ring(&a->bell[i]);
	while (times--)
		if (raw_ring_node(&a->r))
			count(NODE_BELL);
}

/* Good events, so that others look at what is there; its own log may be past help. */
static inline void publish(struct attacker *a)
{
	u32 n = 1 + pick(a, 50);

	while (a->s.map && n-- && !raw_publish(&a->r, &a->s, pick(a, 500)))
		count(LOG_EVENT);
	ring(a, 1);
}

static inline void write_gates(struct attacker *a)
{
	struct kecho_gate_slot *g = &a->r.gates[pick(a, pick(a, 4) ? 32 : a->r.slots)];
	size_t size = a->r.slots * KECHO_SLOT_SIZE;
	u64 *word = (u64 *)a->r.gates;

	switch (pick(a, 7)) {
	case 0:
		store(a, GATE_GIVEN, &g->given);
		break;
	case 4:
		store(a, GATE_JUDGED, &g->judged);
		break;
	case 1:
		store(a, GATE_COUNT, pick(a, 2) ? &g->events : &g->lost);
		break;
	case 2:
		store(a, GATE_ANY, &word[pick(a, size / 8)]);
		break;
	case 3:
		if (!pick(a, 20) && !madvise(word, size, MADV_REMOVE))
			count(GATE_HOLE);
		break;
	default:
		store(a, GATE_POS, &g->pos);
	}
	ring(a, pick(a, 2));
}

/* One that the other side would block on, if it did more than ring it. */
static inline void block_bell(struct attacker *a, struct raw_bell *b)
{
	u64 most = U64_MAX - 1;

	fcntl(b->event, F_SETFL, pick(a, 2) ? 0 : O_NONBLOCK);
	fcntl(b->event, F_SETFL, fcntl(b->event, F_GETFL) | O_NONBLOCK);
	if (write(b->event, &most, sizeof(most)) < 0)
		most = 0;	/* a timer, or full already */
	if (pick(a, 2))
		fcntl(b->event, F_SETFL, 0);
	count(BELL_BLOCKS);
}

static inline void write_shared_bell(struct attacker *a, struct raw_bell *b)
{
	struct itimerspec t = { .it_value.tv_nsec = pick(a, 2),
				.it_interval.tv_nsec = pick(a, 1000) };
	u64 v;

	switch (pick(a, 5)) {
	case 0:
		WRITE_ONCE(b->page->futex, odd_number(a, b->page->futex));
		count(BELL_FUTEX);
		break;
	case 1:
		WRITE_ONCE(b->page->waiters, odd_number(a, 3));
		count(BELL_WAITERS);
		break;
	case 2:
		((u64 *)b->page)[pick(a, sizeof(*b->page) / 8)] = next_random(&a->rng);
		count(BELL_PAGE);
		break;
	case 3:
		timerfd_settime(b->event, 0, &t, NULL);
		fcntl(b->event, F_SETFL, O_NONBLOCK);
		if (read(b->event, &v, sizeof(v)) <= (ssize_t)sizeof(v))
			count(BELL_EVENT);
		break;
	case 4:
		block_bell(a, b);
	}
}

static inline void write_bell(struct attacker *a)
{
	struct raw_bell *b = a->nbells ? &a->bell[pick(a, a->nbells)] : NULL;

	if (b && !a->r.device)
		write_shared_bell(a, b);
}

/* ------------------------------------------------------------------------ life */

/* -EPIPE and the like: it was refused for other reasons, or cut off. */
static inline void refused(int result, int err, enum kind k)
{
	if (result >= 0)
		wrong("%s: user A can", kind_text[k]);
	if (result == err)
		count(k);
}

static inline bool begin_life(struct attacker *a)
{
	struct raw_source s;

	a->r.seen = look_at;
	if (raw_attach(&a->r))
		return false;
	if (a->role == HOLD) {
		a->open[0] = a->open[1] = raw_channel(&a->r, "held");
		return a->open[0] > 0 && raw_sink(&a->r, a->open[0], KECHO_BLOCK, 0) > 0;
	}
	refused(raw_channel(&a->r, "own"), -EACCES, NO_OPEN);
	a->open[0] = raw_channel(&a->r, "mixed");
	a->open[1] = raw_channel(&a->r, "read");
	if (a->open[0] < 0 || a->open[1] < 0)
		return false;
	refused(raw_source(&a->r, a->open[1], &s), -EACCES, NO_PUBLISH);
	refused(raw_sink(&a->r, a->open[1], KECHO_BLOCK, 0), -EPERM, NO_BLOCK);
	if (raw_sink(&a->r, a->open[0], pick(a, 2) ? KECHO_LATEST : KECHO_DISCONNECT,
		     pick(a, 3)) < 0 || raw_sink(&a->r, a->open[1], KECHO_LATEST, 0) < 0)
		return false;
	return a->role == SPEAK || !raw_source(&a->r, a->open[0], &a->s);
}

static inline void drain_socket(struct attacker *a)
{
	struct raw_msg *m;

	while (!a->deaf && (m = raw_recv(&a->r, 0)))
		raw_free(m);
	if (!a->deaf && !errno) {
		a->over = true;
		count(CUT_OFF);
	}
}

static inline void step(struct attacker *a)
{
	u64 what = pick(a, 100);

	if (a->role == HOLD) {
		if (what < 40)
			write_gates(a);
		else
			sleep_us(pick(a, 5000));
		count(GATE_HELD);
	} else if (what < 2) {
		flood(a);
	} else if (!pick(a, 400)) {
		a->deaf = true;
		count(DEAF);
	} else if (a->role == SPEAK || (a->role == ANYTHING && what < 40)) {
		speak(a);
	} else if (what < 20) {
		publish(a);
	} else if (a->more && what < 40) {
		a->more(a);
	} else if (what < 60) {
		write_log(a);
	} else if (what < 80) {
		write_gates(a);
	} else {
		write_bell(a);
	}
}

/* One life, with one connection. Gives a process's exit status. */
static inline int attack(const struct kechod *d, u64 seed, enum role role,
			 void (*more)(struct attacker *a))
{
	struct attacker a = { .rng = seed, .role = role, .more = more };
	struct message m = make_message(&a);
	int steps = STEPS_MAX;

	if (!raw_open(&a.r, d))
		return 0;	/* so many are on their way in already */
	if (!pick(&a, 8)) {	/* or before it has attached */
		mutate(&a, &m, pick(&a, 2) ? MSG_VALID : MSG_FIELD);
		if (send_message(&a, &m, 0))
			count(MSG_UNATTACHED);
	}
	a.until_ns = now_ns() + pick(&a, LIFE_US_MAX) * 1000 * slow();
	if (!begin_life(&a))
		return 0;
	if (a.s.map && can_map(a.s.fd, RAW_LOG))
		return wrong("FD_OWN_LOG: its own log can be mapped once more");
	if (a.s.map)
		count(FD_OWN_LOG);
	while (!a.over && steps-- && now_ns() < a.until_ns && !READ_ONCE(tally->stop)) {
		step(&a);
		drain_socket(&a);
	}
	count(HANGUP);
	return 0;
}

#endif
