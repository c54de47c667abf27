// SPDX-License-Identifier: MIT
/*
 * bench/crowd: many processes and many channels on one kechod of its own.
 *
 * Process i has a source in channel i and a sink in channel i + 1, so each channel has one
 * of both, of different processes. All attach, then all open their channels, then all join
 * (the first half one after the other, the rest 8 at once), each submits an event and reads
 * its neighbour's, all join one channel more, and then all idle. kechod is looked at after
 * each step: its memory is what it has resident, and what is behind the files and memfds
 * that it has open.
 */
#include "kechod.h"
#include "measure.h"
#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <search.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kecho/kecho.h"

#define PROCESSES	1000
#define PROCESSES_QUICK	50
#define AT_ONCE		8
#define STEP_S		60	/* without progress: a failure, not a slow machine */
#define SETTLE_S	3
#define IDLE_S		10
#define IDLE_QUICK_S	1
#define IDLE_BAR_MS	5.	/* in IDLE_S */
#define INODES_MAX	65536
#define READ_MS		10000

enum step { STEP_NONE, STEP_ATTACH, STEP_OPEN, STEP_JOIN, STEP_EVENT, STEP_SAME, STEP_COUNT };

static struct hall {
	uint32_t done;	/* steps that were done; a futex */
	int32_t failed;	/* somebody's error */
	char why[128];
	uint32_t go[PROCESSES];	/* the step that each may do; futexes */
} *hall;

static unsigned int processes;
static bool json, judged;
static unsigned int missed;
static struct kechod kechod;
static pid_t person[PROCESSES];

/* -------------------------------------------------------------------- futexes */

