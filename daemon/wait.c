// SPDX-License-Identifier: MIT
/*
 * Answers that come later: when something is so, or at their deadline at last.
 */
#include "daemon.h"

/*
 * NULL: there is no memory, or the process has KECHO_REQUESTS_MAX of them; it has been
 * told. @body, the answer, is of @r->len bytes.
 */
struct kd_wait *kd_wait(const struct kd_request *r, void *object, const void *body,
			unsigned int timeout_ms, bool (*done)(struct kd_wait *w),
			void (*finish)(struct kd_wait *w, bool in_time))
{
	struct kd_wait *w = NULL;

	if (r->s->nrequests < KECHO_REQUESTS_MAX)
		w = calloc(1, sizeof(*w) + r->len);
	if (!w) {
		kd_refuse(r, -ENOBUFS, "%d requests of this process wait already",
			  r->s->nrequests);
		return NULL;
	}
	w->s = r->s;
	w->cmd = r->cmd;
	w->serial = r->serial;
	w->object = object;
	w->deadline_ms = lib_deadline(timeout_ms);
	w->done = done;
	w->finish = finish;
	w->body_len = r->len;
	memcpy(w->body, body, r->len);
	list_add_tail(&w->list, &r->s->d->waits);
	r->s->nrequests++;
	r->s->d->changed = true;
	return w;
}

struct kd_request kd_wait_request(const struct kd_wait *w)
{
	return (struct kd_request){ .s = w->s, .cmd = w->cmd, .serial = w->serial,
				    .len = w->body_len };
}

/* The usual finish(): in time or not, it is done. */
void kd_wait_answer(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);

	(void)in_time;
	kd_answer(&r, w->body);
}

static void wait_free(struct kd_wait *w)
{
	w->s->nrequests--;
	free(w);
}

/* Something has changed, or a deadline has passed. */
void kd_waits_look(struct kd *d)
{
	struct kd_wait *w, *next;
	u64 now = lib_deadline(0);

	list_for_each_entry_safe(w, next, &d->waits, list)
		if (w->done(w) || now >= w->deadline_ms)
			list_move_tail(&w->list, &d->over);
	/* An answer may end what others are about. */
	while (!list_empty(&d->over)) {
		w = list_first_entry(&d->over, struct kd_wait, list);
		list_del(&w->list);
		if (!w->s->cut)
			w->finish(w, now < w->deadline_ms || w->done(w));
		wait_free(w);
	}
}

/* In milliseconds; -1: nothing waits. */
int kd_waits_timeout(struct kd *d)
{
	u64 first = U64_MAX, now = lib_deadline(0);
	struct kd_wait *w;

	list_for_each_entry(w, &d->waits, list)
		first = min(first, w->deadline_ms);
	if (first == U64_MAX)
		return -1;
	/* The clock is coarse: never a little too early, over and over. */
	return first <= now ? 0 : (int)min_t(u64, first - now + 1, 1 << 30);
}

static void drop(struct list_head *waits, struct kd_session *s)
{
	struct kd_wait *w, *next;

	list_for_each_entry_safe(w, next, waits, list) {
		if (w->s == s) {
			list_del(&w->list);
			wait_free(w);
		}
	}
}

void kd_waits_drop(struct kd_session *s)
{
	drop(&s->d->waits, s);
	drop(&s->d->over, s);
}

static void cancel(struct list_head *waits, const void *object, int err, const char *why)
{
	struct kd_wait *w, *next;
	struct kd_request r;

	list_for_each_entry_safe(w, next, waits, list) {
		if (w->object != object)
			continue;
		list_del(&w->list);
		r = kd_wait_request(w);
		if (!w->s->cut)
			kd_refuse(&r, err, "%s", why);
		wait_free(w);
	}
}

/* What they are about has ended. */
void kd_waits_cancel(struct kd *d, const void *object, int err, const char *why)
{
	cancel(&d->waits, object, err, why);
	cancel(&d->over, object, err, why);
}

/* Is there one of @cmd about @object? */
bool kd_waits_on(struct kd *d, const void *object, u32 cmd)
{
	struct kd_wait *w;

	list_for_each_entry(w, &d->waits, list)
		if (w->object == object && w->cmd == cmd)
			return true;
	list_for_each_entry(w, &d->over, list)
		if (w->object == object && w->cmd == cmd)
			return true;
	return false;
}
