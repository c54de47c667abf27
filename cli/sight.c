/* SPDX-License-Identifier: MIT */
/*
 * What can be seen from here. The registry says which channels there are; what is open
 * stays so when it does not answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "channels.h"
#include "cli.h"
#include "members.h"
#include "stop.h"
#include "sight.h"

#define WAIT_MIN_NS	20000000u	/* what each is waited for, also when time is up */
#define PING_MAX_NS	1000000000u

static void close_one(struct sighted *c)
{
	kecho_channel_close(c->ch);
	c->ch = NULL;
	snapshot_free(&c->was);
	snapshot_free(&c->now);
	free(c->m);
	c->m = NULL;
}

/* One that cannot be asked is not. */
static bool empty(struct kecho_channel *ch)
{
	struct kecho_member *m;
	ssize_t n = members_now(ch, &m);
	bool empty = true;

	if (n < 0)
		return false;
	for (ssize_t i = 0; i < n; i++)
		empty &= m[i].state != KECHO_JOINED;
	free(m);
	return empty;
}

void sight_prune(struct sight *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->c[i].ch && empty(s->c[i].ch))
			close_one(&s->c[i]);
}

/* ------------------------------------------------------------- which there are */

static bool wanted(const struct sight *s, const char *name)
{
	for (size_t i = 0; i < s->nnames; i++)
		if (!strcmp(s->names[i], name))
			return true;
	return !s->nnames;
}

static struct sighted *find(struct sight *s, const uint8_t uuid[16])
{
	for (size_t i = 0; i < s->n; i++)
		if (!memcmp(s->c[i].uuid, uuid, sizeof(s->c[i].uuid)))
			return &s->c[i];
	return NULL;
}

static void note_one(struct sight *s, const struct kecho_channel_info *info)
{
	struct sighted *c = find(s, info->uuid);

	if (!c) {
		s->c = grow(s->c, s->n + 1, sizeof(*s->c));
		c = &s->c[s->n++];
		memset(c, 0, sizeof(*c));
		memcpy(c->name, info->name, sizeof(c->name));
		memcpy(c->uuid, info->uuid, sizeof(c->uuid));
	}
	c->listed = true;
	if (info->other && !c->other && !c->ch) {
		char uuid[UUID_TEXT];

		complain("left out channel %s, which claims the name '%s' of another",
			 uuid_text(uuid, info->uuid), info->name);
	}
	c->other = info->other;
}

/* What is open has members, whether the registry knows of it right now or not. */
static void drop_gone(struct sight *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->c[i].listed || s->c[i].ch)
			s->c[kept++] = s->c[i];
		else
			close_one(&s->c[i]);
	}
	s->n = kept;
}

static int by_name(const void *a, const void *b)
{
	const struct sighted *x = a, *y = b;

	return strcmp(x->name, y->name) ?: memcmp(x->uuid, y->uuid, sizeof(x->uuid));
}

static int list(struct sight *s)
{
	struct channels cs;
	int err = channels_get(s->k, &cs);

	if (err)
		return err;
	for (size_t i = 0; i < s->n; i++)
		s->c[i].listed = false;
	for (size_t i = 0; i < cs.n; i++)
		if (wanted(s, cs.c[i].name))
			note_one(s, &cs.c[i]);
	channels_free(&cs);
	drop_gone(s);
	if (s->n)
		qsort(s->c, s->n, sizeof(*s->c), by_name);
	return 0;
}

static void open_one(struct sight *s, struct sighted *c)
{
	struct kecho_channel_options opt = { .flags = KECHO_EXISTING };
	int err = kecho_channel_open(s->k, c->name, &opt, &c->ch);

	if (!err)
		kecho_channel_uuid(c->ch, c->uuid);
	else if (err != -ENOENT && err != c->error)
		complain("left out channel '%s': %s", c->name, kecho_explain());
	c->error = err;
}

