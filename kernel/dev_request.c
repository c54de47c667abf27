// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Requests, and whose they are. Each is done, and has its answer, when write() returns. What is
 * none is an error of that; a command that we do not know may be of a newer library, and is
 * refused.
 */
#include "dev.h"

static void attach_request(const struct kn_ask *r)
{
	struct kecho_attach out = *(const struct kecho_attach *)r->body;
	struct kn_session *s = r->s;
	struct kn_answer a = { .body = &out, .len = sizeof(out), .nfiles = 2,
			       .file = { s->gates.part[0].file,
					 s->limits.part[0].file } };

	if (!out.abi) {
		kn_refuse(r, -EPROTONOSUPPORT, "no version of the interface that kecho.ko knows");
		return;
	}
	out.abi = cpu_to_le32(KECHO_NODE_ABI);
	out.slots = cpu_to_le32(KN_SLOTS);
	out.number = out.pad = 0;
	memcpy(out.node, s->kn->node.self.node.b, sizeof(out.node));
	strscpy(out.name, s->kn->node.name, sizeof(out.name));
	kn_send(s, r->cmd, r->serial, 0, &a);
}

static const struct {
	void (*fn)(const struct kn_ask *r);
	u32 size;
	u32 tail_at;	/* where the length of what follows stands; 0: nothing does */
	bool unlocked;	/* it takes kn.lock itself */
} command[] = {
#define OF(type) sizeof(struct type), 0
#define TAIL(type) sizeof(struct type), offsetof(struct type, attrs_len)
#define TYPE(type) sizeof(struct type), offsetof(struct type, type_len)
	[KECHO_CMD_ATTACH] = { attach_request, OF(kecho_attach) },
	[KECHO_CMD_CHANNEL_OPEN] = { kn_channel_open_request, OF(kecho_ctl_channel_open), true },
	[KECHO_CMD_CHANNEL_CLOSE] = { kn_channel_close_request, OF(kecho_ctl_channel), true },
	[KECHO_CMD_SOURCE_OPEN] = { kn_source_open_request, TAIL(kecho_ctl_source_open), true },
	[KECHO_CMD_SOURCE_READY] = { kn_source_ready_request, OF(kecho_ctl_source) },
	[KECHO_CMD_SOURCE_CLOSE] = { kn_source_close_request, OF(kecho_ctl_source) },
	[KECHO_CMD_SINK_OPEN] = { kn_sink_open_request, TAIL(kecho_ctl_sink_open) },
	[KECHO_CMD_SINK_CLOSE] = { kn_sink_close_request, OF(kecho_ctl_sink) },
	[KECHO_CMD_SET] = { kn_set_request, TAIL(kecho_ctl_attr) },
	[KECHO_CMD_GET] = { kn_get_request, TAIL(kecho_ctl_attr) },
	[KECHO_CMD_MEMBERS] = { kn_members_request, OF(kecho_ctl_list) },
	[KECHO_CMD_WATCH] = { kn_watch_request, OF(kecho_ctl_channel), true },
	[KECHO_CMD_STATS] = { kn_stats_request, OF(kecho_ctl_list) },
	[KECHO_CMD_LINKS] = { kn_links_request, OF(kecho_ctl_list) },
	[KECHO_CMD_PING] = { kn_ping_request, OF(kecho_ctl_ping) },
	[KECHO_CMD_CHANNELS] = { kn_channels_request, OF(kecho_ctl_list), true },
	[KECHO_CMD_STATUS] = { kn_status_request, OF(kecho_ctl_status) },
	[KECHO_CMD_FREEZE] = { kn_freeze_request, OF(kecho_ctl_channel_wait) },
	[KECHO_CMD_THAW] = { kn_thaw_request, OF(kecho_ctl_channel_wait) },
	[KECHO_CMD_DRAIN] = { kn_drain_request, OF(kecho_ctl_channel_wait) },
	[KECHO_CMD_DESTROY] = { kn_destroy_request, OF(kecho_ctl_channel_wait), true },
	[KECHO_CMD_OTHER] = { kn_other_request, OF(kecho_ctl_other) },
	[KECHO_CMD_STILL] = { kn_still_request, OF(kecho_ctl_still) },
	[KECHO_CMD_ANNOUNCE] = { kn_announce_request, TYPE(kecho_ctl_announce) },
	[KECHO_CMD_TYPE] = { kn_type_request, OF(kecho_ctl_type) },
	[KECHO_CMD_LIVE] = { kn_live_request, OF(kecho_ctl_channel) },
	[KECHO_CMD_SINK_FILTER] = { kn_sink_filter_request, sizeof(struct kecho_ctl_sink_filter),
				    offsetof(struct kecho_ctl_sink_filter, len) },
	[KECHO_CMD_ADDRESS] = { kn_address_request, OF(kecho_ctl_source) },
};

/* What follows the command's struct; false: it is not as it says. */
static bool split(struct kn_ask *r)
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

static int run_locked(const struct kn_ask *r)
{
	struct kn *kn = r->s->kn;
	int err = 0;

	kn_lock(kn);
	if (r->s->over)
		err = -ENOTCONN;
	else
		command[r->cmd].fn(r);
	kn_unlock(kn);
	kn_psources_bury(r->s);
	return err;
}

int kn_request_run(struct kn_session *s, void *data, u32 len)
{
	struct kecho_msg *msg = data;
	struct kn_ask r = { .s = s, .cmd = le32_to_cpu(msg->cmd), .body = msg + 1,
			    .serial = le32_to_cpu(msg->serial), .len = le32_to_cpu(msg->len) };

	if (r.len != len - sizeof(*msg) || !r.serial || msg->result)
		return -EBADMSG;
	if (r.cmd >= ARRAY_SIZE(command) || !command[r.cmd].fn) {
		kn_refuse(&r, -EOPNOTSUPP, "command %u is not known to kecho.ko", r.cmd);
		return 0;
	}
	if (!split(&r))
		return -EBADMSG;
	if (!command[r.cmd].unlocked)
		return run_locked(&r);
	command[r.cmd].fn(&r);
	return 0;
}
