/* SPDX-License-Identifier: MIT */
/* The rig: a transport with its sinks in processes; see rig.h. */
#include "rig.h"
#include "measure.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLE_NS	20000	/* for a sink that has its event to fall asleep */
#define POLLS_PER_CHECK	4096	/* of the board, between looks at the children */
#define NUDGE_NS	20000000	/* without progress, before a lossy transport is nudged */

static int fork_sink(struct rig *r, unsigned int i)
{
	struct sink s = {
		.transport = r->transport,
		.state = r->state,
		.board = r->board,
		.report = &r->board->sink[i],
		.index = i,
		.publisher = getpid(),
		.cpu = r->spread ? i + 1 : 0,
	};
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(sink_main(&s));
	r->pid[i] = pid;
	return 0;
}

/* Whether sink @i's process has ended: -EIO if it failed. */
static int reap(struct rig *r, unsigned int i)
{
	int status;

	if (!r->pid[i] || waitpid(r->pid[i], &status, WNOHANG) != r->pid[i])
		return 0;
	r->pid[i] = 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: sink %u was ended by signal %d\n", r->transport->name, i,
			WTERMSIG(status));
	return -EIO;
}

static int check_sinks(struct rig *r, uint64_t since_ns)
{
	unsigned int i;
	int err;

	for (i = 0; i < r->nsinks; i++) {
		err = reap(r, i);
		if (err) {
			r->broken = true;
			return err;
		}
	}
	if (measure_now_ns() - since_ns < RIG_STALL_S * MEASURE_NS_PER_S)
		return 0;
	r->broken = true;
	fprintf(stderr, "%s: no progress for %u s, at event %llu\n", r->transport->name,
		RIG_STALL_S, (unsigned long long)r->sent);
	return -ETIMEDOUT;
}

static uint64_t slowest(const struct rig *r)
{
	uint64_t min = UINT64_MAX, n;
	unsigned int i;

	for (i = 0; i < r->nsinks; i++) {
		n = atomic_load_explicit(&r->board->sink[i].received, memory_order_acquire);
		if (n < min)
			min = n;
	}
	return min;
}

uint64_t rig_lost(const struct rig *r)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < r->nsinks; i++)
		sum += r->board->sink[i].lost;
	return sum;
}

/* A wait for sinks: since when, and since when there was no progress. */
struct wait {
	uint64_t start_ns, still_ns, seen;
};

/* A look at a wait that takes long; @kind is what shows a sink what it lost. */
static int look(struct rig *r, struct wait *w, enum event_kind kind)
{
	uint64_t now = measure_now_ns(), at = slowest(r);
	int err = 0;

	if (!w->start_ns)
		w->start_ns = now;
	if (!w->still_ns || at != w->seen)
		w->still_ns = now;
	w->seen = at;
	if (r->transport->lossy && now - w->still_ns > NUDGE_NS) {
		w->still_ns = now;
		err = rig_publish(r, kind, 1);
	}
	return err ? err : check_sinks(r, w->start_ns);
}

/* Wait until every sink has @count events. Yields: sinks on this CPU must run. */
static int await_count(struct rig *r, uint64_t count)
{
	struct wait w = { 0 };
	unsigned int polls = 0;
	int err;

	while (slowest(r) < count) {
		sched_yield();
		if (++polls % POLLS_PER_CHECK)
			continue;
		err = look(r, &w, EVENT_NUDGE);
		if (err)
			return err;
	}
	return 0;
}

int rig_await(struct rig *r)
{
	return await_count(r, r->sent);
}

int rig_await_room(struct rig *r, unsigned int n)
{
	int err;

	if (r->sent + n <= r->room_until)
		return 0;
	err = r->sent + n > r->window ? await_count(r, r->sent + n - r->window) : 0;
	r->room_until = slowest(r) + r->window;
	return err;
}

void rig_settle(void)
{
	uint64_t until = measure_now_ns() + SETTLE_NS;

	while (measure_now_ns() < until)
		sched_yield();
}

int rig_publish(struct rig *r, enum event_kind kind, unsigned int n)
{
	struct event ev = { .kind = kind };
	unsigned int i;

	assert(n <= RIG_BURST);
	if (kind == EVENT_TIMED)
		ev.stamp_ns = measure_now_ns();
	for (i = 0; i < n; i++) {
		ev.seq = r->sent++;
		memcpy(r->iov[i].iov_base, &ev, sizeof(ev));
	}
	return r->transport->publish(r->state, r->iov, n);
}

