/* SPDX-License-Identifier: MIT */
/*
 * members CHANNEL N: who comes and goes, and in which zone, N times.
 *
 * The watcher runs in the library's helper thread and must not block: it hands what it is
 * told to the main thread, through a pipe.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kecho/kecho.h>

static int pipefd[2];

static void changed(void *arg, const struct kecho_member *m)
{
	(void)arg;
	if (write(pipefd[1], m, sizeof(*m)) != sizeof(*m))
		abort();
}

static void print(struct kecho_channel *ch, const struct kecho_member *m)
{
	static const char *const what[] = { "", "joined", "left", "failed" };
	struct kecho_value zone;
	char buf[64];

	printf("a %s %s", m->role == KECHO_SOURCE ? "source" : "sink", what[m->state]);
	if (!kecho_member_get(ch, m->id, "zone", &zone, buf, sizeof(buf)) &&
	    zone.kind == KECHO_STRING)
		printf(" in zone %.*s", (int)zone.len, (const char *)zone.data);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct kecho_channel *ch;
	struct kecho_member m;
	struct kecho *k;
	int n = argc == 3 ? atoi(argv[2]) : 0;

	if (n < 1)
		errx(2, "usage: members CHANNEL N");
	if (pipe(pipefd))
		err(1, "pipe");
	if (kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch) ||
	    kecho_channel_watch(ch, changed, NULL))
		errx(1, "%s", kecho_explain());
	while (n-- && read(pipefd[0], &m, sizeof(m)) == sizeof(m))
		print(ch, &m);
	kecho_close(k);
	return 0;
}
