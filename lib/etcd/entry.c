/* SPDX-License-Identifier: MIT */
/*
 * Keys and values in etcd: what we write, and what others have written, which is checked.
 *
 *	/kecho/name/NAME/contact/NODE	{"incarnation","host","address"}
 *	/kecho/name/NAME/hold/NODE	the channel's uuid
 *	/kecho/name/NAME/rival/NODE	the uuid of the channel that this node says has the name
 *	/kecho/ended/UUID		the name that it had
 *	/kecho/session/LEASE/alive	written when a session begins, and by each withdrawal
 *	/kecho/session/LEASE/mail	who looks for it: as a contact, and "name","uuid","node"
 *	/kecho/session/LEASE/lost	a name that was destroyed
 *
 * Ids are 32 hexadecimal digits, leases 16; of a NAME all but letters, digits, '.', '_'
 * and '-' is %XX.
 */
#include "bridge.h"

#define NAMES	"/kecho/name/"

static const char hex[] = "0123456789abcdef";
static const char *const kinds[] = { "contact", "hold", "rival" };

bool name_good(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if ((u8)name[i] <= ' ' || name[i] == '*')
			return false;
	return i && i <= KE_NAME_MAX;
}

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static void escape(char *to, const char *name)
{
	for (; *name; name++) {
		if (plain(*name)) {
			*to++ = *name;
			continue;
		}
		*to++ = '%';
		*to++ = hex[(u8)*name >> 4];
		*to++ = hex[(u8)*name & 15];
	}
	*to = 0;
}

static int nibble(char c)
{
	const char *at = c ? strchr(hex, c) : NULL;

	return at ? at - hex : -1;
}

/* Only what escape() gives: so a name has one key. */
static int unescape(const char *from, size_t len, char name[KE_NAME_MAX + 1])
{
	const char *end = from + len;
	size_t n = 0;

	while (from < end) {
		char c = *from++;

		if (c == '%') {
			if (end - from < 2 || nibble(from[0]) < 0 || nibble(from[1]) < 0)
				return -EINVAL;
			c = nibble(from[0]) << 4 | nibble(from[1]);
			from += 2;
			if (plain(c))
				return -EINVAL;
		} else if (!plain(c)) {
			return -EINVAL;
		}
		if (!c || n == KE_NAME_MAX)
			return -EINVAL;
		name[n++] = c;
	}
	name[n] = 0;
	return name_good(name) ? 0 : -EINVAL;
}

void id_print(const struct ke_id *id, char to[33])
{
	size_t i;

	for (i = 0; i < sizeof(id->b); i++) {
		*to++ = hex[id->b[i] >> 4];
		*to++ = hex[id->b[i] & 15];
	}
	*to = 0;
}

int id_parse(const char *text, size_t len, struct ke_id *id)
{
	struct ke_id got;
	size_t i;

	if (len != 2 * sizeof(got.b))
		return -EINVAL;
	for (i = 0; i < sizeof(got.b); i++) {
		if (nibble(text[2 * i]) < 0 || nibble(text[2 * i + 1]) < 0)
			return -EINVAL;
		got.b[i] = nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]);
	}
	*id = got;
	return 0;
}

/* ----------------------------------------------------------------------- keys */

/* All keys that begin with r->key: up to the first that doesn't. */
static struct range below(struct range r)
{
	strcpy(r.end, r.key);
	r.end[strlen(r.end) - 1]++;	/* '/' */
	return r;
}

struct range keys_of_names(void)
{
	return below((struct range){ .key = NAMES });
}

static struct range kind_key(const char *name, enum kind kind)
{
	struct range r = { .end = "" };
	char text[3 * KE_NAME_MAX + 1];

	escape(text, name);
	snprintf(r.key, sizeof(r.key), NAMES "%s/%s/", text, kinds[kind]);
	return r;
}

struct range keys_of_kind(const char *name, enum kind kind)
{
	return below(kind_key(name, kind));
}

struct range keys_of_entry(const char *name)
{
	struct range r = kind_key(name, KIND_CONTACT), hold = keys_of_kind(name, KIND_HOLD);

	strcpy(r.end, hold.end);
	return r;
}

struct range key_of(const char *name, enum kind kind, const struct ke_id *node)
{
	struct range r = kind_key(name, kind);

