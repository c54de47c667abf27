/* SPDX-License-Identifier: MIT */
/*
 * kecho replay: the events of a recording, submitted again.
 *
 * The file is read twice. First to its end, before anything is submitted: so a file that is
 * damaged is refused as a whole, and it is known which sources have events that are wanted.
 * They are kept apart: each has one of its own here, which is there before its first event
 * is due. Deadlines are counted from one beginning, so being late once makes nothing that
 * follows late.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "format.h"
#include "members.h"
#include "out.h"
#include "samples.h"
#include "stop.h"
#include "survey.h"

#define ENDED_MAX	256	/* sources that have ended and are not closed yet */
#define TIMER_SLACK_NS	1	/* instead of 50 us */
#define SPEED_MIN	1e-3
#define SPEED_MAX	1e6
#define WAIT_MAX_NS	1e18	/* for an event; longer is for ever */

static const char help[] =
	"Usage: kecho replay [OPTION...] FILE [CHANNEL]\n"
	"       kecho replay --check [--json] FILE\n"
	"\n"
	"Submit the events of a recording of kecho record again, in the channels that they\n"
	"were recorded in, or all in CHANNEL; each recorded source is one again, with its label\n"
	"as the attribute label. A FILE that is damaged is refused; one that was only cut off\n"
	"is replayed to its end.\n"
	"\n"
	"When:\n"
	"      --speed X         X times as fast as it was (default 1)\n"
	"      --fast            as fast as it goes\n"
	"      --wait-sinks N    first wait until each channel has N sinks\n"
	"\n"
	"What:\n"
	"      --channel NAME    only events that were recorded in this channel\n"
	"      --from TIME       only those from TIME after the recording's begin on\n"
	"      --to TIME         only those before that\n"
	"      --skip-damaged    leave out what is damaged, and say what that is\n"
	"      --check           submit nothing: say what is in FILE, and if it is damaged\n"
	"  -j, --json            with --check: as a JSON object\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho replay --check news.krec\n"
	"  kecho replay --speed 10 --wait-sinks 1 news.krec test\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error or damage, 2 usage.\n";

enum {
	OPT_SPEED = 256, OPT_FAST, OPT_WAIT_SINKS, OPT_CHANNEL, OPT_FROM, OPT_TO,
	OPT_SKIP_DAMAGED, OPT_CHECK,
};

static const struct option options[] = {
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "fast", no_argument, NULL, OPT_FAST },
	{ "wait-sinks", required_argument, NULL, OPT_WAIT_SINKS },
	{ "channel", required_argument, NULL, OPT_CHANNEL },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "skip-damaged", no_argument, NULL, OPT_SKIP_DAMAGED },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* A source that is open. */
struct voice {
	struct kecho_source *source;
	uint64_t id;			/* of the recorded one */
	int number[KECHO_TYPES_MAX + 1];	/* of its types, by those of the recorded one */
};

struct replay {
	const char *path, *target;
	struct selection selection;
	double speed;
	bool fast, skip_damaged, check, json;
	uint64_t wait_sinks;

	int fd;
	struct survey survey;
	struct kecho_channel **channels;	/* of the survey's; NULL: nothing is for it */
	struct known voices;			/* struct voice, by recorded source */
	uint64_t ended[ENDED_MAX];		/* of these, those that have ended */
	size_t nended;
	struct timeline timeline;
	int64_t first_ns;			/* on the time line */
	uint64_t began_ns;			/* now_ns() when that was due; 0: not yet */
	uint64_t events;
	struct samples late;
};

/* -------------------------------------------------------------------- options */

static int parse_speed(struct replay *r, const char *s)
{
	char *end;

	r->speed = strtod(s, &end);
	if (end == s || *end || !isfinite(r->speed) || r->speed < SPEED_MIN ||
	    r->speed > SPEED_MAX)
		return usage_error("--speed: '%s' is not a number from %g to %g", s, SPEED_MIN,
				   SPEED_MAX);
	return 0;
}

static int parse_time(const char *name, const char *s, int64_t *to)
{
	uint64_t ns;
	int code = arg_duration(name, s, &ns);

	if (!code)
		*to = (int64_t)ns;
	return code;
}

