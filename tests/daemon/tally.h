/* SPDX-License-Identifier: MIT */
/*
 * What the processes of the hostile test share: who is there, how far each has come, and
 * what was done to them, counted. Zeroed memory; whoever fails first says why.
 */
#ifndef KECHO_TALLY_H
#define KECHO_TALLY_H

#include "raw.h"

/* Messages, pages, descriptors that could not be written to, what was refused to a user
 * without the right. */
#define KINDS									\
	KIND(MSG_VALID), KIND(MSG_FIELD), KIND(MSG_RANDOM), KIND(MSG_SHORT),	\
		KIND(MSG_LONG), KIND(MSG_LENGTH), KIND(MSG_TAIL), KIND(MSG_NO_REQUEST),	\
		KIND(MSG_UNKNOWN), KIND(MSG_UNATTACHED), KIND(MSG_FDS),			\
		KIND(MSG_FDS_MANY), KIND(MSG_FDS_CLOSED), KIND(FLOOD), KIND(DEAF),	\
		KIND(HANGUP), KIND(CUT_OFF), KIND(KILLED),				\
		KIND(LOG_HEAD), KIND(LOG_TAIL), KIND(LOG_SEQ), KIND(LOG_WANT),		\
		KIND(LOG_MARK), KIND(LOG_TAKEN), KIND(LOG_LENGTH), KIND(LOG_RECORD),	\
		KIND(LOG_NAMES),							\
		KIND(LOG_HOLE), KIND(LOG_EVENT), KIND(GATE_POS), KIND(GATE_GIVEN),	\
		KIND(GATE_JUDGED),							\
		KIND(GATE_COUNT), KIND(GATE_ANY), KIND(GATE_HOLE), KIND(GATE_HELD),	\
		KIND(BELL_FUTEX), KIND(BELL_WAITERS), KIND(BELL_PAGE), KIND(BELL_EVENT), \
		KIND(BELL_BLOCKS), KIND(NODE_BELL),					\
		KIND(FD_GATES), KIND(FD_LIMITS), KIND(FD_OWN_LOG), KIND(FD_LOG),	\
		KIND(FD_MIRROR), KIND(FD_BELL),						\
		KIND(NO_OPEN), KIND(NO_PUBLISH), KIND(NO_BLOCK),			\
		KIND(DEV_BYTES), KIND(DEV_RECEIVE), KIND(DEV_RING), KIND(DEV_ROOM),	\
		KIND(DEV_KICK), KIND(DEV_CALL), KIND(DEV_ANY), KIND(DEV_CHILD),		\
		KIND(DEV_THREAD),							\
		KIND(DEV_BELL_ARM), KIND(DEV_BELL_WAIT), KIND(DEV_BELL_RING),		\
		KIND(DEV_BELL_ANY)

#define KIND(name) name
enum kind { KINDS, NKINDS };
#undef KIND
#define KIND(name) #name
static const char *const kind_text[] = { KINDS };
/* From here on: what is done to /dev/kecho only. */
#define DEV_KINDS DEV_BYTES

enum {
	COMMANDS = KECHO_CMD_ADDRESS + 1,
	SOURCES_MAX = 8,
	SINKS_MAX = 16,
};

/* A source of user B's, and a sink of B's or C's. */
struct source_told {
	char channel[16];
	bool quiet;		/* no sink is checked that reads it */
	u64 member;		/* its id; 0: it is not there yet */
	u64 published, final;	/* number of its last event; so many there are, if not 0 */
};

struct sink_told {
	char channel[16];
	const char *name;
	bool ready, over;
	u64 got[SOURCES_MAX];	/* number of the last event, by source */
	u64 worst_ns;		/* from submission to reading */
};

struct tally {
	bool stop;
	char why[256];		/* the first failure; empty: none */
	bool failed;
	u64 message[COMMANDS], kind[NKINDS];
	struct source_told source[SOURCES_MAX];
	struct sink_told sink[SINKS_MAX];
	u32 nsources, nsinks;
};

static struct tally *tally;

/* How many times slower than others this machine is, which is emulated and watched, perhaps. */
static inline u32 slow(void)
{
	const char *times = getenv("KECHO_SLOW");

	return times ? strtoul(times, NULL, 10) : 1;
}

static inline void count(enum kind k)
{
	__atomic_fetch_add(&tally->kind[k], 1, __ATOMIC_RELAXED);
}

/* Something that must not be. Gives 1, for a process to end with. */
static inline __attribute__((format(printf, 1, 2))) int wrong(const char *fmt, ...)
{
	va_list ap;

	if (__atomic_exchange_n(&tally->failed, true, __ATOMIC_SEQ_CST))
		return 1;
	va_start(ap, fmt);
	vsnprintf(tally->why, sizeof(tally->why), fmt, ap);
	va_end(ap);
	return 1;
}

static inline u64 next_random(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

#endif
