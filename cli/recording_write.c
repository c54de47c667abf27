/* SPDX-License-Identifier: MIT */
/*
 * Writing a recording: records are put together in memory and written in large pieces,
 * each behind the last whole record that is in the file. So whoever is killed leaves at the
 * worst one that is torn, and a disk that is full none: it is cut off again.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "crc32c.h"
#include "recording.h"

#define RUNS_MAX	UINT16_MAX

static int begin_file(struct recording_writer *w)
{
	uint64_t random = 0;

	while (!random)
		if (getrandom(&random, sizeof(random), 0) < 0 && errno != EINTR)
			return -errno;
	w->file = random;
	w->run = 1;
	return 0;
}

int recording_append(struct recording_writer *w, int fd, const struct recording_reader *r)
{
	const uint64_t mask = RECORDING_ALIGN - 1;

	*w = (struct recording_writer){ .fd = fd };
	if (!r || !r->file)
		return begin_file(w);
	if (r->last_run >= RUNS_MAX)
		return -EOVERFLOW;
	w->file = r->file;
	w->run = r->last_run + 1;
	/* What is damaged at the end stays, and may end anywhere. */
	w->at = (r->at + mask) & ~mask;
	return w->at != r->size && ftruncate(fd, (off_t)w->at) ? -errno : 0;
}

static void put_run(struct buf *b, const struct recording_item *it)
{
	struct recording_run_body body = {
		.real_ns = htole64(it->run.real_ns),
		.monotonic_ns = htole64(it->run.monotonic_ns),
		.channels = htole16(it->run.nchannels),
	};

	buf_add(b, &body, sizeof(body));
	for (unsigned int i = 0; i < it->run.nchannels; i++) {
		const struct recording_channel *c = &it->run.channels[i];
		uint16_t len = htole16(strlen(c->name));

		buf_add(b, c->uuid, sizeof(c->uuid));
		buf_add(b, &len, sizeof(len));
		buf_str(b, c->name);
	}
}

static void put_member(struct buf *b, const struct recording_item *it)
{
	const struct kecho_member *m = &it->member.m;
	struct recording_member_body body = {
		.member = htole64(m->id),
		.node = htole64(m->node),
		.channel = htole16(it->channel),
		.role = m->role,
		.policy = m->policy,
		.state = m->state,
		.remote = !!m->remote,
		.label_len = htole16(it->member.label_len),
	};

	buf_add(b, &body, sizeof(body));
	buf_add(b, it->member.label, it->member.label_len);
}

static void put_event(struct buf *b, const struct recording_item *it)
{
	const struct kecho_event *ev = &it->event;
	struct recording_event_body body = {
		.source = htole64(ev->source),
		.seq = htole64(ev->seq),
		.time_ns = htole64(ev->time_ns),
		.channel = it->channel,
		.type = ev->type,
		.attrs_len = htole16(ev->attrs_len),
		.payload_len = htole32(ev->len),
	};

	buf_add(b, &body, sizeof(body));
	buf_add(b, ev->attrs, ev->attrs_len);
	buf_add(b, ev->data, ev->len);
}

static void put_lost(struct buf *b, const struct recording_item *it)
{
	struct recording_lost_body body = {
		.source = htole64(it->event.source),
		.first = htole64(it->event.seq),
		.last = htole64(it->event.last_seq),
		.channel = htole16(it->channel),
	};

	buf_add(b, &body, sizeof(body));
}

static void put_ended(struct buf *b, const struct recording_item *it)
{
	struct recording_ended_body body = {
		.source = htole64(it->event.source),
		.last_seq = htole64(it->event.last_seq),
		.channel = htole16(it->channel),
		.failed = !!it->event.failed,
	};

	buf_add(b, &body, sizeof(body));
}

static void put_end(struct buf *b, const struct recording_item *it)
{
	struct recording_end_body body = {
		.events = htole64(it->total.events),
		.lost = htole64(it->total.lost),
		.bytes = htole64(it->total.bytes),
	};

	buf_add(b, &body, sizeof(body));
}

static void put_type(struct buf *b, const struct recording_item *it)
{
	struct recording_type_body body = {
		.source = htole64(it->type.source),
		.channel = htole16(it->channel),
		.number = it->type.number,
	};

	buf_add(b, &body, sizeof(body));
	buf_add(b, it->type.wire, it->type.len);
}

void recording_put(struct recording_writer *w, const struct recording_item *it)
{
	static void (*const put[])(struct buf *, const struct recording_item *) = {
		[RECORDING_RUN] = put_run,     [RECORDING_MEMBER] = put_member,
		[RECORDING_EVENT] = put_event, [RECORDING_LOST] = put_lost,
		[RECORDING_ENDED] = put_ended, [RECORDING_END] = put_end,
		[RECORDING_TYPE] = put_type,
	};
	struct recording_header h = {
		.magic = htole32(RECORDING_MAGIC),
		.kind = it->kind,
		.version = RECORDING_VERSION,
		.run = htole16(w->run),
		.file = htole64(w->file),
		.time_ns = htole64(it->time_ns),
	};
	size_t begin = w->pending.len, body = begin + sizeof(h), len;

	buf_add(&w->pending, &h, sizeof(h));
	put[it->kind](&w->pending, it);
	len = w->pending.len - body;
	h.len = htole32(len);
	buf_add(&w->pending, "\0\0\0\0\0\0\0", recording_bytes(len) - sizeof(h) - len);
	h.body_crc = htole32(crc32c(0, w->pending.p + body, w->pending.len - body));
	h.crc = htole32(recording_header_crc(&h, w->at + begin));
	memcpy(w->pending.p + begin, &h, sizeof(h));
}

/* Of the first @written bytes that were pending those of whole records. */
static size_t whole_records(const struct recording_writer *w, size_t written)
{
	struct recording_header h;
	size_t whole = 0, next;

	while (whole < written) {
		memcpy(&h, w->pending.p + whole, sizeof(h));
		next = whole + recording_bytes(le32toh(h.len));
		if (next > written)
			break;
		whole = next;
	}
	return whole;
}

int recording_write(struct recording_writer *w)
{
	size_t done = 0;
	ssize_t n;
	int err = 0;

	while (!err && done < w->pending.len) {
		n = pwrite(w->fd, w->pending.p + done, w->pending.len - done,
			   (off_t)(w->at + done));
		if (n > 0)
			done += n;
		else if (n == 0)
			err = -EIO;
		else if (errno != EINTR)
			err = -errno;
	}
	if (err) {
		done = whole_records(w, done);
		/* What stays if that fails is torn, as a reader sees. */
		n = ftruncate(w->fd, (off_t)(w->at + done));
		(void)n;
	}
	w->at += done;
	if (err)
		memmove(w->pending.p, w->pending.p + done, w->pending.len - done);
	w->pending.len -= done;
	return err;
}

int recording_pending(const struct recording_writer *w, size_t *from, struct recording_item *it)
{
	struct recording_header h;
	const uint8_t *p = (const uint8_t *)w->pending.p + *from;

	while (*from < w->pending.len) {
		memcpy(&h, p, sizeof(h));
		*from += recording_bytes(le32toh(h.len));
		if (h.kind != RECORDING_RUN) {
			recording_decode(it, &h, p + sizeof(h), NULL, RECORDING_CHANNELS_MAX);
			return 1;
		}
		p += recording_bytes(le32toh(h.len));
	}
	return 0;
}

void recording_writer_free(struct recording_writer *w)
{
	buf_free(&w->pending);
}
