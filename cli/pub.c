/* SPDX-License-Identifier: MIT */
/*
 * kecho pub: submit events: lines of standard input, or what this kernel says.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "from.h"
#include "lines.h"
#include "members.h"
#include "expression.h"
#include "publish.h"
#include "stop.h"
#include "typed.h"

#define INTERVAL_DEFAULT_NS	1000000000u
#define INTERVAL_MIN_NS		1000000u
#define LINGER_MAX_NS		(3600ull * 1000000000u)

static const char help[] =
	"Usage: kecho pub [OPTION...] CHANNEL\n"
	"\n"
	"Become a source in CHANNEL and submit each line of standard input as one event,\n"
	"or live events of this kernel. Creates the channel if need be; leaves it at the\n"
	"end of the input.\n"
	"\n"
	"What to submit:\n"
	"  -0, --null            events end in a 0 byte instead of a newline\n"
	"  -w, --whole           all of standard input is one event\n"
	"      --type STRUCT     each event is a JSON object that becomes this C struct, which\n"
	"                        sinks are told of\n"
	"      --btf FILE        with --type: the object, program or BTF that describes it\n"
	"  -f, --from LIST       events of this kernel instead of standard input, as JSON;\n"
	"                        LIST has one or more, with commas between them, of\n"
	"                          loadavg  /proc/loadavg, each interval\n"
	"                          psi      pressure on cpu, memory, io: by triggers, where\n"
	"                                   not allowed each interval\n"
	"                          netlink  links, addresses, routes, neighbours\n"
	"                          kmsg     the kernel's log\n"
	"                          uevent   devices that come, go and change\n"
	"      --interval TIME   of what is sampled (default 1s)\n"
	"      --history         kmsg: first the records that are there already\n"
	"  -n, --count N         end after N events\n"
	"\n"
	"How:\n"
	"  -a, --attr NAME=VALUE        attribute of this source (may be repeated)\n"
	"  -e, --event-attr NAME=VALUE  attribute of each event (may be repeated)\n"
	"      --out EXPR        each event is for the sinks that this expression chooses,\n"
	"                        such as 'best by sink.load': kecho filter --help\n"
	"      --to ID           each event is for this sink only, by its id, or where this\n"
	"                        source has said that replies to it go\n"
	"      --class CLASS     on links to other hosts events go before those of other\n"
	"                        sources: urgent, or after them: bulk (default: normal)\n"
	"      --rate N          at most N events per second\n"
	"      --lifespan TIME   of each event: then it is of no use, and dropped where it is\n"
	"      --retain N        keep the last N events for sinks that join later, as long\n"
	"                        as this command runs\n"
	"      --wait-sinks N    first wait until the channel has N sinks\n"
	"      --block           wait for slow `block` sinks (default)\n"
	"      --stall TIME      end such a sink when it has read nothing for so long while\n"
	"                        this waits for it (default 30s; 0: never)\n"
	"      --dontwait        drop an event rather than wait; the end tells how many\n"
	"      --strict          exit with 3 if any were dropped\n"
	"      --log-size SIZE   bytes of the log, a power of two (default 256K)\n"
	"      --linger TIME     how long the end waits for sinks to have all (default 2s)\n"
	"      --alive TIME      promise sinks an event at least so often: they are told when\n"
	"                        this does not keep it\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  date | kecho pub news\n"
	"  kecho pub --from netlink,uevent --attr zone=lab changes\n"
	"  tail -F /var/log/app.log | kecho pub --retain 100 app\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error, 2 usage, 3 events were\n"
	"dropped (with --strict).\n";

enum {
	OPT_INTERVAL = 256, OPT_HISTORY, OPT_RATE, OPT_RETAIN, OPT_WAIT_SINKS, OPT_BLOCK,
	OPT_DONTWAIT, OPT_STRICT, OPT_LOG_SIZE, OPT_LINGER, OPT_STALL, OPT_TYPE, OPT_BTF,
	OPT_OUT, OPT_TO, OPT_LIFESPAN, OPT_CLASS, OPT_ALIVE,
};

static const struct option options[] = {
	{ "null", no_argument, NULL, '0' },
	{ "whole", no_argument, NULL, 'w' },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "btf", required_argument, NULL, OPT_BTF },
	{ "from", required_argument, NULL, 'f' },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "history", no_argument, NULL, OPT_HISTORY },
	{ "count", required_argument, NULL, 'n' },
	{ "attr", required_argument, NULL, 'a' },
	{ "event-attr", required_argument, NULL, 'e' },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "to", required_argument, NULL, OPT_TO },
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "lifespan", required_argument, NULL, OPT_LIFESPAN },
	{ "retain", required_argument, NULL, OPT_RETAIN },
	{ "wait-sinks", required_argument, NULL, OPT_WAIT_SINKS },
	{ "block", no_argument, NULL, OPT_BLOCK },
	{ "dontwait", no_argument, NULL, OPT_DONTWAIT },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "log-size", required_argument, NULL, OPT_LOG_SIZE },
	{ "linger", required_argument, NULL, OPT_LINGER },
	{ "alive", required_argument, NULL, OPT_ALIVE },
	{ "stall", required_argument, NULL, OPT_STALL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct pub {
	const char *channel;
	const char *from;		/* NULL: standard input */
	struct feed_options feed;
	int separator;
	bool strict;
	enum kecho_class class;
	uint64_t retain, wait_sinks, log_size, linger_ns, stall_ns;
	uint64_t lifespan_ns;		/* 0: for ever */
	unsigned int alive_ms;
	struct attrs attrs, event_attrs;
	struct typed typed;
	const char *out;		/* NULL: events are for all */
	struct kecho_filter *filter;	/* of that */
	struct publisher publisher;
	struct feeds feeds;
};

