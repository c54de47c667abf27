// SPDX-License-Identifier: MIT
/*
 * Live attributes of whole nodes: their ages, also for who comes late, and what it takes to
 * set one often. The hosts:
 *
 *	near 10.98.0.1 [livea]---veth---[liveb] 10.98.0.2 far
 */
#include <pthread.h>
#include <sys/resource.h>

#include "net.h"
#include "pair.h"

enum {
	WAIT_MS = 300,
	CUT_MS = 2500,		/* the link breaks; in a shorter one the frame is only late */
	/* Ages are of a clock that ticks each 4 ms, at both ends; and all is late sometimes. */
	EARLY_MS = 10,
#ifdef SANITIZED
	LATE_MS = 2000,
#else
	LATE_MS = 250,
#endif
	SETS = 100000,
	NODE_SETS = 2000,	/* each asks the node */
	READS = 20000,
	LETTERS = 200,
	DELAY_MS = 10,
	FRAME_BYTES = 100,	/* that tells of one small attribute, at most */
};

#define LIVE_REGISTRY "10.98.0.1:7390"

/* Whether an age is that of what was set at @set_ns. */
static bool is_age(u64 age_ns, u64 set_ns)
{
	u64 now = now_ns(), early = EARLY_MS * 1000000ull, late = LATE_MS * 1000000ull;

	return age_ns <= now - set_ns + early && age_ns + late >= now - set_ns;
}

static bool is_load(struct kecho_channel *ch, u64 member, const char *name, s64 load)
{
	struct kecho_value v;

	return !kecho_member_get(ch, member, name, &v, NULL, 0) && v.i64 == load;
}

static u64 age_of(struct kecho_channel *ch, u64 member, const char *name)
{
	struct kecho_value v = { .age_ns = U64_MAX };

	return kecho_member_get(ch, member, name, &v, NULL, 0) ? U64_MAX : v.age_ns;
}

/* A member's, or the channel's (0). */
static bool is_text(struct kecho_channel *ch, u64 member, size_t len)
{
	char buf[KECHO_ATTR_VALUE_MAX];
	struct kecho_value v;
	int err = member ? kecho_member_get(ch, member, "text", &v, buf, sizeof(buf)) :
			   kecho_channel_get(ch, "text", &v, buf, sizeof(buf));

	return !err && v.len == len && (!len || (buf[0] == 'x' && buf[len - 1] == 'x'));
}

static void must_set(struct kecho_source *s, const char *text)
{
	is_eq(kecho_source_set(s, "text", kecho_string(text)), 0, "set");
}

static u64 channel_age(struct kecho_channel *ch, const char *name)
{
	struct kecho_value v;

	return kecho_channel_get(ch, name, &v, NULL, 0) ? U64_MAX : v.age_ns;
}

TEST(ages)
{
	struct pair p = {};
	u64 id, set, again;

	ARENA();
	if (pair_stream(&p, "ages", KECHO_LATEST)) {
		id = kecho_source_id(p.src);
		set = now_ns();
		is_eq(kecho_source_set(p.src, "load", kecho_i64(1)), 0, "load");
		is_eq(kecho_node_set(p.k[0], "rack", kecho_i64(2)), 0, "the node's");
		is_eq(kecho_channel_set(p.ch[0], "rate", kecho_i64(3)), 0, "the channel's");
		ok(comes_true(is_load(p.ch[1], id, "load", 1)), "it is seen");
		ok(comes_true(is_load(p.ch[1], id, "node.rack", 2)), "so is the node's");
		ok(comes_true(channel_age(p.ch[1], "rate") != U64_MAX), "and the channel's");
		sleep_us(WAIT_MS * 1000);
		ok(is_age(age_of(p.ch[1], id, "load"), set), "as old as it is");
		ok(is_age(age_of(p.ch[0], id, "load"), set), "here, too");
		ok(is_age(age_of(p.ch[1], id, "node.rack"), set), "the node's");
		ok(is_age(channel_age(p.ch[1], "rate"), set), "the channel's");
		again = now_ns();
		is_eq(kecho_source_set(p.src, "load", kecho_i64(1)), 0, "to what it was");
		ok(comes_true(is_age(age_of(p.ch[1], id, "load"), again)), "it is fresh");
		ok(is_age(age_of(p.ch[1], id, "node.rack"), set), "no other is");
	}
	pair_end(&p);
}

static u64 bytes_sent(struct kecho *k)
{
	struct kecho_link_info l[4];
	ssize_t i, n = kecho_links(k, l, 4);
	u64 sum = 0;

	for (i = 0; i < n && i < 4; i++)
		sum += l[i].tx_bytes;
	return sum;
}

