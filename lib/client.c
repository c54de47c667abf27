// SPDX-License-Identifier: MIT
/*
 * Attaching to the node of the host: its socket or device, the pages it shares, the helper
 * thread that listens to it.
 */
#include "alive.h"
#include "client.h"

#include <fcntl.h>
#include <sys/ioctl.h>

/* The node is to look at what we have written into our pages. */
void client_ring(const struct kecho *k)
{
	u64 one = 1;

	if (k->client->device)
		ioctl(k->client->sock, KECHO_DEV_RING);
	else if (write(k->client->ring, &one, sizeof(one)) < 0)
		return;		/* full: the node has not even looked yet */
}

/* All who watched have seen them, and see them no more. */
void client_members_gone(struct kecho_channel *ch, enum kecho_member_state state)
{
	struct notice *n, *next;

	list_for_each_entry_safe(n, next, &ch->client->known, list) {
		n->m.state = state;
		list_del(&n->list);
		notice_add(ch, n);
	}
}

/* The kecho lock is held. Nothing that was joined with the node is any more. */
void client_lost(struct client *c)
{
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *s;

	if (c->state == CLIENT_LOST)
		return;
	c->state = CLIENT_LOST;
	/* At once, but for one that had hardly come. */
	if (lib_deadline(0) >= c->up_ms + RETRY_MAX_MS) {
		c->retry_wait_ms = RETRY_MIN_MS;
		c->retry_ms = lib_deadline(0);
	} else {
		client_again_later(c);
	}
	shutdown(c->sock, SHUT_RDWR);
	client_fail_calls(c);
	client_forget_early(c);
	list_for_each_entry(ch, &c->k->channels, list) {
		client_members_gone(ch, KECHO_FAILED);
		ch->client->handle = 0;
		list_for_each_entry(src, &ch->sources, list)
			src->handle = 0;
		client_ring_alone(ch);
		list_for_each_entry(s, &ch->sinks, list)
			client_orphan(s);
	}
	wait_wake(c->k);
}

/* ------------------------------------------------------------------ helper */

/* The kecho lock is held. In how many milliseconds there is something to do; -1: none. */
static int look_around(struct client *c)
{
	bool orphans = client_orphans(c);
	u64 now = lib_deadline(0);

	if (c->state == CLIENT_LOST && now >= c->retry_ms) {
		pthread_mutex_unlock(&c->k->lock);
		client_rejoin(c);
		pthread_mutex_lock(&c->k->lock);
		return 0;	/* all may be different */
	}
	if (orphans)
		return ORPHAN_LOOK_MS;
	return c->state != CLIENT_LOST ? -1 : c->retry_ms > now ? (int)(c->retry_ms - now) : 0;
}

