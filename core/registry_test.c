// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The registry's table: who is told what, what lives how long, and that no
 * request harms it. Time is a number here.
 */
#include "registry_test.h"

TEST(joins)
{
	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	is_eq(get(&g, "x"), KE_REGISTRY_NONE, "none");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "x", 0xa1), KE_REGISTRY_OK, "created");
	ok(is_uuid(&g, 0xa1), "as proposed");
	is_eq(g.n, 1, "itself");
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "x", 0xa2), KE_REGISTRY_OK, "joined");
	ok(is_uuid(&g, 0xa1), "as it is");
	is_eq(g.n, 2, "both");
	is_eq(g.contacts[0].incarnation, 1, "the first");
	is_str(g.contacts[0].address, "192.0.2.1:7", "its address");
	is_eq(put(&g, 3, KE_REGISTRY_JOIN, "y", 0xa3), KE_REGISTRY_OK, "another");
	ok(is_uuid(&g, 0xa3), "channel");
	is_eq(ke_registry_entries(g.r), 2, "entries");
	rig_free(&g);
}

TEST(hows)
{
	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	is_eq(put(&g, 1, KE_REGISTRY_EXISTING, "x", 1), KE_REGISTRY_NONE, "existing");
	is_eq(put(&g, 1, KE_REGISTRY_EXCLUSIVE, "x", 1), KE_REGISTRY_OK, "new");
	is_eq(put(&g, 1, KE_REGISTRY_EXCLUSIVE, "x", 1), KE_REGISTRY_OK, "its reply was lost");
	is_eq(g.n, 1, "once");
	is_eq(put(&g, 2, KE_REGISTRY_EXCLUSIVE, "x", 2), KE_REGISTRY_EXISTS, "not new");
	is_eq(put(&g, 2, KE_REGISTRY_EXISTING, "x", 2), KE_REGISTRY_OK, "existing");
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 2), KE_REGISTRY_OTHER, "another channel");
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 1), KE_REGISTRY_OK, "this channel");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "", 1), KE_REGISTRY_BAD_NAME, "empty");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "a b", 1), KE_REGISTRY_BAD_NAME, "a space");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "a*", 1), KE_REGISTRY_BAD_NAME, "a star");
	is_eq(ke_registry_entries(g.r), 1, "entries");
	rig_free(&g);
}

TEST(contacts)
{
	struct rig g;
	u64 client, version;

	must(rig_new(&g, false, 0), "rig");
	for (client = 1; client <= KE_CONTACTS_MAX + 1; client++)
		is_eq(put(&g, client, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_OK, "joins");
	is_eq(g.n, KE_CONTACTS_MAX, "the last is none");
	version = g.version;
	is_eq(drop(&g, 4, "x", 2), KE_REGISTRY_NONE, "not that client's");
	is_eq(drop(&g, 2, "x", 2), KE_REGISTRY_OK, "leaves");
	is_eq(drop(&g, 2, "x", 2), KE_REGISTRY_NONE, "once");
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "there");
	is_eq(g.n, KE_CONTACTS_MAX - 1, "one less");
	ok(g.version > version, "another version");
	is_eq(put(&g, 4, KE_REGISTRY_REPAIR, "x", 1), KE_REGISTRY_OK, "repairs");
	is_eq(g.n, KE_CONTACTS_MAX, "full again");
	rig_free(&g);
}

/* The last contact's leave ends the channel, unless there may be others in it. */
TEST(leaves)
{
	struct rig g;
	u64 client;

	must(rig_new(&g, false, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	drop(&g, 1, "x", 1);
	is_eq(get(&g, "x"), KE_REGISTRY_NONE, "gone at once");
	is_eq(put(&g, 2, KE_REGISTRY_EXCLUSIVE, "x", 2), KE_REGISTRY_OK, "new");
	for (client = 3; client <= KE_CONTACTS_MAX + 2; client++)
		put(&g, client, KE_REGISTRY_JOIN, "x", 1);
	for (client = 2; client <= KE_CONTACTS_MAX + 1; client++)
		is_eq(drop(&g, client, "x", client), KE_REGISTRY_OK, "leaves");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_IN_REPAIR, "for the one left");
	is_eq(put(&g, 5, KE_REGISTRY_REPAIR, "x", 2), KE_REGISTRY_OK, "which repairs");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_OK, "in order");
	ok(is_uuid(&g, 2), "as it was");
	rig_free(&g);
}

