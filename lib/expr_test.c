// SPDX-License-Identifier: MIT
/*
 * Expressions: what each part of the language means, by judging one event with it, and what
 * is too much of it.
 */
#include "expr.h"
#include "tap.h"

#define TIME_NS	1700000000000000000ULL

static const struct {
	const char *name;
	struct kecho_value v;
	u64 age_ns;
} there[] = {
	{ "cpu", { KECHO_I64, 75, NULL, 0, 0 }, 0 },
	{ "pos.x", { KECHO_I64, -7, NULL, 0, 0 }, 0 },
	{ "flags", { KECHO_I64, 6, NULL, 0, 0 }, 0 },
	{ "min", { KECHO_I64, S64_MIN, NULL, 0, 0 }, 0 },
	{ "zero", { KECHO_I64, 0, NULL, 0, 0 }, 0 },
	{ "in", { KECHO_I64, 3, NULL, 0, 0 }, 0 },
	{ "seq", { KECHO_I64, -1, NULL, 0, 0 }, 0 },
	{ "node", { KECHO_I64, -2, NULL, 0, 0 }, 0 },
	{ "host", { KECHO_STRING, 0, "alpha", 5, 0 }, 0 },
	{ "raw", { KECHO_BYTES, 0, "a\0b", 3, 0 }, 0 },
	{ "empty", { KECHO_STRING, 0, "", 0, 0 }, 0 },
	{ "sink.load", { KECHO_I64, 20, NULL, 0, 0 }, 5000000 },
	{ "sink.zone", { KECHO_STRING, 0, "eu", 2, 0 }, 0 },
	{ "sink.seven", { KECHO_I64, 7, NULL, 0, 0 }, 0 },
	{ "sink.blob", { KECHO_BYTES, 0, "eu", 2, 0 }, 0 },
	{ "sink.free-bytes", { KECHO_I64, 4096, NULL, 0, 0 }, 0 },
	{ "sink.age", { KECHO_I64, 33, NULL, 0, 0 }, 0 },
	{ "sink.node.load", { KECHO_I64, 1, NULL, 0, 0 }, 0 },
	{ "source.zone", { KECHO_STRING, 0, "eu", 2, 0 }, 0 },
	{ "source.seven", { KECHO_I64, 7, NULL, 0, 0 }, 0 },
	{ "source.node.rack", { KECHO_STRING, 0, "r12", 3, 0 }, 0 },
	{ "node.name", { KECHO_STRING, 0, "b", 1, 0 }, 0 },
	{ "channel.version", { KECHO_I64, 2, NULL, 0, 0 }, 0 },
	{ "event.urgent", { KECHO_I64, 1, NULL, 0, 0 }, 0 },
};

static int ask(void __maybe_unused *arg, const char *name, struct kecho_value *v,
	       uint64_t *age_ns)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(there); i++) {
		if (!strcmp(there[i].name, name)) {
			*v = there[i].v;
			*age_ns = there[i].age_ns;
			return 0;
		}
	}
	return -ENOENT;
}

static const struct kecho_filter_event event = {
	.type = "load", .seq = 12, .time_ns = TIME_NS, .len = 200, .ask = ask,
};

/* What the expression says of the event: 1 or 0, or an error. */
static int judge(enum kecho_filter_use use, const char *text, int64_t *score)
{
	struct kecho_filter *f = NULL;
	struct kecho_judge *j = NULL;
	int yes;

	yes = kecho_filter_compile(&f, use, text, NULL);
	if (!yes)
		yes = kecho_judge_open(&j, f, &event);
	if (!yes)
		yes = kecho_judge_run(j, score);
	else
		pr_info("# %s\n", kecho_explain());
	kecho_judge_close(j);
	kecho_filter_free(f);
	return yes;
}

static void says(const char *text, int yes)
{
	is_eq(judge(KECHO_FOR_EVENT, text, NULL), yes, "%s", text);
}

struct saying {
	const char *text;
	int yes;
};

#define SAY(table)								\
	do {									\
		size_t __i;							\
										\
		for (__i = 0; __i < ARRAY_SIZE(table); __i++)			\
			says((table)[__i].text, (table)[__i].yes);		\
	} while (0)

