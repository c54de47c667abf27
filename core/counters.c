// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Counters of members, on their way between nodes: see counters.h.
 */
#include "counters.h"
#include "link.h"

enum { COUNTERS_BYTES = 8 + 1 + 1 + 5 * 8 };

void ke_counters_put(struct ke_out *o, const struct ke_member *m, const struct ke_counters *c)
{
	if (o->size - o->len < COUNTERS_BYTES)
		return;
	ke_put_u64(o, m->id);
	ke_put_u8(o, m->role);
	ke_put_u8(o, m->policy);
	ke_put_u64(o, c->events);
	ke_put_u64(o, c->bytes);
	ke_put_u64(o, c->lost);
	ke_put_u64(o, c->expired);
	ke_put_u64(o, c->lag_bytes);
}

bool ke_counters_get(struct ke_in *in, struct ke_counters *c)
{
	if (in->bad || in->p == in->end)
		return false;
	c->member = ke_get_u64(in);
	c->role = ke_get_u8(in);
	c->policy = ke_get_u8(in);
	c->events = ke_get_u64(in);
	c->bytes = ke_get_u64(in);
	c->lost = ke_get_u64(in);
	c->expired = ke_get_u64(in);
	c->lag_bytes = ke_get_u64(in);
	return !in->bad;
}

struct kecho_ctl_stats ke_counters_shown(const struct ke_counters *c, const struct ke_peer *p)
{
	struct kecho_ctl_stats st = {
		.member = { .id = cpu_to_le64(c->member), .role = c->role, .policy = c->policy,
			    .state = KE_JOINED, .remote = 1 },
		.events = cpu_to_le64(c->events), .bytes = cpu_to_le64(c->bytes),
		.lost = cpu_to_le64(c->lost), .expired = cpu_to_le64(c->expired),
		.lag_bytes = cpu_to_le64(c->lag_bytes),
	};

	memcpy(&st.member.node, p->contact.node.b, sizeof(st.member.node));
	strscpy(st.node_name, p->name, sizeof(st.node_name));
	return st;
}

u32 ke_channel_ask_counters(struct ke_channel *ch, u64 cookie)
{
	struct ke_presence *pr;
	u32 n = 0;

	list_for_each_entry(pr, &ch->presences, channel_list) {
		if (!pr->here || !pr->peer->link)
			continue;
		n++;
		ke_link_send(pr->peer->link, KECHO_FRAME_STAT, ch->index, cookie, NULL, 0);
	}
	return n;
}
