// SPDX-License-Identifier: MIT
/*
 * Doorbells: one for each channel, user who rings and user who sleeps, while both are
 * there. So what a hostile process can do to one is of no matter but to its own user.
 * If those who sleep are of many users, who rings may leave it to us: see kecho_node.h.
 *
 * kechod is a user here too: it rings for the mirrors that it fills, and sleeps for
 * the sources that other hosts read. Whom it rings gets a timerfd for those who poll,
 * see kecho_node.h.
 */
#include "daemon.h"

#include <sys/timerfd.h>

/* What a process was told of, in one opening: few, those that its user rings or sleeps on,
 * however many processes there are. */
struct kd_told {
	struct kd_told *next;
	struct kd_bell *b;
	u32 use;
};

struct kd_bell {
	struct list_head list;
	struct kd_channel *c;
	u32 ringer, sleeper;
	u64 id;
	int memfd, event;
	struct kecho_doorbell *page; /* if we ring it, or may have to, or sleep on it */
	struct kd_watch w;
	bool needed;
};

/* ---------------------------------------------------------- ringing, sleeping */

/* Is it we who sleep on it? */
static bool is_ours(const struct kd_bell *b)
{
	return b->sleeper == (u32)KD_NODE_UID;
}

static bool is_timer(const struct kd_bell *b)
{
	return b->ringer != b->sleeper && !is_ours(b);
}