static int futex_wait(uint32_t *word, uint32_t seen, unsigned int s)
{
	struct timespec t = { s, 0 };

	if (syscall(SYS_futex, word, FUTEX_WAIT, seen, s ? &t : NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static void futex_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* --------------------------------------------------------------------- a person */

static struct {
	struct kecho *k;
	struct kecho_channel *from, *to;	/* it reads, it submits */
	struct kecho_source *source;
	struct kecho_sink *sink;
} me;

static int open_channel(unsigned int i, struct kecho_channel **ch)
{
	char name[32];

	snprintf(name, sizeof(name), "crowd-%u", i % processes);
	return kecho_channel_open(me.k, name, NULL, ch);
}

static int read_one(unsigned int i)
{
	struct kecho_event ev;
	int err;

	do
		err = kecho_read(me.sink, &ev, READ_MS);
	while (!err && ev.kind != KECHO_EVENT);
	if (!err && (ev.len != sizeof(i) || *(const unsigned int *)ev.data != (i + 1) % processes))
		err = -EBADMSG;
	return err;
}

/* One channel of all: a source and many sinks. */
static int join_same(unsigned int i)
{
	struct kecho_channel *ch;
	struct kecho_source *source;
	struct kecho_sink *sink;
	int err = kecho_channel_open(me.k, "crowd", NULL, &ch);

	if (err)
		return err;
	return i ? kecho_sink_open(ch, NULL, &sink) : kecho_source_open(ch, NULL, &source);
}

static int do_step(unsigned int i, enum step step)
{
	int err = 0;

	switch (step) {
	case STEP_ATTACH:
		return kecho_open(&me.k, NULL);
	case STEP_OPEN:
		err = open_channel(i, &me.to);
		return err ? err : open_channel(i + 1, &me.from);
	case STEP_JOIN:
		err = kecho_source_open(me.to, NULL, &me.source);
		return err ? err : kecho_sink_open(me.from, NULL, &me.sink);
	case STEP_EVENT:
		err = kecho_submit(me.source, &i, sizeof(i), 0);
		return err ? err : read_one(i);
	case STEP_SAME:
		return join_same(i);
	default:
		return 0;
	}
}

static void say_done(int err)
{
	int32_t none = 0;

	if (err && __atomic_compare_exchange_n(&hall->failed, &none, err, false, __ATOMIC_SEQ_CST,
					       __ATOMIC_SEQ_CST))
		snprintf(hall->why, sizeof(hall->why), "%s", kecho_explain());
	__atomic_fetch_add(&hall->done, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &hall->done, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* In its own process; ends by being killed. */
static void live(unsigned int i)
{
	uint32_t *go = &hall->go[i];
	enum step step;

	for (step = STEP_ATTACH; step < STEP_COUNT; step++) {
		while (__atomic_load_n(go, __ATOMIC_SEQ_CST) < step)
			futex_wait(go, step - 1, 0);
		say_done(do_step(i, step));
	}
	for (;;)
		pause();
}

static int people_start(void)
{
	pid_t parent = getpid();
	unsigned int i;

	for (i = 0; i < processes; i++) {
		person[i] = fork();
		if (person[i] < 0)
			return -errno;
		if (person[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			live(i);
		_exit(1);
	}
	return 0;
}

/* Processes from @begin to @end do @step, @at_once of them at a time. */
static int people_do(enum step step, unsigned int begin, unsigned int end, unsigned int at_once)
{
	uint32_t first = __atomic_load_n(&hall->done, __ATOMIC_SEQ_CST), seen;
	unsigned int next = begin;

	while ((seen = __atomic_load_n(&hall->done, __ATOMIC_SEQ_CST)) - first < end - begin) {
		while (next < end && next - begin < seen - first + at_once)
			futex_set(&hall->go[next++], step);
		if (futex_wait(&hall->done, seen, STEP_S) == -ETIMEDOUT) {
			fprintf(stderr, "crowd: nobody has done step %d for %d s\n", step, STEP_S);
			return -ETIMEDOUT;
		}
	}
	if (hall->failed)
		fprintf(stderr, "crowd: step %d: %s\n", step, hall->why);
	return hall->failed;
}

/* ----------------------------------------------------------------------- kechod */

struct footprint {
	double bytes;
	unsigned int fds;
};

static int by_inode(const void *a, const void *b)
{
	ino_t x = *(const ino_t *)a, y = *(const ino_t *)b;

	return x < y ? -1 : x > y;
}

/* Memory behind the files that it has open: each counts once, however often it has it. */
static double open_bytes(unsigned int *fds)
{
	static ino_t seen[INODES_MAX];
	char path[64];
	struct dirent *e;
	struct stat st;
	size_t n = 0;
	double bytes = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", kechod.pid);
	d = opendir(path);
	*fds = 0;
	while (d && (e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		(*fds)++;
		if (fstatat(dirfd(d), e->d_name, &st, 0) || !S_ISREG(st.st_mode) ||
		    n == INODES_MAX || lfind(&st.st_ino, seen, &n, sizeof(*seen), by_inode))
			continue;
		seen[n++] = st.st_ino;
		bytes += (double)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	return bytes;
}

static struct footprint look(void)
{
	struct footprint fp;
	char path[64], line[128];
	double kb;
	FILE *f;

	fp.bytes = open_bytes(&fp.fds);
	snprintf(path, sizeof(path), "/proc/%d/status", kechod.pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lf", &kb) == 1 || sscanf(line, "VmPTE: %lf", &kb) == 1)
			fp.bytes += kb * 1024;
	if (f)
		fclose(f);
	return fp;
}

/* What all threads of it have run; -1: it is gone. */
static double cpu_ms(pid_t pid)
{
	char path[64], name[512];
	double ns, sum = 0;
	struct dirent *e;
	DIR *d;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s/schedstat", path, e->d_name);
		f = fopen(name, "re");
		if (f && fscanf(f, "%lf", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	closedir(d);
	return sum / 1e6;
}

/* ---------------------------------------------------------------------- figures */

/* @bar 0: none; else the most. */
static void report(const char *name, const char *unit, double value, double bar)
{
	const char *verdict = !bar ? "" : !judged ? "not judged" : value <= bar ? "met" : "missed";

	missed += bar > 0 && judged && value > bar;
	if (json)
		printf("{\"claim\":\"%s\",\"unit\":\"%s\",\"value\":%.6g,\"bar\":%.6g,"
		       "\"verdict\":\"%s\"}\n", name, unit, value, bar, verdict);
	else if (bar)
		printf("%-44s %10.3g %-8s <= %.3g: %s\n", name, value, unit, bar, verdict);
	else
		printf("%-44s %10.4g %s\n", name, value, unit);
	fflush(stdout);
}

/* A step of some, in which each does @each things that @name says: how many in a second, and
 * what one costs kechod. */
static int timed(enum step step, const char *name, unsigned int begin, unsigned int end,
		 unsigned int at_once, unsigned int each)
{
	double n = (end - begin) * each, cpu = cpu_ms(kechod.pid);
	uint64_t start = measure_now_ns();
	int err = people_do(step, begin, end, at_once);

	if (err)
		return err;
	report(name, "per s", n / ((double)(measure_now_ns() - start) / 1e9), 0);
	report("  each costs kechod", "us CPU", (cpu_ms(kechod.pid) - cpu) * 1e3 / n, 0);
	return 0;
}

static void report_memory(const struct footprint *f)
{
	report("memory of kechod, alone", "KiB", f[0].bytes / 1024, 0);
	report("memory of a process that is attached", "KiB",
	       (f[STEP_ATTACH].bytes - f[0].bytes) / processes / 1024, 0);
	report("memory of an idle channel", "KiB",
	       (f[STEP_OPEN].bytes - f[STEP_ATTACH].bytes) / processes / 1024, 0);
	report("memory of a member, its log too", "KiB",
	       (f[STEP_JOIN].bytes - f[STEP_OPEN].bytes) / processes / 2 / 1024, 0);
	report("memory of kechod, all there", "MiB", f[STEP_EVENT].bytes / 1048576, 0);
	report("descriptors of kechod", "", f[STEP_EVENT].fds, 0);
}

/* What everybody has run; [processes] is kechod. */
static int run_until_now(double *ms)
{
	unsigned int i;

	for (i = 0; i <= processes; i++) {
		ms[i] = cpu_ms(i < processes ? person[i] : kechod.pid);
		if (ms[i] < 0)
			return -ESRCH;
	}
	return 0;
}

static int idle(unsigned int s)
{
	static double before[PROCESSES + 1], after[PROCESSES + 1];
	double most = 0, sum = 0, used;
	unsigned int i;
	int err;

	sleep(SETTLE_S);
	err = run_until_now(before);
	if (err)
		return err;
	sleep(s);
	err = run_until_now(after);
	if (err)
		return err;
	for (i = 0; i < processes; i++) {
		used = after[i] - before[i];
		sum += used;
		most = used > most ? used : most;
	}
	used = after[processes] - before[processes];
	report("CPU of kechod, all idle, in 10 s", "ms", used * IDLE_S / s, IDLE_BAR_MS);
	report("CPU of a process, idle, in 10 s, mean", "ms", sum / processes * IDLE_S / s, 0);
	report("CPU of a process, idle, in 10 s, most", "ms", most * IDLE_S / s, IDLE_BAR_MS);
	return 0;
}

static int measure(unsigned int idle_s)
{
	unsigned int half = processes / 2, tenth = processes / 10;
	struct footprint f[STEP_COUNT];
	int err;

	f[0] = look();
	err = timed(STEP_ATTACH, "attached, one by one", 0, processes, 1, 1);
	f[STEP_ATTACH] = look();
	err = err ? err : timed(STEP_OPEN, "channels opened, one by one", 0, processes, 1, 2);
	f[STEP_OPEN] = look();
	err = err ? err : timed(STEP_JOIN, "joins, one by one, the first", 0, tenth, 1, 2);
	err = err ? err : timed(STEP_JOIN, "joins, one by one", tenth, half, 1, 2);
	err = err ? err : timed(STEP_JOIN, "joins, 8 at once", half, processes - tenth, AT_ONCE, 2);
	err = err ? err : timed(STEP_JOIN, "joins, one by one, the last", processes - tenth,
				processes, 1, 2);
	f[STEP_JOIN] = look();
	err = err ? err : people_do(STEP_EVENT, 0, processes, processes);
	f[STEP_EVENT] = look();
	if (err)
		return err;
	report_memory(f);
	err = timed(STEP_SAME, "joins to one channel, the first", 0, tenth, 1, 1);
	err = err ? err : people_do(STEP_SAME, tenth, processes - tenth, 1);
	err = err ? err : timed(STEP_SAME, "joins to one channel, the last", processes - tenth,
				processes, 1, 1);
	return err ? err : idle(idle_s);
}

static void people_end(void)
{
	unsigned int i;

	for (i = 0; i < processes; i++)
		if (person[i] > 0)
			kill(person[i], SIGKILL);
	for (i = 0; i < processes; i++)
		if (person[i] > 0)
			waitpid(person[i], NULL, 0);
}

int main(int argc, char **argv)
{
	static const char *const options[] = {
		"user-memory=8G", "user-processes=4096", "user-channels=4096",
		"user-members=4096", NULL,
	};
	struct options opt;
	const char *lengthy = getenv("KECHO_LONG");
	int status = options_parse(&opt, argc, argv, "1,000 processes and channels on a kechod");
	int err;

	if (status >= 0)
		return status;
	json = opt.json;
	judged = !opt.quick || (lengthy && !strcmp(lengthy, "1"));
	processes = opt.quick ? PROCESSES_QUICK : PROCESSES;
	hall = mmap(NULL, sizeof(*hall), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hall == MAP_FAILED)
		return 2;
	/* A registry of its own. */
	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET))
		fprintf(stderr, "crowd: no network namespace of its own: %s\n", strerror(errno));
	err = kechod_start(&kechod, options);
	if (!err) {
		kechod_use(&kechod);
		err = people_start();
	}
	if (!err)
		err = measure(judged ? IDLE_S : IDLE_QUICK_S);
	people_end();
	if (err)
		fprintf(stderr, "crowd: %s\n", strerror(-err));
	if (kechod_stop(&kechod))
		err = -EIO;
	return err ? 2 : missed ? 1 : 0;
}
