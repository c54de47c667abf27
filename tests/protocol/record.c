// SPDX-License-Identifier: MIT
/*
 * record FILE: does what the actions of the recording FILE say, with nodes of this
 * tree, and writes on stdout what they say to each other: the same recording, of
 * today. The first of a new version is made from that of the last.
 */
#include "session.h"

#include "frames.h"

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

int main(int argc, char **argv)
{
	struct script *script;
	struct session *s;
	struct step *step;

	if (argc != 2) {
		fputs("Usage: record FILE\n", stderr);
		return 2;
	}
	script = script_read(argv[1]);
	if (script->error) {
		fprintf(stderr, "record: %s\n", script->error);
		return 1;
	}
	for (s = script->sessions; s; s = s->next) {
		printf("%s== %s\n", s->comment ? s->comment : "", s->name);
		session_begin(&nodes, "ABC");
		frames_begin();
		for (step = s->steps; step; step = step->next) {
			if (step->from)
				continue;
			printf("! %s\n", step->text);
			if (!session_act(&nodes, step->text)) {
				fprintf(stderr, "record: line %u: '%s' fails\n", step->line,
					step->text);
				return 1;
			}
			write_frames();
		}
	}
	session_end(&nodes);
	script_free(script);
	return ferror(stdout) || fflush(stdout);
}
