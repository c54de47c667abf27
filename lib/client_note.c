// SPDX-License-Identifier: MIT
/*
 * Notes: what the node says by itself. They are taken in the order in which they come,
 * by the helper, under the kecho lock.
 *
 * A sink's feeds come before the answer that names the sink: while somebody waits for
 * such an answer, notes for a sink that is not known are kept.
 */
#include "client.h"
#include "feed.h"

static struct kecho_channel *channel_by_handle(struct client *c, u32 handle)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &c->k->channels, list)
		if (ch->client->handle == handle)
			return ch;
	return NULL;
}

static struct kecho_sink *sink_by_handle(struct client *c, u32 handle)
{
	struct kecho_channel *ch;
	struct kecho_sink *s;

	list_for_each_entry(ch, &c->k->channels, list)
		list_for_each_entry(s, &ch->sinks, list)
			if (s->handle == handle)
				return s;
	return NULL;
}

static struct feed *feed_by_id(struct kecho_sink *s, u32 id)
{
	struct feed *f, *found = NULL;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list)
		if (f->slot && f->id == id)
			found = f;
	lib_unlock(&s->lock);
	return found;
}

/* -------------------------------------------------------------------- feeds */

static bool is_same(const struct shared_log *log, const struct stat *st)
{
	return log->dev == st->st_dev && log->ino == st->st_ino;
}

/* A log that this process has mapped, for another sink perhaps. */
static struct shared_log *known_log(const struct kecho_channel *ch, const struct stat *st)
{
	struct shared_log *found = NULL;
	struct kecho_sink *s;
	struct feed *f;

	list_for_each_entry(s, &ch->sinks, list) {
		lib_lock(&s->lock);
		list_for_each_entry(f, &s->feeds, list)
			if (is_same(f->log, st))
				found = f->log;
		lib_unlock(&s->lock);
	}
	return found;
}

/* The sink has read it until its node went: it goes on where it was. */
static bool goes_on(struct kecho_sink *s, const struct kecho_note_feed *n, const struct stat *st,
		    struct kecho_gate_slot *slot)
{
	struct feed *f;
	bool found = false;

	lib_lock(&s->lock);
	list_for_each_entry(f, &s->feeds, list) {
		if (!f->orphan || !is_same(f->log, st))
			continue;
		feed_again(f, n, slot);
		found = true;
		break;
	}
	lib_unlock(&s->lock);
	return found;
}

static int add_feed(struct client *c, struct kecho_sink *s, const struct kecho_note_feed *n,
		    int fd)
{
	u64 size = le64_to_cpu(n->size), pos = le64_to_cpu(n->pos);
	u32 slot = le32_to_cpu(n->slot);
	struct shared_log *log;
	struct stat st;
	int err;

	if (!ke_log_size_fits(size) || !IS_ALIGNED(pos, KECHO_RECORD_ALIGN) ||
	    pos > KE_POSITION_MAX || slot >= c->pages->slots ||
	    !ke_promise_fits(le32_to_cpu(n->alive_ms)) || fd < 0 || fstat(fd, &st) ||
	    (u64)st.st_size != KECHO_LOG_HEADER_SIZE + size)
		return -EPROTO;
	if (goes_on(s, n, &st, &c->pages->gates[slot])) {
		client_ring(c->k);
		return 0;
	}
	log = known_log(s->ch, &st);
	if (log)
		atomic_fetch_add(&log->refs, 1);
	else
		log = shared_log_open(fd, size, PROT_READ);
	if (!log)
		return -ENOMEM;
	err = feed_node(s, log, n, &c->pages->gates[slot]);
	shared_log_put(log);
	return err;
}

void client_sink_over(struct kecho_sink *s, int error)
{
	lib_lock(&s->lock);
	s->end_error = error;
	smp_store_release(&s->disconnected, true);
	lib_unlock(&s->lock);
}

static int feed_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	const struct kecho_note_feed *n = (const void *)m->body;
	struct feed *f = feed_by_id(s, le32_to_cpu(n->feed));
	int err;

	if (!n->again) {
		err = f ? -EPROTO : add_feed(c, s, n, m->nfds ? m->fd[0] : -1);
		if (err != -ENOMEM)
			return err;
		/* Deaf to one source is not what its owner believes it to be. */
		client_sink_over(s, err);
	} else if (f) {
		lib_lock(&s->lock);
		f->ended = f->told = false;
		lib_unlock(&s->lock);
	}
	return 0;
}

static int feed_end_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	const struct kecho_note_feed_end *n = (const void *)m->body;
	struct feed *f = feed_by_id(s, le32_to_cpu(n->feed));
	struct ke_in attrs = { .p = m->body + sizeof(*n), .end = m->body + m->head.len };
	u64 now = lib_deadline(0);

	(void)c;
	if (!f)
		return 0;
	lib_lock(&s->lock);
	f->ended = true;
	f->failed = n->failed;
	f->last_seq = le64_to_cpu(n->last_seq);
	if (n->gone) {
		/* Without memory for them they are just not there any more. */
		if (ke_attrs_get(&f->attrs, &attrs, now) ||
		    ke_attrs_get(&f->node_attrs, &attrs, now))
			ke_attrs_free(&f->attrs);
		f->gone = true;
		f->bounded = f->last_seq || !f->failed;
		feed_leave_slot(f);
	}
	lib_unlock(&s->lock);
	feeds_drop_told(s);
	return 0;
}

