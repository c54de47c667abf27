/* SPDX-License-Identifier: MIT */
/*
 * What the node of this host, kecho.ko or kechod, says of itself. It is asked without attaching.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>

#include "uapi/kecho_node.h"

/* Returns 0, or -errno after complaining; -ENOENT, -ECONNREFUSED: none is there, which is
 * complained of unless it @may_miss. Strings end in 0. */
int status_get(struct kecho_ctl_status *st, bool may_miss);

#endif
