// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Filters of processes' sinks. Core tells them to all sources of the channel, and what those
 * answer goes to the process that reads the log, as a note behind that of the feed.
 *
 * The process says in its gates when it goes by such a note; only then may the source give the
 * bit of the filter before to another. Until it does, and if it never does, the source goes on
 * judging by both, and nobody waits for it but itself.
 */
#include "dev.h"

/* ------------------------------------------------------------------- verdicts */

static void tell(struct kn_pfeed *f, const struct ke_verdict *v)
{
	struct kecho_note_judged note = ke_judged_note(f->sink->handle, f->id, ++f->judged, v);

	f->version = v->version;
	kn_note(f->sink->o->s, KECHO_NOTE_JUDGED, &note, sizeof(note), NULL);
}

/* Who begins to read is told what was said before. */
void kn_pfeed_verdict(struct kn_pfeed *f)
{
	struct ke_verdict v;

	if (ke_member_verdict(&f->sink->m, f->member, &v))
		tell(f, &v);
}

/* False: its process has yet to take it. */
bool kn_pfilter_judged(struct ke_member *sink, u64 source, const struct ke_verdict *v)
{
	struct kn_psink *k = container_of(sink, struct kn_psink, m);
	struct kn_pfeed *f;

	list_for_each_entry(f, &k->feeds, sink_list) {
		if (f->member != source)
			continue;
		tell(f, v);
		f->open = true;
		return false;
	}
	return true;
}

/* Its process may have. */
void kn_pfeed_took(struct kn_pfeed *f)
{
	const struct kecho_gate_slot *g = kn_gate(f->sink->o->s, f->slot);

	if (!f->open || le64_to_cpu(smp_load_acquire(&g->judged)) != f->judged)
		return;
	f->open = false;
	ke_member_took(&f->sink->m, f->member, f->version);
	kn_bell_ring(f->sink->o->ch->c->bell);	/* see core/wake.c */
}

/* -------------------------------------------------------------------- requests */

/* In place of the one before; what both cost is charged meanwhile. */
static int set_filter(struct kn_psink *k, const struct kecho_ctl_sink_filter *in, char *why)
{
	u32 len = le32_to_cpu(in->len);
	unsigned long bytes = len ? KN_FILTER_BYTES + 2UL * len : 0;
	struct kn_user *user = k->o->s->user;
	int err = kn_charge(user, KN_MEMORY, bytes);

	if (err)
		return err;
	err = ke_told_filter(&k->m, in, why);
	kn_uncharge(user, KN_MEMORY, err ? bytes : k->filter_bytes);
	if (!err)
		k->filter_bytes = bytes;
	return err;
}

/* Until all sources judge by it, or the time is up: then it stands all the same. */
static void wait_judged(const struct kn_ask *r, struct kn_psink *k)
{
	const struct kecho_ctl_sink_filter *in = r->body;
	unsigned long until = jiffies + msecs_to_jiffies(le32_to_cpu(in->timeout_ms));
	u32 handle = k->handle;
	bool goes_on = true;

	k->filtering = true;
	while (goes_on && k && !k->err && !ke_member_filtered(&k->m)) {
		goes_on = kn_wait(r->s->kn, until);
		k = kn_psink(r->s, handle);
	}
	if (k)
		k->filtering = false;
	if (k && !k->err)
		kn_answer(r, in);
	else
		kn_refuse(r, -EPIPE, "the sink has ended");
}

void kn_sink_filter_request(const struct kn_ask *r)
{
	const struct kecho_ctl_sink_filter *in = r->body;
	struct kn_psink *k = kn_psink(r->s, le32_to_cpu(in->sink));
	u32 version = le32_to_cpu(in->version);
	char why[KE_TYPE_WHY_MAX] = "";
	int err = 0;

	if (!k || !version || le32_to_cpu(in->type_len) > r->tail_len) {
		kn_refuse(r, k ? -EINVAL : -EBADF, "no sink %u of this process, or a filter %u "
			  "that cannot be", le32_to_cpu(in->sink), version);
		return;
	}
	if (k->filtering) {
		kn_refuse(r, -EBUSY, "sink of '%s': its filter changes already",
			  k->o->ch->c->ch.name);
		return;
	}
	if (version > k->m.filter_version)
		err = set_filter(k, in, why);
	if (err)
		kn_refuse(r, err, "sink of '%s': its filter%s%s", k->o->ch->c->ch.name,
			  *why ? ": " : "", why);
	else
		wait_judged(r, k);
}
