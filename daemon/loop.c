// SPDX-License-Identifier: MIT
/*
 * The loop. One round takes up to KD_EVENTS from the kernel, gives each descriptor that
 * is ready one turn, then each log that is being copied one turn, and then does what
 * follows from all of it. So whoever has much to do has only more turns.
 */
#include "daemon.h"

#include <syslog.h>
#include <systemd/sd-daemon.h>

enum { DRAIN_LOOK_MS = 5, LINGER_LOOK_MS = 50,
       ACCEPT_AGAIN_MS = 1000 };

int kd_watch(struct kd *d, int fd, u32 events, struct kd_watch *w)
{
	return conn_watch(d->ep, fd, events, w);
}

static u64 now_ms(void)
{
	return lib_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Connections to other nodes are in a set of their own, see conn.c. */
static void conns_ready(struct kd *d)
{
	struct kecho *k = &d->k;
	struct epoll_event ev[KD_EVENTS];
	int i, n = epoll_wait(k->ep, ev, KD_EVENTS, 0);
	u64 v;

	for (i = 0; i < n; i++) {
		if (ev[i].data.ptr == &k->wake) {
			if (read(k->wake, &v, sizeof(v)) == sizeof(v))
				names_run(k);
		} else if (ev[i].data.ptr == &k->tcp_fd) {
			conn_accept(k, k->tcp_fd);
		} else {
			conn_input(ev[i].data.ptr, ev[i].events);
		}
	}
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a :
				   min(a, b);
}

static int timeout_ms(struct kd *d, u64 watchdog_ms)
{
	u32 wait_ms = ke_node_wait_ms(&d->k.node);
	int t = wait_ms ? (int)wait_ms : -1;

	if (dials_run(&d->k))
		t = sooner(t, SETUP_MS);
	if (!list_empty(&d->ready) || d->changed || d->cuts)
		return 0;
	t = sooner(t, kd_take_over_timeout(d));
	t = sooner(t, kd_waits_timeout(d));
	if (d->nclosing || d->nending || d->stop || !list_empty(&d->judges.open))
		t = sooner(t, LINGER_LOOK_MS);
	if (d->accept_later)
		t = sooner(t, ACCEPT_AGAIN_MS);
	if (d->ndrains)
		t = sooner(t, DRAIN_LOOK_MS);
	return watchdog_ms ? sooner(t, watchdog_ms / 2) : t;
}

static void ring_all(struct kd *d)
{
	struct kd_channel *c;

	while (!list_empty(&d->rings)) {
		c = list_first_entry(&d->rings, struct kd_channel, ring_list);
		list_del_init(&c->ring_list);
		kd_bells_ring(c, c->whom | KECHO_WAIT_FUTEX | KECHO_WAIT_POLL);
		c->whom = 0;
	}
}

/* What the events of a round have made due, until nothing is. */
static void settle(struct kd *d)
{
	kd_copies_run(d);
	ring_all(d);
	while (d->changed || d->cuts) {
		d->changed = false;
		ke_tells_run(&d->judges, lib_deadline(0));
		kd_sinks_failing(d);
		kd_sources_closing(d);
		kd_waits_look(d);
		kd_sessions_reap(d);
	}
	kd_bells_reap(d);
	conn_reap(&d->k);
}

static void tick(struct kd *d, u64 *ticked)
{
	ke_node_tell(&d->k.node);
	if (now_ms() - *ticked < KE_REDIAL_MIN_MS)
		return;
	*ticked = now_ms();
	kd_keep_channels(d);
	/* What sinks lost stands in their pages: nobody tells us. */
	d->k.node.losses++;
	ke_node_tick(&d->k.node);
	dials_run(&d->k);
	kd_ends_look(d);
	ke_tells_run(&d->judges, lib_deadline(0));
	kd_waits_look(d);
	kd_sources_closing(d);
}

static void run(const struct epoll_event *ev)
{
	struct kd_watch *w = ev->data.ptr;

	w->ready(w, ev->events);
}

int kd_loop(struct kd *d)
{
	struct epoll_event ev[KD_EVENTS];
	u64 ticked = 0, fed = 0;
	bool linked = false;
	uint64_t watchdog_us = 0;
	int i, n;

	if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
		watchdog_us = 0;
	while (d->stop != KD_ENDS) {
		bool conns = false;

		if (!kd_taking_over(d) && !linked) {
			linked = true;
			if (kd_watch(d, d->k.ep, EPOLLIN, &d->conns))
				return -errno;
		}
		n = epoll_wait(d->ep, ev, KD_EVENTS, timeout_ms(d, watchdog_us / 1000));
		if (n < 0 && errno != EINTR)
			return -errno;
		/* Other nodes last: what was published before they asked is in the copies. */
		for (i = 0; i < n; i++)
			if (ev[i].data.ptr == &d->conns)
				conns = true;
			else
				run(&ev[i]);
		kd_copies_run(d);
		if (conns)
			conns_ready(d);
		if (d->accept_later)
			kd_accept(d);
		d->changed |= d->ndrains > 0;
		settle(d);
		if (linked)
			tick(d, &ticked);
		kd_stop_look(d);
		if (watchdog_us && now_ms() - fed >= watchdog_us / 4000) {
			fed = now_ms();
			sd_notify(0, "WATCHDOG=1");
		}
	}
	return 0;
}
