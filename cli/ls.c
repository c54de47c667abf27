/* SPDX-License-Identifier: MIT */
/*
 * kecho ls: which channels there are, or who is in one.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "channels.h"
#include "cli.h"
#include "format.h"
#include "json.h"
#include "links.h"
#include "members.h"
#include "out.h"
#include "stop.h"

#define INTERVAL_DEFAULT_NS	1000000000u
#define INTERVAL_MIN_NS		10000000u

static const char help[] =
	"Usage: kecho ls [OPTION...] [CHANNEL]\n"
	"\n"
	"Without CHANNEL: the channels that the registry knows. With it: its members, with\n"
	"role, node, policy (of a source its class, if it is urgent or bulk), and attributes\n"
	"by name; nodes of it that cannot be reached are named on stderr.\n"
	"A channel that claims the name of the one before it in the list has '!' for its\n"
	"contacts: a partition made two of one, and who opens the name gets the first.\n"
	"\n"
	"Options:\n"
	"  -A, --attrs LIST      these attributes of each member (names, with commas);\n"
	"                        node.NAME is the attribute NAME of its node\n"
	"  -j, --json            JSON: an array; with --watch one object per change\n"
	"  -w, --watch           go on and tell each change until stopped\n"
	"      --interval TIME   how often --watch asks the registry (default 1s); members\n"
	"                        are told at once\n"
	"  -h, --help            this\n"
	"\n"
	"Examples:\n"
	"  kecho ls\n"
	"  kecho ls --attrs zone,node.load news\n"
	"  kecho ls --watch --json news\n"
	"\n"
	"Exit codes: 0 done or stopped by a signal, 1 error (such as no such channel),\n"
	"2 usage, 141 nobody reads stdout.\n";

enum { OPT_INTERVAL = 256 };

static const struct option options[] = {
	{ "attrs", required_argument, NULL, 'A' },
	{ "json", no_argument, NULL, 'j' },
	{ "watch", no_argument, NULL, 'w' },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct ls {
	const char *channel;		/* NULL: list channels */
	bool json, watch;
	uint64_t interval_ns;
	struct names attrs;
};

static int parse(struct ls *ls, int argc, char **argv)
{
	int opt, code = 0;

	while (!code && (opt = getopt_long(argc, argv, "A:jwh", options, NULL)) != -1) {
		switch (opt) {
		case 'A':
			code = arg_names("--attrs", optarg, &ls->attrs);
			break;
		case 'j':
			ls->json = true;
			break;
		case 'w':
			ls->watch = true;
			break;
		case OPT_INTERVAL:
			code = arg_duration("--interval", optarg, &ls->interval_ns);
			if (!code && ls->interval_ns < INTERVAL_MIN_NS)
				code = usage_error("--interval: '%s' is under 10ms", optarg);
			break;
		case 'h':
			return EXIT_HELP;
		default:
			code = usage_hint();
		}
	}
	if (code || optind == argc)
		return code;
	ls->channel = channel_operand(argc, argv, optind);
	return ls->channel ? 0 : EXIT_USAGE;
}

/* ------------------------------------------------------------------ channels */

static void channel_json(struct json *j, const struct kecho_channel_info *c, const char *change)
{
	char uuid[UUID_TEXT];

	json_object(j);
	if (change)
		json_str(j, "event", change);
	json_str(j, "channel", c->name);
	json_str(j, "uuid", uuid_text(uuid, c->uuid));
	json_u64(j, "contacts", c->contacts);
	if (c->other)
		json_bool(j, "other", true);
	json_object_end(j);
}

static void channel_line(const struct kecho_channel_info *c)
{
	char uuid[UUID_TEXT], contacts[16];

	snprintf(contacts, sizeof(contacts), "%u", c->contacts);
	buf_format(&out, "%-32s %8s  %s\n", c->name, c->other ? "!" : contacts,
		   uuid_text(uuid, c->uuid));
}

static void list_channels(const struct ls *ls, const struct channels *cs)
{
	struct json j = { .b = &out };

	if (!ls->json) {
		buf_format(&out, "%-32s %8s  %s\n", "CHANNEL", "CONTACTS", "UUID");
		for (size_t i = 0; i < cs->n; i++)
			channel_line(&cs->c[i]);
		return;
	}
	json_array(&j);
	for (size_t i = 0; i < cs->n; i++)
		channel_json(&j, &cs->c[i], NULL);
	json_array_end(&j);
	buf_char(&out, '\n');
}

static void tell_channel(const struct ls *ls, const struct kecho_channel_info *c,
			 const char *change)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];

	if (ls->json) {
		channel_json(&j, c, change);
		buf_char(&out, '\n');
	} else {
		buf_format(&out, "%s %-6s %s%s\n", format_clock(time, real_ns()), change, c->name,
			   c->other ? " (another channel of this name)" : "");
	}
}

/* Both are sorted by uuid: what is only in one of them is a change. */
static void tell_changes(const struct ls *ls, const struct channels *was,
			 const struct channels *is)
{
	size_t a = 0, b = 0;
	int order;

	while (a < was->n || b < is->n) {
		if (a == was->n)
			order = 1;
		else if (b == is->n)
			order = -1;
		else
			order = memcmp(was->c[a].uuid, is->c[b].uuid, sizeof(is->c[b].uuid));
		if (order < 0)
			tell_channel(ls, &was->c[a], "gone");
		else if (order > 0)
			tell_channel(ls, &is->c[b], "new");
		a += order <= 0;
		b += order >= 0;
	}
}

