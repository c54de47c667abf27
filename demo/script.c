/* SPDX-License-Identifier: MIT */
/*
 * The script of the show. A step is entered once, lasts at least min_ms, and then
 * until what it waits for has been seen: nothing here is right only because some
 * time has passed. What has not come after max_ms ends the show with an error
 * that says what it was.
 *
 *	join alder, the others > steady > burst > a short cut > heal
 *	     > a long cut with a burst > heal > kill -9 > start again > count
 *
 * alder serves the registry. birch is cut off, cedar is killed.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <kecho/kecho.h>

#include "script.h"

#define SCRIPT_BURST	20000	/* events of each host in a second; the log holds 8,000 */
#define SCRIPT_BURST_NS	1000000000u
#define SCRIPT_FLOWS_NS	100000000u	/* a pair whose events are younger flows */

static int start(struct show *sh, int host)
{
	int err = crew_start(&sh->crew, host);

	if (err)
		show_fail(sh, "a process for host %s: %s", show_name(sh, host), strerror(-err));
	return err;
}

static int command(struct show *sh, int host, enum wire_type type, const void *body, size_t len)
{
	int err = crew_command(&sh->crew, host, type, body, len);

	/* A node that has died is noticed, and judged, by its SIGCHLD. */
	if (err && err != -EPIPE)
		show_fail(sh, "a command to %s: %s", show_name(sh, host), strerror(-err));
	return err == -EPIPE ? 0 : err;
}

static int burst_all(struct show *sh)
{
	struct wire_burst b = { .events = SCRIPT_BURST };
	int err = 0;

	for (int i = 0; i < HOSTS && !err; i++)
		err = command(sh, i, WIRE_BURST, &b, sizeof(b));
	return err;
}

/* What @hearer hears of @source is of the node that runs there now, and fresh. */
static bool flows(const struct show *sh, int hearer, int source)
{
	const struct story_pair *p = &sh->story.pair[hearer][source];

	return p->now.source && p->now.source == sh->crew.mate[source].told.source &&
	       p->last.events && p->last.p50_ns < SCRIPT_FLOWS_NS;
}

static bool all_flow(const struct show *sh)
{
	for (int i = 0; i < HOSTS * HOSTS; i++)
		if (!flows(sh, i / HOSTS, i % HOSTS))
			return false;
	return true;
}

static bool sees(const struct show *sh, int who, int whom)
{
	const struct show_view *v = sh->view[who][whom];

	return v[KECHO_SOURCE].state == KECHO_JOINED && v[KECHO_SINK].state == KECHO_JOINED &&
	       v[KECHO_SOURCE].id == sh->crew.mate[whom].told.source;
}

/* All the others have seen the source of @host end since @since_ns. */
static bool all_noticed(const struct show *sh, int host, uint64_t since_ns)
{
	for (int i = 0; i < HOSTS; i++)
		if (i != host && sh->view[i][host][KECHO_SOURCE].failed_ns < since_ns)
			return false;
	return true;
}

static bool passed(const struct show *sh)
{
	(void)sh;
	return true;
}

/* ------------------------------------------------------------------------ join */

static int enter_first(struct show *sh)
{
	story_tell(&sh->story, false, "three hosts: %s", sh->hosts->loopback ?
		   "127.0.0.1, .2 and .3 (namespaces take CAP_SYS_ADMIN)" :
		   "network namespaces, joined by veth and a bridge");
	return start(sh, ALDER);
}

static bool is_first_there(const struct show *sh)
{
	return sh->crew.mate[ALDER].ready;
}

static int enter_rest(struct show *sh)
{
	int err = start(sh, BIRCH);

	return err ? err : start(sh, CEDAR);
}

static bool have_all_met(const struct show *sh)
{
	for (int i = 0; i < HOSTS * HOSTS; i++) {
		if (!sh->crew.mate[i / HOSTS].ready)
			return false;
		if (i / HOSTS != i % HOSTS && !sees(sh, i / HOSTS, i % HOSTS))
			return false;
	}
	return true;
}

static void leave_rest(struct show *sh)
{
	char took[STORY_DURATION_MAX];

	sh->story.join_ns = story_now_ns(&sh->story);
	story_tell(&sh->story, false, "all three have met on the channel, %s after the beginning",
		   story_duration(took, sh->story.join_ns));
}

/* ----------------------------------------------------------------- steady, burst */

static int enter_steady(struct show *sh)
{
	int err = 0;

	story_tell(&sh->story, false, "steady: 200 ticks a second each, and what the kernels say");
	for (int i = 0; i < HOSTS && !err; i++)
		err = command(sh, i, WIRE_GO, NULL, 0);
	return err;
}

static void leave_steady(struct show *sh)
{
	sh->story.phase = STORY_STEADY;
}

