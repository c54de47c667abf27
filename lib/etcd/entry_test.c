/* SPDX-License-Identifier: MIT */
/* What etcd holds and answers, read back from us and from those who mean us ill. */
#include "bridge.h"
#include "tap.h"

enum { ROUNDS = 2000 };

#define UUID	"00112233445566778899aabbccddeeff"
#define NODE	"ffeeddccbbaa99887766554433221100"
#define BEGINS	"{\"incarnation\":\"7\",\"host\":\"" UUID "\",\"address\":\""
#define CONTACT	"{\"incarnation\":\"7\",\"host\":\"" UUID "\",\"address\":\"192.0.2.1:1\"}"

static char why[SAID_MAX];

static u32 some(u32 n)
{
	static u32 state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

TEST(base64)
{
	static const char *const bad[] = { "A", "AAA", "A===", "AA=A", "A A=", "AB==", "AAB=",
					   "AAA\x80", "====", "AAAA=" };
	char data[64], back[64];
	unsigned int i, k, n;
	const char *text;
	json_t *j;

	for (i = 0; i < ROUNDS; i++) {
		n = some(60);
		for (k = 0; k < n; k++)
			data[k] = some(256);
		j = base64_encode(data, n);
		text = json_string_value(j);
		if (!is_eq(base64_decode(text, strlen(text), back, sizeof(back)), n, "%s", text) ||
		    !ok(!memcmp(data, back, n), "%s", text))
			break;
		if (n)
			is_eq(base64_decode(text, strlen(text), back, n), -EINVAL, "no room");
		json_decref(j);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		is_eq(base64_decode(bad[i], strlen(bad[i]), back, sizeof(back)), -EINVAL, "%s",
		      bad[i]);
	is_eq(base64_decode("", 0, back, sizeof(back)), 0, "nothing");
}

static json_t *kv_json(const char *key, const char *value)
{
	return json_pack("{so so ss ss}", "key", base64_encode(key, strlen(key)), "value",
			 base64_encode(value, strlen(value)), "lease", "5", "mod_revision", "9");
}

/* Each name has its own keys, and one alone. */
TEST(names)
{
	struct ke_id node = { .b = { 1, 2, 3 } };
	char name[KE_NAME_MAX + 1];
	struct name_key k;
	unsigned int i, n, len;
	struct range r;
	struct kv kv;
	json_t *j;

	for (i = 0; i < ROUNDS; i++) {
		len = 1 + some(KE_NAME_MAX);
		for (n = 0; n < len; n++)
			do
				name[n] = 0x21 + some(0x100 - 0x21);
			while (name[n] == '*');
		name[n] = 0;
		r = key_of(name, i % 3, &node);
		j = kv_json(r.key, "");
		if (!ok(!kv_parse(j, &kv, why, sizeof(why)) &&
			!name_key_parse(&kv, &k, why, sizeof(why)), "%s: %s", r.key, why))
			break;
		is_str(k.name, name, "the name");
		ok(k.kind == i % 3 && !ke_id_cmp(&k.node, &node), "the rest");
		r = i % 3 == KIND_RIVAL ? keys_of_kind(name, KIND_RIVAL) : keys_of_entry(name);
		ok(strcmp(kv.key, r.key) >= 0 && strcmp(kv.key, r.end) < 0, "it is among its own");
		r = keys_of_entry("b");
		ok(!strcmp(name, "b") || strcmp(kv.key, r.key) < 0 || strcmp(kv.key, r.end) >= 0,
		   "and among no others'");
		json_decref(j);
	}
}

TEST(bad_names)
{
	static const char *const bad[] = {
		"/kecho/name/", "/kecho/name//hold/" NODE, "/kecho/name/a*/hold/" NODE,
		"/kecho/name/%/hold/" NODE, "/kecho/name/%2/hold/" NODE,
		"/kecho/name/%2g/hold/" NODE, "/kecho/name/%2F/hold/" NODE, /* not as we write it */
		"/kecho/name/%61/hold/" NODE, "/kecho/name/%00/hold/" NODE,
		"/kecho/name/%20/hold/" NODE, "/kecho/name/%2a/hold/" NODE,
		"/kecho/name/a/held/" NODE, "/kecho/name/a/hold", "/kecho/name/a/hold/" NODE "0",
		"/kecho/name/a/hold/" NODE "/x", "/kecho/other/a/hold/" NODE,
		"/kecho/name/a/hold/FFeeddccbbaa99887766554433221100",
	};
	struct name_key k;
	unsigned int i;
	struct kv kv;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(kv.key, bad[i]);
		is_eq(name_key_parse(&kv, &k, why, sizeof(why)), -EPROTO, "%s", bad[i]);
		ok(strstr(why, bad[i]), "%s", why);
	}
}

static int entry_of(struct entry *en, const char *const (*pair)[2], unsigned int n)
{
	json_t *all = json_array();
	unsigned int i;
	int err;

	for (i = 0; i < n; i++)
		json_array_append_new(all, kv_json(pair[i][0], pair[i][1]));
	err = entry_parse(all, "a", en, why, sizeof(why));
	json_decref(all);
	return err;
}

#define K_CONTACT	"/kecho/name/a/contact/" NODE
#define K_HOLD		"/kecho/name/a/hold/" NODE

TEST(entries)
{
	static const char *const good[][2] = { { K_CONTACT, CONTACT }, { K_HOLD, UUID } };
	struct entry en;

	is_eq(entry_of(&en, good, 2), 0, "%s", why);
	ok(en.any && en.n == 1 && en.lease[0] == 5, "one contact");
	is_eq(en.contact[0].incarnation, 7, "incarnation");
	is_str(en.contact[0].address, "192.0.2.1:1", "address");
	is_eq(entry_find(&en, &en.contact[0].node), 0, "found");
	is_eq(entry_find(&en, &en.uuid), -1, "not found");
	is_eq(entry_of(&en, good + 1, 1), 0, "in repair");
	ok(en.any && !en.n, "held without a contact");
	is_eq(entry_of(&en, good, 0), 0, "nothing");
	ok(!en.any, "free");
}

TEST(bad_entries)
{
	static const struct {
		const char *key, *value, *why;
	} bad[] = {
		{ K_HOLD, "", "no uuid" },
		{ K_HOLD, UUID "0", "no uuid" },
		{ K_HOLD, "00112233445566778899aabbccddeefg", "no uuid" },
		{ K_HOLD, NODE, "another uuid" },
		{ "/kecho/name/b/hold/" NODE, UUID, "not asked for" },
		{ "/kecho/name/a/rival/" NODE, UUID, "not asked for" },
		{ K_CONTACT, "", "no JSON object" },
		{ K_CONTACT, "[1]", "no JSON object" },
		{ K_CONTACT, CONTACT "}", "no JSON object" },
		{ K_CONTACT, "{\"incarnation\":7,\"host\":\"" UUID "\",\"address\":\"\"}",
		  "incarnation" },
		{ K_CONTACT, "{\"incarnation\":\"-7\",\"host\":\"" UUID "\",\"address\":\"\"}",
		  "incarnation" },
		{ K_CONTACT, "{\"incarnation\":\"18446744073709551616\",\"host\":\"" UUID
		  "\",\"address\":\"\"}", "incarnation" },
		{ K_CONTACT, "{\"incarnation\":\"7\",\"host\":\"x\",\"address\":\"\"}", "host" },
		{ K_CONTACT, "{\"incarnation\":\"7\",\"host\":\"" UUID "\"}", "address" },
		{ K_CONTACT, "{\"incarnation\":\"7\",\"host\":\"" UUID "\",\"address\":[]}",
		  "address" },
		{ K_CONTACT, BEGINS NODE NODE "\"}",
		  "too long" },
		{ K_CONTACT, "{\"incarnation\":\"7\",\"incarnation\":\"8\",\"host\":\"" UUID
		  "\",\"address\":\"\"}", "no JSON object" },
	};
	const char *pair[5][2] = { { K_HOLD, UUID } };
	unsigned int i;
	struct entry en;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		pair[1][0] = bad[i].key;
		pair[1][1] = bad[i].value;
		is_eq(entry_of(&en, pair, 2), -EPROTO, "%s", bad[i].value);
		ok(strstr(why, bad[i].key) && strstr(why, bad[i].why), "%s: %s", bad[i].why, why);
	}
	for (i = 1; i < 5; i++) {
		pair[i][0] = K_CONTACT;
		pair[i][1] = CONTACT;
	}
	is_eq(entry_of(&en, pair, 4), 0, "three contacts");
	is_eq(entry_of(&en, pair, 5), -EPROTO, "four");
	is_eq(entry_of(&en, pair + 1, 1), -EPROTO, "of a name that nobody holds");
}

