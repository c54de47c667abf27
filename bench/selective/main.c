/* SPDX-License-Identifier: MIT */
/*
 * bench/selective: sinks that each want one event in a hundred, kecho's filters beside what
 * its peers have for that. It needs root or user namespaces.
 */
#include "audience.h"
#include "list.h"
#include "../peers/report.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SINKS		8
#define CHOSEN_MAX	LIST_SIZE

static const size_t sizes[] = { 100, 1024 };

struct run {
	const struct peer *peers;
	const char *name[CHOSEN_MAX];	/* none: all */
	unsigned int names;
	unsigned int hosts;		/* 0: 1 and 2 */
	struct options opt;
};

static void help(void)
{
	printf("%s - 8 sinks that want one event in a hundred: kecho's filters and others'\n\n"
	       "  --peer=NAME  this one only; may be given more than once\n"
	       "  --hosts=N    1: processes of one host, 2: of two network namespaces\n"
	       "  --list       the peers, and the packages of those that were not built\n"
	       "  --quick      %d short rounds instead of %d, for a look\n"
	       "  --json       one object a line\n"
	       "\n"
	       "Exits with 1 if kecho is not the best, 2 if a peer was not measured.\n",
	       program_invocation_short_name, HEAT_ROUNDS_QUICK, HEAT_ROUNDS);
}

static int choose_peer(struct run *r, const char *name)
{
	unsigned int i;

	for (i = 0; i < LIST_SIZE && strcmp(r->peers[i].name, name); i++)
		;
	if (i == LIST_SIZE || r->names == CHOSEN_MAX) {
		fprintf(stderr, "--peer=%s: --list shows what there is\n", name);
		return 2;
	}
	r->name[r->names++] = name;
	return -1;
}

static int choose_hosts(struct run *r, const char *text)
{
	if ((text[0] != '1' && text[0] != '2') || text[1]) {
		fprintf(stderr, "--hosts=%s: 1 or 2\n", text);
		return 2;
	}
	r->hosts = (unsigned int)(text[0] - '0');
	return -1;
}

/* Returns -1 to go on, else the exit status. */
static int parse(struct run *r, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "peer", required_argument, NULL, 'p' },
		{ "hosts", required_argument, NULL, 'o' },
		{ "list", no_argument, NULL, 'l' },
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, status = -1;

	while (status < 0 && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'p':
			status = choose_peer(r, optarg);
			break;
		case 'o':
			status = choose_hosts(r, optarg);
			break;
		case 'l':
			report_entrants(r->peers, LIST_SIZE, r->opt.json);
			return 0;
		case 'q':
			r->opt.quick = true;
			break;
		case 'j':
			r->opt.json = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			return 2;
		}
	}
	if (status < 0 && optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
		return 2;
	}
	return status;
}

static bool wanted(const struct run *r, const struct peer *p)
{
	unsigned int i;

	for (i = 0; i < r->names && strcmp(r->name[i], p->name); i++)
		;
	return !r->names || i < r->names;
}

static int run_heat(const struct run *r, struct heat *h, unsigned int hosts,
		    const struct task *task)
{
	unsigned int i;

	*h = (struct heat){
		.task = task,
		.hosts = hosts,
		.nsinks = SINKS,
		.rounds = r->opt.quick ? HEAT_ROUNDS_QUICK : HEAT_ROUNDS,
		.opt = r->opt,
	};
	for (i = 0; i < LIST_SIZE; i++)
		if (r->peers[i].hosts == hosts && wanted(r, &r->peers[i]))
			heat_enter(h, &r->peers[i]);
	if (!h->n)
		return 0;
	heat_run(h);
	return report_heat(h, r->opt.json);
}

static int run(struct run *r, struct heat *h)
{
	unsigned int hosts, i;
	int own, same, worst = 0;

	for (hosts = 1; hosts <= 2; hosts++) {
		if (r->hosts && hosts != r->hosts)
			continue;
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			r->opt.len = sizes[i];
			own = run_heat(r, h, hosts, &audience_own[hosts - 1]);
			same = run_heat(r, h, hosts, &audience_same[hosts - 1]);
			worst = own > worst ? own : worst;
			worst = same > worst ? same : worst;
		}
	}
	return worst;
}

int main(int argc, char **argv)
{
	struct run r = { .peers = list_peers() };
	struct heat *h;
	int status = parse(&r, argc, argv);

	if (status >= 0)
		return status;
	h = malloc(sizeof(*h));
	if (!h)
		return 2;
	if (r.opt.json)
		report_entrants(r.peers, LIST_SIZE, true);
	status = run(&r, h);
	free(h);
	return status;
}
