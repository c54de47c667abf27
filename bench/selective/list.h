/* SPDX-License-Identifier: MIT */
/* All that is measured by bench/selective. */
#ifndef KECHO_BENCH_SELECTIVE_LIST_H
#define KECHO_BENCH_SELECTIVE_LIST_H

#include "../peers/peer.h"

#define LIST_SIZE	12

/* list_peers - what is where; LIST_SIZE of them. */
const struct peer *list_peers(void);

#endif
