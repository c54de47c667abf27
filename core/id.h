/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Who a node is, and where others reach it.
 */
#ifndef KE_ID_H
#define KE_ID_H

#include "plat.h"
#include "bounds.h"

struct ke_id {
	u8 b[16];
};

static inline int ke_id_cmp(const struct ke_id *a, const struct ke_id *b)
{
	return memcmp(a, b, sizeof(*a));
}

struct ke_contact {
	struct ke_id node;
	u64 incarnation;
	struct ke_id host;	/* nodes of one host share memory */
	/* "ADDR:PORT"; empty: only its own host reaches it */
	char address[KE_ADDRESS_MAX + 1];
};

#endif
