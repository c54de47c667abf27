// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where other nodes reach this one: a socket that listens, if the namespace's settings say
 * where.
 */
#include <linux/inet.h>
#include <linux/memcontrol.h>
#include <linux/net.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "kn.h"

/* "ADDR:PORT", an IPv6 ADDR in brackets. */
int kn_address_parse(struct net *net, const char *s, struct sockaddr_storage *a)
{
	char addr[KE_ADDRESS_MAX + 1], *colon;
	size_t len = strscpy(addr, s, sizeof(addr));

	colon = strrchr(addr, ':');
	if (!colon || len >= sizeof(addr))
		return -EINVAL;
	*colon = 0;
	if (addr[0] != '[')
		return inet_pton_with_scope(net, AF_INET, addr, colon + 1, a);
	if (colon[-1] != ']')
		return -EINVAL;
	colon[-1] = 0;
	return inet_pton_with_scope(net, AF_INET6, addr + 1, colon + 1, a);
}

/* It is the node's, whichever process it is made for: what goes over it is no matter of that one's
 * control group. */
static void charge_to_none(struct sock *sk)
{
#ifdef CONFIG_MEMCG
	mem_cgroup_put(sk->sk_memcg);
	sk->sk_memcg = NULL;
#endif
}

/*
 * Not a kernel socket, which would not keep its namespace: what was said last is still on its
 * way when the node has gone, and then its namespace may go. Those that it accepts are the
 * same.
 */
int kn_socket(struct kn *kn, const char *s, struct sockaddr_storage *a, struct socket **sock)
{
	int err = kn_address_parse(kn->net, s, a);

	err = err ?: __sock_create(kn->net, a->ss_family, SOCK_STREAM, IPPROTO_TCP, sock, 0);
	if (!err)
		charge_to_none((*sock)->sk);
	return err;
}

/* kn.lock is held. */
static bool too_many(struct kn *kn)
{
	unsigned int strangers = 0;
	struct kn_conn *c;

	list_for_each_entry(c, &kn->conns, list)
		strangers += !c->closing && !c->link.peer;
	return strangers >= KN_STRANGERS_MAX;
}

static void accepted(struct kn *kn, struct socket *sock)
{
	struct kn_conn *c;

	sock->sk->sk_data_ready = kn->listener_was_ready;
	if (too_many(kn)) {
		sock_release(sock);
		return;
	}
	c = kn_conn_new(kn, sock);
	if (c && kn_conn_establish(c, false))
		kn_conn_close(c);
}

static void accept_all(struct work_struct *work)
{
	struct kn *kn = container_of(to_delayed_work(work), struct kn, accept);
	struct socket *sock;
	int err;

	while (!(err = kernel_accept(kn->listener, &sock, O_NONBLOCK))) {
		kn_lock(kn);
		accepted(kn, sock);
		kn_unlock(kn);
	}
	if (err != -EAGAIN)	/* somebody is there still */
		queue_delayed_work(kn_wq, &kn->accept, msecs_to_jiffies(KE_REDIAL_MIN_MS));
}

/* A connection begins with its listener's callbacks, which are nothing to it. */
static void listener_ready(struct sock *sk)
{
	struct kn *kn;

	read_lock_bh(&sk->sk_callback_lock);
	kn = sk->sk_state == TCP_LISTEN ? sk->sk_user_data : NULL;
	if (kn)
		mod_delayed_work(kn_wq, &kn->accept, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

static int listen_at(struct kn *kn, struct socket *sock, struct sockaddr_storage *a)
{
	struct sock *sk = sock->sk;
	int err;

	write_lock_bh(&sk->sk_callback_lock);
	kn->listener_was_ready = sk->sk_data_ready;
	sk->sk_user_data = kn;
	sk->sk_data_ready = listener_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	sock_set_reuseaddr(sk);
	err = kernel_bind(sock, (struct sockaddr *)a, sizeof(*a));
	err = err ?: kernel_listen(sock, KN_BACKLOG);
	return err ?: min(kernel_getsockname(sock, (struct sockaddr *)a), 0);
}

void kn_unlisten(struct kn *kn)
{
	struct sock *sk;

	if (!kn->listener)
		return;
	sk = kn->listener->sk;
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = kn->listener_was_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	cancel_delayed_work_sync(&kn->accept);
	sock_release(kn->listener);
	kn->listener = NULL;
}

/* Others reach the node where it listens; nowhere, if that isn't said. */
int kn_listen(struct kn *kn, const char *address, char *told, size_t size)
{
	struct sockaddr_storage a;
	struct socket *sock;
	int err;

	err = kn_socket(kn, address, &a, &sock);
	if (err)
		return err;
	kn->listener = sock;
	err = listen_at(kn, sock, &a);
	if (err) {
		kn_unlisten(kn);
		return err;
	}
	scnprintf(told, size, "%pISpc", &a);
	return 0;
}

void kn_listen_init(struct kn *kn)
{
	INIT_DELAYED_WORK(&kn->accept, accept_all);
}
