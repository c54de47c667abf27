// SPDX-License-Identifier: MIT
/*
 * Reading a recording, see script.h; and comparing with it.
 */
#include "script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 24 };

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ------------------------------------------------------------------------ bytes */

static void put(struct field *f, size_t n, unsigned int byte)
{
	f->bytes = need(realloc(f->bytes, f->len + n + 1));
	memset(f->bytes + f->len, (int)byte, n);
	f->len += n;
}

/* Hex digits of whole bytes, or "N*XX". */
static bool parse_part(const char *s, size_t len, struct field *f)
{
	const char *star = memchr(s, '*', len), *end = s + len;
	size_t times = star ? strtoul(s, NULL, 10) : 1;
	unsigned int byte;

	s = star ? star + 1 : s;
	if (!len || (end - s) % 2 || (star && end - s != 2))
		return false;
	for (; s < end; s += 2) {
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
		    sscanf(s, "%2x", &byte) != 1 || times > FRAME_MAX - f->len)
			return false;
		put(f, times, byte);
	}
	return true;
}

static bool parse_bytes(const char *s, struct field *f)
{
	size_t len;

	put(f, 0, 0);
	if (!strcmp(s, "-"))
		return true;
	for (;; s += len + 1) {
		len = strcspn(s, "+");
		if (!parse_part(s, len, f))
			return false;
		if (!s[len])
			return true;
	}
}

static bool parse_mark(const char *s, struct field *f)
{
	size_t len;

	if (!s)
		return true;
	if (!strcmp(s, "len") || !strcmp(s, "any")) {
		f->mark = *s == 'l' ? MARK_LEN : MARK_ANY;
		return true;
	}
	len = strlen(s);
	if (s[0] != '$' || len < 2)
		return false;
	f->mark = s[len - 1] == '*' ? MARK_STRING : MARK_VALUE;
	f->value = need(strndup(s + 1, len - 1 - (f->mark == MARK_STRING)));
	return true;
}

static bool parse_field(char *line, struct step *s)
{
	struct field f = { 0 };
	char *bytes = strtok(line, " \t\n"), *name = strtok(NULL, " \t\n");
	char *mark = strtok(NULL, " \t\n");

	s->field = need(realloc(s->field, (s->n + 1) * sizeof(f)));
	s->field[s->n] = f;
	if (!name || strtok(NULL, " \t\n"))
		return false;
	s->field[s->n].name = need(strdup(name));
	return parse_bytes(bytes, &s->field[s->n]) && parse_mark(mark, &s->field[s->n++]);
}

/* ------------------------------------------------------------------------ lines */

struct reader {
	struct script *script;
	struct session **session;	/* where the next one goes */
	struct session *now;
	struct step **step, *frame;
	char *comment;
	unsigned int line;
};

static void keep_comment(struct reader *r, const char *line)
{
	size_t had = r->comment ? strlen(r->comment) : 0;

	r->comment = need(realloc(r->comment, had + strlen(line) + 1));
	strcpy(r->comment + had, line);
}

static bool new_session(struct reader *r, const char *name)
{
	struct session *s = need(calloc(1, sizeof(*s)));

	s->name = need(strndup(name, strcspn(name, "\n")));
	s->comment = r->comment;
	r->comment = NULL;
	*r->session = r->now = s;
	r->session = &s->next;
	r->step = &s->steps;
	r->frame = NULL;
	return true;
}

static struct step *new_step(struct reader *r, const char *text)
{
	struct step *s = need(calloc(1, sizeof(*s)));

	s->line = r->line;
	s->text = need(strndup(text, strcspn(text, "\n")));
	*r->step = s;
	r->step = &s->next;
	return s;
}

static bool take_line(struct reader *r, char *line)
{
	r->line++;
	if (*line == '#' || *line == '\n') {
		keep_comment(r, line);
		return true;
	}
	if (!strncmp(line, "== ", 3))
		return new_session(r, line + 3);
	if (!r->now)
		return false;
	if (*line == '\t')
		return r->frame && parse_field(line, r->frame);
	r->frame = NULL;
	if (!strncmp(line, "! ", 2)) {
		new_step(r, line + 2);
		return true;
	}
	if (strlen(line) < 6 || line[1] != '>' || line[3] != ' ')
		return false;
	r->frame = new_step(r, line + 4);
	r->frame->from = line[0];
	r->frame->to = line[2];
	return true;
}

struct script *script_read(const char *path)
{
	struct script *script = need(calloc(1, sizeof(*script)));
	struct reader r = { .script = script, .session = &script->sessions };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	while (f && !script->error && getline(&line, &size, f) > 0)
		if (!take_line(&r, line) &&
		    asprintf(&script->error, "%s:%u: not a line of a recording", path, r.line) < 0)
			abort();
	if (!f && asprintf(&script->error, "%s: cannot be read", path) < 0)
		abort();
	if (f)
		fclose(f);
	free(line);
	free(r.comment);
	return script;
}

