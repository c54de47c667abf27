/* SPDX-License-Identifier: MIT */
/* kecho through the module as a transport; see module_transport.h. */
#include "module_transport.h"
#include "../end.h"
#include "../hosts.h"

#include <kecho/kecho.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTINGS	"/proc/sys/net/kecho/"
#define LINK_PORT	7311
#define BOOST_US	3000

struct node {
	struct end end;
	char registry[32];
	pid_t keeper;	/* 0: somebody else's */
};

static int put(const char *path, const char *text)
{
	int err = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		err = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int module_settings(const char *address, const char *registry)
{
	char listen[32];
	int err;

	snprintf(listen, sizeof(listen), "%s:%d", address, LINK_PORT);
	err = put(SETTINGS "listen", listen);
	return err ? err : put(SETTINGS "registry", registry);
}

/* ------------------------------------------------------------------ the registry */

/* The first node that comes serves it. It has a channel of its own. */
static int keep(const char *registry, int ready)
{
	struct kecho_options opt = {
		.listen = hosts_address(HOST_PUBLISHER),
		.registry = registry,
	};
	struct end end;
	ssize_t n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	end_init(&end, 0);
	if (end_join(&end, &opt))
		return 1;
	close(ready);
	while (n >= 0)
		n = kecho_run(end.kecho, -1);
	return 1;
}

pid_t module_keeper(char *registry, size_t size)
{
	int ready[2], port = end_free_port();
	pid_t pid;
	char byte;

	if (port < 0)
		return port;
	snprintf(registry, size, "%s:%d", hosts_address(HOST_PUBLISHER), port);
	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(ready[0]);
		close(ready[1]);
		return -errno;
	}
	if (!pid)
		_exit(keep(registry, ready[1]));
	close(ready[1]);
	while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
	return pid;
}

/* ----------------------------------------------------------------- the transport */

static int module_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct node *n = calloc(1, sizeof(*n));

	(void)nsinks;
	if (!n)
		return -ENOMEM;
	end_init(&n->end, len);
	n->keeper = module_keeper(n->registry, sizeof(n->registry));
	if (n->keeper < 0) {
		int err = n->keeper;

		free(n);
		return err;
	}
	setenv("KECHO", "kernel", 1);
	*state = n;
	return 0;
}

static int boosted_prepare(void **state, unsigned int nsinks, size_t len)
{
	int err = module_prepare(state, nsinks, len);

	if (!err)
		((struct node *)*state)->end.boost_us = BOOST_US;
	return err;
}

int module_settle(void *state, unsigned int sink)
{
	struct node *n = state;
	char host[16];

	n->keeper = 0;
	hosts_sink_address(sink, host, sizeof(host));
	return module_settings(host, n->registry);
}

const char *module_channel(const void *state)
{
	const struct node *n = state;

	return n->end.channel_name;
}

static int module_attach(void *state, unsigned int sink)
{
	struct node *n = state;
	int err = module_settle(state, sink);

	return err ? err : end_open_sink(&n->end, NULL);
}

static int module_connect(void *state)
{
	struct node *n = state;
	int err = module_settings(hosts_address(HOST_PUBLISHER), n->registry);

	return err ? err : end_open_source(&n->end, NULL);
}

static void module_release(void *state)
{
	struct node *n = state;

	end_close(&n->end);
	if (n->keeper) {
		kill(n->keeper, SIGKILL);
		waitpid(n->keeper, NULL, 0);
	}
	free(n);
}

const struct transport module_transport = {
	.name = "kecho, through the module",
	.prepare = module_prepare,
	.attach = module_attach,
	.connect = module_connect,
	.publish = end_publish,
	.receive = end_receive,
	.release = module_release,
};

const struct transport module_boosted_transport = {
	.name = "kecho, through the module, boosted",
	.prepare = boosted_prepare,
	.attach = module_attach,
	.connect = module_connect,
	.publish = end_publish,
	.receive = end_receive,
	.release = module_release,
};
