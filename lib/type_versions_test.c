// SPDX-License-Identifier: MIT
/*
 * Old and new versions of a struct, as the compiler describes them: a program with the one
 * reads events of a program with the other, in both directions, from a channel.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "kecho/kecho.h"
#include "kecho/type.h"
#include "tap.h"

/* The struct, and its source for a compiler of BTF. */
#define VERSION(name, ...)							\
	struct name {								\
		__VA_ARGS__							\
	};									\
	static const char name##_source[] = "#include <stdbool.h>\n#include <stdint.h>\n" \
					    "struct " #name " { " #__VA_ARGS__ " };\n"	\
					    "struct " #name " an_event;\n"

/* clang-format off */

/* Added: node, at.z. Removed: gone. Reordered: all. Widened: seq, cpu, parts, state, flags;
 * name is shorter, history longer, ratio more exact. */
VERSION(old, uint32_t seq; int16_t cpu; uint64_t gone; char name[16]; uint8_t parts[2];
	struct { float x, y; } at; enum { IDLE, BUSY } state; unsigned int flags : 3;
	signed int delta : 5; int32_t history[2]; float ratio; bool up;
	union { uint32_t whole; uint8_t half[2]; } any;);
VERSION(new, char node[8]; double ratio; union { uint32_t whole; uint8_t half[2]; } any;
	int32_t history[4]; uint16_t parts[2]; signed int delta : 9; unsigned int flags : 7;
	struct { double z; float y, x; } at; bool up; char name[8]; uint64_t state; int64_t cpu;
	uint64_t seq;);

/* clang-format on */

static const struct old an_old = {
	.seq = 4000000000u,
	.cpu = -3,
	.gone = 1,
	.name = "twelve bytes",
	.parts = { 1, 255 },
	.at = { 1.5, -2.5 },
	.state = BUSY,
	.flags = 5,
	.delta = -16,
	.history = { -1, 2 },
	.ratio = 0.25,
	.up = true,
	.any = { .whole = 0x12345678 },
};

static const struct new a_new = {
	.node = "here",
	.ratio = 0.25,
	.any = { .whole = 0x12345678 },
	.history = { -1, 2, 3, 4 },
	.parts = { 1, 257 },
	.delta = -16,
	.flags = 0x45,
	.at = { 9, -2.5, 1.5 },
	.up = true,
	.name = "short",
	.state = BUSY,
	.cpu = -3 - (1LL << 40),
	.seq = 4000000000u + (1ULL << 40),
};

static char folder[] = "/tmp/kecho-types.XXXXXX";

/* The type of the struct @name as gcc describes it in an object. */
static struct kecho_type *compile(const char *name, const char *source)
{
	char command[300], path[100];
	struct kecho_type *t = NULL;
	FILE *gcc;

	snprintf(path, sizeof(path), "%s/%s.o", folder, name);
	snprintf(command, sizeof(command), "gcc -gbtf -c -x c -o %s -", path);
	gcc = popen(command, "w");
	if (!ok(gcc, "gcc"))
		return NULL;
	fputs(source, gcc);
	is_eq(pclose(gcc), 0, "gcc compiles struct %s", name);
	is_eq(kecho_type_from_file(&t, path, name), 0, "%s", kecho_explain());
	unlink(path);
	return t;
}

struct pair {
	struct kecho_type *old, *new;
	struct kecho_match *up, *down;	/* an old writer's events; a new one's */
};

static bool pair_open(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	if (!ok(mkdtemp(folder), "a folder"))
		return false;
	p->old = compile("old", old_source);
	p->new = compile("new", new_source);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return ok(p->old && p->new, "types") &&
	       is_eq(kecho_type_match(&p->up, p->new, p->old), 0, "match") &&
	       is_eq(kecho_type_match(&p->down, p->old, p->new), 0, "match");
}

static void pair_close(struct pair *p)
{
	kecho_match_free(p->up);
	kecho_match_free(p->down);
	kecho_type_free(p->old);
	kecho_type_free(p->new);
}

static size_t number_of(const struct kecho_type *t, const char *name)
{
	struct kecho_field f[32];
	size_t n = kecho_type_fields(t, f, 32), i;

	for (i = 0; i < n; i++)
		if (!strcmp(f[i].name, name))
			return i;
	ok(false, "there is no field %s", name);
	return 0;
}

/* --------------------------------------------------------------- what comes out */

static void check_new(const struct new *got)
{
	is_eq(got->seq, an_old.seq, "widened");
	is_eq(got->cpu, an_old.cpu, "widened with its sign");
	is_str(got->name, "twelve ", "cut, with an end");
	is_eq(got->parts[1], 255, "elements widened");
	ok(got->at.x == 1.5 && got->at.y == -2.5 && got->at.z == 0, "in a struct within");
	is_eq(got->state, BUSY, "an enum as a number");
	is_eq(got->flags, 5, "bits");
	is_eq(got->delta, -16, "bits with a sign");
	is_mem(got->history, ((int32_t[]){ -1, 2, 0, 0 }), 16, "a longer array");
	ok(got->ratio == 0.25, "a float as a double");
	ok(got->up && got->any.whole == an_old.any.whole, "unchanged ones");
	ok(!*got->node, "added");
}

