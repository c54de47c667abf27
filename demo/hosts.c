/* SPDX-License-Identifier: MIT */
/*
 * The three hosts.
 *
 *	 host alder            host birch            host cedar
 *	+-----------------+   +-----------------+   +-----------------+
 *	| node process    |   | node process    |   | node process    |
 *	| (and registry)  |   |                 |   |                 |
 *	| eth0 10.99.0.1  |   | eth0 10.99.0.2  |   | eth0 10.99.0.3  |
 *	+--------+--------+   +--------+--------+   +--------+--------+
 *	         | veth                | veth                | veth
 *	+--------+---------------------+---------------------+--------+
 *	|    to-alder              to-birch              to-cedar     |
 *	|                       bridge "switch"                       |
 *	+-------------------------------------------------------------+
 *	 a namespace of its own, without an address
 *
 * Each box is a network namespace. None has a name in /run/netns: a namespace
 * lives as long as a descriptor or a process of the demo is in it, so the kernel
 * takes all of it away when the demo ends, by whatever signal, and nothing can
 * be left over for the next one. The machine's own namespace is never touched.
 *
 * A host is cut off by taking down its port at the switch: like a pulled cable,
 * its own eth0 loses the carrier and its kernel says so.
 *
 * On loopback a host is just an address, 127.0.0.1 to .3, and the cut is SIGSTOP
 * to its node: the one thing an ordinary user can do that looks alike from
 * outside.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hosts.h"
#include "rtnl.h"

#define HOSTS_BRIDGE_INDEX	100
/* No port has the index of its eth0: the kernel takes such a pair for one device
 * and may let a carrier that has come wait for a second. */
#define HOSTS_PORT_INDEX	101
#define HOSTS_ETH0_INDEX	2
#define HOSTS_NET		0x0a630000u	/* 10.99.0.0/24 */
#define HOSTS_REGISTRY_PORT	7400

static const char *const names[HOSTS] = { "alder", "birch", "cedar" };

__attribute__((format(printf, 4, 5)))
static int fail(int err, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(why, size, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < size)
		snprintf(why + n, size - (size_t)n, ": %s", strerror(-err));
	return err;
}

static int own_namespace(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A new namespace with its loopback up, and a netlink socket in it. The caller
 * is in it on return. */
static int new_namespace(int *ns, int *rtnl)
{
	int ret;

	if (unshare(CLONE_NEWNET))
		return -errno;
	*ns = own_namespace();
	if (*ns < 0)
		return *ns;
	*rtnl = rtnl_open();
	ret = *rtnl < 0 ? *rtnl : rtnl_set_up(*rtnl, "lo", true);
	if (ret) {
		if (*rtnl >= 0)
			close(*rtnl);
		close(*ns);
	}
	return ret;
}

static int make_switch(struct hosts *h, char *why, size_t size)
{
	int ns, ret = new_namespace(&ns, &h->wires);

	if (ret) {
		h->wires = -1;
		return fail(ret, why, size, "a network namespace for the switch");
	}
	close(ns);	/* its socket keeps it */
	ret = rtnl_add_bridge(h->wires, "switch", HOSTS_BRIDGE_INDEX);
	if (!ret)
		ret = rtnl_set_up(h->wires, "switch", true);
	return ret ? fail(ret, why, size, "the bridge between the hosts") : 0;
}

static int plug(const struct hosts *h, int i, int rtnl)
{
	struct in_addr addr = { htonl(HOSTS_NET + 1 + (unsigned int)i) };
	char port[32];
	int ret;

	snprintf(port, sizeof(port), "to-%s", names[i]);
	ret = rtnl_add_veth(h->wires, port, HOSTS_PORT_INDEX + i, HOSTS_BRIDGE_INDEX, "eth0",
			    HOSTS_ETH0_INDEX, h->host[i].ns);
	if (!ret)
		ret = rtnl_add_address(rtnl, HOSTS_ETH0_INDEX, addr, 24);
	if (!ret)
		ret = rtnl_set_up(rtnl, "eth0", true);
	if (!ret)
		ret = rtnl_set_up(h->wires, port, true);
	return ret;
}

static int make_host(struct hosts *h, int i, char *why, size_t size)
{
	struct host *host = &h->host[i];
	int rtnl, ret = new_namespace(&host->ns, &rtnl);

	if (ret) {
		host->ns = -1;
		return fail(ret, why, size, "a network namespace for host %s", host->name);
	}
	snprintf(host->address, sizeof(host->address), "10.99.0.%d", i + 1);
	ret = plug(h, i, rtnl);
	close(rtnl);
	return ret ? fail(ret, why, size, "the wire of host %s", host->name) : 0;
}

static int make_namespaces(struct hosts *h, char *why, size_t size)
{
	int home = own_namespace(), ret;

	if (home < 0)
		return fail(home, why, size, "/proc/thread-self/ns/net");
	ret = make_switch(h, why, size);
	for (int i = 0; i < HOSTS && !ret; i++)
		ret = make_host(h, i, why, size);
	if (setns(home, CLONE_NEWNET) && !ret)
		ret = fail(-errno, why, size, "the way back to the first namespace");
	close(home);
	snprintf(h->registry, sizeof(h->registry), "10.99.0.1:%d", HOSTS_REGISTRY_PORT);
	return ret;
}

/*
 * A port that is free now on 127.0.0.1: two demos of two users may run at once.
 * Somebody may take it before the node does; kecho_open() then says so.
 */
static int free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sin, len) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len))
		ret = -errno;
	else
		ret = ntohs(sin.sin_port);
	close(fd);
	return ret;
}

static int make_loopback(struct hosts *h, char *why, size_t size)
{
	int port = free_port();

	if (port < 0)
		return fail(port, why, size, "a TCP port on 127.0.0.1");
	for (int i = 0; i < HOSTS; i++)
		snprintf(h->host[i].address, sizeof(h->host[i].address), "127.0.0.%d", i + 1);
	snprintf(h->registry, sizeof(h->registry), "127.0.0.1:%d", port);
	return 0;
}

int hosts_make(struct hosts *h, bool loopback, char *why, size_t why_size)
{
	struct hosts made = { .loopback = loopback, .wires = -1 };
	int ret;

	for (int i = 0; i < HOSTS; i++)
		made.host[i] = (struct host){ .name = names[i], .ns = -1 };
	ret = loopback ? make_loopback(&made, why, why_size)
		       : make_namespaces(&made, why, why_size);
	if (ret)
		hosts_unmake(&made);
	else
		*h = made;
	return ret;
}

void hosts_unmake(struct hosts *h)
{
	for (int i = 0; i < HOSTS; i++) {
		if (h->host[i].ns >= 0)
			close(h->host[i].ns);
		h->host[i].ns = -1;
	}
	if (h->wires >= 0)
		close(h->wires);
	h->wires = -1;
}

int hosts_enter(const struct hosts *h, int i)
{
	assert(i >= 0 && i < HOSTS);
	if (h->loopback)
		return 0;
	return setns(h->host[i].ns, CLONE_NEWNET) ? -errno : 0;
}

int hosts_cut(const struct hosts *h, int i, pid_t pid, bool cut)
{
	char port[32];

	assert(i >= 0 && i < HOSTS && pid > 0);
	if (h->loopback)
		return kill(pid, cut ? SIGSTOP : SIGCONT) ? -errno : 0;
	snprintf(port, sizeof(port), "to-%s", h->host[i].name);
	return rtnl_set_up(h->wires, port, !cut);
}
