/* SPDX-License-Identifier: MIT */
/* The show: what its nodes tell, their ends, and its course. See show.h. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <kecho/kecho.h>

#include "script.h"
#include "show.h"

#define SHOW_LIMIT_S	56u	/* of all of it */

void show_fail(struct show *sh, const char *fmt, ...)
{
	va_list ap;

	if (sh->failed)
		return;	/* the first reason is the true one */
	sh->failed = true;
	va_start(ap, fmt);
	vsnprintf(sh->why, sizeof(sh->why), fmt, ap);
	va_end(ap);
	story_tell(&sh->story, true, "%.*s", STORY_TEXT_MAX - 1, sh->why);
}

const char *show_name(const struct show *sh, int host)
{
	return sh->hosts->host[host].name;
}

struct story_outage *show_outage(struct show *sh)
{
	return &sh->story.outage[sh->outages];
}

/* ------------------------------------------------------------ what nodes tell it */

static void on_ready(struct show *sh, int host, const struct wire_ready *r)
{
	struct mate *m = &sh->crew.mate[host];
	char feeds[64];

	m->ready = true;
	m->told = *r;
	snprintf(feeds, sizeof(feeds), "%s%s%s", r->feeds & WIRE_FEED_NETLINK ? "netlink, " : "",
		 r->feeds & WIRE_FEED_LOADAVG ? "load, " : "",
		 r->feeds & WIRE_FEED_PSI ? "pressure" : "(this kernel tells no pressure)");
	story_tell(&sh->story, false, "%s has joined at %s and tells %s", show_name(sh, host),
		   sh->hosts->host[host].address, feeds);
}

/* Who was declared failed tells how long it took, if it was our doing. */
static void on_failed(struct show *sh, int who, int whom, uint64_t time_ns)
{
	char took[STORY_DURATION_MAX];
	uint64_t since_ns = 0;

	if (whom == CEDAR && sh->kill_ns && !sh->story.rejoin_ns) {
		since_ns = sh->kill_ns;
		sh->story.death_noticed_ns[who] = time_ns - since_ns;
	} else if (sh->cut_ns && sh->story.phase == STORY_BROKEN &&
		   (whom == BIRCH || who == BIRCH)) {
		since_ns = sh->cut_ns;
		if (who != BIRCH)
			show_outage(sh)->noticed_ns = time_ns - since_ns;
	}
	if (since_ns)
		story_tell(&sh->story, false, "%s says that %s has failed, after %s",
			   show_name(sh, who), show_name(sh, whom),
			   story_duration(took, time_ns - since_ns));
	else
		story_tell(&sh->story, true, "%s says that %s has failed", show_name(sh, who),
			   show_name(sh, whom));
}

static void on_member(struct show *sh, int who, const struct wire_member *m)
{
	struct show_view *v;
	bool again;

	if (m->host >= HOSTS || m->role > KECHO_SINK || (int)m->host == who)
		return;
	v = &sh->view[who][m->host][m->role];
	if (m->state != KECHO_JOINED && m->id != v->id)
		return;	/* an earlier one's end, after its successor came */
	again = m->id == v->id && v->state == KECHO_FAILED && m->state == KECHO_JOINED;
	v->id = m->id;
	v->state = m->state;
	if (m->state != KECHO_JOINED)
		v->failed_ns = m->time_ns;
	if (m->role != KECHO_SOURCE)
		return;
	if (m->state == KECHO_FAILED)
		on_failed(sh, who, (int)m->host, m->time_ns);
	else if (again)
		story_tell(&sh->story, false, "%s says that %s is there again", show_name(sh, who),
			   show_name(sh, (int)m->host));
}

void show_message(struct show *sh, int host, const struct wire_message *m)
{
	switch (m->head.type) {
	case WIRE_READY:
		on_ready(sh, host, &m->body.ready);
		if (sh->story.killed == host)
			sh->story.rejoin_ns = story_now_ns(&sh->story) - sh->step_ns;
		break;
	case WIRE_STATS:
		story_stats(&sh->story, host, &m->body.stats);
		sh->quiet[host] = !m->body.stats.publishes;
		break;
	case WIRE_MEMBER:
		on_member(sh, host, &m->body.member);
		break;
	case WIRE_HEARD:
		story_heard(&sh->story, host, &m->body.heard);
		break;
	case WIRE_ERROR:
		show_fail(sh, "%s: %.*s", show_name(sh, host), (int)sizeof(m->body.error.text),
			  m->body.error.text);
		break;
	default:
		show_fail(sh, "%s: an unknown message, %u", show_name(sh, host), m->head.type);
	}
}

void show_read(struct show *sh, int host)
{
	struct wire_reader *r = &sh->crew.mate[host].report;
	int ret;

	if (r->fd < 0)
		return;
	while ((ret = wire_read(r)) == 1)
		show_message(sh, host, &r->next);
	/* -EPIPE is its end; SIGCHLD says how it came. */
	if (ret && ret != -EPIPE && !sh->crew.mate[host].doomed)
		show_fail(sh, "the pipe from %s: %s", show_name(sh, host), strerror(-ret));
}

static void judge_end(struct show *sh, int host, int status)
{
	bool ended_well = WIFEXITED(status) && !WEXITSTATUS(status);
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	char words[CREW_WORDS_MAX], how[64];

	if (sh->crew.mate[host].doomed && (ended_well || killed))
		return;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	crew_last_words(&sh->crew, host, words);
	show_fail(sh, "%s's node has ended by %s%s%s", show_name(sh, host), how,
		  *words ? "; it said: " : "", words);
}

void show_reap(struct show *sh)
{
	int status, host;

	while ((host = crew_reap(&sh->crew, &status)) >= 0) {
		show_read(sh, host);	/* what it wrote last may be why */
		judge_end(sh, host, status);
	}
}

/* ---------------------------------------------------------------- its own course */

static void enter(struct show *sh)
{
	sh->step_ns = story_now_ns(&sh->story);
	if (script[sh->step].enter && script[sh->step].enter(sh))
		assert(sh->failed);
}

void show_begin(struct show *sh, struct hosts *hosts)
{
	memset(sh, 0, sizeof(*sh));
	sh->hosts = hosts;
	crew_init(&sh->crew, hosts);
	story_begin(&sh->story, hosts);
	enter(sh);
}

void show_tick(struct show *sh)
{
	const struct step *st = &script[sh->step];
	uint64_t now_ns = story_now_ns(&sh->story), took_ns = now_ns - sh->step_ns;

	if (sh->failed || sh->done)
		return;
	if (took_ns >= st->min_ms * 1000000ull && st->reached(sh)) {
		if (st->leave)
			st->leave(sh);
		sh->done = ++sh->step == script_len;
		if (!sh->done && !sh->failed)
			enter(sh);
	} else if (took_ns > st->max_ms * 1000000ull && st->missing) {
		show_fail(sh, "waited %u s for %s", st->max_ms / 1000, st->missing);
	} else if (now_ns > SHOW_LIMIT_S * 1000000000ull) {
		show_fail(sh, "the show took more than %u s", SHOW_LIMIT_S);
	}
}
