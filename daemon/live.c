// SPDX-License-Identifier: MIT
/*
 * A channel's table of its members and their live attributes, which its processes read without
 * asking: see uapi/kecho_node.h. It is made when the first of them wants it.
 *
 * Only we can write it, so what stands there is what we put there. What has no place in it they
 * ask for, and a sink that has none is chosen by no source of theirs.
 */
#include "daemon.h"

enum { BACK_SLOTS = 16 };	/* that get memory at a time */

static const struct ke_attrs none;

struct kd_live {
	int rw, ro;
	u8 *map;
	u32 backed;		/* slots with memory behind them */
	u64 changes;		/* as its head says */
	bool used[KECHO_LIVE_SLOTS];
};

static struct kecho_live_head *head_of(const struct kd_live *l)
{
	return (struct kecho_live_head *)l->map;
}

static struct kecho_live_entry *entry_at(const struct kd_live *l, u64 member, u32 probe)
{
	return (struct kecho_live_entry *)(l->map + KECHO_LIVE_INDEX_AT) +
	       (member + probe) % KECHO_LIVE_INDEX;
}

static struct kecho_live_slot *slot_at(const struct kd_live *l, u32 slot)
{
	return (struct kecho_live_slot *)(l->map + KECHO_LIVE_SLOTS_AT) + slot;
}

/* Of @member, 0: one that is free; NULL: none. */
static struct kecho_live_entry *find(const struct kd_live *l, u64 at, u64 member)
{
	struct kecho_live_entry *e;
	u32 i;

	for (i = 0; i < KECHO_LIVE_PROBES; i++) {
		e = entry_at(l, at, i);
		if (le64_to_cpu(e->member) == member)
			return e;
	}
	return NULL;
}

static bool back_more(struct kd_live *l)
{
	u32 more = min_t(u32, BACK_SLOTS, KECHO_LIVE_SLOTS - l->backed);

	if (!more || posix_fallocate(l->rw, 0, KECHO_LIVE_SLOTS_AT +
				     (l->backed + more) * sizeof(struct kecho_live_slot)))
		return false;
	l->backed += more;
	return true;
}

/* The first that is free; 0: none. */
static u32 take_slot(struct kd_live *l)
{
	u32 i = 1;

	do {
		for (; i < l->backed; i++) {
			if (l->used[i])
				continue;
			l->used[i] = true;
			return i;
		}
	} while (back_more(l));
	return 0;
}

/* ------------------------------------------------------------------- writing */

/* What was written is told from what is being written by the version; a reader looks at it
 * before and after. */
static void slot_begin(struct kecho_live_slot *s)
{
	WRITE_ONCE(s->version, cpu_to_le32(le32_to_cpu(s->version) + 1));
	smp_wmb();
}

static void slot_end(struct kecho_live_slot *s)
{
	smp_store_release(&s->version, cpu_to_le32(le32_to_cpu(s->version) + 1));
}

static u32 data_len(const struct ke_attrs *own, const struct ke_attrs *node)
{
	return ALIGN(own->len + node->len, 8) + (own->n + node->n) * sizeof(__le64);
}

static void put_times(__le64 *to, const struct ke_attrs *a)
{
	u32 i;

	for (i = 0; i < a->n; i++)
		to[i] = cpu_to_le64((u64)a->since[i].set_ms);
}

static bool fits(const struct ke_attrs *own, const struct ke_attrs *node)
{
	return data_len(own, node) <= sizeof(((struct kecho_live_slot *)0)->data);
}

static void put_sets(struct kecho_live_slot *s, const struct ke_attrs *own,
		     const struct ke_attrs *node)
{
	__le64 *times = (__le64 *)(s->data + ALIGN(own->len + node->len, 8));

	s->own = cpu_to_le16(own->len);
	s->node = cpu_to_le16(node->len);
	s->len = cpu_to_le16(data_len(own, node));
	if (own->len)
		memcpy(s->data, own->buf, own->len);
	if (node->len)
		memcpy(s->data + own->len, node->buf, node->len);
	put_times(times, own);
	put_times(times + own->n, node);
}

/* Of member 0, but for the channel's slot: it is nobody's. */
static void write_slot(struct kd_live *l, u32 slot, u64 member, u8 role,
		       const struct ke_attrs *own, const struct ke_attrs *node)
{
	struct kecho_live_slot *s = slot_at(l, slot);
	bool more = !fits(own, node);

	slot_begin(s);
	s->member = cpu_to_le64(member);
	s->role = role;
	s->more = more;
	put_sets(s, more ? &none : own, more ? &none : node);
	slot_end(s);
}

