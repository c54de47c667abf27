// SPDX-License-Identifier: MIT
/*
 * Two users: what one of them may do with what is the other's, by the rights of a channel,
 * and by the descriptors that it gets.
 */
#include "rights.h"

static struct kechod node;
static struct raw good;		/* root's process */
static int good_channel;

static int open_again(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	if (again >= 0)
		close(again);
	return again >= 0 ? 0 : -errno;
}

static int map_writable(int fd, size_t size)
{
	char path[32];
	void *p;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -EPERM;
	munmap(p, size);
	return 0;
}

/* In a process of another user: it gets logs and pages, and can write to none. */
static int cannot_write(void *arg)
{
	struct kecho_ctl_channel c = { .on = 0 };
	struct kecho_attach a = { .abi = 1 };
	struct raw_source *s = arg;
	struct raw_feed *f;
	struct raw r;
	int fd[3], ch;
	void *p;

	if (setgid(OTHER_UID) || setuid(OTHER_UID) || !raw_open(&r, &node))
		return 10;
	if (raw_call_fds(&r, KECHO_CMD_ATTACH, &a, sizeof(a), NULL, 0, fd, 3))
		return 11;
	r.gates = mmap(NULL, a.slots * KECHO_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0],
		       0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd[1], 0);
	if (p != MAP_FAILED || !open_again(fd[1], O_RDWR) || !ftruncate(fd[0], 0))
		return 12;
	ch = raw_channel(&r, "good");
	if (ch < 0 || raw_sink(&r, ch, KECHO_LATEST, 0) < 0)
		return 13;
	f = raw_feed(&r);
	if (!f || f->n.member != s->o.member)
		return 14;
	if (open_again(f->fd, O_RDWR) != -EACCES || open_again(f->fd, O_TRUNC) != -EACCES)
		return 17;
	if (!map_writable(f->fd, 4096) || write(f->fd, "x", 1) > 0 || !ftruncate(f->fd, 0))
		return 15;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, f->fd, 0);
	if (p == MAP_FAILED || !mprotect(p, 4096, PROT_READ | PROT_WRITE))
		return 16;
	c.channel = ch;
	if (raw_call_fds(&r, KECHO_CMD_LIVE, &c, sizeof(c), NULL, 0, fd, 1))
		return 18;
	p = mmap(NULL, KECHO_LIVE_SIZE, PROT_READ, MAP_SHARED, fd[0], 0);
	if (p == MAP_FAILED || !mprotect(p, 4096, PROT_READ | PROT_WRITE))
		return 19;
	return !map_writable(fd[0], 4096) || !open_again(fd[0], O_RDWR) ||
	       !open_again(fd[0], O_TRUNC) || !ftruncate(fd[0], 0) ? 20 : 0;
}

TEST(pages)
{
	struct raw_source s;

	must(own_network(), "a network");
	if (geteuid())
		skip("only root can be two users");
	must(daemon_start(&node, NULL) && comes_true(daemon_answers(&node)), "kechod");
	must(raw_open(&good, &node) && !raw_attach(&good), "a process");
	good_channel = raw_channel(&good, "good");
	must(!raw_source(&good, good_channel, &s), "somebody's source");
	is_eq(ends(spawn(cannot_write, &s)), 0, "nothing of it can be written to");
	is_eq(map_writable(s.fd, 4096), -EPERM, "nor once more by its own process");
	is_eq(raw_source_close(&good, &s, 0), 0, "closed");
	raw_source_free(&s);
	raw_close(&good);
	is_eq(daemon_stop(&node), 0, "it stops");
}

TEST(rights)
{
	static const char *const options[] = { "block=owner", NULL };
	struct kechod other = { 0 };
	struct raw r;
	int secret;

	must(own_network(), "a network");
	if (geteuid())
		skip("only root can be two users");
	must(daemon_start(&other, options) && comes_true(daemon_answers(&other)), "kechod");
	must(raw_open(&r, &other) && !raw_attach(&r), "a process");
	secret = make_channels(&r);
	ok(secret > 0, "channels");
	is_eq(set_mode(&r, secret), -EPERM, "rights are not set as other attributes");
	is_eq(ends(spawn(has_rights, &other)), 0, "another user's rights");
	raw_close(&r);
	is_eq(daemon_stop(&other), 0, "it stops");
}

TESTS(rights, pages, rights);