static int parse_time(struct pub *pub, int opt, const char *arg)
{
	const char *name = opt == OPT_LINGER ? "--linger" :
			   opt == OPT_STALL ? "--stall" : "--interval";
	uint64_t ns;

	if (arg_duration(name, arg, &ns))
		return EXIT_USAGE;
	if (opt != OPT_INTERVAL) {
		if (ns > LINGER_MAX_NS)
			return usage_error("%s: '%s' is over an hour", name, arg);
		*(opt == OPT_LINGER ? &pub->linger_ns : &pub->stall_ns) = ns;
		return 0;
	}
	if (ns < INTERVAL_MIN_NS)
		return usage_error("--interval: '%s' is under 1ms", arg);
	pub->feed.interval_ns = ns;
	return 0;
}

static int parse_alive(struct pub *pub, const char *arg)
{
	uint64_t ns;

	if (arg_duration("--alive", arg, &ns))
		return EXIT_USAGE;
	if (whole_ms(ns) < KECHO_ALIVE_MS_MIN || whole_ms(ns) > KECHO_ALIVE_MS_MAX)
		return usage_error("--alive: '%s' is not between 50ms and 24h", arg);
	pub->alive_ms = whole_ms(ns);
	return 0;
}

static int parse_how(struct pub *pub, int opt, char *arg)
{
	switch (opt) {
	case 'a':
		return arg_attr("--attr", arg, &pub->attrs);
	case 'e':
		return arg_attr("--event-attr", arg, &pub->event_attrs);
	case OPT_OUT:
		pub->out = arg;
		return 0;
	case OPT_TO:
		return arg_id("--to", arg, &pub->publisher.to);
	case OPT_CLASS:
		return arg_class("--class", arg, &pub->class);
	case OPT_RATE:
		return arg_rate("--rate", arg, &pub->publisher.per_s);
	case OPT_LIFESPAN:
		return arg_duration("--lifespan", arg, &pub->lifespan_ns);
	case OPT_RETAIN:
		return arg_range("--retain", arg, 0, UINT32_MAX, &pub->retain);
	case OPT_WAIT_SINKS:
		return arg_count("--wait-sinks", arg, &pub->wait_sinks);
	case OPT_BLOCK:
		pub->publisher.flags &= ~KECHO_DONTWAIT;
		return 0;
	case OPT_DONTWAIT:
		pub->publisher.flags |= KECHO_DONTWAIT;
		return 0;
	case OPT_STRICT:
		pub->strict = true;
		return 0;
	case OPT_LOG_SIZE:
		return arg_size("--log-size", arg, &pub->log_size);
	case OPT_TYPE:
		pub->typed.name = arg;
		return 0;
	case OPT_BTF:
		pub->typed.btf = arg;
		return 0;
	case OPT_ALIVE:
		return parse_alive(pub, arg);
	case OPT_INTERVAL:
	case OPT_LINGER:
	case OPT_STALL:
		return parse_time(pub, opt, arg);
	}
	return usage_hint();
}

