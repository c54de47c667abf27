// SPDX-License-Identifier: MIT
/*
 * One event that a filter is tried on. Of the event nothing is there but what the filter
 * asks for: whoever tries it says what each field and attribute is, and a type is made that
 * has those fields, numbers first, since loads reach less far than strings may lie.
 */
#include "filter_impl.h"
#include "internal.h"

enum {
	NAME_TEXT_MAX = KE_NAME_MAX + 16,	/* with its scope and a zero */
	NUMBER_BYTES = 8,
};

/* A field or attribute that was asked for. */
struct answer {
	const char *name;	/* in the filter */
	u16 name_len;
	u8 scope;		/* 0: a field */
	bool there;
	struct kecho_value value;	/* a copy, which is ours */
	uint64_t age_ns;
};

struct kecho_judge {
	struct ke_program *program;
	struct ke_filter_state *state;
	struct ke_judged judged;
	struct kecho_filter_value slot[KE_FILTER_SLOTS_MAX];
	struct ke_filter_str str[KE_FILTER_SLOTS_MAX];
	char *payload;
	struct answer answer[KE_FILTER_REFS_MAX + KE_FILTER_SLOTS_MAX];
	u32 answers, fields;	/* those of fields come first, sorted by name */
};

/* ------------------------------------------------------------------------- asking */

/* A copy that ends in a zero which does not count. */
static int keep(struct answer *a, const struct kecho_value *v)
{
	char *copy;

	a->value = *v;
	a->there = true;
	if (v->kind == KECHO_I64)
		return 0;
	copy = malloc(v->len + 1);
	a->value.data = copy;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, v->data, v->len);
	copy[v->len] = '\0';
	return 0;
}

static int check_value(const char *name, const struct answer *a, const struct kecho_value *v)
{
	size_t max = a->scope ? KE_ATTR_VALUE_MAX : KECHO_STR_LEN_MAX;

	if (v->kind < KECHO_I64 || v->kind > KECHO_BYTES)
		return lib_fail(-EINVAL, "%s: there is no kind %d of values", name, v->kind);
	if (v->kind != KECHO_I64 && v->len > max)
		return lib_fail(-E2BIG, "%s: it has %zu bytes, over %zu", name, v->len, max);
	return 0;
}

static int ask(struct answer *a, const struct kecho_filter_event *ev)
{
	struct kecho_value v = { 0 };
	char name[NAME_TEXT_MAX];
	int err;

	snprintf(name, sizeof(name), "%s%.*s", a->scope ? filter_scope_text(a->scope) : "",
		 a->name_len, a->name);
	err = ev->ask ? ev->ask(ev->arg, name, &v, &a->age_ns) : -ENOENT;
	if (err == -ENOENT)
		return 0;
	if (err)
		return lib_fail(err, "%s", name);
	return check_value(name, a, &v) ?: keep(a, &v);
}

static struct answer *find(struct kecho_judge *j, u8 scope, const char *name, u16 len)
{
	u32 i;

	for (i = 0; i < j->answers; i++)
		if (j->answer[i].scope == scope && j->answer[i].name_len == len &&
		    !memcmp(j->answer[i].name, name, len))
			return &j->answer[i];
	return NULL;
}

static void note(struct kecho_judge *j, u8 scope, const char *name, u16 len)
{
	if (!find(j, scope, name, len))
		j->answer[j->answers++] = (struct answer){
			.scope = scope, .name = name, .name_len = len,
		};
}

static int by_name(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	return ke_field_order(x->name, x->name_len, y->name, y->name_len);
}

static int ask_all(struct kecho_judge *j, const struct ke_filter *f,
		   const struct kecho_filter_event *ev)
{
	u32 i;
	int err = 0;

	for (i = 0; i < f->nrefs; i++)
		if (f->refs[i].kind != KECHO_REF_TYPE)
			note(j, 0, f->consts + f->refs[i].name, f->refs[i].name_len);
	j->fields = j->answers;
	qsort(j->answer, j->fields, sizeof(j->answer[0]), by_name);
	for (i = 0; i < f->nslots; i++)
		note(j, f->slots[i].scope, f->consts + f->slots[i].name, f->slots[i].name_len);
	for (i = 0; i < j->answers && !err; i++)
		err = ask(&j->answer[i], ev);
	return err;
}

/* ---------------------------------------------------------------------- its type */

/* A type while it is made. */
struct made_type {
	struct ke_type t;
	struct ke_field field[KE_FILTER_REFS_MAX];
	char names[KE_FILTER_REFS_MAX * (KE_NAME_MAX + 1)];
};

static u16 put_name(struct made_type *m, const char *name, u16 len)
{
	u16 at = m->t.names_len;

	memcpy(m->names + at, name, len);
	m->t.names_len += len;
	return at;
}

static u32 bytes_of(const struct answer *a)
{
	return a->value.kind == KECHO_I64 ? NUMBER_BYTES : max_t(u32, a->value.len, 1);
}