TEST(bad_keys)
{
	static const char *const bad[] = {
		"{}", "{\"key\":7}", "{\"key\":\"A\"}", "{\"key\":\"AAAA\"}", /* zeros */
		"{\"key\":\"YQ==\",\"value\":7}", "{\"key\":\"YQ==\",\"value\":\"A\"}",
		"{\"key\":\"YQ==\",\"value\":\"AAAA\"}", "{\"key\":\"YQ==\",\"lease\":\"x\"}",
		"{\"key\":\"YQ==\",\"lease\":\"9223372036854775808\"}",
		"{\"key\":\"YQ==\",\"mod_revision\":{}}", "{\"key\":\"YQ==\",\"lease\":1.5}",
	};
	unsigned int i;
	struct kv kv;
	json_t *j;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		j = json_loads(bad[i], 0, NULL);
		is_eq(kv_parse(j, &kv, why, sizeof(why)), -EPROTO, "%s", bad[i]);
		json_decref(j);
	}
	j = json_loads("{\"key\":\"YQ==\",\"lease\":\"-1\",\"mod_revision\":7}", 0, NULL);
	is_eq(kv_parse(j, &kv, why, sizeof(why)), 0, "%s", why);
	ok(kv.lease == -1 && kv.revision == 7 && !kv.value[0], "a string, a number, nothing");
	json_decref(j);
}

