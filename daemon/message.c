// SPDX-License-Identifier: MIT
/*
 * Messages from and to an attached process. What its socket does not take waits here,
 * in order, and no request of it is read meanwhile; one that lets KECHO_NOTES_MAX pile
 * up, or more bytes than its user may take, is cut off. Of the descriptors that come with a
 * message there is place for one, and nothing holds it for longer than the message.
 */
#include "daemon.h"

struct kd_message {
	struct list_head list;
	int fd[3];
	unsigned int nfds;
	u32 len, size;
	u8 data[];
};

static void message_free(struct kd_session *s, struct kd_message *m)
{
	while (m->nfds)
		close(m->fd[--m->nfds]);
	kd_user_uncharge(s->user, sizeof(*m) + m->size);
	free(m);
}

void kd_drop_messages(struct kd_session *s)
{
	struct kd_message *m, *next;

	list_for_each_entry_safe(m, next, &s->out, list)
		message_free(s, m);
	INIT_LIST_HEAD(&s->out);
	s->nout = 0;
}

static void want_output(struct kd_session *s, bool want)
{
	struct epoll_event ev = { .events = want ? EPOLLOUT : EPOLLIN, .data.ptr = &s->sock_w };

	if (s->want_out == want || s->cut)
		return;
	s->want_out = want;
	epoll_ctl(s->d->ep, EPOLL_CTL_MOD, s->sock, &ev);
}

/* 0, or -errno: -EAGAIN it is full. */
static int put(struct kd_session *s, const struct iovec *v, unsigned int n, const int *fd,
	       unsigned int nfds)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = n };

	if (nfds) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.h), fd, nfds * sizeof(int));
	}
	if (sendmsg(s->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* So many of our descriptors are on their way that the kernel waits too. */
	return errno == ETOOMANYREFS || errno == EINTR || errno == ENOBUFS ? -EAGAIN : -errno;
}

static int keep(struct kd_session *s, const struct iovec *v, unsigned int n, const int *fd,
		unsigned int nfds)
{
	struct kd_message *m;
	unsigned int i;
	u32 len = 0;

	for (i = 0; i < n; i++)
		len += v[i].iov_len;
	if (s->nout == KECHO_NOTES_MAX || kd_user_charge(s->user, sizeof(*m) + len))
		return -ENOBUFS;
	m = malloc(sizeof(*m) + len);
	if (!m) {
		kd_user_uncharge(s->user, sizeof(*m) + len);
		return -ENOBUFS;
	}
	m->size = len;
	m->len = m->nfds = 0;
	for (i = 0; i < n; i++) {
		if (v[i].iov_len)
			memcpy(m->data + m->len, v[i].iov_base, v[i].iov_len);
		m->len += v[i].iov_len;
	}
	for (; m->nfds < nfds; m->nfds++) {
		m->fd[m->nfds] = fcntl(fd[m->nfds], F_DUPFD_CLOEXEC, 0);
		if (m->fd[m->nfds] < 0) {
			message_free(s, m);
			return -EMFILE;
		}
	}
	list_add_tail(&m->list, &s->out);
	s->nout++;
	want_output(s, true);
	return 0;
}

void kd_send(struct kd_session *s, u32 cmd, u32 serial, s32 result, const void *body, u32 len,
	     const void *tail, u32 tail_len, const int *fd, unsigned int nfds)
{
	struct kecho_msg msg = {
		.cmd = cpu_to_le32(cmd),
		.serial = cpu_to_le32(serial),
		.result = cpu_to_le32((u32)result),
		.len = cpu_to_le32(len + tail_len),
	};
	struct iovec v[] = {
		{ &msg, sizeof(msg) },
		{ (void *)body, len },
		{ (void *)tail, tail_len },
	};
	int err;

	if (s->cut)
		return;
	err = list_empty(&s->out) ? put(s, v, 3, fd, nfds) : -EAGAIN;
	if (err == -EAGAIN)
		err = keep(s, v, 3, fd, nfds);
	if (err == -ENOBUFS)
		kd_session_cut(s, "it does not read what it is told");
	else if (err == -EPIPE || err == -ECONNRESET)
		kd_session_cut(s, NULL);
	else if (err)
		kd_session_cut(s, strerror(-err));
}

void kd_flush(struct kd_session *s)
{
	struct kd_message *m;
	struct iovec v;
	int err = 0;

	while (!err && !s->cut && !list_empty(&s->out)) {
		m = list_first_entry(&s->out, struct kd_message, list);
		v = (struct iovec){ m->data, m->len };
		err = put(s, &v, 1, m->fd, m->nfds);
		if (!err) {
			list_del(&m->list);
			s->nout--;
			message_free(s, m);
		}
	}
	if (err && err != -EAGAIN)
		kd_session_cut(s, NULL);
	want_output(s, !list_empty(&s->out));
}

void kd_note(struct kd_session *s, u32 cmd, const void *body, u32 len, const int *fd,
	     unsigned int nfds)
{
	kd_send(s, cmd, 0, 0, body, len, NULL, 0, fd, nfds);
}

void kd_answer(const struct kd_request *r, const void *body)
{
	kd_send(r->s, r->cmd, r->serial, 0, body, r->len, NULL, 0, NULL, 0);
}

void kd_refuse(const struct kd_request *r, int err, const char *fmt, ...)
{
	char why[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	kd_send(r->s, r->cmd, r->serial, err, NULL, 0, why,
		n < 0 ? 0 : min_t(u32, n, sizeof(why) - 1), NULL, 0);
}

/* One message of @n bytes at @data; false: it is none. */
static bool take(struct kd_session *s, u8 *data, size_t n, int fd)
{
	struct kd_request r = { .s = s, .fd = fd };
	struct kecho_msg msg;

	if (n < sizeof(msg))
		return false;
	memcpy(&msg, data, sizeof(msg));
	r.cmd = le32_to_cpu(msg.cmd);
	r.serial = le32_to_cpu(msg.serial);
	r.len = le32_to_cpu(msg.len);
	r.body = data + sizeof(msg);
	if (r.len != n - sizeof(msg) || !r.serial || msg.result)
		return false;
	kd_request(&r);
	return true;
}

/* The next message, whole in @data; *@fd is what came with it. */
static ssize_t receive(struct kd_session *s, void *data, size_t size, int *fd)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = { data, size };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(s->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*fd = -1;
	if (n < 0)
		return -errno;
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
	    h->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(h), sizeof(int));
	return m.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

/* A few requests; the socket stays readable if there are more. */
void kd_receive(struct kd_session *s)
{
	static u8 data[KECHO_MSG_MAX] __attribute__((aligned(8)));
	ssize_t n;
	int i, fd;

	for (i = 0; i < KD_TURN_REQUESTS && !s->cut && list_empty(&s->out); i++) {
		n = receive(s, data, sizeof(data), &fd);
		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n == -EMSGSIZE || (n > 0 && !take(s, data, n, fd)))
			kd_session_cut(s, "it sent what is no request");
		else if (n <= 0)
			kd_session_cut(s, NULL);
		if (fd >= 0)
			close(fd);
	}
}
