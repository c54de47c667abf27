/* SPDX-License-Identifier: MIT */
/* The calls of the tie to the registry: see reg.h, and reg_tie.h for how it works. */
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "reg_tie.h"

enum {
	RETRY_MIN_MS = 5,	/* of a name in repair or grace */
	RETRY_MAX_MS = 50,
};

static struct timespec timespec_of(u64 at_ms)
{
	return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

/* Waits for a change, or until then; not if nobody is to wait any more. */
static bool wait_until(struct ke_reg *r, u64 at_ms)
{
	struct timespec t = timespec_of(at_ms);

	return !r->aborted && pthread_cond_timedwait(&r->changed, &r->lock, &t) != ETIMEDOUT;
}

static int thread_start(struct ke_reg *r)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&r->thread, NULL, ke_reg_thread, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(r->thread, "kecho-registry");
	return -err;
}

static void reg_free(struct ke_reg *r)
{
	struct ke_reg_request *q, *next;

	list_for_each_entry_safe(q, next, &r->requests, list)
		if (q->owned)
			free(q);
	if (r->state == KE_REG_CLIENT)
		ke_reg_stream_close(&r->stream);
	ke_reg_server_free(r->server);
	ke_reg_watch_close(r->epoll, &r->connecting);
	ke_reg_place_fini(&r->place);
	ke_reg_watch_close(r->epoll, &r->wake);
	if (r->epoll >= 0)
		close(r->epoll);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct ke_reg *reg_new(const struct ke_contact *self)
{
	struct ke_reg *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	INIT_LIST_HEAD(&r->requests);
	INIT_LIST_HEAD(&r->joined);
	INIT_LIST_HEAD(&r->renew.list);
	r->renew.type = KECHO_FRAME_REG_RENEW;
	r->self = *self;
	r->dial_pause_ms = KE_REGISTRY_REDIAL_MIN_MS;
	r->connecting.fd = r->wake.fd = r->epoll = -1;
	return r;
}

static int reg_start(struct ke_reg *r)
{
	r->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->wake.fd < 0)
		return -errno;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return -errno;
	return ke_reg_watch_add(r->epoll, &r->wake, EPOLLIN) ?: thread_start(r);
}

int ke_reg_open(struct ke_reg **out, const char *address, const struct ke_contact *self,
		int bell, unsigned int timeout_ms, char *why, size_t why_size)
{
	u64 until = ke_reg_now_ms() + timeout_ms;
	struct ke_reg *r = reg_new(self);
	int err;

	if (!r) {
		snprintf(why, why_size, "registry: no memory");
		return -ENOMEM;
	}
	r->bell = bell;
	err = ke_reg_place_init(&r->place, address, why, why_size);
	if (err)
		goto free;
	err = reg_start(r);
	if (err) {
		snprintf(why, why_size, "registry %s: %s", r->place.name, strerror(-err));
		goto free;
	}
	pthread_mutex_lock(&r->lock);
	while (!ke_reg_up(r) && !r->fatal)
		if (!wait_until(r, until))
			break;
	if (!ke_reg_up(r)) {
		err = r->fatal ?: -ETIMEDOUT;
		snprintf(why, why_size, "%s", r->why);
		if (!r->why[0] && !ke_reg_etcd_trouble(&r->place.etcd, why, why_size))
			snprintf(why, why_size, "registry %s: no answer within %u ms",
				 r->place.name, timeout_ms);
	}
	pthread_mutex_unlock(&r->lock);
	if (err) {
		ke_reg_close(r, false);
		return err;
	}
	*out = r;
	return 0;
free:
	reg_free(r);
	return err;
}

void ke_reg_abort(struct ke_reg *r)
{
	pthread_mutex_lock(&r->lock);
	r->aborted = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void ke_reg_close(struct ke_reg *r, bool stays)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	r->stays = stays;
	ke_reg_kick(r);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	reg_free(r);
}

/* Makes @q and waits; false: no answer until then. Takes and leaves the lock. */
static bool request_run(struct ke_reg *r, struct ke_reg_request *q, u64 until)
{
	ke_reg_request_queue(r, q, false);
	ke_reg_kick(r);
	while (!q->done)
		if (!wait_until(r, until) && !q->done)
			break;
	list_del_init(&q->list);
	return q->done;
}

