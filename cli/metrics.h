/* SPDX-License-Identifier: MIT */
/*
 * What is seen from here, as metrics.
 */
#ifndef METRICS_H
#define METRICS_H

#include <sys/socket.h>

#include "buf.h"
#include "sight.h"
#include "uapi/kecho_node.h"

#define METRICS_PORT	9879

/* All of it, to the end; @st is NULL if no kechod runs here. */
void metrics_text(struct buf *b, const struct sight *s, const struct kecho_ctl_status *st);
/* Look, and write it. Returns 0, or -errno after complaining, and then nothing was written. */
int metrics_look(struct buf *b, struct sight *s);

/* Serve it at @a until stopped. Returns 0, or -errno after complaining. */
int metrics_serve(struct sight *s, const struct sockaddr_storage *a, socklen_t len);

#endif
