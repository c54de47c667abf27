/* SPDX-License-Identifier: MIT */
/*
 * Messages of rtnetlink in JSON.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnetlink.h"

#define HARDWARE_MAX	32	/* bytes of a hardware address (InfiniBand: 20) */

struct kind {
	uint16_t type;
	const char *event;
	size_t header;		/* bytes behind the nlmsghdr */
	void (*json)(struct json *j, const void *header, const struct rtattr *const *attrs);
};

/* One past the highest attribute that any kind looks at. */
#define ATTRS	32

struct name {
	unsigned int value;
	const char *name;
};

static void name_json(struct json *j, const char *key, const struct name *names, size_t n,
		      unsigned int value)
{
	for (size_t i = 0; i < n; i++) {
		if (names[i].value == value) {
			json_str(j, key, names[i].name);
			return;
		}
	}
	json_u64(j, key, value);
}

#define NAME_JSON(j, key, names, value) \
	name_json(j, key, names, sizeof(names) / sizeof((names)[0]), value)

static void flags_json(struct json *j, const struct name *names, size_t n, unsigned int flags)
{
	json_key(j, "flags");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		if (flags & names[i].value)
			json_string_n(j, names[i].name, strlen(names[i].name));
	json_array_end(j);
}

static bool u32_of(const struct rtattr *a, uint32_t *v)
{
	if (!a || RTA_PAYLOAD(a) < sizeof(*v))
		return false;
	memcpy(v, RTA_DATA(a), sizeof(*v));
	return true;
}

static void u32_json(struct json *j, const char *key, const struct rtattr *a)
{
	uint32_t v;

	if (u32_of(a, &v))
		json_u64(j, key, v);
}

static void string_json(struct json *j, const char *key, const struct rtattr *a)
{
	if (!a)
		return;
	json_key(j, key);
	json_string_n(j, RTA_DATA(a), strnlen(RTA_DATA(a), RTA_PAYLOAD(a)));
}

static void hardware_json(struct json *j, const char *key, const struct rtattr *a)
{
	char text[3 * HARDWARE_MAX + 1] = "";
	const unsigned char *p;

	if (!a || !RTA_PAYLOAD(a) || RTA_PAYLOAD(a) > HARDWARE_MAX)
		return;
	p = RTA_DATA(a);
	for (size_t i = 0; i < RTA_PAYLOAD(a); i++)
		sprintf(text + 3 * i - (i > 0), i ? ":%02x" : "%02x", p[i]);
	json_str(j, key, text);
}

/* @bits >= 0: with the prefix length behind it. */
static void address_json(struct json *j, const char *key, int family, const struct rtattr *a,
			 int bits)
{
	size_t size = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
	char text[INET6_ADDRSTRLEN + 8];
	size_t len;

	if (!a || !size || RTA_PAYLOAD(a) < size ||
	    !inet_ntop(family, RTA_DATA(a), text, INET6_ADDRSTRLEN))
		return;
	len = strlen(text);
	if (bits >= 0)
		snprintf(text + len, sizeof(text) - len, "/%d", bits);
	json_str(j, key, text);
}

static void family_json(struct json *j, int family)
{
	static const struct name names[] = {
		{ AF_INET, "inet" }, { AF_INET6, "inet6" }, { AF_BRIDGE, "bridge" },
	};

	NAME_JSON(j, "family", names, family);
}

/* The name that the interface has now: after a removal there is none. */
static void interface_json(struct json *j, uint32_t index)
{
	char name[IF_NAMESIZE];

	json_u64(j, "ifindex", index);
	if (if_indextoname(index, name))
		json_str(j, "ifname", name);
}

static void link_json(struct json *j, const void *header, const struct rtattr *const *attrs)
{
	static const struct name flags[] = {
		{ IFF_UP, "up" }, { IFF_BROADCAST, "broadcast" }, { IFF_LOOPBACK, "loopback" },
		{ IFF_POINTOPOINT, "pointopoint" }, { IFF_RUNNING, "running" },
		{ IFF_NOARP, "noarp" }, { IFF_PROMISC, "promisc" },
		{ IFF_MULTICAST, "multicast" }, { 1 << 16, "lower_up" }, { 1 << 17, "dormant" },
	};
	static const struct name states[] = {
		{ 0, "unknown" }, { 1, "notpresent" }, { 2, "down" }, { 3, "lowerlayerdown" },
		{ 4, "testing" }, { 5, "dormant" }, { 6, "up" },
	};
	const struct rtattr *state = attrs[IFLA_OPERSTATE];
	const struct ifinfomsg *m = header;

	json_i64(j, "ifindex", m->ifi_index);
	string_json(j, "ifname", attrs[IFLA_IFNAME]);
	flags_json(j, flags, sizeof(flags) / sizeof(flags[0]), m->ifi_flags);
	json_u64(j, "changed", m->ifi_change);
	u32_json(j, "mtu", attrs[IFLA_MTU]);
	u32_json(j, "master", attrs[IFLA_MASTER]);
	if (state && RTA_PAYLOAD(state))
		NAME_JSON(j, "operstate", states, *(const unsigned char *)RTA_DATA(state));
	hardware_json(j, "address", attrs[IFLA_ADDRESS]);
}

static const struct name scopes[] = {
	{ RT_SCOPE_UNIVERSE, "global" }, { RT_SCOPE_SITE, "site" }, { RT_SCOPE_LINK, "link" },
	{ RT_SCOPE_HOST, "host" }, { RT_SCOPE_NOWHERE, "nowhere" },
};

