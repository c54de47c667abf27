// SPDX-License-Identifier: MIT
/*
 * Sessions of /dev/kecho that end at odd times, beside a kernel service: nothing that others
 * still look at is gone by then.
 */
#include <kecho/type.h>

#include "guest.h"

enum {
	GONE_MS = 500,		/* a namespace without processes is, by then */
	LINGER_MS = 1500,
};

/* ------------------------------------------------------------ without its namespace */

struct outlived {
	bool done;
	int rang, opened;
};

/* The session's process has gone, and with it the namespace, but for what we hold of it. */
static int outlive(struct raw *r, pid_t parent, struct outlived *o)
{
	if (unshare(CLONE_NEWNET))
		return 1;
	while (getppid() == parent)
		sleep_us(STEP_US);
	sleep_us(GONE_MS * 1000);
	o->rang = raw_ring_node(r);
	o->opened = raw_channel(r, "late");
	WRITE_ONCE(o->done, true);
	return 0;
}

static int have_child(void *arg)
{
	pid_t self = getpid();
	struct raw r;

	if (unshare(CLONE_NEWNET) || !raw_open(&r, NULL) || raw_attach(&r) ||
	    raw_channel(&r, "early") < 0)
		return 1;
	return fork() ? 0 : outlive(&r, self, arg);
}

TEST(child_stays)
{
	struct outlived *o = shared(sizeof(*o));

	IN_GUEST();
	must(o, "memory");
	is_eq(ends(spawn(have_child, o)), 0, "a process with a child");
	ok(comes_true(READ_ONCE(o->done)), "its child");
	ok(o->opened == -EPIPE || o->opened == -ENOTCONN, "gets no channel: %d", o->opened);
}

/* A child opens and closes channels while its parent goes. */
static int busy_child(void *arg)
{
	struct kecho_ctl_channel c = { 0 };
	struct raw r;
	int i;

	if (!raw_open(&r, NULL) || raw_attach(&r))
		return 1;
	if (fork()) {
		sleep_us(*(u32 *)arg);
		return 0;
	}
	for (i = 0; i < 10000; i++) {
		c.channel = raw_channel(&r, "busy");
		if ((int)c.channel < 0)
			break;
		raw_call(&r, KECHO_CMD_CHANNEL_CLOSE, &c, sizeof(c));
	}
	return 0;
}

TEST(child_opens)
{
	u32 us;

	IN_GUEST();
	for (us = 0; us < 20000; us += 500)
		is_eq(ends(spawn(busy_child, &us)), 0, "a process with a busy child");
}

/* ------------------------------------------------------------------ sources that go */

struct lingers {
	bool full, closing;
};

/* More than a log and its copy: the kernel's sink holds it up. */
static int linger(void *arg)
{
	struct lingers *l = arg;
	struct raw_source s;
	struct raw r;
	int i;

	if (!raw_open(&r, NULL) || raw_attach(&r) || raw_source(&r, raw_channel(&r, "slow"), &s))
		return 1;
	for (i = 0; i < 1000; i++) {
		while (!raw_publish(&r, &s, 1000))
			;
		raw_ring_node(&r);
		sleep_us(STEP_US);
	}
	WRITE_ONCE(l->closing, true);
	return raw_source_close(&r, &s, LINGER_MS) ? 2 : 0;
}

/* Who comes while a source is on its way out reads nothing of it, and is not left with it. */
TEST(joins_late)
{
	struct lingers *l = shared(sizeof(*l));
	struct kecho_channel *ch;
	struct kecho_sink *sink;
	struct kecho_event ev;
	struct kecho *k = NULL;
	pid_t pid;

	IN_GUEST();
	must(l && service(true) && service_holds(true), "a kernel service");
	must(!kecho_open(&k, NULL) && !kecho_channel_open(k, "slow", NULL, &ch), "a channel");
	pid = spawn(linger, l);
	ok(comes_true(READ_ONCE(l->closing)), "a source is full");
	sleep_us(LINGER_MS * 1000 / 4);
	is_eq(kecho_sink_open(ch, NULL, &sink), 0, "a sink comes");
	is_eq(ends(pid), 0, "the source goes");
	ok(kecho_read(sink, &ev, QUIET_MS), "it has nothing to read");
	kecho_sink_close(sink);
	kecho_close(k);
	ok(service_holds(false) && service(false), "the kernel service goes");
}