static void free_step(struct step *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++) {
		free(s->field[i].name);
		free(s->field[i].value);
		free(s->field[i].bytes);
	}
	free(s->field);
	free(s->text);
	free(s);
}

void script_free(struct script *script)
{
	struct session *session;
	struct step *s;

	while ((session = script->sessions)) {
		script->sessions = session->next;
		while ((s = session->steps)) {
			session->steps = s->next;
			free_step(s);
		}
		free(session->name);
		free(session->comment);
		free(session);
	}
	free(script->error);
	free(script);
}

/* ----------------------------------------------------------------------- values */

static struct value *find(struct values *v, const char *name)
{
	unsigned int i;

	for (i = 0; i < v->n; i++)
		if (!strcmp(v->v[i].name, name))
			return &v->v[i];
	return NULL;
}

void values_set(struct values *v, const char *name, const void *bytes, size_t len)
{
	struct value *val = find(v, name);

	if (!val) {
		if (v->n == VALUES_MAX)
			abort();
		val = &v->v[v->n++];
		val->name = name;
		val->bytes = NULL;
	}
	val->bytes = need(realloc(val->bytes, len + 1));
	memcpy(val->bytes, bytes, len);
	val->len = len;
}

void values_free(struct values *v)
{
	while (v->n)
		free(v->v[--v->n].bytes);
}

size_t step_bytes(const struct step *s, struct values *v, uint8_t *out)
{
	const uint8_t *bytes;
	size_t at = 0, len;
	struct value *val;
	unsigned int i;

	for (i = 0; i < s->n; i++) {
		const struct field *f = &s->field[i];

		bytes = f->bytes;
		len = f->len;
		if (f->value) {
			val = find(v, f->value);
			if (val) {
				bytes = val->bytes;
				len = val->len;
			} else {
				values_set(v, f->value, bytes, len);
			}
		}
		memcpy(out + at, bytes, len);
		at += len;
	}
	for (i = 0; i < 4; i++)
		out[i] = (at - HEADER) >> 8 * i;
	return at;
}

bool step_may_grow(const struct step *s)
{
	static const char *const to_the_end[] = { "NODES", "STATS", "SHARE", "MEET", "DRAIN",
						  "DRAINED", "DATA", "PICKED", "TYPE",
						  "FILTER" };
	unsigned int i;

	for (i = 0; i < sizeof(to_the_end) / sizeof(*to_the_end); i++)
		if (!strcmp(s->text, to_the_end[i]))
			return false;
	return true;
}

static void hex(char *to, size_t size, const uint8_t *p, size_t len)
{
	size_t i;

	*to = 0;
	for (i = 0; i < len && 2 * i + 3 < size; i++)
		sprintf(to + 2 * i, "%02x", p[i]);
}

static const char *differs(const struct step *s, const struct field *f, const uint8_t *is,
			   size_t is_len, const uint8_t *was, size_t was_len)
{
	static char why[400];
	char a[80], b[80];

	hex(a, sizeof(a), is, is_len);
	hex(b, sizeof(b), was, was_len);
	snprintf(why, sizeof(why), "the field '%s' of %s is %s, and should be %s", f->name,
		 s->text, is_len ? a : "not there", b);
	return why;
}

/* One field at @p, of which @left bytes are there; *@len is its length. */
static const char *field_differs(const struct step *s, const struct field *f, struct values *v,
				 const uint8_t *p, size_t left, size_t *len)
{
	struct value *val = f->value ? find(v, f->value) : NULL;
	const uint8_t *was = val ? val->bytes : f->bytes;
	size_t was_len = val ? val->len : f->len;

	*len = f->len;
	if (f->mark == MARK_STRING)
		*len = left < 2 ? 2 : 2u + p[0] + 256u * p[1];
	if (*len > left)
		return differs(s, f, p, left, was, was_len);
	if (f->value && !val)
		values_set(v, f->value, p, *len);
	else if ((f->mark == MARK_NONE || val) && (*len != was_len || memcmp(p, was, *len)))
		return differs(s, f, p, *len, was, was_len);
	return NULL;
}

const char *step_differs(const struct step *s, struct values *v, const uint8_t *p, size_t len)
{
	static char why[200];
	const char *wrong;
	size_t at = 0, n;
	unsigned int i;

	for (i = 0; i < s->n; i++) {
		wrong = field_differs(s, &s->field[i], v, p + at, len - at, &n);
		if (wrong)
			return wrong;
		at += n;
	}
	if (at == len || step_may_grow(s))
		return NULL;
	snprintf(why, sizeof(why), "%s has %zu bytes more", s->text, len - at);
	return why;
}