static int enter_burst(struct show *sh)
{
	char events[STORY_COUNT_MAX];

	sh->story.phase = STORY_BURST;
	story_burst(&sh->story, SCRIPT_BURST_NS);
	story_tell(&sh->story, false, "burst: %s events from each in one second",
		   story_count(events, SCRIPT_BURST));
	return burst_all(sh);
}

/* --------------------------------------------------------------------- cut, heal */

static uint64_t all_late(const struct show *sh)
{
	uint64_t sum = 0;

	for (int i = 0; i < HOSTS * HOSTS; i++)
		sum += sh->story.pair[i / HOSTS][i % HOSTS].now.late;
	return sum;
}

static int cut(struct show *sh)
{
	int err;

	sh->story.phase = STORY_BROKEN;
	sh->late_before = all_late(sh);
	sh->lost_before = story_lost(&sh->story);
	story_away(&sh->story, BIRCH, sh->hosts->loopback ? "stopped" : "cut off");
	sh->cut_ns = wire_now_ns();
	err = hosts_cut(sh->hosts, BIRCH, sh->crew.mate[BIRCH].pid, true);
	if (err)
		show_fail(sh, "cutting %s off: %s", show_name(sh, BIRCH), strerror(-err));
	return err;
}

static int enter_short_cut(struct show *sh)
{
	story_tell(&sh->story, false, sh->hosts->loopback ?
		   "%s is stopped for less than a second: SIGSTOP" :
		   "%s's cable is pulled for less than a second", show_name(sh, BIRCH));
	return cut(sh);
}

static int enter_long_cut(struct show *sh)
{
	story_tell(&sh->story, false, sh->hosts->loopback ?
		   "%s is stopped again, for longer" :
		   "%s's cable is pulled again, for longer", show_name(sh, BIRCH));
	return cut(sh);
}

static int enter_cut_burst(struct show *sh)
{
	char events[STORY_COUNT_MAX];

	story_tell(&sh->story, false,
		   "a burst of %s from each meanwhile: more than a log keeps for %s",
		   story_count(events, SCRIPT_BURST), show_name(sh, BIRCH));
	story_burst(&sh->story, SCRIPT_BURST_NS);
	return burst_all(sh);
}

static bool is_cut_noticed(const struct show *sh)
{
	return all_noticed(sh, BIRCH, sh->cut_ns);
}

static int enter_heal(struct show *sh)
{
	int err;

	sh->heal_ns = wire_now_ns();
	show_outage(sh)->cut_ms = (unsigned int)((sh->heal_ns - sh->cut_ns) / 1000000u);
	err = hosts_cut(sh->hosts, BIRCH, sh->crew.mate[BIRCH].pid, false);
	if (err) {
		show_fail(sh, "bringing %s back: %s", show_name(sh, BIRCH), strerror(-err));
		return err;
	}
	story_back(&sh->story, BIRCH);
	story_tell(&sh->story, false, "%s is back", show_name(sh, BIRCH));
	return 0;
}

/* Which pairs a cut of birch interrupts: both ways between it and the others; a
 * stopped node does not even hear itself, but that is no outage of a link. */
static bool is_cut_pair(int hearer, int source)
{
	return (hearer == BIRCH) != (source == BIRCH);
}

static bool have_resumed(const struct show *sh)
{
	for (int i = 0; i < HOSTS * HOSTS; i++) {
		const struct story_pair *p = &sh->story.pair[i / HOSTS][i % HOSTS];

		if (is_cut_pair(i / HOSTS, i % HOSTS) && p->now.revived_ns < sh->heal_ns)
			return false;
	}
	return all_flow(sh);
}

static void leave_heal(struct show *sh)
{
	char took[STORY_DURATION_MAX], late[STORY_COUNT_MAX], lost[STORY_COUNT_MAX];
	struct story_outage *o = show_outage(sh);
	uint64_t last_ns = 0;

	for (int i = 0; i < HOSTS * HOSTS; i++) {
		const struct story_pair *p = &sh->story.pair[i / HOSTS][i % HOSTS];

		if (is_cut_pair(i / HOSTS, i % HOSTS) && p->now.revived_ns > last_ns)
			last_ns = p->now.revived_ns;
	}
	o->resumed_ns = last_ns - sh->heal_ns;
	o->late = all_late(sh) - sh->late_before;
	o->lost = story_lost(&sh->story) - sh->lost_before;
	story_tell(&sh->story, false,
		   "all flow again after %s: %s events came late, %s were lost",
		   story_duration(took, o->resumed_ns), story_count(late, o->late),
		   story_count(lost, o->lost));
	sh->outages++;
	sh->story.phase = STORY_STEADY;
}

/* -------------------------------------------------------------------- kill, start */

