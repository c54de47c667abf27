// SPDX-License-Identifier: MIT
/*
 * Sources of the processes of this host: coming and going.
 *
 *	MADE		its process has the log's memory, to be mapped
 *	JOINED		the log is sealed, and others read it
 *	CLOSING		nothing more is published; what is there is on its way to
 *			other hosts, until it is there or the time is up
 *	OVER		it has left the channel, and its process has yet to close it
 *
 * A source whose process has died, or whose log makes no sense, goes through CLOSING
 * too, as failed. Its process's sinks and others here read on in the memory that they
 * have mapped.
 */
#include "daemon.h"

#include <syslog.h>

struct kd_source *kd_source(const struct kd_session *s, u32 handle)
{
	struct kd_opening *o;
	struct kd_source *src;

	list_for_each_entry(o, &s->openings, session_list)
		list_for_each_entry(src, &o->sources, opening_list)
			if (src->handle == handle)
				return src;
	return NULL;
}

static u64 cost(u64 log_size)
{
	return KD_MEMBER_BYTES + KECHO_LOG_HEADER_SIZE + log_size;
}

/* ------------------------------------------------------------------- opening */

static void free_source(struct kd_source *src)
{
	list_del(&src->opening_list);
	list_del(&src->channel_list);
	list_del(&src->ready_list);
	if (src->memfd >= 0)
		close(src->memfd);
	kd_types_forget(src);
	kd_user_no_member(src->user, cost(src->log.size));
	kd_log_fini(&src->log);
	kd_user_put(src->user);
	kd_channel_put(src->c);
	free(src);
}

/* Until all are back who may read a log that was there before us, it is held as it was. */
static int take_slots(struct kd_source *src, struct kd_session *s)
{
	int err = kd_slot_take(&s->limits, &src->slot);

	if (err)
		return err;
	err = kd_gate_take(s, 0, &src->gate);
	if (err)
		kd_slot_give_back(&s->limits, src->slot);
	else
		*kd_limit_slot(src) = (struct kecho_limit_slot){
			.limit = cpu_to_le64(src->held),
			.here.all = cpu_to_le32(true), .there.all = cpu_to_le32(true),
		};
	return err;
}

/* The filters that it judges by now got their bits from another: readers must see that ours
 * are not those. 0: its records say none. */
static u32 next_epoch(u32 generation)
{
	return generation ? generation | ((1U << KE_GENERATION_SETS) - 1) : 0;
}

/* Its log is new, or that which it has written until now. */
static int source_log(struct kd_source *src, const struct kd_request *r, u64 size)
{
	const struct kecho_ctl_source_open *in = r->body;
	struct kd *d = r->s->d;

	src->held = KE_NO_LIMIT;
	if (!in->again)
		return kd_log_make(&src->log, size, &src->memfd);
	src->again = true;
	src->generation = next_epoch(le32_to_cpu(in->generation));
	src->names = in->names;
	if (d->holds)
		src->held = le64_to_cpu(in->limit);
	src->kept = kd_keep_find(r->s, src->o->c, KE_SOURCE, le64_to_cpu(in->member));
	if (src->kept)
		src->s.member.id = le64_to_cpu(in->member);
	return r->fd >= 0 ? kd_log_take(&src->log, size, r->fd) : -EBADF;
}

static struct kd_source *source_make(struct kd_opening *o, const struct kd_request *r, u64 size,
				     int *err)
{
	const struct kecho_ctl_source_open *in = r->body;
	struct kd_source *src = calloc(1, sizeof(*src));

	*err = -ENOMEM;
	if (!src)
		return NULL;
	src->memfd = -1;
	src->o = o;
	kd_log_init(&src->log);
	*err = kd_take_attrs(&src->s.member.attrs, in + 1, r->tail_len);
	if (!*err)
		*err = kd_user_member(o->s->user, cost(size));
	if (*err)
		goto free_attrs;
	*err = source_log(src, r, size) ?: take_slots(src, o->s);
	if (*err)
		goto uncharge;
	src->c = o->c;
	src->user = kd_user_get(o->s->d, o->s->user->uid);
	src->limit = src->held;
	if (!src->kept)
		src->s.member.id = lib_house.random(&o->s->d->k);
	src->handle = ++o->s->last_handle;
	INIT_LIST_HEAD(&src->feeds);
	INIT_LIST_HEAD(&src->channel_list);
	INIT_LIST_HEAD(&src->ready_list);
	kd_judge_init(src);
	list_add_tail(&src->opening_list, &o->sources);
	kd_channel_get(src->c);
	return src;
uncharge:
	kd_user_no_member(o->s->user, cost(size));
	kd_log_fini(&src->log);
	if (src->memfd >= 0)
		close(src->memfd);
free_attrs:
	ke_attrs_free(&src->s.member.attrs);
	free(src);
	return NULL;
}