TEST(numbers)
{
	static const struct saying t[] = {
		{ "cpu < 80", 1 }, { "cpu < 75", 0 }, { "cpu <= 75", 1 }, { "cpu > 74", 1 },
		{ "cpu >= 76", 0 }, { "cpu == 75", 1 }, { "cpu != 75", 0 }, { "80 > cpu", 1 },
		{ "75 < cpu", 0 }, { "cpu == 0x4b", 1 }, { "cpu * 2 - 50 == 100", 1 },
		{ "cpu + cpu * 2 == 225", 1 }, { "(cpu + cpu) * 2 == 300", 1 },
		{ "cpu - 5 - 5 == 65", 1 }, { "pos.x < 0", 1 }, { "-pos.x == 7", 1 },
		{ "~pos.x == 6", 1 }, { "pos . x == -7", 1 }, { "flags & 4 == 4", 1 },
		{ "flags & 1", 0 }, { "flags | 1 == 7", 1 }, { "flags ^ 2 == 4", 1 },
		{ "1 << 4 == 16", 1 }, { "cpu << 65 == 150", 1 }, { "pos.x >> 1 == -4", 1 },
		{ "pos.x >> 64 == -7", 1 },
		{ "1K == 1024 && 1M == 1048576 && 1G == 0x40000000", 1 },
		{ "1us == 1000ns && 1ms == 1000us && 1s == 1000ms && 1m == 60s && 1h == 60m", 1 },
		{ "0xffffffffffffffff == -1", 1 }, { "min == 0x8000000000000000", 1 },
		{ "min - 1 == 9223372036854775807", 1 }, { "seq == 12", 1 }, { "len == 200", 1 },
		{ "time == 1700000000000000000", 1 }, { "now > time", 1 },
		{ "random >= 0 && hash(cpu) >= 0 && hash(host) >= 0", 1 },
		{ "hash(cpu) == hash(75)", 1 }, { "hash(host) == hash(\"alpha\")", 1 },
		{ "hash(cpu) == hash(cpu + 1)", 0 }, { "cpu", 1 }, { "zero", 0 }, { "", -EINVAL },
	};

	SAY(t);
}

TEST(division)
{
	static const struct saying t[] = {
		{ "cpu / 4 == 18 && cpu % 4 == 3", 1 },
		{ "-cpu / 4 == -18 && -cpu % 4 == -3", 1 },
		{ "cpu / -4 == -18 && cpu % -4 == 3", 1 },
		{ "-cpu / -4 == 18 && -cpu % -4 == -3", 1 },
		{ "cpu / pos.x == -10 && cpu % pos.x == 5", 1 },
		{ "pos.x / flags == -1 && pos.x % flags == -1", 1 },
		{ "cpu / 0 == 0 && cpu % 0 == 0", 1 },
		{ "cpu / zero == 0 && cpu % zero == 0", 1 },
		{ "7 / 0 == 0 && 7 % 0 == 0", 1 },
		{ "min / -1 == min && min % -1 == 0", 1 },
		{ "min / (zero - 1) == min && min % (zero - 1) == 0", 1 },
		{ "min / min == 1 && min % min == 0 && cpu / min == 0 && cpu % min == cpu", 1 },
		{ "min / 0x8000000000000000 == 1", 1 },
		{ "min / 2 == -4611686018427387904 && min % 10 == -8", 1 },
		{ "(cpu - 80) / 2 == -2", 1 },
		{ "len / 3 == 66 && len % 3 == 2 && len / -3 == -66 && len % -3 == 2", 1 },
	};

	SAY(t);
}

