/* SPDX-License-Identifier: MIT */
/*
 * What the tests of whole nodes share: a network namespace of the test's own,
 * children that die with it, memory that they share, and patterned events.
 * One file includes it.
 */
#ifndef KECHO_CLUSTER_H
#define KECHO_CLUSTER_H

#include <dirent.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kecho/kecho.h"
#include "tap.h"

enum {
	SOON_MS = 10000,	/* longer than anything takes that works */
	QUIET_MS = 50,		/* so long nothing may come */
	STEP_US = 500,		/* between two looks at what another process does */
	DIRS_MAX = 16,		/* of kechods of one test program */
	LINKS_MAX = 8,		/* of a node that are looked at */
};

#define REGISTRY	"127.0.0.1:7390"

static inline u64 clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline u64 now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline void sleep_us(u64 us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&t, &t))
		;
}

/* Waits until @cond holds, SOON_MS at most; gives whether it does. */
#define comes_true(cond)							\
	({									\
		u64 __until = now_ns() + SOON_MS * 1000000ull;			\
		bool __came;							\
										\
		while (!(__came = !!(cond)) && now_ns() < __until)		\
			sleep_us(STEP_US);					\
		__came;								\
	})

static inline bool up(const char *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_flags = IFF_UP };
	bool good;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	good = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &r);
	close(fd);
	return good;
}

/* Nobody else's nodes, addresses or registry: needs root or user namespaces. */
static inline bool own_network(void)
{
	static bool done;

	if (done)
		return true;
	signal(SIGPIPE, SIG_IGN);
	done = !unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) && up("lo");
	return done;
}

/* Whether the test's processes attach to a kechod: KECHO=daemon, and KECHOD its path.
 * Else each is a node, whatever else may run on this host. */
static inline bool with_daemon(void)
{
	const char *how = getenv("KECHO");

	return how && !strcmp(how, "daemon");
}

/* Whether they attach to the kernel's node: KECHO=kernel, where its module is. */
static inline bool with_kernel(void)
{
	const char *how = getenv("KECHO");

	return how && !strcmp(how, "kernel");
}

/* Whether the machine is emulated: how long something takes there means nothing. */
static inline bool emulated(void)
{
	return getenv("KECHO_EMULATED");
}

/* Whether they attach to a node that is no process's of theirs. */
static inline bool with_node(void)
{
	return with_daemon() || with_kernel();
}

#define ARENA()									\
	do {									\
		if (!own_network())						\
			skip("no network namespace of its own");		\
		must(own_daemon(), "a kechod of the test's own");		\
	} while (0)

/* Zeroed memory that this process and its children share. */
static inline void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A child that runs @fn, and dies with the test. */
static inline pid_t spawn(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(2);
	_exit(fn(arg));
}

/* -------------------------------------------------------- directories of kechods */

static char made_dir[DIRS_MAX][32];
static unsigned int nmade_dirs;

/* With the files in them, which a kechod keeps for the next one. */
static inline void remove_dirs(void)
{
	struct dirent *e;
	DIR *d;

	for (; nmade_dirs; nmade_dirs--) {
		d = opendir(made_dir[nmade_dirs - 1]);
		while (d && (e = readdir(d)))
			unlinkat(dirfd(d), e->d_name, 0);
		if (d)
			closedir(d);
		rmdir(made_dir[nmade_dirs - 1]);
	}
}

/* @dir as of mkdtemp(); it is there for as long as the test program is. */
static inline bool make_dir(char *dir)
{
	if (nmade_dirs == DIRS_MAX || (!nmade_dirs && atexit(remove_dirs)) || !mkdtemp(dir))
		return false;
	snprintf(made_dir[nmade_dirs++], sizeof(made_dir[0]), "%s", dir);
	return !chmod(dir, 0755);
}

static inline bool listens(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool there;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	there = fd >= 0 && !connect(fd, (void *)&a, sizeof(a));
	close(fd);
	return there;
}

static pid_t daemon_pid;
static char daemon_dir[] = "/tmp/kecho-test-XXXXXX";

static int run_daemon(void *socket)
{
	char run_option[64], socket_option[80];
	const char *path = getenv("KECHOD");

	snprintf(run_option, sizeof(run_option), "run=%s", daemon_dir);
	snprintf(socket_option, sizeof(socket_option), "socket=%s", (char *)socket);
	execl(path, path, "-o", run_option, "-o", socket_option, NULL);
	return 127;
}

