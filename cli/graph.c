/* SPDX-License-Identifier: MIT */
/*
 * kecho graph: a picture of nodes, channels and members. It is DOT; graphviz's dot, which
 * need not be there otherwise, makes SVG of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"
#include "dot.h"
#include "out.h"
#include "stop.h"

#define INTERVAL_DEFAULT_NS	1000000000u
#define TIMEOUT_NS		1000000000u

extern char **environ;

static const char help[] =
	"Usage: kecho graph [OPTION...] [CHANNEL...]\n"
	"\n"
	"A picture of each CHANNEL, or of every channel of the registry: nodes with their\n"
	"members, channels between sources and sinks, rates and losses, and the links of\n"
	"this node with their round trips; in graphviz's language DOT, or as SVG.\n"
	"\n"
	"Options:\n"
	"      --dot             DOT (the default)\n"
	"      --svg             SVG, made by graphviz's dot, which must be installed\n"
	"      --interval TIME   rates are over this time (default 1s; 0: no rates)\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho graph --svg >kecho.svg\n"
	"  kecho graph --interval 0 news weather\n"
	"\n"
	"Exit codes: 0 done, 1 error (such as no such channel, or no dot), 2 usage,\n"
	"141 nobody reads stdout.\n";

enum { OPT_DOT = 256, OPT_SVG, OPT_INTERVAL };

static const struct option options[] = {
	{ "dot", no_argument, NULL, OPT_DOT },
	{ "svg", no_argument, NULL, OPT_SVG },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct graph {
	bool svg;
	uint64_t interval_ns;
	struct sight s;
};

static int parse(struct graph *g, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case OPT_DOT:
		case OPT_SVG:
			g->svg = opt == OPT_SVG;
			break;
		case OPT_INTERVAL:
			code = arg_duration("--interval", optarg, &g->interval_ns);
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	g->s.names = argv + optind;
	g->s.nnames = argc - optind;
	return code;
}

/* ----------------------------------------------------------------------- SVG */

static int no_dot(int err)
{
	if (err == ENOENT)
		complain("--svg: there is no program 'dot': it is in the package graphviz");
	else
		complain("--svg: cannot run 'dot': %s", strerror(err));
	return -err;
}

/* dot is to end by SIGPIPE as others do, though we ignore it. */
static int spawn_dot(pid_t *pid, int from)
{
	char *argv[] = { (char *)"dot", (char *)"-Tsvg", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t sigs;
	int err;

	sigemptyset(&sigs);
	sigaddset(&sigs, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &sigs);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	err = posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
	if (!err)
		err = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return err;
}

/* What it reads is to be written to *to; what it makes goes to stdout. */
static int start_dot(pid_t *pid, int *to)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return no_dot(errno);
	err = spawn_dot(pid, ends[0]);
	close(ends[0]);
	if (err) {
		close(ends[1]);
		return no_dot(err);
	}
	*to = ends[1];
	return 0;
}

/* If dot ends early its exit code says more than our EPIPE. */
static void feed(int fd, const struct buf *b)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = write(fd, b->p + done, b->len - done);
		if (n >= 0)
			done += n;
		else if (errno != EINTR)
			break;
	}
	close(fd);
}

static int draw_svg(const struct buf *b)
{
	int to = -1, status, err;
	pid_t pid;

	err = start_dot(&pid, &to);
	if (err)
		return err;
	feed(to, b);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return no_dot(errno);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status))
		complain("--svg: dot failed with exit code %d", WEXITSTATUS(status));
	else
		complain("--svg: dot was ended by signal %d", WTERMSIG(status));
	return -EIO;
}

/* ------------------------------------------------------------------- the verb */

static int draw(const struct graph *g)
{
	int err = 0;

	dot_graph(&out, &g->s, g->interval_ns);
	if (g->svg) {
		err = draw_svg(&out);
		buf_reset(&out);
	}
	return err;
}

static int look(struct graph *g)
{
	int err = sight_begin(&g->s);

	if (err || !g->interval_ns)
		return err;
	if (!stop_wait_until(now_ns() + g->interval_ns))
		return sight_take(&g->s);
	complain("stopped before there was a picture");
	return -EINTR;
}

static int graph_run(int argc, char **argv)
{
	struct graph g = { .interval_ns = INTERVAL_DEFAULT_NS, .s.timeout_ns = TIMEOUT_NS };
	int code = parse(&g, argc, argv), err;

	if (code)
		return code;
	err = stop_init();
	if (!err)
		err = attach(&g.s.k);
	if (!err) {
		err = look(&g) ?: draw(&g);
		sight_end(&g.s);
		kecho_close(g.s.k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

const struct verb verb_graph = {
	.name = "graph",
	.summary = "a picture of nodes, channels and members, as DOT or SVG",
	.help = help,
	.run = graph_run,
};
