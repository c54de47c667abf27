/* SPDX-License-Identifier: MIT */
/*
 * A file that reaches its disk in the background.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"
#include "syncer.h"

/* The lock is held, but not meanwhile. */
static void sync_now(struct syncer *s)
{
	uint64_t wrote = s->wrote;
	int err;

	pthread_mutex_unlock(&s->lock);
	/* On some file systems a signal ends it, and it has not failed then. */
	do
		err = fdatasync(s->fd) ? -errno : 0;
	while (err == -EINTR);
	pthread_mutex_lock(&s->lock);
	if (!err && !s->err)
		s->synced = wrote;
	/* After an error the kernel may have dropped what it could not write: a sync that
	 * succeeds later says nothing of it. */
	if (!s->err)
		s->err = err;
}

static void wait_until(struct syncer *s, uint64_t deadline_ns)
{
	struct timespec t = { deadline_ns / 1000000000u, deadline_ns % 1000000000u };

	while (!s->stop && now_ns() < deadline_ns)
		pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

static void *run(void *arg)
{
	struct syncer *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->err) {
		if (s->wrote == s->synced) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		wait_until(s, now_ns() + s->every_ns);
		sync_now(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int syncer_start(struct syncer *s, int fd, uint64_t every_ns)
{
	pthread_condattr_t clock;
	int err = 0;

	*s = (struct syncer){ .fd = fd, .every_ns = every_ns };
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &clock);
	pthread_condattr_destroy(&clock);
	if (every_ns && every_ns != SYNC_NEVER)
		err = -pthread_create(&s->thread, NULL, run, s);
	s->runs = every_ns && every_ns != SYNC_NEVER && !err;
	return err;
}

int syncer_wrote(struct syncer *s, uint64_t bytes)
{
	int err;

	pthread_mutex_lock(&s->lock);
	s->wrote = bytes;
	if (!s->every_ns)
		sync_now(s);
	pthread_cond_signal(&s->changed);
	err = s->err;
	pthread_mutex_unlock(&s->lock);
	return err;
}

int syncer_stop(struct syncer *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->runs)
		pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	if (s->every_ns != SYNC_NEVER && s->wrote != s->synced && !s->err)
		sync_now(s);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	return s->err;
}
