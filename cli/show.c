/* SPDX-License-Identifier: MIT */
/*
 * What `kecho sub` and `kecho tap` print.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "json.h"
#include "members.h"
#include "out.h"
#include "show.h"
#include "stop.h"
#include "typed.h"

#define HEX_ROW		16	/* bytes on a line of a dump */
#define NOTICE_MAX	512	/* bytes of a line about what is no event */

static int64_t latency_ns(const struct kecho_event *ev)
{
	return (int64_t)(real_ns() - ev->time_ns);
}

static void event_attrs_text(const struct show *s, const struct kecho_event *ev)
{
	struct kecho_value v;

	for (size_t i = 0; i < s->event_attrs.n; i++) {
		if (kecho_event_get(ev, s->event_attrs.name[i], &v))
			continue;
		buf_format(&out, " %s=", s->event_attrs.name[i]);
		value_text(&out, &v);
	}
}

static void event_attrs_json(struct json *j, const struct show *s, const struct kecho_event *ev)
{
	struct kecho_value v;

	json_key(j, "attributes");
	json_object(j);
	for (size_t i = 0; i < s->event_attrs.n; i++)
		if (!kecho_event_get(ev, s->event_attrs.name[i], &v))
			value_json(j, s->event_attrs.name[i], &v);
	json_object_end(j);
}

static void source_attrs_json(struct json *j, struct show *s, uint64_t source)
{
	if (!s->source_attrs.n)
		return;
	json_key(j, "source_attributes");
	json_object(j);
	member_attrs_json(j, s->ch, source, &s->source_attrs);
	json_object_end(j);
}

/* The type that the event is to be printed by, as which it is then; NULL: it is bytes. */
static const struct kecho_type *see(struct show *s, struct kecho_event *ev)
{
	char *as;

	if (s->raw || !s->type)
		return s->raw ? NULL : kecho_event_type(s->sink, ev);
	as = buf_room(&s->as, kecho_type_size(s->type));
	if (ev->type && !kecho_event_as(s->sink, ev, s->type, as, NULL)) {
		ev->data = as;
		ev->len = kecho_type_size(s->type);
	}
	return s->type;
}

static void payload_json(struct json *j, struct show *s, struct kecho_event ev)
{
	const struct kecho_type *type = see(s, &ev);
	bool text;

	if (type) {
		json_str(j, "type", kecho_type_name(type));
		json_key(j, "payload");
		typed_json(j->b, type, &ev);
		j->comma = true;
		return;
	}
	text = utf8_valid(ev.data, ev.len);
	json_key(j, text ? "payload" : "payload_base64");
	if (text)
		json_string_n(j, ev.data, ev.len);
	else
		json_base64(j, ev.data, ev.len);
}

static void event_json(struct show *s, const struct kecho_event *ev)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];

	json_object(&j);
	json_str(&j, "event", "event");
	json_id(&j, "source", ev->source);
	json_u64(&j, "seq", ev->seq);
	if (ev->time_ns) {
		json_str(&j, "time", format_utc(time, ev->time_ns));
		json_u64(&j, "time_ns", ev->time_ns);
		json_real(&j, "latency_us", latency_ns(ev) / 1e3, 3);
	}
	if (ev->deadline_ns)
		json_u64(&j, "deadline_ns", ev->deadline_ns);
	event_attrs_json(&j, s, ev);
	source_attrs_json(&j, s, ev->source);
	json_u64(&j, "size", ev->len);
	payload_json(&j, s, *ev);
	json_object_end(&j);
	buf_char(&out, '\n');
}

static void attrs_text(struct show *s, const struct kecho_event *ev)
{
	event_attrs_text(s, ev);
	if (s->source_attrs.n)
		member_attrs_text(&out, s->ch, ev->source, &s->source_attrs);
}

static void event_text(struct show *s, struct kecho_event ev)
{
	const struct kecho_type *type = see(s, &ev);
	size_t before = out.len;

	attrs_text(s, &ev);
	if (out.len > before) {
		/* They came with a blank in front; one belongs behind. */
		memmove(out.p + before, out.p + before + 1, out.len - before - 1);
		out.p[out.len - 1] = ' ';
	}
	if (type)
		typed_json(&out, type, &ev);
	else
		buf_add(&out, ev.data, ev.len);
	buf_char(&out, s->separator);
}

static void hex_row(const unsigned char *p, size_t at, size_t len)
{
	size_t n = len - at < HEX_ROW ? len - at : HEX_ROW;

	buf_format(&out, "%08zx ", at);
	for (size_t i = 0; i < HEX_ROW; i++) {
		if (i == HEX_ROW / 2)
			buf_char(&out, ' ');
		if (i < n)
			buf_format(&out, " %02x", p[at + i]);
		else
			buf_str(&out, "   ");
	}
	buf_str(&out, "  |");
	for (size_t i = 0; i < n; i++)
		buf_char(&out, p[at + i] >= 0x20 && p[at + i] < 0x7f ? p[at + i] : '.');
	buf_str(&out, "|\n");
}

