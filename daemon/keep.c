// SPDX-License-Identifier: MIT
/*
 * What a kechod keeps in its run directory for the next one, so that a restart is a broken
 * link to other nodes and a pause to its processes: who the node is, its members, its
 * channels and the mirrors.
 *
 *	node		struct kd_keep: written in place, slot by slot
 *	limits-*	each process's, in which one that does not come back is told so
 *	channel-UUID	name and attributes: replaced as a whole
 *	mirror-*	a log, with what is known of its source in the header's page
 *
 * Nothing in there is what a process says. The directory is a tmpfs: after a reboot there is
 * nothing, and the node is a new one.
 */
#include "keep.h"

#include <syslog.h>

/* ------------------------------------------------------------------- members */

static void put_slot(struct kd_kept *k, const struct kd_session *s, u32 slot)
{
	k->slot = slot;
	strscpy(k->limits, s->limits.file, sizeof(k->limits));
}

/* NULL: there is none; it will not be found again. @slot of the limits is its own. */
struct kd_kept *kd_keep_member(const struct kd_session *s, const struct ke_member *m, u32 slot)
{
	struct kd_keep *keep = s->d->keep;
	struct kd_kept *k;
	u32 i;

	if (!keep)
		return NULL;
	for (i = keep->free_from; i < KE_MEMBERS_MAX && keep->member[i].state != KEEP_FREE; i++)
		;
	keep->free_from = min_t(u32, i + 1, KE_MEMBERS_MAX);
	if (i == KE_MEMBERS_MAX)
		return NULL;
	k = &keep->member[i];
	k->uid = s->user->uid;
	k->pid = s->pid;
	k->role = m->role;
	k->id = m->id;
	k->log = m->source ? m->source->id : 0;
	k->gates = 0;
	put_slot(k, s, slot);
	k->channel = m->channel->uuid;
	keep->last_log = s->d->k.node.last_log;
	keep->used_to = max(keep->used_to, i + 1);
	smp_store_release(&k->state, KEEP_USED);
	return k;
}

void kd_keep_forget(struct kd *d, struct kd_kept *k)
{
	if (!k || !d->keep)
		return;
	smp_store_release(&k->state, KEEP_FREE);
	d->keep->free_from = min_t(u32, d->keep->free_from, k - d->keep->member);
}

/* The member @id that is expected of this process; NULL: it was none of its. */
struct kd_kept *kd_keep_find(const struct kd_session *s, const struct kd_channel *c, u32 role,
			     u64 id)
{
	struct kd_keep *keep = s->d->keep;
	struct kd_kept *k;
	u32 i;

	if (!s->d->taking_over || !keep)
		return NULL;
	for (i = 0; i < keep->used_to; i++) {
		k = &keep->member[i];
		if (k->state == KEEP_EXPECTED && k->id == id && k->role == role &&
		    k->uid == s->user->uid && k->pid == s->pid &&
		    !ke_id_cmp(&k->channel, &c->ch.uuid))
			return k;
	}
	return NULL;
}

u32 kd_kept_log(const struct kd_kept *k)
{
	return k->log;
}

u32 kd_kept_gates(const struct kd_kept *k)
{
	return k->gates;
}

void kd_keep_gates(struct kd_kept *k, u32 gates)
{
	if (k && k->gates != gates)
		WRITE_ONCE(k->gates, gates);
}

/* It is a member again. */
void kd_keep_back(struct kd_kept *k, const struct kd_session *s, u32 slot)
{
	put_slot(k, s, slot);
	k->state = KEEP_USED;
}

/* ------------------------------------------------------------------ channels */

static void channel_path(const struct kd_channel *c, char *path, size_t size)
{
	const u8 *b = c->ch.uuid.b;
	char name[64];
	int i, n = snprintf(name, sizeof(name), "channel-");

	for (i = 0; i < (int)sizeof(c->ch.uuid.b); i++)
		n += snprintf(name + n, sizeof(name) - n, "%02x", b[i]);
	kd_run_path(c->d, path, size, name);
}

static int write_whole(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool done;

	if (fd < 0)
		return -errno;
	done = write(fd, data, len) == (ssize_t)len;
	close(fd);
	return done ? 0 : -ENOSPC;
}

/* As it is now; no more than once for what it is. */
void kd_keep_channel(struct kd_channel *c)
{
	struct kept_channel k = {
		.magic = KEEP_MAGIC,
		.attrs_ms = lib_deadline(0),
		.uuid = c->ch.uuid,
	};
	struct ke_out o = { .buf = k.attrs, .size = sizeof(k.attrs) };
	char path[160], fresh[160];
	int err;

	if (!c->d->keep || (c->kept && c->kept_version == c->ch.attrs_version))
		return;
	memcpy(k.name, c->ch.name, sizeof(k.name));
	ke_attrs_put_versions(&o, &c->ch.attrs, k.attrs_ms);
	k.attrs_len = o.len;
	channel_path(c, path, sizeof(path));
	kd_run_path(c->d, fresh, sizeof(fresh), "fresh");
	err = write_whole(fresh, &k, offsetof(struct kept_channel, attrs) + k.attrs_len);
	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		kd_say(LOG_WARNING, "channel '%s' cannot be kept for a restart: %s: %s", c->ch.name,
		       path, strerror(-err));
	c->kept = true;
	c->kept_version = c->ch.attrs_version;
}

void kd_keep_no_channel(struct kd_channel *c)
{
	char path[160];

	if (!c->d->keep || !c->kept)
		return;
	channel_path(c, path, sizeof(path));
	unlink(path);
}

/* Attributes that came from others. */
void kd_keep_channels(struct kd *d)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (!c->ch.ended)
			kd_keep_channel(c);
}

/* ------------------------------------------------------------------- mirrors */

void kd_keep_mirror(const struct kd_mirror *m)
{
	const struct ke_remote *r = m->rs->remote;
	struct kept_mirror *k = kept_mirror(&m->log);

	*k = (struct kept_mirror){
		.channel = m->c->ch.uuid,
		.contact = m->rs->peer->contact,
		.id = r->id,
		.log = r->log,
		.log_size = r->log_size,
	};
	strscpy(k->name, m->rs->peer->name, sizeof(k->name));
	smp_store_release(&k->magic, KEEP_MAGIC);
}

void kd_keep_lost(const struct kd_mirror *m, u64 lost)
{
	WRITE_ONCE(kept_mirror(&m->log)->lost, lost);
}

/* ------------------------------------------------------------------- the node */

struct ke_contact kd_keep_self(const struct kd *d)
{
	return d->keep->self;
}

/* Where the kechod before this one listened; others look for the node there. */
u16 kd_keep_port(const struct kd *d)
{
	return d->taking_over ? d->keep->port : 0;
}

void kd_keep_listens(struct kd *d, u16 port)
{
	d->keep->port = port;
}

/* This kechod ends, and its processes go on: the next one shall find all as it is. */
void kd_keep_leave(struct kd *d)
{
	if (d->keep)
		munmap(d->keep, sizeof(*d->keep));
	d->keep = NULL;
}
