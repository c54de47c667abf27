// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The balance: of each kind of object as many have gone as were made, when the module goes.
 */
#include "kn.h"

static const char *const names[KN_KINDS] = {
	[KN_ATTACHMENT] = "attachments", [KN_LOG] = "logs", [KN_CHANNEL] = "channels",
	[KN_SOURCE] = "sources", [KN_SINK] = "sinks", [KN_FEED] = "feeds",
	[KN_NOTICE] = "notices", [KN_CONN] = "connections",
	[KN_BELL] = "bells", [KN_SESSION] = "processes", [KN_USER] = "users",
	[KN_NATIVE] = "filters' codes",
};

static atomic_long_t live[KN_KINDS];

void kn_made(enum kn_kind kind)
{
	atomic_long_inc(&live[kind]);
}

void kn_gone(enum kn_kind kind)
{
	atomic_long_dec(&live[kind]);
}

void kn_balance(void)
{
	long n;
	int i;

	for (i = 0; i < KN_KINDS; i++) {
		n = atomic_long_read(&live[i]);
		WARN(n, "kecho: %ld %s have not gone\n", n, names[i]);
	}
}
