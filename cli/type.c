/* SPDX-License-Identifier: MIT */
/*
 * kecho type: print a type of events, or make one BTF of many.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "json.h"
#include "members.h"
#include "out.h"
#include "typed.h"

static const char help[] =
	"Usage: kecho type [OPTION...] FILE STRUCT\n"
	"       kecho type [OPTION...] --channel CHANNEL\n"
	"       kecho type --merge OUT FILE...\n"
	"\n"
	"Print the fields of a C struct as events of it have them, from an object, program\n"
	"or library that has BTF (gcc -gbtf, clang -target bpf -g), or from plain BTF; or\n"
	"those of all types that the sources of a channel have announced.\n"
	"\n"
	"  -c, --channel CHANNEL the types of the sources of this channel, which must exist\n"
	"  -j, --json            one JSON object for each type\n"
	"  -m, --merge FILE      write the BTF of all FILEs into this one, each type once:\n"
	"                        what a build does with the objects of a program\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho type app.o 'struct load'\n"
	"  kecho type --channel loads\n"
	"  kecho type --merge app.btf *.o\n"
	"\n"
	"Exit codes: 0 done, 1 error, 2 usage.\n";

static const struct option options[] = {
	{ "channel", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "merge", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What C would call a number: u64, s32, f64. */
static void add_number(struct buf *b, unsigned int kind, unsigned int size)
{
	buf_format(b, "%c%u",
		   kind == KECHO_FIELD_SIGNED ? 's' : kind == KECHO_FIELD_FLOAT ? 'f' : 'u',
		   8 * size);
}

static void add_kind(struct buf *b, const struct kecho_field *f)
{
	if (f->kind == KECHO_FIELD_STRING) {
		buf_format(b, "char[%u]", f->size);
	} else if (f->kind != KECHO_FIELD_BYTES) {
		add_number(b, f->kind, f->size);
		if (f->bits)
			buf_format(b, ":%u", f->bits);
	} else if (f->elem_kind) {
		add_number(b, f->elem_kind, f->elem_size);
		buf_format(b, "[%u]", f->size / f->elem_size);
	} else {
		buf_format(b, "bytes[%u]", f->size);
	}
}

static const char *kind_name(unsigned int kind)
{
	static const char *const names[] = { "", "unsigned", "signed", "float", "string",
					     "bytes" };

	return names[kind];
}

static void field_json(struct json *j, const struct kecho_field *f)
{
	json_object(j);
	json_str(j, "name", f->name);
	json_str(j, "kind", kind_name(f->kind));
	json_u64(j, "offset", f->offset);
	json_u64(j, "size", f->size);
	if (f->bits) {
		json_u64(j, "bits", f->bits);
		json_u64(j, "bit_offset", f->bit_offset);
	}
	if (f->elem_kind) {
		json_str(j, "elem_kind", kind_name(f->elem_kind));
		json_u64(j, "elem_size", f->elem_size);
	}
	json_object_end(j);
}

/* Whose a type is; member 0: nobody's. */
struct owner {
	uint64_t member;
	unsigned int number;
};

static void type_json(const struct kecho_type *t, const struct owner *owner,
		      const struct kecho_field *f, size_t n)
{
	struct json j = { .b = &out };

	json_object(&j);
	if (owner->member) {
		json_id(&j, "source", owner->member);
		json_u64(&j, "number", owner->number);
	}
	json_str(&j, "name", kecho_type_name(t));
	json_id(&j, "id", kecho_type_id(t));
	json_u64(&j, "size", kecho_type_size(t));
	json_key(&j, "fields");
	json_array(&j);
	for (size_t i = 0; i < n; i++)
		field_json(&j, &f[i]);
	json_array_end(&j);
	json_object_end(&j);
	buf_char(&out, '\n');
}

static void type_text(const struct kecho_type *t, const struct owner *owner,
		      const struct kecho_field *f, size_t n)
{
	struct buf kind = { 0 };

	if (owner->member)
		buf_format(&out, "source %016" PRIx64 ", type %u: ", owner->member, owner->number);
	buf_format(&out, "struct %s, %zu bytes\n", kecho_type_name(t), kecho_type_size(t));
	for (size_t i = 0; i < n; i++) {
		buf_reset(&kind);
		add_kind(&kind, &f[i]);
		buf_format(&out, "%6u  %-12.*s %s\n", f[i].offset, (int)kind.len, kind.p,
			   f[i].name);
	}
	buf_free(&kind);
}

/* As they lie in the struct. */
static int by_offset(const void *a, const void *b)
{
	const struct kecho_field *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (int)x->bit_offset - (int)y->bit_offset;
}

static void show_type(const struct kecho_type *t, struct owner owner, bool json)
{
	size_t n = kecho_type_fields(t, NULL, 0);
	struct kecho_field *f = grow(NULL, n, sizeof(*f));

	kecho_type_fields(t, f, n);
	qsort(f, n, sizeof(*f), by_offset);
	if (json)
		type_json(t, &owner, f, n);
	else
		type_text(t, &owner, f, n);
	free(f);
}

static int show(const char *file, const char *name, bool json)
{
	struct typed typed = { .name = name, .btf = file };
	int code = typed_open(&typed);

	if (code)
		return code;
	show_type(typed.type, (struct owner){ 0 }, json);
	typed_close(&typed);
	return out_end(EXIT_OK);
}

static void show_source(struct kecho_channel *ch, uint64_t member, bool json)
{
	struct owner owner = { member, 1 };
	struct kecho_type *t;

	for (; !kecho_member_type(ch, member, owner.number, &t); owner.number++) {
		show_type(t, owner, json);
		kecho_type_free(t);
	}
}

static int show_channel(const char *name, bool json)
{
	const struct kecho_channel_options existing = { .flags = KECHO_EXISTING };
	struct kecho_member *m = NULL;
	struct kecho_channel *ch;
	struct kecho *k;
	ssize_t n = 0;
	int err = attach(&k);

	if (err)
		return EXIT_ERROR;
	err = open_channel(k, name, &existing, &ch);
	if (!err)
		n = members_now(ch, &m);
	for (ssize_t i = 0; i < n; i++)
		if (m[i].role == KECHO_SOURCE)
			show_source(ch, m[i].id, json);
	free(m);
	kecho_close(k);
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

static int merge(const char *to, char **files, size_t n)
{
	if (!kecho_btf_merge(to, (const char *const *)files, n))
		return EXIT_OK;
	complain("cannot make '%s': %s", to, kecho_explain());
	return EXIT_ERROR;
}

static int type_run(int argc, char **argv)
{
	const char *to = NULL, *channel = NULL;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:jm:h", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		if (opt == 'j')
			json = true;
		else if (opt == 'm')
			to = optarg;
		else if (opt == 'c')
			channel = optarg;
		else
			return usage_hint();
	}
	argc -= optind;
	argv += optind;
	if (to && json)
		return usage_error("--json and --merge do not go together");
	if (to && channel)
		return usage_error("--channel and --merge do not go together");
	if (channel && argc)
		return usage_error("--channel needs no file");
	if (channel)
		return show_channel(channel, json);
	if (to && !argc)
		return usage_error("which files?");
	if (to)
		return merge(to, argv, argc);
	if (argc != 2)
		return usage_error("which file, and which struct of it?");
	return show(argv[0], argv[1], json);
}

const struct verb verb_type = {
	.name = "type",
	.summary = "the fields of a C struct, as events of it have them",
	.help = help,
	.run = type_run,
};
