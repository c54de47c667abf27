// SPDX-License-Identifier: MIT
/*
 * Types as programs use them: from tables and from BTF that is made here, their events as
 * JSON and back, and what is wrong with those that are refused.
 */
#include <bpf/btf.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "kecho/kecho.h"
#include "kecho/type.h"
#include "tap.h"

struct point {
	double x, y;
};

struct load {
	uint64_t seq;
	int32_t cpu;
	char host[8];
	uint16_t parts[3];
	_Bool up;
	int8_t small;
	struct point at;
	float ratio;
	uint8_t mac[6];
	struct point many[1];
};

#define LOAD(m) KECHO_FIELD(struct load, m)
#define LOAD_TYPE								\
	KECHO_TYPE(struct load, LOAD(seq), LOAD(cpu), LOAD(host), LOAD(parts), LOAD(up), \
		   LOAD(small), LOAD(at.x), LOAD(at.y), LOAD(ratio), LOAD(mac), LOAD(many))

static struct kecho_type *load_type(void)
{
	struct kecho_type *t = NULL;

	is_eq(kecho_type_from_fields(&t, LOAD_TYPE), 0, "%s", kecho_explain());
	return t;
}

/* ---------------------------------------------------------------------- tables */

TEST(tables)
{
	struct kecho_type *t = load_type(), *again;
	struct kecho_field f[16];
	const void *wire;
	size_t len;

	must(t, "a type");
	is_str(kecho_type_name(t), "load", "name");
	is_eq(kecho_type_size(t), sizeof(struct load), "size");
	is_eq(kecho_type_fields(t, f, 2), 11, "all are counted");
	is_eq(kecho_type_fields(t, f, 16), 11, "fields");
	is_str(f[0].name, "at.x", "in order");
	ok(f[0].kind == KECHO_FIELD_FLOAT && f[0].size == 8 &&
	   f[0].offset == offsetof(struct load, at), "at.x");
	is_str(f[3].name, "host", "host");
	is_eq(f[3].kind, KECHO_FIELD_STRING, "host");
	is_str(f[7].name, "ratio", "ratio");
	is_str(f[6].name, "parts", "parts");
	ok(f[6].elem_kind == KECHO_FIELD_UNSIGNED && f[6].elem_size == 2, "parts");
	is_str(f[5].name, "many", "many");
	is_eq(f[5].shape, sizeof(struct point), "what has no numbers has a shape");
	wire = kecho_type_wire(t, &len);
	is_eq(kecho_type_load(&again, wire, len), 0, "loaded");
	is_eq(kecho_type_id(again), kecho_type_id(t), "the same");
	kecho_type_free(again);
	is_eq(kecho_type_load(&again, wire, len - 1), -EPROTO, "cut");
	ok(strstr(kecho_explain(), "bytes, not"), "%s", kecho_explain());
	kecho_type_free(t);
	kecho_type_free(NULL);
}

static void refused(const char *name, size_t size, struct kecho_field f, int err, const char *why)
{
	struct kecho_type *t = NULL;

	is_eq(kecho_type_from_fields(&t, name, size, &f, 1), err, "%s", f.name);
	ok(strstr(kecho_explain(), why), "%s: %s", why, kecho_explain());
	ok(!t, "nothing");
}

TEST(tables_refused)
{
	static struct kecho_field many[KECHO_TYPE_FIELDS_MAX + 1];
	static char names[KECHO_TYPE_FIELDS_MAX + 1][8];
	static char name[KECHO_FIELD_NAME_MAX + 2];
	struct kecho_field f = { .name = "f", .kind = KECHO_FIELD_SIGNED, .size = 4 };
	struct kecho_type *t;
	size_t i;

	refused("t", 3, f, -EINVAL, "field \"f\" lies beyond the struct");
	refused("", 8, f, -EINVAL, "a name has 1 to 127 bytes");
	refused("t", 65537, f, -E2BIG, "65537 bytes, over 65536");
	refused("a b", 8, f, -EINVAL, "a byte that names may not have");
	f.elem_kind = KECHO_FIELD_STRING;
	refused("t", 8, f, -EINVAL, "field 'f': its kind or that of its elements");
	f.elem_kind = 0;
	f.kind = 6;
	refused("t", 8, f, -EINVAL, "field 'f': its kind");
	f.kind = KECHO_FIELD_SIGNED;
	f.name = memset(name, 'n', sizeof(name) - 1);
	refused("t", 8, f, -EINVAL, "256 bytes, not 1 to 255");
	for (i = 0; i <= KECHO_TYPE_FIELDS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		many[i] = (struct kecho_field){ .name = names[i], .kind = KECHO_FIELD_SIGNED,
						.size = 4 };
	}
	is_eq(kecho_type_from_fields(&t, "t", 8, many, KECHO_TYPE_FIELDS_MAX + 1), -E2BIG, "many");
	is_eq(kecho_type_from_fields(&t, "t", 8, many, KECHO_TYPE_FIELDS_MAX), 0, "as many as fit");
	kecho_type_free(t);
}

