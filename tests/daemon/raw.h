/* SPDX-License-Identifier: MIT */
/*
 * Processes that speak with a kechod, or with the kernel's node, without the library: so that
 * they may say anything. One file includes it.
 */
#ifndef KECHO_RAW_H
#define KECHO_RAW_H

#include "daemon_test.h"
#include "log.h"
#include "reader.h"
#include "uapi/kecho_node.h"

#include <sys/eventfd.h>

enum {
	RAW_NOTES_MAX = 256,
	RAW_FDS = 3,
	RAW_LOG = KE_LOG_SIZE_MIN,
	SAID_MS = 5000,		/* longer than any answer takes that comes */
};

/* What came: a note, or an answer. */
struct raw_msg {
	u32 cmd, serial;
	s32 result;
	u32 len;
	int fd[RAW_FDS];
	unsigned int nfds;
	u64 body[1024];		/* its beginning */
};

/* A process as a node sees one: a connection. */
struct raw {
	int fd;
	bool device;		/* of /dev/kecho */
	u32 serial, slots;
	struct kecho_gate_slot *gates;
	const struct kecho_limit_slot *limits;
	int bell;
	struct raw_msg *note[RAW_NOTES_MAX];
	unsigned int nnotes;
	void (*seen)(struct raw *r, struct raw_msg *m);	/* of all that comes; may be NULL */
};

/* ---------------------------------------------------------------- messages */

static inline void raw_free(struct raw_msg *m)
{
	unsigned int i;

	for (i = 0; m && i < m->nfds; i++)
		close(m->fd[i]);
	free(m);
}

/* @n descriptors go with the message @h; @control has CMSG_SPACE() for them. */
static inline void raw_give(struct msghdr *h, void *control, const int *fd, u32 n)
{
	struct cmsghdr *c = control;

	if (!n)
		return;
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(n * sizeof(int));
	*c = (struct cmsghdr){ CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), fd, n * sizeof(int));
}

