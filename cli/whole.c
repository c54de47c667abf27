/* SPDX-License-Identifier: MIT */
/*
 * Options, opening and exit codes of the verbs on a whole channel.
 */
#include <errno.h>
#include <getopt.h>

#include "args.h"
#include "json.h"
#include "out.h"
#include "stop.h"
#include "whole.h"

#define TIMEOUT_DEFAULT_NS	10000000000u
#define TIMEOUT_MAX_NS		3600000000000u

enum { OPT_TIMEOUT = 256, OPT_FOR };

/* --for is first: a verb without it begins behind it. */
static const struct option options[] = {
	{ "for", required_argument, NULL, OPT_FOR },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int whole_parse(struct whole *w, int argc, char **argv, bool has_for)
{
	int opt, code = 0;

	*w = (struct whole){ .timeout_ns = TIMEOUT_DEFAULT_NS, .for_ns = FOREVER_NS };
	while (!code && (opt = getopt_long(argc, argv, "jh", options + !has_for, NULL)) != -1) {
		switch (opt) {
		case OPT_TIMEOUT:
			code = arg_duration("--timeout", optarg, &w->timeout_ns);
			if (!code && w->timeout_ns > TIMEOUT_MAX_NS)
				code = usage_error("--timeout: '%s' is over an hour", optarg);
			break;
		case OPT_FOR:
			code = arg_duration("--for", optarg, &w->for_ns);
			break;
		case 'j':
			w->json = true;
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	if (code)
		return code;
	w->channel = channel_operand(argc, argv, optind);
	return w->channel ? 0 : EXIT_USAGE;
}

int whole_open(struct whole *w)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	int err = stop_init();

	if (!err)
		err = attach(&w->k);
	if (!err)
		err = open_channel(w->k, w->channel, &opt, &w->ch);
	if (err) {
		kecho_close(w->k);
		w->k = NULL;
	}
	return err;
}

int whole_close(struct whole *w, int err)
{
	if (!w->k)		/* it was not opened, and said so */
		return out_end(EXIT_ERROR);
	if (err)
		complain("%s", kecho_explain());
	kecho_close(w->k);
	return out_end(!err ? EXIT_OK : err == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_ERROR);
}

int whole_tell(const struct whole *w, const char *what)
{
	struct json j = { .b = &out };

	if (w->json) {
		json_object(&j);
		json_str(&j, "event", what);
		json_str(&j, "channel", w->channel);
		json_object_end(&j);
		buf_char(&out, '\n');
	} else {
		buf_format(&out, "%s is %s\n", w->channel, what);
	}
	return out_idle();
}

int whole_run(int argc, char **argv, whole_call *call, const char *done)
{
	struct whole w;
	int code = whole_parse(&w, argc, argv, false), err;

	if (code)
		return code;
	err = whole_open(&w);
	if (!err)
		err = call(w.ch, whole_ms(w.timeout_ns));
	if (!err)
		whole_tell(&w, done);
	return whole_close(&w, err);
}
