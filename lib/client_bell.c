// SPDX-License-Identifier: MIT
/*
 * The doorbells of a channel, as the node gives and takes them: of each user who has
 * sinks here one that our sources ring, of each who has sources one that ours sleep on.
 *
 * Sets of them are replaced, never changed. A ringer uses a set under its source's
 * lock, so who has replaced it takes each of those once and then nobody does. A
 * sleeper holds a reference, and looks once more at which set is the channel's after
 * it has said that it sleeps.
 */
#include "client.h"
#include "submit.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static void put_bell(struct client_bell *b)
{
	if (atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	munmap(b->page, sizeof(*b->page));
	close(b->fd);
	free(b);
}

static void put_bells(struct client_bells *set)
{
	unsigned int i;

	if (atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	for (i = 0; i < set->n; i++)
		put_bell(set->bell[i]);
	free(set);
}

/* All of the channel that are for @use. NULL: no memory. */
static struct client_bells *gather(const struct client_channel *cc, u32 use)
{
	struct client_bells *set;
	struct client_bell *b;
	unsigned int n = 0;

	list_for_each_entry(b, &cc->bells, list)
		n += !!(b->use & use);
	set = calloc(1, sizeof(*set) + n * sizeof(set->bell[0]));
	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	list_for_each_entry(b, &cc->bells, list) {
		if (!(b->use & use))
			continue;
		atomic_fetch_add(&b->refs, 1);
		set->bell[set->n++] = b;
	}
	return set;
}

/* ------------------------------------------------------------------ ringing */

static void ring_bell(const struct client_bell *b, u32 whom)
{
	static const struct itimerspec at_once = { .it_value.tv_nsec = 1 };
	u64 one = 1;

	if (!b->kernel && !doorbell_wake(b->page, whom))
		return;
	if (b->timer)
		timerfd_settime(b->fd, 0, &at_once, NULL);
	else if (write(b->fd, &one, sizeof(one)) < 0)
		return;		/* full: then it is readable already */
}

/* What was published lies before a full fence of the caller; its source's lock is held. */
static void ring_all(const struct client_bells *set)
{
	unsigned int i;

	for (i = 0; i < set->n; i++)
		if (unlikely(__atomic_load_n(&set->bell[i]->page->waiters, __ATOMIC_RELAXED)))
			ring_bell(set->bell[i], U32_MAX);
}

/*
 * Whether the node rings all of other users. It says in our limits that it begins to look
 * who sleeps: until then it need not be asked again. We have seen some asleep before we look
 * there, it looks after it has said so; with both fences one of us has seen each of them.
 */
static bool leave_to_node(struct kecho_source *s)
{
	if (!s->node_rings)
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	if (le64_to_cpu(READ_ONCE(s->slot->rung)) != s->rings)
		return true;
	smp_store_release(&s->counters->rings, cpu_to_le64(++s->rings));
	client_ring(s->ch->k);
	return true;
}

/* Who sleeps there and is to be woken for what was noted; @all: whoever does. */
static u32 sleeping(const struct kecho_source *s, const struct client_bell *b, bool all)
{
	u32 waiters = __atomic_load_n(&b->page->waiters, __ATOMIC_RELAXED);

	return likely(!waiters) ? 0 : waiters & (all ? U32_MAX : source_wakes(s, b->node));
}

/* As ring_all(), but whom it concerns, and in few system calls, however many users sleep. */
static void ring_some(struct kecho_source *s, const struct client_bells *set)
{
	struct {
		const struct client_bell *b;
		u32 whom;
	} other[KECHO_RINGS_MAX];
	unsigned int i, others = 0;
	bool all = ke_source_wakes_all(&s->s) || s->s.wakes_own;

	ke_source_woke(&s->s);
	for (i = 0; i < set->n; i++) {
		const struct client_bell *b = set->bell[i];
		u32 whom = sleeping(s, b, all);

		if (likely(!whom))
			continue;
		if (!b->timer)
			ring_bell(b, whom);
		else if (others++ < KECHO_RINGS_MAX)
			other[others - 1] = (typeof(other[0])){ b, whom };
	}
	if (others <= KECHO_RINGS_MAX)
		while (others--)
			ring_bell(other[others].b, other[others].whom);
	else if (!leave_to_node(s))
		ring_all(set);
}

/* The source's lock is held. The node looks at the counters when it is asked for them. */
void client_tell(struct kecho_source *s)
{
	ke_log_publish(&s->s.log);
	atomic_thread_fence(memory_order_seq_cst);
	ring_some(s, smp_load_acquire(&s->ch->client->ring));
	if (s->s.log.head == s->s.log.end)
		s->noted = (struct ke_noted){ 0 };
	WRITE_ONCE(s->counters->events, cpu_to_le64(s->stats.submitted));
	WRITE_ONCE(s->counters->bytes, cpu_to_le64(s->stats.bytes));
}

/* ----------------------------------------------------------------- sleeping */

static struct client_bells *get_sleep(struct client_channel *cc)
{
	struct client_bells *set;

	lib_lock(&cc->lock);
	set = cc->sleep;
	atomic_fetch_add(&set->refs, 1);
	lib_unlock(&cc->lock);
	return set;
}

static void say_sleeping(struct client_channel *cc, const struct client_bells *set, u32 how)
{
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		if (set->bell[i]->kernel)
			ioctl(set->bell[i]->fd, KECHO_BELL_ARM);
		else
			__atomic_fetch_or(&set->bell[i]->page->waiters, how, __ATOMIC_SEQ_CST);
	}
	if (!set->n)
		__atomic_fetch_or(&cc->own.waiters, how, __ATOMIC_SEQ_CST);
	atomic_thread_fence(memory_order_seq_cst);
}

void client_sleep_on(struct kecho_channel *ch, u32 how)
{
	struct client_bells *set = get_sleep(ch->client);

	say_sleeping(ch->client, set, how);
	put_bells(set);
}

/* Whether a thread can sleep on the channel's doorbells alone. */
bool client_futexes(struct kecho_channel *ch)
{
	bool few;

	lib_lock(&ch->client->lock);
	few = ch->client->sleep->n <= FUTEXES_MAX;
	lib_unlock(&ch->client->lock);
	return few;
}

static void wait_bell(const struct client_bell *b, u32 seen, int left_ms, u32 boost_us)
{
	struct kecho_bell_wait w = { .futex = seen, .timeout_ms = left_ms, .boost_us = boost_us };

	if (!ioctl(b->fd, KECHO_BELL_WAIT, &w) || !boost_us ||
	    (errno != EPERM && errno != ENOMEM))
		return;
	w.boost_us = 0;		/* this thread has no right to it any more */
	ioctl(b->fd, KECHO_BELL_WAIT, &w);
}

static struct timespec in_ms(int left_ms)
{
	u64 until = lib_clock_ns(CLOCK_MONOTONIC) + (u64)max(left_ms, 0) * 1000000;

	return (struct timespec){ until / 1000000000, until % 1000000000 };
}

/* As one of @whom. @left_ms -1: for ever. */
static void wait_one(struct kecho_doorbell *d, u32 seen, u32 whom, int left_ms)
{
	struct timespec t = in_ms(left_ms);

	syscall(SYS_futex, &d->futex, FUTEX_WAIT_BITSET, seen, left_ms < 0 ? NULL : &t, NULL,
		whom);
}

/* Until one of them is woken, or has another value. */
void client_wait_futexes(struct futex_waitv *v, unsigned int n, int left_ms)
{
	struct timespec t = in_ms(left_ms);

	syscall(SYS_futex_waitv, v, n, 0, left_ms < 0 ? NULL : &t, CLOCK_MONOTONIC);
}

static void wait_several(const struct client_bells *set, const u32 *seen, int left_ms)
{
	struct futex_waitv v[FUTEXES_MAX] = { 0 };
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		v[i].uaddr = (uintptr_t)&set->bell[i]->page->futex;
		v[i].val = seen[i];
		v[i].flags = FUTEX_32;
	}
	client_wait_futexes(v, set->n, left_ms);
}

