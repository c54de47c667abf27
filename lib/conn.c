// SPDX-License-Identifier: MIT
/*
 * Connections: Unix sockets to the nodes of this host, TCP to those of others.
 *
 * A Unix socket's name is abstract and made of the user and the node's id, so that
 * nothing is left behind by a process that is killed, and both ends check the
 * other's user. The peer's death shows by the socket and, since a child may hold
 * that open, by a pidfd.
 */
#include "internal.h"
#include "probe.h"

#include "address.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/syscall.h>

int conn_watch(int ep, int fd, u32 events, void *what)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

struct conn *conn_new(struct kecho *k, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->k = k;
	c->fd = fd;
	c->pidfd = c->bell = -1;
	c->setup_ms = lib_deadline(SETUP_MS);
	INIT_LIST_HEAD(&c->outgoing);
	list_add_tail(&c->list, &k->conns);
	return c;
}

/* The process at the other end, which must be of our user. */
static int check_user(struct conn *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (cred.uid != geteuid())
		return -EACCES;
	c->pidfd = syscall(SYS_pidfd_open, cred.pid, 0);
	return 0;
}

/* The connection stands: a link over it. */
int conn_establish(struct conn *c, bool local, bool dialled)
{
	struct kecho *k = c->k;
	int one = 1, err;

	c->connecting = false;
	if (local) {
		err = check_user(c);
		if (err)
			return err;
		strscpy(c->address, "unix", sizeof(c->address));
	} else {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		/* From now on each call says itself whether it may sleep. */
		fcntl(c->fd, F_SETFL, 0);
		listen_learn(k, c->fd);
	}
	err = ke_link_init(&c->link, &k->node, c, local, dialled);
	if (err)
		return err;
	c->open = true;
	if (!local)
		atomic_fetch_add(&k->ntcp, 1);
	err = conn_watch(local ? k->ep : k->io, c->fd, EPOLLIN, c);
	if (!err && c->pidfd >= 0)
		err = conn_watch(k->ep, c->pidfd, EPOLLIN, c);
	if (!err && local)
		share_gates(c);
	conn_kick(c);
	wait_wake(k);	/* a leader may be needed now */
	return err;
}

