// SPDX-License-Identifier: MIT
/*
 * Processes that mean no good, or die anywhere: kechod refuses or cuts them off, goes on
 * for the others, and keeps nothing of theirs.
 */
#include "raw.h"

enum { DEATHS = 40 };

static struct kechod node;
static struct raw good;		/* somebody else, whom nothing may disturb */
static int good_channel;
static int fds_idle;

static bool begin(void)
{
	static const char *const options[] = { "user-memory=8M", "user-processes=20",
					       "user-channels=10", "user-members=20", NULL };
	static bool started;

	if (!own_network())
		return false;
	if (started)
		return true;
	/* No look but the connection that stays: one that is gone would count for a while. */
	started = daemon_start(&node, options) && comes_true(raw_open(&good, &node)) &&
		  !raw_attach(&good);
	good_channel = started ? raw_channel(&good, "good") : 0;
	fds_idle = daemon_fds(&node);
	return good_channel > 0;
}

/* The others are as well off as before, and kechod has no more than it had. */
static void all_is_well(const char *after)
{
	struct kecho_ctl_status st = { 0 };

	is_eq(raw_call(&good, KECHO_CMD_STATUS, &st, sizeof(st)), 0, "%s: it answers", after);
	ok(comes_true(daemon_fds(&node) == fds_idle), "%s: %d descriptors, %d before", after,
	   daemon_fds(&node), fds_idle);
	ok(comes_true(!raw_call(&good, KECHO_CMD_STATUS, &st, sizeof(st)) && st.processes == 1),
	   "%s: one process is left", after);
	is_eq(st.channels, 1, "%s: its channel", after);
	is_eq(st.sources + st.sinks, 0, "%s: no members", after);
	is_eq(st.memory_bytes, st.user_memory_bytes, "%s: nobody else's memory", after);
}

