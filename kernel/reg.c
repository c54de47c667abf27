// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The tie to the registry: a client over TCP, which core/registry.h answers at the other end.
 *
 *	down -> connecting -> up -> down (dialled again, KE_REGISTRY_REDIAL_MAX_MS apart)
 *
 * Without a registry's address the node names its channels by itself, and is alone. With one,
 * a channel that was joined is published again whenever the tie is new, when the registry has
 * lost it, and when core asks for it; what the registry answers then is who else is there.
 * Requests are answered in any order, by their numbers; what was not answered is asked again
 * over the next connection, behind all that was joined. All of it is under kn.lock, and none
 * of it sleeps for the network but kn_reg_join(), kn_reg_end() and kn_reg_list().
 */
#include <linux/net.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "kn.h"

enum {
	FRAME_MAX = 512,	/* bytes of a request */
	RX_SIZE = KECHO_FRAME_HEADER_SIZE + KECHO_FRAME_BODY_MAX,
	RETRY_MS = 20,		/* of a name in repair or grace */
};

/* -------------------------------------------------------------------- the socket */

static void disconnect(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	struct kn_request *q, *next;
	struct sock *sk;

	if (!r->sock)
		return;
	sk = r->sock->sk;
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = r->was_ready;
	sk->sk_state_change = r->was_changed;
	write_unlock_bh(&sk->sk_callback_lock);
	sock_release(r->sock);
	r->sock = NULL;
	r->up = false;
	r->rx_len = 0;
	list_del_init(&r->renew.list);
	list_for_each_entry_safe(q, next, &r->requests, list) {
		q->sent = false;
		if (q->repairs)		/* they are all made anew */
			list_del_init(&q->list);
	}
}

static void work_in(struct kn *kn, u32 ms)
{
	mod_delayed_work(kn_wq, &kn->reg.work, msecs_to_jiffies(ms));
}

/* It is dialled again: less and less often, if it has not answered meanwhile. */
static void hang_up(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;

	disconnect(kn);
	work_in(kn, r->pause_ms);
	r->pause_ms = min_t(u32, 2 * r->pause_ms, KE_REGISTRY_REDIAL_MAX_MS);
}

