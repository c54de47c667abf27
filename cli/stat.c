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
#include "links.h"
#include "members.h"
#include "out.h"
#include "snapshot.h"
#include "stop.h"

#define INTERVAL_DEFAULT_NS	1000000000u
#define PING_TIMEOUT_MS		1000

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
	const char *channel;		/* NULL: all */
	bool json;
	uint64_t count, interval_ns, timeout_ns;
	struct kecho *k;
	struct kecho_channel **ch;
	struct snapshot *was;		/* of each of the channels */
	size_t n;
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
			code = arg_duration("--timeout", optarg, &st->timeout_ns);
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
	st->channel = channel_operand(argc, argv, optind);
	return st->channel ? 0 : EXIT_USAGE;
}

/* ------------------------------------------------------------------- a report */

static double per_s(uint64_t now, uint64_t was, double seconds)
{
	return now > was && seconds > 0 ? (now - was) / seconds : 0;
}

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
		buf_format(&out, " %8" PRIu64 " %10s", m->lost, format_bytes(lag, m->lag_bytes));
	else
		buf_format(&out, " %8s %10s", "-", "-");
	buf_format(&out, "  %s\n", m->node_name);
}

static void member_stats_json(struct json *j, const struct rated *r)
{
	const struct kecho_member_stats *m = &r->now;

	json_object(j);
	json_id(j, "member", m->member.id);
	json_str(j, "role", role_name(m->member.role));
	json_id(j, "node", m->member.node);
	json_str(j, "node_name", m->node_name);
	json_bool(j, "remote", m->member.remote);
	json_u64(j, "events", m->events);
	json_u64(j, "bytes", m->bytes);
	json_real(j, "events_per_s", r->events_per_s, 1);
	json_real(j, "bytes_per_s", r->bytes_per_s, 1);
	if (m->member.role == KECHO_SINK) {
		json_str(j, "policy", policy_name(m->member.policy));
		json_u64(j, "lost", m->lost);
		json_u64(j, "lag_bytes", m->lag_bytes);
	}
	json_object_end(j);
}

static void link_text(const struct kecho_link_info *l)
{
	char rtt[FORMAT_MAX], rx[FORMAT_MAX], tx[FORMAT_MAX];
	const char *state = l->refused ? "refused" : l->up ? "up" : "down";

	buf_format(&out, "  %-7s %-22s %10s %12s %12s %8" PRIu64 "  %s", state,
		   l->address[0] ? l->address : "-",
		   l->rtt_ns ? format_duration(rtt, l->rtt_ns) : "-",
		   format_bytes(rx, l->rx_bytes), format_bytes(tx, l->tx_bytes), l->resumed,
		   l->name[0] ? l->name : "-");
	if (!l->up)
		buf_format(&out, " (%s)", link_trouble(l));
	buf_char(&out, '\n');
}

