// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A channel's table of its members and their live attributes, which processes read without
 * asking: core/shown.h. It is made when the first of them wants it, whose user pays for it as
 * long as the channel is there. All is under kn.lock.
 */
#include "dev.h"
#include "shown.h"

struct kn_live {
	struct ke_shown table;
	struct kn_pages pages;
	struct kn_user *user;
};

void kn_live_own(const struct kn_channel *c, const struct ke_member *m, bool there)
{
	if (c->live)
		ke_shown_own(&c->live->table, m, there);
}

void kn_live_remote(const struct ke_remote *m)
{
	const struct kn_channel *c = m->presence->channel->owner;

	if (c->live)
		ke_shown_remote(&c->live->table, m);
}

void kn_live_channel(const struct kn_channel *c)
{
	if (c->live)
		ke_shown_channel(&c->live->table, &c->ch);
}

void kn_live_node(const struct kn_channel *c, const struct ke_peer *p)
{
	if (c->live)
		ke_shown_node(&c->live->table, &c->ch, p);
}

void kn_live_free(struct kn_channel *c)
{
	struct kn_live *l = c->live;

	if (!l)
		return;
	c->live = NULL;
	kn_pages_free(&l->pages);
	kn_uncharge(l->user, KN_MEMORY, KECHO_LIVE_SIZE);
	kn_user_put(l->user);
	kvfree(l);
}

static int make_table(struct kn_channel *c, const struct kn_session *s)
{
	struct kn_live *l;
	int err = kn_charge(s->user, KN_MEMORY, KECHO_LIVE_SIZE);

	if (err)
		return err;
	l = kvzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	err = l ? kn_pages_make(&l->pages, "kecho-live", KECHO_LIVE_SIZE) : -ENOMEM;
	if (err) {
		kvfree(l);
		kn_uncharge(s->user, KN_MEMORY, KECHO_LIVE_SIZE);
		return err;
	}
	kn_pages_seal(&l->pages);
	l->user = kn_user_get(s->user->uid);
	l->table.map = l->pages.map;
	l->table.backed = KECHO_LIVE_SLOTS;
	ke_shown_init(&l->table, &c->ch);
	ke_shown_whole(&l->table, true);
	c->live = l;
	return 0;
}

void kn_live_request(const struct kn_ask *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));
	struct kn_answer a = { .body = in, .len = sizeof(*in), .nfiles = 1 };
	int err = o ? 0 : -EBADF;

	if (o && !o->ch->c->live)
		err = make_table(o->ch->c, r->s);
	if (err) {
		kn_refuse(r, err, "no table of the channel's attributes");
		return;
	}
	a.file[0] = o->ch->c->live->pages.file;
	kn_send(r->s, r->cmd, r->serial, 0, &a);
}