/* At least one, so that all are open in the end. */
static void open_new(struct sight *s, uint64_t deadline_ns)
{
	bool any = false;

	for (size_t i = 0; i < s->n && !stopped(); i++) {
		if (s->c[i].ch || s->c[i].other)
			continue;
		if (any && now_ns() >= deadline_ns)
			break;
		open_one(s, &s->c[i]);
		any = true;
	}
}

/* ------------------------------------------------------------------ to look */

static int left_ms(uint64_t deadline_ns, uint64_t max_ns)
{
	uint64_t now = now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	if (left < WAIT_MIN_NS)
		left = WAIT_MIN_NS;
	return whole_ms(left < max_ns ? left : max_ns);
}

/* A channel that does not answer has no counters, rather than those of before. */
static int look_at(struct sighted *c, uint64_t deadline_ns)
{
	struct snapshot now = { 0 };
	int err = snapshot_take(&now, c->ch, left_ms(deadline_ns, FOREVER_NS));

	snapshot_free(&c->was);
	free(c->m);
	c->was = c->now;
	c->now = now;
	c->m = snapshot_rate(&c->now, &c->was);
	return err;
}

/* So that there is a fresh round trip to show; who does not answer keeps the one before. */
static void ping_all(struct sight *s, const struct links *ls)
{
	uint64_t deadline_ns = now_ns() + s->timeout_ns;

	for (size_t i = 0; i < ls->n && !stopped(); i++)
		if (ls->l[i].up)
			kecho_ping(s->k, ls->l[i].node, left_ms(deadline_ns, PING_MAX_NS));
}

static void rate_link(const struct sight *s, struct rated_link *l, double seconds)
{
	for (size_t i = 0; i < s->nlinks && s->links_ns; i++) {
		const struct kecho_link_info *was = &s->l[i].now;

		if (was->node != l->now.node)
			continue;
		l->rx_per_s = growth_per_s(l->now.rx_bytes, was->rx_bytes, seconds);
		l->tx_per_s = growth_per_s(l->now.tx_bytes, was->tx_bytes, seconds);
	}
}

static int look_at_links(struct sight *s)
{
	struct rated_link *l;
	struct links ls;
	uint64_t now;
	int err = links_get(s->k, &ls);

	if (err)
		return err;
	ping_all(s, &ls);
	links_free(&ls);
	err = links_get(s->k, &ls);
	if (err)
		return err;
	now = now_ns();
	l = grow(NULL, ls.n, sizeof(*l));
	for (size_t i = 0; i < ls.n; i++) {
		l[i] = (struct rated_link){ .now = ls.l[i] };
		rate_link(s, &l[i], (now - s->links_ns) / 1e9);
	}
	free(s->l);
	s->l = l;
	s->nlinks = ls.n;
	s->links_ns = now;
	links_free(&ls);
	return 0;
}

static int take(struct sight *s, bool open_all)
{
	uint64_t deadline_ns = now_ns() + s->timeout_ns;
	int err, first;

	sight_prune(s);
	first = list(s);
	open_new(s, open_all ? FOREVER_NS : deadline_ns);
	deadline_ns = now_ns() + s->timeout_ns;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->c[i].ch)
			continue;
		err = look_at(&s->c[i], deadline_ns);
		first = first ?: err;
	}
	err = look_at_links(s);
	return first ?: err;
}

int sight_take(struct sight *s)
{
	return take(s, false);
}

/* 0, or why the channel is not open. */
static int named(const struct sight *s, const char *name)
{
	int err = -ENOENT;

	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->c[i].name, name))
			continue;
		if (s->c[i].ch)
			return 0;
		err = s->c[i].error ?: err;
	}
	return err;
}

int sight_begin(struct sight *s)
{
	int err = take(s, true);

	for (size_t i = 0; i < s->nnames && !err; i++) {
		err = named(s, s->names[i]);
		if (err == -ENOENT)
			complain("there is no channel '%s'", s->names[i]);
	}
	return err;
}

void sight_end(struct sight *s)
{
	for (size_t i = 0; i < s->n; i++)
		close_one(&s->c[i]);
	free(s->c);
	free(s->l);
	s->c = NULL;
	s->l = NULL;
	s->n = s->nlinks = 0;
}
