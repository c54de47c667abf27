/* SPDX-License-Identifier: MIT */
/* The thread of a tie to the registry, and its connection: see reg_tie.h. */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "reg_tie.h"

enum { GOODBYE_MS = 100 };	/* to get rid of the last requests */

/* Something is published under leases, which this process has to renew. */
static bool renews(const struct ke_reg *r)
{
	struct ke_reg_joined *j;

	if (!ke_reg_place_leases(&r->place) || !ke_reg_up(r))
		return false;
	list_for_each_entry(j, &r->joined, list)
		if (j->contact)
			return true;
	return false;
}

static void trouble(struct ke_reg *r, const char *what, int err)
{
	snprintf(r->why, sizeof(r->why), "registry %s: %s: %s", r->place.name, what,
		 strerror(-err));
}

static void redial(struct ke_reg *r, u32 pause_ms)
{
	r->state = KE_REG_DOWN;
	r->dial_at = ke_reg_now_ms() + pause_ms;
}

/* A failed dial: each comes after twice the pause of the one before, until one is answered. */
static void dial_failed(struct ke_reg *r)
{
	redial(r, r->dial_pause_ms);
	r->dial_pause_ms = min_t(u32, 2 * r->dial_pause_ms, KE_REGISTRY_REDIAL_MAX_MS);
}

/* The server has gone: it knew what was dropped, the next one never will. */
static void link_down(struct ke_reg *r, int err)
{
	struct ke_reg_request *q, *next;

	trouble(r, "lost", err);
	ke_reg_stream_close(&r->stream);
	ke_reg_place_lost(&r->place, r->why, sizeof(r->why));
	list_for_each_entry_safe(q, next, &r->requests, list) {
		q->sent = false;
		if (q->owned || q == &r->renew)
			ke_reg_request_done(r, q);
	}
	dial_failed(r);
}

static void link_up(struct ke_reg *r, enum ke_reg_state state)
{
	struct ke_reg_joined *j;

	r->state = state;
	r->renew_at = ke_reg_now_ms() + KE_RENEW_MS;
	list_for_each_entry(j, &r->joined, list)
		ke_reg_joined_repair(r, j, true);
	pthread_cond_broadcast(&r->changed);
}

static void stream_replies(struct ke_reg *r)
{
	struct kecho_frame f;
	struct ke_reg_request *q;
	const u8 *body;
	int err;

	while ((err = ke_reg_stream_frame(&r->stream, &f, &body)) > 0) {
		err = f.type == KECHO_FRAME_REG_ENTRY ? 0 : -EPROTO;
		if (!err && !f.id)
			ke_reg_told_in(r, body, le32_to_cpu(f.len));
		list_for_each_entry(q, &r->requests, list) {
			if (err || !q->sent || q->id != le32_to_cpu(f.id))
				continue;
			err = ke_reg_reply(r, q, body, le32_to_cpu(f.len));
			break;
		}
		if (err)
			break;
		r->dial_pause_ms = KE_REGISTRY_REDIAL_MIN_MS;
	}
	if (err < 0)
		link_down(r, err);
}

static void stream_ready(struct ke_reg_watch *w, u32 events)
{
	struct ke_reg *r = container_of(w, struct ke_reg, stream.sock);
	int err;

	if (!ke_reg_stream_busy(&r->stream))
		err = ke_reg_stream_recv(&r->stream);
	else if (events & (EPOLLERR | EPOLLHUP))
		err = -ECONNRESET;
	else
		err = ke_reg_stream_flush(&r->stream);
	if (!err)
		stream_replies(r);
	else if (err != -EAGAIN)
		link_down(r, err);
}

static void server_dead(struct ke_reg_watch *w, u32 events)
{
	struct ke_reg *r = container_of(w, struct ke_reg, stream.peer);

	(void)events;
	link_down(r, -ECONNRESET);
}

/* What a dial or a finished connect has given. */
static void dialled(struct ke_reg *r, int got, int fd, int pidfd)
{
	int err = got;

	if (got == KE_REG_CONNECTING) {
		r->connecting.fd = fd;
		err = ke_reg_watch_add(r->epoll, &r->connecting,
				       r->place.etcd.table ? EPOLLIN : EPOLLOUT);
		if (err)
			ke_reg_watch_close(r->epoll, &r->connecting);
		r->state = KE_REG_DIALLING;
		/* The bridge to etcd asks on by itself. */
		r->connect_by = r->place.etcd.table ? KE_REGISTRY_NEVER :
						      ke_reg_now_ms() + KE_LINK_SILENT_MS;
	} else if (got == KE_REG_CONNECTED) {
		err = ke_reg_stream_open(&r->stream, r->epoll, fd, pidfd, KECHO_FRAME_BODY_MAX);
		if (!err)
			link_up(r, KE_REG_CLIENT);
	} else if (got == KE_REG_LISTENING) {
		err = ke_reg_server_new(&r->server, r->epoll, fd, r->place.tcp,
					ke_reg_place_grace_ms(&r->place, &r->self.node),
					ke_reg_told_in, r);
		if (!err)
			link_up(r, KE_REG_SERVER);
	}
	if (err >= 0)
		return;
	if (got >= 0)
		trouble(r, "opening", err);
	if (err == -EACCES) {
		r->fatal = err;
		pthread_cond_broadcast(&r->changed);
	}
	dial_failed(r);
}

static void connect_ready(struct ke_reg_watch *w, u32 events)
{
	struct ke_reg *r = container_of(w, struct ke_reg, connecting);
	int fd = w->fd, got;

	(void)events;
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, fd, NULL);
	w->fd = -1;
	got = ke_reg_place_connected(&r->place, &fd, r->why, sizeof(r->why));
	dialled(r, got, fd, -1);
}

