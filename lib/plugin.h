/* SPDX-License-Identifier: MIT */
/*
 * Parts of the library that not every program needs, each in a shared object of its own
 * with the libraries that it is linked with. One is loaded when it is first asked for, and
 * stays; it exports one table, which begins with its version and its size.
 */
#ifndef KECHO_PLUGIN_H
#define KECHO_PLUGIN_H

#include "plat.h"

struct ke_plugin {
	const char *what;	/* what complaints begin with */
	const char *file;	/* where the library is installed */
	const char *table;	/* its symbol */
	u32 version, size;	/* of the table */
};

/* ke_plugin_load - its table. @set is another place of the file, if it is neither NULL nor
 * empty. -ELIBACC: it can't be loaded; -ELIBBAD: of another version; @why says more. */
int ke_plugin_load(const void **table, const struct ke_plugin *p, const char *set, char *why,
		   size_t size);

#endif
