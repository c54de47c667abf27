// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A channel's table of its members and their live attributes, which processes read without
 * asking: core/shown.h. It is made when the first of them wants it, who pays for it as long as
 * the channel is there: his user and his control group. It grows as members come; what he can't
 * pay for is not in it. All is under kn.lock.
 */
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "dev.h"
#include "shown.h"

enum { FIRST_SLOTS = 16 };	/* that have memory; then twice as many, and so on */

struct kn_live {
	struct ke_shown table;
	struct kn_pages pages;
	struct kn_user *user;
	struct mem_cgroup *memcg;
};

static size_t bytes_of(u32 slots)
{
	return KECHO_LIVE_SLOTS_AT + slots * sizeof(struct kecho_live_slot);
}

static bool back_more(struct ke_shown *t)
{
	struct kn_live *l = container_of(t, struct kn_live, table);
	u32 slots = min_t(u32, 2 * t->backed, KECHO_LIVE_SLOTS);
	size_t more = bytes_of(slots) - bytes_of(t->backed);
	struct kn_pages pages;
	struct mem_cgroup *was;
	int err;

	if (!more || kn_charge(l->user, KN_MEMORY, more))
		return false;
	was = set_active_memcg(l->memcg);
	err = kn_pages_part(&pages, l->pages.file, 0, bytes_of(slots));
	set_active_memcg(was);
	if (err) {
		kn_uncharge(l->user, KN_MEMORY, more);
		return false;
	}
	kn_pages_free(&l->pages);
	l->pages = pages;
	t->map = l->pages.map;
	t->backed = slots;
	return true;
}

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
	kn_uncharge(l->user, KN_MEMORY, bytes_of(l->table.backed));
	kn_user_put(l->user);
	mem_cgroup_put(l->memcg);
	kvfree(l);
}

static int make_pages(struct kn_pages *p)
{
	struct file *file = kn_pages_file("kecho-live", KECHO_LIVE_SIZE);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = kn_pages_part(p, file, 0, bytes_of(FIRST_SLOTS));
	fput(file);
	if (!err)
		kn_pages_seal(p);
	return err;
}

static int make_table(struct kn_channel *c, const struct kn_session *s)
{
	struct kn_live *l;
	int err = kn_charge(s->user, KN_MEMORY, bytes_of(FIRST_SLOTS));

	if (err)
		return err;
	l = kvzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	err = l ? make_pages(&l->pages) : -ENOMEM;
	if (err) {
		kvfree(l);
		kn_uncharge(s->user, KN_MEMORY, bytes_of(FIRST_SLOTS));
		return err;
	}
	l->user = kn_user_get(s->user->uid);
	l->memcg = get_mem_cgroup_from_mm(current->mm);
	l->table.map = l->pages.map;
	l->table.backed = FIRST_SLOTS;
	l->table.back = back_more;
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