static int type_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	const struct kecho_note_type *n = (const void *)m->body;
	struct feed *f = feed_by_id(s, le32_to_cpu(n->feed));

	(void)c;
	if (!f)
		return 0;
	lib_lock(&s->lock);
	feed_type_keep(f, le32_to_cpu(n->number), n + 1, m->head.len - sizeof(*n));
	lib_unlock(&s->lock);
	return 0;
}

static int judged_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	const struct kecho_note_judged *n = (const void *)m->body;

	return client_judged(c, m, s, feed_by_id(s, le32_to_cpu(n->feed)));
}

static int move_on_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	const struct kecho_note_move_on *n = (const void *)m->body;
	struct feed *f = feed_by_id(s, le32_to_cpu(n->feed));

	(void)c;
	if (f)
		feed_move_on(s, f);
	return 0;
}

/* The node has ended it, and may use its slots for others. */
static void not_the_nodes(struct kecho_sink *s)
{
	struct feed *f;

	lib_lock(&s->lock);
	s->handle = 0;
	WRITE_ONCE(s->taken, false);
	s->counters = NULL;
	s->kept = NULL;
	list_for_each_entry(f, &s->feeds, list) {
		f->slot = NULL;
		f->ended = f->gone = true;
	}
	lib_unlock(&s->lock);
}

/* It held up a source for too long, and is told what that made it lose. The node says
 * so, or its reader has seen it; the kecho lock is held. */
void client_stalled(struct kecho_sink *s)
{
	if (!s->stalled)
		stall_cut(s);
	not_the_nodes(s);
	wait_wake(s->ch->k);
}

/* Why something has ended; its sentence goes to @why, of WHY_MAX bytes. */
static int end_of(const struct client_msg *m, char *why)
{
	const struct kecho_note_end *n = (const void *)m->body;

	strscpy(why, (const char *)(n + 1), WHY_MAX);
	return client_result(n->error) ?: -EPROTO;
}

static int sink_end_in(struct client *c, struct client_msg *m, struct kecho_sink *s)
{
	char why[WHY_MAX];
	int err = end_of(m, why);

	if (err == -EPIPE) {
		client_stalled(s);
	} else {
		memcpy(s->end_why, why, sizeof(why));
		client_sink_over(s, err);
		not_the_nodes(s);
	}
	pthread_cond_broadcast(&c->k->changed);
	return 0;
}

/* Its reader has seen that the node does not wait for it any more, and waits here until
 * it says why. The kecho lock is held. */
void client_taken(struct kecho_sink *s)
{
	struct kecho *k = s->ch->k;
	u64 deadline = lib_deadline(TAKEN_MS);

	while (s->taken && k->client->state == CLIENT_UP &&
	       !pthread_equal(pthread_self(), k->helper))
		if (!lib_wait(k, deadline))
			break;
	if (s->taken)
		client_stalled(s);
}

/* ----------------------------------------------------------- notes of sinks */

static const struct {
	size_t size;
	int (*take)(struct client *c, struct client_msg *m, struct kecho_sink *s);
} sink_notes[] = {
	[KECHO_NOTE_FEED - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_feed), feed_in },
	[KECHO_NOTE_FEED_END - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_feed_end),
						    feed_end_in },
	[KECHO_NOTE_SINK_END - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_end), sink_end_in },
	[KECHO_NOTE_TYPE - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_type), type_in },
	[KECHO_NOTE_JUDGED - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_judged), judged_in },
	[KECHO_NOTE_MOVE_ON - KECHO_NOTE_FEED] = { sizeof(struct kecho_note_move_on), move_on_in },
};

static int keep(struct client *c, struct client_msg *m)
{
	struct client_early *e;

	if (c->nearly == KECHO_NOTES_MAX)
		return -EPROTO;
	e = calloc(1, sizeof(*e) + m->head.len + 1);
	if (!e)
		return -ENOMEM;
	e->msg = *m;
	e->msg.body = memcpy(e + 1, m->body, m->head.len + 1);
	m->nfds = 0;
	list_add_tail(&e->list, &c->early);
	c->nearly++;
	return 0;
}

static int sink_note(struct client *c, struct client_msg *m, unsigned int i)
{
	struct kecho_sink *s;
	u32 handle;
	int err;

	if (m->head.len < sink_notes[i].size)
		return -EPROTO;
	memcpy(&handle, m->body, sizeof(handle));	/* all of them begin with it */
	s = sink_by_handle(c, le32_to_cpu(handle));
	if (!s)
		return c->joining ? keep(c, m) : 0;
	err = sink_notes[i].take(c, m, s);
	wait_wake(c->k);
	return err;
}

static void forget(struct client *c, struct client_early *e)
{
	client_msg_close(&e->msg);
	list_del(&e->list);
	free(e);
	c->nearly--;
}

