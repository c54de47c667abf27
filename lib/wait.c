// SPDX-License-Identifier: MIT
/*
 * Waiting for events, and the helper thread.
 *
 * A thread that waits while there are only nodes of this host sleeps on the
 * channel's doorbell, a futex that every source rings. As soon as there are
 * connections to other hosts one waiting thread, the leader, polls them and the
 * doorbells together; others follow, until it returns to its caller.
 *
 * The helper polls the Unix sockets always, and what a leader polls only when no
 * leader came for a tick: a busy reader does all of it itself, in the thread that
 * wants the data.
 */
#include "alive.h"
#include "internal.h"

#include <linux/futex.h>
#include <sys/syscall.h>

enum { EVENTS_MAX = 32, TICK_MS = 2 };

static u64 now_ms(void)
{
	return lib_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* No cancellation point, see conn.c: a leader that ended here would lead for ever. */
static int wait_epoll(int fd, struct epoll_event *ev, int timeout_ms)
{
	return (int)syscall(SYS_epoll_pwait, fd, ev, EVENTS_MAX, timeout_ms, NULL, 0);
}

static void nudge(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;		/* full: it is readable already */
}

/* In the doorbells of a channel, where we are not attached to a node but are one. */
static u32 our_bit(const struct kecho_channel *ch)
{
	return doorbell_bit(&ch->k->node.self.node);
}

/* Who rings the channel's doorbell will wake those that wait by @how. */
void sleep_on(struct kecho_channel *ch, u32 how)
{
	if (ch->client) {
		client_sleep_on(ch, how);
		return;
	}
	__atomic_fetch_or(&ch->bells[0].page->waiters, how, __ATOMIC_SEQ_CST);
	atomic_thread_fence(memory_order_seq_cst);
}

/* The calling thread, as the leader is named; 0 is nobody. */
static uintptr_t myself(void)
{
	static _Thread_local char here;

	return (uintptr_t)&here;
}

static void wake_followers(struct kecho *k)
{
	if (!atomic_load(&k->nfollowers))
		return;
	pthread_mutex_lock(&k->lead);
	pthread_cond_broadcast(&k->follow);
	pthread_mutex_unlock(&k->lead);
}

static void wake_leader(struct kecho *k)
{
	uintptr_t leader;

	/* It looks once more after it has become the leader. */
	atomic_thread_fence(memory_order_seq_cst);
	leader = atomic_load(&k->leader);
	if (leader && leader != myself()) {
		nudge(k->nudge);
		if (k->direct)
			direct_interrupt(k->direct);
	}
	wake_followers(k);
}

static void wake_futexes(struct kecho_channel *ch)
{
	if (ch->client) {
		client_wake(ch);
		return;
	}
	atomic_thread_fence(memory_order_seq_cst);
	if (__atomic_load_n(&ch->bells[0].page->waiters, __ATOMIC_RELAXED) & our_bit(ch))
		doorbell_ring_some(ch, our_bit(ch));
}

/* In-process wake-up: something was put into a mirror, or a feed has changed. The
 * kecho lock is held. */
void wait_wake(struct kecho *k)
{
	struct kecho_channel *ch;
	struct kecho_sink *s;

	/* The leader itself looks at all when it is through, and wakes its followers. */
	if (!k->leading)
		wake_leader(k);
	if (atomic_load(&k->run_polled))
		nudge(k->run_pending);
	/* An idle node hears heartbeats: it need not look at all its doorbells for them. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&k->nfutexes) && !atomic_load(&k->fd_sinks))
		return;
	list_for_each_entry(ch, &k->channels, list) {
		if (list_empty(&ch->sinks))
			continue;
		wake_futexes(ch);
		if (!atomic_load(&k->fd_sinks))
			continue;
		list_for_each_entry(s, &ch->sinks, list)
			if (s->pollfd >= 0)
				nudge(s->pending);
	}
}

/* About: a lost one is found by the next tick. */
static void count_run(struct kecho *k)
{
	atomic_store_explicit(&k->runs, k->runs + 1, memory_order_relaxed);
}

/* One round: connections to other hosts, and doorbells, which only need to wake us. */
static void run_io(struct kecho *k, int timeout_ms, bool leading)
{
	unsigned int reaped = atomic_load(&k->reaped);
	struct epoll_event ev[EVENTS_MAX];
	int i, n = wait_epoll(k->io, ev, timeout_ms);
	u64 v;

	count_run(k);
	if (n <= 0)
		return;
	pthread_mutex_lock(&k->lock);
	k->leading = leading;
	/* Connections were freed meanwhile: what is due is said again. */
	for (i = 0; i < n && reaped == atomic_load(&k->reaped); i++) {
		if (ev[i].data.ptr == &k->nudge && read(k->nudge, &v, sizeof(v)) < 0)
			continue;
		else if (ev[i].data.ptr && ev[i].data.ptr != &k->nudge)
			conn_input(ev[i].data.ptr, ev[i].events);
	}
	k->leading = false;
	pthread_mutex_unlock(&k->lock);
}

void io_run(struct kecho *k, int timeout_ms)
{
	run_io(k, timeout_ms, false);
}

/* ---------------------------------------------------------------- the leader */

/* Whether the helper polls for all. A set that is in another wakes that one too, at each
 * event; so it is there only then. */
static void arm(struct kecho *k, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &k->io };

	if (k->armed != on && !epoll_ctl(k->ep, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, k->io, &ev))
		k->armed = on;
}

static int left_ms(u64 deadline)
{
	u64 now;

	if (deadline == U64_MAX)
		return -1;
	now = now_ms();
	return now >= deadline ? 0 : (int)min_t(u64, deadline - now, 1 << 30);
}

static void set_waiters(struct kecho *k, struct kecho_channel *only)
{
	struct kecho_channel *ch;

	if (only) {
		sleep_on(only, KECHO_WAIT_POLL);
		return;
	}
	pthread_mutex_lock(&k->lock);
	list_for_each_entry(ch, &k->channels, list)
		if (!list_empty(&ch->sinks))
			sleep_on(ch, KECHO_WAIT_POLL);
	pthread_mutex_unlock(&k->lock);
}

/* A poller of the descriptors wakes up when any channel's doorbell is rung. */
void wait_arm(struct kecho *k)
{
	set_waiters(k, NULL);
}

static bool become_leader(struct kecho *k)
{
	uintptr_t nobody = 0;

	return atomic_compare_exchange_strong(&k->leader, &nobody, myself());
}

/*
 * Sleeps until the leader is through. Counted first: a leader that goes then looks for
 * followers, or is not seen here any more. True: there is none, we are it.
 */
static bool follow(struct kecho *k, bool (*ready)(void *), void *arg, u64 deadline)
{
	struct timespec t = { deadline / 1000, deadline % 1000 * 1000000 };
	bool leads;

	pthread_mutex_lock(&k->lead);
	atomic_fetch_add(&k->nfollowers, 1);
	leads = become_leader(k);
	if (leads || ready(arg))
		goto out;
	if (deadline == U64_MAX)
		pthread_cond_wait(&k->follow, &k->lead);
	else
		pthread_cond_timedwait(&k->follow, &k->lead, &t);
out:
	atomic_fetch_sub(&k->nfollowers, 1);
	pthread_mutex_unlock(&k->lead);
	return leads;
}

/* The helper must not poll what the leader does: the two would race for each event. It sleeps
 * on, for as long as it would have polled, unless the leader wakes it when it leaves. */
static void disarm(struct kecho *k)
{
	if (!atomic_load(&k->armed))
		return;
	pthread_mutex_lock(&k->lead);
	arm(k, false);
	atomic_store(&k->helper_parked, true);
	pthread_mutex_unlock(&k->lead);
}

static void unpark_helper(struct kecho *k)
{
	if (atomic_exchange(&k->helper_parked, false))
		nudge(k->wake);
}

/* Sleeps where little can come from; false: there is no such place. */
static bool run_direct(struct kecho *k, bool (*ready)(void *), void *arg)
{
	struct kvec into;
	struct conn *c = direct_claim(k, &into);
	int err = EAGAIN;
	ssize_t n = -1;

	if (!c)
		return false;
	/* Who published something before the claim did not interrupt us. */
	if (!ready(arg)) {
		n = direct_sleep(c, &into);
		err = errno;
	}
	pthread_mutex_lock(&k->lock);
	k->leading = true;
	count_run(k);
	direct_done(c, n, err);
	k->leading = false;
	pthread_mutex_unlock(&k->lock);
	return true;
}

static void lead_or_follow(struct kecho *k, struct kecho_channel *ch, bool (*ready)(void *),
			   void *arg, u64 deadline)
{
	if (!become_leader(k)) {
		/* A leader that sleeps has set its own channel's flag: ours too, then. */
		set_waiters(k, ch);
		if (!follow(k, ready, arg, deadline))
			return;
	}
	disarm(k);
	set_waiters(k, ch);
	if (deadline != U64_MAX || !run_direct(k, ready, arg))
		run_io(k, ready(arg) ? 0 : left_ms(deadline), true);
	atomic_exchange(&k->leader, 0);
	wake_followers(k);
	if (atomic_load(&k->helper_parked))
		unpark_helper(k);
}

/* Nothing else can bring what is waited for. */
static bool only_doorbells(struct kecho *k, struct kecho_channel *ch)
{
	return ch && !atomic_load(&k->ntcp) && (!ch->client || client_futexes(ch));
}

static void sleep_futex(struct kecho_sink *s, bool (*ready)(void *), void *arg, u64 deadline)
{
	struct timespec t = { deadline / 1000, deadline % 1000 * 1000000 };
	struct kecho_channel *ch = s->ch;
	struct kecho_doorbell *d;
	u32 seen;

	if (ch->client) {
		client_sleep(s, ready, arg, left_ms(deadline));
		return;
	}
	d = ch->bells[0].page;
	seen = __atomic_load_n(&d->futex, __ATOMIC_ACQUIRE);
	sleep_on(ch, our_bit(ch));
	if (!ready(arg))
		syscall(SYS_futex, &d->futex, FUTEX_WAIT_BITSET, seen,
			deadline == U64_MAX ? NULL : &t, NULL, our_bit(ch));
}

u64 wait_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? U64_MAX : now_ms() + timeout_ms;
}

