// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table that processes read: who comes is found there with its attributes, who goes is not,
 * and what has no place in it leaves the others as they are.
 */
#include "link.h"
#include "shown.h"
#include "tap.h"

enum { SLOTS = 8, FIRST_ID = 1000 };

struct world {
	struct ke_shown t;
	struct ke_node node;
	struct ke_channel ch;
	struct ke_member m[KECHO_LIVE_PROBES + 2];
};

static void set(struct ke_attrs *a, const char *name, s64 i64)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .i64 = i64 };

	is_eq(ke_attrs_set(a, name, &v, 77), 0, "%s is set", name);
}

/* NULL: no memory. */
static struct world *begin(void)
{
	struct world *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	u32 i;

	if (!w)
		return NULL;
	w->t.map = kvzalloc(KECHO_LIVE_SIZE, GFP_KERNEL);
	w->t.backed = SLOTS;
	w->ch.node = &w->node;
	INIT_LIST_HEAD(&w->ch.members);
	INIT_LIST_HEAD(&w->ch.presences);
	for (i = 0; i < ARRAY_SIZE(w->m); i++) {
		w->m[i].id = FIRST_ID + i;
		w->m[i].role = KE_SINK;
		w->m[i].channel = &w->ch;
	}
	set(&w->ch.attrs, "zone", 3);
	set(&w->node.attrs, "cpus", 8);
	set(&w->m[0].attrs, "load", 50);
	if (w->t.map)
		ke_shown_init(&w->t, &w->ch);
	return w;
}

static void end(struct world *w)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(w->m); i++)
		ke_attrs_free(&w->m[i].attrs);
	ke_attrs_free(&w->ch.attrs);
	ke_attrs_free(&w->node.attrs);
	kvfree(w->t.map);
	kvfree(w);
}

#define WORLD()					\
	struct world *w = begin();		\
						\
	must(w && w->t.map, "memory")

/* As a process looks; NULL: it is not there. */
static const struct kecho_live_slot *look(const struct ke_shown *t, u64 member)
{
	const struct kecho_live_entry *e = (const void *)(t->map + KECHO_LIVE_INDEX_AT);
	const struct kecho_live_slot *s = (const void *)(t->map + KECHO_LIVE_SLOTS_AT);
	u32 i, at;

	for (i = 0; i < KECHO_LIVE_PROBES; i++) {
		at = (member + i) % KECHO_LIVE_INDEX;
		if (le64_to_cpu(e[at].member) == member)
			return s + le32_to_cpu(e[at].slot);
	}
	return NULL;
}

static s64 number(const struct kecho_live_slot *s, bool of_node, const char *name)
{
	u32 own = le16_to_cpu(s->own);
	struct ke_value v = { .i64 = -1 };

	ke_attrs_find(s->data + (of_node ? own : 0), of_node ? le16_to_cpu(s->node) : own, name,
		      &v);
	return v.i64;
}

static u64 changes(const struct ke_shown *t)
{
	return le64_to_cpu(((const struct kecho_live_head *)t->map)->changes);
}

TEST(comes_and_goes)
{
	const struct kecho_live_slot *s;
	u64 before;
	WORLD();

	s = (const void *)(w->t.map + KECHO_LIVE_SLOTS_AT);
	is_eq(number(s, false, "zone"), 3, "the channel's");
	ok(!look(&w->t, FIRST_ID), "nobody is there");
	before = changes(&w->t);
	ke_shown_own(&w->t, &w->m[0], true);
	s = look(&w->t, FIRST_ID);
	must(s, "it is there");
	is_eq(le64_to_cpu(s->member), FIRST_ID, "it");
	is_eq(s->role, KE_SINK, "its role");
	is_eq(le32_to_cpu(s->version) & 1, 0, "whole");
	is_eq(number(s, false, "load"), 50, "its own");
	is_eq(number(s, true, "cpus"), 8, "its node's");
	is_eq(le64_to_cpu(*(const __le64 *)(s->data + ALIGN(le16_to_cpu(s->own) +
							      le16_to_cpu(s->node), 8))),
	      77, "when it was set");
	ok(changes(&w->t) > before, "which is seen");
	set(&w->node.attrs, "cpus", 9);
	list_add_tail(&w->m[0].list, &w->ch.members);
	ke_shown_node(&w->t, &w->ch, NULL);
	is_eq(number(s, true, "cpus"), 9, "its node's have changed");
	before = changes(&w->t);
	ke_shown_own(&w->t, &w->m[0], false);
	ok(!look(&w->t, FIRST_ID), "it has gone");
	is_eq(le64_to_cpu(s->member), 0, "its slot is nobody's");
	ok(changes(&w->t) > before, "which is seen, too");
	ke_shown_own(&w->t, &w->m[1], false);
	end(w);
}

