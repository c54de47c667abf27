/* SPDX-License-Identifier: MIT */
/*
 * What is seen from here, as metrics. Everything is said by tables of families: where in
 * which struct the number stands. All samples of a family come together, so each family
 * goes over all channels.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "members.h"
#include "metrics.h"
#include "openmetrics.h"
#include "status.h"

#define ID_TEXT	17	/* bytes of an id in text, with the ending 0 */

static const char *id_text(char to[ID_TEXT], uint64_t id)
{
	snprintf(to, ID_TEXT, "%016" PRIx64, id);
	return to;
}

/* ------------------------------------------------------------------ channels */

static uint64_t silent(const struct sighted *c)
{
	return c->now.silent;
}

static uint64_t other(const struct sighted *c)
{
	uint8_t uuid[16];

	return kecho_channel_other(c->ch, uuid) > KECHO_OTHER_NONE;
}

static const struct {
	struct metric m;
	uint64_t (*value)(const struct sighted *c);
} of_channels[] = {
	{ { "kecho_channel_silent_members", METRIC_GAUGE, "members",
	    "Members whose node did not answer, so that nothing else is said of them." }, silent },
	{ { "kecho_channel_other", METRIC_GAUGE, NULL,
	    "1 if another channel has or claims this one's name." }, other },
};

static void members_of_role(struct buf *b, const struct metric *m, const struct sighted *c,
			    enum kecho_role role)
{
	struct label l[] = { { "channel", c->name }, { "role", role_name(role) } };
	uint64_t n = 0;

	for (size_t i = 0; i < c->now.n; i++)
		n += c->now.m[i].member.role == role;
	metric_u64(b, m, l, 2, n);
}

static void channels(struct buf *b, const struct sight *s)
{
	static const struct metric all = {
		"kecho_channels", METRIC_GAUGE, NULL, "Channels that are looked at.",
	};
	static const struct metric left_out = {
		"kecho_channels_left_out", METRIC_GAUGE, NULL,
		"Channels that are known and could not be opened.",
	};
	static const struct metric members = {
		"kecho_channel_members", METRIC_GAUGE, "members", "Members that answered, by role.",
	};
	uint64_t open = 0;

	for (size_t i = 0; i < s->n; i++)
		open += !!s->c[i].ch;
	metric_family(b, &all);
	metric_u64(b, &all, NULL, 0, open);
	metric_family(b, &left_out);
	metric_u64(b, &left_out, NULL, 0, s->n - open);
	metric_family(b, &members);
	for (size_t i = 0; i < s->n; i++) {
		if (!s->c[i].ch)
			continue;
		members_of_role(b, &members, &s->c[i], KECHO_SOURCE);
		members_of_role(b, &members, &s->c[i], KECHO_SINK);
	}
	for (size_t f = 0; f < sizeof(of_channels) / sizeof(of_channels[0]); f++) {
		metric_family(b, &of_channels[f].m);
		for (size_t i = 0; i < s->n; i++) {
			struct label l = { "channel", s->c[i].name };

			if (s->c[i].ch)
				metric_u64(b, &of_channels[f].m, &l, 1,
					   of_channels[f].value(&s->c[i]));
		}
	}
}

/* ------------------------------------------------------------------- members */

static const struct member_family {
	struct metric m;
	enum kecho_role role;
	size_t at;		/* in struct kecho_member_stats */
} of_members[] = {
	{ { "kecho_source_events", METRIC_COUNTER, "events", "Events submitted." },
	  KECHO_SOURCE, offsetof(struct kecho_member_stats, events) },
	{ { "kecho_source_bytes", METRIC_COUNTER, "bytes", "Bytes of the events submitted." },
	  KECHO_SOURCE, offsetof(struct kecho_member_stats, bytes) },
	{ { "kecho_source_lost_events", METRIC_COUNTER, "events",
	    "Events that sinks of other processes have lost, as far as they have said." },
	  KECHO_SOURCE, offsetof(struct kecho_member_stats, lost) },
	{ { "kecho_source_expired_events", METRIC_COUNTER, "events",
	    "Events that were not sent to other hosts as they had expired, to each." },
	  KECHO_SOURCE, offsetof(struct kecho_member_stats, expired) },
	{ { "kecho_sink_events", METRIC_COUNTER, "events", "Events received." },
	  KECHO_SINK, offsetof(struct kecho_member_stats, events) },
	{ { "kecho_sink_bytes", METRIC_COUNTER, "bytes", "Bytes of the events received." },
	  KECHO_SINK, offsetof(struct kecho_member_stats, bytes) },
	{ { "kecho_sink_lost_events", METRIC_COUNTER, "events",
	    "Events that will not come. By policy: latest was overtaken; disconnect was, and "
	    "ended; block was ended as it stalled a source." },
	  KECHO_SINK, offsetof(struct kecho_member_stats, lost) },
	{ { "kecho_sink_expired_events", METRIC_COUNTER, "events",
	    "Events that were of no use any more before they were read." },
	  KECHO_SINK, offsetof(struct kecho_member_stats, expired) },
	{ { "kecho_sink_lag_bytes", METRIC_GAUGE, "bytes", "Published and not yet read." },
	  KECHO_SINK, offsetof(struct kecho_member_stats, lag_bytes) },
};

static void member(struct buf *b, const struct member_family *f, const struct sighted *c,
		   const struct kecho_member_stats *m)
{
	char id[ID_TEXT], node[ID_TEXT];
	struct label l[] = {
		{ "channel", c->name },
		{ "member", id_text(id, m->member.id) },
		{ "node", id_text(node, m->member.node) },
		{ "node_name", m->node_name },
		{ "host", m->member.remote ? "remote" : "local" },
		{ "policy", policy_name(m->member.policy) },
	};
	uint64_t value;

	memcpy(&value, (const char *)m + f->at, sizeof(value));
	metric_u64(b, &f->m, l, f->role == KECHO_SINK ? 6 : 5, value);
}

