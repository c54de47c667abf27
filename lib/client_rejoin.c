// SPDX-License-Identifier: MIT
/*
 * When the node goes, and when there is one again.
 *
 *	UP ── the socket ends ──> LOST ── somebody listens ──> REJOINING ──> UP
 *	                           ^──────── it goes too ───────────┘
 *
 * Logs are memory that outlives a node: those of this host are the processes' that share
 * them, mirrors lie where the next node finds them. Without one sources go on writing, `block`
 * ones up to their last limit, and sinks reading. To the next node a source gives its log, and
 * says how far it might grow; a sink has an orphan of each log that it reads, until the node
 * tells it where to say what it has read of it, or its source has had its time. So nothing is
 * lost or repeated, and if the node knows whose they were members are the same to all.
 *
 * While REJOINING no list changes but by the helper, which is here.
 */
#include "client.h"
#include "feed.h"

static void end_feed(struct feed *f)
{
	f->orphan = false;
	f->ended = f->gone = f->failed = true;
	f->bounded = false;
}

/* The node is gone. What is written into a log has still a writer, or the next node knows
 * of it. The kecho lock is held. */
void client_orphan(struct kecho_sink *s)
{
	struct feed *f;

	lib_lock(&s->lock);
	s->handle = 0;
	s->counters = NULL;
	list_for_each_entry(f, &s->feeds, list) {
		if (!f->slot)
			continue;
		f->slot = NULL;
		if (f->gone)
			end_feed(f);
		else
			f->orphan = true;
	}
	lib_unlock(&s->lock);
	feeds_drop_told(s);
}

static bool is_over(const struct feed *f)
{
	return smp_load_acquire(&f->reader.view.hdr->want) == cpu_to_le64(KE_NO_LIMIT);
}

/* Who writes it may ring doorbells that we don't have any more. Is there something to
 * read? */
static bool look_at(struct feed *f, bool late)
{
	if (!late && !is_over(f))
		return ke_reader_head(&f->reader) != f->reader.pos;
	end_feed(f);
	return true;
}

/* Ends those whose time has come; whether there are others. The kecho lock is held. */
bool client_orphans(struct client *c)
{
	bool late = c->state == CLIENT_UP && lib_deadline(0) >= c->orphans_ms;
	bool more = false, wake = false;
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct feed *f;

	list_for_each_entry(ch, &c->k->channels, list) {
		list_for_each_entry(s, &ch->sinks, list) {
			lib_lock(&s->lock);
			list_for_each_entry(f, &s->feeds, list) {
				if (!f->orphan)
					continue;
				wake |= look_at(f, late);
				more |= f->orphan;
			}
			lib_unlock(&s->lock);
		}
	}
	if (wake)
		wait_wake(c->k);
	return more;
}

/* The node has told all mirrors that it has found. */
void client_orphan_mirrors(struct kecho_sink *s)
{
	struct feed *f;

	pthread_mutex_lock(&s->ch->k->lock);
	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		if (f->orphan && !f->mine)
			end_feed(f);
	lib_unlock(&s->lock);
	pthread_mutex_unlock(&s->ch->k->lock);
}

/* --------------------------------------------------------------- joining again */

static void refuse_source(struct kecho_source *s, int err)
{
	lib_lock(&s->lock);
	s->end_error = err;
	WRITE_ONCE(s->s.closed, true);
	lib_unlock(&s->lock);
}

/* Nobody has waited for it, so what it reads in place may be overwritten by now. */
static void was_given_up(struct kecho_sink *s)
{
	pthread_mutex_lock(&s->ch->k->lock);
	client_stalled(s);
	pthread_mutex_unlock(&s->ch->k->lock);
}

static int rejoin_sink(struct kecho_sink *s)
{
	int err = s->kept && !READ_ONCE(s->kept->limit) ? -EPIPE : client_sink_again(s);

	if (err != -EPIPE)
		return err;
	was_given_up(s);
	return 0;
}

/* @err is why the channel is refused, and all in it; or 0. */
static int rejoin_members(struct kecho_channel *ch, int err)
{
	struct kecho_source *src;
	struct kecho_sink *s;
	int refused;

	list_for_each_entry(s, &ch->sinks, list) {
		if (READ_ONCE(s->disconnected) || READ_ONCE(s->stalled))
			continue;
		refused = err ?: rejoin_sink(s);
		if (refused == -ENOTCONN)
			return refused;
		if (refused)
			client_sink_over(s, refused);
	}
	list_for_each_entry(src, &ch->sources, list) {
		if (READ_ONCE(src->s.closed))
			continue;
		refused = err ?: client_source_again(src);
		if (refused == -ENOTCONN)
			return refused;
		if (refused)
			refuse_source(src, refused);
	}
	return 0;
}

/* -ENOTCONN: the node has gone. What it refuses is over, and says so. */
static int rejoin_channel(struct kecho_channel *ch)
{
	int err = client_channel_again(ch);

	if (err == -ENOTCONN || rejoin_members(ch, err) == -ENOTCONN)
		return -ENOTCONN;
	if (!err && ch->client->watched && client_ask_watch(ch, true) == -ENOTCONN)
		return -ENOTCONN;
	return 0;
}

static int rejoin_all(struct client *c)
{
	struct kecho_channel *ch;
	int err;

	list_for_each_entry(ch, &c->k->channels, list) {
		if (ch->ch.ended)
			continue;
		err = rejoin_channel(ch);
		if (err)
			return err;
	}
	return 0;
}

void client_again_later(struct client *c)
{
	c->retry_ms = lib_deadline(c->retry_wait_ms);
	c->retry_wait_ms = min(2 * c->retry_wait_ms, (u32)RETRY_MAX_MS);
}

static void use_socket(struct client *c, int fd)
{
	lib_lock(&c->send);
	dup3(fd, c->sock, O_CLOEXEC);
	c->sock_generation = c->generation;
	lib_unlock(&c->send);
	close(fd);
}

/* The kecho lock is held. */
static void begin(struct client *c, int fd)
{
	struct kecho_channel *ch;

	c->state = CLIENT_REJOINING;
	c->rejoining = true;
	c->generation++;
	use_socket(c, fd);
	list_for_each_entry(ch, &c->k->channels, list) {
		client_bells_drop(ch);
		client_frozen(ch, 0);	/* it says so if somebody still holds it */
	}
}

/* The helper; no lock is held. Looks whether there is a node, and joins all with it. */
void client_rejoin(struct client *c)
{
	struct kecho *k = c->k;
	int fd = client_connect(c->device), err;
	u32 wait_ms;

	pthread_mutex_lock(&k->lock);
	wait_ms = c->retry_wait_ms;
	if (fd >= 0) {
		begin(c, fd);
		pthread_mutex_unlock(&k->lock);
		err = client_attach(c) ?: rejoin_all(c);
		pthread_mutex_lock(&k->lock);
		if (err)
			client_lost(c);
	}
	if (c->state == CLIENT_REJOINING) {
		c->state = CLIENT_UP;
		c->up_ms = lib_deadline(0);
		c->orphans_ms = lib_deadline(ORPHAN_MS);
	} else {
		c->retry_wait_ms = wait_ms;
		client_again_later(c);
	}
	c->rejoining = false;
	pthread_cond_broadcast(&k->changed);
	wait_wake(k);
	pthread_mutex_unlock(&k->lock);
}