static int parse_option(struct replay *r, int opt, char *arg)
{
	switch (opt) {
	case OPT_SPEED:
		return parse_speed(r, arg);
	case OPT_FAST:
		r->fast = true;
		return 0;
	case OPT_WAIT_SINKS:
		return arg_count("--wait-sinks", arg, &r->wait_sinks);
	case OPT_CHANNEL:
		r->selection.channel = arg;
		return 0;
	case OPT_FROM:
		return parse_time("--from", arg, &r->selection.from_ns);
	case OPT_TO:
		return parse_time("--to", arg, &r->selection.to_ns);
	case OPT_SKIP_DAMAGED:
		r->skip_damaged = true;
		return 0;
	case OPT_CHECK:
		r->check = true;
		return 0;
	case 'j':
		r->json = true;
		return 0;
	}
	return usage_hint();
}

static int parse(struct replay *r, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt == 'h')
			return EXIT_HELP;
		code = parse_option(r, opt, optarg);
	}
	if (code)
		return code;
	if (r->json && !r->check)
		return usage_error("--json goes with --check");
	if (argc - optind < 1)
		return usage_error("which file?");
	if (argc - optind > (r->check ? 1 : 2))
		return usage_error("what is '%s' for?", argv[argc - 1]);
	r->path = argv[optind];
	r->target = argv[optind + 1];
	return 0;
}

/* -------------------------------------------------------------------- sources */

static int open_voice(struct replay *r, const struct survey_source *src)
{
	struct kecho_attr attrs[2] = { { "tool", kecho_string("replay") } };
	struct kecho_source_options opt = { .attrs = attrs, .nattrs = 1 };
	struct kecho_source *source;
	struct voice *v;
	int err;

	if (src->label)
		attrs[opt.nattrs++] = (struct kecho_attr){ "label", kecho_string(src->label) };
	err = kecho_source_open(r->channels[src->channel], &opt, &source);
	if (err) {
		complain("cannot become a source of '%s': %s",
			 kecho_channel_name(r->channels[src->channel]), kecho_explain());
		return err;
	}
	v = grow(NULL, 1, sizeof(*v));
	*v = (struct voice){ .source = source, .id = src->id };
	known_add(&r->voices, src->id);
	known_find(&r->voices, src->id)->thing = v;
	return 0;
}

static void close_voice(struct replay *r, uint64_t id)
{
	struct known_id *k = known_find(&r->voices, id);
	struct voice *v = k ? k->thing : NULL;

	if (!v)
		return;
	kecho_source_close(v->source);
	known_drop(&r->voices, id);
	free(v);
}

/* Closing waits for slow sinks, which would make others late: so it is put off. */
static void end_voice(struct replay *r, uint64_t id)
{
	if (!known_has(&r->voices, id))
		return;
	if (r->nended == ENDED_MAX) {
		close_voice(r, r->ended[0]);
		memmove(r->ended, r->ended + 1, --r->nended * sizeof(r->ended[0]));
	}
	r->ended[r->nended++] = id;
}

static void close_voices(struct replay *r)
{
	while (r->voices.n)
		close_voice(r, r->voices.ids[r->voices.n - 1].id);
	known_free(&r->voices);
}

/* The one of a recorded source; NULL after complaining. */
static struct voice *voice_of(struct replay *r, uint64_t id)
{
	struct known_id *k = known_find(&r->voices, id);

	if (!k) {
		if (open_voice(r, survey_source(&r->survey, id)))
			return NULL;
		k = known_find(&r->voices, id);
	}
	return k->thing;
}

/* --------------------------------------------------------------------- events */

/* False: stopped before it was due. */
static bool wait_due(struct replay *r, int64_t due_ns)
{
	uint64_t deadline;
	double ns;

	if (r->fast)
		return !stopped();
	if (!r->began_ns) {
		r->began_ns = now_ns();
		r->first_ns = due_ns;
	}
	ns = (double)((uint64_t)due_ns - (uint64_t)r->first_ns) / r->speed;
	deadline = ns < WAIT_MAX_NS ? r->began_ns + (uint64_t)ns : FOREVER_NS;
	/* Not clock_nanosleep(): a signal between the look at stopped() and the sleep would be
	 * missed. This sleeps to an absolute deadline too, and is woken by both. */
	if (stop_wait_until(deadline))
		return false;
	samples_add(&r->late, (int64_t)(now_ns() - deadline));
	return true;
}

