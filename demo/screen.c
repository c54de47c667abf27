/* SPDX-License-Identifier: MIT */
/*
 * The show on the terminal. See screen.h.
 *
 * The live page is on the alternate screen, each line ends by clearing what was
 * there, and all of it leaves in one write: it neither flickers nor scrolls. It
 * needs SCREEN_COLS by SCREEN_ROWS; a smaller terminal gets plain lines.
 */
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"

#define SCREEN_COLS	80
#define SCREEN_ROWS	24
#define EVENTS_MAX	100	/* rows of events, however tall the terminal is */
#define TABLE_NS	5000000000u	/* between two plain tables */
#define SPARKS		20	/* samples in a rate line */
#define LABEL		10	/* columns of a row's label, and of a cell */
#define CELL		23
#define EVENT_COLS	49	/* of a kernel's event */
#define FIXED_ROWS	16	/* of the page: all but the timeline and the events */
#define NETLINK		"netlink "	/* most events begin so: it can be left out */

#define BOLD	"\033[1m"
#define DIM	"\033[2m"
#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define YELLOW	"\033[33m"
#define PLAIN	"\033[0m"
#define EOL	"\033[K\n"

static void write_all(const char *p, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, p, len);
		if (n <= 0)
			return;	/* nobody looks; the show goes on */
		p += n;
		len -= (size_t)n;
	}
}

static void write_string(const char *s)
{
	write_all(s, strlen(s));
}

static const char *clock_of(char buf[16], uint64_t ns)
{
	uint64_t tenths = ns / 100000000u;

	snprintf(buf, 16, "%02" PRIu64 ":%02" PRIu64 ".%" PRIu64, tenths / 600, tenths / 10 % 60,
		 tenths % 10);
	return buf;
}

void screen_open(struct screen *sc, bool plain)
{
	const char *term = getenv("TERM");
	struct winsize w = { 0 };

	memset(sc, 0, sizeof(*sc));
	sc->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (plain || !isatty(STDOUT_FILENO) || !term || !strcmp(term, "dumb"))
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || w.ws_col < SCREEN_COLS ||
	    w.ws_row < SCREEN_ROWS)
		return;
	sc->live = true;
	sc->rows = w.ws_row;
	write_string("\033[?1049h\033[?25l\033[2J");
}

/* How a pair is doing, by colour. */
static const char *mood(const struct story *s, int hearer, int source)
{
	const struct story_sample *l = &s->pair[hearer][source].last;

	if (!l->there || story_is_mute(s, hearer))
		return DIM;
	if (!l->events || l->per_s < 1)
		return RED;
	return l->p50_ns > 50000000u ? YELLOW : GREEN;
}

static void cell_latency(char *to, size_t size, const struct story *s, int hearer, int source)
{
	const struct story_pair *p = &s->pair[hearer][source];
	char p50[STORY_DURATION_MAX], p99[STORY_DURATION_MAX];

	if (story_is_mute(s, hearer))
		snprintf(to, size, s->killed == hearer ? "killed" : "stopped");
	else if (!p->last.events)
		snprintf(to, size, p->last.there ? "hears nothing" : "-");
	else
		snprintf(to, size, "%s  p99 %s", story_duration(p50, p->last.p50_ns),
			 story_duration(p99, p->last.p99_ns));
}

static void cell_rate(char *to, size_t size, const struct story *s, int hearer, int source)
{
	const struct story_pair *p = &s->pair[hearer][source];
	char rate[32] = "", lost[STORY_COUNT_MAX];
	uint64_t all = p->now.lost + p->before.lost;

	if (p->last.there && p->last.events && !story_is_mute(s, hearer))
		snprintf(rate, sizeof(rate), "%.0f/s", p->last.per_s);
	if (all)
		snprintf(to, size, "%s%slost %s", rate, *rate ? "  " : "",
			 story_count(lost, all));
	else
		snprintf(to, size, "%s", rate);
}

/* The rate of the last seconds: a column a sample, its height by powers of 4. */
static void sparks(FILE *f, const struct screen *sc, const struct story *s,
		   const struct story_pair *p)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { ".", ".", "-", "-", "=", "=", "#", "#" };
	const char *const *bars = sc->utf8 ? blocks : ascii;
	int64_t now = (int64_t)(story_now_ns(s) / STORY_SAMPLE_NS) - 1;

	for (int64_t i = now - SPARKS + 1; i <= now; i++) {
		int height = -1;

		if (i >= 0 && i < STORY_SAMPLES_MAX && p->sample[i].there)
			for (double v = p->sample[i].per_s; v >= 1 && height < 7; v /= 4)
				height++;
		fputs(height < 0 ? " " : bars[height], f);
	}
	fprintf(f, "%*s", CELL - SPARKS, "");
}

