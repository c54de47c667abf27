// SPDX-License-Identifier: MIT
/*
 * Loading what not every program needs: see plugin.h. dlopen() gives the same object again
 * to who asks again, so nothing is remembered here.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "plugin.h"

int ke_plugin_load(const void **table, const struct ke_plugin *p, const char *set, char *why,
		   size_t size)
{
	char path[PATH_MAX];
	const u32 *head;
	void *so;

	snprintf(path, sizeof(path), "%s/%s", KECHO_LIBDIR, p->file);
	if (set && *set)
		strscpy(path, set, sizeof(path));
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!so) {
		snprintf(why, size, "%s: %s", p->what, dlerror());
		return -ELIBACC;
	}
	head = dlsym(so, p->table);
	if (!head || head[0] != p->version || head[1] != p->size) {
		snprintf(why, size, "%s: %s is of another version of kecho", p->what, path);
		dlclose(so);
		return -ELIBBAD;
	}
	*table = head;
	return 0;
}
