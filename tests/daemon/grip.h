/* SPDX-License-Identifier: MIT */
/*
 * What a user tries with each descriptor that it is given, to write where it may not.
 */
#ifndef KECHO_GRIP_H
#define KECHO_GRIP_H

#include "tally.h"

/* Any of these would do; what the kernel lets through is named. NULL: nothing. */
static inline const char *can_map(int fd, size_t size)
{
	const char *can = NULL;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		return "mmap";
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return "not even read";
	if (!mprotect(p, size, PROT_READ | PROT_WRITE))
		can = "mprotect";
	else if (!madvise(p, size, MADV_REMOVE))
		can = "madvise";
	munmap(p, size);
	return can;
}

static inline const char *can_resize(int fd, size_t size)
{
	if (!ftruncate(fd, 0) || !ftruncate(fd, size / 2))
		return "shrink it";
	if (!ftruncate(fd, 2 * size))
		return "grow it";
	return NULL;
}

static inline const char *can_write(int fd, size_t size)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_SHRINK,
				     F_SEAL_GROW, F_SEAL_SEAL };
	u64 word = 0;
	size_t i;

	if (write(fd, &word, sizeof(word)) > 0 || pwrite(fd, &word, sizeof(word), 128) > 0)
		return "write";
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
		return "punch a hole";
	for (i = 0; i < ARRAY_SIZE(seals); i++)
		if (!fcntl(fd, F_ADD_SEALS, seals[i]))
			return "seal";
	return can_resize(fd, size);
}

static inline const char *can_own(int fd)
{
	return !fchmod(fd, 0666) || !fchown(fd, geteuid(), -1) ? "make it its own" : NULL;
}

/* Opens it again by its name under /proc. */
static inline const char *can_reopen(int fd)
{
	static const int how[] = { O_RDWR, O_WRONLY, O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC,
				   O_WRONLY | O_APPEND };
	char path[32];
	size_t i;
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		again = open(path, how[i] | O_CLOEXEC);
		if (again < 0)
			continue;
		close(again);
		return "open it again";
	}
	if (!linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/kecho-linked", AT_SYMLINK_FOLLOW)) {
		unlink("/tmp/kecho-linked");
		return "link it";
	}
	return NULL;
}

/* Or opens what is sealed, which helps nobody. */
static inline const char *can_write_reopened(int fd, size_t size)
{
	const char *can = NULL;
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		can = can_map(again, size) ?: can_write(again, size);
		close(again);
	}
	return can;
}

/* A log or page that is another's to write; @sealed: else its file is, too. */
static inline void read_only(int fd, size_t size, enum kind k, bool sealed)
{
	const char *can = can_map(fd, size) ?: can_write(fd, size);

	if (!can)
		can = sealed ? can_write_reopened(fd, size) : can_own(fd) ?: can_reopen(fd);

	if (can)
		wrong("%s: user %u can %s", kind_text[k], geteuid(), can);
	count(k);
}

/* One that this user may write, but whose memory others rely on. */
static inline void sized(int fd, size_t size, enum kind k)
{
	const char *can = can_resize(fd, size);

	if (!can && !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE))
		can = "seal it";
	if (can)
		wrong("%s: user %u can %s", kind_text[k], geteuid(), can);
	count(k);
}

#endif
