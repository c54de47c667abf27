// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the kernel tells modules by files of /proc only: the run queue, and how long something
 * stalled for want of CPU time, memory or I/O.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "sample.h"

enum { SHOWN_MAX = 512 };	/* bytes of one of these files */

static struct shown loadavg = { .path = "/proc/loadavg" };
static struct shown cpu = { .path = "/proc/pressure/cpu" };
static struct shown memory = { .path = "/proc/pressure/memory" };
static struct shown io = { .path = "/proc/pressure/io" };
static struct shown *const all[] = { &loadavg, &cpu, &memory, &io };

void shows_open(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		shown_open(all[i]);
}

void shows_close(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		shown_close(all[i]);
}

/* "0.20 0.18 0.12 1/80 11206": runnable, and all. */
void run_queue_take(struct kecho_load *now)
{
	char text[SHOWN_MAX];

	shown_read(&loadavg, text, sizeof(text));
	if (sscanf(text, "%*s %*s %*s %u/%u", &now->running, &now->threads) != 2)
		now->running = now->threads = 0;
}

/* "some avg10=0.12 avg60=0.05 avg300=0.01 total=11220657", and "full ..." in the next line. */
static bool total(const char *text, const char *line, u64 *us)
{
	const char *at = strstr(text, line);

	at = at ? strstr(at, "total=") : NULL;
	return at && sscanf(at, "total=%llu", us) == 1;
}

void pressure_take(struct kecho_load *now)
{
	char text[SHOWN_MAX];

	shown_read(&cpu, text, sizeof(text));
	now->pressure = total(text, "some", &now->cpu_some_us);
	shown_read(&memory, text, sizeof(text));
	total(text, "some", &now->memory_some_us);
	total(text, "full", &now->memory_full_us);
	shown_read(&io, text, sizeof(text));
	total(text, "some", &now->io_some_us);
	total(text, "full", &now->io_full_us);
}
