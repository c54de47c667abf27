/* SPDX-License-Identifier: MIT */
/*
 * kecho top: channels, members and links, live. It is a program of its own: no other verb
 * should have to load ncurses.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "format.h"
#include "out.h"
#include "stop.h"
#include "sight_json.h"
#include "top.h"
#include "top_text.h"

#define INTERVAL_DEFAULT_NS	1000000000u
#define INTERVAL_MIN_NS		100000000u
#define TIMEOUT_MAX_NS		1000000000u

static const char help[] =
	"Usage: kecho top [OPTION...] [CHANNEL...]\n"
	"\n"
	"Each CHANNEL, or every channel of the registry, with its sources and sinks, what\n"
	"flows, how far its sinks lag, and what they lost; and the links of this node. On a\n"
	"terminal it goes on until q; elsewhere, or with --once, it prints one table.\n"
	"\n"
	"Options:\n"
	"  -i, --interval TIME  rates are over this time (default 1s)\n"
	"  -s, --sort KEY       name, members, events, bytes, lag or lost (default name)\n"
	"      --once           print one table after one interval\n"
	"  -j, --json           one JSON object, with members; implies --once\n"
	"  -h, --help           this\n"
	"\n"
	"Keys: up, down, page up and down move; enter shows a channel's members and links,\n"
	"escape leaves it; n m e b l x sort by name, members, events, bytes, lag, lost;\n"
	"q ends.\n"
	"\n"
	"Examples:\n"
	"  kecho top\n"
	"  kecho top --once --sort lost\n"
	"  kecho top --interval 5s --json news\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error (such as no such channel),\n"
	"2 usage, 141 nobody reads stdout.\n";

enum { OPT_ONCE = 256 };

static const struct option options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "sort", required_argument, NULL, 's' },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_interval(struct top *t, const char *s)
{
	int code = arg_duration("--interval", s, &t->interval_ns);

	if (!code && t->interval_ns < INTERVAL_MIN_NS)
		code = usage_error("--interval: '%s' is under 100ms", s);
	return code;
}

static int parse_sort(struct top *t, const char *s)
{
	for (t->sort = 0; t->sort < TOP_SORTS; t->sort++)
		if (!strcmp(s, top_sort_name(t->sort)))
			return 0;
	return usage_error("--sort: '%s' is not name, members, events, bytes, lag or lost", s);
}

static int parse(struct top *t, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "i:s:jh", options, NULL)) != -1) {
		switch (opt) {
		case 'i':
			code = parse_interval(t, optarg);
			break;
		case 's':
			code = parse_sort(t, optarg);
			break;
		case 'j':
			t->json = t->once = true;
			break;
		case OPT_ONCE:
			t->once = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	t->s.names = argv + optind;
	t->s.nnames = argc - optind;
	t->s.timeout_ns = t->interval_ns < TIMEOUT_MAX_NS ? t->interval_ns : TIMEOUT_MAX_NS;
	return code;
}

/* ---------------------------------------------------------------------- once */

static void channel_json(struct json *j, const struct top_channel *c)
{
	json_object(j);
	json_str(j, "channel", c->c->name);
	json_u64(j, "sources", c->sources);
	json_u64(j, "sinks", c->sinks);
	json_u64(j, "silent", c->c->now.silent);
	json_real(j, "events_per_s", c->events_per_s, 1);
	json_real(j, "bytes_per_s", c->bytes_per_s, 1);
	json_u64(j, "lag_bytes", c->lag_bytes);
	json_u64(j, "lost", c->lost);
	json_real(j, "lost_per_s", c->lost_per_s, 1);
	json_key(j, "members");
	json_array(j);
	for (size_t i = 0; i < c->c->now.n; i++)
		rated_json(j, &c->c->m[i]);
	json_array_end(j);
	json_object_end(j);
}

static void print_json(const struct top *t, const struct top_channel *c, size_t n)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];

	json_object(&j);
	json_str(&j, "time", format_utc(time, real_ns()));
	json_real(&j, "interval_s", t->interval_ns / 1e9, 3);
	json_key(&j, "channels");
	json_array(&j);
	for (size_t i = 0; i < n; i++)
		channel_json(&j, &c[i]);
	json_array_end(&j);
	json_key(&j, "links");
	json_array(&j);
	for (size_t i = 0; i < t->s.nlinks; i++)
		rated_link_json(&j, &t->s.l[i]);
	json_array_end(&j);
	json_object_end(&j);
	buf_char(&out, '\n');
}

static void print_text(const struct top *t, const struct top_channel *c, size_t n)
{
	buf_format(&out, "%s\n", top_channels_head);
	for (size_t i = 0; i < n; i++) {
		top_channel_row(&out, &c[i]);
		buf_char(&out, '\n');
	}
	if (t->s.nlinks)
		buf_format(&out, "\n%s\n", top_links_head);
	for (size_t i = 0; i < t->s.nlinks; i++) {
		top_link_row(&out, &t->s.l[i]);
		buf_char(&out, '\n');
	}
}

static int once(struct top *t)
{
	struct top_channel *c;
	int err = sight_begin(&t->s);
	size_t n;

	if (err || stop_wait_until(now_ns() + t->interval_ns))
		return err;
	err = sight_take(&t->s);
	if (err)
		return err;
	n = top_channels(&t->s, t->sort, &c);
	if (t->json)
		print_json(t, c, n);
	else
		print_text(t, c, n);
	free(c);
	return 0;
}

static int top_run(int argc, char **argv)
{
	struct top t = { .interval_ns = INTERVAL_DEFAULT_NS };
	int code = parse(&t, argc, argv), err;

	if (code)
		return code;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		t.once = true;
	err = stop_init();
	if (!err)
		err = attach(&t.s.k);
	if (!err) {
		err = t.once ? once(&t) : top_screen(&t);
		sight_end(&t.s);
		kecho_close(t.s.k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

static const struct verb verb_top = {
	.name = "top",
	.summary = "",		/* kecho itself has it */
	.help = help,
	.run = top_run,
};

int main(int argc, char **argv)
{
	return run_verb(&verb_top, argc, argv);
}
