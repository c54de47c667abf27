/* SPDX-License-Identifier: MIT */
/*
 * kecho stat: what flows: counters and rates of each member, and this node's links.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "channels.h"
#include "cli.h"
#include "format.h"
#include "json.h"
#include "members.h"
#include "out.h"
#include "stop.h"
#include "sight_json.h"

#define INTERVAL_DEFAULT_NS	1000000000u

static const char help[] =
	"Usage: kecho stat [OPTION...] [CHANNEL]\n"
	"\n"
	"For each member of CHANNEL, or of every channel of the registry: how many events\n"
	"it submitted or received, at which rate, how many it lost, how much waits for it.\n"
	"Then the links of this node with their round trips.\n"
	"\n"
	"Options:\n"
	"      --interval TIME   rates are over this time (default 1s; 0: no rates)\n"
	"  -n, --count N         this many reports (default 1; 0: until stopped)\n"
	"      --timeout TIME    how long to wait for a node's answer (default 1s)\n"
	"  -j, --json            one JSON object per report\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho stat news\n"
	"  kecho stat --interval 5s --count 0 --json news\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error (such as no such channel),\n"
	"2 usage, 141 nobody reads stdout.\n";

enum { OPT_INTERVAL = 256, OPT_TIMEOUT };

static const struct option options[] = {
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "count", required_argument, NULL, 'n' },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct stat_verb {
	bool json;
	uint64_t count, interval_ns;
	struct sight s;
};

static int parse(struct stat_verb *st, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "n:jh", options, NULL)) != -1) {
		switch (opt) {
		case OPT_INTERVAL:
			code = arg_duration("--interval", optarg, &st->interval_ns);
			break;
		case 'n':
			code = arg_count("--count", optarg, &st->count);
			break;
		case OPT_TIMEOUT:
			code = arg_duration("--timeout", optarg, &st->s.timeout_ns);
			break;
		case 'j':
			st->json = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	if (!code && !st->interval_ns && st->count != 1)
		code = usage_error("--count other than 1 takes an --interval over 0");
	if (code || optind == argc)
		return code;
	st->s.names = argv + optind;
	st->s.nnames = 1;
	return channel_operand(argc, argv, optind) ? 0 : EXIT_USAGE;
}

/* ------------------------------------------------------------------- a report */

static void member_text(const struct rated *r)
{
	char events[FORMAT_MAX], rate[FORMAT_MAX], bytes[FORMAT_MAX], lag[FORMAT_MAX];
	const struct kecho_member_stats *m = &r->now;
	bool sink = m->member.role == KECHO_SINK;

	buf_format(&out, "  %016" PRIx64 " %-6s %-10s %8s %10s %12s", m->member.id,
		   role_name(m->member.role), sink ? policy_name(m->member.policy) : "-",
		   format_count(events, m->events), format_count(rate, r->events_per_s),
		   format_bytes(bytes, r->bytes_per_s));
	if (sink)
		buf_format(&out, " %8" PRIu64 " %8" PRIu64 " %10s", m->lost, m->expired,
			   format_bytes(lag, m->lag_bytes));
	else
		buf_format(&out, " %8s %8" PRIu64 " %10s", "-", m->expired, "-");
	buf_format(&out, "  %s\n", m->node_name);
}

static void link_text(const struct kecho_link_info *l)
{
	char rtt[FORMAT_MAX], rx[FORMAT_MAX], tx[FORMAT_MAX];

	buf_format(&out, "  %-7s %-22s %10s %12s %12s %8" PRIu64 "  %s", link_state(l),
		   l->address[0] ? l->address : "-",
		   l->rtt_ns ? format_duration(rtt, l->rtt_ns) : "-",
		   format_bytes(rx, l->rx_bytes), format_bytes(tx, l->tx_bytes), l->resumed,
		   l->name[0] ? l->name : "-");
	if (!l->up)
		buf_format(&out, " (%s)", link_trouble(l));
	buf_char(&out, '\n');
}