static void members(struct buf *b, const struct sight *s)
{
	for (size_t i = 0; i < sizeof(of_members) / sizeof(of_members[0]); i++) {
		const struct member_family *f = &of_members[i];

		metric_family(b, &f->m);
		for (size_t c = 0; c < s->n; c++)
			for (size_t m = 0; m < s->c[c].now.n; m++)
				if (s->c[c].now.m[m].member.role == f->role)
					member(b, f, &s->c[c], &s->c[c].now.m[m]);
	}
}

/* --------------------------------------------------------------------- links */

static const struct {
	struct metric m;
	size_t at;		/* in struct kecho_link_info */
} of_links[] = {
	{ { "kecho_link_received_bytes", METRIC_COUNTER, "bytes",
	    "Bytes that came over the connection." },
	  offsetof(struct kecho_link_info, rx_bytes) },
	{ { "kecho_link_sent_bytes", METRIC_COUNTER, "bytes",
	    "Bytes that went over the connection." },
	  offsetof(struct kecho_link_info, tx_bytes) },
	{ { "kecho_link_resumed", METRIC_COUNTER, NULL, "Times that it went on after a break." },
	  offsetof(struct kecho_link_info, resumed) },
};

#define LINK_LABELS	3

static const struct label *link_labels(const struct kecho_link_info *l, char id[ID_TEXT],
				       struct label to[LINK_LABELS])
{
	to[0] = (struct label){ "node", id_text(id, l->node) };
	to[1] = (struct label){ "node_name", l->name };
	to[2] = (struct label){ "address", l->address };
	return to;
}

static void links(struct buf *b, const struct sight *s)
{
	static const struct metric up = {
		"kecho_link_up", METRIC_GAUGE, NULL, "1 if there is a connection to the node.",
	};
	static const struct metric rtt = {
		"kecho_link_round_trip_seconds", METRIC_GAUGE, "seconds", "Of the last ping.",
	};
	struct label l[LINK_LABELS];
	char id[ID_TEXT];

	metric_family(b, &up);
	for (size_t i = 0; i < s->nlinks; i++)
		metric_u64(b, &up, link_labels(&s->l[i].now, id, l), LINK_LABELS, s->l[i].now.up);
	metric_family(b, &rtt);
	for (size_t i = 0; i < s->nlinks; i++)
		if (s->l[i].now.rtt_ns)
			metric_real(b, &rtt, link_labels(&s->l[i].now, id, l), LINK_LABELS,
				    s->l[i].now.rtt_ns / 1e9);
	for (size_t f = 0; f < sizeof(of_links) / sizeof(of_links[0]); f++) {
		metric_family(b, &of_links[f].m);
		for (size_t i = 0; i < s->nlinks; i++) {
			const struct kecho_link_info *now = &s->l[i].now;
			uint64_t value;

			memcpy(&value, (const char *)now + of_links[f].at, sizeof(value));
			metric_u64(b, &of_links[f].m, link_labels(now, id, l), LINK_LABELS, value);
		}
	}
}

/* ------------------------------------------------------------------ the node */

static void number(struct buf *b, const char *name, const char *unit, const char *help,
		   uint64_t value)
{
	struct metric m = { name, METRIC_GAUGE, unit, help };

	metric_family(b, &m);
	metric_u64(b, &m, NULL, 0, value);
}

static void node(struct buf *b, const struct kecho_ctl_status *st)
{
	static const struct metric info = {
		"kecho_node", METRIC_INFO, NULL, "The node of this host, kechod.",
	};
	struct label l[] = { { "name", st->name }, { "version", st->version },
			     { "listen", st->listen }, { "registry", st->registry } };

	metric_family(b, &info);
	metric_u64(b, &info, l, 4, 1);
	number(b, "kecho_node_uptime_seconds", "seconds", "Since kechod began.",
	       st->uptime_ms / 1000);
	number(b, "kecho_node_processes", "processes", "Connected to it, with who asks.",
	       st->processes);
	number(b, "kecho_node_channels", "channels", "That it has open.", st->channels);
	number(b, "kecho_node_sources", "sources", "Of its processes.", st->sources);
	number(b, "kecho_node_sinks", "sinks", "Of its processes.", st->sinks);
	number(b, "kecho_node_nodes", "nodes", "Others that it knows.", st->nodes);
	number(b, "kecho_node_links", "links", "That are up.", st->links);
	number(b, "kecho_node_memory_bytes", "bytes", "What its users are charged for, in all.",
	       st->memory_bytes);
	number(b, "kecho_node_user_memory_bytes", "bytes", "What the user who asks is charged for.",
	       st->user_memory_bytes);
	number(b, "kecho_node_user_memory_max_bytes", "bytes", "What each user may have.",
	       st->user_memory_max);
}

void metrics_text(struct buf *b, const struct sight *s, const struct kecho_ctl_status *st)
{
	static const struct metric build = {
		"kecho_build", METRIC_INFO, NULL, "The version of what says this.",
	};
	struct label version = { "version", KECHO_VERSION };

	metric_family(b, &build);
	metric_u64(b, &build, &version, 1, 1);
	channels(b, s);
	members(b, s);
	links(b, s);
	if (st)
		node(b, st);
	metric_end(b);
}

int metrics_look(struct buf *b, struct sight *s)
{
	struct kecho_ctl_status st;
	int err = sight_take(s), here;

	if (err)
		return err;
	here = status_get(&st, true);
	if (here && here != -ENOENT && here != -ECONNREFUSED)
		return here;
	metrics_text(b, s, here ? NULL : &st);
	return 0;
}