/* Sleeps unless ready(@arg), until somebody rings, or for @left_ms. */
void client_sleep(struct kecho_sink *s, bool (*ready)(void *), void *arg, int left_ms)
{
	struct client_channel *cc = s->ch->client;
	struct client_bells *set = get_sleep(cc);
	u32 whom = set->n == 1 ? READ_ONCE(s->ch->k->client->bit) : KECHO_WAIT_FUTEX;
	u32 seen[FUTEXES_MAX], own = __atomic_load_n(&cc->own.futex, __ATOMIC_ACQUIRE);
	unsigned int i;

	for (i = 0; i < set->n && i < FUTEXES_MAX; i++)
		seen[i] = __atomic_load_n(&set->bell[i]->page->futex, __ATOMIC_ACQUIRE);
	say_sleeping(cc, set, whom);
	if (READ_ONCE(cc->sleep) != set || set->n > FUTEXES_MAX || ready(arg))
		left_ms = 0;
	else if (!set->n)
		wait_one(&cc->own, own, U32_MAX, left_ms);
	else if (set->bell[0]->kernel)
		wait_bell(set->bell[0], seen[0], left_ms, s->boost_us);
	else if (set->n == 1)
		wait_one(set->bell[0]->page, seen[0], whom, left_ms);
	else
		wait_several(set, seen, left_ms);
	put_bells(set);
}

