// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a process may do. Users and groups are numbered as the user namespace does that the
 * network namespace belongs to; who has CAP_NET_ADMIN there may do everything, and who has no
 * number there owns nothing.
 *
 * A channel's rights are attributes of it, which only nodes set: "kecho.owner" and
 * "kecho.group", and "kecho.mode", as of chmod. A channel without them is everybody's.
 */
#include <linux/cred.h>
#include <net/net_namespace.h>

#include "dev.h"

u32 kn_user(const struct kn_session *s)
{
	return from_kuid_munged(s->kn->net->user_ns, s->cred->euid);
}

static bool in_group(const struct kn_session *s, s64 gid)
{
	kgid_t group = make_kgid(s->kn->net->user_ns, gid);
	const struct cred *old;
	bool in;

	if (gid < 0 || gid > U32_MAX || !gid_valid(group))
		return false;
	old = override_creds(s->cred);
	in = in_egroup_p(group);
	revert_creds(old);
	return in;
}

/* Whose number is only shown for want of one owns nothing. */
static bool owns(const struct kn_session *s, s64 owner)
{
	uid_t uid = from_kuid(s->kn->net->user_ns, s->cred->euid);

	return uid != (uid_t)-1 && owner == (s64)uid;
}

static s64 number(const struct kn_channel *c, const char *name, s64 none)
{
	struct ke_value v;

	if (ke_attrs_find(c->ch.attrs.buf, c->ch.attrs.len, name, &v) || v.kind != KE_VALUE_I64)
		return none;
	return v.i64;
}

/* enum kn_right */
u32 kn_rights(const struct kn_session *s, const struct kn_channel *c)
{
	s64 mode = number(c, "kecho.mode", 0666);

	if (s->root)
		return KN_MANAGE | KN_PUBLISH | KN_SUBSCRIBE;
	if (owns(s, number(c, "kecho.owner", -1)))
		return mode >> 6 & 7;
	if (in_group(s, number(c, "kecho.group", -1)))
		return mode >> 3 & 7;
	return mode & 7;
}

/* Who blocks holds up the sources of others. */
bool kn_may_block(const struct kn_session *s, const struct kn_channel *c)
{
	const struct kn *kn = s->kn;

	if (s->root || kn->may_block == KN_BLOCK_ALL)
		return true;
	if (kn->may_block == KN_BLOCK_GROUP)
		return in_group(s, kn->block_gid);
	return owns(s, number(c, "kecho.owner", -1));
}

static int set_number(struct kn_channel *c, const char *name, s64 n)
{
	struct ke_value v = { .kind = KE_VALUE_I64, .len = 8, .i64 = n };

	return ke_channel_set(&c->ch, name, &v);
}

/* It is new, as far as anybody knows: it is this process's. */
int kn_own_channel(const struct kn_session *s, struct kn_channel *c, u32 mode)
{
	const struct ke_presence *pr;
	int err;

	if (number(c, "kecho.owner", -1) >= 0 || !list_is_singular(&c->users))
		return 0;
	list_for_each_entry(pr, &c->ch.presences, channel_list)
		if (pr->here)
			return 0;
	err = set_number(c, "kecho.owner", kn_user(s));
	err = err ?: set_number(c, "kecho.group",
				from_kgid_munged(s->kn->net->user_ns, s->cred->egid));
	return err ?: set_number(c, "kecho.mode", mode ? mode & 0777 : 0666);
}