bool wait_over(u64 deadline)
{
	return deadline != U64_MAX && now_ms() >= deadline;
}

/*
 * Sleeps, unless ready(@arg), until something may have changed or the deadline.
 * @s: the only sink of interest; NULL: all. -ETIMEDOUT.
 */
int wait_once(struct kecho *k, struct kecho_sink *s, bool (*ready)(void *), void *arg,
	      u64 deadline)
{
	struct kecho_channel *ch = s ? s->ch : NULL;

	if (wait_over(deadline))
		return ready(arg) ? 0 : -ETIMEDOUT;
	if (!only_doorbells(k, ch)) {
		lead_or_follow(k, ch, ready, arg, deadline);
		return 0;
	}
	atomic_fetch_add(&k->nfutexes, 1);
	sleep_futex(s, ready, arg, deadline);
	atomic_fetch_sub(&k->nfutexes, 1);
	return 0;
}

/* ---------------------------------------------------------------- the helper */

/* The kecho lock is held. */
void notice_add(struct kecho_channel *ch, struct notice *n)
{
	list_add_tail(&n->list, &ch->notices);
	ch->k->noticed = true;
}

static void run_notices(struct kecho *k, struct kecho_channel *ch)
{
	struct notice *n;

	ch->in_watch = true;
	while (!list_empty(&ch->notices)) {
		kecho_member_fn fn = ch->watch;
		void *arg = ch->watch_arg;

		n = list_first_entry(&ch->notices, struct notice, list);
		list_del(&n->list);
		pthread_mutex_unlock(&k->lock);
		if (fn)
			fn(arg, &n->m);
		free(n);
		pthread_mutex_lock(&k->lock);
	}
	ch->in_watch = false;
	pthread_cond_broadcast(&k->changed);
}

