/* SPDX-License-Identifier: MIT */
/*
 * What a run has exercised: each fault and each rare path, by name. Over many seeds a
 * count of 0 means that something is not tested any more.
 */
#ifndef SIM_COVER_H
#define SIM_COVER_H

#include "plat.h"

/* What --faults names; each is counted when it happens. */
#define SIM_FAULTS(X)                                                    \
	X(CUT, "cut", "a connection breaks at some byte")                \
	X(PARTITION, "partition", "nothing passes between some nodes")   \
	X(ONEWAY, "oneway", "nothing passes in one direction")           \
	X(HALFOPEN, "halfopen", "a connection goes silent for ever")     \
	X(KILL, "kill", "a process dies, and a new one starts")          \
	X(CRASH, "crash", "a host dies without a word, and starts anew") \
	X(FREEZE, "freeze", "a node stands still for seconds")           \
	X(CLOCK, "clock", "a host's wall time jumps, monotonic time may stand")      \
	X(ALLOC, "alloc", "allocations of core fail")                    \
	X(SLOW, "slow", "sinks that read slowly")                        \
	X(STOP, "stop", "sinks that stop reading")                       \
	X(CHURN, "churn", "channels and members come and go")            \
	X(REGISTRY, "registry", "the registry dies, and a new one knows nothing")

#define SIM_PATHS(X)                                                     \
	X(RESUME, "resume", "a stream went on after a break")            \
	X(LAP, "lap", "a reader was overtaken")                          \
	X(SKIP, "skip", "a sender was overtaken")                        \
	X(LOSS, "loss record", "a sink was told of lost events")         \
	X(PIECES, "pieces", "an event in pieces arrived whole")          \
	X(PIECES_CUT, "pieces over a cut", "its pieces came over two connections") \
	X(ABORT, "abort", "a reservation was given up")                  \
	X(PINNED, "pinned", "a submission met a send that read the log") \
	X(BLOCKED, "blocked", "a source waited for a gate")              \
	X(STALL_ASKED, "stall asked", "a source asked where a sink is that holds it up") \
	X(STALL_MOVED, "stall over", "a sink had moved when it was to end for that") \
	X(STALLED, "stalled", "a sink was ended as it held up a source") \
	X(TAKEN, "gate taken", "a process that stood still found its gate taken") \
	X(FROZEN, "frozen", "a channel was held until all its sources stood still") \
	X(HELD, "held", "a source waited for a channel that was frozen") \
	X(LIFTED, "gate lifted", "a source that waited went on as a node had failed") \
	X(BOTH_DIAL, "both dial", "two nodes dialled each other at once") \
	X(DIAL_LOST, "dial lost", "nobody answered a dial")              \
	X(INCARNATION, "incarnation", "a node came back as a new one")   \
	X(DEAD_BACK, "dead and back", "members failed and joined again") \
	X(FORGOTTEN, "left unsaid", "a member that was not named any more had left") \
	X(ENDED, "ended", "a source ended and its sinks knew how")       \
	X(FAILED, "failed", "a source failed")                           \
	X(RETAINED, "retained join", "a sink began with retained events") \
	X(FROM_START, "from start", "a sink that was there first got all") \
	X(DISCONNECT, "disconnect", "a sink left as it had lost events") \
	X(LOCAL, "local", "a sink read a log of another process of its host") \
	X(LOCAL_WAIT, "local gate", "a source waited for another process of its host") \
	X(DRAINED, "drained", "a dead process's log was read to its end") \
	X(REPAIR, "repair", "a channel's contact was published again")   \
	X(LEASE, "lost lease", "a contact was told that it was none any more") \
	X(UNFOUND, "unfound", "all contacts that a node was told were dead") \
	X(OTHER, "other uuid", "a name was found to be another channel's") \
	X(REFUSED, "refused", "an allocation of core failed")            \
	X(REPLACED, "filter replaced", "a sink's filter became another") \
	X(JUDGED, "judged", "an event came that its source had judged")  \
	X(SELF, "judged here", "an event came that its sink had to judge") \
	X(FILTERED, "filtered", "an event was left out by what its source said") \
	X(PASSED, "passed over", "a link left out events that nobody there wants") \
	X(UNKNOWN, "unknown sink", "events were left out before a source knew the sink") \
	X(CHOSEN, "chosen", "an event was for sinks that its source had chosen") \
	X(NOBODY, "nobody", "a source chose nobody")                     \
	X(ADDRESSED, "addressed", "an event was for one sink")           \
	X(OTHERS, "for others", "an event was left out that was for others") \
	X(EXPIRED, "expired", "an event was not sent as it had expired") \
	X(LATE, "late", "an event had expired when it was read")         \
	X(CLOCK, "clock known", "a deadline was compared with another host's clock") \
	X(NO_CLOCK, "no clock", "a deadline came before that clock was known") \
	X(BOTH_COUNT, "both count", "two ends had counted the same events that had expired") \
	X(DUE, "due", "a log went before others of a class before it, as it was due") \
	X(WAITS, "waits", "a log waited for others of a class before it") \
	X(HANGS, "hangs", "a source gave no sign of life for long")      \
	X(SILENT, "silent", "a sink was told that a source is silent")   \
	X(BACK, "back", "a sink was told that it is back")               \
	X(WANTED, "wanted", "all had settled, and an event was sent to who wants it")

#define SIM_FAULT_ENUM(name, word, what) FAULT_##name,
#define SIM_PATH_ENUM(name, word, what) PATH_##name,
enum sim_fault { SIM_FAULTS(SIM_FAULT_ENUM) FAULTS };
enum sim_path { SIM_PATHS(SIM_PATH_ENUM) PATHS };

struct cover {
	u64 fault[FAULTS];
	u64 path[PATHS];
	u64 events, delivered, lost, steps, bytes;
};

/* cover_fault - the fault of this word; -EINVAL. */
int cover_fault(const char *word);
void cover_add(struct cover *to, const struct cover *c);
/* cover_print - all counts; how many of those that @faults should have given are 0. */
unsigned int cover_print(const struct cover *c, u32 faults);
/* cover_list - the faults and what they are, for the help. */
void cover_list(void);

#endif
