/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log, /dev/kmsg: one record per read, "PRIORITY,SEQ,USEC,FLAGS;TEXT"
 * and lines of " KEY=VALUE" behind it, with \xNN for bytes that do not print.
 */
#include <ctype.h>
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

#define RECORD_MAX	(16u << 10)	/* twice what the kernel writes at most */

static void explain_open(int err)
{
	if (err == EPERM || err == EACCES)
		complain("cannot open /dev/kmsg: %s (it takes root or CAP_SYSLOG, or "
			 "kernel.dmesg_restrict=0)", strerror(err));
	else
		complain("cannot open /dev/kmsg: %s", strerror(err));
}

static int kmsg_open(struct feed *f, const struct feed_options *opt)
{
	int err;

	f->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (f->fd < 0) {
		err = -errno;
		explain_open(errno);
		return err;
	}
	if (!opt->history && lseek(f->fd, 0, SEEK_END) < 0) {
		err = -errno;
		complain("cannot go to the end of /dev/kmsg: %s", strerror(errno));
		close(f->fd);
		return err;
	}
	f->events = POLLIN;
	return 0;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Undo \xNN in place; returns the length. */
static size_t unescape(char *s)
{
	char *to = s, *from = s;

	while (*from) {
		if (from[0] == '\\' && from[1] == 'x' && isxdigit((unsigned char)from[2]) &&
		    isxdigit((unsigned char)from[3])) {
			*to++ = (char)(hex_digit(from[2]) << 4 | hex_digit(from[3]));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	return to - s;
}

static void fields_json(struct json *j, char *fields)
{
	char *line, *value;

	json_key(j, "fields");
	json_object(j);
	while ((line = strsep(&fields, "\n"))) {
		value = strchr(line, '=');
		if (line[0] != ' ' || !value)
			continue;
		*value++ = '\0';
		json_key(j, line + 1);
		json_string_n(j, value, unescape(value));
	}
	json_object_end(j);
}

static int record_json(struct feed *f, char *record, struct buf *payload)
{
	char *text = strchr(record, ';'), *fields;
	uint64_t seq, time_us;
	unsigned int priority;
	struct json j;

	if (!text || sscanf(record, "%u,%" SCNu64 ",%" SCNu64, &priority, &seq, &time_us) != 3) {
		complain("cannot understand a record of /dev/kmsg: '%.60s'", record);
		return -EPROTO;
	}
	text++;
	fields = strchr(text, '\n');
	if (fields)
		*fields++ = '\0';
	j = payload_begin(f, payload);
	json_u64(&j, "level", priority & 7);
	json_u64(&j, "facility", priority >> 3);
	json_u64(&j, "seq", seq);
	json_u64(&j, "time_us", time_us);
	json_key(&j, "text");
	json_string_n(&j, text, unescape(text));
	if (fields && *fields)
		fields_json(&j, fields);
	return payload_end(&j);
}

static int overrun(struct feed *f, struct buf *payload)
{
	struct json j = payload_begin(f, payload);

	json_bool(&j, "overrun", true);
	return payload_end(&j);
}

static int kmsg_next(struct feed *f, short revents, struct buf *payload)
{
	char record[RECORD_MAX];
	ssize_t n;

	(void)revents;
	do
		n = read(f->fd, record, sizeof(record) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	/* Records were overwritten before we read them; the next read goes on. */
	if (n < 0 && errno == EPIPE)
		return overrun(f, payload);
	if (n < 0) {
		n = -errno;
		complain("cannot read /dev/kmsg: %s", strerror(errno));
		return n;
	}
	record[n] = '\0';
	return record_json(f, record, payload);
}

static void kmsg_close(struct feed *f)
{
	close(f->fd);
}

const struct feed_kind feed_kmsg = {
	.name = "kmsg",
	.parts = 1,
	.open = kmsg_open,
	.next = kmsg_next,
	.close = kmsg_close,
};
