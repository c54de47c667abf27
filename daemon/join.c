// SPDX-License-Identifier: MIT
/*
 * Asking the registry for a channel, or for all names. It may take as long as the
 * caller waits, so a thread of its own does it, and nothing but that: the answer is
 * looked at in the loop. At most KD_JOINS_MAX at a time, KD_USER_JOINS_MAX of them for
 * one user, and one for a name; the others wait their turn.
 */
#include "daemon.h"

#include <signal.h>

struct kd_join {
	struct list_head list;
	struct kd *d;
	struct kd_user *user;
	struct kd_request r; /* r.s is NULL: its process has gone */
	u32 flags, timeout_ms, mode;
	u64 deadline_ms;
	struct kecho_ctl_list list_request;
	struct kecho_ctl_channel_wait end_request;
	bool ends; /* the channel is to be destroyed */
	char name[KE_NAME_MAX + 1]; /* empty: all names */
	bool runs;
	pthread_t thread;
	/* The thread's, until it has ended. */
	int err;
	struct ke_id uuid;
	struct ke_contact contact[KE_CONTACTS_MAX];
	unsigned int ncontacts;
	struct ke_reg_info *info;
	ssize_t ninfo;
	char why[KE_REG_WHY_MAX];
};

static void ask_names(struct kd_join *j)
{
	j->info = calloc(KE_REGISTRY_ENTRIES_MAX, sizeof(*j->info));
	j->ninfo = j->info ? ke_reg_list(j->d->k.reg, j->info, KE_REGISTRY_ENTRIES_MAX,
					 j->timeout_ms) :
			     -ENOMEM;
	j->ninfo = min_t(ssize_t, j->ninfo, KE_REGISTRY_ENTRIES_MAX);
}

static void *ask(void *arg)
{
	struct kd_join *j = arg;

	j->ncontacts = KE_CONTACTS_MAX;
	if (!j->name[0])
		ask_names(j);
	else if (j->ends)
		j->err = ke_reg_end(j->d->k.reg, j->name, &j->uuid, j->timeout_ms);
	else
		j->err = ke_reg_join(j->d->k.reg, j->name, j->flags, j->timeout_ms, &j->uuid,
				     j->contact, &j->ncontacts, j->why, sizeof(j->why));
	if (write(j->d->joined_fd, &j, sizeof(j)) != sizeof(j))
		abort(); /* a pipe that holds them all: it cannot fail */
	return NULL;
}

static void join_free(struct kd_join *j)
{
	if (j->r.s)
		j->r.s->nrequests--;
	kd_user_put(j->user);
	list_del(&j->list);
	free(j->info);
	free(j);
}

static bool may_run(const struct kd_join *j)
{
	const struct kd_join *other;

	if (j->d->njoins == KD_JOINS_MAX || j->user->joins == KD_USER_JOINS_MAX)
		return false;
	list_for_each_entry(other, &j->d->joins, list)
		if (other->runs && j->name[0] && !strcmp(other->name, j->name))
			return false;
	return true;
}

static int run(struct kd_join *j)
{
	sigset_t all, was;
	int err;

	j->timeout_ms = max_t(s64, j->deadline_ms - lib_deadline(0), 1);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &was);
	err = pthread_create(&j->thread, NULL, ask, j);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (err)
		return -err;
	j->runs = true;
	j->d->njoins++;
	j->user->joins++;
	return 0;
}

/* Those whose turn it is. A channel that another has opened meanwhile is there. */
static void run_some(struct kd *d)
{
	struct kd_join *j, *next;
	struct kd_channel *c;
	struct kd_request r;
	int err;

	list_for_each_entry_safe(j, next, &d->joins, list) {
		if (j->runs || !may_run(j))
			continue;
		r = j->r;
		c = j->name[0] && !j->ends ? kd_channel_find(d, j->name) : NULL;
		if (c) {
			u32 flags = j->flags, mode = j->mode;
			u32 left_ms = max_t(s64, j->deadline_ms - lib_deadline(0), 1);

			join_free(j);
			if (flags & KE_REG_EXCLUSIVE)
				kd_refuse(&r, -EEXIST, "channel '%s' exists", c->ch.name);
			else
				kd_channel_joined(&r, c, left_ms, mode);
			continue;
		}
		err = run(j);
		if (err) {
			kd_refuse(&r, err, "channel '%s': no thread to ask the registry", j->name);
			join_free(j);
		}
	}
}