/* Nobody watches any more, and nobody is about to be told: what was to be is dropped. The
 * kecho lock is held. */
void notices_end(struct kecho_channel *ch)
{
	bool inside = pthread_equal(pthread_self(), ch->k->helper);
	struct notice *n, *next;

	ch->watch = NULL;
	while (ch->in_watch && !inside)
		pthread_cond_wait(&ch->k->changed, &ch->k->lock);
	list_for_each_entry_safe(n, next, &ch->notices, list) {
		list_del(&n->list);
		free(n);
	}
}

/* The kecho lock is held; callbacks run without it, and may change the list. */
void notices_run(struct kecho *k)
{
	struct kecho_channel *ch;

	while (k->noticed) {
		k->noticed = false;
		list_for_each_entry(ch, &k->channels, list) {
			if (list_empty(&ch->notices))
				continue;
			run_notices(k, ch);
			k->noticed = true;
			break;
		}
	}
}

static void helper_event(struct kecho *k, const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;
	u64 v;

	if (ev->data.ptr == &k->wake || ev->data.ptr == &k->bell) {
		if (read(*(int *)ev->data.ptr, &v, sizeof(v)) < 0)
			return;
		if (ev->data.ptr == &k->bell)
			pthread_cond_broadcast(&k->changed);
		else
			names_run(k);
	} else if (ev->data.ptr == &k->unix_fd || ev->data.ptr == &k->tcp_fd) {
		conn_accept(k, *(int *)ev->data.ptr);
	} else if (ev->data.ptr != &k->io) {
		struct pollfd dead = { .fd = c->pidfd, .events = POLLIN };

		if (c->pidfd >= 0 && poll(&dead, 1, 0) == 1)
			conn_died(c);
		else
			conn_input(c, ev->events);
	}
}

