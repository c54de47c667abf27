/* SPDX-License-Identifier: MIT */
/*
 * kernel_bench: measures for bench/kernel/kernel.py, in a guest that counts its clock in
 * instructions. It prints a line, `figure ` and an object of JSON. Hosts are network namespaces,
 * which end with the process.
 *
 *	submit WHO HOSTS SINKS BYTES EACH	see cell.h
 *	arrive WHO HOGS				see arrive.h
 *	calls WHO				see calls.h
 */
#include "arrive.h"
#include "calls.h"
#include "cell.h"
#include "../hosts.h"
#include "../rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	return *text && !*end && v <= max ? (unsigned int)v : 0;
}

static int submit(char **word)
{
	struct cell c = {
		.hosts = number(word[1], CELL_HOSTS_MAX),
		.sinks = number(word[2], TRANSPORT_SINKS_MAX),
		.len = number(word[3], OPTIONS_SIZE_MAX),
		.each = number(word[4], RIG_BURST),
	};
	struct cost cost;
	int err;

	if (!c.hosts || !c.sinks || !c.len || !c.each)
		return -EINVAL;
	err = hosts_make(1 + c.hosts);
	if (!err)
		err = cell_measure(word[0], &c, &cost);
	if (err)
		return err;
	printf("figure {\"what\": \"submit\", \"who\": \"%s\", \"hosts\": %u, \"sinks\": %u, "
	       "\"bytes\": %zu, \"each\": %u, \"all\": %.0f, \"own\": %.0f, \"calls\": %.2f}\n",
	       word[0], c.hosts, c.sinks, c.len, c.each, cost.all, cost.own, cost.calls);
	return 0;
}

static int arrive(char **word)
{
	unsigned int hogs = number(word[1], 100);
	struct took took;
	int err = hosts_make(2);

	if (!err)
		err = arrive_measure(word[0], hogs, &took);
	if (err)
		return err;
	printf("figure {\"what\": \"arrive\", \"who\": \"%s\", \"hogs\": %u, \"median\": %.0f, "
	       "\"most\": %.0f}\n", word[0], hogs, took.median_ns, took.most_ns);
	return 0;
}

static int calls(char **word)
{
	struct call_cost c[CALL_KINDS];
	int err = hosts_make(2);

	if (!err)
		err = calls_measure(word[0], c);
	if (err)
		return err;
	printf("figure {\"what\": \"calls\", \"who\": \"%s\", "
	       "\"create\": %.0f, \"create_calls\": %.1f, \"open\": %.0f, \"open_calls\": %.1f, "
	       "\"poll\": %.0f, \"poll_calls\": %.1f}\n", word[0], c[CALL_CREATE].all,
	       c[CALL_CREATE].calls, c[CALL_OPEN].all, c[CALL_OPEN].calls, c[CALL_POLL].all,
	       c[CALL_POLL].calls);
	return 0;
}

static const struct {
	const char *name;
	int words;
	int (*run)(char **word);
} what[] = {
	{ "submit", 5, submit },
	{ "arrive", 2, arrive },
	{ "calls", 1, calls },
};

int main(int argc, char **argv)
{
	size_t i;
	int err = -EINVAL;

	for (i = 0; i < sizeof(what) / sizeof(what[0]) && argc > 1; i++)
		if (!strcmp(argv[1], what[i].name) && argc == 2 + what[i].words)
			err = what[i].run(argv + 2);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
	return err ? 2 : 0;
}