void kd_source_open_request(const struct kd_request *r)
{
	struct kecho_ctl_source_open *in = r->body, out = *in;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));
	u64 size = le64_to_cpu(in->log_size);
	struct kd_source *src;
	u32 stall_ms;
	int err;

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	if (!ke_log_size_fits(size)) {
		kd_refuse(r, -EINVAL, "source of '%s': a log of %llu bytes", o->c->ch.name, size);
		return;
	}
	if (le32_to_cpu(in->traffic_class) > KE_BULK) {
		kd_refuse(r, -EINVAL, "source of '%s': there is no class %u", o->c->ch.name,
			  le32_to_cpu(in->traffic_class));
		return;
	}
	if (!ke_promise_fits(le32_to_cpu(in->alive_ms))) {
		kd_refuse(r, -EINVAL, "source of '%s': a sign of life each %u ms", o->c->ch.name,
			  le32_to_cpu(in->alive_ms));
		return;
	}
	if (o->c->ch.ended) {
		kd_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", o->c->ch.name);
		return;
	}
	if (!(kd_rights(r->s, o->c) & KD_PUBLISH)) {
		kd_refuse(r, -EACCES, "source of '%s': user %u may not publish there",
			  o->c->ch.name, r->s->user->uid);
		return;
	}
	src = source_make(o, r, size, &err);
	if (!src) {
		if (err == -ENOSPC)
			kd_refuse(r, err,
				  "source of '%s': user %u has all it may: %llu bytes, %u members",
				  o->c->ch.name, r->s->user->uid,
				  (unsigned long long)r->s->user->memory, r->s->user->members);
		else
			kd_refuse(r, err, "source of '%s'", o->c->ch.name);
		return;
	}
	src->s.retain = le32_to_cpu(in->retain);
	src->s.member.traffic_class = le32_to_cpu(in->traffic_class);
	src->s.member.alive_ms = le32_to_cpu(in->alive_ms);
	stall_ms = le32_to_cpu(in->stall_ms) ?: KECHO_STALL_MS_DEFAULT;
	src->stall_ms = stall_ms == U32_MAX ? 0 : max_t(u32, stall_ms, KD_STALL_MIN_MS);
	out.source = cpu_to_le32(src->handle);
	out.slot = cpu_to_le32(src->slot);
	out.gate = cpu_to_le32(src->gate);
	out.member = cpu_to_le64(src->s.member.id);
	out.attrs_len = 0;
	kd_send(r->s, r->cmd, r->serial, 0, &out, sizeof(out), NULL, 0, &src->memfd,
		src->memfd >= 0);
}

/* -------------------------------------------------------------------- joining */

/* Sinks that are here see all of a new one; one that has no place for it is over. */
static void feed_sinks(struct kd_source *src)
{
	struct kd_sink *k;
	int err;

	list_for_each_entry(k, &src->c->sinks, channel_list) {
		err = kd_feed_source(k, src, !src->again);
		if (err)
			kd_sink_fail(k, err, "there is no place for one more log");
	}
}

static int source_join(struct kd_source *src)
{
	struct ke_source *s = &src->s;
	u64 head;
	int err = src->again ? 0 : kd_log_seal(&src->log, src->memfd);

	err = err ?: kd_source_head(src, &head);
	if (err)
		return err;
	if (!src->again)
		close(src->memfd);
	src->memfd = -1;
	s->member.owner = src;
	s->member.role = KE_SOURCE;
	s->member.source = s;
	s->log.size = src->log.size;
	s->log.hdr = src->log.map;
	ke_source_init(s, &src->c->d->k.node);
	s->generation = src->generation;
	s->judged_later = true;
	if (src->names)
		ke_source_names_sinks(s);
	if (src->kept) {
		s->id = kd_kept_log(src->kept);
		src->awaits = kd_kept_gates(src->kept);
	}
	s->stall_ms = src->stall_ms;
	src->state = KD_JOINED;
	src->o->nsources++;
	list_add_tail(&src->channel_list, &src->c->sources);
	err = kd_bells_update(src->c);
	feed_sinks(src);
	/* On an error it leaves in kd_source_close(). */
	err = ke_member_join(&s->member, &src->c->ch) ?: err;
	if (src->kept)
		kd_keep_back(src->kept, src->o->s, src->slot);
	else
		src->kept = kd_keep_member(src->o->s, &s->member, src->slot);
	kd_frozen(src);
	if (src->generation)
		kd_judge_again(src);
	return err;
}

static bool acked(struct kd_wait *w)
{
	struct kd_source *src = w->object;

	return ke_channel_acked(&src->c->ch);
}

static void joined(struct kd_wait *w, bool in_time)
{
	kd_wait_answer(w, in_time);
}

