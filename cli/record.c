/* SPDX-License-Identifier: MIT */
/*
 * kecho record: the events of channels, in a file that kecho replay reads.
 *
 * Events are put together in memory and written when there are no more for now, or many;
 * so what a kill takes away is little. What could not be recorded is named: losses in the
 * file, in their place; what was read but found the disk full, on stderr.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "known.h"
#include "members.h"
#include "out.h"
#include "stop.h"
#include "tape.h"

#define RECORD_BATCH	256		/* events of a channel between two looks at all else */
#define SYNC_DEFAULT_NS	1000000000u

static const char help[] =
	"Usage: kecho record [OPTION...] CHANNEL... FILE\n"
	"\n"
	"Record the events of each CHANNEL in FILE, with their sources, times and losses, for\n"
	"kecho replay. Creates channels that are not there; ends when stopped. A FILE that\n"
	"was cut off by a kill or a full disk is good up to its last whole event.\n"
	"\n"
	"How:\n"
	"  -a, --append          go on in FILE, which otherwise must not exist\n"
	"      --block           sources wait for this sink; else it loses events when it is\n"
	"                        too slow, and the file says which\n"
	"      --retained        first the events that sources retain\n"
	"      --sync TIME       have what was written on the disk after that long at the most\n"
	"                        (default 1s; 0: with each write; never: leave it to the\n"
	"                        system)\n"
	"\n"
	"When to end:\n"
	"  -n, --count N         after N events\n"
	"      --for TIME        after that long\n"
	"      --until-end       when a source has ended and the channels have none left\n"
	"      --strict          with 3, if events were lost\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho record news news.krec\n"
	"  kecho record --append --for 1h --block orders prices day.krec\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 3 events were lost\n"
	"(with --strict).\n";

enum { OPT_BLOCK = 256, OPT_RETAINED, OPT_SYNC, OPT_FOR, OPT_UNTIL_END, OPT_STRICT };

static const struct option options[] = {
	{ "append", no_argument, NULL, 'a' },
	{ "block", no_argument, NULL, OPT_BLOCK },
	{ "retained", no_argument, NULL, OPT_RETAINED },
	{ "sync", required_argument, NULL, OPT_SYNC },
	{ "count", required_argument, NULL, 'n' },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "until-end", no_argument, NULL, OPT_UNTIL_END },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct track {
	const char *name;
	struct kecho_channel *ch;
	struct kecho_sink *sink;	/* NULL: it is over */
	struct roster *roster;
	struct known sources;		/* that the file names, each with a struct named */
};

/* What the file has of a source in this run. */
struct named {
	bool type[KECHO_TYPES_MAX + 1];	/* by its number */
};

struct record {
	struct track track[RECORDING_CHANNELS_MAX];
	unsigned int n;
	struct kecho_sink_options sink;
	bool append, until_end, strict;
	uint64_t left, for_ns, sync_ns;

	struct tape tape;
	uint64_t began_ns;		/* now_ns() */
	bool ended;			/* some source has */
	bool done;
	int code;
};

/* -------------------------------------------------------------------- options */

static int parse_sync(struct record *rec, const char *s)
{
	if (!strcmp(s, "never")) {
		rec->sync_ns = SYNC_NEVER;
		return 0;
	}
	return arg_duration("--sync", s, &rec->sync_ns);
}

static int parse_option(struct record *rec, int opt, char *arg)
{
	switch (opt) {
	case 'a':
		rec->append = true;
		return 0;
	case 'n':
		return arg_count("--count", arg, &rec->left);
	case OPT_BLOCK:
		rec->sink.policy = KECHO_BLOCK;
		return 0;
	case OPT_RETAINED:
		rec->sink.retained = true;
		return 0;
	case OPT_SYNC:
		return parse_sync(rec, arg);
	case OPT_FOR:
		return arg_duration("--for", arg, &rec->for_ns);
	case OPT_UNTIL_END:
		rec->until_end = true;
		return 0;
	case OPT_STRICT:
		rec->strict = true;
		return 0;
	}
	return usage_hint();
}

