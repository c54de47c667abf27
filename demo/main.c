/* SPDX-License-Identifier: MIT */
/*
 * kecho-demo: three hosts on one machine share a channel; then things break.
 *
 * One loop: the nodes' pipes, signals and a timer, until the show is over, has
 * failed, or is told to stop. Every way out passes through the same clean-up.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "report.h"
#include "screen.h"
#include "show.h"

#define REPORT_PATH "kecho-demo.html"

enum { POLL_SIGNAL, POLL_TIMER, POLL_NODES };

struct options {
	const char *report;
	bool loopback;
	bool plain;
};

static const char help[] =
	"Usage: kecho-demo [OPTION]…\n"
	"\n"
	"Three hosts share one event channel and publish what their kernels say. A link is\n"
	"cut and healed, a process killed; what was heard, and what was lost, is counted.\n"
	"Takes half a minute and leaves an HTML report.\n"
	"\n"
	"  -o, --report FILE  where the report goes (default: " REPORT_PATH ")\n"
	"  -l, --loopback     three loopback addresses; default without root, who gets\n"
	"                     network namespaces\n"
	"  -p, --plain        lines instead of a live page; default without a terminal\n"
	"  -h, --help         this\n"
	"\n"
	"Exit code: 0 if every event was accounted for, 1 if something went wrong, 2 for a\n"
	"wrong option, 128 and the signal's number if one ended it.\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "report", required_argument, NULL, 'o' },
		{ "loopback", no_argument, NULL, 'l' },
		{ "plain", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:lph", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			o->report = optarg;
			break;
		case 'l':
			o->loopback = true;
			break;
		case 'p':
			o->plain = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		default:
			fputs("Try 'kecho-demo --help'.\n", stderr);
			return -EINVAL;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "kecho-demo: what is '%s'? Try 'kecho-demo --help'.\n", argv[optind]);
	return -EINVAL;
}

static int open_signals(void)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int open_timer(void)
{
	struct itimerspec t = {
		.it_value.tv_nsec = 1,
		.it_interval.tv_nsec = SHOW_TICK_MS * 1000000,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), err;

	if (fd >= 0 && !timerfd_settime(fd, 0, &t, NULL))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Returns the signal that ends the show, or 0. */
static int on_signal(struct show *sh, int fd)
{
	struct signalfd_siginfo si;
	int stop = 0;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo != SIGCHLD)
			stop = (int)si.ssi_signo;
	}
	show_reap(sh);
	return stop;
}

static int run(struct show *sh, struct screen *screen, int signals, int timer)
{
	struct pollfd p[POLL_NODES + HOSTS] = {
		[POLL_SIGNAL] = { .fd = signals, .events = POLLIN },
		[POLL_TIMER] = { .fd = timer, .events = POLLIN },
	};
	int stop = 0;
	uint64_t n;

	while (!sh->done && !sh->failed && !stop) {
		/* A pipe whose node has gone hangs up for ever: it is left out. */
		for (int i = 0; i < HOSTS; i++)
			p[POLL_NODES + i] = (struct pollfd){
				.fd = sh->crew.mate[i].pid ? sh->crew.mate[i].report.fd : -1,
				.events = POLLIN,
			};
		if (poll(p, POLL_NODES + HOSTS, -1) < 0 && errno != EINTR) {
			show_fail(sh, "poll: %s", strerror(errno));
			break;
		}
		for (int i = 0; i < HOSTS; i++)
			if (p[POLL_NODES + i].revents)
				show_read(sh, i);
		if (p[POLL_SIGNAL].revents)
			stop = on_signal(sh, signals);
		if (read(timer, &n, sizeof(n)) == sizeof(n)) {
			show_tick(sh);
			screen_draw(screen, &sh->story);
		}
	}
	return stop;
}

static void say_what_next(const struct options *o, const struct hosts *h)
{
	char where[PATH_MAX];

	printf("\nThe report: %s\n", realpath(o->report, where) ? where : o->report);
	if (h->loopback)
		puts("With CAP_SYS_ADMIN hosts are network namespaces, the cut a pulled cable.");
	puts("Next: build/cli/kecho sub hello                              in one terminal,\n"
	     "      build/cli/kecho pub hello --from netlink,loadavg,psi   in another");
}

static int make_hosts(struct hosts *h, const struct options *o)
{
	bool loopback = o->loopback || geteuid() != 0;
	char why[HOSTS_WHY_MAX];
	int err = hosts_make(h, loopback, why, sizeof(why));

	if (err == -EPERM && !loopback) {
		/* Root, but of a container that may not have namespaces. */
		fprintf(stderr, "kecho-demo: %s; going on with loopback addresses\n", why);
		err = hosts_make(h, true, why, sizeof(why));
	}
	if (err)
		fprintf(stderr, "kecho-demo: %s\n", why);
	return err;
}

/* The show from its first process to its report. Returns an exit code. */
static int perform(struct show *sh, struct hosts *hosts, const struct options *o)
{
	int signals = open_signals(), timer = open_timer(), stop, err = 0;
	struct screen screen;

	if (signals < 0 || timer < 0) {
		fprintf(stderr, "kecho-demo: %s: %s\n", signals < 0 ? "signalfd" : "timerfd",
			strerror(signals < 0 ? -signals : -timer));
		return 1;
	}
	screen_open(&screen, o->plain);
	show_begin(sh, hosts);
	stop = run(sh, &screen, signals, timer);
	sh->story.end_ns = story_now_ns(&sh->story);
	crew_end(&sh->crew);
	screen_close(&screen, &sh->story);
	close(signals);
	close(timer);
	if (stop) {
		fprintf(stderr, "kecho-demo: ended by signal %d (%s), all is cleaned up\n", stop,
			strsignal(stop));
		return 128 + stop;
	}
	screen_summary(&sh->story);
	err = report_write(o->report, &sh->story);
	if (err)
		fprintf(stderr, "kecho-demo: the report %s: %s\n", o->report, strerror(-err));
	else
		say_what_next(o, hosts);
	fflush(stdout);
	if (sh->failed)
		fprintf(stderr, "kecho-demo: failed: %s\n", sh->why);
	return err || sh->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct show show;	/* too large for a stack */
	struct options o = { .report = REPORT_PATH };
	struct hosts hosts;
	int ret = parse(argc, argv, &o);

	setlocale(LC_CTYPE, "");
	if (ret)
		return ret < 0 ? 2 : 0;
	ret = report_try(o.report);
	if (ret) {
		fprintf(stderr, "kecho-demo: cannot write the report %s: %s (choose another place "
			"with --report)\n", o.report, strerror(-ret));
		return 1;
	}
	ret = 1;
	if (!make_hosts(&hosts, &o)) {
		ret = perform(&show, &hosts, &o);
		hosts_unmake(&hosts);
	}
	return ret;
}
