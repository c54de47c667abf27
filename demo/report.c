/* SPDX-License-Identifier: MIT */
/* The report of a show; see report.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "svg.h"

#define PLOT_WIDTH	960
#define PLOT_HEIGHT	190
#define LATENCY_MIN_NS	1e3
#define LATENCY_MAX_NS	1e10
#define RATE_MAX_PER_S	1e5
#define EVENTS_SHOWN	60

static const char style[] =
	":root{color-scheme:light dark;--bg:#fbfbf9;--card:#fff;--ink:#1f2328;--soft:#667085;"
	"--line:#e4e6ea;--away:#e5484d1f;--burst:#8891a022;--bad:#c62a2f;--good:#2b8a3e;"
	"--c0:#2f6fde;--c1:#d9730d;--c2:#0f9d7a}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#14161a;--card:#1c1f25;--ink:#e6e8eb;"
	"--soft:#98a1ae;--line:#2d323a;--away:#ff6b6b2b;--burst:#a0a8b826;"
	"--bad:#ff7b7f;--good:#69db7c;--c0:#74a7ff;--c1:#ffa94d;--c2:#3ddbb0}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--bg);color:var(--ink);"
	"font:15px/1.55 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
	"main{max-width:1040px;margin:0 auto;padding:40px 24px 64px}\n"
	"h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}\n"
	"h2{font-size:19px;margin:44px 0 4px}h3{font-size:14px;margin:14px 0 0;font-weight:600}\n"
	"p{margin:6px 0;max-width:76ch}.soft{color:var(--soft)}\n"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:12px;"
	"margin:24px 0 0}\n"
	".card,.box{background:var(--card);border:1px solid var(--line);border-radius:10px;"
	"padding:14px 16px}.box{margin-top:12px;overflow-x:auto}\n"
	".card b{display:block;font-size:24px;line-height:1.25;font-weight:650;"
	"font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:13px}\n"
	".good{color:var(--good)}.bad{color:var(--bad)}\n"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
	"th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line);"
	"white-space:nowrap}tr:last-child td{border-bottom:0}\n"
	"th{font-weight:600;color:var(--soft);font-size:13px}.l{text-align:left}\n"
	"td.wrap{white-space:normal;word-break:break-word;text-align:left}\n"
	"code{font:12px/1.5 ui-monospace,\"DejaVu Sans Mono\",monospace}\n"
	"details summary{cursor:pointer}details code{color:var(--soft)}\n"
	".plot{display:block;width:100%;min-width:620px;height:auto}\n"
	".plot path{fill:none;stroke-linejoin:round;stroke-linecap:round}\n"
	".grid{stroke:var(--line);stroke-width:1}.frame{stroke:var(--soft);stroke-width:1}\n"
	".tick{fill:var(--soft);font-size:11px}.away{fill:var(--away)}.burst{fill:var(--burst)}\n"
	".h0{stroke:var(--c0)}.h1{stroke:var(--c1)}.h2{stroke:var(--c2)}\n"
	".r0{stroke-width:6.5}.r1{stroke-width:4}.r2{stroke-width:1.5}\n"
	".node{fill:none;stroke:var(--line);stroke-width:1.5}.wire{stroke:var(--soft);"
	"stroke-width:1.5}.name{fill:var(--ink);font-size:15px;font-weight:600}\n"
	".d0{fill:var(--c0)}.d1{fill:var(--c1)}.d2{fill:var(--c2)}\n"
	".p50{stroke-width:1.8}.p99{stroke-width:1;opacity:.45}\n"
	".key{display:inline-block;width:14px;height:3px;border-radius:2px;margin:0 6px 3px 14px}\n"
	".k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}\n";

static const char *host_name(const struct story *s, int i)
{
	return s->hosts->host[i].name;
}

static void duration_label(char *to, size_t size, double ns)
{
	char text[STORY_DURATION_MAX];

	story_duration(text, (uint64_t)ns);
	/* 1.0 us is 1 us on an axis. */
	if (!strncmp(text, "1.0", 3))
		snprintf(to, size, "1%s", text + 3);
	else
		snprintf(to, size, "%s", text);
}

static void rate_label(char *to, size_t size, double per_s)
{
	if (per_s >= 1000)
		snprintf(to, size, "%gk/s", per_s / 1000);
	else
		snprintf(to, size, "%g/s", per_s);
}

