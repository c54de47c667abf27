/* SPDX-License-Identifier: MIT */
/* What happened in the show; see story.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "story.h"
#include "words.h"

#define STORY_JUMP	4	/* times: a larger change of latency is shown at once */

_Static_assert(1000000000u / STORY_SAMPLE_NS == STORY_SMOOTH, "a second of samples");

void story_begin(struct story *s, const struct hosts *hosts)
{
	memset(s, 0, sizeof(*s));
	s->hosts = hosts;
	s->start_ns = wire_now_ns();
	s->killed = -1;
}

static uint64_t since(const struct story *s, uint64_t time_ns)
{
	return time_ns > s->start_ns ? time_ns - s->start_ns : 0;
}

uint64_t story_now_ns(const struct story *s)
{
	return since(s, wire_now_ns());
}

static struct story_sample sample_of(const struct wire_ear *was, const struct wire_ear *is)
{
	struct story_sample sample = {
		.there = true,
		.lost = is->lost - was->lost,
		.events = (uint32_t)(is->received - was->received),
		.p50_ns = hist_quantile_ns(&is->latency, .5),
		.p99_ns = hist_quantile_ns(&is->latency, .99),
	};

	sample.per_s = sample.events * (1e9 / STORY_SAMPLE_NS);
	return sample;
}

static void smooth(struct story_pair *p, const struct story_sample *s)
{
	struct story_sample *last = &p->last;
	double share = 1.0 / STORY_SMOOTH;
	uint64_t sum = 0;

	p->recent[p->nrecent++ % STORY_SMOOTH] = s->events;
	for (unsigned int i = 0; i < STORY_SMOOTH; i++)
		sum += p->recent[i];
	last->there = true;
	last->events = s->events;
	last->per_s = (double)sum;
	if (s->p50_ns > STORY_JUMP * last->p50_ns || STORY_JUMP * s->p50_ns < last->p50_ns) {
		last->p50_ns = s->p50_ns;
		last->p99_ns = s->p99_ns;
	} else {
		last->p50_ns += (int64_t)(share * ((double)s->p50_ns - (double)last->p50_ns));
		last->p99_ns += (int64_t)(share * ((double)s->p99_ns - (double)last->p99_ns));
	}
}

static void pair_stats(struct story *s, struct story_pair *p, const struct wire_ear *ear,
		       uint64_t at_ns)
{
	uint64_t slot = at_ns / STORY_SAMPLE_NS;
	struct story_sample sample = sample_of(&p->now, ear);

	if (slot < STORY_SAMPLES_MAX) {
		/* Two reports may fall into one slot: the later one's latency stands. */
		sample.events += p->sample[slot].events;
		sample.lost += p->sample[slot].lost;
		sample.per_s += p->sample[slot].per_s;
		p->sample[slot] = sample;
	}
	smooth(p, &sample);
	hist_add(&p->latency[s->phase], &ear->latency);
	p->now = *ear;
}

void story_stats(struct story *s, int hearer, const struct wire_stats *st)
{
	assert(hearer >= 0 && hearer < HOSTS);
	for (int i = 0; i < HOSTS; i++)
		pair_stats(s, &s->pair[hearer][i], &st->ear[i], since(s, st->time_ns));
	s->submitted[hearer] = st->submitted;
	s->told_ns[hearer] = since(s, st->time_ns);
}

bool story_is_mute(const struct story *s, int host)
{
	return s->away[host] && story_now_ns(s) > s->told_ns[host] + STORY_MUTE_NS;
}

void story_restarted(struct story *s, int host)
{
	for (int i = 0; i < HOSTS; i++) {
		struct story_pair *p = &s->pair[host][i];

		p->before.received += p->now.received;
		p->before.lost += p->now.lost;
		p->before.unexplained += p->now.unexplained;
		memset(&p->now, 0, sizeof(p->now));
	}
	s->submitted[host] = 0;
}