/* ------------------------------------------------------------------------ JSON */

static const struct load filled = {
	.seq = 18446744073709551615ULL,
	.cpu = -5,
	.host = "n\"o\\d\n",
	.parts = { 1, 2, 65535 },
	.up = 1,
	.small = -128,
	.at = { 0.1, -1e300 },
	.ratio = 0.1f,
	.mac = { 0, 0x1a, 0xff, 3, 4, 5 },
	.many = { { 1.0, 0.0 } },
};

#define FILLED									\
	"{\"seq\":18446744073709551615,\"cpu\":-5,\"host\":\"n\\\"o\\\\d\\u000a\","	\
	"\"parts\":[1,2,65535],\"up\":1,\"small\":-128,\"at\":{\"x\":0.1,\"y\":-1e+300}," \
	"\"ratio\":0.1,\"mac\":\"001aff030405\",\"many\":\"000000000000f03f0000000000000000\"}"

TEST(to_json)
{
	struct kecho_type *t = load_type();
	char text[512], cut[10];
	struct load odd = { .host = { '\xc3', '\xa9', '\xff', 'x', '\x7f', 'a', 'b', 'c' } };
	size_t len;

	must(t, "a type");
	len = kecho_type_to_json(t, &filled, sizeof(filled), text, sizeof(text));
	is_str(text, FILLED, "all kinds");
	is_eq(len, strlen(text), "length");
	is_eq(kecho_type_to_json(t, &filled, sizeof(filled), NULL, 0), len, "length alone");
	is_eq(kecho_type_to_json(t, &filled, sizeof(filled), cut, sizeof(cut)), len, "cut");
	is_str(cut, "{\"seq\":18", "cut");
	kecho_type_to_json(t, &filled, offsetof(struct load, at.y), text, sizeof(text));
	is_str(text, "{\"seq\":18446744073709551615,\"cpu\":-5,\"host\":\"n\\\"o\\\\d\\u000a\","
	       "\"parts\":[1,2,65535],\"up\":1,\"small\":-128,\"at\":{\"x\":0.1}}", "a short one");
	kecho_type_to_json(t, NULL, 0, text, sizeof(text));
	is_str(text, "{}", "nothing");
	odd.ratio = INFINITY;
	odd.at.x = NAN;
	kecho_type_to_json(t, &odd, sizeof(odd), text, sizeof(text));
	ok(strstr(text, "\"host\":\"\u00e9\ufffdx\\u007fabc\""), "%s", text);
	ok(strstr(text, "\"ratio\":null") && strstr(text, "\"x\":null"), "%s", text);
	kecho_type_free(t);
}

/* Each float comes back as it was. */
TEST(floats)
{
	struct kecho_type *t = load_type();
	struct load in = {}, out;
	char text[512];
	u64 bits = 1;
	u32 i, low;

	must(t, "a type");
	for (i = 0; i < 20000; i++) {
		bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
		low = bits >> 32;
		memcpy(&in.at.x, &bits, 8);
		memcpy(&in.ratio, &low, 4);
		if (!isfinite(in.at.x) || !isfinite(in.ratio))
			continue;
		kecho_type_to_json(t, &in, sizeof(in), text, sizeof(text));
		if (kecho_type_from_json(t, text, strlen(text), &out) ||
		    memcmp(&in.at.x, &out.at.x, 8) || memcmp(&in.ratio, &out.ratio, 4))
			ok(false, "%s: %s", text, kecho_explain());
	}
	ok(i == 20000, "all");
	kecho_type_free(t);
}

static void parses(const char *text, const struct load *wanted)
{
	struct kecho_type *t = load_type();
	struct load got;

	must(t, "a type");
	memset(&got, 0xee, sizeof(got));
	is_eq(kecho_type_from_json(t, text, strlen(text), &got), 0, "%s: %s", text,
	      kecho_explain());
	is_mem(&got, wanted, sizeof(got), "%s", text);
	kecho_type_free(t);
}

