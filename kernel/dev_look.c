// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What processes ask about: members, counters, links, and the node itself. A list goes out in
 * answers of KN_ANSWER_MAX bytes; `from` and `next` are numbers of entries.
 */
#include <linux/utsname.h>

#include "dev.h"

struct entries {		/* of an answer: a part of all */
	const struct kn_ask *r;
	u8 *buf;
	u32 size, room, n;	/* bytes of one; entries */
	u64 from, all;
};

static bool begin(struct entries *e, const struct kn_ask *r, u32 size)
{
	const struct kecho_ctl_list *in = r->body;

	*e = (struct entries){ .r = r, .size = size, .room = KN_ANSWER_MAX / size,
			       .from = le64_to_cpu(in->from) };
	e->buf = kvmalloc(KN_ANSWER_MAX, GFP_KERNEL_ACCOUNT);
	if (!e->buf)
		kn_refuse(r, -ENOMEM, "a list");
	return e->buf;
}

static void add(struct entries *e, const void *entry)
{
	if (e->all++ < e->from || e->n == e->room)
		return;
	memcpy(e->buf + (size_t)e->n++ * e->size, entry, e->size);
}

static void answer(struct entries *e)
{
	struct kecho_ctl_list out = *(const struct kecho_ctl_list *)e->r->body;
	struct kn_answer a = { .body = &out, .len = sizeof(out), .tail = e->buf,
			       .tail_len = e->n * e->size };

	out.n = cpu_to_le32(e->n);
	out.more = cpu_to_le32(e->from + e->n < e->all);
	out.next = cpu_to_le64(e->from + e->n);
	out.entry_size = cpu_to_le32(e->size);
	kn_send(e->r->s, e->r->cmd, e->r->serial, 0, &a);
	kvfree(e->buf);
}

/* NULL: it has been refused. */
static struct kn_opening *opening_of(const struct kn_ask *r)
{
	const struct kecho_ctl_list *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));

	if (!o)
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	return o;
}

/* ------------------------------------------------------------------- members */

struct members {
	struct entries e;
	const struct kn_opening *o;
};

static void add_member(void *arg, const struct kecho_member *m)
{
	struct members *all = arg;
	struct kecho_ctl_member entry = kn_describe(all->o, m);

	add(&all->e, &entry);
}

void kn_members_request(const struct kn_ask *r)
{
	struct members all = { .o = opening_of(r) };

	if (!all.o || !begin(&all.e, r, sizeof(struct kecho_ctl_member)))
		return;
	kn_members_each(all.o->ch, add_member, &all);
	answer(&all.e);
}

/* ------------------------------------------------------------------ counters */

static struct kecho_source_stats source_stats(struct kecho_source *src)
{
	struct kecho_source_stats st = { 0 };
	const struct kn_psource *ps = src->proc;
	const struct kecho_gate_slot *g;

	if (!ps) {
		kecho_source_stats(src, &st);
		return st;
	}
	g = kn_gate(ps->o->s, ps->gate);
	st.submitted = le64_to_cpu(READ_ONCE(g->events));
	st.bytes = le64_to_cpu(READ_ONCE(g->bytes));
	st.expired = ke_source_expired(&src->s);
	return st;
}

static u64 lag(const struct kn_psink *k)
{
	const struct kecho_log_header *hdr;
	const struct kn_pfeed *f;
	u64 sum = 0, head, pos;

	list_for_each_entry(f, &k->feeds, sink_list) {
		hdr = f->log->pages.map;
		head = le64_to_cpu(READ_ONCE(hdr->head));
		pos = le64_to_cpu(READ_ONCE(kn_gate(k->o->s, f->slot)->pos));
		sum += head > pos ? head - pos : 0;
	}
	return sum;
}

static struct kecho_sink_stats psink_stats(const struct kn_psink *k)
{
	const struct kecho_gate_slot *g = kn_gate(k->o->s, k->gate);

	return (struct kecho_sink_stats){
		.received = le64_to_cpu(READ_ONCE(g->events)),
		.bytes = le64_to_cpu(READ_ONCE(g->bytes)),
		.lost = le64_to_cpu(READ_ONCE(g->lost)),
		.expired = le64_to_cpu(READ_ONCE(g->expired)),
		.lag_bytes = lag(k),
	};
}

/* For other nodes. */
void kn_process_stats(struct ke_out *o, struct kn_channel *c)
{
	struct kecho_source_stats out;
	struct kecho_sink_stats in;
	struct kecho_source *src;
	struct kn_psink *k;

	list_for_each_entry(src, &c->sources, list) {
		if (!src->proc)
			continue;
		out = source_stats(src);
		kn_put_stats(o, &src->s.member, out.submitted, out.bytes, src->s.lost, out.expired,
			     0);
	}
	list_for_each_entry(k, &c->psinks, channel_list) {
		in = psink_stats(k);
		kn_put_stats(o, &k->m, in.received, in.bytes, in.lost, in.expired, in.lag_bytes);
	}
}

struct counted {
	struct entries e;
	const struct kn_opening *o;
};

static struct kecho_ctl_stats describe(const struct kn_opening *o, const struct ke_member *m)
{
	struct kecho_ctl_stats st = {
		.member = { .id = cpu_to_le64(m->id), .channel = cpu_to_le32(o->handle),
			    .role = m->role, .policy = m->policy, .state = KECHO_JOINED,
			    .mine = m->owner == o->ch, .traffic_class = m->traffic_class },
	};
	const struct kn *kn = o->s->kn;

	memcpy(&st.member.node, kn->node.self.node.b, sizeof(st.member.node));
	strscpy(st.node_name, kn->node.name, sizeof(st.node_name));
	return st;
}

