/* SPDX-License-Identifier: MIT */
/*
 * kecho ping: how long a round trip to each other node of a channel takes.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "format.h"
#include "json.h"
#include "links.h"
#include "out.h"
#include "samples.h"
#include "stop.h"

#define SECOND_NS	1000000000u

static const char help[] =
	"Usage: kecho ping [OPTION...] CHANNEL\n"
	"\n"
	"Measure round trips to every other node of CHANNEL, on this host and others,\n"
	"until stopped; then print how many were answered, and min, avg, p99 and max.\n"
	"\n"
	"Options:\n"
	"  -n, --count N         this many to each node\n"
	"      --interval TIME   between two rounds (default 1s)\n"
	"      --timeout TIME    how long to wait for an answer (default 1s)\n"
	"  -q, --quiet           only the summary\n"
	"  -j, --json            one JSON object per round trip and per summary\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho ping news\n"
	"  kecho ping --count 1000 --interval 1ms --quiet news\n"
	"\n"
	"Exit codes: 0 each node answered at least once, 1 one did not, or error, 2 usage,\n"
	"141 nobody reads stdout.\n";

enum { OPT_INTERVAL = 256, OPT_TIMEOUT };

static const struct option options[] = {
	{ "count", required_argument, NULL, 'n' },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct target {
	struct kecho_link_info link;	/* as it was when last seen */
	uint64_t sent;
	struct samples rtt;
};

struct ping {
	const char *channel;
	uint64_t count;			/* 0: until stopped */
	uint64_t interval_ns, timeout_ns;
	bool quiet, json;
	struct kecho *k;
	struct target *target;
	size_t n;
};

