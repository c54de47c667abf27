/* SPDX-License-Identifier: MIT */
/*
 * What every registry does, wherever it is: by nodes that reach it at @address.
 */
#ifndef KECHO_REG_RULES_H
#define KECHO_REG_RULES_H

#include "reg_test.h"

static __maybe_unused void rule_joins(const char *address)
{
	struct node n[3] = {};
	struct ke_id uuid;

	if (nodes_open(n, 3, address)) {
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		is_eq(n[0].r.n, 0, "alone");
		uuid = n[0].r.uuid;
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		is_eq(n[1].r.n, 1, "the first");
		is_eq(n[1].r.contacts[0].incarnation, 1, "it is");
		is_str(n[1].r.contacts[0].address, "192.0.2.1:1", "where it is");
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
		is_eq(join(&n[2], "x"), 0, "%s", n[2].r.why);
		is_eq(n[2].r.n, 2, "both");
		is_eq(join(&n[2], "y"), 0, "%s", n[2].r.why);
		ok(ke_id_cmp(&n[2].r.uuid, &uuid), "another channel");
	}
	nodes_end(n, 3);
}

static __maybe_unused void rule_flags(const char *address)
{
	struct node n[2] = {};
	char name[KE_NAME_MAX + 2];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	if (nodes_open(n, 2, address)) {
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXISTING, LONG_MS), -ENOENT, "none");
		is_str(n[1].r.why, "channel x: it does not exist", "why");
		is_eq(call(&n[1], LOOKUP, "x", 0, LONG_MS), -ENOENT, "none");
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), 0, "new");
		is_eq(call(&n[0], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), -EEXIST, "not new");
		is_str(n[0].r.why, "channel x: it exists already", "why");
		is_eq(call(&n[0], JOIN, "x", KE_REG_EXISTING, LONG_MS), 0, "there");
		is_eq(call(&n[0], JOIN, name, 0, LONG_MS), -EINVAL, "too long");
		is_eq(call(&n[0], JOIN, "", 0, LONG_MS), -EINVAL, "empty");
		is_eq(call(&n[0], JOIN, "a b", 0, LONG_MS), -EINVAL, "a space");
		/* Who leaves as the last one leaves nothing to repair. */
		call(&n[0], LEAVE, "x", 0, 0);
		comes_to(&n[1], "x", 0);
		call(&n[1], LEAVE, "x", 0, 0);
		is_eq(call(&n[1], JOIN, "x", KE_REG_EXCLUSIVE, LONG_MS), 0, "new again");
	}
	nodes_end(n, 2);
}

static __maybe_unused void rule_room(const char *address)
{
	struct node n[4] = {};
	unsigned int i;

	if (nodes_open(n, 4, address)) {
		for (i = 0; i < 4; i++)
			is_eq(join(&n[i], "x"), 0, "%s", n[i].r.why);
		is_eq(n[3].r.n, 3, "the fourth is none");
		call(&n[1], LEAVE, "x", 0, 0);
		comes_to(&n[3], "x", 2);
		call(&n[3], REPAIR, "x", 0, 0);
		comes_to(&n[1], "x", 3);
		call(&n[3], REPAIR, "nowhere", 0, 0);
	}
	nodes_end(n, 4);
}

static __maybe_unused void rule_repair(const char *address)
{
	struct node n[2] = {};
	struct ke_id uuid;

	if (nodes_open(n, 2, address)) {
		join(&n[1], "x");
		uuid = n[1].r.uuid;
		node_end(&n[1], SIGKILL);
		comes_to(&n[0], "x", 0);
		is_eq(call(&n[0], JOIN, "x", 0, 100), -ETIMEDOUT, "others may be there");
		ok(strstr(n[0].r.why, "last contact"), "%s", n[0].r.why);
		is_eq(join(&n[0], "x"), 0, "after the lease");
		ok(ke_id_cmp(&n[0].r.uuid, &uuid), "another channel");
	}
	nodes_end(n, 2);
}

/* A contact whose process hangs goes with its lease, and comes back with it. */
static __maybe_unused void rule_leases(const char *address)
{
	struct node n[3] = {};

	if (nodes_open(n, 3, address)) {
		join(&n[0], "x");
		join(&n[1], "x");
		join(&n[2], "x");
		node_stop(&n[2]);
		comes_to(&n[0], "x", 1);
		kill(n[2].pid, SIGCONT);
		comes_to(&n[0], "x", 2);
		comes_to(&n[1], "x", 2);
	}
	nodes_end(n, 3);
}

/* Takes news until there is this. */
static __maybe_unused bool is_told(struct node *n, const char *name, bool named)
{
	while (!call(n, NEWS, "", 0, LONG_MS))
		if (!strcmp(n->r.news.name, name) && n->r.news.named == named)
			return true;
	return false;
}

/*
 * A channel's only node stands still for so long that its name is given away. It is told,
 * as is who looks at the list; and has the name again when the other channel is over.
 */
static __maybe_unused void rule_two_of_a_name(const char *address)
{
	struct node n[3] = {};
	struct ke_id first;

	if (nodes_open(n, 3, address)) {
		join(&n[1], "also");
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		first = n[1].r.uuid;
		node_stop(&n[1]);
		comes_to(&n[2], "x", 0);
		is_eq(join(&n[2], "x"), 0, "%s", n[2].r.why);
		ok(ke_id_cmp(&n[2].r.uuid, &first), "another channel");
		is_eq(n[2].r.n, 0, "alone");
		kill(n[1].pid, SIGCONT);
		ok(is_told(&n[1], "x", false), "it is told");
		ok(!ke_id_cmp(&n[1].r.news.uuid, &first), "that its channel");
		ok(!ke_id_cmp(&n[1].r.news.other, &n[2].r.uuid), "is this one now");
		call(&n[0], LIST, "", 0, LONG_MS);
		is_eq(n[0].r.value, 3, "also, and twice x");
		is_str(n[0].r.info[2].name, "x", "the one that nobody finds last");
		ok(!ke_id_cmp(&n[0].r.info[2].uuid, &first), "which is the first's");
		ok(n[0].r.info[2].other && !n[0].r.info[0].other, "and marked");
		call(&n[2], LEAVE, "x", 0, 0);
		ok(is_told(&n[1], "x", true), "it is told");
		ok(n[1].r.news.contact, "that it has it again");
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		ok(!ke_id_cmp(&n[0].r.uuid, &first), "it has");
	}
	nodes_end(n, 3);
}

/* A channel outlives its servers, one after the other. */
static __maybe_unused void survives(const char *address)
{
	struct node n[4] = {};
	struct ke_id uuid;

	if (nodes_open(n, 4, address)) {
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		uuid = n[0].r.uuid;
		join(&n[1], "x");
		join(&n[2], "x");
		node_end(&n[0], SIGKILL);
		comes_to(&n[1], "x", 1);
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
		is_eq(call(&n[3], JOIN, "x", KE_REG_EXISTING, LONG_MS), 0, "%s", n[3].r.why);
		ok(!ke_id_cmp(&n[3].r.uuid, &uuid), "for others too");
		node_end(&n[1], SIGKILL);
		node_end(&n[2], SIGKILL);
		comes_to(&n[3], "x", 0);
		ok(!ke_id_cmp(&n[3].r.uuid, &uuid), "to the last");
	}
	nodes_end(n, 4);
}

#endif
