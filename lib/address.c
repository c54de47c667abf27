/* SPDX-License-Identifier: MIT */
/* Addresses of TCP: see address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Decimal digits and nothing else. */
static int parse_port(const char *s, uint16_t *port)
{
	unsigned int n = 0;
	const char *p;

	for (p = s; *p >= '0' && *p <= '9' && n <= UINT16_MAX; p++)
		n = n * 10 + (*p - '0');
	if (p == s || *p || n > UINT16_MAX)
		return -EINVAL;
	*port = n;
	return 0;
}

/* "ADDR" of IPv6 may end in "%INTERFACE"; of IPv4 it has all four numbers. */
static int parse_host(const char *s, struct sockaddr_storage *a, socklen_t *len)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_family = AF_INET6 }, *ai;
	struct sockaddr_in *in = (void *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, s, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		*len = sizeof(*in);
		return 0;
	}
	if (getaddrinfo(s, NULL, &hints, &ai))
		return -EINVAL;
	memcpy(a, ai->ai_addr, ai->ai_addrlen);
	*len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

int address_parse(const char *s, struct sockaddr_storage *a, socklen_t *len)
{
	char text[64], *host = text, *end = NULL;
	uint16_t port = 0;

	if (strlen(s) >= sizeof(text))
		return -EINVAL;
	strcpy(text, s);
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end)
			return -EINVAL;
		*end++ = 0;
		if (*end && *end != ':')
			return -EINVAL;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		end = strchr(text, ':');
	}
	if (end && *end) {
		*end++ = 0;
		if (parse_port(end, &port))
			return -EINVAL;
	}
	if (parse_host(host, a, len))
		return -EINVAL;
	address_set_port(a, port);
	return 0;
}

static const struct sockaddr_in *v4(const struct sockaddr_storage *a)
{
	return (const void *)a;
}

static const struct sockaddr_in6 *v6(const struct sockaddr_storage *a)
{
	return (const void *)a;
}

/* A socket of both protocols shows IPv4 addresses as ones of IPv6. */
static void unmap(struct sockaddr_storage *a)
{
	struct sockaddr_in plain = { .sin_family = AF_INET };

	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6(a)->sin6_addr))
		return;
	plain.sin_port = v6(a)->sin6_port;
	memcpy(&plain.sin_addr, &v6(a)->sin6_addr.s6_addr[12], sizeof(plain.sin_addr));
	memset(a, 0, sizeof(*a));
	memcpy(a, &plain, sizeof(plain));
}

static socklen_t length(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void address_print(const struct sockaddr_storage *a, char *to, size_t size)
{
	struct sockaddr_storage plain = *a;
	char host[48], port[8];

	to[0] = 0;
	unmap(&plain);
	if (getnameinfo((const void *)&plain, length(&plain), host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(to, size, plain.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

uint16_t address_port(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6 ? v6(a)->sin6_port : v4(a)->sin_port);
}

void address_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)a)->sin_port = htons(port);
}

bool address_is_any(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&v6(a)->sin6_addr);
	return v4(a)->sin_addr.s_addr == htonl(INADDR_ANY);
}

bool address_is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&v6(a)->sin6_addr);
	return ntohl(v4(a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool address_is_multicast(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&v6(a)->sin6_addr);
	return IN_MULTICAST(ntohl(v4(a)->sin_addr.s_addr));
}

int address_near(int fd, uint16_t port, struct sockaddr_storage *a)
{
	socklen_t len = sizeof(*a);

	memset(a, 0, sizeof(*a));
	if (getsockname(fd, (void *)a, &len))
		return -errno;
	unmap(a);
	address_set_port(a, port);
	return 0;
}

/* No packet is sent: connecting such a socket only looks for a route. */
int address_towards(const struct sockaddr_storage *to, socklen_t len, uint16_t port,
		    struct sockaddr_storage *a)
{
	int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const void *)to, len) ? -errno : address_near(fd, port, a);
	close(fd);
	return err;
}
