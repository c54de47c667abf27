/* SPDX-License-Identifier: MIT */
/* kecho as a transport; see kecho_transport.h. */
#include "kecho_transport.h"

#include <kecho/kecho.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUBLISHER_HOST	"127.0.0.1"
#define SINK_HOST_FIRST	2	/* sink i is on 127.0.0.(i + 2) */
#define READ_MAX	64	/* events of one read */

struct node {
	char channel_name[64];
	char registry[32];	/* empty: the user's own on this host */
	struct kecho *kecho;
	struct kecho_channel *channel;
	struct kecho_source *source;
	struct kecho_sink *sink;
};

static int explain(const char *what, int err)
{
	fprintf(stderr, "kecho: can't %s: %s\n", what, kecho_explain());
	return err;
}

static int node_new(void **state)
{
	static unsigned int count;
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	snprintf(n->channel_name, sizeof(n->channel_name), "bench-%d-%u", (int)getpid(), count++);
	*state = n;
	return 0;
}

static int local_prepare(void **state, unsigned int nsinks, size_t len)
{
	(void)nsinks;
	(void)len;
	/* What is measured must not depend on the caller's environment. */
	unsetenv("KECHO_LISTEN");
	unsetenv("KECHO_ADVERTISE");
	unsetenv("KECHO_REGISTRY");
	return node_new(state);
}

/* A port that nobody has now, or -errno: the first node that binds it serves the
 * registry. */
static int free_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t size = sizeof(addr);
	int port, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&addr, size) ||
	    getsockname(fd, (struct sockaddr *)&addr, &size))
		port = -errno;
	else
		port = ntohs(addr.sin_port);
	close(fd);
	return port;
}

static int remote_prepare(void **state, unsigned int nsinks, size_t len)
{
	struct node *n;
	void *made;
	int err, port = free_port();

	(void)nsinks;
	(void)len;
	if (port < 0)
		return port;
	err = node_new(&made);
	if (err)
		return err;
	n = made;
	snprintf(n->registry, sizeof(n->registry), PUBLISHER_HOST ":%d", port);
	*state = n;
	return 0;
}

static int join(struct node *n, const char *host)
{
	struct kecho_options opt = { 0 };
	int err;

	if (n->registry[0]) {
		opt.listen = host;
		opt.registry = n->registry;
	}
	err = kecho_open(&n->kecho, &opt);
	if (err)
		return explain("attach", err);
	err = kecho_channel_open(n->kecho, n->channel_name, NULL, &n->channel);
	return err ? explain("open a channel", err) : 0;
}

static int kecho_attach(void *state, unsigned int sink)
{
	struct kecho_sink_options opt = { .policy = KECHO_BLOCK };
	struct node *n = state;
	char host[16];
	int err;

	snprintf(host, sizeof(host), "127.0.0.%u", (sink + SINK_HOST_FIRST) & 0xff);
	err = join(n, host);
	if (err)
		return err;
	err = kecho_sink_open(n->channel, &opt, &n->sink);
	return err ? explain("open a sink", err) : 0;
}

static int kecho_connect(void *state)
{
	struct node *n = state;
	int err;

	err = join(n, PUBLISHER_HOST);
	if (err)
		return err;
	err = kecho_source_open(n->channel, NULL, &n->source);
	return err ? explain("open a source", err) : 0;
}

static int publish(struct node *node, const struct iovec *events, size_t n, unsigned int flags)
{
	ssize_t done;
	int err;

	if (n == 1) {
		err = kecho_submit(node->source, events->iov_base, events->iov_len, flags);
		return err ? explain("submit", err) : 0;
	}
	done = kecho_submit_vector(node->source, events, n, flags);
	if (done == (ssize_t)n)
		return 0;
	return explain("submit all of a vector", done < 0 ? (int)done : -EIO);
}

/* As the floors do, which read no clock. */
static int kecho_publish(void *state, const struct iovec *events, size_t n)
{
	return publish(state, events, n, KECHO_NOTIME);
}

static int kecho_publish_timed(void *state, const struct iovec *events, size_t n)
{
	return publish(state, events, n, 0);
}

static ssize_t kecho_receive(void *state, struct iovec *events, size_t max)
{
	struct kecho_event ev[READ_MAX];
	struct node *node = state;
	ssize_t i, n;

	n = kecho_read_vector(node->sink, ev, max < READ_MAX ? max : READ_MAX, -1);
	if (n < 0)
		return explain("read", (int)n);
	for (i = 0; i < n; i++) {
		if (ev[i].kind != KECHO_EVENT) {
			fprintf(stderr, "kecho: %s\n",
				ev[i].kind == KECHO_LOST ? "a `block` sink was lapped" :
							   "the source ended");
			return -EPIPE;
		}
		events[i] = (struct iovec){ (void *)ev[i].data, ev[i].len };
	}
	return n;
}

static void kecho_release(void *state)
{
	struct node *n = state;

	kecho_close(n->kecho);
	free(n);
}

const struct transport kecho_local = {
	.name = "kecho, one host",
	.prepare = local_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = kecho_publish,
	.receive = kecho_receive,
	.release = kecho_release,
};

const struct transport kecho_local_timed = {
	.name = "kecho, one host, with the time",
	.prepare = local_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = kecho_publish_timed,
	.receive = kecho_receive,
	.release = kecho_release,
};

const struct transport kecho_remote = {
	.name = "kecho, two hosts",
	.prepare = remote_prepare,
	.attach = kecho_attach,
	.connect = kecho_connect,
	.publish = kecho_publish,
	.receive = kecho_receive,
	.release = kecho_release,
};