void client_forget_early(struct client *c)
{
	while (!list_empty(&c->early))
		forget(c, list_first_entry(&c->early, struct client_early, list));
}

/* The kecho lock is held, of both. Notes are kept until the handle of the sink is known. */
void client_join_begin(struct client *c)
{
	c->joining++;
}

/* @s is in the list of its channel, with its handle; NULL: there is none. */
int client_join_end(struct client *c, struct kecho_sink *s)
{
	struct client_early *e, *next;
	u32 handle;
	int err = 0;

	c->joining--;
	list_for_each_entry_safe(e, next, &c->early, list) {
		memcpy(&handle, e->msg.body, sizeof(handle));
		if (!s || le32_to_cpu(handle) != s->handle)
			continue;
		err = err ?: sink_note(c, &e->msg, le32_to_cpu(e->msg.head.cmd) - KECHO_NOTE_FEED);
		forget(c, e);
	}
	if (!c->joining)
		client_forget_early(c);
	return err;
}

/* ------------------------------------------------------------- other notes */

static int doorbell_in(struct client *c, struct client_msg *m)
{
	const struct kecho_note_doorbell *n = (const void *)m->body;
	struct kecho_channel *ch;
	int err;

	if (m->head.len < sizeof(*n) ||
	    (m->nfds != 2 && !(le32_to_cpu(n->use) & KECHO_DOORBELL_GONE)))
		return -EPROTO;
	ch = channel_by_handle(c, le32_to_cpu(n->channel));
	err = ch ? client_bell_in(ch, n, m->fd) : 0;
	if (m->nfds == 2 && m->fd[1] < 0)
		m->nfds = 1;
	return err;
}

/* Who is there by the notes so far; when the node goes they have all failed. */
static int know_member(struct client_channel *cc, const struct kecho_member *m)
{
	struct notice *n, *next;

	list_for_each_entry_safe(n, next, &cc->known, list) {
		if (n->m.id != m->id)
			continue;
		list_del(&n->list);
		free(n);
	}
	if (m->state != KECHO_JOINED)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->m = *m;
	list_add_tail(&n->list, &cc->known);
	return 0;
}

static int member_in(struct client *c, struct client_msg *m)
{
	const struct kecho_ctl_member *in = (const void *)m->body;
	struct kecho_channel *ch;
	struct notice *n;

	if (m->head.len < sizeof(*in))
		return -EPROTO;
	ch = channel_by_handle(c, le32_to_cpu(in->channel));
	if (!ch || !ch->watch)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	client_member(in, &n->m);
	notice_add(ch, n);
	return know_member(ch->client, &n->m);
}

static int source_end_in(struct client *c, struct client_msg *m)
{
	const struct kecho_note_end *n = (const void *)m->body;
	struct kecho_channel *ch;
	struct kecho_source *s;

	if (m->head.len < sizeof(*n))
		return -EPROTO;
	list_for_each_entry(ch, &c->k->channels, list) {
		list_for_each_entry(s, &ch->sources, list) {
			if (s->handle != le32_to_cpu(n->handle))
				continue;
			lib_lock(&s->lock);
			s->end_error = end_of(m, s->end_why);
			WRITE_ONCE(s->s.closed, true);
			lib_unlock(&s->lock);
			client_room_wake(s);
		}
	}
	return 0;
}

/* FROZEN, CHANNEL_END. */
static int still_in(struct client *c, struct client_msg *m,
		    void (*take)(struct kecho_channel *ch, u32 number))
{
	const struct kecho_ctl_still *n = (const void *)m->body;
	struct kecho_channel *ch;

	if (m->head.len < sizeof(*n))
		return -EPROTO;
	ch = channel_by_handle(c, le32_to_cpu(n->channel));
	if (ch)
		take(ch, le32_to_cpu(n->number));
	return 0;
}

/* A newer node may say what we don't know: that is of no concern. An error: this can't
 * go on. */
int client_note(struct client *c, struct client_msg *m)
{
	switch (le32_to_cpu(m->head.cmd)) {
	case KECHO_NOTE_FEED:
	case KECHO_NOTE_FEED_END:
	case KECHO_NOTE_SINK_END:
	case KECHO_NOTE_TYPE:
	case KECHO_NOTE_JUDGED:
	case KECHO_NOTE_MOVE_ON:
		return sink_note(c, m, le32_to_cpu(m->head.cmd) - KECHO_NOTE_FEED);
	case KECHO_NOTE_DOORBELL:
		return doorbell_in(c, m);
	case KECHO_NOTE_MEMBER:
		return member_in(c, m);
	case KECHO_NOTE_SOURCE_END:
		return source_end_in(c, m);
	case KECHO_NOTE_FROZEN:
		return still_in(c, m, client_frozen);
	case KECHO_NOTE_CHANNEL_END:
		return still_in(c, m, client_destroyed);
	case KECHO_NOTE_JUDGE_FILTER:
	case KECHO_NOTE_JUDGE_SLOTS:
	case KECHO_NOTE_JUDGE:
		return client_judge_note(c, m);
	}
	return 0;
}
