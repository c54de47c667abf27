// SPDX-License-Identifier: MIT
/*
 * The members of a channel and their live attributes as kechod shows them, in a table that is
 * read without asking: see uapi/kecho_node.h. What is not found there, or does not keep still,
 * is asked for as if there were no table.
 *
 * A channel's table is mapped under the kecho lock; who has a reference looks at it without.
 */
#include "client.h"

enum { LIVE_TRIES_MAX = 16 };	/* to see a slot that nobody writes meanwhile */

static const struct kecho_live_slot *slot_at(const struct client_live *l, u32 slot)
{
	return (const void *)((const u8 *)l->map + KECHO_LIVE_SLOTS_AT +
			      slot * sizeof(struct kecho_live_slot));
}

u32 client_live_slot(const struct client_live *l, u64 member)
{
	const struct kecho_live_entry *e;
	u32 i, slot;

	for (i = 0; member && i < KECHO_LIVE_PROBES; i++) {
		e = (const struct kecho_live_entry *)((const u8 *)l->map + KECHO_LIVE_INDEX_AT) +
		    (member + i) % KECHO_LIVE_INDEX;
		if (le64_to_cpu(smp_load_acquire(&e->member)) != member)
			continue;
		slot = le32_to_cpu(READ_ONCE(e->slot));
		return slot < KECHO_LIVE_SLOTS ? slot : 0;
	}
	return 0;
}

u32 client_live_version(const struct client_live *l, u32 slot)
{
	return le32_to_cpu(READ_ONCE(slot_at(l, slot)->version));
}

static void copy_words(struct client_live_look *to, const struct kecho_live_slot *from, u32 at,
		       u32 end)
{
	const u64 *in = (const u64 *)from;

	for (at /= sizeof(u64); at < DIV_ROUND_UP(end, sizeof(u64)); at++)
		to->word[at] = READ_ONCE(in[at]);
}

/* A copy of what nobody wrote meanwhile. */
static bool copy_slot(const struct kecho_live_slot *s, struct client_live_look *to)
{
	u32 head = offsetof(struct kecho_live_slot, data), len, i;
	__le32 version;

	for (i = 0; i < LIVE_TRIES_MAX; i++) {
		version = smp_load_acquire(&s->version);
		if (le32_to_cpu(version) & 1)
			continue;
		copy_words(to, s, 0, head);
		len = min_t(u32, le16_to_cpu(to->slot.len), sizeof(s->data));
		copy_words(to, s, head, head + len);
		smp_rmb();
		if (READ_ONCE(s->version) == version)
			return true;
	}
	return false;
}

/* What is between @from and @to in the data, as a set, whose times are behind the first @skip;
 * false: it is none. */
static bool as_set(struct client_live_look *l, u32 from, u32 to, u32 skip, struct ke_attrs *set)
{
	const struct kecho_live_slot *s = &l->slot;
	const u8 *times = s->data + ALIGN(le16_to_cpu(s->own) + le16_to_cpu(s->node), 8);
	u32 i, left = (le16_to_cpu(s->len) - (times - s->data)) / sizeof(u64);

	*set = (struct ke_attrs){ .buf = l->slot.data + from, .since = l->since + skip,
				  .len = to - from };
	if (!ke_attrs_check(set->buf, set->len))
		return false;
	set->n = ke_attrs_count(set->buf, set->len);
	if (skip > left || set->n > left - skip)
		return false;
	for (i = 0; i < set->n; i++)
		set->since[i] = (struct ke_attr_since){
			.set_ms = (s64)get_unaligned_le64(times + 8 * (skip + i)),
		};
	return true;
}

bool client_live_read(const struct client_live *l, u32 slot, struct client_live_look *to)
{
	u32 own, node;

	if (!copy_slot(slot_at(l, slot), to))
		return false;
	own = le16_to_cpu(to->slot.own);
	node = le16_to_cpu(to->slot.node);
	return le16_to_cpu(to->slot.len) <= sizeof(to->slot.data) &&
	       ALIGN(own + node, 8) <= le16_to_cpu(to->slot.len) &&
	       as_set(to, 0, own, 0, &to->own) &&
	       as_set(to, own, own + node, to->own.n, &to->node);
}

const struct kecho_live_head *client_live_head(const struct client_live *l)
{
	return l->map;
}

/* The table of now, as far as it is known; the kecho lock is held. */
static bool look(const struct kecho_channel *ch, u64 member, struct client_live_look *to)
{
	const struct client_channel *cc = ch->client;
	u32 slot;

	if (!cc->live || ch->k->client->state != CLIENT_UP ||
	    cc->live_generation != ch->k->client->generation)
		return false;
	slot = client_live_slot(cc->live, member);
	return (slot || !member) && client_live_read(cc->live, slot, to) &&
	       le64_to_cpu(to->slot.member) == member;
}

/* The kecho lock is held. -EAGAIN: it has to be asked for. */
int client_live_get(const struct kecho_channel *ch, u64 member, const char *name,
		    struct kecho_value *v, void *buf, size_t size)
{
	struct client_live_look l;

	if (!look(ch, member, &l) || l.slot.more)
		return -EAGAIN;
	if (strncmp(name, "node.", 5) || !member)
		return value_find(&l.own, name, v, buf, size);
	return value_find(&l.node, name + 5, v, buf, size);
}

/* ------------------------------------------------------------------- its table */

struct client_live *client_live_hold(struct client_live *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void client_live_put(struct client_live *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	munmap((void *)l->map, KECHO_LIVE_SIZE);
	free(l);
}

static struct client_live *map_table(int fd)
{
	struct client_live *l = malloc(sizeof(*l));
	struct stat st;

	if (!l)
		return NULL;
	atomic_init(&l->refs, 1);
	l->map = NULL;
	if (!fstat(fd, &st) && st.st_size == KECHO_LIVE_SIZE)
		l->map = shared_map(fd, KECHO_LIVE_SIZE, PROT_READ);
	if (l->map)
		return l;
	free(l);
	return NULL;
}

/* NULL: there is none, or it is not what it must be. */
static struct client_live *take_table(struct client_call *call)
{
	int fd = client_take_fd(call, 0);
	struct client_live *l = fd >= 0 ? map_table(fd) : NULL;

	if (fd >= 0)
		close(fd);
	return l;
}

static void ask_table(struct kecho_channel *ch)
{
	struct client_channel *cc = ch->client;
	struct client_call call = { .cmd = KECHO_CMD_LIVE, .handle = &cc->handle };
	struct kecho_ctl_channel arg = { 0 };
	struct kvec req = { &arg, sizeof(arg) };
	struct client_live *l = NULL;
	struct kecho *k = ch->k;

	pthread_mutex_unlock(&k->lock);
	if (!client_call(k->client, &call, &req, 1, 0))
		l = take_table(&call);
	client_call_end(&call);
	pthread_mutex_lock(&k->lock);
	client_live_put(cc->live);
	cc->live = l;
	cc->live_generation = call.generation;
}

/* Once with each node; the kecho lock is held before and after, not between. False: there is
 * no table. */
bool client_live_open(struct kecho_channel *ch)
{
	struct client_channel *cc = ch->client;

	if (cc->live_generation != ch->k->client->generation)
		ask_table(ch);
	return cc->live;
}
