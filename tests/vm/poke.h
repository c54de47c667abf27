/* SPDX-License-Identifier: MIT */
/*
 * What an attacker does to the descriptors of /dev/kecho beside requests: any call with any
 * argument, from several threads, and from a child that stays when it goes.
 */
#ifndef KECHO_POKE_H
#define KECHO_POKE_H

#include <pthread.h>

#include "../daemon/attack.h"

enum {
	CHILD_STEPS = 30,
	THREAD_STEPS = 20,
	WAIT_MS_MAX = 3,
};

/* A pointer to something, or to nothing that is mapped. */
static inline void *odd_pointer(struct attacker *a, void *good)
{
	return pick(a, 4) ? good : (void *)(uintptr_t)odd_number(a, (uintptr_t)a->r.gates);
}

static inline void poke_bytes(struct attacker *a)
{
	u64 buf[32];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(buf); i++)
		buf[i] = next_random(&a->rng) >> (pick(a, 2) ? 60 : 0);
	if (write(a->r.fd, odd_pointer(a, buf), pick(a, pick(a, 8) ? sizeof(buf) : 1 << 20)) < 0)
		count(DEV_BYTES);
}

/* What comes into the one or the other wrong place ends the session. */
static inline void poke_receive(struct attacker *a)
{
	static u8 buf[KECHO_MSG_MAX];
	struct kecho_dev_receive in = { .buf = (uintptr_t)odd_pointer(a, buf) };
	struct kecho_dev_receive *arg = odd_pointer(a, &in);
	u32 i;

	if (ioctl(a->r.fd, KECHO_DEV_RECEIVE, arg) >= 0)
		for (i = 0; arg == &in && i < in.nfds; i++)
			close(in.fd[i]);
	count(DEV_RECEIVE);
}

/* A request, perhaps, with its answer to some place, perhaps. */
static inline void poke_call(struct attacker *a)
{
	struct {
		struct kecho_msg head;
		u64 body[32];
	} m = { .head.cmd = cpu_to_le32(pick(a, 40)), .head.serial = cpu_to_le32(pick(a, 4)) };
	u64 answer[64];
	struct kecho_dev_call c = {
		.answer.buf = (uintptr_t)odd_pointer(a, answer), .size = pick(a, sizeof(answer)),
		.request = (uintptr_t)odd_pointer(a, &m),
	};
	struct kecho_dev_call *arg = odd_pointer(a, &c);
	u32 i, words = pick(a, ARRAY_SIZE(m.body));

	c.len = sizeof(m.head) + words * sizeof(m.body[0]);
	m.head.len = cpu_to_le32(words * sizeof(m.body[0]));
	for (i = 0; i < words; i++)
		m.body[i] = pick(a, 2) ? pick(a, 8) : odd_number(a, 0);
	if (ioctl(a->r.fd, KECHO_DEV_CALL, arg) > 0)
		for (i = 0; arg == &c && i < c.answer.nfds; i++)
			close(c.answer.fd[i]);
	count(DEV_CALL);
}

static inline void poke_room(struct attacker *a)
{
	u32 kick = pick(a, 2), slot = pick(a, 4) ? pick(a, a->r.slots) : odd_number(a, a->r.slots);
	struct kecho_dev_room r = {
		.kick = (uintptr_t)odd_pointer(a, &kick), .kicked = pick(a, 4) ? kick : ~kick,
		.slot = slot, .timeout_ms = pick(a, WAIT_MS_MAX),
	};

	if (slot < a->r.slots)
		r.bell = a->r.limits[slot].bell + !pick(a, 4);
	ioctl(a->r.fd, KECHO_DEV_ROOM, odd_pointer(a, &r));
	count(DEV_ROOM);
}

/* Not WAIT or ROOM, which might last. */
static inline void poke_any(struct attacker *a, int fd, enum kind k)
{
	u64 arg[16];
	u32 nr = pick(a, 16), cmd = _IOC(pick(a, 4), pick(a, 4) ? 0xec : pick(a, 256), nr,
					 pick(a, 64));
	u32 i;

	for (i = 0; i < ARRAY_SIZE(arg); i++)
		arg[i] = odd_number(a, 0);
	if (cmd != KECHO_BELL_WAIT && cmd != KECHO_DEV_ROOM)
		ioctl(fd, cmd, odd_pointer(a, arg));
	if (!pick(a, 4) && read(fd, arg, sizeof(arg)) < 0)
		lseek(fd, odd_number(a, 0), SEEK_SET);
	count(k);
}

/* It has what its parent had, whose session it is not. */
static inline void poke_by_child(struct attacker *a)
{
	int i;

	if (pick(a, 3) || fork())
		return;
	count(DEV_CHILD);
	for (i = 0; i < CHILD_STEPS; i++) {
		speak(a);
		raw_ring_node(&a->r);
		sleep_us(pick(a, 2000));
	}
	_exit(0);
}

static inline void *speak_too(void *arg)
{
	struct attacker *a = arg;
	int i;

	for (i = 0; i < THREAD_STEPS; i++)
		speak(a);
	count(DEV_THREAD);
	free(a);
	return NULL;
}

static inline void poke_by_thread(struct attacker *a)
{
	struct attacker *other = pick(a, 2) ? NULL : malloc(sizeof(*other));
	pthread_t thread;

	if (!other)
		return;
	*other = *a;
	other->rng = next_random(&a->rng);
	if (pthread_create(&thread, NULL, speak_too, other))
		free(other);
	else
		pthread_detach(thread);
}

static inline void poke_bell(struct attacker *a)
{
	struct raw_bell *b = a->nbells ? &a->bell[pick(a, a->nbells)] : NULL;
	struct kecho_bell_wait w = { .timeout_ms = pick(a, WAIT_MS_MAX),
				     .boost_us = pick(a, 2) * next_random(&a->rng) };

	if (!b)
		return;
	switch (pick(a, 4)) {
	case 0:
		ioctl(b->event, KECHO_BELL_ARM);
		count(DEV_BELL_ARM);
		break;
	case 1:
		w.futex = READ_ONCE(b->page->futex) + !pick(a, 3);
		ioctl(b->event, KECHO_BELL_WAIT, odd_pointer(a, &w));
		count(DEV_BELL_WAIT);
		break;
	case 2:
		if (write(b->event, odd_pointer(a, &w), odd_number(a, 8)) >= 0)
			count(DEV_BELL_RING);
		break;
	case 3:
		poke_any(a, b->event, DEV_BELL_ANY);
	}
}

static inline void poke(struct attacker *a)
{
	switch (pick(a, 11)) {
	case 0:
		return poke_bytes(a);
	case 1:
		return poke_receive(a);
	case 2:
		return poke_room(a);
	case 3:
		return poke_by_child(a);
	case 4:
		return poke_by_thread(a);
	case 5:
		return poke_bell(a);
	case 6:
		count(DEV_RING);
		ioctl(a->r.fd, KECHO_DEV_RING);
		return;
	case 7:
		return poke_call(a);
	case 8:
		count(DEV_KICK);
		ioctl(a->r.fd, KECHO_DEV_KICK);
		return;
	}
	poke_any(a, a->r.fd, DEV_ANY);
}

#endif
