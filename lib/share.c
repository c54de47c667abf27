// SPDX-License-Identifier: MIT
/*
 * What nodes of one host share: logs, gates, doorbells, as descriptors that go over
 * their Unix socket with a frame SHARE:
 *
 *	GATES		memfd of gate words, eventfd that wakes its submitters
 *	DOORBELL	id u64; memfd of one struct kecho_doorbell, eventfd
 *	LOG		log u32; memfd of header and ring
 *
 * A log is sealed before anybody gets it: its size is fixed, and only the mapping
 * that its source has can write. A reader believes the seals, not the sender.
 */
#include "internal.h"
#include "probe.h"

#include <linux/futex.h>
#include <sys/syscall.h>

enum { LOG_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

static int memfd(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		return -1;
	}
	return fd;
}

void *shared_map(int fd, size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTFORK);
	return p;
}

static struct shared_log *new_shared(int fd, size_t ring, int prot)
{
	struct shared_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->fd = fd;
	log->size = KECHO_LOG_HEADER_SIZE + ring;
	log->map = shared_map(fd, log->size, prot);
	atomic_init(&log->refs, 1);
	if (log->map)
		return log;
	free(log);
	return NULL;
}

struct shared_log *shared_log_make(size_t ring)
{
	int fd = memfd("kecho-log", KECHO_LOG_HEADER_SIZE + ring);
	struct shared_log *log;

	if (fd < 0)
		return NULL;
	log = new_shared(fd, ring, PROT_READ | PROT_WRITE);
	if (log && !fcntl(fd, F_ADD_SEALS, LOG_SEALS))
		return log;
	if (log) {
		munmap(log->map, log->size);
		free(log);
	}
	close(fd);
	return NULL;
}

/* The node's word is good for it: mapped, and @fd still the caller's. NULL. */
struct shared_log *shared_log_open(int fd, size_t ring, int prot)
{
	struct shared_log *log;
	struct stat st;

	if (fstat(fd, &st) || (size_t)st.st_size != KECHO_LOG_HEADER_SIZE + ring)
		return NULL;
	log = new_shared(fd, ring, prot);
	if (!log)
		return NULL;
	log->fd = -1;
	log->dev = st.st_dev;
	log->ino = st.st_ino;
	return log;
}

struct shared_log *shared_log_map(int fd, size_t ring, bool *known)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct shared_log *log;

	if (seals < 0 || (seals & LOG_SEALS) != LOG_SEALS)
		return NULL;
	log = shared_log_open(fd, ring, PROT_READ);
	if (!log)
		return NULL;
	*known = READ_ONCE(((struct kecho_log_header *)log->map)->magic) ==
		 cpu_to_le64(KECHO_LOG_MAGIC);
	if (*known)
		return log;
	shared_log_put(log);
	return NULL;
}

void shared_log_put(struct shared_log *log)
{
	if (!log || atomic_fetch_sub(&log->refs, 1) != 1)
		return;
	munmap(log->map, log->size);
	if (log->fd >= 0)
		close(log->fd);
	free(log);
}

/* ------------------------------------------------------------ going out */

static void share(struct conn *c, u32 channel, struct ke_out *body, const int *fd, unsigned int n)
{
	struct outgoing *o = calloc(1, sizeof(*o));

	if (!o) {
		ke_link_break(&c->link);
		return;
	}
	for (; o->n < n; o->n++) {
		o->fd[o->n] = fcntl(fd[o->n], F_DUPFD_CLOEXEC, 0);
		if (o->fd[o->n] < 0)
			break;
	}
	lib_lock(&c->tx);
	o->at = c->link.control_end;
	list_add_tail(&o->list, &c->outgoing);
	if (o->n < n)
		WRITE_ONCE(c->link.broken, true);
	ke_link_send_locked(&c->link, KECHO_FRAME_SHARE, channel, 0, body->buf, body->len);
	lib_unlock(&c->tx);
	conn_kick(c);
}

void share_gates(struct conn *c)
{
	int fd[] = { c->k->gates_fd, c->k->bell };
	u8 buf[1] = { SHARE_GATES };
	struct ke_out o = { .buf = buf, .size = 1, .len = 1 };

	share(c, 0, &o, fd, 2);
}