static void check_old(const struct old *got)
{
	is_eq(got->seq, 4000000000u, "cut");
	is_eq(got->cpu, -3, "cut");
	is_str(got->name, "short", "a longer string");
	is_eq(got->parts[1], 1, "elements cut");
	ok(got->at.x == 1.5f && got->at.y == -2.5f, "in a struct within");
	is_eq(got->state, BUSY, "a number as an enum");
	is_eq(got->flags, 5, "bits cut");
	is_eq(got->delta, -16, "bits with a sign");
	is_mem(got->history, a_new.history, 8, "a shorter array");
	ok(got->ratio == 0.25f, "a double as a float");
	ok(got->up && got->any.whole == a_new.any.whole, "unchanged ones");
	is_eq(got->gone, 0, "removed");
}

TEST(both_directions)
{
	struct pair p;
	struct old old;
	struct new new;
	uint64_t present;

	if (pair_open(&p)) {
		memset(&old, 0xee, sizeof(old));
		memset(&new, 0xee, sizeof(new));
		kecho_match_convert(p.up, &an_old, sizeof(an_old), &new, &present);
		check_new(&new);
		ok(!(present >> number_of(p.new, "node") & 1), "node is absent");
		ok(present >> number_of(p.new, "at.x") & 1, "at.x is there");
		ok(!kecho_match_has(p.up, number_of(p.new, "at.z")), "at.z is absent");
		kecho_match_convert(p.down, &a_new, sizeof(a_new), &old, &present);
		check_old(&old);
		ok(!kecho_match_has(p.down, number_of(p.old, "gone")), "gone is absent");
		ok(present >> number_of(p.old, "any") & 1, "any is there");
	}
	pair_close(&p);
}

TEST(as_json)
{
	static const char wanted[] =
		"{\"seq\":4000000000,\"cpu\":-3,\"gone\":1,"
		"\"name\":\"twelve bytes\",\"parts\":\"01ff\","
		"\"at\":{\"x\":1.5,\"y\":-2.5},\"state\":1,\"flags\":5,\"delta\":-16,"
		"\"history\":[-1,2],\"ratio\":0.25,\"up\":1,\"any\":\"78563412\"}";
	char text[512];
	struct pair p;
	struct old back;

	if (pair_open(&p)) {
		kecho_type_to_json(p.old, &an_old, sizeof(an_old), text, sizeof(text));
		is_str(text, wanted, "JSON");
		is_eq(kecho_type_from_json(p.old, wanted, strlen(wanted), &back), 0, "%s",
		      kecho_explain());
		kecho_type_to_json(p.old, &back, sizeof(back), text, sizeof(text));
		is_str(text, wanted, "back");
	}
	pair_close(&p);
}

/* ----------------------------------------------------------------- over a channel */

static void read_both(struct kecho_sink *sink, const struct pair *p)
{
	struct kecho_event ev;
	struct old old;
	struct new new;

	must(is_eq(kecho_read(sink, &ev, 5000), 0, "%s", kecho_explain()), "the first");
	kecho_match_convert(p->up, ev.data, ev.len, &new, NULL);
	check_new(&new);
	must(is_eq(kecho_read(sink, &ev, 5000), 0, "%s", kecho_explain()), "the second");
	kecho_match_convert(p->down, ev.data, ev.len, &old, NULL);
	check_old(&old);
}

TEST(over_a_channel)
{
	struct kecho_channel *ch = NULL;
	struct kecho_source *source = NULL;
	struct kecho_sink *sink = NULL;
	struct kecho *k = NULL;
	char name[40];
	struct pair p;

	setenv("KECHO", "embedded", 1);
	snprintf(name, sizeof(name), "test-types-%d", getpid());
	if (pair_open(&p) && is_eq(kecho_open(&k, NULL), 0, "%s", kecho_explain()) &&
	    is_eq(kecho_channel_open(k, name, NULL, &ch), 0, "%s", kecho_explain()) &&
	    is_eq(kecho_sink_open(ch, NULL, &sink), 0, "%s", kecho_explain()) &&
	    is_eq(kecho_source_open(ch, NULL, &source), 0, "%s", kecho_explain())) {
		is_eq(kecho_submit(source, &an_old, sizeof(an_old), 0), 0, "an old one");
		is_eq(kecho_submit(source, &a_new, sizeof(a_new), 0), 0, "a new one");
		read_both(sink, &p);
	}
	kecho_close(k);
	pair_close(&p);
}

TESTS(type_versions, both_directions, as_json, over_a_channel);