static int parse(struct ping *p, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "n:qjh", options, NULL)) != -1) {
		switch (opt) {
		case 'n':
			code = arg_range("--count", optarg, 1, UINT32_MAX, &p->count);
			break;
		case OPT_INTERVAL:
			code = arg_duration("--interval", optarg, &p->interval_ns);
			break;
		case OPT_TIMEOUT:
			code = arg_duration("--timeout", optarg, &p->timeout_ns);
			break;
		case 'q':
			p->quiet = true;
			break;
		case 'j':
			p->json = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	if (code)
		return code;
	p->channel = channel_operand(argc, argv, optind);
	return p->channel ? 0 : EXIT_USAGE;
}

static void node_json(struct json *j, const char *event, const struct target *t)
{
	json_object(j);
	json_str(j, "event", event);
	json_id(j, "node", t->link.node);
	json_str(j, "name", t->link.name);
	json_str(j, "address", t->link.address);
}

static void tell_trip(const struct ping *p, const struct target *t, int64_t rtt_ns)
{
	struct json j = { .b = &out };
	char rtt[FORMAT_MAX];

	if (p->quiet)
		return;
	if (p->json) {
		node_json(&j, rtt_ns >= 0 ? "pong" : "missed", t);
		json_u64(&j, "seq", t->sent);
		if (rtt_ns >= 0)
			json_real(&j, "rtt_us", rtt_ns / 1e3, 3);
		json_object_end(&j);
		buf_char(&out, '\n');
		return;
	}
	buf_format(&out, "%s (%s): seq=%" PRIu64 " ", t->link.name, t->link.address, t->sent);
	if (rtt_ns >= 0)
		buf_format(&out, "time=%s\n", format_duration(rtt, rtt_ns));
	else
		buf_format(&out, "%s\n", rtt_ns == -ENOTCONN ? "no link" : "no answer");
}

static struct target *find_target(struct ping *p, const struct kecho_link_info *l)
{
	struct target *t;

	for (size_t i = 0; i < p->n; i++)
		if (p->target[i].link.node == l->node)
			return &p->target[i];
	p->target = grow(p->target, p->n + 1, sizeof(*t));
	t = &p->target[p->n++];
	memset(t, 0, sizeof(*t));
	t->link = *l;
	return t;
}

/* Nodes that join are pinged from their first round on, nodes that go not any
 * more; links that are down count as missed. */
static int round_trips(struct ping *p)
{
	struct links ls;
	int err = links_get(p->k, &ls);

	if (err)
		return err;
	for (size_t i = 0; i < ls.n && !stopped(); i++) {
		struct target *t = find_target(p, &ls.l[i]);
		int64_t rtt_ns;

		rtt_ns = kecho_ping(p->k, t->link.node, whole_ms(p->timeout_ns));
		t->sent++;
		if (rtt_ns >= 0)
			samples_add(&t->rtt, rtt_ns);
		tell_trip(p, t, rtt_ns);
	}
	links_free(&ls);
	if (!p->n) {
		complain("channel '%s' has no node but this one", p->channel);
		return -ENOTCONN;
	}
	return out_idle();
}

static void summary_text(struct target *t, const struct percentiles *s)
{
	char min[FORMAT_MAX], avg[FORMAT_MAX], p99[FORMAT_MAX], max[FORMAT_MAX];

	buf_format(&out, "%s (%s): %" PRIu64 " sent, %" PRIu64 " answered", t->link.name,
		   t->link.address, t->sent, t->rtt.total);
	if (t->rtt.n)
		buf_format(&out, ", min/avg/p99/max = %s / %s / %s / %s",
			   format_duration(min, s->min_ns), format_duration(avg, s->mean_ns),
			   format_duration(p99, s->p99_ns), format_duration(max, s->max_ns));
	buf_char(&out, '\n');
}

static void summary_json(struct target *t, const struct percentiles *s)
{
	struct json j = { .b = &out };

	node_json(&j, "summary", t);
	json_u64(&j, "sent", t->sent);
	json_u64(&j, "answered", t->rtt.total);
	if (t->rtt.n) {
		json_real(&j, "min_us", s->min_ns / 1e3, 3);
		json_real(&j, "avg_us", s->mean_ns / 1e3, 3);
		json_real(&j, "p50_us", s->p50_ns / 1e3, 3);
		json_real(&j, "p99_us", s->p99_ns / 1e3, 3);
		json_real(&j, "max_us", s->max_ns / 1e3, 3);
	}
	json_object_end(&j);
	buf_char(&out, '\n');
}

/* Returns the exit code: did every node answer at least once? */
static int summarize(struct ping *p)
{
	struct percentiles s;
	int code = EXIT_OK;

	if (!p->json)
		buf_format(&out, "--- %s: round trips ---\n", p->channel);
	for (size_t i = 0; i < p->n; i++) {
		struct target *t = &p->target[i];

		samples_percentiles(&t->rtt, &s);
		if (p->json)
			summary_json(t, &s);
		else
			summary_text(t, &s);
		if (!t->rtt.n)
			code = EXIT_ERROR;
	}
	return code;
}

static int run_channel(struct ping *p)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	struct kecho_channel *ch;
	uint64_t next = now_ns();
	int err = open_channel(p->k, p->channel, &opt, &ch);
	int code = EXIT_ERROR;

	if (err)
		return code;
	for (uint64_t i = 0; !err && !stopped() && (!p->count || i < p->count); i++) {
		if (i && stop_wait_until(next))
			break;
		err = round_trips(p);
		next += p->interval_ns;
	}
	if (p->n)
		code = summarize(p);
	kecho_channel_close(ch);
	return code;
}

static int ping_run(int argc, char **argv)
{
	struct ping p = { .interval_ns = SECOND_NS, .timeout_ns = SECOND_NS };
	int code = parse(&p, argc, argv);

	if (code)
		return code;
	if (stop_init() || attach(&p.k))
		return EXIT_ERROR;
	code = run_channel(&p);
	kecho_close(p.k);
	for (size_t i = 0; i < p.n; i++)
		samples_free(&p.target[i].rtt);
	free(p.target);
	return out_end(code);
}

const struct verb verb_ping = {
	.name = "ping",
	.summary = "round trips to the other nodes of a channel",
	.help = help,
	.run = ping_run,
};
