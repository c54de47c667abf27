// SPDX-License-Identifier: MIT
/*
 * Filters of the sinks of this host's processes. Core tells them to all sources of the channel,
 * and what those answer goes to the process that reads the log, as a note behind that of the feed.
 *
 * The process says in its gates when it goes by such a note; only then may the source give the
 * bit of the filter before to another. Until it does, and if it never does, the source goes on
 * judging by both, and nobody waits for it but itself.
 */
#include "daemon.h"

/* ------------------------------------------------------------------- verdicts */

static void tell(struct kd_feed *f, const struct ke_verdict *v)
{
	struct kecho_note_judged note = ke_judged_note(f->sink->handle, f->id, ++f->judged, v);

	f->version = v->version;
	kd_note(f->sink->o->s, KECHO_NOTE_JUDGED, &note, sizeof(note), NULL, 0);
}

/* Who begins to read is told what was said before. */
void kd_feed_verdict(struct kd_feed *f)
{
	struct ke_verdict v;

	if (ke_member_verdict(&f->sink->m, kd_feed_member(f), &v))
		tell(f, &v);
}

static struct kd_feed *feed_of(struct kd_sink *k, u64 source)
{
	struct kd_feed *f;

	list_for_each_entry(f, &k->feeds, sink_list)
		if (kd_feed_member(f) == source)
			return f;
	return NULL;
}

/* False: its process has yet to take it. */
bool kd_judged(struct ke_remote *remote, struct ke_source *own, struct ke_member *sink,
	       const struct ke_verdict *v)
{
	struct kd_feed *f = feed_of(sink->owner, remote ? remote->id : own->member.id);

	if (!f)
		return true;
	tell(f, v);
	f->open = true;
	return false;
}

/* Its process may have. */
void kd_feed_took(struct kd_feed *f)
{
	const struct kecho_gate_slot *g = kd_gate(f->sink->o->s, f->slot);

	if (!f->open || le64_to_cpu(smp_load_acquire(&g->judged)) != f->judged)
		return;
	f->open = false;
	ke_member_took(&f->sink->m, kd_feed_member(f), f->version);
}

/* -------------------------------------------------------------------- requests */

/* In place of the one before; what both cost is charged meanwhile. */
static int set_filter(struct kd_sink *k, const struct kecho_ctl_sink_filter *in, char *why)
{
	u32 len = le32_to_cpu(in->len);
	u64 bytes = len ? KD_FILTER_BYTES + 2ULL * len : 0;
	struct kd_user *user = k->o->s->user;
	int err = kd_user_charge(user, bytes);

	if (err)
		return err;
	err = ke_told_filter(&k->m, in, why);
	kd_user_uncharge(user, err ? bytes : k->filter_bytes);
	if (!err)
		k->filter_bytes = bytes;
	return err;
}

static bool judged_by_all(struct kd_wait *w)
{
	struct kd_sink *k = w->object;

	return ke_member_filtered(&k->m);
}

void kd_sink_filter_request(const struct kd_request *r)
{
	const struct kecho_ctl_sink_filter *in = r->body;
	struct kd_sink *k = kd_sink(r->s, le32_to_cpu(in->sink));
	u32 version = le32_to_cpu(in->version);
	char why[KE_TYPE_WHY_MAX] = "";
	int err = 0;

	if (!k || !version || le32_to_cpu(in->type_len) > r->tail_len) {
		kd_refuse(r, k ? -EINVAL : -EBADF, "no sink %u of this process, or a filter %u "
			  "that cannot be", le32_to_cpu(in->sink), version);
		return;
	}
	if (kd_waits_on(r->s->d, k, r->cmd)) {
		kd_refuse(r, -EBUSY, "sink of '%s': its filter changes already", k->c->ch.name);
		return;
	}
	if (version > k->m.filter_version)
		err = set_filter(k, in, why);
	/* Without an answer that comes later the filter stands all the same. */
	if (err)
		kd_refuse(r, err, "sink of '%s': its filter%s%s", k->c->ch.name,
			  *why ? ": " : "", why);
	else
		kd_wait(r, k, in, le32_to_cpu(in->timeout_ms), judged_by_all, kd_wait_answer);
}
