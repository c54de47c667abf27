// SPDX-License-Identifier: MIT
/*
 * Sleeping in the receive itself.
 *
 * A thread that waits for several things does so in epoll and makes two system calls for
 * an event, one to wait and one to receive. Where nothing can come but from one
 * connection, one is enough.
 */
#include "internal.h"

#include <sys/syscall.h>

/*
 * The one connection that anything can come from, or NULL: the only one, to another
 * host, of a process that has no source, so that it is not needed for sending either.
 */
static struct conn *only_conn(struct kecho *k)
{
	struct conn *only = NULL, *c;
	struct kecho_channel *ch;

	/* Nothing comes when a source falls silent. */
	if (k->look_ms)
		return NULL;
	list_for_each_entry(ch, &k->channels, list)
		if (!list_empty(&ch->sources))
			return NULL;
	list_for_each_entry(c, &k->conns, list) {
		if (c->closing)
			continue;
		if (only || !c->open || c->link.local || !c->link.peer || atomic_load(&c->blocked))
			return NULL;
		only = c;
	}
	return only;
}

/*
 * Who waits without a limit may sleep in the receive of that connection, where an event
 * costs one system call instead of two. Until direct_done() nobody else receives from
 * it, and its memory stays. NULL: there is none.
 */
struct conn *direct_claim(struct kecho *k, struct kvec *into)
{
	struct kvec v[KE_RX_VECS];
	struct conn *c;

	pthread_mutex_lock(&k->lock);
	c = only_conn(k);
	/* Not into a mirror, which may go away. */
	if (c && !c->link.data_left && ke_link_rx(&c->link, v) == 1) {
		*into = v[0];
		c->receiving = true;
		k->direct = c;
	} else {
		c = NULL;
	}
	pthread_mutex_unlock(&k->lock);
	return c;
}

ssize_t direct_sleep(struct conn *c, const struct kvec *into)
{
	return syscall(SYS_recvfrom, c->fd, into->iov_base, into->iov_len, 0, NULL, NULL);
}

/* The kecho lock is held. @n, and @err if it is negative: of direct_sleep(). */
void direct_done(struct conn *c, ssize_t n, int err)
{
	u64 one = 1;

	c->receiving = false;
	c->k->direct = NULL;
	if (!c->closing)
		conn_received(c, n, err);
	else if (write(c->k->wake, &one, sizeof(one)) < 0)	/* the helper frees it now */
		return;
}

/*
 * Whoever sleeps there is to look around. There is nothing but the socket that could wake
 * it: the other end answers. One that doesn't is hung up on in 1.5 s, which does too.
 */
void direct_interrupt(struct conn *c)
{
	ke_link_send(&c->link, KECHO_FRAME_PING, 0, 1, NULL, 0);
}
