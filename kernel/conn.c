// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Connections: a kernel socket over TCP with a link on it.
 *
 *	connecting -> up -> closing -> (its works have ended) freed
 *	     accepted -^
 *
 * Data is taken where it comes, in softirq, straight into the mirrors, by the socket's callback
 * and under its lock; those who sleep until something is published are woken there. It stops at
 * what is for control, an ACK that is due among it, and where somebody is in control: all from
 * there on is left in the socket, in order, for a work that receives with kn.lock, as core wants
 * it. Where it stopped in the midst of a frame core knows, and either goes on there.
 *
 * The other work of a connection alone sends: what core has to say is copied out of control and
 * logs first, so that no log is pinned while a socket takes its time; and it is never
 * interrupted in a frame, whoever submitted and may be killed.
 */
#include <linux/net.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "kn.h"
#include "trace.h"

enum {
	OUT_SIZE = 128 << 10,	/* bytes that were taken from core and are being sent */
	READS_MAX = 16,		/* in a row from one connection */
	DATA_MAX = 256 << 10,	/* bytes, about, that one softirq takes from one connection */
};

/* ------------------------------------------------------------------- sending */

/* Bytes of what core wants to send, into c->out. */
static u32 take(struct kn_conn *c)
{
	struct kvec v[KE_TX_VECS];
	u32 n, i, len, have = 0;

	mutex_lock(&c->tx);
	n = ke_link_tx(&c->link, v);
	for (i = 0; i < n && have < OUT_SIZE; i++) {
		len = min_t(size_t, v[i].iov_len, OUT_SIZE - have);
		memcpy(c->out + have, v[i].iov_base, len);
		have += len;
	}
	ke_link_tx_done(&c->link, have);
	mutex_unlock(&c->tx);
	return have;
}

/* Attributes that have changed go along; who has the lock may be changing more. */
static void carry(struct kn_conn *c)
{
	if (!ke_link_untold(&c->link) || !kn_trylock(c->kn))
		return;
	if (!c->closing)
		ke_link_tell(&c->link);
	kn_unlock(c->kn);
}

/* One call of the socket: bytes, 0 if there is nothing to send, -EAGAIN if it is full. */
static int send_some(struct kn_conn *c)
{
	struct msghdr m = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec v;
	int n;

	if (c->out_at == c->out_len) {
		c->out_at = 0;
		c->out_len = take(c);
	}
	v = (struct kvec){ c->out + c->out_at, c->out_len - c->out_at };
	if (!v.iov_len)
		return 0;
	n = kernel_sendmsg(c->sock, &m, &v, 1, v.iov_len);
	if (n > 0)
		c->out_at += n;
	return n;
}

/* The socket queues this again when it has room. */
static void send_work(struct work_struct *work)
{
	struct kn_conn *c = container_of(work, struct kn_conn, send);
	int n;

	carry(c);
	do {
		n = send_some(c);
	} while (n > 0 && !READ_ONCE(c->closing));
	if (n < 0 && n != -EAGAIN)
		WRITE_ONCE(c->link.broken, true);
	if (READ_ONCE(c->link.broken))
		queue_work(kn_wq, &c->receive);
}

void kn_conn_kick(struct kn_conn *c)
{
	queue_work(kn_wq, &c->send);
}

/* ----------------------------------------------------------------- receiving */

static int receive_some(struct kn_conn *c)
{
	struct msghdr m = { .msg_flags = MSG_DONTWAIT };
	struct kvec v[KE_RX_VECS];
	size_t size = 0;
	u32 n, i;
	int got;

	n = ke_link_rx(&c->link, v);
	for (i = 0; i < n; i++)
		size += v[i].iov_len;
	got = kernel_recvmsg(c->sock, &m, v, n, size, MSG_DONTWAIT);
	if (got <= 0)
		return got ?: -ECONNRESET;
	return ke_link_rx_done(&c->link, got) ?: got;
}

/* True: there may be more. kn.lock is held. */
static bool receive(struct kn_conn *c)
{
	bool greeted = c->link.peer;
	int i, n = 1;

	if (ke_link_rx_due(&c->link))
		n = ke_link_rx_done(&c->link, 0) ?: 1;
	for (i = 0; i < READS_MAX && n > 0 && !c->closing; i++)
		n = READ_ONCE(c->link.broken) ? -ECONNRESET : receive_some(c);
	if (!greeted && c->link.peer)
		trace_kecho_link_up(c->link.peer->name, c->link.peer->contact.address,
				    c->link.dialled);
	if (n < 0 && n != -EAGAIN)
		kn_conn_hangup(c);
	return n > 0;
}

static void receive_work(struct work_struct *work)
{
	struct kn_conn *c = container_of(work, struct kn_conn, receive);
	bool more = false;

	kn_lock(c->kn);
	if (c->connecting && !c->closing)
		kn_dial_done(c);
	if (c->open && !c->closing)
		more = receive(c);
	kn_unlock(c->kn);
	if (more)
		queue_work(kn_wq, &c->receive);
}

/* ------------------------------------------------------------ data, as it comes */

/* Of @len bytes those that are data, or the beginning of a header: how many. */
static int take_data(read_descriptor_t *desc, struct sk_buff *skb, unsigned int offset, size_t len)
{
	struct kn_conn *c = desc->arg.data;
	size_t at = 0, n;
	struct kvec v;
	int err = 0;

	while (at < len && desc->count && !err) {
		v = ke_link_rx_data(&c->link);
		n = min(v.iov_len, len - at);
		if (!n)
			break;
		err = skb_copy_bits(skb, offset + at, v.iov_base, n);
		err = err ?: ke_link_rx_data_done(&c->link, n);
		at += n;
		desc->count -= min(n, desc->count);
	}
	if (err)
		WRITE_ONCE(c->link.broken, true);
	return at;
}