TEST(from_json)
{
	struct load l;

	parses(FILLED, &filled);
	parses(" { } ", memset(&l, 0, sizeof(l)));
	l.cpu = 7;
	l.at.y = 2.5;
	parses("{\"at.y\":2.5, \"cpu\" : 7,\"seq\":null}", &l);
	parses("{\"at\":{\"x\":null,\"y\":25e-1},\"cpu\":7,\"mac\":[]}", &l);
	memset(&l, 0, sizeof(l));
	l.up = 1;
	l.mac[1] = 2;
	memcpy(l.host, "\xc3\xa9\xf0\x9f\x98\x80/A", 8);
	parses("{\"up\":true,\"small\":false,\"mac\":[0,2],\"host\":\"\\u00e9\\ud83D\\uDE00\\/A\"}",
	       &l);
}

static void wrong(const char *text, const char *why)
{
	struct kecho_type *t = load_type();
	struct load got, before;

	must(t, "a type");
	memset(&got, 0xee, sizeof(got));
	before = got;
	is_eq(kecho_type_from_json(t, text, strlen(text), &got), -EINVAL, "%s", text);
	is_str(kecho_explain(), why, "%s", text);
	is_mem(&got, &before, sizeof(got), "untouched");
	kecho_type_free(t);
}

TEST(wrong_json)
{
	wrong("", "type 'load': column 1: not a JSON object");
	wrong("[]", "type 'load': column 1: not a JSON object");
	wrong("{", "type 'load': column 2: not a name in quotes");
	wrong("{\"cpu\"}", "type 'load': column 7: no ':' behind a name");
	wrong("{\"cpu\":}", "type 'load': column 8: not a value");
	wrong("{\"cpu\":1", "type 'load': column 9: neither ',' nor '}'");
	wrong("{\"cpu\":1} x", "type 'load': column 11: something behind the object");
	wrong("{\"cpu\":01}", "type 'load': column 10: not a value");
	wrong("{\"ratio\":1.}", "type 'load': column 12: a digit is missing");
	wrong("{\"ratio\":1e}", "type 'load': column 12: a digit is missing");
	wrong("{\"zone\":1}", "type 'load': field 'zone' is not in the type");
	wrong("{\"at\":{\"z\":1}}", "type 'load': field 'at.z' is not in the type");
	wrong("{\"at\":1}", "type 'load': field 'at' is an object");
	wrong("{\"cpu\":{}}", "type 'load': column 8: not a value");
	wrong("{\"cpu\":1,\"cpu\":1}", "type 'load': field 'cpu' is there twice");
	wrong("{\"at\":{\"x\":1},\"at.x\":1}", "type 'load': field 'at.x' is there twice");
	wrong("{\"cpu\":2147483648}",
	      "type 'load': field 'cpu': 2147483648 does not fit 32 bits with a sign");
	wrong("{\"small\":-129}",
	      "type 'load': field 'small': -129 does not fit 8 bits with a sign");
	wrong("{\"seq\":-1}", "type 'load': field 'seq': -1 does not fit 64 bits without a sign");
	wrong("{\"seq\":18446744073709551616}",
	      "type 'load': field 'seq': 18446744073709551616 does not fit 64 bits without a sign");
	wrong("{\"cpu\":1.5}", "type 'load': field 'cpu': 1.5 is not a whole number");
	wrong("{\"cpu\":\"1\"}", "type 'load': field 'cpu' is a number, and no string");
	wrong("{\"ratio\":1e39}", "type 'load': field 'ratio': 1e39 is too large");
	wrong("{\"host\":5}", "type 'load': field 'host' is a string");
	wrong("{\"host\":\"123456789\"}",
	      "type 'load': field 'host': \"123456789\" has 9 bytes, over 8");
	wrong("{\"host\":\"a\\u0000\"}",
	      "type 'load': field 'host': \"a\\u0000\" has a zero in it");
	wrong("{\"host\":\"\\q\"}", "type 'load': column 12: an escape that JSON does not have");
	wrong("{\"host\":\"\\ud800x\"}",
	      "type 'load': column 16: an escape that JSON does not have");
	wrong("{\"host\":\"a\nb\"}", "type 'load': column 11: a string with a control character");
	wrong("{\"host\":\"a", "type 'load': column 11: a string without an end");
	wrong("{\"parts\":[1,2,3,4]}", "type 'load': field 'parts' has 3 elements, and no more");
	wrong("{\"parts\":[1,2", "type 'load': column 14: neither ',' nor ']'");
	wrong("{\"parts\":\"01\"}", "type 'load': field 'parts' is an array of numbers");
	wrong("{\"mac\":\"0g\"}",
	      "type 'load': field 'mac': \" is not made of pairs of hex digits");
	wrong("{\"mac\":\"00112233445566\"}",
	      "type 'load': field 'mac': \"001122334455 has more bytes than it");
	wrong("{\"many\":[1]}", "type 'load': field 'many' is a string of hex digits");
}