/* @bytes as they are: kechod hangs up. */
static bool cut_for(const void *bytes, size_t len, bool attached)
{
	struct raw r;
	bool cut;

	if (!raw_open(&r, &node) || (attached && raw_attach(&r)))
		return false;
	cut = send(r.fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len && !raw_recv(&r, SAID_MS) &&
	      !errno;
	raw_close(&r);
	return cut;
}

TEST(lengths)
{
	static u8 big[KECHO_MSG_MAX + 8];
	struct {
		struct kecho_msg m;
		u8 body[512];
	} x = { .m = { .serial = 1 } };
	u32 cmd, len;

	must(begin(), "kechod");
	ok(cut_for("", 1, true), "one byte");
	ok(cut_for(&x, sizeof(x.m) - 1, true), "half a header");
	x.m.len = 4;
	ok(cut_for(&x, sizeof(x.m), true), "less than it says");
	ok(cut_for(&x, sizeof(x.m) + 8, true), "more than it says");
	memcpy(big, &x, sizeof(x.m));
	((struct kecho_msg *)big)->len = sizeof(big) - sizeof(x.m);
	ok(cut_for(big, sizeof(big), true), "too long a message");
	for (cmd = KECHO_CMD_ATTACH; cmd <= KECHO_CMD_SINK_FILTER; cmd++) {
		x.m.cmd = cmd;
		for (len = 0; len <= 304; len += 304) {
			x.m.len = len;
			ok(cut_for(&x, sizeof(x.m) + len, true), "command %u, %u bytes", cmd,
			   len);
		}
	}
	x.m.cmd = KECHO_CMD_STATUS;
	x.m.len = sizeof(struct kecho_ctl_status);
	x.m.serial = 0;
	ok(cut_for(&x, sizeof(x.m) + x.m.len, true), "a note from a process");
	x.m.serial = 1;
	x.m.result = 1;
	ok(cut_for(&x, sizeof(x.m) + x.m.len, true), "an answer from a process");
	x.m.result = 0;
	x.m.cmd = KECHO_CMD_LINKS;
	x.m.len = sizeof(struct kecho_ctl_list);
	ok(cut_for(&x, sizeof(x.m) + x.m.len, false), "before it has attached");
	all_is_well("lengths");
}

TEST(attributes)
{
	struct kecho_ctl_source_open o = { .log_size = RAW_LOG };
	struct kecho_ctl_attr a = { .what = KECHO_OF_CHANNEL };
	static const u8 two[] = "\2\1\1\0nx\2\1\1\0mx", cut[] = "\2\1\377\0nx";
	static const u8 live[] = "\6\0\2\1\1\0nx\377\0\0";
	struct raw r;
	int fd = -1;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	a.channel = o.channel = raw_channel(&r, "attributes");
	o.attrs_len = a.attrs_len = sizeof(cut) - 1;
	is_eq(raw_call_fds(&r, KECHO_CMD_SOURCE_OPEN, &o, sizeof(o), cut, sizeof(cut) - 1, NULL,
			   0), -EPROTO, "of a source: none");
	o.attrs_len = sizeof(live) - 1;
	is_eq(raw_call_fds(&r, KECHO_CMD_SOURCE_OPEN, &o, sizeof(o), live, sizeof(live) - 1, NULL,
			   0), -EPROTO, "of a source: half an age");
	o.attrs_len = sizeof(live);
	is_eq(raw_call_fds(&r, KECHO_CMD_SOURCE_OPEN, &o, sizeof(o), live, sizeof(live), &fd, 1),
	      0, "of a source: with its age");
	close(fd);
	is_eq(raw_call_fds(&r, KECHO_CMD_SET, &a, sizeof(a), cut, sizeof(cut) - 1, NULL, 0),
	      -EINVAL, "none");
	a.attrs_len = sizeof(two) - 1;
	is_eq(raw_call_fds(&r, KECHO_CMD_SET, &a, sizeof(a), two, sizeof(two) - 1, NULL, 0),
	      -EINVAL, "two at once");
	a.attrs_len = 0;
	memset(a.name, 'x', sizeof(a.name));
	is_eq(raw_call(&r, KECHO_CMD_GET, &a, sizeof(a)), -EINVAL, "a name without an end");
	memset(a.name, 0, sizeof(a.name));
	is_eq(raw_call(&r, KECHO_CMD_GET, &a, sizeof(a)), -ENOENT, "no name");
	a.attrs_len = 5;
	is_eq(raw_call(&r, KECHO_CMD_GET, &a, sizeof(a)), -EPIPE, "attributes that are not there");
	raw_close(&r);
	all_is_well("attributes");
}

TEST(names)
{
	struct kecho_ctl_channel_open o = { .flags = 0 };
	struct raw r;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EINVAL, "none");
	memset(o.name, 'n', sizeof(o.name));
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EINVAL, "one without an end");
	strcpy(o.name, "with blank");
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EINVAL, "a blank in it");
	strcpy(o.name, "flags");
	o.flags = 8;
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EINVAL, "flags");
	o.flags = 0;
	o.mode = 01000;
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EINVAL, "a mode");
	o.mode = 0;
	strcpy(o.name, "none-such");
	o.flags = KECHO_EXISTING;
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -ENOENT, "one that is to exist");
	strcpy(o.name, "good");
	o.flags = KECHO_EXCLUSIVE;
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EEXIST, "one that must not");
	o.flags = 0;
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), 0, "one that is there");
	is_eq(raw_call(&r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o)), -EBUSY, "but once");
	raw_close(&r);
	all_is_well("names");
}

