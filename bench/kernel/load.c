/* SPDX-License-Identifier: MIT */
/* Modules that measure; see load.h. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST_MAX 4096

int load(const char *name, const char *words)
{
	char path[64];
	int err, fd;

	snprintf(path, sizeof(path), "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, words, 0) ? -errno : 0;
	close(fd);
	return err;
}

int load_end(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int load_results(const char *name, const char *parameter, double *value, unsigned int max,
		 unsigned int *n)
{
	char path[128], text[LIST_MAX], *at = text, *end;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", name, parameter);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return -EIO;
	text[len] = 0;
	for (*n = 0; *n < max; at = end + (*end == ','), (*n)++) {
		value[*n] = (double)strtoll(at, &end, 10);
		if (end == at)
			break;
	}
	return 0;
}

int load_result(const char *name, const char *parameter, double *value)
{
	unsigned int n;
	int err = load_results(name, parameter, value, 1, &n);

	return err ? err : n == 1 ? 0 : -EIO;
}
