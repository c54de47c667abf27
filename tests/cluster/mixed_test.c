/* SPDX-License-Identifier: MIT */
/*
 * Nodes of all kinds in one cluster: what a process is attached to matters to nobody. A host
 * is a namespace on our switch, and its node the process itself, a kechod if there is one, or
 * the kernel if its module is there; of each kind there are two, so all pairs are.
 *
 *	us 10.96.0.254 [switch]---hN.a---veth---hN.b 10.96.0.N host
 *
 * Each is a source of a struct, of which there are two versions, and has a sink that gets all
 * and one with a filter by a type and its fields. Then nobody wants anything, and nothing
 * crosses the wires.
 */
#include <kecho/filter.h>
#include <kecho/type.h>

#include "net.h"

enum {
	KINDS = 3,
	HOSTS_MAX = 2 * KINDS,
	EVENTS = 300,
	THIRD = 3,
	PACE_US = 2000,
	UNWANTED = 2000,		/* events of each */
	UNWANTED_AT_ONCE = 20,
	SETTLED_US = 200000,		/* what is on its way is there */
	UNWANTED_BYTES_MAX = 16 << 10,	/* that all else takes, to all other hosts */
	SETTLE_MS = 60000,
	ADDRESS_MAX = 32,
};

#define MIXED_REGISTRY "10.96.0.254:7390"

/* What even hosts submit, and odd ones. */
struct even {
	u32 number, host;
};
struct odd {
	char none[8];
	u64 host, number;
};

/* Of one source, by one sink. */
struct got {
	u64 came, wrong, last;
};

/* Each has one writer but for the first, which are the test's. */
static struct host {
	bool apart, wired, go, deaf, unwanted, stop;
	bool ready, is_deaf;
	u32 submitted;
	struct got all[HOSTS_MAX], some[HOSTS_MAX];
	u64 lost, failed, filtered, sent;
	char why[256];
} *host;

static const char *kind[KINDS];
static unsigned int kinds, hosts;

/* -------------------------------------------------------------------------- a host */

struct self {
	unsigned int i;
	struct host *h;
	char address[ADDRESS_MAX], listen[ADDRESS_MAX + 8];
	char dir[32];		/* a kechod's */
	struct kecho *k;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *all, *some;
	struct kecho_type *even, *odd;
	int type;
	u32 most;
	u64 sent;		/* before what nobody wants */
};

static int run_kechod(void *arg)
{
	struct self *s = arg;
	char run[64], sock[64], listen[64];

	snprintf(run, sizeof(run), "run=%s", s->dir);
	snprintf(sock, sizeof(sock), "socket=%s/sock", s->dir);
	snprintf(listen, sizeof(listen), "listen=%s", s->listen);
	execl(getenv("KECHOD"), "kechod", "-c", "/dev/null", "-o", run, "-o", sock, "-o", listen,
	      "-o", "registry=" MIXED_REGISTRY, NULL);
	return 127;
}

/* What it attaches to is there. */
static bool node_begins(struct self *s)
{
	const char *how = kind[s->i % kinds];
	char path[64];

	setenv("KECHO", how, 1);
	if (!strcmp(how, "kernel"))
		return node_setting("listen", s->listen) &&
		       node_setting("registry", MIXED_REGISTRY);
	if (strcmp(how, "daemon"))
		return true;
	strcpy(s->dir, "/tmp/kecho-mixed-XXXXXX");
	if (!make_dir(s->dir))
		return false;
	snprintf(path, sizeof(path), "%s/sock", s->dir);
	setenv("KECHO_SOCKET", path, 1);
	return spawn(run_kechod, s) > 0 && comes_true(listens(path));
}

static bool set_filter(struct self *s, const char *text)
{
	struct kecho_filter *f;
	int err;

	err = kecho_filter_compile(&f, KECHO_FOR_EVENT, text, NULL);
	if (err)
		return false;
	err = kecho_sink_filter(s->some, f, NULL);
	kecho_filter_free(f);
	return !err;
}

static bool sinks_join(struct self *s)
{
	struct kecho_options opt = { .listen = s->address, .registry = MIXED_REGISTRY };
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	bool alone = !strcmp(kind[s->i % kinds], "embedded");
	char text[128];

	snprintf(text, sizeof(text), "number %% %d == 0 && host != %u", THIRD, s->i);
	return !kecho_open(&s->k, alone ? &opt : NULL) &&
	       !kecho_channel_open(s->k, "mixed", NULL, &s->ch) &&
	       !kecho_sink_open(s->ch, &block, &s->all) &&
	       !kecho_sink_open(s->ch, &block, &s->some) && set_filter(s, text);
}

