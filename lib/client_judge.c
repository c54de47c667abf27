// SPDX-License-Identifier: MIT
/*
 * What a source that is attached to a node judges by: a copy of the judge that its node has,
 * which is filled from notes. Filters that are new are kept until the note that puts them in
 * force; then all of the set changes at once, under the source's lock, since a generation
 * names all of it.
 *
 * Without memory for it the source judges nothing any more: its records say so.
 */
#include "client.h"
#include "submit.h"

/* A filter of the next set. */
struct next {
	struct ke_sieve *sieve;
	u8 *slots;
	u32 slots_len;
};

struct client_judge {
	struct ke_judge *j;
	struct next next[KE_JUDGE_FILTERS_MAX];
};

/* All that changes is changed with the source's lock held for all of it. */
static void no_lock(void *owner)
{
	(void)owner;
}

/* The node's clock, too: it says when attributes were set. */
static u64 now_ms(void *owner)
{
	(void)owner;
	return lib_deadline(0);
}

const struct ke_judge_ops client_judge_ops = {
	.lock = no_lock, .unlock = no_lock, .now_ms = now_ms,
};

static struct client_judge *make(struct kecho_source *s)
{
	struct client_judge *cj = calloc(1, sizeof(*cj));

	if (!cj)
		return NULL;
	cj->j = ke_judge_make(&client_judge_ops, s, lib_clock_ns(CLOCK_MONOTONIC));
	if (cj->j)
		return cj;
	free(cj);
	return NULL;
}

static void drop_next(struct next *n)
{
	ke_sieve_put(n->sieve);
	free(n->slots);
	*n = (struct next){ 0 };
}

static void free_judge(struct client_judge *cj)
{
	u32 bit;

	if (!cj)
		return;
	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		drop_next(&cj->next[bit]);
	ke_judge_free(cj->j);
	free(cj);
}

/* The node waits for its answer in vain, and tells nothing more. */
static int give_up(struct kecho_source *s)
{
	struct client_judge *cj = s->judge;

	lib_lock(&s->lock);
	s->judge = NULL;
	s->s.judge = NULL;
	s->s.decides = s->s.choice;
	s->unjudged = true;
	lib_unlock(&s->lock);
	free_judge(cj);
	return 0;
}

/* Nobody is in a call of the source any more. */
void client_judge_free(struct kecho_source *s)
{
	free_judge(s->judge);
}

static struct kecho_source *source_of(struct client *c, __le32 handle)
{
	struct kecho_channel *ch;
	struct kecho_source *s;

	list_for_each_entry(ch, &c->k->channels, list)
		list_for_each_entry(s, &ch->sources, list)
			if (s->handle == le32_to_cpu(handle))
				return s;
	return NULL;
}

/* --------------------------------------------------------------------- filters */

static int filter_in(struct client *c, struct client_msg *m)
{
	const struct kecho_note_judge_filter *n = (const void *)m->body;
	u32 len = le32_to_cpu(n->len), type_len = le32_to_cpu(n->type_len);
	struct kecho_source *s = source_of(c, n->source);
	const u8 *wire = m->body + sizeof(*n);
	char why[KE_TYPE_WHY_MAX];
	struct ke_sieve *sieve;
	int err;

	if (len != m->head.len - sizeof(*n) || type_len > len || n->bit >= KE_JUDGE_FILTERS_MAX)
		return -EPROTO;
	if (!s || s->unjudged)
		return 0;
	s->judge = s->judge ?: make(s);
	if (!s->judge)
		return give_up(s);
	err = ke_sieve_make(&sieve, wire, len - type_len, wire + len - type_len, type_len, why);
	if (err)
		return err == -ENOMEM ? give_up(s) : err;
	drop_next(&s->judge->next[n->bit]);
	s->judge->next[n->bit].sieve = sieve;
	return 0;
}

/* ----------------------------------------------------------------------- slots */

/* The values of @run, by slot, which point there. -EPROTO: it is no run. */
static int take_run(const u8 *run, u32 len, struct ke_value *slots)
{
	struct ke_in in = { .p = run, .end = run + len };
	struct ke_value v;
	u32 n;
	u8 i;

	memset(slots, 0, KE_FILTER_SLOTS_MAX * sizeof(*slots));
	while (in.p < in.end && !in.bad) {
		i = ke_get_u8(&in);
		v = (struct ke_value){ .kind = ke_get_u8(&in) };
		v.data = ke_get_bytes(&in, &n);
		v.len = n;
		if (in.bad || i >= KE_FILTER_SLOTS_MAX || n > KE_ATTR_VALUE_MAX ||
		    (v.kind == KE_VALUE_I64 && n != sizeof(u64)))
			return -EPROTO;
		if (v.kind == KE_VALUE_I64)
			v.i64 = get_unaligned_le64(v.data);
		slots[i] = v;
	}
	return in.bad ? -EPROTO : 0;
}

