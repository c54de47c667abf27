/* SPDX-License-Identifier: MIT */
/*
 * kecho perf: latency and throughput between processes, on one host or two.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "format.h"
#include "json.h"
#include "out.h"
#include "perf.h"
#include "stop.h"

#define DURATION_DEFAULT_NS	1000000000u
#define DURATION_MIN_NS		10000000u
#define RATE_DEFAULT		2000

static const char help[] =
	"Usage: kecho perf [OPTION...]\n"
	"       kecho perf pub [OPTION...] CHANNEL\n"
	"       kecho perf sub [OPTION...] CHANNEL\n"
	"\n"
	"Measure one-way latency with one event in flight, and throughput, for events of\n"
	"100 B, 1 KiB and 64 KiB. Alone it starts a publisher and a subscriber on a\n"
	"channel of its own. For two hosts, run `sub` on one, then `pub` on the other.\n"
	"\n"
	"Options:\n"
	"      --sizes LIST      bytes of an event, with K or M behind, with commas between\n"
	"                        (at least 16)\n"
	"      --duration TIME   of each run (default 1s)\n"
	"      --rate N          events per second while latency is measured (default 2000)\n"
	"      --sinks N         subscribers: started, or by `pub` waited for (default 1)\n"
	"      --policy POLICY   of the subscribers: latest, block (default), disconnect\n"
	"  -j, --json            one JSON object per run and subscriber\n"
	"  -h, --help            this\n"
	"\n"
	"Latency is from submit to the return of the subscriber's read. Between two hosts\n"
	"it is off by as much as their clocks are.\n"
	"\n"
	"Examples:\n"
	"  kecho perf\n"
	"  kecho perf --sizes 100,16K --sinks 8 --duration 300ms --json\n"
	"  kecho perf sub bench     on one host, and on another:\n"
	"  kecho perf pub bench\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 141 nobody reads\n"
	"stdout.\n";

enum { OPT_SIZES = 256, OPT_DURATION, OPT_RATE, OPT_SINKS, OPT_POLICY };

static const struct option options[] = {
	{ "sizes", required_argument, NULL, OPT_SIZES },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "sinks", required_argument, NULL, OPT_SINKS },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_sizes(struct perf_options *o, char *list)
{
	uint64_t size;
	char *one;

	o->nsizes = 0;
	while ((one = strsep(&list, ","))) {
		if (arg_size("--sizes", one, &size))
			return EXIT_USAGE;
		if (size < sizeof(struct perf_header) || size > KECHO_EVENT_MAX)
			return usage_error("--sizes: %s is not between %zu and %u bytes", one,
					   sizeof(struct perf_header), KECHO_EVENT_MAX);
		if (o->nsizes == PERF_SIZES_MAX)
			return usage_error("--sizes: more than %d of them", PERF_SIZES_MAX);
		o->size[o->nsizes++] = (uint32_t)size;
	}
	return 0;
}

static int parse_option(struct perf_options *o, int opt, char *arg)
{
	switch (opt) {
	case OPT_SIZES:
		return parse_sizes(o, arg);
	case OPT_DURATION:
		if (arg_duration("--duration", arg, &o->duration_ns))
			return EXIT_USAGE;
		if (o->duration_ns < DURATION_MIN_NS)
			return usage_error("--duration: '%s' is under 10ms", arg);
		return 0;
	case OPT_RATE:
		return arg_rate("--rate", arg, &o->per_s);
	case OPT_SINKS:
		return arg_range("--sinks", arg, 1, PERF_SINKS_MAX, &o->sinks);
	case OPT_POLICY:
		return arg_policy("--policy", arg, &o->policy);
	case 'j':
		o->json = true;
		return 0;
	}
	return usage_hint();
}

static int parse_options(struct perf_options *o, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		code = parse_option(o, opt, optarg);
	}
	return code;
}

/* A run in which no event came has no latencies. */
static void latency_json(struct json *j, const struct perf_result *r)
{
	json_bool(j, "two_clocks", r->remote);
	if (!r->events)
		return;
	json_real(j, "min_us", r->late.min_ns / 1e3, 3);
	json_real(j, "p50_us", r->late.p50_ns / 1e3, 3);
	json_real(j, "p90_us", r->late.p90_ns / 1e3, 3);
	json_real(j, "p99_us", r->late.p99_ns / 1e3, 3);
	json_real(j, "p999_us", r->late.p999_ns / 1e3, 3);
	json_real(j, "max_us", r->late.max_ns / 1e3, 3);
}

