// SPDX-License-Identifier: MIT
/*
 * What users may do at the kernel's node, in and out of user namespaces, by the mode of a
 * channel.
 */
#include "guest.h"
#include "../daemon/rights.h"

enum { STRANGER_UID = 61235 };

/* A user namespace with one user, who is its root, and OTHER_UID outside. */
static bool be_root_there(int flags)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %d 1", OTHER_UID);
	return !setgroups(0, NULL) && !setgid(OTHER_UID) && !setuid(OTHER_UID) &&
	       !prctl(PR_SET_DUMPABLE, 1) && !unshare(CLONE_NEWUSER | flags) &&
	       write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", map) && write_file("/proc/self/gid_map", map);
}

/* He is nobody else for a node outside. */
static int inside(void *arg)
{
	return be_root_there(0) ? use_rights(arg) : 10;
}

/* In a network namespace of his own he may do everything, which shows nowhere else. */
static int own_node(void *arg)
{
	struct kecho_ctl_attr a = { .what = KECHO_OF_NODE, .attrs_len = 6 };
	struct raw r;
	int secret;

	if (!be_root_there(CLONE_NEWNET))
		return 10;
	if (!raw_open(arg, NULL) || raw_attach(arg))
		return 11;
	secret = make_channels(arg);
	if (secret < 0 || set_mode(arg, secret) != -EPERM)
		return 12;
	if (raw_call_fds(arg, KECHO_CMD_SET, &a, sizeof(a), "\2\1\1\0nx", 6, NULL, 0))
		return 13;
	return raw_open(&r, NULL) && !raw_attach(&r) && raw_channel(&r, "secret") > 0 ? 0 : 14;
}

/* Somebody from outside, who has no number there. */
static int stranger(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	char path[32];
	struct raw r;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) || setgroups(0, NULL) || setgid(STRANGER_UID) ||
	    setuid(STRANGER_UID))
		return 10;
	if (!raw_open(&r, NULL) || raw_attach(&r))
		return 11;
	if (raw_channel(&r, "secret") != -EACCES)
		return 12;
	/* What is his he may share with all who have no number. */
	return raw_channel_mode(&r, "mine", 0600) == -EACCES ? 0 : 13;
}

struct host {
	struct raw r;
	bool up, stop;
};

static int keep_node(void *arg)
{
	struct host *h = arg;
	int err = own_node(&h->r);

	WRITE_ONCE(h->up, true);
	while (!err && !READ_ONCE(h->stop))
		sleep_us(STEP_US);
	return err;
}

#define OWNERS_BLOCK()								\
	do {									\
		IN_GUEST();							\
		must(!unshare(CLONE_NEWNET), "a network");			\
		must(write_file("/proc/sys/net/kecho/block", "owner"), "a setting"); \
	} while (0)

TEST(users)
{
	struct raw r;
	int secret;

	OWNERS_BLOCK();
	must(raw_open(&r, NULL) && !raw_attach(&r), "a process");
	secret = make_channels(&r);
	ok(secret > 0, "channels");
	is_eq(set_mode(&r, secret), -EPERM, "rights are not set as other attributes");
	is_eq(ends(spawn(has_rights, NULL)), 0, "another user's rights");
	is_eq(ends(spawn(inside, NULL)), 0, "as root of a user namespace");
	raw_close(&r);
}

TEST(namespaces)
{
	struct host *h = shared(sizeof(*h));
	pid_t pid;

	OWNERS_BLOCK();
	must(h, "memory");
	pid = spawn(keep_node, h);
	ok(comes_true(READ_ONCE(h->up)), "a node of its own");
	is_eq(ends(spawn(stranger, &pid)), 0, "a user that it does not know");
	WRITE_ONCE(h->stop, true);
	is_eq(ends(pid), 0, "its root may do everything there");
}

TESTS(kernel_rights, users, namespaces);
