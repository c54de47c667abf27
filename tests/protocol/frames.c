// SPDX-License-Identifier: MIT
/*
 * Writing frames down: see frames.h.
 *
 * What a sender chooses is named by the node that chose it, what it is, and a number:
 * A.member.1. Every field is a row of a table; rows from REPEAT on are read again and
 * again, to the end of the body.
 */
#include "frames.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uapi/kecho.h"

enum { CHOSEN_MAX = 128, ROWS_MAX = 12, RUN_MIN = 9, NODES_MAX = 26 };

enum kind {
	PLAIN = 1,	/* @size bytes */
	ANY,		/* the same, as newer nodes will have others */
	CHOSEN,		/* @size bytes, a number that @of has chosen; 0 stands for itself */
	COUNTED,	/* u16 length and so many bytes */
	STRING,		/* the same, chosen by the sender */
	NODE,		/* the sender's id */
	OTHER,		/* another node's, which it has said before */
	SELF,		/* a contact: the sender's */
	CONTACT,	/* another's, which it has said before */
	ENTRY,		/* the registry's answer */
	LIVE,		/* attributes with their ages */
	CHANGED,	/* the same, and versions if anything follows */
	RECORDS,	/* to the end */
	PICKS,		/* the same, abridged */
	REST,		/* to the end */
	REPEAT,
};

#define PICK_WORDS	5	/* of a record that are abridged; but not the second */

enum whose { NOBODY, SENDER, RECEIVER };

struct row {
	const char *name;
	enum kind kind;
	size_t size;
	enum whose of;
};

#define U8(what)		{ what, PLAIN, 1, NOBODY }
#define U16(what)		{ what, PLAIN, 2, NOBODY }
#define U32(what)		{ what, PLAIN, 4, NOBODY }
#define U64(what)		{ what, PLAIN, 8, NOBODY }
#define BYTES(what)		{ what, COUNTED, 0, NOBODY }
#define CHANNEL(whose)		{ "channel", CHOSEN, 4, whose }
#define LOG(whose)		{ "log", CHOSEN, 4, whose }
#define MEMBER(whose)		{ "member", CHOSEN, 8, whose }
#define COOKIE(whose)		{ "cookie", CHOSEN, 8, whose }
#define REQUEST(whose)		{ "request", CHOSEN, 4, whose }
#define UUID			{ "uuid", CHOSEN, 16, NOBODY }
#define NO_ID			U32("id")
#define POS			U64("pos")

/* The header's id and pos; then the body. A number of 4 bytes leaves 4 of pos. */
struct def {
	uint8_t type;
	const char *name;
	struct row id, pos, body[ROWS_MAX];
};