/* A source whose log makes no sense is no reason that nobody can read others. */
TEST(bad_log)
{
	struct raw_source s;
	struct raw r;

	IN_GUEST();
	must(raw_open(&r, NULL) && !raw_attach(&r) &&
	     !raw_source(&r, raw_channel(&r, "mixed"), &s), "a source");
	WRITE_ONCE(s.log.hdr->head, 4);
	ok(raw_ring_node(&r), "the node looks");
	ok(raw_note(&r, KECHO_NOTE_SOURCE_END, SAID_MS), "it is over");
	ok(service(true), "the kernel comes");
	ok(service(false), "and goes");
	raw_close(&r);
}

/* Nor is one whose user has no place for a copy of it, which is what the kernel reads. */
TEST(no_place)
{
	struct kecho_note_end *end;
	struct raw_msg *m = NULL;
	struct raw_source s;
	struct raw r;

	IN_GUEST();
	must(raw_open(&r, NULL) && !raw_attach(&r) &&
	     !raw_source(&r, raw_channel(&r, "mixed"), &s), "a source");
	ok(set_limit("user_memory", memory_of(&r) + RAW_LOG / 2), "no more than it has");
	ok(service(true), "the kernel comes");
	m = raw_note(&r, KECHO_NOTE_SOURCE_END, SAID_MS);
	must(m, "it is over");
	end = (void *)m->body;
	is_eq((int)end->error, -ENOSPC, "for that reason");
	ok(service(false), "and goes");
	ok(set_limit("user_memory", 256 << 20), "as it was");
	raw_free(m);
	raw_close(&r);
}

/* The beginning of a large event. */
static int publish_part(struct raw_source *s, u32 total)
{
	struct ke_event_info info = { .frag_total = total };
	static const u8 data[1000];
	u64 seq = 0;
	int err = ke_log_append(&s->log, &info, data, sizeof(data), KE_NO_LIMIT, &seq);

	ke_log_publish(&s->log);
	return err;
}

/* Who says that it is large pays for the memory in which the kernel puts it together. */
TEST(in_pieces)
{
	enum { TOTAL = 8 << 20 };
	struct raw_source s;
	struct raw_bell b;
	struct raw r;
	u64 before;

	IN_GUEST();
	must(service(true) && raw_open(&r, NULL) && !raw_attach(&r) &&
	     !raw_source(&r, raw_channel(&r, "mixed"), &s) && raw_bell(&r, &b), "a source");
	before = memory_of(&r);
	is_eq(publish_part(&s, TOTAL), 0, "a part of an event");
	raw_ring(&b);
	ok(comes_true(memory_of(&r) >= before + TOTAL), "it is paid for");
	is_eq(raw_source_close(&r, &s, 0), 0, "the source goes");
	ok(comes_true(memory_of(&r) < before), "which is given back");
	raw_bell_free(&b);
	raw_close(&r);
	ok(service(false), "the kernel service goes");
}

/* -------------------------------------------------------------------------- types */

struct sample {
	u64 time;
	u16 number;
};

static bool service_read(u32 number)
{
	FILE *f = fopen("/sys/module/kecho_steady/parameters/number_read", "re");
	u32 is = 0;

	if (!f)
		return false;
	if (fscanf(f, "%u", &is) != 1)
		is = 0;
	fclose(f);
	return is == number;
}

/* A sink of the kernel that reads by a struct of its own knows what is announced at any time. */
TEST(announced_late)
{
	struct sample s = { .number = 17 };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_type *t;
	struct kecho *k;

	IN_GUEST();
	must(service(true) && !kecho_open(&k, NULL) && !kecho_channel_open(k, "typed", NULL, &ch) &&
	     !kecho_source_open(ch, NULL, &src), "a source that it reads");
	must(!kecho_type_from_fields(&t, KECHO_TYPE(struct sample,
		KECHO_FIELD(struct sample, time), KECHO_FIELD(struct sample, number))), "a type");
	is_eq(kecho_submit(src, &s, sizeof(s), 0), 0, "bytes");
	sleep_us(QUIET_MS * 1000);
	ok(service_read(0), "nothing is known of them");
	is_eq(kecho_source_announce(src, t), 1, "it is announced: %s", kecho_explain());
	is_eq(kecho_submit(src, &s, sizeof(s), KECHO_TYPED(1)), 0, "an event of it");
	ok(comes_true(service_read(17)), "it is read as the service's struct");
	kecho_type_free(t);
	kecho_close(k);
	ok(service(false), "the kernel service goes");
}

TESTS(session, child_stays, child_opens, joins_late, bad_log, no_place, in_pieces,
      announced_late);
