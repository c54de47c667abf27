// SPDX-License-Identifier: MIT
/*
 * Channels, sources and sinks of a process that is attached to a node: coming and going.
 *
 * What is in the lists is joined with the node, or with the next one by the helper. So
 * it gets there only while the node is still that which has answered, and leaves when
 * the helper is not about to join it.
 */
#include "client.h"
#include "feed.h"

/* Live attributes, as they are now; the memory is the caller's. */
static int put_attrs(struct kecho *k, const struct ke_attrs *a, struct kvec *v, __le32 *len)
{
	struct ke_out o = { 0 };

	pthread_mutex_lock(&k->lock);
	o.size = ke_attrs_live_len(a);
	o.buf = malloc(o.size);
	if (o.buf)
		ke_attrs_put(&o, a, lib_deadline(0));
	pthread_mutex_unlock(&k->lock);
	if (!o.buf)
		return lib_fail(-ENOMEM, "attributes");
	*v = (struct kvec){ o.buf, o.len };
	*len = cpu_to_le32(o.len);
	return 0;
}

/* Locks. Whether things may be put into lists that the node of @generation has. */
bool client_lock_joined(struct kecho *k, u32 generation)
{
	pthread_mutex_lock(&k->lock);
	return k->client->state != CLIENT_LOST && k->client->generation == generation;
}

/* Locks. The helper is not joining anything anew, nor about to stop it because the node that
 * it did it with has gone. Gives the node's generation. */
static u32 lock_leaving(struct kecho *k)
{
	pthread_mutex_lock(&k->lock);
	while (k->client->rejoining)
		lib_wait(k, lib_deadline(CALL_MS));
	return k->client->generation;
}

/* ----------------------------------------------------------------- channels */

/* Asks for it, and takes the answer: its handle. The name is in place already if it is
 * not for the first time. */
static int ask_channel(struct kecho_channel *ch, const char *name, unsigned int flags,
		       struct client_call *call)
{
	struct kecho_ctl_channel_open open = { .flags = cpu_to_le32(flags),
					       .timeout_ms = cpu_to_le32(ch->timeout_ms) };
	struct kvec req = { &open, sizeof(open) };
	int err;

	strscpy(open.name, name, sizeof(open.name));
	client_call(ch->k->client, call, &req, 1, ch->timeout_ms);
	err = client_asked(call, &open, sizeof(open), "channel ", name);
	client_call_end(call);
	if (!err && !open.channel)
		err = lib_fail(-EPROTO, "channel '%s': kechod's answer", name);
	if (err)
		return err;
	memcpy(ch->ch.uuid.b, open.uuid, sizeof(ch->ch.uuid.b));
	ch->client->handle = le32_to_cpu(open.channel);
	return 0;
}

int client_channel_again(struct kecho_channel *ch)
{
	struct client_call call = { .cmd = KECHO_CMD_CHANNEL_OPEN };

	return ask_channel(ch, ch->ch.name, 0, &call);
}

int client_channel_join(struct kecho_channel *ch, const char *name, unsigned int flags)
{
	struct client_call call = { .cmd = KECHO_CMD_CHANNEL_OPEN };
	struct kecho *k = ch->k;
	int err;

	ch->client = client_channel_make();
	if (!ch->client)
		return lib_fail(-ENOMEM, "channel '%s'", name);
	strscpy(ch->ch.name, name, sizeof(ch->ch.name));
	err = ask_channel(ch, name, flags, &call);
	if (!client_lock_joined(k, call.generation) && !err)
		err = lib_fail(-ENOTCONN, "channel '%s': kechod is gone", name);
	if (!err)
		list_add_tail(&ch->list, &k->channels);
	else
		client_channel_free(ch);
	pthread_mutex_unlock(&k->lock);
	return err;
}

