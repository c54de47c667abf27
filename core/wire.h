/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Writing and reading the bodies of control frames: a cursor that remembers the
 * first time that something did not fit, so that only the end needs a check.
 */
#ifndef KE_WIRE_H
#define KE_WIRE_H

#include "id.h"
#include "uapi/kecho.h"

struct ke_out {
	u8 *buf;
	u32 size, len;
	bool bad;	/* it did not fit */
};

struct ke_in {
	const u8 *p, *end;
	bool bad;	/* it was not there, or not as it must be */
};

static inline void ke_put(struct ke_out *o, const void *data, u32 len)
{
	if (o->bad || len > o->size - o->len) {
		o->bad = true;
		return;
	}
	if (len)	/* no bytes may be NULL, which memcpy() must not get */
		memcpy(o->buf + o->len, data, len);
	o->len += len;
}

static inline void ke_put_u8(struct ke_out *o, u8 v)
{
	ke_put(o, &v, sizeof(v));
}

static inline void ke_put_u16(struct ke_out *o, u16 v)
{
	__le16 le = cpu_to_le16(v);

	ke_put(o, &le, sizeof(le));
}

static inline void ke_put_u32(struct ke_out *o, u32 v)
{
	__le32 le = cpu_to_le32(v);

	ke_put(o, &le, sizeof(le));
}

static inline void ke_put_u64(struct ke_out *o, u64 v)
{
	__le64 le = cpu_to_le64(v);

	ke_put(o, &le, sizeof(le));
}

/* Bytes with their length, at most 64 KiB. */
static inline void ke_put_bytes(struct ke_out *o, const void *data, u32 len)
{
	if (len > U16_MAX) {
		o->bad = true;
		return;
	}
	ke_put_u16(o, len);
	ke_put(o, data, len);
}

static inline void ke_put_str(struct ke_out *o, const char *s)
{
	ke_put_bytes(o, s, strlen(s));
}

static inline const void *ke_get(struct ke_in *in, u32 len)
{
	const u8 *p = in->p;

	if (in->bad || len > (size_t)(in->end - p)) {
		in->bad = true;
		return NULL;
	}
	in->p += len;
	return p;
}

static inline void ke_get_copy(struct ke_in *in, void *to, u32 len)
{
	const void *p = ke_get(in, len);

	if (p)
		memcpy(to, p, len);
	else
		memset(to, 0, len);
}

static inline u8 ke_get_u8(struct ke_in *in)
{
	const u8 *p = ke_get(in, 1);

	return p ? *p : 0;
}

/* A field at the end that older nodes don't send. */
static inline u8 ke_get_u8_or(struct ke_in *in, u8 absent)
{
	return in->p < in->end ? ke_get_u8(in) : absent;
}

static inline u16 ke_get_u16(struct ke_in *in)
{
	__le16 v;

	ke_get_copy(in, &v, sizeof(v));
	return le16_to_cpu(v);
}

static inline u32 ke_get_u32(struct ke_in *in)
{
	__le32 v;

	ke_get_copy(in, &v, sizeof(v));
	return le32_to_cpu(v);
}

static inline u32 ke_get_u32_or(struct ke_in *in, u32 absent)
{
	return in->p < in->end ? ke_get_u32(in) : absent;
}

static inline u64 ke_get_u64(struct ke_in *in)
{
	__le64 v;

	ke_get_copy(in, &v, sizeof(v));
	return le64_to_cpu(v);
}

static inline const void *ke_get_bytes(struct ke_in *in, u32 *len)
{
	*len = ke_get_u16(in);
	return ke_get(in, *len);
}

/* A string into @to of @size bytes with its 0; bad if longer or with a 0 inside. */
static inline void ke_get_str(struct ke_in *in, char *to, u32 size)
{
	u32 len;
	const char *p = ke_get_bytes(in, &len);

	to[0] = 0;
	if (!p)
		return;
	if (len >= size || strnlen(p, len) != len) {
		in->bad = true;
		return;
	}
	memcpy(to, p, len);
	to[len] = 0;
}

static inline void ke_put_contact(struct ke_out *o, const struct ke_contact *c)
{
	ke_put(o, &c->node, sizeof(c->node));
	ke_put_u64(o, c->incarnation);
	ke_put(o, &c->host, sizeof(c->host));
	ke_put_str(o, c->address);
}

static inline void ke_get_contact(struct ke_in *in, struct ke_contact *c)
{
	ke_get_copy(in, &c->node, sizeof(c->node));
	c->incarnation = ke_get_u64(in);
	ke_get_copy(in, &c->host, sizeof(c->host));
	ke_get_str(in, c->address, sizeof(c->address));
}

#endif
