/* SPDX-License-Identifier: MIT */
/*
 * kecho sub: print the events of a channel.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "expression.h"
#include "members.h"
#include "out.h"
#include "show.h"
#include "stop.h"
#include "typed.h"

#define SUB_BATCH	1024	/* events between two looks at signals and members */

static const char help[] =
	"Usage: kecho sub [OPTION...] CHANNEL\n"
	"\n"
	"Become a sink of CHANNEL and print each event: its bytes as they are, or as a JSON\n"
	"object if its source says of what type it is; and a newline. Creates the channel\n"
	"if need be. Lost events and sources that end are always told: on stderr, with\n"
	"--json between the events.\n"
	"\n"
	"What to print:\n"
	"  -j, --json            one JSON object per event: source, seq, time, latency_us,\n"
	"                        attributes, size, payload (payload_base64 if not UTF-8)\n"
	"      --type STRUCT     print events as this C struct, whatever version of it their\n"
	"                        sources have, or do not say that they have\n"
	"      --btf FILE        with --type: the object, program or BTF that describes it\n"
	"  -r, --raw             bytes as they are, also of events whose type is known\n"
	"  -x, --hex             a line about each event and its bytes in hex\n"
	"  -0, --null            a 0 byte behind each event instead of a newline\n"
	"  -A, --attrs LIST      these attributes of each event (names, with commas)\n"
	"      --source-attrs LIST  these attributes of its source, such as node.name\n"
	"      --members         also tell who joins and leaves\n"
	"      --line-buffered   write each event at once, also into a pipe that is busy\n"
	"\n"
	"How:\n"
	"      --policy POLICY   what it means when this sink is too slow:\n"
	"                          latest      it loses events, and says which (default)\n"
	"                          block       sources wait for it\n"
	"                          disconnect  it ends\n"
	"      --retained        first the events that sources retain\n"
	"  -f, --filter EXPR     only events that this expression says yes to, such as\n"
	"                        'event.level >= 3 && source.zone == \"eu\"'\n"
	"  -a, --attr NAME=VALUE attribute of this sink (may be repeated)\n"
	"\n"
	"When to end:\n"
	"  -n, --count N         after N events\n"
	"      --until-end       when a source has ended and the channel has none left\n"
	"      --timeout TIME    with 4, when no event came for TIME\n"
	"      --strict          with 3, if events were lost\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho sub news\n"
	"  kecho sub --json --source-attrs node.name changes | jq .payload\n"
	"  kecho sub --policy block --count 1000 --timeout 10s --strict numbers > file\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 3 events were lost\n"
	"(with --strict), 4 time is up (with --timeout), 141 nobody reads stdout.\n";

enum {
	OPT_SOURCE_ATTRS = 256, OPT_MEMBERS, OPT_LINE_BUFFERED, OPT_POLICY, OPT_RETAINED,
	OPT_UNTIL_END, OPT_TIMEOUT, OPT_STRICT, OPT_TYPE, OPT_BTF,
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "btf", required_argument, NULL, OPT_BTF },
	{ "raw", no_argument, NULL, 'r' },
	{ "hex", no_argument, NULL, 'x' },
	{ "null", no_argument, NULL, '0' },
	{ "attrs", required_argument, NULL, 'A' },
	{ "source-attrs", required_argument, NULL, OPT_SOURCE_ATTRS },
	{ "members", no_argument, NULL, OPT_MEMBERS },
	{ "line-buffered", no_argument, NULL, OPT_LINE_BUFFERED },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "retained", no_argument, NULL, OPT_RETAINED },
	{ "filter", required_argument, NULL, 'f' },
	{ "attr", required_argument, NULL, 'a' },
	{ "count", required_argument, NULL, 'n' },
	{ "until-end", no_argument, NULL, OPT_UNTIL_END },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct sub {
	const char *channel;
	struct show show;
	enum kecho_policy policy;
	bool members, retained, until_end, strict;
	uint64_t timeout_ns;		/* FOREVER_NS: none */
	uint64_t left;			/* events until --count is reached */
	struct attrs attrs;
	struct typed typed;
	const char *expression;		/* NULL: all events */
	struct kecho_filter *filter;	/* of that */

	struct kecho_channel *ch;
	struct kecho_sink *sink;
	struct roster *roster;		/* NULL if nobody asks for it */
	uint64_t deadline_ns;		/* by --timeout */
	bool lost, ended;		/* some events; some source */
	bool fresh;			/* events came since the deadline was set */
	bool done;
	int code;			/* once done */
};

