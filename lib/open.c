// SPDX-License-Identifier: MIT
/*
 * Attaching this process: its node, its sockets, its helper thread.
 */
#include "internal.h"

#include <signal.h>
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

static void init_locks(struct kecho *k)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&k->lock, NULL);
	pthread_mutex_init(&k->lead, NULL);
	pthread_cond_init(&k->changed, &monotonic);
	pthread_cond_init(&k->follow, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static int make_descriptors(struct kecho *k)
{
	int err;

	k->ep = epoll_create1(EPOLL_CLOEXEC);
	k->io = epoll_create1(EPOLL_CLOEXEC);
	k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->ep < 0 || k->io < 0 || k->wake < 0 || k->bell < 0 || k->nudge < 0)
		return -errno;
	k->armed = true;
	err = conn_watch(k->ep, k->wake, EPOLLIN, &k->wake);
	if (!err)
		err = conn_watch(k->ep, k->bell, EPOLLIN, &k->bell);
	if (!err)
		err = conn_watch(k->ep, k->io, EPOLLIN, &k->io);
	if (!err)
		err = conn_watch(k->io, k->nudge, EPOLLIN, &k->nudge);
	return err;
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

static int start_helper(struct kecho *k)
{
	sigset_t all, was;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &was);
	err = pthread_create(&k->helper, NULL, helper_main, k);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return -err;
}

static void free_kecho(struct kecho *k)
{
	int *fd[] = { &k->ep, &k->io, &k->wake, &k->bell, &k->nudge,
		      &k->unix_fd, &k->tcp_fd, &k->gates_fd, &k->run_fd, &k->run_pending };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fd); i++)
		if (*fd[i] >= 0)
			close(*fd[i]);
	if (k->gates && k->gates != MAP_FAILED)
		munmap(k->gates, GATES_MAX * GATE_STRIDE);
	ke_attrs_free(&k->node.attrs);
	free(k);
}

static struct kecho *make_kecho(void)
{
	struct kecho *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->ep = k->io = k->wake = k->bell = k->nudge = -1;
	k->unix_fd = k->tcp_fd = k->gates_fd = k->run_fd = k->run_pending = -1;
	k->fork_generation = atomic_load(&lib_fork_generation);
	INIT_LIST_HEAD(&k->conns);
	INIT_LIST_HEAD(&k->channels);
	INIT_LIST_HEAD(&k->shared);
	init_locks(k);
	return k;
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

static void told(void *arg)
{
	struct kecho *k = arg;
	u64 one = 1;

	atomic_store(&k->told, true);
	if (write(k->wake, &one, sizeof(one)) < 0)
		return;		/* full: it is readable already */
}

int kecho_open(struct kecho **out, const struct kecho_options *opt)
{
	const char *listen = option(opt ? opt->listen : NULL, "KECHO_LISTEN");
	const char *advertise = option(opt ? opt->advertise : NULL, "KECHO_ADVERTISE");
	const char *registry = option(opt ? opt->registry : NULL, "KECHO_REGISTRY");
	const char *name = option(opt ? opt->name : NULL, "KECHO_NODE");
	struct kecho *k = make_kecho();
	char why[160];
	int err;

	if (!k)
		return lib_fail(-ENOMEM, "the node");
	k->timeout_ms = opt && opt->timeout_ms ? opt->timeout_ms : OPEN_MS;
	err = make_descriptors(k) ?: make_gates(k);
	if (err) {
		free_kecho(k);
		return lib_fail(err, "the node's descriptors");
	}
	err = make_node(k, listen, advertise, registry, name);
	if (err) {
		free_kecho(k);
		return err;
	}
	err = ke_reg_open(&k->reg, registry, &k->node.self, k->wake, k->timeout_ms, why,
			  sizeof(why));
	if (err) {
		free_kecho(k);
		return lib_fail(err, "%s", why);
	}
	ke_reg_on_told(k->reg, told, k);
	/* Only now: a registry that starts takes nodes that listen for ones that it has
	 * to wait for. */
	err = listen_unix(k);
	if (!err) {
		err = start_helper(k);
		if (err)
			lib_fail(err, "the helper thread");
	}
	if (err) {
		ke_reg_close(k->reg);
		free_kecho(k);
		return err;
	}
	*out = k;
	return 0;
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

void kecho_close(struct kecho *k)
{
	struct conn *c;
	u64 one = 1;

	if (!k)
		return;
	if (lib_forked(k))
		return;
	while (!list_empty(&k->channels))
		kecho_channel_close(list_first_entry(&k->channels, struct kecho_channel, list));
	pthread_mutex_lock(&k->lock);
	flush_conns(k);
	k->stop = true;
	pthread_mutex_unlock(&k->lock);
	if (write(k->wake, &one, sizeof(one)) == sizeof(one))
		pthread_join(k->helper, NULL);
	ke_reg_close(k->reg);
	pthread_mutex_lock(&k->lock);
	k->reg = NULL;
	ke_node_fini(&k->node);
	list_for_each_entry(c, &k->conns, list)
		c->closing = true;
	conn_reap(k);
	pthread_mutex_unlock(&k->lock);
	free_kecho(k);
}
