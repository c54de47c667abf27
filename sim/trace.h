/* SPDX-License-Identifier: MIT */
/*
 * What happened, step by step: kept as numbers, of which the last are shown when an
 * invariant breaks, and all with --trace. Their hash tells two runs apart.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "plat.h"

/* The word, and how its three numbers read. */
#define TRACE_KINDS(X)                                                         \
	X(NODE_UP, "node starts: incarnation %llu")                            \
	X(NODE_DOWN, "node is gone (%llu: 1 killed, 2 crashed, 3 closed)")     \
	X(NODE_FROZEN, "node is frozen for %llu ms")                           \
	X(CLOCK, "monotonic time stands for %llu ms, wall time jumps by %lld ms") \
	X(ALLOC, "allocations fail, one in %llu; 0: no more")                  \
	X(CHANNEL_OPEN, "channel %llu opened, %llu contacts")                  \
	X(CHANNEL_CLOSE, "channel %llu closed")                                \
	X(REPAIR, "channel %llu: registry says %llu")                          \
	X(SOURCE_OPEN, "source %llu opened in channel %llu, log of %llu")      \
	X(SOURCE_CLOSE, "source %llu closes after event %llu")                 \
	X(SOURCE_GONE, "source %llu is closed, drained %llu")                  \
	X(SINK_OPEN, "sink %llx opened in channel %llu, policy %llu")          \
	X(SINK_CLOSE, "sink %llx closes (%llu: 1 disconnected)")               \
	X(SUBMIT, "source %llu: event %llu of %llu bytes")                     \
	X(RESERVE, "source %llu: event %llu of %llu bytes reserved")           \
	X(COMMIT, "source %llu: event %llu committed with %llu bytes")         \
	X(ABORT, "source %llu: event %llu aborted")                            \
	X(WAIT, "source %llu waits for room at %llu")                          \
	X(GOT, "sink got %llu.%llu, %llu bytes")                               \
	X(LOST, "sink lost %llu.%llu to %llu")                                 \
	X(FEED, "sink begins to read source %llu at %llu behind event %llu")   \
	X(END, "sink is told the end of %llu after %llu (%llu: 1 failed)")     \
	X(MEMBER, "member %llx of node %llu: %llu (1 joined, 2 left, 3 failed)") \
	X(DIAL, "dials node %llu")                                             \
	X(REFUSED, "dial of node %llu refused (%llu: 1 dead)")                 \
	X(LINK, "connection %llu to node %llu (%llu: 1 dialled)")              \
	X(CLOSED, "connection %llu to node %llu closed, error %lld")           \
	X(FRAME, "connection %llu: sends %s, id %llu, pos %llu")               \
	X(BYTES, "connection %llu: %llu bytes sent")                           \
	X(ARRIVE, "connection %llu: %llu bytes came")                          \
	X(CUT, "connection %llu is cut, %llu bytes still come")                \
	X(HALFOPEN, "connection %llu goes silent towards node %llu")           \
	X(PARTITION, "nothing passes from node %llu to node %llu")             \
	X(HEAL, "all paths are open again")                                    \
	X(FREEZE, "holds channel %llu for %llu ms")                             \
	X(THAW, "lets channel %llu go; %llu nodes have not confirmed")          \
	X(STALLED, "sink %llx is ended: it held up source %llu for %llu ms")    \
	X(SINK_STOP, "sink %llx reads nothing for %llu ms")                    \
	X(CALM, "faults end")                                                  \
	X(QUIET, "the last events are submitted")                              \
	X(CLOSE_ALL, "everything closes")                                       \
	X(FILTER, "sink %llx has version %llu of its filter, kind %llu")        \
	X(JUDGED, "sink hears that source %llu judges by version %llu, bit %llu") \
	X(SKIPPED, "sink is kept from %llu.%llu to %llu")                       \
	X(UNWANTED, "sink does not want %llu.%llu")                             \
	X(HANG, "source %llu hangs for %llu ms")                                \
	X(SILENT, "sink is told that source %llu is silent (%llu: 1), after %llu") \
	X(CHOOSES, "source %llu chooses sinks by a filter of kind %llu, best %llu")

#define TRACE_ENUM(name, text) TRACE_##name,
enum trace_kind { TRACE_KINDS(TRACE_ENUM) TRACES };

#define TRACE_WORLD U16_MAX	/* in place of a node */

enum { TRACE_KEPT = 256 };

struct trace_entry {
	u64 at_us, step;
	u64 v[3];
	u16 node;
	u16 kind;
};

struct trace {
	u64 hash;
	u64 n;
	bool print;
	struct trace_entry last[TRACE_KEPT];
};

void trace_add(struct trace *t, u64 at_us, u64 step, u16 node, enum trace_kind kind, u64 a, u64 b,
	       u64 c);
/* trace_show - the last entries, oldest first. */
void trace_show(const struct trace *t);

#endif
