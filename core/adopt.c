// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Adopting: a node that goes on as one that has died, under its id and incarnation, with
 * the mirrors that it left. To other nodes that is a link that broke, and so it is here: a
 * source of another node stands as it does between a break and what is said anew, and is
 * resumed, failed or forgotten as then.
 */
#include "link.h"

/* The node and channel that it is in, as they are after a break. */
static struct ke_presence *presence_of(struct ke_channel *ch, const struct ke_kept *kept)
{
	struct ke_peer *p = ke_peer_make(ch->node, &kept->contact);
	struct ke_presence *pr;

	if (IS_ERR(p))
		return NULL;
	pr = ke_presence_make(p, ch);
	if (!pr)
		return NULL;
	strscpy(p->name, kept->name, sizeof(p->name));
	p->met = true;
	pr->known = true;
	return pr;
}

static struct ke_rstream *stream_of(const struct ke_kept *kept)
{
	struct ke_rstream *rs = kzalloc(sizeof(*rs), GFP_KERNEL);

	if (!rs)
		return NULL;
	if (ke_log_adopt(&rs->mirror, kept->hdr, kept->ring, kept->log_size)) {
		kfree(rs);
		return NULL;
	}
	rs->attached = true;
	rs->from = KE_FROM_POS;
	rs->view = ke_log_view(&rs->mirror);
	ke_rstream_cut(rs);
	rs->acked = rs->mirror.head;
	rs->released = rs->mirror.tail;		/* until its sinks say more */
	rs->lost = rs->lost_said = kept->lost;
	return rs;
}

struct ke_rstream *ke_channel_adopt(struct ke_channel *ch, const struct ke_kept *kept)
{
	struct ke_rstream *rs = stream_of(kept);
	struct ke_presence *pr = rs ? presence_of(ch, kept) : NULL;
	struct ke_remote *m = ERR_PTR(-ENOMEM);

	if (pr && !pr->peer->local && kept->log_size <= KE_MIRRORS_MAX - pr->peer->mirrored)
		m = ke_remote_make(pr, kept->id);
	if (IS_ERR(m)) {
		kfree(rs);
		return NULL;
	}
	m->role = KE_SOURCE;
	m->state = KE_JOINED;
	m->stale = true;
	m->log = kept->log;
	m->log_size = kept->log_size;
	ke_rstream_add(rs, m);
	pr->peer->mirrored += kept->log_size;
	return rs;
}