	id_print(node, r.key + strlen(r.key));
	return r;
}

struct range key_of_session(s64 lease, const char *what)
{
	struct range r = { .end = "" };

	snprintf(r.key, sizeof(r.key), "/kecho/session/%016llx/%s", (unsigned long long)lease,
		 what);
	return *what ? r : below(r);
}

struct range key_of_ended(const struct ke_id *uuid)
{
	struct range r = { .key = "/kecho/ended/" };

	id_print(uuid, r.key + strlen(r.key));
	return r;
}

/* --------------------------------------------------------------------- values */

static json_t *contact_json(const struct ke_contact *c)
{
	char host[33];

	id_print(&c->host, host);
	return json_pack("{so ss ss}", "incarnation",
			 json_sprintf("%llu", (unsigned long long)c->incarnation), "host", host,
			 "address", c->address);
}

/* Takes @json over. An address that is no UTF-8 is no JSON either. */
static int print(json_t *json, char *to, size_t size)
{
	size_t n = json ? json_dumpb(json, to, size - 1, JSON_COMPACT) : 0;

	json_decref(json);
	if (!n || n >= size)
		return -EINVAL;
	to[n] = 0;
	return 0;
}

int contact_print(const struct ke_contact *c, char *to, size_t size)
{
	return print(contact_json(c), to, size);
}

int mail_print(const char *name, const struct ke_id *uuid, const struct ke_contact *who,
	       char *to, size_t size)
{
	char uuid_text[33], node[33], key[3 * KE_NAME_MAX + 1];
	json_t *o = contact_json(who);

	id_print(uuid, uuid_text);
	id_print(&who->node, node);
	escape(key, name);
	if (json_object_set_new(o, "name", json_string(key)) ||
	    json_object_set_new(o, "uuid", json_string(uuid_text)) ||
	    json_object_set_new(o, "node", json_string(node))) {
		json_decref(o);
		return -ENOMEM;
	}
	return print(o, to, size);
}

static int bad(const struct kv *kv, const char *what, char *why, size_t size)
{
	snprintf(why, size, "key %.96s: %s", kv->key, what);
	return -EPROTO;
}

int kv_parse(const json_t *json, struct kv *kv, char *why, size_t size)
{
	const json_t *key = json_object_get(json, "key"), *value = json_object_get(json, "value");
	ssize_t n = -1;

	kv->key[0] = kv->value[0] = 0;
	kv->deleted = false;
	if (json_is_string(key))
		n = base64_decode(json_string_value(key), json_string_length(key), kv->key,
				  sizeof(kv->key));
	if (n < 0 || strlen(kv->key) != (size_t)n) {
		snprintf(why, size, "a key that is none of kecho's");
		return -EPROTO;
	}
	if (!value)	/* empty, or deleted */
		n = 0;
	else
		n = json_is_string(value) ? base64_decode(json_string_value(value),
							  json_string_length(value), kv->value,
							  sizeof(kv->value)) : -1;
	if (n < 0 || strlen(kv->value) != (size_t)n)
		return bad(kv, "its value is too long, or no text", why, size);
	if (json_s64(json, "lease", &kv->lease) || json_s64(json, "mod_revision", &kv->revision))
		return bad(kv, "a lease or revision that is no number", why, size);
	return 0;
}

/* What is between two slashes; moves @at behind the second. */
static const char *part(const char **at, size_t *len)
{
	const char *from = *at;

	*len = strcspn(from, "/");
	*at = from + *len + (from[*len] == '/');
	return from;
}

int name_key_parse(const struct kv *kv, struct name_key *to, char *why, size_t size)
{
	size_t prefix = str_has_prefix(kv->key, NAMES), len, i;
	const char *at = kv->key + prefix, *text;

	text = part(&at, &len);
	if (!prefix || unescape(text, len, to->name))
		return bad(kv, "no channel's name in it", why, size);
	text = part(&at, &len);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i]) == len && !memcmp(kinds[i], text, len))
			break;
	if (i == ARRAY_SIZE(kinds) || id_parse(at, strlen(at), &to->node))
		return bad(kv, "no contact, hold or rival", why, size);
	to->kind = i;
	return 0;
}

