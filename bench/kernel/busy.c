/* SPDX-License-Identifier: MIT */
/* What a guest has executed; see busy.h. */
#include "busy.h"
#include "../measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Up to now, to the nanosecond, which /proc/stat does not say. */
static int idle_ns(uint64_t *ns)
{
	FILE *f = fopen("/proc/timer_list", "re");
	int err = f ? -ENODATA : -errno;
	char line[256];

	while (f && err && fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %" SCNu64, ns) == 1)
			err = 0;
	if (f)
		fclose(f);
	if (err)
		fprintf(stderr, "/proc/timer_list: %s\n", strerror(-err));
	return err;
}

/* Nobody idles while we read, so what was idle when is as when the clock is read. */
int busy_begin(struct busy *b)
{
	uint64_t idle;
	int err = idle_ns(&idle);

	if (err)
		return err;
	b->own = measure_thread_cpu_ns();
	b->all = measure_now_ns() - idle;
	return 0;
}

int busy_end(struct busy *b)
{
	uint64_t now = measure_now_ns(), own = measure_thread_cpu_ns(), idle;
	int err = idle_ns(&idle);

	if (err)
		return err;
	b->own = own - b->own;
	b->all = now - idle - b->all;
	return 0;
}
