// SPDX-License-Identifier: MIT
/*
 * Counters of members. Those of other nodes are asked for by STAT (core/counters.h has the
 * bodies); processes that ask at the same time share the question. What processes say of
 * themselves is passed on, and nothing is decided by it.
 */
#include "counters.h"
#include "daemon.h"

static void source_stats(struct kd_source *src, struct kecho_ctl_stats *st)
{
	struct kd_feed *f;
	u64 lost = src->s.lost;

	kd_source_counters(src);
	list_for_each_entry(f, &src->feeds, log_list)
		if (src->o && f->sink->o->s != src->o->s)
			lost += kd_feed_lost(f, src->head / sizeof(struct kecho_record));
	st->events = cpu_to_le64(src->events);
	st->bytes = cpu_to_le64(src->bytes);
	st->lost = cpu_to_le64(lost);
	st->expired = cpu_to_le64(ke_source_expired(&src->s));
}

static u64 lag(struct kd_feed *f)
{
	u64 head, pos = le64_to_cpu(READ_ONCE(kd_gate(f->sink->o->s, f->slot)->pos));

	if (f->mirror)
		head = f->mirror->rs->mirror.head;
	else if (kd_source_head(f->source, &head))
		return 0;
	return pos <= head ? head - pos : 0;
}

static void sink_stats(struct kd_sink *k, struct kecho_ctl_stats *st)
{
	const struct kecho_gate_slot *g = kd_gate(k->o->s, k->gate);
	struct kd_feed *f;
	u64 all = 0;

	list_for_each_entry(f, &k->feeds, sink_list)
		all += lag(f);
	st->events = READ_ONCE(g->events);
	st->bytes = READ_ONCE(g->bytes);
	st->lost = READ_ONCE(g->lost);
	st->expired = READ_ONCE(g->expired);
	st->lag_bytes = cpu_to_le64(all);
}

static struct kecho_ctl_stats own_stats(const struct ke_member *m)
{
	struct kecho_ctl_stats st = { 0 };

	if (m->role == KE_SOURCE)
		source_stats(m->owner, &st);
	else
		sink_stats(m->owner, &st);
	return st;
}

/* ------------------------------------------------------------- for other nodes */

void kd_stats_out(struct ke_link *l, struct ke_channel *ch, u64 cookie)
{
	static u8 buf[KECHO_FRAME_BODY_MAX];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct kecho_ctl_stats st;
	struct ke_member *m;

	ke_put_u64(&o, cookie);
	list_for_each_entry(m, &ch->members, list) {
		st = own_stats(m);
		ke_counters_put(&o, m, &(struct ke_counters){
			.events = le64_to_cpu(st.events), .bytes = le64_to_cpu(st.bytes),
			.lost = le64_to_cpu(st.lost), .expired = le64_to_cpu(st.expired),
			.lag_bytes = le64_to_cpu(st.lag_bytes),
		});
	}
	ke_link_send(l, KECHO_FRAME_STATS, ch->index, 0, buf, o.len);
}

void kd_stats_in(struct ke_link *l, struct ke_channel *ch, struct ke_peer *p, struct ke_in *in)
{
	struct kd_channel *c = ch->owner;
	bool wanted = ke_get_u64(in) == c->cookie && c->due;
	struct kecho_ctl_stats st;
	struct ke_counters said;

	(void)l;
	while (ke_counters_get(in, &said)) {
		st = ke_counters_shown(&said, p);
		if (wanted)
			kd_entries_add(&c->stats, &st);
	}
	c->due -= wanted;
	c->d->changed = true;
}

/* ------------------------------------------------------------- for processes */

static bool answered(struct kd_wait *w)
{
	return !((struct kd_channel *)((struct kd_opening *)w->object)->c)->due;
}

/* Ours last: before they answer, the others say what their sinks lost of our sources. */
static void stats_over(struct kd_wait *w, bool in_time)
{
	struct kd_request r = kd_wait_request(w);
	struct kd_channel *c = ((struct kd_opening *)w->object)->c;
	struct kd_entries all = { .size = sizeof(struct kecho_ctl_stats) };
	struct kecho_ctl_stats st;
	struct ke_member *m;
	u32 i;

	(void)in_time;
	list_for_each_entry(m, &c->ch.members, list) {
		st = own_stats(m);
		st.member = kd_describe_own(w->s, m);
		strscpy(st.node_name, c->d->k.node.name, sizeof(st.node_name));
		kd_entries_add(&all, &st);
	}
	for (i = 0; i < c->stats.n; i++)
		kd_entries_add(&all, c->stats.buf + (size_t)i * c->stats.size);
	r.body = w->body;
	kd_entries_answer(&r, &all);
	kd_entries_free(&all);
}

static void ask_nodes(struct kd_channel *c)
{
	kd_entries_free(&c->stats);
	c->stats.size = sizeof(struct kecho_ctl_stats);
	c->cookie = lib_house.random(&c->d->k);
	c->due = ke_channel_ask_counters(&c->ch, c->cookie);
}

static bool asked(const struct kd_channel *c)
{
	const struct kd_opening *o;

	list_for_each_entry(o, &c->openings, channel_list)
		if (kd_waits_on(c->d, o, KECHO_CMD_STATS))
			return true;
	return false;
}

void kd_stats_request(const struct kd_request *r)
{
	const struct kecho_ctl_list *in = r->body;
	struct kd_opening *o = kd_opening(r->s, le32_to_cpu(in->channel));

	if (!o) {
		kd_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
		return;
	}
	if (!asked(o->c))
		ask_nodes(o->c);
	kd_wait(r, o, in, le32_to_cpu(in->timeout_ms) ?: r->s->d->conf.timeout_ms, answered,
		stats_over);
}
