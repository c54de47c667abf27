/* SPDX-License-Identifier: MIT */
/*
 * The registry of today and what its clients ask, in the sessions whose names begin
 * with "registry". A client's actions:
 *
 *	put HOW NAME, get NAME, drop NAME, renew, list	it asks
 *	end NAME N	the same of the channel that request N made
 */
#ifndef PROTOCOL_REGISTRY_H
#define PROTOCOL_REGISTRY_H

#include <stdio.h>
#include <stdlib.h>

#include "plat.h"
#include "registry.h"
#include "script.h"

static inline bool is_registry(const struct session *s)
{
	return !strncmp(s->name, "registry", 8);
}

static inline struct ke_registry *registry_begin(void)
{
	struct ke_registry *r = ke_registry_new(true, 1, 1000, 0);

	if (!r)
		abort();
	return r;
}

/* Who is behind a client's letter. */
static inline struct ke_contact client_contact(char who)
{
	struct ke_contact c = { .incarnation = (u64)who };

	memset(&c.node, who, sizeof(c.node));
	memset(&c.host, who + 0x20, sizeof(c.host));
	snprintf(c.address, sizeof(c.address), "192.0.2.%d:7", who - 'A' + 1);
	return c;
}

static inline size_t put_header(u8 *frame, u8 type, u32 id, u32 len)
{
	struct kecho_frame f = { .len = cpu_to_le32(len), .type = type, .id = cpu_to_le32(id) };

	memcpy(frame, &f, sizeof(f));
	return sizeof(f) + len;
}

/* The frame that the action makes; 0: it is none. */
static inline size_t registry_ask(const char *text, u32 id, u8 *frame)
{
	char who[8], what[32], a[64] = "", b[64] = "";
	struct ke_out o = { .buf = frame + KECHO_FRAME_HEADER_SIZE, .size = 1024 };
	struct ke_contact self;
	struct ke_id uuid;
	u8 type;

	if (sscanf(text, "%7s %31s %63s %63s", who, what, a, b) < 2)
		return 0;
	self = client_contact(who[0]);
	memset(&uuid, (int)(0xe0 + id), sizeof(uuid));
	if (!strcmp(what, "put")) {
		type = KECHO_FRAME_REG_PUT;
		ke_put_u8(&o, (u8)atoi(a));
		ke_put_str(&o, b);
		ke_put(&o, &uuid, sizeof(uuid));
		ke_put_contact(&o, &self);
	} else if (!strcmp(what, "get")) {
		type = KECHO_FRAME_REG_GET;
		ke_put_str(&o, a);
	} else if (!strcmp(what, "drop")) {
		type = KECHO_FRAME_REG_DROP;
		ke_put_str(&o, a);
		ke_put(&o, &self.node, sizeof(self.node));
	} else if (!strcmp(what, "end")) {
		type = KECHO_FRAME_REG_END;
		memset(&uuid, 0xe0 + atoi(b), sizeof(uuid));
		ke_put_str(&o, a);
		ke_put(&o, &uuid, sizeof(uuid));
	} else if (!strcmp(what, "renew")) {
		type = KECHO_FRAME_REG_RENEW;
	} else if (!strcmp(what, "list")) {
		type = KECHO_FRAME_REG_LIST;
		ke_put_u64(&o, 0);
	} else {
		return 0;
	}
	return put_header(frame, type, id, o.len);
}

/* What the registry answers to the frame @p of client @who; 0: it hangs up. */
static inline size_t registry_answer(struct ke_registry *r, char who, const u8 *p, size_t len,
				     u8 *frame)
{
	struct ke_out o = { .buf = frame + KECHO_FRAME_HEADER_SIZE,
			    .size = KECHO_FRAME_BODY_MAX };

	if (ke_registry_request(r, (u64)who, 1000, p[4], p + KECHO_FRAME_HEADER_SIZE,
				len - KECHO_FRAME_HEADER_SIZE, &o))
		return 0;
	return put_header(frame, KECHO_FRAME_REG_ENTRY, get_unaligned_le32(p + 8), o.len);
}

#endif
