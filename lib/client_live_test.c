// SPDX-License-Identifier: MIT
/*
 * A process reads kechod's table of live attributes: what is in it, and nothing that can't
 * be. The table ends where its memory does, so that a sanitizer sees a read past it.
 */
#include "client.h"
#include "tap.h"

enum { ROUNDS = 20000, MEMBER = 77 };

static struct client node;
static struct kecho k;
static struct client_channel cc;
static struct kecho_channel ch;
static struct client_live live;
static u8 *table;

static struct kecho_live_entry *entry(u32 i)
{
	return (struct kecho_live_entry *)(table + KECHO_LIVE_INDEX_AT) + i;
}

static struct kecho_live_slot *slot(u32 i)
{
	return (struct kecho_live_slot *)(table + KECHO_LIVE_SLOTS_AT) + i;
}

static bool begin(void)
{
	free(table);
	table = calloc(1, KECHO_LIVE_SIZE);
	k.client = &node;
	node.k = ch.k = &k;
	node.state = CLIENT_UP;
	node.generation = cc.live_generation = 1;
	live.map = table;
	cc.live = &live;
	ch.client = &cc;
	return table;
}

static void end(void)
{
	free(table);
	table = NULL;
}

/* "a" is 5, and the node's "b" 6; set five and six seconds ago. */
static void fill(u32 i, u64 member)
{
	static const u8 sets[] = "\1\1\10\0a\5\0\0\0\0\0\0\0\1\1\10\0b\6\0\0\0\0\0\0";
	struct kecho_live_slot *s = slot(i);
	u64 now = lib_deadline(0);

	s->own = s->node = cpu_to_le16(sizeof(sets) / 2);
	s->member = cpu_to_le64(member);
	s->len = cpu_to_le16(ALIGN(sizeof(sets), 8) + 16);
	s->more = 0;
	memcpy(s->data, sets, sizeof(sets));
	put_unaligned_le64(now - 5000, s->data + ALIGN(sizeof(sets), 8));
	put_unaligned_le64(now - 6000, s->data + ALIGN(sizeof(sets), 8) + 8);
}

static int get(u64 member, const char *name, struct kecho_value *v)
{
	return client_live_get(&ch, member, name, v, NULL, 0);
}

TEST(found)
{
	struct kecho_value v = { .i64 = 0 };

	must(begin(), "memory");
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "it is not in there");
	fill(3, MEMBER);
	*entry(MEMBER + KECHO_LIVE_PROBES - 1) = (struct kecho_live_entry){ MEMBER, 3, 0 };
	is_eq(get(MEMBER, "a", &v), 0, "a");
	is_eq(v.i64, 5, "its value");
	ok(v.age_ns >= 5000000000 && v.age_ns < 5900000000, "its age");
	is_eq(get(MEMBER, "node.b", &v), 0, "its node's b");
	is_eq(v.i64, 6, "its value");
	ok(v.age_ns >= 6000000000 && v.age_ns < 6900000000, "its age");
	is_eq(get(MEMBER, "b", &v), -ENOENT, "no b of its own");
	is_eq(get(MEMBER, "node.a", &v), -ENOENT, "nor its node's a");
	fill(0, 0);
	is_eq(get(0, "a", &v), 0, "the channel's");
	end();
}

TEST(asked_for)
{
	struct kecho_value v;

	must(begin(), "memory");
	fill(3, MEMBER);
	*entry(MEMBER) = (struct kecho_live_entry){ MEMBER, 3, 0 };
	slot(3)->version = 1;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "it is being written");
	slot(3)->version = 2;
	slot(3)->member = 78;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "it is another's by now");
	slot(3)->member = MEMBER;
	slot(3)->more = 1;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "it has more than fits");
	slot(3)->more = 0;
	entry(MEMBER)->slot = KECHO_LIVE_SLOTS;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "there is no such slot");
	entry(MEMBER)->slot = 3;
	is_eq(get(MEMBER, "a", &v), 0, "as it should be");
	node.generation++;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "the table is another node's");
	cc.live_generation++;
	node.state = CLIENT_LOST;
	is_eq(get(MEMBER, "a", &v), -EAGAIN, "the node is gone");
	end();
}

/* Some bytes of a good slot are others, and of what names it. */
TEST(hostile)
{
	u64 rng = 88172645463325252ULL;
	u32 round, i, asked = 0, there = 0;
	u8 buf[KE_ATTR_VALUE_MAX];
	struct kecho_value v;
	int err;

	must(begin(), "memory");
	for (round = 0; round < ROUNDS; round++) {
		fill(KECHO_LIVE_SLOTS - 1, MEMBER);
		*entry(MEMBER) = (struct kecho_live_entry){ MEMBER, KECHO_LIVE_SLOTS - 1, 0 };
		for (i = 0; i < 1 + round % 3; i++) {
			rng ^= rng << 13;
			rng ^= rng >> 7;
			rng ^= rng << 17;
			((u8 *)slot(KECHO_LIVE_SLOTS - 1))[4 + rng % 68] = rng >> 32;
		}
		err = client_live_get(&ch, MEMBER, round & 1 ? "a" : "node.b", &v, buf,
				      sizeof(buf));
		ok(err == 0 || err == -EAGAIN || err == -ENOENT, "%d", err);
		ok(err || v.len <= sizeof(buf), "%zu bytes", v.len);
		asked += err == -EAGAIN;
		there += !err;
	}
	ok(asked > 100 && there > 100, "%u to be asked for, %u there", asked, there);
	end();
}

TESTS(client_live, found, asked_for, hostile);
