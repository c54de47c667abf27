/* SPDX-License-Identifier: MIT */
/* One end of a transport that is kecho; see end.h. */
#include "end.h"

#include <kecho/kecho.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX	64	/* events of one read */
#define LINKS_MAX	16
#define EVENTS_PER_LOG	8

static int explain(const char *what, int err)
{
	fprintf(stderr, "kecho: can't %s: %s\n", what, kecho_explain());
	return err;
}

void end_init(struct end *e, size_t len)
{
	static unsigned int count;

	unsetenv("KECHO_LISTEN");
	unsetenv("KECHO_ADVERTISE");
	unsetenv("KECHO_REGISTRY");
	setenv("KECHO", "embedded", 1);
	snprintf(e->channel_name, sizeof(e->channel_name), "bench-%d-%u", (int)getpid(), count++);
	e->log_size = KECHO_LOG_SIZE_DEFAULT;
	while (e->log_size < EVENTS_PER_LOG * len)
		e->log_size *= 2;
}

int end_free_port(void)
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

int end_join(struct end *e, const struct kecho_options *opt)
{
	int err = kecho_open(&e->kecho, opt);

	if (err)
		return explain("attach", err);
	err = kecho_channel_open(e->kecho, e->channel_name, NULL, &e->channel);
	return err ? explain("open a channel", err) : 0;
}

int end_open_source(struct end *e, const struct kecho_options *opt)
{
	struct kecho_source_options source = { .log_size = e->log_size };
	int err = end_join(e, opt);

	if (err)
		return err;
	err = kecho_source_open(e->channel, &source, &e->source);
	return err ? explain("open a source", err) : 0;
}

int end_open_sink(struct end *e, const struct kecho_options *opt)
{
	struct kecho_sink_options sink = { .policy = KECHO_BLOCK, .boost_us = e->boost_us };
	int err = end_join(e, opt);

	if (err)
		return err;
	err = kecho_sink_open(e->channel, &sink, &e->sink);
	return err ? explain("open a sink", err) : 0;
}

static int publish(struct end *e, const struct iovec *events, size_t n, unsigned int flags)
{
	ssize_t done;
	int err;

	if (n == 1) {
		err = kecho_submit(e->source, events->iov_base, events->iov_len, flags);
		return err ? explain("submit", err) : 0;
	}
	done = kecho_submit_vector(e->source, events, n, flags);
	if (done == (ssize_t)n)
		return 0;
	return explain("submit all of a vector", done < 0 ? (int)done : -EIO);
}

/* As the floors do, which read no clock. */
int end_publish(void *state, const struct iovec *events, size_t n)
{
	return publish(state, events, n, KECHO_NOTIME);
}

int end_publish_timed(void *state, const struct iovec *events, size_t n)
{
	return publish(state, events, n, 0);
}

ssize_t end_receive(void *state, struct iovec *events, size_t max)
{
	struct kecho_event ev[READ_MAX];
	struct end *e = state;
	ssize_t i, n;

	n = kecho_read_vector(e->sink, ev, max < READ_MAX ? max : READ_MAX, -1);
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

int end_wire(void *state, uint64_t *bytes)
{
	struct kecho_link_info link[LINKS_MAX];
	struct end *e = state;
	ssize_t i, n = kecho_links(e->kecho, link, LINKS_MAX);
	unsigned int up = 0;
	uint64_t sum = 0;

	if (n < 0)
		return explain("list the links", (int)n);
	for (i = 0; i < n && i < LINKS_MAX; i++) {
		if (!link[i].up)
			continue;
		sum += link[i].tx_bytes;
		up++;
	}
	if (!up) {
		fprintf(stderr, "kecho: no link is up\n");
		return -ENOTCONN;
	}
	*bytes = sum;
	return 0;
}

void end_close(struct end *e)
{
	kecho_close(e->kecho);
}
