/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Clocks of other hosts, for the deadlines of their sources' events: see clock.c.
 */
#ifndef KE_CLOCK_H
#define KE_CLOCK_H

#include "wire.h"

struct ke_link;
struct ke_rstream;

/* What is known of another node's CLOCK_REALTIME. */
struct ke_clock {
	bool known;
	u64 ahead_ns;		/* of our CLOCK_MONOTONIC */
	u64 rtt_ns, at_ns;	/* of the answer that said so: how long it took; when it came */
};

/*
 * ke_clock_ask - by a PING, if the other host's clock matters here, and it is time. It is what
 * keeps the link alive, too. False: it did not.
 * ke_clock_in - the answer, a PONG. -EPROTO.
 * ke_clock_answer - to such a PING.
 * ke_clock_show - to those who read a mirror.
 * ke_clock_now - our CLOCK_REALTIME, for deadlines of what is sent on this link; the other end
 * is told first if it was set. The tx lock is held.
 */
bool ke_clock_ask(struct ke_link *l);
int ke_clock_in(struct ke_link *l, u64 pos, struct ke_in *in);
void ke_clock_answer(struct ke_link *l, u64 pos);
void ke_clock_show(const struct ke_rstream *rs);
u64 ke_clock_now(struct ke_link *l);

#endif