/* Handles that are another process's, or none, and things in a wrong order. */
TEST(handles)
{
	struct kecho_ctl_source c = { 0 };
	struct kecho_ctl_attr a = { .what = KECHO_OF_MEMBER };
	struct kecho_ctl_list l = { 0 };
	struct raw_source s, mine;
	struct kecho_attach again = { .abi = 1 };
	struct raw r;
	int ch, sink;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	must(!raw_source(&good, good_channel, &s), "somebody's source");
	sink = raw_sink(&good, good_channel, KECHO_LATEST, 0);
	is_eq(raw_call(&r, 60, &c, sizeof(c)), -EOPNOTSUPP, "a command of tomorrow");
	is_eq(raw_call(&r, 1u << 31, &c, sizeof(c)), -EOPNOTSUPP, "or never");
	c.source = s.o.source;
	is_eq(raw_call(&r, KECHO_CMD_SOURCE_READY, &c, sizeof(c)), -EBADF, "another's source");
	is_eq(raw_call(&r, KECHO_CMD_SOURCE_CLOSE, &c, sizeof(c)), -EBADF, "another's source");
	is_eq(raw_sink_close(&r, sink), -EBADF, "another's sink");
	is_eq(raw_sink(&r, good_channel, KECHO_LATEST, 0), -EBADF, "another's channel");
	l.channel = good_channel;
	is_eq(raw_call(&r, KECHO_CMD_MEMBERS, &l, sizeof(l)), -EBADF, "its members");
	is_eq(raw_call(&r, KECHO_CMD_STATS, &l, sizeof(l)), -EBADF, "its counters");
	ch = raw_channel(&r, "good");
	a.channel = ch;
	a.member = s.o.member;
	a.attrs_len = 6;
	is_eq(raw_call_fds(&r, KECHO_CMD_SET, &a, sizeof(a), "\2\1\1\0nx", 6, NULL, 0), -ENOENT,
	      "another's member");
	is_eq(raw_call(&r, KECHO_CMD_ATTACH, &again, sizeof(again)), -EBUSY, "attached twice");
	is_eq(raw_sink(&r, ch, 3, 0), -EINVAL, "no policy");
	mine.o = (struct kecho_ctl_source_open){ .channel = ch, .log_size = RAW_LOG,
						 .traffic_class = KECHO_BULK + 1 };
	is_eq(raw_source_make(&r, &mine), -EINVAL, "no class");
	is_eq(raw_sink(&r, ch, KECHO_LATEST, 3), -EINVAL, "no start");
	must(!raw_source_open(&r, ch, &mine, 0), "a source");
	c.source = mine.o.source;
	is_eq(raw_call(&r, KECHO_CMD_SOURCE_READY, &c, sizeof(c)), 0, "ready");
	is_eq(raw_call(&r, KECHO_CMD_SOURCE_READY, &c, sizeof(c)), -EBADF, "but once");
	is_eq(raw_source_close(&r, &mine, 0), 0, "closed");
	is_eq(raw_source_close(&r, &mine, 0), -EBADF, "but once");
	raw_source_free(&mine);
	must(!raw_source_open(&r, ch, &mine, 0), "a source");
	is_eq(raw_source_close(&r, &mine, 0), 0, "closed before it was ready");
	raw_source_free(&mine);
	is_eq(raw_source_close(&good, &s, 0), 0, "the other's is there");
	is_eq(raw_sink_close(&good, sink), 0, "and its sink");
	raw_source_free(&s);
	raw_close(&r);
	all_is_well("handles");
}

TEST(memory)
{
	struct raw_source s[16];
	struct raw r;
	int ch, n, err = 0;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	ch = raw_channel(&r, "memory");
	memset(s, 0, sizeof(s));
	for (n = 0; n < 16; n++) {
		s[n].o = (struct kecho_ctl_source_open){ .channel = ch, .log_size = 1 << 20 };
		err = raw_call_fds(&r, KECHO_CMD_SOURCE_OPEN, &s[n].o, sizeof(s[n].o), NULL, 0,
				   &s[n].fd, 1);
		if (err)
			break;
	}
	is_eq(err, -ENOSPC, "a user has a limit");
	is_eq(n, 7, "of so many logs");
	for (n = 0; n < 16; n++)
		raw_source_free(&s[n]);
	s[0].o = (struct kecho_ctl_source_open){ .channel = ch, .log_size = 12345 };
	is_eq(raw_call_fds(&r, KECHO_CMD_SOURCE_OPEN, &s[0].o, sizeof(s[0].o), NULL, 0, &s[0].fd,
			   1), -EINVAL, "no size of a log");
	raw_close(&r);
	all_is_well("memory");
}

/* A node's places are many, but one user may not take them all. */
TEST(places)
{
	char name[16];
	struct raw r;
	int i, ch = 0;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	for (i = 0; i < 20 && ch >= 0; i++) {
		snprintf(name, sizeof(name), "place%d", i);
		ch = raw_channel(&r, name);
	}
	is_eq(ch, -ENOSPC, "a user has a limit");
	is_eq(i, 10, "of so many channels, with that of the other");
	raw_close(&r);
	must(raw_open(&r, &node) && !raw_attach(&r), "a process");
	ch = raw_channel(&r, "places");
	for (i = 0; i < 40; i++)
		if (raw_sink(&r, ch, KECHO_LATEST, 0) < 0)
			break;
	is_eq(i, 20, "and of so many members");
	raw_close(&r);
	all_is_well("places");
}

