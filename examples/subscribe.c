/* SPDX-License-Identifier: MIT */
/*
 * subscribe CHANNEL: prints what comes, what was lost, and who ended; until a source ends.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include <kecho/kecho.h>

static void print(const struct kecho_event *ev)
{
	switch (ev->kind) {
	case KECHO_EVENT:
		printf("%" PRIu64 ": %.*s\n", ev->seq, (int)ev->len, (const char *)ev->data);
		break;
	case KECHO_LOST:
		printf("%" PRIu64 " to %" PRIu64 " are lost\n", ev->seq, ev->last_seq);
		break;
	case KECHO_ENDED:
		printf("the source %s after %" PRIu64 "\n", ev->failed ? "failed" : "left",
		       ev->last_seq);
		break;
	case KECHO_SILENT:	/* see kecho_source_options.alive_ms */
		printf("the source gives no sign of life\n");
		break;
	case KECHO_BACK:
		printf("the source is back\n");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct kecho_event ev = { 0 };
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho *k;

	if (argc != 2)
		errx(2, "usage: subscribe CHANNEL");
	if (kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch))
		errx(1, "%s", kecho_explain());
	if (kecho_sink_open(ch, NULL, &s))	/* the policy `latest`: it may be lapped */
		errx(1, "%s", kecho_explain());
	while (ev.kind != KECHO_ENDED) {
		if (kecho_read(s, &ev, -1))
			errx(1, "%s", kecho_explain());
		print(&ev);
	}
	kecho_close(k);
	return 0;
}