TEST(repair)
{
	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	put(&g, 1, KE_REGISTRY_JOIN, "y", 2);
	put(&g, 2, KE_REGISTRY_JOIN, "y", 2);
	is_eq(ke_registry_tick(g.r, g.now), KE_REGISTRY_NEVER, "nothing to wait for");
	ke_registry_gone(g.r, 1, g.now);
	is_eq(ke_registry_tick(g.r, g.now), g.now + KE_LEASE_MS, "one lease");
	is_eq(get(&g, "y"), KE_REGISTRY_OK, "y lives");
	is_eq(g.n, 1, "with one less");
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "x is in repair");
	is_eq(g.n, 0, "without contacts");
	g.now += KE_LEASE_MS - 1;
	is_eq(put(&g, 3, KE_REGISTRY_JOIN, "x", 3), KE_REGISTRY_IN_REPAIR, "still");
	is_eq(put(&g, 3, KE_REGISTRY_EXISTING, "x", 3), KE_REGISTRY_IN_REPAIR, "still");
	is_eq(put(&g, 3, KE_REGISTRY_EXCLUSIVE, "x", 3), KE_REGISTRY_IN_REPAIR, "still");
	g.now += 1;
	is_eq(put(&g, 3, KE_REGISTRY_EXCLUSIVE, "x", 3), KE_REGISTRY_OK, "no more");
	is_eq(ke_registry_tick(g.r, g.now), KE_REGISTRY_NEVER, "nothing to wait for");
	ke_registry_gone(g.r, 99, g.now);
	is_eq(ke_registry_entries(g.r), 2, "entries");
	rig_free(&g);
}

/* A client that comes back before its old connection is missed keeps its place. */
TEST(takeover)
{
	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	is_eq(repair_as(&g, 7, 1, "x", 1), KE_REGISTRY_OK, "again");
	is_eq(g.n, 1, "one contact");
	ke_registry_gone(g.r, 1, g.now);
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "there");
	is_eq(g.n, 1, "it is the new one's");
	ke_registry_gone(g.r, 7, g.now);
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "there");
	is_eq(g.n, 0, "until that goes");
	rig_free(&g);
}

TEST(grace)
{
	struct rig g;

	must(rig_new(&g, false, KE_LEASE_MS), "rig");
	is_eq(get(&g, "x"), KE_REGISTRY_IN_GRACE, "perhaps");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_IN_GRACE, "not yet");
	is_eq(put(&g, 1, KE_REGISTRY_EXISTING, "x", 1), KE_REGISTRY_IN_GRACE, "not yet");
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 2), KE_REGISTRY_OK, "who knows it");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_OK, "now");
	ok(is_uuid(&g, 2), "as it was");
	g.now += KE_LEASE_MS;
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "y", 1), KE_REGISTRY_OK, "nobody did");
	rig_free(&g);
}

TEST(leases)
{
	struct rig g;
	u64 start;

	must(rig_new(&g, true, 0), "rig");
	start = g.now;
	is_eq(renew(&g, 1), KE_REGISTRY_NONE, "nothing to renew");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	g.now = start + 100;
	put(&g, 2, KE_REGISTRY_JOIN, "x", 1);
	is_eq(ke_registry_tick(g.r, g.now), start + KE_LEASE_MS, "the first");
	g.now = start + 200;
	is_eq(renew(&g, 1), KE_REGISTRY_OK, "renewed");
	is_eq(ke_registry_tick(g.r, g.now), start + 100 + KE_LEASE_MS, "now the second");
	g.now = start + 100 + KE_LEASE_MS;
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "there");
	is_eq(g.n, 1, "the second is not");
	is_eq(renew(&g, 2), KE_REGISTRY_NONE, "and is told");
	g.now = start + 200 + KE_LEASE_MS;
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "in repair");
	is_eq(g.n, 0, "neither is");
	is_eq(ke_registry_tick(g.r, g.now), g.now + KE_LEASE_MS, "one lease more");
	g.now += KE_LEASE_MS;
	is_eq(get(&g, "x"), KE_REGISTRY_NONE, "gone");
	rig_free(&g);
}

