/* SPDX-License-Identifier: MIT */
/* Modules that measure: /NAME.ko of the guest, and what their parameters say then. -errno. */
#ifndef KECHO_BENCH_LOAD_H
#define KECHO_BENCH_LOAD_H

int load(const char *name, const char *words);
int load_end(const char *name);
int load_result(const char *name, const char *parameter, double *value);
/* A list's; up to @max of them. */
int load_results(const char *name, const char *parameter, double *value, unsigned int max,
		 unsigned int *n);

#endif