static void draw_row(FILE *f, const struct screen *sc, const struct story *s, int hearer)
{
	char text[64];

	fprintf(f, BOLD "%-*s" PLAIN, LABEL, s->hosts->host[hearer].name);
	for (int i = 0; i < HOSTS; i++) {
		cell_latency(text, sizeof(text), s, hearer, i);
		fprintf(f, "%s%-*.*s" PLAIN, mood(s, hearer, i), CELL, CELL - 1, text);
	}
	snprintf(text, sizeof(text), "load %s", s->load[hearer]);
	fprintf(f, EOL DIM "%-*s" PLAIN, LABEL, s->load[hearer][0] ? text : "");
	for (int i = 0; i < HOSTS; i++) {
		cell_rate(text, sizeof(text), s, hearer, i);
		fprintf(f, "%-*.*s", CELL, CELL - 1, text);
	}
	snprintf(text, sizeof(text), "psi %s", s->pressure[hearer]);
	fprintf(f, EOL DIM "%-*s", LABEL, s->pressure[hearer][0] ? text : "");
	for (int i = 0; i < HOSTS; i++)
		sparks(f, sc, s, &s->pair[hearer][i]);
	fputs(PLAIN EOL, f);
}

static void draw_timeline(FILE *f, const struct story *s, unsigned int rows)
{
	unsigned int first = s->nlines > rows ? s->nlines - rows : 0;
	char at[16];

	for (unsigned int i = first; i < first + rows; i++) {
		if (i >= s->nlines) {
			fputs(EOL, f);
			continue;
		}
		fprintf(f, DIM "%s" PLAIN " %s%.*s" PLAIN EOL, clock_of(at, s->line[i].at_ns),
			s->line[i].bad ? RED : i == s->nlines - 1 ? BOLD : "", SCREEN_COLS - 9,
			s->line[i].text);
	}
}

/* Load and pressure come every other second, and the latest stands under each
 * host's name: here they would push out what is rare. On loopback there is no
 * other news. */
static bool is_news(const struct story *s, const struct story_event *ev)
{
	return s->hosts->loopback || !strncmp(ev->words, NETLINK, strlen(NETLINK));
}

static void draw_event(FILE *f, const struct screen *sc, const struct story *s,
		       const struct story_event *ev)
{
	size_t known = strncmp(ev->words, NETLINK, strlen(NETLINK)) ? 0 : strlen(NETLINK);
	const char *words = ev->words + known;
	bool cut = strlen(words) > EVENT_COLS;
	char at[16], late[STORY_DURATION_MAX], heard[64];

	snprintf(heard, sizeof(heard), "%s %s", s->hosts->host[ev->hearer].name,
		 story_duration(late, ev->latency_ns));
	fprintf(f, DIM "%s" PLAIN " %-6s%-*.*s%s " DIM "%s" PLAIN EOL, clock_of(at, ev->at_ns),
		s->hosts->host[ev->host].name, cut ? EVENT_COLS - 1 : EVENT_COLS,
		cut ? EVENT_COLS - 1 : EVENT_COLS, words, !cut ? "" : sc->utf8 ? "…" : "~",
		heard);
}

static void draw_events(FILE *f, const struct screen *sc, const struct story *s,
			unsigned int rows)
{
	unsigned int pick[EVENTS_MAX], n = 0;

	for (unsigned int i = s->nevents; i-- && n < rows && n < EVENTS_MAX;)
		if (is_news(s, &s->event[i]))
			pick[n++] = i;
	for (unsigned int i = n; i < rows; i++)
		fputs(EOL, f);
	while (n)
		draw_event(f, sc, s, &s->event[pick[--n]]);
}

static void draw_page(FILE *f, const struct screen *sc, const struct story *s)
{
	unsigned int left = sc->rows - FIXED_ROWS, events = left / 2;
	char at[16];

	fprintf(f, "\033[H" BOLD "kecho demo" PLAIN "  three hosts, one channel%*s%s" EOL, 33, "",
		clock_of(at, story_now_ns(s)));
	fputs(EOL, f);
	fprintf(f, DIM "%-*s", LABEL, "hears");
	for (int i = 0; i < HOSTS; i++)
		fprintf(f, "%-*s", CELL, s->hosts->host[i].name);
	fputs(PLAIN EOL, f);
	for (int i = 0; i < HOSTS; i++)
		draw_row(f, sc, s, i);
	fputs(EOL, f);
	draw_timeline(f, s, left - events);
	fputs(EOL DIM "what their kernels say, who heard it first, and how much later" PLAIN EOL,
	      f);
	draw_events(f, sc, s, events);
	fputs("\033[J", f);
}

static void print_timeline(struct screen *sc, const struct story *s)
{
	char at[16];

	for (; sc->told < s->nlines; sc->told++)
		printf("%s  %s%s\n", clock_of(at, s->line[sc->told].at_ns),
		       s->line[sc->told].bad ? "! " : "", s->line[sc->told].text);
}

/* Wide enough for what has been lost: these lines are for logs. */
static void print_table(const struct story *s)
{
	char text[64], rate[64], cell[160];

	printf("%16s", "hears");
	for (int i = 0; i < HOSTS; i++)
		printf("  %-36s", s->hosts->host[i].name);
	putchar('\n');
	for (int i = 0; i < HOSTS; i++) {
		printf("%16s", s->hosts->host[i].name);
		for (int j = 0; j < HOSTS; j++) {
			cell_latency(text, sizeof(text), s, i, j);
			cell_rate(rate, sizeof(rate), s, i, j);
			snprintf(cell, sizeof(cell), "%s  %s", text, rate);
			printf("  %-36s", cell);
		}
		putchar('\n');
	}
}

