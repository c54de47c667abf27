/* SPDX-License-Identifier: MIT */
/*
 * Cyclone DDS: reliable, all history is kept, so nothing is lost: a writer waits while
 * too much is not acknowledged. Written events are packed until they are flushed, at the
 * end of each publish(). A sink waits in a waitset and takes samples on loan.
 */
#include "cyclone_event.h"
#include "../hosts.h"
#include "../measure.h"
#include "../subject.h"
#include "../transport.h"

#include <dds/dds.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH	64	/* events of one receive() */

/* Its own advice for large samples: datagrams as large as UDP has them. */
#define CONFIG									\
	"<Domain><General><Interfaces><NetworkInterface address=\"%s\"/>"	\
	"</Interfaces><MaxMessageSize>65500B</MaxMessageSize>"			\
	"<FragmentSize>65000B</FragmentSize></General></Domain>"

struct cyclone {
	unsigned int nsinks;
	dds_entity_t participant, end, waitset;
	void *sample[BATCH];
	int32_t held;	/* of sample */
	uint32_t subject;	/* what a filtered reader wants */
};

static int explain(const char *what, dds_return_t rc)
{
	if (rc >= 0)
		return 0;
	fprintf(stderr, "cyclone: can't %s: %s\n", what, dds_strretcode(rc));
	return rc == DDS_RETCODE_TIMEOUT ? -ETIMEDOUT : -EIO;
}

static int prepare(void **state, unsigned int nsinks, size_t len)
{
	struct cyclone *c = calloc(1, sizeof(*c));

	(void)len;
	if (!c)
		return -ENOMEM;
	c->nsinks = nsinks;
	*state = c;
	return 0;
}

/* The topic that both ends have; the participant is on the caller's host. */
static int open_topic(struct cyclone *c, unsigned int host, dds_entity_t *topic)
{
	char config[512];

	snprintf(config, sizeof(config), CONFIG, hosts_address(host));
	setenv("CYCLONEDDS_URI", config, 1);
	c->participant = dds_create_participant(DDS_DOMAIN_DEFAULT, NULL, NULL);
	if (c->participant < 0)
		return explain("take part", c->participant);
	*topic = dds_create_topic(c->participant, &CycloneEvent_desc, "events", NULL, NULL);
	return explain("open a topic", *topic);
}

static dds_qos_t *quality(void)
{
	dds_qos_t *q = dds_create_qos();

	dds_qset_reliability(q, DDS_RELIABILITY_RELIABLE, DDS_SECS(TRANSPORT_TIMEOUT_S));
	dds_qset_history(q, DDS_HISTORY_KEEP_ALL, 0);
	return q;
}

static int await_matched(struct cyclone *c, bool writer, unsigned int n)
{
	uint64_t until = measure_now_ns() + TRANSPORT_TIMEOUT_S * MEASURE_NS_PER_S;
	dds_publication_matched_status_t sinks;
	dds_subscription_matched_status_t sources;
	dds_return_t rc;
	uint32_t have;

	do {
		if (measure_now_ns() > until)
			return explain("find all others", DDS_RETCODE_TIMEOUT);
		usleep(1000);
		rc = writer ? dds_get_publication_matched_status(c->end, &sinks) :
			      dds_get_subscription_matched_status(c->end, &sources);
		if (rc < 0)
			return explain("find others", rc);
		have = writer ? sinks.current_count : sources.current_count;
	} while (have < n);
	return 0;
}

static int read_topic(struct cyclone *c, dds_entity_t topic)
{
	dds_entity_t condition;
	dds_qos_t *q;
	int err;

	q = quality();
	c->end = dds_create_reader(c->participant, topic, q, NULL);
	dds_delete_qos(q);
	if (c->end < 0)
		return explain("read", c->end);
	condition = dds_create_readcondition(c->end, DDS_ANY_STATE);
	c->waitset = dds_create_waitset(c->participant);
	err = explain("make a waitset", dds_waitset_attach(c->waitset, condition, 0));
	return err ? err : await_matched(c, false, 1);
}

static int attach(void *state, unsigned int sink)
{
	struct cyclone *c = state;
	dds_entity_t topic;
	int err = open_topic(c, HOST_SINKS, &topic);

	(void)sink;
	return err ? err : read_topic(c, topic);
}

static bool is_wanted(const void *sample, void *arg)
{
	const CycloneEvent *e = sample;
	const struct cyclone *c = arg;

	return e->data._length >= sizeof(c->subject) && subject_of(e->data._buffer) == c->subject;
}

/* A filter of a topic is its readers', which get everything. */
static int attach_subject(void *state, unsigned int subject)
{
	struct cyclone *c = state;
	dds_entity_t topic;
	int err = open_topic(c, HOST_SINKS, &topic);

	if (err)
		return err;
	c->subject = subject;
	err = explain("set a filter", dds_set_topic_filter_and_arg(topic, is_wanted, c));
	return err ? err : read_topic(c, topic);
}

static int connect_all(void *state)
{
	struct cyclone *c = state;
	dds_entity_t topic;
	dds_qos_t *q;
	int err = open_topic(c, HOST_PUBLISHER, &topic);

	if (err)
		return err;
	dds_write_set_batch(true);
	q = quality();
	c->end = dds_create_writer(c->participant, topic, q, NULL);
	dds_delete_qos(q);
	return c->end < 0 ? explain("write", c->end) : await_matched(c, true, c->nsinks);
}

static int publish(void *state, const struct iovec *events, size_t n)
{
	struct cyclone *c = state;
	CycloneEvent e = { 0 };
	dds_return_t rc = 0;
	size_t i;

	for (i = 0; i < n && rc >= 0; i++) {
		e.data._buffer = events[i].iov_base;
		e.data._length = e.data._maximum = (uint32_t)events[i].iov_len;
		rc = dds_write(c->end, &e);
	}
	dds_write_flush(c->end);
	return explain("write", rc);
}

static int let_go(struct cyclone *c)
{
	dds_return_t rc = c->held ? dds_return_loan(c->end, c->sample, c->held) : 0;

	c->held = 0;
	return explain("return a loan", rc);
}

static ssize_t receive(void *state, struct iovec *events, size_t max)
{
	struct cyclone *c = state;
	dds_sample_info_t info[BATCH];
	const CycloneEvent *e;
	ssize_t n = 0;
	int32_t i;
	int err;

	while (!n) {
		err = let_go(c);
		if (err)
			return err;
		c->held = dds_take(c->end, c->sample, info, BATCH, BATCH);
		if (!c->held)
			c->held = dds_waitset_wait(c->waitset, NULL, 0, DDS_INFINITY) < 0 ?
					  DDS_RETCODE_ERROR : 0;
		if (c->held < 0)
			return explain("receive", c->held);
		for (i = 0; i < c->held && (size_t)n < max; i++) {
			e = c->sample[i];
			if (info[i].valid_data)
				events[n++] = (struct iovec){ e->data._buffer, e->data._length };
		}
	}
	return n;
}

static void release(void *state)
{
	struct cyclone *c = state;

	if (c->held > 0)
		let_go(c);
	if (c->participant > 0)
		dds_delete(c->participant);
	free(c);
}

const struct transport cyclone_udp = {
	.name = "cyclone",
	.prepare = prepare,
	.attach = attach,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};

const struct transport cyclone_udp_subjects = {
	.name = "cyclone, subjects",
	.prepare = prepare,
	.attach = attach_subject,
	.connect = connect_all,
	.publish = publish,
	.receive = receive,
	.release = release,
};
