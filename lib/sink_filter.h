/* SPDX-License-Identifier: MIT */
/* A sink's filter: see sink_filter.c. */
#ifndef KECHO_SINK_FILTER_H
#define KECHO_SINK_FILTER_H

struct kecho_event;
struct kecho_sink;

/* Leaves those of @ev that are for the sink, in order, and what is no event; how many. */
unsigned int sink_filter_judge(struct kecho_sink *s, struct kecho_event *ev, unsigned int n);
void sink_filter_free(struct kecho_sink *s);

#endif
