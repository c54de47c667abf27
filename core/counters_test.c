// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Counters of members: as they travel, and as many as there is room for. */
#include "counters.h"
#include "peer.h"
#include "tap.h"

enum { BYTES = 50, ID = 7, POLICY = 1 };

static const struct ke_counters some = {
	.events = 1, .bytes = 2, .lost = 3, .expired = 4, .lag_bytes = 5,
};

TEST(travel)
{
	struct ke_member m = { .id = ID, .role = KE_SINK, .policy = POLICY };
	u8 buf[2 * BYTES];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_in in = { .p = buf, .end = buf + BYTES };
	struct ke_counters c;

	ke_counters_put(&o, &m, &some);
	is_eq(o.len, BYTES, "its bytes");
	ok(ke_counters_get(&in, &c), "it is there");
	ok(c.member == ID && c.role == KE_SINK && c.policy == POLICY, "whose they are");
	ok(c.events == 1 && c.bytes == 2 && c.lost == 3 && c.expired == 4 && c.lag_bytes == 5,
	   "all of them");
	ok(!ke_counters_get(&in, &c) && !in.bad, "no more");
}

/* A part of one would be no answer. */
TEST(whole)
{
	struct ke_member m = { .id = ID };
	u8 buf[3 * BYTES - 1];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_in in = { .p = buf, .end = buf + 2 * BYTES - 1 };
	struct ke_counters c;
	u32 i;

	for (i = 0; i < 4; i++)
		ke_counters_put(&o, &m, &some);
	ok(o.len == 2 * BYTES && !o.bad, "as many as fit");
	ok(ke_counters_get(&in, &c), "one");
	ok(!ke_counters_get(&in, &c) && in.bad, "and a part");
}

TEST(shown)
{
	struct ke_peer p = { .name = "there", .contact = { .node = { { 9 } } } };
	struct ke_counters c = some;
	struct kecho_ctl_stats st;

	c.member = ID;
	st = ke_counters_shown(&c, &p);
	ok(le64_to_cpu(st.member.id) == ID && st.member.remote, "a member of another node");
	is_eq(le64_to_cpu(st.member.node), 9, "of this one");
	is_str(st.node_name, "there", "its name");
	ok(le64_to_cpu(st.events) == 1 && le64_to_cpu(st.lag_bytes) == 5, "what is counted");
}

TESTS(counters, travel, whole, shown);
