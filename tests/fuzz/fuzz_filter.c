/* SPDX-License-Identifier: MIT */
/*
 * Filters of strangers. The input is a filter as it travels, or decisions by which one is
 * written that should be accepted: nested branches, fields of a made-up type, slots, calls.
 * Some of those get one instruction that is wrong, some types lie, and memory runs out.
 *
 * What is accepted runs here on some events in both interpreters, core's and one that checks
 * everything; they agree in the verdict, the score and what the filter keeps, and no run costs
 * more or needs more payload than was said. Memory ends where what may be read does.
 *
 * At the end it says how many were accepted, and fails if that is too few of those that
 * should be: then it would have tried nothing.
 */
#include "checked.h"
#include "written.h"

enum {
	EVENTS = 3,
	HONEST_MIN = 500,	/* so many must have been made before a share is judged, */
	ACCEPTED_MIN = 80,	/* which is in percent */
};

static struct {
	u64 honest, accepted, wrong, wrong_accepted;
} total;

static u64 now_ns(void *arg)
{
	(void)arg;
	return f.now;
}

static const struct ke_filter_ops ops = { .now_ns = now_ns };

/* -------------------------------------------------------------------------- events */

/* Numbers and letters that come from @seed. */
static u64 next_random(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static u8 *some_bytes(u64 *seed, u32 len)
{
	u8 *p = malloc(len ?: 1);
	u32 i;

	check(p);
	for (i = 0; i < len; i++)
		p[i] = next_random(seed) & 3 ? 'a' + (*seed >> 8) % 3 : *seed >> 16;
	return p;
}

static void fill_slots(struct kecho_filter_value *values, struct ke_filter_str *strs, u32 n,
		       u64 *seed)
{
	u32 i, len;

	for (i = 0; i < n; i++) {
		len = next_random(seed) % 7 ? *seed >> 8 & 31 : *seed % (KE_ATTR_VALUE_MAX + 1);
		values[i].present = next_random(seed) & 3 ? 1 : 0;
		values[i].value = len;
		strs[i] = (struct ke_filter_str){ some_bytes(seed, len), len };
	}
}

static void judge(const struct ke_program *p, struct ke_filter_state *fast,
		  struct ke_filter_state *slow, u64 *seed)
{
	struct kecho_filter_value *values = malloc(p->nslots * sizeof(*values) ?: 1);
	struct ke_filter_str *strs = malloc(p->nslots * sizeof(*strs) ?: 1);
	u32 i, len = ke_program_need(p) + (next_random(seed) % 4 == 0);
	u8 *payload;
	struct ke_judged j = { .seq = *seed, .time_ns = *seed >> 1, .slots = values,
			       .strs = strs };
	s64 score = 1, slow_score = 2;
	bool yes;

	check(values && strs);
	len -= len && next_random(seed) % 16 == 0;
	payload = some_bytes(seed, len);
	j.payload = payload;
	j.len = len;
	fill_slots(values, strs, p->nslots, seed);
	yes = ke_program_run(p, fast, &j, &ops, &score);
	check(yes == checked_run(p, slow, &j, &ops, &slow_score));
	check(score == slow_score);
	check(!memcmp(ke_filter_state_block(fast), ke_filter_state_block(slow),
		      KECHO_FILTER_STATE_SIZE));
	check(ke_filter_state_forgotten(fast) == ke_filter_state_forgotten(slow));
	for (i = 0; i < p->nslots; i++)
		free((void *)strs[i].data);
	free(payload);
	free(values);
	free(strs);
}

static void judge_some(const struct ke_program *p, u64 seed)
{
	struct ke_filter_state *fast = ke_filter_state_make(seed);
	struct ke_filter_state *slow = ke_filter_state_make(seed);
	u32 i;

	check(fast && slow);
	seed |= 1;
	for (i = 0; i < EVENTS; i++) {
		judge(p, fast, slow, &seed);
		f.now += next_random(&seed) % 100000;
	}
	ke_filter_state_free(fast);
	ke_filter_state_free(slow);
}

/* --------------------------------------------------------------------------- whole */

/* -ENOMEM only when memory ran out; nothing is made then. */
static bool make(struct ke_program **p, const void *buf, u32 len, u8 fails)
{
	char why[KE_FILTER_WHY_MAX] = "";
	struct ke_filter *filter = NULL;
	int err;

	*p = NULL;
	fail_alloc = fails;
	err = ke_filter_load(&filter, buf, len, why);
	if (!err) {
		err = ke_program_make(p, filter, f.typed ? &f.type.type : NULL, why);
		ke_filter_free(filter);
	}
	check(err || *p);
	check(!err || (!*p && why[0] && strlen(why) < sizeof(why)));
	check(err != -ENOMEM || (fails && !fail_alloc));
	check(!err || err == -ENOMEM || err == -EPROTO || err == -EACCES);
	fail_alloc = 0;
	return !err;
}

static void report(void)
{
	u64 share = total.honest ? 100 * total.accepted / total.honest : 0;

	fprintf(stderr, "Accepted %llu %% of %llu programs, and %llu of %llu with a mistake\n",
		(unsigned long long)share, (unsigned long long)total.honest,
		(unsigned long long)total.wrong_accepted, (unsigned long long)total.wrong);
	if (total.honest >= HONEST_MIN && share < ACCEPTED_MIN)
		_Exit(EXIT_FAILURE);
}

static void count(bool accepted)
{
	static bool counting;

	if (!counting)
		atexit(report);
	counting = true;
	if (f.honest) {
		total.honest++;
		total.accepted += accepted;
	} else {
		total.wrong++;
		total.wrong_accepted += accepted;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 written[WRITTEN_MAX];
	struct plan plan = begin_program(data, size);
	struct ke_program *p;
	u32 len;
	u8 *buf;

	if (plan.raw) {
		len = f.in.len;
		buf = malloc(len ?: 1);
		check(buf);
		take_bytes(&f.in, buf, len);
	} else {
		len = write_program(written, take_u8(&f.in));
		buf = malloc(len);
		check(buf);
		memcpy(buf, written, len);
	}
	if (make(&p, buf, len, plan.fails))
		judge_some(p, plan.seed);
	if (!plan.raw && !plan.fails)
		count(p);
	ke_program_free(p);
	free(buf);
	return 0;
}
