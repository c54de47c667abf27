/* SPDX-License-Identifier: MIT */
/*
 * What random expressions are judged over: a type with fields of all kinds in both byte
 * orders, attributes that are there, or not, or of another kind, and a clock. What a field
 * is worth is read out of the payload byte by byte.
 */
#ifndef KECHO_EXPR_WORLD_TEST_H
#define KECHO_EXPR_WORLD_TEST_H

#include "expr_random_test.h"
#include "filter.h"
#include "type_test.h"

enum { TYPE_BYTES = 64 };

/* Their numbers are those of struct r_name below. */
enum {
	NAME_A, NAME_B, NAME_C, NAME_D, NAME_E, NAME_X, NAME_BITS, NAME_GONE, NAME_ODD,
	NAME_S, NAME_T, NAME_RAW, NAME_LOST, NAME_NUMBER,
	NAME_LOAD, NAME_MEM, NAME_QUEUE, NAME_PRIO, NAME_VERSION,
	NAME_ZONE, NAME_SOURCE_ZONE, NAME_RACK, NAME_TAG,
	NAME_LOAD_AGE, NAME_MEM_AGE,
	NAMES,
};

static const struct r_name names[NAMES] = {
	[NAME_A] = { "a", false }, [NAME_B] = { "b", false }, [NAME_C] = { ".c", false },
	[NAME_D] = { "d", false }, [NAME_E] = { "e", false }, [NAME_X] = { "pos.x", false },
	[NAME_BITS] = { "bits", false }, [NAME_GONE] = { "gone", false },
	[NAME_ODD] = { "odd", false },
	[NAME_S] = { "s", true }, [NAME_T] = { "t", true }, [NAME_RAW] = { "raw", true },
	[NAME_LOST] = { "lost", true }, [NAME_NUMBER] = { "number", true },
	[NAME_LOAD] = { "sink.load", false }, [NAME_MEM] = { "node.mem", false },
	[NAME_QUEUE] = { "source.node.queue", false }, [NAME_PRIO] = { "event.prio", false },
	[NAME_VERSION] = { "channel.version", false },
	[NAME_ZONE] = { "sink.zone", true }, [NAME_SOURCE_ZONE] = { "source.zone", true },
	[NAME_RACK] = { "sink.node.\"rack\"", true }, [NAME_TAG] = { "event.tag", true },
	[NAME_LOAD_AGE] = { "sink.load.age", false }, [NAME_MEM_AGE] = { "node.mem.age", false },
};

/* Where in the payload. */
static const struct {
	u32 name;
	const char *text;
	u8 kind, bit_offset, bits;
	u32 offset, size;
} fields[] = {
	{ NAME_A, "a", KE_FIELD_UNSIGNED, 0, 0, 0, 1 },
	{ NAME_B, "b", KE_FIELD_SIGNED, 0, 0, 2, 2 },
	{ NAME_C, "c", KE_FIELD_UNSIGNED, 0, 0, 4, 4 },
	{ NAME_D, "d", KE_FIELD_SIGNED, 0, 0, 8, 8 },
	{ NAME_E, "e", KE_FIELD_UNSIGNED, 0, 0, 16, 8 },
	{ NAME_X, "pos.x", KE_FIELD_SIGNED, 0, 0, 24, 4 },
	{ NAME_BITS, "bits", KE_FIELD_SIGNED, 3, 5, 28, 4 },
	{ NAME_ODD, "odd", KE_FIELD_STRING, 0, 0, 32, 2 },
	{ NAME_S, "s", KE_FIELD_STRING, 0, 0, 34, 7 },
	{ NAME_T, "t", KE_FIELD_STRING, 0, 0, 41, 3 },
	{ NAME_RAW, "raw", KE_FIELD_BYTES, 0, 0, 44, 2 },
	{ NAME_NUMBER, "number", KE_FIELD_UNSIGNED, 0, 0, 48, 8 },
};

static const struct {
	u32 name;
	u8 scope;
	const char *text;
} attributes[] = {
	{ NAME_LOAD, KECHO_SCOPE_SINK, "load" }, { NAME_MEM, KECHO_SCOPE_NODE, "mem" },
	{ NAME_QUEUE, KECHO_SCOPE_SOURCE_NODE, "queue" }, { NAME_PRIO, KECHO_SCOPE_EVENT, "prio" },
	{ NAME_VERSION, KECHO_SCOPE_CHANNEL, "version" }, { NAME_ZONE, KECHO_SCOPE_SINK, "zone" },
	{ NAME_SOURCE_ZONE, KECHO_SCOPE_SOURCE, "zone" },
	{ NAME_RACK, KECHO_SCOPE_SINK_NODE, "rack" }, { NAME_TAG, KECHO_SCOPE_EVENT, "tag" },
};

