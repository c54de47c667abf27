/* SPDX-License-Identifier: MIT */
/* Two kechods, as of two hosts, and processes that attach to them with the library. */
#ifndef DAEMON_HOSTS_H
#define DAEMON_HOSTS_H

#include "daemon_test.h"

static bool attach_to(const struct kechod *d, const char *name, struct kecho **k,
		      struct kecho_channel **ch)
{
	struct kecho_options opt = { .timeout_ms = SOON_MS };

	setenv("KECHO", "daemon", 1);
	setenv("KECHO_SOCKET", d->socket, 1);
	return ok(!kecho_open(k, &opt) && !kecho_channel_open(*k, name, NULL, ch), "%s: %s",
		  d->socket, kecho_explain());
}

static bool start_hosts(struct kechod *host)
{
	static const char *const options[2][4] = {
		{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one" },
		{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
	};
	int i;

	for (i = 0; i < 2; i++)
		if (!daemon_start(&host[i], options[i]) || !comes_true(daemon_answers(&host[i])))
			return false;
	return own_network();
}

#endif
