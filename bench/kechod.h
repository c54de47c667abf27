/* SPDX-License-Identifier: MIT */
/*
 * A kechod of the program's own, in a run directory of its own on a tmpfs. It runs on the
 * CPUs that the caller may use, dies with it, and depends on no configuration of the host.
 */
#ifndef KECHO_BENCH_KECHOD_H
#define KECHO_BENCH_KECHOD_H

#include <sys/types.h>

#define KECHOD_OPTIONS_MAX	8

struct kechod {
	pid_t pid;	/* 0: there is none */
	char dir[40], socket[64], log[64];
};

/* kechod_start - start one with @options, "KEY=VALUE" up to a NULL, at most
 * KECHOD_OPTIONS_MAX of them, and wait until processes may attach. -errno, with nothing
 * left behind, after a message on stderr; @k is touched by kechod_stop() only. */
int kechod_start(struct kechod *k, const char *const *options);

/* kechod_stop - end it and remove its directory. -EIO if it failed, after showing on
 * stderr what it said. Does nothing if there is none. */
int kechod_stop(struct kechod *k);

/* kechod_use - processes that attach from now on, in this one or its children, attach to
 * @k. */
void kechod_use(const struct kechod *k);

#endif
