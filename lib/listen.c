// SPDX-License-Identifier: MIT
/*
 * Where this node listens, and at which address it tells others to reach it.
 *
 * That is where it listens, or what the user says (a node behind a translating router
 * cannot know). One that listens on every address of its host has none to tell: then
 * each connection's other end is told the address that it begins at here, which is right
 * after a change of addresses too, since connections end with the address that they
 * began at; and the registry the one that leads to it.
 */
#include "internal.h"

#include "address.h"

int listen_unix(struct kecho *k)
{
	struct sockaddr_un a;
	socklen_t len = dial_unix_address(&a, &k->node.self.node);

	k->unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->unix_fd < 0 || bind(k->unix_fd, (void *)&a, len) || listen(k->unix_fd, 128))
		return lib_fail(-errno, "cannot listen for nodes of this host");
	return conn_watch(k->ep, k->unix_fd, EPOLLIN, &k->unix_fd);
}

static int listen_at(struct kecho *k, const char *address, struct sockaddr_storage *a)
{
	socklen_t len;
	int one = 1;

	if (address_parse(address, a, &len) || address_is_multicast(a))
		return lib_fail(-EINVAL, "listen: '%s' is no ADDR[:PORT] of a host", address);
	k->tcp_fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->tcp_fd < 0)
		return lib_fail(-errno, "listen: '%s'", address);
	setsockopt(k->tcp_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(k->tcp_fd, (void *)a, len) || listen(k->tcp_fd, 128))
		return lib_fail(-errno, "listen: cannot listen on '%s'", address);
	len = sizeof(*a);
	getsockname(k->tcp_fd, (void *)a, &len);
	return conn_watch(k->ep, k->tcp_fd, EPOLLIN, &k->tcp_fd);
}

static int told_address(const char *advertise, uint16_t port, struct sockaddr_storage *a)
{
	socklen_t len;

	if (address_parse(advertise, a, &len) || address_is_any(a) || address_is_multicast(a))
		return lib_fail(-EINVAL, "advertise: '%s' is no ADDR[:PORT] of a host", advertise);
	if (!address_port(a))
		address_set_port(a, port);
	return 0;
}

static int any_address(const char *listen, const char *registry, uint16_t port,
		       struct sockaddr_storage *a)
{
	static const char which[] = "listen: '%s' is every address of this host%s%s: "
				    "advertise must say which others reach";
	struct sockaddr_storage to;
	bool parsed = false;
	unsigned int i;
	socklen_t len;
	char at[64];

	if (!registry)
		return lib_fail(-EINVAL, which, listen, ", and there is no registry's", "");
	for (i = 0; ke_reg_place_of(registry, i, at, sizeof(at)); i++) {
		if (address_parse(at, &to, &len))
			continue;
		parsed = true;
		if (!address_towards(&to, len, port, a))
			return 0;
	}
	if (!parsed)
		return lib_fail(-EINVAL, "registry: no ADDR:PORT is in '%s'", registry);
	return lib_fail(-EADDRNOTAVAIL, which, listen, ", and none leads to the registry ",
			registry);
}

int listen_tcp(struct kecho *k, const char *listen, const char *advertise, const char *registry)
{
	struct sockaddr_storage a;
	int err;

	if (!listen && advertise)
		return lib_fail(-EINVAL, "advertise: '%s', but this node does not listen",
				advertise);
	if (!listen)
		return 0;
	err = listen_at(k, listen, &a);
	if (err)
		return err;
	if (advertise) {
		err = told_address(advertise, address_port(&a), &a);
	} else if (address_is_any(&a)) {
		k->any_port = address_port(&a);
		err = any_address(listen, registry, k->any_port, &a);
	}
	if (!err)
		address_print(&a, k->node.self.address, sizeof(k->node.self.address));
	return err;
}

/* What the hello over this new connection tells. Over the loopback others are neighbours on
 * this host, which reach the address that was told so far. */
void listen_learn(struct kecho *k, int fd)
{
	struct sockaddr_storage a;

	if (!k->any_port || address_near(fd, k->any_port, &a) || address_is_loopback(&a))
		return;
	address_print(&a, k->node.self.address, sizeof(k->node.self.address));
	ke_reg_moved(k->reg, k->node.self.address);
}
