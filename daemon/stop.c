// SPDX-License-Identifier: MIT
/*
 * Being told to end.
 *
 *	RUNS ── SIGTERM ──> SENDS ── others have it ──> ENDS
 *	                      └────── nobody is attached ──> LEAVES ── no link stands ──> ENDS
 *
 *	SENDS	all goes on, but that no more processes attach, until what was published
 *		before the signal is in the mirrors of other hosts, or conf.stop_ms is over.
 *	LEAVES	we are in no channel. Each node is told so behind all else, and hangs up
 *		when it has read that; we would take unread answers for its not reading.
 *
 * While processes are attached their members are alive: the next kechod goes on with them,
 * see takeover.c, so nothing is said. Whoever tells it twice does not want to wait.
 */
#include "daemon.h"

#include <syslog.h>
#include <systemd/sd-daemon.h>

enum { LEAVE_MS = 500 };

static bool late(const struct kd *d)
{
	return lib_deadline(0) >= d->stop_ms;
}

static void close_listener(struct kd *d)
{
	unlink(d->conf.socket);
	epoll_ctl(d->ep, EPOLL_CTL_DEL, d->listen_fd, NULL);
	close(d->listen_fd);
	d->listen_fd = -1;
	d->accept_later = false;
}

/* Calls @fn for each source that other hosts read; is it true of all? */
static bool each_copied(struct kd *d, bool (*fn)(struct kd_source *src))
{
	struct kd_channel *c;
	struct kd_source *src;
	bool all = true;

	list_for_each_entry(c, &d->channels, list)
		list_for_each_entry(src, &c->sources, channel_list)
			if (src->state == KD_JOINED && src->copied)
				all &= fn(src);
	return all;
}

static bool mark_end(struct kd_source *src)
{
	if (kd_source_head(src, &src->stop_at))
		src->stop_at = 0;
	kd_copy_wanted(src);
	return true;
}

static bool has_arrived(struct kd_source *src)
{
	return src->why || ke_source_arrived(&src->s, src->stop_at);
}

void kd_stop(struct kd *d)
{
	if (d->stop != KD_RUNS) {
		d->stop = KD_ENDS;
		return;
	}
	d->stop = KD_SENDS;
	d->stop_ms = lib_deadline(d->conf.stop_ms);
	sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		   (d->conf.stop_ms + LEAVE_MS) * 1000ull);
	close_listener(d);
	each_copied(d, mark_end);
}

static void leave(struct kd *d)
{
	struct conn *c;

	if (d->nclosing)
		kd_say(LOG_WARNING, "other hosts lack events of %u sources that were closed, after "
		       "%u ms", d->nclosing, d->conf.stop_ms);
	if (kd_is_left(d)) {
		d->stop = KD_ENDS;
		return;
	}
	kd_sources_abandon(d);
	if (d->k.tcp_fd >= 0)
		close(d->k.tcp_fd);
	d->k.tcp_fd = -1;
	list_for_each_entry(c, &d->k.conns, list)
		if (!c->open || !c->link.peer)
			conn_close(c);
	d->stop = KD_LEAVES;
	d->stop_ms = lib_deadline(LEAVE_MS);
}

/* Whatever was said has gone out: there is no more. */
static void say_goodbye(struct kd *d)
{
	struct conn *c;

	list_for_each_entry(c, &d->k.conns, list) {
		if (c->closing || ke_link_pending(&c->link))
			continue;
		shutdown(c->fd, SHUT_WR);
	}
}

/* Something has happened, or some time has passed. */
void kd_stop_look(struct kd *d)
{
	if (d->stop == KD_SENDS && (late(d) || (!d->nclosing && each_copied(d, has_arrived))))
		leave(d);
	if (d->stop != KD_LEAVES)
		return;
	say_goodbye(d);
	conn_reap(&d->k);
	if (list_empty(&d->k.conns) || late(d))
		d->stop = KD_ENDS;
}
