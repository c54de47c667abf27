/* SPDX-License-Identifier: MIT */
/*
 * chat CHANNEL: a sink in the loop of a program that waits for other things too: lines of
 * standard input go to the channel, what others say there is printed.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kecho/kecho.h>

/* The descriptor is quiet only when nothing is left. */
static void print_others(struct kecho_sink *snk, uint64_t me)
{
	struct kecho_event ev;
	int e;

	while (!(e = kecho_read(snk, &ev, 0)))
		if (ev.kind == KECHO_EVENT && ev.source != me)
			printf("%.*s", (int)ev.len, (const char *)ev.data);
	if (e != -EAGAIN)
		errx(1, "%s", kecho_explain());
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct epoll_event in = { EPOLLIN, { .fd = STDIN_FILENO } }, events = { EPOLLIN, { 0 } };
	int ep = epoll_create1(0);
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;
	char text[4096];
	ssize_t n;

	if (argc != 2)
		errx(2, "usage: chat CHANNEL");
	if (kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &snk) || kecho_source_open(ch, NULL, &src))
		errx(1, "%s", kecho_explain());
	events.data.fd = kecho_sink_fd(snk);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, events.data.fd, &events) ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, in.data.fd, &in))
		err(1, "epoll");
	while (epoll_wait(ep, &in, 1, -1) >= 0 || errno == EINTR) {
		if (in.data.fd != STDIN_FILENO) {
			print_others(snk, kecho_source_id(src));
		} else {
			n = read(STDIN_FILENO, text, sizeof(text));
			if (n <= 0 || kecho_submit(src, text, n, 0))
				break;
		}
	}
	kecho_close(k);
	return 0;
}
