/* SPDX-License-Identifier: MIT */
/*
 * To be stopped. A handler and an eventfd instead of a signalfd: the handler also
 * runs while a verb is inside a library call that waits.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "stop.h"

static volatile sig_atomic_t stop_flag;
static int stop_event = -1;
static void (*farewell)(void);

void stop_now(void)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	stop_flag = 1;
	n = write(stop_event, &one, sizeof(one));
	(void)n;
	errno = saved;
}

/* The second one ends this process as it returns, for then it is no longer blocked. */
static void on_stop(int sig)
{
	static volatile sig_atomic_t asked;

	if (asked) {
		if (farewell)
			farewell();
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	asked = 1;
	stop_now();
	alarm(STOP_GRACE_S);
}

static void on_alarm(int sig)
{
	static const char text[] =
		"kecho: somebody does not read: not everything was delivered before the end\n";
	ssize_t n;

	(void)sig;
	if (farewell)
		farewell();
	n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n;
	_exit(EXIT_ERROR);
}

/* Whoever started this command with the signal ignored (nohup, a shell's `&`)
 * wants it ignored. */
static void handle(int sig)
{
	struct sigaction stop = { .sa_handler = on_stop }, old;

	sigaction(sig, NULL, &old);
	if (old.sa_handler != SIG_IGN)
		sigaction(sig, &stop, NULL);
}

int stop_init(void)
{
	struct sigaction late = { .sa_handler = on_alarm };

	stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_event < 0) {
		complain("cannot make an eventfd: %s", strerror(errno));
		return -errno;
	}
	/* With constant arguments this does not fail. */
	sigaction(SIGALRM, &late, NULL);
	handle(SIGINT);
	handle(SIGTERM);
	return 0;
}

void stop_with(void (*fn)(void))
{
	farewell = fn;
}

bool stopped(void)
{
	return stop_flag;
}

int stop_fd(void)
{
	return stop_event;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

bool stop_wait_until(uint64_t deadline_ns)
{
	struct pollfd p = { .fd = stop_event, .events = POLLIN };
	struct timespec t;
	uint64_t now;

	while (!stopped() && (now = now_ns()) < deadline_ns) {
		t.tv_sec = (deadline_ns - now) / 1000000000u;
		t.tv_nsec = (deadline_ns - now) % 1000000000u;
		ppoll(&p, 1, deadline_ns == FOREVER_NS ? NULL : &t, NULL);
	}
	return stopped();
}

int whole_ms(uint64_t ns)
{
	uint64_t ms = ns / 1000000u + (ns % 1000000u > 0);

	return ms < INT_MAX ? (int)ms : INT_MAX;
}

int poll_ms(uint64_t deadline_ns)
{
	uint64_t now = now_ns();

	if (deadline_ns == FOREVER_NS)
		return -1;
	return deadline_ns > now ? whole_ms(deadline_ns - now) : 0;
}