static void add_source(struct entries *e, const struct kn_opening *o, struct kecho_source *src)
{
	struct kecho_ctl_stats st = describe(o, &src->s.member);
	struct kecho_source_stats out = source_stats(src);

	st.events = cpu_to_le64(out.submitted);
	st.bytes = cpu_to_le64(out.bytes);
	st.lost = cpu_to_le64(src->s.lost);
	st.expired = cpu_to_le64(out.expired);
	add(e, &st);
}

static void add_sink(struct entries *e, const struct kn_opening *o, const struct ke_member *m,
		     const struct kecho_sink_stats *in)
{
	struct kecho_ctl_stats st = describe(o, m);

	st.events = cpu_to_le64(in->received);
	st.bytes = cpu_to_le64(in->bytes);
	st.lost = cpu_to_le64(in->lost);
	st.expired = cpu_to_le64(in->expired);
	st.lag_bytes = cpu_to_le64(in->lag_bytes);
	add(e, &st);
}

/* Of the members of this node. */
void kn_stats_request(const struct kn_ask *r)
{
	struct kn_opening *o = opening_of(r);
	struct kecho_sink_stats in;
	struct kecho_source *src;
	struct kecho_sink *sink;
	struct kn_psink *k;
	struct entries e;

	if (!o || !begin(&e, r, sizeof(struct kecho_ctl_stats)))
		return;
	list_for_each_entry(src, &o->ch->c->sources, list)
		add_source(&e, o, src);
	list_for_each_entry(sink, &o->ch->c->sinks, list) {
		kecho_sink_stats(sink, &in);
		add_sink(&e, o, &sink->m, &in);
	}
	list_for_each_entry(k, &o->ch->c->psinks, channel_list) {
		in = psink_stats(k);
		add_sink(&e, o, &k->m, &in);
	}
	answer(&e);
}

/* --------------------------------------------------------------- links, the node */

static void add_link(struct entries *e, const struct ke_peer *p)
{
	const struct ke_link *l = p->link;
	struct kecho_ctl_link out = {
		.up = cpu_to_le32(!!l), .resumed = cpu_to_le64(p->resumed),
		.refused = cpu_to_le32(p->refused != 0),
		.oldest = cpu_to_le32(p->speaks.oldest),
		.newest = cpu_to_le32(p->speaks.newest),
	};

	if (!l)
		out.error = cpu_to_le32((u32)(p->contact.address[0] ? p->error : -EDESTADDRREQ));
	memcpy(&out.node, p->contact.node.b, sizeof(out.node));
	strscpy(out.name, p->name, sizeof(out.name));
	strscpy(out.address, p->contact.address, sizeof(out.address));
	if (l) {
		out.version = cpu_to_le32(l->version);
		out.rx_bytes = cpu_to_le64(l->rx_bytes);
		out.tx_bytes = cpu_to_le64(l->tx_bytes);
	}
	add(e, &out);
}

void kn_links_request(const struct kn_ask *r)
{
	struct ke_peer *p;
	struct entries e;

	if (!begin(&e, r, sizeof(struct kecho_ctl_link)))
		return;
	list_for_each_entry(p, &r->s->kn->node.peers, list)
		add_link(&e, p);
	answer(&e);
}

/* Those of this node: a registry is not asked. */
void kn_channels_request(const struct kn_ask *r)
{
	struct kecho_ctl_channel_info info;
	const struct kn_channel *c;
	struct entries e;

	if (!begin(&e, r, sizeof(info)))
		return;
	list_for_each_entry(c, &r->s->kn->channels, list) {
		if (c->ch.ended)
			continue;
		info = (struct kecho_ctl_channel_info){ .contacts = cpu_to_le32(1) };
		memcpy(info.uuid, c->ch.uuid.b, sizeof(info.uuid));
		strscpy(info.name, c->ch.name, sizeof(info.name));
		add(&e, &info);
	}
	answer(&e);
}

static void count_members(const struct kn *kn, struct kecho_ctl_status *st)
{
	u32 channels = 0, sources = 0, sinks = 0, nodes = 0, links = 0;
	const struct kn_channel *c;
	const struct ke_peer *p;

	list_for_each_entry(c, &kn->channels, list) {
		channels++;
		sinks += c->ch.sinks;
		sources += list_count_nodes((struct list_head *)&c->sources);
	}
	list_for_each_entry(p, &kn->node.peers, list) {
		nodes++;
		links += !!p->link;
	}
	st->channels = cpu_to_le32(channels);
	st->sources = cpu_to_le32(sources);
	st->sinks = cpu_to_le32(sinks);
	st->nodes = cpu_to_le32(nodes);
	st->links = cpu_to_le32(links);
}

void kn_status_request(const struct kn_ask *r)
{
	const struct kn *kn = r->s->kn;
	struct kecho_ctl_status st = { .abi = cpu_to_le32(KECHO_NODE_ABI),
				       .processes = cpu_to_le32(kn->attached) };
	unsigned long has = atomic_long_read(&r->s->user->has[KN_MEMORY]);

	count_members(kn, &st);
	st.memory_bytes = cpu_to_le64(kn_users_memory());
	st.user_memory_bytes = cpu_to_le64(has);
	st.user_memory_max = cpu_to_le64(kn_user_max(KN_MEMORY));
	strscpy(st.version, THIS_MODULE->version ?: "", sizeof(st.version));
	strscpy(st.name, kn->node.name, sizeof(st.name));
	strscpy(st.listen, kn->node.self.address, sizeof(st.listen));
	strscpy(st.registry, kn->registry, sizeof(st.registry));
	kn_answer(r, &st);
}
