/* SPDX-License-Identifier: MIT */
/*
 * vector: many events for one call, and a sink that is lapped: it is told what it lost.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include <kecho/kecho.h>

enum {
	EVENTS = 10000,
	BATCH = 50,
};

static void submit_all(struct kecho_source *s)
{
	struct iovec v[BATCH];
	uint32_t number[BATCH], i, n;

	for (i = 0; i < EVENTS; i += BATCH) {
		for (n = 0; n < BATCH; n++) {
			number[n] = i + n;
			v[n] = (struct iovec){ &number[n], sizeof(number[n]) };
		}
		/* All of them: nobody makes it wait, and it may wait. */
		if (kecho_submit_vector(s, v, BATCH, 0) != BATCH)
			errx(1, "%s", kecho_explain());
	}
}

int main(void)
{
	struct kecho_source_options small = { .log_size = KECHO_LOG_SIZE_MIN };
	struct kecho_sink_options latest = { .policy = KECHO_LATEST };
	uint64_t read = 0, lost = 0;
	struct kecho_event ev;
	struct kecho_channel *ch;
	struct kecho_source *src;
	struct kecho_sink *snk;
	struct kecho *k;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "example.vector", NULL, &ch) ||
	    kecho_sink_open(ch, &latest, &snk) || kecho_source_open(ch, &small, &src))
		errx(1, "%s", kecho_explain());
	submit_all(src);
	while (!kecho_read(snk, &ev, 0)) {
		if (ev.kind == KECHO_EVENT)
			read++;
		else if (ev.kind == KECHO_LOST)
			lost += ev.last_seq - ev.seq + 1;
	}
	printf("%d submitted: %" PRIu64 " read, %" PRIu64 " lost\n", EVENTS, read, lost);
	kecho_close(k);
	return read + lost != EVENTS;
}