static void sock_event(struct sock *sk)
{
	struct kn *kn;

	read_lock_bh(&sk->sk_callback_lock);
	kn = sk->sk_user_data;
	if (kn)
		work_in(kn, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

static int dial(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	struct sockaddr_storage a;
	struct sock *sk;
	int err;

	err = kn_socket(kn, kn->registry, &a, &r->sock);
	if (err) {
		r->sock = NULL;
		return err;
	}
	sk = r->sock->sk;
	tcp_sock_set_nodelay(sk);
	write_lock_bh(&sk->sk_callback_lock);
	r->was_ready = sk->sk_data_ready;
	r->was_changed = sk->sk_state_change;
	sk->sk_user_data = kn;
	sk->sk_data_ready = sock_event;
	sk->sk_state_change = sock_event;
	write_unlock_bh(&sk->sk_callback_lock);
	err = kernel_connect(r->sock, (struct sockaddr *)&a, sizeof(a), O_NONBLOCK);
	return err == -EINPROGRESS ? 0 : err;
}

static void begin(struct kn *kn)
{
	kn->reg.setup_ms = kn_now_ms() + KN_SETUP_MS;
	work_in(kn, KN_SETUP_MS);	/* at once, when the socket says something */
	if (dial(kn))
		hang_up(kn);
}

/* ------------------------------------------------------------------- requests */

/* It is small, and the socket of one that reads has room: else the tie begins anew. */
static void send(struct kn *kn, struct kn_request *q)
{
	struct msghdr m = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kn_reg *r = &kn->reg;
	struct kecho_frame f = { .type = q->type };
	u8 buf[FRAME_MAX];
	struct ke_out o = { .buf = buf + sizeof(f), .size = sizeof(buf) - sizeof(f) };
	struct kvec v = { .iov_base = buf };

	kn_request_encode(kn, q, &o);
	q->id = ++r->last_id;
	q->sent = true;
	f.len = cpu_to_le32(o.len);
	f.id = cpu_to_le32(q->id);
	memcpy(buf, &f, sizeof(f));
	v.iov_len = sizeof(f) + o.len;
	if (kernel_sendmsg(r->sock, &m, &v, 1, v.iov_len) != v.iov_len)
		hang_up(kn);
}

static struct kn_request *unsent(struct kn_reg *r)
{
	struct kn_request *q;

	list_for_each_entry(q, &r->requests, list)
		if (!q->sent)
			return q;
	return NULL;
}

/* Where one can't be sent the tie is down, and the list is another. */
static void send_all(struct kn *kn)
{
	struct kn_request *q;

	while (kn->reg.up && (q = unsent(&kn->reg)))
		send(kn, q);
}

static void ask(struct kn *kn, struct kn_request *q)
{
	if (!list_empty(&q->list))
		return;
	q->sent = q->done = false;
	list_add_tail(&q->list, &kn->reg.requests);
	send_all(kn);
}

static void publish(struct kn_channel *c)
{
	c->repair_ms = 0;
	c->repair.type = KECHO_FRAME_REG_PUT;
	c->repair.how = KE_REGISTRY_REPAIR;
	c->repair.name = c->ch.name;
	c->repair.uuid = c->ch.uuid;
	c->repair.repairs = c;
	ask(c->kn, &c->repair);
}

static void went_up(struct kn *kn)
{
	struct kn_channel *c;

	kn->reg.up = true;
	kn->reg.renew_ms = kn_now_ms() + KE_RENEW_MS;
	list_for_each_entry(c, &kn->channels, list)
		if (!c->ch.ended)
			publish(c);
	send_all(kn);
}

/* --------------------------------------------------------------------- answers */

static bool linked(const struct kn_channel *c)
{
	const struct kn_request *q = &c->repair;
	unsigned int i;

	for (i = 0; i < q->n; i++)
		if (ke_channel_linked(&c->ch, &q->contacts[i].node))
			return true;
	return false;
}

/* Whose the name is; it may have become free meanwhile, or ours. */
static void looked(struct kn_channel *c)
{
	if (c->look.status != KE_REGISTRY_OK || !ke_id_cmp(&c->look.uuid, &c->ch.uuid))
		return;
	c->unnamed = true;
	ke_channel_other(&c->ch, &c->look.uuid);
}

/* A node that is no contact itself must be linked to one that is, else nobody finds it. */
static void repaired(struct kn_channel *c)
{
	struct kn_request *q = &c->repair;
	unsigned int i;
	int err = 0;

	if (q->status == KE_REGISTRY_ENDED) {
		ke_channel_destroy(&c->ch);
		return;
	}
	if (q->status != KE_REGISTRY_OK) {
		kn_reg_repair(c, KE_LEASE_MS);
		if (q->status == KE_REGISTRY_OTHER)
			ask(c->kn, &c->look);
		return;
	}
	c->unnamed = false;
	for (i = 0; i < q->n; i++)
		err = ke_channel_contact(&c->ch, &q->contacts[i]) ?: err;
	if (err || !(q->contact || linked(c)))
		kn_reg_repair(c, KE_LEASE_MS / 2);
}

/* Another node looks for us: it is to be dialled. */
static void told(struct kn *kn, struct ke_in *in)
{
	char name[KE_NAME_MAX + 1];
	struct kn_channel *c;
	struct ke_contact who;
	struct ke_id uuid;

	ke_get_u8(in);
	ke_get_u8(in);
	ke_get_str(in, name, sizeof(name));
	ke_get_copy(in, &uuid, sizeof(uuid));
	ke_get_contact(in, &who);
	list_for_each_entry(c, &kn->channels, list)
		if (!in->bad && !ke_id_cmp(&c->ch.uuid, &uuid))
			ke_channel_contact(&c->ch, &who);	/* else it asks again */
}

/* Something that was published is gone, or all of it. */
static void renewed(struct kn *kn)
{
	struct kn_channel *c;

	if (kn->reg.renew.status != KE_REGISTRY_NONE)
		return;
	list_for_each_entry(c, &kn->channels, list)
		if (c->repair.contact && !c->ch.ended)
			publish(c);
}

static struct kn_request *asked(struct kn_reg *r, u32 id)
{
	struct kn_request *q;

	list_for_each_entry(q, &r->requests, list)
		if (q->sent && q->id == id)
			return q;
	return NULL;
}

static int answer(struct kn *kn, const struct kecho_frame *f, const u8 *body, u32 len)
{
	struct ke_in in = { .p = body, .end = body + len };
	struct kn_request *q = asked(&kn->reg, le32_to_cpu(f->id));

	if (f->type != KECHO_FRAME_REG_ENTRY)
		return -EPROTO;
	if (!f->id) {
		told(kn, &in);
		return 0;
	}
	if (!q)			/* nobody waits for it any more */
		return 0;
	if (kn_request_take(kn, q, &in))
		return -EPROTO;
	q->done = true;
	kn->reg.pause_ms = KE_REGISTRY_REDIAL_MIN_MS;
	list_del_init(&q->list);
	if (q->repairs && q == &q->repairs->look)
		looked(q->repairs);
	else if (q->repairs)
		repaired(q->repairs);
	else if (q == &kn->reg.renew)
		renewed(kn);
	kn_changed(kn);
	return 0;
}

/* The frames that are there, whole. */
static int answers(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	struct kecho_frame f;
	u32 at = 0, len;
	int err = 0;

	while (!err && r->sock && r->rx_len - at >= sizeof(f)) {
		memcpy(&f, r->rx + at, sizeof(f));
		len = le32_to_cpu(f.len);
		if (len > KECHO_FRAME_BODY_MAX)
			return -EPROTO;
		if (r->rx_len - at < sizeof(f) + len)
			break;
		err = answer(kn, &f, r->rx + at + sizeof(f), len);
		at += sizeof(f) + len;
	}
	if (err || !r->sock)
		return err;
	r->rx_len -= at;
	memmove(r->rx, r->rx + at, r->rx_len);
	return 0;
}

static void receive(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	int n, err = 0;

	do {
		struct msghdr m = { .msg_flags = MSG_DONTWAIT };
		struct kvec v = { r->rx + r->rx_len, RX_SIZE - r->rx_len };

		n = kernel_recvmsg(r->sock, &m, &v, 1, v.iov_len, MSG_DONTWAIT);
		if (n > 0) {
			r->rx_len += n;
			err = answers(kn);
		}
	} while (n > 0 && !err && r->sock);
	if (r->sock && (err || (n <= 0 && n != -EAGAIN)))
		hang_up(kn);
}

/* What the socket says meanwhile comes first. */
static void wait_for_it(struct kn *kn)
{
	u64 now = kn_now_ms();

	if (now >= kn->reg.setup_ms)
		hang_up(kn);
	else
		queue_delayed_work(kn_wq, &kn->reg.work,
				   msecs_to_jiffies(kn->reg.setup_ms - now));
}

static void tend(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	int state = READ_ONCE(r->sock->sk->sk_state);

	if (!r->up && (state == TCP_SYN_SENT || state == TCP_SYN_RECV)) {
		wait_for_it(kn);
		return;
	}
	if (!r->up && state == TCP_ESTABLISHED)
		went_up(kn);
	if (r->sock && r->up)
		receive(kn);
	else if (r->sock)
		hang_up(kn);
}

static void work(struct work_struct *work)
{
	struct kn *kn = container_of(to_delayed_work(work), struct kn, reg.work);

	kn_lock(kn);
	if (kn->reg.sock)
		tend(kn);
	else if (kn->registry_used)
		begin(kn);
	kn_unlock(kn);
}

/* ------------------------------------------------------------------- for others */

static int error_of(u8 status)
{
	switch (status) {
	case KE_REGISTRY_OK:
		return 0;
	case KE_REGISTRY_NONE:
		return -ENOENT;
	case KE_REGISTRY_EXISTS:
		return -EEXIST;
	case KE_REGISTRY_FULL:
		return -ENOSPC;
	case KE_REGISTRY_BAD_NAME:
		return -EINVAL;
	case KE_REGISTRY_NO_MEMORY:
		return -ENOMEM;
	case KE_REGISTRY_IN_REPAIR:
	case KE_REGISTRY_IN_GRACE:
		return -EAGAIN;
	}
	return -EPROTO;
}

static int ask_once(struct kn *kn, struct kn_request *q, unsigned long until)
{
	ask(kn, q);
	while (!q->done && kn_wait(kn, until))
		;
	list_del_init(&q->list);
	return q->done ? error_of(q->status) : -ETIMEDOUT;
}

/* The lock is let go meanwhile; @q has the name, how, and a uuid for a new channel. */
int kn_reg_join(struct kn *kn, struct kn_request *q, unsigned long until)
{
	int err;

	INIT_LIST_HEAD(&q->list);
	q->type = KECHO_FRAME_REG_PUT;
	for (;;) {
		err = ask_once(kn, q, until);
		if (err != -EAGAIN)
			return err;
		if (time_after(jiffies, until))
			return -ETIMEDOUT;
		kn_unlock(kn);
		msleep(RETRY_MS);
		kn_lock(kn);
	}
}

/* The lock is let go meanwhile. That nobody knows the name is just as well. */
int kn_reg_end(struct kn_channel *c, unsigned long until)
{
	struct kn_request q = { .type = KECHO_FRAME_REG_END, .name = c->ch.name,
				.uuid = c->ch.uuid };
	int err;

	INIT_LIST_HEAD(&q.list);
	err = ask_once(c->kn, &q, until);
	return err == -ENOENT ? 0 : err;
}

int kn_reg_list(struct kn *kn, void (*take)(void *arg, const struct kn_named *named), void *arg,
		unsigned long until)
{
	struct kn_request q = { .type = KECHO_FRAME_REG_LIST, .take = take, .arg = arg };
	int err;

	INIT_LIST_HEAD(&q.list);
	do {
		q.more = false;
		err = time_after(jiffies, until) ? -ETIMEDOUT : ask_once(kn, &q, until);
	} while (!err && q.more);
	return err;
}

/* Its answer is nobody's. */
void kn_reg_drop(struct kn *kn, const char *name)
{
	struct kn_request q = { .type = KECHO_FRAME_REG_DROP, .name = name };

	if (kn->reg.up)
		send(kn, &q);
}

void kn_reg_leave(struct kn_channel *c)
{
	list_del_init(&c->repair.list);
	list_del_init(&c->look.list);
	if (!c->ch.ended)
		kn_reg_drop(c->kn, c->ch.name);
}

void kn_reg_repair(struct kn_channel *c, u32 in_ms)
{
	struct kn *kn = c->kn;

	if (!kn->registry_used)
		return;
	if (!in_ms)
		publish(c);
	else if (!c->repair_ms)
		c->repair_ms = kn_now_ms() + in_ms;
}

static void renew(struct kn *kn, u64 now)
{
	kn->reg.renew_ms = now + KE_RENEW_MS;
	kn->reg.renew.type = KECHO_FRAME_REG_RENEW;
	ask(kn, &kn->reg.renew);
}

u32 kn_reg_run(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	u64 now = kn_now_ms();
	struct kn_channel *c;

	if (!kn->registry_used)
		return 0;
	if (r->up && now >= r->renew_ms)
		renew(kn, now);
	list_for_each_entry(c, &kn->channels, list)
		if (c->repair_ms && now >= c->repair_ms)
			publish(c);
	return KE_REDIAL_MAX_MS;
}

int kn_reg_start(struct kn *kn)
{
	struct kn_reg *r = &kn->reg;
	struct sockaddr_storage a;

	memset(r, 0, sizeof(*r));
	INIT_LIST_HEAD(&r->requests);
	INIT_LIST_HEAD(&r->renew.list);
	INIT_DELAYED_WORK(&r->work, work);
	r->pause_ms = KE_REGISTRY_REDIAL_MIN_MS;
	kn->registry_used = kn->registry[0];
	if (!kn->registry_used)
		return 0;
	if (kn_address_parse(kn->net, kn->registry, &a))
		return -EINVAL;
	r->rx = kvmalloc(RX_SIZE, GFP_KERNEL);
	if (!r->rx)
		return -ENOMEM;
	begin(kn);
	return 0;
}

void kn_reg_stop(struct kn *kn)
{
	kn_lock(kn);
	disconnect(kn);
	kn->registry_used = false;
	kn_unlock(kn);
	cancel_delayed_work_sync(&kn->reg.work);
	kvfree(kn->reg.rx);
}
