// SPDX-License-Identifier: MIT
/*
 * Mistakes in expressions: of each the column and the length that are shown, and what is said.
 */
#include "plat.h"
#include "kecho/filter.h"
#include "tap.h"

#define EVENT	KECHO_FOR_EVENT
#define OUT	KECHO_FOR_OUT

static const struct {
	enum kecho_filter_use use;
	const char *text;
	size_t column, length;
	const char *message;
} mistakes[] = {
	{ EVENT, "", 1, 0,
	  "the expression ends too early: here should be a number, a string, a field, an "
	  "attribute or a condition" },
	{ EVENT, "cpu <", 6, 0,
	  "the expression ends too early: here should be a number, a string, a field, an "
	  "attribute or a condition" },
	{ EVENT, "cpu 5", 5, 1, "here should be an operator, or the end" },
	{ EVENT, "cpu < 5)", 8, 1, "here should be an operator, or the end" },
	{ EVENT, "(cpu < 5", 9, 0,
	  "the expression ends too early: here should be an operator, or ) for the ( "
	  "before" },
	{ EVENT, "cpu == == 5", 8, 2,
	  "here should be a number, a string, a field, an attribute or a condition" },
	{ EVENT, "a < b < c", 7, 1, "comparisons do not chain: join two with && or ||" },
	{ EVENT, "a == b != c", 8, 2, "comparisons do not chain: join two with && or ||" },
	{ EVENT, "cpu = 5", 5, 1, "this compares nothing: equality is ==" },
	{ EVENT, "cpu @ 5", 5, 1, "this character means nothing here" },
	{ EVENT, "cpu < 5x", 7, 2,
	  "this is no number: behind it may be ns, us, ms, s, m, h, K, M or G" },
	{ EVENT, "cpu < 1.5", 7, 1, "numbers have no fractions here" },
	{ EVENT, "cpu < 9223372036854775808", 7, 19, "the number is over 9223372036854775807" },
	{ EVENT, "cpu < 0x1ffffffffffffffff", 7, 19, "the number is over 0xffffffffffffffff" },
	{ EVENT, "cpu < 9999999999G", 7, 11, "the number is over 9223372036854775807" },
	{ EVENT, "cpu < 0x", 7, 2,
	  "this is no number: behind it may be ns, us, ms, s, m, h, K, M or G" },
	{ EVENT, "host == \"abc", 9, 4, "the string has no end: \" is missing" },
	{ EVENT, "host == \"a\\qb\"", 11, 2,
	  "behind a backslash may be n, t, r, \\, \", ' or xHH" },
	{ EVENT, "host == \"a\\x1\"", 11, 2,
	  "behind a backslash may be n, t, r, \\, \", ' or xHH" },
	{ EVENT, "host < \"a\"", 6, 1,
	  "strings have no order here: compare them with ==, !=, in, prefix() or "
	  "contains()" },
	{ EVENT, "host == \"a\" && host > 5", 16, 4,
	  "the field is a number here, but a string at column 1" },
	{ EVENT, "host == 5 || a == 1 || prefix(host, \"x\")", 31, 4,
	  "the field is a string here, but a number at column 1" },
	{ EVENT, "sink.zone == source.zone && sink.zone == 'a' && source.zone == 1", 11, 2,
	  "a string is compared with a number here: see columns 29 and 49" },
	{ EVENT, "sink.load.age == \"x\"", 1, 13,
	  "an age is a number of nanoseconds, not a string" },
	{ EVENT, "\"abc\"", 1, 5, "a string is no condition: compare it with something" },
	{ EVENT, "type", 1, 4, "a string is no condition: compare it with something" },
	{ EVENT, "type < \"a\"", 6, 1, "types are compared with ==, != and in" },
	{ EVENT, "type == cpu", 9, 3, "a type is compared with its name, such as \"load\"" },
	{ EVENT, "type == \"\"", 9, 2, "a type is compared with its name, such as \"load\"" },
	{ EVENT, "type == \"a b\"", 9, 5, "a type's name has no blanks and no control characters" },
	{ EVENT, "type in ('a', '\t')", 15, 3,
	  "a type's name has no blanks and no control characters" },
	{ EVENT, "type in (1)", 10, 1, "a type is compared with its name, such as \"load\"" },
	{ EVENT, "prefix(type, \"a\")", 8, 4, "types are compared with ==, != and in" },
	{ EVENT, "1 + \"a\"", 5, 3, "+ needs a number, and this is a string" },
	{ EVENT, "1 + (a < b)", 8, 1,
	  "+ needs a number; this is a condition, so it may need parentheses" },
	{ EVENT, "!cpu == 3", 1, 1,
	  "== needs a number; this is a condition, so it may need parentheses" },
	{ EVENT, "prefix(5, \"a\")", 8, 1, "prefix() needs a string, and this is a number" },
	{ EVENT, "prefix(host)", 12, 1,
	  "here should be a comma and the string that is looked for" },
	{ EVENT, "prefix(host, \"a\"", 17, 0,
	  "the expression ends too early: here should be ) behind what the function is "
	  "given" },
	{ EVENT, "prefx(host, \"a\")", 1, 5, "there is no function prefx(): is it prefix()?" },
	{ EVENT, "foo(host)", 1, 3,
	  "there is no function foo(): there are prefix(), contains(), has(), once(), "
	  "rate() and hash()" },
	{ EVENT, "has(5)", 5, 1, "has() is given a field or an attribute" },
	{ EVENT, "has()", 5, 1,
	  "here should be a number, a string, a field, an attribute or a condition" },
	{ EVENT, "once()", 6, 1,
	  "here should be a number, a string, a field, an attribute or a condition" },
	{ EVENT, "once(cpu, x)", 11, 1, "here should be how long, such as 10s" },
	{ EVENT, "once(cpu, 0)", 11, 1, "it is from 1 to 604800000000000" },
	{ EVENT, "once(cpu, 200h)", 11, 4, "it is from 1 to 604800000000000" },
	{ EVENT, "once(\"a\" == host)", 10, 2,
	  "once() is given a number, a string, a field or an attribute" },
	{ EVENT, "rate(x)", 6, 1, "here should be how many a second, such as 100" },
	{ EVENT, "rate(0)", 6, 1, "it is from 1 to 1000000000" },
	{ EVENT, "rate(2G)", 6, 2, "it is from 1 to 1000000000" },
	{ EVENT, "hash(a < b)", 8, 1,
	  "hash() is given a number, a string, a field or an attribute" },
	{ EVENT, "cpu in 5", 8, 1,
	  "here should be ( and a list such as (1, 5..9) or (\"a\", \"b\")" },
	{ EVENT, "cpu in ()", 9, 1,
	  "here should be a number, a range such as 5..9, or a string" },
	{ EVENT, "cpu in (1, \"a\")", 12, 3, "a set has numbers or strings, not both" },
	{ EVENT, "cpu in (5..1)", 9, 4,
	  "nothing is in this range: the lower number comes first" },
	{ EVENT, "cpu in (x)", 9, 1,
	  "here should be a number, a range such as 5..9, or a string" },
	{ EVENT, "cpu in (1 2)", 11, 1, "here should be , or ) behind the items of a set" },
	{ EVENT, "in (1)", 1, 2,
	  "here should be what is looked for; a field that is called in is .in" },
	{ EVENT, "sink", 1, 4,
	  "which attribute? It is sink.NAME; a field that is called sink is .sink" },
	{ EVENT, "sink.", 6, 0, "the expression ends too early: here should be a name" },
	{ EVENT, "sink.node", 10, 0,
	  "the expression ends too early: here should be a dot and the name of an "
	  "attribute of the node" },
	{ EVENT, "sink.node.", 11, 0, "the expression ends too early: here should be a name" },
	{ EVENT, "sink.5", 6, 1, "here should be a name" },
	{ EVENT, "snik.load > 1", 1, 4, "is it sink.? A field that is called snik is .snik" },
	{ EVENT, "chanel.x > 1", 1, 6,
	  "is it channel.? A field that is called chanel is .chanel" },
	{ EVENT, "randon > 1", 1, 6, "is it random? A field that is called randon is .randon" },
	{ EVENT, "tiem > 1", 1, 4, "is it time? A field that is called tiem is .tiem" },
	{ EVENT, "sink.\"a b\" > 1", 6, 5,
	  "a name has no blanks or control characters, but others" },
	{ EVENT, "foo.\"a\" > 1", 5, 3,
	  "only names of attributes are quoted, as in sink.\"free-bytes\"" },
	{ EVENT, "event.x.age > 1", 1, 11,
	  "attributes of an event have no age: is it now - time?" },
	{ EVENT, "foo..x", 4, 2, "here should be an operator, or the end" },
	{ EVENT, ". x + .", 8, 0, "the expression ends too early: here should be a name" },
	{ EVENT, "best 2 by sink.load", 1, 4,
	  "only OUT filters choose sinks; a field that is called best is .best" },
	{ OUT, "best", 5, 0,
	  "the expression ends too early: here should be how many, or \"by\" and what "
	  "makes a sink a good one" },
	{ OUT, "best 0 by sink.load", 6, 1,
	  "the best are 1 to 4294967295 of all sinks" },
	{ OUT, "best 2 sink.load", 8, 4,
	  "here should be how many, or \"by\" and what makes a sink a good one" },
	{ OUT, "best by", 8, 0,
	  "the expression ends too early: here should be a number, a string, a field, an "
	  "attribute or a condition" },
	{ OUT, "best by sink.load == 3", 19, 2,
	  "a score needs a number; this is a condition, so it may need parentheses" },
	{ OUT, "best by \"a\"", 9, 3, "a score needs a number, and this is a string" },
	{ OUT, "best by sink.load sink.x", 19, 4,
	  "here should be \"where\" and a condition, or the end" },
	{ OUT, "all sink.load", 5, 4,
	  "here should be \"where\" and a condition, or the end" },
	{ OUT, "any where", 10, 0,
	  "the expression ends too early: here should be a number, a string, a field, an "
	  "attribute or a condition" },
	{ OUT, "all where x = 3", 13, 1, "this compares nothing: equality is ==" },
};

TEST(each)
{
	struct kecho_filter_error e;
	struct kecho_filter *f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		const char *text = mistakes[i].text;

		memset(&e, 0xaa, sizeof(e));
		is_eq(kecho_filter_compile(&f, mistakes[i].use, text, &e), -EINVAL, "%s", text);
		is_str(e.message, mistakes[i].message, "%s", text);
		is_eq(e.column, mistakes[i].column, "%s: the column", text);
		is_eq(e.length, mistakes[i].length, "%s: the length", text);
		ok(strstr(kecho_explain(), e.message), "%s: explained", text);
	}
}

TESTS(expr_mistake, each);
