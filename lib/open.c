// SPDX-License-Identifier: MIT
/*
 * Attaching this process, and detaching it.
 */
#include "internal.h"

#include <signal.h>

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

int lib_start_helper(struct kecho *k, void *(*run)(void *))
{
	sigset_t all, was;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &was);
	err = pthread_create(&k->helper, NULL, run, k);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return err ? lib_fail(-err, "the helper thread") : 0;
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
	INIT_LIST_HEAD(&k->promised);
	init_locks(k);
	return k;
}

/* The kernel's node if there is one, else the host's, else one of our own; the environment may
 * choose, and so does who says where a node listens or which registry it has. */
static int attach(struct kecho *k, const struct kecho_options *opt)
{
	const char *how = getenv("KECHO");
	bool any = !how || !*how, there = false;
	int err;

	if (any ? !embedded_wanted(opt) : !strcmp(how, "kernel")) {
		err = client_open(k, true, &there);
		if (!any || !err || there)
			return err;
	}
	if (!any && strcmp(how, "daemon") && strcmp(how, "embedded"))
		return lib_fail(-EINVAL, "KECHO is '%s', not 'kernel', 'daemon' or 'embedded'",
				how);
	if (any ? embedded_wanted(opt) : !strcmp(how, "embedded"))
		return embedded_open(k, opt);
	err = client_open(k, false, &there);
	return err && any && !there ? embedded_open(k, opt) : err;
}

int kecho_open(struct kecho **out, const struct kecho_options *opt)
{
	struct kecho *k = make_kecho();
	int err;

	if (!k)
		return lib_fail(-ENOMEM, "the node");
	k->timeout_ms = opt && opt->timeout_ms ? opt->timeout_ms : OPEN_MS;
	err = make_descriptors(k);
	err = err ? lib_fail(err, "the node's descriptors") : attach(k, opt);
	if (err)
		free_kecho(k);
	else
		*out = k;
	return err;
}

void kecho_close(struct kecho *k)
{
	if (!k || lib_forked(k))
		return;
	while (!list_empty(&k->channels))
		kecho_channel_close(list_first_entry(&k->channels, struct kecho_channel, list));
	k->attach->close(k);
	free_kecho(k);
}
