/* SPDX-License-Identifier: MIT */
/*
 * kecho tap: a copy of a channel's events, without disturbing it.
 *
 * It is a `latest` sink, so no source waits for it, in a channel that exists. Whoever
 * sleeps at a doorbell has submitters make a system call to wake it: a tap does not sleep
 * there but looks at the logs at intervals, so who submits on its host pays for a tap what
 * it pays for a sink that is awake: nothing. It looks often enough that a log of the default
 * size is not overwritten between two looks by less than half a million events of 100 bytes
 * a second. The price is its own: a few hundred wake-ups a second when nothing comes. On
 * another host a tap costs what any sink there does: the events have to be sent.
 *
 * Who does not read its output does not make it stop either: it reads on, so it does not
 * lag when the channel is drained, and says which events it has not printed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "members.h"
#include "out.h"
#include "show.h"
#include "stop.h"

#define TAP_LOOK_MS	3		/* between two looks at the logs */
#define TAP_BATCH	1024		/* events between two looks at all else */
#define TAP_BEHIND_MAX	(4u << 20)	/* bytes that wait for who reads the output */

static const char help[] =
	"Usage: kecho tap [OPTION...] CHANNEL\n"
	"\n"
	"Print a copy of the events of CHANNEL, which must exist, without disturbing it:\n"
	"no source waits for a tap, and on its host none makes a system call for it. What\n"
	"it could not see or print in time it tells as lost, exactly. Others see it as a\n"
	"sink with the attribute tool=tap.\n"
	"\n"
	"What to print (default: a line per event: time, source, sequence, size, payload, as\n"
	"JSON if its type is known; lines for losses and for members that join, leave and\n"
	"fail):\n"
	"  -j, --json            one JSON object per line, as kecho sub --members has them\n"
	"  -r, --raw             payloads as bytes, also of events whose type is known\n"
	"  -x, --hex             a line about each event and its bytes in hex\n"
	"  -A, --attrs LIST      these attributes of each event (names, with commas)\n"
	"      --source-attrs LIST  these attributes of its source, such as node.name\n"
	"  -s, --source ID       only events of the source with this id (16 hex digits; may\n"
	"                        be repeated)\n"
	"\n"
	"When to end:\n"
	"  -n, --count N         after N events\n"
	"      --for TIME        after that long\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho tap news\n"
	"  kecho tap --json --for 10s news | jq .size\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 141 nobody reads\n"
	"stdout.\n";

enum { OPT_SOURCE_ATTRS = 256, OPT_FOR };

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "raw", no_argument, NULL, 'r' },
	{ "hex", no_argument, NULL, 'x' },
	{ "attrs", required_argument, NULL, 'A' },
	{ "source-attrs", required_argument, NULL, OPT_SOURCE_ATTRS },
	{ "source", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Events of one source that were read while the output was stuck. */
struct unprinted {
	uint64_t source, first, last;
};

struct tap {
	const char *channel;
	struct show show;
	uint64_t only[NAMES_MAX];	/* sources; none: all */
	size_t nonly;
	uint64_t left;			/* events until --count is reached */
	uint64_t for_ns, deadline_ns;

	struct kecho_channel *ch;
	struct kecho_sink *sink;
	struct roster *roster;
	struct unprinted *unprinted;	/* one of a source at the most */
	size_t n, size;
	bool done;
	int code;
};

static int parse_source(struct tap *t, const char *s)
{
	char *end;
	uint64_t id;

	errno = 0;
	id = strtoull(s, &end, 16);
	if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16)
		return usage_error("--source: '%s' is not an id: 16 hex digits, see kecho ls", s);
	if (t->nonly == NAMES_MAX)
		return usage_error("--source: more than %d of them", NAMES_MAX);
	t->only[t->nonly++] = id;
	return 0;
}

static int parse_option(struct tap *t, int opt, char *arg)
{
	switch (opt) {
	case 'j':
		t->show.mode = SHOW_JSON;
		return 0;
	case 'r':
		t->show.raw = true;
		return 0;
	case 'x':
		t->show.mode = SHOW_HEX;
		return 0;
	case 'A':
		return arg_names("--attrs", arg, &t->show.event_attrs);
	case OPT_SOURCE_ATTRS:
		return arg_names("--source-attrs", arg, &t->show.source_attrs);
	case 's':
		return parse_source(t, arg);
	case 'n':
		return arg_count("--count", arg, &t->left);
	case OPT_FOR:
		return arg_duration("--for", arg, &t->for_ns);
	}
	return usage_hint();
}

static int parse(struct tap *t, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "jrxA:s:n:h", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		code = parse_option(t, opt, optarg);
	}
	if (code)
		return code;
	t->channel = channel_operand(argc, argv, optind);
	return t->channel ? 0 : EXIT_USAGE;
}

static void finish(struct tap *t, int code)
{
	if (!t->done)
		t->code = code;
	t->done = true;
}

static bool wanted(const struct tap *t, uint64_t source)
{
	bool is = !t->nonly;

	for (size_t i = 0; i < t->nonly; i++)
		is |= t->only[i] == source;
	return is;
}