static int parse_operands(struct record *rec, int n, char **operand)
{
	if (n < 2)
		return usage_error(n ? "which file?" : "which channels and file?");
	if (n - 1 > RECORDING_CHANNELS_MAX)
		return usage_error("more than %d channels", RECORDING_CHANNELS_MAX);
	for (int i = 0; i < n - 1; i++) {
		for (int j = 0; j < i; j++)
			if (!strcmp(operand[i], operand[j]))
				return usage_error("channel '%s' is there twice", operand[i]);
		rec->track[rec->n++].name = operand[i];
	}
	rec->tape.path = operand[n - 1];
	return 0;
}

static int parse(struct record *rec, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "an:h", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		code = parse_option(rec, opt, optarg);
	}
	return code ? code : parse_operands(rec, argc - optind, argv + optind);
}

static void finish(struct record *rec, int code)
{
	if (!rec->done)
		rec->code = code;
	rec->done = true;
}

/* --------------------------------------------------------------------- events */

static void put(struct record *rec, struct recording_item *it)
{
	it->time_ns = now_ns() - rec->began_ns;
	if (tape_put(&rec->tape, it))
		finish(rec, EXIT_ERROR);
}

static void put_run(struct record *rec)
{
	struct recording_channel channels[RECORDING_CHANNELS_MAX];
	struct recording_item it = {
		.kind = RECORDING_RUN,
		.run = { .channels = channels, .nchannels = rec->n },
	};

	for (unsigned int i = 0; i < rec->n; i++) {
		kecho_channel_uuid(rec->track[i].ch, channels[i].uuid);
		strcpy(channels[i].name, rec->track[i].name);
		rec->tape.channel[i] = rec->track[i].name;
	}
	rec->began_ns = now_ns();
	it.run.monotonic_ns = rec->began_ns;
	it.run.real_ns = real_ns();
	put(rec, &it);
}

/* By which people know it: its attribute "label", or its node's name. */
static size_t label_of(struct kecho_channel *ch, uint64_t member, char to[RECORDING_LABEL_MAX])
{
	struct kecho_value v;

	if ((kecho_member_get(ch, member, "label", &v, to, RECORDING_LABEL_MAX) ||
	     v.kind != KECHO_STRING) &&
	    (kecho_member_get(ch, member, "node.name", &v, to, RECORDING_LABEL_MAX) ||
	     v.kind != KECHO_STRING))
		return 0;
	return v.len < RECORDING_LABEL_MAX ? v.len : RECORDING_LABEL_MAX;
}

/* False: it has a name already. */
static bool name_source(struct track *t, uint64_t source)
{
	struct named *named;

	if (!known_add(&t->sources, source))
		return false;
	named = grow(NULL, 1, sizeof(*named));
	*named = (struct named){ 0 };
	known_find(&t->sources, source)->thing = named;
	return true;
}

static void forget_source(struct track *t, uint64_t source)
{
	free(known_find(&t->sources, source)->thing);
	known_drop(&t->sources, source);
}

static void put_member(struct record *rec, unsigned int channel, const struct kecho_member *m)
{
	struct track *t = &rec->track[channel];
	char label[RECORDING_LABEL_MAX];
	struct recording_item it = {
		.kind = RECORDING_MEMBER, .channel = channel, .member = { .m = *m, .label = label },
	};

	if (m->mine)
		return;
	if (m->role == KECHO_SOURCE && m->state == KECHO_JOINED && !name_source(t, m->id))
		return;
	it.member.label_len = label_of(t->ch, m->id, label);
	put(rec, &it);
}

/* A source's first event may be read before it was told that it has joined. */
static void introduce(struct record *rec, unsigned int channel, uint64_t source)
{
	const struct kecho_member m = { .id = source, .role = KECHO_SOURCE,
					.state = KECHO_JOINED };

	if (!known_has(&rec->track[channel].sources, source))
		put_member(rec, channel, &m);
}

