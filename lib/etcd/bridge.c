/* SPDX-License-Identifier: MIT */
/*
 * The bridge's thread, and the requests that come over the socket.
 *
 * Some are worked on at once, those of one name one after the other, so that a tie that
 * leaves a name and joins it again gets what it asked for. Answers go out in the order in
 * which they are there. What the tie does not take waits here; nothing is read meanwhile
 * once REQUESTS_MAX wait.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bridge.h"

enum { POLL_MAX_MS = 60000 };

/* -------------------------------------------------------------------- trouble */

static void set_trouble(struct ke_etcd *e, const char *text)
{
	pthread_mutex_lock(&e->lock);
	strscpy(e->trouble, text, sizeof(e->trouble));
	pthread_mutex_unlock(&e->lock);
}

void bridge_trouble(struct ke_etcd *e, unsigned int endpoint, const char *what)
{
	char text[sizeof(e->trouble)];

	snprintf(text, sizeof(text), "%s: %s", e->endpoint[endpoint], what);
	set_trouble(e, text);
}

void bridge_well(struct ke_etcd *e)
{
	if (e->trouble[0])	/* nobody else writes it */
		set_trouble(e, "");
}

void bridge_give_up(struct ke_etcd *e, int err, const char *why)
{
	if (e->over)
		return;
	if (why)
		set_trouble(e, why);
	e->err = err;
	e->over = true;
}

u64 bridge_revision(struct ke_etcd *e, const json_t *answer)
{
	s64 revision;

	if (json_s64(json_object_get(answer, "header"), "revision", &revision) || revision <= 0)
		return 0;
	e->seen = max_t(u64, e->seen, revision);
	return revision;
}

/* ------------------------------------------------------------------- requests */

static struct request *request_new(struct ke_etcd *e, u8 type, u32 id)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q) {
		bridge_give_up(e, -ENOMEM, "no memory");
		return NULL;
	}
	q->e = e;
	q->type = type;
	q->id = id;
	list_add_tail(&q->list, &e->requests);
	e->waiting++;
	return q;
}

static void request_free(struct request *q)
{
	ask_cancel(&q->ask);
	list_del(&q->list);
	q->e->waiting--;
	free(q->page);
	free(q->frame);
	free(q);
}

bool request_reply(struct request *q, struct ke_out *out, u32 size, u8 status)
{
	q->frame = malloc(KECHO_FRAME_HEADER_SIZE + size);
	if (!q->frame) {
		bridge_give_up(q->e, -ENOMEM, "no memory");
		return false;
	}
	*out = (struct ke_out){ .buf = q->frame + KECHO_FRAME_HEADER_SIZE, .size = size };
	ke_put_u8(out, q->type);
	ke_put_u8(out, status);
	return true;
}

void request_done(struct request *q, const struct ke_out *out)
{
	WARN_ON_ONCE(out->bad);
	q->frame_len = out->len;
	q->done = true;
	q->e->running -= q->running;
	q->running = false;
}

void request_answer(struct request *q, u8 status)
{
	struct ke_out out;

	if (request_reply(q, &out, 2, status))
		request_done(q, &out);
}

void request_refuse(struct request *q, const char *why)
{
	struct ke_out out;

	if (!request_reply(q, &out, 4 + SAID_MAX, KE_ETCD_REFUSED))
		return;
	ke_put_bytes(&out, why, strnlen(why, SAID_MAX));
	request_done(q, &out);
}

void request_again(struct request *q)
{
	q->e->running -= q->running;
	q->running = false;
	q->tries = 0;
}

void bridge_tell(struct ke_etcd *e, const char *name, const struct ke_id *uuid,
		 const struct ke_contact *who)
{
	struct request *q = e->waiting < REQUESTS_MAX ?
				    request_new(e, KECHO_FRAME_REG_PUT, 0) : NULL;
	struct ke_out out;

	if (!q || !request_reply(q, &out, KE_REG_REQUEST_MAX, KE_REGISTRY_OK))
		return;
	ke_put_str(&out, name);
	ke_put(&out, uuid, sizeof(*uuid));
	ke_put_contact(&out, who);
	request_done(q, &out);
}

