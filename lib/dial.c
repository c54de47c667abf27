// SPDX-License-Identifier: MIT
/*
 * Dialling other nodes.
 *
 * A dial to another host on which no hello has come is made again after DIAL_AGAIN_MS,
 * while the first goes on: the kernel asks again after 1, 3 and 7 s, which is late where
 * a cut has healed meanwhile, and giving up the first would never reach a node that is
 * far away. The first hello ends the others. Each goes on for SETUP_MS, so there are a
 * handful at a time. Core sees one dial, and hears of the failure of the last.
 */
#include "internal.h"

#include "address.h"

socklen_t dial_unix_address(struct sockaddr_un *a, const struct ke_id *id)
{
	char hex[2 * sizeof(id->b) + 1];
	unsigned int i;
	int n;

	for (i = 0; i < sizeof(id->b); i++)
		sprintf(hex + 2 * i, "%02x", id->b[i]);
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "kecho/%u/node/%s", geteuid(), hex);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

static struct ke_peer *peer_of(struct conn *c)
{
	return ke_peer_find(&c->k->node, &c->target);
}

/* Of those under way to @id the one that was made last; NULL: there is none. */
static struct conn *newest(struct kecho *k, const struct ke_id *id)
{
	struct conn *c, *found = NULL;

	list_for_each_entry(c, &k->conns, list)
		if (!c->closing && (c->connecting || (c->open && c->link.dialled)) &&
		    !c->link.peer && !ke_id_cmp(&c->target, id))
			found = c;
	return found;
}

void dial_failed(struct conn *c, int err)
{
	struct ke_peer *p = peer_of(c);

	c->closing = true;
	if (!p || p->link)
		return;
	p->error = err;
	if (p->dialling && !newest(c->k, &c->target))
		ke_peer_refused(p, err == -ECONNREFUSED);
}

/* Not even begun: @p is to be dialled again, later. */
static void not_dialled(struct kecho *k, struct ke_peer *p, int err)
{
	p->error = err;
	p->redial_ms = lib_clock_ns(CLOCK_MONOTONIC) / 1000000 + KE_REDIAL_MAX_MS;
	p->dialling = newest(k, &p->contact.node);
}

void dial(struct kecho *k, struct ke_peer *p)
{
	struct sockaddr_storage a;
	socklen_t len;
	struct conn *c;
	int fd, err;

	if (p->local)
		len = dial_unix_address((void *)&a, &p->contact.node);
	else if (address_parse(p->contact.address, &a, &len))
		return not_dialled(k, p, -EINVAL);
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return not_dialled(k, p, -errno);
	c = conn_new(k, fd);
	if (!c)
		return not_dialled(k, p, -ENOMEM);
	c->target = p->contact.node;
	strscpy(c->address, p->contact.address, sizeof(c->address));
	err = connect(fd, (void *)&a, len) ? -errno : 0;
	if (!err && p->local)
		err = conn_establish(c, true, true) ?: -EISCONN;
	/* The rest happens in the helper: nobody's lists change under a caller here. */
	c->connecting = err != -EISCONN;
	c->dial_err = err == -EINPROGRESS ? 0 : err;
	err = c->connecting ? conn_watch(k->ep, fd, EPOLLOUT, c) : 0;
	if (err) {
		c->closing = true;
		not_dialled(k, p, err);
	}
}

/* It is connected, or will never be. */
void dial_done(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);
	bool local = !c->address[0];

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	epoll_ctl(c->k->ep, EPOLL_CTL_DEL, c->fd, NULL);
	if (c->dial_err)
		err = -c->dial_err;
	if (!err)
		err = -conn_establish(c, local, true);
	if (err)
		dial_failed(c, -err);
}

/* No hello has come over @c yet: is it still of use, and is it time for another one? */
static void look_at(struct conn *c)
{
	struct ke_peer *p = peer_of(c);
	u64 age_ms = lib_deadline(SETUP_MS) - c->setup_ms;

	if (c->connecting && (!p || p->link)) {
		epoll_ctl(c->k->ep, EPOLL_CTL_DEL, c->fd, NULL);
		c->closing = true;
	} else if (p && !p->link && !p->local && !p->refused && age_ms >= DIAL_AGAIN_MS &&
		   newest(c->k, &c->target) == c) {
		p->error = p->error ?: -ETIMEDOUT;
		dial(c->k, p);
	}
}

static void too_late(struct conn *c)
{
	if (c->open) {
		conn_hangup(c);
		return;
	}
	epoll_ctl(c->k->ep, EPOLL_CTL_DEL, c->fd, NULL);
	dial_failed(c, -ETIMEDOUT);
}

/* Are there any whose other end has yet to say who it is? Not for too long. */
bool dials_run(struct kecho *k)
{
	struct conn *c;
	bool any = false;

	list_for_each_entry(c, &k->conns, list) {
		if (c->closing || (c->open && c->link.peer))
			continue;
		if (lib_deadline(0) >= c->setup_ms) {
			too_late(c);
			continue;
		}
		any = true;
		if (c->connecting || c->link.dialled)
			look_at(c);
	}
	return any;
}
