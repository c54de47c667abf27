/* SPDX-License-Identifier: MIT */
/*
 * To be stopped: SIGINT and SIGTERM ask the verb to end in good order. The first
 * sets a flag and makes stop_fd() readable for good, so no wait can miss it; the
 * second has its usual effect. A verb that is not done STOP_GRACE_S after the
 * first (a full pipe that nobody reads, a `block` sink that stands still) is
 * ended with a word about it.
 */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

#define STOP_GRACE_S	5
#define FOREVER_NS	UINT64_MAX

/* Returns 0, or -errno after complaining. Before kecho_open(). */
int stop_init(void);
bool stopped(void);
int stop_fd(void);

/* Ask as a signal would. */
void stop_now(void);

/* What is to be done before this process is ended without its verb having come to its
 * end; NULL: nothing. Runs in a signal's handler. */
void stop_with(void (*fn)(void));

/* Sleep until @deadline_ns of now_ns() or until stopped; returns stopped(). */
bool stop_wait_until(uint64_t deadline_ns);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds. */
uint64_t now_ns(void);
uint64_t real_ns(void);

/* Nanoseconds in milliseconds, rounded up, for what takes an int. */
int whole_ms(uint64_t ns);

/* Milliseconds from now to @deadline_ns, rounded up, for poll(); -1: for ever. */
int poll_ms(uint64_t deadline_ns);

#endif