/* A message is one write() there. */
static inline ssize_t raw_write(struct raw *r, const struct msghdr *m)
{
	static u8 buf[3 * KECHO_MSG_MAX];
	size_t i, len = 0;

	for (i = 0; i < m->msg_iovlen; i++) {
		memcpy(buf + len, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		len += m->msg_iov[i].iov_len;
	}
	return write(r->fd, buf, len);
}

static inline int raw_say(struct raw *r, const struct msghdr *m, int flags)
{
	ssize_t n = r->device ? raw_write(r, m) : sendmsg(r->fd, m, MSG_NOSIGNAL | flags);

	return n < 0 ? -errno : 0;
}

static inline int raw_send(struct raw *r, u32 cmd, const void *body, u32 len, const void *tail,
			   u32 tail_len)
{
	struct kecho_msg msg = { .cmd = cmd, .serial = ++r->serial, .len = len + tail_len };
	struct iovec v[] = { { &msg, sizeof(msg) }, { (void *)body, len },
			     { (void *)tail, tail_len } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };

	return raw_say(r, &m, 0);
}

/* As raw_hear(). */
static inline ssize_t raw_receive(struct raw *r, struct kecho_msg *msg, struct raw_msg *m)
{
	static u8 buf[KECHO_MSG_MAX] __attribute__((aligned(8)));
	struct kecho_dev_receive in = { .buf = (uintptr_t)buf };
	ssize_t n = ioctl(r->fd, KECHO_DEV_RECEIVE, &in);

	if (n < (ssize_t)sizeof(*msg))
		return n < 0 && errno == ECONNRESET ? 0 : -1;
	memcpy(msg, buf, sizeof(*msg));
	memcpy(m->body, buf + sizeof(*msg), min(n - sizeof(*msg), sizeof(m->body)));
	m->nfds = in.nfds;
	memcpy(m->fd, in.fd, in.nfds * sizeof(int));
	return n;
}

/* What lies there to be read: bytes; 0: the connection has ended. */
static inline ssize_t raw_hear(struct raw *r, struct kecho_msg *msg, struct raw_msg *m)
{
	char control[CMSG_SPACE(RAW_FDS * sizeof(int))];
	struct iovec v[] = { { msg, sizeof(*msg) }, { m->body, sizeof(m->body) } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = 2, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	if (r->device)
		return raw_receive(r, msg, m);
	n = recvmsg(r->fd, &h, MSG_CMSG_CLOEXEC);
	c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
	if (c) {
		m->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fd, CMSG_DATA(c), m->nfds * sizeof(int));
	}
	return n;
}

/* The next message; NULL: none comes, or the connection has ended (errno 0). */
static inline struct raw_msg *raw_recv(struct raw *r, int timeout_ms)
{
	struct raw_msg *m = calloc(1, sizeof(*m));
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct kecho_msg msg;
	ssize_t n = -1;

	errno = ETIMEDOUT;
	if (poll(&p, 1, timeout_ms) == 1)
		n = raw_hear(r, &msg, m);
	if (n < (ssize_t)sizeof(msg)) {
		if (n >= 0)
			errno = 0;
		free(m);
		return NULL;
	}
	m->cmd = msg.cmd;
	m->serial = msg.serial;
	m->result = msg.result;
	m->len = msg.len;
	if (r->seen)
		r->seen(r, m);
	return m;
}

/* The answer to the request of @serial; notes that come before it are kept. */
static inline struct raw_msg *raw_answer(struct raw *r, u32 serial)
{
	struct raw_msg *m;

	while ((m = raw_recv(r, SAID_MS))) {
		if (m->serial == serial)
			return m;
		if (m->serial || r->nnotes == RAW_NOTES_MAX)
			raw_free(m);
		else
			r->note[r->nnotes++] = m;
	}
	return NULL;
}

/* The first note of @cmd, kept or to come. */
static inline struct raw_msg *raw_note(struct raw *r, u32 cmd, int timeout_ms)
{
	struct raw_msg *m;
	unsigned int i;

	for (i = 0; i < r->nnotes; i++) {
		m = r->note[i];
		if (m->cmd != cmd)
			continue;
		memmove(&r->note[i], &r->note[i + 1], (--r->nnotes - i) * sizeof(m));
		return m;
	}
	while ((m = raw_recv(r, timeout_ms))) {
		if (m->cmd == cmd && !m->serial)
			return m;
		if (r->nnotes < RAW_NOTES_MAX)
			r->note[r->nnotes++] = m;
		else
			raw_free(m);
	}
	return NULL;
}

/* A request and its answer, whose struct replaces @body's. -errno as it was answered, or
 * -EPIPE: kechod has hung up, -ETIMEDOUT: it says nothing. */
static inline int raw_call_fds(struct raw *r, u32 cmd, void *body, u32 len, const void *tail,
			       u32 tail_len, int *fd, unsigned int nfds)
{
	struct raw_msg *m;
	unsigned int i;
	int err = raw_send(r, cmd, body, len, tail, tail_len);

	if (err)
		return err == -ECONNRESET ? -EPIPE : err;
	m = raw_answer(r, r->serial);
	if (!m)
		return errno == ETIMEDOUT ? -ETIMEDOUT : -EPIPE;
	err = m->result;
	if (!err)
		memcpy(body, m->body, min(len, m->len));
	if (!err && nfds != m->nfds)
		err = -EBADMSG;
	for (i = 0; !err && i < nfds; i++)
		fd[i] = m->fd[i];
	if (!err)
		m->nfds = 0;
	raw_free(m);
	return err;
}

static inline int raw_call(struct raw *r, u32 cmd, void *body, u32 len)
{
	return raw_call_fds(r, cmd, body, len, NULL, 0, NULL, 0);
}

/* ------------------------------------------------------------------ requests */

/* @d NULL: of the kernel's node. */
static inline bool raw_open(struct raw *r, const struct kechod *d)
{
	memset(r, 0, sizeof(*r));
	r->bell = -1;
	r->device = !d;
	r->fd = d ? daemon_dial(d) : open(KECHO_DEV, O_RDWR | O_CLOEXEC);
	return r->fd >= 0;
}

static inline int raw_attach(struct raw *r)
{
	struct kecho_attach a = { .abi = KECHO_NODE_ABI };
	int fd[3] = { -1, -1, -1 }, err;

	err = raw_call_fds(r, KECHO_CMD_ATTACH, &a, sizeof(a), NULL, 0, fd, r->device ? 2 : 3);
	if (err)
		return err;
	r->slots = a.slots;
	r->gates = mmap(NULL, a.slots * KECHO_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			fd[0], 0);
	r->limits = mmap(NULL, a.slots * KECHO_LIMIT_SIZE, PROT_READ, MAP_SHARED, fd[1], 0);
	r->bell = fd[2];
	close(fd[0]);
	close(fd[1]);
	return r->gates == MAP_FAILED || r->limits == MAP_FAILED ? -ENOMEM : 0;
}

/* The node is to look at what was written. */
static inline bool raw_ring_node(struct raw *r)
{
	u64 one = 1;

	return r->device ? !ioctl(r->fd, KECHO_DEV_RING) :
			   write(r->bell, &one, sizeof(one)) == sizeof(one);
}

static inline void raw_close(struct raw *r)
{
	unsigned int i;

	for (i = 0; i < r->nnotes; i++)
		raw_free(r->note[i]);
	if (r->fd >= 0)
		close(r->fd);
	if (r->bell >= 0)
		close(r->bell);
	if (r->gates && r->gates != MAP_FAILED)
		munmap(r->gates, r->slots * KECHO_SLOT_SIZE);
	if (r->limits && r->limits != MAP_FAILED)
		munmap((void *)r->limits, r->slots * KECHO_LIMIT_SIZE);
	memset(r, 0, sizeof(*r));
	r->fd = r->bell = -1;
}

/* The channel's handle, or -errno. */
static inline int raw_channel_mode(struct raw *r, const char *name, u32 mode)
{
	struct kecho_ctl_channel_open o = { .mode = mode };
	int err;

	snprintf(o.name, sizeof(o.name), "%s", name);
	err = raw_call(r, KECHO_CMD_CHANNEL_OPEN, &o, sizeof(o));
	return err ?: (int)o.channel;
}

static inline int raw_channel(struct raw *r, const char *name)
{
	return raw_channel_mode(r, name, 0);
}

/* A source: its log, mapped as its process has it. */
struct raw_source {
	struct kecho_ctl_source_open o;
	int fd;
	void *map;
	struct ke_log log;
};

/* As s->o says, with a log of RAW_LOG. */
static inline int raw_source_make(struct raw *r, struct raw_source *s)
{
	int err = raw_call_fds(r, KECHO_CMD_SOURCE_OPEN, &s->o, sizeof(s->o), NULL, 0, &s->fd, 1);

	if (err)
		return err;
	s->map = mmap(NULL, KECHO_LOG_HEADER_SIZE + RAW_LOG, PROT_READ | PROT_WRITE, MAP_SHARED,
		      s->fd, 0);
	if (s->map == MAP_FAILED)
		return -ENOMEM;
	return ke_log_init(&s->log, s->map, (u8 *)s->map + KECHO_LOG_HEADER_SIZE, RAW_LOG, 0, 0);
}

static inline int raw_source_open(struct raw *r, int channel, struct raw_source *s, u32 retain)
{
	memset(s, 0, sizeof(*s));
	s->o = (struct kecho_ctl_source_open){ .channel = channel, .log_size = RAW_LOG,
					       .retain = retain };
	return raw_source_make(r, s);
}

static inline int raw_source_ready(struct raw *r, struct raw_source *s)
{
	struct kecho_ctl_source c = { .source = s->o.source };

	return raw_call(r, KECHO_CMD_SOURCE_READY, &c, sizeof(c));
}

static inline int raw_source(struct raw *r, int channel, struct raw_source *s)
{
	return raw_source_open(r, channel, s, 0) ?: raw_source_ready(r, s);
}

static inline int raw_source_close(struct raw *r, struct raw_source *s, u32 linger_ms)
{
	struct kecho_ctl_source c = { .source = s->o.source, .linger_ms = linger_ms };

	return raw_call(r, KECHO_CMD_SOURCE_CLOSE, &c, sizeof(c));
}

static inline void raw_source_free(struct raw_source *s)
{
	if (s->map && s->map != MAP_FAILED)
		munmap(s->map, KECHO_LOG_HEADER_SIZE + RAW_LOG);
	if (s->fd > 0)
		close(s->fd);
	memset(s, 0, sizeof(*s));
}

/* One event of a stamp and @len bytes more, up to what kechod says the log may grow. */
static inline int raw_publish(struct raw *r, struct raw_source *s, u32 len)
{
	static const struct ke_event_info plain;
	u64 limit = smp_load_acquire(&r->limits[s->o.slot].limit), seq = 0;
	u8 data[8192];
	u64 number = s->log.seq + 1;
	int err;

	memset(data, (u8)number, sizeof(data));
	memcpy(data, &number, sizeof(number));
	err = ke_log_append(&s->log, &plain, data, sizeof(number) + len, limit, &seq);
	if (!err)
		ke_log_publish(&s->log);
	return err;
}

/* The same, with anything in it, for the sinks that @info names; it says that they are @says. */
static inline int raw_publish_named(struct raw_source *s, const struct ke_event_info *info,
				    u32 len, u16 says)
{
	static const u8 data[8192];
	u64 size = ke_record_align(ke_record_size(info, len)), seq = 0, pos;
	int err = ke_log_append(&s->log, info, data, len, KE_NO_LIMIT, &seq);

	if (err)
		return err;
	pos = (s->log.end - size) & (s->log.size - 1);
	put_unaligned_le16(says, s->log.ring + pos + sizeof(struct kecho_record));
	ke_log_publish(&s->log);
	return 0;
}

/* Its sinks, and kechod, may sleep on this. */
struct raw_bell {
	u64 id;
	u32 use;
	struct kecho_doorbell *page;
	int event;
};

static inline bool raw_bell(struct raw *r, struct raw_bell *b)
{
	struct raw_msg *m = raw_note(r, KECHO_NOTE_DOORBELL, SAID_MS);
	struct kecho_note_doorbell *n = m ? (void *)m->body : NULL;

	if (!m || m->nfds != 2) {
		raw_free(m);
		return false;
	}
	b->id = n->id;
	b->use = n->use;
	b->page = mmap(NULL, sizeof(*b->page), PROT_READ | (r->device ? 0 : PROT_WRITE),
		       MAP_SHARED, m->fd[0], 0);
	b->event = m->fd[1];
	close(m->fd[0]);
	m->nfds = 0;
	raw_free(m);
	return b->page != MAP_FAILED;
}

static inline void raw_ring(struct raw_bell *b)
{
	u64 one = 1;

	smp_mb();
	if ((b->use & KECHO_DOORBELL_KERNEL ||
	     __atomic_exchange_n(&b->page->waiters, 0, __ATOMIC_SEQ_CST)) &&
	    write(b->event, &one, sizeof(one)) < 0)
		return;
}

static inline void raw_bell_free(struct raw_bell *b)
{
	munmap(b->page, sizeof(*b->page));
	close(b->event);
}

static inline int raw_sink_slot(struct raw *r, int channel, u32 policy, u32 from, u32 *slot)
{
	struct kecho_ctl_sink_open o = { .channel = channel, .policy = policy, .retained = from };
	int err = raw_call(r, KECHO_CMD_SINK_OPEN, &o, sizeof(o));

	*slot = o.slot;
	return err ?: (int)o.sink;
}

static inline int raw_sink(struct raw *r, int channel, u32 policy, u32 from)
{
	u32 slot;

	return raw_sink_slot(r, channel, policy, from, &slot);
}

static inline int raw_sink_close(struct raw *r, int sink)
{
	struct kecho_ctl_sink c = { .sink = sink };

	return raw_call(r, KECHO_CMD_SINK_CLOSE, &c, sizeof(c));
}

/* The first of the node's links. */
static inline bool raw_link(struct raw *r, struct kecho_ctl_link *link)
{
	struct kecho_ctl_list l = { 0 };
	struct raw_msg *m;
	bool is;

	if (raw_send(r, KECHO_CMD_LINKS, &l, sizeof(l), NULL, 0))
		return false;
	m = raw_answer(r, r->serial);
	is = m && m->len >= sizeof(l) + sizeof(*link);
	if (is)
		memcpy(link, (u8 *)m->body + sizeof(l), sizeof(*link));
	raw_free(m);
	return is;
}

/* A feed, and what was read of it. */
struct raw_feed {
	struct kecho_note_feed n;
	int fd;
	void *map;
	struct ke_reader reader;
	u8 copy[KE_RECORD_MAX] __attribute__((aligned(8)));
	u64 got, lost, bad;
};

static inline struct raw_feed *raw_feed(struct raw *r)
{
	struct raw_msg *m = raw_note(r, KECHO_NOTE_FEED, SAID_MS);
	struct raw_feed *f = m ? calloc(1, sizeof(*f)) : NULL;
	struct ke_view v;

	if (!f)
		return NULL;
	memcpy(&f->n, m->body, sizeof(f->n));
	f->fd = m->nfds ? m->fd[0] : -1;
	m->nfds = 0;
	raw_free(m);
	f->map = mmap(NULL, KECHO_LOG_HEADER_SIZE + f->n.size, PROT_READ, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED)
		return NULL;
	v = (struct ke_view){ .hdr = f->map, .ring = (u8 *)f->map + KECHO_LOG_HEADER_SIZE,
			      .size = f->n.size };
	ke_reader_init(&f->reader, v, f->n.gated, f->n.pos, f->n.seq, f->copy);
	return f;
}

/* All that is there; gives how many events in all. Releases it too. */
static inline u64 raw_read(struct raw *r, struct raw_feed *f)
{
	struct ke_item item;
	u64 number;

	while (ke_reader_next(&f->reader, &item) == 1) {
		if (item.kind == KE_ITEM_LOST) {
			f->lost += item.last - item.seq + 1;
			continue;
		}
		memcpy(&number, item.data, sizeof(number));
		f->bad += number != item.seq;
		f->got++;
	}
	smp_store_release(&r->gates[f->n.slot].pos, f->reader.released);
	return f->got;
}

static inline void raw_feed_free(struct raw_feed *f)
{
	if (!f)
		return;
	munmap(f->map, KECHO_LOG_HEADER_SIZE + f->n.size);
	close(f->fd);
	free(f);
}

#endif