TEST(set_often)
{
	int i, n = with_node() ? NODE_SETS : SETS;
	u64 begun, sent, took_ms, most;
	struct pair p = {};

	ARENA();
	if (pair_stream(&p, "often", KECHO_LATEST)) {
		sent = bytes_sent(p.k[0]);
		begun = now_ns();
		for (i = 1; i <= n; i++)
			is_eq(kecho_source_set(p.src, "load", kecho_i64(i)), 0, "set %d", i);
		pr_info("# %llu ns for each set\n", (unsigned long long)(now_ns() - begun) / n);
		ok(comes_true(is_load(p.ch[1], kecho_source_id(p.src), "load", n)),
		   "the last value comes");
		took_ms = (now_ns() - begun) / 1000000;
		sent = bytes_sent(p.k[0]) - sent;
		most = (took_ms / DELAY_MS + 2 + took_ms / 250) * FRAME_BYTES;
		ok(sent <= most, "%llu bytes in %llu ms", (unsigned long long)sent,
		   (unsigned long long)took_ms);
	}
	pair_end(&p);
}

/* Whoever it is attached to, a process waits for nobody to read one. */
TEST(reads_alone)
{
	struct rusage before, after;
	struct pair p = {};
	u64 id, begun;
	int i;

	ARENA();
	if (pair_stream(&p, "alone", KECHO_LATEST)) {
		id = kecho_source_id(p.src);
		is_eq(kecho_source_set(p.src, "load", kecho_i64(1)), 0, "load");
		ok(comes_true(is_load(p.ch[1], id, "load", 1)), "it is seen");
		getrusage(RUSAGE_THREAD, &before);
		begun = now_ns();
		for (i = 0; i < READS; i++)
			ok(is_load(p.ch[1], id, "load", 1), "read %d", i);
		pr_info("# %llu ns for each read\n",
			(unsigned long long)(now_ns() - begun) / READS);
		getrusage(RUSAGE_THREAD, &after);
		ok(after.ru_nvcsw - before.ru_nvcsw < READS / 100, "it slept %ld times",
		   after.ru_nvcsw - before.ru_nvcsw);
		is_eq(kecho_member_get(p.ch[1], id, "none", &(struct kecho_value){}, NULL, 0),
		      -ENOENT, "one that isn't there");
	}
	pair_end(&p);
}

/* What its user has set a process sees, whether kechod has room to show it or not. */
TEST(of_any_size)
{
	static char text[KECHO_ATTR_VALUE_MAX];
	struct pair p = {};
	u64 id;
	int i;

	ARENA();
	memset(text, 'x', sizeof(text));
	if (pair_stream(&p, "sizes", KECHO_LATEST)) {
		id = kecho_source_id(p.src);
		for (i = 1; i < 40; i++) {
			text[i * 25] = 0;
			is_eq(kecho_source_set(p.src, "text", kecho_string(text)), 0, "set %d", i);
			is_eq(kecho_channel_set(p.ch[0], "text", kecho_string(text)), 0, "set %d",
			      i);
			ok(is_text(p.ch[0], id, i * 25), "of %d bytes", i * 25);
			ok(is_text(p.ch[0], 0, i * 25), "the channel's");
			ok(comes_true(is_text(p.ch[1], id, i * 25)), "at the other one's");
			text[i * 25] = 'x';
			is_eq(kecho_source_set(p.src, "text", kecho_string("")), 0, "none");
			ok(is_text(p.ch[0], id, 0), "of none");
		}
	}
	pair_end(&p);
}

static void *sets_texts(void *arg)
{
	char text[LETTERS + 1];
	struct pair *p = arg;
	u64 until = now_ns() + WAIT_MS * 1000000ull;
	int i;

	for (i = 0; now_ns() < until; i++) {
		memset(text, 'a' + i % 26, LETTERS);
		text[i * 7 % LETTERS] = 0;
		must_set(p->src, text);
	}
	must_set(p->src, "");
	return NULL;
}

