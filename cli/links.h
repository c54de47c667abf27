/* SPDX-License-Identifier: MIT */
/*
 * The links of this node to others.
 */
#ifndef LINKS_H
#define LINKS_H

#include <stddef.h>

#include <kecho/kecho.h>

struct links {
	struct kecho_link_info *l;
	size_t n;
};

/* All of them. Returns 0, or -errno after complaining. */
int links_get(struct kecho *k, struct links *ls);
void links_free(struct links *ls);

const char *link_state(const struct kecho_link_info *l);
/* Why a link is down. */
const char *link_trouble(const struct kecho_link_info *l);
/* Complains of each node that cannot be reached. */
int links_complain(struct kecho *k);

/* A name that another host chose, fit for a terminal; in place. */
void printable(char *s);

#endif