static void spans(struct svg_plot *p, const struct story *s)
{
	for (unsigned int i = 0; i < s->nspans; i++) {
		const struct story_span *sp = &s->span[i];
		double from = (double)sp->from_ns / 1e9;
		double to = (double)(sp->until_ns ? sp->until_ns : s->end_ns) / 1e9;
		char text[64];

		if (sp->host < 0) {
			svg_band(p, "burst", from, to, sp->what, false);
			continue;
		}
		snprintf(text, sizeof(text), "%s %s", host_name(s, sp->host), sp->what);
		svg_band(p, "away", from, to, text, true);
	}
}

/* One of the series of a pair as a line: samples that are not there break it. */
static void series(struct svg_plot *p, const char *class, const struct story_pair *pair,
		   double (*value)(const struct story_sample *))
{
	double x[STORY_SAMPLES_MAX], y[STORY_SAMPLES_MAX];

	for (int i = 0; i < STORY_SAMPLES_MAX; i++) {
		x[i] = (i + .5) * STORY_SAMPLE_NS / 1e9;
		y[i] = pair->sample[i].there ? value(&pair->sample[i]) : NAN;
	}
	svg_line(p, class, x, y, STORY_SAMPLES_MAX);
}

static double p50_of(const struct story_sample *s)
{
	return s->p50_ns ? (double)s->p50_ns : NAN;
}

static double p99_of(const struct story_sample *s)
{
	return s->p99_ns ? (double)s->p99_ns : NAN;
}

static double rate_of(const struct story_sample *s)
{
	return s->per_s >= 1 ? s->per_s : 1;	/* nothing lies on the floor of the scale */
}

static struct svg_plot plot_of(FILE *f, const struct story *s, double min, double max)
{
	struct svg_plot p = {
		.f = f, .width = PLOT_WIDTH, .height = PLOT_HEIGHT,
		.x = { .min = 0, .max = (double)s->end_ns / 1e9 },
		.y = { .min = min, .max = max, .log = true },
	};

	if (p.x.max < 1)
		p.x.max = 1;
	return p;
}

static void plot_latency(FILE *f, const struct story *s, int hearer)
{
	struct svg_plot p = plot_of(f, s, LATENCY_MIN_NS, LATENCY_MAX_NS);
	char text[64];

	snprintf(text, sizeof(text), "Latency of what %s hears, over time", host_name(s, hearer));
	svg_begin(&p, text);
	spans(&p, s);
	svg_axes(&p, 5, " s", duration_label);
	for (int i = 0; i < HOSTS; i++) {
		snprintf(text, sizeof(text), "h%d p99", i);
		series(&p, text, &s->pair[hearer][i], p99_of);
		snprintf(text, sizeof(text), "h%d p50", i);
		series(&p, text, &s->pair[hearer][i], p50_of);
	}
	svg_end(&p);
}

static void plot_rate(FILE *f, const struct story *s, int hearer)
{
	struct svg_plot p = plot_of(f, s, 1, RATE_MAX_PER_S);
	char text[64];

	snprintf(text, sizeof(text), "Events a second that %s hears", host_name(s, hearer));
	svg_begin(&p, text);
	spans(&p, s);
	svg_axes(&p, 5, " s", rate_label);
	for (int i = 0; i < HOSTS; i++) {
		/* They mostly agree: a thinner one on a thicker one shows all. */
		snprintf(text, sizeof(text), "h%d r%d", i, i);
		series(&p, text, &s->pair[hearer][i], rate_of);
	}
	svg_end(&p);
}

static void legend(FILE *f, const struct story *s, const char *rest)
{
	fputs("<p class=\"soft\">Events of", f);
	for (int i = 0; i < HOSTS; i++)
		fprintf(f, "<i class=\"key k%d\"></i>%s", i, host_name(s, i));
	fprintf(f, "%s</p>\n", rest);
}

static void plots(FILE *f, const struct story *s, void (*plot)(FILE *, const struct story *, int))
{
	for (int i = 0; i < HOSTS; i++) {
		fprintf(f, "<div class=\"box\"><h3>%s hears</h3>\n", host_name(s, i));
		plot(f, s, i);
		fputs("</div>\n", f);
	}
}