/* False: there may be something for the work. The socket is locked. */
static bool receive_data(struct kn_conn *c, struct sock *sk)
{
	read_descriptor_t desc = { .arg.data = c, .count = DATA_MAX };
	bool all = false;

	if (!kn_data_begin(c->kn))
		return false;
	if (c->open && !c->closing) {
		tcp_read_sock(sk, &desc, take_data);
		all = !ke_link_rx_due(&c->link) && skb_queue_empty(&sk->sk_receive_queue);
	}
	kn_data_end(c->kn);
	return all;
}

/* ----------------------------------------------------------------- callbacks */

static void data_ready(struct sock *sk)
{
	struct kn_conn *c;

	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c && !receive_data(c, sk))
		queue_work(kn_wq, &c->receive);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void state_changed(struct sock *sk)
{
	struct kn_conn *c;

	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c)
		queue_work(kn_wq, &c->receive);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void write_space(struct sock *sk)
{
	struct kn_conn *c;

	read_lock_bh(&sk->sk_callback_lock);
	c = sk->sk_user_data;
	if (c && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		queue_work(kn_wq, &c->send);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void set_callbacks(struct kn_conn *c)
{
	struct sock *sk = c->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	c->was_ready = sk->sk_data_ready;
	c->was_changed = sk->sk_state_change;
	c->was_writable = sk->sk_write_space;
	sk->sk_user_data = c;
	sk->sk_data_ready = data_ready;
	sk->sk_state_change = state_changed;
	sk->sk_write_space = write_space;
	write_unlock_bh(&sk->sk_callback_lock);
}

/* TCP may go on for a while when we and the module have gone. */
static void clear_callbacks(struct kn_conn *c)
{
	struct sock *sk = c->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = c->was_ready;
	sk->sk_state_change = c->was_changed;
	sk->sk_write_space = c->was_writable;
	write_unlock_bh(&sk->sk_callback_lock);
}

/* --------------------------------------------------------------- coming, going */

/* @sock is the connection's, also if there is no memory for one: NULL. kn.lock is held. Who
 * says no hello is looked at when it ticks. */
struct kn_conn *kn_conn_new(struct kn *kn, struct socket *sock)
{
	struct kn_conn *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c) {
		sock_release(sock);
		return NULL;
	}
	c->kn = kn;
	c->sock = sock;
	c->setup_ms = kn_now_ms() + KN_SETUP_MS;
	mutex_init(&c->tx);
	INIT_WORK(&c->send, send_work);
	INIT_WORK(&c->receive, receive_work);
	list_add_tail(&c->list, &kn->conns);
	tcp_sock_set_nodelay(sock->sk);
	set_callbacks(c);
	queue_delayed_work(kn_wq, &kn->tick, msecs_to_jiffies(KE_REDIAL_MAX_MS));
	kn_made(KN_CONN);
	return c;
}

int kn_conn_establish(struct kn_conn *c, bool dialled)
{
	int err;

	c->connecting = false;
	c->out = kvmalloc(OUT_SIZE, GFP_KERNEL);
	if (!c->out)
		return -ENOMEM;
	err = ke_link_init(&c->link, &c->kn->node, c, false, dialled);
	if (err)
		return err;
	c->open = true;
	kn_conn_kick(c);
	/* What came before the callbacks were there. */
	queue_work(kn_wq, &c->receive);
	return 0;
}

void kn_conn_close(struct kn_conn *c)
{
	if (c->closing)
		return;
	WRITE_ONCE(c->closing, true);
	if (c->open && c->link.peer)
		trace_kecho_link_down(c->link.peer->name, c->link.peer->contact.address,
				      c->link.dialled);
	queue_work(kn_wq, &c->kn->reap);
}

void kn_conn_hangup(struct kn_conn *c)
{
	bool greeted = c->link.peer;

	if (c->closing)
		return;
	kn_conn_close(c);
	if (c->open)
		ke_link_lost(&c->link);
	/* Dialled, and no hello came: it is to be dialled again. */
	if (c->open && c->link.dialled && !greeted)
		kn_dial_failed(c, -ECONNRESET);
}

/* Of one that answers: what was said last goes out, as far as the socket takes it. */
static void say_last(struct kn_conn *c)
{
	if (kn_now_ms() - c->link.heard_ms >= KE_LINK_SILENT_MS)
		sock_no_linger(c->sock->sk);
	else
		while (send_some(c) > 0)
			;
}

/* Nobody finds it any more; its works want the lock, which isn't held. */
static void free_conn(struct kn_conn *c)
{
	clear_callbacks(c);
	cancel_work_sync(&c->send);
	cancel_work_sync(&c->receive);
	if (c->open)
		say_last(c);
	kernel_sock_shutdown(c->sock, SHUT_RDWR);
	sock_release(c->sock);
	if (c->open)
		ke_link_fini(&c->link);
	kvfree(c->out);
	kfree(c);
	kn_gone(KN_CONN);
}

void kn_conns_reap(struct work_struct *work)
{
	struct kn *kn = container_of(work, struct kn, reap);
	struct kn_conn *c, *next;
	LIST_HEAD(gone);

	kn_lock(kn);
	list_for_each_entry_safe(c, next, &kn->conns, list) {
		if (!c->closing)
			continue;
		if (c->open)
			ke_link_lost(&c->link);
		list_move(&c->list, &gone);
	}
	kn_unlock(kn);
	list_for_each_entry_safe(c, next, &gone, list)
		free_conn(c);
}
