/* SPDX-License-Identifier: MIT */
/*
 * A recording, read through once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "json.h"
#include "links.h"
#include "members.h"
#include "out.h"
#include "survey.h"

struct survey_source *survey_source(const struct survey *s, uint64_t id)
{
	struct known_id *k = known_find(&s->sources, id);

	return k ? k->thing : NULL;
}

bool survey_selects(const struct selection *sel, const char *channel, int64_t due_ns)
{
	return (!sel->channel || !strcmp(sel->channel, channel)) && due_ns >= sel->from_ns &&
	       due_ns < sel->to_ns;
}

static size_t channel_of(struct survey *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nchannels; i++)
		if (!strcmp(s->channels[i].name, name))
			return i;
	s->channels = grow(s->channels, s->nchannels + 1, sizeof(*s->channels));
	s->channels[i] = (struct survey_channel){ 0 };
	strcpy(s->channels[i].name, name);
	s->nchannels++;
	return i;
}

/* That which @it is of; it is new if it was not seen before. */
static struct survey_source *source_of(struct survey *s, const struct recording_item *it,
				       uint64_t id)
{
	struct survey_source *src = survey_source(s, id);

	if (src)
		return src;
	src = grow(NULL, 1, sizeof(*src));
	*src = (struct survey_source){ .id = id, .channel = s->of_run[it->channel],
				       .damages = s->damages };
	known_add(&s->sources, id);
	known_find(&s->sources, id)->thing = src;
	s->channels[src->channel].sources++;
	return src;
}

static void take_run(struct survey *s, const struct recording_item *it)
{
	if (!s->runs++)
		s->began_ns = it->run.real_ns;
	for (unsigned int i = 0; i < it->run.nchannels; i++)
		s->of_run[i] = channel_of(s, it->run.channels[i].name);
	/* What was submitted between two runs is in none, and so are losses there. */
	for (size_t i = 0; i < s->sources.n; i++)
		((struct survey_source *)s->sources.ids[i].thing)->due = 0;
	timeline_run(&s->timeline, it);
}

static void take_member(struct survey *s, const struct recording_item *it)
{
	struct survey_source *src;

	if (it->member.m.role != KECHO_SOURCE)
		return;
	src = source_of(s, it, it->member.m.id);
	if (src->label || !it->member.label_len)
		return;
	src->label = grow(NULL, it->member.label_len + 1, 1);
	memcpy(src->label, it->member.label, it->member.label_len);
	src->label[it->member.label_len] = '\0';
}

/* Numbers that are skipped are of no event, unless there is damage since the last one. */
static void take_gap(struct survey *s, struct survey_source *src, uint64_t next)
{
	if (src->damages != s->damages && src->due && next > src->due) {
		src->missing += next - src->due;
		s->missing += next - src->due;
		complain("missing: events %" PRIu64 " to %" PRIu64 " of source %016" PRIx64
			 " in channel '%s'", src->due, next - 1, src->id,
			 s->channels[src->channel].name);
	}
	src->damages = s->damages;
}

static void take_event(struct survey *s, const struct recording_item *it,
		       const struct selection *sel)
{
	struct survey_source *src = source_of(s, it, it->event.source);
	struct survey_channel *c = &s->channels[src->channel];

	take_gap(s, src, it->event.seq);
	src->due = it->event.seq + 1;
	if (!src->events++)
		src->first = it->event.seq;
	src->last = it->event.seq;
	src->bytes += it->event.len;
	c->events++;
	c->bytes += it->event.len;
	s->events++;
	s->bytes += it->event.len;
	if (!survey_selects(sel, c->name, timeline_due(&s->timeline, it)))
		return;
	src->selected++;
	c->selected++;
	s->selected++;
}

static void take_lost(struct survey *s, const struct recording_item *it)
{
	struct survey_source *src = source_of(s, it, it->event.source);
	uint64_t n = it->event.last_seq - it->event.seq + 1;

	take_gap(s, src, it->event.seq);
	src->due = it->event.last_seq + 1;
	src->lost += n;
	s->channels[src->channel].lost += n;
	s->lost += n;
}

static void take(struct survey *s, const struct recording_item *it, const struct selection *sel)
{
	switch (it->kind) {
	case RECORDING_RUN:
		take_run(s, it);
		break;
	case RECORDING_MEMBER:
		take_member(s, it);
		break;
	case RECORDING_EVENT:
		take_event(s, it, sel);
		break;
	case RECORDING_LOST:
		take_lost(s, it);
		break;
	case RECORDING_ENDED:
		take_gap(s, source_of(s, it, it->event.source), it->event.last_seq + 1);
		break;
	case RECORDING_END:
		s->whole_runs++;
		break;
	case RECORDING_TYPE:	/* its events name their source */
		break;
	}
}

static int damaged(struct survey *s, const struct recording_reader *r, const char *path)
{
	s->damages++;
	s->damaged += r->damage.bytes;
	complain("'%s' is damaged at byte %" PRIu64 ", %" PRIu64 " bytes: %s", path,
		 r->damage.offset, r->damage.bytes, r->damage.why);
	return -EBADMSG;
}

