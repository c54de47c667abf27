/* SPDX-License-Identifier: MIT */
/*
 * kecho filter: what becomes of an expression, and what it says of an event.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "expression.h"
#include "filter.h"
#include "filter_object.h"
#include "json.h"
#include "out.h"

#define FILE_MAX_BYTES	(1u << 20)	/* no filter is as large */
#define BENCH_DEFAULT_NS	1000000000u

static const char help[] =
	"Usage: kecho filter compile [OPTION...] EXPRESSION\n"
	"       kecho filter dump [OPTION...] FILE\n"
	"       kecho filter test [OPTION...] EXPRESSION [NAME=VALUE...]\n"
	"       kecho filter bench [OPTION...] EXPRESSION [NAME=VALUE...]\n"
	"\n"
	"Compile the filter that EXPRESSION is, and show its instructions or write it to a\n"
	"file; show those of a FILE; judge one event by it; measure how long that takes.\n"
	"\n"
	"The event is what NAME=VALUE say. A NAME is as in the expression: a field of the\n"
	"event, an attribute such as sink.load or its age sink.load.age, or type, seq, len\n"
	"and time of the event. A VALUE is a whole number, else a string; in double quotes\n"
	"it is one in any case. What is not given is absent.\n"
	"\n"
	"Options:\n"
	"      --for USE         what the filter is asked (default event):\n"
	"                          event  is an event for this sink? Asked at the source\n"
	"                          in     the same, asked where it is dispatched\n"
	"                          out    for which sinks is it? Asked by the source\n"
	"  -o, --output FILE     compile: write the filter there\n"
	"  -i, --input FILE      test, bench: the filter in FILE, instead of EXPRESSION\n"
	"      --c FILE          the filter in FILE, an object that clang -target bpf made of C,\n"
	"                        instead of EXPRESSION\n"
	"      --duration TIME   bench: how long to measure (default 1s)\n"
	"  -j, --json            one JSON object\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho filter compile 'type == \"load\" && cpu < 80'\n"
	"  kecho filter test 'cpu < 80 && sink.zone == source.zone' cpu=75 \\\n"
	"      sink.zone=eu source.zone=eu\n"
	"  kecho filter test --for out 'best 2 by sink.load' sink.load=20\n"
	"  kecho filter compile --c filter.o -o filter\n"
	"  kecho filter bench 'a == 1 && b == 2 && c == 3 && d == 4' a=1 b=2 c=3 d=4\n"
	"\n"
	"Exit codes: 0 done, whatever the filter said, 1 the expression is wrong, or error,\n"
	"2 usage.\n";

enum { OPT_FOR = 256, OPT_C, OPT_DURATION };

static const struct option options[] = {
	{ "for", required_argument, NULL, OPT_FOR },
	{ "output", required_argument, NULL, 'o' },
	{ "input", required_argument, NULL, 'i' },
	{ "c", required_argument, NULL, OPT_C },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_use(const char *s, enum kecho_filter_use *use)
{
	static const struct {
		const char *name;
		enum kecho_filter_use use;
	} uses[] = {
		{ "event", KECHO_FOR_EVENT }, { "in", KECHO_FOR_IN }, { "out", KECHO_FOR_OUT },
	};

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (!strcmp(s, uses[i].name)) {
			*use = uses[i].use;
			return 0;
		}
	}
	return usage_error("--for: '%s' is not event, in or out", s);
}

