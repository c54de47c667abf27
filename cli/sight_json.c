/* SPDX-License-Identifier: MIT */
/*
 * What was seen, as JSON objects.
 */
#include "members.h"
#include "sight_json.h"

void rated_json(struct json *j, const struct rated *r)
{
	const struct kecho_member_stats *m = &r->now;

	json_object(j);
	json_id(j, "member", m->member.id);
	json_str(j, "role", role_name(m->member.role));
	json_id(j, "node", m->member.node);
	json_str(j, "node_name", m->node_name);
	json_bool(j, "remote", m->member.remote);
	json_u64(j, "events", m->events);
	json_u64(j, "bytes", m->bytes);
	json_real(j, "events_per_s", r->events_per_s, 1);
	json_real(j, "bytes_per_s", r->bytes_per_s, 1);
	if (m->member.role == KECHO_SINK) {
		json_str(j, "policy", policy_name(m->member.policy));
		json_u64(j, "lost", m->lost);
		json_u64(j, "expired", m->expired);
		json_u64(j, "lag_bytes", m->lag_bytes);
	}
	json_object_end(j);
}

void rated_link_json(struct json *j, const struct rated_link *r)
{
	const struct kecho_link_info *l = &r->now;

	json_object(j);
	json_id(j, "node", l->node);
	json_str(j, "name", l->name);
	json_str(j, "address", l->address);
	json_bool(j, "up", l->up);
	json_bool(j, "refused", l->refused);
	json_u64(j, "version", l->version);
	json_u64(j, "oldest_version", l->oldest);
	json_u64(j, "newest_version", l->newest);
	if (l->up)
		json_null(j, "trouble");
	else
		json_str(j, "trouble", link_trouble(l));
	if (l->rtt_ns)
		json_real(j, "rtt_us", l->rtt_ns / 1e3, 3);
	else
		json_null(j, "rtt_us");
	json_u64(j, "rx_bytes", l->rx_bytes);
	json_u64(j, "tx_bytes", l->tx_bytes);
	json_real(j, "rx_bytes_per_s", r->rx_per_s, 1);
	json_real(j, "tx_bytes_per_s", r->tx_per_s, 1);
	json_u64(j, "resumed", l->resumed);
	json_object_end(j);
}