TEST(strings)
{
	static const struct saying t[] = {
		{ "host == \"alpha\"", 1 }, { "host == 'alpha'", 1 }, { "'alpha' == host", 1 },
		{ "host != \"alpha\"", 0 }, { "host != \"beta\"", 1 }, { "host == \"alph\"", 0 },
		{ "prefix(host, \"al\")", 1 }, { "prefix(host, \"pha\")", 0 },
		{ "prefix(host, \"\")", 1 }, { "contains(host, \"ph\")", 1 },
		{ "contains(host, \"hp\")", 0 }, { "contains(\"xalphax\", host)", 1 },
		{ "host in (\"beta\", \"alpha\")", 1 }, { "host in ('beta', 'gamma')", 0 },
		{ "'b' in ('a', 'b') && 'c' in ('a')", 0 }, { "empty == ''", 1 },
		{ "host == \"\\x61lph\\x61\"", 1 },
		{ "'\\n\\t\\r\\\\\\'\\\"' == \"\\n\\t\\r\\\\'\\\"\"", 1 },
		{ "raw == \"a\\x00b\"", 1 }, { "raw == 'a'", 0 }, { "sink.blob == 'eu'", 0 },
		{ "type == \"load\"", 1 }, { "type != 'load'", 0 }, { "'load' == type", 1 },
		{ "type in ('a', 'load')", 1 }, { "type in ('a', 'b')", 0 },
		{ "prefix('abc', 'ab') && contains('abc', 'c') && !contains('abc', 'abcd')", 1 },
	};

	SAY(t);
}

TEST(sets)
{
	static const struct saying t[] = {
		{ "cpu in (75)", 1 }, { "cpu in (1, 70..80)", 1 }, { "cpu in (70..74, 76)", 0 },
		{ "pos.x in (-9..-7)", 1 }, { "!(cpu in (1, 2))", 1 }, { "cpu - 70 in (5)", 1 },
		{ "min in (0x8000000000000000..0)", 1 }, { "5 in (1..9) && 10 in (1..9)", 0 },
		{ "cpu in (10000000000..20000000000) || cpu in (-10000000000..20000000000)", 1 },
		{ "cpu in (1K, 75)", 1 }, { "cpu in (75..75) == 1", -EINVAL },
	};

	SAY(t);
}

TEST(attributes)
{
	static const struct saying t[] = {
		{ "sink.load == 20 && sink.node.load == 1 && channel.version == 2", 1 },
		{ "event.urgent", 1 }, { "node.name == 'b' && source.node.rack == 'r12'", 1 },
		{ "sink.load.age == 5ms", 1 }, { "sink.load.age < 5ms", 0 },
		{ "sink.age == 33", 1 },
		{ "sink.age.age == 0", 1 }, { "sink.\"free-bytes\" == 4K", 1 },
		{ "sink.'free-bytes' . age == 0", 1 }, { "sink.zone == source.zone", 1 },
		{ "sink.zone != source.zone", 0 }, { "sink.seven == source.seven", 1 },
		{ "sink.seven != source.seven", 0 }, { "sink.load == source.seven", 0 },
		{ "sink.load != source.seven", 1 }, { "sink.zone == source.seven", 0 },
		{ "sink.zone != source.seven", 0 },
		{ "sink.seven == source.seven && sink.seven < 8", 1 },
		{ "sink.zone == host || source.zone == sink.zone", 1 },
		{ "sink.node.zone == sink.zone", 0 },
	};

	SAY(t);
}

/* Whatever is absent makes the condition around it false, and no more than that one. */
TEST(absence)
{
	static const struct saying t[] = {
		{ "gone == 1", 0 }, { "gone != 1", 0 }, { "!(gone == 1)", 1 },
		{ "!(gone != 1)", 1 },
		{ "gone < 1 || gone >= 1", 0 }, { "gone == 1 || cpu == 75", 1 }, { "gone", 0 },
		{ "!gone", 1 }, { "gone * 0 == 0", 0 }, { "gone in (0..9)", 0 },
		{ "!(gone in (0..9))", 1 }, { "gone == 'a'", 0 }, { "gone != 'a'", 0 },
		{ "sink.gone != 'a'", 0 }, { "prefix(gone, '')", 0 }, { "!contains(gone, '')", 1 },
		{ "gone in ('a')", 0 }, { "has(gone)", 0 }, { "has(cpu)", 1 }, { "!has(gone)", 1 },
		{ "has(host) && has(raw) && has(sink.blob) && has(sink.zone)", 1 },
		{ "has(sink.load)", 1 },
		{ "has(sink.gone)", 0 }, { "has(time)", 1 }, { "sink.gone.age >= 0", 0 },
		{ "has(sink.load.age)", 1 }, { "host == 5", 0 }, { "host != 5", 0 },
		{ "cpu == 'a'", 0 }, { "cpu != 'a'", 0 },
		{ "sink.zone == 5 || sink.load == 'a'", 0 },
		{ "has(host) && host == 5", 0 }, { "hash(gone) == hash(gone)", 0 },
		{ "once(gone)", 0 }, { "!once(sink.gone)", 1 }, { "gone == sink.gone", 0 },
		{ "has(cpu) || gone == 1", 1 }, { "hash(cpu) == gone", 0 },
	};

	SAY(t);
}

