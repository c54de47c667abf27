/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Types that sources announce: see announce.c.
 */
#ifndef KE_ANNOUNCE_H
#define KE_ANNOUNCE_H

#include "type.h"

struct ke_channel;
struct ke_in;
struct ke_member;
struct ke_node;
struct ke_peer;
struct ke_presence;
struct ke_remote;
struct ke_source;

/* The types of a source, each at its index less one. Counted references; control's. */
struct ke_types {
	u32 refs;
	u32 n;			/* the highest index */
	u32 bytes;		/* encoded */
	struct ke_type *type[KE_TYPES_MAX];	/* NULL: it has none of this index */
};

static inline u32 ke_types_count(const struct ke_types *t)
{
	return t ? t->n : 0;
}

/* NULL: there is none of this index. */
static inline const struct ke_type *ke_types_at(const struct ke_types *t, u32 index)
{
	return index && index <= ke_types_count(t) ? t->type[index - 1] : NULL;
}

/* The index of an encoded type; 0: it is not among them, or there are none. */
u32 ke_types_find(const struct ke_types *t, const void *wire, u32 len);
/* ke_types_add - at an index from 1 on; *@t is made if it is NULL. @room: bytes that its node has
 * left. How many there are more; -EPROTO, -ENOSPC, with the reason in @why, of KE_TYPE_WHY_MAX
 * bytes; -ENOMEM. */
int ke_types_add(struct ke_types **t, u32 index, const void *wire, u32 len, u32 room, char *why);

/* A table lives as long as somebody has it. Both take NULL. */
struct ke_types *ke_types_get(struct ke_types *t);
void ke_types_put(struct ke_types *t);

/*
 * ke_source_announce - an encoded type, of a source of @n that may be yet to join. Its index;
 * if it was announced before, that which it has. -EPROTO: it is none; -ENOSPC: over
 * KE_TYPES_MAX, KE_TYPES_BYTES_MAX or KE_NODE_TYPES_MAX; both with the reason in @why, of
 * KE_TYPE_WHY_MAX bytes; -ENOMEM.
 * ke_source_told - no node of this host that reads the log has yet to know of one: until then
 * there shall be no event of it.
 * ke_source_forget_types - of one that never joined; others do it as they leave.
 */
int ke_source_announce(struct ke_source *s, struct ke_node *n, const void *wire, u32 len,
		       char *why);
bool ke_source_told(const struct ke_source *s);
void ke_source_forget_types(struct ke_source *s, struct ke_node *n);

/* ke_channel_types - those of a source in the channel, ours or another's; NULL: none. */
const struct ke_types *ke_channel_types(const struct ke_channel *ch, u64 member);

/* For control.c, channel.c. */
void ke_presence_say_types(struct ke_presence *pr, const struct ke_member *m);
int ke_type_in(struct ke_presence *pr, u64 index, struct ke_in *in);
void ke_type_ack(const struct ke_channel *ch, const struct ke_peer *p, u64 id, u64 index);
void ke_remote_forget_types(struct ke_remote *m);

#endif
