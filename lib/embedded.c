// SPDX-License-Identifier: MIT
/*
 * Attaching to a node of the process's own: the node, its gates and listeners, the tie
 * to the registry.
 */
#include "internal.h"

#include <sys/random.h>
#include <sys/stat.h>

static const char *option(const char *given, const char *variable)
{
	const char *v = given ? given : getenv(variable);

	return v && *v ? v : NULL;
}

static u64 mix(u64 h, const void *data, size_t len)
{
	const u8 *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/*
 * Which host this is: nodes of one share memory. One boot of one kernel, one
 * network namespace, one user, and one address where others reach it.
 */
static void host_id(struct ke_id *id, const char *listen)
{
	char boot[64] = "";
	struct stat ns = { 0 };
	uid_t uid = geteuid();
	u64 half[2] = { 0xcbf29ce484222325ULL, 0x84222325cbf29ce4ULL };
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	int i;

	if (f && !fgets(boot, sizeof(boot), f))
		boot[0] = 0;
	if (f)
		fclose(f);
	if (stat("/proc/self/ns/net", &ns))
		ns.st_ino = 0;
	for (i = 0; i < 2; i++) {
		half[i] = mix(half[i], boot, strlen(boot));
		half[i] = mix(half[i], &ns.st_ino, sizeof(ns.st_ino));
		half[i] = mix(half[i], &uid, sizeof(uid));
		if (listen)
			half[i] = mix(half[i], listen, strcspn(listen, "]") == strlen(listen) ?
				      strcspn(listen, ":") : strcspn(listen, "]"));
	}
	memcpy(id->b, half, sizeof(id->b));
}

static int make_gates(struct kecho *k)
{
	size_t size = GATES_MAX * GATE_STRIDE;

	k->gates_fd = memfd_create("kecho-gates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (k->gates_fd < 0 || ftruncate(k->gates_fd, size))
		return -errno;
	k->gates = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, k->gates_fd, 0);
	if (k->gates == MAP_FAILED)
		return -errno;
	madvise(k->gates, size, MADV_DONTFORK);
	if (fcntl(k->gates_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static int make_node(struct kecho *k, const char *listen, const char *advertise,
		     const char *registry, const char *name)
{
	struct ke_contact self = { 0 };
	char host[KE_LINK_NAME_MAX + 1] = "";
	int err;

	if (getrandom(self.node.b, sizeof(self.node.b), 0) != sizeof(self.node.b))
		return -errno;
	self.incarnation = lib_clock_ns(CLOCK_BOOTTIME);
	host_id(&self.host, listen);
	gethostname(host, sizeof(host) - 1);
	ke_node_init(&k->node, &lib_house, k, &self, name ? name : host);
	err = listen_tcp(k, listen, advertise, registry);
	if (err)
		return err;
	return kecho_node_set(k, "name", kecho_string(k->node.name));
}

/* What is queued goes out while it may, a little while. */
static void flush_conns(struct kecho *k)
{
	u64 deadline = lib_deadline(200);
	struct conn *c;
	bool more = true;

	while (more) {
		more = false;
		list_for_each_entry(c, &k->conns, list)
			if (c->open && !c->closing && c->link.control_len) {
				conn_kick(c);
				more |= c->link.control_len && !READ_ONCE(c->link.broken);
			}
		if (more && !lib_wait(k, min(deadline, lib_deadline(10))) &&
		    lib_deadline(0) >= deadline)
			return;
	}
}

static void embedded_close(struct kecho *k)
{
	struct conn *c;
	u64 one = 1;

	pthread_mutex_lock(&k->lock);
	flush_conns(k);
	k->stop = true;
	pthread_mutex_unlock(&k->lock);
	if (write(k->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(k->helper, NULL);
	ke_reg_close(k->reg, false);
	pthread_mutex_lock(&k->lock);
	k->reg = NULL;
	ke_node_fini(&k->node);
	list_for_each_entry(c, &k->conns, list)
		c->closing = true;
	conn_reap(k);
	pthread_mutex_unlock(&k->lock);
}

static const struct lib_attach embedded = {
	.close = embedded_close,
	.channel_join = embedded_channel_join,
	.channel_leave = embedded_channel_leave,
	.source_join = embedded_source_join,
	.source_leave = embedded_source_leave,
	.sink_join = embedded_sink_join,
	.sink_leave = embedded_sink_leave,
	.seat = embedded_seat,
	.seated = embedded_seated,
	.choose = embedded_choose,
	.address = embedded_address,
	.reply_to = embedded_reply_to,
	.set = embedded_set,
	.get = embedded_get,
	.announce = embedded_announce,
	.type = embedded_type,
	.members = embedded_members,
	.watch = embedded_watch,
	.stats = embedded_stats,
	.links = embedded_links,
	.ping = embedded_ping,
	.channels = embedded_channels,
	.freeze = embedded_freeze,
	.thaw = embedded_thaw,
	.drain = embedded_drain,
	.destroy = embedded_destroy,
	.other = embedded_other,
};

/* Options that only a node of the process's own can follow. */
bool embedded_wanted(const struct kecho_options *opt)
{
	return option(opt ? opt->listen : NULL, "KECHO_LISTEN") ||
	       option(opt ? opt->registry : NULL, "KECHO_REGISTRY");
}

/* What was made and not undone here goes with @k. */
int embedded_open(struct kecho *k, const struct kecho_options *opt)
{
	const char *listen = option(opt ? opt->listen : NULL, "KECHO_LISTEN");
	const char *advertise = option(opt ? opt->advertise : NULL, "KECHO_ADVERTISE");
	const char *registry = option(opt ? opt->registry : NULL, "KECHO_REGISTRY");
	const char *name = option(opt ? opt->name : NULL, "KECHO_NODE");
	char why[KE_REG_WHY_MAX];
	int err;

	k->attach = &embedded;
	err = make_gates(k);
	if (err)
		return lib_fail(err, "the node's descriptors");
	err = make_node(k, listen, advertise, registry, name);
	if (err)
		return err;
	err = ke_reg_open(&k->reg, registry, &k->node.self, k->wake, k->timeout_ms, why,
			  sizeof(why));
	if (err)
		return lib_fail(err, "%s", why);
	/* Only now: a registry that starts takes nodes that listen for ones that it has
	 * to wait for. */
	err = listen_unix(k) ?: lib_start_helper(k, helper_main);
	if (err)
		ke_reg_close(k->reg, false);
	return err;
}
