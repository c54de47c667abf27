/* SPDX-License-Identifier: MIT */
/*
 * Serving the registry: the table of core/registry.h behind a listening socket.
 *
 * A client's requests are read only while its last reply has been taken, so one
 * reply is all that a client can make this process keep. Who sends what is no
 * request is cut off.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "reg_impl.h"

enum {
	KEY_SELF = 0,		/* this process as a client */
	ACCEPT_PAUSE_MS = 100,	/* when there are no descriptors left */
};

struct client {
	struct list_head list;
	struct ke_reg_server *server;
	struct ke_reg_stream stream;
	u64 key;
};

struct ke_reg_server {
	struct ke_reg_watch listener;
	int epoll;
	bool tcp;
	struct ke_registry *table;
	ke_reg_told_fn told;	/* what this process's own client is told */
	void *told_arg;
	struct list_head clients;
	u32 n;
	u64 last_key;
	u64 accept_at;		/* when to accept again; 0: it does */
	u8 reply[KECHO_FRAME_HEADER_SIZE + KECHO_FRAME_BODY_MAX];
};

/* One that has not taken its last reply yet is told another time: who asks asks again. */
static void tell(void *arg, u64 key, const void *body, u32 len)
{
	u8 frame[KECHO_FRAME_HEADER_SIZE + KE_REG_REQUEST_MAX];
	struct ke_reg_server *s = arg;
	struct client *c;

	if (key == KEY_SELF)
		s->told(s->told_arg, body, len);
	list_for_each_entry(c, &s->clients, list) {
		if (c->key != key || ke_reg_stream_busy(&c->stream))
			continue;
		memcpy(frame + KECHO_FRAME_HEADER_SIZE, body, len);
		/* A failure shows when it is read from next. */
		if (ke_reg_stream_send(&c->stream, KECHO_FRAME_REG_ENTRY, 0, frame, len))
			break;
	}
}

static void client_free(struct client *c)
{
	struct ke_reg_server *s = c->server;

	ke_registry_gone(s->table, c->key, ke_reg_now_ms());
	ke_reg_stream_close(&c->stream);
	list_del(&c->list);
	free(c);
	s->n--;
}

static int client_request(struct client *c, const struct kecho_frame *f, const u8 *body)
{
	struct ke_reg_server *s = c->server;
	struct ke_out out = { .buf = s->reply + KECHO_FRAME_HEADER_SIZE,
			      .size = KECHO_FRAME_BODY_MAX };
	int err;

	err = ke_registry_request(s->table, c->key, ke_reg_now_ms(), f->type, body,
				  le32_to_cpu(f->len), &out);
	if (err)
		return err;
	return ke_reg_stream_send(&c->stream, KECHO_FRAME_REG_ENTRY, le32_to_cpu(f->id), s->reply,
				  out.len);
}

/* Until a reply is not taken at once. */
static int client_requests(struct client *c)
{
	struct kecho_frame f;
	const u8 *body;
	int got = 1, err;

	while (!ke_reg_stream_busy(&c->stream)) {
		got = ke_reg_stream_frame(&c->stream, &f, &body);
		if (got <= 0)
			return got;
		err = client_request(c, &f, body);
		if (err)
			return err;
	}
	return 0;
}

static void client_ready(struct ke_reg_watch *w, u32 events)
{
	struct client *c = container_of(w, struct client, stream.sock);
	int err;

	if (ke_reg_stream_busy(&c->stream))
		err = events & (EPOLLERR | EPOLLHUP) ? -EPIPE : ke_reg_stream_flush(&c->stream);
	else
		err = ke_reg_stream_recv(&c->stream);
	if (!err)
		err = client_requests(c);
	if (err && err != -EAGAIN)
		client_free(c);
}

/* Its process has died; what it said before still counts. */
static void client_dead(struct ke_reg_watch *w, u32 events)
{
	struct client *c = container_of(w, struct client, stream.peer);

	(void)events;
	while (!ke_reg_stream_busy(&c->stream) && !ke_reg_stream_recv(&c->stream))
		if (client_requests(c))
			break;
	client_free(c);
}

static void client_new(struct ke_reg_server *s, int fd)
{
	int pidfd = -1, on = 1;
	struct client *c;

	if (s->n >= KE_REG_CLIENTS_MAX || (!s->tcp && ke_reg_peer(fd, &pidfd)))
		goto refuse;
	c = calloc(1, sizeof(*c));
	if (!c)
		goto refuse;
	if (s->tcp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	c->server = s;
	c->key = ++s->last_key;
	c->stream.sock.ready = client_ready;
	c->stream.peer.ready = client_dead;
	if (ke_reg_stream_open(&c->stream, s->epoll, fd, pidfd, KE_REG_REQUEST_MAX)) {
		free(c);
		return;
	}
	list_add_tail(&c->list, &s->clients);
	s->n++;
	return;
refuse:
	if (pidfd >= 0)
		close(pidfd);
	close(fd);
}

static void listener_ready(struct ke_reg_watch *w, u32 events)
{
	struct ke_reg_server *s = container_of(w, struct ke_reg_server, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		client_new(s, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* It stays ready, and would keep this thread running. */
		ke_reg_watch_events(s->epoll, w, 0);
		s->accept_at = ke_reg_now_ms() + ACCEPT_PAUSE_MS;
	}
}

int ke_reg_server_new(struct ke_reg_server **out, int epoll, int fd, bool tcp, u32 grace_ms,
		      ke_reg_told_fn told, void *arg)
{
	struct ke_reg_server *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;
	u64 seed;

	if (!s) {
		close(fd);
		return err;
	}
	s->epoll = epoll;
	s->tcp = tcp;
	s->told = told;
	s->told_arg = arg;
	s->listener = (struct ke_reg_watch){ .fd = fd, .ready = listener_ready };
	INIT_LIST_HEAD(&s->clients);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		err = -errno;
		goto free;
	}
	s->table = ke_registry_new(tcp, seed, ke_reg_now_ms(), grace_ms);
	if (!s->table)
		goto free;
	ke_registry_tells(s->table, tell, s);
	err = ke_reg_watch_add(epoll, &s->listener, EPOLLIN);
	if (err)
		goto free;
	*out = s;
	return 0;
free:
	ke_reg_server_free(s);
	return err;
}

void ke_reg_server_free(struct ke_reg_server *s)
{
	struct client *c, *next;

	if (!s)
		return;
	/* The address first: whom the hang-up sends here next must find it free. */
	ke_reg_watch_close(s->epoll, &s->listener);
	list_for_each_entry_safe(c, next, &s->clients, list)
		client_free(c);
	ke_registry_free(s->table);
	free(s);
}

int ke_reg_server_request(struct ke_reg_server *s, u8 type, const void *body, u32 len,
			  struct ke_out *out)
{
	out->buf = s->reply;
	out->size = KECHO_FRAME_BODY_MAX;
	out->len = 0;
	out->bad = false;
	return ke_registry_request(s->table, KEY_SELF, ke_reg_now_ms(), type, body, len, out);
}

u64 ke_reg_server_tick(struct ke_reg_server *s, u64 now_ms)
{
	u64 next = ke_registry_tick(s->table, now_ms);

	if (s->accept_at && s->accept_at <= now_ms) {
		s->accept_at = 0;
		ke_reg_watch_events(s->epoll, &s->listener, EPOLLIN);
	}
	return s->accept_at ? min(next, s->accept_at) : next;
}