/* Somebody who looks for a channel's nodes. */
TEST(mail)
{
	static const char *const bad[] = {
		CONTACT,
		"{\"incarnation\":\"7\",\"host\":\"" UUID "\",\"address\":\"\",\"uuid\":\"" UUID
		"\",\"node\":\"" NODE "\",\"name\":\"a*\"}",
		"{\"incarnation\":\"7\",\"host\":\"" UUID "\",\"address\":\"\",\"uuid\":\"" UUID
		"\",\"node\":\"x\",\"name\":\"a\"}",
	};
	struct ke_contact c = { .incarnation = U64_MAX, .address = "[::1]:7" }, back;
	struct ke_id uuid = { .b = { 9 } }, uuid_back;
	char name[KE_NAME_MAX + 1];
	struct kv kv = { .key = "/kecho/session/5/mail" };
	unsigned int i;

	is_eq(mail_print("\xff/\"", &uuid, &c, kv.value, sizeof(kv.value)), 0, "printed");
	is_eq(mail_parse(&kv, name, &uuid_back, &back, why, sizeof(why)), 0, "%s", why);
	is_str(name, "\xff/\"", "the name");
	ok(!ke_id_cmp(&uuid, &uuid_back) && !ke_id_cmp(&c.node, &back.node), "the ids");
	ok(back.incarnation == U64_MAX, "the incarnation");
	is_str(back.address, c.address, "the address");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(kv.value, bad[i]);
		is_eq(mail_parse(&kv, name, &uuid, &back, why, sizeof(why)), -EPROTO, "%s", bad[i]);
	}
	strcpy(c.address, "\xff");
	is_eq(contact_print(&c, kv.value, sizeof(kv.value)), -EINVAL, "no text");
}

TEST(answers)
{
	static const struct {
		const char *text;
		enum code code;
	} some_answers[] = {
		{ "{}", CODE_OK },
		{ "{\"result\":{}}\n{\"result\":{}}\n", CODE_OK },
		{ "{\"error\":\"etcdserver: requested lease not found\",\"code\":5}",
		  CODE_NOT_FOUND },
		{ "{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}",
		  CODE_ELSEWHERE },
		{ "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}", CODE_TOKEN },
		{ "{\"error\":\"etcdserver: user name is empty\",\"code\":3}", CODE_TOKEN },
		{ "{\"error\":\"etcdserver: duplicate key given in txn request\",\"code\":3}",
		  CODE_INVALID },
		{ "{\"error\":\"etcdserver: permission denied\",\"code\":7}", CODE_DENIED },
		{ "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}",
		  CODE_EXHAUSTED },
		{ "{\"error\":\"etcdserver: too many requests\",\"code\":8}", CODE_ELSEWHERE },
		{ "{\"error\":[],\"code\":{}}", CODE_ELSEWHERE },
		{ "{}{\"error\":7}", CODE_ELSEWHERE },
	};
	static const char *const bad[] = { "", " ", "[]", "{", "{}x", "{}{", "7",
					   "{\"a\":1,\"a\":1}", "\xff" };
	char said[SAID_MAX];
	unsigned int i;
	json_t *j;

	for (i = 0; i < ARRAY_SIZE(some_answers); i++) {
		const char *text = some_answers[i].text;

		j = answer_parse(text, strlen(text), why, sizeof(why));
		ok(j, "%s: %s", text, why);
		is_eq(answer_code(j, said, sizeof(said)), some_answers[i].code, "%s", text);
		json_decref(j);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!answer_parse(bad[i], strlen(bad[i]), why, sizeof(why)), "%s", bad[i]);
}

TESTS(entry, base64, names, bad_names, entries, bad_entries, bad_keys, mail, answers);