static inline void end_daemon(void)
{
	if (daemon_pid > 0) {
		kill(daemon_pid, SIGTERM);
		waitpid(daemon_pid, NULL, 0);
	}
}

static inline bool start_daemon(void)
{
	char *socket = getenv("KECHO_SOCKET");

	daemon_pid = spawn(run_daemon, socket);
	return comes_true(listens(socket));
}

/* For the whole test program: its kechod, or none. */
static inline bool own_daemon(void)
{
	char socket[64];

	if (with_kernel())
		return true;
	if (!with_daemon())
		return !setenv("KECHO", "embedded", 1);
	if (daemon_pid)
		return true;
	if (!getenv("KECHOD") || !make_dir(daemon_dir))
		return false;
	snprintf(socket, sizeof(socket), "%s/kechod.sock", daemon_dir);
	setenv("KECHO_SOCKET", socket, 1);
	atexit(end_daemon);
	return start_daemon();
}

/* The child's exit status, or -1: it was killed, or did not end in time. */
static inline int ends(pid_t pid)
{
	int status = -1;

	if (pid <= 0)
		return -1;
	if (!comes_true(waitpid(pid, &status, WNOHANG))) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void put_down(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ------------------------------------------------------------------- events */

/* The first bytes of an event that can be checked: the rest follows from them. */
struct stamp {
	u64 number;
	u64 sum;	/* of the number, the length and all bytes behind the stamp */
};

static inline u64 stamp_sum(const void *event, size_t len)
{
	const u64 *word = event;
	u64 h = word[0] * 0x9e3779b97f4a7c15ull ^ len;
	size_t i, n = len / sizeof(*word);
	const u8 *tail = event;

	for (i = 2; i < n; i++)
		h = (h ^ word[i]) * 0x100000001b3ull;
	for (i = n * sizeof(*word); i < len; i++)
		h = (h ^ tail[i]) * 0x100000001b3ull;
	return h;
}

/* @event: at least a stamp, aligned to 8. */
static inline void stamp_write(void *event, size_t len, u64 number)
{
	struct stamp *s = event;
	u64 *word = event;
	size_t i, n = len / sizeof(*word);

	for (i = 2; i < n; i++)
		word[i] = number + i;
	memset((u8 *)event + n * sizeof(*word), (u8)number, len % sizeof(*word));
	s->number = number;
	s->sum = stamp_sum(event, len);
}

static inline bool stamp_good(const void *event, size_t len)
{
	const struct stamp *s = event;

	return len >= sizeof(*s) && !((uintptr_t)event & 7) && s->sum == stamp_sum(event, len);
}

static inline u64 stamp_number(const struct kecho_event *ev)
{
	return ((const struct stamp *)ev->data)->number;
}

/* What a sink got of one source, whose events carry their numbers. Who asks for @last from
 * elsewhere uses READ_ONCE(). */
struct given {
	u64 came, lost, wrong, ends;
	u64 last;		/* event that was accounted for */
};

static inline void give(struct given *t, const struct kecho_event *ev)
{
	if (ev->kind == KECHO_ENDED) {
		t->ends++;
		t->wrong += ev->last_seq != t->last;
		return;
	}
	t->wrong += ev->seq != t->last + 1;
	if (ev->kind == KECHO_LOST) {
		t->lost += ev->last_seq - ev->seq + 1;
		WRITE_ONCE(t->last, ev->last_seq);
		return;
	}
	t->wrong += !stamp_good(ev->data, ev->len) || stamp_number(ev) != ev->seq;
	t->came++;
	WRITE_ONCE(t->last, ev->seq);
}

/* ------------------------------------------------------------ under /proc */

/* How many descriptors the process has open; -1: it is gone. */
static inline int fds_of(pid_t pid)
{
	char path[64];
	DIR *d;
	int n = -2;	/* . and .. */

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* How many of its mappings are of memory that is named so; -1: it is gone. */
static inline int maps_of(pid_t pid, const char *name)
{
	char path[64], line[512];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, name);
	fclose(f);
	return n;
}

/* What went out to other hosts. */
static inline u64 sent(struct kecho *k)
{
	struct kecho_link_info l[LINKS_MAX];
	ssize_t i, n = kecho_links(k, l, LINKS_MAX);
	u64 bytes = 0;

	for (i = 0; i < n && i < LINKS_MAX; i++)
		bytes += l[i].tx_bytes;
	return bytes;
}

static inline bool long_run(void)
{
	const char *v = getenv("KECHO_LONG");

	return v && !strcmp(v, "1");
}

#endif