/* Its process may be gone, and another's channel of this name there. */
static void finish(struct kd_join *j)
{
	struct kd_request r = j->r;
	struct kd *d = j->d;
	struct kd_channel *c;
	u32 left_ms = max_t(s64, j->deadline_ms - lib_deadline(0), 1), mode = j->mode;
	int err = j->err;

	pthread_join(j->thread, NULL);
	d->njoins--;
	j->user->joins--;
	if (!j->name[0]) {
		r.body = &j->list_request;
		if (r.s)
			kd_channels_answer(&r, j->info, j->ninfo);
		join_free(j);
		return;
	}
	if (j->ends) {
		struct kecho_ctl_channel_wait body = j->end_request;

		r.body = &body;
		if (r.s)
			kd_destroy_named(&r, kd_opening(r.s, le32_to_cpu(body.channel)), err,
					 left_ms);
		join_free(j);
		return;
	}
	if (err) {
		if (r.s)
			kd_refuse(&r, err, "channel '%s': %s", j->name, j->why);
		join_free(j);
		return;
	}
	if (!r.s) {
		ke_reg_leave(d->k.reg, j->name);
		join_free(j);
		return;
	}
	c = kd_channel_make(d, j->name, &j->uuid, j->contact, j->ncontacts, &err);
	if (!c) {
		ke_reg_leave(d->k.reg, j->name);
		kd_refuse(&r, err, "channel '%s'", j->name);
		join_free(j);
		return;
	}
	join_free(j);
	kd_channel_joined(&r, c, left_ms, mode);
	kd_channel_put(c);
}

static void joined_ready(struct kd_watch *w, u32 events)
{
	struct kd *d = container_of(w, struct kd, joined);
	struct kd_join *j;

	(void)events;
	while (read(d->joined_rx, &j, sizeof(j)) == sizeof(j))
		finish(j);
	run_some(d);
}

static struct kd_join *join_make(const struct kd_request *r, u32 timeout_ms)
{
	struct kd_join *j = NULL;

	if (r->s->nrequests < KECHO_REQUESTS_MAX)
		j = calloc(1, sizeof(*j));
	if (!j) {
		kd_refuse(r, -ENOBUFS, "%d requests of this process wait already",
			  r->s->nrequests);
		return NULL;
	}
	j->d = r->s->d;
	j->user = kd_user_get(j->d, r->s->user->uid);
	j->r = *r;
	j->r.body = NULL;
	j->deadline_ms = lib_deadline(timeout_ms);
	r->s->nrequests++;
	list_add_tail(&j->list, &j->d->joins);
	return j;
}

void kd_join(const struct kd_request *r, u32 flags, u32 timeout_ms, u32 mode, const char *name)
{
	struct kd_join *j = join_make(r, timeout_ms);

	if (!j)
		return;
	j->flags = flags;
	j->mode = mode;
	strscpy(j->name, name, sizeof(j->name));
	run_some(r->s->d);
}

/* The channel's name is to be free. */
void kd_join_end(const struct kd_request *r, struct kd_opening *o, u32 timeout_ms)
{
	struct kd_join *j = join_make(r, timeout_ms);

	if (!j)
		return;
	j->ends = true;
	j->end_request = *(const struct kecho_ctl_channel_wait *)r->body;
	j->uuid = o->c->ch.uuid;
	strscpy(j->name, o->c->ch.name, sizeof(j->name));
	run_some(r->s->d);
}

/* The answer is to a list of channels. */
void kd_list_names(const struct kd_request *r, u32 timeout_ms)
{
	struct kd_join *j = join_make(r, timeout_ms);

	if (!j)
		return;
	j->list_request = *(const struct kecho_ctl_list *)r->body;
	run_some(r->s->d);
}

void kd_joins_forget(struct kd_session *s)
{
	struct kd_join *j, *next;

	list_for_each_entry_safe(j, next, &s->d->joins, list) {
		if (j->r.s != s)
			continue;
		s->nrequests--;
		j->r.s = NULL;
		if (!j->runs)
			join_free(j);
	}
}

int kd_joins_init(struct kd *d)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	d->joined_rx = fd[0];
	d->joined_fd = fd[1];
	fcntl(d->joined_rx, F_SETFL, O_NONBLOCK);
	d->joined.ready = joined_ready;
	return kd_watch(d, d->joined_rx, EPOLLIN, &d->joined);
}

/* No more are begun; those that are under way get no answer. */
void kd_joins_end(struct kd *d)
{
	struct kd_join *j, *next;

	ke_reg_abort(d->k.reg);
	list_for_each_entry_safe(j, next, &d->joins, list) {
		if (j->runs)
			pthread_join(j->thread, NULL);
		j->r.s = NULL;
		join_free(j);
	}
	close(d->joined_rx);
	close(d->joined_fd);
}
