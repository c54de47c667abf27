/* SPDX-License-Identifier: MIT */
/*
 * Standard output.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"

#define OUT_FLUSH	(64u << 10)	/* bytes that are written even when more comes */

struct buf out;

static int error;
static int each = -1;	/* write at each item: -1: not known yet */

void out_line_buffered(void)
{
	each = 1;
}

void out_text(const char *s)
{
	buf_str(&out, s);
}

/* Another program may have left the descriptor non-blocking. */
static void wait_writable(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	poll(&p, 1, -1);
}

int out_idle(void)
{
	size_t done = 0;
	ssize_t n;

	while (!error && done < out.len) {
		n = write(STDOUT_FILENO, out.p + done, out.len - done);
		if (n >= 0)
			done += n;
		else if (errno == EAGAIN)
			wait_writable();
		else if (errno != EINTR)
			error = -errno;
	}
	buf_reset(&out);
	return error;
}

int out_item(void)
{
	if (each < 0)
		each = isatty(STDOUT_FILENO);
	if (each || out.len >= OUT_FLUSH)
		return out_idle();
	return error;
}

void out_gone(void)
{
	if (!error)
		error = -EPIPE;
}

int out_end(int code)
{
	int err = out_idle();

	buf_free(&out);
	if (!err)
		return code;
	if (err == -EPIPE)
		return EXIT_CLOSED_PIPE;
	complain("cannot write to standard output: %s", strerror(-err));
	return EXIT_ERROR;
}
