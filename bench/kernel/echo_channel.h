/* SPDX-License-Identifier: MIT */
/*
 * Channels of user-level ECho, as far as the paper says what they are: who creates one is its
 * contact, which a group server knows by the channel's name; who opens one asks there, and joins
 * by a connection to the contact. A message is a header and a body, with a system call each.
 * These are the fewest calls that this takes. -errno.
 */
#ifndef KECHO_BENCH_ECHO_CHANNEL_H
#define KECHO_BENCH_ECHO_CHANNEL_H

#include <netinet/in.h>

/* On the calling host: a process that is the server, at @at. Its pid. */
pid_t echo_server(struct sockaddr_in *at);

/* Where the channel is listened for, at @address. */
int echo_create(const struct sockaddr_in *server, const char *address, const char *name);
/* The connection. */
int echo_open(const struct sockaddr_in *server, const char *name);
/* Who has created channels takes those who join, at these @n. Does not return but for an error. */
int echo_serve(const int *listener, unsigned int n);
/* Is there an event? */
int echo_poll(int fd);

#endif
