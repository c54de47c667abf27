/* SPDX-License-Identifier: MIT */
/*
 * The links of this node to others.
 */
#include <stdlib.h>

#include "buf.h"
#include "cli.h"
#include "links.h"

#define LINKS_FIRST	64	/* links that are asked for at first */

void printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int links_get(struct kecho *k, struct links *ls)
{
	struct kecho_link_info *l = NULL;
	size_t max = LINKS_FIRST;
	ssize_t n;

	/* More may come up between two calls: ask again with room for all. */
	for (;;) {
		l = grow(l, max, sizeof(*l));
		n = kecho_links(k, l, max);
		if (n <= (ssize_t)max)
			break;
		max = (size_t)n + LINKS_FIRST;
	}
	if (n < 0) {
		complain("cannot list the links: %s", kecho_explain());
		free(l);
		return (int)n;
	}
	for (ssize_t i = 0; i < n; i++) {
		printable(l[i].name);
		printable(l[i].address);
	}
	ls->l = l;
	ls->n = n;
	return 0;
}

void links_free(struct links *ls)
{
	free(ls->l);
	ls->l = NULL;
	ls->n = 0;
}
