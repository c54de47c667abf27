// SPDX-License-Identifier: MIT
/*
 * Requests, and whose they are. One whose length is not as its command asks, or that
 * comes before ATTACH, is none: its sender is cut off. A command that we do not know may
 * be of a newer library, and is refused.
 */
#include "daemon.h"

static void attach_request(const struct kd_request *r)
{
	struct kecho_attach out = *(const struct kecho_attach *)r->body;
	struct kd_session *s = r->s;
	int fd[3], err;

	if (s->gates.state) {
		kd_refuse(r, -EBUSY, "this process is attached already");
		return;
	}
	if (!out.abi) {
		kd_refuse(r, -EPROTONOSUPPORT, "no version of the interface that kechod knows");
		return;
	}
	err = kd_user_charge(s->user, KD_SESSION_BYTES);
	if (err) {
		kd_refuse(r, err, "user %u has all the memory that it may have", s->user->uid);
		return;
	}
	err = kd_slots_make_gates(&s->gates) ?: kd_slots_make_limits(&s->limits, s->d->conf.run);
	if (err) {
		kd_user_uncharge(s->user, KD_SESSION_BYTES);
		kd_slots_free(s->d, &s->gates);
		kd_slots_free(s->d, &s->limits);
		kd_refuse(r, err, "no place in %s for the pages of a process", s->d->conf.run);
		return;
	}
	out.abi = cpu_to_le32(KECHO_NODE_ABI);
	out.slots = cpu_to_le32(KD_SLOTS);
	out.number = cpu_to_le32(s->number);
	out.pad = 0;
	memcpy(out.node, s->d->k.node.self.node.b, sizeof(out.node));
	strscpy(out.name, s->d->k.node.name, sizeof(out.name));
	fd[0] = s->gates.fd;
	fd[1] = s->limits.fd;
	fd[2] = s->bell;
	kd_send(s, r->cmd, r->serial, 0, &out, sizeof(out), NULL, 0, fd, 3);
}

static const struct {
	void (*fn)(const struct kd_request *r);
	u32 size;
	u32 tail_at; /* where the length of what follows stands; 0: nothing does */
} command[] = {
#define OF(type) sizeof(struct type)
#define TAIL(type) sizeof(struct type), offsetof(struct type, attrs_len)
#define TYPE(type) sizeof(struct type), offsetof(struct type, type_len)
	[KECHO_CMD_ATTACH] = { attach_request, OF(kecho_attach), 0 },
	[KECHO_CMD_CHANNEL_OPEN] = { kd_channel_open_request, OF(kecho_ctl_channel_open), 0 },
	[KECHO_CMD_CHANNEL_CLOSE] = { kd_channel_close_request, OF(kecho_ctl_channel), 0 },
	[KECHO_CMD_SOURCE_OPEN] = { kd_source_open_request, TAIL(kecho_ctl_source_open) },
	[KECHO_CMD_SOURCE_READY] = { kd_source_ready_request, OF(kecho_ctl_source), 0 },
	[KECHO_CMD_SOURCE_CLOSE] = { kd_source_close_request, OF(kecho_ctl_source), 0 },
	[KECHO_CMD_SINK_OPEN] = { kd_sink_open_request, TAIL(kecho_ctl_sink_open) },
	[KECHO_CMD_SINK_CLOSE] = { kd_sink_close_request, OF(kecho_ctl_sink), 0 },
	[KECHO_CMD_SET] = { kd_set_request, TAIL(kecho_ctl_attr) },
	[KECHO_CMD_GET] = { kd_get_request, TAIL(kecho_ctl_attr) },
	[KECHO_CMD_MEMBERS] = { kd_members_request, OF(kecho_ctl_list), 0 },
	[KECHO_CMD_WATCH] = { kd_watch_request, OF(kecho_ctl_channel), 0 },
	[KECHO_CMD_STATS] = { kd_stats_request, OF(kecho_ctl_list), 0 },
	[KECHO_CMD_LINKS] = { kd_links_request, OF(kecho_ctl_list), 0 },
	[KECHO_CMD_PING] = { kd_ping_request, OF(kecho_ctl_ping), 0 },
	[KECHO_CMD_CHANNELS] = { kd_channels_request, OF(kecho_ctl_list), 0 },
	[KECHO_CMD_FREEZE] = { kd_freeze_request, OF(kecho_ctl_channel_wait), 0 },
	[KECHO_CMD_THAW] = { kd_thaw_request, OF(kecho_ctl_channel_wait), 0 },
	[KECHO_CMD_DRAIN] = { kd_drain_request, OF(kecho_ctl_channel_wait), 0 },
	[KECHO_CMD_DESTROY] = { kd_destroy_request, OF(kecho_ctl_channel_wait), 0 },
	[KECHO_CMD_OTHER] = { kd_other_request, OF(kecho_ctl_other), 0 },
	[KECHO_CMD_STILL] = { kd_still_request, OF(kecho_ctl_still), 0 },
	[KECHO_CMD_ANNOUNCE] = { kd_announce_request, TYPE(kecho_ctl_announce) },
	[KECHO_CMD_TYPE] = { kd_type_request, OF(kecho_ctl_type), 0 },
	[KECHO_CMD_LIVE] = { kd_live_request, OF(kecho_ctl_channel), 0 },
	[KECHO_CMD_SINK_FILTER] = { kd_sink_filter_request, OF(kecho_ctl_sink_filter),
				    offsetof(struct kecho_ctl_sink_filter, len) },
	[KECHO_CMD_ADDRESS] = { kd_address_request, OF(kecho_ctl_source), 0 },
	[KECHO_CMD_STATUS] = { kd_status_request, OF(kecho_ctl_status), 0 },
};

/* What follows the command's struct; false: it is not as it says. */
static bool split(struct kd_request *r)
{
	u32 size = command[r->cmd].size, at = command[r->cmd].tail_at, tail = 0;
	__le32 said;

	if (r->len < size)
		return false;
	if (at) {
		memcpy(&said, (u8 *)r->body + at, sizeof(said));
		tail = le32_to_cpu(said);
	}
	r->tail_len = r->len - size;
	r->len = size;
	return r->tail_len == tail;
}

void kd_request(const struct kd_request *in)
{
	struct kd_request r = *in;

	if (r.cmd >= ARRAY_SIZE(command) || !command[r.cmd].fn) {
		kd_refuse(&r, -EOPNOTSUPP, "command %u is not known here", r.cmd);
		return;
	}
	if (!split(&r))
		kd_session_cut(r.s, "a request of a wrong length");
	else if (!r.s->gates.state && r.cmd != KECHO_CMD_ATTACH && r.cmd != KECHO_CMD_STATUS)
		kd_session_cut(r.s, "a request before it had attached");
	else
		command[r.cmd].fn(&r);
}