static bool to_retry(int status)
{
	return status == KE_REGISTRY_IN_REPAIR || status == KE_REGISTRY_IN_GRACE;
}

/* Makes @q until the registry's state permits an answer; the status is in @q. */
static bool request_retry(struct ke_reg *r, struct ke_reg_request *q, u64 until)
{
	u64 pause = RETRY_MIN_MS, at;

	for (;;) {
		int before = q->status;

		if (!request_run(r, q, until)) {
			if (to_retry(before) && ke_reg_up(r))
				q->status = before;
			return false;
		}
		if (!to_retry(q->status))
			return true;
		at = min(until, ke_reg_now_ms() + pause);
		while (ke_reg_now_ms() < at && !r->aborted)
			wait_until(r, at);
		if (at == until || r->aborted)
			return false;
		pause = min_t(u64, 2 * pause, RETRY_MAX_MS);
	}
}

static int errno_of(int status)
{
	switch (status) {
	case KE_REGISTRY_OK:
		return 0;
	case KE_REGISTRY_NONE:
		return -ENOENT;
	case KE_REGISTRY_EXISTS:
		return -EEXIST;
	case KE_REGISTRY_OTHER:
		return -ESTALE;
	case KE_REGISTRY_FULL:
		return -ENOSPC;
	case KE_REGISTRY_BAD_NAME:
		return -EINVAL;
	case KE_REGISTRY_NO_MEMORY:
		return -ENOMEM;
	case KE_REGISTRY_ENDED:
		return -ESHUTDOWN;
	case KE_REGISTRY_UNKNOWN:
		return -EPROTONOSUPPORT;
	case KE_REG_NO_ANSWER:
	case KE_REGISTRY_IN_REPAIR:
	case KE_REGISTRY_IN_GRACE:
		return -ETIMEDOUT;
	}
	return -EPROTO;
}

/* Whose process it is that doesn't answer: it may be stopped. */
static void explain_silence(const struct ke_reg *r, const struct ke_reg_request *q,
			    unsigned int timeout_ms, char *why, size_t size)
{
	pid_t pid = r->state == KE_REG_CLIENT && !ke_reg_place_leases(&r->place) ?
			    ke_reg_peer_pid(r->stream.sock.fd) : 0;
	char whose[48] = "", trouble[sizeof(r->why)];

	if (pid > 0)
		snprintf(whose, sizeof(whose), ", process %d (stopped?),", pid);
	if (!ke_reg_etcd_trouble(&r->place.etcd, trouble, sizeof(trouble)))
		strcpy(trouble, r->why);
	snprintf(why, size, "channel %s: the registry at %s%s gave no answer within %u ms%s%s",
		 q->name, r->place.name, whose, timeout_ms, trouble[0] ? "; " : "", trouble);
}

static void explain(const struct ke_reg *r, const struct ke_reg_request *q, unsigned int timeout_ms,
		    char *why, size_t size)
{
	static const char *const reasons[] = {
		[KE_REGISTRY_NONE] = "it does not exist",
		[KE_REGISTRY_EXISTS] = "it exists already",
		[KE_REGISTRY_IN_REPAIR] = "its last contact is gone and no other node came back",
		[KE_REGISTRY_IN_GRACE] = "the registry has restarted and makes no new names yet",
		[KE_REGISTRY_FULL] = "the registry is full",
		[KE_REGISTRY_BAD_NAME] = "not a channel's name",
		[KE_REGISTRY_NO_MEMORY] = "the registry has no memory left",
		[KE_REGISTRY_UNKNOWN] = "the registry is older and knows no such request",
	};
	const char *reason = "a reply that is not understood";

	if (q->status == KE_REG_NO_ANSWER) {
		explain_silence(r, q, timeout_ms, why, size);
		return;
	}
	if (q->status == KE_ETCD_REFUSED)
		reason = r->why;
	else if (q->status < (int)ARRAY_SIZE(reasons) && reasons[q->status])
		reason = reasons[q->status];
	snprintf(why, size, "channel %s: %s", q->name, reason);
}

