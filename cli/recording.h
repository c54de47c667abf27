/* SPDX-License-Identifier: MIT */
/*
 * A recording: a file of events, as `kecho record` writes and `kecho replay` reads it.
 * docs/recording.md says why it is as it is; this says what is in it.
 *
 * The file is a run of records, each a header and a body, filled up with zeros to a
 * multiple of 8 bytes; all numbers are little-endian. It is only ever added to.
 *
 * Both checksums are CRC32C. That of the header goes over the record's place in the file
 * and names the file, so neither a part of an older file nor a recording that is the
 * payload of an event can be taken for a record of this one: after damage the next record
 * is wherever at a multiple of 8 bytes a header is right.
 *
 * Changelog
 *   1  the first
 *      TYPE, and an event's type
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kecho/kecho.h>
#include <kecho/type.h>

#include "buf.h"

#define RECORDING_MAGIC		0x4345524bu	/* "KREC" */
#define RECORDING_VERSION	1
#define RECORDING_ALIGN		8
#define RECORDING_CHANNELS_MAX	64
#define RECORDING_LABEL_MAX	KECHO_ATTR_VALUE_MAX
#define RECORDING_TYPE_MAX	(32u << 10)	/* bytes of a type, encoded */

enum recording_kind {
	RECORDING_RUN = 1,	/* kecho record begins; the first record of a file */
	RECORDING_MEMBER = 2,	/* a member joins, leaves or fails */
	RECORDING_EVENT = 3,
	RECORDING_LOST = 4,	/* events that did not come */
	RECORDING_ENDED = 5,	/* a source, and what was its last event */
	RECORDING_END = 6,	/* kecho record has ended in good order */
	RECORDING_TYPE = 7,	/* a source has announced a type of its events */
};

struct recording_header {
	uint32_t magic;
	uint32_t len;		/* bytes of the body */
	uint8_t kind;		/* enum recording_kind */
	uint8_t version;
	uint16_t run;		/* which run this belongs to, from 1 */
	uint32_t body_crc;	/* of the body and the zeros behind it */
	uint64_t file;		/* a random number, the same in all records of a file */
	uint64_t time_ns;	/* since the run began, by the recorder's CLOCK_MONOTONIC */
	uint32_t zero;
	uint32_t crc;		/* of u64 offset of this header in the file, then all before */
};

/* Behind it for each channel: uuid (16 bytes), u16 length of its name, the name. */
struct recording_run_body {
	uint64_t real_ns;	/* CLOCK_REALTIME as it began */
	uint64_t monotonic_ns;	/* CLOCK_MONOTONIC then */
	uint16_t channels;	/* 1 to RECORDING_CHANNELS_MAX; below they have numbers from 0 */
	uint16_t zero[3];
};

/* Behind it the label. A source's first event never comes before this. */
struct recording_member_body {
	uint64_t member;
	uint64_t node;
	uint16_t channel;
	uint8_t role, policy, state, remote;	/* as in struct kecho_member */
	uint16_t label_len;
};

/* Behind it the attributes, encoded as in the protocol, then the payload. */
struct recording_event_body {
	uint64_t source;
	uint64_t seq;
	uint64_t time_ns;	/* when it was submitted, since 1970; 0: not told */
	uint8_t channel;
	uint8_t type;		/* the number of a TYPE of the source in this run; 0: bytes */
	uint16_t attrs_len;
	uint32_t payload_len;
};

struct recording_lost_body {
	uint64_t source;
	uint64_t first, last;
	uint16_t channel;
	uint16_t zero[3];
};

struct recording_ended_body {
	uint64_t source;
	uint64_t last_seq;
	uint16_t channel;
	uint8_t failed;
	uint8_t zero[5];
};

/* Of this run. */
struct recording_end_body {
	uint64_t events, lost, bytes;
};

/* Behind it the type, as kecho_type_wire() gives it. The source's first event of it in this
 * run never comes before this. */
struct recording_type_body {
	uint64_t source;
	uint16_t channel;
	uint8_t number;		/* from 1 to KECHO_TYPES_MAX */
	uint8_t zero[5];
};

/* The longest body, and the bytes of a record with a body of @len. */
#define RECORDING_BODY_MAX	(sizeof(struct recording_event_body) + KECHO_EVENT_ATTRS_MAX + \
			    KECHO_EVENT_MAX)

static inline uint64_t recording_bytes(uint32_t len)
{
	return sizeof(struct recording_header) +
	       (((uint64_t)len + RECORDING_ALIGN - 1) & ~(uint64_t)(RECORDING_ALIGN - 1));
}

