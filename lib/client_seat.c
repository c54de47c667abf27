// SPDX-License-Identifier: MIT
/*
 * Filters of sinks that are attached to a node: it is told of them, and what the sources say
 * of them comes back in notes, by which the feeds are read.
 *
 * The filter is put down where it is set, with a version that goes up; one thread at a time
 * tells the node, of the newest. So the node hears of them in order, and one that comes after
 * it may be told all over again.
 */
#include "client.h"
#include "feed.h"
#include "filter_impl.h"
#include "kecho/type.h"

/* Without memory for it none is told, and the sink judges by itself. */
void client_seat(struct kecho_sink *s, const struct kecho_filter *f, const struct kecho_type *type)
{
	struct client_filter *cf = &s->told;
	const void *blob = NULL;
	size_t type_len = 0;

	free(cf->wire);
	*cf = (struct client_filter){ .version = cf->version + 1 };
	if (!f)
		return;
	if (type)
		blob = kecho_type_wire(type, &type_len);
	cf->wire = malloc(f->len + type_len);
	if (!cf->wire)
		return;
	if (type_len)
		memcpy(cf->wire + f->len, blob, type_len);
	memcpy(cf->wire, f->wire, f->len);
	cf->len = f->len + type_len;
	cf->type_len = type_len;
}

/* As it is now; @wire is the caller's to free. False: no memory. */
static bool newest(struct kecho_sink *s, struct client_filter *to)
{
	lib_lock(&s->filter_lock);
	*to = s->told;
	if (to->len) {
		to->wire = malloc(to->len);
		if (to->wire)
			memcpy(to->wire, s->told.wire, to->len);
	}
	lib_unlock(&s->filter_lock);
	return to->wire || !to->len;
}

static int tell(struct kecho_sink *s, const struct client_filter *cf, int timeout_ms)
{
	struct kecho_ctl_sink_filter body = {
		.version = cpu_to_le32(cf->version),
		.timeout_ms = cpu_to_le32(timeout_ms),
		.len = cpu_to_le32(cf->len),
		.type_len = cpu_to_le32(cf->type_len),
	};
	struct client_call call = { .cmd = KECHO_CMD_SINK_FILTER, .handle = &s->handle };
	struct kvec req[2] = { { &body, sizeof(body) }, { cf->wire, cf->len } };

	client_call(s->ch->k->client, &call, req, 2, timeout_ms);
	client_call_end(&call);
	return call.result;
}

/*
 * The newest filter; gives its version. One that the node can't have is told to be none, or
 * sources would go on by the one before. Whoever is gone is told by who joins us again.
 */
static u32 tell_newest(struct kecho_sink *s, int timeout_ms)
{
	struct client_filter cf;
	int err = newest(s, &cf) ? tell(s, &cf, timeout_ms) : -ENOMEM;

	free(cf.wire);
	if (err && err != -ENOTCONN) {
		cf.wire = NULL;
		cf.len = cf.type_len = 0;
		tell(s, &cf, timeout_ms);
	}
	return cf.version;
}

static bool is_newest(struct kecho_sink *s, u32 version)
{
	bool newest;

	lib_lock(&s->filter_lock);
	newest = s->told.version == version;
	lib_unlock(&s->filter_lock);
	return newest;
}

/* False: another thread does, and sees that there is more to tell. */
static bool begin(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	bool helper = pthread_equal(pthread_self(), k->helper), mine;

	pthread_mutex_lock(&k->lock);
	while (s->telling && !helper)
		lib_wait(k, lib_deadline(CALL_MS));
	mine = !s->telling;
	s->telling = true;
	pthread_mutex_unlock(&k->lock);
	return mine;
}

static void end(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;

	pthread_mutex_lock(&k->lock);
	s->telling = false;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

int client_seated(struct kecho_sink *s)
{
	u32 version;

	do {
		if (!begin(s))
			return 0;
		do
			version = tell_newest(s, SEAT_MS);
		while (!is_newest(s, version));
		end(s);
		/* The helper may have left it to us just now. */
	} while (!is_newest(s, version));
	return 0;
}

/* The helper; the sink is that of a new node, which waits for nobody. */
void client_seat_again(struct kecho_sink *s)
{
	if (!is_newest(s, 0))
		tell_newest(s, 0);
}

/* What a source says; the kecho lock is held. */
int client_judged(struct client *c, struct client_msg *m, struct kecho_sink *s, struct feed *f)
{
	const struct kecho_note_judged *n = (const void *)m->body;
	struct ke_verdict v = {
		.version = le32_to_cpu(n->version), .bit = n->bit,
		.from = le32_to_cpu(n->from), .since = le32_to_cpu(n->since),
	};

	if (v.bit > KE_BIT_ALL || v.since > v.from)
		return -EPROTO;
	if (!f)
		return 0;
	lib_lock(&s->lock);
	seat_go_by(f, &v);
	smp_store_release(&f->slot->judged, cpu_to_le64(le32_to_cpu(n->number)));
	lib_unlock(&s->lock);
	client_ring(c->k);
	return 0;
}
