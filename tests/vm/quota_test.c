// SPDX-License-Identifier: MIT
/*
 * What a user, and a memory control group, may take at the kernel's node: not more, and nobody
 * else has less; and all of it is given back.
 */
#include "guest.h"

enum {
	USER = 61240, OTHER,
	TRIES = 200,
	GROUP_MIB = 16, BIG_LOG = 4 << 20,
	NOTES = 3000,
	FIRST_SLOTS = 16,	/* of a table, that have memory from the start */
	MEMBER_BYTES = 16 << 10,
};

#define GROUP "/tmp/cgroup/small"

/* How many it gets; then it must be refused so. -1: for another reason. */
static int fill(int (*take)(struct raw *r, int i), struct raw *r, int err)
{
	int n = 0, is = 0;

	while (n < TRIES && !(is = take(r, n)))
		n++;
	return is == err ? n : -1;
}

static int take_source(struct raw *r, int i)
{
	static int channel;
	struct raw_source s;

	if (!i)
		channel = raw_channel(r, "full");
	return raw_source(r, channel, &s);
}

static int take_sink(struct raw *r, int i)
{
	static int channel;

	if (!i)
		channel = raw_channel(r, "full");
	return min(raw_sink(r, channel, KECHO_LATEST, 0), 0);
}

static int take_channel(struct raw *r, int i)
{
	char name[16];

	snprintf(name, sizeof(name), "c%d", i);
	return min(raw_channel(r, name), 0);
}

static int take_process(struct raw *r, int i)
{
	struct raw more;

	(void)r;
	(void)i;
	return raw_open(&more, NULL) ? 0 : -errno;
}

static int take_unread(struct raw *r, int i)
{
	struct kecho_ctl_list l = { 0 };
	int err = 0, n;

	(void)i;
	for (n = 0; n < 100 && !err; n++)
		err = raw_send(r, KECHO_CMD_LINKS, &l, sizeof(l), NULL, 0);
	return err;
}

struct taking {
	int (*take)(struct raw *r, int i);
	int err, least;
};

/* In a process of user USER. */
static int take_all(void *arg)
{
	const struct taking *t = arg;
	gid_t group = USER;
	struct raw r;
	int n;

	if (!become(USER, USER, 1, &group) || !raw_open(&r, NULL) || raw_attach(&r))
		return 10;
	n = fill(t->take, &r, t->err);
	return n < t->least ? 11 : n == TRIES ? 12 : 0;
}

/* And another user goes on. */
static int needs_some(void *arg)
{
	gid_t group = OTHER;
	struct raw_source s;
	struct raw r;
	int channel;

	(void)arg;
	if (!become(OTHER, OTHER, 1, &group) || !raw_open(&r, NULL) || raw_attach(&r))
		return 10;
	channel = raw_channel(&r, "some");
	if (raw_source(&r, channel, &s) || raw_sink(&r, channel, KECHO_LATEST, 0) < 0)
		return 11;
	return 0;
}

/* One that has nothing yet but this session. */
static int asks_memory(void *arg)
{
	gid_t group = USER;
	struct raw r;

	if (!become(USER, USER, 1, &group) || !raw_open(&r, NULL))
		return 10;
	*(u64 *)arg = memory_of(&r);
	return 0;
}

#define OWN_NODE()						\
	do {							\
		IN_GUEST();					\
		must(!unshare(CLONE_NEWNET), "a network");	\
	} while (0)