/* The payload as value_text() has strings: a terminal gets nothing that steers it. */
static void event_line(struct show *s, const struct kecho_event *ev)
{
	struct kecho_value payload = { KECHO_STRING, 0, ev->data, ev->len, 0 };
	struct kecho_event seen = *ev;
	const struct kecho_type *type = see(s, &seen);
	char time[FORMAT_MAX];

	buf_format(&out, "%s %016" PRIx64 " %" PRIu64 " %zu bytes",
		   ev->time_ns ? format_clock(time, ev->time_ns) : "-", ev->source, ev->seq,
		   ev->len);
	attrs_text(s, ev);
	if (ev->len)
		buf_str(&out, ": ");
	if (type)
		typed_json(&out, type, &seen);
	else
		value_text(&out, &payload);
	buf_char(&out, '\n');
}

static void event_hex(struct show *s, const struct kecho_event *ev)
{
	char time[FORMAT_MAX], late[FORMAT_MAX];

	buf_format(&out, "%016" PRIx64 " %" PRIu64, ev->source, ev->seq);
	if (ev->time_ns)
		buf_format(&out, " %s +%s", format_clock(time, ev->time_ns),
			   format_duration(late, latency_ns(ev)));
	buf_format(&out, ", %zu bytes", ev->len);
	attrs_text(s, ev);
	buf_char(&out, '\n');
	for (size_t at = 0; at < ev->len; at += HEX_ROW)
		hex_row(ev->data, at, ev->len);
}

/* What came before it is to be seen before it. */
__attribute__((format(printf, 2, 3))) static int notice(const struct show *s, const char *fmt, ...)
{
	char text[NOTICE_MAX], time[FORMAT_MAX];
	va_list ap;
	int err;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->notices) {
		buf_format(&out, "%s %s\n", format_clock(time, real_ns()), text);
		return out_item();
	}
	err = out_idle();
	complain("%s", text);
	return err;
}

static int show_lost(struct show *s, const struct kecho_event *ev)
{
	struct json j = { .b = &out };
	uint64_t count = ev->last_seq - ev->seq + 1;

	if (s->mode != SHOW_JSON)
		return notice(s, "lost %" PRIu64 " events, %" PRIu64 " to %" PRIu64
			      ", of source %016" PRIx64, count, ev->seq, ev->last_seq, ev->source);
	json_object(&j);
	json_str(&j, "event", "lost");
	json_id(&j, "source", ev->source);
	json_u64(&j, "first_seq", ev->seq);
	json_u64(&j, "last_seq", ev->last_seq);
	json_u64(&j, "count", count);
	json_object_end(&j);
	buf_char(&out, '\n');
	return out_item();
}

static int show_ended(struct show *s, const struct kecho_event *ev)
{
	struct json j = { .b = &out };

	if (s->mode != SHOW_JSON)
		return notice(s, "source %016" PRIx64 " %s; its last event was %" PRIu64,
			      ev->source, ev->failed ? "failed" : "left", ev->last_seq);
	json_object(&j);
	json_str(&j, "event", "ended");
	json_id(&j, "source", ev->source);
	json_u64(&j, "last_seq", ev->last_seq);
	json_bool(&j, "failed", ev->failed);
	json_object_end(&j);
	buf_char(&out, '\n');
	return out_item();
}

/* It does not keep its promise to give signs of life, or does again. */
static int show_alive(struct show *s, const struct kecho_event *ev)
{
	bool silent = ev->kind == KECHO_SILENT;
	struct json j = { .b = &out };

	if (s->mode != SHOW_JSON)
		return notice(s, "source %016" PRIx64 " is %s; its last event was %" PRIu64,
			      ev->source, silent ? "silent" : "back", ev->last_seq);
	json_object(&j);
	json_str(&j, "event", silent ? "silent" : "back");
	json_id(&j, "source", ev->source);
	json_u64(&j, "last_seq", ev->last_seq);
	json_object_end(&j);
	buf_char(&out, '\n');
	return out_item();
}

int show_event(struct show *s, const struct kecho_event *ev)
{
	if (ev->kind == KECHO_LOST)
		return show_lost(s, ev);
	if (ev->kind == KECHO_ENDED)
		return show_ended(s, ev);
	if (ev->kind != KECHO_EVENT)
		return show_alive(s, ev);
	if (s->mode == SHOW_JSON)
		event_json(s, ev);
	else if (s->mode == SHOW_HEX)
		event_hex(s, ev);
	else if (s->mode == SHOW_LINE)
		event_line(s, ev);
	else
		event_text(s, *ev);
	return out_item();
}

int show_member(struct show *s, const struct kecho_member *m)
{
	char node[KECHO_ATTR_VALUE_MAX + 1];
	struct json j = { .b = &out };

	if (s->mode != SHOW_JSON)
		return notice(s, "%s %016" PRIx64 " of node %s %s%s", role_name(m->role), m->id,
			      member_node_name(s->ch, m->id, node, sizeof(node)),
			      state_name(m->state), m->mine ? " (this command)" : "");
	json_object(&j);
	json_str(&j, "event", state_name(m->state));
	member_json(&j, s->ch, m, &s->source_attrs);
	json_object_end(&j);
	buf_char(&out, '\n');
	return out_item();
}