/* That there are two channels of the name, as far as one knows in this one. */
static void report_other(const struct stat_verb *st, struct json *j, struct kecho_channel *ch)
{
	char text[UUID_TEXT];
	uint8_t uuid[16];
	int other = kecho_channel_other(ch, uuid);

	if (other <= KECHO_OTHER_NONE)
		return;
	if (st->json) {
		json_str(j, "other_uuid", uuid_text(text, uuid));
		json_bool(j, "other_has_name", other == KECHO_OTHER_NAMED);
		return;
	}
	buf_format(&out, "  another channel %s this name: %s\n",
		   other == KECHO_OTHER_NAMED ? "has" : "claims", uuid_text(text, uuid));
}

static void report_channel(const struct stat_verb *st, struct json *j, const struct sighted *c)
{
	if (!st->json) {
		buf_format(&out, "channel %s\n", c->name);
		report_other(st, j, c->ch);
		buf_format(&out, "  %-16s %-6s %-10s %8s %10s %12s %8s %8s %10s  %s\n",
			   "MEMBER", "ROLE", "POLICY", "EVENTS", "EVENTS/S", "BYTES/S", "LOST",
			   "EXPIRED", "LAG", "NODE");
		for (size_t i = 0; i < c->now.n; i++)
			member_text(&c->m[i]);
		return;
	}
	json_object(j);
	json_str(j, "channel", c->name);
	report_other(st, j, c->ch);
	json_key(j, "members");
	json_array(j);
	for (size_t i = 0; i < c->now.n; i++)
		rated_json(j, &c->m[i]);
	json_array_end(j);
	json_object_end(j);
}

static void report_links(const struct stat_verb *st, struct json *j)
{
	const struct sight *s = &st->s;

	if (st->json) {
		json_key(j, "links");
		json_array(j);
	} else if (s->nlinks) {
		buf_format(&out, "links\n  %-7s %-22s %10s %12s %12s %8s  %s\n", "STATE", "ADDRESS",
			   "RTT", "RECEIVED", "SENT", "RESUMED", "NODE");
	}
	for (size_t i = 0; i < s->nlinks; i++) {
		if (st->json)
			rated_link_json(j, &s->l[i]);
		else
			link_text(&s->l[i].now);
	}
	if (st->json)
		json_array_end(j);
}

static int report(struct stat_verb *st)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];

	if (st->json) {
		json_object(&j);
		json_str(&j, "time", format_utc(time, real_ns()));
		json_real(&j, "interval_s", st->interval_ns / 1e9, 3);
		json_key(&j, "channels");
		json_array(&j);
	}
	for (size_t i = 0; i < st->s.n; i++)
		if (st->s.c[i].ch)
			report_channel(st, &j, &st->s.c[i]);
	if (st->json)
		json_array_end(&j);
	report_links(st, &j);
	if (st->json) {
		json_object_end(&j);
		buf_char(&out, '\n');
	}
	return out_idle();
}

/* ------------------------------------------------------------------- the verb */

static int run_reports(struct stat_verb *st)
{
	uint64_t next = now_ns();
	int err = sight_begin(&st->s);

	if (!st->interval_ns)
		return err ?: report(st);
	for (uint64_t n = 0; !err && (!st->count || n < st->count); n++) {
		next += st->interval_ns;
		if (stop_wait_until(next))
			break;
		err = sight_take(&st->s) ?: report(st);
	}
	return err;
}

static int stat_run(int argc, char **argv)
{
	struct stat_verb st = {
		.count = 1,
		.interval_ns = INTERVAL_DEFAULT_NS,
		.s.timeout_ns = 1000000000u,
	};
	int code = parse(&st, argc, argv), err;

	if (code)
		return code;
	err = stop_init();
	if (!err)
		err = attach(&st.s.k);
	if (!err) {
		err = run_reports(&st);
		sight_end(&st.s);
		kecho_close(st.s.k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

const struct verb verb_stat = {
	.name = "stat",
	.summary = "what flows: counters, rates, losses and links",
	.help = help,
	.run = stat_run,
};