static int watch_channels(const struct ls *ls, struct kecho *k)
{
	struct channels was = { 0 }, is;
	uint64_t next = now_ns();
	int err;

	do {
		err = channels_get(k, &is);
		if (err)
			break;
		qsort(is.c, is.n, sizeof(*is.c), compare_uuids);
		tell_changes(ls, &was, &is);
		channels_free(&was);
		was = is;
		err = out_idle();
		next += ls->interval_ns;
	} while (!err && !stop_wait_until(next));
	channels_free(&was);
	return err;
}

static int run_registry(const struct ls *ls, struct kecho *k)
{
	struct channels cs;
	int err;

	if (ls->watch)
		return watch_channels(ls, k);
	err = channels_get(k, &cs);
	if (err)
		return err;
	qsort(cs.c, cs.n, sizeof(*cs.c), compare_names);
	list_channels(ls, &cs);
	channels_free(&cs);
	return 0;
}

/* ------------------------------------------------------------------- members */

static void member_line(const struct ls *ls, struct kecho_channel *ch,
			const struct kecho_member *m)
{
	char node[KECHO_ATTR_VALUE_MAX + 1];

	buf_format(&out, "%016" PRIx64 " %-6s %-10s %-6s %s", m->id, role_name(m->role),
		   m->role == KECHO_SINK ? policy_name(m->policy) :
		   m->traffic_class	 ? class_name(m->traffic_class) :
					   "-",
		   m->remote ? "remote" : "local",
		   member_node_name(ch, m->id, node, sizeof(node)));
	member_attrs_text(&out, ch, m->id, &ls->attrs);
}

static int list_members(const struct ls *ls, struct kecho_channel *ch)
{
	struct json j = { .b = &out };
	struct kecho_member *m;
	ssize_t n = members_now(ch, &m);

	if (n < 0) {
		complain("cannot list the members of '%s': %s", ls->channel, kecho_explain());
		return (int)n;
	}
	if (ls->json)
		json_array(&j);
	else
		buf_format(&out, "%-16s %-6s %-10s %-6s %s\n", "MEMBER", "ROLE", "POLICY", "HOST",
			   "NODE");
	for (ssize_t i = 0; i < n; i++) {
		if (m[i].state != KECHO_JOINED)
			continue;
		if (ls->json) {
			json_object(&j);
			member_json(&j, ch, &m[i], &ls->attrs);
			json_object_end(&j);
		} else {
			member_line(ls, ch, &m[i]);
			buf_char(&out, '\n');
		}
	}
	if (ls->json) {
		json_array_end(&j);
		buf_char(&out, '\n');
	}
	free(m);
	return 0;
}

static void tell_member(const struct ls *ls, struct kecho_channel *ch,
			const struct kecho_member *m)
{
	struct json j = { .b = &out };
	char time[FORMAT_MAX];

	if (ls->json) {
		json_object(&j);
		json_str(&j, "event", state_name(m->state));
		member_json(&j, ch, m, &ls->attrs);
		json_object_end(&j);
	} else {
		buf_format(&out, "%s %-6s ", format_clock(time, real_ns()), state_name(m->state));
		member_line(ls, ch, m);
	}
	buf_char(&out, '\n');
}

static int watch_members(const struct ls *ls, struct kecho_channel *ch)
{
	struct kecho_member m;
	struct roster *r;
	int err = roster_open(ch, &r);

	if (err)
		return err;
	while (!err && !stopped()) {
		struct pollfd fds[] = {
			{ .fd = roster_fd(r), .events = POLLIN },
			{ .fd = stop_fd(), .events = POLLIN },
			/* No events asked for: only that nobody reads any more. */
			{ .fd = STDOUT_FILENO },
		};

		while (roster_next(r, &m))
			tell_member(ls, ch, &m);
		err = out_idle();
		if (!err)
			poll(fds, 3, -1);
		if (fds[2].revents & (POLLERR | POLLHUP)) {
			out_gone();
			break;
		}
	}
	roster_close(r);
	return err;
}

static int run_channel(const struct ls *ls, struct kecho *k)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	struct kecho_channel *ch;
	int err = open_channel(k, ls->channel, &opt, &ch);

	if (err)
		return err;
	err = links_complain(k);
	if (!err)
		err = ls->watch ? watch_members(ls, ch) : list_members(ls, ch);
	kecho_channel_close(ch);
	return err;
}

static int ls_run(int argc, char **argv)
{
	struct ls ls = { .interval_ns = INTERVAL_DEFAULT_NS };
	struct kecho *k;
	int code = parse(&ls, argc, argv), err;

	if (code)
		return code;
	err = stop_init();
	if (!err)
		err = attach(&k);
	if (!err) {
		err = ls.channel ? run_channel(&ls, k) : run_registry(&ls, k);
		kecho_close(k);
	}
	return out_end(err ? EXIT_ERROR : EXIT_OK);
}

const struct verb verb_ls = {
	.name = "ls",
	.summary = "which channels there are, or who is in one",
	.help = help,
	.run = ls_run,
};
