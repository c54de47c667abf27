/* SPDX-License-Identifier: MIT */
/*
 * pressure: a sink that must have everything holds its source up, and a source that must
 * not wait does something else meanwhile: here it is its own sink, and reads.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>

#include <kecho/kecho.h>

enum { EVENTS = 100000 };

/* All that is there; how many events have come so far. */
static uint64_t read_some(struct kecho_sink *s, uint64_t so_far)
{
	struct kecho_event ev;

	while (!kecho_read(s, &ev, 0))
		if (ev.kind != KECHO_EVENT || ev.seq != ++so_far)
			errx(1, "not in order");
	return so_far;
}

int main(void)
{
	struct kecho_sink_options block = { .policy = KECHO_BLOCK };
	uint64_t submitted = 0, read = 0;
	struct kecho_source_stats st;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;
	int err;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "example.pressure", NULL, &ch) ||
	    kecho_sink_open(ch, &block, &snk) || kecho_source_open(ch, NULL, &src))
		errx(1, "%s", kecho_explain());
	while (submitted < EVENTS) {
		err = kecho_submit(src, &submitted, sizeof(submitted), KECHO_DONTWAIT);
		if (!err)
			submitted++;
		else if (err == -EAGAIN)	/* the log is full of what was not read */
			read = read_some(snk, read);
		else
			errx(1, "%s", kecho_explain());
	}
	read = read_some(snk, read);
	kecho_source_stats(src, &st);
	printf("%s was refused; %s came, in order\n", st.refused ? "some" : "nothing",
	       read == EVENTS ? "all" : "not all");
	kecho_close(k);
	return read != EVENTS;
}