/* They follow each other without a gap but for numbers that no event ever had. */
static void leave_out(struct tap *t, const struct kecho_event *ev)
{
	uint64_t last = ev->kind == KECHO_LOST ? ev->last_seq : ev->seq;
	size_t i;

	for (i = 0; i < t->n && t->unprinted[i].source != ev->source; i++)
		;
	if (i == t->n) {
		if (t->n == t->size) {
			t->size = t->size ? t->size * 2 : 16;
			t->unprinted = grow(t->unprinted, t->size, sizeof(*t->unprinted));
		}
		t->unprinted[t->n++] = (struct unprinted){ ev->source, ev->seq, last };
	}
	t->unprinted[i].last = last;
}

static void tell_left_out(struct tap *t)
{
	struct kecho_event lost = { .kind = KECHO_LOST };

	for (size_t i = 0; i < t->n; i++) {
		lost.source = t->unprinted[i].source;
		lost.seq = t->unprinted[i].first;
		lost.last_seq = t->unprinted[i].last;
		show_event(&t->show, &lost);
	}
	t->n = 0;
}

static void take_event(struct tap *t, const struct kecho_event *ev)
{
	if (!wanted(t, ev->source))
		return;
	if (out.len >= TAP_BEHIND_MAX && (ev->kind == KECHO_EVENT || ev->kind == KECHO_LOST)) {
		leave_out(t, ev);
		return;
	}
	tell_left_out(t);
	show_event(&t->show, ev);
	if (ev->kind == KECHO_EVENT && !--t->left)
		finish(t, EXIT_OK);
}

static void read_error(struct tap *t, int err)
{
	if (err == -ESHUTDOWN)
		complain("channel '%s' was destroyed", t->channel);
	else
		complain("cannot read channel '%s': %s", t->channel, kecho_explain());
	finish(t, err == -ESHUTDOWN ? EXIT_OK : EXIT_ERROR);
}

/* What is there, up to a batch. Never kecho_sink_fd(): who polls it is rung for. Returns
 * false when nothing is left. */
static bool take_events(struct tap *t)
{
	struct kecho_event ev;
	int err = 0;

	for (int i = 0; i < TAP_BATCH && !t->done && !err; i++) {
		err = kecho_read(t->sink, &ev, 0);
		if (!err)
			take_event(t, &ev);
	}
	if (err && err != -EAGAIN)
		read_error(t, err);
	return !err;
}

/* What is not printed now waits in the roster, which is limited, and says what it missed. */
static void take_members(struct tap *t)
{
	struct kecho_member m;

	while (!t->done && out.len < TAP_BEHIND_MAX && roster_next(t->roster, &m))
		show_member(&t->show, &m);
}

/* Until the next look, or something to do before it. */
static void wait_look(struct tap *t)
{
	struct pollfd fds[] = {
		{ .fd = stop_fd(), .events = POLLIN },
		/* Whether its reader has gone. Not POLLOUT: a terminal may say so all the time,
		 * and take nothing. */
		{ .fd = STDOUT_FILENO },
	};

	poll(fds, 2, TAP_LOOK_MS);
	if (fds[1].revents & (POLLERR | POLLHUP)) {
		out_gone();
		finish(t, EXIT_ERROR);
	}
	if (now_ns() >= t->deadline_ns)
		finish(t, EXIT_OK);
}

static void run_tap(struct tap *t)
{
	bool more;

	out_gather();
	t->deadline_ns = t->for_ns == FOREVER_NS ? FOREVER_NS : now_ns() + t->for_ns;
	while (!t->done && !stopped()) {
		take_members(t);
		more = take_events(t);
		if (out_try())
			finish(t, EXIT_ERROR);
		if (!more && !t->done)
			wait_look(t);
		else if (now_ns() >= t->deadline_ns)
			finish(t, EXIT_OK);
	}
	tell_left_out(t);
}

static int run_channel(struct tap *t, struct kecho *k)
{
	const struct kecho_channel_options existing = { .flags = KECHO_EXISTING };
	const struct kecho_attr self = { "tool", kecho_string("tap") };
	const struct kecho_sink_options opt = { .policy = KECHO_LATEST, .attrs = &self,
						.nattrs = 1 };
	int err = open_channel(k, t->channel, &existing, &t->ch);

	if (err)
		return err;
	t->show.ch = t->ch;
	err = roster_open(t->ch, &t->roster);
	if (err)
		goto close_channel;
	err = kecho_sink_open(t->ch, &opt, &t->sink);
	if (err) {
		complain("cannot become a sink of '%s': %s", t->channel, kecho_explain());
		goto close_roster;
	}
	t->show.sink = t->sink;
	run_tap(t);
	kecho_sink_close(t->sink);
close_roster:
	roster_close(t->roster);
close_channel:
	kecho_channel_close(t->ch);
	return err;
}

static int tap_run(int argc, char **argv)
{
	struct tap t = {
		.show = { .mode = SHOW_LINE, .notices = true },
		.left = UINT64_MAX,
		.for_ns = FOREVER_NS,
	};
	struct kecho *k;
	int code, err;

	code = parse(&t, argc, argv);
	if (code)
		return code;
	if (!t.left)
		return EXIT_OK;
	err = stop_init();
	if (!err)
		err = attach(&k);
	if (!err) {
		err = run_channel(&t, k);
		kecho_close(k);
	}
	free(t.unprinted);
	return out_end(err ? EXIT_ERROR : t.code);
}

const struct verb verb_tap = {
	.name = "tap",
	.summary = "print a copy of a channel's events, without disturbing it",
	.help = help,
	.run = tap_run,
};
