// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Dialling other nodes.
 *
 * A dial on which no hello has come is made again after KN_DIAL_AGAIN_MS, while the first
 * goes on: TCP itself asks again after seconds only. The first hello ends the others. Core
 * sees one dial, and hears of the failure of the last.
 */
#include <linux/net.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "kn.h"

enum { DIALS_MAX = 256 };	/* under way at a time */

static struct ke_peer *peer_of(struct kn_conn *c)
{
	return ke_peer_find(&c->kn->node, &c->target);
}

/* Of those under way to @id the one that was made last; NULL: there is none. */
static struct kn_conn *newest(struct kn *kn, const struct ke_id *id)
{
	struct kn_conn *c, *found = NULL;

	list_for_each_entry(c, &kn->conns, list)
		if (!c->closing && (c->connecting || (c->open && c->link.dialled)) &&
		    !c->link.peer && !ke_id_cmp(&c->target, id))
			found = c;
	return found;
}

void kn_dial_failed(struct kn_conn *c, int err)
{
	struct ke_peer *p = peer_of(c);

	kn_conn_close(c);
	if (!p || p->link)
		return;
	p->error = err;
	if (p->dialling && !newest(c->kn, &c->target))
		ke_peer_refused(p, err == -ECONNREFUSED);
}

/* Not even begun: @p is to be dialled again, later. */
static void not_dialled(struct kn *kn, struct ke_peer *p, int err)
{
	p->error = err;
	p->redial_ms = kn_now_ms() + KE_REDIAL_MAX_MS;
	p->dialling = newest(kn, &p->contact.node);
}

/* Whoever is believed may name nodes that are nowhere, and many. */
static bool too_many(const struct kn *kn)
{
	const struct kn_conn *c;
	u32 n = 0;

	list_for_each_entry(c, &kn->conns, list)
		n += c->connecting && !c->closing;
	return n >= DIALS_MAX;
}

void kn_dial(struct kn *kn, struct ke_peer *p)
{
	struct sockaddr_storage a;
	struct socket *sock;
	struct kn_conn *c;
	int err;

	err = kn->stopping ? -ESHUTDOWN : too_many(kn) ? -EAGAIN : 0;
	err = err ?: kn_socket(kn, p->contact.address, &a, &sock);
	if (err) {
		not_dialled(kn, p, err);
		return;
	}
	c = kn_conn_new(kn, sock);
	if (!c) {
		not_dialled(kn, p, -ENOMEM);
		return;
	}
	c->target = p->contact.node;
	c->connecting = true;
	err = kernel_connect(sock, (struct sockaddr *)&a, sizeof(a), O_NONBLOCK);
	c->dial_err = err == -EINPROGRESS ? 0 : err;
	/* The rest happens in its work: nobody's lists change under a caller here. */
	queue_work(kn_wq, &c->receive);
}

/* Is it connected, or will it never be? */
void kn_dial_done(struct kn_conn *c)
{
	struct sock *sk = c->sock->sk;
	int err = c->dial_err;

	if (!err && sk->sk_state == TCP_SYN_SENT)
		return;
	if (!err && sk->sk_state != TCP_ESTABLISHED)
		err = sock_error(sk) ?: -ECONNREFUSED;
	err = err ?: kn_conn_establish(c, true);
	if (err)
		kn_dial_failed(c, err);
}

static void too_late(struct kn_conn *c)
{
	if (c->open)
		kn_conn_hangup(c);
	else
		kn_dial_failed(c, -ETIMEDOUT);
}

/* No hello has come over @c yet: is it still of use, and is it time for another one? */
static void look_at(struct kn_conn *c)
{
	struct ke_peer *p = peer_of(c);
	/* By the clock as it is now: who was dialled since the list was begun is on it, too. */
	u64 age_ms = kn_now_ms() + KN_SETUP_MS - c->setup_ms;

	if (c->connecting && (!p || p->link)) {
		kn_conn_close(c);
	} else if (p && !p->link && !p->refused && age_ms >= KN_DIAL_AGAIN_MS &&
		   newest(c->kn, &c->target) == c) {
		p->error = p->error ?: -ETIMEDOUT;
		kn_dial(c->kn, p);
	}
}

bool kn_dials_run(struct kn *kn)
{
	u64 now = kn_now_ms();
	struct kn_conn *c;
	bool any = false;

	list_for_each_entry(c, &kn->conns, list) {
		if (c->closing || (c->open && c->link.peer))
			continue;
		any = true;
		if (now >= c->setup_ms)
			too_late(c);
		else if (c->connecting || c->link.dialled)
			look_at(c);
	}
	return any;
}
