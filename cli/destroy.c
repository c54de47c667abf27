/* SPDX-License-Identifier: MIT */
/*
 * kecho destroy: end a channel for everybody.
 */
#include "stop.h"
#include "whole.h"

static const char help[] =
	"Usage: kecho destroy [OPTION...] CHANNEL\n"
	"\n"
	"End CHANNEL at every node. Its name is free then; its sources can submit nothing\n"
	"more, and its sinks read what was submitted to its end.\n"
	"\n"
	"Options:\n"
	"      --timeout TIME    how long the nodes may take to confirm it (default 10s)\n"
	"  -j, --json            say it as a JSON object\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho destroy news\n"
	"  kecho drain news && kecho destroy --json news\n"
	"\n"
	"Exit codes: 0 done, 1 error, 2 usage, 4 the registry did not answer, or not all\n"
	"nodes have confirmed it: stderr says which.\n";

static int destroy_run(int argc, char **argv)
{
	struct whole w;
	int code = whole_parse(&w, argc, argv, false), err;

	if (code)
		return code;
	err = whole_open(&w);
	if (!err)
		err = kecho_channel_destroy(w.ch, whole_ms(w.timeout_ns));
	if (!err)
		whole_tell(&w, "destroyed");
	return whole_close(&w, err);
}

const struct verb verb_destroy = {
	.name = "destroy",
	.summary = "end a channel for everybody",
	.help = help,
	.run = destroy_run,
};
