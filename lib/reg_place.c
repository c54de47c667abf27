/* SPDX-License-Identifier: MIT */
/*
 * Where the registry may be, and the election: whoever binds the address serves.
 *
 * On the Unix transport it has KE_REG_PLACES addresses, for other users may take
 * some, and a process that is just dying does. All are tried by connecting first, so
 * that the server that lives is found even if a place before its own has become free;
 * then the first free one is bound. Which that is may look different to two nodes of
 * one race: who listens tries all other places again, and gives up if somebody serves
 * there. Of two that listen at least the later one sees the other.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "reg_impl.h"

enum {
	BACKLOG = 128,
	KEEPALIVE_IDLE_S = 5,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_PROBES = 3,
};

/* Digits only: the resolver would take a port modulo 65536. */
static bool port_good(const char *port)
{
	u32 value = 0;

	if (!*port)
		return false;
	for (; *port; port++) {
		if (*port < '0' || *port > '9')
			return false;
		value = 10 * value + (*port - '0');
		if (value > U16_MAX)
			return false;
	}
	return value;
}

/* "ADDR:PORT" or "[ADDR]:PORT", numeric. */
static int parse(const char *address, struct ke_reg_place *p)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(address, ':'), *start = address;
	char host[KE_ADDRESS_MAX + 1];
	struct addrinfo *found;
	size_t len;

	if (!colon || !port_good(colon + 1))
		return -EINVAL;
	len = colon - address;
	if (address[0] == '[' && len >= 2 && colon[-1] == ']') {
		start++;
		len -= 2;
	}
	if (!len || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, len);
	host[len] = 0;
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return -EINVAL;
	memcpy(&p->addr, found->ai_addr, found->ai_addrlen);
	p->addr_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int ke_reg_place_init(struct ke_reg_place *p, const char *address, char *why, size_t size)
{
	*p = (struct ke_reg_place){ .tcp = address };
	if (ke_reg_is_etcd(address)) {
		p->tcp = false;
		strcpy(p->name, "etcd");
		return ke_reg_etcd_open(&p->etcd, address, why, size);
	}
	if (!address) {
		snprintf(p->name, sizeof(p->name), "@kecho/%u/registry", geteuid());
		return 0;
	}
	snprintf(p->name, sizeof(p->name), "%s", address);
	if (!parse(address, p))
		return 0;
	snprintf(why, size, "registry address \"%s\": not ADDR:PORT or [ADDR]:PORT in digits",
		 p->name);
	return -EINVAL;
}

void ke_reg_place_fini(struct ke_reg_place *p)
{
	ke_reg_etcd_close(&p->etcd);
}

void ke_reg_place_lost(struct ke_reg_place *p, char *why, size_t size)
{
	if (p->etcd.table)
		ke_reg_etcd_over(&p->etcd, why, size);
}

static socklen_t unix_address(struct sockaddr_un *un, unsigned int k)
{
	size_t room = sizeof(un->sun_path) - 1;
	int len;

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (k)
		len = snprintf(un->sun_path + 1, room, "kecho/%u/registry.%u", geteuid(), k);
	else
		len = snprintf(un->sun_path + 1, room, "kecho/%u/registry", geteuid());
	return offsetof(struct sockaddr_un, sun_path) + 1 + len;
}

static bool dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int ke_reg_peer(int fd, int *pidfd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*pidfd = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (cred.uid != geteuid())
		return -EPERM;
	if (cred.pid <= 0) /* it is in a pid namespace that isn't seen from here */
		return 0;
	*pidfd = syscall(SYS_pidfd_open, cred.pid, 0);
	if (*pidfd < 0)
		return errno == ESRCH ? -ESRCH : 0;
	if (!dead(*pidfd))
		return 0;
	close(*pidfd);
	*pidfd = -1;
	return -ESRCH;
}

pid_t ke_reg_peer_pid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

static int stream_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Connects to place @k. -ECONNREFUSED: free; -EPERM and -ESRCH: it is not ours. */
static int unix_connect(unsigned int k, int *fd, int *pidfd)
{
	struct sockaddr_un un;
	socklen_t len = unix_address(&un, k);
	int err = 0;

	*fd = stream_socket(AF_UNIX);
	if (*fd < 0)
		return *fd;
	if (connect(*fd, (struct sockaddr *)&un, len))
		err = -errno;
	else
		err = ke_reg_peer(*fd, pidfd);
	if (err)
		close(*fd);
	return err;
}

static int listen_at(const struct sockaddr *addr, socklen_t len, int *fd)
{
	int err, on = 1;

	*fd = stream_socket(addr->sa_family);
	if (*fd < 0)
		return *fd;
	if (addr->sa_family != AF_UNIX)
		setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(*fd, addr, len) && !listen(*fd, BACKLOG))
		return 0;
	err = -errno;
	close(*fd);
	return err;
}

/* Nobody of this user listens at another place than @own, for certain. */
static bool unix_unserved(unsigned int own)
{
	unsigned int k;
	int fd, pidfd, err;

	for (k = 0; k < KE_REG_PLACES; k++) {
		err = k == own ? -ECONNREFUSED : unix_connect(k, &fd, &pidfd);
		if (err == -ECONNREFUSED || err == -EPERM || err == -ESRCH)
			continue;
		if (!err)
			close(fd);
		if (!err && pidfd >= 0)
			close(pidfd);
		return false;
	}
	return true;
}

