/* SPDX-License-Identifier: MIT */
/* The hosts of a run; see hosts.h. */
#include "hosts.h"
#include "../demo/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define HOSTS_MAX	9
#define LOOPBACK_FIRST	2	/* sink i is on 127.0.0.(i + 2) */
/* Of two ends with one index the kernel may let a wire that comes up wait for a second. */
#define ETH0_INDEX	10
#define PORT_INDEX	100

static const char *const addresses[HOSTS_MAX] = {
	"10.98.0.1", "10.98.0.2", "10.98.0.3", "10.98.0.4", "10.98.0.5",
	"10.98.0.6", "10.98.0.7", "10.98.0.8", "10.98.0.9",
};

static unsigned int made;
static int ns[HOSTS_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1, -1 };

static int explain(const char *what, int err)
{
	fprintf(stderr, "hosts: %s: %s\n", what, strerror(-err));
	return err;
}

/* Programs that join a multicast group ask for a route to it. */
static int allow_multicast(const char *device)
{
	struct sockaddr_in group = { .sin_family = AF_INET }, mask = group;
	struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = (char *)device };
	struct ifreq req = { 0 };
	int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	group.sin_addr.s_addr = htonl(0xe0000000);
	mask.sin_addr.s_addr = htonl(0xf0000000);
	memcpy(&route.rt_dst, &group, sizeof(group));
	memcpy(&route.rt_genmask, &mask, sizeof(mask));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFFLAGS, &req))
		err = -errno;
	req.ifr_flags |= IFF_MULTICAST;
	if (!err && (ioctl(fd, SIOCSIFFLAGS, &req) || ioctl(fd, SIOCADDRT, &route)))
		err = -errno;
	close(fd);
	return err;
}

/* A new namespace, in which the caller is on return, and a netlink socket in it. */
static int new_host(int *host_ns, int *rtnl)
{
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	*host_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*host_ns < 0)
		return -errno;
	*rtnl = rtnl_open();
	err = *rtnl < 0 ? *rtnl : rtnl_set_up(*rtnl, "lo", true);
	return err;
}

static int plug(unsigned int host, int rtnl)
{
	struct in_addr addr;
	int err = hosts_enter(host);

	inet_pton(AF_INET, addresses[host], &addr);
	if (!err)
		err = rtnl_add_address(rtnl, ETH0_INDEX + (int)host, addr, 24);
	if (!err)
		err = rtnl_set_up(rtnl, "eth0", true);
	return err ? err : allow_multicast("eth0");
}

/* Several are plugged into the publisher's eth0, which is a switch. */
static int add_switch(int rtnl, unsigned int n)
{
	char port[16];
	unsigned int i;
	int err = rtnl_add_bridge(rtnl, "eth0", ETH0_INDEX);

	for (i = HOST_SINKS; i < n && !err; i++) {
		snprintf(port, sizeof(port), "port%u", i);
		err = rtnl_add_veth(rtnl, port, PORT_INDEX + (int)i, ETH0_INDEX, "eth0",
				    ETH0_INDEX + (int)i, ns[i]);
		if (!err)
			err = rtnl_set_up(rtnl, port, true);
	}
	return err;
}

static int add_wires(int rtnl, unsigned int n)
{
	if (n > 2)
		return add_switch(rtnl, n);
	return rtnl_add_veth(rtnl, "eth0", ETH0_INDEX, 0, "eth0", ETH0_INDEX + 1, ns[HOST_SINKS]);
}

static int make_several(unsigned int n)
{
	int rtnl[HOSTS_MAX], err = 0;
	unsigned int i, opened;

	for (i = 0; i < n && !err; i++) {
		rtnl[i] = -1;
		err = new_host(&ns[i], &rtnl[i]);
	}
	opened = i;
	if (!err)
		err = add_wires(rtnl[HOST_PUBLISHER], n);
	made = n;
	for (i = n; i-- && !err;)
		err = plug(i, rtnl[i]);
	for (i = 0; i < opened; i++)
		if (rtnl[i] >= 0)
			close(rtnl[i]);
	return err;
}

static int make_single(void)
{
	int rtnl, err = new_host(&ns[HOST_PUBLISHER], &rtnl);

	if (err)
		return err;
	close(rtnl);
	made = 1;
	return allow_multicast("lo");
}

int hosts_own_folder(const char *path)
{
	return mount("tmpfs", path, "tmpfs", 0, "mode=1777") ? explain(path, -errno) : 0;
}

static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return explain("mounts of its own", -errno);
	return hosts_own_folder("/dev/shm");
}

static int put(const char *path, const char *text)
{
	int err = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Of a user namespace, in which the caller is all that there is. */
static int become_root(void)
{
	char users[32], groups[32];
	int err;

	snprintf(users, sizeof(users), "0 %u 1", geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER))
		return -errno;
	err = put("/proc/self/setgroups", "deny");
	if (!err)
		err = put("/proc/self/uid_map", users);
	return err ? err : put("/proc/self/gid_map", groups);
}

int hosts_make(unsigned int n)
{
	int err;

	if (!n || n > HOSTS_MAX || made)
		return -EINVAL;
	err = geteuid() ? become_root() : 0;
	if (err)
		return explain("a user namespace, since this is not root", err);
	err = own_mounts();
	if (err)
		return err;
	err = n == 1 ? make_single() : make_several(n);
	return err ? explain("network namespaces", err) : 0;
}

int hosts_enter(unsigned int host)
{
	if (made < 2)
		return 0;
	return setns(ns[host], CLONE_NEWNET) ? -errno : 0;
}

int hosts_limit(unsigned int bytes_per_s)
{
	int rtnl, err = hosts_enter(HOST_PUBLISHER);

	if (err)
		return err;
	rtnl = rtnl_open();
	if (rtnl < 0)
		return rtnl;
	err = rtnl_limit(rtnl, ETH0_INDEX, bytes_per_s);
	close(rtnl);
	return err;
}

/* The 1st and the 9th number are what came and what went; on loopback what came is all. */
static bool read_line(const char *line, uint64_t *bytes)
{
	const char *format = made == 1 ? " lo: %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64 :
					 " eth0: %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64;
	uint64_t came, went;

	if (sscanf(line, format, &came, &went) != 2)
		return false;
	*bytes = made == 1 ? came : came + went;
	return true;
}

int hosts_wire(uint64_t *bytes)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "re");
	bool found = false;
	char line[256];

	if (!f)
		return -errno;
	while (!found && fgets(line, sizeof(line), f))
		found = read_line(line, bytes);
	fclose(f);
	return found ? 0 : -ENODATA;
}

const char *hosts_address(unsigned int host)
{
	return made < 2 ? "127.0.0.1" : addresses[host];
}

unsigned int hosts_of_sink(unsigned int i)
{
	return made > 2 ? HOST_SINKS + i % (made - 1) : HOST_SINKS;
}

void hosts_sink_address(unsigned int i, char *address, size_t size)
{
	if (made < 2)
		snprintf(address, size, "127.0.0.%u", (i + LOOPBACK_FIRST) & 0xff);
	else
		snprintf(address, size, "%s", addresses[hosts_of_sink(i)]);
}