static const struct def defs[] = {
	{ KECHO_FRAME_HELLO, "HELLO", NO_ID, POS,
	  { U32("oldest"), U32("newest"), { "self", SELF, 0, SENDER },
	    { "name", STRING, 0, SENDER }, U16("authentication"), BYTES("credentials"),
	    { "known", ANY, 4, NOBODY } } },
	{ KECHO_FRAME_PING, "PING", NO_ID, COOKIE(SENDER), { { 0 } } },
	{ KECHO_FRAME_PONG, "PONG", NO_ID, COOKIE(RECEIVER), { { "clock", ANY, 8, NOBODY } } },
	{ KECHO_FRAME_CHANNEL, "CHANNEL", CHANNEL(SENDER), POS, { UUID, BYTES("name") } },
	{ KECHO_FRAME_CHANNEL_GONE, "CHANNEL_GONE", CHANNEL(SENDER), CHANNEL(RECEIVER), { { 0 } } },
	{ KECHO_FRAME_NODES, "NODES", CHANNEL(SENDER), POS,
	  { { "", REPEAT, 0, NOBODY }, { "node", CONTACT, 0, NOBODY } } },
	{ KECHO_FRAME_SYNCED, "SYNCED", CHANNEL(SENDER), POS, { { 0 } } },
	{ KECHO_FRAME_MEMBER, "MEMBER", CHANNEL(SENDER), POS,
	  { MEMBER(SENDER), U8("role"), U8("policy"), U8("fresh"), LOG(SENDER), U64("log_size"),
	    { "", LIVE, 0, NOBODY }, U8("class"), U32("alive") } },
	{ KECHO_FRAME_MEMBER_GONE, "MEMBER_GONE", CHANNEL(SENDER), POS,
	  { MEMBER(SENDER), U64("last_event") } },
	{ KECHO_FRAME_MEMBER_ACK, "MEMBER_ACK", CHANNEL(RECEIVER), POS, { MEMBER(RECEIVER) } },
	{ KECHO_FRAME_TYPE, "TYPE", CHANNEL(SENDER), U64("type_index"),
	  { MEMBER(SENDER), { "type_of_events", REST, 0, NOBODY } } },
	{ KECHO_FRAME_FILTER, "FILTER", CHANNEL(SENDER), U64("filter_version"),
	  { MEMBER(SENDER), U32("filter_length"), { "filter", REST, 0, NOBODY } } },
	{ KECHO_FRAME_JUDGED, "JUDGED", LOG(SENDER), U64("judged_from"),
	  { MEMBER(RECEIVER), U32("filter_number"), U8("bit"), U32("since") } },
	{ KECHO_FRAME_JUDGED_ACK, "JUDGED_ACK", LOG(RECEIVER), U64("filter_version"),
	  { MEMBER(SENDER) } },
	{ KECHO_FRAME_ALIVE, "ALIVE", LOG(SENDER), U64("sign"), { { 0 } } },
	{ KECHO_FRAME_ATTR, "ATTR", CHANNEL(SENDER), POS,
	  { MEMBER(SENDER), { "", CHANGED, 0, NOBODY } } },
	{ KECHO_FRAME_STAT, "STAT", CHANNEL(SENDER), COOKIE(SENDER), { { 0 } } },
	{ KECHO_FRAME_STATS, "STATS", CHANNEL(SENDER), POS,
	  { COOKIE(RECEIVER), { "", REPEAT, 0, NOBODY }, MEMBER(SENDER), U8("role"), U8("policy"),
	    U64("events"), U64("bytes"), U64("lost"), U64("expired"), U64("lag") } },
	{ KECHO_FRAME_MEET, "MEET", CHANNEL(SENDER), POS,
	  { { "", REPEAT, 0, NOBODY }, { "node", OTHER, 16, NOBODY } } },
	{ KECHO_FRAME_FREEZE, "FREEZE", CHANNEL(SENDER), COOKIE(SENDER), { { 0 } } },
	{ KECHO_FRAME_FROZEN, "FROZEN", CHANNEL(SENDER), COOKIE(RECEIVER), { { 0 } } },
	{ KECHO_FRAME_DRAIN, "DRAIN", CHANNEL(SENDER), COOKIE(SENDER),
	  { { "", REPEAT, 0, NOBODY }, MEMBER(RECEIVER), U64("position") } },
	{ KECHO_FRAME_DRAINED, "DRAINED", CHANNEL(SENDER), COOKIE(RECEIVER),
	  { U32("lag"), { "", REPEAT, 0, NOBODY }, MEMBER(SENDER), U64("position") } },
	{ KECHO_FRAME_DESTROY, "DESTROY", CHANNEL(SENDER), POS, { { 0 } } },
	{ KECHO_FRAME_SUBSCRIBE, "SUBSCRIBE", LOG(RECEIVER), POS,
	  { U8("from"), U8("gated"), U32("gate"), U64("last_event") } },
	{ KECHO_FRAME_START, "START", LOG(SENDER), POS, { U64("last_event"), U64("taken") } },
	{ KECHO_FRAME_UNSUBSCRIBE, "UNSUBSCRIBE", LOG(RECEIVER), POS, { { 0 } } },
	{ KECHO_FRAME_END, "END", LOG(SENDER), POS, { U64("last_event") } },
	{ KECHO_FRAME_DATA, "DATA", LOG(SENDER), POS, { { "", RECORDS, 0, NOBODY } } },
	{ KECHO_FRAME_SKIP, "SKIP", LOG(SENDER), POS, { { 0 } } },
	{ KECHO_FRAME_ACK, "ACK", LOG(RECEIVER), POS, { U64("credit"), U64("lost") } },
	{ KECHO_FRAME_STALL, "STALL", LOG(SENDER), POS, { U8("end") } },
	{ KECHO_FRAME_PASS, "PASS", LOG(SENDER), POS, { U64("last_event"), U64("before"),
							    U64("expired") } },
	{ KECHO_FRAME_PICKED, "PICKED", LOG(SENDER), POS, { U64("before"),
							    { "", PICKS, 0, NOBODY } } },
	{ KECHO_FRAME_REG_GET, "REG_GET", REQUEST(SENDER), POS, { BYTES("name") } },
	{ KECHO_FRAME_REG_PUT, "REG_PUT", REQUEST(SENDER), POS,
	  { U8("how"), BYTES("name"), UUID, { "self", SELF, 0, SENDER } } },
	{ KECHO_FRAME_REG_DROP, "REG_DROP", REQUEST(SENDER), POS,
	  { BYTES("name"), { "node", NODE, 16, SENDER } } },
	{ KECHO_FRAME_REG_RENEW, "REG_RENEW", REQUEST(SENDER), POS, { { 0 } } },
	{ KECHO_FRAME_REG_LIST, "REG_LIST", REQUEST(SENDER), POS, { U64("after") } },
	{ KECHO_FRAME_REG_END, "REG_END", REQUEST(SENDER), POS, { BYTES("name"), UUID } },
	{ KECHO_FRAME_REG_ENTRY, "REG_ENTRY", REQUEST(RECEIVER), POS,
	  { { "", ENTRY, 0, NOBODY } } },
};

