/* SPDX-License-Identifier: MIT */
/*
 * The process that runs on each host of the demo: one source and one sink in the
 * shared channel.
 *
 * Its main thread publishes: 200 ticks a second, each an event of no bytes (its
 * time is in the record already), what the host's kernel says by netlink, load
 * average and pressure, as `kecho pub --from` would, and bursts when told so. A
 * second thread does nothing but kecho_read(), so what comes by TCP is read by
 * the thread that waits for it. Both count in struct ears; five times a second
 * the counts go to the show.
 *
 * Without the show there is no node: it ends when the command pipe closes.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <kecho/kecho.h>

#include "ears.h"
#include "from.h"
#include "node.h"
#include "wire.h"

#define NODE_TICKS_PER_S	200
#define NODE_STATS_PER_S	5
#define NODE_FEED_INTERVAL_NS	2000000000u	/* of what is sampled */
#define NODE_FEED_BUDGET	64	/* events of one feed between two looks at the rest */
#define NODE_READ_MS		100	/* how late the reader may notice the end */
#define NODE_BURST_LEN		100	/* bytes of a burst's events */
#define NODE_VECTOR		64	/* events of a burst in one call */
#define NODE_LOG_BYTES		(1u << 20)	/* holds a burst's 400 ms */

enum { POLL_COMMAND, POLL_TICK, POLL_STATS, POLL_FEEDS };

struct node {
	const struct node_config *config;
	struct kecho *kecho;
	struct kecho_channel *channel;
	struct kecho_source *source;
	struct kecho_sink *sink;
	struct ears ears;
	struct feeds feeds[3];	/* netlink, load, pressure */
	struct wire_reader commands;
	struct buf payload;
	pthread_t reader;
	atomic_bool ends;
	bool publishes;
	uint64_t submitted;
	unsigned int burst_left, burst_per_tick;
	int tick_fd, stats_fd;
};

static const char *const feed_names[3] = { "netlink", "loadavg", "psi" };

/* Tells the show why this node ends; returns -1 for the caller to pass on. */
__attribute__((format(printf, 2, 3)))
static int die(struct node *n, const char *fmt, ...)
{
	struct wire_error e = { "" };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	wire_write(n->config->report_fd, WIRE_ERROR, &e, sizeof(e));
	return -1;
}

static void member_changed(void *arg, const struct kecho_member *m)
{
	struct node *n = arg;
	struct wire_member w = {
		.time_ns = wire_now_ns(),
		.role = m->role,
		.state = m->state,
		.id = m->id,
	};
	int host = ears_host_of(&n->ears, m->id);

	if (host < 0)
		return;	/* somebody else looks on, with `kecho sub` perhaps */
	w.host = (uint32_t)host;
	wire_write(n->config->report_fd, WIRE_MEMBER, &w, sizeof(w));
}

/* A kernel's event is JSON; ticks are empty and bursts begin otherwise. */
static bool is_kernels(const struct kecho_event *ev)
{
	return ev->kind == KECHO_EVENT && ev->len && *(const char *)ev->data == '{';
}

static void relay(struct node *n, int host, const struct kecho_event *ev)
{
	struct wire_heard h = {
		.time_ns = ev->time_ns,
		.source = ev->source,
		.seq = ev->seq,
		.host = (uint32_t)host,
	};
	uint64_t now_ns = wire_now_ns();
	size_t len = ev->len < sizeof(h.text) ? ev->len : sizeof(h.text) - 1;

	h.latency_ns = now_ns > ev->time_ns ? now_ns - ev->time_ns : 0;
	memcpy(h.text, ev->data, len);
	if (wire_has_room(n->config->report_fd))
		wire_write(n->config->report_fd, WIRE_HEARD, &h, sizeof(h));
}

static void *read_events(void *arg)
{
	struct node *n = arg;
	struct kecho_event ev;
	int ret, host;

	while (!n->ends) {
		ret = kecho_read(n->sink, &ev, NODE_READ_MS);
		if (ret == -ETIMEDOUT || ret == -EINTR)
			continue;
		if (ret) {
			die(n, "kecho_read: %s", kecho_explain());
			_exit(1);	/* the main thread may wait for long */
		}
		host = ears_hear(&n->ears, &ev);
		if (host >= 0 && host != n->config->host && is_kernels(&ev))
			relay(n, host, &ev);
	}
	return NULL;
}

