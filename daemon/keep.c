// SPDX-License-Identifier: MIT
/*
 * What a kechod keeps in its run directory for the next one, so that a restart is a broken
 * link to other nodes and a pause to its processes: who the node is, its members, its
 * channels and the mirrors.
 *
 *	node		struct keep: written in place, a slot by a slot
 *	channel-UUID	name and attributes: replaced as a whole
 *	mirror-*	a log, with what is known of its source in the header's page
 *
 * Nothing in there is what a process says. A process that attaches again names members
 * that were its own, and gets them back if they were of its user and pid, and are still
 * expected. Until all that are alive have done so, or for KD_TAKE_OVER_MS, the node has no
 * links, and no log that was there grows beyond the limit that it had: who is not back may
 * yet be reading there. Who is not back by then has lost its members. If nothing was found
 * logs are held for as long, and links come at once. What sinks of other hosts held up is
 * held until their links are back, or they take this node for dead.
 *
 * The directory is a tmpfs: after a reboot there is nothing, and the node is a new one.
 */
#include "daemon.h"

#include <dirent.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>

#define KEEP_MAGIC 0x7065656b6863656bULL /* "kechkeep" */
#define KEPT_AT    2048			 /* in the page of a mirror's header */

enum keep_state { KEEP_FREE, KEEP_USED, KEEP_EXPECTED };

struct kd_kept {
	u32 state;
	u32 uid;
	s32 pid;
	u32 role;
	u64 id;
	u32 log;
	u32 gates; /* of other hosts, that hold up this source */
	struct ke_id channel;
};

struct kd_keep {
	u64 magic, size;
	struct ke_contact self;
	u32 last_log;
	u32 port;    /* where it listens; 0: it does not */
	u32 used_to; /* no slot from here on is used */
	u32 free_from; /* none before is free */
	struct kd_kept member[KE_MEMBERS_MAX];
};

struct kept_channel {
	u64 magic;
	u64 attrs_version;
	struct ke_id uuid;
	char name[KE_NAME_MAX + 1];
	u32 attrs_len, pad;
	u8 attrs[KE_ATTRS_MAX];
};

struct kept_mirror {
	u64 magic;
	struct ke_id channel;
	struct ke_contact contact;
	char name[KE_LINK_NAME_MAX + 1];
	u64 id, log_size, lost;
	u32 log, pad;
};

static void path_of(const struct kd *d, char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", d->conf.run, name);
}

/* ------------------------------------------------------------------- members */

/* NULL: there is none; it will not be found again. */
struct kd_kept *kd_keep_member(const struct kd_session *s, const struct ke_member *m)
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
void kd_keep_back(struct kd_kept *k)
{
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
	path_of(c->d, path, size, name);
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
		.attrs_version = c->ch.attrs_version,
		.uuid = c->ch.uuid,
		.attrs_len = c->ch.attrs.len,
	};
	char path[160], fresh[160];
	int err;

	if (!c->d->keep || (c->kept && c->kept_version == c->ch.attrs_version))
		return;
	memcpy(k.name, c->ch.name, sizeof(k.name));
	if (k.attrs_len)
		memcpy(k.attrs, c->ch.attrs.buf, k.attrs_len);
	channel_path(c, path, sizeof(path));
	path_of(c->d, fresh, sizeof(fresh), "fresh");
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

static struct kept_mirror *kept_mirror(const struct kd_log *l)
{
	BUILD_BUG_ON(sizeof(struct kecho_log_header) > KEPT_AT);
	BUILD_BUG_ON(KEPT_AT + sizeof(struct kept_mirror) > KECHO_LOG_HEADER_SIZE);
	return (struct kept_mirror *)((u8 *)l->map + KEPT_AT);
}

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

/* ---------------------------------------------------------------- taking over */

static bool expected(const struct kd *d)
{
	u32 i;

	for (i = 0; i < d->keep->used_to; i++)
		if (d->keep->member[i].state == KEEP_EXPECTED)
			return true;
	return false;
}

static void each_file(struct kd *d, const char *prefix,
		      void (*fn)(struct kd *d, int dir, const char *name))
{
	DIR *dir = opendir(d->conf.run);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, prefix, strlen(prefix)))
			fn(d, dirfd(dir), e->d_name);
	if (dir)
		closedir(dir);
}

