// SPDX-License-Identifier: MIT
/*
 * What nodes of one host share, as lib/share.c does by descriptors: a pointer goes beside
 * each SHARE, in their order, and each holds what it points to. So a log can be read for
 * as long as somebody has it, also when its process has died.
 *
 * Doorbells are not passed: a source wakes all that is in its channel on this host.
 */
#include "sim.h"

enum { SHARE_GATES = 1,
       SHARE_LOG = 3 };

/* Those of sources are no memory of core's: they outlive their process. */
static void *log_memory(const struct slog *log, size_t size)
{
	return log->shared ? sim_alloc(size) : kvzalloc(size, GFP_KERNEL);
}

static void log_release(const struct slog *log, void *p)
{
	if (log->shared)
		sim_free(p);
	else
		kvfree(p);
}

struct slog *slog_new(struct snode *n, u64 size, bool shared)
{
	struct slog *log = sim_alloc(sizeof(*log));

	log->node = n;
	log->refs = 1;
	log->size = size;
	log->shared = shared;
	if (!shared)
		n->log_bytes += size;
	log->hdr = log_memory(log, KECHO_LOG_HEADER_SIZE);
	log->ring = log_memory(log, size);
	if (log->hdr && log->ring)
		return log;
	slog_put(log);
	return NULL;
}

void slog_put(struct slog *log)
{
	if (!log || --log->refs)
		return;
	if (!log->shared)
		log->node->log_bytes -= log->size;
	log_release(log, log->hdr);
	log_release(log, log->ring);
	sim_free(log);
}

struct sgates *sgates_new(void)
{
	struct sgates *g = sim_alloc(sizeof(*g));

	g->refs = 1;
	return g;
}

void sgates_put(struct sgates *g)
{
	if (g && !--g->refs)
		sim_free(g);
}

/* ------------------------------------------------------------------ going out */

static void share(struct conn *c, u32 channel, const struct ke_out *body, struct slog *log,
		  struct sgates *gates)
{
	struct sshared *s;

	if (c->other) {
		s = sim_alloc(sizeof(*s));
		s->log = log;
		s->gates = gates;
		*(log ? &log->refs : &gates->refs) += 1;
		list_add_tail(&s->list, &c->other->coming);
	}
	ke_link_send(&c->link, KECHO_FRAME_SHARE, channel, 0, body->buf, body->len);
}

void share_gates(struct conn *c)
{
	u8 buf[1] = { SHARE_GATES };
	struct ke_out o = { .buf = buf, .size = 1, .len = 1 };

	share(c, 0, &o, NULL, c->node->gates);
}

void share_log(struct ke_link *l, struct ke_source *s)
{
	struct ssource *src = s->member.owner;
	u8 buf[8];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u8(&o, SHARE_LOG);
	ke_put_u32(&o, s->id);
	share(l->owner, s->member.channel->index, &o, src->log, NULL);
}

/* ------------------------------------------------------------------ coming in */

static void shared_free(struct sshared *s)
{
	slog_put(s->log);
	sgates_put(s->gates);
	list_del(&s->list);
	sim_free(s);
}

static bool gates_in(struct conn *c, struct sshared *s)
{
	if (!s->gates)
		return false;
	sgates_put(c->gates);
	c->gates = s->gates;
	s->gates = NULL;
	shared_free(s);
	return true;
}

static bool log_in(struct conn *c, struct sshared *s, u32 log)
{
	struct ke_rstream *rs = c->link.peer ? ke_peer_rstream(c->link.peer, log) : NULL;

	if (!s->log)
		return false;
	s->id = log;
	if (rs && !rs->attached)
		list_move_tail(&s->list, &c->logs);
	else
		shared_free(s);
	return true;
}

void share_in(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	struct conn *c = l->owner;
	struct sshared *s = list_first_entry_or_null(&c->coming, struct sshared, list);
	u8 kind = ke_get_u8(in);
	bool good = false;

	(void)ch;
	if (s && kind == SHARE_GATES)
		good = gates_in(c, s);
	else if (s && kind == SHARE_LOG)
		good = log_in(c, s, ke_get_u32(in));
	if (!good)
		sim_broken(c->node->w, "node %u: connection %u: nothing came with a SHARE",
			   c->node->index, c->id);
	in->bad |= !good;
}

struct slog *share_take(struct conn *c, u32 log)
{
	struct sshared *s, *next;
	struct slog *taken = NULL;

	list_for_each_entry_safe(s, next, &c->logs, list) {
		if (s->id != log)
			continue;
		slog_put(taken);
		taken = s->log;
		s->log = NULL;
		shared_free(s);
	}
	return taken;
}

void share_forget(struct conn *c)
{
	struct sshared *s, *next;

	list_for_each_entry_safe(s, next, &c->coming, list)
		shared_free(s);
	list_for_each_entry_safe(s, next, &c->logs, list)
		shared_free(s);
	sgates_put(c->gates);
	c->gates = NULL;
}

void share_wake(struct schan *c)
{
	struct snode *n = c->node, *other;
	u32 i;

	/* Nodes go to hosts in turns. */
	for (i = n->host; i < n->w->opt.nodes; i += n->w->opt.hosts) {
		other = &n->w->node[i];
		if (other != n && other->up)
			ssink_wake(&other->chan[c->which]);
	}
}