static void ask_server(struct ke_reg *r, struct ke_reg_request *q, const struct ke_out *body)
{
	struct ke_out out;
	int err;

	err = ke_reg_server_request(r->server, q->type, body->buf, body->len, &out);
	if (!err)
		err = ke_reg_reply(r, q, out.buf, out.len);
	WARN_ON_ONCE(err); /* both sides are ours */
}

/* Makes the requests that are new, as far as the socket takes them. */
static void send_requests(struct ke_reg *r)
{
	u8 frame[KECHO_FRAME_HEADER_SIZE + KE_REG_REQUEST_MAX];
	struct ke_reg_request *q, *next;
	int err;

	list_for_each_entry_safe(q, next, &r->requests, list) {
		struct ke_out body = { .buf = frame + KECHO_FRAME_HEADER_SIZE,
				       .size = KE_REG_REQUEST_MAX };

		if (q->sent)
			continue;
		if (r->state == KE_REG_CLIENT && ke_reg_stream_busy(&r->stream))
			return;
		ke_reg_request_encode(r, q, &body);
		q->sent = true;
		q->sent_at = ke_reg_now_ms();
		if (r->state == KE_REG_SERVER) {
			ask_server(r, q, &body);
			continue;
		}
		err = ke_reg_stream_send(&r->stream, q->type, q->id, frame, body.len);
		if (err) {
			link_down(r, err);
			return;
		}
	}
}

/* When the oldest request on a TCP connection has waited for too long. */
static u64 silent_at(const struct ke_reg *r)
{
	u64 at = KE_REGISTRY_NEVER;
	struct ke_reg_request *q;

	if (r->state == KE_REG_CLIENT && r->place.tcp)
		list_for_each_entry(q, &r->requests, list)
			if (q->sent)
				at = min_t(u64, at, q->sent_at + KE_LINK_SILENT_MS);
	return at;
}

static void dial(struct ke_reg *r)
{
	int fd = -1, pidfd = -1, got;

	got = ke_reg_place_dial(&r->place, &fd, &pidfd, r->why, sizeof(r->why));
	dialled(r, got, fd, pidfd);
}

/* Does what is due at @now. */
static void work(struct ke_reg *r, u64 now)
{
	if (r->state == KE_REG_DIALLING && r->connect_by <= now) {
		ke_reg_watch_close(r->epoll, &r->connecting);
		trouble(r, "connect", -ETIMEDOUT);
		dial_failed(r);
	}
	if (silent_at(r) <= now)
		link_down(r, -ETIMEDOUT);
	if (r->state == KE_REG_DOWN && r->dial_at <= now)
		dial(r);
	/* While it is awake anyway, perhaps. */
	if (renews(r) && r->renew_at <= now + KE_RENEW_MS / 4) {
		ke_reg_request_queue(r, &r->renew, false);
		r->renew_at = now + KE_RENEW_MS;
	}
	ke_reg_joined_due(r, now);
	if (ke_reg_up(r))
		send_requests(r);
}

/* When there will be something due next. */
static u64 next_work(struct ke_reg *r, u64 now)
{
	u64 next = min(silent_at(r), ke_reg_joined_due(r, now));

	if (r->state == KE_REG_DOWN)
		next = min(next, r->dial_at);
	if (r->state == KE_REG_DIALLING)
		next = min(next, r->connect_by);
	if (r->state == KE_REG_SERVER)
		next = min(next, ke_reg_server_tick(r->server, now));
	if (renews(r))
		next = min(next, r->renew_at);
	return next;
}

static void sleep_until(struct ke_reg *r, u64 at)
{
	u64 now = ke_reg_now_ms();
	struct ke_reg_watch *w;
	struct epoll_event e;
	int n, ms = -1;

	if (at != KE_REGISTRY_NEVER)
		ms = at <= now ? 0 : (int)min_t(u64, at - now, INT_MAX);
	pthread_mutex_unlock(&r->lock);
	n = epoll_wait(r->epoll, &e, 1, ms);
	pthread_mutex_lock(&r->lock);
	if (n > 0) {
		w = e.data.ptr;
		w->ready(w, e.events);
	}
}

static void wake_ready(struct ke_reg_watch *w, u32 events)
{
	u64 n;

	(void)events;
	if (read(w->fd, &n, sizeof(n)) < 0)
		return;
}

/* Withdraws all; a server that doesn't take it in time sees the hang-up. */
static void goodbye(struct ke_reg *r)
{
	u64 until = ke_reg_now_ms() + GOODBYE_MS;
	struct ke_reg_joined *j, *next;

	list_for_each_entry_safe(j, next, &r->joined, list) {
		if (!r->stays && (j->contact || j->repair.sent))
			ke_reg_drop(r, j->repair.name);
		ke_reg_joined_free(j);
	}
	while (r->state == KE_REG_CLIENT && !list_empty(&r->requests) && ke_reg_now_ms() < until) {
		send_requests(r);
		if (r->state == KE_REG_CLIENT && !list_empty(&r->requests))
			sleep_until(r, until);
	}
}

void *ke_reg_thread(void *arg)
{
	struct ke_reg *r = arg;

	pthread_mutex_lock(&r->lock);
	r->wake.ready = wake_ready;
	r->connecting.ready = connect_ready;
	r->stream.sock.ready = stream_ready;
	r->stream.peer.ready = server_dead;
	while (!r->stop) {
		u64 now = ke_reg_now_ms();

		work(r, now);
		sleep_until(r, next_work(r, now));
	}
	goodbye(r);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}