_Static_assert(sizeof(struct recording_header) == 40, "layout");
_Static_assert(sizeof(struct recording_run_body) == 24, "layout");
_Static_assert(sizeof(struct recording_member_body) == 24, "layout");
_Static_assert(sizeof(struct recording_event_body) == 32, "layout");
_Static_assert(sizeof(struct recording_lost_body) == 32, "layout");
_Static_assert(sizeof(struct recording_ended_body) == 24, "layout");
_Static_assert(sizeof(struct recording_end_body) == 24, "layout");
_Static_assert(sizeof(struct recording_type_body) == 16, "layout");

struct recording_channel {
	uint8_t uuid[16];
	char name[KECHO_NAME_MAX + 1];
};

struct recording_total {
	uint64_t events, lost, bytes;
};

/* A record, taken apart. Pointers live until the next one is read. */
struct recording_item {
	enum recording_kind kind;
	uint64_t offset;		/* in the file */
	uint64_t end;			/* behind it */
	uint64_t time_ns;		/* see the header */
	unsigned int channel;
	union {
		struct {		/* RUN */
			uint64_t real_ns, monotonic_ns;
			struct recording_channel *channels;
			unsigned int nchannels;
		} run;
		struct {		/* MEMBER */
			struct kecho_member m;
			const char *label;
			size_t label_len;
		} member;
		struct kecho_event event;	/* EVENT, LOST, ENDED */
		struct recording_total total;	/* END */
		struct {		/* TYPE */
			uint64_t source;
			unsigned int number;
			const void *wire;
			size_t len;
		} type;
	};
};

/* The header's checksum where it stands at @offset. */
uint32_t recording_header_crc(const struct recording_header *h, uint64_t offset);
/* A body whose checksums are right, taken apart: its kind's part of @it and the channel.
 * A run's channels go to @channels, of others the channel is under @nchannels. Returns
 * NULL, or why it is none. */
const char *recording_decode(struct recording_item *it, const struct recording_header *h,
			     const uint8_t *body, struct recording_channel *channels,
			     unsigned int nchannels);

/* ------------------------------------------------------------------- reading */

#define RECORDING_WHY_MAX	160

struct recording_damage {
	uint64_t offset, bytes;		/* that are no record */
	char why[RECORDING_WHY_MAX];
};

struct recording_reader {
	int fd;
	uint64_t size;			/* of the file, when it was opened */
	uint64_t at;			/* where the next record begins */
	uint64_t file;			/* its random number; 0: no record was read yet */
	unsigned int run, nchannels;	/* of the run that is being read; 0: none */
	unsigned int last_run;		/* the highest that any record named */
	bool ended;			/* its END was read */
	uint64_t torn;			/* at the end: bytes of a record that was not whole */
	struct recording_damage damage;	/* the last */
	struct recording_channel channels[RECORDING_CHANNELS_MAX];
	struct buf window;		/* bytes of the file from window_at on */
	uint64_t window_at;
};

/* 0; -EINVAL: @fd is no regular file; or -errno. The descriptor stays the caller's. */
int recording_open(struct recording_reader *r, int fd);
/*
 * The next record. 1: in @it. 0: there is none; what follows r->at is r->torn bytes, the
 * beginning of a record that was being written when its writer was killed, or the disk
 * full. -EBADMSG: r->damage says where something is no record, and why; the next call goes
 * on behind it. Else -errno of reading the file.
 */
int recording_next(struct recording_reader *r, struct recording_item *it);
void recording_close(struct recording_reader *r);

/* The attributes of an event, at most @max; their names and the values' data lie in @room,
 * which lives as long as they. Returns how many, or -EBADMSG if they are none. */
int recording_attrs(const struct kecho_event *ev, struct kecho_attr *attrs, size_t max,
		    struct buf *room);

/* ------------------------------------------------------------------- writing */

struct recording_writer {
	int fd;
	uint64_t at;			/* bytes in the file: whole records */
	uint64_t file;
	unsigned int run;
	struct buf pending;		/* whole records that are to follow */
};

/* For a new file, or one that @r has read to its end: behind its last whole record. What
 * is torn there is cut off. 0 or -errno; -EOVERFLOW: it has as many runs as can be. */
int recording_append(struct recording_writer *w, int fd, const struct recording_reader *r);
/* Adds a record, in memory. */
void recording_put(struct recording_writer *w, const struct recording_item *it);
/* Writes what was added. -errno: none of it but the whole records before w->at is in the
 * file, those that are not are in w->pending. */
int recording_write(struct recording_writer *w);
void recording_writer_free(struct recording_writer *w);

/* What of @from on is still pending, as a reader would give it: 1, or 0. For one who has
 * to say what is missing. */
int recording_pending(const struct recording_writer *w, size_t *from, struct recording_item *it);

#endif