static int submit(struct node *n, const void *data, size_t len)
{
	int ret = kecho_submit(n->source, data, len, 0);

	if (ret)
		return die(n, "kecho_submit: %s", kecho_explain());
	n->submitted++;
	return 0;
}

static int submit_burst(struct node *n)
{
	static const char text[NODE_BURST_LEN] = "burst";
	struct iovec iov[NODE_VECTOR];
	unsigned int due = n->burst_per_tick, part;
	ssize_t ret;

	for (int i = 0; i < NODE_VECTOR; i++)
		iov[i] = (struct iovec){ (void *)text, sizeof(text) };
	if (due > n->burst_left)
		due = n->burst_left;
	for (; due; due -= part) {
		part = due < NODE_VECTOR ? due : NODE_VECTOR;
		ret = kecho_submit_vector(n->source, iov, part, 0);
		if (ret != (ssize_t)part)
			return die(n, "kecho_submit_vector: %s", kecho_explain());
		n->submitted += part;
		n->burst_left -= part;
	}
	return 0;
}

static int on_tick(struct node *n)
{
	/* After a stop of this process many are due; that is one late tick. */
	if (!feed_timer_expired(n->tick_fd) || !n->publishes)
		return 0;
	if (submit(n, NULL, 0))
		return -1;
	return n->burst_left ? submit_burst(n) : 0;
}

static int on_feed(struct node *n, struct feed *f, short revents)
{
	int ret;

	for (unsigned int i = 0; i < NODE_FEED_BUDGET; i++) {
		buf_reset(&n->payload);
		ret = f->kind->next(f, revents, &n->payload);
		if (ret < 0)
			return die(n, "%s of the kernel: %s", f->kind->name, strerror(-ret));
		if (!ret)
			return 0;
		if (n->publishes && submit(n, n->payload.p, n->payload.len))
			return -1;
		revents = 0;
	}
	return 0;
}

static void on_stats(struct node *n)
{
	struct wire_stats s = { .submitted = n->submitted, .publishes = n->publishes };

	/* A full pipe means that the show is held up: the counts can wait for it. */
	if (!feed_timer_expired(n->stats_fd) || !wire_has_room(n->config->report_fd))
		return;
	ears_take(&n->ears, s.ear);
	s.time_ns = wire_now_ns();
	wire_write(n->config->report_fd, WIRE_STATS, &s, sizeof(s));
}

/* 1: go on; 0: the show has gone; -1: an error, reported. */
static int on_command(struct node *n)
{
	const struct wire_message *m = &n->commands.next;
	int ret = wire_read(&n->commands);

	if (ret <= 0)
		return ret == -EPIPE ? 0 : die(n, "the command pipe: %s", strerror(-ret));
	switch (m->head.type) {
	case WIRE_GO:
		n->publishes = true;
		break;
	case WIRE_QUIET:
		n->publishes = false;
		break;
	case WIRE_BURST:
		n->burst_left = m->body.burst.events;
		n->burst_per_tick = n->burst_left / NODE_TICKS_PER_S + 1;
		break;
	default:
		return die(n, "an unknown command, %u", m->head.type);
	}
	return 1;
}

