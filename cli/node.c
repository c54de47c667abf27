/* SPDX-License-Identifier: MIT */
/*
 * kecho node: the node of this host, which processes attach to.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "out.h"
#include "status.h"

static const char help[] =
	"Usage: kecho node status [OPTION...]\n"
	"\n"
	"Ask the node of this host, kecho.ko or kechod, how it is: what is attached and open,\n"
	"how many other nodes it knows, and how much memory that takes, in all and of you.\n"
	"\n"
	"Options:\n"
	"  -j, --json  one JSON object\n"
	"  -h, --help  this\n"
	"\n"
	"Examples:\n"
	"  kecho node status\n"
	"  KECHO_SOCKET=/tmp/kechod.sock kecho node status --json\n"
	"\n"
	"Exit codes: 0 done, 1 no node answers, or error, 2 usage.\n"
	"KECHO=kernel or KECHO=daemon asks only that one. KECHO_SOCKET is kechod's socket;\n"
	"/run/kecho/kechod.sock if it is not set.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void print_text(const struct kecho_ctl_status *st)
{
	buf_format(&out, "node       %s, ", st->name);
	if (st->pid)
		buf_format(&out, "kechod %s, process %u", st->version, st->pid);
	else
		buf_format(&out, "kecho.ko %s", st->version);
	buf_format(&out, ", up %" PRIu64 " s\n", (uint64_t)st->uptime_ms / 1000);
	buf_format(&out, "listens    %s\n", st->listen[0] ? st->listen : "for this host only");
	buf_format(&out, "registry   %s\n", st->registry[0] ? st->registry : "of this host");
	buf_format(&out, "processes  %u\n", st->processes);
	buf_format(&out, "channels   %u, with %u sources and %u sinks of this host\n", st->channels,
		   st->sources, st->sinks);
	buf_format(&out, "nodes      %u others, %u linked\n", st->nodes, st->links);
	buf_format(&out, "memory     %" PRIu64 " KiB; yours %" PRIu64 " of %" PRIu64 " KiB\n",
		   (uint64_t)st->memory_bytes >> 10, (uint64_t)st->user_memory_bytes >> 10,
		   (uint64_t)st->user_memory_max >> 10);
}

static void print_json(const struct kecho_ctl_status *st)
{
	struct json j = { .b = &out };

	json_object(&j);
	json_str(&j, "name", st->name);
	json_str(&j, "version", st->version);
	json_u64(&j, "pid", st->pid);
	json_u64(&j, "uptime_ms", st->uptime_ms);
	json_str(&j, "listen", st->listen);
	json_str(&j, "registry", st->registry);
	json_u64(&j, "processes", st->processes);
	json_u64(&j, "channels", st->channels);
	json_u64(&j, "sources", st->sources);
	json_u64(&j, "sinks", st->sinks);
	json_u64(&j, "nodes", st->nodes);
	json_u64(&j, "links", st->links);
	json_u64(&j, "memory_bytes", st->memory_bytes);
	json_u64(&j, "user_memory_bytes", st->user_memory_bytes);
	json_u64(&j, "user_memory_max", st->user_memory_max);
	json_object_end(&j);
	buf_char(&out, '\n');
}

static int status(bool json)
{
	struct kecho_ctl_status st;

	if (status_get(&st, false))
		return EXIT_ERROR;
	if (json)
		print_json(&st);
	else
		print_text(&st);
	return out_end(EXIT_OK);
}

static int node_run(int argc, char **argv)
{
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		if (opt != 'j')
			return usage_hint();
		json = true;
	}
	if (optind == argc)
		return usage_error("what of the node? There is status");
	if (strcmp(argv[optind], "status"))
		return usage_error("no '%s' of the node: there is status", argv[optind]);
	if (optind + 1 < argc)
		return usage_error("'%s' is one word too many", argv[optind + 1]);
	return status(json);
}

const struct verb verb_node = {
	.name = "node",
	.summary = "the node of this host, kecho.ko or kechod",
	.help = help,
	.run = node_run,
};