static int request_init(struct ke_reg_request *q, u8 type, const char *name)
{
	*q = (struct ke_reg_request){ .type = type, .status = KE_REG_NO_ANSWER };
	INIT_LIST_HEAD(&q->list);
	if (strlen(name) > KE_NAME_MAX)
		return -EINVAL;
	strcpy(q->name, name);
	return 0;
}

static void contacts_out(const struct ke_reg_request *q, struct ke_id *uuid,
			 struct ke_contact *contacts, unsigned int *n)
{
	*uuid = q->uuid;
	*n = q->n;
	memcpy(contacts, q->contacts, q->n * sizeof(*contacts));
}

static u8 how_of(unsigned int flags)
{
	if (flags & KE_REG_EXCLUSIVE)
		return KE_REGISTRY_EXCLUSIVE;
	return flags & KE_REG_EXISTING ? KE_REGISTRY_EXISTING : KE_REGISTRY_JOIN;
}

/* Nobody waits for the join any more, but it may have been granted or still be. */
static void join_undo(struct ke_reg *r, const struct ke_reg_request *q)
{
	if (q->sent && !q->done && !ke_reg_joined_find(r, q->name)) {
		ke_reg_drop(r, q->name);
		ke_reg_kick(r);
	}
}

int ke_reg_join(struct ke_reg *r, const char *name, unsigned int flags, unsigned int timeout_ms,
		struct ke_id *uuid, struct ke_contact *contacts, unsigned int *n,
		char *why, size_t why_size)
{
	u64 until = ke_reg_now_ms() + timeout_ms;
	struct ke_reg_request q;
	int err;

	err = request_init(&q, KECHO_FRAME_REG_PUT, name);
	if (err) {
		snprintf(why, why_size, "a channel's name has at most %d bytes", KE_NAME_MAX);
		return err;
	}
	q.how = how_of(flags);
	q.joined = calloc(1, sizeof(*q.joined));
	if (!q.joined || getrandom(&q.uuid, sizeof(q.uuid), 0) != sizeof(q.uuid)) {
		snprintf(why, why_size, "channel %s: no memory", name);
		free(q.joined);
		return -ENOMEM;
	}
	pthread_mutex_lock(&r->lock);
	if (!request_retry(r, &q, until))
		join_undo(r, &q);
	err = errno_of(q.status);
	if (!err)
		contacts_out(&q, uuid, contacts, n);
	else
		explain(r, &q, timeout_ms, why, why_size);
	pthread_mutex_unlock(&r->lock);
	free(q.joined);
	return err;
}