static int parse(struct filter_args *a, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "o:i:jh", options, NULL)) != -1) {
		switch (opt) {
		case OPT_FOR:
			code = parse_use(optarg, &a->use);
			break;
		case 'o':
			a->out = optarg;
			break;
		case 'i':
			a->in = optarg;
			break;
		case OPT_C:
			a->object = optarg;
			break;
		case OPT_DURATION:
			code = arg_duration("--duration", optarg, &a->duration_ns);
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	return code;
}

/* ---------------------------------------------------------- expressions and files */

static int read_file(const char *path, struct buf *b)
{
	FILE *file = fopen(path, "r");
	size_t n;
	int err = 0;

	if (!file) {
		complain("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	do {
		n = fread(buf_room(b, BUFSIZ), 1, BUFSIZ, file);
		b->len += n;
	} while (n && b->len <= FILE_MAX_BYTES);
	if (ferror(file)) {
		complain("cannot read %s: %s", path, strerror(errno));
		err = -1;
	}
	fclose(file);
	return err;
}

static int load_wire(const char *path, const struct buf *wire, struct kecho_filter **f)
{
	int err = kecho_filter_load(f, wire->p, wire->len);

	if (err)
		complain("%s: %s", path, kecho_explain());
	return err;
}

static int load(const char *path, struct kecho_filter **f)
{
	struct buf b = { 0 };
	int err = read_file(path, &b);

	if (!err)
		err = load_wire(path, &b, f);
	buf_free(&b);
	return err;
}

static int load_object(const char *path, struct kecho_filter **f)
{
	struct buf b = { 0 }, wire = { 0 };
	int err = read_file(path, &b);

	if (!err)
		err = filter_object(path, &b, &wire);
	if (!err)
		err = load_wire(path, &wire, f);
	buf_free(&wire);
	buf_free(&b);
	return err;
}

/* What is written in part only is refused when it is loaded. */
static int save(const char *path, const struct kecho_filter *f)
{
	size_t len;
	const void *wire = kecho_filter_wire(f, &len);
	FILE *file = fopen(path, "w");
	int err;

	if (!file) {
		complain("cannot create %s: %s", path, strerror(errno));
		return EXIT_ERROR;
	}
	err = fwrite(wire, 1, len, file) == len ? 0 : errno;
	if (fclose(file) && !err)
		err = errno;
	if (!err)
		return EXIT_OK;
	complain("cannot write %s: %s", path, strerror(err));
	return EXIT_ERROR;
}

/* -------------------------------------------------------------------------- words */

static int show(const struct filter_args *a, const struct kecho_filter *f)
{
	static const char *const uses[] = {
		[KECHO_FOR_EVENT] = "event", [KECHO_FOR_IN] = "in", [KECHO_FOR_OUT] = "out",
	};
	ssize_t len = kecho_filter_dump(f, NULL, 0);
	struct json j = { .b = &out };
	char *text = grow(NULL, len + 1, 1);
	const void *wire;
	size_t bytes;

	kecho_filter_dump(f, text, len + 1);
	if (a->json) {
		wire = kecho_filter_wire(f, &bytes);
		json_object(&j);
		json_str(&j, "use", uses[kecho_filter_use(f)]);
		json_key(&j, "filter");
		json_base64(&j, wire, bytes);
		json_str(&j, "text", text);
		json_object_end(&j);
		buf_char(&out, '\n');
	} else {
		buf_add(&out, text, len);
	}
	free(text);
	return EXIT_OK;
}

static int word_compile(struct filter_args *a, const struct kecho_filter *f)
{
	return a->out ? save(a->out, f) : show(a, f);
}

static int word_dump(struct filter_args *a, const struct kecho_filter *f)
{
	return show(a, f);
}

static const struct word {
	const char *name;
	int (*run)(struct filter_args *a, const struct kecho_filter *f);
	const char *options;	/* which of -o, -i, --c and --duration it takes */
	bool file;		/* its operand is one */
	bool event;		/* NAME=VALUE may follow */
} words[] = {
	{ "compile", word_compile, "oc", false, false },
	{ "dump", word_dump, "", true, false },
	{ "test", filter_test, "ic", false, true },
	{ "bench", filter_bench, "icd", false, true },
};

static const struct word *find_word(const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].name, name))
			return &words[i];
	return NULL;
}

static int check_options(const struct word *w, const struct filter_args *a)
{
	if (a->out && !strchr(w->options, 'o'))
		return usage_error("--output goes with compile, not with %s", w->name);
	if (a->in && !strchr(w->options, 'i'))
		return usage_error("--input goes with test and bench, not with %s", w->name);
	if (a->object && !strchr(w->options, 'c'))
		return usage_error("--c goes with expressions, not with %s", w->name);
	if (a->object && a->in)
		return usage_error("--input and --c do not go together");
	if (a->duration_ns && !strchr(w->options, 'd'))
		return usage_error("--duration goes with bench, not with %s", w->name);
	return 0;
}

/* The operands behind the word: what the filter is made of, then of the event. */
static int check_operands(const struct word *w, struct filter_args *a, int argc, char **argv)
{
	int code = check_options(w, a), first = a->in || a->object ? 0 : 1;

	if (code)
		return code;
	if (argc < first)
		return usage_error(w->file ? "%s: which file?" : "%s: which expression?", w->name);
	if (argc > first && !w->event)
		return usage_error("what is '%s' for?", argv[first]);
	for (int i = first; i < argc && !code; i++)
		code = arg_attr(w->name, argv[i], &a->given);
	return code;
}

static int run_word(const struct word *w, struct filter_args *a, const char *operand)
{
	const char *path = w->file ? operand : a->in;
	struct kecho_filter *f;
	int code;

	if (a->object)
		code = load_object(a->object, &f);
	else
		code = path ? load(path, &f) : expression(a->use, operand, &f);
	if (code)
		return EXIT_ERROR;
	code = w->run(a, f);
	kecho_filter_free(f);
	return out_end(code);
}

static int filter_run(int argc, char **argv)
{
	struct filter_args a = { .use = KECHO_FOR_EVENT };
	int code = parse(&a, argc, argv);
	const struct word *w;

	if (code)
		return code;
	argc -= optind;
	argv += optind;
	if (!argc)
		return usage_error("what about a filter? There are compile, dump, test and bench");
	w = find_word(argv[0]);
	if (!w)
		return usage_error("'%s' is not compile, dump, test or bench", argv[0]);
	code = check_operands(w, &a, argc - 1, argv + 1);
	if (code)
		return code;
	if (!a.duration_ns)
		a.duration_ns = BENCH_DEFAULT_NS;
	return run_word(w, &a, argv[1]);
}

const struct verb verb_filter = {
	.name = "filter",
	.summary = "compile filters, show them, try them",
	.help = help,
	.run = filter_run,
};