void kd_source_ready_request(const struct kd_request *r)
{
	const struct kecho_ctl_source *in = r->body;
	struct kd_source *src = kd_source(r->s, le32_to_cpu(in->source));
	int err;

	if (!src || src->state != KD_MADE) {
		kd_refuse(r, -EBADF, "no source %u of this process that is to be ready",
			  le32_to_cpu(in->source));
		return;
	}
	if (src->c->ch.ended) {
		kd_refuse(r, -ESHUTDOWN, "channel '%s' was destroyed", src->c->ch.name);
		kd_source_close(src, false);
		return;
	}
	err = source_join(src);
	if (err) {
		kd_refuse(r, err, "source of '%s': no place for it", src->c->ch.name);
		kd_source_close(src, false);
		return;
	}
	kd_tell_member(src->c, &src->s.member, KE_JOINED);
	if (!kd_wait(r, src, in, JOIN_MS, acked, joined))
		kd_source_close(src, false);
}

/* It names sinks in its log, which nobody here has to believe. */
void kd_address_request(const struct kd_request *r)
{
	const struct kecho_ctl_source *in = r->body;
	struct kd_source *src = kd_source(r->s, le32_to_cpu(in->source));

	if (!src || src->state > KD_JOINED) {
		kd_refuse(r, -EBADF, "no source %u of this process", le32_to_cpu(in->source));
		return;
	}
	src->names = true;
	if (src->state == KD_JOINED)
		ke_source_names_sinks(&src->s);
	kd_answer(r, in);
}

/* -------------------------------------------------------------------- closing */

/* What its process counted, while there is a page to look at. */
void kd_source_counters(struct kd_source *src)
{
	const struct kecho_gate_slot *g;

	if (!src->o)
		return;
	g = kd_gate(src->o->s, src->gate);
	src->events = le64_to_cpu(READ_ONCE(g->events));
	src->bytes = le64_to_cpu(READ_ONCE(g->bytes));
}

/* It is its process's no more. */
static void detach(struct kd_source *src)
{
	if (!src->o)
		return;
	kd_source_counters(src);
	kd_bells_left(src);
	kd_judge_fini(src);
	kd_slot_give_back(&src->o->s->limits, src->slot);
	kd_slot_give_back(&src->o->s->gates, src->gate);
	src->o->nsources -= src->state != KD_MADE;
	list_del_init(&src->opening_list);
	src->o = NULL;
}

/* Where it ends, for all who read it. */
static void find_end(struct kd_source *src)
{
	u64 head, seq;

	if (!src->why && !kd_source_now(src, &head, &seq)) {
		src->seq = seq;
		return;
	}
	/* What it published until then is good. */
	src->why = src->why ?: "its log says what cannot be";
	src->s.member.failed = true;
	src->seq = src->copied ? src->s.log.seq : 0;
}

static void end_feeds(struct kd_source *src)
{
	const struct ke_attrs *node = &src->c->d->k.node.attrs;
	struct kd_feed *f;

	while (!list_empty(&src->feeds)) {
		f = list_first_entry(&src->feeds, struct kd_feed, log_list);
		kd_feed_types(f, src->s.member.types);
		kd_feed_end(f, src->seq, src->s.member.failed, &src->s.member.attrs, node);
	}
}

static void say_end(struct kd_source *src)
{
	src->s.log.hdr = &src->copy_hdr;
	/* Also if the copy was lapped there: what it lacks is lost. */
	src->copy_hdr.seq = cpu_to_le64(src->seq);
	ke_source_end(&src->s);
	src->said_end = true;
}

static bool source_drained(struct kd_source *src)
{
	if (src->state == KD_OVER)
		return true;
	if (!src->said_end && kd_copy_complete(src))
		say_end(src);
	return src->said_end && ke_source_drained(&src->s);
}

/* It is a member no more. Its process may still have it. */
static void source_leave(struct kd_source *src)
{
	struct kd_channel *c = src->c;

	if (src->state == KD_OVER)
		return;
	c->d->nclosing--;
	src->state = KD_OVER;
	ke_source_fini(&src->s);
	kd_keep_forget(c->d, src->kept);
	src->s.log.hdr = &src->copy_hdr;
	src->copy_hdr.seq = cpu_to_le64(src->seq);
	kd_tell_member(c, &src->s.member, src->s.member.failed ? KE_FAILED : KE_LEFT);
	ke_member_leave(&src->s.member);
	list_del_init(&src->channel_list);
	WARN_ON_ONCE(kd_bells_update(c));
}

static void source_gone(struct kd_source *src)
{
	if (src->c->ch.ended)
		kd_waits_cancel(src->c->d, src, -ESHUTDOWN, "the channel was destroyed");
	else
		kd_waits_cancel(src->c->d, src, -EPIPE, "the source has ended");
	source_leave(src);
	detach(src);
	free_source(src);
}

