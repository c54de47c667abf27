// SPDX-License-Identifier: MIT
/*
 * The configuration: a file of `key = value` lines below [kechod], see kechod.conf(5).
 * A key that is not known, or a value that is none, is an error, not a default.
 */
#include "daemon.h"

#include <grp.h>
#include <ini.h>
#include <syslog.h>

enum { STOP_MS = 5000 };

void kd_conf_init(struct kd_conf *c)
{
	const char *socket = getenv("KECHO_SOCKET");

	memset(c, 0, sizeof(*c));
	if (strscpy(c->socket, socket && *socket ? socket : KECHO_NODE_SOCKET,
		    sizeof(c->socket)) < 0)
		c->socket[0] = 0;
	c->user_memory = 256 << 20;
	c->user_processes = 1024;
	c->user_channels = KE_CHANNELS_MAX / 2;
	c->user_members = KE_MEMBERS_MAX / 2;
	c->timeout_ms = OPEN_MS;
	c->stop_ms = STOP_MS;
}

/* What follows from the rest: our files lie where the socket does. */
int kd_conf_finish(struct kd_conf *c)
{
	const char *end = strrchr(c->socket, '/');

	if (!end) {
		kd_say(LOG_ERR, "socket: '%s' is no absolute path", c->socket);
		return -EINVAL;
	}
	if (c->run[0])
		return 0;
	if ((size_t)(end - c->socket) >= sizeof(c->run))
		return -ENAMETOOLONG;
	memcpy(c->run, c->socket, end - c->socket);
	return 0;
}

static int set_text(char *to, size_t size, const char *value)
{
	return strscpy(to, value, size) < 0 ? -ENAMETOOLONG : 0;
}

/* A number, with K, M or G for bytes. */
static int set_number(u64 *to, const char *value, u64 max)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	u64 v;
	unsigned int shift;

	errno = 0;
	v = strtoull(value, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	shift = unit ? 10 * (unit - units + 1) : 0;
	if (errno || end == value || *value == '-' || (*end && (!unit || end[1])) ||
	    v > max >> shift)
		return -EINVAL;
	*to = v << shift;
	return 0;
}

static int set_block(struct kd_conf *c, const char *value)
{
	struct group *g;

	if (!strcmp(value, "all") || !strcmp(value, "owner")) {
		c->block = *value == 'a' ? KD_BLOCK_ALL : KD_BLOCK_OWNER;
		return 0;
	}
	if (strncmp(value, "group ", 6))
		return -EINVAL;
	g = getgrnam(value + 6);
	if (!g)
		return -ENOENT;
	c->block = KD_BLOCK_GROUP;
	c->block_gid = g->gr_gid;
	return 0;
}

static int set_count(unsigned int *to, const char *value)
{
	u64 v;
	int err = set_number(&v, value, 1 << 20);

	if (!err)
		*to = v;
	return err;
}

static int set_ms(unsigned int *to, const char *value, unsigned int least)
{
	u64 v;
	int err = set_number(&v, value, 3600000);

	if (!err && v < least)
		err = -EINVAL;
	if (!err)
		*to = v;
	return err;
}

/* How etcd is reached is read from the environment by who needs it. -ENOKEY: another key. */
static int set_etcd(const char *key, const char *value)
{
	static const char *const keys[][2] = {
		{ "etcd-cacert", "ETCDCTL_CACERT" }, { "etcd-cert", "ETCDCTL_CERT" },
		{ "etcd-key", "ETCDCTL_KEY" }, { "etcd-user", "ETCDCTL_USER" },
		{ "etcd-password", "ETCDCTL_PASSWORD" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(key, keys[i][0]))
			return setenv(keys[i][1], value, 1) ? -errno : 0;
	return -ENOKEY;
}

int kd_conf_set(struct kd_conf *c, const char *key, const char *value)
{
	if (!strcmp(key, "socket"))
		return set_text(c->socket, sizeof(c->socket), value);
	if (!strcmp(key, "run"))
		return set_text(c->run, sizeof(c->run), value);
	if (!strcmp(key, "listen"))
		return set_text(c->listen, sizeof(c->listen), value);
	if (!strcmp(key, "advertise"))
		return set_text(c->advertise, sizeof(c->advertise), value);
	if (!strcmp(key, "registry"))
		return set_text(c->registry, sizeof(c->registry), value);
	if (!strcmp(key, "name"))
		return set_text(c->name, sizeof(c->name), value);
	if (!strcmp(key, "user-memory"))
		return set_number(&c->user_memory, value, 1ULL << 40);
	if (!strcmp(key, "user-processes"))
		return set_count(&c->user_processes, value);
	if (!strcmp(key, "user-channels"))
		return set_count(&c->user_channels, value);
	if (!strcmp(key, "user-members"))
		return set_count(&c->user_members, value);
	if (!strcmp(key, "timeout-ms"))
		return set_ms(&c->timeout_ms, value, 1);
	if (!strcmp(key, "stop-ms"))
		return set_ms(&c->stop_ms, value, 0);
	if (!strcmp(key, "block"))
		return set_block(c, value);
	return set_etcd(key, value);
}

struct reading {
	struct kd_conf *c;
	const char *file;
	int err;
};

static int line(void *arg, const char *section, const char *key, const char *value)
{
	struct reading *r = arg;
	int err = strcmp(section, "kechod") ? -ENOKEY : kd_conf_set(r->c, key, value);

	if (!err)
		return 1;
	r->err = err;
	if (err == -ENOKEY)
		kd_say(LOG_ERR, "%s: there is no key '%s' in [%s]", r->file, key, section);
	else
		kd_say(LOG_ERR, "%s: %s = %s: %s", r->file, key, value, strerror(-err));
	return 0;
}

/* The error was said. */
int kd_conf_read(struct kd_conf *c, const char *file)
{
	struct reading r = { .c = c, .file = file };
	int at = ini_parse(file, line, &r);

	if (!at)
		return 0;
	if (r.err)
		return r.err;
	if (at < 0) {
		kd_say(LOG_ERR, "cannot read %s: %m", file);
		return -ENOENT;
	}
	kd_say(LOG_ERR, "%s:%d: no [section], and no key = value", file, at);
	return -EINVAL;
}