static void card(FILE *f, const char *class, const char *value, const char *what)
{
	fprintf(f, "<div class=\"card\"><b class=\"%s\">%s</b><span>%s</span></div>\n", class,
		value, what);
}

static uint64_t across_p50_ns(const struct story *s)
{
	static const struct hist none;
	struct hist all = none;

	for (int i = 0; i < HOSTS * HOSTS; i++)
		if (i / HOSTS != i % HOSTS)
			hist_add(&all, &s->pair[i / HOSTS][i % HOSTS].latency[STORY_STEADY]);
	return hist_quantile_ns(&all, .5);
}

static void cards(FILE *f, const struct story *s)
{
	uint64_t noticed_ns = 0;
	char text[STORY_COUNT_MAX];

	for (int i = 0; i < HOSTS; i++)
		if (s->death_noticed_ns[i] > noticed_ns)
			noticed_ns = s->death_noticed_ns[i];
	fputs("<div class=\"cards\">\n", f);
	card(f, "", story_count(text, story_received(s)), "events delivered");
	card(f, "", story_count(text, story_lost(s)), "lost, and said so in their place");
	card(f, s->exact ? "good" : "bad", story_count(text, story_unexplained(s)),
	     "missing, repeated or out of order without a word");
	card(f, "", story_duration(text, across_p50_ns(s)), "median from host to host");
	if (noticed_ns)
		card(f, "", story_duration(text, noticed_ns), "until all knew of a kill -9");
	if (s->outage[1].cut_ms)
		card(f, "", story_duration(text, s->outage[1].resumed_ns),
		     "until all flowed again after the long cut");
	fputs("</div>\n", f);
}

static void cell_duration(FILE *f, const struct hist *h, double q)
{
	char text[STORY_DURATION_MAX];

	if (hist_total(h))
		fprintf(f, "<td>%s</td>", story_duration(text, hist_quantile_ns(h, q)));
	else
		fputs("<td>&ndash;</td>", f);
}

static void pair_row(FILE *f, const struct story *s, int hearer, int source)
{
	const struct story_pair *p = &s->pair[hearer][source];
	char events[STORY_COUNT_MAX], lost[STORY_COUNT_MAX];

	fprintf(f, "<tr><td class=\"l\">%s</td><td class=\"l\">%s%s</td><td>%s</td><td>%s</td>"
		"<td>%" PRIu64 "</td>", host_name(s, hearer), host_name(s, source),
		hearer == source ? " (itself)" : "",
		story_count(events, p->now.received + p->before.received),
		story_count(lost, p->now.lost + p->before.lost),
		p->now.unexplained + p->before.unexplained);
	cell_duration(f, &p->latency[STORY_STEADY], .5);
	cell_duration(f, &p->latency[STORY_STEADY], .99);
	cell_duration(f, &p->latency[STORY_BURST], .5);
	cell_duration(f, &p->latency[STORY_BURST], .99);
	fputs("</tr>\n", f);
}

static void pair_table(FILE *f, const struct story *s)
{
	fputs("<h2>Who heard whom</h2>\n<p class=\"soft\">Latency is from submit at the source to "
	      "the return of kecho_read() at the sink, by the one clock that all three share; "
	      "buckets are 12&nbsp;% wide. Steady: nothing was broken.</p>\n"
	      "<div class=\"box\"><table><tr><th class=\"l\">sink on</th><th class=\"l\">source on"
	      "</th><th>events</th><th>lost</th><th>unexplained</th><th>steady p50</th>"
	      "<th>p99</th><th>burst p50</th><th>p99</th></tr>\n", f);
	for (int i = 0; i < HOSTS * HOSTS; i++)
		pair_row(f, s, i / HOSTS, i % HOSTS);
	fputs("</table></div>\n", f);
}

static const char *duration_or(char buf[STORY_DURATION_MAX], uint64_t ns, const char *none)
{
	return ns ? story_duration(buf, ns) : none;
}

static void outage_row(FILE *f, const char *what, const struct story_outage *o)
{
	char lasted[STORY_DURATION_MAX], noticed[STORY_DURATION_MAX], resumed[STORY_DURATION_MAX];
	char late[STORY_COUNT_MAX], lost[STORY_COUNT_MAX];

	if (!o->cut_ms)
		return;
	fprintf(f, "<tr><td class=\"l\">%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
		   "<td>%s</td></tr>\n", what, story_duration(lasted, o->cut_ms * 1000000ull),
		duration_or(noticed, o->noticed_ns, "never"),
		duration_or(resumed, o->resumed_ns, "never"), story_count(late, o->late),
		story_count(lost, o->lost));
}

