/* SPDX-License-Identifier: MIT */
/* What a heat has shown; see report.h. */
#include "report.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>

#define DECIMALS	4

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
	if (h->task->name)
		json_str(j, "task", h->task->name);
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

static void json_metric(struct json *j, const struct heat *h, const struct entrant *e,
			unsigned int m)
{
	json_key(j, h->task->metric[m].name);
	json_object(j);
	json_interval(j, "value", e->of[m]);
	if (h->task->metric[m].scored) {
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
	for (m = 0; m < h->task->metrics && !e->why[0]; m++)
		json_metric(&j, h, e, m);
	print_buf(&j);
}

static void json_bar(const struct heat *h, unsigned int m, const struct heat_bar *bar)
{
	struct buf b = { 0 };
	struct json j = { .b = &b };

	begin_heat(&j, "bar", h);
	json_str(&j, "metric", h->task->metric[m].name);
	json_str(&j, "kecho", bar->kecho->peer->name);
	json_str(&j, "peer", bar->peer->peer->name);
	json_interval(&j, "ratio", bar->ratio);
	json_str(&j, "verdict", measure_verdict_name(bar->verdict));
	print_buf(&j);
}

/* ----------------------------------------------------------------------- text */

static void print_head(const struct heat *h)
{
	unsigned int m;

	printf("\n%s%s%s, %zu B, %u sink%s: medians of %u rounds; * won\n%-28s",
	       host_words(h->hosts), h->task->name ? ", " : "", h->task->name ?: "", h->opt.len,
	       h->nsinks, h->nsinks == 1 ? "" : "s", h->rounds, "");
	for (m = 0; m < h->task->metrics; m++)
		printf(m ? " %-10s" : " %-26s", h->task->metric[m].head);
	printf("\n");
}

static const char *number(char *buf, size_t size, double v)
{
	snprintf(buf, size, "%.*f", v < 1 ? 3 : v < 100 ? 2 : 0, v);
	return buf;
}

static void print_metric(const struct entrant *e, unsigned int m)
{
	const struct interval *v = &e->of[m];
	const char *won = e->won[m] ? "*" : "";
	char median[16], low[16], high[16], text[64];

	number(median, sizeof(median), v->median);
	number(low, sizeof(low), v->low);
	number(high, sizeof(high), v->high);
	snprintf(text, sizeof(text), "%s%s [%s %s]", median, won, low, high);
	if (m)
		snprintf(text, sizeof(text), "%s%s", median, won);
	printf(m ? " %-10s" : " %-26s", text);
}

static void print_cell(const struct heat *h, const struct entrant *e)
{
	unsigned int m;

	printf("%-28s", e->peer->title);
	for (m = 0; m < h->task->metrics && !e->why[0]; m++)
		print_metric(e, m);
	printf("%s%s\n", e->why[0] ? " " : "", e->why);
}

static void print_bar(const struct heat *h, unsigned int m, const struct heat_bar *bar)
{
	printf("bar: %s: %s %.3g, best peer %s %.3g, ratio %.3f [%.3f %.3f]: %s\n",
	       h->task->metric[m].name, bar->kecho->peer->name, bar->kecho->of[m].median,
	       bar->peer->peer->name, bar->peer->of[m].median, bar->ratio.median, bar->ratio.low,
	       bar->ratio.high, measure_verdict_name(bar->verdict));
}

/* ----------------------------------------------------------------------- both */

void report_entrants(const struct peer *p, size_t n, bool json)
{
	const struct peer *end = p + n;

	for (; p < end; p++) {
		if (json)
			json_entrant(p);
		else
			printf("%-12s %-10s %-28s %s\n", p->name, host_words(p->hosts), p->title,
			       p->transport ? "" : p->packages ?: "not built");
	}
}

static int report_bar(const struct heat *h, unsigned int m, bool json)
{
	struct heat_bar bar;

	heat_bar(h, m, &bar);
	if (!bar.kecho || !bar.peer)
		return 0;
	if (json)
		json_bar(h, m, &bar);
	else
		print_bar(h, m, &bar);
	return bar.verdict == VERDICT_MISSED;
}

static bool has_bar(const struct heat *h, const struct metric *m)
{
	return m->bar && (!m->bar_sinks || m->bar_sinks == h->nsinks) &&
	       (!m->bar_hosts || m->bar_hosts == h->hosts);
}

int report_heat(const struct heat *h, bool json)
{
	const struct entrant *e;
	int missed = 0, status = 0;
	unsigned int m;
	size_t i;

	if (!json)
		print_head(h);
	for (i = 0; i < h->n; i++) {
		e = &h->entrant[i];
		if (json)
			json_cell(h, e);
		else
			print_cell(h, e);
		if (e->why[0])
			status = 2;
	}
	for (m = 0; m < h->task->metrics; m++)
		if (has_bar(h, &h->task->metric[m]))
			missed |= report_bar(h, m, json);
	fflush(stdout);
	return status ? status : missed;
}
