/* SPDX-License-Identifier: MIT */
/* A sink's filters: see sink_filter.c. */
#ifndef KECHO_SINK_FILTER_H
#define KECHO_SINK_FILTER_H

struct kecho_channel;
struct kecho_event;
struct kecho_filter;
struct kecho_sink;
struct kecho_type;
struct sink_filter;

/* Leaves those of @ev that are for the sink, in order, and what is no event; how many. */
unsigned int sink_filter_judge(struct kecho_sink *s, struct kecho_event *ev, unsigned int n);
void sink_filter_free(struct kecho_sink *s);

/* -errno, with the reason in @why, of KE_FILTER_WHY_MAX bytes. */
int sink_filter_make(struct sink_filter **out, const struct kecho_filter *f,
		     const struct kecho_type *type, char *why);
/* Takes NULL. */
void sink_filter_drop(struct sink_filter *sf);
/* @new is that for IN from here on; gives the one that was. Both may be NULL. */
struct sink_filter *sink_filter_in(struct kecho_sink *s, struct sink_filter *new);

/* A channel's filter for IN: see channel_filter.c. Sinks join before they read, and leave. */
int channel_filter_join(struct kecho_sink *s);
void channel_filter_leave(struct kecho_sink *s);
void channel_filter_init(struct kecho_channel *ch);
void channel_filter_fini(struct kecho_channel *ch);

#endif