static void link_json(struct json *j, const struct kecho_link_info *l)
{
	json_object(j);
	json_id(j, "node", l->node);
	json_str(j, "name", l->name);
	json_str(j, "address", l->address);
	json_bool(j, "up", l->up);
	json_bool(j, "refused", l->refused);
	json_u64(j, "version", l->version);
	json_u64(j, "oldest_version", l->oldest);
	json_u64(j, "newest_version", l->newest);
	if (l->up)
		json_null(j, "trouble");
	else
		json_str(j, "trouble", link_trouble(l));
	if (l->rtt_ns)
		json_real(j, "rtt_us", l->rtt_ns / 1e3, 3);
	else
		json_null(j, "rtt_us");
	json_u64(j, "rx_bytes", l->rx_bytes);
	json_u64(j, "tx_bytes", l->tx_bytes);
	json_u64(j, "resumed", l->resumed);
	json_object_end(j);
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

static void report_channel(const struct stat_verb *st, struct json *j, struct kecho_channel *ch,
			   const struct rated *r, size_t n)
{
	if (!st->json) {
		buf_format(&out, "channel %s\n", kecho_channel_name(ch));
		report_other(st, j, ch);
		buf_format(&out, "  %-16s %-6s %-10s %8s %10s %12s %8s %10s  %s\n", "MEMBER",
			   "ROLE", "POLICY", "EVENTS", "EVENTS/S", "BYTES/S", "LOST", "LAG",
			   "NODE");
		for (size_t i = 0; i < n; i++)
			member_text(&r[i]);
		return;
	}
	json_object(j);
	json_str(j, "channel", kecho_channel_name(ch));
	report_other(st, j, ch);
	json_key(j, "members");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		member_stats_json(j, &r[i]);
	json_array_end(j);
	json_object_end(j);
}

/* The counters of one channel now, and the rates since its last report. */
static int report_counters(struct stat_verb *st, struct json *j, size_t i)
{
	struct snapshot now;
	struct rated *r;
	int err;

	err = snapshot_take(&now, st->ch[i], whole_ms(st->timeout_ns));
	if (err)
		return err;
	r = grow(NULL, now.n, sizeof(*r));
	for (size_t m = 0; m < now.n; m++) {
		const struct kecho_member_stats *was = snapshot_find(&st->was[i], &now.m[m]);
		double seconds = (now.taken_ns - st->was[i].taken_ns) / 1e9;

		r[m].now = now.m[m];
		/* Who joined since then began at 0. */
		r[m].events_per_s = per_s(now.m[m].events, was ? was->events : 0, seconds);
		r[m].bytes_per_s = per_s(now.m[m].bytes, was ? was->bytes : 0, seconds);
		if (!st->was[i].taken_ns)
			r[m].events_per_s = r[m].bytes_per_s = 0;
	}
	report_channel(st, j, st->ch[i], r, now.n);
	free(r);
	snapshot_free(&st->was[i]);
	st->was[i] = now;
	return 0;
}

static int report_links(struct stat_verb *st, struct json *j)
{
	struct links ls;
	int err = links_get(st->k, &ls);

	if (err)
		return err;
	/* So that there is a fresh round trip to show; who does not answer has none. */
	for (size_t i = 0; i < ls.n; i++)
		if (ls.l[i].up)
			kecho_ping(st->k, ls.l[i].node, PING_TIMEOUT_MS);
	links_free(&ls);
	err = links_get(st->k, &ls);
	if (err)
		return err;
	if (st->json) {
		json_key(j, "links");
		json_array(j);
	} else if (ls.n) {
		buf_format(&out, "links\n  %-7s %-22s %10s %12s %12s %8s  %s\n", "STATE", "ADDRESS",
			   "RTT", "RECEIVED", "SENT", "RESUMED", "NODE");
	}
	for (size_t i = 0; i < ls.n; i++) {
		if (st->json)
			link_json(j, &ls.l[i]);
		else
			link_text(&ls.l[i]);
	}
	if (st->json)
		json_array_end(j);
	links_free(&ls);
	return 0;
}

static int report(struct stat_verb *st)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];
	int err = 0;

	if (st->json) {
		json_object(&j);
		json_str(&j, "time", format_utc(time, real_ns()));
		json_real(&j, "interval_s", st->interval_ns / 1e9, 3);
		json_key(&j, "channels");
		json_array(&j);
	}
	for (size_t i = 0; i < st->n && !err; i++)
		err = report_counters(st, &j, i);
	if (st->json)
		json_array_end(&j);
	if (!err)
		err = report_links(st, &j);
	if (err) {
		/* Half a report is none. */
		buf_reset(&out);
		return err;
	}
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
	int err = 0;

	if (!st->interval_ns)
		return report(st);
	for (size_t i = 0; i < st->n && !err; i++)
		err = snapshot_take(&st->was[i], st->ch[i], whole_ms(st->timeout_ns));
	for (uint64_t n = 0; !err && (!st->count || n < st->count); n++) {
		next += st->interval_ns;
		if (stop_wait_until(next))
			break;
		err = report(st);
	}
	return err;
}

static void add_channel(struct stat_verb *st, struct kecho_channel *ch)
{
	st->ch = grow(st->ch, st->n + 1, sizeof(*st->ch));
	st->was = grow(st->was, st->n + 1, sizeof(*st->was));
	memset(&st->was[st->n], 0, sizeof(*st->was));
	st->ch[st->n++] = ch;
}

/* Every channel of the registry; one that goes away meanwhile is left out. */
static int open_all(struct stat_verb *st)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	struct kecho_channel *ch;
	struct channels cs;
	int err = channels_get(st->k, &cs);

	if (err)
		return err;
	qsort(cs.c, cs.n, sizeof(*cs.c), compare_names);
	for (size_t i = 0; i < cs.n && !stopped(); i++) {
		char uuid[UUID_TEXT];

		if (cs.c[i].other) {
			complain("left out channel %s, which claims the name '%s' of another",
				 uuid_text(uuid, cs.c[i].uuid), cs.c[i].name);
			continue;
		}
		err = kecho_channel_open(st->k, cs.c[i].name, &opt, &ch);
		if (!err)
			add_channel(st, ch);
		else if (err != -ENOENT)
			complain("left out channel '%s': %s", cs.c[i].name, kecho_explain());
	}
	channels_free(&cs);
	return 0;
}

static int open_channels(struct stat_verb *st)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	struct kecho_channel *ch;
	int err;

	if (!st->channel)
		return open_all(st);
	err = open_channel(st->k, st->channel, &opt, &ch);
	if (!err)
		add_channel(st, ch);
	return err;
}

static void close_channels(struct stat_verb *st)
{
	while (st->n) {
		snapshot_free(&st->was[--st->n]);
		kecho_channel_close(st->ch[st->n]);
	}
	free(st->was);
	free(st->ch);
}

static int stat_run(int argc, char **argv)
{
	struct stat_verb st = {
		.count = 1,
		.interval_ns = INTERVAL_DEFAULT_NS,
		.timeout_ns = 1000000000u,
	};
	int code = parse(&st, argc, argv), err;

	if (code)
		return code;
	err = stop_init();
	if (!err)
		err = attach(&st.k);
	if (!err) {
		err = open_channels(&st);
		if (!err)
			err = run_reports(&st);
		close_channels(&st);
		kecho_close(st.k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

const struct verb verb_stat = {
	.name = "stat",
	.summary = "what flows: counters, rates, losses and links",
	.help = help,
	.run = stat_run,
};
