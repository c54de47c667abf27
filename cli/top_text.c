/* SPDX-License-Identifier: MIT */
/*
 * The rows of `kecho top` as text. They leave 18 columns of 80 for names.
 */
#include <inttypes.h>

#include "format.h"
#include "members.h"
#include "top_text.h"

const char top_channels_head[] =
	" SRC SINK  EVENTS/S    BYTES/S        LAG    LOST   LOST/S  CHANNEL";
const char top_members_head[] =
	"MEMBER           KIND        EVENTS/S    BYTES/S       LAG    LOST  NODE";
const char top_links_head[] =
	"STATE        RTT      RX/S       TX/S  RESUMED ADDRESS                NODE";

void top_channel_row(struct buf *b, const struct top_channel *c)
{
	char events[FORMAT_MAX], bytes[FORMAT_MAX], lag[FORMAT_MAX], lost[FORMAT_MAX];
	char rate[FORMAT_MAX];

	buf_format(b, "%4zu %4zu %9s %10s %10s %7s %8s  %s", c->sources, c->sinks,
		   format_count(events, c->events_per_s), format_bytes(bytes, c->bytes_per_s),
		   format_bytes(lag, c->lag_bytes), format_count(lost, c->lost),
		   format_count(rate, c->lost_per_s), c->c->name);
	if (c->c->now.silent)
		buf_format(b, " (%zu silent)", c->c->now.silent);
}

void top_member_row(struct buf *b, const struct rated *r)
{
	char events[FORMAT_MAX], bytes[FORMAT_MAX], lag[FORMAT_MAX], lost[FORMAT_MAX];
	const struct kecho_member_stats *m = &r->now;
	bool sink = m->member.role == KECHO_SINK;

	buf_format(b, "%016" PRIx64 " %-10s %9s %10s %9s %7s  %s", m->member.id,
		   sink ? policy_name(m->member.policy) : role_name(m->member.role),
		   format_count(events, r->events_per_s), format_bytes(bytes, r->bytes_per_s),
		   sink ? format_bytes(lag, m->lag_bytes) : "-",
		   sink || m->lost ? format_count(lost, m->lost) : "-", m->node_name);
}

void top_link_row(struct buf *b, const struct rated_link *l)
{
	char rtt[FORMAT_MAX], rx[FORMAT_MAX], tx[FORMAT_MAX];

	buf_format(b, "%-7s %8s %9s %10s %8" PRIu64 " %-22s %s", link_state(&l->now),
		   l->now.rtt_ns ? format_duration(rtt, l->now.rtt_ns) : "-",
		   format_bytes(rx, l->rx_per_s), format_bytes(tx, l->tx_per_s), l->now.resumed,
		   l->now.address[0] ? l->now.address : "-", l->now.name[0] ? l->now.name : "-");
	if (!l->now.up)
		buf_format(b, " (%s)", link_trouble(&l->now));
}
