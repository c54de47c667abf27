/* SPDX-License-Identifier: MIT */
/* kecho as a transport; see kecho_transport.h. */
#include "kecho_transport.h"
#include "end.h"
#include "hosts.h"

#include <kecho/kecho.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
	struct end end;
	char registry[32];	/* empty: the user's own on this host */
};

static int local_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct node *n = calloc(1, sizeof(*n));

	(void)nsinks;
	if (!n)
		return -ENOMEM;
	end_init(&n->end, len);
	*state = n;
	return 0;
}

static int remote_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct node *n;
	void *made;
	int err, port = end_free_port();

	if (port < 0)
		return port;
	err = local_prepare(&made, nsinks, len);
	if (err)
		return err;
	n = made;
	snprintf(n->registry, sizeof(n->registry), "%s:%d", hosts_address(HOST_PUBLISHER),
		 port);
	*state = n;
	return 0;
}

static struct kecho_options options_of(const struct node *n, const char *host)
{
	struct kecho_options opt = { 0 };

	if (n->registry[0]) {
		opt.listen = host;
		opt.registry = n->registry;
	}
	return opt;
}

static int kecho_attach(void *state, unsigned int sink)
{
	struct node *n = state;
	struct kecho_options opt;
	char host[16];

	hosts_sink_address(sink, host, sizeof(host));
	opt = options_of(n, host);
	return end_open_sink(&n->end, &opt);
}

static int kecho_connect(void *state)
{
	struct node *n = state;
	struct kecho_options opt = options_of(n, hosts_address(HOST_PUBLISHER));

	return end_open_source(&n->end, &opt);
}

static void kecho_release(void *state)
{
	struct node *n = state;

	end_close(&n->end);
	free(n);
}

const struct transport kecho_local = {
	.name = "kecho, one host",
	.prepare = local_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = end_publish,
	.receive = end_receive,
	.release = kecho_release,
};

const struct transport kecho_local_timed = {
	.name = "kecho, one host, with the time",
	.prepare = local_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = end_publish_timed,
	.receive = end_receive,
	.release = kecho_release,
};

const struct transport kecho_remote = {
	.name = "kecho, two hosts",
	.prepare = remote_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = end_publish,
	.receive = end_receive,
	.release = kecho_release,
};