TEST(processes)
{
	struct raw r[24] = { 0 };
	int i, in = 0;

	must(begin(), "kechod");
	for (i = 0; i < 24; i++)
		in += raw_open(&r[i], &node) && !raw_attach(&r[i]);
	is_eq(in, 19, "a user has so many processes");
	for (i = 0; i < 24; i++)
		raw_close(&r[i]);
	all_is_well("processes");
}

/* Positions, heads and numbers that cannot be: only its own source ends. */
TEST(lies)
{
	static const u64 heads[] = { 4, 8, 1ull << 40, U64_MAX, U64_MAX / 2 + 9 };
	struct raw_source s, bad;
	struct raw_feed *f;
	struct raw_msg *m;
	struct raw r;
	u64 one = 1;
	u32 i;
	int ch;

	must(begin(), "kechod");
	must(!raw_source(&good, good_channel, &s), "somebody's source");
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		must(raw_open(&r, &node) && !raw_attach(&r), "a process");
		ch = raw_channel(&r, "good");
		ok(raw_sink(&r, ch, KECHO_BLOCK, 0) > 0, "a sink that blocks");
		f = raw_feed(&r);
		must(f, "its feed");
		r.gates[f->n.slot].pos = heads[i];
		ok(write(r.bell, &one, 8) == 8, "its gate lies");
		must(!raw_source(&r, ch, &bad), "a source");
		bad.log.hdr->head = heads[i];
		bad.log.hdr->head_seq = 7;
		ok(write(r.bell, &one, 8) == 8, "and its log");
		ok(raw_sink(&good, good_channel, KECHO_LATEST, KECHO_FROM_NOW) > 0, "looked at");
		if (heads[i] != 8) {	/* which may be: only its reader can tell */
			m = raw_note(&r, KECHO_NOTE_SOURCE_END, SAID_MS);
			ok(m, "head %llx ends the source", (unsigned long long)heads[i]);
			raw_free(m);
		}
		is_eq(good.limits[s.o.slot].limit, heads[i] == U64_MAX ? U64_MAX : RAW_LOG,
		      "the other's limit does not move");
		raw_feed_free(f);
		raw_source_free(&bad);
		raw_close(&r);
	}
	ok(comes_true(good.limits[s.o.slot].limit == U64_MAX), "nobody holds it up");
	is_eq(raw_publish(&good, &s, 10), 0, "it goes on");
	is_eq(raw_source_close(&good, &s, 0), 0, "and closes");
	raw_source_free(&s);
	raw_close(&good);
	must(raw_open(&good, &node) && !raw_attach(&good), "anew");
	good_channel = raw_channel(&good, "good");
	all_is_well("lies");
}

/* One that asks and never reads is cut off; its notes are bounded. */
TEST(deaf)
{
	struct kecho_ctl_channel w = { .on = 1 };
	struct raw r;
	struct raw_source s;
	int i, sink;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	w.channel = raw_channel(&r, "good");
	is_eq(raw_call(&r, KECHO_CMD_WATCH, &w, sizeof(w)), 0, "it watches");
	for (i = 0; i < 2 * KECHO_NOTES_MAX; i++) {
		sink = raw_sink(&good, good_channel, KECHO_LATEST, 0);
		if (sink < 0 || raw_sink_close(&good, sink))
			break;
	}
	is_eq(i, 2 * KECHO_NOTES_MAX, "the other goes on");
	w.on = 2;
	ok(comes_true(raw_send(&r, KECHO_CMD_WATCH, &w, sizeof(w), NULL, 0) < 0),
	   "who does not read is cut off");
	must(!raw_source(&good, good_channel, &s) && !raw_source_close(&good, &s, 0), "a source");
	raw_source_free(&s);
	raw_close(&r);
	all_is_well("deaf");
}

static int flood(void *arg)
{
	struct kecho_ctl_list l = { 0 };
	u64 one = 1;
	struct raw r;
	int i, ch;

	(void)arg;
	if (!raw_open(&r, &node) || raw_attach(&r))
		return 1;
	ch = raw_channel(&r, "good");
	l.channel = ch;
	for (i = 0;; i++) {
		if (raw_send(&r, KECHO_CMD_MEMBERS, &l, sizeof(l), NULL, 0))
			return 2;
		while (recv(r.fd, &l, 1, MSG_DONTWAIT) >= 0)
			;
		l.channel = ch;
		l.from = 0;
		if (write(r.bell, &one, 8) != 8)
			return 3;
	}
}