int ke_reg_rejoin(struct ke_reg *r, const char *name, const struct ke_id *uuid)
{
	struct ke_reg_joined *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	ke_reg_joined_again(r, j, name, uuid);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int ke_reg_lookup(struct ke_reg *r, const char *name, unsigned int timeout_ms,
		  struct ke_id *uuid, struct ke_contact *contacts, unsigned int *n)
{
	u64 until = ke_reg_now_ms() + timeout_ms;
	struct ke_reg_request q;
	int err;

	err = request_init(&q, KECHO_FRAME_REG_GET, name);
	if (err)
		return err;
	pthread_mutex_lock(&r->lock);
	request_retry(r, &q, until);
	pthread_mutex_unlock(&r->lock);
	err = errno_of(q.status);
	if (!err)
		contacts_out(&q, uuid, contacts, n);
	return err;
}

void ke_reg_leave(struct ke_reg *r, const char *name)
{
	struct ke_reg_joined *j;

	pthread_mutex_lock(&r->lock);
	j = ke_reg_joined_find(r, name);
	if (j) {
		ke_reg_joined_free(j);
		ke_reg_drop(r, name);
		ke_reg_kick(r);
	}
	pthread_mutex_unlock(&r->lock);
}

int ke_reg_end(struct ke_reg *r, const char *name, const struct ke_id *uuid,
	       unsigned int timeout_ms)
{
	struct ke_reg_request q;
	struct ke_reg_joined *j;
	int err = request_init(&q, KECHO_FRAME_REG_END, name);

	if (err)
		return err;
	q.uuid = *uuid;
	pthread_mutex_lock(&r->lock);
	request_run(r, &q, ke_reg_now_ms() + timeout_ms);
	err = q.status == KE_REGISTRY_NONE ? 0 : errno_of(q.status);
	j = err ? NULL : ke_reg_joined_find(r, name);
	if (j)
		ke_reg_joined_free(j);
	pthread_mutex_unlock(&r->lock);
	return err;
}

void ke_reg_repair(struct ke_reg *r, const char *name)
{
	struct ke_reg_joined *j;

	pthread_mutex_lock(&r->lock);
	j = ke_reg_joined_find(r, name);
	if (j) {
		ke_reg_joined_repair(r, j, false);
		ke_reg_kick(r);
	}
	pthread_mutex_unlock(&r->lock);
}

void ke_reg_repair_later(struct ke_reg *r, const char *name)
{
	struct ke_reg_joined *j;

	pthread_mutex_lock(&r->lock);
	j = ke_reg_joined_find(r, name);
	if (j && !j->again_at) {
		j->again_at = ke_reg_now_ms() + KE_LEASE_MS / 2;
		r->any_again = true;
		ke_reg_kick(r);
	}
	pthread_mutex_unlock(&r->lock);
}

bool ke_reg_told(struct ke_reg *r, struct ke_reg_told *t)
{
	bool any;

	pthread_mutex_lock(&r->lock);
	any = r->ntold;
	if (any)
		*t = r->told[--r->ntold];
	pthread_mutex_unlock(&r->lock);
	return any;
}

bool ke_reg_named(struct ke_reg *r, const char *name)
{
	const struct ke_reg_joined *j;
	bool named;

	pthread_mutex_lock(&r->lock);
	j = ke_reg_joined_find(r, name);
	named = !j || j->named;
	pthread_mutex_unlock(&r->lock);
	return named;
}

void ke_reg_moved(struct ke_reg *r, const char *address)
{
	struct ke_reg_joined *j;

	pthread_mutex_lock(&r->lock);
	if (strcmp(r->self.address, address)) {
		strscpy(r->self.address, address, sizeof(r->self.address));
		list_for_each_entry(j, &r->joined, list)
			ke_reg_joined_repair(r, j, false);
		ke_reg_kick(r);
	}
	pthread_mutex_unlock(&r->lock);
}

static void tell_news(const struct ke_reg_joined *j, struct ke_reg_news *to)
{
	*to = (struct ke_reg_news){
		.uuid = j->repair.uuid, .ended = j->ended, .named = j->named, .other = j->other,
	};
	strcpy(to->name, j->repair.name);
	if (!j->named)
		return;
	to->contact = j->contact;
	to->n = j->repair.n;
	memcpy(to->contacts, j->repair.contacts, to->n * sizeof(to->contacts[0]));
}

bool ke_reg_news(struct ke_reg *r, struct ke_reg_news *news)
{
	struct ke_reg_joined *j;
	bool found = false;

	pthread_mutex_lock(&r->lock);
	if (!r->any_news)
		goto none;
	list_for_each_entry(j, &r->joined, list) {
		if (!j->news)
			continue;
		j->news = false;
		tell_news(j, news);
		found = true;
		break;
	}
	r->any_news = found;
none:
	pthread_mutex_unlock(&r->lock);
	return found;
}

ssize_t ke_reg_list(struct ke_reg *r, struct ke_reg_info *i, size_t max, unsigned int timeout_ms)
{
	u64 until = ke_reg_now_ms() + timeout_ms;
	struct ke_reg_request q;
	bool good;

	request_init(&q, KECHO_FRAME_REG_LIST, "");
	q.infos = i;
	q.room = max;
	pthread_mutex_lock(&r->lock);
	do
		good = request_run(r, &q, until);
	while (good && !q.status && q.more && q.room);
	pthread_mutex_unlock(&r->lock);
	if (!good)
		return -ETIMEDOUT;
	return q.status ? errno_of(q.status) : (ssize_t)(max - q.room);
}
