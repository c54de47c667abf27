/* SPDX-License-Identifier: MIT */
/*
 * bench/peers: kecho side by side with what else brings events to other processes. It
 * needs root or user namespaces.
 */
#include "report.h"
#include "round.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES_MAX	16

/* What of a run's tasks is wanted; nothing of a kind: all of it. */
struct choice {
	unsigned long v[CHOICES_MAX];
	unsigned int n;
};

struct run {
	struct choice hosts, sizes, sinks;
	const char *name[CHOICES_MAX];
	unsigned int names;
	struct options opt;
};

static const struct choice all_hosts = { { 1, 2 }, 2 };
static const struct choice all_sizes = { { 100, 1024, 65536 }, 3 };
static const struct choice all_sinks = { { 1, 2, 4, 8 }, 4 };

static void help(void)
{
	printf("%s - kecho side by side with its peers, measured in turn\n\n"
	       "  --peer=NAME  this one only; may be given more than once, as the next three\n"
	       "  --hosts=N    1: processes of one host, 2: of two network namespaces\n"
	       "  --size=N     bytes of an event, %d to %d; default 100, 1024, 65536\n"
	       "  --sinks=N    1 to %d; default 1, 2, 4, 8\n"
	       "  --list       the peers, and the packages of those that were not built\n"
	       "  --quick      %d short rounds instead of %d, for a look\n"
	       "  --json       one object a line\n"
	       "  --spread     publisher and sinks on all CPUs in turn; default: all on one\n"
	       "\n"
	       "Exits with 1 if kecho is not the best where it must be, 2 if a peer was not\n"
	       "measured.\n",
	       program_invocation_short_name, OPTIONS_SIZE_MIN, OPTIONS_SIZE_MAX,
	       TRANSPORT_SINKS_MAX, HEAT_ROUNDS_QUICK, HEAT_ROUNDS);
}

static int bad(const char *option, const char *text, const char *why)
{
	fprintf(stderr, "%s: --%s=%s: %s\n", program_invocation_short_name, option, text, why);
	return 2;
}

static int choose(struct choice *c, const char *option, const char *text, unsigned long min,
		  unsigned long max)
{
	char why[64], *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v < min || v > max) {
		snprintf(why, sizeof(why), "not a number from %lu to %lu", min, max);
		return bad(option, text, why);
	}
	if (c->n == CHOICES_MAX)
		return bad(option, text, "too many of them");
	c->v[c->n++] = v;
	return 0;
}

static int choose_peer(struct run *r, const char *name)
{
	size_t i;

	for (i = 0; i < peers_count && strcmp(peers[i].name, name); i++)
		;
	if (i == peers_count)
		return bad("peer", name, "no such peer; --list shows them");
	if (r->names == CHOICES_MAX)
		return bad("peer", name, "too many of them");
	r->name[r->names++] = name;
	return 0;
}

/* Returns -1 to go on, else the exit status. */
static int parse(struct run *r, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "peer", required_argument, NULL, 'p' },
		{ "hosts", required_argument, NULL, 'o' },
		{ "size", required_argument, NULL, 'z' },
		{ "sinks", required_argument, NULL, 'n' },
		{ "list", no_argument, NULL, 'l' },
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "spread", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool list = false;
	int c, err = 0;

	while (!err && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'p':
			err = choose_peer(r, optarg);
			break;
		case 'o':
			err = choose(&r->hosts, "hosts", optarg, 1, 2);
			break;
		case 'z':
			err = choose(&r->sizes, "size", optarg, OPTIONS_SIZE_MIN, OPTIONS_SIZE_MAX);
			break;
		case 'n':
			err = choose(&r->sinks, "sinks", optarg, 1, TRANSPORT_SINKS_MAX);
			break;
		case 'l':
			list = true;
			break;
		case 'q':
			r->opt.quick = true;
			break;
		case 'j':
			r->opt.json = true;
			break;
		case 's':
			r->opt.spread = true;
			break;
		case 'h':
			help();
			return 0;
		default:
			return 2;
		}
	}
	if (err)
		return err;
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'\n", argv[0], argv[optind]);
		return 2;
	}
	if (list)
		report_entrants(peers, peers_count, r->opt.json);
	return list ? 0 : -1;
}

static bool wanted(const struct run *r, const struct peer *p)
{
	unsigned int i;

	for (i = 0; i < r->names && strcmp(r->name[i], p->name); i++)
		;
	return !r->names || i < r->names;
}

static int run_heat(const struct run *r, struct heat *h)
{
	size_t i;
	int err;

	h->rounds = r->opt.quick ? HEAT_ROUNDS_QUICK : HEAT_ROUNDS;
	h->opt = r->opt;
	for (i = 0; i < peers_count; i++) {
		if (peers[i].hosts != h->hosts || !wanted(r, &peers[i]))
			continue;
		err = heat_enter(h, &peers[i]);
		if (err) {
			fprintf(stderr, "%s: more than %d at once\n", peers[i].name,
				HEAT_ENTRANTS_MAX);
			return 2;
		}
	}
	if (!h->n)
		return 0;
	heat_run(h);
	return report_heat(h, r->opt.json);
}

static int run(struct run *r, struct heat *h)
{
	unsigned int i, j, k;
	int one, status = 0;

	for (i = 0; i < r->hosts.n; i++) {
		for (j = 0; j < r->sizes.n; j++) {
			for (k = 0; k < r->sinks.n; k++) {
				*h = (struct heat){ .task = &round_task,
						    .hosts = (unsigned int)r->hosts.v[i],
						    .nsinks = (unsigned int)r->sinks.v[k] };
				r->opt.len = r->sizes.v[j];
				one = run_heat(r, h);
				if (one > status)
					status = one;
			}
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	struct heat *h;
	int status = parse(&r, argc, argv);

	if (status >= 0)
		return status;
	if (!r.hosts.n)
		r.hosts = all_hosts;
	if (!r.sizes.n)
		r.sizes = all_sizes;
	if (!r.sinks.n)
		r.sinks = all_sinks;
	h = malloc(sizeof(*h));
	if (!h)
		return 2;
	if (r.opt.json)
		report_entrants(peers, peers_count, true);
	status = run(&r, h);
	free(h);
	return status;
}