static void death_line(FILE *f, const struct story *s)
{
	char took[STORY_DURATION_MAX];

	fprintf(f, "<p>%s was killed with SIGKILL.", host_name(s, s->killed));
	for (int i = 0; i < HOSTS; i++)
		if (s->death_noticed_ns[i])
			fprintf(f, " %s knew in %s.", host_name(s, i),
				story_duration(took, s->death_noticed_ns[i]));
	fprintf(f, " A new node joined in its place: %s after its start.</p>\n",
		duration_or(took, s->rejoin_ns, "never"));
}

static void broken(FILE *f, const struct story *s)
{
	if (!s->outage[0].cut_ms)
		return;
	fputs("<h2>What was broken</h2>\n<p class=\"soft\">A link that is silent for 2&nbsp;s is "
	      "given up, and resumed where it was when it is there again. Late: over 250&nbsp;ms "
	      "old when it came. Lost: overwritten in the source's log meanwhile; the sink was "
	      "told which.</p>\n<div class=\"box\"><table><tr><th class=\"l\">birch was away</th>"
	      "<th>lasted</th><th>given up after</th><th>flowed after healing</th>"
	      "<th>came late</th><th>lost</th></tr>\n", f);
	outage_row(f, "short", &s->outage[0]);
	outage_row(f, "long, with a burst", &s->outage[1]);
	fputs("</table></div>\n", f);
	if (s->killed >= 0)
		death_line(f, s);
}

static void timeline(FILE *f, const struct story *s)
{
	fputs("<h2>What was done, and what was seen</h2>\n<div class=\"box\"><table>\n", f);
	for (unsigned int i = 0; i < s->nlines; i++) {
		fprintf(f, "<tr><td>%.2f s</td><td class=\"wrap%s\">",
			(double)s->line[i].at_ns / 1e9, s->line[i].bad ? " bad" : "");
		svg_text(f, s->line[i].text);
		fputs("</td></tr>\n", f);
	}
	fputs("</table></div>\n", f);
}

static void event_row(FILE *f, const struct story *s, const struct story_event *ev)
{
	char text[STORY_DURATION_MAX];

	fprintf(f, "<tr><td>%.3f s</td><td class=\"l\">%s</td>"
		   "<td class=\"wrap\"><details><summary>",
		(double)ev->at_ns / 1e9, host_name(s, ev->host));
	svg_text(f, ev->words);
	fputs("</summary><code>", f);
	svg_text(f, ev->json);
	fprintf(f, "</code></details></td><td class=\"l\">%s</td><td>%s</td></tr>\n",
		host_name(s, ev->hearer), story_duration(text, ev->latency_ns));
}