static int enter_kill(struct show *sh)
{
	sh->story.phase = STORY_BROKEN;
	story_tell(&sh->story, false, "kill -9 of %s's node", show_name(sh, CEDAR));
	sh->story.killed = CEDAR;
	sh->kill_ns = wire_now_ns();
	story_away(&sh->story, CEDAR, "killed");
	crew_kill(&sh->crew, CEDAR);
	return 0;
}

static bool is_death_noticed(const struct show *sh)
{
	return !sh->crew.mate[CEDAR].pid && all_noticed(sh, CEDAR, sh->kill_ns);
}

static int enter_restart(struct show *sh)
{
	story_tell(&sh->story, false, "a new node for %s", show_name(sh, CEDAR));
	story_restarted(&sh->story, CEDAR);
	memset(sh->view[CEDAR], 0, sizeof(sh->view[CEDAR]));
	return start(sh, CEDAR);
}

static bool has_rejoined(const struct show *sh)
{
	return sh->crew.mate[CEDAR].ready && sees(sh, ALDER, CEDAR) && sees(sh, BIRCH, CEDAR);
}

static void leave_restart(struct show *sh)
{
	char took[STORY_DURATION_MAX];

	story_back(&sh->story, CEDAR);
	story_tell(&sh->story, false, "%s is among them again, %s after its start",
		   show_name(sh, CEDAR), story_duration(took, sh->story.rejoin_ns));
}

static int enter_again(struct show *sh)
{
	return command(sh, CEDAR, WIRE_GO, NULL, 0);
}

static void leave_again(struct show *sh)
{
	sh->story.phase = STORY_STEADY;
}

/* ------------------------------------------------------------------------- count */

static int enter_count(struct show *sh)
{
	int err = 0;

	story_tell(&sh->story, false, "all fall silent; what was sent is compared to what came");
	for (int i = 0; i < HOSTS && !err; i++)
		err = command(sh, i, WIRE_QUIET, NULL, 0);
	return err;
}

/* The last event of each source is, or is said not to be, at each sink. */
static bool do_accounts_close(const struct show *sh)
{
	for (int i = 0; i < HOSTS * HOSTS; i++) {
		const struct wire_ear *ear = &sh->story.pair[i / HOSTS][i % HOSTS].now;
		int source = i % HOSTS;

		if (!sh->quiet[source] || ear->source != sh->crew.mate[source].told.source ||
		    ear->last_seq != sh->story.submitted[source])
			return false;
	}
	return true;
}

static void leave_count(struct show *sh)
{
	uint64_t unexplained = story_unexplained(&sh->story);

	sh->story.exact = !unexplained;
	if (unexplained)
		show_fail(sh, "%" PRIu64 " events were missing, repeated or out of order without a "
			  "word of kecho", unexplained);
	else
		story_tell(&sh->story, false, "every event is accounted for");
}

static int enter_end(struct show *sh)
{
	crew_dismiss(&sh->crew);
	return 0;
}

static bool are_all_gone(const struct show *sh)
{
	return crew_is_gone(&sh->crew);
}

const struct step script[] = {
	{ enter_first, is_first_there, NULL, 0, 8000, "alder's node to join" },
	{ enter_rest, have_all_met, leave_rest, 0, 8000, "all nodes to see each other" },
	{ enter_steady, all_flow, leave_steady, 600, 5000, "ticks of all at all" },
	{ NULL, passed, NULL, 5000, 5000, NULL },
	{ enter_burst, all_flow, leave_steady, 2000, 6000, "all to flow after the burst" },
	{ NULL, passed, NULL, 1000, 1000, NULL },
	{ enter_short_cut, passed, NULL, 700, 700, NULL },
	{ enter_heal, have_resumed, leave_heal, 1500, 8000, "all to flow again" },
	{ NULL, passed, NULL, 1500, 1500, NULL },
	{ enter_long_cut, passed, NULL, 500, 500, NULL },
	{ enter_cut_burst, is_cut_noticed, NULL, 4000, 6000, "the others to notice the cut" },
	{ enter_heal, have_resumed, leave_heal, 1500, 10000, "all to flow again" },
	{ NULL, passed, NULL, 1500, 1500, NULL },
	{ enter_kill, is_death_noticed, NULL, 2000, 6000, "the others to notice the death" },
	{ enter_restart, has_rejoined, leave_restart, 0, 8000, "cedar's new node to join" },
	{ enter_again, all_flow, leave_again, 1000, 5000, "all to flow with cedar's new node" },
	{ NULL, passed, NULL, 2500, 2500, NULL },
	{ enter_count, do_accounts_close, leave_count, 0, 5000, "the last events of all at all" },
	{ enter_end, are_all_gone, NULL, 0, 6000, "the nodes to close and end" },
};

const unsigned int script_len = sizeof(script) / sizeof(script[0]);
