/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Every limit of the core, by name.
 */
#ifndef KE_BOUNDS_H
#define KE_BOUNDS_H

enum ke_limits {
	/* the log */
	KE_LOG_SIZE_MIN = 64 << 10,
	KE_LOG_SIZE_MAX = 64 << 20,
	/* 64 KiB of payload, or an eighth of the log, and what may be around it */
	KE_RECORD_MAX = 66 << 10,
	KE_RECORD_EXTRA = 2 << 10,
	KE_RECORDS_PER_LOG_MIN = 8,
	KE_RESERVATIONS_MAX = 64,
	KE_RESYNC_TRIES_MAX = 8,	/* of a lapped reader, per call */
	KE_NOW_TRIES_MAX = 16,		/* to see a head and its number together */
	KE_SILENT_RECORDS_MAX = 1024,	/* read without an event or loss, per call */
	KE_VERDICTS_MAX = 32,		/* of one sink in one log, newest and before */
	KE_VERDICTS_UNREAD_MAX = 24,	/* of these, when another filter has to wait */
	KE_WAKE_PARTS = 2,		/* of a log: who sleeps no longer than one, wanted or not */
	KE_PASS_RECORDS_MAX = 4096,	/* passed over before the other end is told */
	KE_PASS_MIN = 512,		/* bytes; less is rather sent than passed over */
	KE_PICK_MAX = 4 << 10,		/* bytes of a run that is picked; more goes out in place */
	KE_PICKS_MAX = 16 << 10,	/* the same of a frame of them, and queued before it */
	KE_CLOCK_DRIFT = 2000,		/* two clocks differ by one part in so many more, at most */
	KE_EVENT_MAX = 16 << 20,
	KE_EVENT_ATTRS_MAX = 1024,
	KE_NAMES_SPARE = 32,		/* sinks that may join while an event is written in place */

	/* names and attributes */
	KE_NAME_MAX = 127,
	KE_ATTR_VALUE_MAX = 1024,
	KE_ATTRS_MAX = 8192,		/* one object's attributes, encoded */

	/* types of events */
	KE_TYPE_SIZE_MAX = 64 << 10,	/* of the struct */
	KE_TYPE_FIELDS_MAX = 512,
	KE_FIELD_NAME_MAX = 255,
	KE_TYPE_NAMES_MAX = 16 << 10,	/* of all fields, together */
	KE_TYPES_MAX = 15,		/* of one source */
	KE_TYPES_BYTES_MAX = 256 << 10,	/* the same, encoded, together */
	KE_NODE_TYPES_MAX = 2 << 20,	/* of all sources of a node: they fit KE_CONTROL_MAX */

	/* links */
	KE_PIECE_MAX = KE_RECORD_MAX,	/* payload of a DATA frame: a record fits */
	KE_PIECE_SHORT = 16 << 10,	/* the same, where others may come that go before */
	KE_NORMAL_TURN = 64 << 10,	/* bytes of urgent logs for a frame of normal ones */
	KE_BULK_TURN = 256 << 10,	/* the same of both, for one of bulk */
	KE_CONTROL_MAX = 4 << 20,	/* control bytes waiting to be sent on one link */
	KE_ADDRESS_MAX = 63,
	KE_LINK_NAME_MAX = 63,

	/* tables: of our own more are refused, a peer that says more is hung up on */
	KE_CHANNELS_MAX = 4096,		/* that one node has open */
	KE_NODES_MAX = 4096,		/* that one node knows */
	KE_MEMBERS_MAX = 4096,		/* of one node, in all its channels */

	KE_DRAIN_SOURCES_MAX = 4000,	/* of a channel that is drained */

	/* A promise to give a sign of life so often, in milliseconds: at each quarter of it
	 * somebody wakes up. */
	KE_PROMISE_MS_MIN = 50,
	KE_PROMISE_MS_MAX = 24 * 3600 * 1000,

