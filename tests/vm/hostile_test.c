// SPDX-License-Identifier: MIT
/*
 * Three users and a kernel service at the kernel's node, as in tests/daemon/hostile_test.c:
 *
 *	channel   sources                     sinks, which block       user A may
 *	own       user B's, the kernel's      B's, C's, the kernel's   nothing
 *	mixed     user B's, the kernel's      B's, C's, the kernel's   subscribe and publish
 *	read      B's, waits for each event   B's, C's                 subscribe
 *	held      both, short of patience     -                        block as well
 *
 * User A's processes fuzz all that they can say, call and write. Nothing of that may show to the
 * others, nor to the kernel, and all that they had goes with them.
 *
 * KECHO_SEED=N repeats what A says and writes, but not the instants.
 */
#include "guest.h"
#include "poke.h"
#include "../daemon/siege.h"

enum {
	FRIENDS = 10020,
	ATTACKS_S = 20, ATTACKS_LONG_S = 600,
	PATIENCE_S = 5,		/* an emulated machine is slow */
	COUNTS = 8,		/* that the kernel service tells */
};

#define STEADY "/sys/module/kecho_steady/parameters/"

/* -------------------------------------------------------------- the kernel service */

/* The numbers of a parameter; how many there are. */
static unsigned int read_counts(const char *name, u64 *n, unsigned int max)
{
	char path[80], text[256], *p = text;
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), STEADY "%s", name);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		*text = 0;
	if (f)
		fclose(f);
	for (i = 0; i < max && *p; i++) {
		n[i] = strtoull(p, &p, 10);
		p += strspn(p, ",\n");
	}
	return i;
}

static void look_at_service(void)
{
	static u64 was[COUNTS];
	u64 is[COUNTS], wrongs = 1;
	unsigned int i, n = read_counts("heard", is, COUNTS);

	n += read_counts("submitted", is + n, COUNTS - n);
	if (n != COUNTS || read_counts("wrong", &wrongs, 1) != 1 || wrongs)
		wrong("the kernel got %llu events that were not sent so",
		      (unsigned long long)wrongs);
	for (i = 0; i < n; i++)
		if (is[i] == was[i])
			wrong("number %u of the kernel's has not come on for %u s", i,
			      siege.patience_s);
	memcpy(was, is, sizeof(was));
}

/* ------------------------------------------------------------------ arrangement */

static int own_channels(void *ready)
{
	static const struct {
		const char *name;
		u32 mode;
	} channel[] = { { "own", 0660 }, { "mixed", 0666 }, { "read", 0664 }, { "held", 0666 } };
	struct raw r;
	u32 i;

	if (!become(USER_B, friends, 1, &friends) || !raw_open(&r, NULL) || raw_attach(&r))
		return wrong("no user B");
	for (i = 0; i < ARRAY_SIZE(channel); i++)
		if (raw_channel_mode(&r, channel[i].name, channel[i].mode) < 0)
			return wrong("channel %s is not made", channel[i].name);
	WRITE_ONCE(*(bool *)ready, true);
	while (!READ_ONCE(tally->stop))
		sleep_us(PACE_US);
	raw_close(&r);
	return 0;
}

/* What a device has no words, descriptors or memory for. */
static void spare(void)
{
	static const enum kind none[] = { MSG_FDS, MSG_FDS_MANY, MSG_FDS_CLOSED, BELL_FUTEX,
					  BELL_WAITERS, BELL_PAGE, BELL_EVENT, BELL_BLOCKS,
					  FD_MIRROR, DEAF, CUT_OFF };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(none); i++)
		siege.spared[none[i]] = true;
}

static void arrange(void)
{
	siege.patience_s = PATIENCE_S * slow();
	siege.more = poke;
	siege.look = look_at_service;
	spare();
	add_sink("own", NULL, USER_B, "B's sink of own");
	add_sink("own", NULL, USER_C, "C's sink of own");
	add_sink("mixed", NULL, USER_B, "B's sink of mixed");
	add_sink("mixed", NULL, USER_C, "C's sink of mixed")->polls = true;
	add_sink("read", NULL, USER_B, "B's sink of read");
	add_sink("read", NULL, USER_C, "C's sink of read")->polls = true;
	add_source("own", NULL);
	add_source("mixed", NULL);
	add_source("read", NULL)->steps = true;
	add_source("held", NULL)->stall_ms = 200;
}

/* -------------------------------------------------------------------- what is left */

static bool status(struct kecho_ctl_status *st)
{
	struct raw r;
	bool is = raw_open(&r, NULL) && get_status(&r, st);

	raw_close(&r);
	return is;
}

static bool same(const struct kecho_ctl_status *was, struct kecho_ctl_status *is)
{
	return status(is) && is->processes == was->processes && is->channels == was->channels &&
	       is->sources == was->sources && is->sinks == was->sinks;
}

TEST(three_users)
{
	bool *ready = shared(sizeof(*ready));
	struct kecho_ctl_status was, is;
	pid_t keeper;
	u64 seed;
	u32 i;

	IN_GUEST();
	tally = shared(sizeof(*tally));
	friends = FRIENDS;
	must(tally && ready && write_file("/proc/sys/net/kecho/block", "group 10020"),
	     "memory");
	seed = choose_seed();
	keeper = spawn(own_channels, ready);
	must(comes_true(*ready || tally->failed) && !tally->failed, "channels: %s", tally->why);
	must(service(true), "the kernel service");
	arrange();
	must(start_good(), "B and C: %s", tally->why);
	must(comes_true(all_get()) && status(&was), "all is calm");
	attack_for(long_run() ? ATTACKS_LONG_S : ATTACKS_S * slow(), seed);
	ok(!tally->failed, "%s", tally->why);
	ok(comes_true(same(&was, &is)),
	   "%u processes, %u channels, %u sources, %u sinks; before: %u, %u, %u, %u",
	   is.processes, is.channels, is.sources, is.sinks, was.processes, was.channels,
	   was.sources, was.sinks);
	WRITE_ONCE(tally->stop, true);
	for (i = 0; i < ngood; i++)
		is_eq(ends(pid[i]), 0, "process %u of B and C: %s", i, tally->why);
	ok(service(false), "the kernel service goes");
	is_eq(ends(keeper), 0, "who made the channels");
	print_tally();
	if (!tally->failed)
		all_was_tried();
}

TESTS(kernel_hostile, three_users);
