/* SPDX-License-Identifier: MIT */
/*
 * load JOBS LOADS N: prints N jobs of one channel that are more urgent than this machine is
 * busy. How busy it is comes as events of the other channel: each becomes an attribute of the
 * sink of jobs, which its filter reads and others see.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <kecho/filter.h>
#include <kecho/kecho.h>

static struct kecho_sink *jobs;
static int left;

static void job(void *arg, const struct kecho_event *ev)
{
	(void)arg;
	if (ev->kind == KECHO_EVENT && left-- > 0)
		printf("%.*s\n", (int)ev->len, (const char *)ev->data);
}

static void load(void *arg, const struct kecho_event *ev)
{
	char text[21];

	(void)arg;
	if (ev->kind != KECHO_EVENT)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)ev->len, (const char *)ev->data);
	if (kecho_sink_set(jobs, "load", kecho_i64(atoll(text))))
		warnx("%s", kecho_explain());
}

int main(int argc, char **argv)
{
	struct kecho_attr busy = { "load", kecho_i64(100) };
	struct kecho_sink_options j = { .fn = job, .attrs = &busy, .nattrs = 1 };
	struct kecho_sink_options l = { .fn = load };
	struct kecho_channel *ch[2];
	struct kecho_sink *loads;
	struct kecho_filter *f;
	struct kecho *k;

	left = argc == 4 ? atoi(argv[3]) : 0;
	if (left < 1)
		errx(2, "usage: load JOBS LOADS N");
	if (kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch[0]) ||
	    kecho_channel_open(k, argv[2], NULL, &ch[1]) || kecho_sink_open(ch[0], &j, &jobs) ||
	    kecho_filter_compile(&f, KECHO_FOR_EVENT, "event.urgency > sink.load", NULL) ||
	    kecho_sink_filter(jobs, f, NULL) || kecho_sink_open(ch[1], &l, &loads))
		errx(1, "%s", kecho_explain());
	kecho_filter_free(f);
	while (left > 0 && kecho_run(k, -1) >= 0)
		;
	kecho_close(k);
	return 0;
}
