/* SPDX-License-Identifier: MIT */
/*
 * Addresses of TCP: "ADDR[:PORT]", with an IPv6 ADDR in brackets if a port follows.
 */
#ifndef KECHO_ADDRESS_H
#define KECHO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* address_parse - digits only, no names; without a port it is 0. -EINVAL. */
int address_parse(const char *s, struct sockaddr_storage *a, socklen_t *len);
/* address_print - as "ADDR:PORT"; an IPv4 address in IPv6's clothes as what it is. */
void address_print(const struct sockaddr_storage *a, char *to, size_t size);

uint16_t address_port(const struct sockaddr_storage *a);
void address_set_port(struct sockaddr_storage *a, uint16_t port);
/* Every address of the host; one that only this host reaches; one of many hosts. */
bool address_is_any(const struct sockaddr_storage *a);
bool address_is_loopback(const struct sockaddr_storage *a);
bool address_is_multicast(const struct sockaddr_storage *a);

/* address_near - where @fd, a connected socket, begins, with @port in place of its own. */
int address_near(int fd, uint16_t port, struct sockaddr_storage *a);
/* address_towards - where a connection to @to would begin, with @port. -ENETUNREACH. */
int address_towards(const struct sockaddr_storage *to, socklen_t len, uint16_t port,
		    struct sockaddr_storage *a);

#endif
