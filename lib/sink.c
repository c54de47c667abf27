// SPDX-License-Identifier: MIT
/*
 * Sinks: opening, reading, polling, callbacks.
 */
#include "feed.h"
#include "probe.h"
#include "sink_filter.h"

static struct kecho_sink *make_sink(struct kecho_channel *ch, const struct kecho_sink_options *opt)
{
	struct kecho_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ch = ch;
	s->m.owner = s;
	s->m.role = KE_SINK;
	s->m.policy = opt ? opt->policy : KECHO_LATEST;
	s->says = s->m.policy == KECHO_BLOCK;
	s->retained = opt && opt->retained;
	s->boost_us = opt ? opt->boost_us : 0;
	s->fn = opt ? opt->fn : NULL;
	s->arg = opt ? opt->arg : NULL;
	s->pollfd = s->pending = -1;
	INIT_LIST_HEAD(&s->feeds);
	s->copy = s->m.policy == KECHO_BLOCK ? NULL : aligned_alloc(64, KE_RECORD_MAX);
	if (s->copy || s->m.policy == KECHO_BLOCK)
		return s;
	sink_free(s);
	return NULL;
}

void sink_free(struct kecho_sink *s)
{
	if (s->pollfd >= 0) {
		close(s->pollfd);
		close(s->pending);
		atomic_fetch_sub(&s->ch->k->fd_sinks, 1);
	}
	sink_filter_free(s);
	free(s->told.wire);
	client_pages_put(s->pages);
	ke_attrs_free(&s->m.attrs);
	free(s->copy);
	free(s);
}

int kecho_sink_open(struct kecho_channel *ch, const struct kecho_sink_options *opt,
		    struct kecho_sink **out)
{
	struct kecho *k = ch->k;
	struct kecho_sink *s;
	int err;

	if (lib_forked(k))
		return lib_fail(-EBADF, "sink of '%s': a child of fork has no part in it",
				ch->ch.name);
	if (READ_ONCE(ch->ch.ended))
		return lib_fail(-ESHUTDOWN, "sink of '%s': the channel was destroyed",
				ch->ch.name);
	if (opt && (unsigned int)opt->policy > KECHO_DISCONNECT)
		return lib_fail(-EINVAL, "sink of '%s': no policy %d", ch->ch.name, opt->policy);
	if (opt && opt->boost_us && !k->client)
		return lib_fail(-EOPNOTSUPP, "sink of '%s': only a kernel's node boosts",
				ch->ch.name);
	s = make_sink(ch, opt);
	if (!s)
		return lib_fail(-ENOMEM, "sink of '%s'", ch->ch.name);
	err = opt ? attrs_load(&s->m.attrs, opt->attrs, opt->nattrs) : 0;
	err = err ?: channel_filter_join(s);
	if (err)
		goto free_sink;
	err = k->attach->sink_join(s);
	if (err)
		goto leave_filter;
	PROBE(join, ch->ch.name, kecho_sink_id(s), KECHO_SINK);
	*out = s;
	return 0;

leave_filter:
	channel_filter_leave(s);
free_sink:
	sink_free(s);
	return err;
}

void kecho_sink_close(struct kecho_sink *s)
{
	if (!s || lib_forked(s->ch->k))
		return;
	PROBE(leave, s->ch->ch.name, kecho_sink_id(s), KECHO_SINK);
	s->ch->k->attach->sink_leave(s);
	channel_filter_leave(s);
	sink_free(s);
}

uint64_t kecho_sink_id(const struct kecho_sink *s)
{
	return READ_ONCE(s->m.id);	/* the next kechod may give another */
}

static void drop_told(struct kecho_sink *s)
{
	pthread_mutex_lock(&s->ch->k->lock);
	feeds_drop_told(s);
	pthread_mutex_unlock(&s->ch->k->lock);
}

static void set_pending(struct kecho_sink *s, bool on)
{
	u64 v = 1;

	if (s->pollfd < 0)
		return;
	if (on && !s->pending_set && write(s->pending, &v, sizeof(v)) == sizeof(v))
		s->pending_set = true;
	if (!on && read(s->pending, &v, sizeof(v)) <= (ssize_t)sizeof(v))
		s->pending_set = false;
}

/* What events bring with them beside themselves; no lock is held. How many of the @n are for
 * the sink: perhaps none. */
static unsigned int after_events(struct kecho_sink *s, struct kecho_event *ev, unsigned int n,
				 bool due)
{
	if (due)
		feeds_release(s);
	if (ev->kind == KECHO_ENDED)
		drop_told(s);
	set_pending(s, true);
	return READ_ONCE(s->picky) ? sink_filter_judge(s, ev, n) : n;
}

