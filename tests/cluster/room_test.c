/* SPDX-License-Identifier: MIT */
/*
 * Who waits in a submission, attached to a node, is woken by what it waits for. It looks
 * by the clock too, for a sink that reads and does not say so: here that clock is taken
 * away, so that a wake-up that is lost is one for ever.
 */
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "cluster.h"

enum { ROUNDS = 300, CHANNELS = 20, EVENTS = 20000, LEN = 1000 };

static _Thread_local bool patient;

/* Where a thread that is patient, and about to sleep, is kept until it is let in. */
static struct {
	bool shut, knocked;
} door;

static void pass_door(void)
{
	while (smp_load_acquire(&door.shut)) {
		WRITE_ONCE(door.knocked, true);
		sleep_us(STEP_US);
	}
}

static bool waits_on_futex(long op)
{
	return (op & FUTEX_CMD_MASK) == FUTEX_WAIT || (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/* The library's: in a thread that is patient no futex is given up. */
__attribute__((no_sanitize("address", "undefined"))) long syscall(long number, ...)
{
	static void *found;	/* by any thread, the same */
	long (*real)(long number, ...) = __atomic_load_n(&found, __ATOMIC_RELAXED);
	long arg[6];
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (!real) {
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
		__atomic_store_n(&found, (void *)real, __ATOMIC_RELAXED);
	}
	if (patient && (number == SYS_futex_waitv ||
			(number == SYS_futex && waits_on_futex(arg[1])))) {
		pass_door();
		arg[3] = 0;
	}
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* Of the two processes the first submits, the second does what is to be done to it. */
struct pair {
	struct kecho *k[2];
	struct kecho_channel *ch[2];
	struct kecho_source *src;
	u64 waited;	/* of the source, that were seen */
};

static bool pair_join(struct pair *p, const char *name)
{
	const struct kecho_source_options opt = { .log_size = KECHO_LOG_SIZE_MIN };
	int i;

	p->waited = 0;
	for (i = 0; i < 2; i++)
		if (!ok(!kecho_channel_open(p->k[i], name, NULL, &p->ch[i]), "%s",
			kecho_explain()))
			return false;
	return ok(!kecho_source_open(p->ch[0], &opt, &p->src), "%s", kecho_explain());
}

static bool pair_open(struct pair *p, const char *name)
{
	*p = (struct pair){ .waited = 0 };
	return ok(!kecho_open(&p->k[0], NULL) && !kecho_open(&p->k[1], NULL), "%s",
		  kecho_explain()) &&
	       pair_join(p, name);
}

static void pair_close(struct pair *p)
{
	kecho_close(p->k[0]);
	kecho_close(p->k[1]);
}

static bool waits(struct pair *p)
{
	struct kecho_source_stats st;

	kecho_source_stats(p->src, &st);
	if (st.waited == p->waited)
		return false;
	p->waited = st.waited;
	return true;
}

struct submitter {
	struct kecho_source *src;
	u64 asked, done;	/* submissions; the latter is its own */
	int err;
	pthread_t thread;
};

static void *submits(void *arg)
{
	struct submitter *s = arg;
	static const u8 data[LEN];

	patient = true;
	while (!s->err) {
		while (s->done == __atomic_load_n(&s->asked, __ATOMIC_ACQUIRE))
			sleep_us(STEP_US);
		s->err = kecho_submit(s->src, data, sizeof(data), 0);
		__atomic_fetch_add(&s->done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void begins(struct submitter *s, struct kecho_source *src, u64 n)
{
	*s = (struct submitter){ .src = src, .asked = n };
	must(!pthread_create(&s->thread, NULL, submits, s), "thread");
}

static bool is_done(struct submitter *s, u64 n)
{
	return __atomic_load_n(&s->done, __ATOMIC_ACQUIRE) == n;
}

/* It ends with this error; nobody can join a thread that hangs. */
static void ends_with(struct submitter *s, u64 n, int err)
{
	must(comes_true(is_done(s, n)), "it is woken");
	pthread_join(s->thread, NULL);
	is_eq(s->err, err, "and told why");
}

TEST(thawed)
{
	struct submitter s;
	struct pair p;
	u64 i;

	ARENA();
	must(pair_open(&p, "thawed"), "two processes");
	begins(&s, p.src, 0);
	for (i = 1; i <= ROUNDS; i++) {
		must(!kecho_channel_freeze(p.ch[1], SOON_MS), "%s", kecho_explain());
		__atomic_store_n(&s.asked, i, __ATOMIC_RELEASE);
		must(comes_true(waits(&p)), "it waits");
		must(!kecho_channel_thaw(p.ch[1]), "%s", kecho_explain());
		must(comes_true(is_done(&s, i)), "it is woken, %llu", (unsigned long long)i);
	}
	kecho_channel_destroy(p.ch[1], SOON_MS);
	__atomic_store_n(&s.asked, i, __ATOMIC_RELEASE);
	ends_with(&s, i, -ESHUTDOWN);
	pair_close(&p);
}

static bool *reserved;

/* Never returns: something stands in the way. */
static int freezes(void *arg)
{
	struct kecho_channel *ch;
	struct kecho *k;

	(void)arg;
	if (!comes_true(smp_load_acquire(reserved)) || kecho_open(&k, NULL) ||
	    kecho_channel_open(k, "door", NULL, &ch))
		return 1;
	return kecho_channel_freeze(ch, -1) ?: 1;
}

/*
 * Who has looked and is about to sleep is woken too. A reservation keeps the source from
 * standing still, so the node has never given it a limit when who wants to freeze dies.
 */
TEST(thawed_before_sleeping)
{
	struct kecho_reservation r;
	struct submitter s;
	struct pair p;
	pid_t freezer;

	ARENA();
	if (with_kernel())
		skip("nobody sleeps on a futex");
	reserved = shared(sizeof(*reserved));
	must(reserved, "memory");
	freezer = spawn(freezes, NULL);
	must(pair_open(&p, "door"), "two processes");
	must(!kecho_reserve(p.src, LEN, 0, &r), "%s", kecho_explain());
	smp_store_release(&door.shut, true);
	smp_store_release(reserved, true);
	ok(comes_true(kecho_submit(p.src, "x", 1, KECHO_DONTWAIT) == -EAGAIN), "frozen");
	begins(&s, p.src, 1);
	ok(comes_true(READ_ONCE(door.knocked)), "it is about to sleep");
	put_down(freezer);
	ok(comes_true(!kecho_submit(p.src, "x", 1, KECHO_DONTWAIT)), "thawed");
	smp_store_release(&door.shut, false);
	must(comes_true(is_done(&s, 1)), "it does not sleep");
	kecho_abort(p.src, &r);
	must(!kecho_channel_destroy(p.ch[1], SOON_MS), "%s", kecho_explain());
	__atomic_store_n(&s.asked, 2, __ATOMIC_RELEASE);
	ends_with(&s, 2, -ESHUTDOWN);
	pair_close(&p);
	munmap(reserved, sizeof(*reserved));
}

TEST(closed)
{
	struct submitter s;
	struct pair p;
	int i;

	ARENA();
	must(pair_open(&p, "closed"), "two processes");
	must(!kecho_channel_freeze(p.ch[1], SOON_MS), "%s", kecho_explain());
	for (i = 0; i < ROUNDS; i++) {
		begins(&s, p.src, 1);
		must(comes_true(waits(&p)), "it waits");
		kecho_source_close(p.src);
		ends_with(&s, 1, -EPIPE);
		must(!kecho_source_open(p.ch[0], NULL, &p.src), "%s", kecho_explain());
		p.waited = 0;
	}
	pair_close(&p);
}

TEST(destroyed)
{
	struct submitter s;
	struct pair p;
	char name[32];
	int i;

	ARENA();
	must(pair_open(&p, "destroyed"), "two processes");
	for (i = 0; i < CHANNELS; i++) {
		must(!kecho_channel_freeze(p.ch[1], SOON_MS), "%s", kecho_explain());
		begins(&s, p.src, 1);
		must(comes_true(waits(&p)), "it waits");
		must(!kecho_channel_destroy(p.ch[1], SOON_MS), "%s", kecho_explain());
		ends_with(&s, 1, -ESHUTDOWN);
		snprintf(name, sizeof(name), "destroyed%d", i);
		must(pair_join(&p, name), "the next");
	}
	pair_close(&p);
}

/* A sink that blocks makes room by reading. */
TEST(read)
{
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	struct kecho_sink *snk;
	struct kecho_event ev;
	struct submitter s;
	struct pair p;
	u64 i;

	ARENA();
	must(pair_open(&p, "read"), "two processes");
	must(!kecho_sink_open(p.ch[1], &block, &snk), "%s", kecho_explain());
	begins(&s, p.src, EVENTS);
	must(comes_true(waits(&p)), "it waits");
	for (i = 1; i <= EVENTS; i++) {
		must(!kecho_read(snk, &ev, SOON_MS), "event %llu: %s", (unsigned long long)i,
		     kecho_explain());
		is_eq(ev.seq, i, "in order");
	}
	must(!kecho_channel_destroy(p.ch[1], SOON_MS), "%s", kecho_explain());
	__atomic_store_n(&s.asked, EVENTS + 1, __ATOMIC_RELEASE);
	ends_with(&s, EVENTS + 1, -ESHUTDOWN);
	pair_close(&p);
}

/* What has to be left empty at the ring's end is room, too: it would be waited for. */
TEST(dontwait_in_pieces)
{
	const struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	static u8 buf[30000];	/* two of them nearly fill the log */
	unsigned int i, came = 0, went = 0;
	struct kecho_sink *snk;
	struct kecho_event ev;
	struct pair p;

	ARENA();
	must(pair_open(&p, "pieces"), "two processes");
	must(!kecho_sink_open(p.ch[1], &block, &snk), "%s", kecho_explain());
	for (i = 0; i < ROUNDS / 3; i++) {
		went += !kecho_submit(p.src, buf, 1 + i * 37 % 1500, KECHO_DONTWAIT);
		while (!kecho_submit(p.src, buf, sizeof(buf), KECHO_DONTWAIT))
			went++;
		while (came < went && !kecho_read(snk, &ev, SOON_MS))
			came++;
		must(comes_true(!kecho_submit(p.src, buf, sizeof(buf), KECHO_DONTWAIT)), "room");
		went++;
	}
	while (came < went && !kecho_read(snk, &ev, SOON_MS))
		came++;
	is_eq(came, went, "all that fitted came");
	pair_close(&p);
}

TESTS(room, thawed, thawed_before_sleeping, closed, destroyed, read, dontwait_in_pieces);
