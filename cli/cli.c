/* SPDX-License-Identifier: MIT */
/*
 * How verbs complain, explain themselves, attach and open channels.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"

#define COMPLAINT_MAX	1024	/* bytes of one line on stderr */

static char speaker[32] = "kecho";
static const struct verb *speaking_verb;
static void (*listener)(const char *line);

const char help_environment[] =
	"\n"
	"Environment:\n"
	"  KECHO           kernel, daemon: attach to kecho.ko, to kechod, only;\n"
	"                  embedded: be a node, only\n"
	"                  (default: kechod, if it runs and neither KECHO_LISTEN nor\n"
	"                  KECHO_REGISTRY is set)\n"
	"  KECHO_SOCKET    kechod's socket (default: /run/kecho/kechod.sock)\n"
	"  KECHO_LISTEN    ADDR[:PORT] of this host where other hosts reach this node\n"
	"                  by TCP (default: none, only this host does)\n"
	"  KECHO_ADVERTISE ADDR[:PORT] where others reach that, if it is another one\n"
	"  KECHO_REGISTRY  ADDR:PORT of the registry of channels (default: one per user\n"
	"                  and network namespace, served by the user's first node)\n"
	"  KECHO_NODE      name of this node (default: the host's name)\n";

void complain_as(char **argv, const struct verb *v)
{
	snprintf(speaker, sizeof(speaker), "kecho %s", v->name);
	speaking_verb = v;
	/* getopt_long() begins its messages with argv[0]. */
	argv[0] = speaker;
}

static void vcomplain(const char *fmt, va_list ap)
{
	char line[COMPLAINT_MAX];
	int saved = errno, n, room;
	ssize_t written;

	n = snprintf(line, sizeof(line), "%s: ", speaker);
	room = (int)sizeof(line) - n - 2;
	errno = saved;
	n += vsnprintf(line + n, room, fmt, ap);
	if (n > (int)sizeof(line) - 3)
		n = sizeof(line) - 3;
	line[n++] = '\n';
	line[n] = '\0';
	if (listener) {
		listener(line);
		errno = saved;
		return;
	}
	/* One write, so lines of several processes do not mix. */
	written = write(STDERR_FILENO, line, n);
	(void)written;
	errno = saved;
}

void complain_with(void (*say)(const char *line))
{
	listener = say;
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vcomplain(fmt, ap);
	va_end(ap);
}

int usage_hint(void)
{
	const char *name = speaking_verb ? speaking_verb->name : NULL;

	fprintf(stderr, "Try 'kecho help%s%s'.\n", name ? " " : "", name ? name : "");
	return EXIT_USAGE;
}

int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vcomplain(fmt, ap);
	va_end(ap);
	return usage_hint();
}

int run_verb(const struct verb *v, int argc, char **argv)
{
	int code;

	/* A reader of stdout that goes away must not make this member fail: it leaves. */
	signal(SIGPIPE, SIG_IGN);
	complain_as(argv, v);
	code = v->run(argc, argv);
	return code == EXIT_HELP ? print_help(v) : code;
}

int print_help(const struct verb *v)
{
	out_text(v->help);
	out_text(help_environment);
	return out_end(EXIT_OK);
}

int attach(struct kecho **k)
{
	int err = kecho_open(k, NULL);

	if (err)
		complain("cannot attach: %s", kecho_explain());
	return err;
}

int open_channel(struct kecho *k, const char *name, const struct kecho_channel_options *opt,
		 struct kecho_channel **ch)
{
	int err = kecho_channel_open(k, name, opt, ch);

	if (err)
		complain("cannot open channel '%s': %s", name, kecho_explain());
	return err;
}

const char *channel_operand(int argc, char **argv, int first)
{
	if (argc - first < 1)
		usage_error("which channel?");
	else if (argc - first > 1)
		usage_error("one channel, not also '%s'", argv[first + 1]);
	else
		return argv[first];
	return NULL;
}
