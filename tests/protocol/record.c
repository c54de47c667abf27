// SPDX-License-Identifier: MIT
/*
 * record FILE: does what the actions of the recording FILE say, with nodes of this
 * tree, and writes on stdout what they say to each other: the same recording, of
 * today. The first of a new version is made from that of the last.
 */
#include "session.h"

#include "frames.h"
#include "registry_session.h"

static struct session_nodes nodes;

/* Each node hears what the others said, until all is quiet. */
static void write_frames(void)
{
	static u8 frame[FRAME_MAX];
	unsigned int of, to;
	bool any = true;
	size_t len;

	while (any) {
		any = false;
		for (of = 0; of < NODES; of++) {
			for (to = 0; to < NODES; to++) {
				len = session_frame(&nodes, of, to, frame);
				if (!len)
					continue;
				any = true;
				frame_print(frame, len, (char)('A' + of), (char)('A' + to));
				session_give(&nodes, to, of, frame, len);
			}
		}
	}
}

static bool record_nodes(const struct session *in)
{
	const struct step *s;

	session_begin(&nodes, "ABC");
	for (s = in->steps; s; s = s->next) {
		if (s->from)
			continue;
		printf("! %s\n", s->text);
		if (!session_act(&nodes, s->text))
			return false;
		write_frames();
	}
	session_end(&nodes);
	return true;
}

static bool record_registry(const struct session *in)
{
	static u8 ask[FRAME_MAX], answer[FRAME_MAX];
	struct ke_registry *r = registry_begin();
	const struct step *s;
	size_t len = 1;
	u32 id = 0;

	for (s = in->steps; s && len; s = s->next) {
		if (s->from)
			continue;
		printf("! %s\n", s->text);
		len = registry_ask(s->text, ++id, ask);
		if (!len)
			break;
		frame_print(ask, len, s->text[0], 'R');
		len = registry_answer(r, s->text[0], ask, len, answer);
		if (len)
			frame_print(answer, len, 'R', s->text[0]);
	}
	ke_registry_free(r);
	return len;
}

int main(int argc, char **argv)
{
	struct script *script;
	struct session *s;
	bool good = true;

	if (argc != 2) {
		fputs("Usage: record FILE\n", stderr);
		return 2;
	}
	script = script_read(argv[1]);
	good = !script->error;
	if (!good)
		fprintf(stderr, "record: %s\n", script->error);
	for (s = script->sessions; s && good; s = s->next) {
		printf("%s== %s\n", s->comment ? s->comment : "", s->name);
		frames_begin();
		good = is_registry(s) ? record_registry(s) : record_nodes(s);
		if (!good)
			fputs("record: the last action fails\n", stderr);
	}
	script_free(script);
	return !good || fflush(stdout);
}