static unsigned int take_events(struct kecho_sink *s, struct kecho_event *ev, unsigned int max,
				bool *due)
{
	unsigned int n;

	do {
		lib_lock(&s->lock);
		n = feeds_next(s, ev, max, due);
		lib_unlock(&s->lock);
	} while (!n && stall_taken(s));
	return n;
}

/* 0: there are none, or none for the sink in as many as one call looks at. */
static unsigned int next_events(struct kecho_sink *s, struct kecho_event *ev, unsigned int max)
{
	unsigned int n, taken, batches = 0;
	bool due;

	do {
		taken = take_events(s, ev, max, &due);
		n = taken ? after_events(s, ev, taken, due) : 0;
	} while (taken && !n && ++batches < FILTERED_BATCHES_MAX);
	return n;
}

/* Nothing is there: arm what wakes a poller, and look once more. */
static bool arm_poll(struct kecho_sink *s)
{
	set_pending(s, false);
	sleep_on(s->ch, KECHO_WAIT_POLL);
	if (!feeds_ready(s))
		return false;
	set_pending(s, true);
	return true;
}

static int refuse_read(const struct kecho_sink *s, int err, const char *reason)
{
	return lib_fail(err, "sink of '%s': %s", s->ch->ch.name, reason);
}

/* It has ended: why? */
static int over(const struct kecho_sink *s)
{
	if (s->end_error)
		return refuse_read(s, s->end_error,
				   s->end_why[0] ? s->end_why : "kechod has ended it");
	return refuse_read(s, -EPIPE, s->stalled ?
			   "it stalled its source: it read nothing for longer than that waits" :
			   "it was overtaken, which ends it");
}

static ssize_t read_wait(struct kecho_sink *s, struct kecho_event *ev, unsigned int max,
			 int timeout_ms)
{
	u64 deadline = wait_deadline(timeout_ms);
	struct kecho *k = s->ch->k;
	unsigned int n = 0;
	bool late = false;
	int err;

	for (;; n = next_events(s, ev, max)) {
		if (n)
			return n;
		if (late)	/* what has come by then was not for it */
			return -ETIMEDOUT;
		if (smp_load_acquire(&s->disconnected))
			return over(s);
		if (READ_ONCE(s->taken))
			continue;
		if (feeds_shut(s))
			return refuse_read(s, -ESHUTDOWN, "the channel was destroyed");
		feeds_release(s);
		if (!timeout_ms) {
			if (atomic_load(&k->ntcp) || s->pollfd >= 0)
				io_run(k, 0);
			n = next_events(s, ev, max);
			if (n)
				return n;
			/* It may have read pieces of an event, which others wait for. */
			feeds_release(s);
			if (s->pollfd < 0 || !arm_poll(s))
				return -EAGAIN;
			continue;
		}
		err = wait_once(k, s, feeds_ready, s, deadline);
		if (err)
			return err;
		late = READ_ONCE(s->picky) && wait_over(deadline);
	}
}

ssize_t kecho_read_vector(struct kecho_sink *s, struct kecho_event *ev, size_t max, int timeout_ms)
{
	bool due = false, more;
	ssize_t n;

	if (unlikely(lib_forked(s->ch->k)))
		return refuse_read(s, -EBADF, "a child of fork has no part in it");
	if (unlikely(!max))
		return refuse_read(s, -EINVAL, "room for no event");
	/* Most often something is there: one lock, nothing else. */
	lib_lock(&s->lock);
	if (unlikely(__atomic_load_n(&s->reading, __ATOMIC_ACQUIRE))) {
		lib_unlock(&s->lock);
		return refuse_read(s, -EBUSY, "another thread reads it");
	}
	n = s->disconnected ? 0 : feeds_next(s, ev, min_t(size_t, max, FEED_BUDGET), &due);
	more = !n || due || ev->kind == KECHO_ENDED || s->pollfd >= 0 || READ_ONCE(s->picky);
	__atomic_store_n(&s->reading, more, __ATOMIC_RELAXED);
	lib_unlock(&s->lock);
	if (likely(!more))
		return n;
	if (n)
		n = after_events(s, ev, n, due);
	if (!n)
		n = read_wait(s, ev, min_t(size_t, max, FEED_BUDGET), timeout_ms);
	__atomic_store_n(&s->reading, false, __ATOMIC_RELEASE);
	return n;
}

int kecho_read(struct kecho_sink *s, struct kecho_event *ev, int timeout_ms)
{
	ssize_t n = kecho_read_vector(s, ev, 1, timeout_ms);

	return n < 0 ? n : 0;
}

/* The kecho lock is held: wait_wake() looks at them. */
static void set_pollfd(struct kecho_sink *s, int fd, int pending)
{
	s->pending = pending;
	s->pending_set = true;
	s->pollfd = fd;
	atomic_fetch_add(&s->ch->k->fd_sinks, 1);
}

