/* SPDX-License-Identifier: MIT */
/*
 * The kinds of feeds, opened by name, and what several of them need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cli.h"
#include "from.h"

static const struct feed_kind *const kinds[] = {
	&feed_loadavg, &feed_psi, &feed_netlink, &feed_kmsg, &feed_uevent,
};

static const struct feed_kind *find_kind(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i]->name) == len && !strncmp(kinds[i]->name, name, len))
			return kinds[i];
	return NULL;
}

static bool is_open(const struct feeds *fs, const struct feed_kind *kind)
{
	for (size_t i = 0; i < fs->n; i++)
		if (fs->feed[i].kind == kind)
			return true;
	return false;
}

static int open_kind(struct feeds *fs, const struct feed_kind *kind,
		     const struct feed_options *opt)
{
	for (unsigned int part = 0; part < kind->parts; part++) {
		struct feed *f = &fs->feed[fs->n];

		*f = (struct feed){ .kind = kind, .part = part, .fd = -1 };
		if (kind->open(f, opt))
			return EXIT_ERROR;
		fs->n++;
	}
	return 0;
}

int feeds_open(struct feeds *fs, const char *list, const struct feed_options *opt)
{
	const struct feed_kind *kind;
	int code = 0;
	size_t len;

	fs->n = 0;
	for (const char *at = list; !code; at += len + 1) {
		len = strcspn(at, ",");
		kind = find_kind(at, len);
		if (!kind)
			code = usage_error("--from: no '%.*s': there are loadavg, psi, netlink, "
					   "kmsg and uevent", (int)len, at);
		else if (is_open(fs, kind))
			code = usage_error("--from: %s is there twice", kind->name);
		else
			code = open_kind(fs, kind, opt);
		if (!at[len])
			break;
	}
	if (code)
		feeds_close(fs);
	return code;
}

void feeds_close(struct feeds *fs)
{
	while (fs->n) {
		struct feed *f = &fs->feed[--fs->n];

		f->kind->close(f);
	}
}

struct json payload_begin(struct feed *f, struct buf *payload)
{
	struct json j = { .b = payload };

	json_object(&j);
	json_str(&j, "from", f->kind->name);
	return j;
}

int payload_end(struct json *j)
{
	json_object_end(j);
	return 1;
}

int feed_timer(const struct feed_options *opt)
{
	struct itimerspec t = {
		.it_value.tv_nsec = 1,
		.it_interval.tv_sec = opt->interval_ns / 1000000000u,
		.it_interval.tv_nsec = opt->interval_ns % 1000000000u,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int err;

	if (fd >= 0 && !timerfd_settime(fd, 0, &t, NULL))
		return fd;
	err = -errno;
	complain("cannot start a timer: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

bool feed_timer_expired(int fd)
{
	uint64_t times;

	return read(fd, &times, sizeof(times)) == sizeof(times);
}

int feed_read_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0) {
		err = -errno;
		complain("cannot open %s: %s", path, strerror(errno));
		return err;
	}
	while (n > 0 && len < size - 1) {
		n = read(fd, to + len, size - 1 - len);
		if (n > 0)
			len += n;
	}
	if (n < 0) {
		err = -errno;
		complain("cannot read %s: %s", path, strerror(errno));
	}
	close(fd);
	to[len] = '\0';
	return err ? err : (int)len;
}