static bool is_told(const struct story *s, const struct wire_heard *h)
{
	for (unsigned int i = 0; i < s->nevents; i++)
		if (s->event[i].source == h->source && s->event[i].seq == h->seq)
			return true;
	return false;
}

/* Load and CPU pressure stand beside the host that they are of. */
static void remember_figures(struct story *s, const struct story_event *ev)
{
	char *pressure = s->pressure[ev->host];

	words_field(ev->json, "load1", s->load[ev->host], sizeof(s->load[0]));
	if (strstr(ev->json, "\"resource\":\"cpu\"") &&
	    words_field(ev->json, "avg10", pressure, sizeof(s->pressure[0]) - 1))
		snprintf(pressure + strcspn(pressure, "."), 2, "%%");
}

void story_heard(struct story *s, int hearer, const struct wire_heard *h)
{
	struct story_event *ev = &s->event[s->nevents];

	assert(hearer >= 0 && hearer < HOSTS);
	if (h->host >= HOSTS || s->nevents == STORY_EVENTS_MAX || is_told(s, h))
		return;
	ev->at_ns = since(s, h->time_ns);
	ev->latency_ns = h->latency_ns;
	ev->source = h->source;
	ev->seq = h->seq;
	ev->host = (int)h->host;
	ev->hearer = hearer;
	snprintf(ev->json, sizeof(ev->json), "%s", h->text);
	words_of(ev->json, ev->words, sizeof(ev->words));
	remember_figures(s, ev);
	s->nevents++;
}

void story_tell(struct story *s, bool bad, const char *fmt, ...)
{
	struct story_line *l = &s->line[s->nlines];
	va_list ap;

	if (s->nlines == STORY_LINES_MAX)
		return;
	l->at_ns = story_now_ns(s);
	l->bad = bad;
	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	s->nlines++;
}

void story_away(struct story *s, int host, const char *what)
{
	s->away[host] = true;
	if (s->nspans < STORY_SPANS_MAX)
		s->span[s->nspans++] = (struct story_span){
			.from_ns = story_now_ns(s), .host = host, .what = what,
		};
}

void story_back(struct story *s, int host)
{
	s->away[host] = false;
	for (unsigned int i = 0; i < s->nspans; i++)
		if (s->span[i].host == host && !s->span[i].until_ns)
			s->span[i].until_ns = story_now_ns(s);
}

void story_burst(struct story *s, uint64_t duration_ns)
{
	uint64_t now_ns = story_now_ns(s);

	if (s->nspans < STORY_SPANS_MAX)
		s->span[s->nspans++] = (struct story_span){
			.from_ns = now_ns, .until_ns = now_ns + duration_ns, .host = -1,
			.what = "burst",
		};
}

#define SUM_OF_PAIRS(s, field)							\
	({									\
		uint64_t sum = 0;						\
										\
		for (int i = 0; i < HOSTS * HOSTS; i++)				\
			sum += (s)->pair[i / HOSTS][i % HOSTS].now.field +	\
			       (s)->pair[i / HOSTS][i % HOSTS].before.field;	\
		sum;								\
	})

uint64_t story_received(const struct story *s)
{
	return SUM_OF_PAIRS(s, received);
}

uint64_t story_lost(const struct story *s)
{
	return SUM_OF_PAIRS(s, lost);
}

uint64_t story_unexplained(const struct story *s)
{
	return SUM_OF_PAIRS(s, unexplained);
}

const char *story_duration(char buf[STORY_DURATION_MAX], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double v = (double)ns;
	int unit = 0;

	while (v >= 999.5 && unit < 3) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, STORY_DURATION_MAX, v < 9.95 && unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}

const char *story_count(char buf[STORY_COUNT_MAX], uint64_t n)
{
	char plain[24];
	int len = snprintf(plain, sizeof(plain), "%" PRIu64, n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = plain[i];
	}
	buf[at] = '\0';
	return buf;
}