static int announce(struct replay *r, const struct recording_item *it)
{
	struct kecho_type *type;
	struct voice *v;
	int number;

	if (kecho_type_load(&type, it->type.wire, it->type.len)) {
		complain("type %u of source %016" PRIx64 " is none: %s", it->type.number,
			 it->type.source, kecho_explain());
		return -EBADMSG;
	}
	v = voice_of(r, it->type.source);
	number = v ? kecho_source_announce(v->source, type) : -EIO;
	if (v && number < 0)
		complain("cannot tell sinks of type '%s': %s", kecho_type_name(type),
			 kecho_explain());
	kecho_type_free(type);
	if (number < 0)
		return number;
	v->number[it->type.number] = number;
	return 0;
}

/* Of a type that was damaged it is bytes. */
static int submit(struct voice *v, const struct kecho_event *ev)
{
	struct kecho_attr attrs[KECHO_EVENT_ATTRS_MAX / 5];	/* of 5 bytes each at least */
	unsigned int flags = KECHO_TYPED(v->number[ev->type]);
	struct buf room = { 0 };
	int n, err;

	n = recording_attrs(ev, attrs, KECHO_EVENT_ATTRS_MAX / 5, &room);
	if (n < 0) {
		complain("event %" PRIu64 " of source %016" PRIx64 " has attributes that are none",
			 ev->seq, ev->source);
		return n;
	}
	err = n ? kecho_submit_attrs(v->source, ev->data, ev->len, attrs, n, flags) :
		  kecho_submit(v->source, ev->data, ev->len, flags);
	buf_free(&room);
	if (err)
		complain("cannot submit an event of %zu bytes: %s", ev->len, kecho_explain());
	return err;
}

static bool wanted(const struct replay *r, uint64_t id)
{
	const struct survey_source *src = survey_source(&r->survey, id);

	return src && src->selected;
}

static int play_event(struct replay *r, const struct recording_item *it)
{
	int64_t due = timeline_due(&r->timeline, it);
	struct voice *v;
	int err;

	if (!wanted(r, it->event.source) ||
	    !survey_selects(&r->selection,
			    r->survey.channels[survey_source(&r->survey, it->event.source)->channel]
				    .name, due))
		return 0;
	v = voice_of(r, it->event.source);
	if (!v)
		return -EIO;
	if (!wait_due(r, due))
		return -EINTR;
	err = submit(v, &it->event);
	r->events += !err;
	return err;
}

static int play(struct replay *r, const struct recording_item *it)
{
	switch (it->kind) {
	case RECORDING_RUN:
		timeline_run(&r->timeline, it);
		return 0;
	case RECORDING_MEMBER:
		if (it->member.m.role == KECHO_SOURCE && it->member.m.state == KECHO_JOINED &&
		    wanted(r, it->member.m.id))
			return voice_of(r, it->member.m.id) ? 0 : -EIO;
		return 0;
	case RECORDING_EVENT:
		return play_event(r, it);
	case RECORDING_ENDED:
		end_voice(r, it->event.source);
		return 0;
	case RECORDING_TYPE:
		return wanted(r, it->type.source) ? announce(r, it) : 0;
	default:
		return 0;
	}
}

/* What is damaged was told by the survey. */
static int play_all(struct replay *r)
{
	struct recording_reader reader;
	struct recording_item it;
	int n = recording_open(&reader, r->fd);

	/* What was added meanwhile was not looked at. */
	if (reader.size > r->survey.size)
		reader.size = r->survey.size;
	while (!n && (n = recording_next(&reader, &it)) != 0) {
		if (n == 1)
			n = play(r, &it);
		else if (n == -EBADMSG && r->skip_damaged)
			n = 0;
		else
			complain("'%s' cannot be read any more: %s", r->path,
				 n == -EBADMSG ? reader.damage.why : strerror(-n));
	}
	recording_close(&reader);
	return n;
}