TEST(logic)
{
	static const struct saying t[] = {
		{ "cpu == 75 && pos.x == -7", 1 }, { "cpu == 75 && pos.x == 7", 0 },
		{ "cpu == 1 || pos.x == -7", 1 }, { "cpu == 1 || pos.x == 7", 0 },
		{ "cpu == 75 || cpu == 1 && pos.x == 7", 1 },
		{ "(cpu == 75 || cpu == 1) && pos.x == 7", 0 }, { "!!(cpu == 75)", 1 },
		{ "!(cpu == 1 && zero) && !(cpu == 1 || zero)", 1 }, { "1", 1 }, { "0", 0 },
		{ "0 || cpu", 1 }, { "1 && zero", 0 }, { "1 || gone == 2", 1 }, { "cpu && 0", 0 },
		{ "cpu || 1", 1 }, { "!(0)", 1 }, { "!0 && cpu", 1 }, { ".in == 3", 1 },
		{ ".seq == -1 && seq == 12", 1 }, { ".node == -2", 1 }, { ".pos.x == -7", 1 },
	};

	SAY(t);
}

static struct kecho_judge *open_judge(struct kecho_filter **f, const char *text)
{
	struct kecho_judge *j = NULL;

	*f = NULL;
	if (is_eq(kecho_filter_compile(f, KECHO_FOR_EVENT, text, NULL), 0, "%s", text))
		is_eq(kecho_judge_open(&j, *f, &event), 0, "%s", text);
	return j;
}

/* Each of them remembers by itself. */
TEST(memory)
{
	static const struct {
		const char *text;
		int first, second, third;
	} t[] = {
		{ "once(cpu, 1h)", 1, 0, 0 },
		{ "once(host, 1h)", 1, 0, 0 },
		{ "once(cpu, 1h) || once(cpu, 1h)", 1, 1, 0 },
		{ "once(host, 1h) || once(host, 1h)", 1, 1, 0 },
		{ "once(random, 1h)", 1, 1, 1 },
		{ "once(seq) && once(cpu + 1)", 1, 0, 0 },
		{ "once(cpu, 1ns)", 1, 1, 1 },
		{ "rate(2)", 1, 1, 0 },
		{ "rate(1) || rate(1)", 1, 1, 0 },
	};
	struct kecho_filter *f;
	struct kecho_judge *j;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		j = open_judge(&f, t[i].text);
		must(j, "%s", t[i].text);
		is_eq(kecho_judge_run(j, NULL), t[i].first, "%s", t[i].text);
		is_eq(kecho_judge_run(j, NULL), t[i].second, "%s: again", t[i].text);
		is_eq(kecho_judge_run(j, NULL), t[i].third, "%s: a third time", t[i].text);
		kecho_judge_close(j);
		kecho_filter_free(f);
	}
}

static u32 best_of(const char *text)
{
	const struct kecho_filter_header *h;
	struct kecho_filter *f = NULL;
	size_t len;
	u32 best;

	if (kecho_filter_compile(&f, KECHO_FOR_OUT, text, NULL))
		return U32_MAX;
	h = kecho_filter_wire(f, &len);
	best = le32_to_cpu(h->best);
	kecho_filter_free(f);
	return best;
}

static void chooses(const char *text, u32 best, int yes, s64 score)
{
	int64_t is = 0;

	is_eq(best_of(text), best, "%s", text);
	is_eq(judge(KECHO_FOR_OUT, text, &is), yes, "%s", text);
	is_eq(is, score, "%s: the score", text);
}

