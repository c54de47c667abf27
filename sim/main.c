// SPDX-License-Identifier: MIT
/*
 * kecho-sim: many runs of the very core in a made-up world, one after the other, and
 * what came of them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim.h"

enum {
	EXIT_BROKEN = 1,	/* an invariant is */
	EXIT_USAGE = 2,
	EXIT_NEVER = 4,		/* all is well, but something was not exercised */
	EVENTS_DEFAULT = 8000,
	SEEDS_FOR_COVER = 200,	/* from so many on everything must be */
	SCALES_MAX = 8,
	SCALE_NODES_MAX = 4000,
};

struct options {
	struct sim_options sim;
	u64 first, last;
	bool vary;		/* nodes, channels and members from the seed */
	bool replay, hash;
	u32 scale[SCALES_MAX], nscale;	/* nodes of each */
};

static const char help_head[] =
	"Usage: kecho-sim [OPTION]...\n"
	"\n"
	"Runs kecho's core in a simulated world: virtual time, a network, nodes that die,\n"
	"stand still and come back. All chance comes from the seed, so a run can be repeated\n"
	"exactly. After every step the invariants are checked; see docs/simulator.md.\n"
	"\n"
	"  --seed N           the one run with this seed (default: 1)\n"
	"  --seeds FROM-TO    one run for each of these\n"
	"  --nodes M          nodes, 2 to 32 (default: 2 to 5, from the seed)\n"
	"  --hosts H          that those run on (default: 1 to as many, from the seed)\n"
	"  --channels C       channels, 1 to 16 (default: 1 to 3, from the seed)\n"
	"  --members K        members that a channel begins with (default: from the seed)\n"
	"  --events E         events until the faults end (default: 8000)\n"
	"  --filters          sinks have filters in each run (default: in half, by the seed)\n"
	"  --faults LIST      which, separated by commas; all, none (default: all)\n"
	"  --replay SEED      the run with this seed, with all that happens\n"
	"  --trace            print all that happens\n"
	"  --hash             print the hash of each run's trace\n"
	"  --scale[=LIST]     instead: what joins, events and idle nodes cost in clusters of so\n"
	"                     many nodes each (default: 10,100,300,1000); see docs/scale.md\n"
	"  --help             this\n"
	"\n"
	"Faults:\n";

static const char help_tail[] =
	"\n"
	"Exit codes: 0 all invariants held; 1 one is broken: its seed, step and the last that\n"
	"happened are printed; 2 wrong usage; 3 no memory; 4 over 200 seeds or more some fault\n"
	"or path was never exercised.\n"
	"\n"
	"Examples:\n"
	"  kecho-sim --seeds 1-1000\n"
	"  kecho-sim --seeds 1-100 --faults cut,kill --nodes 3 --events 20000\n"
	"  kecho-sim --replay 17 | less\n";

static void help(void)
{
	fputs(help_head, stdout);
	cover_list();
	fputs(help_tail, stdout);
}

/* ------------------------------------------------------------------- options */

static int number(const char *name, const char *text, u64 least, u64 most, u64 *out)
{
	char *end;
	u64 v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end || v < least || v > most) {
		fprintf(stderr, "kecho-sim: --%s: '%s' is no number from %llu to %llu\n", name,
			text, (unsigned long long)least, (unsigned long long)most);
		return -EINVAL;
	}
	*out = v;
	return 0;
}

static int number32(const char *name, const char *text, u64 least, u64 most, u32 *out)
{
	u64 v;
	int err = number(name, text, least, most, &v);

	if (!err)
		*out = v;
	return err;
}

static int seed_range(char *text, struct options *o)
{
	char *dash = strchr(text, '-');
	int err;

	if (!dash) {
		fprintf(stderr, "kecho-sim: --seeds: '%s' is not FROM-TO\n", text);
		return -EINVAL;
	}
	*dash = 0;
	err = number("seeds", text, 0, U64_MAX / 2, &o->first);
	return err ?: number("seeds", dash + 1, o->first, U64_MAX / 2, &o->last);
}

static int fault_list(char *text, u32 *faults)
{
	char *word, *rest = text;
	int f;

	*faults = 0;
	while ((word = strsep(&rest, ","))) {
		if (!strcmp(word, "none"))
			continue;
		if (!strcmp(word, "all")) {
			*faults = BIT(FAULTS) - 1;
			continue;
		}
		f = cover_fault(word);
		if (f < 0) {
			fprintf(stderr, "kecho-sim: --faults: there is no '%s'; see --help\n",
				word);
			return -EINVAL;
		}
		*faults |= BIT(f);
	}
	return 0;
}

static int seed_one(const char *name, const char *text, struct options *o)
{
	int err = number(name, text, 0, U64_MAX / 2, &o->first);

	o->last = o->first;
	return err;
}

static int scale_list(char *text, struct options *o)
{
	static const u32 usual[] = { 10, 100, 300, 1000 };
	char *word;
	int err = 0;

	o->nscale = 0;
	if (!text) {
		memcpy(o->scale, usual, sizeof(usual));
		o->nscale = ARRAY_SIZE(usual);
		return 0;
	}
	while (!err && (word = strsep(&text, ","))) {
		if (o->nscale == SCALES_MAX) {
			fprintf(stderr, "kecho-sim: --scale: more than %u\n", SCALES_MAX);
			return -EINVAL;
		}
		err = number32("scale", word, 10, SCALE_NODES_MAX, &o->scale[o->nscale++]);
	}
	return err;
}

enum { SEED, SEEDS, NODES, HOSTS, CHANNELS, MEMBERS, EVENTS, FILTERS, FAULT, REPLAY, TRACE, HASH,
       SCALE, HELP };