void screen_draw(struct screen *sc, const struct story *s)
{
	uint64_t now_ns = story_now_ns(s);
	struct winsize w;
	char *page;
	size_t len;
	FILE *f;

	if (sc->live && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w))
		sc->rows = w.ws_row > SCREEN_ROWS ? w.ws_row : SCREEN_ROWS;
	if (!sc->live) {
		print_timeline(sc, s);
		if (now_ns - sc->table_ns >= TABLE_NS) {
			print_table(s);
			sc->table_ns = now_ns;
		}
		fflush(stdout);
		return;
	}
	f = open_memstream(&page, &len);
	if (!f)
		return;
	draw_page(f, sc, s);
	if (!fclose(f))
		write_all(page, len);
	free(page);
}

void screen_close(struct screen *sc, const struct story *s)
{
	if (sc->live)
		write_string("\033[?25h\033[?1049l");
	sc->live = false;
	print_timeline(sc, s);
	fflush(stdout);
}

static const char *quantile(char buf[STORY_DURATION_MAX], const struct hist *h, double q)
{
	return hist_total(h) ? story_duration(buf, hist_quantile_ns(h, q)) : "-";
}

static void summarize_pair(const struct story *s, int hearer, int source)
{
	const struct story_pair *p = &s->pair[hearer][source];
	char events[STORY_COUNT_MAX], lost[STORY_COUNT_MAX], unexplained[STORY_COUNT_MAX];
	char p50[STORY_DURATION_MAX], p99[STORY_DURATION_MAX], burst[STORY_DURATION_MAX];

	printf("  %-5s hears %-5s %9s %8s %12s %7s %7s %10s\n", s->hosts->host[hearer].name,
	       s->hosts->host[source].name,
	       story_count(events, p->now.received + p->before.received),
	       story_count(lost, p->now.lost + p->before.lost),
	       story_count(unexplained, p->now.unexplained + p->before.unexplained),
	       quantile(p50, &p->latency[STORY_STEADY], .5),
	       quantile(p99, &p->latency[STORY_STEADY], .99),
	       quantile(burst, &p->latency[STORY_BURST], .99));
}

static void summarize_outage(const char *what, const struct story_outage *o)
{
	char noticed[STORY_DURATION_MAX], resumed[STORY_DURATION_MAX], cut[STORY_DURATION_MAX];
	char late[STORY_COUNT_MAX], lost[STORY_COUNT_MAX];

	if (!o->cut_ms)
		return;
	printf("  %-17s %9s %15s %13s %9s %9s\n", what,
	       story_duration(cut, o->cut_ms * 1000000ull),
	       o->noticed_ns ? story_duration(noticed, o->noticed_ns) : "never",
	       o->resumed_ns ? story_duration(resumed, o->resumed_ns) : "never",
	       story_count(late, o->late), story_count(lost, o->lost));
}

static void summarize_death(const struct story *s)
{
	char took[STORY_DURATION_MAX], rejoin[STORY_DURATION_MAX];

	if (s->killed < 0)
		return;
	printf("\n  kill -9 on %s:", s->hosts->host[s->killed].name);
	for (int i = 0; i < HOSTS; i++)
		if (s->death_noticed_ns[i])
			printf(" %s knew in %s,", s->hosts->host[i].name,
			       story_duration(took, s->death_noticed_ns[i]));
	if (s->rejoin_ns)
		printf(" a new node joined in %s\n", story_duration(rejoin, s->rejoin_ns));
	else
		puts(" no new node joined");
}

void screen_summary(const struct story *s)
{
	char received[STORY_COUNT_MAX], lost[STORY_COUNT_MAX], unexplained[STORY_COUNT_MAX];

	printf("\n  %-17s %9s %8s %12s %7s %7s %10s\n", "", "events", "lost", "unexplained", "p50",
	       "p99", "burst p99");
	for (int i = 0; i < HOSTS; i++)
		for (int j = 0; j < HOSTS; j++)
			summarize_pair(s, i, j);
	if (s->outage[0].cut_ms)
		printf("\n  %-17s %9s %15s %13s %9s %9s\n", "outage", "lasted", "given up after",
		       "flowed after", "came late", "lost");
	summarize_outage("birch, short", &s->outage[0]);
	summarize_outage("birch, long", &s->outage[1]);
	summarize_death(s);
	printf("\n  %s events came, %s were lost and said so, %s unexplained:\n  %s\n",
	       story_count(received, story_received(s)), story_count(lost, story_lost(s)),
	       story_count(unexplained, story_unexplained(s)),
	       s->exact ? "every event is accounted for" :
	       story_unexplained(s) ? "that does not add up" : "the show did not get to its end");
	fflush(stdout);
}
