/* SPDX-License-Identifier: MIT */
/*
 * Where nodes are reached: what they listen on and advertise, who can dial whom.
 *
 * Hosts on one network, this test's namespace being the first:
 *
 *	10.98.0.1 us [w1a]---veth---[w1b] 10.98.0.2 first
 *	10.98.1.1 us [w2a]---veth---[w2b] 10.98.1.2 second
 *
 * which reach each other through us. Each can be told to refuse or drop what others dial.
 */
#include <stdlib.h>

#include "net.h"

enum {
	HOSTS = 2,
	MEET_BAR_MS = 1500,	/* to find each other where only one can dial, not failed before */
	OPEN_BAR_MS = 3500,	/* an opening that waits for a node that can't be reached */
};

#define REACH_REGISTRY "10.98.0.1:7390"

/* What a host does; it writes the second half. */
struct host {
	struct kecho_options opt;
	bool sink;		/* else a source */
	bool wired;		/* it may begin */
	bool stop;

	bool apart;
	bool ready;
	u64 open_ms, events;
	int links, links_up, error;
};

static void look(struct host *h, struct kecho *k)
{
	struct kecho_link_info l[HOSTS + 1] = { 0 };
	ssize_t i, n = kecho_links(k, l, ARRAY_SIZE(l));
	int up = 0;

	for (i = 0; i < n && i < (ssize_t)ARRAY_SIZE(l); i++) {
		up += l[i].up;
		if (!l[i].up)
			WRITE_ONCE(h->error, l[i].error);
	}
	WRITE_ONCE(h->links, n);
	WRITE_ONCE(h->links_up, up);
}

static int work(struct host *h, struct kecho *k, struct kecho_channel *ch)
{
	struct kecho_source *src = NULL;
	struct kecho_sink *snk = NULL;
	struct kecho_event ev;

	if (h->sink ? kecho_sink_open(ch, NULL, &snk) : kecho_source_open(ch, NULL, &src))
		return 1;
	WRITE_ONCE(h->ready, true);
	while (!READ_ONCE(h->stop)) {
		look(h, k);
		if (src && kecho_submit(src, "x", 1, 0))
			return 1;
		if (src)
			sleep_us(10000);
		else if (!kecho_read(snk, &ev, 10) && ev.kind == KECHO_EVENT)
			WRITE_ONCE(h->events, h->events + 1);
	}
	return 0;
}

static int host_main(void *arg)
{
	struct kecho_channel *ch;
	struct host *h = arg;
	struct kecho *k;
	u64 begin;
	int err;

	if (!host_apart(&h->apart) || !comes_true(READ_ONCE(h->wired)) || kecho_open(&k, &h->opt))
		return 1;
	begin = now_ns();
	if (kecho_channel_open(k, "reach", NULL, &ch))
		return 1;
	h->open_ms = (now_ns() - begin) / 1000000;
	err = work(h, k, ch);
	kecho_close(k);
	return err;
}

/* ------------------------------------------------------------------ the network */

struct net {
	struct host *host;
	pid_t pid[HOSTS];
	struct kecho *k;	/* ours serves the registry and has no part in the channel */
	int fds;
};

static bool net_make(struct net *n)
{
	const struct kecho_options opt = { .listen = "10.98.0.1", .registry = REACH_REGISTRY };
	unsigned int i;
	bool good;

	n->fds = fds_of(getpid());
	n->host = shared(HOSTS * sizeof(*n->host));
	good = n->host && net_do(0, "echo 1 >/proc/sys/net/ipv4/ip_forward");
	for (i = 0; good && i < HOSTS; i++) {
		n->host[i].opt.registry = REACH_REGISTRY;
		n->pid[i] = spawn(host_main, &n->host[i]);
		good = comes_true(READ_ONCE(n->host[i].apart));
	}
	good = good && net_wire("w1", 0, "10.98.0.1", n->pid[0], "10.98.0.2") &&
	       net_wire("w2", 0, "10.98.1.1", n->pid[1], "10.98.1.2") &&
	       net_do(n->pid[0], "ip route add default via 10.98.0.1") &&
	       net_do(n->pid[1], "ip route add default via 10.98.1.1") &&
	       net_filter(n->pid[0]) && net_filter(n->pid[1]);
	return ok(good, "the network") && ok(!kecho_open(&n->k, &opt), "%s", kecho_explain());
}