void share_doorbell(struct conn *c, struct kecho_channel *ch)
{
	u8 buf[16];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };
	int fd[2];

	if (!atomic_load(&ch->nbells))
		return;
	fd[0] = ch->bells[0].memfd;
	fd[1] = ch->bells[0].eventfd;
	ke_put_u8(&o, SHARE_DOORBELL);
	ke_put_u64(&o, ch->bells[0].id);
	share(c, ch->ch.index, &o, fd, 2);
}

void share_log(struct ke_link *l, struct ke_source *s)
{
	struct kecho_source *src = s->member.owner;
	u8 buf[8];
	struct ke_out o = { .buf = buf, .size = sizeof(buf) };

	ke_put_u8(&o, SHARE_LOG);
	ke_put_u32(&o, s->id);
	share(l->owner, s->member.channel->index, &o, &src->log->fd, 1);
}

/* ------------------------------------------------------------ coming in */

static bool take_fds(struct conn *c, int *fd, unsigned int n)
{
	if (c->nfds < n)
		return false;
	memcpy(fd, c->fds, n * sizeof(int));
	c->nfds -= n;
	memmove(c->fds, c->fds + n, c->nfds * sizeof(int));
	return true;
}

static bool size_sealed(int fd, size_t size)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK) && !fstat(fd, &st) &&
	       (size_t)st.st_size == size;
}

static bool gates_in(struct conn *c)
{
	size_t size = GATES_MAX * GATE_STRIDE;
	int fd[2];

	if (!take_fds(c, fd, 2))
		return false;
	if (!c->gates && size_sealed(fd[0], size)) {
		c->gates = shared_map(fd[0], size, PROT_READ);
		c->bell = fd[1];
		fd[1] = -1;
	}
	close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	return c->gates;
}

/* Those who submit look at the ones that are there meanwhile. */
static int add_doorbell(struct kecho_channel *ch, uint64_t id, int memfd, int eventfd)
{
	unsigned int n = atomic_load(&ch->nbells);
	struct doorbell *b;

	if (n == DOORBELLS_MAX)
		return -ENOSPC;
	if (!ch->bells)
		ch->bells = calloc(DOORBELLS_MAX, sizeof(*ch->bells));
	if (!ch->bells)
		return -ENOMEM;
	b = &ch->bells[n];
	b->page = shared_map(memfd, sizeof(*b->page), PROT_READ | PROT_WRITE);
	if (!b->page)
		return -ENOMEM;
	b->id = id;
	b->memfd = memfd;
	b->eventfd = eventfd;
	if (!n) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

		epoll_ctl(ch->k->io, EPOLL_CTL_ADD, eventfd, &ev);
	} else {
		close(memfd);
		b->memfd = -1;
	}
	atomic_store(&ch->nbells, n + 1);
	return 0;
}

/* Sinks that sleep on one that is not rung would sleep for ever: without room for it there
 * can be no link. */
static bool doorbell_in(struct conn *c, struct kecho_channel *ch, uint64_t id)
{
	unsigned int i, n;
	bool known;
	int fd[2];

	if (!take_fds(c, fd, 2))
		return false;
	n = ch ? atomic_load(&ch->nbells) : 0;
	for (i = 0; i < n && ch->bells[i].id != id; i++)
		;
	known = !ch || i < n;
	if (!known && size_sealed(fd[0], sizeof(struct kecho_doorbell)) &&
	    !add_doorbell(ch, id, fd[0], fd[1]))
		return true;
	close(fd[0]);
	close(fd[1]);
	return known;
}

static bool log_in(struct conn *c, u32 log)
{
	struct ke_rstream *rs = c->link.peer ? ke_peer_rstream(c->link.peer, log) : NULL;
	struct shared_in *in;
	bool known = true, good;
	int fd;

	if (!take_fds(c, &fd, 1))
		return false;
	in = rs && !rs->attached ? calloc(1, sizeof(*in)) : NULL;
	if (in) {
		in->mem = shared_log_map(fd, rs->remote->log_size, &known);
		in->c = c;
		in->log = log;
		list_add_tail(&in->list, &c->k->shared);
	}
	close(fd);
	good = !in || in->mem;
	if (!known)
		ke_peer_refuse(c->link.peer, KE_REFUSED_LAYOUT);
	return good;
}