int uuid_parse(const struct kv *kv, struct ke_id *uuid, char *why, size_t size)
{
	if (id_parse(kv->value, strlen(kv->value), uuid))
		return bad(kv, "its value is no uuid", why, size);
	return 0;
}

static int take_id(const json_t *o, const char *name, struct ke_id *to)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_string(v))
		return -EINVAL;
	return id_parse(json_string_value(v), json_string_length(v), to);
}

static int take_u64(const json_t *o, const char *name, u64 *to)
{
	const char *text = json_string_value(json_object_get(o, name));

	if (!text || !*text || strlen(text) > 20 || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	errno = 0;
	*to = strtoull(text, NULL, 10);
	return -errno;
}

static int take_contact(const struct kv *kv, const json_t *o, struct ke_contact *c,
			char *why, size_t size)
{
	const char *address = json_string_value(json_object_get(o, "address"));

	if (take_u64(o, "incarnation", &c->incarnation))
		return bad(kv, "its incarnation is no number", why, size);
	if (take_id(o, "host", &c->host))
		return bad(kv, "its host is no id", why, size);
	if (!address || strlen(address) > KE_ADDRESS_MAX)
		return bad(kv, "its address is none, or too long", why, size);
	strcpy(c->address, address);
	return 0;
}

/* NULL, and the reason was given. */
static json_t *object(const struct kv *kv, char *why, size_t size)
{
	json_t *o = json_loads(kv->value, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(o))
		return o;
	json_decref(o);
	bad(kv, "its value is no JSON object", why, size);
	return NULL;
}

int contact_parse(const struct kv *kv, const struct ke_id *node, struct ke_contact *c,
		  char *why, size_t size)
{
	struct ke_contact got = { .node = *node };
	json_t *o = object(kv, why, size);
	int err = o ? take_contact(kv, o, &got, why, size) : -EPROTO;

	json_decref(o);
	if (!err)
		*c = got;
	return err;
}

int mail_parse(const struct kv *kv, char name[KE_NAME_MAX + 1], struct ke_id *uuid,
	       struct ke_contact *who, char *why, size_t size)
{
	json_t *o = object(kv, why, size);
	const char *key = json_string_value(json_object_get(o, "name"));
	int err = o ? take_contact(kv, o, who, why, size) : -EPROTO;

	if (!err && (!key || unescape(key, strlen(key), name) || take_id(o, "uuid", uuid) ||
		     take_id(o, "node", &who->node)))
		err = bad(kv, "no name, uuid or node", why, size);
	json_decref(o);
	return err;
}

static int add_contact(struct entry *en, const struct kv *kv, const struct ke_id *node,
		       char *why, size_t size)
{
	if (en->n == KE_CONTACTS_MAX)
		return bad(kv, "one contact too many", why, size);
	en->lease[en->n] = kv->lease;
	return contact_parse(kv, node, &en->contact[en->n++], why, size);
}

int entry_parse(const json_t *kvs, const char *name, struct entry *en, char *why, size_t size)
{
	struct ke_id uuid;
	struct name_key k;
	struct kv kv;
	json_t *one;
	size_t i;
	int err;

	memset(en, 0, sizeof(*en));
	json_array_foreach(kvs, i, one) {
		err = kv_parse(one, &kv, why, size) ?: name_key_parse(&kv, &k, why, size);
		if (!err && (strcmp(k.name, name) || k.kind == KIND_RIVAL))
			err = bad(&kv, "was not asked for", why, size);
		if (!err && k.kind == KIND_CONTACT)
			err = add_contact(en, &kv, &k.node, why, size);
		if (!err && k.kind == KIND_HOLD)
			err = uuid_parse(&kv, &uuid, why, size);
		if (!err && k.kind == KIND_HOLD && en->any && ke_id_cmp(&uuid, &en->uuid))
			err = bad(&kv, "another uuid than the one before it", why, size);
		if (err)
			return err;
		if (k.kind == KIND_HOLD) {
			en->any = true;
			en->uuid = uuid;
		}
	}
	if (en->n && !en->any)
		return bad(&kv, "a contact of a name that nobody holds", why, size);
	return 0;
}

int entry_find(const struct entry *en, const struct ke_id *node)
{
	unsigned int i;

	for (i = 0; i < en->n; i++)
		if (!ke_id_cmp(&en->contact[i].node, node))
			return i;
	return -1;
}