/* -EADDRINUSE: who was faster has yet to listen. -EAGAIN: there is one already. */
static int unix_listen(unsigned int k, int *fd)
{
	struct sockaddr_un un;
	socklen_t len = unix_address(&un, k);
	int err = listen_at((struct sockaddr *)&un, len, fd);

	if (err || unix_unserved(k))
		return err;
	close(*fd);
	return -EAGAIN;
}

static int unix_dial(struct ke_reg_place *p, int *fd, int *pidfd, char *why, size_t size)
{
	bool held[KE_REG_PLACES] = {};
	unsigned int k;
	int err;

	for (k = 0; k < KE_REG_PLACES; k++) {
		err = unix_connect(k, fd, pidfd);
		if (!err) {
			memset(p->refused, 0, sizeof(p->refused));
			return KE_REG_CONNECTED;
		}
		held[k] = err == -EPERM || err == -ESRCH;
		if (!held[k] && err != -ECONNREFUSED) {
			snprintf(why, size, "registry %s: connect: %s", p->name, strerror(-err));
			return err;
		}
	}
	for (k = 0; k < KE_REG_PLACES; k++) {
		if (held[k] || p->refused[k] >= KE_REG_REFUSED_MAX)
			continue;
		err = unix_listen(k, fd);
		if (!err) {
			memset(p->refused, 0, sizeof(p->refused));
			return KE_REG_LISTENING;
		}
		snprintf(why, size, "registry %s: bind: %s", p->name, strerror(-err));
		if (err != -EADDRINUSE)
			return err;
		/* Who never listens is passed over. */
		p->refused[k]++;
		return -EAGAIN;
	}
	memset(p->refused, 0, sizeof(p->refused));
	snprintf(why, size, "registry %s: all %d places are held by other users or dead processes",
		 p->name, KE_REG_PLACES);
	return -EACCES;
}

static void tcp_options(int fd)
{
	int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_INTERVAL_S, n = KEEPALIVE_PROBES;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n, sizeof(n));
}

/* A port that nobody listens on may be given to the very socket that dials it. */
static bool self_connected(int fd)
{
	struct sockaddr_storage a = {}, b = {};
	socklen_t a_len = sizeof(a), b_len = sizeof(b);

	return !getsockname(fd, (struct sockaddr *)&a, &a_len) &&
	       !getpeername(fd, (struct sockaddr *)&b, &b_len) && a_len == b_len &&
	       !memcmp(&a, &b, a_len);
}

/* What a finished connect means. Closes @fd if it isn't KE_REG_CONNECTED. */
static int tcp_finish(struct ke_reg_place *p, int *fd, int err, char *why, size_t size)
{
	int bind_err;

	if (!err && self_connected(*fd))
		err = -ECONNREFUSED;
	if (!err) {
		tcp_options(*fd);
		return KE_REG_CONNECTED;
	}
	close(*fd);
	snprintf(why, size, "registry %s: connect: %s", p->name, strerror(-err));
	if (err != -ECONNREFUSED)
		return err;
	bind_err = listen_at((struct sockaddr *)&p->addr, p->addr_len, fd);
	if (!bind_err)
		return KE_REG_LISTENING;
	if (bind_err == -EADDRINUSE)
		return -EAGAIN;
	if (bind_err == -EADDRNOTAVAIL) /* another host's: it has to serve */
		return err;
	snprintf(why, size, "registry %s: bind: %s", p->name, strerror(-bind_err));
	return bind_err;
}

int ke_reg_place_connected(struct ke_reg_place *p, int *fd, char *why, size_t size)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (p->etcd.table)
		return ke_reg_etcd_connected(&p->etcd, fd, why, size);
	if (getsockopt(*fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	return tcp_finish(p, fd, -err, why, size);
}

int ke_reg_place_dial(struct ke_reg_place *p, int *fd, int *pidfd, char *why, size_t size)
{
	int err = 0;

	*pidfd = -1;
	if (p->etcd.table)
		return ke_reg_etcd_dial(&p->etcd, fd, why, size);
	if (!p->tcp)
		return unix_dial(p, fd, pidfd, why, size);
	*fd = stream_socket(p->addr.ss_family);
	if (*fd < 0) {
		snprintf(why, size, "registry %s: socket: %s", p->name, strerror(-*fd));
		return *fd;
	}
	if (connect(*fd, (struct sockaddr *)&p->addr, p->addr_len))
		err = -errno;
	return err == -EINPROGRESS ? KE_REG_CONNECTING : tcp_finish(p, fd, err, why, size);
}

/* Other nodes of this user in this network namespace know a registry before us. */
static bool others_live(const struct ke_id *self)
{
	char prefix[64], own[2 * sizeof(self->b) + 1], *line = NULL, *name;
	bool found = false;
	size_t room = 0, i;
	FILE *f;

	snprintf(prefix, sizeof(prefix), " @kecho/%u/node/", geteuid());
	for (i = 0; i < sizeof(self->b); i++)
		snprintf(own + 2 * i, 3, "%02x", self->b[i]);
	/* "thread-self": the namespace is one of the thread. */
	f = fopen("/proc/thread-self/net/unix", "re");
	if (!f)
		return true;
	while (!found && getline(&line, &room, f) > 0) {
		name = strstr(line, prefix);
		found = name && !strstr(name, own);
	}
	free(line);
	fclose(f);
	return found;
}

u32 ke_reg_place_grace_ms(const struct ke_reg_place *p, const struct ke_id *self)
{
	if (others_live(self))
		return KE_LEASE_MS;
	return p->tcp ? KE_REGISTRY_GRACE_MS : 0;
}