/* -EPROTO: it is none. */
static int request_read(struct request *q, const u8 *body, u32 len)
{
	struct ke_in in = { .p = body, .end = body + len };

	switch (q->type) {
	case KECHO_FRAME_REG_GET:
		ke_get_str(&in, q->name, sizeof(q->name));
		break;
	case KECHO_FRAME_REG_PUT:
		q->how = ke_get_u8(&in);
		ke_get_str(&in, q->name, sizeof(q->name));
		ke_get_copy(&in, &q->uuid, sizeof(q->uuid));
		ke_get_contact(&in, &q->who);
		in.bad |= q->how > KE_REGISTRY_REPAIR;
		break;
	case KECHO_FRAME_REG_DROP:
		ke_get_str(&in, q->name, sizeof(q->name));
		ke_get_copy(&in, &q->who.node, sizeof(q->who.node));
		break;
	case KECHO_FRAME_REG_END:
		ke_get_str(&in, q->name, sizeof(q->name));
		ke_get_copy(&in, &q->uuid, sizeof(q->uuid));
		break;
	case KECHO_FRAME_REG_LIST:
		q->after = ke_get_u64(&in);
		break;
	}
	return in.bad ? -EPROTO : 0;
}

static bool has_name(const struct request *q)
{
	return q->type == KECHO_FRAME_REG_GET || q->type == KECHO_FRAME_REG_PUT ||
	       q->type == KECHO_FRAME_REG_DROP || q->type == KECHO_FRAME_REG_END;
}

static void request_run(struct request *q)
{
	q->running = true;
	q->e->running++;
	if (has_name(q) && !name_good(q->name)) {
		request_answer(q, q->type == KECHO_FRAME_REG_PUT ? KE_REGISTRY_BAD_NAME :
								   KE_REGISTRY_NONE);
		return;
	}
	switch (q->type) {
	case KECHO_FRAME_REG_GET:
		get_run(q);
		break;
	case KECHO_FRAME_REG_PUT:
		put_run(q);
		break;
	case KECHO_FRAME_REG_DROP:
		drop_run(q);
		break;
	case KECHO_FRAME_REG_END:
		end_run(q);
		break;
	case KECHO_FRAME_REG_LIST:
		list_run(q);
		break;
	case KECHO_FRAME_REG_RENEW:
		renew_run(q);
		break;
	default:
		request_answer(q, KE_REGISTRY_UNKNOWN);
	}
}

/* One that came before it, of the same name, or of none and the same type, is not answered. */
static bool must_wait(const struct request *q)
{
	const struct request *before;

	list_for_each_entry(before, &q->e->requests, list) {
		if (before == q)
			return false;
		if (!before->done && !strcmp(before->name, q->name) &&
		    (q->name[0] || before->type == q->type))
			return true;
	}
	return false;
}

/* Whether one was answered at once, for which others may have waited. */
static bool requests_run(struct ke_etcd *e)
{
	struct request *q;
	bool any = false;

	list_for_each_entry(q, &e->requests, list) {
		if (e->over || !e->session.up || e->running == RUNNING_MAX)
			return false;
		if (q->running || q->done || must_wait(q))
			continue;
		request_run(q);
		any |= q->done;
	}
	return any;
}

/* ----------------------------------------------------------------- the socket */

static int take_requests(struct ke_etcd *e)
{
	struct kecho_frame f;
	struct request *q;
	const u8 *body;
	int got;

	while (e->waiting < REQUESTS_MAX) {
		got = ke_reg_stream_frame(&e->stream, &f, &body);
		if (got <= 0)
			return got;
		q = request_new(e, f.type, le32_to_cpu(f.id));
		if (!q)
			return -ENOMEM;
		got = request_read(q, body, le32_to_cpu(f.len));
		if (got)
			return got;
	}
	return 0;
}

static int give_answers(struct ke_etcd *e)
{
	struct request *q, *next;
	int err;

	list_for_each_entry_safe(q, next, &e->requests, list) {
		if (ke_reg_stream_busy(&e->stream))
			return 0;
		if (!q->done)
			continue;
		err = ke_reg_stream_send(&e->stream, KECHO_FRAME_REG_ENTRY, q->id, q->frame,
					 q->frame_len);
		request_free(q);
		if (err)
			return err;
	}
	return 0;
}

