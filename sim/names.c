// SPDX-License-Identifier: MIT
/*
 * The registry: core's own table, asked without a network between, but not by nodes that
 * are cut off from it. Contacts are held under leases. A node publishes what the library
 * would: what it was told that it lost, and all after it was cut off or the registry died.
 */
#include "sim.h"

static bool reached(const struct snode *n)
{
	return !n->w->no_registry[n->index] && !n->gone;
}

static u64 now_ms(const struct sim *w)
{
	return w->now_us / 1000;
}

/* One request; the body of the answer in @in behind its status. */
static int ask(struct snode *n, u8 type, const struct ke_out *body, struct ke_in *in)
{
	struct sim *w = n->w;
	struct ke_out out = { .buf = w->body, .size = KECHO_FRAME_BODY_MAX };
	int err;

	memory_enter(NULL);
	err = ke_registry_request(w->reg, n->client, now_ms(w), type, body->buf, body->len, &out);
	memory_enter(&n->mem);
	if (err) {
		sim_broken(w, "node %u: the registry says %d", n->index, err);
		return err;
	}
	n->wire.asks += 2;
	n->wire.ask_bytes += 2 * sizeof(struct kecho_frame) + body->len + out.len;
	*in = (struct ke_in){ .p = out.buf, .end = out.buf + out.len };
	ke_get_u8(in);
	return ke_get_u8(in);
}

static void chan_name(const struct schan *c, char *name, size_t size)
{
	snprintf(name, size, "channel-%u", c->which);
}

static void take_entry(struct schan *c, struct ke_in *in, struct ke_id *uuid)
{
	struct ke_contact one;
	u8 all;

	ke_get_copy(in, uuid, sizeof(*uuid));
	ke_get_u64(in);
	c->ntold = 0;
	for (all = ke_get_u8(in); all && !in->bad; all--) {
		ke_get_contact(in, &one);
		if (ke_id_cmp(&one.node, &c->node->node.self.node))
			c->told[c->ntold++] = one;
		else
			c->contact = true;
	}
}

int names_join(struct schan *c, u8 how, struct ke_id *uuid)
{
	u8 buf[512];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct snode *node = c->node;
	struct ke_in in;
	char name[32];
	int status;

	if (!reached(node)) {
		node->cut_off = true;
		return -EAGAIN;
	}
	chan_name(c, name, sizeof(name));
	ke_put_u8(&o, how);
	ke_put_str(&o, name);
	ke_put(&o, uuid, sizeof(*uuid));
	ke_put_contact(&o, &node->node.self);
	status = ask(node, KECHO_FRAME_REG_PUT, &o, &in);
	c->contact = false;
	if (status == KE_REGISTRY_OTHER)
		return -EEXIST;
	if (status != KE_REGISTRY_OK)
		return -EAGAIN;
	take_entry(c, &in, uuid);
	return 0;
}

int names_look(struct schan *c, struct ke_id *uuid)
{
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_in in;
	char name[32];

	chan_name(c, name, sizeof(name));
	ke_put_str(&o, name);
	if (!reached(c->node) || ask(c->node, KECHO_FRAME_REG_GET, &o, &in) != KE_REGISTRY_OK)
		return -EAGAIN;
	ke_get_copy(&in, uuid, sizeof(*uuid));
	return 0;
}

bool names_found(const struct schan *c)
{
	u32 i;

	for (i = 0; i < c->ntold; i++)
		if (ke_channel_linked(&c->ch, &c->told[i].node))
			return true;
	return c->contact;
}

void names_drop(struct schan *c)
{
	u8 buf[256];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	struct ke_in in;
	char name[32];

	if (!reached(c->node))
		return;
	chan_name(c, name, sizeof(name));
	ke_put_str(&o, name);
	ke_put(&o, &c->node->node.self.node, sizeof(c->node->node.self.node));
	ask(c->node, KECHO_FRAME_REG_DROP, &o, &in);
}

void names_gone(struct snode *n)
{
	memory_enter(NULL);
	if (!n->w->no_registry[n->index])
		ke_registry_gone(n->w->reg, n->client, now_ms(n->w));
	memory_enter(&n->mem);
}

void names_connect(struct snode *n)
{
	/* That the old connection is over the registry may see late, or by its leases. */
	if (sim_one_in(n->w, 2))
		names_gone(n);
	n->client = ++n->w->last_client;
	n->cut_off = false;
}

static bool publishes(const struct snode *n)
{
	u32 i;

	for (i = 0; i < n->w->opt.channels; i++)
		if (n->chan[i].contact)
			return true;
	return false;
}

static void publish(struct snode *n, bool all)
{
	u32 i;

	for (i = 0; i < n->w->opt.channels; i++)
		if (n->chan[i].ch.node && (all || n->chan[i].contact))
			schan_repair(&n->chan[i]);
}

void names_renew(struct snode *n)
{
	u8 buf[1];
	struct ke_out none = { .buf = buf };
	struct ke_in in;

	memory_enter(NULL);
	ke_registry_tick(n->w->reg, now_ms(n->w));
	memory_enter(&n->mem);
	if (!reached(n)) {
		n->cut_off |= publishes(n);
	} else if (n->cut_off) {
		names_connect(n);
		publish(n, true);
	} else if (publishes(n) && ask(n, KECHO_FRAME_REG_RENEW, &none, &in)) {
		n->w->cover.path[PATH_LEASE]++;
		publish(n, false);
	}
}

/* It has forgotten all; those who reach it see that at once. */
void names_lost(struct sim *w)
{
	struct snode *n;
	u32 i;

	memory_enter(NULL);
	ke_registry_free(w->reg);
	w->reg = ke_registry_new(true, random_next(&w->rng), now_ms(w), KE_LEASE_MS);
	for (i = 0; i < w->opt.nodes; i++) {
		n = &w->node[i];
		n->cut_off = true;
		if (n->up)
			sim_set_sooner(n, &n->renew, 1 + sim_random(w, SIM_REDIAL_MS * 1000));
	}
}
