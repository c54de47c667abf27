/* SPDX-License-Identifier: MIT */
/* Requests to routing netlink; see rtnl.h. */
#include <assert.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtnl.h"

#define RTNL_REQUEST_MAX 512
#define LIMIT_BURST_BYTES 32768	/* that rtnl_limit() lets go at once */
#define LIMIT_QUEUE_MS 50

struct request {
	union {
		struct nlmsghdr head;
		char room[RTNL_REQUEST_MAX];
	};
};

static void *tail(struct request *r)
{
	return r->room + r->head.nlmsg_len;
}

static void *append(struct request *r, const void *data, size_t len)
{
	void *at = tail(r);

	assert(r->head.nlmsg_len + NLMSG_ALIGN(len) <= sizeof(r->room));
	if (len)
		memcpy(at, data, len);
	/* Padded at once: a nest that is closed here must not end past the message. */
	r->head.nlmsg_len += NLMSG_ALIGN((unsigned int)len);
	return at;
}

static struct rtattr *put(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };
	struct rtattr *at = append(r, &a, sizeof(a));

	append(r, data, len);
	return at;
}

static void put_string(struct request *r, unsigned short type, const char *s)
{
	put(r, type, s, strlen(s) + 1);
}

static void close_nest(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)tail(r) - (char *)nest);
}

static struct request begin(unsigned short type, unsigned short flags, const void *body,
			    size_t len)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags } };

	append(&r, body, len);
	return r;
}

/* Sends the request and waits for the kernel's verdict on it. */
static int talk(int fd, struct request *r)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char rest[RTNL_REQUEST_MAX];
	} reply;
	ssize_t n;

	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(fd, &reply, sizeof(reply), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(reply.head) + sizeof(reply.err) ||
	    reply.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return reply.err.error;
}

int rtnl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

int rtnl_add_bridge(int fd, const char *name, int index)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct request r = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	struct rtattr *kind;

	put_string(&r, IFLA_IFNAME, name);
	kind = put(&r, IFLA_LINKINFO, NULL, 0);
	put_string(&r, IFLA_INFO_KIND, "bridge");
	close_nest(&r, kind);
	return talk(fd, &r);
}

int rtnl_add_veth(int fd, const char *name, int index, int master, const char *peer,
		  int peer_index, int peer_ns)
{
	struct ifinfomsg info = { .ifi_index = index }, peer_info = { .ifi_index = peer_index };
	struct request r = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	struct rtattr *kind, *data, *other;

	put_string(&r, IFLA_IFNAME, name);
	put(&r, IFLA_MASTER, &master, sizeof(master));
	kind = put(&r, IFLA_LINKINFO, NULL, 0);
	put_string(&r, IFLA_INFO_KIND, "veth");
	data = put(&r, IFLA_INFO_DATA, NULL, 0);
	other = put(&r, VETH_INFO_PEER, &peer_info, sizeof(peer_info));
	put_string(&r, IFLA_IFNAME, peer);
	put(&r, IFLA_NET_NS_FD, &peer_ns, sizeof(peer_ns));
	close_nest(&r, other);
	close_nest(&r, data);
	close_nest(&r, kind);
	return talk(fd, &r);
}

int rtnl_set_up(int fd, const char *name, bool up)
{
	struct ifinfomsg info = { .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };
	struct request r = begin(RTM_NEWLINK, 0, &info, sizeof(info));

	put_string(&r, IFLA_IFNAME, name);
	return talk(fd, &r);
}

int rtnl_add_address(int fd, int index, struct in_addr addr, unsigned char prefix_len)
{
	struct ifaddrmsg info = { .ifa_family = AF_INET, .ifa_prefixlen = prefix_len,
				  .ifa_index = (unsigned int)index };
	struct request r = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));

	put(&r, IFA_LOCAL, &addr, sizeof(addr));
	put(&r, IFA_ADDRESS, &addr, sizeof(addr));
	return talk(fd, &r);
}

/* A token bucket. */
int rtnl_limit(int fd, int index, unsigned int bytes_per_s)
{
	struct tcmsg root = { .tcm_ifindex = index, .tcm_parent = TC_H_ROOT };
	struct tc_tbf_qopt bucket = {
		/* Who names a link layer need not bring a table of costs. */
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET, .rate = bytes_per_s },
		.limit = LIMIT_BURST_BYTES + bytes_per_s / 1000 * LIMIT_QUEUE_MS,
	};
	struct request r = begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &root, sizeof(root));
	unsigned int burst = LIMIT_BURST_BYTES;
	struct rtattr *options;

	put_string(&r, TCA_KIND, "tbf");
	options = put(&r, TCA_OPTIONS, NULL, 0);
	put(&r, TCA_TBF_PARMS, &bucket, sizeof(bucket));
	put(&r, TCA_TBF_BURST, &burst, sizeof(burst));
	close_nest(&r, options);
	return talk(fd, &r);
}
