/* SPDX-License-Identifier: MIT */
/*
 * One event, as it was given on the command line, judged: what the filter reads, what it
 * says, how long it takes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "filter.h"
#include "format.h"
#include "json.h"
#include "out.h"
#include "samples.h"
#include "stop.h"

#define BATCH	1000		/* judgements for one look at the clock */
#define AGE	".age"

/* A field or attribute that the filter reads. */
struct seen {
	char *name;
	const struct kecho_value *v;	/* NULL: absent */
};

struct trial {
	struct filter_args *a;
	struct kecho_filter_event ev;
	struct kecho_judge *j;
	struct seen *seen;
	size_t n;
};

/* ---------------------------------------------------------------- what was given */

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !memcmp(s + len - n, end, n);
}

/* In double quotes it is a string. */
static void unquote(struct kecho_value *v)
{
	const char *s = v->data;

	if (v->kind != KECHO_STRING || v->len < 2 || s[0] != '"' || s[v->len - 1] != '"')
		return;
	v->data = s + 1;
	v->len -= 2;
}

static int take_number(const struct kecho_attr *g, uint64_t *to)
{
	if (g->value.kind != KECHO_I64 || g->value.i64 < 0)
		return usage_error("%s is a whole number", g->name);
	*to = g->value.i64;
	return 0;
}

static bool is_word(const char *name)
{
	return !strcmp(name, "seq") || !strcmp(name, "time") || !strcmp(name, "len") ||
	       !strcmp(name, "type");
}

/* What an event has besides fields and attributes. */
static int take_word(struct trial *t, const struct kecho_attr *g)
{
	uint64_t len = 0;
	int code;

	if (!strcmp(g->name, "seq"))
		return take_number(g, &t->ev.seq);
	if (!strcmp(g->name, "time"))
		return take_number(g, &t->ev.time_ns);
	if (!strcmp(g->name, "len")) {
		code = take_number(g, &len);
		t->ev.len = len;
		return code;
	}
	if (g->value.kind != KECHO_STRING)
		return usage_error("type is a name");
	t->ev.type = g->value.data;
	return 0;
}

static int take_words(struct trial *t)
{
	int code = 0;

	for (size_t i = 0; i < t->a->given.n && !code; i++) {
		struct kecho_attr *g = &t->a->given.attr[i];

		unquote(&g->value);
		t->a->used[i] = is_word(g->name);
		if (t->a->used[i])
			code = take_word(t, g);
	}
	return code;
}

/* A dot before the name of a field tells it from those words. */
static const struct kecho_value *given(struct trial *t, const char *name, const char *end)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < t->a->given.n; i++) {
		const char *is = t->a->given.attr[i].name;

		if (is_word(is))
			continue;
		is += is[0] == '.';
		if (strncmp(is, name, len) || strcmp(is + len, end))
			continue;
		t->a->used[i] = true;
		return &t->a->given.attr[i].value;
	}
	return NULL;
}

static int age_of(const struct kecho_value *v, const char *name, uint64_t *ns)
{
	if (v->kind == KECHO_I64) {
		*ns = v->i64;
		return 0;
	}
	return arg_duration(name, v->data, ns) ? -EINVAL : 0;
}

static int ask(void *arg, const char *name, struct kecho_value *v, uint64_t *age_ns)
{
	struct trial *t = arg;
	const struct kecho_value *value = given(t, name, ""), *age;

	t->seen = grow(t->seen, t->n + 1, sizeof(*t->seen));
	t->seen[t->n++] = (struct seen){ .name = strdup(name), .v = value };
	if (!t->seen[t->n - 1].name)
		return -ENOMEM;
	if (!value)
		return -ENOENT;
	*v = *value;
	age = given(t, name, AGE);
	return age ? age_of(age, name, age_ns) : 0;
}

/* A name that was misspelt would be absent, and the answer worth nothing. */
static int all_used(const struct trial *t)
{
	struct buf names = { 0 };
	int code = 0;

	for (size_t i = 0; i < t->n; i++)
		buf_format(&names, "%s%s", i ? ", " : "", t->seen[i].name);
	buf_char(&names, '\0');
	for (size_t i = 0; i < t->a->given.n && !code; i++) {
		const char *name = t->a->given.attr[i].name;

		if (t->a->used[i])
			continue;
		if (ends_with(name, strlen(name), AGE))
			code = usage_error("'%s': there is no value that the filter reads", name);
		else
			code = usage_error("the filter does not read '%s'%s%s", name,
					   t->n ? ", but " : "", names.p);
	}
	buf_free(&names);
	return code;
}

/* ------------------------------------------------------------------------ judging */

