// SPDX-License-Identifier: MIT
/*
 * Live attributes as kechod shows them, in a table of each channel that is read without
 * asking: see uapi/kecho_node.h. What is not found there, or does not keep still, is asked
 * for as if there were no table.
 *
 * A table is mapped and looked at under the kecho lock.
 */
#include "client.h"

enum {
	LIVE_TRIES_MAX = 16,	/* to see a slot that nobody writes meanwhile */
	/* An attribute has five bytes at least, and eight for when it was set. */
	LIVE_ATTRS_MAX = sizeof(((struct kecho_live_slot *)0)->data) / 13,
};

static const struct kecho_live_slot *slot_at(const void *table, u32 slot)
{
	return (const void *)((const u8 *)table + KECHO_LIVE_SLOTS_AT +
			      slot * sizeof(struct kecho_live_slot));
}

/* NULL: it is not in the table, or has just left. */
static const struct kecho_live_slot *find(const void *table, u64 member)
{
	const struct kecho_live_entry *e;
	u32 i, slot;

	if (!member)
		return slot_at(table, 0);
	for (i = 0; i < KECHO_LIVE_PROBES; i++) {
		e = (const struct kecho_live_entry *)table + (member + i) % KECHO_LIVE_INDEX;
		if (le64_to_cpu(smp_load_acquire(&e->member)) != member)
			continue;
		slot = le32_to_cpu(READ_ONCE(e->slot));
		return slot < KECHO_LIVE_SLOTS ? slot_at(table, slot) : NULL;
	}
	return NULL;
}

union copy {
	struct kecho_live_slot slot;
	u64 word[sizeof(struct kecho_live_slot) / sizeof(u64)];
};

static void copy_words(union copy *to, const struct kecho_live_slot *from, u32 at, u32 end)
{
	const u64 *in = (const u64 *)from;

	for (at /= sizeof(u64); at < DIV_ROUND_UP(end, sizeof(u64)); at++)
		to->word[at] = READ_ONCE(in[at]);
}

/* A copy of what nobody wrote meanwhile. */
static bool read_slot(const struct kecho_live_slot *s, union copy *copy)
{
	u32 head = offsetof(struct kecho_live_slot, data), len, i;
	__le32 version;

	for (i = 0; i < LIVE_TRIES_MAX; i++) {
		version = smp_load_acquire(&s->version);
		if (le32_to_cpu(version) & 1)
			continue;
		copy_words(copy, s, 0, head);
		len = min_t(u32, le16_to_cpu(copy->slot.len), sizeof(s->data));
		copy_words(copy, s, head, head + len);
		smp_rmb();
		if (READ_ONCE(s->version) == version)
			return true;
	}
	return false;
}

/* What is between @from and @to in the data, as a set; false: it is none. The times of those
 * before it were @skip. */
static bool as_set(const struct kecho_live_slot *s, u32 from, u32 to, u32 *skip,
		   struct ke_attrs *set)
{
	const u8 *times = s->data + ALIGN(le16_to_cpu(s->own) + le16_to_cpu(s->node), 8);
	u32 i, left = (le16_to_cpu(s->len) - (times - s->data)) / sizeof(u64);

	set->buf = (u8 *)s->data + from;
	set->len = to - from;
	if (!ke_attrs_check(set->buf, set->len))
		return false;
	set->n = ke_attrs_count(set->buf, set->len);
	if (*skip > left || set->n > left - *skip)
		return false;
	for (i = 0; i < set->n; i++)
		set->since[i].set_ms = (s64)get_unaligned_le64(times + 8 * (*skip + i));
	*skip += set->n;
	return true;
}

/* @name of the member whose slot it is, or of its node. -EAGAIN: it has to be asked for. */
static int value_of(const struct kecho_live_slot *s, const char *name, struct kecho_value *v,
		    void *buf, size_t size)
{
	u32 own = le16_to_cpu(s->own), node = le16_to_cpu(s->node), skip = 0;
	struct ke_attr_since since[LIVE_ATTRS_MAX];
	struct ke_attrs set = { .since = since };

	if (le16_to_cpu(s->len) > sizeof(s->data) || ALIGN(own + node, 8) > le16_to_cpu(s->len) ||
	    !as_set(s, 0, own, &skip, &set))
		return -EAGAIN;
	if (strncmp(name, "node.", 5) || !s->member)
		return value_find(&set, name, v, buf, size);
	if (!as_set(s, own, own + node, &skip, &set))
		return -EAGAIN;
	return value_find(&set, name + 5, v, buf, size);
}

/* The kecho lock is held. -EAGAIN: it has to be asked for. */
int client_live_get(const struct kecho_channel *ch, u64 member, const char *name,
		    struct kecho_value *v, void *buf, size_t size)
{
	const struct client_channel *cc = ch->client;
	const struct kecho_live_slot *s;
	union copy copy;

	if (!cc->live || ch->k->client->state != CLIENT_UP ||
	    cc->live_generation != ch->k->client->generation)
		return -EAGAIN;
	s = find(cc->live, member);
	if (!s || !read_slot(s, &copy) || le64_to_cpu(copy.slot.member) != member)
		return -EAGAIN;
	return value_of(&copy.slot, name, v, buf, size);
}

/* ------------------------------------------------------------------- its table */

static void *map_live(struct client_call *call)
{
	int fd = client_take_fd(call, 0);
	void *table = NULL;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size == KECHO_LIVE_SIZE)
		table = shared_map(fd, KECHO_LIVE_SIZE, PROT_READ);
	if (fd >= 0)
		close(fd);
	return table;
}

void client_live_drop(struct client_channel *cc)
{
	if (cc->live)
		munmap((void *)cc->live, KECHO_LIVE_SIZE);
	cc->live = NULL;
}

/* Once with each node; the kecho lock is held before and after, not between. */
void client_live_open(struct kecho_channel *ch)
{
	struct client_channel *cc = ch->client;
	struct kecho *k = ch->k;
	struct client_call call = { .cmd = KECHO_CMD_LIVE, .handle = &cc->handle };
	struct kecho_ctl_channel arg = { 0 };
	struct kvec req = { &arg, sizeof(arg) };
	void *table = NULL;

	if (cc->live_generation == k->client->generation)
		return;
	pthread_mutex_unlock(&k->lock);
	if (!client_call(k->client, &call, &req, 1, 0))
		table = map_live(&call);
	client_call_end(&call);
	pthread_mutex_lock(&k->lock);
	client_live_drop(cc);
	cc->live = table;
	cc->live_generation = call.generation;
}
