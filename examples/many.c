/* SPDX-License-Identifier: MIT */
/*
 * many: one thread, many channels: what comes in any of them goes to its callback.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <kecho/kecho.h>

enum { CHANNELS = 100 };

struct room {
	char name[32];
	struct kecho_source *src;
	int heard;
};

static void hear(void *arg, const struct kecho_event *ev)
{
	struct room *r = arg;

	/* What comes is what was said in this channel. */
	if (ev->kind == KECHO_EVENT && ev->len == strlen(r->name))
		r->heard += !memcmp(ev->data, r->name, ev->len);
}

static void open_room(struct kecho *k, struct room *r, int i)
{
	struct kecho_sink_options opt = { .fn = hear, .arg = r };
	struct kecho_channel *ch;
	struct kecho_sink *snk;

	snprintf(r->name, sizeof(r->name), "example.many.%d", i);
	if (kecho_channel_open(k, r->name, NULL, &ch) || kecho_sink_open(ch, &opt, &snk) ||
	    kecho_source_open(ch, NULL, &r->src))
		errx(1, "%s", kecho_explain());
}

int main(void)
{
	static struct room rooms[CHANNELS];
	struct kecho *k;
	int i, heard = 0;

	if (kecho_open(&k, NULL))
		errx(1, "%s", kecho_explain());
	for (i = 0; i < CHANNELS; i++)
		open_room(k, &rooms[i], i);
	for (i = 0; i < CHANNELS; i++)
		if (kecho_submit(rooms[i].src, rooms[i].name, strlen(rooms[i].name), 0))
			errx(1, "%s", kecho_explain());
	kecho_run(k, 0);
	for (i = 0; i < CHANNELS; i++)
		heard += rooms[i].heard;
	printf("%d channels, %d events\n", CHANNELS, heard);
	kecho_close(k);
	return heard != CHANNELS;
}
