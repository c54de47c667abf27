// SPDX-License-Identifier: MIT
/*
 * Users: what each has taken, and what each may do.
 *
 * A user is charged for the logs of its sources, for each mirror that one of its
 * sinks reads, and for members and processes, and refused beyond the limit of the
 * configuration; so one user cannot take the memory of all. A node has so many members
 * and channels, in all; a user may have a part of them.
 *
 * A channel's rights are attributes of it, which only nodes set: "kecho.owner" and
 * "kecho.group", a uid and a gid, and "kecho.mode", as of chmod. A channel without
 * them, of nodes that know nothing of it, is everybody's. Root may do everything.
 */
#include "daemon.h"

struct kd_user *kd_user_get(struct kd *d, uid_t uid)
{
	struct kd_user *u;

	list_for_each_entry(u, &d->users, list) {
		if (u->uid == uid) {
			u->refs++;
			return u;
		}
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->d = d;
	u->uid = uid;
	u->refs = 1;
	list_add_tail(&u->list, &d->users);
	return u;
}

void kd_user_put(struct kd_user *u)
{
	if (!u || --u->refs)
		return;
	WARN_ON_ONCE(u->memory || u->sessions || u->joins || u->channels || u->members);
	list_del(&u->list);
	free(u);
}

/* -ENOSPC: it would have more than a user may. */
int kd_user_charge(struct kd_user *u, u64 bytes)
{
	u64 max = u->d->conf.user_memory;

	if (u->memory > max || bytes > max - u->memory)
		return -ENOSPC;
	u->memory += bytes;
	u->d->memory += bytes;
	return 0;
}

/* The same of a member, which costs @bytes. */
int kd_user_member(struct kd_user *u, u64 bytes)
{
	int err = u->members < u->d->conf.user_members ? kd_user_charge(u, bytes) : -ENOSPC;

	u->members += !err;
	return err;
}

void kd_user_no_member(struct kd_user *u, u64 bytes)
{
	u->members--;
	kd_user_uncharge(u, bytes);
}

void kd_user_uncharge(struct kd_user *u, u64 bytes)
{
	WARN_ON_ONCE(bytes > u->memory);
	u->memory -= bytes;
	u->d->memory -= bytes;
}

static bool in_group(const struct kd_session *s, gid_t gid)
{
	unsigned int i;

	for (i = 0; i < s->ngroups; i++)
		if (s->groups[i] == gid)
			return true;
	return s->gid == gid;
}

static s64 number(const struct kd_channel *c, const char *name, s64 none)
{
	struct ke_value v;

	if (ke_attrs_find(c->ch.attrs.buf, c->ch.attrs.len, name, &v) || v.kind != KE_VALUE_I64)
		return none;
	return v.i64;
}

/* enum kd_right */
u32 kd_rights(const struct kd_session *s, const struct kd_channel *c)
{
	s64 mode = number(c, "kecho.mode", 0666);

	if (!s->user->uid)
		return KD_MANAGE | KD_PUBLISH | KD_SUBSCRIBE;
	if (number(c, "kecho.owner", -1) == (s64)s->user->uid)
		return mode >> 6 & 7;
	if (in_group(s, number(c, "kecho.group", -1)))
		return mode >> 3 & 7;
	return mode & 7;
}

/* Who blocks holds up the sources of others. */
bool kd_may_block(const struct kd_session *s, const struct kd_channel *c)
{
	const struct kd_conf *conf = &s->d->conf;

	if (!s->user->uid || conf->block == KD_BLOCK_ALL)
		return true;
	if (conf->block == KD_BLOCK_GROUP)
		return in_group(s, conf->block_gid);
	return number(c, "kecho.owner", -1) == (s64)s->user->uid;
}

static int set_number(struct kd_channel *c, const char *name, s64 n)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .len = 8, .i64 = n };

	return ke_channel_set(&c->ch, name, &v);
}

/* The channel is new, as far as anybody knows: it is this process's. */
int kd_own_channel(const struct kd_session *s, struct kd_channel *c, u32 mode)
{
	const struct ke_presence *pr;
	int err;

	if (number(c, "kecho.owner", -1) >= 0)
		return 0;
	list_for_each_entry(pr, &c->ch.presences, channel_list)
		if (pr->here)
			return 0;
	err = set_number(c, "kecho.owner", s->user->uid);
	err = err ?: set_number(c, "kecho.group", s->gid);
	return err ?: set_number(c, "kecho.mode", mode ? mode & 0777 : 0666);
}
