/* SPDX-License-Identifier: MIT */
/*
 * bench/submit SINKS BURSTS [--pause]: submits BURSTS vectors of 64 events while
 * every sink is busy elsewhere, for tools that watch from outside: callgrind.sh
 * and syscalls.sh. With --pause it says "ready" on stdout and reads a line, submits
 * all, says "done", and reads another line: between the two lines there is nothing
 * but the submitting.
 */
#include "kecho_transport.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLD_BURSTS	8	/* half the window, and less than half a log */

static int say_and_wait(const char *word)
{
	char line[16];

	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		return -errno;
	return read(STDIN_FILENO, line, sizeof(line)) > 0 ? 0 : -EPIPE;
}

static int submit_held(struct rig *r, unsigned int bursts, bool pause)
{
	unsigned int i;
	int err;

	err = rig_publish(r, EVENT_HOLD, 1);
	if (!err)
		err = rig_await(r);
	if (err)
		return err;
	rig_settle();
	if (pause)
		err = say_and_wait("ready\n");
	for (i = 0; i < bursts && !err; i++)
		err = rig_publish(r, EVENT_PLAIN, RIG_BURST);
	if (pause && !err)
		err = say_and_wait("done\n");
	board_lift(r->board);
	return err ? err : rig_await(r);
}

static int submit_all(struct rig *r, unsigned int bursts, bool pause)
{
	unsigned int n;
	int err = 0;

	for (; bursts && !err; bursts -= n) {
		n = bursts < HOLD_BURSTS ? bursts : HOLD_BURSTS;
		err = submit_held(r, n, pause);
	}
	return err;
}

static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	return *text && !*end && v <= max ? (unsigned int)v : 0;
}

int main(int argc, char **argv)
{
	struct options opt = { .len = 100 };
	bool pause = argc == 4 && !strcmp(argv[3], "--pause");
	unsigned int sinks = argc > 1 ? number(argv[1], TRANSPORT_SINKS_MAX) : 0;
	unsigned int bursts = argc > 2 ? number(argv[2], pause ? HOLD_BURSTS : 100000) : 0;
	struct rig *r;
	int err, stop_err;

	if (!sinks || !bursts || argc > 4 || (argc == 4 && !pause)) {
		fprintf(stderr,
			"usage: %s SINKS BURSTS [--pause]\n"
			"SINKS 1 to %u; BURSTS 1 to 100000, with --pause to %u\n",
			argv[0], TRANSPORT_SINKS_MAX, HOLD_BURSTS);
		return 2;
	}
	err = rig_start(&r, &kecho_local, sinks, &opt);
	if (err)
		return 1;
	err = submit_all(r, bursts, pause);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
	stop_err = rig_stop(r);
	return err || stop_err ? 1 : 0;
}