static u8 field_kind(const struct answer *a)
{
	if (a->value.kind == KECHO_I64)
		return KE_FIELD_SIGNED;
	return a->value.kind == KECHO_STRING ? KE_FIELD_STRING : KE_FIELD_BYTES;
}

/* In the order of their names, as a type has them. */
static void put_fields(struct made_type *m, const struct kecho_judge *j)
{
	const struct answer *a;
	u32 i;

	for (i = 0; i < j->fields; i++) {
		a = &j->answer[i];
		if (a->there)
			m->field[m->t.nfields++] = (struct ke_field){
				.name = put_name(m, a->name, a->name_len),
				.name_len = a->name_len, .size = bytes_of(a),
				.kind = field_kind(a),
			};
	}
}

/* Numbers, or all else; the payload's bytes are written if it is there. */
static void place(struct made_type *m, const struct kecho_judge *j, bool numbers)
{
	const struct answer *a = j->answer;
	u32 i;

	for (i = 0; i < m->t.nfields; a++) {
		if (!a->there)
			continue;
		if ((a->value.kind == KECHO_I64) == numbers) {
			m->field[i].offset = m->t.size;
			m->t.size += m->field[i].size;
		}
		i++;
	}
}

static struct made_type *make_type(const struct kecho_judge *j, const char *name)
{
	struct made_type *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->t.names = m->names;
	m->t.fields = m->field;
	m->t.name_len = strnlen(name, KE_NAME_MAX);
	m->t.name = put_name(m, name, m->t.name_len);
	m->t.big_endian = cpu_to_le16(1) != 1;
	put_fields(m, j);
	place(m, j, true);
	place(m, j, false);
	return m;
}

static int make_payload(struct kecho_judge *j, const struct made_type *m, size_t len)
{
	const struct answer *a = j->answer;
	const struct ke_field *f = m->field;

	if (len > KECHO_EVENT_MAX)
		return lib_fail(-E2BIG, "filter: an event of %zu bytes", len);
	j->judged.len = max_t(u32, len, m->t.size);
	j->payload = calloc(1, j->judged.len ?: 1);
	if (!j->payload)
		return lib_fail(-ENOMEM, "filter");
	for (; f < m->field + m->t.nfields; a++) {
		if (!a->there)
			continue;
		if (a->value.kind == KECHO_I64)
			memcpy(j->payload + f->offset, &a->value.i64, NUMBER_BYTES);
		else
			memcpy(j->payload + f->offset, a->value.data, a->value.len);
		f++;
	}
	j->judged.payload = j->payload;
	return 0;
}

/* -------------------------------------------------------------------------- slots */

static void fill_slot(struct kecho_judge *j, const struct ke_filter *f, u32 i)
{
	const struct ke_filter_slot *s = &f->slots[i];
	const struct answer *a = find(j, s->scope, f->consts + s->name, s->name_len);

	if (!a->there)
		return;
	if (s->flags & KECHO_SLOT_AGE) {
		j->slot[i] = (struct kecho_filter_value){ .present = 1, .value = a->age_ns };
		return;
	}
	filter_put(&j->slot[i], &j->str[i], s, &a->value);
}

/* -------------------------------------------------------------------------------- */

static int make_ready(struct kecho_judge *j, const struct ke_filter *f,
		      const struct kecho_filter_event *ev)
{
	char why[KE_FILTER_WHY_MAX];
	struct made_type *m;
	u32 i;
	int err = ask_all(j, f, ev);

	if (err)
		return err;
	m = make_type(j, ev->type ?: "");
	if (!m)
		return lib_fail(-ENOMEM, "filter");
	err = ke_program_make(&j->program, f, &m->t, why);
	if (err)
		lib_fail(err, "filter: %s", why);
	else
		err = make_payload(j, m, ev->len);
	for (i = 0; i < f->nslots && !err; i++)
		fill_slot(j, f, i);
	free(m);
	return err;
}

int kecho_judge_open(struct kecho_judge **out, const struct kecho_filter *f,
		     const struct kecho_filter_event *ev)
{
	struct kecho_judge *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return lib_fail(-ENOMEM, "filter");
	j->judged.seq = ev->seq;
	j->judged.time_ns = ev->time_ns;
	j->judged.slots = j->slot;
	j->judged.strs = j->str;
	j->state = ke_filter_state_make(filter_ops.now_ns(NULL));
	err = j->state ? make_ready(j, f->f, ev) : lib_fail(-ENOMEM, "filter");
	if (err)
		kecho_judge_close(j);
	else
		*out = j;
	return err;
}

int kecho_judge_run(struct kecho_judge *j, int64_t *score)
{
	s64 s;
	bool yes = ke_program_run(j->program, j->state, &j->judged, &filter_ops, &s);

	if (score)
		*score = s;
	return yes;
}

void kecho_judge_close(struct kecho_judge *j)
{
	u32 i;

	if (!j)
		return;
	for (i = 0; i < j->answers; i++)
		if (j->answer[i].there && j->answer[i].value.kind != KECHO_I64)
			free((void *)j->answer[i].value.data);
	free(j->payload);
	ke_filter_state_free(j->state);
	ke_program_free(j->program);
	free(j);
}
