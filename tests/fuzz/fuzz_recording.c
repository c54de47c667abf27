/* SPDX-License-Identifier: MIT */
/*
 * Recordings that are made up: records with right checksums around whatever the input
 * says, bytes that are none, files that end anywhere. What is read lies inside the file and
 * inside the bounds of its kind, each step goes forward, and what follows can be appended.
 */
#define _GNU_SOURCE

#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../cli/crc32c.h"
#include "../../cli/recording.h"

enum { FILE_MAX = 8192, STEPS_MAX = FILE_MAX / 8 + 2 };

static struct {
	struct input in;
	u8 bytes[FILE_MAX];
	size_t len;
	int fd;
} f;

void complain(const char *fmt, ...);

void complain(const char *fmt, ...)
{
	(void)fmt;
	abort();	/* buf.c, when there is no memory */
}

static void put(const void *data, size_t len)
{
	if (len > FILE_MAX - f.len)
		len = FILE_MAX - f.len;
	memcpy(f.bytes + f.len, data, len);
	f.len += len;
}

/* A body as the input has it, with right checksums unless it says otherwise. */
static void put_record(u8 how)
{
	struct recording_header h = {
		.magic = RECORDING_MAGIC, .version = RECORDING_VERSION, .kind = how % 8,
		.run = take_u8(&f.in) % 4, .file = 1 + (take_u8(&f.in) == 255),
		.time_ns = take_u64(&f.in), .len = take_u8(&f.in),
	};
	u8 body[256 + RECORDING_ALIGN] = { 0 };
	size_t len = h.len, padded = (len + 7) & ~(size_t)7;

	take_bytes(&f.in, body, len);
	h.body_crc = crc32c(0, body, padded);
	if (how & 64)
		h.len = take_u32(&f.in);
	h.crc = recording_header_crc(&h, f.len);
	if (how & 128)
		h.crc ^= take_u8(&f.in);
	put(&h, sizeof(h));
	put(body, padded);
}

static void put_rubbish(u8 how)
{
	u8 bytes[64] = { 0 };

	if (how & 64)
		take_bytes(&f.in, bytes, sizeof(bytes));
	put(bytes, how & 128 ? how % 64 : (how % 8) * 8);
}

static void check_item(const struct recording_reader *r, const struct recording_item *it)
{
	struct kecho_attr a[4];
	struct buf room = { 0 };
	unsigned int i;
	int n;

	check(it->end == r->at && it->offset < it->end && it->end <= r->size);
	check(it->kind >= RECORDING_RUN && it->kind <= RECORDING_TYPE);
	switch (it->kind) {
	case RECORDING_RUN:
		check(it->run.nchannels >= 1 && it->run.nchannels <= RECORDING_CHANNELS_MAX);
		for (i = 0; i < it->run.nchannels; i++)
			check(it->run.channels[i].name[0] &&
			      strlen(it->run.channels[i].name) <= KECHO_NAME_MAX);
		return;
	case RECORDING_MEMBER:
		touch(it->member.label, it->member.label_len);
		break;
	case RECORDING_EVENT:
		check(it->event.type <= KECHO_TYPES_MAX);
		touch(it->event.data, it->event.len);
		touch(it->event.attrs, it->event.attrs_len);
		n = recording_attrs(&it->event, a, 4, &room);
		for (i = 0; n > 0 && i < (unsigned int)n; i++) {
			check(strlen(a[i].name) <= KECHO_NAME_MAX);
			touch(a[i].value.data, a[i].value.len);
		}
		buf_free(&room);
		break;
	case RECORDING_TYPE:
		check(it->type.number >= 1 && it->type.number <= KECHO_TYPES_MAX);
		check(it->type.len <= RECORDING_TYPE_MAX);
		touch(it->type.wire, it->type.len);
		break;
	case RECORDING_LOST:
		check(it->event.seq && it->event.seq <= it->event.last_seq);
		break;
	default:
		break;
	}
	check(it->kind == RECORDING_END || it->channel < r->nchannels);
}

/* To the end; returns how many records. */
static unsigned int read_all(struct recording_reader *r)
{
	unsigned int n = 0, steps = 0;
	struct recording_item it;
	u64 at = 0;
	int got;

	check(!recording_open(r, f.fd));
	while ((got = recording_next(r, &it)) == 1 || got == -EBADMSG) {
		check(steps++ < STEPS_MAX);
		check(r->at > at && r->at <= r->size);
		if (got == 1)
			check_item(r, &it);
		else
			check(r->damage.offset == at && at + r->damage.bytes == r->at);
		n += got == 1;
		at = r->at;
	}
	check(!got && r->at + r->torn == r->size);
	recording_close(r);
	return n;
}

static void append(const struct recording_reader *r, unsigned int before)
{
	struct recording_channel c = { { 1 }, "x" };
	const struct recording_item run = { .kind = RECORDING_RUN, .run = { 1, 2, &c, 1 } };
	struct recording_reader again;
	struct recording_writer w;

	if (!r->file)
		return;
	check(!recording_append(&w, f.fd, r));
	recording_put(&w, &run);
	check(!recording_write(&w));
	recording_writer_free(&w);
	check(read_all(&again) == before + 1 && !again.torn);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct recording_reader r;
	u8 how;

	f.in = (struct input){ data, size };
	f.len = 0;
	while (f.in.len && f.len < FILE_MAX) {
		how = take_u8(&f.in);
		if (how & 32)
			put_rubbish(how);
		else
			put_record(how);
	}
	f.fd = memfd_create("recording", MFD_CLOEXEC);
	check(f.fd >= 0 && write(f.fd, f.bytes, f.len) == (ssize_t)f.len);
	append(&r, read_all(&r));
	close(f.fd);
	return 0;
}
