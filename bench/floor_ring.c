/* SPDX-License-Identifier: MIT */
/*
 * Floor: one ring of fixed-size records in a memfd, one head, one futex.
 *
 * The publisher writes records, stores the head, and makes a system call only
 * when the waiters flag says that somebody sleeps. A sink reads records in place
 * and stores its position when it asks for more; a record is overwritten only
 * after every sink's position is past it, which bounds what is in flight.
 *
 * No wake-up is lost: a sink sets the flag and then looks at the head once more,
 * the publisher stores the head and then looks at the flag, and both have a full
 * fence between. A sink that read the futex word before a wake-up finds it
 * changed and does not sleep.
 */
#include "floor.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_SLOTS	1024u	/* a power of two */
#define RING_BYTES	(4u << 20)	/* larger events have fewer slots, */
#define RING_SLOTS_MIN	64u	/* but so many */

struct ring_page {
	_Alignas(64) _Atomic uint64_t head;	/* records published */
	_Alignas(64) _Atomic uint32_t futex;
	_Atomic uint32_t waiters;
	struct {
		_Alignas(64) _Atomic uint64_t pos;	/* records that the sink is done with */
	} sink[TRANSPORT_SINKS_MAX];
	_Alignas(64) unsigned char slots[];
};

struct ring {
	struct ring_page *page;
	size_t map_size, len, stride;
	unsigned int nsinks, sink, slots;
	uint64_t head, room_until;	/* the publisher's */
	uint64_t pos;			/* a sink's: up to where it gave records out */
};

static unsigned char *slot(const struct ring *r, uint64_t n)
{
	return r->page->slots + (n & (r->slots - 1)) * r->stride;
}

static int ring_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct ring *r = calloc(1, sizeof(*r));
	int fd, err;

	if (!r)
		return -ENOMEM;
	r->nsinks = nsinks;
	r->len = len;
	r->stride = (len + 7) & ~(size_t)7;
	r->slots = RING_SLOTS;
	while (r->slots > RING_SLOTS_MIN && r->slots * r->stride > RING_BYTES)
		r->slots /= 2;
	r->map_size = sizeof(*r->page) + r->slots * r->stride;
	r->room_until = r->slots;
	fd = memfd_create("ring", MFD_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		goto free_ring;
	}
	if (ftruncate(fd, (off_t)r->map_size)) {
		err = -errno;
		goto close_fd;
	}
	r->page = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (r->page == MAP_FAILED) {
		err = -errno;
		goto close_fd;
	}
	close(fd);
	*state = r;
	return 0;
close_fd:
	close(fd);
free_ring:
	free(r);
	return err;
}

static int ring_attach(void *state, unsigned int sink)
{
	struct ring *r = state;

	r->sink = sink;
	return 0;
}

static int ring_connect(void *state)
{
	(void)state;
	return 0;
}

/* The next record's slot, waiting until the slowest sink is done with it. */
static unsigned char *ring_claim(struct ring *r)
{
	uint64_t min, pos;
	unsigned int i;

	while (r->head == r->room_until) {
		min = r->head;
		for (i = 0; i < r->nsinks; i++) {
			pos = atomic_load_explicit(&r->page->sink[i].pos, memory_order_acquire);
			if (pos < min)
				min = pos;
		}
		r->room_until = min + r->slots;
		if (r->head == r->room_until)
			sched_yield();
	}
	return slot(r, r->head++);
}

static void ring_push(struct ring *r)
{
	struct ring_page *p = r->page;

	atomic_store_explicit(&p->head, r->head, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&p->waiters, memory_order_relaxed))
		return;
	atomic_store_explicit(&p->waiters, 0, memory_order_relaxed);
	atomic_fetch_add(&p->futex, 1);
	syscall(SYS_futex, &p->futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int ring_publish(void *state, const struct iovec *events, size_t n)
{
	struct ring *r = state;
	size_t i;

	if (n > r->slots)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		/* The claim would wait for sinks that don't know of the batch yet. */
		if (i && r->head == r->room_until)
			ring_push(r);
		memcpy(ring_claim(r), events[i].iov_base, r->len);
	}
	ring_push(r);
	return 0;
}

static uint64_t ring_await(struct ring *r)
{
	struct ring_page *p = r->page;
	uint64_t head;
	uint32_t word;

	for (;;) {
		head = atomic_load_explicit(&p->head, memory_order_acquire);
		if (head != r->pos)
			return head;
		word = atomic_load(&p->futex);
		atomic_store_explicit(&p->waiters, 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load_explicit(&p->head, memory_order_acquire) == r->pos)
			syscall(SYS_futex, &p->futex, FUTEX_WAIT, word, NULL, NULL, 0);
	}
}

static ssize_t ring_receive(void *state, struct iovec *events, size_t max)
{
	struct ring *r = state;
	uint64_t head;
	size_t n;

	atomic_store_explicit(&r->page->sink[r->sink].pos, r->pos, memory_order_release);
	head = ring_await(r);
	for (n = 0; n < max && r->pos != head; n++)
		events[n] = (struct iovec){ slot(r, r->pos++), r->len };
	return (ssize_t)n;
}

static void ring_release(void *state)
{
	struct ring *r = state;

	munmap(r->page, r->map_size);
	free(r);
}

const struct transport floor_ring = {
	.name = "one shared ring + futex",
	.prepare = ring_prepare,
	.attach = ring_attach,
	.connect = ring_connect,
	.publish = ring_publish,
	.receive = ring_receive,
	.release = ring_release,
};
