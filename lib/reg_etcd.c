/* SPDX-License-Identifier: MIT */
/*
 * A registry that is kept in etcd: the address "etcd:URL[,URL...]". Whoever dials it speaks
 * with a thread of its own process, the bridge, over a pair of sockets. The bridge is in
 * etcd.so (lib/etcd/etcd.h), which is loaded here, and stays loaded.
 */
#include <stdio.h>
#include <unistd.h>

#include "plugin.h"
#include "reg.h"
#include "reg_impl.h"

#define PREFIX	"etcd:"

static const struct ke_plugin plugin = {
	.what = "registry etcd",
	.file = "etcd.so",
	.table = KE_ETCD_TABLE,
	.version = KE_ETCD_VERSION,
	.size = sizeof(struct ke_etcd_table),
};

bool ke_reg_is_etcd(const char *address)
{
	return address && !strncmp(address, PREFIX, strlen(PREFIX));
}

bool ke_reg_place_of(const char *address, unsigned int i, char *to, size_t size)
{
	const char *scheme;
	size_t len;

	if (ke_reg_is_etcd(address))
		address += strlen(PREFIX);
	for (; i; i--) {
		address = strchr(address, ',');
		if (!address)
			return false;
		address++;
	}
	scheme = strstr(address, "://");
	len = strcspn(address, ",");
	if (scheme && (size_t)(scheme - address) < len) {
		len -= scheme + strlen("://") - address;
		address = scheme + strlen("://");
	}
	snprintf(to, size, "%.*s", (int)len, address);
	return true;
}

int ke_reg_etcd_open(struct ke_reg_etcd *e, const char *address, char *why, size_t size)
{
	const struct ke_etcd_table *table;
	const void *loaded;
	char reason[256];
	int err;

	/* The trees that kecho is built in have it elsewhere than an installation. */
	err = ke_plugin_load(&loaded, &plugin, secure_getenv("KECHO_ETCD_SO"), why, size);
	if (err)
		return err;
	table = loaded;
	err = table->open(&e->bridge, address + strlen(PREFIX), reason, sizeof(reason));
	if (err)
		snprintf(why, size, "registry etcd: %s", reason);
	else
		e->table = table;
	return err;
}

void ke_reg_etcd_close(struct ke_reg_etcd *e)
{
	char why[1];

	if (!e->table)
		return;
	e->table->stop(e->bridge, why, sizeof(why));
	e->table->close(e->bridge);
	e->table = NULL;
}

int ke_reg_etcd_dial(struct ke_reg_etcd *e, int *fd, char *why, size_t size)
{
	int fds[2], err;
	char over[1];

	e->table->stop(e->bridge, over, sizeof(over));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) {
		err = -errno;
	} else {
		err = e->table->start(e->bridge, fds[1]);
		if (!err) {
			*fd = fds[0];
			return KE_REG_CONNECTING;
		}
		close(fds[0]);
	}
	snprintf(why, size, "registry etcd: %s", strerror(-err));
	return err;
}

int ke_reg_etcd_connected(struct ke_reg_etcd *e, int *fd, char *why, size_t size)
{
	char byte;
	int err;

	if (recv(*fd, &byte, 1, 0) == 1)
		return KE_REG_CONNECTED;
	close(*fd);
	*fd = -1;
	snprintf(why, size, "registry etcd: hung up");
	err = ke_reg_etcd_over(e, why, size);
	return err ?: -ECONNRESET;
}

int ke_reg_etcd_over(struct ke_reg_etcd *e, char *why, size_t size)
{
	char reason[300] = "";
	int err = e->table->stop(e->bridge, reason, sizeof(reason));

	if (err)
		snprintf(why, size, "registry etcd: %s", reason[0] ? reason : strerror(-err));
	return err;
}

bool ke_reg_etcd_trouble(const struct ke_reg_etcd *e, char *why, size_t size)
{
	char reason[300];

	if (!e->table)
		return false;
	e->table->trouble(e->bridge, reason, sizeof(reason));
	if (reason[0])
		snprintf(why, size, "etcd at %s", reason);
	return reason[0];
}
