/* SPDX-License-Identifier: MIT */
/*
 * Pressure stall information: how long tasks waited for cpu, memory and io.
 *
 * One feed per resource. Each begins with a sample ("why": "start"). Then, where
 * the kernel grants a trigger, it tells of each window in which tasks stalled for
 * more than STALL_US ("trigger"); elsewhere it is sampled each interval
 * ("sample"), and stderr says so. The window is 2 s because kernels that grant
 * triggers to everybody ask for a multiple of that. To poll a trigger is to take
 * its event, so it can't sit behind an epoll: that would take it twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "from.h"

#define STALL_US	"100000"
#define WINDOW_US	"2000000"

static const char *const resources[] = { "cpu", "memory", "io" };

struct psi {
	char path[32];
	bool trigger;		/* fd is a trigger, not a timer */
	bool started;		/* the first sample was given */
};

static int open_trigger(const char *path)
{
	static const char trigger[] = "some " STALL_US " " WINDOW_US;
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	/* The kernel wants the ending 0 as well. */
	if (fd >= 0 && write(fd, trigger, sizeof(trigger)) == (ssize_t)sizeof(trigger))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int psi_open(struct feed *f, const struct feed_options *opt)
{
	struct psi *psi = grow(NULL, 1, sizeof(*psi));
	char text[8];
	int err;

	memset(psi, 0, sizeof(*psi));
	snprintf(psi->path, sizeof(psi->path), "/proc/pressure/%s", resources[f->part]);
	/* A kernel built or booted without PSI: no interval would help. */
	err = feed_read_file(psi->path, text, sizeof(text));
	if (err < 0)
		goto free;
	f->fd = open_trigger(psi->path);
	psi->trigger = f->fd >= 0;
	f->events = psi->trigger ? POLLPRI : POLLIN;
	if (!psi->trigger) {
		complain("no trigger on %s (%s): sampled each interval", psi->path,
			 strerror(-f->fd));
		f->fd = feed_timer(opt);
	}
	err = f->fd;
	if (err < 0)
		goto free;
	f->state = psi;
	return 0;
free:
	free(psi);
	return err;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"; the kernel may add keys. */
static void line_json(struct json *j, char *line)
{
	char *word, *value, *rest = NULL;

	word = strtok_r(line, " ", &rest);
	if (!word)
		return;
	json_key(j, word);
	json_object(j);
	while ((word = strtok_r(NULL, " ", &rest))) {
		value = strchr(word, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(word, "total"))
			json_u64(j, "total_us", strtoull(value, NULL, 10));
		else
			json_real(j, word, strtod(value, NULL), 2);
	}
	json_object_end(j);
}

static int sample(struct feed *f, const char *why, struct buf *payload)
{
	struct psi *psi = f->state;
	char text[512], *line, *rest = text;
	struct json j;
	int n;

	n = feed_read_file(psi->path, text, sizeof(text));
	if (n < 0)
		return n;
	j = payload_begin(f, payload);
	json_str(&j, "resource", resources[f->part]);
	json_str(&j, "why", why);
	while ((line = strsep(&rest, "\n")))
		line_json(&j, line);
	return payload_end(&j);
}

static int psi_next(struct feed *f, short revents, struct buf *payload)
{
	struct psi *psi = f->state;
	bool timer = !psi->trigger && feed_timer_expired(f->fd);

	if (!psi->started && (psi->trigger || timer)) {
		psi->started = true;
		return sample(f, "start", payload);
	}
	if (psi->trigger && (revents & POLLERR)) {
		complain("the trigger on %s has gone", psi->path);
		return -EIO;
	}
	if (psi->trigger && (revents & POLLPRI))
		return sample(f, "trigger", payload);
	return timer ? sample(f, "sample", payload) : 0;
}

static void psi_close(struct feed *f)
{
	close(f->fd);
	free(f->state);
}

const struct feed_kind feed_psi = {
	.name = "psi",
	.parts = sizeof(resources) / sizeof(resources[0]),
	.open = psi_open,
	.next = psi_next,
	.close = psi_close,
};
