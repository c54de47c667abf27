// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The registry's table: no name is lost without a word. Who lost a contact hears of it,
 * a name waits for those who may be left, and who lost it is seen.
 */
#include "registry_test.h"

/* Who has lost one of several contacts hears of it, once, whatever else it has. */
TEST(renews_what_was_taken)
{
	struct rig g;

	must(rig_new(&g, true, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	put(&g, 1, KE_REGISTRY_JOIN, "y", 2);
	is_eq(renew(&g, 1), KE_REGISTRY_OK, "it has both");
	is_eq(repair_as(&g, 7, 1, "x", 1), KE_REGISTRY_OK, "one is taken over");
	is_eq(renew(&g, 1), KE_REGISTRY_NONE, "it is told");
	is_eq(renew(&g, 1), KE_REGISTRY_OK, "once");
	is_eq(renew(&g, 7), KE_REGISTRY_OK, "who took it has it");
	is_eq(repair_as(&g, 7, 1, "x", 1), KE_REGISTRY_OK, "it says so again");
	is_eq(renew(&g, 7), KE_REGISTRY_OK, "and took it from nobody");
	drop(&g, 7, "x", 1);
	is_eq(renew(&g, 7), KE_REGISTRY_NONE, "nothing is left");
	rig_free(&g);
}

/* It lost all, and published something new before it asked: the rest is still lost. */
TEST(renews_what_expired)
{
	struct rig g;

	must(rig_new(&g, true, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	put(&g, 1, KE_REGISTRY_JOIN, "y", 2);
	g.now += KE_LEASE_MS;
	put(&g, 1, KE_REGISTRY_JOIN, "z", 3);
	is_eq(renew(&g, 1), KE_REGISTRY_NONE, "x and y are gone");
	put(&g, 1, KE_REGISTRY_REPAIR, "x", 1);
	put(&g, 1, KE_REGISTRY_REPAIR, "y", 2);
	is_eq(renew(&g, 1), KE_REGISTRY_OK, "it has all three");
	g.now += KE_LEASE_MS;
	ke_registry_tick(g.r, g.now);
	is_eq(renew(&g, 1), KE_REGISTRY_NONE, "all gone");
	is_eq(renew(&g, 1), KE_REGISTRY_NONE, "and nothing published");
	/* Of who has gone meanwhile nothing is left either. */
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	g.now += KE_LEASE_MS;
	ke_registry_tick(g.r, g.now);
	ke_registry_gone(g.r, 1, g.now);
	put(&g, 1, KE_REGISTRY_REPAIR, "x", 1);
	is_eq(renew(&g, 1), KE_REGISTRY_OK, "another with its key");
	rig_free(&g);
}

/*
 * The last contact takes leave while another, whose lease ran out, may live: the name
 * waits for it.
 */
TEST(leaves_one_that_expired)
{
	struct rig g;

	must(rig_new(&g, true, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	g.now += KE_LEASE_MS / 2;
	put(&g, 2, KE_REGISTRY_JOIN, "x", 2);
	g.now += KE_LEASE_MS / 2;
	is_eq(drop(&g, 2, "x", 2), KE_REGISTRY_OK, "the last takes leave");
	is_eq(put(&g, 3, KE_REGISTRY_JOIN, "x", 3), KE_REGISTRY_IN_REPAIR, "the first may live");
	is_eq(put(&g, 1, KE_REGISTRY_REPAIR, "x", 1), KE_REGISTRY_OK, "it does");
	is_eq(put(&g, 3, KE_REGISTRY_JOIN, "x", 3), KE_REGISTRY_OK, "joined");
	ok(is_uuid(&g, 1), "the first's");
	rig_free(&g);
}

/* An entry that was brought to a new registry has others in it who are still to come. */
TEST(leaves_one_to_come)
{
	struct rig g;

	must(rig_new(&g, false, 100), "rig");
	put(&g, 1, KE_REGISTRY_REPAIR, "x", 1);
	drop(&g, 1, "x", 1);
	g.now += 100;
	is_eq(put(&g, 3, KE_REGISTRY_JOIN, "x", 3), KE_REGISTRY_IN_REPAIR, "it waits");
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 1), KE_REGISTRY_OK, "for this one");
	rig_free(&g);
}

/* How many the list has, with rivals; the last of them has @uuid. */
static u16 listed(struct rig *g, struct ke_id *uuid)
{
	char name[KE_NAME_MAX + 1];
	struct ke_out out;
	struct ke_in in;
	u16 n, rivals, i;

	is_eq(list(g, 0, KECHO_FRAME_BODY_MAX, &out), 0, "a list");
	in = (struct ke_in){ .p = out.buf + 3, .end = out.buf + out.len };
	n = ke_get_u16(&in);
	for (i = 0; i < n; i++) {
		ke_get_u64(&in);
		ke_get_str(&in, name, sizeof(name));
		ke_get_copy(&in, uuid, sizeof(*uuid));
		ke_get_u8(&in);
		is_str(name, "x", "the name");
	}
	rivals = in.p < in.end ? ke_get_u16(&in) : 0;
	for (i = 0; i < rivals; i++) {
		ke_get_str(&in, name, sizeof(name));
		ke_get_copy(&in, uuid, sizeof(*uuid));
		is_str(name, "x", "the name");
	}
	ok(!in.bad && in.p == in.end, "nothing else");
	return n + rivals;
}

/* Another channel that says the name is its own is listed for as long as it does. */
TEST(rivals)
{
	struct ke_id uuid, second = id_of(2);
	struct rig g;

	must(rig_new(&g, false, 0), "rig");
	put(&g, 1, KE_REGISTRY_JOIN, "x", 1);
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 2), KE_REGISTRY_OTHER, "not its name");
	is_eq(listed(&g, &uuid), 2, "both are listed");
	ok(!ke_id_cmp(&uuid, &second), "the other one last");
	is_eq(get(&g, "x"), KE_REGISTRY_OK, "there");
	ok(is_uuid(&g, 1), "who asks finds the one");
	g.now += KE_LEASE_MS;
	put(&g, 2, KE_REGISTRY_REPAIR, "x", 2);
	g.now += 2 * KE_LEASE_MS - 1;
	is_eq(listed(&g, &uuid), 2, "it said so again");
	g.now++;
	is_eq(listed(&g, &uuid), 1, "and then no more");
	drop(&g, 1, "x", 1);
	is_eq(put(&g, 2, KE_REGISTRY_REPAIR, "x", 2), KE_REGISTRY_OK, "now it is its name");
	is_eq(listed(&g, &uuid), 1, "alone");
	rig_free(&g);
}

TESTS(registry_lost, renews_what_was_taken, renews_what_expired, leaves_one_that_expired,
      leaves_one_to_come, rivals);