static void result_json(const struct perf_result *r)
{
	struct json j = { .b = &out };

	json_object(&j);
	json_str(&j, "run", r->kind == PERF_LATENCY ? "latency" : "throughput");
	json_u64(&j, "size", r->size);
	json_u64(&j, "sink", r->sink);
	json_u64(&j, "events", r->events);
	json_u64(&j, "lost", r->lost);
	json_real(&j, "seconds", r->seconds, 6);
	if (r->kind == PERF_LATENCY) {
		latency_json(&j, r);
	} else {
		json_real(&j, "events_per_s", r->events / r->seconds, 1);
		json_real(&j, "bytes_per_s", r->events / r->seconds * r->size, 1);
	}
	json_object_end(&j);
	buf_char(&out, '\n');
}

static void latency_text(const struct perf_result *r)
{
	const struct percentiles *p = &r->late;
	char min[FORMAT_MAX], p50[FORMAT_MAX], p90[FORMAT_MAX], p99[FORMAT_MAX];
	char p999[FORMAT_MAX], max[FORMAT_MAX];

	if (!r->events) {
		buf_str(&out, "no event came");
		return;
	}
	buf_format(&out, "min %s, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s (%" PRIu64 " events)",
		   format_duration(min, p->min_ns), format_duration(p50, p->p50_ns),
		   format_duration(p90, p->p90_ns), format_duration(p99, p->p99_ns),
		   format_duration(p999, p->p999_ns), format_duration(max, p->max_ns),
		   r->events);
	if (r->remote)
		buf_str(&out, ", by two hosts' clocks");
}

static void result_text(const struct perf_result *r)
{
	char size[FORMAT_MAX], rate[FORMAT_MAX], bytes[FORMAT_MAX];

	buf_format(&out, "%-10s %9s  sink %" PRIu32 ": ",
		   r->kind == PERF_LATENCY ? "latency" : "throughput",
		   format_bytes(size, r->size), r->sink);
	if (r->kind == PERF_LATENCY)
		latency_text(r);
	else
		buf_format(&out, "%s events/s, %s/s",
			   format_count(rate, r->events / r->seconds),
			   format_bytes(bytes, r->events / r->seconds * r->size));
	if (r->lost)
		buf_format(&out, ", %" PRIu64 " events lost", r->lost);
	buf_char(&out, '\n');
}

static int print_result(void *arg, const struct perf_result *result)
{
	const struct perf_options *o = arg;
	struct perf_result r = *result;

	/* A run so short that the clock did not move still has a rate. */
	if (r.seconds <= 0)
		r.seconds = 1e-9;
	if (!r.sink)
		r.sink = 1;
	if (o->json)
		result_json(&r);
	else
		result_text(&r);
	return out_idle();
}

static int perf_run(int argc, char **argv)
{
	struct perf_options o = {
		.size = { 100, 1 << 10, 64 << 10 },
		.nsizes = 3,
		.duration_ns = DURATION_DEFAULT_NS,
		.per_s = RATE_DEFAULT,
		.sinks = 1,
		.policy = KECHO_BLOCK,
	};
	int code = parse_options(&o, argc, argv);
	bool pub;

	if (code)
		return code;
	if (optind == argc)
		return out_end(perf_both(&o, print_result, &o));
	pub = !strcmp(argv[optind], "pub");
	if (!pub && strcmp(argv[optind], "sub"))
		return usage_error("'%s' is neither pub nor sub", argv[optind]);
	o.channel = channel_operand(argc, argv, optind + 1);
	if (!o.channel)
		return EXIT_USAGE;
	if (stop_init())
		return EXIT_ERROR;
	return out_end(pub ? perf_publish(&o) : perf_subscribe(&o, print_result, &o));
}

const struct verb verb_perf = {
	.name = "perf",
	.summary = "measure latency and throughput, on one host or two",
	.help = help,
	.run = perf_run,
};