static int begin(struct trial *t, struct filter_args *a, const struct kecho_filter *f)
{
	int code;

	*t = (struct trial){ .a = a };
	t->ev = (struct kecho_filter_event){
		.seq = 1, .time_ns = real_ns(), .ask = ask, .arg = t,
	};
	code = take_words(t);
	if (code)
		return code;
	if (kecho_judge_open(&t->j, f, &t->ev)) {
		complain("%s", kecho_explain());
		return EXIT_ERROR;
	}
	return all_used(t);
}

static void end(struct trial *t)
{
	kecho_judge_close(t->j);
	for (size_t i = 0; i < t->n; i++)
		free(t->seen[i].name);
	free(t->seen);
}

static void value_json(struct json *j, const struct seen *s)
{
	json_object(j);
	json_str(j, "name", s->name);
	if (!s->v) {
		json_null(j, "value");
	} else if (s->v->kind == KECHO_I64) {
		json_i64(j, "value", s->v->i64);
	} else {
		json_key(j, "value");
		json_string_n(j, s->v->data, s->v->len);
	}
	json_object_end(j);
}

static void test_json(const struct trial *t, int yes, int64_t score)
{
	struct json j = { .b = &out };

	json_object(&j);
	json_bool(&j, "yes", yes);
	if (t->a->use == KECHO_FOR_OUT && yes)
		json_i64(&j, "score", score);
	json_key(&j, "values");
	json_array(&j);
	for (size_t i = 0; i < t->n; i++)
		value_json(&j, &t->seen[i]);
	json_array_end(&j);
	json_object_end(&j);
	buf_char(&out, '\n');
}

static void test_text(const struct trial *t, int yes, int64_t score)
{
	size_t width = 0;

	buf_str(&out, yes ? "yes" : "no");
	if (t->a->use == KECHO_FOR_OUT && yes)
		buf_format(&out, ", score %" PRId64, score);
	buf_char(&out, '\n');
	for (size_t i = 0; i < t->n; i++)
		width = strlen(t->seen[i].name) > width ? strlen(t->seen[i].name) : width;
	for (size_t i = 0; i < t->n; i++) {
		const struct seen *s = &t->seen[i];

		buf_format(&out, "  %-*s  ", (int)width, s->name);
		if (!s->v)
			buf_str(&out, "absent");
		else if (s->v->kind == KECHO_I64)
			buf_format(&out, "%" PRId64, s->v->i64);
		else
			buf_format(&out, "\"%.*s\"", (int)s->v->len, (const char *)s->v->data);
		buf_char(&out, '\n');
	}
}

int filter_test(struct filter_args *a, const struct kecho_filter *f)
{
	struct trial t;
	int64_t score;
	int code, yes;

	a->use = kecho_filter_use(f);
	code = begin(&t, a, f);
	if (!code) {
		yes = kecho_judge_run(t.j, &score);
		if (a->json)
			test_json(&t, yes, score);
		else
			test_text(&t, yes, score);
	}
	end(&t);
	return code;
}

/* Judgements in batches, until the time is over; what one batch took, for each. */
static uint64_t measure(struct trial *t, struct samples *s, uint64_t *yes)
{
	uint64_t from = now_ns(), begin_ns = from, to = from, n = 0;

	*yes = 0;
	while (!stopped() && (!n || to - begin_ns < t->a->duration_ns)) {
		for (int i = 0; i < BATCH; i++)
			*yes += kecho_judge_run(t->j, NULL);
		n += BATCH;
		to = now_ns();
		samples_add(s, to - from);
		from = to;
	}
	return n;
}

static void bench_print(const struct filter_args *a, struct samples *s, uint64_t n, uint64_t yes)
{
	struct json j = { .b = &out };
	struct percentiles p;
	char count[FORMAT_MAX];

	samples_percentiles(s, &p);
	if (a->json) {
		json_object(&j);
		json_u64(&j, "judgements", n);
		json_u64(&j, "yes", yes);
		json_real(&j, "min_ns", (double)p.min_ns / BATCH, 2);
		json_real(&j, "p50_ns", (double)p.p50_ns / BATCH, 2);
		json_real(&j, "p99_ns", (double)p.p99_ns / BATCH, 2);
		json_object_end(&j);
		buf_char(&out, '\n');
		return;
	}
	buf_format(&out, "%s judgements, %" PRIu64 " %% yes: %.1f ns each (min %.1f, p99 %.1f)\n",
		   format_count(count, n), yes * 100 / n, (double)p.p50_ns / BATCH,
		   (double)p.min_ns / BATCH, (double)p.p99_ns / BATCH);
}

int filter_bench(struct filter_args *a, const struct kecho_filter *f)
{
	struct samples s = { 0 };
	uint64_t n, yes;
	struct trial t;
	int code;

	if (stop_init())
		return EXIT_ERROR;
	code = begin(&t, a, f);
	if (!code) {
		n = measure(&t, &s, &yes);
		bench_print(a, &s, n, yes);
	}
	samples_free(&s);
	end(&t);
	return code;
}
