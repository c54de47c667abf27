// SPDX-License-Identifier: MIT
/*
 * A type is announced while the link between two hosts is cut, and events of it follow: the
 * far host's sink knows what they are once the link is back, and reads them as its own
 * version of the struct. A host is a network namespace:
 *
 *	near 10.98.0.1 [typea]---veth---[typeb] 10.98.0.2 far
 */
#include <kecho/type.h>

#include "net.h"

enum {
#ifdef SANITIZED
	SHORT_MS = 500,		/* TCP doubles its time to send again, and all is late */
#else
	SHORT_MS = 1000,
#endif
	LONG_MS = 3000,		/* by then each is dead to the other */
	EVENTS = 20,		/* of each type */
};

#define REGISTRY_NEAR "10.98.0.1:7390"

/* The near host's, by the number of the type; and what the far host makes of all of them. */
struct narrow {
	u32 number, type;
};
struct wide {
	char none[8];
	u64 type, number;
};

static struct hall {
	bool apart, wired, ready;
	u64 last;	/* event that was accounted for */
	u64 came[3], lost, wrong;
} *hall;

static struct kecho_type *type_wide(void)
{
	struct kecho_type *t;

	return kecho_type_from_fields(&t, KECHO_TYPE(struct wide, KECHO_FIELD(struct wide, none),
						     KECHO_FIELD(struct wide, type),
						     KECHO_FIELD(struct wide, number))) ? NULL : t;
}

/* Two versions, of which the second has one field only. */
static struct kecho_type *type_narrow(unsigned int version)
{
	struct kecho_type *t;
	int err;

	if (version == 1)
		err = kecho_type_from_fields(&t, KECHO_TYPE(struct narrow,
							    KECHO_FIELD(struct narrow, type),
							    KECHO_FIELD(struct narrow, number)));
	else
		err = kecho_type_from_fields(&t, KECHO_TYPE(struct narrow,
							    KECHO_FIELD(struct narrow, type)));
	return err ? NULL : t;
}

static void account(struct kecho_sink *s, const struct kecho_type *t, const struct kecho_event *ev)
{
	struct wide w;

	if (ev->kind == KECHO_LOST) {
		hall->lost += ev->last_seq - ev->seq + 1;
		WRITE_ONCE(hall->last, ev->last_seq);
	}
	if (ev->kind != KECHO_EVENT)
		return;
	if (ev->type > 2 || kecho_event_as(s, ev, t, &w, NULL) || w.type != ev->type ||
	    w.number != (ev->type == 1 ? ev->seq : 0) || *w.none)
		hall->wrong++;
	else
		hall->came[ev->type]++;
	WRITE_ONCE(hall->last, ev->seq);
}

static int far_host(void *arg)
{
	const struct kecho_options opt = { .listen = "10.98.0.2", .registry = REGISTRY_NEAR };
	struct kecho_type *t = type_wide();
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho_event ev;
	struct kecho *k;

	(void)arg;
	if (!t || !host_apart(&hall->apart) || !comes_true(READ_ONCE(hall->wired)))
		return 3;
	if (kecho_open(&k, &opt) || kecho_channel_open(k, "cut", NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &s))
		return 4;
	WRITE_ONCE(hall->ready, true);
	for (;;)
		if (!kecho_read(s, &ev, -1))
			account(s, t, &ev);
}

static u32 submit_some(struct kecho_source *s, int version, u32 number)
{
	struct kecho_type *t = type_narrow(version);
	int got = t ? kecho_source_announce(s, t) : -ENOMEM, i;
	struct narrow n = { .number = number, .type = version };

	kecho_type_free(t);
	is_eq(got, version, "announced");
	for (i = 0; i < EVENTS; i++) {
		n.number++;
		is_eq(kecho_submit(s, &n, sizeof(n), KECHO_TYPED(got)), 0, "submit");
	}
	return n.number;
}

static void cut_between(struct kecho *k, unsigned int ms)
{
	struct kecho_channel *ch;
	struct kecho_source *s;
	u32 n;

	must(!kecho_channel_open(k, "cut", NULL, &ch) && !kecho_source_open(ch, NULL, &s), "%s",
	     kecho_explain());
	n = submit_some(s, 1, 0);
	ok(comes_true(READ_ONCE(hall->last) == n), "all of the first came");
	must(net_do(0, "ip link set typea down"), "cut");
	n = submit_some(s, 2, n);
	sleep_us(ms * 1000);
	must(net_do(0, "ip link set typea up"), "healed");
	n = submit_some(s, 1, n);
	ok(comes_true(READ_ONCE(hall->last) == n), "accounted for %llu of %u",
	   (unsigned long long)hall->last, n);
	is_eq(hall->wrong, 0, "events that were not what they are");
	is_eq(hall->came[1] + hall->came[2] + hall->lost, n, "came, or lost");
	is_eq(hall->lost, 0, "lost");
	is_eq(hall->came[2], EVENTS, "all of the second");
}

static void cut(unsigned int ms)
{
	const struct kecho_options opt = { .listen = "10.98.0.1", .registry = REGISTRY_NEAR };
	struct kecho *k = NULL;
	pid_t far;

	hall = shared(sizeof(*hall));
	must(hall, "memory");
	far = spawn(far_host, NULL);
	if (ok(comes_true(READ_ONCE(hall->apart)) &&
	       net_wire("type", 0, "10.98.0.1", far, "10.98.0.2"), "veth") &&
	    ok(!kecho_open(&k, &opt), "%s", kecho_explain())) {
		WRITE_ONCE(hall->wired, true);
		if (ok(comes_true(READ_ONCE(hall->ready)), "the far host has joined"))
			cut_between(k, ms);
	}
	kecho_close(k);
	put_down(far);
	ok(comes_true(net_unwire()), "no wire is left");
}

TEST(short_cut)
{
	if (geteuid())
		skip("needs root");
	ARENA();
	cut(SHORT_MS);
}

TEST(long_cut)
{
	if (geteuid())
		skip("needs root");
	ARENA();
	cut(LONG_MS);
}

TESTS(types_cut, short_cut, long_cut);
