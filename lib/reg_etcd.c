/* SPDX-License-Identifier: MIT */
/*
 * A registry that is kept in etcd: the address "etcd:URL[,URL...]". Whoever dials it speaks
 * with a thread of its own process, the bridge, over a pair of sockets. The bridge is in
 * etcd.so (lib/etcd/etcd.h), which is loaded here, and stays loaded.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "reg.h"
#include "reg_impl.h"

#define PREFIX	"etcd:"

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct ke_etcd_table *loaded;

/* The trees that kecho is built in have it elsewhere than an installation. */
static const char *file(void)
{
	const char *set = secure_getenv("KECHO_ETCD_SO");

	return set && *set ? set : KECHO_LIBDIR "/etcd.so";
}

static int load(char *why, size_t size)
{
	const struct ke_etcd_table *t;
	void *so;

	if (loaded)
		return 0;
	so = dlopen(file(), RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		snprintf(why, size, "registry etcd: %s", dlerror());
		return -ELIBACC;
	}
	t = dlsym(so, KE_ETCD_TABLE);
	if (!t || t->version != KE_ETCD_VERSION || t->size != sizeof(*t)) {
		snprintf(why, size, "registry etcd: %s is of another version of kecho", file());
		dlclose(so);
		return -ELIBBAD;
	}
	loaded = t;
	return 0;
}

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
	char reason[256];
	int err;

	pthread_mutex_lock(&load_lock);
	err = load(why, size);
	pthread_mutex_unlock(&load_lock);
	if (err)
		return err;
	err = loaded->open(&e->bridge, address + strlen(PREFIX), reason, sizeof(reason));
	if (err)
		snprintf(why, size, "registry etcd: %s", reason);
	else
		e->table = loaded;
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