/* The number of the event's type in the file; 0: nothing is known of it. */
static unsigned int introduce_type(struct record *rec, unsigned int channel,
				   const struct kecho_event *ev)
{
	struct track *t = &rec->track[channel];
	struct recording_item it = { .kind = RECORDING_TYPE, .channel = channel,
				     .type = { .source = ev->source, .number = ev->type } };
	struct named *named = known_find(&t->sources, ev->source)->thing;
	const struct kecho_type *type;

	if (!ev->type || ev->type > KECHO_TYPES_MAX || named->type[ev->type])
		return ev->type <= KECHO_TYPES_MAX ? ev->type : 0;
	type = kecho_event_type(t->sink, ev);
	if (!type)
		return 0;
	it.type.wire = kecho_type_wire(type, &it.type.len);
	put(rec, &it);
	named->type[ev->type] = true;
	return ev->type;
}

static void take_event(struct record *rec, unsigned int channel, const struct kecho_event *ev)
{
	static const enum recording_kind kind[] = {
		[KECHO_EVENT] = RECORDING_EVENT, [KECHO_LOST] = RECORDING_LOST,
		[KECHO_ENDED] = RECORDING_ENDED,
	};
	struct recording_item it = { .channel = channel, .event = *ev };

	/* A silence was then; who replays has others. */
	if (ev->kind == KECHO_SILENT || ev->kind == KECHO_BACK)
		return;
	it.kind = kind[ev->kind];
	introduce(rec, channel, ev->source);
	if (ev->kind == KECHO_EVENT)
		it.event.type = introduce_type(rec, channel, ev);
	put(rec, &it);
	if (ev->kind == KECHO_ENDED) {
		forget_source(&rec->track[channel], ev->source);
		rec->ended = true;
	}
	if (ev->kind == KECHO_EVENT && !--rec->left)
		finish(rec, EXIT_OK);
}

static void read_error(struct record *rec, struct track *t, int err)
{
	unsigned int open = 0;

	if (err == -ESHUTDOWN)
		complain("channel '%s' was destroyed", t->name);
	else
		complain("cannot read channel '%s': %s", t->name, kecho_explain());
	kecho_sink_close(t->sink);
	t->sink = NULL;
	for (unsigned int i = 0; i < rec->n; i++)
		open += rec->track[i].sink != NULL;
	if (err != -ESHUTDOWN || !open)
		finish(rec, err == -ESHUTDOWN ? EXIT_OK : EXIT_ERROR);
}

/* Returns whether more may be there. */
static bool take_events(struct record *rec, unsigned int channel)
{
	struct track *t = &rec->track[channel];
	struct kecho_member m;
	struct kecho_event ev;
	int err = 0;

	while (!rec->done && roster_next(t->roster, &m))
		put_member(rec, channel, &m);
	for (int i = 0; i < RECORD_BATCH && !rec->done && !err && t->sink; i++) {
		err = kecho_read(t->sink, &ev, 0);
		if (!err)
			take_event(rec, channel, &ev);
	}
	if (err && err != -EAGAIN)
		read_error(rec, t, err);
	return t->sink && !err;
}

static size_t sources_left(const struct record *rec)
{
	size_t n = 0;

	for (unsigned int i = 0; i < rec->n; i++)
		n += members_joined(rec->track[i].ch, KECHO_SOURCE);
	return n;
}

/* Nothing more is there for now. */
static void idle(struct record *rec, uint64_t deadline_ns)
{
	struct pollfd fds[2 * RECORDING_CHANNELS_MAX + 1];
	unsigned int n = 0;

	if (tape_write(&rec->tape))
		finish(rec, EXIT_ERROR);
	if (rec->until_end && rec->ended && !sources_left(rec))
		finish(rec, EXIT_OK);
	if (rec->done)
		return;
	for (unsigned int i = 0; i < rec->n; i++) {
		struct track *t = &rec->track[i];

		fds[n++] = (struct pollfd){ roster_fd(t->roster), POLLIN, 0 };
		fds[n++] = (struct pollfd){ t->sink ? kecho_sink_fd(t->sink) : -1, POLLIN, 0 };
	}
	fds[n++] = (struct pollfd){ stop_fd(), POLLIN, 0 };
	poll(fds, n, poll_ms(deadline_ns));
}

