/* SPDX-License-Identifier: MIT */
/* What a node's sink hears; see ears.h. */
#include <assert.h>
#include <string.h>

#include "ears.h"

void ears_init(struct ears *e, struct kecho_channel *ch)
{
	memset(e, 0, sizeof(*e));
	e->ch = ch;
	pthread_mutex_init(&e->lock, NULL);
}

static int known_host(struct ears *e, uint64_t id)
{
	int host = -1;

	pthread_mutex_lock(&e->lock);
	for (unsigned int i = 0; i < e->nknown && host < 0; i++)
		if (e->known[i].id == id)
			host = e->known[i].host;
	pthread_mutex_unlock(&e->lock);
	return host;
}

int ears_host_of(struct ears *e, uint64_t id)
{
	struct kecho_value v;
	int host = known_host(e, id);

	if (host >= 0)
		return host;
	if (kecho_member_get(e->ch, id, EARS_HOST_ATTR, &v, NULL, 0) || v.kind != KECHO_I64 ||
	    v.i64 < 0 || v.i64 >= HOSTS)
		return -1;
	/* Remembered: after its death a member's attributes are gone. */
	pthread_mutex_lock(&e->lock);
	if (e->nknown < EARS_MEMBERS_MAX) {
		e->known[e->nknown].id = id;
		e->known[e->nknown++].host = (int)v.i64;
	}
	pthread_mutex_unlock(&e->lock);
	return (int)v.i64;
}

/* @first to @last came, or were said to be lost: what should have come? */
static void follow(struct wire_ear *ear, uint64_t source, uint64_t first, uint64_t last)
{
	uint64_t wanted = ear->last_seq + 1;

	if (ear->source != source) {
		/* A new one: it is heard from where the sink joined. */
		ear->source = source;
		ear->last_seq = last;
		return;
	}
	if (first > wanted)
		ear->unexplained += first - wanted;
	else if (first < wanted)
		ear->unexplained += (last < wanted ? last + 1 : wanted) - first;
	if (last > ear->last_seq)
		ear->last_seq = last;
}

static void hear_event(struct wire_ear *ear, const struct kecho_event *ev, uint64_t now_ns)
{
	int64_t age_ns = (int64_t)(now_ns - ev->time_ns);

	follow(ear, ev->source, ev->seq, ev->seq);
	ear->received++;
	hist_count(&ear->latency, age_ns);
	if (age_ns > WIRE_LATE_NS)
		ear->late++;
	if (ear->heard_ns && now_ns - ear->heard_ns > WIRE_SILENCE_NS)
		ear->revived_ns = now_ns;
	ear->heard_ns = now_ns;
}

int ears_hear(struct ears *e, const struct kecho_event *ev)
{
	uint64_t now_ns = wire_now_ns();
	int host = ears_host_of(e, ev->source);
	struct wire_ear *ear;

	if (host < 0)
		return host;
	ear = &e->ear[host];
	pthread_mutex_lock(&e->lock);
	if (ev->kind == KECHO_EVENT) {
		hear_event(ear, ev, now_ns);
	} else if (ev->kind == KECHO_LOST) {
		assert(ev->last_seq >= ev->seq);
		follow(ear, ev->source, ev->seq, ev->last_seq);
		ear->lost += ev->last_seq - ev->seq + 1;
	}
	pthread_mutex_unlock(&e->lock);
	return host;
}

void ears_take(struct ears *e, struct wire_ear ear[HOSTS])
{
	pthread_mutex_lock(&e->lock);
	memcpy(ear, e->ear, sizeof(e->ear));
	for (int i = 0; i < HOSTS; i++)
		memset(&e->ear[i].latency, 0, sizeof(e->ear[i].latency));
	pthread_mutex_unlock(&e->lock);
}