static void wake_all(struct client_channel *cc, const struct client_bells *set)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (__atomic_load_n(&cc->own.waiters, __ATOMIC_RELAXED))
		doorbell_wake(&cc->own, U32_MAX);
	ring_all(set);
}

/* Our own sinks are to look around; the kecho lock is held. */
void client_wake(struct kecho_channel *ch)
{
	wake_all(ch->client, ch->client->sleep);
}

/* The node has gone, and what was left to it, perhaps, unrung. The kecho lock is held. */
void client_ring_alone(struct kecho_channel *ch)
{
	struct kecho_source *s;

	list_for_each_entry(s, &ch->sources, list) {
		lib_lock(&s->lock);
		s->node_rings = false;
		lib_unlock(&s->lock);
	}
	atomic_thread_fence(memory_order_seq_cst);
	ring_all(ch->client->ring);
}

/* ------------------------------------------------------------------ changes */

/* Nobody submits to @ring any more when this returns. */
static void replace_ring(struct kecho_channel *ch, struct client_bells *ring)
{
	struct client_bells *old = ch->client->ring;
	struct kecho_source *s;

	smp_store_release(&ch->client->ring, ring);
	list_for_each_entry(s, &ch->sources, list) {
		lib_lock(&s->lock);
		lib_unlock(&s->lock);
	}
	put_bells(old);
}

static void replace_sleep(struct kecho_channel *ch, struct client_bells *sleep)
{
	struct client_bells *old = ch->client->sleep;

	lib_lock(&ch->client->lock);
	WRITE_ONCE(ch->client->sleep, sleep);
	lib_unlock(&ch->client->lock);
	wake_all(ch->client, old);
	put_bells(old);
}

/* The kecho lock is held. -ENOMEM: all is as it was. */
static int regather(struct kecho_channel *ch)
{
	struct client_bells *ring = gather(ch->client, KECHO_RING);
	struct client_bells *sleep = gather(ch->client, KECHO_SLEEP);

	if (!ring || !sleep) {
		if (ring)
			put_bells(ring);
		if (sleep)
			put_bells(sleep);
		return -ENOMEM;
	}
	replace_ring(ch, ring);
	replace_sleep(ch, sleep);
	wait_wake(ch->k);	/* who polls must say so on the new ones too */
	return 0;
}

static struct client_bell *find_bell(const struct client_channel *cc, u64 id)
{
	struct client_bell *b;

	list_for_each_entry(b, &cc->bells, list)
		if (b->id == id)
			return b;
	return NULL;
}

