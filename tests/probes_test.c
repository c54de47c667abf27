/* SPDX-License-Identifier: MIT */
/*
 * The static tracepoints of lib/probe.h: each is in libkecho and kechod, with the arguments
 * that are documented, and a tracer that is attached, the kernel's uprobes, sees each of them
 * as often as what it stands for happens in this process.
 *
 * Where uprobes are not permitted (in a container, say) only the notes are looked at.
 */
#include "tap.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kecho/kecho.h>

#define PMU_TYPE	"/sys/bus/event_source/devices/uprobe/type"
#define NOTE_TYPE	3	/* of SystemTap's notes, version 3 */
#define PLACES_MAX	64
#define THREADS_MAX	16
#define EVENTS		1000
#define LOOKS_MAX	1000	/* for what comes in another thread, a hundredth of a second each */
#define LOG_SIZE	KECHO_LOG_SIZE_MIN

/* A place in a file where a probe is. */
struct place {
	char name[32];
	unsigned int nargs;
	u64 offset;		/* in the file */
};

static struct place places[PLACES_MAX];
static unsigned int nplaces;

static const struct {
	const char *name;
	unsigned int nargs;
	bool anywhere;		/* here it may happen in a thread of the library */
} probes[] = {
	{ "submit", 3, false }, { "read", 4, false }, { "lost", 4, false },
	{ "join", 3, false }, { "leave", 3, false }, { "ring", 2, false },
	{ "member_gone", 3, true }, { "link_up", 2, true }, { "link_down", 1, true },
};

/* ------------------------------------------------------------------- the notes */

static u64 file_offset(const u8 *file, u64 address)
{
	const Elf64_Ehdr *e = (const void *)file;
	const Elf64_Phdr *p = (const void *)(file + e->e_phoff);
	int i;

	for (i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && address >= p[i].p_vaddr &&
		    address < p[i].p_vaddr + p[i].p_filesz)
			return address - p[i].p_vaddr + p[i].p_offset;
	return 0;
}

/* The address of the probe, of a base, of a semaphore; provider, name, arguments. */
static void take_note(const u8 *file, const char *desc)
{
	const char *provider = desc + 3 * sizeof(u64), *name = provider + strlen(provider) + 1;
	const char *args = name + strlen(name) + 1;
	struct place *p = &places[nplaces];
	u64 address;

	if (strcmp(provider, "kecho") || nplaces == PLACES_MAX)
		return;
	memcpy(&address, desc, sizeof(address));
	strscpy(p->name, name, sizeof(p->name));
	p->offset = file_offset(file, address);
	for (p->nargs = *args != 0; *args; args++)
		p->nargs += *args == ' ';
	nplaces++;
}

static void take_notes(const u8 *file, const Elf64_Shdr *sh)
{
	const u8 *at = file + sh->sh_offset, *end = at + sh->sh_size;

	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *n = (const void *)at;
		const u8 *name = at + sizeof(*n), *desc = name + ALIGN(n->n_namesz, 4);

		if (n->n_type == NOTE_TYPE && !strcmp((const char *)name, "stapsdt"))
			take_note(file, (const char *)desc);
		at = desc + ALIGN(n->n_descsz, 4);
	}
}

static void find_places(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), i;
	const Elf64_Shdr *sh;
	const Elf64_Ehdr *e;
	struct stat st;
	const u8 *file;

	nplaces = 0;
	must(fd >= 0 && !fstat(fd, &st), "%s", path);
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	must(file != MAP_FAILED, "%s", path);
	e = (const void *)file;
	sh = (const void *)(file + e->e_shoff);
	for (i = 0; i < e->e_shnum; i++)
		if (sh[i].sh_type == SHT_NOTE)
			take_notes(file, &sh[i]);
	munmap((void *)file, st.st_size);
}

static void check_notes(const char *path)
{
	unsigned int i, j, n;

	find_places(path);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		for (j = n = 0; j < nplaces; j++) {
			if (strcmp(places[j].name, probes[i].name))
				continue;
			n++;
			is_eq(places[j].nargs, probes[i].nargs, "%s: arguments", places[j].name);
			ok(places[j].offset, "%s is in the file", places[j].name);
		}
		ok(n, "%s has %s", path, probes[i].name);
	}
	for (j = 0; j < nplaces; j++) {
		for (i = n = 0; i < ARRAY_SIZE(probes); i++)
			n += !strcmp(places[j].name, probes[i].name);
		ok(n, "%s is documented", places[j].name);
	}
}

TEST(notes)
{
	check_notes(KECHOD);
	check_notes(LIBKECHO);
}

/* ------------------------------------------------------------------- the tracer */

/* One for each place and thread where it may happen, for each takes a while: those that are
 * inherited lose counts when the kernel exchanges the contexts of two threads. */
static struct counter {
	const char *name;
	int fd;
} counters[PLACES_MAX * THREADS_MAX];
static unsigned int ncounters;

static int pmu_type(void)
{
	FILE *f = fopen(PMU_TYPE, "re");
	int type = -1;

	if (f && fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

static bool happens_in(const char *name, pid_t thread)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(probes[i].name, name))
			return probes[i].anywhere || thread == getpid();
	return false;
}

/* Counts how often a thread comes to each place. 0, or -errno. */
static int attach_to(int type, pid_t thread)
{
	unsigned int i;

	for (i = 0; i < nplaces && ncounters < ARRAY_SIZE(counters); i++) {
		struct perf_event_attr attr = {
			.type = type, .size = sizeof(attr),
			.uprobe_path = (uintptr_t)LIBKECHO, .probe_offset = places[i].offset,
		};
		int fd;

		if (!happens_in(places[i].name, thread))
			continue;
		fd = syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0)
			return -errno;
		counters[ncounters++] = (struct counter){ places[i].name, fd };
	}
	return i < nplaces ? -ENOSPC : 0;
}

