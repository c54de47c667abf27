/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Tracepoints, in /sys/kernel/tracing/events/kecho: docs/kernel.md lists them. One that is not
 * enabled costs a jump that is not taken.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kecho

#if !defined(KECHO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KECHO_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"

/* clang-format off */

/* A source was asked to submit, whatever came of it. */
TRACE_EVENT(kecho_submit,
	TP_PROTO(const char *channel, u64 source, u64 seq, size_t len, int err),
	TP_ARGS(channel, source, seq, len, err),
	TP_STRUCT__entry(
		__string(channel, channel)
		__field(u64, source)
		__field(u64, seq)
		__field(size_t, len)
		__field(int, err)
	),
	TP_fast_assign(
		kn_assign_str(channel, channel);
		__entry->source = source;
		__entry->seq = seq;
		__entry->len = len;
		__entry->err = err;
	),
	TP_printk("channel=%s source=%llx seq=%llu len=%zu err=%d", __get_str(channel),
		  __entry->source, __entry->seq, __entry->len, __entry->err)
);

/* A sink was given an event. */
TRACE_EVENT(kecho_receive,
	TP_PROTO(const char *channel, u64 sink, u64 source, u64 seq, size_t len),
	TP_ARGS(channel, sink, source, seq, len),
	TP_STRUCT__entry(
		__string(channel, channel)
		__field(u64, sink)
		__field(u64, source)
		__field(u64, seq)
		__field(size_t, len)
	),
	TP_fast_assign(
		kn_assign_str(channel, channel);
		__entry->sink = sink;
		__entry->source = source;
		__entry->seq = seq;
		__entry->len = len;
	),
	TP_printk("channel=%s sink=%llx source=%llx seq=%llu len=%zu", __get_str(channel),
		  __entry->sink, __entry->source, __entry->seq, __entry->len)
);

/* A sink was told that it lost events. */
TRACE_EVENT(kecho_drop,
	TP_PROTO(const char *channel, u64 sink, u64 source, u64 seq, u64 last),
	TP_ARGS(channel, sink, source, seq, last),
	TP_STRUCT__entry(
		__string(channel, channel)
		__field(u64, sink)
		__field(u64, source)
		__field(u64, seq)
		__field(u64, last)
	),
	TP_fast_assign(
		kn_assign_str(channel, channel);
		__entry->sink = sink;
		__entry->source = source;
		__entry->seq = seq;
		__entry->last = last;
	),
	TP_printk("channel=%s sink=%llx source=%llx seq=%llu last=%llu", __get_str(channel),
		  __entry->sink, __entry->source, __entry->seq, __entry->last)
);

/* A sink's callback took longer than it may. */
TRACE_EVENT(kecho_overrun,
	TP_PROTO(const char *channel, u64 sink, u64 took_ns, u64 budget_ns),
	TP_ARGS(channel, sink, took_ns, budget_ns),
	TP_STRUCT__entry(
		__string(channel, channel)
		__field(u64, sink)
		__field(u64, took_ns)
		__field(u64, budget_ns)
	),
	TP_fast_assign(
		kn_assign_str(channel, channel);
		__entry->sink = sink;
		__entry->took_ns = took_ns;
		__entry->budget_ns = budget_ns;
	),
	TP_printk("channel=%s sink=%llx took_ns=%llu budget_ns=%llu", __get_str(channel),
		  __entry->sink, __entry->took_ns, __entry->budget_ns)
);

/* A node is linked to us from its hello on. */
DECLARE_EVENT_CLASS(kecho_link,
	TP_PROTO(const char *node, const char *address, bool dialled),
	TP_ARGS(node, address, dialled),
	TP_STRUCT__entry(
		__string(node, node)
		__string(address, address)
		__field(bool, dialled)
	),
	TP_fast_assign(
		kn_assign_str(node, node);
		kn_assign_str(address, address);
		__entry->dialled = dialled;
	),
	TP_printk("node=%s address=%s dialled=%d", __get_str(node), __get_str(address),
		  __entry->dialled)
);

DEFINE_EVENT(kecho_link, kecho_link_up,
	TP_PROTO(const char *node, const char *address, bool dialled),
	TP_ARGS(node, address, dialled)
);

DEFINE_EVENT(kecho_link, kecho_link_down,
	TP_PROTO(const char *node, const char *address, bool dialled),
	TP_ARGS(node, address, dialled)
);

/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
