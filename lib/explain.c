// SPDX-License-Identifier: MIT
/*
 * The sentence about a thread's last error, and who is a child of a fork.
 */
#include "internal.h"

static _Thread_local char explanation[256];

atomic_uint lib_fork_generation;

int lib_fail(int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(explanation, sizeof(explanation), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(explanation))
		snprintf(explanation + n, sizeof(explanation) - n, ": %s", strerror(-err));
	return err;
}

const char *kecho_explain(void)
{
	return explanation;
}

static void in_child(void)
{
	atomic_fetch_add(&lib_fork_generation, 1);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