TEST(each_kind)
{
	static const struct {
		const char *parameter;
		u64 limit, usual;
		struct taking what;
	} kind[] = {
		{ "user_memory", 2 << 20, 256 << 20, { take_source, -ENOSPC, 10 } },
		{ "user_members", 12, 2048, { take_source, -ENOSPC, 12 } },
		{ "user_members", 12, 2048, { take_sink, -ENOSPC, 12 } },
		{ "user_channels", 5, 2048, { take_channel, -ENOSPC, 5 } },
		{ "user_processes", 3, 1024, { take_process, -ENOSPC, 2 } },
		{ "user_memory", 1 << 20, 256 << 20, { take_unread, -ECONNRESET, 1 } },
	};
	u64 *before = shared(sizeof(*before)), *after = shared(sizeof(*after));
	u32 i;

	OWN_NODE();
	is_eq(ends(spawn(asks_memory, before)), 0, "what a process costs");
	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		must(set_limit(kind[i].parameter, kind[i].limit), "%s", kind[i].parameter);
		is_eq(ends(spawn(take_all, (void *)&kind[i].what)), 0, "%u: %s", i,
		      kind[i].parameter);
		is_eq(ends(spawn(needs_some, NULL)), 0, "%u: another user", i);
		set_limit(kind[i].parameter, kind[i].usual);
		ok(comes_true(!ends(spawn(asks_memory, after)) && *after == *before),
		   "%u: %s: %llu bytes, were %llu", i, kind[i].parameter,
		   (unsigned long long)*after, (unsigned long long)*before);
	}
}

/* ------------------------------------------------------------------ a table that grows */

