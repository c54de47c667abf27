/* SPDX-License-Identifier: MIT */
/*
 * Two kechods, as of two hosts, which all tests of a program share, and a process of each
 * in a channel of the test's own.
 */
#ifndef DAEMON_PAIR_H
#define DAEMON_PAIR_H

#include "raw.h"

static struct kechod node[2];
static struct raw a, b;		/* a process of each */
static int ca, cb;		/* their channel */
static char channel_name[32];

static bool begin(void)
{
	static const char *const options[2][4] = {
		{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one" },
		{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
	};
	static bool started;
	static int round;
	int i;

	if (!own_network())
		return false;
	for (i = 0; i < 2 && !started; i++)
		if (!daemon_start(&node[i], options[i]) || !comes_true(daemon_answers(&node[i])))
			return false;
	started = true;
	snprintf(channel_name, sizeof(channel_name), "pair%d", round++);
	if (!raw_open(&a, &node[0]) || !raw_open(&b, &node[1]) || raw_attach(&a) ||
	    raw_attach(&b))
		return false;
	ca = raw_channel(&a, channel_name);
	cb = raw_channel(&b, channel_name);
	return ca > 0 && cb > 0;
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
}

#endif