void conn_accept(struct kecho *k, int listener)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	struct conn *c;
	int fd = accept4(listener, (void *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c = conn_new(k, fd);
	if (!c)
		return;
	if (listener != k->unix_fd)
		address_print(&a, c->address, sizeof(c->address));
	if (conn_establish(c, listener == k->unix_fd, false))
		c->closing = true;
}

/* ------------------------------------------------------------------- sending */

static void want_output(struct conn *c, bool want)
{
	struct epoll_event ev = { .events = want ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (c->want_out == want)
		return;
	c->want_out = want;
	epoll_ctl(c->link.local ? c->k->ep : c->k->io, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Descriptors travel with the byte that they were queued at. */
static size_t attach_fds(struct conn *c, struct msghdr *m, char *buf, struct kvec *v)
{
	struct outgoing *o = list_first_entry_or_null(&c->outgoing, struct outgoing, list);
	struct cmsghdr *h;

	if (!o)
		return v->iov_len;
	if (o->at > c->sent)
		return min_t(u64, v->iov_len, o->at - c->sent);
	m->msg_control = buf;
	m->msg_controllen = CMSG_SPACE(o->n * sizeof(int));
	h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(o->n * sizeof(int));
	memcpy(CMSG_DATA(h), o->fd, o->n * sizeof(int));
	/* Only the first byte: so the next one's descriptors can't come too early. */
	return 1;
}

static void fds_sent(struct conn *c)
{
	struct outgoing *o = list_first_entry(&c->outgoing, struct outgoing, list);
	unsigned int i;

	for (i = 0; i < o->n; i++)
		close(o->fd[i]);
	list_del(&o->list);
	free(o);
}

static ssize_t send_some(struct conn *c)
{
	char control[CMSG_SPACE(FDS_PER_SHARE * sizeof(int))];
	struct kvec v[KE_TX_VECS];
	struct msghdr m = { .msg_iov = (void *)v };
	/* Else the kernel makes packets of up to 64 KiB of it, and has two of them queued. */
	int eor = c->unsent && c->pace < KE_PIECE_MAX ? MSG_EOR : 0;
	ssize_t n;

	m.msg_iovlen = ke_link_tx(&c->link, v);
	if (!m.msg_iovlen) {
		ke_link_tx_done(&c->link, 0);
		return 0;
	}
	if (c->link.local && !list_empty(&c->outgoing)) {
		v[0].iov_len = attach_fds(c, &m, control, v);
		m.msg_iovlen = 1;
	}
	do {
		n = syscall(SYS_sendmsg, c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | eor);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	ke_link_tx_done(&c->link, n > 0 ? n : 0);
	if (n > 0 && m.msg_control)
		fds_sent(c);
	if (n > 0)
		c->sent += n;
	return n;
}

/* How fast is it, as TCP has seen? */
static void look_at_pace(struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (likely(c->sent < c->pace_at))
		return;
	c->pace_at = c->sent + PACE_BYTES;
	getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	c->pace = min_t(u64, info.tcpi_delivery_rate / 1000, U32_MAX);
	ke_link_pace(&c->link, c->pace);
}

/*
 * What is in the kernel can't be overtaken any more. So where something may come that goes
 * before what the socket takes, that takes little. The tx lock is held.
 */
static void bound_queue(struct conn *c)
{
	int bytes = 0;

	if (unlikely(!c->link.local && ke_link_mixed(&c->link))) {
		look_at_pace(c);
		bytes = clamp_t(u32, c->pace, UNSENT_MIN, UNSENT_MAX);
	}
	if (likely((u32)bytes == c->unsent))
		return;
	c->unsent = bytes;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

/* The tx lock is held. */
void conn_flush(struct conn *c)
{
	ssize_t n;

	do {
		bound_queue(c);
		n = send_some(c);
	} while (n > 0 && ke_link_pending(&c->link));
	if (n == -EAGAIN) {
		atomic_store(&c->blocked, true);
		want_output(c, true);
	} else if (n == -EPIPE || n == -ECONNRESET) {
		/* It has gone. What it said before is to be read first, then its end. */
		atomic_store(&c->blocked, true);
	} else if (n < 0) {
		WRITE_ONCE(c->link.broken, true);
	} else if (atomic_load(&c->blocked)) {
		atomic_store(&c->blocked, false);
		want_output(c, false);
	}
}

/* Attributes that have changed go along, unless another thread has the kecho lock: they
 * are not late yet. */
static void carry(struct conn *c)
{
	if (likely(!ke_link_untold(&c->link)) || pthread_mutex_trylock(&c->k->lock))
		return;
	ke_link_tell(&c->link);
	pthread_mutex_unlock(&c->k->lock);
}

/* Whoever has the lock may have looked already for what to send; he looks here when he has let
 * go of it. */
static bool take_tx(struct conn *c)
{
	if (!lib_trylock(&c->tx)) {
		atomic_store(&c->kicked, true);
		atomic_thread_fence(memory_order_seq_cst);
		if (!lib_trylock(&c->tx))
			return false;
	}
	/* An exchange, so that what was published by who has set it is seen. */
	if (unlikely(atomic_load_explicit(&c->kicked, memory_order_relaxed)))
		atomic_exchange(&c->kicked, false);
	return true;
}

/* There is something to send; from any thread that keeps the link alive. */
void conn_kick(struct conn *c)
{
	bool more;

	carry(c);
	do {
		if (atomic_load(&c->blocked) || !c->open || !take_tx(c))
			return;
		conn_flush(c);
		more = !atomic_load(&c->blocked) && !READ_ONCE(c->link.broken) &&
		       ke_link_pending(&c->link);
		lib_unlock(&c->tx);
	} while (more || unlikely(atomic_load(&c->kicked)));
}

/* ----------------------------------------------------------------- receiving */

static void keep_fds(struct conn *c, struct msghdr *m)
{
	struct cmsghdr *h;
	unsigned int i, n;
	int fd;

	for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (c->nfds < FDS_QUEUED_MAX) {
				c->fds[c->nfds++] = fd;
			} else {
				close(fd);
				WRITE_ONCE(c->link.broken, true);
			}
		}
	}
}

static ssize_t receive_with_fds(struct conn *c, struct msghdr *m)
{
	char control[CMSG_SPACE(FDS_QUEUED_MAX * sizeof(int))];
	ssize_t n;

	m->msg_control = control;
	m->msg_controllen = sizeof(control);
	n = recvmsg(c->fd, m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n >= 0)
		keep_fds(c, m);
	return n;
}

/*
 * The data plane's system calls are made without the C library's wrappers: those are
 * cancellation points, and a thread that ended here would leave its locks taken.
 */
static ssize_t receive_some(struct conn *c)
{
	struct kvec v[KE_RX_VECS];
	struct msghdr m = { .msg_iov = (void *)v };

	m.msg_iovlen = ke_link_rx(&c->link, v);
	if (c->link.local)
		return receive_with_fds(c, &m);
	if (m.msg_iovlen == 1)
		return syscall(SYS_recvfrom, c->fd, v[0].iov_base, v[0].iov_len, MSG_DONTWAIT,
			       NULL, NULL);
	return syscall(SYS_recvmsg, c->fd, &m, MSG_DONTWAIT);
}

/* If the hello came it is known whose link this is. */
static void note_greeting(struct conn *c)
{
	const struct ke_peer *p = c->link.peer;

	if (!p || c->closing)
		return;
	memcpy(&c->greeted, p->contact.node.b, sizeof(c->greeted));
	PROBE(link_up, c->greeted, p->name);
}

static void note_end(struct conn *c)
{
	if (c->greeted)
		PROBE(link_down, c->greeted);
	c->greeted = 0;
}

/* What a receive gave, or -1 and @err, goes to the link. */
static ssize_t received(struct conn *c, ssize_t n, int err)
{
	int bad;

	if (n < 0)
		return err == EINTR ? -EAGAIN : -err;
	if (!n)
		return -ECONNRESET;
	bad = ke_link_rx_done(&c->link, n);
	if (unlikely(!c->greeted))
		note_greeting(c);
	return bad ?: n;
}

static ssize_t receive(struct conn *c)
{
	ssize_t n = receive_some(c);

	return received(c, n, errno);
}

enum { READS_MAX = 8 };	/* in a row from one connection: others have a turn too */

/* After a receive that gave @n. A short one has emptied the socket. */
static void receive_rest(struct conn *c, ssize_t n)
{
	int i;

	for (i = 1; i < READS_MAX && n > 0 && !c->closing; i++) {
		if (n < KE_RX_AHEAD && !c->link.data_left)
			break;
		n = receive(c);
	}
	if ((n < 0 && n != -EAGAIN) || READ_ONCE(c->link.broken))
		conn_hangup(c);
}

/* The kecho lock is held. What direct.c's receive gave; -1: @err. */
void conn_received(struct conn *c, ssize_t n, int err)
{
	receive_rest(c, received(c, n, err));
}

/* The kecho lock is held. */
void conn_input(struct conn *c, u32 events)
{
	if (c->closing)
		return;
	if (c->connecting) {
		dial_done(c);
		return;
	}
	if (events & EPOLLOUT) {
		lib_lock(&c->tx);
		conn_flush(c);
		lib_unlock(&c->tx);
		conn_kick(c);
	}
	if (!c->receiving && !c->closing)
		receive_rest(c, receive(c));
}

/* Nobody answers: the kernel need not keep and repeat for minutes what was sent. */
static void forget_unsent(struct conn *c)
{
	struct linger none = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* It is over: nobody polls it any more, and the helper will free it. */
void conn_close(struct conn *c)
{
	u64 one = 1;

	if (c->closing)
		return;
	c->closing = true;
	note_end(c);
	if (c->open)
		epoll_ctl(c->link.local ? c->k->ep : c->k->io, EPOLL_CTL_DEL, c->fd, NULL);
	if (c->pidfd >= 0)
		epoll_ctl(c->k->ep, EPOLL_CTL_DEL, c->pidfd, NULL);
	if (c->link.peer && !c->link.local &&
	    lib_deadline(0) - c->link.heard_ms >= KE_LINK_SILENT_MS)
		forget_unsent(c);
	if (c->receiving)
		shutdown(c->fd, SHUT_RDWR);
	if (write(c->k->wake, &one, sizeof(one)) < 0)
		WRITE_ONCE(c->link.broken, true);
}

/* A process of this host that exits closes its sockets first: whether it is dead
 * the pidfd says, a moment later. */
static void await_death(struct conn *c)
{
	c->target = c->link.peer->contact.node;
	if (!conn_watch(c->k->ep, c->pidfd, EPOLLIN, c))
		c->dying_ms = lib_deadline(DYING_MS);
}

/* The kecho lock is held. The memory stays until conn_reap(). */
void conn_hangup(struct conn *c)
{
	bool greeted = c->link.peer;

	if (c->closing)
		return;
	conn_close(c);
	if (c->open && c->pidfd >= 0 && c->link.peer)
		await_death(c);
	if (c->open)
		ke_link_lost(&c->link);
	/* Dialled, and no hello came: it is to be dialled again. */
	if (c->link.dialled && !greeted)
		dial_failed(c, -ECONNRESET);
}

void conn_died(struct conn *c)
{
	struct kecho *k = c->k;
	/* Its link may be lost already, see await_death(). */
	bool known = c->link.peer || c->dying_ms;
	struct ke_id id = c->link.peer ? c->link.peer->contact.node : c->target;
	struct ke_peer *p;
	char byte;

	/* What it still had to say is in the socket, all of it, and has an end. A child
	 * of it that keeps the socket open says nothing. */
	while (!c->closing && !c->connecting && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		conn_input(c, EPOLLIN);
	conn_hangup(c);
	p = known ? ke_peer_find(&k->node, &id) : NULL;
	if (p && !p->link)
		ke_peer_dead(p);
}

static void free_conn(struct conn *c)
{
	note_end(c);
	atomic_fetch_add(&c->k->reaped, 1);
	while (!list_empty(&c->outgoing))
		fds_sent(c);
	while (c->nfds)
		close(c->fds[--c->nfds]);
	if (c->open) {
		share_forget(c);
		if (!c->link.local)
			atomic_fetch_sub(&c->k->ntcp, 1);
		/* Whoever was sending on it has let go. */
		lib_lock(&c->tx);
		lib_unlock(&c->tx);
		ke_link_fini(&c->link);
	}
	if (c->gates)
		munmap((void *)c->gates, GATES_MAX * GATE_STRIDE);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->bell >= 0)
		close(c->bell);
	close(c->fd);
	list_del(&c->list);
	free(c);
}

/* Only where no event of an epoll_wait() is still to be looked at. */
void conn_reap(struct kecho *k)
{
	struct conn *c, *next;

	list_for_each_entry_safe(c, next, &k->conns, list) {
		if (!c->closing || c->receiving ||
		    (!k->stop && c->dying_ms > lib_deadline(0)))
			continue;
		if (c->open)
			ke_link_lost(&c->link);
		free_conn(c);
	}
}