/* Host @i begins, and has opened the channel when it is ready. */
static bool host_start(struct net *n, unsigned int i, const char *listen, bool sink)
{
	struct host *h = &n->host[i];

	h->opt.listen = listen;
	h->sink = sink;
	WRITE_ONCE(h->wired, true);
	return ok(comes_true(READ_ONCE(h->ready)), "host %u is in the channel", i);
}

static void net_end(struct net *n)
{
	unsigned int i;

	for (i = 0; i < HOSTS; i++) {
		WRITE_ONCE(n->host[i].stop, true);
		WRITE_ONCE(n->host[i].wired, true);
	}
	for (i = 0; i < HOSTS; i++)
		is_eq(ends(n->pid[i]), 0, "host %u ends", i);
	kecho_close(n->k);
	ok(net_gone(n->fds), "nothing is left");
}

#define NET(n)									\
	struct net n = { 0 };							\
	if (geteuid())								\
		skip("needs root");						\
	ARENA();								\
	must(net_make(&n), "network")

/* ---------------------------------------------------------------------- options */

static void refused(const struct kecho_options *opt, int err, const char *says)
{
	struct kecho *k = NULL;

	is_eq(kecho_open(&k, opt), err, "%s, %s", opt->listen ?: "-", opt->advertise ?: "-");
	ok(strstr(kecho_explain(), says), "\"%s\" says \"%s\"", kecho_explain(), says);
	kecho_close(k);
}

TEST(bad_addresses)
{
	struct kecho_options opt = { .listen = "127.0.0.1", .registry = REGISTRY };
	static const char *const bad[] = { "host", "1.2.3", "0.0.0.0", "[::]:5", "224.0.0.1",
					   "1.2.3.4:", "1.2.3.4:65536", "[::1", "::1:x", ":7" };
	unsigned int i;

	ARENA();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		opt.advertise = bad[i];
		refused(&opt, -EINVAL, "advertise: '");
	}
	opt.advertise = "10.0.0.1";
	opt.listen = NULL;
	refused(&opt, -EINVAL, "does not listen");
	opt = (struct kecho_options){ .listen = "0.0.0.0" };
	refused(&opt, -EINVAL, "advertise must say");
	opt.registry = "203.0.113.1:1";
	refused(&opt, -EADDRNOTAVAIL, "none leads to the registry");
	opt = (struct kecho_options){ .listen = "224.0.0.1" };
	refused(&opt, -EINVAL, "listen: '");
}

/* ------------------------------------------------------------------- who dials whom */

static bool met(struct net *n)
{
	return comes_true(READ_ONCE(n->host[0].links_up) == 1 &&
			  READ_ONCE(n->host[1].links_up) == 1);
}

/* The source's events come to the sink. */
static bool flows(struct net *n)
{
	u64 before = READ_ONCE(n->host[1].events);

	return comes_true(READ_ONCE(n->host[1].events) > before + 10);
}

/* Under a sanitizer times mean nothing. */
static void opened_in(const struct net *n, u64 bar_ms)
{
	u64 ms = n->host[0].open_ms;

#ifndef SANITIZED
	ok(ms <= bar_ms, "opened in %llu ms", (unsigned long long)ms);
#else
	pr_info("# opened in %llu ms, of %llu\n", (unsigned long long)ms,
		(unsigned long long)bar_ms);
#endif
}

static void meet(struct net *n, const char *listen0, const char *listen1)
{
	if (!host_start(n, 1, listen1, true) || !host_start(n, 0, listen0, false))
		return;
	ok(met(n), "they have met");
	opened_in(n, MEET_BAR_MS);
	ok(flows(n), "events come");
}

/* The one that is there does not listen: the one that comes can't dial it. */
TEST(no_listener)
{
	NET(n);
	meet(&n, "10.98.0.2", NULL);
	net_end(&n);
}

/* The other way round it just dials. */
TEST(no_listener_comes)
{
	NET(n);
	meet(&n, NULL, "10.98.1.2");
	net_end(&n);
}