TEST(lists)
{
	char name[KE_NAME_MAX + 1], want[KE_NAME_MAX + 1];
	u32 i, n = 0, pages = 0;
	struct ke_out out;
	struct ke_in in;
	u64 after = 0;
	u8 more = 1;
	u16 here;

	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	for (i = 0; i < 1000; i++) {
		scnprintf(name, sizeof(name), "%0*u", KE_NAME_MAX, i);
		if (put(&g, 1 + i % 100, KE_REGISTRY_JOIN, name, i))
			break;
	}
	is_eq(i, 1000, "created");
	while (more && pages < 100) {
		must(!list(&g, after, KECHO_FRAME_BODY_MAX, &out), "a page");
		in = (struct ke_in){ .p = out.buf + 2, .end = out.buf + out.len };
		more = ke_get_u8(&in);
		here = ke_get_u16(&in);
		while (here--) {
			after = ke_get_u64(&in);
			ke_get_str(&in, name, sizeof(name));
			ke_get(&in, sizeof(struct ke_id));
			scnprintf(want, sizeof(want), "%0*u", KE_NAME_MAX, n++);
			if (!is_str(name, want, "in order") || !is_eq(ke_get_u8(&in), 1, "contact"))
				break;
		}
		ok(!in.bad && in.p == in.end, "nothing else");
		pages++;
	}
	is_eq(n, 1000, "all");
	ok(pages > 1, "more than a page");
	is_eq(list(&g, 0, 3, &out), -ENOSPC, "no room");
	rig_free(&g);
}

/* Requests cut anywhere, and with a byte too many. */
TEST(malformed)
{
	struct rig g;
	struct ke_contact who = { .address = "a:1" };
	struct ke_out body, out;
	struct ke_id id = id_of(1);
	u32 len;

	must(rig_new(&g, false, 0), "rig");
	body = (struct ke_out){ .buf = g.request, .size = sizeof(g.request) };
	ke_put_u8(&body, KE_REGISTRY_JOIN);
	ke_put_str(&body, "x");
	ke_put(&body, &id, sizeof(id));
	ke_put_contact(&body, &who);
	for (len = 0; len <= body.len; len++) {
		out = (struct ke_out){ .buf = g.reply, .size = KECHO_FRAME_BODY_MAX };
		is_eq(ke_registry_request(g.r, 1, g.now, KECHO_FRAME_REG_PUT, g.request, len, &out),
		      len == body.len ? 0 : -EPROTO, "%u of %u bytes", len, body.len);
		if (len < body.len)
			is_eq(ke_registry_entries(g.r), 0, "nothing happened");
	}
	g.request[0] = KE_REGISTRY_REPAIR + 1;
	is_eq(ask(&g, 1, KECHO_FRAME_REG_PUT, &body), -EPROTO, "no such how");
	is_eq(ask(&g, 1, 0, &body), -EPROTO, "no such type");
	is_eq(ask(&g, 1, KECHO_FRAME_REG_GET - 1, &body), -EPROTO, "no request");
	rig_free(&g);
}

/* What a newer client may say: more behind what is known, and requests that are not. */
TEST(newer_client)
{
	static const struct ke_contact who = { .node = { { 1 } } };
	struct ke_out body, out;
	struct ke_id id = id_of(1);
	struct rig g;

	must(rig_new(&g, true, 0), "rig");
	body = (struct ke_out){ .buf = g.request, .size = sizeof(g.request) };
	ke_put_u8(&body, KE_REGISTRY_JOIN);
	ke_put_str(&body, "x");
	ke_put(&body, &id, sizeof(id));
	ke_put_contact(&body, &who);
	ke_put_u64(&body, 0x0102030405060708);
	out = (struct ke_out){ .buf = g.reply, .size = KECHO_FRAME_BODY_MAX };
	is_eq(ke_registry_request(g.r, 1, g.now, KECHO_FRAME_REG_PUT, body.buf, body.len, &out), 0,
	      "a longer request");
	is_eq(g.reply[1], KE_REGISTRY_OK, "done");
	is_eq(ke_registry_entries(g.r), 1, "entry");
	out.len = 0;
	is_eq(ke_registry_request(g.r, 1, g.now, KECHO_FRAME_REG_RENEW, body.buf, body.len, &out),
	      0, "a longer renewal");
	is_eq(g.reply[1], KE_REGISTRY_OK, "done");
	out.len = 0;
	is_eq(ke_registry_request(g.r, 1, g.now, 120, body.buf, 0, &out), 0,
	      "an unknown request");
	is_eq(out.len, 2, "a reply without a body");
	is_eq(g.reply[0], 120, "to that");
	is_eq(g.reply[1], KE_REGISTRY_UNKNOWN, "that says so");
	rig_free(&g);
}