enum kind { NOTHING = 0, NUMBER, STRING, BYTES };

struct value {
	enum kind kind;
	s64 i;
	struct r_string s;
};

static struct world {
	struct r_world r;
	struct draft type[2];		/* little-endian, big-endian */
	struct r_node *condition, *score;
	bool least;
	enum kind use[NAMES];		/* as what a name is used; NOTHING: either */

	/* the event */
	bool big;
	u8 payload[TYPE_BYTES];
	struct value value[NAMES];
	u64 seq, time_ns, now_ns;

	struct ke_filter *filter;
	struct ke_program *program[2];
} w;

/* ------------------------------------------------------------------------ events */

static void make_types(void)
{
	u32 i, big;

	for (big = 0; big < 2; big++) {
		draft_begin(&w.type[big], "load", TYPE_BYTES, big);
		for (i = 0; i < ARRAY_SIZE(fields); i++)
			draft_bits(&w.type[big], fields[i].text, fields[i].kind, fields[i].offset,
				   fields[i].size, fields[i].bit_offset, fields[i].bits);
	}
}

static s64 read_number(const u8 *p, u32 size, bool big, bool is_signed, u32 bit_offset, u32 bits)
{
	u64 v = 0;
	u32 i;

	for (i = 0; i < size; i++)
		v |= (u64)p[i] << 8 * (big ? size - 1 - i : i);
	v >>= bit_offset;
	bits = bits ?: size * 8;
	if (bits < 64) {
		v &= BIT_ULL(bits) - 1;
		if (is_signed && v >> (bits - 1))
			v |= ~(BIT_ULL(bits) - 1);
	}
	return (s64)v;
}

static void read_field(u32 i)
{
	struct value *v = &w.value[fields[i].name];
	const u8 *p = w.payload + fields[i].offset;

	if (fields[i].kind == KE_FIELD_SIGNED || fields[i].kind == KE_FIELD_UNSIGNED) {
		v->kind = NUMBER;
		v->i = read_number(p, fields[i].size, w.big, fields[i].kind == KE_FIELD_SIGNED,
				   fields[i].bit_offset, fields[i].bits);
		return;
	}
	v->kind = STRING;
	while (v->s.len < fields[i].size && (p[v->s.len] || fields[i].kind == KE_FIELD_BYTES)) {
		v->s.s[v->s.len] = p[v->s.len];
		v->s.len++;
	}
}

static void random_attribute(u32 name)
{
	struct value *v = &w.value[name];
	u32 chance = r_below(&w.r, 16);

	v->i = r_number(&w.r);
	v->s = r_string(&w.r);
	if (chance < 3)
		v->kind = NOTHING;
	else if (chance == 3)
		v->kind = BYTES;
	else if (chance == 4)
		v->kind = names[name].is_string ? NUMBER : STRING;
	else
		v->kind = names[name].is_string ? STRING : NUMBER;
}

static u8 random_byte(void)
{
	if (r_below(&w.r, 2))
		return 0;
	return r_below(&w.r, 3) ? r_below(&w.r, 8) : r_next(&w.r);
}

static void random_event(void)
{
	static const u64 steps[] = { 0, 1000000000, 3000000000 };
	u32 i;

	memset(w.value, 0, sizeof(w.value));
	w.big = r_below(&w.r, 2);
	w.seq = r_below(&w.r, 20);
	w.now_ns += steps[r_below(&w.r, ARRAY_SIZE(steps))];
	w.time_ns = r_below(&w.r, 4) ? w.now_ns - r_below(&w.r, 10) : 0;
	for (i = 0; i < TYPE_BYTES; i++)
		w.payload[i] = random_byte();
	for (i = 32; i < 46; i++)
		w.payload[i] = r_below(&w.r, 4) ? 'a' + r_below(&w.r, 2) : 0;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		read_field(i);
	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		random_attribute(attributes[i].name);
	w.value[NAME_LOAD_AGE].kind = w.value[NAME_LOAD].kind ? NUMBER : NOTHING;
	w.value[NAME_LOAD_AGE].i = r_below(&w.r, 9);
	w.value[NAME_MEM_AGE].kind = w.value[NAME_MEM].kind ? NUMBER : NOTHING;
	w.value[NAME_MEM_AGE].i = r_below(&w.r, 9);
}

#endif
