/* SPDX-License-Identifier: MIT */
/*
 * A broker: a program that a peer needs beside the publisher and the sinks. The worker's
 * publisher starts and ends it; it runs on the publisher's host, on the same CPUs, and
 * dies with it. What it prints goes where the worker's output goes.
 */
#ifndef KECHO_BENCH_BROKER_H
#define KECHO_BENCH_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BROKER_PORT	4222	/* that of the one broker on a host of its own */

struct broker {
	pid_t pid;	/* 0: there is none */
};

/* broker_start - start argv[0], sought in PATH, and wait until @ready says that it is.
 * -errno after a message on stderr, with nothing left behind. */
int broker_start(struct broker *b, const char *const *argv, bool (*ready)(void));

/* broker_listens - it does so at BROKER_PORT of the publisher's host: a @ready. */
bool broker_listens(void);

/* broker_write - a file for it to read, with @text. -errno after a message. */
int broker_write(const char *path, const char *text);

/* broker_cpu - its CPU time until now. -errno. */
int broker_cpu(const struct broker *b, uint64_t *ns);

/* broker_stop - end it at once, since all that it has goes with the hosts, and some would
 * first end the programs that they know. Does nothing if there is none. */
void broker_stop(struct broker *b);

#endif
