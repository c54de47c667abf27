// SPDX-License-Identifier: MIT
/*
 * The table of btf.h, and BTF of files and of memory.
 */
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

__attribute__((format(printf, 2, 0))) static int say_nothing(enum libbpf_print_level level,
							     const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* libbpf doesn't say of a file that can't be read what kept it from that. */
static int try_file(const char *path, char *why, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	if (err)
		snprintf(why, size, "%s: %s", path, strerror(-err));
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	if (err == -EINVAL)
		snprintf(why, size, "%s: it is no file", path);
	if (fd >= 0)
		close(fd);
	return err;
}

static const char *where(const struct ke_btf_place *from)
{
	return from->path ?: "memory";
}

struct btf *open_btf(const struct ke_btf_place *from, int *err, char *why, size_t size)
{
	libbpf_print_fn_t before;
	struct btf *btf;

	*err = from->path ? try_file(from->path, why, size) : 0;
	if (*err)
		return NULL;
	before = libbpf_set_print(say_nothing);
	btf = from->path ? btf__parse(from->path, NULL) : btf__new(from->data, from->len);
	*err = btf ? 0 : errno == ENOMEM ? -ENOMEM : -EINVAL;
	libbpf_set_print(before);
	if (*err)
		snprintf(why, size, "%s: %s", where(from),
			 *err == -ENOMEM ? "no memory for its BTF" : "there is no BTF in it");
	return btf;
}

static int table_flatten(const struct ke_btf_place *from, const char *name,
			 struct ke_btf_sink *to, char *why, size_t size)
{
	struct btf *btf;
	int err;

	*why = 0;
	btf = open_btf(from, &err, why, size);
	if (!btf)
		return err;
	err = flatten(btf, where(from), name, to, why, size);
	btf__free(btf);
	return err;
}

extern const struct ke_btf_table kecho_btf;

__attribute__((visibility("default"))) const struct ke_btf_table kecho_btf = {
	.version = KE_BTF_VERSION,
	.size = sizeof(kecho_btf),
	.flatten = table_flatten,
	.merge = merge,
	.free = free,
};
