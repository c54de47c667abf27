/* SPDX-License-Identifier: MIT */
/*
 * kecho freeze: hold a channel, so that nothing is published in it.
 */
#include "stop.h"
#include "whole.h"

static const char help[] =
	"Usage: kecho freeze [OPTION...] CHANNEL\n"
	"\n"
	"Hold CHANNEL until stopped: no source of it, on no node, publishes meanwhile. What\n"
	"was submitted before is all there is when `frozen' is printed.\n"
	"\n"
	"Options:\n"
	"      --for TIME        end after that long\n"
	"      --timeout TIME    how long the nodes may take to stand still (default 10s)\n"
	"  -j, --json            one JSON object per change\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho freeze news\n"
	"  kecho freeze --for 30s --json news\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 4 the nodes did not\n"
	"stand still in time, and nothing was held.\n";

static int freeze_run(int argc, char **argv)
{
	struct whole w;
	int code = whole_parse(&w, argc, argv, true), err;

	if (code)
		return code;
	err = whole_open(&w);
	if (!err)
		err = kecho_channel_freeze(w.ch, whole_ms(w.timeout_ns));
	if (err || whole_tell(&w, "frozen"))
		return whole_close(&w, err);
	stop_wait_until(w.for_ns == FOREVER_NS ? FOREVER_NS : now_ns() + w.for_ns);
	err = kecho_channel_thaw(w.ch);
	if (!err)
		whole_tell(&w, "thawed");
	return whole_close(&w, err);
}

const struct verb verb_freeze = {
	.name = "freeze",
	.summary = "hold a channel, so that nothing is published in it",
	.help = help,
	.run = freeze_run,
};