static int await_ready(struct rig *r)
{
	uint64_t start_ns = measure_now_ns();
	unsigned int i;
	uint32_t state;
	int err;

	for (i = 0; i < r->nsinks; i++) {
		while ((state = atomic_load(&r->board->sink[i].state)) == SINK_STARTING) {
			usleep(200);
			err = check_sinks(r, start_ns);
			if (err)
				return err;
		}
		if (state == SINK_FAILED)
			return -EIO;
	}
	return 0;
}

static int alloc_events(struct rig *r)
{
	unsigned int i;

	r->buf = malloc(RIG_BURST * r->len);
	if (!r->buf)
		return -ENOMEM;
	memset(r->buf, 'k', RIG_BURST * r->len);
	for (i = 0; i < RIG_BURST; i++)
		r->iov[i] = (struct iovec){ r->buf + i * r->len, r->len };
	return 0;
}

static void end_sinks(struct rig *r)
{
	unsigned int i;

	for (i = 0; i < r->nsinks; i++) {
		if (!r->pid[i])
			continue;
		kill(r->pid[i], SIGKILL);
		waitpid(r->pid[i], NULL, 0);
		r->pid[i] = 0;
	}
}

static int launch(struct rig *r)
{
	unsigned int i;
	int err;

	for (i = 0; i < r->nsinks; i++) {
		err = fork_sink(r, i);
		if (err)
			return err;
	}
	err = r->transport->connect(r->state);
	return err ? err : await_ready(r);
}

int rig_start(struct rig **out, const struct transport *t, unsigned int nsinks,
	      const struct options *opt)
{
	size_t len = opt->len;
	struct rig *r;
	int err = -EINVAL;

	if (!nsinks || nsinks > TRANSPORT_SINKS_MAX ||
	    len < OPTIONS_SIZE_MIN || len > OPTIONS_SIZE_MAX)
		goto fail;
	err = -ENOMEM;
	r = calloc(1, sizeof(*r));
	if (!r)
		goto fail;
	r->transport = t;
	r->nsinks = nsinks;
	r->len = len;
	r->window = len * RIG_WINDOW > RIG_WINDOW_BYTES ? RIG_WINDOW_BYTES / len : RIG_WINDOW;
	r->spread = opt->spread;
	err = alloc_events(r);
	if (err)
		goto free_rig;
	r->board = mmap(NULL, sizeof(*r->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->board == MAP_FAILED) {
		err = -errno;
		goto free_buf;
	}
	/* What prepare() starts runs where we do, or, with the sinks spread, anywhere. */
	err = r->spread ? measure_unpin() : measure_pin(0);
	if (err)
		goto unmap;
	err = t->prepare(&r->state, nsinks, len);
	if (err)
		goto unmap;
	err = measure_pin(0);
	if (!err)
		err = launch(r);
	if (err)
		goto end;
	*out = r;
	return 0;
end:
	end_sinks(r);
	t->release(r->state);
unmap:
	munmap(r->board, sizeof(*r->board));
free_buf:
	free(r->buf);
free_rig:
	free(r);
fail:
	fprintf(stderr, "%s with %u sinks of %zu B did not start: %s\n", t->name, nsinks, len,
		strerror(-err));
	return err;
}

/* Wait until every sink's process has ended by itself; end those that don't. */
static int await_end(struct rig *r)
{
	struct wait w = { 0 };
	unsigned int i;
	int err;

	for (i = 0; i < r->nsinks; i++) {
		while (r->pid[i]) {
			err = look(r, &w, EVENT_STOP);
			if (err) {
				end_sinks(r);
				return err;
			}
			usleep(200);
		}
	}
	return 0;
}

int rig_stop(struct rig *r)
{
	int err;

	if (!r)
		return 0;
	err = r->broken ? -EIO : rig_await(r);
	if (!err)
		err = rig_publish(r, EVENT_STOP, 1);
	/* A source that goes away must not take the last event with it. */
	if (!err)
		err = await_end(r);
	else
		end_sinks(r);
	r->transport->release(r->state);
	munmap(r->board, sizeof(*r->board));
	free(r->buf);
	free(r);
	return err;
}