int kecho_sink_fd(struct kecho_sink *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct kecho *k = s->ch->k;
	int fd, pending;

	if (s->pollfd >= 0)
		return s->pollfd;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return -errno;
	pending = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pending < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, pending, &ev) ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, k->io, &ev)) {
		int err = -errno;

		close(pending);
		close(fd);
		return err;
	}
	pthread_mutex_lock(&k->lock);
	set_pollfd(s, fd, pending);
	pthread_mutex_unlock(&k->lock);
	return fd;
}

/* ---------------------------------------------------------------- callbacks */

static bool any_ready(void *arg)
{
	struct kecho *k = arg;
	struct kecho_channel *ch;
	struct kecho_sink *s;
	bool ready = false;

	pthread_mutex_lock(&k->lock);
	list_for_each_entry(ch, &k->channels, list)
		list_for_each_entry(s, &ch->sinks, list)
			ready |= s->fn && feeds_ready(s) && !READ_ONCE(s->disconnected) &&
				 !feeds_shut(s);
	pthread_mutex_unlock(&k->lock);
	return ready;
}

/* The @i-th sink with a callback, or NULL. */
static struct kecho_sink *callback_sink(struct kecho *k, unsigned int i)
{
	struct kecho_channel *ch;
	struct kecho_sink *s, *found = NULL;

	pthread_mutex_lock(&k->lock);
	list_for_each_entry(ch, &k->channels, list)
		list_for_each_entry(s, &ch->sinks, list)
			if (s->fn && !i--)
				found = s;
	pthread_mutex_unlock(&k->lock);
	return found;
}

static ssize_t dispatch(struct kecho *k)
{
	struct kecho_event ev[DISPATCH_BATCH];
	struct kecho_sink *s;
	ssize_t total = 0;
	unsigned int i, j, n, all;

	for (i = 0; (s = callback_sink(k, i)); i++) {
		if (__atomic_exchange_n(&s->reading, true, __ATOMIC_ACQUIRE))
			continue;
		for (all = 0; all < FEED_BUDGET; all += n) {
			n = next_events(s, ev, DISPATCH_BATCH);
			if (!n)
				break;
			for (j = 0; j < n; j++)
				s->fn(s->arg, &ev[j]);
		}
		if (all < FEED_BUDGET)
			feeds_release(s);
		total += all;
		__atomic_store_n(&s->reading, false, __ATOMIC_RELEASE);
	}
	return total;
}

/* Who polls kecho_run_fd() is woken by what comes from now on, and by what is there. */
static void arm_run(struct kecho *k)
{
	u64 v = 1;

	if (read(k->run_pending, &v, sizeof(v)) < 0)
		v = 1;		/* nothing was pending */
	wait_arm(k);
	if (any_ready(k) && write(k->run_pending, &v, sizeof(v)) < 0)
		return;		/* full: it is readable already */
}

static ssize_t run(struct kecho *k, int timeout_ms)
{
	u64 deadline = wait_deadline(timeout_ms);
	ssize_t n, total = 0;

	io_run(k, 0);
	for (;;) {
		n = dispatch(k);
		total += n;
		if (n)
			continue;
		if (total || !timeout_ms || wait_once(k, NULL, any_ready, k, deadline))
			return total;
	}
}

ssize_t kecho_run(struct kecho *k, int timeout_ms)
{
	ssize_t n;

	if (lib_forked(k))
		return -EBADF;
	n = run(k, timeout_ms);
	if (atomic_load(&k->run_polled))
		arm_run(k);
	return n;
}

/* The helper may take what wakes us off k->io: wait_wake() says it here again. */
static int make_run_fd(struct kecho *k)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC), pending = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || pending < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, pending, &ev) ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, k->io, &ev)) {
		int err = -errno;

		close(fd);
		close(pending);
		return err;
	}
	k->run_fd = fd;
	k->run_pending = pending;
	atomic_store(&k->run_polled, true);
	return 0;
}

int kecho_run_fd(struct kecho *k)
{
	int err = 0;

	pthread_mutex_lock(&k->lock);
	if (k->run_fd < 0)
		err = make_run_fd(k);
	pthread_mutex_unlock(&k->lock);
	if (err)
		return err;
	arm_run(k);
	return k->run_fd;
}

void kecho_sink_stats(struct kecho_sink *s, struct kecho_sink_stats *st)
{
	struct feed *f;

	lib_lock(&s->lock);
	*st = s->stats;
	st->lag_bytes = 0;
	list_for_each_entry(f, &s->feeds, list) {
		u64 head = ke_reader_head(&f->reader);

		st->expired += f->reader.expired;
		if (head != KE_HEAD_BAD)
			st->lag_bytes += head - f->reader.pos;
	}
	lib_unlock(&s->lock);
}
