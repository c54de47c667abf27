/* SPDX-License-Identifier: MIT */
/*
 * /proc/loadavg, sampled: the run queue's averages over 1, 5 and 15 minutes, how
 * many threads run and exist, and the youngest process id.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "from.h"

static int loadavg_open(struct feed *f, const struct feed_options *opt)
{
	f->fd = feed_timer(opt);
	f->events = POLLIN;
	return f->fd < 0 ? f->fd : 0;
}

static int loadavg_next(struct feed *f, short revents, struct buf *payload)
{
	unsigned int running, total, last_pid;
	double one, five, fifteen;
	char text[128];
	struct json j;
	int n;

	(void)revents;
	if (!feed_timer_expired(f->fd))
		return 0;
	n = feed_read_file("/proc/loadavg", text, sizeof(text));
	if (n < 0)
		return n;
	if (sscanf(text, "%lf %lf %lf %u/%u %u", &one, &five, &fifteen, &running, &total,
		   &last_pid) != 6) {
		complain("cannot understand /proc/loadavg: '%s'", text);
		return -EPROTO;
	}
	j = payload_begin(f, payload);
	json_real(&j, "load1", one, 2);
	json_real(&j, "load5", five, 2);
	json_real(&j, "load15", fifteen, 2);
	json_u64(&j, "running", running);
	json_u64(&j, "total", total);
	json_u64(&j, "last_pid", last_pid);
	return payload_end(&j);
}

static void loadavg_close(struct feed *f)
{
	close(f->fd);
}

const struct feed_kind feed_loadavg = {
	.name = "loadavg",
	.parts = 1,
	.open = loadavg_open,
	.next = loadavg_next,
	.close = loadavg_close,
};
