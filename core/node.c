// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The node and the other nodes it knows.
 *
 * A peer's states: known (to be dialled) -> up (a link) -> down (the link broke;
 * redialled, nothing is said to members) -> failed (down for KE_NODE_DEAD_MS: its
 * members have failed, gates are lifted; still redialled) -> forgotten. A peer whose
 * process is known to have died goes straight to forgotten. A link that comes back
 * before that resumes where it was. One that says what can't be understood is refused:
 * failed, and not dialled; it may still come itself, as another that is understood.
 * A link that is up without a channel that both have ends after KE_LINK_UNUSED_MS: a node
 * knows no more others than it shares channels with.
 */
#include "link.h"

static u64 now_ms(const struct ke_node *n)
{
	return n->house->now_ms(n->owner);
}

void ke_node_init(struct ke_node *n, const struct ke_house *house, void *owner,
		  const struct ke_contact *self, const char *name)
{
	memset(n, 0, sizeof(*n));
	n->house = house;
	n->owner = owner;
	n->self = *self;
	n->speaks.oldest = KECHO_PROTOCOL_OLDEST;
	n->speaks.newest = KECHO_PROTOCOL_VERSION;
	n->knows = KE_KNOWS;
	strscpy(n->name, name, sizeof(n->name));
	INIT_LIST_HEAD(&n->channels);
	INIT_LIST_HEAD(&n->peers);
	INIT_LIST_HEAD(&n->promised);
}

/* -------------------------------------------------------------------- peers */

struct ke_peer *ke_peer_find(struct ke_node *n, const struct ke_id *id)
{
	struct ke_peer *p;

	list_for_each_entry(p, &n->peers, list)
		if (!ke_id_cmp(&p->contact.node, id))
			return p;
	return NULL;
}

struct ke_peer *ke_peer_make(struct ke_node *n, const struct ke_contact *c)
{
	struct ke_peer *p = ke_peer_find(n, &c->node);

	if (p)
		return p;
	if (n->npeers == KE_NODES_MAX)
		return ERR_PTR(-ENOSPC);
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	n->npeers++;
	p->node = n;
	p->contact = *c;
	p->local = !ke_id_cmp(&c->host, &n->self.host);
	p->down_ms = now_ms(n);
	/* One that can't be dialled must dial us. */
	p->ask_ms = p->down_ms + (p->local || c->address[0] ? KE_ASK_FIRST_MS : 0);
	INIT_LIST_HEAD(&p->presences);
	INIT_LIST_HEAD(&p->rstreams);
	list_add_tail(&p->list, &n->peers);
	return p;
}

void ke_peer_dial(struct ke_peer *p)
{
	if (p->link || p->dialling || p->refused || (!p->local && !p->contact.address[0]))
		return;
	p->dialling = true;
	p->node->house->dial(p->node->owner, p);
}

/* It is down for good, or we have nothing in common any more. */
void ke_peer_forget(struct ke_peer *p, enum ke_remote_state state)
{
	struct ke_node *n = p->node;
	struct ke_presence *pr, *next;

	ke_peer_drop_streams(p);
	list_for_each_entry_safe(pr, next, &p->presences, peer_list) {
		struct ke_channel *ch = pr->channel;

		ke_presence_drop(pr, state);
		ke_channel_retell(ch);
		n->house->repair(ch);
	}
	if (p->link) {
		struct ke_link *l = p->link;

		p->link = NULL;
		ke_link_lost(l);
		n->house->hangup(l);
	}
	WARN_ON_ONCE(!list_empty(&p->rstreams) || p->nremotes || p->mirrored);
	n->npeers--;
	list_del(&p->list);
	ke_attrs_free(&p->attrs);
	kfree(p);
	n->house->changed(n->owner);
}

static void fail_peer(struct ke_peer *p)
{
	struct ke_presence *pr;
	struct ke_remote *m;

	p->failed = true;
	ke_peer_fail_streams(p);
	list_for_each_entry(pr, &p->presences, peer_list) {
		list_for_each_entry(m, &pr->remotes, list) {
			ke_remote_tell(m, KE_FAILED);
			if (m->stream)
				ke_rstream_stop(m->stream);
			if (!p->local)
				ke_remote_unseat(m);
		}
		ke_channel_offer(pr->channel);
		ke_presence_thaw(pr);
		ke_channel_retell(pr->channel);
		p->node->house->repair(pr->channel);
	}
	p->node->house->changed(p->node->owner);
}

/* What was said and agreed on the link that is gone must be said anew. */
static void reset_peer(struct ke_peer *p)
{
	struct ke_presence *pr;
	struct ke_rstream *rs;
	struct ke_remote *m;

	ke_peer_stale_streams(p);
	list_for_each_entry(rs, &p->rstreams, list) {
		rs->starts_due = 0;
		ke_rstream_cut(rs);
	}
	list_for_each_entry(pr, &p->presences, peer_list) {
		pr->said = pr->here = pr->synced = pr->stands = false;
		pr->held_stale = pr->held;
		pr->drain_asked = 0;
		pr->acks_due = 0;
		list_for_each_entry(m, &pr->remotes, list) {
			m->stale = true;
			m->starts_void = 0;
		}
	}
}