void client_channel_leave(struct kecho_channel *ch)
{
	struct client_call call = { .cmd = KECHO_CMD_CHANNEL_CLOSE,
				    .handle = &ch->client->handle };
	struct kecho_ctl_channel close = { 0 };
	struct kvec req = { &close, sizeof(close) };
	struct kecho *k = ch->k;

	call.generation = lock_leaving(k);
	list_del(&ch->list);
	pthread_mutex_unlock(&k->lock);
	client_call(k->client, &call, &req, 1, 0);
	client_call_end(&call);
	pthread_mutex_lock(&k->lock);
	client_channel_free(ch);
	pthread_mutex_unlock(&k->lock);
}

/* ------------------------------------------------------------------ sources */

/* What the node has made for a source that is new to it. */
struct made {
	struct shared_log *log;	/* as it was, if the source was there before the node */
	size_t log_size;
	u32 handle, slot, gate;
	u64 member;
	u32 generation;
};

static int close_at_node(struct kecho *k, const u32 *handle, int linger_ms, u32 generation)
{
	struct client_call call = { .cmd = KECHO_CMD_SOURCE_CLOSE, .handle = handle,
				    .generation = generation };
	struct kecho_ctl_source close = { .linger_ms = cpu_to_le32(linger_ms) };
	struct kvec req = { &close, sizeof(close) };
	int err = client_call(k->client, &call, &req, 1, linger_ms);

	client_call_end(&call);
	return err;
}

static int take_made(struct kecho_source *s, const struct kecho_ctl_source_open *open, int fd,
		     struct made *m)
{
	struct client *c = s->ch->k->client;
	struct stat st;

	m->handle = le32_to_cpu(open->source);
	m->slot = le32_to_cpu(open->slot);
	m->gate = le32_to_cpu(open->gate);
	m->member = le64_to_cpu(open->member);
	if (!m->handle || m->slot >= c->pages->slots || m->gate >= c->pages->slots ||
	    le64_to_cpu(open->log_size) != m->log_size)
		return -EPROTO;
	if (m->log)
		return 0;
	if (fd < 0 || fstat(fd, &st) || (u64)st.st_size != KECHO_LOG_HEADER_SIZE + m->log_size)
		return -EPROTO;
	m->log = shared_log_open(fd, m->log_size, PROT_READ | PROT_WRITE);
	if (m->log)	/* the next node is to have it, perhaps */
		m->log->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return m->log ? 0 : -ENOMEM;
}

/* The node is a new one: this is what the source was with the one before. */
static void say_again(const struct kecho_source *s, struct kecho_ctl_source_open *open)
{
	open->again = cpu_to_le32(true);
	open->member = cpu_to_le64(s->s.member.id);
	open->limit = READ_ONCE(s->slot->limit);
	open->generation = cpu_to_le32(s->generation);
	open->names = cpu_to_le32(READ_ONCE(s->names));
}

static int make_at_node(struct kecho_source *s, struct made *m)
{
	struct kecho_ctl_source_open open = {
		.log_size = cpu_to_le64(m->log_size), .retain = cpu_to_le32(s->ch->retain),
		.stall_ms = cpu_to_le32(s->s.stall_ms ?: ~0u),
		.traffic_class = cpu_to_le32(s->s.member.traffic_class),
		.alive_ms = cpu_to_le32(s->s.member.alive_ms),
	};
	struct client_call call = { .cmd = KECHO_CMD_SOURCE_OPEN,
				    .handle = &s->ch->client->handle };
	struct kvec req[2] = { { &open, sizeof(open) } };
	int err, fd;

	err = put_attrs(s->ch->k, &s->s.member.attrs, &req[1], &open.attrs_len);
	if (err)
		return err;
	if (m->log) {
		say_again(s, &open);
		call.give = &m->log->fd;
	}
	client_call(s->ch->k->client, &call, req, 2, 0);
	err = client_asked(&call, &open, sizeof(open), "source of ", s->ch->ch.name);
	m->generation = call.generation;
	if (!err) {
		fd = client_take_fd(&call, 0);
		err = take_made(s, &open, fd, m);
		if (fd >= 0)
			close(fd);
		if (err) {
			close_at_node(s->ch->k, &m->handle, 0, m->generation);
			lib_fail(err, "source of '%s': its log", s->ch->ch.name);
		}
	}
	client_call_end(&call);
	free(req[1].iov_base);
	return err;
}