static bool source_joins(struct self *s)
{
	if (kecho_type_from_fields(&s->even, KECHO_TYPE(struct even,
							KECHO_FIELD(struct even, number),
							KECHO_FIELD(struct even, host))) ||
	    kecho_type_from_fields(&s->odd, KECHO_TYPE(struct odd,
						       KECHO_FIELD(struct odd, none),
						       KECHO_FIELD(struct odd, host),
						       KECHO_FIELD(struct odd, number))) ||
	    kecho_source_open(s->ch, NULL, &s->src))
		return false;
	s->type = kecho_source_announce(s->src, s->i % 2 ? s->odd : s->even);
	return s->type > 0;
}

/* Whether nothing went wrong but that the log is full. */
static bool submit_one(struct self *s)
{
	struct even even = { s->h->submitted + 1, s->i };
	struct odd odd = { "", s->i, s->h->submitted + 1 };
	int err;

	if (s->h->submitted == s->most)
		return true;
	err = s->i % 2 ? kecho_submit(s->src, &odd, sizeof(odd),
				      KECHO_DONTWAIT | KECHO_TYPED(s->type)) :
			 kecho_submit(s->src, &even, sizeof(even),
				      KECHO_DONTWAIT | KECHO_TYPED(s->type));
	s->h->submitted += !err;
	return !err || err == -EAGAIN;
}

/* Each reads all as its own version. */
static bool event_of(struct self *s, struct kecho_sink *sink, const struct kecho_event *ev,
		     struct odd *as)
{
	struct even even;

	if (s->i % 2)
		return !kecho_event_as(sink, ev, s->odd, as, NULL);
	if (kecho_event_as(sink, ev, s->even, &even, NULL))
		return false;
	*as = (struct odd){ .host = even.host, .number = even.number };
	return true;
}

static void take(struct self *s, struct kecho_sink *sink, struct got *got)
{
	struct kecho_event ev;
	struct odd e;

	while (!kecho_read(sink, &ev, 0)) {
		s->h->lost += ev.kind == KECHO_LOST;
		s->h->failed += ev.kind == KECHO_ENDED && ev.failed;
		if (ev.kind != KECHO_EVENT)
			continue;
		if (!event_of(s, sink, &ev, &e) || e.host >= hosts || e.number != ev.seq) {
			got[s->i].wrong++;
			continue;
		}
		got[e.host].wrong += ev.seq <= got[e.host].last;
		got[e.host].last = ev.seq;
		got[e.host].came++;
	}
}

static int fails(struct self *s, const char *what)
{
	snprintf(s->h->why, sizeof(s->h->why), "%s: %s", what, kecho_explain());
	return 1;
}

static void look(struct self *s)
{
	if (s->all)
		take(s, s->all, s->h->all);
	take(s, s->some, s->h->some);
	s->h->filtered = kecho_sink_filtered(s->some);
	sleep_us(PACE_US);
}

static bool turn_deaf(struct self *s)
{
	kecho_sink_close(s->all);
	s->all = NULL;
	if (!set_filter(s, "number == 0"))
		return false;
	WRITE_ONCE(s->h->is_deaf, true);
	return true;
}

/* In the end: what nobody wants, and what went out meanwhile. */
static bool submit_unwanted(struct self *s)
{
	unsigned int i;

	if (s->most == EVENTS) {
		s->most += UNWANTED;
		s->sent = sent(s->k);
	}
	for (i = 0; i < UNWANTED_AT_ONCE; i++)
		if (!submit_one(s))
			return false;
	s->h->sent = sent(s->k) - s->sent;
	return true;
}

static bool go_on(struct self *s)
{
	if (READ_ONCE(s->h->deaf) && s->all && !turn_deaf(s))
		return false;
	if (!(READ_ONCE(s->h->unwanted) ? submit_unwanted(s) : submit_one(s)))
		return false;
	look(s);
	return true;
}

static int host_main(void *arg)
{
	struct self s = { .i = *(unsigned int *)arg, .most = EVENTS };

	s.h = &host[s.i];
	snprintf(s.address, sizeof(s.address), "10.96.0.%u", s.i + 1);
	snprintf(s.listen, sizeof(s.listen), "%s:7391", s.address);
	if (!host_apart(&s.h->apart) || !comes_true(READ_ONCE(s.h->wired)) || !node_begins(&s))
		return fails(&s, "begin");
	if (!sinks_join(&s))
		return fails(&s, "sinks");
	WRITE_ONCE(s.h->ready, true);
	while (!READ_ONCE(s.h->go))
		look(&s);
	if (!source_joins(&s))
		return fails(&s, "source");
	while (!READ_ONCE(s.h->stop))
		if (!go_on(&s))
			return fails(&s, "go on");
	kecho_close(s.k);
	kecho_type_free(s.even);
	kecho_type_free(s.odd);
	remove_dirs();
	return 0;
}

/* ------------------------------------------------------------------------ the cluster */

struct cluster {
	struct kecho *k;	/* ours serves the registry and has no part in the channel */
	pid_t pid[HOSTS_MAX];
	unsigned int number[HOSTS_MAX];
	int fds;
};

