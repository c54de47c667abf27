// SPDX-License-Identifier: MIT
/*
 * Taking over from the kechod before this one, by what that has kept.
 *
 * A process that attaches again names members that were its own, and gets them back if they
 * were of its user and pid, and are still expected. Until all that are alive have done so, or
 * for KD_TAKE_OVER_MS, the node has no links, and no log that was there grows beyond the limit
 * that it had: who is not back may yet be reading there. Who is not back by then has lost its
 * members, and sees that before anything is overwritten that it reads. If nothing was found
 * logs are held for as long, and links come at once. What sinks of other hosts held up is
 * held until their links are back, or for as long as they may be away and not count as dead.
 */
#include "keep.h"

#include <dirent.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>

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
int kd_take_over_begin(struct kd *d)
{
	char path[160];
	int fd, err = 0;

	kd_run_path(d, path, sizeof(path), "node");
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
	if (d->taking_over)
		return 0;
	each_file(d, "channel-", sweep);
	each_file(d, "mirror-", sweep);
	each_file(d, "limits-", sweep);
	return new_node(d->keep);
}

static void not_taken(int dir, const char *name, int err)
{
	kd_say(LOG_WARNING, "what %s holds is given up: %s", name, strerror(-err));
	unlinkat(dir, name, 0);
}

static void take_channel(struct kd *d, const struct kept_channel *k)
{
	struct ke_in in = { .p = k->attrs, .end = k->attrs + k->attrs_len };
	struct kd_channel *c;
	int err;

	c = kd_channel_make(d, k->name, &k->uuid, NULL, 0, &err);
	if (!c)
		return;
	err = min(ke_attrs_merge(&c->ch.attrs, &in, k->attrs_ms), 0);
	c->kept = true;
	c->kept_version = c->ch.attrs_version;
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
	    k.attrs_len <= sizeof(k.attrs) && k.name[0] && !k.name[sizeof(k.name) - 1] &&
	    n == (ssize_t)(offsetof(struct kept_channel, attrs) + k.attrs_len))
		take_channel(d, &k);
	else
		not_taken(dir, name, -EPROTO);
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
	int err = kd_log_again(&log, dir, name);

	if (err) {
		not_taken(dir, name, err);
		return;
	}
	k = kept_mirror(&log);
	c = k->magic == KEEP_MAGIC && k->log_size == log.size ? channel_of(d, &k->channel) : NULL;
	if (c) {
		kept = (struct ke_kept){ .contact = k->contact, .id = k->id, .log = k->log,
					 .log_size = k->log_size, .lost = k->lost };
		memcpy(kept.name, k->name, sizeof(kept.name) - 1);
	}
	err = c ? kd_mirror_again(c, &log, &kept, name) : -ENOENT;
	if (err) {
		kd_log_fini(&log);
		not_taken(dir, name, err);
	}
}

/* The node is there, without links: it is in its channels again. */
void kd_take_over(struct kd *d)
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
			kd_keep_forget(d, k);
		any |= alive;
	}
	return any;
}

/* Its process is alive: if it reads on, then knowing that nobody waits for it. */
static void end_member(const struct kd *d, const struct kd_kept *k)
{
	const __le64 none = 0;
	char path[160];
	int fd;

	kd_run_path(d, path, sizeof(path), k->limits);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (pwrite(fd, &none, sizeof(none), (off_t)k->slot * KECHO_LIMIT_SIZE) != sizeof(none))
		kd_say(LOG_WARNING, "%s: %m", path);
	close(fd);
	smp_mb();
}

static void give_up(struct kd *d)
{
	struct kd_kept *k;
	u32 i, n = 0;

	for (i = 0; i < d->keep->used_to; i++) {
		k = &d->keep->member[i];
		if (k->state != KEEP_EXPECTED)
			continue;
		if (k->role == KE_SINK && k->limits[0] && !k->limits[sizeof(k->limits) - 1])
			end_member(d, k);
		kd_keep_forget(d, k);
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

/* Those of the processes of the kechod before us. */
static void sweep_limits(struct kd *d, int dir, const char *name)
{
	const struct kd_session *s;

	list_for_each_entry(s, &d->sessions, list)
		if (!strcmp(s->limits.file, name))
			return;
	unlinkat(dir, name, 0);
}

/* Processes are back, or too late. */
static void all_back(struct kd *d)
{
	if (d->taking_over)
		give_up(d);
	d->taking_over = d->holds = false;
	d->gates_by = lib_deadline(KE_NODE_DEAD_MS);
	let_go(d);
	each_file(d, "limits-", sweep_limits);
	look_at_sources(d);
}

/* False: links may come. */
bool kd_taking_over(struct kd *d)
{
	u64 now = lib_deadline(0);

	if (d->holds && (now >= d->take_over_by || (d->taking_over && !any_to_come(d))))
		all_back(d);
	if (d->gates_by && now >= d->gates_by) {
		d->gates_by = 0;
		look_at_sources(d);
		kd_live_whole(d);
	}
	return d->taking_over;
}

/* In how many milliseconds to look again; -1: it is over. */
int kd_take_over_timeout(const struct kd *d)
{
	u64 now = lib_deadline(0), by = d->holds ? d->take_over_by : d->gates_by;

	if (!by)
		return -1;
	return d->taking_over ? KD_TAKE_OVER_LOOK_MS : max_t(s64, by - now, 0);
}