void share_in(struct ke_link *l, struct ke_channel *ch, struct ke_in *in)
{
	struct conn *c = l->owner;
	bool good = false;

	switch (ke_get_u8(in)) {
	case SHARE_GATES:
		good = gates_in(c);
		break;
	case SHARE_DOORBELL:
		good = doorbell_in(c, ch ? ch->owner : NULL, ke_get_u64(in));
		break;
	case SHARE_LOG:
		good = log_in(c, ke_get_u32(in));
		break;
	}
	in->bad |= !good || !l->local;
}

struct shared_log *share_take(struct conn *c, u32 log)
{
	struct shared_log *mem = NULL;
	struct shared_in *in, *next;

	list_for_each_entry_safe(in, next, &c->k->shared, list) {
		if (in->c != c || in->log != log)
			continue;
		shared_log_put(mem);
		mem = in->mem;
		list_del(&in->list);
		free(in);
	}
	return mem;
}

void share_forget(struct conn *c)
{
	struct shared_in *in, *next;

	list_for_each_entry_safe(in, next, &c->k->shared, list) {
		if (in->c != c)
			continue;
		shared_log_put(in->mem);
		list_del(&in->list);
		free(in);
	}
}

/* ---------------------------------------------------------------- doorbells */

int doorbell_make(struct kecho_channel *ch)
{
	int mem, event, err = -EMFILE;

	if (atomic_load(&ch->nbells))
		return 0;
	mem = memfd("kecho-doorbell", sizeof(struct kecho_doorbell));
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mem >= 0 && event >= 0 &&
	    !fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		err = add_doorbell(ch, lib_house.random(ch->k), mem, event);
	if (!err)
		return 0;
	if (mem >= 0)
		close(mem);
	if (event >= 0)
		close(event);
	return err;
}

void doorbells_close(struct kecho_channel *ch)
{
	unsigned int i, n = atomic_exchange(&ch->nbells, 0);

	for (i = 0; i < n; i++) {
		munmap(ch->bells[i].page, sizeof(struct kecho_doorbell));
		close(ch->bells[i].eventfd);
	}
	if (n)
		close(ch->bells[0].memfd);
	free(ch->bells);
	ch->bells = NULL;
}

/* Wakes those of @whom, bits of its `waiters`, who have said that they sleep on the futex; a
 * full fence lies before it. Does somebody poll? */
bool doorbell_wake(struct kecho_doorbell *d, u32 whom)
{
	u32 who = __atomic_fetch_and(&d->waiters, ~whom, __ATOMIC_SEQ_CST) & whom;

	__atomic_fetch_add(&d->futex, 1, __ATOMIC_SEQ_CST);
	PROBE(ring, d, who);
	if (who & ~KECHO_WAIT_POLL)
		syscall(SYS_futex, &d->futex, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, whom);
	return who & KECHO_WAIT_POLL;
}

static inline void ring(struct kecho_channel *ch, u32 whom)
{
	unsigned int i, n = atomic_load_explicit(&ch->nbells, memory_order_acquire);
	u64 one = 1;

	for (i = 0; i < n; i++) {
		struct kecho_doorbell *d = ch->bells[i].page;

		if (likely(!(__atomic_load_n(&d->waiters, __ATOMIC_RELAXED) & whom)))
			continue;
		if (doorbell_wake(d, whom) && write(ch->bells[i].eventfd, &one, sizeof(one)) < 0)
			continue;	/* full: then it is readable already */
	}
}

/* Wake who sleeps; what was published lies before a full fence of the caller. */
void doorbell_ring_fenced(struct kecho_channel *ch)
{
	ring(ch, U32_MAX);
}

void doorbell_ring(struct kecho_channel *ch)
{
	if (!atomic_load_explicit(&ch->nbells, memory_order_acquire))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	doorbell_ring_fenced(ch);
}

/* Those of @nodes, by their bits. */
void doorbell_ring_some(struct kecho_channel *ch, u32 nodes)
{
	atomic_thread_fence(memory_order_seq_cst);
	ring(ch, nodes | KECHO_WAIT_FUTEX | KECHO_WAIT_POLL);
}
