/* SPDX-License-Identifier: MIT */
/*
 * Members of a channel, as text and JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "links.h"
#include "members.h"

#define MEMBERS_FIRST	64	/* members that are asked for at first */

const char *role_name(enum kecho_role role)
{
	return role == KECHO_SOURCE ? "source" : "sink";
}

const char *policy_name(enum kecho_policy policy)
{
	switch (policy) {
	case KECHO_LATEST:
		return "latest";
	case KECHO_BLOCK:
		return "block";
	case KECHO_DISCONNECT:
		return "disconnect";
	}
	return "unknown";
}

const char *class_name(enum kecho_class class)
{
	switch (class) {
	case KECHO_NORMAL:
		return "normal";
	case KECHO_URGENT:
		return "urgent";
	case KECHO_BULK:
		return "bulk";
	}
	return "unknown";
}

const char *state_name(enum kecho_member_state state)
{
	switch (state) {
	case KECHO_JOINED:
		return "joined";
	case KECHO_LEFT:
		return "left";
	case KECHO_FAILED:
		return "failed";
	}
	return "unknown";
}

/* A string as it is if a terminal can show it, otherwise and for bytes in hex. */
void value_text(struct buf *b, const struct kecho_value *v)
{
	const unsigned char *p = v->data;
	bool hex = v->kind == KECHO_BYTES || !utf8_valid(p, v->len);

	if (v->kind == KECHO_I64) {
		buf_format(b, "%" PRId64, v->i64);
		return;
	}
	for (size_t i = 0; !hex && i < v->len; i++)
		hex = p[i] < 0x20 || p[i] == 0x7f;
	if (!hex) {
		buf_add(b, p, v->len);
		return;
	}
	buf_str(b, "0x");
	for (size_t i = 0; i < v->len; i++)
		buf_format(b, "%02x", p[i]);
}

void value_json(struct json *j, const char *key, const struct kecho_value *v)
{
	if (v->kind == KECHO_I64) {
		json_i64(j, key, v->i64);
		return;
	}
	json_key(j, key);
	if (v->kind == KECHO_STRING && utf8_valid(v->data, v->len)) {
		json_string_n(j, v->data, v->len);
		return;
	}
	json_object(j);
	json_key(j, "base64");
	json_base64(j, v->data, v->len);
	json_object_end(j);
}

/* Whether "NAME.age" is asked for, and there is no attribute that is called so. */
static bool get_age(struct kecho_channel *ch, uint64_t member, const char *name, uint64_t *age_ns)
{
	size_t len = strlen(name), suffix = strlen(".age");
	char base[KECHO_NAME_MAX + 1];
	struct kecho_value v;

	if (len <= suffix || len > KECHO_NAME_MAX || strcmp(name + len - suffix, ".age"))
		return false;
	memcpy(base, name, len - suffix);
	base[len - suffix] = '\0';
	if (kecho_member_get(ch, member, base, &v, NULL, 0))
		return false;
	*age_ns = v.age_ns;
	return true;
}

void member_attrs_text(struct buf *b, struct kecho_channel *ch, uint64_t member,
		       const struct names *names)
{
	char value[KECHO_ATTR_VALUE_MAX], age[FORMAT_MAX];
	struct kecho_value v;
	uint64_t age_ns;

	for (size_t i = 0; i < names->n; i++) {
		if (!kecho_member_get(ch, member, names->name[i], &v, value, sizeof(value))) {
			buf_format(b, " %s=", names->name[i]);
			value_text(b, &v);
		} else if (get_age(ch, member, names->name[i], &age_ns)) {
			format_duration(age, age_ns);
			buf_format(b, " %s=%s", names->name[i], age);
		}
	}
}

void member_attrs_json(struct json *j, struct kecho_channel *ch, uint64_t member,
		       const struct names *names)
{
	char value[KECHO_ATTR_VALUE_MAX];
	struct kecho_value v;
	uint64_t age_ns;

	for (size_t i = 0; i < names->n; i++) {
		if (!kecho_member_get(ch, member, names->name[i], &v, value, sizeof(value)))
			value_json(j, names->name[i], &v);
		else if (get_age(ch, member, names->name[i], &age_ns))
			json_u64(j, names->name[i], age_ns);
	}
}

const char *member_node_name(struct kecho_channel *ch, uint64_t member, char *to, size_t size)
{
	struct kecho_value v;
	size_t len;

	if (kecho_member_get(ch, member, "node.name", &v, to, size - 1) || v.kind != KECHO_STRING)
		return "?";
	len = v.len < size ? v.len : size - 1;
	memmove(to, v.data, len);
	to[len] = '\0';
	printable(to);
	return to;
}

void member_json(struct json *j, struct kecho_channel *ch, const struct kecho_member *m,
		 const struct names *names)
{
	char name[KECHO_ATTR_VALUE_MAX + 1];

	json_id(j, "member", m->id);
	json_str(j, "role", role_name(m->role));
	json_id(j, "node", m->node);
	json_str(j, "node_name", member_node_name(ch, m->id, name, sizeof(name)));
	if (m->role == KECHO_SINK)
		json_str(j, "policy", policy_name(m->policy));
	else
		json_str(j, "class", class_name(m->traffic_class));
	json_str(j, "state", state_name(m->state));
	json_bool(j, "remote", m->remote);
	json_bool(j, "mine", m->mine);
	json_key(j, "attributes");
	json_object(j);
	member_attrs_json(j, ch, m->id, names);
	json_object_end(j);
}

ssize_t members_now(struct kecho_channel *ch, struct kecho_member **members)
{
	struct kecho_member *m = NULL;
	size_t max = MEMBERS_FIRST;
	ssize_t n;

	/* More may join between two calls: ask again with room for all. */
	for (;;) {
		m = grow(m, max, sizeof(*m));
		n = kecho_members(ch, m, max);
		if (n <= (ssize_t)max)
			break;
		max = (size_t)n + MEMBERS_FIRST;
	}
	if (n < 0) {
		free(m);
		return n;
	}
	*members = m;
	return n;
}

size_t members_joined(struct kecho_channel *ch, enum kecho_role role)
{
	struct kecho_member *m;
	ssize_t n = members_now(ch, &m);
	size_t joined = 0;

	if (n < 0)
		return 0;
	for (ssize_t i = 0; i < n; i++)
		joined += m[i].role == role && m[i].state == KECHO_JOINED;
	free(m);
	return joined;
}
