// SPDX-License-Identifier: MIT
/*
 * Mirrors: the logs of other hosts' sources, once for all sinks of this one. We write
 * them as the bytes come in; processes have them read-only.
 */
#include "daemon.h"

#include <syslog.h>

static u64 mirror_bytes(const struct kd_mirror *m)
{
	return KECHO_LOG_HEADER_SIZE + m->log.size;
}

/* Each user whose sinks read it is charged for all of it, once. */
struct kd_charge {
	struct list_head list;
	struct kd_user *user;
};

static int charge(struct kd_mirror *m, struct kd_user *user)
{
	struct kd_charge *c;

	list_for_each_entry(c, &m->charges, list)
		if (c->user == user)
			return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (kd_user_charge(user, mirror_bytes(m))) {
		free(c);
		return -ENOSPC;
	}
	c->user = kd_user_get(user->d, user->uid);
	list_add_tail(&c->list, &m->charges);
	return 0;
}

static void uncharge(struct kd_mirror *m, struct kd_charge *c)
{
	kd_user_uncharge(c->user, mirror_bytes(m));
	kd_user_put(c->user);
	list_del(&c->list);
	free(c);
}

/* Deaf to one source no sink is what its owner believes: those that lack it end. Others
 * of the link are none the worse. */
static int no_mirror(struct kd_channel *c, const struct ke_rstream *rs, int err)
{
	struct kd_sink *k;
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "no place in %s for a log of node %s, %llu bytes",
		 c->d->conf.run, rs->peer->name, (unsigned long long)rs->remote->log_size);
	list_for_each_entry(k, &c->sinks, channel_list)
		kd_sink_fail(k, err, why);
	return -ECANCELED;
}

static struct kd_mirror *mirror_make(void)
{
	struct kd_mirror *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	INIT_LIST_HEAD(&m->feeds);
	INIT_LIST_HEAD(&m->charges);
	kd_log_init(&m->log);
	return m;
}

static void belongs(struct kd_mirror *m, struct kd_channel *c, struct ke_rstream *rs)
{
	m->rs = rs;
	m->c = c;
	rs->owner = m;
	rs->view = kd_log_view(&m->log);
	c->nmirrors++;
	if (kd_bells_update(c))
		kd_say(LOG_WARNING, "no doorbells for sinks in '%s'", c->ch.name);
}

int kd_mirror_attach(struct ke_rstream *rs, struct kecho_log_header **hdr, void **ring)
{
	struct kd_channel *c = rs->remote->presence->channel->owner;
	struct kd_mirror *m = mirror_make();
	int err;

	if (!m)
		return no_mirror(c, rs, -ENOMEM);
	err = kd_log_mirror(c->d, &m->log, rs->remote->log_size, m->file, sizeof(m->file));
	if (err) {
		free(m);
		return no_mirror(c, rs, err);
	}
	*hdr = m->log.map;
	*ring = (u8 *)m->log.map + KECHO_LOG_HEADER_SIZE;
	belongs(m, c, rs);
	kd_keep_mirror(m);
	return 0;
}

/* One that the kechod before us has left, as it is between a break of its link and
 * what follows; its log is ours then. */
int kd_mirror_again(struct kd_channel *c, const struct kd_log *log, struct ke_kept *kept,
		    const char *file)
{
	struct kd_mirror *m = mirror_make();
	struct ke_rstream *rs = NULL;

	if (m && strscpy(m->file, file, sizeof(m->file)) > 0) {
		kept->hdr = log->map;
		kept->ring = (u8 *)log->map + KECHO_LOG_HEADER_SIZE;
		rs = ke_channel_adopt(&c->ch, kept);
	}
	if (!rs) {
		free(m);
		return -EPROTO;
	}
	m->log = *log;
	belongs(m, c, rs);
	return 0;
}

static void end_feeds(struct kd_mirror *m, bool for_good)
{
	const struct ke_remote *r = m->rs->remote;
	bool failed = r->state == KE_FAILED;
	struct kd_feed *f, *next;

	list_for_each_entry_safe(f, next, &m->feeds, log_list) {
		if (for_good)
			kd_feed_types(f, r->types);
		kd_feed_end(f, m->rs->last_seq, failed, for_good ? &r->attrs : NULL,
			    &m->rs->peer->attrs);
	}
}

void kd_mirror_detach(struct ke_rstream *rs)
{
	struct kd_mirror *m = rs->owner;
	struct kd_charge *c, *next;

	if (!m)
		return;
	end_feeds(m, true);
	kd_run_file_remove(m->c->d, m->file);
	list_for_each_entry_safe(c, next, &m->charges, list)
		uncharge(m, c);
	kd_log_fini(&m->log);
	rs->owner = NULL;
	m->c->nmirrors--;
	WARN_ON_ONCE(kd_bells_update(m->c));
	free(m);
}

static bool has_feed(const struct kd_sink *k, const struct kd_mirror *m)
{
	const struct kd_feed *f;

	list_for_each_entry(f, &k->feeds, sink_list)
		if (f->mirror == m)
			return true;
	return false;
}

/* A `block` sink reads in place, which only a gate makes safe, or a source that is over. */
static bool may_begin(const struct kd_sink *k, const struct ke_rstream *rs)
{
	return k->m.policy != KECHO_BLOCK || ke_rstream_gate_stands(rs) ||
	       rs->remote->state != KE_JOINED;
}