/* 1: that was all. */
static int take(int c, struct options *o)
{
	switch (c) {
	case SEED:
		return seed_one("seed", optarg, o);
	case SEEDS:
		return seed_range(optarg, o);
	case NODES:
		return number32("nodes", optarg, 2, SIM_NODES_MAX, &o->sim.nodes);
	case HOSTS:
		return number32("hosts", optarg, 1, SIM_NODES_MAX, &o->sim.hosts);
	case CHANNELS:
		return number32("channels", optarg, 1, SIM_CHANNELS_MAX, &o->sim.channels);
	case MEMBERS:
		return number32("members", optarg, 0, SIM_MEMBERS_MAX, &o->sim.members);
	case EVENTS:
		return number("events", optarg, 1, U32_MAX, &o->sim.events);
	case FILTERS:
		o->sim.filters = true;
		return 0;
	case FAULT:
		return fault_list(optarg, &o->sim.faults);
	case REPLAY:
		o->sim.trace = true;
		return seed_one("replay", optarg, o);
	case TRACE:
		o->sim.trace = true;
		return 0;
	case HASH:
		o->hash = true;
		return 0;
	case SCALE:
		return scale_list(optarg, o);
	case HELP:
	case 'h':
		help();
		return 1;
	}
	fputs("Try 'kecho-sim --help'.\n", stderr);
	return -EINVAL;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, SEED },
		{ "seeds", required_argument, NULL, SEEDS },
		{ "nodes", required_argument, NULL, NODES },
		{ "hosts", required_argument, NULL, HOSTS },
		{ "channels", required_argument, NULL, CHANNELS },
		{ "members", required_argument, NULL, MEMBERS },
		{ "events", required_argument, NULL, EVENTS },
		{ "filters", no_argument, NULL, FILTERS },
		{ "faults", required_argument, NULL, FAULT },
		{ "replay", required_argument, NULL, REPLAY },
		{ "trace", no_argument, NULL, TRACE },
		{ "hash", no_argument, NULL, HASH },
		{ "scale", optional_argument, NULL, SCALE },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	int c, err = 0;

	while (!err && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		err = take(c, o);
	if (!err && optind < argc) {
		fprintf(stderr, "kecho-sim: what is '%s'? Try 'kecho-sim --help'.\n", argv[optind]);
		err = -EINVAL;
	}
	return err;
}

/* --------------------------------------------------------------------- runs */

/* What was not asked for comes from the seed. */
static struct sim_options vary(const struct options *o, u64 seed)
{
	struct sim_options s = o->sim;
	u64 rng = random_seed(seed ^ 0x5eed);

	s.seed = seed;
	s.nodes = s.nodes ?: 2 + random_next(&rng) % 4;
	s.channels = s.channels ?: 1 + random_next(&rng) % 3;
	s.members = s.members ?: s.nodes + random_next(&rng) % (2 * s.nodes + 1);
	if (!s.hosts)
		s.hosts = random_next(&rng) % 4 ? 1 + random_next(&rng) % s.nodes : s.nodes;
	s.hosts = min(s.hosts, s.nodes);
	s.filters |= random_next(&rng) % 2;
	return s;
}

static void show_broken(const struct sim *w)
{
	trace_show(&w->trace);
	show_world(w);
	printf("not ok - seed %llu, step %llu, after %llu ms: %s\n",
	       (unsigned long long)w->opt.seed, (unsigned long long)w->step,
	       (unsigned long long)w->now_us / 1000, w->why);
	printf("# nodes %u on %u hosts, channels %u, members %u, events %llu, faults 0x%x%s\n",
	       w->opt.nodes, w->opt.hosts, w->opt.channels, w->opt.members,
	       (unsigned long long)w->opt.events, w->opt.faults,
	       w->opt.filters ? ", filters" : "");
}

static bool run(const struct options *o, u64 seed, struct cover *total)
{
	struct sim_options opt = vary(o, seed);
	struct sim *w = sim_new(&opt);
	bool good;

	sim_run(w);
	good = !w->broken;
	if (!good)
		show_broken(w);
	if (o->hash)
		printf("# seed %llu: hash %016llx\n", (unsigned long long)seed,
		       (unsigned long long)w->trace.hash);
	cover_add(total, &w->cover);
	sim_free_all(w);
	return good;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .last = 1 };
	struct cover total = { 0 };
	double begin = seconds(), took;
	u32 never;
	u64 seed;
	int err;

	o.sim.events = EVENTS_DEFAULT;
	o.sim.faults = BIT(FAULTS) - 1;
	err = parse(argc, argv, &o);
	if (err)
		return err < 0 ? EXIT_USAGE : 0;
	if (o.nscale)
		return scale_run(o.scale, o.nscale) ? EXIT_BROKEN : 0;
	for (seed = o.first; seed <= o.last; seed++)
		if (!run(&o, seed, &total))
			return EXIT_BROKEN;
	took = seconds() - begin;
	never = cover_print(&total, o.sim.faults);
	printf("# %llu events, %llu delivered, %llu lost and told, %llu steps, %llu MB sent\n",
	       (unsigned long long)total.events, (unsigned long long)total.delivered,
	       (unsigned long long)total.lost, (unsigned long long)total.steps,
	       (unsigned long long)total.bytes >> 20);
	printf("# %.1f s: %.1f seeds/s, %.0f events/s, %.0f deliveries/s\n", took,
	       (o.last - o.first + 1) / took, total.events / took, total.delivered / took);
	if (never && o.last - o.first + 1 >= SEEDS_FOR_COVER) {
		printf("not ok - %u faults or paths were never exercised\n", never);
		return EXIT_NEVER;
	}
	printf("ok - seeds %llu to %llu\n", (unsigned long long)o.first,
	       (unsigned long long)o.last);
	return 0;
}
