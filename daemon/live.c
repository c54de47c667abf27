// SPDX-License-Identifier: MIT
/*
 * A channel's table of its members and their live attributes, which its processes read without
 * asking: core/shown.h. It is made when the first of them wants it.
 *
 * Only we can write it, so what stands there is what we put there. What has no place in it they
 * ask for, and a sink that has none is chosen by no source of theirs.
 */
#include "daemon.h"
#include "shown.h"

enum { BACK_SLOTS = 16 };	/* that get memory at a time */

struct kd_live {
	struct ke_shown table;
	int rw, ro;
};

static bool back_more(struct ke_shown *t)
{
	struct kd_live *l = container_of(t, struct kd_live, table);
	u32 more = min_t(u32, BACK_SLOTS, KECHO_LIVE_SLOTS - t->backed);

	if (!more || posix_fallocate(l->rw, 0, KECHO_LIVE_SLOTS_AT +
				     (t->backed + more) * sizeof(struct kecho_live_slot)))
		return false;
	t->backed += more;
	return true;
}

/* ------------------------------------------------------------------- changes */

void kd_live_channel(const struct kd_channel *c)
{
	if (c->live)
		ke_shown_channel(&c->live->table, &c->ch);
}

void kd_live_own(const struct kd_channel *c, const struct ke_member *m, bool there)
{
	if (c->live)
		ke_shown_own(&c->live->table, m, there);
}

void kd_live_remote(const struct ke_remote *m)
{
	const struct kd_channel *c = m->presence->channel->owner;

	if (c->live)
		ke_shown_remote(&c->live->table, m);
}

/* Of the node @p; NULL: ours. */
void kd_live_node(struct kd *d, const struct ke_peer *p)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (c->live)
			ke_shown_node(&c->live->table, &c->ch, p);
}

/* Whoever was there before us is back, or does not come any more. */
static bool is_whole(const struct kd *d)
{
	return !d->holds && !d->gates_by;
}

void kd_live_whole(struct kd *d)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (c->live)
			ke_shown_whole(&c->live->table, is_whole(d));
}

/* -------------------------------------------------------------------- making */

static int map_table(struct kd_live *l, const struct kd *d)
{
	char file[24];
	int err = kd_run_file(d->conf.run, "live", file, sizeof(file), KECHO_LIVE_SIZE, &l->rw,
			      &l->ro);

	if (err)
		return err;
	/* The next kechod has one of its own. */
	kd_run_file_remove(d, file);
	l->table.back = back_more;
	if (!back_more(&l->table))
		return -ENOSPC;
	l->table.map = mmap(NULL, KECHO_LIVE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, l->rw, 0);
	if (l->table.map != MAP_FAILED)
		return 0;
	l->table.map = NULL;
	return -errno;
}

void kd_live_free(struct kd_channel *c)
{
	struct kd_live *l = c->live;

	c->live = NULL;
	if (!l)
		return;
	if (l->table.map)
		munmap(l->table.map, KECHO_LIVE_SIZE);
	if (l->rw >= 0)
		close(l->rw);
	if (l->ro >= 0)
		close(l->ro);
	free(l);
}

static int make_table(struct kd_channel *c)
{
	int err;

	if (c->live)
		return 0;
	c->live = calloc(1, sizeof(*c->live));
	if (!c->live)
		return -ENOMEM;
	c->live->rw = c->live->ro = -1;
	err = map_table(c->live, c->d);
	if (err) {
		kd_live_free(c);
		return err;
	}
	ke_shown_init(&c->live->table, &c->ch);
	ke_shown_whole(&c->live->table, is_whole(c->d));
	return 0;
}

void kd_live_request(const struct kd_request *r)
{
	const struct kecho_ctl_channel *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));
	int err = o ? make_table(o->c) : -EBADF;

	if (err)
		kd_refuse(r, err, "no table of the channel's attributes");
	else
		kd_send(r->s, r->cmd, r->serial, 0, in, sizeof(*in), NULL, 0, &o->c->live->ro, 1);
}
