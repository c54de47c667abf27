/* SPDX-License-Identifier: MIT */
/* The table of transports; see table.h. */
#include "table.h"
#include "measure.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX	15
#define ASLEEP_MIN	0.9	/* else the latency is not that of sleeping sinks */

struct effort {
	unsigned int rounds, events, bursts;
	uint64_t rate_ns;
};

static const struct effort quick = { 7, 150, 30, 20000000 };
static const struct effort thorough = { ROUNDS_MAX, 400, 80, 60000000 };

static const unsigned int sinks_of[TABLE_COLUMNS] = { 1, 2, 4, 8 };

struct cell {
	double value[TABLE_METRICS];
	double asleep;
};

static int take_round(struct rig *r, const struct effort *e, unsigned int batch, struct cell *c)
{
	struct probe_latency latency;
	struct probe_rate rate;
	struct probe_cpu cpu;
	int err;

	err = probe_latency(r, e->events, &latency);
	if (!err)
		err = probe_burst(r, e->bursts, batch, &cpu);
	if (!err)
		err = probe_rate(r, e->rate_ns, batch, &rate);
	if (err)
		return err;
	c->value[TABLE_P50_US] = latency.p50_ns / 1e3;
	c->value[TABLE_CPU_US] = cpu.publisher_ns / 1e3;
	c->value[TABLE_RATE_K] = rate.per_s / 1e3;
	c->asleep = latency.asleep;
	return 0;
}

static int measure_rig(struct rig *r, const struct effort *e, unsigned int batch, struct cell *out)
{
	double v[TABLE_METRICS][ROUNDS_MAX], asleep[ROUNDS_MAX];
	struct cell c;
	unsigned int i, m;
	int err;

	/* The first round fills caches and socket buffers; it doesn't count. */
	err = take_round(r, e, batch, &c);
	for (i = 0; i < e->rounds && !err; i++) {
		err = take_round(r, e, batch, &c);
		if (err)
			break;
		for (m = 0; m < TABLE_METRICS; m++)
			v[m][i] = c.value[m];
		asleep[i] = c.asleep;
	}
	if (err)
		return err;
	for (m = 0; m < TABLE_METRICS; m++)
		out->value[m] = measure_median(v[m], e->rounds).median;
	out->asleep = measure_median(asleep, e->rounds).median;
	return 0;
}

static int measure_cell(const struct table_row *row, unsigned int nsinks,
			const struct options *opt, struct cell *out)
{
	struct rig *r;
	int err, stop_err;

	err = rig_start(&r, row->transport, nsinks, opt);
	if (err)
		return err;
	err = measure_rig(r, opt->quick ? &quick : &thorough, row->batch, out);
	if (err)
		fprintf(stderr, "%s, %u sinks: %s\n", row->transport->name, nsinks,
			strerror(-err));
	stop_err = rig_stop(r);
	return err ? err : stop_err;
}

/* "1.5", with " (1.2)" if a number is known, and a mark if it is far from it. */
static void print_number(double value, double known, bool more_is_better)
{
	char text[40], mark = ' ';
	bool worse;
	int n;

	n = snprintf(text, sizeof(text), "%.*f", value < 1 ? 3 : value < 100 ? 2 : 0, value);
	if (known > 0) {
		worse = more_is_better == (value < known);
		if (value > known * TABLE_TOLERANCE || value < known / TABLE_TOLERANCE)
			mark = worse ? '!' : '+';
		snprintf(text + n, sizeof(text) - (size_t)n, " (%g)%c", known, mark);
	}
	printf("  %-18s", text);
}

static void print_cell(const struct table_row *row, unsigned int column, const struct cell *c)
{
	unsigned int m;

	printf("%-26s %5u", column ? "" : row->transport->name, sinks_of[column]);
	for (m = 0; m < TABLE_METRICS; m++)
		print_number(c->value[m], row->known[m][column], m == TABLE_RATE_K);
	puts(c->asleep < ASLEEP_MIN ? "  sinks were awake" : "");
	fflush(stdout);
}

static void print_json(const struct table_row *row, unsigned int column, const struct cell *c)
{
	static const char *const names[] = { "p50_us", "cpu_us_per_event", "k_events_per_s" };
	unsigned int m;

	printf("{\"transport\":\"%s\",\"sinks\":%u,\"asleep\":%.3f", row->transport->name,
	       sinks_of[column], c->asleep);
	for (m = 0; m < TABLE_METRICS; m++) {
		printf(",\"%s\":%.6g", names[m], c->value[m]);
		if (row->known[m][column] > 0)
			printf(",\"%s_known\":%g", names[m], row->known[m][column]);
	}
	puts("}");
	fflush(stdout);
}

static void print_head(const struct options *opt)
{
	printf("%zu B events, sinks in processes of their own, %s.\n", opt->len,
	       opt->spread ? "on all CPUs in turn" : "all on one CPU");
	printf("p50: one-way, one event in flight, sinks asleep. CPU: of the publisher per event\n"
	       "in bursts of %d. Rate: per second and sink, %d events in flight, but %u MiB\n"
	       "at most. In parentheses the number known from before, then ! if this one is over\n"
	       "%.1f times worse, + if it is as much better.\n\n",
	       RIG_BURST, RIG_WINDOW, RIG_WINDOW_BYTES >> 20, TABLE_TOLERANCE);
	printf("%-26s %5s  %-18s  %-18s  %s\n", "transport", "sinks", "p50 us", "CPU us",
	       "k events/s");
}

int table_run(const struct table_row *rows, size_t n, const struct options *opt)
{
	struct cell c;
	unsigned int column;
	size_t i;
	int err;

	if (!opt->json)
		print_head(opt);
	for (i = 0; i < n; i++) {
		for (column = 0; column < TABLE_COLUMNS; column++) {
			err = measure_cell(&rows[i], sinks_of[column], opt, &c);
			if (err)
				return err;
			if (opt->json)
				print_json(&rows[i], column, &c);
			else
				print_cell(&rows[i], column, &c);
		}
	}
	return 0;
}
