// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Counters of members, for processes, and for other nodes. Those of other nodes are asked for by
 * STAT; each process that asks has a question of its own. What processes say of themselves is
 * passed on, and nothing is decided by it.
 */
#include <linux/random.h>

#include "counters.h"
#include "dev.h"

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
		kn_put_source_stats(o, &src->s, &out);
	}
	list_for_each_entry(k, &c->psinks, channel_list) {
		in = psink_stats(k);
		kn_put_sink_stats(o, &k->m, &in);
	}
}

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

static void add_source(struct kn_entries *e, const struct kn_opening *o, struct kecho_source *src)
{
	struct kecho_ctl_stats st = describe(o, &src->s.member);
	struct kecho_source_stats out = source_stats(src);

	st.events = cpu_to_le64(out.submitted);
	st.bytes = cpu_to_le64(out.bytes);
	st.lost = cpu_to_le64(src->s.lost);
	st.expired = cpu_to_le64(out.expired);
	kn_entries_add(e, &st);
}

static void add_sink(struct kn_entries *e, const struct kn_opening *o, const struct ke_member *m,
		     const struct kecho_sink_stats *in)
{
	struct kecho_ctl_stats st = describe(o, m);

	st.events = cpu_to_le64(in->received);
	st.bytes = cpu_to_le64(in->bytes);
	st.lost = cpu_to_le64(in->lost);
	st.expired = cpu_to_le64(in->expired);
	st.lag_bytes = cpu_to_le64(in->lag_bytes);
	kn_entries_add(e, &st);
}

static void add_own(struct kn_entries *e, const struct kn_opening *o)
{
	struct kecho_sink_stats in;
	struct kecho_source *src;
	struct kecho_sink *sink;
	struct kn_psink *k;

	list_for_each_entry(src, &o->ch->c->sources, list)
		add_source(e, o, src);
	list_for_each_entry(sink, &o->ch->c->sinks, list) {
		kecho_sink_stats(sink, &in);
		add_sink(e, o, &sink->m, &in);
	}
	list_for_each_entry(k, &o->ch->c->psinks, channel_list) {
		in = psink_stats(k);
		add_sink(e, o, &k->m, &in);
	}
}

/* ---------------------------------------------------------------- of other nodes */

/* A question, and what was answered. */
struct kn_count {
	struct list_head list;
	u64 cookie;
	u32 due;		/* nodes that have yet to answer */
	struct kn_entries e;
};

static struct kn_count *asked(struct kn *kn, u64 cookie)
{
	struct kn_count *q;

	list_for_each_entry(q, &kn->counts, list)
		if (q->cookie == cookie && q->due)
			return q;
	return NULL;
}

/* Nobody need have asked. */
void kn_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p, struct ke_in *in)
{
	struct kn_channel *c = ch->owner;
	struct kn_count *q = asked(c->kn, ke_get_u64(in));
	struct kecho_ctl_stats st;
	struct ke_counters said;

	while (ke_counters_get(in, &said)) {
		st = ke_counters_shown(&said, p);
		if (q)
			kn_entries_add(&q->e, &st);
	}
	if (q)
		q->due--;
	kn_changed(c->kn);
}

/* Ours last: before they answer, the others say what their sinks lost of our sources. */
void kn_stats_request(const struct kn_ask *r)
{
	const struct kecho_ctl_list *in = r->body;
	u32 timeout_ms = le32_to_cpu(in->timeout_ms) ?: KN_OPEN_MS;
	unsigned long until = jiffies + msecs_to_jiffies(timeout_ms);
	struct kn_opening *o = kn_list_opening(r);
	struct kn_count q = { .due = 0 };
	struct kn *kn = r->s->kn;

	if (!o || !kn_entries_begin(&q.e, r, sizeof(struct kecho_ctl_stats)))
		return;
	q.cookie = get_random_u64();
	q.due = ke_channel_ask_counters(&o->ch->c->ch, q.cookie);
	list_add_tail(&q.list, &kn->counts);
	while (q.due && kn_wait(kn, until))
		;
	list_del(&q.list);
	o = r->s->over ? NULL : kn_opening(r->s, le32_to_cpu(in->channel));
	if (o)
		add_own(&q.e, o);
	kn_entries_answer(&q.e);
}
