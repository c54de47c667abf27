/* SPDX-License-Identifier: MIT */
/*
 * inplace: events written where sinks read them. A reservation has its place in the order
 * from the beginning, and what is after it is seen when it is done.
 */
#include <err.h>
#include <stdio.h>

#include <kecho/kecho.h>

static void finish(struct kecho_source *s, struct kecho_reservation *r, const char *text)
{
	int len = snprintf(r->data, r->len, "%s", text);

	if (kecho_commit(s, r, len))		/* no longer than what was written */
		errx(1, "%s", kecho_explain());
}

int main(void)
{
	struct kecho_reservation first, second, third;
	struct kecho_channel *ch;
	struct kecho_event ev;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "example.inplace", NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &snk) || kecho_source_open(ch, NULL, &src))
		errx(1, "%s", kecho_explain());
	if (kecho_reserve(src, 100, 0, &first) || kecho_reserve(src, 100, 0, &second) ||
	    kecho_reserve(src, 100, 0, &third))
		errx(1, "%s", kecho_explain());
	finish(src, &third, "committed first");
	kecho_abort(src, &second);
	printf("%s\n", kecho_read(snk, &ev, 0) ? "nothing is seen" : "something is seen");
	finish(src, &first, "committed last");
	while (!kecho_read(snk, &ev, 0))
		printf("%.*s\n", (int)ev.len, (const char *)ev.data);
	kecho_close(k);
	return 0;
}