TEST(others)
{
	struct ke_peer peer = { .node = NULL };
	struct ke_presence pr = { .peer = &peer };
	struct ke_remote m = { .presence = &pr, .id = 7, .role = KE_SOURCE, .state = KE_JOINED };
	WORLD();

	INIT_LIST_HEAD(&pr.remotes);
	list_add_tail(&m.list, &pr.remotes);
	list_add_tail(&pr.channel_list, &w->ch.presences);
	pr.channel = &w->ch;
	set(&peer.attrs, "cpus", 2);
	ke_shown_remote(&w->t, &m);
	must(look(&w->t, 7), "it is there");
	is_eq(number(look(&w->t, 7), true, "cpus"), 2, "its node's");
	set(&peer.attrs, "cpus", 4);
	ke_shown_node(&w->t, &w->ch, &peer);
	is_eq(number(look(&w->t, 7), true, "cpus"), 4, "its node's have changed");
	m.state = KE_FAILED;
	ke_shown_remote(&w->t, &m);
	ok(!look(&w->t, 7), "it has failed");
	ke_attrs_free(&peer.attrs);
	end(w);
}

/* The first slot is the channel's. */
TEST(full)
{
	u32 i;
	WORLD();

	for (i = 0; i < SLOTS; i++)
		ke_shown_own(&w->t, &w->m[i], true);
	for (i = 0; i < SLOTS; i++)
		is_eq(!look(&w->t, FIRST_ID + i), i == SLOTS - 1, "%u", i);
	ke_shown_own(&w->t, &w->m[2], false);
	ke_shown_own(&w->t, &w->m[SLOTS - 1], true);
	ok(look(&w->t, FIRST_ID + SLOTS - 1), "in the place of who has gone");
	is_eq(le32_to_cpu(((struct kecho_live_head *)w->t.map)->slots), SLOTS, "all were used");
	end(w);
}

/* It lies elsewhere from here on. */
static bool back_one(struct ke_shown *t)
{
	u8 *map = kvmalloc(KECHO_LIVE_SIZE, GFP_KERNEL);

	if (!map)
		return false;
	memcpy(map, t->map, KECHO_LIVE_SIZE);
	kvfree(t->map);
	t->map = map;
	t->backed++;
	return true;
}

TEST(grows)
{
	u32 i;
	WORLD();

	w->t.back = back_one;
	for (i = 0; i < 2 * SLOTS; i++)
		ke_shown_own(&w->t, &w->m[i], true);
	for (i = 0; i < 2 * SLOTS; i++)
		ok(look(&w->t, FIRST_ID + i), "%u", i);
	is_eq(w->t.backed, 2 * SLOTS + 1, "no more than that");
	end(w);
}

/* Who is looked for further than that is asked about. */
TEST(crowded)
{
	u32 i;
	WORLD();

	w->t.backed = KECHO_LIVE_SLOTS;
	for (i = 0; i <= KECHO_LIVE_PROBES; i++) {
		w->m[i].id = 5 + (u64)i * KECHO_LIVE_INDEX;
		ke_shown_own(&w->t, &w->m[i], true);
		is_eq(!look(&w->t, w->m[i].id), i == KECHO_LIVE_PROBES, "%u", i);
	}
	end(w);
}

TEST(too_much)
{
	struct ke_value v = { .kind = KE_VALUE_BYTES, .len = KE_ATTR_VALUE_MAX };
	const struct kecho_live_slot *s;
	u8 *data;
	WORLD();

	data = kzalloc(KE_ATTR_VALUE_MAX, GFP_KERNEL);
	must(data, "memory");
	v.data = data;
	ke_shown_own(&w->t, &w->m[0], true);
	is_eq(ke_attrs_set(&w->m[0].attrs, "a", &v, 0), 0, "a large one");
	ke_shown_own(&w->t, &w->m[0], true);
	s = look(&w->t, FIRST_ID);
	ok(s && !s->more, "fits");
	is_eq(ke_attrs_set(&w->m[0].attrs, "b", &v, 0), 0, "another one");
	ke_shown_own(&w->t, &w->m[0], true);
	ok(look(&w->t, FIRST_ID) == s && s->more, "does not");
	is_eq(le16_to_cpu(s->len), 0, "it is asked for");
	kfree(data);
	end(w);
}

TESTS(shown, comes_and_goes, others, full, grows, crowded, too_much);
