// SPDX-License-Identifier: MIT
/*
 * The sizes of what processes and the node exchange: a change shows here first.
 */
#include <stddef.h>

#include "uapi/kecho_node.h"

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has changed")

SIZE(struct kecho_msg, 16);
SIZE(struct kecho_attach, 96);
SIZE(struct kecho_gate_slot, KECHO_SLOT_SIZE);
SIZE(struct kecho_limit_slot, KECHO_LIMIT_SIZE);
SIZE(struct kecho_ctl_channel_open, 160);
SIZE(struct kecho_ctl_channel, 8);
SIZE(struct kecho_ctl_channel_wait, 8);
SIZE(struct kecho_ctl_still, 8);
SIZE(struct kecho_ctl_other, 24);
SIZE(struct kecho_ctl_source_open, 72);
SIZE(struct kecho_ctl_announce, 16);
SIZE(struct kecho_ctl_type, 24);
SIZE(struct kecho_ctl_source, 8);
SIZE(struct kecho_ctl_sink_open, 40);
SIZE(struct kecho_ctl_sink, 8);
SIZE(struct kecho_ctl_sink_filter, 24);
SIZE(struct kecho_ctl_attr, 152);
SIZE(struct kecho_ctl_member, 32);
SIZE(struct kecho_ctl_list, 40);
SIZE(struct kecho_ctl_stats, 136);
SIZE(struct kecho_ctl_link, 192);
SIZE(struct kecho_ctl_channel_info, 152);
SIZE(struct kecho_ctl_ping, 24);
SIZE(struct kecho_live_entry, 16);
SIZE(struct kecho_live_slot, 2048);
SIZE(struct kecho_live_head, KECHO_LIVE_INDEX_AT);
SIZE(struct kecho_note_feed, 64);
SIZE(struct kecho_note_feed_end, 24);
SIZE(struct kecho_note_type, 16);
SIZE(struct kecho_note_doorbell, 16);
SIZE(struct kecho_note_judged, 32);
SIZE(struct kecho_note_judge_filter, 16);
SIZE(struct kecho_note_judge_slots, 16);
SIZE(struct kecho_judge_slot, 4);
SIZE(struct kecho_note_judge, 24);
SIZE(struct kecho_note_end, 8);
SIZE(struct kecho_ctl_status, 288);
_Static_assert(offsetof(struct kecho_log_header, tail) == 128, "the log's header has changed");
_Static_assert(sizeof(struct kecho_log_header) == 456, "the log's header has changed");