static int by_time(const void *a, const void *b)
{
	const struct story_event *x = *(const struct story_event *const *)a;
	const struct story_event *y = *(const struct story_event *const *)b;

	return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

/* All that is rare, and of what comes every other second a sample; as they happened,
 * which is not as they came. */
static void events(FILE *f, const struct story *s)
{
	unsigned int step = s->nevents / EVENTS_SHOWN + 1, shown = 0;
	const struct story_event *ev[STORY_EVENTS_MAX];

	for (unsigned int i = 0; i < s->nevents; i++)
		ev[i] = &s->event[i];
	qsort(ev, s->nevents, sizeof(ev[0]), by_time);

	fprintf(f, "<h2>What the kernels said</h2>\n<p class=\"soft\">%u events of netlink, load "
		"average and pressure crossed the channel. Each is shown with the first other host "
		"that heard it; open one for its payload.</p>\n<div class=\"box\"><table><tr><th>at"
		"</th><th class=\"l\">host</th><th class=\"l\">event</th><th class=\"l\">heard by"
		"</th><th>after</th></tr>\n", s->nevents);
	for (unsigned int i = 0; i < s->nevents && shown < 2 * EVENTS_SHOWN; i++) {
		if (i % step && strncmp(ev[i]->words, "netlink", 7))
			continue;
		event_row(f, s, ev[i]);
		shown++;
	}
	fputs("</table></div>\n", f);
}

static void host_box(FILE *f, const struct story *s, int i)
{
	int x = 20 + i * 320;

	fprintf(f, "<rect class=\"node\" x=\"%d\" y=\"6\" width=\"280\" height=\"54\" rx=\"8\"/>"
		   "<circle class=\"d%d\" cx=\"%d\" cy=\"27\" r=\"5\"/>"
		   "<text class=\"name\" x=\"%d\" y=\"32\">%s</text>"
		   "<text class=\"tick\" x=\"%d\" y=\"50\">%s%s</text>"
		   "<path class=\"wire\" d=\"M%d 60V92\"/>\n",
		x, i, x + 20, x + 34, host_name(s, i), x + 34, s->hosts->host[i].address,
		i ? "" : ", the registry too", x + 140);
}

/* The hosts and what joins them. */
static void topology(FILE *f, const struct story *s)
{
	fputs("<div class=\"box\"><svg class=\"plot\" viewBox=\"0 0 960 130\" role=\"img\"><title>"
	      "Three hosts, joined</title>\n", f);
	for (int i = 0; i < HOSTS; i++)
		host_box(f, s, i);
	fprintf(f, "<rect class=\"node\" x=\"20\" y=\"92\" width=\"920\" height=\"32\" rx=\"8\"/>"
		   "<text class=\"tick\" x=\"480\" y=\"112\" text-anchor=\"middle\">%s</text>"
		   "</svg></div>\n", s->hosts->loopback ? "the loopback interface of one host" :
		"bridge, each host on a veth of its own network namespace");
}

static void head(FILE *f, const struct story *s)
{
	time_t at = (time_t)(s->start_ns / 1000000000u);
	struct utsname u = { 0 };
	char when[64] = "";
	struct tm tm;

	uname(&u);
	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(f, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		"<title>kecho demo</title>\n<style>\n%s</style></head>\n<body><main>\n"
		"<h1>Three hosts, one channel</h1>\n", style);
	fprintf(f, "<p class=\"soft\">%s on Linux ", when);
	svg_text(f, u.release);
	fprintf(f, ", %ld CPUs, %.0f s. %s</p>\n", sysconf(_SC_NPROCESSORS_ONLN),
		(double)s->end_ns / 1e9, s->hosts->loopback ?
		"The hosts were loopback addresses, and a cut was SIGSTOP to the node: "
		"with CAP_SYS_ADMIN they are network namespaces." :
		"Each host was a network namespace behind one bridge; "
		"a cut took down its port there.");
	fputs("<p>Every host ran one process that published what its own kernel said, and 200 "
	      "ticks a second, on a shared channel, and heard all three. Then things were broken "
	      "on purpose: red stretches are when a host was away, grey ones bursts.</p>\n", f);
}

static void write_page(FILE *f, const struct story *s)
{
	head(f, s);
	topology(f, s);
	cards(f, s);
	fputs("<h2>Latency</h2>\n", f);
	legend(f, s, " &nbsp;&middot;&nbsp; strong: p50, faint: p99 of each fifth of a second, log "
		     "scale. What waited for a healed link comes as old as it is.");
	plots(f, s, plot_latency);
	fputs("<h2>Rate</h2>\n", f);
	legend(f, s, " &nbsp;&middot;&nbsp; log scale; the floor is silence.");
	plots(f, s, plot_rate);
	pair_table(f, s);
	broken(f, s);
	timeline(f, s);
	events(f, s);
	fputs("</main></body></html>\n", f);
}

/* The file under its unfinished name, which @name gets. */
static int create(const char *path, char name[PATH_MAX])
{
	int n = snprintf(name, PATH_MAX, "%s.%d", path, (int)getpid()), fd;

	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int report_try(const char *path)
{
	char name[PATH_MAX];
	int fd = create(path, name);

	if (fd < 0)
		return fd;
	close(fd);
	unlink(name);
	return 0;
}

int report_write(const char *path, const struct story *s)
{
	char name[PATH_MAX];
	int fd = create(path, name), err = 0;
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "w");
	if (!f) {
		err = -errno;
		close(fd);
		goto unlink;
	}
	write_page(f, s);
	if (ferror(f))
		err = -EIO;
	if (fclose(f))
		err = -errno;
	if (!err && rename(name, path))
		err = -errno;
unlink:
	if (err)
		unlink(name);
	return err;
}
