/* SPDX-License-Identifier: MIT */
/*
 * A recording of the protocol: what nodes were made to do, and every frame that they
 * then said to each other. As text:
 *
 *	== NAME			a session, with nodes that are new
 *	# anything		a comment
 *	! A source		node A does this (session.h, which reads it)
 *	A>B MEMBER		node A says this frame to node B:
 *		BYTES FIELD [MARK]
 *
 * BYTES are hex digits, "N*XX" for N bytes that are equal, "+" between such parts, or
 * "-" for none. A MARK says what is not fixed by the protocol:
 *
 *	len	the length of the body, whatever it comes to
 *	any	the sender chooses it, and nobody repeats it
 *	$NAME	the sender chooses it, and from then on it stays
 *	$NAME*	the same for u16 length and so many bytes
 *
 * A node of today plays one of the nodes; the recording speaks for the others.
 */
#ifndef PROTOCOL_SCRIPT_H
#define PROTOCOL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VALUES_MAX = 256, FRAME_MAX = 67584 + 24 };

enum mark { MARK_NONE, MARK_LEN, MARK_ANY, MARK_VALUE, MARK_STRING };

struct field {
	char *name;
	enum mark mark;
	char *value;		/* MARK_VALUE, MARK_STRING: which */
	uint8_t *bytes;
	size_t len;
};

struct step {
	struct step *next;
	unsigned int line;
	char from, to;		/* a frame; an action: 0 */
	char *text;		/* the frame's name; the action */
	struct field *field;
	unsigned int n;
};

struct session {
	struct session *next;
	char *name;
	char *comment;		/* the lines before it, as they are */
	struct step *steps;
};

struct script {
	struct session *sessions;
	char *error;		/* with the line's number, or NULL */
};

/* What was chosen, so far. */
struct values {
	struct value {
		const char *name;
		uint8_t *bytes;
		size_t len;
	} v[VALUES_MAX];
	unsigned int n;
};

struct script *script_read(const char *path);
void script_free(struct script *s);

void values_set(struct values *v, const char *name, const void *bytes, size_t len);
void values_free(struct values *v);

/* The frame that an old node says, with what is known by now in its places. */
size_t step_bytes(const struct step *s, struct values *v, uint8_t *out);
/* Is the frame of @len bytes at @p what the step says? A sentence, or NULL: it is. */
const char *step_differs(const struct step *s, struct values *v, const uint8_t *p, size_t len);
/* May bytes that a newer node has to say follow those that are known? */
bool step_may_grow(const struct step *s);

#endif