/* ------------------------------------------------------------------------- BTF */

/* struct point { s32 x; u16 low : 4, high : 12; }, of either byte order. */
static struct btf *point_btf(enum btf_endianness order)
{
	struct btf *btf = btf__new_empty();
	int s32_id = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int u16_id = btf__add_int(btf, "unsigned short", 2, 0);
	int point = btf__add_struct(btf, "point", 8);

	btf__add_field(btf, "x", s32_id, 0, 0);
	btf__add_field(btf, "low", u16_id, 32, 4);
	btf__add_field(btf, "high", u16_id, 36, 12);
	btf__add_typedef(btf, "point_t", point);
	btf__add_typedef(btf, "number_t", s32_id);
	btf__set_endianness(btf, order);
	return btf;
}

static struct kecho_type *point_type(enum btf_endianness order)
{
	struct btf *btf = point_btf(order);
	struct kecho_type *t = NULL;
	const void *raw;
	u32 size;

	raw = btf__raw_data(btf, &size);
	is_eq(kecho_type_from_btf(&t, raw, size, "point"), 0, "%s", kecho_explain());
	btf__free(btf);
	return t;
}

static void shows(struct kecho_type *t, const void *data, const char *wanted)
{
	char text[200];

	kecho_type_to_json(t, data, 8, text, sizeof(text));
	is_str(text, wanted, "JSON");
}

TEST(byte_orders)
{
	struct kecho_type *little = point_type(BTF_LITTLE_ENDIAN);
	struct kecho_type *big = point_type(BTF_BIG_ENDIAN);
	static const u8 as_little[8] = { 0xfe, 0xff, 0xff, 0xff, 0x35, 0x12 };
	static const u8 as_big[8] = { 0xff, 0xff, 0xff, 0xfe, 0x51, 0x23 };
	struct kecho_match *m;
	uint64_t present;
	u8 out[8];

	must(little && big, "types");
	shows(little, as_little, "{\"x\":-2,\"low\":5,\"high\":291}");
	shows(big, as_big, "{\"x\":-2,\"high\":291,\"low\":5}");
	is_eq(kecho_type_match(&m, little, big), 0, "match");
	kecho_match_convert(m, as_big, sizeof(as_big), out, &present);
	is_mem(out, as_little, sizeof(out), "turned");
	is_eq(present, 7, "all");
	ok(kecho_match_has(m, 2) && !kecho_match_has(m, 3) && !kecho_match_has(m, 1 << 20), "has");
	kecho_match_convert(m, as_big, 4, out, &present);
	is_eq(present, 4, "x alone");
	kecho_match_free(m);
	kecho_match_free(NULL);
	kecho_type_free(little);
	kecho_type_free(big);
}

TEST(btf_refused)
{
	struct btf *btf = point_btf(BTF_LITTLE_ENDIAN);
	struct kecho_type *t = NULL;
	const void *raw;
	u32 size;

	raw = btf__raw_data(btf, &size);
	is_eq(kecho_type_from_btf(&t, raw, size, "point_t"), 0, "by a typedef's name");
	is_str(kecho_type_name(t), "point_t", "which it has then");
	kecho_type_free(t);
	is_eq(kecho_type_from_btf(&t, raw, size, "line"), -ENOENT, "another");
	is_str(kecho_explain(), "memory: there is no struct line in it", "another");
	is_eq(kecho_type_from_btf(&t, raw, size, "number_t"), -ENOENT, "no struct");
	is_eq(kecho_type_from_btf(&t, raw, size, "int"), -ENOENT, "no struct");
	is_eq(kecho_type_from_btf(&t, raw, size - 1, "point"), -EINVAL, "cut");
	is_str(kecho_explain(), "memory: there is no BTF in it", "cut");
	is_eq(kecho_type_from_file(&t, "/nowhere", "point"), -ENOENT, "no file");
	is_str(kecho_explain(), "/nowhere: No such file or directory", "no file");
	is_eq(kecho_type_from_file(&t, "/dev/null", "point"), -EINVAL, "no file");
	btf__free(btf);
}