static void stream_ready(struct ke_reg_watch *w, u32 events)
{
	struct ke_etcd *e = container_of(w, struct ke_etcd, stream.sock);
	int err;

	if (events & (EPOLLERR | EPOLLHUP))
		err = -EPIPE;
	else if (ke_reg_stream_busy(&e->stream))
		err = ke_reg_stream_flush(&e->stream);
	else if (e->waiting < REQUESTS_MAX)
		err = ke_reg_stream_recv(&e->stream);
	else
		err = 0;
	if (err && err != -EAGAIN)
		e->over = true;	/* nobody is there any more to hear why */
}

void bridge_greet(struct ke_etcd *e)
{
	if (e->greeted)
		return;
	e->greeted = true;
	if (send(e->fd, "", 1, MSG_NOSIGNAL) != 1)
		e->over = true;
}

/* ------------------------------------------------------------------ the thread */

static void socket_run(struct ke_etcd *e)
{
	struct epoll_event event;
	struct ke_reg_watch *w;
	int err;

	if (epoll_wait(e->epoll, &event, 1, 0) == 1) {
		w = event.data.ptr;
		w->ready(w, event.events);
	}
	if (e->over)
		return;
	err = take_requests(e);
	if (err < 0)
		bridge_give_up(e, err, "a request that is none");
}

static void wait(struct ke_etcd *e, u64 until)
{
	struct curl_waitfd socket = { .fd = e->epoll, .events = CURL_WAIT_POLLIN };
	u64 now = ke_reg_now_ms();
	int ms = until <= now ? 0 : (int)min_t(u64, until - now, POLL_MAX_MS);

	if (curl_multi_poll(e->multi, &socket, 1, ms, NULL))
		bridge_give_up(e, -ENOMEM, "no memory");
}

/* What is due, then what the answers to it were; gives when to be back. */
static u64 work(struct ke_etcd *e)
{
	u64 next;

	next = session_work(e, ke_reg_now_ms());
	while (requests_run(e))
		;
	if (!e->over)
		next = min(next, asks_work(e, ke_reg_now_ms()));
	if (!e->over && give_answers(e))
		e->over = true;
	return next;
}

static void serve(struct ke_etcd *e)
{
	u64 next;

	e->stream.sock.ready = stream_ready;
	session_begin(e);
	while (!e->over) {
		next = work(e);
		if (e->over)
			break;
		wait(e, next);
		socket_run(e);
		calls_run(e);
	}
}

static void clean_up(struct ke_etcd *e)
{
	struct request *q, *next;

	session_end(e);
	ask_cancel(&e->auth);
	list_for_each_entry_safe(q, next, &e->requests, list)
		request_free(q);
	free(e->token);
	e->token = NULL;
	if (e->multi)
		curl_multi_cleanup(e->multi);
	e->multi = NULL;
}

void bridge_main(struct ke_etcd *e)
{
	int err;

	INIT_LIST_HEAD(&e->asks);
	INIT_LIST_HEAD(&e->requests);
	e->err = e->running = e->waiting = e->current = e->seen = 0;
	e->over = e->greeted = e->no_auth = false;
	memset(&e->session, 0, sizeof(e->session));
	memset(&e->listing, 0, sizeof(e->listing));
	set_trouble(e, "");
	e->multi = curl_multi_init();
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = !e->multi ? -ENOMEM : e->epoll < 0 ? -errno : 0;
	if (err)
		close(e->fd);
	else
		err = ke_reg_stream_open(&e->stream, e->epoll, e->fd, -1, KE_REG_REQUEST_MAX);
	if (err) {
		bridge_give_up(e, err, strerror(-err));
	} else {
		serve(e);
		clean_up(e);
		/* Who hears the hang-up finds that all is over. */
		ke_reg_stream_close(&e->stream);
	}
	if (e->multi)
		curl_multi_cleanup(e->multi);
	if (e->epoll >= 0)
		close(e->epoll);
}