static void *listen_to_node(void *arg)
{
	struct kecho *k = arg;
	struct client *c = k->client;
	struct pollfd p[] = { { c->sock, POLLIN, 0 }, { k->wake, POLLIN, 0 } };
	int timeout;
	u64 v;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		timeout = alive_run(k, look_around(c));
		p[0].fd = c->state == CLIENT_UP ? c->sock : -1;
		pthread_mutex_unlock(&k->lock);
		poll(p, ARRAY_SIZE(p), timeout);
		if (p[1].revents && read(k->wake, &v, sizeof(v)) < 0)
			v = 0;		/* it was not that */
		pthread_mutex_lock(&k->lock);
		if (c->state == CLIENT_UP && client_receive(c))
			client_lost(c);
		client_stand_still(c);
		notices_run(k);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* --------------------------------------------------------------- attaching */

static int open_device(void)
{
	int fd = open(KECHO_DEV, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : lib_fail(-errno, "the kernel's node '%s'", KECHO_DEV);
}

static int connect_socket(void)
{
	const char *path = getenv("KECHO_SOCKET");
	struct timeval patience = { CALL_MS / 1000, 0 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, err;

	path = path && *path ? path : KECHO_NODE_SOCKET;
	if (strscpy(a.sun_path, path, sizeof(a.sun_path)) < 0)
		return lib_fail(-ENAMETOOLONG, "kechod's socket '%s'", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) &&
	    !connect(fd, (void *)&a, sizeof(a)))
		return fd;
	err = lib_fail(-errno, "kechod's socket '%s'", path);
	if (fd >= 0)
		close(fd);
	return err;
}

/* A descriptor to talk to it, or why there is none. */
int client_connect(bool device)
{
	return device ? open_device() : connect_socket();
}

void client_pages_put(struct client_pages *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	if (p->gates)
		munmap(p->gates, p->slots * sizeof(*p->gates));
	if (p->limits)
		munmap((void *)p->limits, p->slots * sizeof(*p->limits));
	free(p);
}

static struct client_pages *map_pages(u32 slots, int gates, int limits)
{
	struct client_pages *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	atomic_init(&p->refs, 1);
	p->slots = slots;
	p->gates = shared_map(gates, slots * sizeof(*p->gates), PROT_READ | PROT_WRITE);
	p->limits = shared_map(limits, slots * sizeof(*p->limits), PROT_READ);
	if (p->gates && p->limits)
		return p;
	client_pages_put(p);
	return NULL;
}

/* No page of it lies behind the end of what is there. */
static bool are_pages(u32 slots, u32 size, int fd)
{
	struct stat st;

	return slots && !fstat(fd, &st) && st.st_size >= 0 &&
	       (u64)st.st_size == (u64)slots * size;
}

/* Others may ring while it changes: they find the one or the other there. */
static int take_ring(struct client *c, int fd)
{
	if (c->device)
		return 0;
	if (c->ring < 0) {
		c->ring = fd;
		return 0;
	}
	if (dup3(fd, c->ring, O_CLOEXEC) < 0)
		return -errno;
	close(fd);
	return 0;
}

static int take_attached(struct client *c, const struct kecho_attach *at, struct client_call *call)
{
	u32 slots = le32_to_cpu(at->slots);
	struct client_pages *p;
	unsigned int i, n = c->device ? 2 : 3;
	int fd[3] = { -1, -1, -1 };

	if (le32_to_cpu(at->abi) != KECHO_NODE_ABI)
		return lib_fail(-EPROTO, "kechod speaks version %u", le32_to_cpu(at->abi));
	if (call->nfds != n || !are_pages(slots, sizeof(struct kecho_gate_slot), call->fd[0]) ||
	    !are_pages(slots, sizeof(struct kecho_limit_slot), call->fd[1]) ||
	    (!c->device && !client_is_bell(call->fd[2])))
		return lib_fail(-EPROTO, "the node's pages, of %u slots", slots);
	for (i = 0; i < n; i++)
		fd[i] = client_take_fd(call, i);
	p = map_pages(slots, fd[0], fd[1]);
	close(fd[0]);
	close(fd[1]);
	if (!p || take_ring(c, fd[2])) {
		client_pages_put(p);
		if (fd[2] >= 0)
			close(fd[2]);
		return lib_fail(-ENOMEM, "the node's pages");
	}
	client_pages_put(c->pages);
	c->pages = p;
	WRITE_ONCE(c->bit, KECHO_WAIT_NUMBER(le32_to_cpu(at->number)));
	return 0;
}

int client_attach(struct client *c)
{
	struct kecho_attach at = { .abi = cpu_to_le32(KECHO_NODE_ABI) };
	struct client_call call = { .cmd = KECHO_CMD_ATTACH };
	struct kvec req = { &at, sizeof(at) };
	int err;

	client_call(c, &call, &req, 1, 0);
	err = client_asked(&call, &at, sizeof(at), "kechod", "");
	if (!err)
		err = take_attached(c, &at, &call);
	client_call_end(&call);
	return err;
}

static void client_free(struct client *c)
{
	client_pages_put(c->pages);
	if (c->ring >= 0)
		close(c->ring);
	if (c->sock >= 0)
		close(c->sock);
	client_forget_early(c);
	free(c);
}

static void stop_helper(struct kecho *k)
{
	u64 one = 1;

	pthread_mutex_lock(&k->lock);
	k->stop = true;
	pthread_mutex_unlock(&k->lock);
	if (write(k->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(k->helper, NULL);
}

static void client_close(struct kecho *k)
{
	stop_helper(k);
	client_free(k->client);
}

static const struct lib_attach client_attach_ops = {
	.close = client_close,
	.channel_join = client_channel_join,
	.channel_leave = client_channel_leave,
	.source_join = client_source_join,
	.source_leave = client_source_leave,
	.sink_join = client_sink_join,
	.sink_leave = client_sink_leave,
	.seat = client_seat,
	.seated = client_seated,
	.choose = client_choose,
	.address = client_address,
	.reply_to = client_reply_to,
	.set = client_set,
	.get = client_get,
	.announce = client_announce,
	.type = client_type,
	.members = client_members,
	.watch = client_watch,
	.stats = client_stats,
	.links = client_links,
	.ping = client_ping,
	.channels = client_channels,
	.freeze = client_freeze,
	.thaw = client_thaw,
	.drain = client_drain,
	.destroy = client_destroy,
	.other = client_other,
};

static struct client *make_client(struct kecho *k, int sock, bool device)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->k = k;
	c->sock = sock;
	c->device = device;
	c->ring = -1;
	c->generation = c->sock_generation = 1;
	INIT_LIST_HEAD(&c->calls);
	INIT_LIST_HEAD(&c->early);
	return c;
}

/* Nobody has loaded the module, or it is not for us: not that it has no more room. */
static bool no_device(int err)
{
	return err == -ENOENT || err == -ENXIO || err == -ENODEV || err == -EACCES ||
	       err == -EPERM;
}

/* *@there: somebody listens there. */
int client_open(struct kecho *k, bool device, bool *there)
{
	int sock = client_connect(device), err;

	*there = device ? !no_device(sock) : sock >= 0;
	if (sock < 0)
		return sock;
	k->client = make_client(k, sock, device);
	if (!k->client) {
		close(sock);
		return lib_fail(-ENOMEM, "the node");
	}
	k->attach = &client_attach_ops;
	err = lib_start_helper(k, listen_to_node);
	if (!err) {
		err = client_attach(k->client);
		if (!err)
			return 0;
		stop_helper(k);
	}
	client_free(k->client);
	k->client = NULL;
	return err;
}
