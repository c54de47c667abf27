/* SPDX-License-Identifier: MIT */
/* Frames over a non-blocking socket in an epoll: see reg_impl.h. */
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "reg_impl.h"

u64 ke_reg_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int ke_reg_watch_add(int epoll, struct ke_reg_watch *w, u32 events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

void ke_reg_watch_events(int epoll, struct ke_reg_watch *w, u32 events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	epoll_ctl(epoll, EPOLL_CTL_MOD, w->fd, &e);
}

/*
 * A forked child may hold copies: without the removal epoll would go on reporting
 * the descriptor, without the shutdown the other end would see no hang-up.
 */
void ke_reg_watch_close(int epoll, struct ke_reg_watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(epoll, EPOLL_CTL_DEL, w->fd, NULL);
	shutdown(w->fd, SHUT_RDWR);
	close(w->fd);
	w->fd = -1;
}

int ke_reg_stream_open(struct ke_reg_stream *s, int epoll, int fd, int pidfd, u32 body_max)
{
	int err;

	s->sock.fd = fd;
	s->peer.fd = pidfd;
	s->epoll = epoll;
	s->body_max = body_max;
	s->rx_len = s->rx_used = 0;
	s->tx = NULL;
	s->rx = malloc(KECHO_FRAME_HEADER_SIZE + body_max);
	err = s->rx ? ke_reg_watch_add(epoll, &s->sock, EPOLLIN) : -ENOMEM;
	if (!err && pidfd >= 0)
		err = ke_reg_watch_add(epoll, &s->peer, EPOLLIN);
	if (err)
		ke_reg_stream_close(s);
	return err;
}

void ke_reg_stream_close(struct ke_reg_stream *s)
{
	ke_reg_watch_close(s->epoll, &s->sock);
	ke_reg_watch_close(s->epoll, &s->peer);
	free(s->rx);
	free(s->tx);
	s->rx = NULL;
	s->tx = NULL;
}

int ke_reg_stream_recv(struct ke_reg_stream *s)
{
	u32 size = KECHO_FRAME_HEADER_SIZE + s->body_max;
	ssize_t n;

	memmove(s->rx, s->rx + s->rx_used, s->rx_len - s->rx_used);
	s->rx_len -= s->rx_used;
	s->rx_used = 0;
	n = recv(s->sock.fd, s->rx + s->rx_len, size - s->rx_len, 0);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -ECONNRESET;
	s->rx_len += n;
	return 0;
}

int ke_reg_stream_frame(struct ke_reg_stream *s, struct kecho_frame *f, const u8 **body)
{
	u32 have = s->rx_len - s->rx_used, len;

	BUILD_BUG_ON(sizeof(*f) != KECHO_FRAME_HEADER_SIZE);
	if (have < sizeof(*f))
		return 0;
	memcpy(f, s->rx + s->rx_used, sizeof(*f));
	len = le32_to_cpu(f->len);
	if (len > s->body_max)
		return -EPROTO;
	if (have - sizeof(*f) < len)
		return 0;
	*body = s->rx + s->rx_used + sizeof(*f);
	s->rx_used += sizeof(*f) + len;
	return 1;
}

/* What is sent of @len bytes now. */
static ssize_t send_some(struct ke_reg_stream *s, const u8 *data, u32 len)
{
	ssize_t n = send(s->sock.fd, data, len, MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* @frame has room for the header before the body. */
int ke_reg_stream_send(struct ke_reg_stream *s, u8 type, u32 id, u8 *frame, u32 body_len)
{
	struct kecho_frame f = {
		.len = cpu_to_le32(body_len),
		.type = type,
		.id = cpu_to_le32(id),
	};
	u32 len = sizeof(f) + body_len;
	ssize_t n;

	if (WARN_ON_ONCE(s->tx))
		return -EBUSY;
	memcpy(frame, &f, sizeof(f));
	n = send_some(s, frame, len);
	if (n < 0 || n == len)
		return n < 0 ? n : 0;
	s->tx = kmemdup(frame + n, len - n, GFP_KERNEL);
	if (!s->tx)
		return -ENOMEM;
	s->tx_len = len - n;
	s->tx_sent = 0;
	ke_reg_watch_events(s->epoll, &s->sock, EPOLLOUT);
	return 0;
}

/* Nothing is read meanwhile: a peer that takes no replies makes no requests. */
int ke_reg_stream_flush(struct ke_reg_stream *s)
{
	ssize_t n;

	if (!s->tx)
		return 0;
	n = send_some(s, s->tx + s->tx_sent, s->tx_len - s->tx_sent);
	if (n < 0)
		return n;
	s->tx_sent += n;
	if (s->tx_sent < s->tx_len)
		return 0;
	free(s->tx);
	s->tx = NULL;
	ke_reg_watch_events(s->epoll, &s->sock, EPOLLIN);
	return 0;
}
