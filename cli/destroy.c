/* SPDX-License-Identifier: MIT */
/*
 * kecho destroy: end a channel for everybody.
 */
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
	return whole_run(argc, argv, kecho_channel_destroy, "destroyed");
}

const struct verb verb_destroy = {
	.name = "destroy",
	.summary = "end a channel for everybody",
	.help = help,
	.run = destroy_run,
};