/* Who has seen it before finds that there is something new. */
static void changed(struct kd_live *l)
{
	smp_store_release(&head_of(l)->changes, cpu_to_le64(++l->changes));
}

static void drop(struct kd_live *l, u64 member)
{
	struct kecho_live_entry *e = find(l, member, member);
	u32 slot;

	if (!e)
		return;
	slot = le32_to_cpu(e->slot);
	WRITE_ONCE(e->member, 0);
	write_slot(l, slot, 0, 0, &none, &none);
	l->used[slot] = false;
	changed(l);
}

static void put(struct kd_live *l, u64 member, u8 role, const struct ke_attrs *own,
		const struct ke_attrs *node)
{
	struct kecho_live_entry *e = find(l, member, member);
	u32 slot;

	if (e) {
		write_slot(l, le32_to_cpu(e->slot), member, role, own, node);
		changed(l);
		return;
	}
	e = find(l, member, 0);
	slot = e ? take_slot(l) : 0;
	if (!slot)
		return;
	write_slot(l, slot, member, role, own, node);
	e->slot = cpu_to_le32(slot);
	smp_store_release(&e->member, cpu_to_le64(member));
	if (slot >= le32_to_cpu(head_of(l)->slots))
		WRITE_ONCE(head_of(l)->slots, cpu_to_le32(slot + 1));
	changed(l);
}

/* As it is now; @own is NULL: it is not there any more. */
static void show(struct kd_live *l, u64 member, u8 role, const struct ke_attrs *own,
		 const struct ke_attrs *node)
{
	if (own)
		put(l, member, role, own, node);
	else
		drop(l, member);
}

static void show_channel(const struct kd_channel *c)
{
	write_slot(c->live, 0, 0, 0, &c->ch.attrs, &none);
	changed(c->live);
}

static void show_ours(const struct kd_channel *c)
{
	const struct ke_member *m;

	list_for_each_entry(m, &c->ch.members, list)
		show(c->live, m->id, m->role, &m->attrs, &c->d->k.node.attrs);
}

static void show_theirs(const struct kd_channel *c, const struct ke_peer *of)
{
	const struct ke_presence *pr;
	const struct ke_remote *m;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(m, &pr->remotes, list)
			if (m->state == KE_JOINED && (!of || of == pr->peer))
				show(c->live, m->id, m->role, &m->attrs, &pr->peer->attrs);
}

/* ------------------------------------------------------------------- changes */

void kd_live_channel(const struct kd_channel *c)
{
	if (c->live)
		show_channel(c);
}

void kd_live_own(const struct kd_channel *c, const struct ke_member *m, bool there)
{
	if (c->live)
		show(c->live, m->id, m->role, there ? &m->attrs : NULL, &c->d->k.node.attrs);
}

void kd_live_remote(const struct ke_remote *m)
{
	const struct kd_channel *c = m->presence->channel->owner;

	if (c->live)
		show(c->live, m->id, m->role, m->state == KE_JOINED ? &m->attrs : NULL,
		     &m->presence->peer->attrs);
}

/* Of the node @p; NULL: ours. */
void kd_live_node(struct kd *d, const struct ke_peer *p)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list) {
		if (c->live && p)
			show_theirs(c, p);
		else if (c->live)
			show_ours(c);
	}
}

/* Whoever was there before us is back, or does not come any more. */
static bool is_whole(const struct kd *d)
{
	return !d->holds && !d->gates_by;
}

static void show_whole(const struct kd_channel *c)
{
	WRITE_ONCE(head_of(c->live)->whole, cpu_to_le32(is_whole(c->d)));
	changed(c->live);
}

void kd_live_whole(struct kd *d)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (c->live)
			show_whole(c);
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
	if (!back_more(l))
		return -ENOSPC;
	l->map = mmap(NULL, KECHO_LIVE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, l->rw, 0);
	if (l->map != MAP_FAILED)
		return 0;
	l->map = NULL;
	return -errno;
}

void kd_live_free(struct kd_channel *c)
{
	struct kd_live *l = c->live;

	c->live = NULL;
	if (!l)
		return;
	if (l->map)
		munmap(l->map, KECHO_LIVE_SIZE);
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
	WRITE_ONCE(head_of(c->live)->slots, cpu_to_le32(1));
	show_channel(c);
	show_ours(c);
	show_theirs(c, NULL);
	show_whole(c);
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