/* What was chosen: its name is its owner, its row's, and a count. */
static struct chosen {
	char owner;
	const char *what;
	uint8_t bytes[16];
	size_t size;
	unsigned int number;
} chosen[CHOSEN_MAX];
static unsigned int nchosen;

static uint32_t split[NODES_MAX][NODES_MAX];	/* bytes of a record that come in the next DATA */

struct cursor {
	const uint8_t *p, *end;
	char from, to;
};

void frames_begin(void)
{
	nchosen = 0;
	memset(split, 0, sizeof(split));
}

static uint64_t number(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

/* ---------------------------------------------------------------------- printing */

static size_t run_at(const uint8_t *p, size_t len)
{
	size_t run = 1;

	while (run < len && p[run] == *p)
		run++;
	return run;
}

static void print_bytes(const uint8_t *p, size_t len)
{
	const uint8_t *begin = p;
	bool was_run = false;
	size_t run;

	putchar('\t');
	if (!len)
		putchar('-');
	while (len) {
		run = run_at(p, len);
		if (p > begin && (was_run || run >= RUN_MIN))
			putchar('+');
		was_run = run >= RUN_MIN;
		if (was_run)
			printf("%zu*", run);
		else
			run = 1;
		printf("%02x", *p);
		p += run;
		len -= run;
	}
}

/* The next @len bytes; what is not there ends the program: it is a frame of our own. */
static const uint8_t *take(struct cursor *c, size_t len, const char *name)
{
	const uint8_t *p = c->p;

	if (len > (size_t)(c->end - p)) {
		fprintf(stderr, "record: a frame ends before its field '%s'\n", name);
		exit(1);
	}
	c->p += len;
	return p;
}

static void plain(struct cursor *c, size_t len, const char *name, const char *mark)
{
	print_bytes(take(c, len, name), len);
	printf(" %s%s%s\n", name, *mark ? " " : "", mark);
}

static unsigned int chosen_number(char owner, const char *what, const uint8_t *p, size_t size)
{
	unsigned int i, n = 0;

	for (i = 0; i < nchosen; i++) {
		if (chosen[i].owner != owner || strcmp(chosen[i].what, what))
			continue;
		if (chosen[i].size == size && !memcmp(chosen[i].bytes, p, size))
			return chosen[i].number;
		n++;
	}
	if (nchosen == CHOSEN_MAX)
		exit(1);
	chosen[nchosen] = (struct chosen){ .owner = owner, .what = what, .size = size,
					   .number = n + 1 };
	memcpy(chosen[nchosen++].bytes, p, size);
	return n + 1;
}

static char owner_of(const struct cursor *c, enum whose of)
{
	return of == SENDER ? c->from : of == RECEIVER ? c->to : '*';
}

static void print_chosen(struct cursor *c, const struct row *r)
{
	char mark[64], owner = owner_of(c, r->of);
	const uint8_t *p = c->p;

	if (r->size > (size_t)(c->end - p) || (r->size <= 8 && !number(p, r->size))) {
		plain(c, r->size, r->name, "");
		return;
	}
	if (owner == '*')
		snprintf(mark, sizeof(mark), "$%s.%u", r->name,
			 chosen_number(owner, r->name, p, r->size));
	else
		snprintf(mark, sizeof(mark), "$%c.%s.%u", owner, r->name,
			 chosen_number(owner, r->name, p, r->size));
	plain(c, r->size, r->name, mark);
}

static void print_counted(struct cursor *c, const char *name, const char *mark)
{
	size_t len = c->end - c->p >= 2 ? number(c->p, 2) : 0;

	plain(c, 2 + len, name, mark);
}

static void print_contact(struct cursor *c, char owner)
{
	char mark[64];

	snprintf(mark, sizeof(mark), "$%c.node", owner);
	plain(c, 16, "node", mark);
	snprintf(mark, sizeof(mark), "$%c.incarnation", owner);
	plain(c, 8, "incarnation", mark);
	snprintf(mark, sizeof(mark), "$%c.host", owner);
	plain(c, 16, "host", mark);
	snprintf(mark, sizeof(mark), "$%c.address*", owner);
	print_counted(c, "address", mark);
}

/* Whose node this is: its hello has named it. */
static char find_node(const uint8_t *id)
{
	unsigned int i;

	for (i = 0; i < nchosen; i++)
		if (!strcmp(chosen[i].what, "node") && !memcmp(chosen[i].bytes, id, 16))
			return chosen[i].owner;
	fprintf(stderr, "record: a node that nobody was\n");
	exit(1);
}

static void print_record(struct cursor *c, uint32_t *later)
{
	struct kecho_record r = { 0 };
	const uint8_t *at = c->p;
	size_t len, match, sinks = 0, room = c->end - c->p;

	memcpy(&r, at, room < sizeof(r) ? room : sizeof(r));
	len = (r.len + 7u) & ~7u;
	match = r.flags & KECHO_RECORD_F_MATCH ? sizeof(struct kecho_record_match) : 0;
	match += r.flags & KECHO_RECORD_F_TO ? sizeof(struct kecho_record_to) : 0;
	match += r.flags & KECHO_RECORD_F_LIFE ? sizeof(struct kecho_record_life) : 0;
	plain(c, 4, "record_length", "");
	plain(c, 1, "record_kind", "");
	plain(c, 1, "flags", "");
	plain(c, 1, "data_words", "");
	plain(c, 1, "event_type", "");
	if (r.kind == KECHO_RECORD_PAD) {
		plain(c, len - 8 < (size_t)(c->end - c->p) ? len - 8 : (size_t)(c->end - c->p),
		      "nothing", "any");
		return;
	}
	plain(c, 8, "sequence", "");
	plain(c, 8, "time", "any");
	if (r.flags & KECHO_RECORD_F_FRAGMENT) {
		plain(c, 4, "fragment_offset", "");
		plain(c, 4, "fragment_total", "");
	}
	if (r.flags & KECHO_RECORD_F_ATTRS) {
		plain(c, 2, "attributes_length", "");
		plain(c, 6, "pad", "");
		plain(c, 8 * (size_t)r.data_words - match - (size_t)(c->p - at), "attributes", "");
	}
	if (r.flags & KECHO_RECORD_F_MATCH) {
		plain(c, 8, "match_bits", "");
		plain(c, 4, "match_generation", "");
		plain(c, 4, "match_pad", "");
	}
	if (r.flags & KECHO_RECORD_F_TO) {
		sinks = number(c->p, 2);
		plain(c, 2, "sinks", "");
		plain(c, 6, "sinks_pad", "");
	}
	if (r.flags & KECHO_RECORD_F_LIFE)
		plain(c, 8, "deadline", "any");
	for (; sinks && c->end - c->p >= 8; sinks--)
		plain(c, 8, "sink", "");
	if (len > room) {
		*later = len - room;
		plain(c, c->end - c->p, "payload", "");
		return;
	}
	plain(c, r.len - (size_t)(c->p - at), "payload", "");
	if (len > r.len)
		plain(c, len - r.len, "padding", "any");
}

static void print_records(struct cursor *c)
{
	uint32_t *later = &split[c->from - 'A'][c->to - 'A'];
	size_t room = c->end - c->p, rest = *later < room ? *later : room;

	if (rest)
		plain(c, rest, "rest_of_a_record", "");
	*later -= rest;
	while (c->p < c->end)
		print_record(c, later);
}

/* Gives it. */
static uint64_t print_number(struct cursor *c, const char *name)
{
	uint64_t v = 0;
	size_t n = 0, i;

	while (c->p + n < c->end && n < 9 && c->p[n] & 0x80)
		n++;
	for (i = n + 1; i--;)
		v = v << 7 | (c->p[i] & 0x7f);
	plain(c, n + 1, name, "");
	return v;
}

/* What is another in a word than in @word, which it becomes. */
static void print_word(struct cursor *c, uint8_t *word, const char *name)
{
	const uint8_t *other = c->p + 1;
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (*c->p & 1 << i)
			word[i] = *other++;
	plain(c, (size_t)(other - c->p), name, "");
}

static void print_picks(struct cursor *c)
{
	static const char *const names[PICK_WORDS] = { "word_0", NULL, "word_2", "word_3",
						       "word_4" };
	uint8_t head[PICK_WORDS][8] = { 0 };
	size_t len, words, i;

	while (c->p < c->end) {
		if (print_number(c, "skipped_words"))
			print_number(c, "passed_events");
		print_word(c, head[0], names[0]);
		len = number(head[0], 4);
		words = (len + 7) / 8 < PICK_WORDS ? (len + 7) / 8 : PICK_WORDS;
		for (i = 2; i < words; i++)
			print_word(c, head[i], names[i]);
		plain(c, len > 8 * words ? len - 8 * words : 0, "record_rest", "");
	}
}

/* Gives how many there are. */
static unsigned int print_live(struct cursor *c)
{
	const uint8_t *p = c->p + 2;
	unsigned int n = 0, i;

	print_counted(c, "attributes", "");
	for (; p < c->p; p += 4 + p[1] + number(p + 2, 2))
		n++;
	for (i = 0; i < n; i++)
		plain(c, 4, "age", "any");
	return n;
}

static void print_changed(struct cursor *c)
{
	unsigned int n = print_live(c);

	while (n-- && c->p < c->end)
		plain(c, 8, "attribute_version", "");
}

static void print_uuid(struct cursor *c)
{
	static const struct row uuid = { "uuid", CHOSEN, 16, NOBODY };

	print_chosen(c, &uuid);
}

static void print_list(struct cursor *c)
{
	uint64_t n;

	plain(c, 1, "more", "");
	n = c->end - c->p >= 2 ? number(c->p, 2) : 0;
	plain(c, 2, "entries", "");
	while (n--) {
		plain(c, 8, "serial", "");
		print_counted(c, "name", "");
		print_uuid(c);
		plain(c, 1, "contacts", "");
	}
	if (c->p == c->end)
		return;
	n = number(c->p, 2);
	plain(c, 2, "rivals", "");
	while (n--) {
		print_counted(c, "name", "");
		print_uuid(c);
	}
}

static void print_entry(struct cursor *c)
{
	unsigned int type = *c->p, n;

	plain(c, 1, "request_type", "");
	plain(c, 1, "status", "");
	if (c->p == c->end)
		return;
	if (type == KECHO_FRAME_REG_LIST) {
		print_list(c);
		return;
	}
	print_uuid(c);
	plain(c, 8, "version", "any");
	n = *c->p;
	plain(c, 1, "contacts", "");
	while (n--)
		print_contact(c, find_node(c->p));
}

static void print_row(struct cursor *c, const struct row *r)
{
	char mark[64];

	switch (r->kind) {
	case PLAIN:
		plain(c, r->size, r->name, "");
		break;
	case ANY:
		plain(c, r->size, r->name, "any");
		break;
	case CHOSEN:
		print_chosen(c, r);
		break;
	case COUNTED:
		print_counted(c, r->name, "");
		break;
	case STRING:
		snprintf(mark, sizeof(mark), "$%c.%s*", c->from, r->name);
		print_counted(c, r->name, mark);
		break;
	case NODE:
		snprintf(mark, sizeof(mark), "$%c.node", c->from);
		plain(c, r->size, r->name, mark);
		break;
	case OTHER:
		snprintf(mark, sizeof(mark), "$%c.node", find_node(c->p));
		plain(c, r->size, r->name, mark);
		break;
	case ENTRY:
		print_entry(c);
		break;
	case SELF:
		chosen_number(c->from, "node", c->p, 16);
		print_contact(c, c->from);
		break;
	case CONTACT:
		print_contact(c, find_node(c->p));
		break;
	case LIVE:
		print_live(c);
		break;
	case CHANGED:
		print_changed(c);
		break;
	case RECORDS:
		print_records(c);
		break;
	case PICKS:
		print_picks(c);
		break;
	case REST:
		plain(c, c->end - c->p, r->name, "");
		break;
	case REPEAT:
		break;
	}
}

static void print_body(struct cursor *c, const struct row *row)
{
	const struct row *again = NULL;
	unsigned int i;

	for (i = 0; i < ROWS_MAX && row[i].kind; i++) {
		if (row[i].kind == REPEAT)
			again = &row[i + 1];
		if (again && c->p == c->end)
			return;
		print_row(c, &row[i]);
	}
	while (again && c->p < c->end)
		print_body(c, again);
}

static const struct def *find_def(uint8_t type)
{
	size_t i;

	for (i = 0; i < sizeof(defs) / sizeof(*defs); i++)
		if (defs[i].type == type)
			return &defs[i];
	return NULL;
}

const char *frame_name(uint8_t type)
{
	const struct def *d = find_def(type);

	return d ? d->name : NULL;
}

void frame_print(const uint8_t *p, size_t len, char from, char to)
{
	struct cursor c = { .p = p, .end = p + len, .from = from, .to = to };
	const struct def *d = find_def(p[4]);

	if (!d) {
		fprintf(stderr, "record: a frame of type %u is new: say its fields in frames.c\n",
			p[4]);
		exit(1);
	}
	printf("%c>%c %s\n", from, to, d->name);
	plain(&c, 4, "length", "len");
	plain(&c, 1, "type", "");
	plain(&c, 3, "pad", "");
	print_row(&c, &d->id);
	plain(&c, 4, "pad2", "");
	print_row(&c, &d->pos);
	if (d->pos.size == 4)
		plain(&c, 4, "pos_high", "");
	print_body(&c, d->body);
	if (c.p < c.end) {
		fprintf(stderr, "record: %s is longer than its fields in frames.c\n", d->name);
		exit(1);
	}
}