/*
 * When to look again: for heartbeats, and whether a leader still comes. Ticks end
 * when a leader sleeps for long (it wakes us when it leaves), or when we poll.
 */
static int helper_timeout(struct kecho *k, unsigned int *runs, unsigned int *ticks)
{
	u32 wait_ms = ke_node_wait_ms(&k->node);
	int timeout = wait_ms ? (int)wait_ms : dials_run(k) ? SETUP_MS : -1;
	unsigned int now = atomic_load(&k->runs);

	pthread_mutex_lock(&k->lead);
	*ticks = now == *runs ? *ticks + 1 : 0;
	*runs = now;
	if (!k->armed && !atomic_load(&k->leader) && *ticks)
		arm(k, true);
	atomic_store(&k->helper_parked, !k->armed && *ticks > HELPER_PARKED_TICKS);
	/* A leader that has gone meanwhile may not have seen it. */
	if (!atomic_load(&k->leader))
		atomic_store(&k->helper_parked, false);
	if (!k->armed && !k->helper_parked)
		timeout = TICK_MS;
	pthread_mutex_unlock(&k->lead);
	return timeout;
}

void *helper_main(void *arg)
{
	struct epoll_event ev[EVENTS_MAX];
	unsigned int runs = 0, ticks = 0;
	struct kecho *k = arg;
	u64 ticked = 0;
	int i, n;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		int timeout = alive_run(k, helper_timeout(k, &runs, &ticks));
		bool io = false;

		pthread_mutex_unlock(&k->lock);
		n = wait_epoll(k->ep, ev, timeout);
		pthread_mutex_lock(&k->lock);
		for (i = 0; i < n; i++) {
			io |= ev[i].data.ptr == &k->io;
			helper_event(k, &ev[i]);
		}
		if (io) {
			/* A poller that saw it readable must see that still when we have
			 * taken the event. */
			if (atomic_load(&k->fd_sinks))
				wait_wake(k);
			pthread_mutex_unlock(&k->lock);
			io_run(k, 0);
			pthread_mutex_lock(&k->lock);
			wait_wake(k);
		}
		ke_node_tell(&k->node);
		if (now_ms() - ticked >= KE_REDIAL_MIN_MS) {
			ticked = now_ms();
			ke_node_tick(&k->node);
			dials_run(k);
		}
		conn_reap(k);
		notices_run(k);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}
