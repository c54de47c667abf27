/* SPDX-License-Identifier: MIT */
/*
 * kecho metrics: what is seen from here as OpenMetrics, once or by HTTP. It is a program
 * of its own: libmicrohttpd brings libraries that no other verb should have to load.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "cli.h"
#include "metrics.h"
#include "out.h"
#include "stop.h"

#define TIMEOUT_NS	1000000000u

static const char help[] =
	"Usage: kecho metrics [OPTION...]\n"
	"\n"
	"What this host's node knows, as OpenMetrics text: channels, their members with\n"
	"events, bytes, losses and lag, links to other nodes, and of kechod, if it runs, its\n"
	"processes and memory. Printed once, or served by HTTP as /metrics.\n"
	"\n"
	"Options:\n"
	"  -l, --listen ADDR[:PORT]  serve it there until stopped; PORT is 9879 if it is\n"
	"                            not given, and ADDR may be left out before :PORT\n"
	"                            (127.0.0.1)\n"
	"  -h, --help                this\n"
	"\n"
	"Examples:\n"
	"  kecho metrics\n"
	"  kecho metrics --listen 127.0.0.1\n"
	"  curl http://127.0.0.1:9879/metrics\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 141 nobody reads stdout.\n";

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct place {
	struct sockaddr_storage a;
	socklen_t len;		/* 0: nowhere */
};

static bool has_port(const char *s)
{
	const char *colon = strrchr(s, ':');

	if (s[0] == '[')
		return colon > strchr(s, ']');
	return colon && colon == strchr(s, ':');
}

static int parse_place(const char *s, struct place *p)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s", s[0] == ':' ? "127.0.0.1" : "", s);
	if (strlen(s) >= sizeof(text) || address_parse(text, &p->a, &p->len))
		return usage_error("--listen: '%s' is not ADDR[:PORT] or :PORT, in digits", s);
	if (!has_port(s))
		address_set_port(&p->a, METRICS_PORT);
	return 0;
}

static int parse(struct place *p, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "l:h", options, NULL)) != -1) {
		switch (opt) {
		case 'l':
			code = parse_place(optarg, p);
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	if (!code && optind < argc)
		code = usage_error("'%s' is one word too many", argv[optind]);
	return code;
}

static int metrics_run(int argc, char **argv)
{
	struct sight s = { .timeout_ns = TIMEOUT_NS };
	struct place p = { .len = 0 };
	int code = parse(&p, argc, argv), err;

	if (code)
		return code;
	err = stop_init();
	if (!err)
		err = attach(&s.k);
	if (!err) {
		err = p.len ? metrics_serve(&s, &p.a, p.len) : metrics_look(&out, &s);
		sight_end(&s);
		kecho_close(s.k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

static const struct verb verb_metrics = {
	.name = "metrics",
	.summary = "",		/* kecho itself has it */
	.help = help,
	.run = metrics_run,
};

int main(int argc, char **argv)
{
	return run_verb(&verb_metrics, argc, argv);
}
