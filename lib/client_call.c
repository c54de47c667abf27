// SPDX-License-Identifier: MIT
/*
 * Messages to and from the node: requests, their answers, and what is neither.
 *
 * A message that is not what the header says, or that lost descriptors on the way, ends
 * the attachment: nothing that follows could be trusted to be whole.
 */
#include "client.h"

#include <fcntl.h>
#include <sys/ioctl.h>

void client_msg_close(struct client_msg *m)
{
	while (m->nfds)
		close(m->fd[--m->nfds]);
}

enum { ANSWER_MAX = 1024 };	/* bytes of one that needs no helper */

/* Whoever asked has its answer, or none to come; the kecho lock is held. */
static void finish(struct client *c, struct client_call *call, int result)
{
	call->result = result;
	call->done = true;
	list_del(&call->list);
	pthread_cond_broadcast(&c->k->changed);
}

void client_fail_calls(struct client *c)
{
	while (!list_empty(&c->calls))
		finish(c, list_first_entry(&c->calls, struct client_call, list), -ENOTCONN);
}

/* 0 or an error, as the node says; what can be neither is -EPROTO. */
int client_result(__le32 said)
{
	int result = (int)le32_to_cpu(said);

	return result <= 0 && result >= -MAX_ERRNO ? result : -EPROTO;
}

static int answer(struct client *c, struct client_msg *m)
{
	struct client_call *call;

	list_for_each_entry(call, &c->calls, list) {
		if (call->serial != le32_to_cpu(m->head.serial))
			continue;
		if (call->cmd != le32_to_cpu(m->head.cmd))
			return -EPROTO;
		call->body = malloc(m->head.len + 1);
		if (!call->body)
			return -ENOMEM;
		memcpy(call->body, m->body, m->head.len + 1);
		call->len = m->head.len;
		call->nfds = m->nfds;
		memcpy(call->fd, m->fd, sizeof(call->fd));
		m->nfds = 0;
		finish(c, call, client_result(m->head.result));
		return 0;
	}
	return -EPROTO;		/* nobody asked */
}

static int take_fds(struct msghdr *msg, struct client_msg *m)
{
	struct cmsghdr *cm;
	unsigned int n;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fd, CMSG_DATA(cm), n * sizeof(int));
		m->nfds = n;
	}
	return msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : 0;
}

/* The bytes that are @n of a message, which are followed by a 0: 1, or -EPROTO. */
static int parse(struct client_msg *m, u8 *bytes, size_t n)
{
	m->body = bytes + sizeof(m->head);
	if (n < sizeof(m->head))
		return -EPROTO;
	memcpy(&m->head, bytes, sizeof(m->head));
	m->head.len = le32_to_cpu(m->head.len);
	return m->head.len == n - sizeof(m->head) ? 1 : -EPROTO;
}

/* From the device: its bytes, or as recvmsg() says. */
static ssize_t receive_from_kernel(struct client *c, struct client_msg *m)
{
	struct kecho_dev_receive r = { .buf = (uintptr_t)c->in };
	ssize_t n = ioctl(c->sock, KECHO_DEV_RECEIVE, &r);

	if (n < 0)
		return -errno;
	m->nfds = r.nfds;
	memcpy(m->fd, r.fd, sizeof(m->fd));
	return n;
}

static ssize_t receive_from_socket(struct client *c, struct client_msg *m)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(CALL_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { c->in, KECHO_MSG_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int err;

	if (n < 0)
		return -errno;
	err = take_fds(&msg, m);
	return n ? err ?: n : -ECONNRESET;
}

/* The next message, if there is one: 1, 0, or an error that ends it all. */
static int receive_one(struct client *c, struct client_msg *m)
{
	ssize_t n;

	*m = (struct client_msg){ 0 };
	n = c->device ? receive_from_kernel(c, m) : receive_from_socket(c, m);
	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : n;
	c->in[n] = 0;
	return parse(m, c->in, n);
}

/* All messages that are there; the kecho lock is held. An error: the node is lost. */
int client_receive(struct client *c)
{
	struct client_msg m;
	int err;

	do {
		err = receive_one(c, &m);
		if (err > 0)
			err = (m.head.serial ? answer(c, &m) : client_note(c, &m)) ?: 1;
		client_msg_close(&m);
	} while (err > 0);
	return err;
}

/* ------------------------------------------------------------------- asking */

/* The helper has nobody who would receive for it. */
static void receive_myself(struct client *c, u64 deadline)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	u64 now = lib_deadline(0);

	pthread_mutex_unlock(&c->k->lock);
	poll(&p, 1, deadline > now ? (int)(deadline - now) : 0);
	pthread_mutex_lock(&c->k->lock);
	if (client_receive(c))
		client_lost(c);
}

