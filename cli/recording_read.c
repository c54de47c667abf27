/* SPDX-License-Identifier: MIT */
/*
 * Reading a recording: forward, through a window that holds at least the record that is
 * being read. What is no record is said once, with its place, its length and the reason.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "recording.h"

#define WINDOW_BYTES	(256u << 10)	/* that are read at once, or the record */

enum found {
	GOOD = 1,	/* a header that is right */
	STRAY,		/* one of a run whose beginning was not found */
	TORN,		/* the file ends before the record does */
	BAD,
};

int recording_open(struct recording_reader *r, int fd)
{
	struct stat st;

	memset(r, 0, sizeof(*r));
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r->fd = fd;
	r->size = st.st_size;
	return 0;
}

void recording_close(struct recording_reader *r)
{
	buf_free(&r->window);
}

/* As much as is there from @offset on, at least @len bytes if the file has them. */
static int fill(struct recording_reader *r, uint64_t offset, size_t len)
{
	uint64_t left = r->size - offset;
	size_t want = len > WINDOW_BYTES ? len : WINDOW_BYTES;
	ssize_t n;

	if (want > left)
		want = left;
	buf_reset(&r->window);
	buf_room(&r->window, want);
	r->window_at = offset;
	while (r->window.len < want) {
		n = pread(r->fd, r->window.p + r->window.len, want - r->window.len,
			  (off_t)(offset + r->window.len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n) {	/* somebody has cut it meanwhile */
			r->size = offset + r->window.len;
			break;
		}
		r->window.len += n;
	}
	return 0;
}

/* @len bytes from @offset on. 1, 0 if the file ends before, or -errno. */
static int get(struct recording_reader *r, uint64_t offset, size_t len, const uint8_t **p)
{
	int err;

	if (offset > r->size || len > r->size - offset)
		return 0;
	if (offset < r->window_at || offset + len > r->window_at + r->window.len) {
		err = fill(r, offset, len);
		if (err)
			return err;
		if (r->window.len < len)
			return 0;
	}
	*p = (const uint8_t *)r->window.p + (offset - r->window_at);
	return 1;
}

static const char *header_fault(const struct recording_reader *r,
				const struct recording_header *h, uint64_t offset)
{
	if (le32toh(h->magic) != RECORDING_MAGIC)
		return "no record begins there";
	if (le32toh(h->crc) != recording_header_crc(h, offset))
		return "its header's checksum is wrong";
	if (r->file && le64toh(h->file) != r->file)
		return "it is a record of another recording";
	if (h->version != RECORDING_VERSION)
		return "it is of a version that is unknown here";
	if (!h->file || !h->run || h->zero || le32toh(h->len) > RECORDING_BODY_MAX)
		return "its header has a field that cannot be";
	return NULL;
}

/* What begins at @offset: an enum found, @h, and @why if it is BAD or STRAY; or -errno. */
static int look(struct recording_reader *r, uint64_t offset, struct recording_header *h,
		const char **why)
{
	unsigned int run;
	const uint8_t *p;
	int n = get(r, offset, sizeof(*h), &p);

	if (n <= 0)
		return n < 0 ? n : TORN;
	memcpy(h, p, sizeof(*h));
	*why = header_fault(r, h, offset);
	if (*why)
		return BAD;
	run = le16toh(h->run);
	if (run > r->last_run)
		r->last_run = run;
	/* Whatever its run is: whoever appends must not write into it. */
	if (recording_bytes(le32toh(h->len)) > r->size - offset)
		return TORN;
	if (h->kind == RECORDING_RUN ? run <= r->run : run != r->run) {
		*why = "the beginning of its run is damaged or missing";
		return STRAY;
	}
	return GOOD;
}

/* Where the next record begins from @offset on, or the file ends; or -errno. */
static int64_t search(struct recording_reader *r, uint64_t offset)
{
	struct recording_header h;
	const char *why;
	int found;

	while (offset < r->size && r->size - offset >= sizeof(h)) {
		found = look(r, offset, &h, &why);
		if (found < 0)
			return found;
		if (found == GOOD || found == TORN)
			return (int64_t)offset;
		offset += found == STRAY ? recording_bytes(le32toh(h.len)) : RECORDING_ALIGN;
	}
	return (int64_t)r->size;
}

/* What the file system gives for what was never written. 1, 0 or -errno. */
static int zeros_to_end(struct recording_reader *r, uint64_t offset)
{
	const uint8_t *p;
	size_t some;
	int n;

	for (; offset < r->size; offset += some) {
		some = r->size - offset < WINDOW_BYTES ? r->size - offset : WINDOW_BYTES;
		n = get(r, offset, some, &p);
		if (n <= 0)
			return n;
		for (size_t i = 0; i < some; i++)
			if (p[i])
				return 0;
	}
	return 1;
}

static int damaged(struct recording_reader *r, uint64_t end, const char *why)
{
	r->damage.offset = r->at;
	r->damage.bytes = end - r->at;
	snprintf(r->damage.why, sizeof(r->damage.why), "%s", why);
	r->at = end;
	return -EBADMSG;
}

static int torn(struct recording_reader *r)
{
	r->torn = r->size - r->at;
	return 0;
}

/* No record begins at r->at, nor before @from. */
static int lose(struct recording_reader *r, uint64_t from, const char *why)
{
	int64_t next = search(r, from);
	int zeros;

	if (next < 0)
		return (int)next;
	if ((uint64_t)next == r->size) {
		zeros = zeros_to_end(r, r->at);
		if (zeros)
			return zeros < 0 ? zeros : torn(r);
	}
	return damaged(r, next, why);
}

/* A header that is right; the body may not be. */
static int take(struct recording_reader *r, const struct recording_header *h,
		struct recording_item *it)
{
	uint64_t end = r->at + recording_bytes(le32toh(h->len));
	const char *why = NULL;
	const uint8_t *p;
	int n = get(r, r->at, end - r->at, &p);

	if (n <= 0)
		return n < 0 ? n : torn(r);
	p += sizeof(*h);
	if (crc32c(0, p, end - r->at - sizeof(*h)) != le32toh(h->body_crc))
		why = "its body's checksum is wrong";
	if (!why && h->kind == RECORDING_RUN)
		r->run = 0;	/* until it is known to be one */
	if (!why)
		why = recording_decode(it, h, p, r->channels, r->nchannels);
	if (why)
		return damaged(r, end, why);
	r->file = le64toh(h->file);
	if (h->kind == RECORDING_RUN) {
		r->run = le16toh(h->run);
		r->nchannels = it->run.nchannels;
	}
	r->ended = h->kind == RECORDING_END;
	it->offset = r->at;
	it->end = r->at = end;
	return 1;
}

int recording_next(struct recording_reader *r, struct recording_item *it)
{
	struct recording_header h;
	const char *why = NULL;
	int found;

	r->torn = 0;
	if (r->at >= r->size)
		return 0;
	found = look(r, r->at, &h, &why);
	switch (found) {
	case GOOD:
		return take(r, &h, it);
	case TORN:
		return torn(r);
	case STRAY:
		return lose(r, r->at + recording_bytes(le32toh(h.len)), why);
	case BAD:
		return lose(r, r->at + RECORDING_ALIGN, why);
	}
	return found;
}