static int parse(struct pub *pub, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "0wf:n:a:e:h", options, NULL)) != -1) {
		switch (opt) {
		case '0':
			pub->separator = '\0';
			break;
		case 'w':
			pub->separator = -1;
			break;
		case 'f':
			pub->from = optarg;
			break;
		case 'n':
			code = arg_count("--count", optarg, &pub->publisher.left);
			break;
		case OPT_HISTORY:
			pub->feed.history = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = parse_how(pub, opt, optarg);
		}
	}
	if (code)
		return code;
	if (pub->from && pub->separator != '\n')
		return usage_error("--from and --%s do not go together",
				   pub->separator < 0 ? "whole" : "null");
	if (pub->from && pub->typed.name)
		return usage_error("--from and --type do not go together");
	if (pub->publisher.to && (pub->out || pub->event_attrs.n))
		return usage_error("--to and --%s do not go together",
				   pub->out ? "out" : "event-attr");
	pub->channel = channel_operand(argc, argv, optind);
	return pub->channel ? 0 : EXIT_USAGE;
}

static int too_long(const struct lines *l)
{
	if (l->separator < 0)
		complain("standard input is longer than an event may be: %u bytes",
			 KECHO_EVENT_MAX);
	else
		complain("event %" PRIu64 " of standard input is longer than %u bytes", l->n + 1,
			 KECHO_EVENT_MAX);
	return -EMSGSIZE;
}

/* Submit the pieces that are there; more of them are there if it returns 1. What is wrong
 * with one is said before those in front of it go out. */
static int submit_lines(struct pub *pub, struct lines *l)
{
	struct iovec events[PUBLISH_BATCH];
	const char *data;
	size_t n = 0;
	int more = 1, err, wrong = 0;

	while (n < PUBLISH_BATCH && n < pub->publisher.left) {
		more = lines_next(l, &data, &events[n].iov_len);
		if (more <= 0)
			break;
		events[n].iov_base = (void *)data;
		if (pub->typed.type)
			wrong = typed_parse(&pub->typed, &events[n], n, PUBLISH_BATCH, l->n);
		if (wrong)
			break;
		n++;
	}
	err = publish(&pub->publisher, events, n);
	if (err || wrong)
		return err ? err : wrong;
	return more == -EMSGSIZE ? too_long(l) : more;
}

static int fill_lines(struct lines *l)
{
	struct pollfd fds[] = {
		{ .fd = l->fd, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};
	int err;

	poll(fds, 2, -1);
	if (!fds[0].revents)
		return 0;
	err = lines_fill(l);
	if (err == -EAGAIN)
		return 0;
	if (err)
		complain("cannot read standard input: %s", strerror(-err));
	return err;
}

static int run_lines(struct pub *pub)
{
	struct lines l;
	int more = 0;

	lines_init(&l, STDIN_FILENO, pub->separator);
	while (more >= 0 && !publisher_done(&pub->publisher)) {
		more = submit_lines(pub, &l);
		if (more == 0 && l.eof)
			break;
		if (more == 0)
			more = fill_lines(&l);
	}
	lines_free(&l);
	return more < 0 ? more : 0;
}

/* One payload of a feed, submitted. As feed_kind.next(). */
static int run_feed(struct publisher *p, struct feed *f, short revents)
{
	struct buf payload = { 0 };
	struct iovec event;
	int n, err = 0;

	n = f->kind->next(f, revents, &payload);
	if (n > 0) {
		event.iov_base = payload.p;
		event.iov_len = payload.len;
		err = publish(p, &event, 1);
	}
	buf_free(&payload);
	return err ? err : n;
}

/* Feeds take turns, one payload each; a feed that may have more is asked again. */
static int run_feeds(struct pub *pub)
{
	struct pollfd fds[FEEDS_MAX + 1];
	bool more[FEEDS_MAX], any = true;
	size_t n = pub->feeds.n;
	int got = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ pub->feeds.feed[i].fd, pub->feeds.feed[i].events, 0 };
		more[i] = true;
	}
	fds[n] = (struct pollfd){ stop_fd(), POLLIN, 0 };
	while (!publisher_done(&pub->publisher)) {
		if (poll(fds, n + 1, any ? 0 : -1) < 0)
			continue;
		any = false;
		for (size_t i = 0; i < n; i++) {
			if (!more[i] && !fds[i].revents)
				continue;
			got = run_feed(&pub->publisher, &pub->feeds.feed[i], fds[i].revents);
			if (got < 0)
				return got;
			more[i] = got;
			any |= got;
		}
	}
	return 0;
}

