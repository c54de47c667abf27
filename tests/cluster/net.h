/* SPDX-License-Identifier: MIT */
/*
 * Hosts and what joins them, for tests of whole nodes: a host is a network namespace
 * with a process in it, a wire a veth pair whose ends are in two of them. All of it goes
 * with the processes; net_gone() checks that it did. Needs root.
 */
#ifndef KECHO_NET_H
#define KECHO_NET_H

#include <stdarg.h>
#include <stdlib.h>

#include "cluster.h"

enum { COMMAND_MAX = 512 };

/* Runs a shell command in the namespace of process @pid (0: ours); whether it went well. */
static inline __attribute__((format(printf, 2, 3))) bool net_do(pid_t pid, const char *fmt, ...)
{
	char cmd[COMMAND_MAX], whole[COMMAND_MAX + 64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd) || strchr(cmd, '\''))
		return false;
	if (!pid)
		return !system(cmd);
	snprintf(whole, sizeof(whole), "nsenter -t %d -n sh -c '%s'", pid, cmd);
	return !system(whole);
}

/* A host's first step, in its own process: away from the test's namespace. */
static inline bool host_apart(bool *apart)
{
	if (unshare(CLONE_NEWNET) || !up("lo"))
		return false;
	WRITE_ONCE(*apart, true);
	return true;
}

/* A veth pair: NAMEa is @a's, NAMEb is @b's, 0 being us; neither is up. */
static inline bool net_veth(const char *name, pid_t a, pid_t b)
{
	static unsigned int index = 1000;
	pid_t us = getpid();

	/* Of two ends with one number the kernel may let a wire that comes up wait for a second
	 * (a second at least between two events of its link watch). */
	return net_do(0, "ip link add %sa index %u netns %d type veth peer name %sb netns %d", name,
		      index++, a ?: us, name, b ?: us);
}

/*
 * Joins the hosts @a and @b, 0 being us:
 *
 *	a, @a_address/24 [NAMEa]---veth---[NAMEb] b, @b_address/24
 */
static inline bool net_wire(const char *name, pid_t a, const char *a_address, pid_t b,
			    const char *b_address)
{
	return net_veth(name, a, b) && net_do(a, "ip addr add %s/24 dev %sa", a_address, name) &&
	       net_do(b, "ip addr add %s/24 dev %sb", b_address, name) &&
	       net_do(a, "ip link set %sa up", name) && net_do(b, "ip link set %sb up", name);
}

/* A switch of ours, at which we have @address/24; and a host that is joined to it as above. Its
 * MAC address is its own: else it would change with the ports, which others learn late. */
static inline bool net_switch(const char *name, const char *address)
{
	return net_do(0, "ip link add %s address 02:00:00:00:00:fe type bridge", name) &&
	       net_do(0, "ip addr add %s/24 dev %s", address, name) &&
	       net_do(0, "ip link set %s up", name);
}

static inline bool net_plug(const char *name, pid_t host, const char *address, const char *into)
{
	return net_veth(name, 0, host) &&
	       net_do(0, "ip link set %sa master %s up", name, into) &&
	       net_do(host, "ip addr add %s/24 dev %sb", address, name) &&
	       net_do(host, "ip link set %sb up", name);
}

/* A filter of a host that holds nothing up yet: chains `in` and `out` of the table `cut`. */
static inline bool net_filter(pid_t pid)
{
	return net_do(pid, "nft \"add table inet cut; "
			   "add chain inet cut in { type filter hook input priority 0; }; "
			   "add chain inet cut out { type filter hook output priority 0; }\"");
}

/*
 * Removes this namespace's ends of wires; whether none is left. They go with the namespaces
 * of the others' ends, but the kernel keeps one for as long as somebody's handshake in it is
 * not over, which may be a minute after the last process.
 */
static inline bool net_unwire(void)
{
	struct if_nameindex *all = if_nameindex(), *i;
	int n = 0;

	for (i = all; i && i->if_index; i++)
		if (strcmp(i->if_name, "lo"))
			n += !net_do(0, "ip link del %s 2>/dev/null", i->if_name);
	if_freenameindex(all);
	return all && !n;
}

/* Nothing that was made is left: no child, no wire, no descriptor more than @fds. */
static inline bool net_gone(int fds)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD && comes_true(net_unwire()) &&
	       comes_true(fds_of(getpid()) == fds);
}

/* What the kernel's node of this namespace is to know, before somebody attaches there. */
static inline bool node_setting(const char *name, const char *value)
{
	char path[64];
	FILE *f;
	bool good;

	snprintf(path, sizeof(path), "/proc/sys/net/kecho/%s", name);
	f = fopen(path, "we");
	good = f && fputs(value, f) >= 0;
	return f && !fclose(f) && good;
}

/* -------------------------------------------------------------------- a registry */

struct net_registry {
	const char *address;
	bool stands;
};

static inline int keep_registry(void *arg)
{
	struct net_registry *r = arg;
	struct kecho_options opt = { .registry = r->address };
	struct kecho *k;

	if (kecho_open(&k, &opt))
		return 1;
	WRITE_ONCE(r->stands, true);
	pause();
	return 0;
}

/* In a process of its own, as threads and fork() don't go together; until put_down(). 0: none. */
static inline pid_t net_registry(const char *address)
{
	struct net_registry *r = shared(sizeof(*r));
	pid_t pid;

	if (!r)
		return 0;
	r->address = address;
	pid = spawn(keep_registry, r);
	if (ok(comes_true(READ_ONCE(r->stands)), "a registry at %s", address))
		return pid;
	put_down(pid);
	return 0;
}

#endif