static int parse_how(struct sub *sub, int opt, char *arg)
{
	switch (opt) {
	case 'A':
		return arg_names("--attrs", arg, &sub->show.event_attrs);
	case OPT_SOURCE_ATTRS:
		return arg_names("--source-attrs", arg, &sub->show.source_attrs);
	case 'a':
		return arg_attr("--attr", arg, &sub->attrs);
	case 'f':
		sub->expression = arg;
		return 0;
	case 'n':
		return arg_count("--count", arg, &sub->left);
	case OPT_POLICY:
		return arg_policy("--policy", arg, &sub->policy);
	case OPT_TYPE:
		sub->typed.name = arg;
		return 0;
	case OPT_BTF:
		sub->typed.btf = arg;
		return 0;
	case OPT_TIMEOUT:
		return arg_duration("--timeout", arg, &sub->timeout_ns);
	}
	return usage_hint();
}

static bool parse_flag(struct sub *sub, int opt)
{
	switch (opt) {
	case 'j':
		sub->show.mode = SHOW_JSON;
		return true;
	case 'r':
		sub->show.raw = true;
		return true;
	case 'x':
		sub->show.mode = SHOW_HEX;
		return true;
	case '0':
		sub->show.separator = '\0';
		return true;
	case OPT_MEMBERS:
		sub->members = true;
		return true;
	case OPT_LINE_BUFFERED:
		out_line_buffered();
		return true;
	case OPT_RETAINED:
		sub->retained = true;
		return true;
	case OPT_UNTIL_END:
		sub->until_end = true;
		return true;
	case OPT_STRICT:
		sub->strict = true;
		return true;
	}
	return false;
}

