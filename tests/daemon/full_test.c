// SPDX-License-Identifier: MIT
/*
 * A run directory that is full: who needs more of it is told so, and which directory that
 * is; all others, and the link to the other host, are none the worse.
 */
#include "raw.h"

#include <sys/mount.h>

#define RUN_SIZE "size=512k"

static struct kechod node[2];	/* the second's run directory is small */
static struct raw a, b;		/* a process of each */
static int ca, cb;
static char fill[96];

static bool small_directory(struct kechod *d)
{
	strcpy(d->dir, "/tmp/kechod-XXXXXX");
	return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       mkdtemp(d->dir) && !mount("kecho", d->dir, "tmpfs", 0, RUN_SIZE) &&
	       !chmod(d->dir, 0755);
}

static bool open_both(const char *name)
{
	ca = raw_channel(&a, name);
	cb = raw_channel(&b, name);
	return ca > 0 && cb > 0;
}

static bool begin(void)
{
	static const char *const options[2][4] = {
		{ "listen=127.0.0.1:7391", "registry=" REGISTRY, "name=one" },
		{ "listen=127.0.0.2:7391", "registry=" REGISTRY, "name=two" },
	};
	int i;

	if (!own_network() || !small_directory(&node[1]))
		return false;
	for (i = 0; i < 2; i++)
		if (!daemon_start(&node[i], options[i]) || !comes_true(daemon_answers(&node[i])))
			return false;
	snprintf(fill, sizeof(fill), "%s/fill", node[1].dir);
	return raw_open(&a, &node[0]) && raw_open(&b, &node[1]) && !raw_attach(&a) &&
	       !raw_attach(&b);
}

/* Takes all that is left there. */
static void fill_up(void)
{
	static const u8 page[4096];
	int fd = open(fill, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (fd >= 0 && write(fd, page, sizeof(page)) == (ssize_t)sizeof(page))
		;
	ok(fd >= 0 && errno == ENOSPC, "the directory is full");
	close(fd);
}

/* Is there a link, and has it stood from the first? */
static bool link_stands(void)
{
	struct kecho_ctl_link l;

	return raw_link(&b, &l) && l.up && !l.resumed;
}

/* @m has a sentence at @at: it says what has no room. */
static bool says_where(const struct raw_msg *m, u32 at)
{
	char why[256] = "";

	if (!m || m->len <= at || m->len - at >= sizeof(why))
		return false;
	memcpy(why, (u8 *)m->body + at, m->len - at);
	return strstr(why, node[1].dir);
}

/* @sink ends, which was there before the log that it cannot have. */
static void sink_ends(int sink)
{
	struct raw_msg *m = raw_note(&b, KECHO_NOTE_SINK_END, SAID_MS);
	struct kecho_note_end *n = m ? (void *)m->body : NULL;

	must(n, "it is told");
	is_eq(n->handle, sink, "the sink");
	is_eq((s32)n->error, -ENOSPC, "has no room");
	ok(says_where(m, sizeof(*n)), "there");
	raw_free(m);
}

static void is_refused(struct raw *r, u32 cmd, const void *body, u32 len, const char *what)
{
	struct raw_msg *m;

	must(!raw_send(r, cmd, body, len, NULL, 0), "%s", what);
	m = raw_answer(r, r->serial);
	ok(m && m->result == -ENOSPC && says_where(m, 0), "%s is refused, and told where", what);
	raw_free(m);
}

static void sink_refused(u32 policy, u32 from)
{
	struct kecho_ctl_sink_open o = { .channel = cb, .policy = policy, .retained = from };

	is_refused(&b, KECHO_CMD_SINK_OPEN, &o, sizeof(o), "a sink");
}

static void attach_refused(void)
{
	struct kecho_attach at = { .abi = KECHO_NODE_ABI };
	struct raw r;

	must(raw_open(&r, &node[1]), "one more process");
	is_refused(&r, KECHO_CMD_ATTACH, &at, sizeof(at), "a process");
	raw_close(&r);
}

TEST(full)
{
	struct raw_source s, more;
	struct raw_feed *f, *g;
	int sink;

	if (geteuid())
		skip("only root can mount");
	must(begin() && open_both("before"), "two hosts");
	must(!raw_source(&a, ca, &s), "a source");
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW) > 0, "a sink over there");
	f = raw_feed(&b);
	must(f, "its mirror is made");
	fill_up();
	must(open_both("after"), "another channel");
	sink = raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW);
	must(sink > 0 && !raw_source(&a, ca, &more), "a sink, and a source over there");
	sink_ends(sink);
	sink_refused(KECHO_BLOCK, KECHO_FROM_NOW);
	sink_refused(KECHO_LATEST, KECHO_FROM_RETAINED);
	attach_refused();
	is_eq(raw_publish(&a, &more, 10), 0, "nobody holds the source up");
	is_eq(raw_publish(&a, &s, 10), 0, "the other goes on");
	raw_source_close(&a, &s, SAID_MS);
	ok(comes_true(raw_read(&b, f) == 1), "and is read");
	is_eq(f->bad + f->lost, 0, "as it was");
	ok(link_stands(), "the link has stood");
	unlink(fill);
	ok(raw_sink(&b, cb, KECHO_BLOCK, KECHO_FROM_NOW) > 0, "with room there is a sink");
	g = raw_feed(&b);
	must(g, "and its mirror");
	is_eq(raw_publish(&a, &more, 10), 0, "its source");
	is_eq(raw_source_close(&a, &more, SAID_MS), 0, "closes");
	ok(comes_true(raw_read(&b, g) == 1), "all comes");
	ok(link_stands(), "over the same link");
	raw_feed_free(f);
	raw_feed_free(g);
	raw_source_free(&s);
	raw_source_free(&more);
}

TEST(stops)
{
	if (geteuid())
		skip("only root can mount");
	raw_close(&a);
	raw_close(&b);
	is_eq(daemon_stop(&node[1]), 0, "the second stops");
	is_eq(daemon_stop(&node[0]), 0, "the first stops");
	ok(!umount(node[1].dir) && !rmdir(node[1].dir), "its directory goes");
}

TESTS(full, full, stops);