/* As the node counted them that is gone. */
static void keep_counts(struct kecho_source *s)
{
	s->s.stalls += le32_to_cpu(READ_ONCE(s->slot->stalls));
	s->s.expired += le64_to_cpu(READ_ONCE(s->slot->expired));
}

/* The node is that of @m from here on; the kecho lock is held. */
static void take_node(struct kecho_source *s, const struct made *m)
{
	struct client *c = s->ch->k->client;

	s->handle = m->handle;
	WRITE_ONCE(s->s.member.id, m->member);
	if (s->slot)
		keep_counts(s);
	s->slot = &c->pages->limits[m->slot];
	s->counters = &c->pages->gates[m->gate];
	s->asked = 0;
	s->s.frozen = s->ch->client->frozen;
	s->rings = 0;
	s->unjudged = false;
	s->node_rings = true;
	client_pages_put(s->pages);
	s->pages = c->pages;
	atomic_fetch_add(&s->pages->refs, 1);
}

static void take_log(struct kecho_source *s, const struct made *m)
{
	s->log = m->log;
	ke_log_init(&s->s.log, m->log->map, (char *)m->log->map + KECHO_LOG_HEADER_SIZE,
		    m->log_size, 0, 0);
}

static int say_ready(struct kecho_source *s, u32 generation)
{
	struct client_call call = { .cmd = KECHO_CMD_SOURCE_READY, .handle = &s->handle,
				    .generation = generation };
	struct kecho_ctl_source ready = { 0 };
	struct kvec req = { &ready, sizeof(ready) };
	int err;

	client_call(s->ch->k->client, &call, &req, 1, JOIN_MS);
	err = client_asked(&call, &ready, sizeof(ready), "source of ", s->ch->ch.name);
	client_call_end(&call);
	return err;
}

/* The helper, of a source in the list; the node is a new one. */
int client_source_again(struct kecho_source *s)
{
	struct made m = { .log = s->log, .log_size = s->s.log.size };
	int err = make_at_node(s, &m);

	if (err)
		return err;
	pthread_mutex_lock(&s->ch->k->lock);
	lib_lock(&s->lock);
	take_node(s, &m);
	lib_unlock(&s->lock);
	client_room_wake(s);
	pthread_mutex_unlock(&s->ch->k->lock);
	return client_announce_again(s) ?: say_ready(s, 0) ?: client_choice_again(s);
}

int client_source_join(struct kecho_source *s, size_t log_size)
{
	struct made m = { .log_size = log_size };
	struct kecho *k = s->ch->k;
	int err = make_at_node(s, &m);

	if (err)
		return err;
	ke_source_init(&s->s, &k->node);
	if (client_lock_joined(k, m.generation)) {
		take_log(s, &m);
		take_node(s, &m);
		list_add_tail(&s->list, &s->ch->sources);
	} else {
		err = lib_fail(-ENOTCONN, "source of '%s': kechod is gone", s->ch->ch.name);
		shared_log_put(m.log);
	}
	pthread_mutex_unlock(&k->lock);
	if (err)
		return err;
	err = say_ready(s, m.generation);
	if (!err || err == -ENOTCONN)	/* the helper joins it with the next node */
		return 0;
	s->linger_ms = -1;
	client_source_leave(s);
	return err;
}

void client_source_leave(struct kecho_source *s)
{
	struct kecho *k = s->ch->k;
	u32 generation;

	lib_lock(&s->lock);
	WRITE_ONCE(s->s.closed, true);
	client_tell(s);
	lib_unlock(&s->lock);
	client_room_wake(s);
	generation = lock_leaving(k);
	list_del(&s->list);
	pthread_mutex_unlock(&k->lock);
	/* Without a node nobody else tells who reads it. */
	if (close_at_node(k, &s->handle, max(s->linger_ms, 0), generation) == -ENOTCONN)
		smp_store_release(&s->s.log.hdr->want, cpu_to_le64(KE_NO_LIMIT));
}