static int parse(struct sub *sub, int argc, char **argv)
{
	int opt, code;

	while ((opt = getopt_long(argc, argv, "jrx0A:a:n:f:h", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		if (parse_flag(sub, opt))
			continue;
		code = parse_how(sub, opt, optarg);
		if (code)
			return code;
	}
	if (sub->typed.name && sub->show.mode == SHOW_HEX)
		return usage_error("--hex and --type do not go together");
	if (sub->typed.name && sub->show.raw)
		return usage_error("--raw and --type do not go together");
	sub->channel = channel_operand(argc, argv, optind);
	return sub->channel ? 0 : EXIT_USAGE;
}

static void finish(struct sub *sub, int code)
{
	if (!sub->done)
		sub->code = code;
	sub->done = true;
}

static void extend_deadline(struct sub *sub)
{
	sub->fresh = false;
	if (sub->timeout_ns != FOREVER_NS)
		sub->deadline_ns = now_ns() + sub->timeout_ns;
}

static void take_event(struct sub *sub, const struct kecho_event *ev)
{
	if (show_event(&sub->show, ev))
		finish(sub, EXIT_ERROR);
	if (ev->kind == KECHO_LOST)
		sub->lost = true;
	if (ev->kind == KECHO_ENDED)
		sub->ended = true;
	if (ev->kind != KECHO_EVENT)
		return;
	sub->fresh = true;
	if (!--sub->left)
		finish(sub, EXIT_OK);
}

/* Nothing more is there for now. */
static void idle(struct sub *sub)
{
	if (out_idle())
		finish(sub, EXIT_ERROR);
	if (sub->until_end && sub->ended && !members_joined(sub->ch, KECHO_SOURCE))
		finish(sub, EXIT_OK);
}

static void read_error(struct sub *sub, int err)
{
	if (err == -EPIPE && sub->policy == KECHO_DISCONNECT)
		complain("too slow: disconnected, as --policy disconnect asks");
	else
		complain("cannot read channel '%s': %s", sub->channel, kecho_explain());
	finish(sub, EXIT_ERROR);
}

/* Take what is there, up to a batch. Returns false when nothing is left. */
static bool take_events(struct sub *sub)
{
	struct kecho_event ev;
	int err = 0;

	for (int i = 0; i < SUB_BATCH && !sub->done && !err; i++) {
		err = kecho_read(sub->sink, &ev, 0);
		if (!err)
			take_event(sub, &ev);
	}
	if (sub->fresh)
		extend_deadline(sub);
	if (err && err != -EAGAIN && err != -ETIMEDOUT)
		read_error(sub, err);
	else if (err)
		idle(sub);
	return !err;
}

static void take_members(struct sub *sub)
{
	struct kecho_member m;

	while (sub->roster && !sub->done && roster_next(sub->roster, &m))
		if (sub->members && show_member(&sub->show, &m))
			finish(sub, EXIT_ERROR);
}

/* Sleep until there is something to do. */
static void wait_more(struct sub *sub)
{
	struct pollfd fds[] = {
		{ .fd = kecho_sink_fd(sub->sink), .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
		{ .fd = sub->roster ? roster_fd(sub->roster) : -1, .events = POLLIN },
		/* No events asked for: only that nobody reads any more. */
		{ .fd = STDOUT_FILENO },
	};
	int n = poll(fds, 4, poll_ms(sub->deadline_ns));

	if (fds[3].revents & (POLLERR | POLLHUP)) {
		out_gone();
		finish(sub, EXIT_ERROR);
	}
	if (n == 0 && now_ns() >= sub->deadline_ns)
		finish(sub, EXIT_TIMEOUT);
}

static void run_sink(struct sub *sub)
{
	sub->deadline_ns = FOREVER_NS;
	extend_deadline(sub);
	while (!sub->done && !stopped()) {
		take_members(sub);
		if (!take_events(sub) && !sub->done)
			wait_more(sub);
	}
}

static int filter_events(struct sub *sub)
{
	int err = 0;

	if (sub->filter)
		err = kecho_sink_filter(sub->sink, sub->filter, sub->typed.type);
	if (err)
		complain("%s", kecho_explain());
	return err;
}

static int run_channel(struct sub *sub, struct kecho *k)
{
	struct kecho_sink_options opt = {
		.policy = sub->policy,
		.retained = sub->retained,
		.attrs = sub->attrs.attr,
		.nattrs = sub->attrs.n,
	};
	int err = open_channel(k, sub->channel, NULL, &sub->ch);

	if (err)
		return err;
	sub->show.ch = sub->ch;
	/* --until-end looks again at each change of the members. */
	if (sub->members || sub->until_end)
		err = roster_open(sub->ch, &sub->roster);
	if (err)
		goto close_channel;
	err = kecho_sink_open(sub->ch, &opt, &sub->sink);
	if (err) {
		complain("cannot become a sink of '%s': %s", sub->channel, kecho_explain());
		goto close_roster;
	}
	sub->show.sink = sub->sink;
	err = filter_events(sub);
	if (!err)
		run_sink(sub);
	kecho_sink_close(sub->sink);
close_roster:
	roster_close(sub->roster);
close_channel:
	kecho_channel_close(sub->ch);
	return err;
}

static int sub_run(int argc, char **argv)
{
	struct sub sub = {
		.show.separator = '\n',
		.timeout_ns = FOREVER_NS,
		.left = UINT64_MAX,
	};
	struct kecho *k;
	int code, err;

	code = parse(&sub, argc, argv);
	if (code)
		return code;
	if (!sub.left)
		return EXIT_OK;
	if (sub.expression && expression(KECHO_FOR_EVENT, sub.expression, &sub.filter))
		return EXIT_USAGE;
	code = typed_open(&sub.typed);
	if (code)
		goto free_filter;
	sub.show.type = sub.typed.type;
	err = stop_init();
	if (!err)
		err = attach(&k);
	if (!err) {
		err = run_channel(&sub, k);
		kecho_close(k);
	}
	typed_close(&sub.typed);
	buf_free(&sub.show.as);
	code = err ? EXIT_ERROR : sub.code;
	if (code == EXIT_OK && sub.lost && sub.strict)
		code = EXIT_LOST;
	code = out_end(code);
free_filter:
	kecho_filter_free(sub.filter);
	return code;
}

const struct verb verb_sub = {
	.name = "sub",
	.summary = "print the events of a channel",
	.help = help,
	.run = sub_run,
};
