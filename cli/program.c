/* SPDX-License-Identifier: MIT */
/*
 * Verbs that are programs of their own.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

/* Where this program lies, without its name. Returns -1 if that is not known. */
static int own_folder(char *to, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", to, size - 1);
	char *slash;

	if (n < 0)
		return -1;
	to[n] = '\0';
	slash = strrchr(to, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return 0;
}

int program_become(const struct verb *v, char **argv)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];

	complain_as(argv, v);
	if (own_folder(folder, sizeof(folder))) {
		errno = ENOENT;
	} else {
		snprintf(path, sizeof(path), "%s/kecho-%s", folder, v->name);
		execv(path, argv);
	}
	/* One that is there and cannot be run is not passed over for another. */
	if (errno == ENOENT) {
		snprintf(path, sizeof(path), LIBEXECDIR "/kecho-%s", v->name);
		execv(path, argv);
	}
	complain("cannot run %s: %s", path, strerror(errno));
	return EXIT_ERROR;
}
