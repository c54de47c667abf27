// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The link. What goes out is, in this order: the rest of a frame that went out in
 * part, control frames, then one piece of each log that has something, in turns.
 *
 * Logs are sent in place. A log without gates may be overwritten meanwhile, so the
 * sender pins it first and looks at the tail after; a submitter moves the tail
 * first and looks at the pins after: one of the two sees the other. What a socket
 * did not take is copied, so a pin never lasts longer than one call.
 */
#include "link.h"

static const struct ke_house *house(const struct ke_link *l)
{
	return l->node->house;
}

/* ------------------------------------------------------------------- sending */

void ke_link_break(struct ke_link *l)
{
	WRITE_ONCE(l->broken, true);
	house(l)->kick(l);
}

static int control_room(struct ke_link *l, u32 len)
{
	u32 size = l->control_size ?: 4096;
	u8 *buf;

	while (size < l->control_len + len)
		size *= 2;
	if (size > KE_CONTROL_MAX)
		return -ENOBUFS;
	if (size == l->control_size)
		return 0;
	/* The link is its node's: no process's limit breaks it. */
	buf = krealloc(l->control, size, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	l->control = buf;
	l->control_size = size;
	return 0;
}

void ke_link_send_locked(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len)
{
	if (READ_ONCE(l->broken))
		return;
	/* A peer that doesn't read, or no memory: it starts afresh on a new connection. */
	if (control_room(l, KECHO_FRAME_HEADER_SIZE + len)) {
		WRITE_ONCE(l->broken, true);
		return;
	}
	if (len)
		memcpy(l->control + l->control_len + KECHO_FRAME_HEADER_SIZE, body, len);
	ke_link_commit(l, type, id, pos, len);
}

u8 *ke_link_reserve(struct ke_link *l, u32 size)
{
	if (READ_ONCE(l->broken) || control_room(l, KECHO_FRAME_HEADER_SIZE + size))
		return NULL;
	return l->control + l->control_len + KECHO_FRAME_HEADER_SIZE;
}

void ke_link_commit(struct ke_link *l, u8 type, u32 id, u64 pos, u32 len)
{
	struct kecho_frame hdr = {
		.len = cpu_to_le32(len), .type = type,
		.id = cpu_to_le32(id), .pos = cpu_to_le64(pos),
	};

	memcpy(l->control + l->control_len, &hdr, sizeof(hdr));
	WRITE_ONCE(l->control_len, l->control_len + sizeof(hdr) + len);
	l->control_end += sizeof(hdr) + len;
}

void ke_link_send(struct ke_link *l, u8 type, u32 id, u64 pos, const void *body, u32 len)
{
	if (ke_link_untold(l))
		ke_link_tell(l);
	house(l)->tx_lock(l);
	ke_link_send_locked(l, type, id, pos, body, len);
	house(l)->tx_unlock(l);
	house(l)->kick(l);
}

bool ke_link_body(struct ke_link *l, struct ke_out *o, u32 size)
{
	*o = (struct ke_out){ .buf = kvmalloc(size, GFP_KERNEL), .size = size };
	if (!o->buf)
		ke_link_break(l);
	return o->buf;
}

void ke_link_send_body(struct ke_link *l, u8 type, u32 id, u64 pos, struct ke_out *o)
{
	WARN_ON_ONCE(o->bad);
	ke_link_send(l, type, id, pos, o->buf, o->len);
	kvfree(o->buf);
}

static void send_hello(struct ke_link *l)
{
	u8 buf[512];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u32(&o, l->node->speaks.oldest);
	ke_put_u32(&o, l->node->speaks.newest);
	ke_put_contact(&o, &l->node->self);
	ke_put_str(&o, l->node->name);
	ke_put_u16(&o, 0);		/* authentication: none */
	ke_put_bytes(&o, NULL, 0);
	ke_put_u32(&o, l->node->knows);
	WARN_ON_ONCE(o.bad);
	ke_link_send(l, KECHO_FRAME_HELLO, 0, 0, buf, o.len);
}

int ke_link_init(struct ke_link *l, struct ke_node *n, void *owner, bool local, bool dialled)
{
	u32 rank;

	memset(l, 0, sizeof(*l));
	l->rx = kvmalloc(KE_RX_SIZE, GFP_KERNEL);
	l->rest = kvmalloc(KECHO_FRAME_HEADER_SIZE + KE_PIECE_MAX, GFP_KERNEL);
	if (!l->rx || !l->rest) {
		kvfree(l->rx);
		kvfree(l->rest);
		return -ENOMEM;
	}
	l->node = n;
	l->owner = owner;
	l->local = local;
	l->dialled = dialled;
	l->heard_ms = l->said_ms = n->house->now_ms(n->owner);
	l->told = n->change;
	for (rank = 0; rank < KE_CLASSES; rank++)
		INIT_LIST_HEAD(&l->streams[rank]);
	send_hello(l);
	return 0;
}

/* One of the streams, which is not on the link any more; NULL: there is none. */
static struct ke_tstream *take_stream(struct ke_link *l)
{
	struct ke_tstream *ts = NULL;
	u32 rank;

	house(l)->tx_lock(l);
	rank = ke_link_first_rank(l);
	if (rank < KE_CLASSES) {
		ts = list_first_entry(&l->streams[rank], struct ke_tstream, link_list);
		list_del_init(&ts->link_list);
	}
	house(l)->tx_unlock(l);
	return ts;
}

void ke_link_lost(struct ke_link *l)
{
	struct ke_peer *p = l->peer;
	struct ke_tstream *ts;

	WRITE_ONCE(l->broken, true);
	/* After the source's lock no submitter knows of this link any more. */
	while ((ts = take_stream(l))) {
		house(l)->source_lock(ts->source);
		ts->link = NULL;
		house(l)->source_unlock(ts->source);
	}
	l->data_to = NULL;
	if (!p)
		return;
	l->peer = NULL;
	if (l->local && (!p->link || p->link == l))
		ke_peer_hold_gates(p);
	if (p->link == l) {
		p->link = NULL;
		ke_peer_link_lost(p);
	}
}

void ke_link_fini(struct ke_link *l)
{
	WARN_ON_ONCE(l->peer || ke_link_first_rank(l) < KE_CLASSES);
	kfree(l->control);
	kvfree(l->rest);
	kvfree(l->rx);
}

u32 ke_link_tx(struct ke_link *l, struct kvec *v)
{
	u32 n = 0, i;

	if (!l->rest_len)
		ke_link_gather(l);
	else
		l->nframes = 0;
	l->vec_rest = l->rest_len;
	l->vec_control = l->control_len;
	if (l->rest_len)
		v[n++] = (struct kvec){ l->rest + l->rest_at, l->rest_len };
	if (l->control_len)
		v[n++] = (struct kvec){ l->control, l->control_len };
	for (i = 0; i < l->nframes; i++) {
		struct ke_tx_frame *f = &l->frame[i];
		struct ke_view *view = &f->stream->view;

		v[n++] = (struct kvec){ &f->hdr, sizeof(f->hdr) };
		v[n++] = (struct kvec){
			(u8 *)ke_view_at(view, f->stream->sent), f->len
		};
	}
	return n;
}

/* @n of the frame's bytes went out; the rest must follow before anything else. */
static void keep_rest(struct ke_link *l, const struct ke_tx_frame *f, size_t n)
{
	const struct ke_view *v = &f->stream->view;
	const u8 *data = ke_view_at(v, f->stream->sent);
	size_t header = sizeof(f->hdr) > n ? sizeof(f->hdr) - n : 0;
	size_t skip = n > sizeof(f->hdr) ? n - sizeof(f->hdr) : 0;

	memcpy(l->rest, (const u8 *)&f->hdr + sizeof(f->hdr) - header, header);
	memcpy(l->rest + header, data + skip, f->len - skip);
	l->rest_at = 0;
	l->rest_len = header + f->len - skip;
}

void ke_link_tx_done(struct ke_link *l, size_t n)
{
	size_t part;
	u32 i;

	l->tx_bytes += n;
	part = min_t(size_t, n, l->vec_rest);
	l->rest_at += part;
	l->rest_len -= part;
	n -= part;
	part = min_t(size_t, n, l->vec_control);
	if (part) {
		memmove(l->control, l->control + part, l->control_len - part);
		WRITE_ONCE(l->control_len, l->control_len - part);
	}
	n -= part;
	for (i = 0; i < l->nframes; i++) {
		struct ke_tx_frame *f = &l->frame[i];
		size_t whole = sizeof(f->hdr) + f->len;

		part = min(n, whole);
		if (part && part < whole)
			keep_rest(l, f, part);
		if (part) {
			WRITE_ONCE(f->stream->sent, f->stream->sent + f->len);
			ke_link_took(l, ke_tstream_rank(f->stream), f->len);
		}
		smp_store_release(&f->stream->pin, U64_MAX);
		n -= part;
	}
	l->nframes = 0;
}

/* ----------------------------------------------------------------- receiving */

u32 ke_link_rx(struct ke_link *l, struct kvec *v)
{
	u32 n = 0, want = KE_RX_AHEAD, have = l->rx_len;

	if (l->data_left && l->data_to)
		v[n++] = (struct kvec){
			ke_log_window(&l->data_to->mirror, l->data_left), l->data_left
		};
	else if (l->data_left)
		want = min_t(u32, l->data_left, KECHO_FRAME_BODY_MAX);
	else if (have >= sizeof(struct kecho_frame))
		want += le32_to_cpu(((struct kecho_frame *)l->rx)->len);
	v[n++] = (struct kvec){ l->rx + have, min(want, KE_RX_SIZE - have) };
	return n;
}

static int data_in(struct ke_link *l, u32 len)
{
	struct ke_rstream *rs = l->data_to;
	u64 head;
	int err;

	l->data_left -= len;
	if (!rs || !len)
		return 0;
	head = rs->mirror.head;
	err = ke_log_accept(&rs->mirror, len);
	if (err < 0)
		return err;
	if (rs->mirror.head != head)
		house(l)->published(rs);
	ke_rstream_came(l, rs);
	return 0;
}

static void say_acks(struct ke_link *l)
{
	if (!l->acks_due)
		return;
	l->acks_due = false;
	if (l->peer)
		ke_peer_ack(l->peer);
}

/* A DATA frame begins: where does it go, and may it? */
static int data_begin(struct ke_link *l, u32 log, u64 pos, u32 len)
{
	struct ke_rstream *rs = ke_peer_rstream(l->peer, log);

	l->data_left = len;
	l->data_to = NULL;
	if (!rs || rs->ended || !rs->attached || rs->resumes)
		return 0;	/* we don't want it any more, or not yet again */
	if (rs->local || rs->skip || pos != rs->mirror.end || len > rs->mirror.size / 4)
		return -EPROTO;
	if (rs->gated && pos + len > rs->credit)
		return -EPROTO;
	if (!ke_log_window(&rs->mirror, len))
		return -EPROTO;
	l->data_to = rs;
	return 0;
}

/* The newest that both speak; 0: there is none. */
static u32 common_version(const struct ke_versions *a, const struct ke_versions *b)
{
	u32 version = min(a->newest, b->newest);

	return version >= max(a->oldest, b->oldest) ? version : 0;
}

static int hello(struct ke_link *l, u8 type, struct ke_in *in)
{
	struct ke_versions theirs;
	u32 len, knows;
	char name[KE_LINK_NAME_MAX + 1];
	struct ke_contact c;
	struct ke_peer *p;
	u16 auth;

	theirs.oldest = ke_get_u32(in);
	theirs.newest = ke_get_u32(in);
	ke_get_contact(in, &c);
	ke_get_str(in, name, sizeof(name));
	auth = ke_get_u16(in);
	ke_get_bytes(in, &len);
	knows = ke_get_u32_or(in, 0);
	if (type != KECHO_FRAME_HELLO || in->bad)
		return -EPROTO;
	l->version = common_version(&l->node->speaks, &theirs);
	if (l->version && auth)
		return -EACCES;
	p = ke_peer_hello(l, &c, &theirs, name);
	if (IS_ERR(p))
		return PTR_ERR(p);
	p->knows = knows;
	l->peer = p;
	return 0;
}

static int control_in(struct ke_link *l, const struct kecho_frame *f, const u8 *body, u32 len)
{
	struct ke_in in = { .p = body, .end = body + len };
	u32 id = le32_to_cpu(f->id);
	u64 pos = le64_to_cpu(f->pos);

	if (!l->peer)
		return hello(l, f->type, &in);
	if (f->type >= KECHO_FRAME_OPTIONAL && !ke_knows(l->node->knows, f->type))
		return 0;
	if ((f->type >= KECHO_FRAME_SUBSCRIBE && f->type <= KECHO_FRAME_STALL) ||
	    f->type == KECHO_FRAME_PASS || f->type == KECHO_FRAME_PICKED)
		return ke_stream_frame(l, f->type, id, pos, &in);
	return ke_node_frame(l, f->type, id, pos, &in);
}

/* One frame at @p of @have bytes: how many were used; 0: more is needed; -errno. */
static int frame_in(struct ke_link *l, const u8 *p, u32 have)
{
	struct kecho_frame f;
	u32 len, part;
	int err;

	if (have < sizeof(f))
		return 0;
	memcpy(&f, p, sizeof(f));
	len = le32_to_cpu(f.len);
	if (len > KECHO_FRAME_BODY_MAX)
		return -EPROTO;
	p += sizeof(f);
	have -= sizeof(f);
	if (f.type == KECHO_FRAME_DATA && l->peer) {
		err = data_begin(l, le32_to_cpu(f.id), le64_to_cpu(f.pos), len);
		if (err)
			return err;
		part = min(len, have);
		if (l->data_to && part)
			memcpy(ke_log_window(&l->data_to->mirror, part), p, part);
		err = data_in(l, part);
		return err ?: (int)(sizeof(f) + part);
	}
	if (have < len)
		return 0;
	err = control_in(l, &f, p, len);
	return err ?: (int)(sizeof(f) + len);
}

static void heard(struct ke_link *l, size_t n)
{
	if (!n)
		return;
	l->rx_bytes += n;
	l->heard_ms = house(l)->now_ms(l->node->owner);
}

int ke_link_rx_done(struct ke_link *l, size_t n)
{
	u32 part = min_t(size_t, n, l->data_left), at = 0;
	int used = 0;

	heard(l, n);
	if (part) {
		used = data_in(l, part);
		if (used < 0)
			return used;
		n -= part;
	}
	l->rx_len += n;
	say_acks(l);
	while (!l->data_left && !READ_ONCE(l->broken)) {
		used = frame_in(l, l->rx + at, l->rx_len - at);
		if (used <= 0)
			break;
		at += used;
		say_acks(l);
	}
	if (used < 0)
		return used;
	if (READ_ONCE(l->broken))
		return -ECONNRESET;
	l->rx_len -= at;
	memmove(l->rx, l->rx + at, l->rx_len);
	return 0;
}

/* A peer has one link, so that its mirrors have one writer. */
static bool takes_data(const struct ke_link *l)
{
	return l->peer && !WARN_ON_ONCE(l->peer->link != l) && !READ_ONCE(l->broken);
}

/* Of the frame whose header is in l->rx the rest, if that is single events; else 0. */
static u32 picked_left(const struct ke_link *l)
{
	struct kecho_frame f;
	u32 len;

	if (l->data_left || l->rx_len < sizeof(f))
		return 0;
	memcpy(&f, l->rx, sizeof(f));
	len = le32_to_cpu(f.len);
	if (f.type != KECHO_FRAME_PICKED || len > KECHO_FRAME_BODY_MAX)
		return 0;
	return sizeof(f) + len - l->rx_len;
}

/* A header is there, of a frame that is none of data. */
static bool has_control(const struct ke_link *l)
{
	return !l->data_left && l->rx_len >= sizeof(struct kecho_frame) && !picked_left(l);
}

bool ke_link_rx_due(const struct ke_link *l)
{
	return !takes_data(l) || has_control(l) || l->acks_due;
}

struct kvec ke_link_rx_data(struct ke_link *l)
{
	u32 have = l->rx_len, picked = picked_left(l);

	if (!takes_data(l) || has_control(l))
		return (struct kvec){ .iov_len = 0 };
	if (!l->data_left)
		return (struct kvec){
			l->rx + have, picked ?: sizeof(struct kecho_frame) - have
		};
	if (!l->data_to)
		return (struct kvec){ l->rx, l->data_left };
	return (struct kvec){ ke_log_window(&l->data_to->mirror, l->data_left), l->data_left };
}

/* In l->rx is a header, which stays there unless data comes behind it at once, or all of a frame
 * of single events. */
static int frame_taken(struct ke_link *l)
{
	struct kecho_frame f;
	struct ke_in in;
	u64 pos;
	u32 len;

	memcpy(&f, l->rx, sizeof(f));
	len = le32_to_cpu(f.len);
	pos = le64_to_cpu(f.pos);
	if (f.type == KECHO_FRAME_DATA && len <= KECHO_FRAME_BODY_MAX) {
		l->rx_len = 0;
		return data_begin(l, le32_to_cpu(f.id), pos, len);
	}
	if (f.type != KECHO_FRAME_PICKED || l->rx_len == sizeof(f))
		return 0;
	in = (struct ke_in){ .p = l->rx + sizeof(f), .end = l->rx + l->rx_len };
	l->rx_len = 0;
	return ke_rstream_picked(l, le32_to_cpu(f.id), pos, &in);
}

int ke_link_rx_data_done(struct ke_link *l, size_t n)
{
	heard(l, n);
	if (l->data_left)
		return data_in(l, n);
	l->rx_len += n;
	return l->rx_len < sizeof(struct kecho_frame) || picked_left(l) ? 0 : frame_taken(l);
}
