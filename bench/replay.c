/* SPDX-License-Identifier: MIT */
/*
 * How true to time a replay is: a recording is replayed while it is recorded again, and the
 * two recordings say when each event was submitted. In a network namespace of its own.
 *
 * What counts is how much later each event came than the most punctual one of all: where the
 * replay began is then no part of it, and a clock that drifts is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kecho/kecho.h>

#include "cli/cli.h"
#include "cli/recording.h"
#include "hosts.h"
#include "measure.h"

#define CHANNEL		"replay-bench"
#define EVENTS_MAX	(16u << 20)
#define SECONDS_MAX	86400
#define RATE		100	/* events a second, at times that nothing foresees */
#define BURST_ONE_IN	50	/* of them is the first of so many */
#define BURST		20
#define EVENT_MAX	900
#define BAR_MS		1.0
#define RECORDER_MS	10000	/* until it is there */
#define STEP_MS		1

static const char help[] =
	"Usage: replay [--seconds N] [FILE]\n"
	"\n"
	"How true to time kecho replay is, with FILE, a recording of one source, or one that is\n"
	"made first, of N seconds (60) and about 150 events a second. Takes its length twice.\n";

/* What cli/buf.c complains with too. */
void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("replay: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* ------------------------------------------------------------------- recording */

static void wait_until(uint64_t ns)
{
	struct timespec t = { ns / MEASURE_NS_PER_S, ns % MEASURE_NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* The source and the recorder's sink. */
static bool recorder_there(struct kecho_channel *ch)
{
	unsigned int ms;

	for (ms = 0; ms < RECORDER_MS && kecho_members(ch, NULL, 0) < 2; ms += STEP_MS)
		wait_until(measure_now_ns() + STEP_MS * 1000000ULL);
	return ms < RECORDER_MS;
}

/* Poisson's arrivals, some of them a burst. */
static int publish(unsigned int seconds)
{
	static const char data[EVENT_MAX];
	unsigned short seed[3] = { 1, 2, 3 };
	struct kecho_channel *ch;
	struct kecho_source *s;
	uint64_t now, end;
	unsigned int n;
	struct kecho *k;
	int err;

	err = kecho_open(&k, NULL);
	err = err ?: kecho_channel_open(k, CHANNEL, NULL, &ch);
	err = err ?: kecho_source_open(ch, NULL, &s);
	if (!err && !recorder_there(ch))
		err = -ETIMEDOUT;
	if (err)
		return err;
	now = measure_now_ns();
	for (end = now + seconds * MEASURE_NS_PER_S; !err && now < end;) {
		now += (uint64_t)(-log(1 - erand48(seed)) / RATE * MEASURE_NS_PER_S);
		wait_until(now);
		n = nrand48(seed) % BURST_ONE_IN ? 1 : BURST;
		while (!err && n--)
			err = kecho_submit(s, data, (size_t)nrand48(seed) % sizeof(data), 0);
	}
	kecho_close(k);
	return err;
}

static pid_t start(const char *const *argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static pid_t start_publisher(unsigned int seconds)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(publish(seconds) ? 1 : 0);
}

static pid_t start_replay(const char *from)
{
	return start((const char *const[]){ KECHO, "replay", "--wait-sinks", "1", from, CHANNEL,
					    NULL });
}

static bool ended_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

/* All that @publisher submits. */
static bool record(const char *to, pid_t publisher)
{
	pid_t recorder = start((const char *const[]){ KECHO, "record", "--until-end", "--strict",
						      CHANNEL, to, NULL });
	bool good = ended_well(publisher);

	return ended_well(recorder) && good;
}

/* ------------------------------------------------------------------- comparing */

struct times {
	uint64_t *ns;		/* when each event was submitted */
	size_t n;
};

static int read_times(const char *path, struct times *t)
{
	struct recording_reader r;
	struct recording_item it;
	int fd = open(path, O_RDONLY | O_CLOEXEC), more;

	t->n = 0;
	t->ns = malloc(EVENTS_MAX * sizeof(*t->ns));
	if (fd < 0 || !t->ns || recording_open(&r, fd))
		return -EIO;
	while ((more = recording_next(&r, &it)) == 1 && t->n < EVENTS_MAX)
		if (it.kind == RECORDING_EVENT)
			t->ns[t->n++] = it.event.time_ns;
	recording_close(&r);
	close(fd);
	return more < 0 ? more : 0;
}

static int compare(const char *a, const char *b)
{
	struct times x, y;
	double *late, first = INFINITY, p99;
	size_t i;

	if (read_times(a, &x) || read_times(b, &y) || !x.n || x.n != y.n) {
		complain("%zu events were recorded, %zu came again", x.n, y.n);
		return 2;
	}
	late = calloc(x.n, sizeof(*late));
	if (!late)
		return 2;
	for (i = 0; i < x.n; i++) {
		late[i] = ((double)(int64_t)(y.ns[i] - y.ns[0]) -
			   (double)(int64_t)(x.ns[i] - x.ns[0])) / 1e6;
		first = fmin(first, late[i]);
	}
	for (i = 0; i < x.n; i++)
		late[i] -= first;
	p99 = measure_percentile(late, x.n, 0.99);
	printf("%zu events in %.0f s; late by, ms: p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f\n"
	       "p99 at most %.0f ms: %s\n",
	       x.n, (double)(x.ns[x.n - 1] - x.ns[0]) / 1e9, measure_percentile(late, x.n, 0.5),
	       p99, measure_percentile(late, x.n, 0.999), late[x.n - 1], BAR_MS,
	       measure_verdict_name(p99 <= BAR_MS ? VERDICT_MET : VERDICT_MISSED));
	free(late);
	free(x.ns);
	free(y.ns);
	return p99 <= BAR_MS ? 0 : 1;
}

static int run(const char *file, unsigned int seconds)
{
	char dir[] = "/tmp/kecho-replay-XXXXXX", made[64], again[64];
	int status = 2;

	if (!mkdtemp(dir)) {
		complain("no folder in /tmp: %s", strerror(errno));
		return 2;
	}
	snprintf(made, sizeof(made), "%s/made.krec", dir);
	snprintf(again, sizeof(again), "%s/again.krec", dir);
	if (!file && !record(made, start_publisher(seconds)))
		complain("the recording did not end well");
	else if (!record(again, start_replay(file ?: made)))
		complain("the replay did not end well");
	else
		status = compare(file ?: made, again);
	unlink(made);
	unlink(again);
	rmdir(dir);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	long seconds = 60;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == 's')
			seconds = atol(optarg);
		if (c == 'h')
			return fputs(help, stdout) < 0;
		if (c == '?')
			return 2;
	}
	if (seconds < 1 || seconds > SECONDS_MAX || argc - optind > 1) {
		fputs(help, stderr);
		return 2;
	}
	if (hosts_make(1))
		return 2;
	return run(argv[optind], seconds);
}