/* Many clients do anything at any time; at last all is gone again. */
TEST(churn)
{
	u64 rng = 88172645463325252ULL, client;
	char name[2] = "a";
	struct rig g;
	u32 i, x;

	must(rig_new(&g, true, 0), "rig");
	for (i = 0; i < 20000; i++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		x = rng >> 32;
		name[0] = 'a' + x % 8;
		client = 1 + (x >> 3) % 16;
		g.now += (x >> 8) % 64;
		switch ((x >> 16) % 8) {
		case 0:
			ke_registry_gone(g.r, client, g.now);
			break;
		case 1:
			drop(&g, client, name, client);
			break;
		case 2:
			renew(&g, client);
			break;
		case 3:
			get(&g, name);
			break;
		default:
			put(&g, client, (x >> 20) % 4, name, (x >> 24) % 4);
		}
		if (!ok(ke_registry_entries(g.r) <= 8, "entries"))
			break;
	}
	ke_registry_tick(g.r, g.now + KE_LEASE_MS);
	is_eq(ke_registry_tick(g.r, g.now + 2 * KE_LEASE_MS), KE_REGISTRY_NEVER, "all has ended");
	is_eq(ke_registry_entries(g.r), 0, "entries");
	rig_free(&g);
}

TEST(full)
{
	char name[16];
	struct rig g;
	u32 i;

	must(rig_new(&g, false, 0), "rig");
	for (i = 0; i < KE_REGISTRY_ENTRIES_MAX; i++) {
		scnprintf(name, sizeof(name), "%u", i);
		if (put(&g, 1, KE_REGISTRY_JOIN, name, 1))
			break;
	}
	is_eq(i, KE_REGISTRY_ENTRIES_MAX, "as many as may be");
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_FULL, "no more");
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "7", 1), KE_REGISTRY_OK, "but what is there");
	drop(&g, 1, "8", 1);
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "x", 1), KE_REGISTRY_OK, "room for one");
	rig_free(&g);
}

/* A destroyed channel: its name is free at once, its uuid never comes back. */
TEST(ended)
{
	struct rig g;
	u32 i;

	must(rig_new(&g, false, 0), "registry");
	is_eq(put(&g, 1, KE_REGISTRY_JOIN, "a", 1), KE_REGISTRY_OK, "a channel");
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "a", 2), KE_REGISTRY_OK, "with two contacts");
	is_eq(put(&g, 2, KE_REGISTRY_JOIN, "b", 3), KE_REGISTRY_OK, "and another");
	is_eq(end(&g, 3, "a", 3), KE_REGISTRY_NONE, "it is not that one");
	is_eq(ke_registry_entries(g.r), 2, "which is there");
	is_eq(put(&g, 3, KE_REGISTRY_REPAIR, "c", 3), KE_REGISTRY_ENDED, "but ended it is");
	is_eq(end(&g, 3, "a", 1), KE_REGISTRY_OK, "by one that is no contact");
	is_eq(ke_registry_entries(g.r), 1, "it is gone");
	is_eq(end(&g, 3, "a", 1), KE_REGISTRY_NONE, "once");
	is_eq(put(&g, 1, KE_REGISTRY_REPAIR, "a", 1), KE_REGISTRY_ENDED, "no repair");
	is_eq(put(&g, 1, KE_REGISTRY_EXCLUSIVE, "a", 4), KE_REGISTRY_OK, "a new one");
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "a", 1), KE_REGISTRY_ENDED, "which stays");
	for (i = 0; i < 2 * KE_REGISTRY_ENDED_MAX; i++)
		end(&g, 1, "x", i % 100 + 100);
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "d", 1), KE_REGISTRY_ENDED, "not forgotten for few");
	rig_free(&g);
}

TESTS(registry, ended, joins, hows, contacts, leaves, repair, takeover, grace, leases, lists,
      malformed, newer_client, churn, full);