static void addr_json(struct json *j, const void *header, const struct rtattr *const *attrs)
{
	static const struct name names[] = {
		{ IFA_F_SECONDARY, "secondary" }, { IFA_F_NODAD, "nodad" },
		{ IFA_F_DADFAILED, "dadfailed" }, { IFA_F_DEPRECATED, "deprecated" },
		{ IFA_F_TENTATIVE, "tentative" }, { IFA_F_PERMANENT, "permanent" },
	};
	const struct ifaddrmsg *m = header;
	uint32_t flags = m->ifa_flags;

	u32_of(attrs[IFA_FLAGS], &flags);
	family_json(j, m->ifa_family);
	interface_json(j, m->ifa_index);
	/* On point-to-point links IFA_ADDRESS is the far end. */
	address_json(j, "address", m->ifa_family,
		     attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS], m->ifa_prefixlen);
	NAME_JSON(j, "scope", scopes, m->ifa_scope);
	flags_json(j, names, sizeof(names) / sizeof(names[0]), flags);
	string_json(j, "label", attrs[IFA_LABEL]);
}

static void route_json(struct json *j, const void *header, const struct rtattr *const *attrs)
{
	static const struct name types[] = {
		{ RTN_UNICAST, "unicast" }, { RTN_LOCAL, "local" },
		{ RTN_BROADCAST, "broadcast" }, { RTN_ANYCAST, "anycast" },
		{ RTN_MULTICAST, "multicast" }, { RTN_BLACKHOLE, "blackhole" },
		{ RTN_UNREACHABLE, "unreachable" }, { RTN_PROHIBIT, "prohibit" },
	};
	static const struct name protocols[] = {
		{ RTPROT_REDIRECT, "redirect" }, { RTPROT_KERNEL, "kernel" },
		{ RTPROT_BOOT, "boot" }, { RTPROT_STATIC, "static" }, { RTPROT_RA, "ra" },
		{ RTPROT_DHCP, "dhcp" },
	};
	const struct rtmsg *m = header;
	uint32_t table = m->rtm_table, index;

	u32_of(attrs[RTA_TABLE], &table);
	family_json(j, m->rtm_family);
	NAME_JSON(j, "type", types, m->rtm_type);
	if (attrs[RTA_DST])
		address_json(j, "dst", m->rtm_family, attrs[RTA_DST], m->rtm_dst_len);
	else
		json_str(j, "dst", "default");
	address_json(j, "gateway", m->rtm_family, attrs[RTA_GATEWAY], -1);
	address_json(j, "prefsrc", m->rtm_family, attrs[RTA_PREFSRC], -1);
	if (u32_of(attrs[RTA_OIF], &index))
		interface_json(j, index);
	u32_json(j, "metric", attrs[RTA_PRIORITY]);
	json_u64(j, "table", table);
	NAME_JSON(j, "protocol", protocols, m->rtm_protocol);
	NAME_JSON(j, "scope", scopes, m->rtm_scope);
}

static void neigh_json(struct json *j, const void *header, const struct rtattr *const *attrs)
{
	static const struct name states[] = {
		{ NUD_INCOMPLETE, "incomplete" }, { NUD_REACHABLE, "reachable" },
		{ NUD_STALE, "stale" }, { NUD_DELAY, "delay" }, { NUD_PROBE, "probe" },
		{ NUD_FAILED, "failed" }, { NUD_NOARP, "noarp" },
		{ NUD_PERMANENT, "permanent" }, { NUD_NONE, "none" },
	};
	const struct ndmsg *m = header;

	family_json(j, m->ndm_family);
	interface_json(j, m->ndm_ifindex);
	address_json(j, "dst", m->ndm_family, attrs[NDA_DST], -1);
	hardware_json(j, "lladdr", attrs[NDA_LLADDR]);
	NAME_JSON(j, "state", states, m->ndm_state);
}

static const struct kind kinds[] = {
	{ RTM_NEWLINK, "newlink", sizeof(struct ifinfomsg), link_json },
	{ RTM_DELLINK, "dellink", sizeof(struct ifinfomsg), link_json },
	{ RTM_NEWADDR, "newaddr", sizeof(struct ifaddrmsg), addr_json },
	{ RTM_DELADDR, "deladdr", sizeof(struct ifaddrmsg), addr_json },
	{ RTM_NEWROUTE, "newroute", sizeof(struct rtmsg), route_json },
	{ RTM_DELROUTE, "delroute", sizeof(struct rtmsg), route_json },
	{ RTM_NEWNEIGH, "newneigh", sizeof(struct ndmsg), neigh_json },
	{ RTM_DELNEIGH, "delneigh", sizeof(struct ndmsg), neigh_json },
};

static const struct kind *find_kind(const struct nlmsghdr *h)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == h->nlmsg_type &&
		    h->nlmsg_len >= NLMSG_LENGTH(kinds[i].header))
			return &kinds[i];
	return NULL;
}

bool rtnetlink_known(const struct nlmsghdr *h)
{
	return find_kind(h) != NULL;
}

void rtnetlink_json(struct json *j, const struct nlmsghdr *h)
{
	const struct rtattr *attrs[ATTRS] = { NULL };
	const struct kind *kind = find_kind(h);
	size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(kind->header));
	const struct rtattr *a = (const void *)((const char *)h + skip);
	size_t left = h->nlmsg_len > skip ? h->nlmsg_len - skip : 0, step;

	while (left >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= left) {
		if (a->rta_type < ATTRS)
			attrs[a->rta_type] = a;
		step = RTA_ALIGN(a->rta_len);
		if (step >= left)
			break;
		left -= step;
		a = (const void *)((const char *)a + step);
	}
	json_str(j, "event", kind->event);
	kind->json(j, NLMSG_DATA(h), attrs);
}