/* Any byte of BTF may be any other: it is refused or gives a type, and no more. */
TEST(broken_btf)
{
	struct btf *btf = point_btf(BTF_LITTLE_ENDIAN);
	struct kecho_type *t;
	const void *raw;
	u32 size, i, good = 0;
	u8 *copy, v;
	int err;

	raw = btf__raw_data(btf, &size);
	for (i = 0; i < 4 * size; i++) {
		static const u8 values[] = { 0, 1, 0x7f, 0xff };

		copy = kmemdup(raw, size, GFP_KERNEL);
		must(copy, "memory");
		v = values[i % 4];
		copy[i / 4] = v;
		err = kecho_type_from_btf(&t, copy, size, "point");
		if (!err) {
			good++;
			kecho_type_free(t);
		}
		kfree(copy);
	}
	ok(good > 0 && good < 4 * size, "%u of %u", good, 4 * size);
	btf__free(btf);
}

static int structs_named(const char *path, const char *name)
{
	struct btf *btf = btf__parse(path, NULL);
	const struct btf_type *t;
	int found = 0;
	u32 i;

	ok(btf, "BTF in %s", path);
	for (i = 1; btf && i < btf__type_cnt(btf); i++) {
		t = btf__type_by_id(btf, i);
		found += btf_is_struct(t) && !strcmp(btf__name_by_offset(btf, t->name_off), name);
	}
	btf__free(btf);
	return found;
}

static void write_btf(const char *path, enum btf_endianness order, const char *more)
{
	struct btf *btf = point_btf(order);
	FILE *f = fopen(path, "w");
	const void *raw;
	u32 size;

	if (more) {
		btf__add_struct(btf, more, 4);
		btf__add_field(btf, "f", 1, 0, 0);
	}
	raw = btf__raw_data(btf, &size);
	ok(f && fwrite(raw, size, 1, f) == 1 && !fclose(f), "written");
	btf__free(btf);
}

TEST(merged)
{
	char folder[] = "/tmp/kecho-types.XXXXXX";
	const char *const paths[] = { "a", "b" };
	int was = open(".", O_RDONLY | O_DIRECTORY);

	must(was >= 0 && mkdtemp(folder) && !chdir(folder), "a folder");
	write_btf("a", BTF_LITTLE_ENDIAN, NULL);
	write_btf("b", BTF_LITTLE_ENDIAN, "line");
	is_eq(kecho_btf_merge("all", paths, 2), 0, "%s", kecho_explain());
	is_eq(structs_named("all", "point"), 1, "what both have is there once");
	is_eq(structs_named("all", "line"), 1, "what one has is there");
	is_eq(kecho_btf_merge("b", paths, 2), 0, "into one of them: %s", kecho_explain());
	is_eq(structs_named("b", "point"), 1, "the same");
	write_btf("b", BTF_BIG_ENDIAN, NULL);
	is_eq(kecho_btf_merge("all", paths, 2), -EINVAL, "of two machines");
	is_str(kecho_explain(), "b: it is for another machine than those before it", "said");
	is_eq(structs_named("all", "line"), 1, "as it was");
	unlink("a");
	unlink("b");
	unlink("all");
	ok(!fchdir(was) && !rmdir(folder), "nothing else is left");
	close(was);
}

TEST(without_the_plugin)
{
	const char *was = getenv("KECHO_BTF_SO");
	struct kecho_type *t;

	must(was, "KECHO_BTF_SO is set");
	was = strdup(was);
	setenv("KECHO_BTF_SO", "/nowhere/btf.so", 1);
	is_eq(kecho_type_from_file(&t, "/dev/null", "point"), -ELIBACC, "not there");
	ok(strstr(kecho_explain(), "BTF: /nowhere/btf.so: cannot open"), "%s", kecho_explain());
	setenv("KECHO_BTF_SO", was, 1);
	is_eq(kecho_type_from_file(&t, "/dev/null", "point"), -EINVAL, "there");
	free((char *)was);
}

TESTS(lib_type, tables, tables_refused, to_json, floats, from_json, wrong_json, byte_orders,
      btf_refused, broken_btf, merged, without_the_plugin);
