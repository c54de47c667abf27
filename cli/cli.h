/* SPDX-License-Identifier: MIT */
/*
 * What every verb of the command `kecho` shares: the table of verbs, the exit
 * codes, and how errors are said.
 *
 * A verb parses its own options, attaches, does its work until it is done or
 * stopped, closes what it opened, and returns an exit code. Only main() exits.
 */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>

#include <kecho/kecho.h>

enum exit_code {
	EXIT_HELP = -1,		/* of a verb: main() is to print its help */
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_LOST = 3,		/* events were lost, and --strict was given */
	EXIT_TIMEOUT = 4,
	EXIT_CLOSED_PIPE = 141,	/* what a shell says of a command ended by SIGPIPE */
};

struct verb {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);	/* NULL: it is a program of its own */
};

extern const struct verb verb_pub, verb_sub, verb_ls, verb_stat, verb_ping, verb_perf;
extern const struct verb verb_freeze, verb_drain, verb_destroy, verb_node;
extern const struct verb verb_tap, verb_record, verb_replay, verb_graph, verb_type;
extern const struct verb verb_filter;

/* What every verb's help ends with. */
extern const char help_environment[];

/* Names the running verb in what complain() and getopt_long() say. */
void complain_as(char **argv, const struct verb *v);

/* One line on stderr: "kecho VERB: …". Keeps errno. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, and where the help is; returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Complaints of the running verb go to @say, with their line end; NULL: to stderr again. */
void complain_with(void (*say)(const char *line));

/* getopt_long() has complained already: say where the help is; EXIT_USAGE. */
int usage_hint(void);

/* All that main() of a verb's own program has to do: its exit code. */
int run_verb(const struct verb *v, int argc, char **argv);

/* Prints the help of the running verb; returns EXIT_OK. */
int print_help(const struct verb *v);

/* Attach, or say why not. Returns 0 or -errno. */
int attach(struct kecho **k);

/* Open a channel, or say why not. @opt may be NULL. Returns 0 or -errno. */
int open_channel(struct kecho *k, const char *name, const struct kecho_channel_options *opt,
		 struct kecho_channel **ch);

/* The one operand of a verb that needs exactly one; NULL after complaining. */
const char *channel_operand(int argc, char **argv, int optind);

#endif