/* To all threads that there are. */
static int attach(void)
{
	int type = pmu_type(), err = type < 0 ? -ENOENT : 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (!err && d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			err = attach_to(type, atoi(e->d_name));
	if (d)
		closedir(d);
	return d ? err : -errno;
}

static void detach(void)
{
	while (ncounters)
		close(counters[--ncounters].fd);
}

/* Of all threads, at all places that the probe is at. */
static u64 hits(const char *name)
{
	u64 n, sum = 0;
	unsigned int i;

	for (i = 0; i < ncounters; i++)
		if (!strcmp(counters[i].name, name) &&
		    read(counters[i].fd, &n, sizeof(n)) == sizeof(n))
			sum += n;
	return sum;
}

/* What another thread does: it comes, and no more. */
static void come(const char *name, u64 wanted)
{
	unsigned int i;

	for (i = 0; i < LOOKS_MAX && hits(name) < wanted; i++)
		usleep(10000);
	is_eq(hits(name), wanted, "%s", name);
}

/* ------------------------------------------------------------------ what happens */

static struct kecho *a, *b;
static struct kecho_channel *cha, *chb;
static struct kecho_source *source;
static struct kecho_sink *sink;

static void submit_all(void)
{
	static u8 big[2 * LOG_SIZE];
	struct kecho_reservation r;
	struct iovec v[3] = { { big, 10 }, { big, 20 }, { big, 30 } };
	struct kecho_attr attr = { "zone", kecho_i64(7) };
	int i;

	is_eq(kecho_submit(source, big, sizeof(big), 0), 0, "one in pieces");
	for (i = 0; i < EVENTS; i++)
		is_eq(kecho_submit(source, big, i % 100, 0), 0, "event %d", i);
	is_eq(kecho_submit_vector(source, v, 3, 0), 3, "three at once");
	is_eq(kecho_submit_attrs(source, big, 9, &attr, 1, 0), 0, "with an attribute");
	is_eq(kecho_reserve(source, 100, 0, &r), 0, "in place");
	is_eq(kecho_commit(source, &r, 50), 0, "committed");
	is_eq(kecho_reserve(source, 100, 0, &r), 0, "in place");
	kecho_abort(source, &r);
	ok(kecho_submit(source, big, KECHO_EVENT_MAX + 1u, 0) < 0, "one that is too large");
}

/* The sink, a `latest` one, was lapped: it gets what is left, and is told the rest. */
static void read_all(void)
{
	u64 events = 0, losses = 0, lost = 0;
	struct kecho_event ev;

	while (!kecho_read(sink, &ev, 0)) {
		events += ev.kind == KECHO_EVENT;
		losses += ev.kind == KECHO_LOST;
		lost += ev.kind == KECHO_LOST ? ev.last_seq - ev.seq + 1 : 0;
	}
	ok(events && losses && events + lost >= EVENTS, "it was lapped");
	is_eq(hits("read"), events, "read: once for each event");
	is_eq(hits("lost"), losses, "lost: once for each loss");
}

/* Who polls is woken by the next submission. */
static void ring_once(void)
{
	struct pollfd p = { .fd = kecho_sink_fd(sink), .events = POLLIN };
	struct kecho_event ev;
	u64 before;

	while (!kecho_read(sink, &ev, 0))
		;
	before = hits("ring");
	is_eq(kecho_submit(source, "x", 1, 0), 0, "an event");
	is_eq(poll(&p, 1, 1000), 1, "the sink is woken");
	is_eq(hits("ring"), before + 1, "ring: once");
}

/* Two nodes in this process: each end of the link between them counts. */
static void join_two(void)
{
	struct kecho_source_options opt = { .log_size = LOG_SIZE };

	must(!kecho_channel_open(a, "probes", NULL, &cha), "%s", kecho_explain());
	must(!kecho_channel_open(b, "probes", NULL, &chb), "%s", kecho_explain());
	must(!kecho_source_open(cha, &opt, &source), "%s", kecho_explain());
	must(!kecho_sink_open(chb, NULL, &sink), "%s", kecho_explain());
}

static void trace_two(void)
{
	sink = NULL;
	join_two();
	if (!sink)
		return;
	come("join", 2);
	come("link_up", 2);
	submit_all();
	is_eq(hits("submit"), EVENTS + 3 + 1 + 1 + 1, "submit: once for each event");
	read_all();
	ring_once();
	kecho_source_close(source);
	come("member_gone", 1);
	kecho_sink_close(sink);
	come("member_gone", 2);
	is_eq(hits("leave"), 2, "leave");
	is_eq(hits("link_down"), 0, "the link stands");
	kecho_close(b);
	kecho_close(a);
	come("link_down", 2);
}

TEST(trace)
{
	int err;

	find_places(LIBKECHO);
	setenv("KECHO", "embedded", 1);
	must(!kecho_open(&a, NULL) && !kecho_open(&b, NULL), "%s", kecho_explain());
	err = attach();
	if (!err)
		trace_two();
	detach();
	if (err == -EPERM || err == -EACCES || err == -ENOENT)
		skip("uprobes are not permitted here");
	is_eq(err, 0, "attached to " LIBKECHO);
}

TESTS(probes, notes, trace);