/* Processes that ask and ring without end do not keep others waiting for long. */
TEST(flooded)
{
	struct kecho_ctl_status st;
	u64 worst = 0, begun;
	pid_t pid[3];
	int i;

	must(begin(), "kechod");
	for (i = 0; i < 3; i++)
		pid[i] = spawn(flood, NULL);
	sleep_us(100000);
	for (i = 0; i < 200; i++) {
		begun = now_ns();
		memset(&st, 0, sizeof(st));
		if (raw_call(&good, KECHO_CMD_STATUS, &st, sizeof(st)))
			break;
		worst = max(worst, now_ns() - begun);
	}
	is_eq(i, 200, "all are answered");
#ifndef SANITIZED
	ok(worst < 1000000000, "within a second, each: %llu us", (unsigned long long)worst / 1000);
#else
	pr_info("# within %llu us, each\n", (unsigned long long)worst / 1000);
#endif
	for (i = 0; i < 3; i++)
		put_down(pid[i]);
	all_is_well("floods");
}

/* O_NONBLOCK is shared: whoever clears it must not stop kechod. */
TEST(blocking)
{
	u64 most = U64_MAX - 1;
	struct raw r;

	must(begin() && raw_open(&r, &node) && !raw_attach(&r), "a process");
	fcntl(r.bell, F_SETFL, 0);
	ok(write(r.bell, &most, 8) == 8, "its bell is full");
	ok(raw_channel(&r, "bells") > 0, "it is answered");
	raw_close(&r);
	all_is_well("blocking");
}

/* A process that takes @steps steps and dies. */
static int dies(void *arg)
{
	int steps = (intptr_t)arg, ch = 0;
	struct raw_source s;
	struct raw r;

	if (steps-- && !raw_open(&r, &node))
		return 1;
	if (steps-- > 0 && raw_attach(&r))
		return 2;
	if (steps-- > 0 && (ch = raw_channel(&r, "deaths")) < 0)
		return 3;
	if (steps-- > 0 && raw_source_open(&r, ch, &s, 0))
		return 4;
	if (steps-- > 0 && raw_sink(&r, ch, KECHO_BLOCK, 0) < 0)
		return 5;
	if (steps-- > 0 && raw_source_ready(&r, &s))
		return 6;
	if (steps-- > 0 && raw_publish(&r, &s, 100))
		return 7;
	if (steps-- > 0)
		raw_send(&r, KECHO_CMD_SOURCE_CLOSE, &(struct kecho_ctl_source){ s.o.source, 0 }, 8,
			 NULL, 0);
	raise(SIGKILL);
	return 8;
}

TEST(deaths)
{
	int i, steps, status;
	pid_t pid;

	must(begin(), "kechod");
	for (i = 0; i < DEATHS; i++) {
		for (steps = 0; steps < 9; steps++) {
			pid = spawn(dies, (void *)(intptr_t)steps);
			if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) {
				is_eq(status, SIGKILL, "it got so far: %d", steps);
				return;
			}
		}
	}
	all_is_well("deaths");
}

/* A child that holds a dead process's socket: the pidfd tells. */
static int forks(void *arg)
{
	int *child = arg;
	struct raw_source s;
	struct raw r;
	pid_t pid;

	if (!raw_open(&r, &node) || raw_attach(&r) || raw_source(&r, raw_channel(&r, "good"), &s))
		return 1;
	pid = fork();
	if (!pid) {
		alarm(SOON_MS / 1000);	/* in case that the test does not get to it */
		pause();
		_exit(0);
	}
	*child = pid;
	raise(SIGKILL);
	return 2;
}

TEST(child_keeps_the_socket)
{
	int *child = shared(sizeof(int)), status;
	pid_t pid;

	must(begin() && child, "kechod");
	pid = spawn(forks, child);
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "it dies");
	all_is_well("a child that lives on");
	if (*child > 0)
		kill(*child, SIGKILL);
	munmap(child, sizeof(int));
}

TEST(stops)
{
	if (!own_network())
		skip("no network namespace of its own");
	is_eq(daemon_stop(&node), 0, "kechod stops when it is told to");
	raw_close(&good);
}

TESTS(raw, lengths, attributes, names, handles, memory, places, processes, lies, deaf,
      flooded, blocking, deaths, child_keeps_the_socket, stops);