int survey_read(struct survey *s, int fd, const char *path, const struct selection *sel,
		bool patient)
{
	struct recording_reader r;
	struct recording_item it;
	int n = recording_open(&r, fd), err = 0;

	*s = (struct survey){ 0 };
	if (n == -EINVAL) {
		complain("'%s' is not a regular file", path);
		return n;
	}
	s->size = r.size;
	while (!n && (n = recording_next(&r, &it)) != 0) {
		if (n == 1)
			take(s, &it, sel);
		else if (n == -EBADMSG)
			err = damaged(s, &r, path);
		n = n == 1 || (n == -EBADMSG && patient) ? 0 : n;
	}
	s->torn = r.torn;
	recording_close(&r);
	if (n && n != -EBADMSG)
		complain("cannot read '%s': %s", path, strerror(-n));
	else if (!n && !s->runs)
		complain("'%s' is no recording: it has no whole record", path);
	return n ? n : s->runs ? err : -ENODATA;
}

void survey_free(struct survey *s)
{
	struct survey_source *src;

	for (size_t i = 0; i < s->sources.n; i++) {
		src = s->sources.ids[i].thing;
		free(src->label);
		free(src);
	}
	known_free(&s->sources);
	free(s->channels);
	timeline_free(&s->timeline);
}

/* -------------------------------------------------------------------- printing */

static void source_text(const struct survey_source *src)
{
	struct kecho_value label = { KECHO_STRING, 0, src->label, 0, 0 };

	buf_format(&out, "  source %016" PRIx64, src->id);
	if (src->label) {
		label.len = strlen(src->label);
		buf_char(&out, ' ');
		value_text(&out, &label);
	}
	buf_format(&out, ": %" PRIu64 " events", src->events);
	if (src->events)
		buf_format(&out, ", %" PRIu64 " to %" PRIu64, src->first, src->last);
	buf_format(&out, ", %" PRIu64 " lost", src->lost);
	if (src->missing)
		buf_format(&out, ", %" PRIu64 " missing", src->missing);
	buf_char(&out, '\n');
}

static void print_text(const struct survey *s, const char *path)
{
	char began[FORMAT_MAX], span[FORMAT_MAX], bytes[FORMAT_MAX];

	buf_format(&out, "%s: %" PRIu64 " events in %s, %" PRIu64 " lost, %s, begun %s\n", path,
		   s->events, format_duration(span, s->timeline.last_ns), s->lost,
		   format_bytes(bytes, s->bytes), format_utc(began, s->began_ns));
	if (s->damages)
		buf_format(&out, "damaged: %" PRIu64 " times, %" PRIu64 " bytes, %" PRIu64
			   " events are missing\n", s->damages, s->damaged, s->missing);
	if (s->whole_runs < s->runs)
		buf_format(&out, "%" PRIu64 " of its %" PRIu64 " runs were cut off; %" PRIu64
			   " bytes at its end are torn\n", s->runs - s->whole_runs, s->runs,
			   s->torn);
	for (size_t i = 0; i < s->nchannels; i++) {
		buf_format(&out, "channel %s: %" PRIu64 " events of %" PRIu64 " sources, %" PRIu64
			   " lost\n", s->channels[i].name, s->channels[i].events,
			   s->channels[i].sources, s->channels[i].lost);
		for (size_t k = 0; k < s->sources.n; k++) {
			const struct survey_source *src = s->sources.ids[k].thing;

			if (src->channel == i)
				source_text(src);
		}
	}
}

static void source_json(struct json *j, const struct survey *s, const struct survey_source *src)
{
	json_object(j);
	json_id(j, "source", src->id);
	json_str(j, "channel", s->channels[src->channel].name);
	json_str(j, "label", src->label ? src->label : "");
	json_u64(j, "events", src->events);
	json_u64(j, "first_seq", src->first);
	json_u64(j, "last_seq", src->last);
	json_u64(j, "lost", src->lost);
	json_u64(j, "missing", src->missing);
	json_u64(j, "bytes", src->bytes);
	json_object_end(j);
}

static void print_json(const struct survey *s, const char *path)
{
	struct json j = { .b = &out };
	char began[FORMAT_MAX];

	json_object(&j);
	json_str(&j, "file", path);
	json_str(&j, "begun", format_utc(began, s->began_ns));
	json_u64(&j, "span_ns", s->timeline.last_ns);
	json_u64(&j, "runs", s->runs);
	json_u64(&j, "cut_off", s->runs - s->whole_runs);
	json_u64(&j, "torn_bytes", s->torn);
	json_u64(&j, "events", s->events);
	json_u64(&j, "lost", s->lost);
	json_u64(&j, "bytes", s->bytes);
	json_u64(&j, "damages", s->damages);
	json_u64(&j, "damaged_bytes", s->damaged);
	json_u64(&j, "missing", s->missing);
	json_key(&j, "sources");
	json_array(&j);
	for (size_t i = 0; i < s->sources.n; i++)
		source_json(&j, s, s->sources.ids[i].thing);
	json_array_end(&j);
	json_object_end(&j);
	buf_char(&out, '\n');
}

void survey_print(const struct survey *s, const char *path, bool as_json)
{
	if (as_json)
		print_json(s, path);
	else
		print_text(s, path);
}