static void sweep(struct kd *d, int dir, const char *name)
{
	(void)d;
	unlinkat(dir, name, 0);
}

static int new_node(struct kd_keep *keep)
{
	struct ke_contact *self = &keep->self;

	memset(keep, 0, offsetof(struct kd_keep, member));
	if (getrandom(self->node.b, sizeof(self->node.b), 0) != sizeof(self->node.b) ||
	    getrandom(self->host.b, sizeof(self->host.b), 0) != sizeof(self->host.b))
		return -errno;
	self->incarnation = lib_clock_ns(CLOCK_BOOTTIME);
	keep->size = sizeof(*keep);
	keep->magic = KEEP_MAGIC;
	return 0;
}

/* Whose members were left, are expected back. */
static void expect(struct kd *d)
{
	struct kd_keep *keep = d->keep;
	u32 i;

	if (keep->magic != KEEP_MAGIC || keep->size != sizeof(*keep) ||
	    keep->used_to > KE_MEMBERS_MAX)
		memset(keep, 0, sizeof(*keep));
	keep->free_from = 0;
	for (i = 0; i < keep->used_to; i++)
		if (keep->member[i].state != KEEP_FREE)
			keep->member[i].state = KEEP_EXPECTED;
}

/* Who this node is: as the kechod before it, if that has left members. */
int kd_keep_open(struct kd *d)
{
	char path[160];
	int fd, err = 0;

	path_of(d, path, sizeof(path), "node");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(*d->keep)))
		err = -errno;
	err = err ?: -posix_fallocate(fd, 0, sizeof(*d->keep));
	if (!err) {
		d->keep = mmap(NULL, sizeof(*d->keep), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (d->keep == MAP_FAILED) {
			err = -errno;
			d->keep = NULL;
		}
	}
	close(fd);
	if (err)
		return err;
	expect(d);
	d->taking_over = expected(d);
	d->holds = true;
	d->take_over_by = lib_deadline(KD_TAKE_OVER_MS);
	d->gates_by = lib_deadline(KE_NODE_DEAD_MS);
	each_file(d, "page-", sweep);
	if (d->taking_over)
		return 0;
	each_file(d, "channel-", sweep);
	each_file(d, "mirror-", sweep);
	return new_node(d->keep);
}

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

static void take_channel(struct kd *d, const struct kept_channel *k)
{
	struct kd_channel *c;
	int err;

	c = kd_channel_make(d, k->name, &k->uuid, NULL, 0, &err);
	if (!c)
		return;
	err = ke_attrs_load(&c->ch.attrs, k->attrs, k->attrs_len);
	c->ch.attrs_version = k->attrs_version;
	c->kept = true;
	c->kept_version = k->attrs_version;
	c->taken_over = true;
	err = err ?: ke_reg_rejoin(d->k.reg, k->name, &k->uuid);
	if (err)
		kd_say(LOG_WARNING, "channel '%s' goes on without what it had: %s", k->name,
		       strerror(-err));
}

static void read_channel(struct kd *d, int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct kept_channel k = { 0 };
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, &k, sizeof(k));
	close(fd);
	if (n >= (ssize_t)offsetof(struct kept_channel, attrs) && k.magic == KEEP_MAGIC &&
	    k.attrs_len <= KE_ATTRS_MAX && k.name[0] && !k.name[sizeof(k.name) - 1] &&
	    n == (ssize_t)(offsetof(struct kept_channel, attrs) + k.attrs_len))
		take_channel(d, &k);
	else
		unlinkat(dir, name, 0);
}

static struct kd_channel *channel_of(struct kd *d, const struct ke_id *uuid)
{
	struct kd_channel *c;

	list_for_each_entry(c, &d->channels, list)
		if (!ke_id_cmp(&c->ch.uuid, uuid))
			return c;
	return NULL;
}

