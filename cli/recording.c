/* SPDX-License-Identifier: MIT */
/*
 * What is in the body of a recording's record. The file may be anybody's: each number is
 * looked at before it is used.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "crc32c.h"
#include "recording.h"

uint32_t recording_header_crc(const struct recording_header *h, uint64_t offset)
{
	uint64_t place = htole64(offset);

	return crc32c(crc32c(0, &place, sizeof(place)), h, offsetof(struct recording_header, crc));
}

static bool name_valid(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] < 0x21 || name[i] == '*')
			return false;
	return len > 0 && len <= KECHO_NAME_MAX;
}

static bool has_channel(const struct recording_channel *c, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return true;
	return false;
}

/* Returns its bytes in @p, of which there are @len, or 0 if it is none. */
static size_t decode_channel(struct recording_channel *c, const uint8_t *p, size_t len)
{
	uint16_t name_len;

	if (len < sizeof(c->uuid) + sizeof(name_len))
		return 0;
	memcpy(c->uuid, p, sizeof(c->uuid));
	memcpy(&name_len, p + sizeof(c->uuid), sizeof(name_len));
	name_len = le16toh(name_len);
	p += sizeof(c->uuid) + sizeof(name_len);
	len -= sizeof(c->uuid) + sizeof(name_len);
	if (name_len > len || !name_valid(p, name_len))
		return 0;
	memcpy(c->name, p, name_len);
	c->name[name_len] = '\0';
	return sizeof(c->uuid) + sizeof(name_len) + name_len;
}

static const char *decode_run(struct recording_item *it, const uint8_t *p, size_t len,
			      struct recording_channel *channels)
{
	struct recording_run_body b;
	unsigned int n;
	size_t some;

	if (len < sizeof(b))
		return "it is too short for the beginning of a run";
	memcpy(&b, p, sizeof(b));
	n = le16toh(b.channels);
	if (!n || n > RECORDING_CHANNELS_MAX)
		return "it has no number of channels that can be";
	p += sizeof(b);
	len -= sizeof(b);
	for (unsigned int i = 0; i < n; i++, p += some, len -= some) {
		some = decode_channel(&channels[i], p, len);
		if (!some || has_channel(channels, i, channels[i].name))
			return "it has a channel that cannot be";
	}
	it->run.real_ns = le64toh(b.real_ns);
	it->run.monotonic_ns = le64toh(b.monotonic_ns);
	it->run.channels = channels;
	it->run.nchannels = n;
	return len ? "it goes on behind its channels" : NULL;
}

static const char *decode_member(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct kecho_member *m = &it->member.m;
	struct recording_member_body b;

	if (len < sizeof(b))
		return "it is too short for a member";
	memcpy(&b, p, sizeof(b));
	it->member.label = (const char *)p + sizeof(b);
	it->member.label_len = le16toh(b.label_len);
	if (it->member.label_len > RECORDING_LABEL_MAX ||
	    len != sizeof(b) + it->member.label_len)
		return "it is not as long as its label asks for";
	if ((b.role != KECHO_SOURCE && b.role != KECHO_SINK) || b.policy > KECHO_DISCONNECT ||
	    b.state < KECHO_JOINED || b.state > KECHO_FAILED || b.remote > 1)
		return "it has a role, policy or state that no member has";
	*m = (struct kecho_member){
		.id = le64toh(b.member), .node = le64toh(b.node), .role = b.role,
		.policy = b.policy, .state = b.state, .remote = b.remote,
	};
	it->channel = le16toh(b.channel);
	return NULL;
}

static const char *decode_event(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct recording_event_body b;
	struct kecho_event *ev = &it->event;

	if (len < sizeof(b))
		return "it is too short for an event";
	memcpy(&b, p, sizeof(b));
	*ev = (struct kecho_event){
		.kind = KECHO_EVENT, .source = le64toh(b.source), .seq = le64toh(b.seq),
		.time_ns = le64toh(b.time_ns), .attrs_len = le16toh(b.attrs_len),
		.len = le32toh(b.payload_len), .type = b.type,
	};
	if (ev->attrs_len > KECHO_EVENT_ATTRS_MAX || ev->len > KECHO_EVENT_MAX ||
	    len != sizeof(b) + ev->attrs_len + ev->len)
		return "it is not as long as its event asks for";
	if (!ev->seq)
		return "its event has no number";
	if (ev->type > KECHO_TYPES_MAX)
		return "its event is of a type that no source has";
	ev->attrs = ev->attrs_len ? p + sizeof(b) : NULL;
	ev->data = p + sizeof(b) + ev->attrs_len;
	it->channel = b.channel;
	return NULL;
}