static bool any_synced(const struct ke_peer *p)
{
	const struct ke_presence *pr;

	list_for_each_entry(pr, &p->presences, peer_list)
		if (pr->synced)
			return true;
	return false;
}

static void redial_later(struct ke_peer *p)
{
	p->redial_ms = now_ms(p->node) + p->redial_wait_ms;
	p->redial_wait_ms = clamp_t(u32, 2 * p->redial_wait_ms, KE_REDIAL_MIN_MS,
				    KE_REDIAL_MAX_MS);
}

/*
 * A link that lived is dialled again at once; one that breaks as soon as it stands,
 * over and over, more and more seldom. Such links are one outage, unless members were
 * agreed on meanwhile.
 */
void ke_peer_link_lost(struct ke_peer *p)
{
	u64 now = now_ms(p->node);

	if (now - p->up_ms >= KE_LINK_LIVED_MS)
		p->redial_wait_ms = 0;
	if (!p->redial_wait_ms || any_synced(p))
		p->down_ms = now;
	reset_peer(p);
	if (list_empty(&p->presences)) {
		ke_peer_forget(p, KE_LEFT);
		return;
	}
	redial_later(p);
	if (p->redial_ms <= now)
		ke_peer_dial(p);
	p->node->house->changed(p->node->owner);
}

void ke_peer_refused(struct ke_peer *p, bool nobody)
{
	p->dialling = false;
	if (p->link)
		return;
	if (nobody && p->local) {
		ke_peer_forget(p, KE_FAILED);
		return;
	}
	p->redial_wait_ms = max_t(u32, p->redial_wait_ms, KE_REDIAL_MIN_MS);
	redial_later(p);
}

void ke_peer_dead(struct ke_peer *p)
{
	ke_peer_forget(p, KE_FAILED);
}

static void link_up(struct ke_peer *p, struct ke_link *l)
{
	struct ke_presence *pr;
	struct ke_channel *ch;

	if (p->failed || p->resumed || !list_empty(&p->rstreams))
		p->resumed++;
	p->link = l;
	l->told = p->node->change;	/* as all of it is said now */
	p->up_ms = now_ms(p->node);
	p->dialling = p->failed = false;
	p->met = true;
	p->refused = 0;
	p->error = 0;
	p->unused_ms = 0;
	list_for_each_entry(ch, &p->node->channels, list)
		if (!ke_presence_make(p, ch))
			ke_link_break(l);
	if (p->node->attrs.len)
		ke_link_say_node(l);
	list_for_each_entry(pr, &p->presences, peer_list)
		ke_presence_say(pr);
	p->node->house->changed(p->node->owner);
}

void ke_peer_refuse(struct ke_peer *p, enum ke_refusal why)
{
	p->refused = why;
	p->dialling = false;
	p->down_ms = now_ms(p->node);
	if (!p->failed)
		fail_peer(p);
}

/* Of two connections that both ends dialled, that of the smaller node id stays. */
static bool prefer_new(const struct ke_peer *p, const struct ke_link *l)
{
	bool smaller = ke_id_cmp(&p->node->self.node, &p->contact.node) < 0;

	return l->dialled == p->link->dialled || l->dialled == smaller;
}

/* Who says hello; one of that id that is older has died. */
static struct ke_peer *peer_of_hello(struct ke_node *n, const struct ke_contact *c)
{
	struct ke_peer *p = ke_peer_find(n, &c->node);

	if (!ke_id_cmp(&c->node, &n->self.node))
		return ERR_PTR(-ECONNABORTED);
	if (p && c->incarnation < p->contact.incarnation)
		return ERR_PTR(-ECONNABORTED);
	if (p && c->incarnation > p->contact.incarnation) {
		ke_peer_forget(p, KE_FAILED);
		p = NULL;
	}
	return p ?: ke_peer_make(n, c);
}

/* Where two links stand, which of them stays? */
static int replace_link(struct ke_peer *p, struct ke_link *l)
{
	struct ke_link *old = p->link;

	if (!prefer_new(p, l)) {
		p->dialling = false;
		return -ECONNABORTED;
	}
	reset_peer(p);
	p->link = NULL;
	ke_link_lost(old);
	p->node->house->hangup(old);
	return 0;
}