/* ------------------------------------------------------------------- channels */

static int open_channels(struct replay *r, struct kecho *k)
{
	struct survey_channel *c = r->survey.channels;
	struct kecho_channel *target = NULL;
	int err = 0;

	for (size_t i = 0; i < r->survey.nchannels && !err; i++) {
		if (!c[i].selected)
			continue;
		if (!r->target || !target)
			err = open_channel(k, r->target ? r->target : c[i].name, NULL, &target);
		if (!err && r->wait_sinks)
			err = members_wait(target, KECHO_SINK, r->wait_sinks);
		if (!err)
			r->channels[i] = target;
	}
	return err;
}

static int run(struct replay *r)
{
	struct kecho *k;
	int err = attach(&k);

	if (err)
		return err;
	r->channels = grow(NULL, r->survey.nchannels, sizeof(struct kecho_channel *));
	memset(r->channels, 0, r->survey.nchannels * sizeof(struct kecho_channel *));
	err = open_channels(r, k);
	if (!err) {
		prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
		err = play_all(r);
	}
	close_voices(r);
	kecho_close(k);
	free(r->channels);
	return err == -EINTR && stopped() ? 0 : err;
}

static void print_result(struct replay *r)
{
	char p50[FORMAT_MAX], p99[FORMAT_MAX], max[FORMAT_MAX];
	struct percentiles p;

	buf_format(&out, "%" PRIu64 " events", r->events);
	if (r->survey.lost)
		buf_format(&out, "; the recording lost %" PRIu64, r->survey.lost);
	if (r->survey.damages)
		buf_format(&out, "; %" PRIu64 " bytes were damaged, %" PRIu64 " events missing",
			   r->survey.damaged, r->survey.missing);
	if (r->late.n) {
		samples_percentiles(&r->late, &p);
		buf_format(&out, "; late by %s p50, %s p99, %s at the most",
			   format_duration(p50, p.p50_ns), format_duration(p99, p.p99_ns),
			   format_duration(max, p.max_ns));
	}
	buf_char(&out, '\n');
}

static int survey(struct replay *r)
{
	int err = survey_read(&r->survey, r->fd, r->path, &r->selection,
			      r->skip_damaged || r->check);

	if (err == -EBADMSG && (r->skip_damaged || r->check))
		err = 0;
	if (err == -EBADMSG)
		complain("nothing was submitted: --skip-damaged leaves out what is damaged");
	if (err || r->check)
		return err;
	if (r->survey.torn)
		complain("'%s' was cut off: %" PRIu64 " bytes at its end are no whole record",
			 r->path, r->survey.torn);
	if (r->selection.channel && !r->survey.selected)
		complain("'%s' has no event of channel '%s' that is wanted", r->path,
			 r->selection.channel);
	return 0;
}

static int replay_file(struct replay *r)
{
	int err = survey(r);

	if (!err && r->check)
		survey_print(&r->survey, r->path, r->json);
	else if (!err)
		err = run(r);
	if (!err && !r->check)
		print_result(r);
	if (!err && r->check && r->survey.damages)
		err = -EBADMSG;
	samples_free(&r->late);
	timeline_free(&r->timeline);
	survey_free(&r->survey);
	return err;
}

static int replay_run(int argc, char **argv)
{
	struct replay r = { .speed = 1, .selection.to_ns = INT64_MAX };
	int code = parse(&r, argc, argv), err;

	if (code)
		return code;
	/* What was submitted before the run began is before 0. */
	if (!r.selection.from_ns)
		r.selection.from_ns = INT64_MIN;
	r.fd = open(r.path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0) {
		complain("cannot open '%s': %s", r.path, strerror(errno));
		return EXIT_ERROR;
	}
	err = stop_init();
	if (!err)
		err = replay_file(&r);
	close(r.fd);
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

const struct verb verb_replay = {
	.name = "replay",
	.summary = "submit the events of a recording again",
	.help = help,
	.run = replay_run,
};
