/* SPDX-License-Identifier: MIT */
/*
 * kecho drain: wait until all sinks of a channel have all that was submitted.
 */
#include "whole.h"

static const char help[] =
	"Usage: kecho drain [OPTION...] CHANNEL\n"
	"\n"
	"Wait until every sink of CHANNEL, at every node, was given all that had been\n"
	"submitted when this began.\n"
	"\n"
	"Options:\n"
	"      --timeout TIME    how long (default 10s)\n"
	"  -j, --json            say it as a JSON object\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho drain news\n"
	"  kecho drain --timeout 1m --json news\n"
	"\n"
	"Exit codes: 0 done, 1 error, 2 usage, 4 sinks lag: stderr says how many.\n";

static int drain_run(int argc, char **argv)
{
	return whole_run(argc, argv, kecho_channel_drain, "drained");
}

const struct verb verb_drain = {
	.name = "drain",
	.summary = "wait until all sinks have all that was submitted",
	.help = help,
	.run = drain_run,
};