/* Less is better unless it says most; ~ turns the order of all numbers round. */
TEST(choices)
{
	int64_t score;

	chooses("all", 0, 1, 0);
	chooses("all where sink.load < 20", 0, 0, 0);
	chooses("where sink.load < 21", 0, 1, 0);
	chooses("sink.load < 21", 0, 1, 0);
	chooses("best by sink.load", 1, 1, ~20);
	chooses("best 2 by least sink.load", 2, 1, ~20);
	chooses("best 2 by most sink.load where sink.zone == source.zone", 2, 1, 20);
	chooses("best 3 by most (sink.load + 1) * 2", 3, 1, 42);
	chooses("best 3 by -sink.load where sink.zone == 'us'", 3, 0, 0);
	chooses("best by sink.gone", 1, 0, 0);
	chooses("best by 5", 1, 1, ~5);
	chooses("best by min", 1, 1, S64_MAX);
	chooses("best by most .min", 1, 1, S64_MIN);
	is_eq(best_of("any"), 1, "any: one");
	is_eq(judge(KECHO_FOR_OUT, "any where sink.zone == 'eu'", &score), 1, "any");
	ok(score >= 0, "chance scores");
	is_eq(judge(KECHO_FOR_OUT, "any where sink.zone == 'us'", &score), 0, "any: none");
}

static int compile_many(const char *one, const char *joined, u32 n, struct kecho_filter_error *e)
{
	static char text[2 * KECHO_FILTER_TEXT_MAX];
	struct kecho_filter *f = NULL;
	size_t len = 0;
	int err;
	u32 i;

	for (i = 0; i < n; i++)
		len += scnprintf(text + len, sizeof(text) - len, "%s%s", i ? joined : "", one);
	err = kecho_filter_compile(&f, KECHO_FOR_EVENT, text, e);
	kecho_filter_free(f);
	return err;
}

static int compile_nested(const char *open, const char *inner, const char *close, u32 n,
			  struct kecho_filter_error *e)
{
	static char text[2 * KECHO_FILTER_TEXT_MAX];
	struct kecho_filter *f = NULL;
	size_t len = 0;
	int err;
	u32 i;

	for (i = 0; i < n; i++)
		len += scnprintf(text + len, sizeof(text) - len, "%s", open);
	len += scnprintf(text + len, sizeof(text) - len, "%s", inner);
	for (i = 0; i < n; i++)
		len += scnprintf(text + len, sizeof(text) - len, "%s", close);
	err = kecho_filter_compile(&f, KECHO_FOR_EVENT, text, e);
	kecho_filter_free(f);
	return err;
}

/* What is too much is said, by name; what is just not is taken. */
TEST(limits)
{
	struct kecho_filter_error e = { 0 };

	is_eq(compile_many("x", "+", EXPR_DEPTH_MAX - 1, &e), 0, "as deep as may be");
	is_eq(compile_many("x", "+", EXPR_DEPTH_MAX + 1, &e), -EINVAL, "too deep");
	ok(strstr(e.message, "too deep: over 100"), "%s", e.message);
	is_eq(compile_nested("(", "x", ")", EXPR_DEPTH_MAX - 1, &e), 0, "parentheses");
	is_eq(compile_nested("(", "x", ")", EXPR_DEPTH_MAX, &e), -EINVAL, "too many parentheses");
	ok(strstr(e.message, "too deep: over 100"), "%s", e.message);
	is_eq(compile_nested("-", "x", "", 4000, &e), -EINVAL, "too many signs");
	is_eq(compile_nested("!", "x", "", 4000, &e), -EINVAL, "too many negations");
	is_eq(compile_nested("hash(", "x", ")", 500, &e), -EINVAL, "too many functions");
	is_eq(compile_nested("x+(", "hash(x)", ")", 16, &e), 0, "all of the stack");
	is_eq(compile_nested("x+(", "hash(x)", ")", 17, &e), -EINVAL, "no more stack");
	ok(strstr(e.message, "too complex: over 16 numbers"), "%s", e.message);
	is_eq(compile_nested("x-(", "y", ")", 19, &e), 0, "more than there are registers");
	is_eq(compile_many("once(x)", "&&", 16, &e), 0, "as many as may be");
	is_eq(compile_many("once(x)", "&&", 17, &e), -EINVAL, "once() too often");
	is_eq(compile_many("rate(1)", "&&", 17, &e), -EINVAL, "rate() too often");
	ok(strstr(e.message, "over 16 of them"), "%s", e.message);
	is_eq(compile_many(" ", "", KECHO_FILTER_TEXT_MAX + 1, &e), -E2BIG, "too long");
	is_eq(compile_nested("x in (1", ", 2", ")", 1, &e), 0, "a set");
	is_eq(compile_many("x==1", "||", EXPR_DEPTH_MAX - 1, &e), 0, "many conditions");
}

