/* SPDX-License-Identifier: MIT */
/*
 * kecho: the command. Finds the verb and runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "out.h"
#include "program.h"

static const struct verb verb_metrics = {
	.name = "metrics",
	.summary = "what this node knows as OpenMetrics, printed or by HTTP",
};

static const struct verb verb_top = {
	.name = "top",
	.summary = "channels, members and links, live on the terminal",
};

static const struct verb *const verbs[] = {
	&verb_pub, &verb_sub, &verb_ls, &verb_stat, &verb_ping, &verb_perf,
	&verb_freeze, &verb_drain, &verb_destroy, &verb_node,
	&verb_tap, &verb_record, &verb_replay, &verb_graph, &verb_metrics,
	&verb_top, &verb_type, &verb_filter,
};
#define ALL_VERBS	\
	"pub, sub, ls, stat, ping, perf, freeze, drain, destroy, node, tap, record, replay, " \
	"graph, metrics, top, type and filter"
#define VERBS	(sizeof(verbs) / sizeof(verbs[0]))

static const char overview[] =
	"Usage: kecho VERB [OPTION...] [CHANNEL]\n"
	"       kecho help VERB\n"
	"       kecho --version\n"
	"\n"
	"Events flow through named channels from sources to sinks, between the processes\n"
	"of this host and of others. Nothing needs to be installed or started first.\n"
	"\n";

static const char first_steps[] =
	"\n"
	"First steps:\n"
	"  kecho sub news                    in one terminal: print what comes\n"
	"  echo hello | kecho pub news       in another: one event per line\n"
	"  kecho pub --from netlink news     what this kernel says of its network\n"
	"  kecho ls news                     who is in the channel\n"
	"\n"
	"Exit codes: 0 done, 1 error, 2 usage, 3 events were lost (with --strict),\n"
	"4 time is up (with --timeout). SIGINT and SIGTERM end a verb in good order.\n";

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static void print_overview(void)
{
	char line[80];

	out_text(overview);
	out_text("Verbs:\n");
	for (size_t i = 0; i < VERBS; i++) {
		snprintf(line, sizeof(line), "  %-7s  %s\n", verbs[i]->name, verbs[i]->summary);
		out_text(line);
	}
	out_text(first_steps);
	out_text(help_environment);
}

static int no_such_verb(const char *name)
{
	return usage_error("no verb '%s': there are " ALL_VERBS, name);
}

static int help(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 1) {
		print_overview();
		return out_end(EXIT_OK);
	}
	v = find_verb(argv[0]);
	if (!v)
		return no_such_verb(argv[0]);
	if (!v->run)
		return program_become(v, (char *[]){ argv[0], (char *)"--help", NULL });
	return print_help(v);
}

int main(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2)
		return usage_error("which verb? There are " ALL_VERBS);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 2, argv + 2);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		out_text("kecho " KECHO_VERSION "\n");
		return out_end(EXIT_OK);
	}
	v = find_verb(argv[1]);
	if (!v)
		return no_such_verb(argv[1]);
	return v->run ? run_verb(v, argc - 1, argv + 1) : program_become(v, argv + 1);
}