static void one_way(const char *verdict)
{
	NET(n);
	if (ok(net_do(n.pid[1], "nft \"add rule inet cut in ip saddr 10.98.0.2 tcp flags syn "
				"/ syn,ack %s\"", verdict), "filter"))
		meet(&n, "10.98.0.2", "10.98.1.2");
	net_end(&n);
}

TEST(one_way_dropped)
{
	one_way("drop");
}

TEST(one_way_rejected)
{
	one_way("reject with tcp reset");
}

/* Neither reaches the other: neither hangs, both say so, and they meet when they can. */
TEST(no_way)
{
	NET(n);
	if (ok(net_do(n.pid[1], "nft add rule inet cut in ip saddr 10.98.0.2 drop"), "filter") &&
	    host_start(&n, 1, "10.98.1.2", true) && host_start(&n, 0, "10.98.0.2", false)) {
		opened_in(&n, OPEN_BAR_MS);
		ok(comes_true(READ_ONCE(n.host[0].links) == 1 && READ_ONCE(n.host[1].links) == 1),
		   "each knows of the other");
		ok(comes_true(READ_ONCE(n.host[0].error) == -ETIMEDOUT), "and why not more");
		is_eq(n.host[0].links_up, 0, "they are apart");
		ok(net_do(n.pid[1], "nft flush table inet cut"), "healed");
		ok(met(&n) && flows(&n), "they have met");
	}
	net_end(&n);
}

TEST(nobody_listens)
{
	NET(n);
	if (host_start(&n, 1, NULL, true) && host_start(&n, 0, NULL, false)) {
		opened_in(&n, OPEN_BAR_MS);
		ok(comes_true(READ_ONCE(n.host[0].error) == -EDESTADDRREQ), "it says why");
		ok(comes_true(READ_ONCE(n.host[1].error) == -EDESTADDRREQ), "so does the other");
	}
	net_end(&n);
}

/* A router translates what comes to its port 7001 for the first host. */
TEST(translated)
{
	NET(n);
	n.host[0].opt.advertise = "10.98.1.1:7001";
	if (ok(net_do(0, "nft \"add table ip nat; "
			 "add chain ip nat pre { type nat hook prerouting priority -100; }; "
			 "add rule ip nat pre tcp dport 7001 dnat to 10.98.0.2:7002\""), "nat") &&
	    ok(net_do(n.pid[1], "nft \"add rule inet cut out ip daddr 10.98.0.2 tcp flags syn "
				"/ syn,ack drop\""), "only by it") &&
	    ok(net_do(n.pid[0], "nft \"add rule inet cut out ip daddr 10.98.1.2 tcp flags syn "
				"/ syn,ack drop\""), "not back"))
		meet(&n, "10.98.0.2:7002", NULL);
	ok(net_do(0, "nft delete table ip nat"), "nat ends");
	net_end(&n);
}

/* The sink's host gets another address under way; then only its new one can be dialled. */
TEST(moved)
{
	NET(n);
	meet(&n, "10.98.0.2", "0.0.0.0");
	if (ok(net_do(n.pid[1], "ip addr del 10.98.1.2/24 dev w2b && "
				"ip addr add 10.98.1.3/24 dev w2b && "
				"ip route add default via 10.98.1.1"), "moved"))
		ok(flows(&n), "events come again");
	if (ok(net_do(n.pid[1], "nft \"add rule inet cut out ip daddr 10.98.0.2 tcp flags syn "
				"/ syn,ack drop\""), "it can't dial any more") &&
	    ok(net_do(n.pid[1], "nft \"add rule inet cut in ip saddr 10.98.0.2 tcp flags "
				"& (syn | fin) == 0 reject with tcp reset\""), "its link breaks")) {
		ok(comes_true(!READ_ONCE(n.host[1].links_up)), "the link is down");
		ok(net_do(n.pid[1], "nft flush chain inet cut in"), "it can be dialled");
		ok(met(&n) && flows(&n), "it was, at its new address");
	}
	net_end(&n);
}

TESTS(reach, bad_addresses, no_listener, no_listener_comes, one_way_dropped, one_way_rejected,
      no_way, nobody_listens, translated, moved);