	/* filters */
	KE_FILTER_INSNS_MAX = 1024,	/* as they travel; a load of 64 bits counts as two */
	KE_PROGRAM_INSNS_MAX = 4096,	/* written for a type */
	KE_FILTER_REFS_MAX = 512,
	KE_FILTER_SLOTS_MAX = 64,
	KE_FILTER_CONSTS_MAX = 16 << 10,
	KE_FILTER_COST_MAX = 16 << 10,	/* of one run, about nanoseconds */
	KE_FILTER_ONCE_MAX = 512,	/* keys that once() remembers */
	KE_FILTER_RATES_MAX = 16,	/* limits of one filter */
	KE_FILTER_RATE_MAX = 1000000000,	/* events a second */
	KE_NODE_FILTERS_MAX = 1 << 20,	/* of all sinks of a node, as they travel */

	/* what one source judges by; the sinks of further ones judge themselves */
	KE_JUDGE_FILTERS_MAX = 64,
	KE_JUDGE_COST_MAX = 64 << 10,	/* of one event, about nanoseconds */
	KE_JUDGE_BYTES_MAX = 4 << 20,	/* of programs */
	/* Bits of a generation that count sets of filters; those above them are its epoch, which
	 * is another when whoever gave bits to filters has gone. */
	KE_GENERATION_SETS = 20,

	/* the registry */
	KE_CONTACTS_MAX = 3,
	KE_REGISTRY_ENTRIES_MAX = 65536,
	KE_REGISTRY_ENDED_MAX = 1024,	/* uuids of channels that were destroyed */
};

/* Of a log's positions, so that sums of them never wrap: years at any speed. */
#define KE_POSITION_MAX (U64_MAX / 2)

/* The longest window of once(), in nanoseconds: a week. */
#define KE_FILTER_WINDOW_MAX (7ULL * 24 * 3600 * 1000000000)

/* Bytes of the mirrors of one node's logs. */
#define KE_MIRRORS_MAX (4ULL << 30)

/* Times, in milliseconds. */
enum ke_times {
	KE_HEARTBEAT_MS = 500,		/* on links between hosts */
	KE_LINK_SILENT_MS = 1500,	/* no byte for so long: the connection is dead */
	KE_NODE_FORGET_MS = 60000,	/* no link for so long: it is not dialled any more */
	KE_REDIAL_MIN_MS = 50,		/* between tries; doubles up to */
	KE_REDIAL_MAX_MS = 500,
	/* No link for so long, or no byte before it broke: its members have failed. Ticks
	 * are KE_REDIAL_MIN_MS apart then, so this is told within 2 s, on a busy host too. */
	KE_NODE_DEAD_MS = 1800,
	KE_LINK_LIVED_MS = 1000,	/* a link that breaks later is dialled again at once */
	KE_LINK_UNUSED_MS = 2000,	/* no channel shared for so long: it ends */
	/* A node that was never linked: from its first dial until others are asked to tell it
	 * of us, between two such questions, and between them when it counts as failed. */
	KE_ASK_FIRST_MS = 500,
	KE_ASK_MS = 1000,
	KE_ASK_MAX_MS = 5000,
	KE_ATTR_DELAY_MS = 10,		/* of a changed attribute, at most; see live.c */
	KE_CLOCK_ASK_MS = 2000,		/* between two questions what time it is there; */
	KE_CLOCK_IDLE_MS = 60000,	/* the same until there is a deadline */
	KE_CLOCK_SET_MS = 10,		/* a clock that moves by more was set */
	KE_LEASE_MS = 2000,		/* of a contact in the registry */
	KE_RENEW_MS = 1250,		/* between its renewals */
	/*
	 * A TCP registry starts with this much grace if it is alone on its host. It cannot
	 * see whether nodes of other hosts are left that know entries of one before it; but
	 * these redial at least every half of it, so they are back in time, and a first
	 * start, which looks the same, isn't held up for a lease.
	 */
	KE_REGISTRY_GRACE_MS = 500,
	KE_REGISTRY_REDIAL_MIN_MS = 1,	/* doubles up to */
	KE_REGISTRY_REDIAL_MAX_MS = KE_REGISTRY_GRACE_MS / 2,
	KE_DRAIN_MIN_MS = 5,		/* between two looks at all sinks; doubles up to */
	KE_DRAIN_MAX_MS = 100,
	/* A gate is in a source's way for so long: its node is asked where it is now; */
	KE_STALL_ASK_MS = 1000,
	/* was told that its limit is over, and does nothing: on one host it loses the gate. */
	KE_STALL_REACT_MS = 2000,
};

#endif