/* Of one that is in force, at once. */
static int set_slots(struct kecho_source *s, u8 bit, const struct ke_value *slots)
{
	int err;

	lib_lock(&s->lock);
	err = ke_judge_slots(s->judge->j, bit, slots);
	lib_unlock(&s->lock);
	return err ? give_up(s) : 0;
}

static int keep_slots(struct kecho_source *s, struct next *n, const u8 *run, u32 len)
{
	u8 *copy = malloc(len + 1);

	if (!copy)
		return give_up(s);
	memcpy(copy, run, len);
	free(n->slots);
	n->slots = copy;
	n->slots_len = len;
	return 0;
}

static int slots_in(struct client *c, struct client_msg *m)
{
	const struct kecho_note_judge_slots *n = (const void *)m->body;
	struct kecho_source *s = source_of(c, n->source);
	struct ke_value slots[KE_FILTER_SLOTS_MAX];
	u32 len = le32_to_cpu(n->len);
	const u8 *run = m->body + sizeof(*n);

	if (len != m->head.len - sizeof(*n) || n->bit >= KE_JUDGE_FILTERS_MAX ||
	    take_run(run, len, slots))
		return -EPROTO;
	if (!s || !s->judge)
		return 0;
	if (s->judge->next[n->bit].sieve)
		return keep_slots(s, &s->judge->next[n->bit], run, len);
	return set_slots(s, n->bit, slots);
}

/* ----------------------------------------------------------------------- force */

static int put_next(struct kecho_source *s, u8 bit, u32 generation)
{
	struct ke_value slots[KE_FILTER_SLOTS_MAX];
	struct next *n = &s->judge->next[bit];

	take_run(n->slots, n->slots_len, slots);
	return ke_judge_put(s->judge->j, bit, generation, n->sieve, s->s.member.types, slots);
}

/* The source's lock is held. First what goes: there may be no room for both. */
static int force(struct kecho_source *s, u64 bits, u32 generation)
{
	struct client_judge *cj = s->judge;
	int err = 0;
	u8 bit;

	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		if (cj->next[bit].sieve || !(bits >> bit & 1))
			ke_judge_drop(cj->j, bit);
	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX && !err; bit++)
		if (cj->next[bit].sieve && bits >> bit & 1)
			err = put_next(s, bit, generation);
	cj->j->generation = generation;
	return err ?: cj->j->live == bits ? 0 : -EPROTO;
}

static int put_in_force(struct kecho_source *s, u64 bits, u32 generation)
{
	u8 bit;
	int err;

	lib_lock(&s->lock);
	err = force(s, bits, generation);
	s->s.judge = s->judge->j;
	source_decides(s);
	s->generation = generation;
	lib_unlock(&s->lock);
	for (bit = 0; bit < KE_JUDGE_FILTERS_MAX; bit++)
		drop_next(&s->judge->next[bit]);
	return err;
}

static int judge_in(struct client *c, struct client_msg *m)
{
	const struct kecho_note_judge *n = (const void *)m->body;
	struct kecho_source *s = source_of(c, n->source);
	u64 bits = le64_to_cpu(n->bits);

	if (!s || s->unjudged)
		return 0;
	if (!s->judge && bits)
		return -EPROTO;
	if (s->judge && put_in_force(s, bits, le32_to_cpu(n->generation)))
		return give_up(s);
	smp_store_release(&s->counters->judged, cpu_to_le64(le32_to_cpu(n->number)));
	client_ring(c->k);
	return 0;
}

static const struct {
	size_t size;
	int (*take)(struct client *c, struct client_msg *m);
} judge_notes[] = {
	{ sizeof(struct kecho_note_judge_filter), filter_in },
	{ sizeof(struct kecho_note_judge_slots), slots_in },
	{ sizeof(struct kecho_note_judge), judge_in },
};

/* The kecho lock is held. */
int client_judge_note(struct client *c, struct client_msg *m)
{
	u32 i = le32_to_cpu(m->head.cmd) - KECHO_NOTE_JUDGE_FILTER;

	return m->head.len < judge_notes[i].size ? -EPROTO : judge_notes[i].take(c, m);
}