static int bell_map(struct kd_bell *b)
{
	if (b->page)
		return 0;
	b->page = mmap(NULL, sizeof(*b->page), PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	if (b->page != MAP_FAILED)
		return 0;
	b->page = NULL;
	return -ENOMEM;
}

static void bell_unmap(struct kd_bell *b)
{
	if (b->page)
		munmap(b->page, sizeof(*b->page));
	b->page = NULL;
}

static void wake(struct kd_bell *b, u32 whom)
{
	static const struct itimerspec soon = { .it_value.tv_nsec = 1 };
	u64 one = 1;

	if (!doorbell_wake(b->page, whom))
		return;
	if (is_timer(b))
		timerfd_settime(b->event, 0, &soon, NULL);
	else if (write(b->event, &one, sizeof(one)) < 0)
		return;		/* full: then it is readable already */
}

/* Those of @whom for whom @ringer rings, and other users sleep; an error: not all. */
static int ring(struct kd_channel *c, u32 ringer, u32 whom)
{
	struct kd_bell *b;
	int err = 0;

	atomic_thread_fence(memory_order_seq_cst);
	list_for_each_entry(b, &c->bells, list) {
		if (b->ringer != ringer || !is_timer(b))
			continue;
		if (bell_map(b))
			err = -ENOMEM;
		else if (__atomic_load_n(&b->page->waiters, __ATOMIC_RELAXED) & whom)
			wake(b, whom);
	}
	return err;
}

void kd_bells_ring(struct kd_channel *c, u32 whom)
{
	ring(c, KD_NODE_UID, whom);
}

/* Somebody waits until all was read, also by those who sleep as nothing of it is for them. */
void kd_bells_wake(struct kd_channel *c)
{
	struct kd_bell *b;
	bool mapped;

	atomic_thread_fence(memory_order_seq_cst);
	list_for_each_entry(b, &c->bells, list) {
		mapped = b->page;
		if (is_ours(b) || bell_map(b))
			continue;
		wake(b, U32_MAX);
		if (!mapped)
			bell_unmap(b);
	}
}

/* Its process has left others to us, perhaps. That we look is said before we do: for who
 * falls asleep later it asks again. Without us it rings them itself. */
void kd_bells_left(struct kd_source *src)
{
	struct kecho_limit_slot *limit = kd_limit_slot(src);
	__le64 rings = READ_ONCE(kd_gate(src->o->s, src->gate)->rings);

	if (rings == limit->rung)
		return;
	WRITE_ONCE(limit->rung, rings);
	if (ring(src->c, src->user->uid, U32_MAX))
		kd_session_cut(src->o->s, "there is no memory to wake others for it");
}

static void copy_all(struct kd_bell *b)
{
	struct kd_source *src;

	list_for_each_entry(src, &b->c->sources, channel_list)
		if (src->copied && src->user->uid == b->ringer)
			kd_copy_wanted(src);
}

static void bell_rang(struct kd_watch *w, u32 events)
{
	(void)events;
	copy_all(container_of(w, struct kd_bell, w));
}

/* Whoever publishes rings from here on; false: something is there already. */
bool kd_bell_sleep(struct kd_source *src)
{
	struct kd_bell *b;
	u64 head;

	list_for_each_entry(b, &src->c->bells, list) {
		if (b->sleeper != (u32)KD_NODE_UID || b->ringer != src->user->uid)
			continue;
		__atomic_fetch_or(&b->page->waiters, KECHO_WAIT_POLL, __ATOMIC_SEQ_CST);
	}
	atomic_thread_fence(memory_order_seq_cst);
	return kd_source_head(src, &head) || head == src->s.log.end;
}

/* ------------------------------------------------------------- made and freed */

static void nobody(struct kd_watch *w, u32 events)
{
	(void)w;
	(void)events;
}

/* Where @o's entry about @b hangs; at its end: it was not told. */
static struct kd_told **find_told(struct kd_opening *o, const struct kd_bell *b)
{
	struct kd_told **at = &o->bells;

	while (*at && (*at)->b != b)
		at = &(*at)->next;
	return at;
}

static void untell(struct kd_told **at)
{
	struct kd_told *t = *at;

	*at = t->next;
	free(t);
}

/* It is gone, for @o. */
static void tell_gone(struct kd_opening *o, const struct kd_bell *b)
{
	struct kecho_note_doorbell note = { .channel = cpu_to_le32(o->handle),
					    .use = cpu_to_le32(KECHO_DOORBELL_GONE),
					    .id = cpu_to_le64(b->id) };
	struct kd_told **at = find_told(o, b);

	if (!*at)
		return;
	kd_note(o->s, KECHO_NOTE_DOORBELL, &note, sizeof(note), NULL, 0);
	untell(at);
}

static void bell_free(struct kd_bell *b)
{
	struct kd_opening *o;

	list_for_each_entry(o, &b->c->openings, channel_list)
		tell_gone(o, b);
	bell_unmap(b);
	if (b->memfd >= 0)
		close(b->memfd);
	if (b->event >= 0) {
		epoll_ctl(b->c->d->ep, EPOLL_CTL_DEL, b->event, NULL);
		close(b->event);
	}
	/* The loop may hold an event of it. */
	b->w.ready = nobody;
	list_move_tail(&b->list, &b->c->d->dead_bells);
}

void kd_bells_reap(struct kd *d)
{
	struct kd_bell *b, *next;

	list_for_each_entry_safe(b, next, &d->dead_bells, list)
		free(b);
	INIT_LIST_HEAD(&d->dead_bells);
}

static int bell_descriptors(struct kd_bell *b)
{
	b->memfd = memfd_create("kecho-doorbell", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	b->event = is_timer(b) ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK) :
				 eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->memfd < 0 || b->event < 0 || ftruncate(b->memfd, sizeof(*b->page)) ||
	    fcntl(b->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	if (b->ringer != (u32)KD_NODE_UID && b->sleeper != (u32)KD_NODE_UID)
		return 0;
	if (bell_map(b))
		return -ENOMEM;
	b->w.ready = bell_rang;
	if (b->sleeper == (u32)KD_NODE_UID)
		return kd_watch(b->c->d, b->event, EPOLLIN | EPOLLET, &b->w);
	return 0;
}

static int bell_make(struct kd_channel *c, u32 ringer, u32 sleeper, struct kd_bell **out)
{
	struct kd_bell *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->c = c;
	b->ringer = ringer;
	b->sleeper = sleeper;
	b->id = ++c->d->last_bell;
	list_add_tail(&b->list, &c->bells);
	err = bell_descriptors(b);
	if (err)
		bell_free(b);
	else
		*out = b;
	return err;
}

static struct kd_bell *bell_find(struct kd_channel *c, u32 ringer, u32 sleeper)
{
	struct kd_bell *b;

	list_for_each_entry(b, &c->bells, list)
		if (b->ringer == ringer && b->sleeper == sleeper)
			return b;
	return NULL;
}

void kd_bells_free(struct kd_channel *c)
{
	while (!list_empty(&c->bells))
		bell_free(list_first_entry(&c->bells, struct kd_bell, list));
}

/* --------------------------------------------------------------- who needs one */

struct users {
	u32 uid[KD_CHANNEL_USERS_MAX];
	u32 n;
};

/* -EUSERS: they are too many. */
static int add_user(struct users *all, u32 uid)
{
	u32 i;

	for (i = 0; i < all->n; i++)
		if (all->uid[i] == uid)
			return 0;
	if (all->n == KD_CHANNEL_USERS_MAX)
		return -EUSERS;
	all->uid[all->n++] = uid;
	return 0;
}

static int need(struct kd_channel *c, u32 ringer, u32 sleeper)
{
	struct kd_bell *b = bell_find(c, ringer, sleeper);
	int err = 0;

	if (!b)
		err = bell_make(c, ringer, sleeper, &b);
	if (!err)
		b->needed = true;
	return err;
}

/* So few sleep that nobody leaves them to us any more. */
static void unmap_others(struct kd_channel *c)
{
	struct kd_bell *b;

	list_for_each_entry(b, &c->bells, list)
		if (is_timer(b) && b->ringer != (u32)KD_NODE_UID)
			bell_unmap(b);
}

static int find_needed(struct kd_channel *c)
{
	struct users ring = { .n = 0 }, sleep = { .n = 0 };
	struct kd_opening *o;
	struct kd_source *src;
	u32 i, j;
	int err = 0;

	list_for_each_entry(o, &c->openings, channel_list) {
		if (o->nsources)
			err = err ?: add_user(&ring, o->s->user->uid);
		if (o->nsinks)
			err = err ?: add_user(&sleep, o->s->user->uid);
	}
	list_for_each_entry(src, &c->sources, channel_list)
		if (src->copied && src->state == KD_JOINED)
			err = err ?: need(c, src->user->uid, KD_NODE_UID);
	if (c->nmirrors)
		err = err ?: add_user(&ring, KD_NODE_UID);
	for (i = 0; i < ring.n; i++)
		for (j = 0; j < sleep.n; j++)
			err = err ?: need(c, ring.uid[i], sleep.uid[j]);
	if (sleep.n <= KECHO_RINGS_MAX)
		unmap_others(c);
	return err;
}

static int tell(struct kd_bell *b, struct kd_opening *o)
{
	u32 uid = o->s->user->uid, use = 0;
	struct kd_told *t = *find_told(o, b);
	int fd[] = { b->memfd, b->event };
	struct kecho_note_doorbell note = { .channel = cpu_to_le32(o->handle),
					    .id = cpu_to_le64(b->id) };

	if (o->nsources && b->ringer == uid)
		use |= KECHO_RING;
	if (o->nsinks && b->sleeper == uid)
		use |= KECHO_SLEEP;
	if (!use) {
		tell_gone(o, b);
		return 0;
	}
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		*t = (struct kd_told){ .next = o->bells, .b = b };
		o->bells = t;
	}
	if (use & ~t->use) {
		note.use = cpu_to_le32((use & ~t->use) | (is_timer(b) ? KECHO_DOORBELL_TIMER : 0) |
				       (is_ours(b) ? KECHO_DOORBELL_NODE : 0));
		kd_note(o->s, KECHO_NOTE_DOORBELL, &note, sizeof(note), fd, 2);
		t->use |= use;
	}
	return 0;
}

/* It is closed; its process knows. */
void kd_bells_forget(struct kd_opening *o)
{
	while (o->bells)
		untell(&o->bells);
}

/* Members have come or gone. On an error there are no new ones. */
int kd_bells_update(struct kd_channel *c)
{
	struct kd_bell *b, *next;
	struct kd_opening *o;
	int err;

	list_for_each_entry(b, &c->bells, list)
		b->needed = false;
	err = find_needed(c);
	list_for_each_entry_safe(b, next, &c->bells, list) {
		list_for_each_entry(o, &c->openings, channel_list)
			err = err ?: tell(b, o);
		if (!b->needed && !err)
			bell_free(b);
	}
	return err;
}
