/* SPDX-License-Identifier: MIT */
/*
 * Standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"

#define OUT_FLUSH	(64u << 10)	/* bytes that are written even when more comes */

struct buf out;

static int error;
static int each = -1;	/* write at each item: -1: not known yet */
static bool gather;
static int try_fd = STDOUT_FILENO;	/* where out_try() writes */

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

/* A terminal that has room for some bytes has its writer wait for the others. That does not
 * happen to a description of our own, for which we may say so; all others share theirs. */
void out_gather(void)
{
	int fd = -1;

	gather = true;
	if (isatty(STDOUT_FILENO))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		try_fd = fd;
}

static int write_all(void)
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

int out_idle(void)
{
	return gather ? error : write_all();
}

/* A pipe that polls writable takes PIPE_BUF bytes at once, and files whatever they get. */
static size_t piece_bytes(void)
{
	struct stat st;

	return !fstat(try_fd, &st) && S_ISREG(st.st_mode) ? OUT_FLUSH : PIPE_BUF;
}

int out_try(void)
{
	size_t piece = piece_bytes(), done = 0, some;
	struct pollfd p = { .fd = try_fd, .events = POLLOUT };
	ssize_t n;

	while (!error && done < out.len && poll(&p, 1, 0) == 1) {
		some = out.len - done < piece ? out.len - done : piece;
		n = write(try_fd, out.p + done, some);
		if (n >= 0)
			done += n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			error = -errno;
	}
	if (done)
		memmove(out.p, out.p + done, out.len - done);
	out.len -= done;
	if (error)
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
	int err = write_all();

	buf_free(&out);
	if (!err)
		return code;
	if (err == -EPIPE)
		return EXIT_CLOSED_PIPE;
	complain("cannot write to standard output: %s", strerror(-err));
	return EXIT_ERROR;
}