/* Begins to close; source_gone() follows when all is on the other hosts. */
static void source_closing(struct kd_source *src, bool failed, u64 linger_ms)
{
	src->s.member.failed |= failed;
	find_end(src);
	src->state = KD_CLOSING;
	kd_judge_fini(src);
	src->s.in_pieces = false;	/* what there is of it is all */
	src->c->d->nclosing++;
	src->linger_ms = lib_deadline(linger_ms);
	end_feeds(src);
	if (src->copied)
		kd_copy_wanted(src);
	src->c->d->changed = true;
}

/* Its process does not want it any more, or is gone. */
void kd_source_close(struct kd_source *src, bool failed)
{
	kd_waits_cancel(src->c->d, src, -EPIPE, "the source was closed");
	if (src->state == KD_MADE) {
		detach(src);
		ke_attrs_free(&src->s.member.attrs);
		free_source(src);
		return;
	}
	if (src->state == KD_JOINED)
		source_closing(src, failed, LINGER_MS);
	if (source_drained(src))
		source_gone(src);
	else
		detach(src);
}

/* The log makes no sense: the source will be over, and nobody else's. Its feeds are
 * still looked at, perhaps, where that shows. */
void kd_source_fail(struct kd_source *src, const char *why)
{
	src->why = src->why ?: why;
	src->c->d->changed = src->c->d->sources_failing = true;
}

static void source_fails(struct kd_source *src)
{
	struct kecho_note_end note = { .handle = cpu_to_le32(src->handle),
				       .error = cpu_to_le32((u32)-EPROTO) };

	kd_say(LOG_WARNING, "a source of process %d, user %u, in '%s' has failed: %s",
	       src->o->s->pid, src->user->uid, src->c->ch.name, src->why);
	kd_waits_cancel(src->c->d, src, -EPROTO, src->why);
	kd_send(src->o->s, KECHO_NOTE_SOURCE_END, 0, 0, &note, sizeof(note), src->why,
		strlen(src->why), NULL, 0);
	source_closing(src, true, LINGER_MS);
}

/* All of it is where it is to be, or its time up: that of all, if the node ends. */
static bool is_through(struct kd_source *src)
{
	return source_drained(src) || (!src->c->d->stop && lib_deadline(0) >= src->linger_ms);
}

static void over(struct kd_source *src)
{
	if (src->o)
		source_leave(src);
	else
		source_gone(src);
}

/* Those that are through. */
void kd_sources_closing(struct kd *d)
{
	struct kd_source *src, *next;
	struct kd_channel *c, *more;

	if (!d->nclosing && !d->sources_failing)
		return;
	d->sources_failing = false;
	list_for_each_entry_safe(c, more, &d->channels, list) {
		kd_channel_get(c);
		list_for_each_entry_safe(src, next, &c->sources, channel_list) {
			if (src->state == KD_JOINED && src->why)
				source_fails(src);
			else if (src->state == KD_CLOSING && is_through(src))
				over(src);
		}
		kd_channel_put(c);
	}
}

/* Its channel has ended. */
void kd_source_over(struct kd_source *src)
{
	if (src->state == KD_JOINED)
		source_closing(src, false, LINGER_MS);
}

/* The node ends: what is still on its way has had its time. */
void kd_sources_abandon(struct kd *d)
{
	struct kd_source *src;
	struct kd_channel *c, *next;

	list_for_each_entry_safe(c, next, &d->channels, list) {
		kd_channel_get(c);
		while (!list_empty(&c->sources)) {
			src = list_first_entry(&c->sources, struct kd_source, channel_list);
			source_gone(src);
		}
		kd_channel_put(c);
	}
}

static bool closed(struct kd_wait *w)
{
	return source_drained(w->object);
}

static void finish_close(struct kd_wait *w, bool in_time)
{
	kd_wait_answer(w, in_time);
	source_gone(w->object);
}

void kd_source_close_request(const struct kd_request *r)
{
	const struct kecho_ctl_source *in = r->body;
	struct kd_source *src = kd_source(r->s, le32_to_cpu(in->source));
	u32 linger_ms = le32_to_cpu(in->linger_ms);

	if (!src) {
		kd_refuse(r, -EBADF, "no source %u of this process", le32_to_cpu(in->source));
		return;
	}
	kd_waits_cancel(r->s->d, src, -EPIPE, "the source was closed");
	if (src->state == KD_MADE) {
		kd_source_close(src, false);
		kd_answer(r, in);
		return;
	}
	if (src->state == KD_JOINED)
		source_closing(src, false, linger_ms);
	if (!kd_wait(r, src, in, linger_ms, closed, finish_close))
		kd_source_close(src, false);
}
