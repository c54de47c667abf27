/* SPDX-License-Identifier: MIT */
/*
 * publish CHANNEL: each line of standard input is an event.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <kecho/kecho.h>

int main(int argc, char **argv)
{
	struct kecho_channel *ch;
	struct kecho_source *s;
	struct kecho *k;
	char line[4096];

	if (argc != 2)
		errx(2, "usage: publish CHANNEL");
	if (kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch) ||
	    kecho_source_open(ch, NULL, &s))
		errx(1, "%s", kecho_explain());
	/* Waits when the log is full of what a sink that blocks has yet to read. */
	while (fgets(line, sizeof(line), stdin))
		if (kecho_submit(s, line, strcspn(line, "\n"), 0))
			errx(1, "%s", kecho_explain());
	kecho_close(k);		/* other hosts' sinks, and those that block, get the rest first */
	return 0;
}
