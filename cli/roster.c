/* SPDX-License-Identifier: MIT */
/*
 * Changes of a channel's members, queued between the library's thread and ours.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli.h"
#include "members.h"
#include "stop.h"

#define ROSTER_MAX	65536	/* changes that may wait to be printed */

struct roster {
	struct kecho_channel *ch;
	int fd;			/* eventfd, readable while first < n */
	pthread_mutex_t lock;	/* of what follows */
	struct kecho_member *change;
	size_t first, n, size;
	size_t missed;		/* changes that found ROSTER_MAX waiting */
};

/* Runs in a thread of the library: a change is copied, nothing is waited for. */
static void on_change(void *arg, const struct kecho_member *m)
{
	const uint64_t one = 1;
	struct roster *r = arg;
	ssize_t n;

	pthread_mutex_lock(&r->lock);
	if (r->n - r->first >= ROSTER_MAX) {
		r->missed++;
	} else {
		if (r->n == r->size) {
			r->size = r->size ? r->size * 2 : 64;
			r->change = grow(r->change, r->size, sizeof(*r->change));
		}
		r->change[r->n++] = *m;
		n = write(r->fd, &one, sizeof(one));
		(void)n;
	}
	pthread_mutex_unlock(&r->lock);
}

int roster_open(struct kecho_channel *ch, struct roster **out)
{
	struct roster *r = grow(NULL, 1, sizeof(*r));
	int err;

	memset(r, 0, sizeof(*r));
	r->ch = ch;
	pthread_mutex_init(&r->lock, NULL);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0) {
		err = -errno;
		complain("cannot make an eventfd: %s", strerror(errno));
		goto free;
	}
	err = kecho_channel_watch(ch, on_change, r);
	if (err) {
		complain("cannot watch the members of '%s': %s", kecho_channel_name(ch),
			 kecho_explain());
		goto close;
	}
	*out = r;
	return 0;
close:
	close(r->fd);
free:
	pthread_mutex_destroy(&r->lock);
	free(r->change);
	free(r);
	return err;
}

int roster_fd(const struct roster *r)
{
	return r->fd;
}

static size_t take_missed(struct roster *r)
{
	size_t missed = r->missed;

	r->missed = 0;
	return missed;
}

bool roster_next(struct roster *r, struct kecho_member *m)
{
	size_t missed = 0;
	uint64_t drained;
	bool any;

	pthread_mutex_lock(&r->lock);
	any = r->first < r->n;
	if (any) {
		*m = r->change[r->first++];
	} else {
		missed = take_missed(r);
		r->first = r->n = 0;
		if (read(r->fd, &drained, sizeof(drained)) < 0)
			drained = 0;
	}
	pthread_mutex_unlock(&r->lock);
	if (missed)
		complain("%zu joins and leaves came too fast to be told", missed);
	return any;
}

void roster_close(struct roster *r)
{
	if (!r)
		return;
	kecho_channel_watch(r->ch, NULL, NULL);
	close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r->change);
	free(r);
}

int members_wait(struct kecho_channel *ch, enum kecho_role role, uint64_t n)
{
	struct kecho_member m;
	struct roster *r;
	int err = roster_open(ch, &r);

	if (err)
		return err;
	/* Looked at after each batch of changes, so none between the two is missed. */
	while (!err) {
		struct pollfd p[2] = {
			{ .fd = r->fd, .events = POLLIN },
			{ .fd = stop_fd(), .events = POLLIN },
		};

		while (roster_next(r, &m))
			;
		if (members_joined(ch, role) >= n)
			break;
		poll(p, 2, -1);
		if (stopped())
			err = -EINTR;
	}
	roster_close(r);
	return err;
}