/* -------------------------------------------------------------------- sinks */

/* The node has made it: it has a handle, and notes about it may have come. */
static int take_sink(struct kecho_sink *s, const struct kecho_ctl_sink_open *open)
{
	struct client *c = s->ch->k->client;

	s->handle = le32_to_cpu(open->sink);
	if (!s->handle || le32_to_cpu(open->gate) >= c->pages->slots ||
	    le32_to_cpu(open->slot) >= c->pages->slots)
		return -EPROTO;
	lib_lock(&s->lock);
	WRITE_ONCE(s->m.id, le64_to_cpu(open->member));
	s->kept = &c->pages->limits[le32_to_cpu(open->slot)];
	client_pages_put(s->pages);
	s->pages = c->pages;
	atomic_fetch_add(&s->pages->refs, 1);
	s->counters = &c->pages->gates[le32_to_cpu(open->gate)];
	lib_unlock(&s->lock);
	return 0;
}

/* @first: it is not in the list of its channel yet. @retained as in the request. */
static int ask_sink(struct kecho_sink *s, u32 retained, bool first)
{
	struct kecho_ctl_sink_open open = {
		.policy = cpu_to_le32(s->m.policy), .retained = cpu_to_le32(retained),
		.member = cpu_to_le64(first ? 0 : s->m.id),
		.boost_us = cpu_to_le32(s->boost_us),
	};
	struct client_call call = { .cmd = KECHO_CMD_SINK_OPEN,
				    .handle = &s->ch->client->handle };
	struct kvec req[2] = { { &open, sizeof(open) } };
	struct kecho *k = s->ch->k;
	int err, bad;

	err = put_attrs(k, &s->m.attrs, &req[1], &open.attrs_len);
	if (err)
		return err;
	pthread_mutex_lock(&k->lock);
	client_join_begin(k->client);
	pthread_mutex_unlock(&k->lock);
	client_call(k->client, &call, req, 2, JOIN_MS);
	err = client_asked(&call, &open, sizeof(open), "sink of ", s->ch->ch.name);
	client_call_end(&call);
	free(req[1].iov_base);
	if (!client_lock_joined(k, call.generation) && !err)
		err = lib_fail(-ENOTCONN, "sink of '%s': kechod is gone", s->ch->ch.name);
	if (!err && first)
		list_add_tail(&s->list, &s->ch->sinks);
	bad = err ? 0 : take_sink(s, &open);
	bad = client_join_end(k->client, err ? NULL : s) ?: bad;
	if (bad)
		client_lost(k->client);
	pthread_mutex_unlock(&k->lock);
	return err;
}

/* The helper, of a sink in the list; the node is a new one. */
int client_sink_again(struct kecho_sink *s)
{
	int err = ask_sink(s, KECHO_FROM_REJOIN, false);

	if (err)
		return err;
	client_orphan_mirrors(s);
	client_seat_again(s);
	return 0;
}

int client_sink_join(struct kecho_sink *s)
{
	s->says = true;
	return ask_sink(s, s->retained, true);
}

void client_sink_leave(struct kecho_sink *s)
{
	struct client_call call = { .cmd = KECHO_CMD_SINK_CLOSE, .handle = &s->handle };
	struct kecho_ctl_sink close = { 0 };
	struct kvec req = { &close, sizeof(close) };
	struct kecho *k = s->ch->k;
	struct feed *f;

	call.generation = lock_leaving(k);
	lib_lock(&s->lock);
	list_del(&s->list);
	lib_unlock(&s->lock);
	pthread_mutex_unlock(&k->lock);
	client_call(k->client, &call, &req, 1, 0);
	client_call_end(&call);
	pthread_mutex_lock(&k->lock);
	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		f->slot = NULL;		/* the node's again */
	lib_unlock(&s->lock);
	feeds_end(s);
	pthread_mutex_unlock(&k->lock);
}