struct ke_peer *ke_peer_hello(struct ke_link *l, const struct ke_contact *c,
			      const struct ke_versions *speaks, const char *name)
{
	struct ke_peer *p = peer_of_hello(l->node, c);
	int err;

	if (IS_ERR(p))
		return p;
	/* Of a node that we talk to this can't be true. */
	if (!l->version && p->link)
		return ERR_PTR(-EPROTONOSUPPORT);
	err = p->link ? replace_link(p, l) : 0;
	if (err)
		return ERR_PTR(err);
	p->contact = *c;
	p->speaks = *speaks;
	strscpy(p->name, name, sizeof(p->name));
	if (!l->version)
		ke_peer_refuse(p, KE_REFUSED_VERSION);
	if (!l->version || p->refused == KE_REFUSED_LAYOUT)
		return ERR_PTR(-EPROTONOSUPPORT);
	link_up(p, l);
	return p;
}

/* It counts as down since we heard it last. */
static void link_silent(struct ke_peer *p, struct ke_link *l)
{
	bool stays = !list_empty(&p->presences);
	u64 heard_ms = l->heard_ms;

	p->node->house->hangup(l);
	ke_link_lost(l);
	if (stays)
		p->down_ms = heard_ms;
}

/* Whoever is in none of our channels, for a while: one may be opened again. */
static bool unused(struct ke_peer *p, u64 now)
{
	if (!list_empty(&p->presences))
		return false;
	if (!p->unused_ms)
		p->unused_ms = now;
	return now - p->unused_ms >= KE_LINK_UNUSED_MS;
}

static void tick_peer(struct ke_peer *p, u64 now)
{
	struct ke_link *l = p->link;

	if (l && unused(p, now)) {
		ke_peer_forget(p, KE_LEFT);
		return;
	}
	if (l && !l->local) {
		/* A tick that comes a little early must not make it two. */
		if (now - l->said_ms >= KE_HEARTBEAT_MS / 2) {
			l->said_ms = now;
			if (!ke_clock_ask(l))
				ke_link_send(l, KECHO_FRAME_PING, 0, 0, NULL, 0);
			if (READ_ONCE(p->node->losses) != p->losses_said)
				ke_peer_say_lost(p);
		}
		if (now - l->heard_ms >= KE_LINK_SILENT_MS)
			link_silent(p, l);
		return;
	}
	if (l)
		return;
	if (!p->failed && now - p->down_ms >= KE_NODE_DEAD_MS)
		fail_peer(p);
	ke_peer_ask(p, now);
	if (now - max(p->down_ms, p->vouched_ms) >= KE_NODE_FORGET_MS &&
	    !(p->local && ke_peer_seated(p)))
		ke_peer_forget(p, KE_FAILED);
	else if (now >= p->redial_ms)
		ke_peer_dial(p);
}

void ke_node_tick(struct ke_node *n)
{
	struct ke_peer *p, *next;
	u64 now = now_ms(n);

	ke_node_tell(n);
	list_for_each_entry_safe(p, next, &n->peers, list)
		tick_peer(p, now);
	ke_node_refilter_stale(n);
}

static u32 peer_wait_ms(const struct ke_peer *p, u64 now)
{
	u64 silent_ms;

	if (!p->link && !p->failed)
		return KE_REDIAL_MIN_MS;
	if (!p->link)
		return clamp_t(s64, p->redial_ms - now, KE_REDIAL_MIN_MS, KE_HEARTBEAT_MS);
	if (p->link->local)	/* only to end it */
		return list_empty(&p->presences) ? KE_HEARTBEAT_MS : 0;
	silent_ms = min_t(u64, now - p->link->heard_ms, KE_LINK_SILENT_MS);
	return clamp_t(u32, KE_LINK_SILENT_MS - silent_ms, KE_REDIAL_MIN_MS, KE_HEARTBEAT_MS);
}

u32 ke_node_wait_ms(struct ke_node *n)
{
	const struct ke_peer *p;
	u64 now = now_ms(n);
	u32 wait_ms;

	n->wait_ms = ke_node_is_stale(n) ? KE_HEARTBEAT_MS : 0;
	if (n->tell_ms)
		n->wait_ms = clamp_t(s64, n->tell_ms - now, 1, KE_ATTR_DELAY_MS);
	if (n->signs_ms)
		n->wait_ms = min_t(u64, n->wait_ms ?: U32_MAX,
				   n->signs_ms > now ? n->signs_ms - now : 1);
	list_for_each_entry(p, &n->peers, list) {
		wait_ms = peer_wait_ms(p, now);
		if (wait_ms && (!n->wait_ms || wait_ms < n->wait_ms))
			n->wait_ms = wait_ms;
	}
	return n->wait_ms;
}

bool ke_node_sooner(struct ke_node *n)
{
	u32 before = n->wait_ms, now = ke_node_wait_ms(n);

	return now && (!before || now < before);
}

void ke_node_fini(struct ke_node *n)
{
	struct ke_peer *p, *next;

	list_for_each_entry_safe(p, next, &n->peers, list)
		ke_peer_forget(p, KE_LEFT);
	ke_attrs_free(&n->attrs);
}