static void run_sinks(struct record *rec)
{
	uint64_t deadline_ns = rec->for_ns == FOREVER_NS ? FOREVER_NS : now_ns() + rec->for_ns;
	struct recording_item end = { .kind = RECORDING_END };
	bool more;

	while (!rec->done && !stopped() && now_ns() < deadline_ns) {
		more = false;
		for (unsigned int i = 0; i < rec->n; i++)
			more |= take_events(rec, i);
		if (!more && !rec->done)
			idle(rec, deadline_ns);
	}
	if (rec->code != EXIT_OK)
		return;
	end.total = rec->tape.total;
	put(rec, &end);
	if (tape_write(&rec->tape))
		rec->code = EXIT_ERROR;
}

/* -------------------------------------------------------------------- channels */

static int open_sinks(struct record *rec)
{
	const struct kecho_attr self = { "tool", kecho_string("record") };
	int err = 0;

	rec->sink.attrs = &self;
	rec->sink.nattrs = 1;
	for (unsigned int i = 0; i < rec->n && !err; i++) {
		err = kecho_sink_open(rec->track[i].ch, &rec->sink, &rec->track[i].sink);
		if (err)
			complain("cannot become a sink of '%s': %s", rec->track[i].name,
				 kecho_explain());
	}
	return err;
}

static int open_channels(struct record *rec, struct kecho *k)
{
	int err = 0;

	for (unsigned int i = 0; i < rec->n && !err; i++) {
		err = open_channel(k, rec->track[i].name, NULL, &rec->track[i].ch);
		if (!err)
			err = roster_open(rec->track[i].ch, &rec->track[i].roster);
	}
	return err;
}

static void close_channels(struct record *rec)
{
	for (unsigned int i = 0; i < rec->n; i++) {
		struct track *t = &rec->track[i];

		kecho_sink_close(t->sink);
		roster_close(t->roster);
		kecho_channel_close(t->ch);
		while (t->sources.n)
			forget_source(t, t->sources.ids[t->sources.n - 1].id);
		known_free(&t->sources);
	}
}

static int run_channels(struct record *rec, struct kecho *k)
{
	int err = open_channels(rec, k);

	if (!err)
		err = tape_open(&rec->tape, rec->append, rec->sync_ns);
	if (err)
		goto close;
	put_run(rec);
	err = open_sinks(rec);
	if (!err)
		run_sinks(rec);
	if (tape_close(&rec->tape))
		rec->code = EXIT_ERROR;
close:
	close_channels(rec);
	return err;
}

static int record_run(int argc, char **argv)
{
	struct record rec = {
		.left = UINT64_MAX,
		.for_ns = FOREVER_NS,
		.sync_ns = SYNC_DEFAULT_NS,
	};
	struct kecho *k;
	int code, err;

	code = parse(&rec, argc, argv);
	if (code)
		return code;
	if (!rec.left)
		return EXIT_OK;
	err = stop_init();
	if (!err)
		err = attach(&k);
	if (err)
		return out_end(EXIT_ERROR);
	err = run_channels(&rec, k);
	kecho_close(k);
	if (err)
		return out_end(EXIT_ERROR);
	buf_format(&out, "%" PRIu64 " events, %" PRIu64 " lost, %" PRIu64 " bytes in '%s'\n",
		   rec.tape.total.events, rec.tape.total.lost, rec.tape.total.bytes, rec.tape.path);
	if (rec.code == EXIT_OK && rec.strict && rec.tape.total.lost)
		rec.code = EXIT_LOST;
	return out_end(rec.code);
}

const struct verb verb_record = {
	.name = "record",
	.summary = "record the events of channels in a file",
	.help = help,
	.run = record_run,
};
