/* SPDX-License-Identifier: MIT */
/*
 * What tests in a guest share: the kernel's node, its parameters, and a kernel service beside
 * them (steady.c). One file includes it.
 */
#ifndef KECHO_GUEST_H
#define KECHO_GUEST_H

#include "../daemon/raw.h"

#define IN_GUEST()								\
	do {									\
		if (!with_kernel() || geteuid())				\
			skip("KECHO=kernel is not said, by root");		\
		signal(SIGPIPE, SIG_IGN);					\
	} while (0)

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return is;
}

/* Loads or unloads it. */
static inline bool service(bool on)
{
	return !system(on ? "insmod /kecho_steady.ko" : "rmmod kecho_steady");
}

/* Its sink of the channel "slow" reads nothing. */
static inline bool service_holds(bool on)
{
	return write_file("/sys/module/kecho_steady/parameters/hold", on ? "1" : "0");
}

/* A parameter of kecho.ko. */
static inline bool set_limit(const char *name, u64 value)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/module/kecho/parameters/%s", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return write_file(path, text);
}

static inline bool get_status(struct raw *r, struct kecho_ctl_status *st)
{
	memset(st, 0, sizeof(*st));
	return !raw_call(r, KECHO_CMD_STATUS, st, sizeof(*st));
}

/* Bytes that its user is charged for. */
static inline u64 memory_of(struct raw *r)
{
	struct kecho_ctl_status st;

	return get_status(r, &st) ? st.user_memory_bytes : U64_MAX;
}

#endif