static void find_kinds(void)
{
	kinds = 0;
	if (with_kernel())
		kind[kinds++] = "kernel";
	if (getenv("KECHOD"))
		kind[kinds++] = "daemon";
	kind[kinds++] = "embedded";
	hosts = 2 * kinds;
	setenv("KECHO", "embedded", 1);
}

static bool cluster_begin(struct cluster *c)
{
	struct kecho_options opt = { .listen = "10.96.0.254", .registry = MIXED_REGISTRY };
	char name[16], address[ADDRESS_MAX];
	unsigned int i;
	bool good;

	c->fds = fds_of(getpid());
	host = shared(HOSTS_MAX * sizeof(*host));
	good = host && net_switch("switch", "10.96.0.254");
	for (i = 0; good && i < hosts; i++) {
		c->number[i] = i;
		c->pid[i] = spawn(host_main, &c->number[i]);
		snprintf(name, sizeof(name), "h%u.", i);
		snprintf(address, sizeof(address), "10.96.0.%u", i + 1);
		good = comes_true(READ_ONCE(host[i].apart)) &&
		       net_plug(name, c->pid[i], address, "switch");
	}
	return ok(good, "the network") && ok(!kecho_open(&c->k, &opt), "%s", kecho_explain());
}

static void cluster_end(struct cluster *c)
{
	unsigned int i;

	for (i = 0; i < hosts; i++) {
		WRITE_ONCE(host[i].stop, true);
		is_eq(ends(c->pid[i]), 0, "host %u ends: %s", i, host[i].why);
	}
	kecho_close(c->k);
	ok(net_gone(c->fds), "nothing is left");
}

static bool all_submitted(u32 n)
{
	unsigned int i;

	for (i = 0; i < hosts && READ_ONCE(host[i].submitted) == n; i++)
		;
	return i == hosts;
}

static bool all_got_all(void)
{
	unsigned int i, j;

	for (i = 0; i < hosts; i++)
		for (j = 0; j < hosts; j++)
			if (READ_ONCE(host[i].all[j].came) < EVENTS ||
			    READ_ONCE(host[i].some[j].came) < (i == j ? 0 : EVENTS / THIRD))
				return false;
	return true;
}

/* Emulated, on a machine that does other things: it takes what it takes. */
static void settle(void)
{
	u64 until = now_ns() + SETTLE_MS * 1000000ull;

	while (!(all_submitted(EVENTS) && all_got_all()) && now_ns() < until)
		sleep_us(PACE_US);
}

static void look_at(unsigned int to, unsigned int from)
{
	const struct got *all = &host[to].all[from], *some = &host[to].some[from];
	const char *a = kind[from % kinds], *b = kind[to % kinds];

	is_eq(all->came, EVENTS, "%s %u to %s %u: all", a, from, b, to);
	is_eq(some->came, to == from ? 0 : EVENTS / THIRD, "%s %u to %s %u: filtered", a, from, b,
	      to);
	is_eq(all->wrong + some->wrong, 0, "%s %u to %s %u: as they were", a, from, b, to);
}

static void all_talk(void)
{
	unsigned int i, j;

	for (i = 0; i < hosts; i++) {
		WRITE_ONCE(host[i].wired, true);
		ok(comes_true(READ_ONCE(host[i].ready)), "%s %u is there: %s", kind[i % kinds], i,
		   host[i].why);
	}
	for (i = 0; i < hosts; i++)
		WRITE_ONCE(host[i].go, true);
	settle();
	for (i = 0; i < hosts; i++) {
		is_eq(host[i].lost + host[i].failed, 0, "%u: lost or failed", i);
		for (j = 0; j < hosts; j++)
			look_at(i, j);
		is_eq(READ_ONCE(host[i].filtered), EVENTS + (hosts - 1) * (EVENTS - EVENTS / THIRD),
		      "%u: what is not for it is counted", i);
	}
}

static void nobody_wants_any(void)
{
	unsigned int i;

	for (i = 0; i < hosts; i++)
		WRITE_ONCE(host[i].deaf, true);
	for (i = 0; i < hosts; i++)
		ok(comes_true(READ_ONCE(host[i].is_deaf)), "%s %u wants nothing", kind[i % kinds],
		   i);
	for (i = 0; i < hosts; i++)
		WRITE_ONCE(host[i].unwanted, true);
	ok(comes_true(all_submitted(EVENTS + UNWANTED)), "all have submitted");
	sleep_us(SETTLED_US);
	for (i = 0; i < hosts; i++)
		ok(host[i].sent < UNWANTED_BYTES_MAX, "%s %u: %llu bytes went out",
		   kind[i % kinds], i, (unsigned long long)host[i].sent);
}

TEST(all_pairs)
{
	struct cluster c = { 0 };

	if (geteuid())
		skip("needs root");
	find_kinds();
	must(own_network(), "a network namespace of its own");
	if (cluster_begin(&c)) {
		all_talk();
		nobody_wants_any();
	}
	cluster_end(&c);
}

TESTS(mixed, all_pairs);
