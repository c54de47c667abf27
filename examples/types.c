/* SPDX-License-Identifier: MIT */
/*
 * A reader and a writer that were compiled with different versions of a struct: the writer
 * announces its own, the reader gets the fields that both have, and can print all of it.
 */
#include <inttypes.h>
#include <stdio.h>

#include <kecho/kecho.h>
#include <kecho/type.h>

struct newer {
	char host[8];
	uint64_t seq;
	int64_t cpu;
};
struct older {
	uint32_t seq;
	int32_t cpu, idle;
};

#define N(field)	KECHO_FIELD(struct newer, field)
#define O(field)	KECHO_FIELD(struct older, field)

static int fail(void)
{
	fprintf(stderr, "types: %s\n", kecho_explain());
	return 1;
}

int main(void)
{
	struct newer l = { "north", 9, -7 };
	struct kecho_type *newer, *older;
	struct kecho_event ev;
	struct kecho_channel *ch;
	struct kecho_source *source;
	struct kecho_sink *sink;
	struct kecho *k;
	struct older o;
	char json[200];
	int load;

	if (kecho_type_from_fields(&newer, KECHO_TYPE(struct newer, N(host), N(seq), N(cpu))) ||
	    kecho_type_from_fields(&older, KECHO_TYPE(struct older, O(seq), O(cpu), O(idle))) ||
	    kecho_open(&k, NULL) || kecho_channel_open(k, "loads", NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &sink) || kecho_source_open(ch, NULL, &source))
		return fail();
	load = kecho_source_announce(source, newer);
	if (load < 0 || kecho_submit(source, &l, sizeof(l), KECHO_TYPED(load)) ||
	    kecho_read(sink, &ev, 1000) || kecho_event_as(sink, &ev, older, &o, NULL))
		return fail();
	kecho_type_to_json(kecho_event_type(sink, &ev), ev.data, ev.len, json, sizeof(json));
	printf("%s is %" PRIu32 ", %d and %d here\n", json, o.seq, o.cpu, o.idle);
	kecho_close(k);
}