static const char *decode_lost(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct recording_lost_body b;

	if (len != sizeof(b))
		return "it is not as long as a loss";
	memcpy(&b, p, sizeof(b));
	it->event = (struct kecho_event){
		.kind = KECHO_LOST, .source = le64toh(b.source), .seq = le64toh(b.first),
		.last_seq = le64toh(b.last),
	};
	it->channel = le16toh(b.channel);
	if (!it->event.seq || it->event.seq > it->event.last_seq)
		return "it is a loss of nothing";
	return NULL;
}

static const char *decode_ended(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct recording_ended_body b;

	if (len != sizeof(b))
		return "it is not as long as the end of a source";
	memcpy(&b, p, sizeof(b));
	it->event = (struct kecho_event){
		.kind = KECHO_ENDED, .source = le64toh(b.source), .last_seq = le64toh(b.last_seq),
		.failed = b.failed,
	};
	it->channel = le16toh(b.channel);
	return b.failed > 1 ? "it is the end of a source in no way that there is" : NULL;
}

static const char *decode_end(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct recording_end_body b;

	if (len != sizeof(b))
		return "it is not as long as the end of a run";
	memcpy(&b, p, sizeof(b));
	it->total.events = le64toh(b.events);
	it->total.lost = le64toh(b.lost);
	it->total.bytes = le64toh(b.bytes);
	return NULL;
}

/* Whether it is a type, who loads it finds out. */
static const char *decode_type(struct recording_item *it, const uint8_t *p, size_t len)
{
	struct recording_type_body b;

	if (len < sizeof(b) || len > sizeof(b) + RECORDING_TYPE_MAX)
		return "it is not as long as a type";
	memcpy(&b, p, sizeof(b));
	it->type.source = le64toh(b.source);
	it->type.number = b.number;
	it->type.wire = p + sizeof(b);
	it->type.len = len - sizeof(b);
	it->channel = le16toh(b.channel);
	if (!b.number || b.number > KECHO_TYPES_MAX)
		return "it is a type of a number that no source has";
	return NULL;
}

const char *recording_decode(struct recording_item *it, const struct recording_header *h,
			     const uint8_t *body, struct recording_channel *channels,
			     unsigned int nchannels)
{
	static const char *(*const decode[])(struct recording_item *, const uint8_t *, size_t) = {
		[RECORDING_MEMBER] = decode_member, [RECORDING_EVENT] = decode_event,
		[RECORDING_LOST] = decode_lost, [RECORDING_ENDED] = decode_ended,
		[RECORDING_END] = decode_end, [RECORDING_TYPE] = decode_type,
	};
	size_t len = le32toh(h->len);
	const char *why;

	if (h->kind < RECORDING_RUN || h->kind > RECORDING_TYPE)
		return "it is of a kind that is unknown here";
	it->kind = h->kind;
	it->time_ns = le64toh(h->time_ns);
	it->channel = 0;
	if (h->kind == RECORDING_RUN)
		return decode_run(it, body, len, channels);
	why = decode[h->kind](it, body, len);
	return why || it->channel < nchannels ? why : "it is of a channel that its run has not";
}

/* ---------------------------------------------------------------- attributes */

/* One of them is u8 kind, u8 length of its name, u16 length of its value, name, value. */
static size_t take_attr(struct kecho_attr *a, const uint8_t *p, size_t len, struct buf *room)
{
	struct kecho_value *v = &a->value;
	uint16_t value_len;
	uint64_t number;

	if (len < 4)
		return 0;
	memcpy(&value_len, p + 2, sizeof(value_len));
	value_len = le16toh(value_len);
	if (!p[1] || p[1] > KECHO_NAME_MAX || len < (size_t)4 + p[1] + value_len ||
	    memchr(p + 4, 0, p[1]))
		return 0;
	*v = (struct kecho_value){ .kind = p[0], .data = p + 4 + p[1], .len = value_len };
	if (v->kind == KECHO_I64 && value_len == sizeof(number)) {
		memcpy(&number, v->data, sizeof(number));
		v->i64 = (int64_t)le64toh(number);
	} else if (v->kind != KECHO_STRING && v->kind != KECHO_BYTES) {
		return 0;
	}
	a->name = room->p + room->len;
	buf_add(room, p + 4, p[1]);
	buf_char(room, '\0');
	return (size_t)4 + p[1] + value_len;
}

int recording_attrs(const struct kecho_event *ev, struct kecho_attr *attrs, size_t max,
		    struct buf *room)
{
	const uint8_t *p = ev->attrs;
	size_t len = ev->attrs_len, some, n = 0;

	/* All names together are shorter than that; so the room does not move meanwhile. */
	buf_reset(room);
	buf_room(room, KECHO_EVENT_ATTRS_MAX);
	for (; len; p += some, len -= some) {
		some = n < max ? take_attr(&attrs[n++], p, len, room) : 0;
		if (!some)
			return -EBADMSG;
	}
	return (int)n;
}