/* One that is read while it is set is the one or the other. */
TEST(whole)
{
	struct pair p = {};
	pthread_t setter;
	u64 id, n = 0;
	char buf[LETTERS];
	struct kecho_value v = { .len = 1 };
	size_t i;

	ARENA();
	if (pair_stream(&p, "whole", KECHO_LATEST)) {
		id = kecho_source_id(p.src);
		must_set(p.src, "begun");
		ok(comes_true(!kecho_member_get(p.ch[1], id, "text", &v, buf, sizeof(buf))),
		   "seen");
		must(!pthread_create(&setter, NULL, sets_texts, &p), "a thread");
		do {
			is_eq(kecho_member_get(p.ch[1], id, "text", &v, buf, sizeof(buf)), 0,
			      "read");
			for (i = 1; i < v.len && memcmp(buf, "begun", 5); i++)
				is_eq(buf[i], buf[0], "one letter");
			n++;
		} while (v.len || n < 2);
		pthread_join(setter, NULL);
		pr_info("# read %llu times\n", (unsigned long long)n);
	}
	pair_end(&p);
}

/* A kechod that comes after another hears from its processes how old theirs are. */
TEST(next_kechod)
{
	struct pair p = {};
	u64 id, set;

	if (!with_daemon())
		skip("nobody is attached");
	ARENA();
	if (pair_stream(&p, "next", KECHO_LATEST)) {
		id = kecho_source_id(p.src);
		set = now_ns();
		is_eq(kecho_source_set(p.src, "load", kecho_i64(7)), 0, "load");
		is_eq(kecho_channel_set(p.ch[0], "rate", kecho_i64(3)), 0, "the channel's");
		sleep_us(WAIT_MS * 1000);
		put_down(daemon_pid);
		must(start_daemon(), "the next kechod");
		ok(comes_true(is_load(p.ch[1], id, "load", 7)), "it is known again");
		ok(is_age(age_of(p.ch[1], id, "load"), set), "with its age");
		ok(is_age(channel_age(p.ch[1], "rate"), set), "so is the channel's");
	}
	pair_end(&p);
}

/* ------------------------------------------------------------------- two hosts */

static struct hall {
	bool apart, wired;
	u64 member, set_ns;	/* the near one's; when its load was set last */
	bool late, again;	/* the far one saw the right age: when it came; after a break */
} *hall;

static int far_host(void *arg)
{
	const struct kecho_options opt = { .listen = "10.98.0.2", .registry = LIVE_REGISTRY };
	struct kecho_channel *ch;
	struct kecho *k;

	(void)arg;
	if (!host_apart(&hall->apart) || !comes_true(READ_ONCE(hall->wired)))
		return 2;
	if (kecho_open(&k, &opt) || kecho_channel_open(k, "live", NULL, &ch))
		return 3;
	if (!comes_true(is_load(ch, hall->member, "load", 1)))
		return 4;
	WRITE_ONCE(hall->late, is_age(age_of(ch, hall->member, "load"), hall->set_ns));
	if (!comes_true(is_load(ch, hall->member, "load", 2)))
		return 5;
	WRITE_ONCE(hall->again, is_age(age_of(ch, hall->member, "load"), READ_ONCE(hall->set_ns)));
	sleep_us(SOON_MS * 1000);
	return 0;
}

static void near_host(pid_t far)
{
	const struct kecho_options opt = { .listen = "10.98.0.1", .registry = LIVE_REGISTRY };
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;

	must(!kecho_open(&k, &opt) && !kecho_channel_open(k, "live", NULL, &ch) &&
	     !kecho_source_open(ch, NULL, &s), "%s", kecho_explain());
	hall->member = kecho_source_id(s);
	hall->set_ns = now_ns();
	is_eq(kecho_source_set(s, "load", kecho_i64(1)), 0, "load");
	sleep_us(WAIT_MS * 1000);
	WRITE_ONCE(hall->wired, true);
	ok(comes_true(READ_ONCE(hall->late)), "who comes late sees how old it is");
	must(net_do(0, "ip link set livea down"), "cut");
	WRITE_ONCE(hall->set_ns, now_ns());
	is_eq(kecho_source_set(s, "load", kecho_i64(2)), 0, "load");
	sleep_us(CUT_MS * 1000);
	must(net_do(0, "ip link set livea up"), "healed");
	ok(comes_true(READ_ONCE(hall->again)), "so does who was cut off");
	put_down(far);
	kecho_close(k);
}

TEST(hosts)
{
	pid_t far;

	if (geteuid())
		skip("needs root");
	if (with_node())
		skip("hosts of embedded nodes");
	ARENA();
	hall = shared(sizeof(*hall));
	must(hall, "memory");
	far = spawn(far_host, NULL);
	if (ok(comes_true(READ_ONCE(hall->apart)) &&
	       net_wire("live", 0, "10.98.0.1", far, "10.98.0.2"), "veth"))
		near_host(far);
	else
		put_down(far);
	ok(comes_true(net_unwire()), "no wire is left");
}

TESTS(live, ages, set_often, reads_alone, of_any_size, whole, next_kechod, hosts);