/* Something that can be rung, and without waiting: who has it too may have cleared that.
 * An eventfd or a timerfd is of no type at all; a broken node might give something else. */
bool client_is_bell(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fstat(fd, &st) && !(st.st_mode & S_IFMT) &&
	       !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool is_doorbell(const int fd[2])
{
	struct stat st;

	return !fstat(fd[0], &st) && st.st_size == sizeof(struct kecho_doorbell) &&
	       client_is_bell(fd[1]);
}

static struct client_bell *make_bell(const struct kecho_note_doorbell *n, int fd[2])
{
	struct client_bell *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->kernel = le32_to_cpu(n->use) & KECHO_DOORBELL_KERNEL;
	b->page = shared_map(fd[0], sizeof(*b->page), PROT_READ | (b->kernel ? 0 : PROT_WRITE));
	if (!b->page) {
		free(b);
		return NULL;
	}
	atomic_init(&b->refs, 1);
	b->id = n->id;
	b->timer = le32_to_cpu(n->use) & KECHO_DOORBELL_TIMER;
	b->node = le32_to_cpu(n->use) & KECHO_DOORBELL_NODE;
	b->fd = fd[1];
	fd[1] = -1;
	return b;
}

static void poll_bell(struct kecho *k, struct client_bell *b, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	epoll_ctl(k->io, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, b->fd, &ev);
}

static int drop_bell(struct kecho_channel *ch, struct client_bell *b)
{
	int err;

	list_del(&b->list);
	if (b->use & KECHO_SLEEP)
		poll_bell(ch->k, b, false);
	err = regather(ch);
	put_bell(b);
	return err;
}

/* A note of the node; the kecho lock is held. What is taken of @fd is -1 afterwards. An
 * error: we would sleep through what others publish, or they through what we do. */
int client_bell_in(struct kecho_channel *ch, const struct kecho_note_doorbell *n, int fd[2])
{
	u32 use = le32_to_cpu(n->use), was;
	struct client_channel *cc = ch->client;
	struct client_bell *b = find_bell(cc, n->id);
	int err;

	if (use & KECHO_DOORBELL_GONE)
		return b ? drop_bell(ch, b) : 0;
	if (!b) {
		if (!is_doorbell(fd))
			return -EPROTO;
		b = make_bell(n, fd);
		if (!b)
			return -ENOMEM;
		list_add_tail(&b->list, &cc->bells);
	}
	was = b->use;
	b->use |= use;
	if (use & ~was & KECHO_SLEEP)
		poll_bell(ch->k, b, true);
	err = regather(ch);
	/* For what was published until it was ours to ring. */
	if (!err && (use & ~was & KECHO_RING)) {
		atomic_thread_fence(memory_order_seq_cst);
		ring_bell(b, U32_MAX);
	}
	return err;
}

/* The node has gone, and who shared them with us as well. */
void client_bells_drop(struct kecho_channel *ch)
{
	struct client_bell *b, *next;

	list_for_each_entry_safe(b, next, &ch->client->bells, list)
		drop_bell(ch, b);
}

struct client_channel *client_channel_make(void)
{
	struct client_channel *cc = calloc(1, sizeof(*cc));

	if (!cc)
		return NULL;
	INIT_LIST_HEAD(&cc->bells);
	INIT_LIST_HEAD(&cc->known);
	cc->ring = gather(cc, 0);
	cc->sleep = gather(cc, 0);
	if (cc->ring && cc->sleep)
		return cc;
	free(cc->ring);
	free(cc->sleep);
	free(cc);
	return NULL;
}

/* It has no sources and sinks any more; the kecho lock is held. */
void client_channel_free(struct kecho_channel *ch)
{
	struct client_channel *cc = ch->client;
	struct client_bell *b, *next;

	ch->client = NULL;
	client_live_put(cc->live);
	put_bells(cc->ring);
	put_bells(cc->sleep);
	list_for_each_entry_safe(b, next, &cc->bells, list) {
		if (b->use & KECHO_SLEEP)
			poll_bell(ch->k, b, false);
		put_bell(b);
	}
	free(cc);
}
