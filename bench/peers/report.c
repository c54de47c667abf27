/* SPDX-License-Identifier: MIT */
/* What a heat has shown; see report.h. */
#include "report.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>

#define DECIMALS	4
#define CPU_BAR_SINKS	8	/* the publisher's CPU has a bar with so many */

static const char *const names[METRICS] = {
	[METRIC_P50_US] = "p50_us",	    [METRIC_P99_US] = "p99_us",
	[METRIC_CPU_US] = "cpu_us",	    [METRIC_BROKER_US] = "broker_us",
	[METRIC_CPU64_US] = "cpu64_us",	    [METRIC_BROKER64_US] = "broker64_us",
	[METRIC_RATE_K] = "k_events_per_s", [METRIC_LOST] = "lost",
	[METRIC_ASLEEP] = "asleep",
};

static const char *host_words(unsigned int hosts)
{
	return hosts == 1 ? "one host" : "two hosts";
}

/* ----------------------------------------------------------------------- JSON */

static void print_buf(struct json *j)
{
	json_object_end(j);
	printf("%.*s\n", (int)j->b->len, j->b->p);
	fflush(stdout);
	buf_free(j->b);
}

static void begin(struct json *j, const char *kind, unsigned int hosts)
{
	json_object(j);
	json_str(j, "kind", kind);
	json_u64(j, "hosts", hosts);
}

static void begin_heat(struct json *j, const char *kind, const struct heat *h)
{
	begin(j, kind, h->hosts);
	json_u64(j, "size", h->opt.len);
	json_u64(j, "sinks", h->nsinks);
	json_u64(j, "rounds", h->rounds);
}

static void json_interval(struct json *j, const char *key, struct interval v)
{
	json_key(j, key);
	json_object(j);
	json_real(j, "median", v.median, DECIMALS);
	json_real(j, "low", v.low, DECIMALS);
	json_real(j, "high", v.high, DECIMALS);
	json_object_end(j);
}

static void json_metric(struct json *j, const struct entrant *e, enum worker_metric m)
{
	json_key(j, names[m]);
	json_object(j);
	json_interval(j, "value", e->of[m]);
	if (heat_scored(m)) {
		json_interval(j, "to_best", e->to_best[m]);
		json_bool(j, "won", e->won[m]);
	}
	json_object_end(j);
}

static void json_entrant(const struct peer *p)
{
	struct buf b = { 0 };
	struct json j = { .b = &b };

	begin(&j, "entrant", p->hosts);
	json_str(&j, "name", p->name);
	json_str(&j, "title", p->title);
	json_str(&j, "role", peer_role_name(p->role));
	json_str(&j, "packages", p->packages ? p->packages : "");
	json_str(&j, "waits", p->waits);
	json_str(&j, "promise", p->promise);
	print_buf(&j);
}

static void json_cell(const struct heat *h, const struct entrant *e)
{
	struct buf b = { 0 };
	struct json j = { .b = &b };
	unsigned int m;

	begin_heat(&j, "cell", h);
	json_str(&j, "name", e->peer->name);
	if (e->why[0])
		json_str(&j, "why", e->why);
	for (m = 0; m < METRICS && !e->why[0]; m++)
		json_metric(&j, e, m);
	print_buf(&j);
}

static void json_bar(const struct heat *h, enum worker_metric m, const struct heat_bar *bar)
{
	struct buf b = { 0 };
	struct json j = { .b = &b };

	begin_heat(&j, "bar", h);
	json_str(&j, "metric", names[m]);
	json_str(&j, "kecho", bar->kecho->peer->name);
	json_str(&j, "peer", bar->peer->peer->name);
	json_interval(&j, "ratio", bar->ratio);
	json_str(&j, "verdict", measure_verdict_name(bar->verdict));
	print_buf(&j);
}

/* ----------------------------------------------------------------------- text */

static void print_head(const struct heat *h)
{
	printf("\n%s, %zu B, %u sink%s: medians of %u rounds; * won\n", host_words(h->hosts),
	       h->opt.len, h->nsinks, h->nsinks == 1 ? "" : "s", h->rounds);
	printf("%-28s %-26s %9s %9s %8s %9s %8s %11s %7s\n", "", "p50 us [95 %]", "p99 us",
	       "CPU us", "broker", "64: CPU", "broker", "k events/s", "lost");
}

static void print_metric(const struct entrant *e, enum worker_metric m, int width)
{
	double v = e->of[m].median;

	printf(" %*.*f%s", width, v < 1 ? 3 : v < 100 ? 2 : 0, v,
	       !heat_scored(m) ? "" : e->won[m] ? "*" : " ");
}

static void print_cell(const struct entrant *e)
{
	const struct interval *p50 = &e->of[METRIC_P50_US];
	char latency[48];

	printf("%-28s ", e->peer->title);
	if (e->why[0]) {
		printf("%s\n", e->why);
		return;
	}
	snprintf(latency, sizeof(latency), "%.2f%s [%.2f %.2f]", p50->median,
		 e->won[METRIC_P50_US] ? "*" : "", p50->low, p50->high);
	printf("%-26s", latency);
	print_metric(e, METRIC_P99_US, 9);
	print_metric(e, METRIC_CPU_US, 8);
	print_metric(e, METRIC_BROKER_US, 8);
	print_metric(e, METRIC_CPU64_US, 8);
	print_metric(e, METRIC_BROKER64_US, 8);
	print_metric(e, METRIC_RATE_K, 10);
	printf(" %6.3f%%%s\n", e->of[METRIC_LOST].median * 100,
	       e->of[METRIC_ASLEEP].median < HEAT_ASLEEP_MIN ? "  its sinks were awake" : "");
}

static void print_bar(enum worker_metric m, const struct heat_bar *bar)
{
	printf("bar: %s: %s %.3g, best peer %s %.3g, ratio %.3f [%.3f %.3f]: %s\n", names[m],
	       bar->kecho->peer->name, bar->kecho->of[m].median, bar->peer->peer->name,
	       bar->peer->of[m].median, bar->ratio.median, bar->ratio.low, bar->ratio.high,
	       measure_verdict_name(bar->verdict));
}

/* ----------------------------------------------------------------------- both */

void report_entrants(bool json)
{
	size_t i;

	for (i = 0; i < peers_count; i++) {
		if (json)
			json_entrant(&peers[i]);
		else
			printf("%-12s %-10s %-28s %s\n", peers[i].name, host_words(peers[i].hosts),
			       peers[i].title,
			       peers[i].transport ? "" : peers[i].packages ? peers[i].packages :
									     "not built");
	}
}

static int report_bar(const struct heat *h, enum worker_metric m, bool json)
{
	struct heat_bar bar;

	heat_bar(h, m, &bar);
	if (!bar.kecho || !bar.peer)
		return 0;
	if (json)
		json_bar(h, m, &bar);
	else
		print_bar(m, &bar);
	return bar.verdict == VERDICT_MISSED;
}

int report_heat(const struct heat *h, bool json)
{
	const struct entrant *e;
	int missed, status = 0;
	size_t i;

	if (!json)
		print_head(h);
	for (i = 0; i < h->n; i++) {
		e = &h->entrant[i];
		if (json)
			json_cell(h, e);
		else
			print_cell(e);
		if (e->why[0])
			status = 2;
	}
	missed = report_bar(h, METRIC_P50_US, json);
	if (h->nsinks == CPU_BAR_SINKS) {
		missed |= report_bar(h, METRIC_CPU_US, json);
		missed |= report_bar(h, METRIC_CPU64_US, json);
	}
	fflush(stdout);
	return status ? status : missed;
}
