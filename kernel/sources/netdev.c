// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Network devices that come, go and change, in the namespace of the channel: from the chain of
 * those who want to know, which is called under the RTNL.
 */
#include <linux/module.h>
#include <linux/netdevice.h>

#include "events.h"
#include "uapi/kecho_sources.h"

static_assert(sizeof(struct kecho_netdev) == 56);

static struct outlet netdevs;
module_param_cb(netdev_missed, &outlet_missed_ops, &netdevs, 0444);
MODULE_PARM_DESC(netdev_missed, "events that could not be submitted");

static int netdev_type;
/* Who begins to listen is told of each device there is as if it came, and who ends, as if it
 * went. Both have not happened. */
static bool live;

#define NETDEV(member) KECHO_FIELD(struct kecho_netdev, member)

static const struct kecho_type netdev_is = {
	KECHO_TYPE(struct kecho_netdev, NETDEV(missed), NETDEV(happened), NETDEV(name),
		   NETDEV(ifindex), NETDEV(flags), NETDEV(mtu))
};

/* NULL: something else, or the same again. */
static const char *name_of(unsigned long event, const struct net_device *dev)
{
	switch (event) {
	case NETDEV_REGISTER:
		return "register";
	case NETDEV_UNREGISTER:
		return "unregister";
	case NETDEV_UP:
		return "up";
	case NETDEV_DOWN:
		return "down";
	case NETDEV_CHANGE:
		return netif_carrier_ok(dev) ? "carrier" : "no-carrier";
	case NETDEV_CHANGENAME:
		return "rename";
	case NETDEV_CHANGEMTU:
		return "mtu";
	case NETDEV_CHANGEADDR:
		return "address";
	default:
		return NULL;
	}
}

static int changed(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	const char *happened = name_of(event, dev);
	struct kecho_netdev e = { 0 };

	if (!READ_ONCE(live) || !happened || !outlet_heard(&netdevs))
		return NOTIFY_DONE;
	strscpy(e.happened, happened, sizeof(e.happened));
	strscpy(e.name, dev->name, sizeof(e.name));
	e.ifindex = dev->ifindex;
	e.flags = dev_get_flags(dev);
	e.mtu = dev->mtu;
	outlet_submit(&netdevs, netdev_type, &e, sizeof(e));
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = changed };

static int begin(struct net *net)
{
	int err;

	netdev_type = outlet_announce(&netdevs, &netdev_is);
	err = netdev_type < 0 ? netdev_type : register_netdevice_notifier_net(net, &notifier);
	WRITE_ONCE(live, !err);
	return err;
}

static void end(struct net *net)
{
	WRITE_ONCE(live, false);
	unregister_netdevice_notifier_net(net, &notifier);
}

const struct event_kind netdev_kind = { .outlet = &netdevs, .begin = begin, .end = end };
