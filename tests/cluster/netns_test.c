/* SPDX-License-Identifier: MIT */
/*
 * Hosts that are gone with all that they had: a process in a namespace of its own joins,
 * talks, and is killed, and the namespace goes with it, whose connections live. Those who
 * stay are not disturbed, and no namespace stays.
 *
 *	stander, registry 10.94.0.254 [switch]---vN.a---veth---vN.b 10.94.0.N visitor
 *
 * With KECHO=kernel each namespace has a node in the kernel, and the processes are at it.
 */
#include "net.h"
#include "victim.h"

enum {
	VISITORS = 50,
	VISITORS_LONG = 1000,
	AT_ONCE = 3,
	LIFE_US_MAX = 100000,	/* from when it has joined */
	PACE_US = 1000,
	EVENT_LEN = 256,
	GIVE_UP_TIMES = 15,	/* of comes_true() */
	ADDRESSES = 250,
};

#define NETNS_REGISTRY "10.94.0.254:7390"

/* A visitor's place, which is used again and again. */
struct place {
	bool apart, wired, joined;
	unsigned int n;		/* which one it is */
	pid_t pid;
};

static struct hall {
	bool ready, stop;
	u64 submitted;		/* the stander's */
	struct judge judge;
	struct place place[AT_ONCE];
} *hall;

static bool kernels;		/* have the nodes */

/* A channel of a node that is reached at @address. */
static struct kecho_channel *join_at(const char *address)
{
	struct kecho_options opt = { .listen = address, .registry = NETNS_REGISTRY };
	struct kecho_channel *ch;
	char listen[32];
	struct kecho *k;

	snprintf(listen, sizeof(listen), "%s:7391", address);
	if (kernels && (!node_setting("listen", listen) ||
			!node_setting("registry", NETNS_REGISTRY)))
		return NULL;
	setenv("KECHO", kernels ? "kernel" : "embedded", 1);
	if (kecho_open(&k, kernels ? NULL : &opt) || kecho_channel_open(k, "netns", NULL, &ch))
		return NULL;
	return ch;
}

static u64 submit_one(struct kecho_source *s, u64 number)
{
	u64 buf[EVENT_LEN / sizeof(u64)];

	stamp_write(buf, sizeof(buf), number + 1);
	return number + !kecho_submit(s, buf, sizeof(buf), KECHO_DONTWAIT);
}

/* ----------------------------------------------------------------------- processes */

/* It judges what comes, of itself first. */
static int stander(void *arg)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_channel *ch = join_at("10.94.0.254");
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;

	(void)arg;
	if (!ch || kecho_sink_open(ch, &block, &s) || kecho_source_open(ch, NULL, &src))
		return 1;
	for (;;) {
		if (!READ_ONCE(hall->stop))
			WRITE_ONCE(hall->submitted, submit_one(src, hall->submitted));
		while (!kecho_read(s, &ev, 0))
			judge(&hall->judge, &ev);
		WRITE_ONCE(hall->ready, hall->judge.events);
		sleep_us(PACE_US);
	}
}

static void address_of(unsigned int n, char address[32])
{
	snprintf(address, 32, "10.94.0.%u", 1 + n % ADDRESSES);
}

static int visitor(void *arg)
{
	struct place *p = arg;
	struct kecho_sink_options opt = { .policy = p->n % 2 ? KECHO_BLOCK : KECHO_LATEST };
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_event ev;
	struct kecho_sink *s;
	char address[32];
	u64 number = 0;

	address_of(p->n, address);
	if (!host_apart(&p->apart) || !comes_true(READ_ONCE(p->wired)))
		return 1;
	ch = join_at(address);
	if (!ch || kecho_sink_open(ch, &opt, &s) || kecho_source_open(ch, NULL, &src))
		return 1;
	WRITE_ONCE(p->joined, true);
	for (;;) {
		number = submit_one(src, number);
		while (!kecho_read(s, &ev, 0))
			;
		sleep_us(PACE_US);
	}
}

/* ------------------------------------------------------------------ they come and go */

static void comes(struct place *p, unsigned int n)
{
	char name[16], address[32];

	*p = (struct place){ .n = n };
	p->pid = spawn(visitor, p);
	snprintf(name, sizeof(name), "v%u.", n);
	address_of(n, address);
	ok(comes_true(READ_ONCE(p->apart)) && net_plug(name, p->pid, address, "switch"),
	   "namespace %u", n);
	WRITE_ONCE(p->wired, true);
}

/* Each that has joined is killed, some time later. */
static void goes(struct place *p)
{
	if (!p->pid)
		return;
	ok(comes_true(READ_ONCE(p->joined)), "visitor %u joins", p->n);
	sleep_us(rand() % LIFE_US_MAX);
	put_down(p->pid);
}

static bool only_switch(void)
{
	struct if_nameindex *all = if_nameindex(), *i;
	unsigned int n = 0;

	for (i = all; i && i->if_index; i++)
		n++;
	if_freenameindex(all);
	return n == 2;		/* and lo */
}

static void come_and_go(unsigned int visitors)
{
	unsigned int i;
	u64 begin;

	for (i = 0; i < visitors; i++) {
		goes(&hall->place[i % AT_ONCE]);
		comes(&hall->place[i % AT_ONCE], i);
	}
	for (i = 0; i < AT_ONCE; i++)
		goes(&hall->place[i]);
	begin = now_ns();
	/* One whose handshake was under way is kept until TCP gives that up. */
	for (i = 0; i < GIVE_UP_TIMES && !comes_true(only_switch()); i++)
		;
	ok(only_switch(), "no namespace stays");
	pr_info("# %u namespaces; the last had gone after %.2f s\n", visitors,
		(now_ns() - begin) / 1e9);
	WRITE_ONCE(hall->stop, true);
	ok(comes_true(READ_ONCE(hall->judge.from[0].seq) == READ_ONCE(hall->submitted)),
	   "%llu of %llu events came", (unsigned long long)hall->judge.from[0].seq,
	   (unsigned long long)hall->submitted);
	ok(comes_true(READ_ONCE(hall->judge.ended) == visitors), "%llu sources ended",
	   (unsigned long long)hall->judge.ended);
	is_eq(hall->judge.wrong, 0, "%s", hall->judge.first_wrong);
	is_eq(hall->judge.lost, 0, "lost under block");
	ok(hall->judge.events > hall->submitted, "events of visitors came");
}

TEST(come_and_go)
{
	pid_t pid = 0, registry = 0;
	int fds = fds_of(getpid());

	if (geteuid())
		skip("needs root");
	must(own_network(), "a network namespace of its own");
	kernels = with_kernel();
	setenv("KECHO", "embedded", 1);
	srand(1);
	hall = shared(sizeof(*hall));
	if (ok(hall && net_switch("switch", "10.94.0.254"), "the switch"))
		registry = net_registry(NETNS_REGISTRY);
	if (registry) {
		pid = spawn(stander, NULL);
		if (ok(comes_true(READ_ONCE(hall->ready)), "the stander stands"))
			come_and_go(long_run() ? VISITORS_LONG : VISITORS);
	}
	put_down(pid);
	put_down(registry);
	ok(net_gone(fds), "nothing is left");
}

TESTS(netns, come_and_go);
