/* SPDX-License-Identifier: MIT */
/*
 * Channels of root's, and what another user may do there, of a node where only a channel's owner
 * may block. One file includes it.
 */
#ifndef KECHO_RIGHTS_H
#define KECHO_RIGHTS_H

#include "raw.h"

enum { OTHER_UID = 61234 };

/* Gives the channel "secret"; -1: they are not all there. */
static inline int make_channels(struct raw *r)
{
	int ch = raw_channel_mode(r, "secret", 0600);

	return raw_channel_mode(r, "read", 0644) > 0 && raw_channel_mode(r, "write", 0622) > 0 ?
		       ch : -1;
}

/* As any process might. */
static inline int set_mode(struct raw *r, int channel)
{
	static const u8 mode[] = "\1\12\10\0kecho.mode\377\1\0\0\0\0\0\0";
	struct kecho_ctl_attr a = { .what = KECHO_OF_CHANNEL, .channel = channel,
				    .attrs_len = sizeof(mode) - 1 };

	return raw_call_fds(r, KECHO_CMD_SET, &a, sizeof(a), mode, sizeof(mode) - 1, NULL, 0);
}

/* 0, or what went wrong. */
static inline int use_rights(const struct kechod *d)
{
	struct raw_source s;
	struct raw r;
	int ch;

	if (!raw_open(&r, d) || raw_attach(&r))
		return 11;
	if (raw_channel(&r, "secret") != -EACCES)
		return 12;
	ch = raw_channel(&r, "read");
	if (ch < 0 || raw_source(&r, ch, &s) != -EACCES || raw_sink(&r, ch, KECHO_LATEST, 0) < 0)
		return 13;
	if (raw_sink(&r, ch, KECHO_BLOCK, 0) != -EPERM)
		return 14;
	ch = raw_channel(&r, "write");
	if (ch < 0 || raw_sink(&r, ch, KECHO_LATEST, 0) != -EACCES || raw_source(&r, ch, &s))
		return 15;
	ch = raw_channel_mode(&r, "own", 0600);
	return ch < 0 || raw_sink(&r, ch, KECHO_BLOCK, 0) < 0 ? 16 : 0;
}

/* In a process of the other user. */
static inline int has_rights(void *arg)
{
	struct raw r;
	bool open = raw_open(&r, arg);

	if (setgroups(0, NULL) || setgid(OTHER_UID) || setuid(OTHER_UID) || !open)
		return 10;
	raw_close(&r);
	return use_rights(arg);
}

#endif
