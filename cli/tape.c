/* SPDX-License-Identifier: MIT */
/*
 * The file that kecho record writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli.h"
#include "tape.h"

#define TAPE_WRITE	(256u << 10)	/* bytes that are written even when more comes */

/* To the end of what is there, which may be damaged; it stays as it is. */
static int read_through(struct tape *t, struct recording_reader *r)
{
	struct recording_item it;
	int n = 0;

	while (!n && (n = recording_next(r, &it)) != 0) {
		if (n == -EBADMSG && !r->file) {
			complain("'%s' is no recording: %s at byte %" PRIu64, t->path,
				 r->damage.why, r->damage.offset);
			return n;
		}
		if (n == -EBADMSG)
			complain("'%s' is damaged at byte %" PRIu64 ", %" PRIu64 " bytes: %s",
				 t->path, r->damage.offset, r->damage.bytes, r->damage.why);
		n = n < 0 && n != -EBADMSG ? n : 0;
	}
	if (n)
		complain("cannot read '%s': %s", t->path, strerror(-n));
	else if (r->torn && !r->file)
		complain("'%s' is no recording: it has no whole record", t->path);
	else if (r->torn)
		complain("'%s': its last record is torn, %" PRIu64 " bytes are cut off", t->path,
			 r->torn);
	return !n && r->torn && !r->file ? -EBADMSG : n;
}

static int look_at(struct tape *t, struct recording_reader *r, bool append)
{
	int err = recording_open(r, t->fd);

	if (err) {
		complain("cannot record in '%s': %s", t->path,
			 err == -EINVAL ? "it is not a regular file" : strerror(-err));
		return err;
	}
	if (r->size && !append) {
		complain("'%s' exists: --append goes on in it", t->path);
		return -EEXIST;
	}
	return read_through(t, r);
}

/* That the file has this name is to survive as well. */
static int sync_folder(const struct tape *t)
{
	char *copy = strdup(t->path);
	int fd, err = 0;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	/* Who may not read it has to leave that to the system, and so it is where the file
	 * system knows no such thing. */
	if (fd < 0)
		return 0;
	if (fsync(fd) && errno != EINVAL)
		err = -errno;
	close(fd);
	return err;
}

/* Behind what @r has read. */
static int begin(struct tape *t, const struct recording_reader *r, uint64_t sync_ns)
{
	int err = recording_append(&t->w, t->fd, r);

	if (!err && sync_ns != SYNC_NEVER)
		err = sync_folder(t);
	if (!err)
		err = syncer_start(&t->syncer, t->fd, sync_ns);
	if (err)
		complain("cannot record in '%s': %s", t->path, strerror(-err));
	return err;
}

int tape_open(struct tape *t, bool append, uint64_t sync_ns)
{
	struct recording_reader r = { 0 };
	int err;

	t->fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (t->fd < 0) {
		err = -errno;
		complain("cannot open '%s': %s", t->path, strerror(errno));
		return err;
	}
	if (flock(t->fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		complain("cannot lock '%s': %s", t->path,
			 err == -EWOULDBLOCK ? "another process records in it" : strerror(-err));
	} else {
		err = look_at(t, &r, append);
	}
	if (!err)
		err = begin(t, &r, sync_ns);
	recording_close(&r);
	if (err)
		close(t->fd);
	return err;
}

/* Adds one @times to the total. */
static void count(struct tape *t, const struct recording_item *it, int times)
{
	if (it->kind == RECORDING_EVENT) {
		t->total.events += times;
		t->total.bytes += times * it->event.len;
	} else if (it->kind == RECORDING_LOST) {
		t->total.lost += times * (it->event.last_seq - it->event.seq + 1);
	}
}

/* Of each source one range: all that was read of it and is not in the file. */
static void complain_missing(struct tape *t)
{
	struct recording_item it;
	struct missing {
		uint64_t source, first, last;
		unsigned int channel;
	} *m = NULL;
	size_t from = 0, n = 0, i;

	while (recording_pending(&t->w, &from, &it)) {
		if (it.kind != RECORDING_EVENT && it.kind != RECORDING_LOST)
			continue;
		count(t, &it, -1);
		for (i = 0; i < n; i++)
			if (m[i].source == it.event.source && m[i].channel == it.channel)
				break;
		if (i == n) {
			m = grow(m, ++n, sizeof(*m));
			m[i] = (struct missing){ it.event.source, it.event.seq, 0, it.channel };
		}
		m[i].last = it.kind == RECORDING_LOST ? it.event.last_seq : it.event.seq;
	}
	for (i = 0; i < n; i++)
		complain("missing in '%s': events %" PRIu64 " to %" PRIu64 " of source %016" PRIx64
			 " in channel '%s', and all that follow", t->path, m[i].first, m[i].last,
			 m[i].source, t->channel[m[i].channel]);
	free(m);
}

int tape_write(struct tape *t)
{
	if (t->err)
		return t->err;
	t->err = recording_write(&t->w);
	if (t->err) {
		complain("cannot write '%s': %s; it has %" PRIu64 " bytes, all of them whole "
			 "records", t->path, strerror(-t->err), t->w.at);
		complain_missing(t);
		return t->err;
	}
	/* tape_close() says it. */
	t->err = syncer_wrote(&t->syncer, t->w.at);
	return t->err;
}

int tape_put(struct tape *t, const struct recording_item *it)
{
	if (t->err)
		return t->err;
	recording_put(&t->w, it);
	count(t, it, 1);
	/* A source, or its type, is named just before its first event, which was read already:
	 * were this written and failed, that event would not be among those that are told as
	 * missing. */
	if (it->kind == RECORDING_MEMBER || it->kind == RECORDING_TYPE)
		return 0;
	return t->w.pending.len >= TAPE_WRITE ? tape_write(t) : 0;
}

int tape_close(struct tape *t)
{
	int err = syncer_stop(&t->syncer);

	if (err)
		complain("cannot have '%s' on its disk: %s; what is behind byte %" PRIu64
			 " may be missing", t->path, strerror(-err), t->syncer.synced);
	if (close(t->fd) && !err) {
		err = -errno;
		complain("cannot close '%s': %s", t->path, strerror(errno));
	}
	recording_writer_free(&t->w);
	return err ? err : t->err;
}