/* A sink that was there before us reads on in what we have found; where, its process knows. */
int kd_mirrors_again(struct kd_sink *k)
{
	struct ke_presence *pr;
	struct ke_remote *r;
	struct kd_mirror *m;
	int err = 0;

	list_for_each_entry(pr, &k->c->ch.presences, channel_list) {
		list_for_each_entry(r, &pr->remotes, list) {
			m = r->stream && r->stream->attached ? r->stream->owner : NULL;
			if (m && !err)
				err = charge(m, k->o->s->user) ?: kd_feed_mirror_again(k, m);
		}
	}
	return err;
}

void kd_mirror_started(struct ke_rstream *rs, u64 pos, u64 seq)
{
	struct kd_mirror *m = rs->owner;
	struct kd_feed *f;
	struct kd_sink *k;
	int err;

	list_for_each_entry(f, &m->feeds, log_list)
		kd_feed_goes_on(f);
	list_for_each_entry(k, &m->c->sinks, channel_list) {
		if (has_feed(k, m) || !may_begin(k, rs))
			continue;
		err = charge(m, k->o->s->user) ?: kd_feed_mirror(k, m, pos, seq);
		if (err)
			kd_sink_fail(k, err, err == -ENOSPC ? "it has no place for one more log" :
							     "there is no memory for a mirror");
	}
	kd_mirror_released(m);
	kd_mirror_published(rs);
}

/* What the sink of @f is to be woken for, as its process goes by what its source said. */
static struct ke_wants wants(const struct kd_feed *f, const struct ke_rstream *rs)
{
	struct ke_verdict v;

	if (f->open || !ke_member_verdict(&f->sink->m, rs->remote->id, &v) || v.bit >= KE_BIT_SELF)
		return (struct ke_wants){ .all = true };
	return (struct ke_wants){ .bits = 1ULL << v.bit, .from = v.from };
}

/* Who wants something of what has come, or has slept for long: see core/wake.c. */
static u32 whom(struct kd_mirror *m, const struct ke_rstream *rs)
{
	u64 head = rs->mirror.head, late = rs->mirror.size / KE_WAKE_PARTS;
	struct ke_noted noted = { 0 };
	struct kd_feed *f;
	struct ke_wants w;
	u32 whom = 0;

	if (head - m->noted > rs->mirror.size)
		noted.any = noted.unjudged = true;
	else
		ke_note_view(&noted, &rs->view, m->noted, head);
	m->noted = head;
	list_for_each_entry(f, &m->feeds, log_list) {
		w = wants(f, rs);
		if (!ke_wants_noted(&w, &noted) && head - f->woken < late)
			continue;
		f->woken = head;
		whom |= KECHO_WAIT_NUMBER(f->sink->o->s->number);
	}
	return whom;
}

/* Rung when the loop has looked at all that came with it. */
void kd_mirror_published(struct ke_rstream *rs)
{
	struct kd_mirror *m = rs->owner;
	u32 news;

	/* Sinks tell seldom by themselves how far they are: who is awake looks. */
	if (ke_rstream_ack_due(rs))
		kd_mirror_released(m);
	news = whom(m, rs);
	if (news && !m->c->whom)
		list_add_tail(&m->c->ring_list, &m->c->d->rings);
	m->c->whom |= news;
}

void kd_mirror_ended(struct ke_rstream *rs)
{
	struct kd_mirror *m = rs->owner;

	if (m)
		end_feeds(m, false);
}

/* What its sinks say that they lost, which is at most all. */
u64 kd_mirror_lost(struct ke_rstream *rs)
{
	struct kd_mirror *m = rs->owner;
	struct kd_feed *f;
	u64 sum = 0;

	if (!m)
		return 0;
	list_for_each_entry(f, &m->feeds, log_list)
		sum += kd_feed_lost(f, rs->mirror.seq);
	/* What those who are here lost they know; the others' is to be kept. */
	kd_keep_lost(m, max(rs->lost, rs->lost - rs->lost_seen + sum) - sum);
	return sum;
}

/* What the slowest `block` sink has read goes back to the source's node. */
void kd_mirror_released(struct kd_mirror *m)
{
	u64 least = U64_MAX;
	struct kd_feed *f;

	if (!m->rs->attached)
		return;
	list_for_each_entry(f, &m->feeds, log_list) {
		if (f->sink->m.policy != KECHO_BLOCK)
			continue;
		kd_feed_look(f, m->rs->mirror.head);
		least = min(least, f->pos);
	}
	if (least != U64_MAX)
		ke_rstream_release(m->rs, least);
}

static bool reads(const struct kd_mirror *m, const struct kd_user *user)
{
	const struct kd_feed *f;

	list_for_each_entry(f, &m->feeds, log_list)
		if (f->sink->o->s->user == user)
			return true;
	return false;
}

/* A sink of @user does not read it any more. */
void kd_mirror_left(struct kd_mirror *m, const struct kd_user *user)
{
	struct kd_charge *c, *next;

	kd_mirror_released(m);
	list_for_each_entry_safe(c, next, &m->charges, list)
		if (c->user == user && !reads(m, user))
			uncharge(m, c);
}
