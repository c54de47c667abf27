/* SPDX-License-Identifier: MIT */
/*
 * The links of this node to others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

const char *link_state(const struct kecho_link_info *l)
{
	return l->refused ? "refused" : l->up ? "up" : "down";
}

const char *link_trouble(const struct kecho_link_info *l)
{
	if (l->refused)
		return "it speaks no version of the protocol that this node does";
	if (l->error == -EDESTADDRREQ)
		return "it listens nowhere, and does not reach this node";
	return l->error ? strerror(-l->error) : "no answer yet";
}

int links_complain(struct kecho *k)
{
	struct links ls;
	int err = links_get(k, &ls);

	if (err)
		return err;
	for (size_t i = 0; i < ls.n; i++)
		if (!ls.l[i].up)
			complain("node %016" PRIx64 "%s%s%s%s cannot be reached: %s", ls.l[i].node,
				 ls.l[i].name[0] ? " " : "", ls.l[i].name,
				 ls.l[i].address[0] ? " at " : "", ls.l[i].address,
				 link_trouble(&ls.l[i]));
	links_free(&ls);
	return 0;
}

void links_free(struct links *ls)
{
	free(ls->l);
	ls->l = NULL;
	ls->n = 0;
}