static const struct kecho_live_head *live_table(struct raw *r, int channel)
{
	struct kecho_ctl_channel c = { .channel = channel };
	int fd;
	void *map;

	if (raw_call_fds(r, KECHO_CMD_LIVE, &c, sizeof(c), NULL, 0, &fd, 1))
		return NULL;
	map = mmap(NULL, KECHO_LIVE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static bool is_shown(const struct kecho_live_head *h, u64 member)
{
	const struct kecho_live_entry *e = (const void *)((const u8 *)h + KECHO_LIVE_INDEX_AT);
	const struct kecho_live_slot *s = (const void *)((const u8 *)h + KECHO_LIVE_SLOTS_AT);
	u32 i;

	for (i = 0; i < KECHO_LIVE_PROBES; i++) {
		if (e[(member + i) % KECHO_LIVE_INDEX].member == member)
			return s[e[(member + i) % KECHO_LIVE_INDEX].slot].member == member;
	}
	return false;
}

/* As members come, its memory does. */
TEST(table)
{
	struct kecho_ctl_sink_open o[3 * FIRST_SLOTS] = { 0 };
	const struct kecho_live_head *h;
	u64 before, small;
	u32 i, shown = 0;
	int channel;
	struct raw r;

	OWN_NODE();
	must(raw_open(&r, NULL) && !raw_attach(&r), "a process");
	channel = raw_channel(&r, "shown");
	before = memory_of(&r);
	h = live_table(&r, channel);
	must(h, "a table");
	small = memory_of(&r) - before;
	ok(small >= KECHO_LIVE_SLOTS_AT && small < 2 * KECHO_LIVE_SLOTS_AT,
	   "small: %llu bytes", (unsigned long long)small);
	before += small;
	for (i = 0; i < ARRAY_SIZE(o); i++) {
		o[i].channel = channel;
		must(!raw_call(&r, KECHO_CMD_SINK_OPEN, &o[i], sizeof(o[i])), "sink %u", i);
	}
	is_eq(memory_of(&r) - before, ARRAY_SIZE(o) * MEMBER_BYTES +
	      3 * FIRST_SLOTS * sizeof(struct kecho_live_slot), "with the members");
	for (i = 0; i < ARRAY_SIZE(o); i++)
		shown += is_shown(h, o[i].member);
	is_eq(shown, ARRAY_SIZE(o), "all are there");
	munmap((void *)h, KECHO_LIVE_SIZE);
	raw_close(&r);
}

/* ------------------------------------------------------------------ control groups */

static u64 group_bytes(void)
{
	FILE *f = fopen(GROUP "/memory.current", "re");
	unsigned long long n = 0;

	if (f && fscanf(f, "%llu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* Bytes of the kernel's own that it is charged for: small ones, which stay. */
static u64 group_slab(void)
{
	FILE *f = fopen(GROUP "/memory.stat", "re");
	unsigned long long n, slab = 0;
	char name[64];

	while (f && fscanf(f, "%63s %llu", name, &n) == 2)
		if (!strcmp(name, "slab_unreclaimable"))
			slab = n;
	if (f)
		fclose(f);
	return slab;
}

struct grouped {
	u64 before, with_log;
	int n, err;
};

static int big_source(struct raw *r, int channel)
{
	struct kecho_ctl_source_open o = { .channel = channel, .log_size = BIG_LOG };
	int fd, err = raw_call_fds(r, KECHO_CMD_SOURCE_OPEN, &o, sizeof(o), NULL, 0, &fd, 1);

	if (!err)
		close(fd);
	return err;
}

/* Refused, and not killed: it has no more than its group. */
static int take_group(void *arg)
{
	struct grouped *g = arg;
	int channel;
	struct raw r;

	if (!write_file(GROUP "/cgroup.procs", "0") || !raw_open(&r, NULL) || raw_attach(&r))
		return 10;
	channel = raw_channel(&r, "grouped");
	g->before = group_bytes();
	while (!(g->err = big_source(&r, channel)) && g->n < TRIES) {
		g->n++;
		g->with_log = g->with_log ?: group_bytes();
	}
	return 0;
}

/* It hears who comes and goes, and does not listen. */
static int hears_nothing(void *arg)
{
	struct kecho_ctl_channel c = { .on = true };
	u32 *step = arg;
	struct raw r;

	if (!write_file(GROUP "/cgroup.procs", "0") || !raw_open(&r, NULL) || raw_attach(&r))
		return 10;
	c.channel = raw_channel(&r, "watched");
	if (raw_call(&r, KECHO_CMD_WATCH, &c, sizeof(c)))
		return 11;
	smp_store_release(step, 1);
	return comes_true(smp_load_acquire(step) == 2) ? 0 : 12;
}

static bool make_group(void)
{
	return !system("mkdir -p /tmp/cgroup && mount -t cgroup2 cgroup /tmp/cgroup &&"
		       "echo +memory >/tmp/cgroup/cgroup.subtree_control && mkdir " GROUP) &&
	       !system("echo 16M >" GROUP "/memory.max");
}

static bool remove_group(void)
{
	return comes_true(!rmdir(GROUP)) && !system("umount /tmp/cgroup");
}

TEST(control_group)
{
	struct grouped *g = shared(sizeof(*g));

	OWN_NODE();
	must(g && make_group(), "a control group");
	is_eq(ends(spawn(take_group, g)), 0, "it lives");
	is_eq(g->err, -ENOMEM, "and was refused");
	ok(g->n > 0 && g->n <= GROUP_MIB * 1024 / (BIG_LOG / 1024), "it got %d logs", g->n);
	ok(g->with_log >= g->before + BIG_LOG, "the first is charged: %llu bytes, before %llu",
	   (unsigned long long)g->with_log, (unsigned long long)g->before);
	is_eq(ends(spawn(needs_some, NULL)), 0, "who is in another group");
	ok(comes_true(group_bytes() < BIG_LOG), "it is given back");
	ok(remove_group(), "the group goes");
}

/* What others say to it is its own, too. */
TEST(control_group_of_messages)
{
	u32 *step = shared(sizeof(*step));
	struct raw r;
	u64 before;
	int channel, i, err = 0;
	pid_t pid;

	OWN_NODE();
	must(step && make_group() && raw_open(&r, NULL) && !raw_attach(&r), "a node, a group");
	channel = raw_channel(&r, "watched");
	pid = spawn(hears_nothing, step);
	must(comes_true(smp_load_acquire(step)), "one watches");
	before = group_slab();
	for (i = 0; i < NOTES / 2 && !err; i++)
		err = raw_sink_close(&r, raw_sink(&r, channel, KECHO_LATEST, 0));
	is_eq(err, 0, "members come and go");
	ok(group_slab() >= before + NOTES * sizeof(struct kecho_ctl_member),
	   "it is charged for hearing that: %llu bytes, before %llu",
	   (unsigned long long)group_slab(), (unsigned long long)before);
	smp_store_release(step, 2);
	is_eq(ends(pid), 0, "it goes");
	raw_close(&r);
	ok(remove_group(), "the group goes");
}

TESTS(quota, each_kind, table, control_group, control_group_of_messages);