static int loop(struct node *n)
{
	struct pollfd polls[POLL_FEEDS + 3 * FEEDS_MAX] = {
		[POLL_COMMAND] = { .fd = n->config->command_fd, .events = POLLIN },
		[POLL_TICK] = { .fd = n->tick_fd, .events = POLLIN },
		[POLL_STATS] = { .fd = n->stats_fd, .events = POLLIN },
	};
	struct feed *feed[3 * FEEDS_MAX];
	size_t nfeeds = 0;
	int ret = 1;

	for (int k = 0; k < 3; k++) {
		for (size_t i = 0; i < n->feeds[k].n; i++) {
			struct feed *f = feed[nfeeds] = &n->feeds[k].feed[i];

			polls[POLL_FEEDS + nfeeds++] =
				(struct pollfd){ .fd = f->fd, .events = f->events };
		}
	}
	while (ret > 0) {
		if (poll(polls, POLL_FEEDS + nfeeds, -1) < 0) {
			if (errno == EINTR)
				continue;
			return die(n, "poll: %s", strerror(errno));
		}
		if (polls[POLL_TICK].revents && on_tick(n))
			return -1;
		for (size_t i = 0; i < nfeeds; i++)
			if (polls[POLL_FEEDS + i].revents &&
			    on_feed(n, feed[i], polls[POLL_FEEDS + i].revents))
				return -1;
		if (polls[POLL_STATS].revents)
			on_stats(n);
		if (polls[POLL_COMMAND].revents)
			ret = on_command(n);
	}
	return ret;
}

static int join(struct node *n)
{
	const struct node_config *c = n->config;
	const struct kecho_options opt = {
		.listen = c->listen, .registry = c->registry, .name = c->name,
	};
	const struct kecho_attr host = { EARS_HOST_ATTR, kecho_i64(c->host) };
	const struct kecho_sink_options sink = { .attrs = &host, .nattrs = 1 };
	const struct kecho_source_options source = {
		.log_size = NODE_LOG_BYTES, .attrs = &host, .nattrs = 1,
	};

	if (kecho_open(&n->kecho, &opt))
		return die(n, "kecho_open, listening on %s with the registry at %s: %s", c->listen,
			   c->registry, kecho_explain());
	if (kecho_channel_open(n->kecho, c->channel, NULL, &n->channel))
		return die(n, "kecho_channel_open \"%s\": %s", c->channel, kecho_explain());
	ears_init(&n->ears, n->channel);
	if (kecho_channel_watch(n->channel, member_changed, n))
		return die(n, "kecho_channel_watch: %s", kecho_explain());
	if (kecho_sink_open(n->channel, &sink, &n->sink))
		return die(n, "kecho_sink_open: %s", kecho_explain());
	if (kecho_source_open(n->channel, &source, &n->source))
		return die(n, "kecho_source_open: %s", kecho_explain());
	return 0;
}

static int start(struct node *n)
{
	const struct feed_options feed = { .interval_ns = NODE_FEED_INTERVAL_NS };
	const struct feed_options tick = { .interval_ns = 1000000000u / NODE_TICKS_PER_S };
	const struct feed_options stats = { .interval_ns = 1000000000u / NODE_STATS_PER_S };
	struct wire_ready ready = { 0 };

	/* A kernel without PSI still has a netlink: the show says what is missing. */
	for (int k = 0; k < 3; k++)
		if (!feeds_open(&n->feeds[k], feed_names[k], &feed))
			ready.feeds |= 1u << k;
	n->tick_fd = feed_timer(&tick);
	n->stats_fd = feed_timer(&stats);
	if (n->tick_fd < 0 || n->stats_fd < 0)
		return die(n, "timerfd_create: %s",
			   strerror(n->tick_fd < 0 ? -n->tick_fd : -n->stats_fd));
	if (join(n))
		return -1;
	if (pthread_create(&n->reader, NULL, read_events, n))
		return die(n, "pthread_create: no thread for the sink");
	ready.time_ns = wire_now_ns();
	ready.source = kecho_source_id(n->source);
	wire_write(n->config->report_fd, WIRE_READY, &ready, sizeof(ready));
	return 0;
}

int node_run(const struct node_config *config)
{
	struct node n = {
		.config = config,
		.commands = { .fd = config->command_fd },
		.tick_fd = -1,
		.stats_fd = -1,
	};

	/* On an error the process ends at once: its death is the best clean-up. */
	if (start(&n) || loop(&n) < 0)
		return 1;
	n.ends = true;
	pthread_join(n.reader, NULL);
	kecho_close(n.kecho);
	for (int k = 0; k < 3; k++)
		feeds_close(&n.feeds[k]);
	buf_free(&n.payload);
	close(n.tick_fd);
	close(n.stats_fd);
	return 0;
}