/* A mirror without its source, a channel or the names that belong together is nothing. */
static void take_mirror(struct kd *d, int dir, const char *name)
{
	struct kept_mirror *k;
	struct ke_kept kept = { 0 };
	struct kd_channel *c;
	struct kd_log log;

	if (kd_log_again(d, &log, dir, name)) {
		unlinkat(dir, name, 0);
		return;
	}
	k = kept_mirror(&log);
	c = k->magic == KEEP_MAGIC && k->log_size == log.size ? channel_of(d, &k->channel) : NULL;
	if (c) {
		kept = (struct ke_kept){ .contact = k->contact, .id = k->id, .log = k->log,
					 .log_size = k->log_size, .lost = k->lost };
		memcpy(kept.name, k->name, sizeof(kept.name) - 1);
	}
	if (!c || kd_mirror_again(c, &log, &kept, name)) {
		kd_log_fini(&log);
		unlinkat(dir, name, 0);
	}
}

/* The node is there, without links: it is in its channels again. */
void kd_keep_take_over(struct kd *d)
{
	if (!d->taking_over)
		return;
	d->k.node.last_log = d->keep->last_log;
	each_file(d, "channel-", read_channel);
	each_file(d, "mirror-", take_mirror);
	kd_say(LOG_INFO, "goes on as node %s, with %u channels", d->k.node.name,
	       d->k.node.nchannels);
}

static bool is_alive(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool dead;

	if (fd < 0)
		return errno != ESRCH && errno != EINVAL;
	dead = poll(&p, 1, 0) == 1;
	close(fd);
	return !dead;
}

/* Is anybody to be waited for still? Members of one process stand together as a rule. */
static bool any_to_come(struct kd *d)
{
	bool any = false, alive = false;
	struct kd_kept *k;
	pid_t pid = 0;
	u32 i;

	for (i = 0; i < d->keep->used_to; i++) {
		k = &d->keep->member[i];
		if (k->state != KEEP_EXPECTED)
			continue;
		if (k->pid != pid)
			alive = is_alive(k->pid);
		pid = k->pid;
		if (!alive)
			k->state = KEEP_FREE;
		any |= alive;
	}
	return any;
}

static void give_up(struct kd *d)
{
	struct kd_kept *k;
	u32 i, n = 0;

	for (i = 0; i < d->keep->used_to; i++) {
		k = &d->keep->member[i];
		if (k->state != KEEP_EXPECTED)
			continue;
		k->state = KEEP_FREE;
		n++;
	}
	if (n)
		kd_say(LOG_WARNING, "%u members of processes that did not attach again in time "
		       "are lost", n);
}

static void look_at_sources(struct kd *d)
{
	struct kd_channel *c;
	struct kd_source *src;

	list_for_each_entry(c, &d->channels, list)
		list_for_each_entry(src, &c->sources, channel_list)
			kd_source_room(src);
}

/* Channels that nobody came back to, and mirrors that nobody reads. */
static void let_go(struct kd *d)
{
	struct kd_channel *c, *next;

	list_for_each_entry_safe(c, next, &d->channels, list) {
		ke_channel_unsubscribe(&c->ch);
		if (c->taken_over) {
			c->taken_over = false;
			kd_channel_put(c);
		}
	}
}

/* Processes are back, or too late. */
static void all_back(struct kd *d)
{
	if (d->taking_over)
		give_up(d);
	d->taking_over = d->holds = false;
	let_go(d);
	look_at_sources(d);
}

/* False: links may come. */
bool kd_keep_taking_over(struct kd *d)
{
	u64 now = lib_deadline(0);

	if (d->holds && (now >= d->take_over_by || (d->taking_over && !any_to_come(d))))
		all_back(d);
	if (d->gates_by && now >= d->gates_by) {
		d->gates_by = 0;
		look_at_sources(d);
	}
	return d->taking_over;
}

/* In how many milliseconds to look again; -1: it is over. */
int kd_keep_timeout(const struct kd *d)
{
	u64 now = lib_deadline(0), by = d->holds ? d->take_over_by : d->gates_by;

	if (!by)
		return -1;
	return d->taking_over ? KD_TAKE_OVER_LOOK_MS : max_t(s64, by - now, 0);
}

/* This kechod ends, and its processes go on: the next one shall find all as it is. */
void kd_keep_leave(struct kd *d)
{
	if (d->keep)
		munmap(d->keep, sizeof(*d->keep));
	d->keep = NULL;
}