static int open_source(struct pub *pub, struct kecho_channel *ch)
{
	struct kecho_source_options opt = {
		.log_size = pub->log_size,
		/* 0 would mean the default. */
		.linger_ms = pub->linger_ns ? whole_ms(pub->linger_ns) : -1,
		.stall_ms = pub->stall_ns ? whole_ms(pub->stall_ns) : -1,
		.traffic_class = pub->class,
		.alive_ms = pub->alive_ms,
		.attrs = pub->attrs.attr,
		.nattrs = pub->attrs.n,
		.lifespan_ns = pub->lifespan_ns,
	};
	int err = kecho_source_open(ch, &opt, &pub->publisher.source);

	if (err) {
		complain("cannot become a source of '%s': %s", pub->channel, kecho_explain());
		return err;
	}
	err = pub->filter ? kecho_source_filter(pub->publisher.source, pub->filter) : 0;
	if (err) {
		complain("%s", kecho_explain());
		kecho_source_close(pub->publisher.source);
	}
	return err;
}

static int announce(struct pub *pub)
{
	int number = kecho_source_announce(pub->publisher.source, pub->typed.type);

	if (number < 0) {
		complain("cannot tell sinks of type '%s': %s", pub->typed.name, kecho_explain());
		return number;
	}
	pub->publisher.flags |= KECHO_TYPED(number);
	return 0;
}

/* Everything, as a source. */
static int run_source(struct pub *pub)
{
	int err = pub->typed.type ? announce(pub) : 0;

	if (!err)
		err = pub->from ? run_feeds(pub) : run_lines(pub);
	kecho_source_close(pub->publisher.source);
	return err;
}

static int run_channel(struct pub *pub, struct kecho *k)
{
	struct kecho_channel_options opt = { .retain = pub->retain };
	struct kecho_channel *ch;
	int err;

	err = open_channel(k, pub->channel, &opt, &ch);
	if (err)
		return err;
	if (pub->wait_sinks)
		err = members_wait(ch, KECHO_SINK, pub->wait_sinks);
	if (!err)
		err = open_source(pub, ch);
	if (!err)
		err = run_source(pub);
	kecho_channel_close(ch);
	return err == -EINTR && stopped() ? 0 : err;
}

static int pub_finish(struct pub *pub)
{
	if (!pub->publisher.refused)
		return EXIT_OK;
	complain("%" PRIu64 " events were dropped: a `block` sink was too slow",
		 pub->publisher.refused);
	return pub->strict ? EXIT_LOST : EXIT_OK;
}

static int pub_run(int argc, char **argv)
{
	struct pub pub = {
		.separator = '\n',
		.linger_ns = 2000000000u,
		.stall_ns = KECHO_STALL_MS_DEFAULT * UINT64_C(1000000),
		.feed.interval_ns = INTERVAL_DEFAULT_NS,
		.publisher.left = UINT64_MAX,
	};
	struct kecho *k;
	int code, err;

	code = parse(&pub, argc, argv);
	if (code)
		return code;
	pub.publisher.attrs = &pub.event_attrs;
	if (pub.out && expression(KECHO_FOR_OUT, pub.out, &pub.filter))
		return EXIT_USAGE;
	code = typed_open(&pub.typed);
	if (!code && pub.from)
		code = feeds_open(&pub.feeds, pub.from, &pub.feed);
	if (code) {
		kecho_filter_free(pub.filter);
		return code;
	}
	err = stop_init();
	if (!err)
		err = attach(&k);
	if (!err) {
		err = run_channel(&pub, k);
		kecho_close(k);
	}
	feeds_close(&pub.feeds);
	typed_close(&pub.typed);
	kecho_filter_free(pub.filter);
	return err ? EXIT_ERROR : pub_finish(&pub);
}

const struct verb verb_pub = {
	.name = "pub",
	.summary = "submit events: lines of stdin, or live events of this kernel",
	.help = help,
	.run = pub_run,
};
