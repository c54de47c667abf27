/* SPDX-License-Identifier: MIT */
/* The entrants; kecho's are those of bench/peers whose sinks set a filter. See list.h. */
#include "list.h"
#include "../end.h"
#include "../kecho_transport.h"

#include <kecho/filter.h>
#include <kecho/kecho.h>
#include <kecho/type.h>

#include <stdio.h>

/* In this program if what they need was there when it was built. */
#define OPTIONAL extern const struct transport __attribute__((weak))

OPTIONAL kechod_local, kechod_remote;
OPTIONAL zmq_ipc_subjects, zmq_tcp_subjects;
OPTIONAL nats_tcp_subjects;
OPTIONAL cyclone_udp_subjects;

#define KECHO .promise = "a filter of the sink, judged at the source: `subject == 7`"
#define ZMQ										\
	.packages = "libzmq3-dev", .waits = "poll of an eventfd, an epoll thread",	\
	.promise = "a subscription to the first 4 bytes, compared at the publisher"
#define NATS									\
	.title = "NATS", .packages = "nats-server libnats-dev",			\
	.waits = "condition variable, a poll thread",				\
	.promise = "a subscription to the subject `events.7`, matched by the broker"
#define CYCLONE										\
	.title = "Cyclone DDS", .packages = "cyclonedds-dev cyclonedds-tools",		\
	.waits = "waitset (condition variable), recvmsg threads",			\
	.promise = "a filter of the reader (`dds_set_topic_filter_and_arg`), asked when a sample " \
		   "has come"

struct about {
	uint32_t subject;
};

/* The transport's own attach(), and then a filter. */
static int filter_by(struct end *e, unsigned int subject)
{
	struct kecho_filter *f = NULL;
	struct kecho_type *t = NULL;
	char text[32];
	int err;

	snprintf(text, sizeof(text), "subject == %u", subject);
	err = kecho_filter_compile(&f, KECHO_FOR_EVENT, text, NULL);
	if (!err)
		err = kecho_type_from_fields(&t, KECHO_TYPE(struct about,
							    KECHO_FIELD(struct about, subject)));
	if (!err)
		err = kecho_sink_filter(e->sink, f, t);
	kecho_type_free(t);
	kecho_filter_free(f);
	if (err)
		fprintf(stderr, "kecho: can't set a filter: %s\n", kecho_explain());
	return err;
}

static int attach_here(void *state, unsigned int subject)
{
	int err = kecho_local.attach(state, subject);

	return err ? err : filter_by(state, subject);
}

static int attach_there(void *state, unsigned int subject)
{
	int err = kecho_remote.attach(state, subject);

	return err ? err : filter_by(state, subject);
}

static int attach_kechod(void *state, unsigned int subject)
{
	int err = kechod_local.attach(state, subject);

	return err ? err : filter_by(state, subject);
}

static struct transport here, there, kechod_here, kechod_there;

static struct peer entrants[LIST_SIZE] = {
	{ .name = "kecho", .title = "kecho, embedded", .role = ROLE_KECHO, .hosts = 1,
	  .transport = &here, .waits = "futex", KECHO },
	{ .name = "kecho-again", .title = "the same once more (A/A)", .role = ROLE_CONTROL,
	  .hosts = 1, .transport = &here, .waits = "futex", KECHO },
	{ .name = "kechod", .title = "kecho, kechod", .role = ROLE_KECHO, .hosts = 1,
	  .transport = &kechod_here, .waits = "futex", KECHO },
	{ .name = "zmq-ipc", .title = "ZeroMQ ipc", .role = ROLE_PEER, .hosts = 1,
	  .transport = &zmq_ipc_subjects, ZMQ },
	{ .name = "nats", .role = ROLE_PEER, .hosts = 1, .transport = &nats_tcp_subjects, NATS },
	{ .name = "cyclone", .role = ROLE_PEER, .hosts = 1, .transport = &cyclone_udp_subjects,
	  CYCLONE },
	{ .name = "kecho", .title = "kecho, embedded", .role = ROLE_KECHO, .hosts = 2,
	  .transport = &there, .waits = "recv", KECHO },
	{ .name = "kecho-again", .title = "the same once more (A/A)", .role = ROLE_CONTROL,
	  .hosts = 2, .transport = &there, .waits = "recv", KECHO },
	{ .name = "kechod", .title = "kecho, kechod", .role = ROLE_KECHO, .hosts = 2,
	  .transport = &kechod_there, .waits = "futex, epoll in the kechods", KECHO },
	{ .name = "zmq-tcp", .title = "ZeroMQ tcp", .role = ROLE_PEER, .hosts = 2,
	  .transport = &zmq_tcp_subjects, ZMQ },
	{ .name = "nats", .role = ROLE_PEER, .hosts = 2, .transport = &nats_tcp_subjects, NATS },
	{ .name = "cyclone", .role = ROLE_PEER, .hosts = 2, .transport = &cyclone_udp_subjects,
	  CYCLONE },
};

/* @from, if it was built, with another attach(). */
static void derive(struct transport *t, const struct transport *from,
		   int (*attach)(void *state, unsigned int subject))
{
	struct peer *p;

	if (from) {
		*t = *from;
		t->attach = attach;
		return;
	}
	for (p = entrants; p < entrants + LIST_SIZE; p++)
		if (p->transport == t)
			p->transport = NULL;
}

const struct peer *list_peers(void)
{
	derive(&here, &kecho_local, attach_here);
	derive(&there, &kecho_remote, attach_there);
	derive(&kechod_here, &kechod_local, attach_kechod);
	derive(&kechod_there, &kechod_remote, attach_kechod);
	return entrants;
}