static void many_names(char *text, size_t size, u32 n)
{
	size_t len = 0;
	u32 i;

	text[0] = '\0';
	for (i = 0; i < n; i++)
		len += scnprintf(text + len, size - len, "%ssink.x%u > 1", i ? "&&" : "", i);
}

TEST(names)
{
	static char text[KECHO_FILTER_TEXT_MAX];
	struct kecho_filter_error e;
	struct kecho_filter *f;

	many_names(text, sizeof(text), EXPR_NAMES_MAX);
	must(!kecho_filter_compile(&f, KECHO_FOR_IN, text, &e), "as many as may be");
	is_eq(kecho_filter_use(f), KECHO_FOR_IN, "what for");
	kecho_filter_free(f);
	many_names(text, sizeof(text), EXPR_NAMES_MAX + 1);
	is_eq(kecho_filter_compile(&f, KECHO_FOR_IN, text, &e), -EINVAL, "too many");
	is_str(e.message, "over 64 different attributes and fields", "is said");
	snprintf(text, sizeof(text), "sink.%0127d > 1", 0);
	text[5] = 'a';
	must(!kecho_filter_compile(&f, KECHO_FOR_IN, text, &e), "as long as may be");
	kecho_filter_free(f);
	snprintf(text, sizeof(text), "sink.a%0127d > 1", 0);
	is_eq(kecho_filter_compile(&f, KECHO_FOR_IN, text, &e), -EINVAL, "too long");
	is_str(e.message, "a name has at most 127 bytes", "is said");
}

/* The same once it has travelled; and what others make of it is not believed. */
TEST(travel)
{
	struct kecho_filter *f, *g;
	char a[2048], b[2048];
	unsigned char *copy;
	const void *wire;
	size_t len, again;
	ssize_t n;

	must(!kecho_filter_compile(&f, KECHO_FOR_EVENT, "type == 'load' && cpu % 3 == 1 &&"
				   "sink.zone == 'a' && hash(seq) > len", NULL), "compiles");
	wire = kecho_filter_wire(f, &len);
	must(!kecho_filter_load(&g, wire, len), "is loaded");
	n = kecho_filter_dump(f, a, sizeof(a));
	ok(n > 0 && n < (ssize_t)sizeof(a), "%zd bytes of text", n);
	is_eq(kecho_filter_dump(g, b, sizeof(b)), n, "as long");
	is_str(a, b, "the same");
	is_eq(kecho_filter_dump(g, NULL, 0), n, "its length only");
	is_eq(kecho_filter_dump(g, b, 10), n, "cut");
	is_eq(strlen(b), 9, "to what there is room for");
	kecho_filter_wire(g, &again);
	is_eq(again, len, "as many bytes");
	kecho_filter_free(g);
	copy = malloc(len);
	memcpy(copy, wire, len);
	is_eq(kecho_filter_load(&g, copy, len - 1), -EPROTO, "cut");
	copy[0] ^= 1;
	is_eq(kecho_filter_load(&g, copy, len), -EPROTO, "no filter");
	copy[0] ^= 1;
	copy[sizeof(struct kecho_filter_header)] = 0xff;
	is_eq(kecho_filter_load(&g, copy, len), -EACCES, "no program");
	ok(strstr(kecho_explain(), "instruction 0"), "%s", kecho_explain());
	free(copy);
	kecho_filter_free(f);
	is_eq(kecho_filter_load(&g, "", 0), -EPROTO, "nothing");
	is_eq(kecho_filter_compile(&g, 9, "1", NULL), -EINVAL, "for nobody");
}

TESTS(expr, numbers, division, strings, sets, attributes, absence, logic, memory, choices,
      limits, names, travel);