/* The kecho lock is held. */
static void await(struct client *c, struct client_call *call, u64 deadline)
{
	bool helper = pthread_equal(pthread_self(), c->k->helper);

	while (!call->done) {
		if (helper)
			receive_myself(c, deadline);
		else
			lib_wait(c->k, deadline);
		/* What it would say later would be about things that nobody knows of. */
		if (!call->done && lib_deadline(0) >= deadline)
			client_lost(c);
	}
}

union one_fd {
	struct cmsghdr h;
	char buf[CMSG_SPACE(sizeof(int))];
};

static void put_fd(struct msghdr *msg, union one_fd *control, int fd)
{
	memset(control, 0, sizeof(*control));
	control->h.cmsg_level = SOL_SOCKET;
	control->h.cmsg_type = SCM_RIGHTS;
	control->h.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control->h), &fd, sizeof(fd));
	msg->msg_control = control;
	msg->msg_controllen = sizeof(*control);
}

static int send_whole(int sock, const struct msghdr *msg)
{
	while (sendmsg(sock, msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* What came with the request's end, without the helper. */
static void take_answer(struct client *c, const struct client_call *call, u8 *bytes, size_t n,
			const struct kecho_dev_receive *r)
{
	struct client_msg m = { .nfds = r->nfds };
	int err;

	memcpy(m.fd, r->fd, sizeof(m.fd));
	bytes[n] = 0;
	pthread_mutex_lock(&c->k->lock);
	err = call->done ? 0 : parse(&m, bytes, n);	/* the node was lost meanwhile */
	if (err > 0)
		err = answer(c, &m);
	client_msg_close(&m);
	if (err)
		client_lost(c);
	pthread_mutex_unlock(&c->k->lock);
}

/* Requests to the kernel last until they are done, and those of others go on meanwhile. */
static int call_kernel(struct client *c, const struct client_call *call, const struct msghdr *msg,
		       size_t len)
{
	u8 *buf = malloc(len), bytes[ANSWER_MAX + 1];
	struct kecho_dev_call dc = {
		.answer.buf = (uintptr_t)bytes, .size = ANSWER_MAX,
		.request = (uintptr_t)buf, .len = len,
	};
	int fd = -1, err = buf ? 0 : -ENOMEM, n = 0;
	size_t i, at = 0;

	if (err)
		return err;
	for (i = 0; i < msg->msg_iovlen; i++) {
		memcpy(buf + at, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		at += msg->msg_iov[i].iov_len;
	}
	lib_lock(&c->send);
	if (c->sock_generation == call->generation)
		fd = fcntl(c->sock, F_DUPFD_CLOEXEC, 0);
	lib_unlock(&c->send);
	if (fd >= 0)
		n = ioctl(fd, KECHO_DEV_CALL, &dc);
	if (fd < 0 || n < 0)
		err = fd < 0 ? -ENOTCONN : -errno;
	if (fd >= 0)
		close(fd);
	free(buf);
	if (n > 0)
		take_answer(c, call, bytes, n, &dc.answer);
	return err;
}

static int send_call(struct client *c, struct client_call *call, struct kvec *req, unsigned int n)
{
	struct kecho_msg head = { .cmd = cpu_to_le32(call->cmd) };
	struct iovec iov[4] = { { &head, sizeof(head) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n + 1 };
	union one_fd control;
	size_t len = 0;
	unsigned int i;
	int err = 0;

	head.serial = cpu_to_le32(call->serial);
	for (i = 0; i < n; i++) {
		iov[i + 1] = (struct iovec){ req[i].iov_base, req[i].iov_len };
		len += req[i].iov_len;
	}
	if (len > KECHO_MSG_MAX - sizeof(head))
		return -E2BIG;
	head.len = cpu_to_le32(len);
	if (call->give)
		put_fd(&msg, &control, *call->give);
	if (c->device)
		return call_kernel(c, call, &msg, sizeof(head) + len);
	/* Not to the next node, where its handles and its serial mean something else. */
	lib_lock(&c->send);
	if (c->sock_generation != call->generation)
		err = -ENOTCONN;
	if (!err)
		err = send_whole(c->sock, &msg);
	lib_unlock(&c->send);
	return err;
}

/* Who asks waits for a node a while; the helper is who looks for it. The kecho lock is
 * held. */
static bool await_node(struct client *c, const struct client_call *call)
{
	bool helper = pthread_equal(pthread_self(), c->k->helper);
	u64 deadline = lib_deadline(c->k->timeout_ms);

	if (helper && c->state == CLIENT_REJOINING)
		return true;
	while (!helper && !call->generation && c->state != CLIENT_UP)
		if (!lib_wait(c->k, deadline))
			break;
	if (call->handle && !*call->handle)
		return false;
	return c->state == CLIENT_UP && (!call->generation || call->generation == c->generation);
}

/*
 * Asks, and waits for the answer. No lock is held. 0 or an error of the node's, whose
 * sentence is in call->body; after either client_call_end() is due.
 */
int client_call(struct client *c, struct client_call *call, struct kvec *req, unsigned int n,
		unsigned int timeout_ms)
{
	struct kecho *k = c->k;
	__le32 handle;
	int err;

	pthread_mutex_lock(&k->lock);
	if (!await_node(c, call)) {
		pthread_mutex_unlock(&k->lock);
		return call->result = -ENOTCONN;
	}
	if (call->handle) {
		handle = cpu_to_le32(*call->handle);
		memcpy((u8 *)req[0].iov_base + call->handle_at, &handle, sizeof(handle));
	}
	call->generation = c->generation;
	call->serial = ++c->serial ?: ++c->serial;
	list_add_tail(&call->list, &c->calls);
	pthread_mutex_unlock(&k->lock);
	err = send_call(c, call, req, n);
	pthread_mutex_lock(&k->lock);
	if (!err)
		await(c, call, lib_deadline(timeout_ms + CALL_MS));
	else if (!call->done)
		finish(c, call, err == -EPIPE || err == -ECONNRESET ? -ENOTCONN : err);
	pthread_mutex_unlock(&k->lock);
	return call->result;
}

void client_call_end(struct client_call *call)
{
	while (call->nfds)
		if (call->fd[--call->nfds] >= 0)
			close(call->fd[call->nfds]);
	free(call->body);
	call->body = NULL;
}

/* The @i-th descriptor, there or not, is the caller's now. */
int client_take_fd(struct client_call *call, unsigned int i)
{
	int fd = i < call->nfds ? call->fd[i] : -1;

	call->fd[i] = -1;
	return fd;
}

/* What came of @call: its struct into @arg; an error with the node's sentence, or ours. */
int client_asked(struct client_call *call, void *arg, size_t size, const char *what,
		 const char *name)
{
	if (call->result >= 0 && call->len < size)
		return call->result = lib_fail(-EPROTO, "%s%s: kechod's answer", what, name);
	if (call->result >= 0) {
		memcpy(arg, call->body, size);
		return 0;
	}
	if (call->result == -ENOTCONN && !call->body)
		return lib_fail(-ENOTCONN, "%s%s: kechod is gone", what, name);
	if (call->body && call->len)
		return lib_fail_as(call->result, (const char *)call->body);
	return lib_fail(call->result, "%s%s", what, name);
}

/* A request of one struct, which the answer's replaces. */
int client_ask(struct client *c, u32 cmd, const u32 *handle, void *arg, size_t size,
	       unsigned int timeout_ms, const char *what, const char *name)
{
	struct client_call call = { .cmd = cmd, .handle = handle };
	struct kvec req = { arg, size };
	int err;

	client_call(c, &call, &req, 1, timeout_ms);
	err = client_asked(&call, arg, size, what, name);
	client_call_end(&call);
	return err;
}
