/* SPDX-License-Identifier: MIT */
/*
 * The screen of `kecho top`: drawing and keys. Two views: all channels with all links
 * below them; and one channel, its members, and the links to their nodes. What would be
 * said on stderr stands in the last line until the next look.
 *
 * The terminal is given back before anything is closed, and also if the program exits
 * from within, or is ended during a look that takes its time. The handlers of stop.c are
 * there before ncurses, which leaves them alone.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include <curses.h>

#include "cli.h"
#include "format.h"
#include "json.h"
#include "stop.h"
#include "terminal.h"
#include "top.h"
#include "top_text.h"

#define ESCAPE		27
#define ESCAPE_MS	25	/* what a key of several bytes may take */
#define KEY_LOOK_MS	1000	/* a change of size may come just before a wait */
#define ROWS_MIN	3	/* of a list, before there is one of links too */
#define TROUBLE		1	/* the colour pair */

struct screen {
	struct top *t;
	bool inside;			/* the view of one channel */
	uint8_t uuid[16];		/* of which */
	struct top_list channels, members;
	/* What was drawn last. */
	size_t n, height;
	const void *rows;
	void *to_free;
};

static bool on;
static char complaint[256];	/* since the last look */

static void restore(void)
{
	endwin();
	stop_with(NULL);
	on = false;
}

/* The program exits from within: for want of memory, and the last complaint says so. */
static void leave(void)
{
	if (!on)
		return;
	restore();
	dprintf(STDERR_FILENO, "%s\n", complaint);
}

static void note_complaint(const char *line)
{
	snprintf(complaint, sizeof(complaint), "%.*s", (int)strcspn(line, "\n"), line);
}

/* ------------------------------------------------------------------- drawing */

/* The character at @s of @n bytes, or what stands for one that cannot be shown. */
static wchar_t wide(const char *s, size_t n)
{
	wchar_t c;

	if (!n || mbrtowc(&c, s, n, &(mbstate_t){ 0 }) != n || wcwidth(c) < 1)
		return L'?';
	return c;
}

/* A line of the screen, as much as there is room for. */
static void line(int y, attr_t attr, const char *s)
{
	size_t len = strlen(s), n;
	wchar_t c[2] = { 0 };
	int x = 0;

	if (y >= LINES)
		return;
	attrset(attr);
	move(y, 0);
	clrtoeol();
	for (; len; s += n ?: 1, len -= n ?: 1) {
		n = utf8_length(s, len);
		c[0] = wide(s, n);
		x += wcwidth(c[0]);
		/* The last place of the screen would make it scroll. */
		if (x > COLS - (y == LINES - 1))
			break;
		addwstr(c);
	}
	if (attr & A_REVERSE)
		for (; x < COLS - (y == LINES - 1); x++)
			addch(' ');
	attrset(A_NORMAL);
}

static attr_t trouble(void)
{
	return has_colors() ? COLOR_PAIR(TROUBLE) : A_BOLD;
}

static const struct sighted *chosen(const struct screen *s)
{
	const struct sight *sv = &s->t->s;

	for (size_t i = 0; i < sv->n; i++)
		if (sv->c[i].ch && !memcmp(sv->c[i].uuid, s->uuid, sizeof(s->uuid)))
			return &sv->c[i];
	return NULL;
}

static bool has_node(const struct sighted *c, uint64_t node)
{
	for (size_t i = 0; i < c->now.n; i++)
		if (c->now.m[i].member.node == node)
			return true;
	return false;
}

static size_t count_links(const struct sight *s, const struct sighted *c)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nlinks; i++)
		n += !c || has_node(c, s->l[i].now.node);
	return n;
}

/* From @y down to the last line but one: those of @c, or all. */
static void draw_links(const struct sight *s, const struct sighted *c, int y)
{
	struct buf b = { 0 };

	line(y++, A_BOLD, top_links_head);
	for (size_t i = 0; i < s->nlinks && y < LINES - 1; i++) {
		if (c && !has_node(c, s->l[i].now.node))
			continue;
		buf_reset(&b);
		top_link_row(&b, &s->l[i]);
		buf_char(&b, '\0');
		line(y++, s->l[i].now.up ? A_NORMAL : trouble(), b.p);
	}
	buf_free(&b);
}

static void draw_title(const struct screen *s, const struct sighted *c)
{
	const struct sight *sv = &s->t->s;
	char interval[FORMAT_MAX];
	struct buf b = { 0 };
	size_t open = 0;

	for (size_t i = 0; i < sv->n; i++)
		open += !!sv->c[i].ch;
	if (c)
		buf_format(&b, "kecho top: %s, %zu members", c->name, c->now.n);
	else
		buf_format(&b, "kecho top: %zu channels, %zu links", open, sv->nlinks);
	if (c && c->now.silent)
		buf_format(&b, ", %zu silent", c->now.silent);
	if (!c && open < sv->n)
		buf_format(&b, ", %zu left out", sv->n - open);
	buf_format(&b, "; every %s, by %s", format_duration(interval, s->t->interval_ns),
		   top_sort_name(s->t->sort));
	buf_char(&b, '\0');
	line(0, A_BOLD, b.p);
	buf_free(&b);
}

static void draw_channels(struct screen *s, int y)
{
	const struct top_channel *c = s->rows;
	struct buf b = { 0 };

	for (size_t i = s->channels.first; i < s->n && i < s->channels.first + s->height; i++) {
		buf_reset(&b);
		top_channel_row(&b, &c[i]);
		buf_char(&b, '\0');
		line(y++, (i == s->channels.row ? A_REVERSE : 0) |
			  (c[i].lost_per_s > 0 ? trouble() : 0), b.p);
	}
	buf_free(&b);
}

static void draw_members(struct screen *s, int y)
{
	const struct rated *const *m = s->rows;
	struct buf b = { 0 };

	for (size_t i = s->members.first; i < s->n && i < s->members.first + s->height; i++) {
		buf_reset(&b);
		top_member_row(&b, m[i]);
		buf_char(&b, '\0');
		line(y++, (i == s->members.row ? A_REVERSE : 0) |
			  (m[i]->lost_per_s > 0 ? trouble() : 0), b.p);
	}
	buf_free(&b);
}

/* Lines for the list: links have up to a third of what title, heads and keys leave. */
static size_t list_height(size_t nlinks)
{
	size_t all = LINES > 3 ? LINES - 3 : 0, third = all / 3, links = nlinks + 2;

	if (links > third)
		links = third;
	return !nlinks || links < ROWS_MIN ? all : all - links;
}

static struct top_list *list_of(struct screen *s)
{
	return s->inside ? &s->members : &s->channels;
}

static top_key_fn *key_of(const struct screen *s)
{
	return s->inside ? top_member_key : top_channel_key;
}

/* The rows of the view, in order; a channel that has gone is left. */
static const struct sighted *take_rows(struct screen *s)
{
	const struct sighted *c = s->inside ? chosen(s) : NULL;

	free(s->to_free);
	s->inside = c;
	if (c) {
		const struct rated **m;

		s->n = top_members(c, s->t->sort, &m);
		s->rows = s->to_free = m;
	} else {
		struct top_channel *rows;

		s->n = top_channels(&s->t->s, s->t->sort, &rows);
		s->rows = s->to_free = rows;
	}
	return c;
}

static void draw(struct screen *s)
{
	const struct sighted *c = take_rows(s);
	size_t nlinks = count_links(&s->t->s, c);

	s->height = list_height(nlinks);
	top_follow(list_of(s), s->rows, s->n, s->height, key_of(s));
	erase();
	draw_title(s, c);
	line(1, A_BOLD, c ? top_members_head : top_channels_head);
	if (c)
		draw_members(s, 2);
	else
		draw_channels(s, 2);
	if (nlinks && s->height < (size_t)LINES - 3)
		draw_links(&s->t->s, c, s->height + 3);
	if (complaint[0])
		line(LINES - 1, trouble(), complaint);
	else
		line(LINES - 1, A_DIM, c ?
		     "escape: all channels   sort: n m e b l x   q: end" :
		     "enter: members   sort: name members events bytes lag x=lost   q: end");
	refresh();
}

/* ---------------------------------------------------------------------- keys */

static bool sort_key(struct screen *s, int key)
{
	static const char keys[] = "nmeblx";
	const char *at = key > 0 && key < 128 ? strchr(keys, key) : NULL;

	if (at)
		s->t->sort = at - keys;
	return at;
}

static bool move_key(struct screen *s, int key)
{
	static const struct {
		int key;
		enum top_move move;
	} keys[] = {
		{ KEY_UP, TOP_UP }, { 'k', TOP_UP }, { KEY_DOWN, TOP_DOWN }, { 'j', TOP_DOWN },
		{ KEY_PPAGE, TOP_PAGE_UP }, { KEY_NPAGE, TOP_PAGE_DOWN },
		{ KEY_HOME, TOP_HOME }, { KEY_END, TOP_END },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key != key)
			continue;
		top_move(list_of(s), keys[i].move, s->n, s->height);
		top_take(list_of(s), s->rows, s->n, key_of(s));
		return true;
	}
	return false;
}

/* Returns whether it is to end. */
static bool one_key(struct screen *s, int key)
{
	if (key == 'q')
		return true;
	if (sort_key(s, key) || move_key(s, key))
		return false;
	if (!s->inside && s->n && (key == '\n' || key == '\r' || key == KEY_ENTER ||
				   key == KEY_RIGHT)) {
		memcpy(s->uuid, s->channels.key, sizeof(s->uuid));
		s->members = (struct top_list){ 0 };
		s->inside = true;
	} else if (key == ESCAPE || key == KEY_LEFT || key == KEY_BACKSPACE || key == 127) {
		s->inside = false;
	}
	return false;
}

/* Until @deadline_ns, or told to end. */
static bool keys_until(struct screen *s, uint64_t deadline_ns)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			      { .fd = stop_fd(), .events = POLLIN } };
	int key;

	while (!stopped()) {
		int ms = poll_ms(deadline_ns);

		/* A change of size interrupts it, and is a key. */
		poll(p, 2, ms < KEY_LOOK_MS ? ms : KEY_LOOK_MS);
		if (p[0].revents & (POLLHUP | POLLERR))
			return true;
		while ((key = getch()) != ERR) {
			if (one_key(s, key))
				return true;
			draw(s);
		}
		if (now_ns() >= deadline_ns)
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- the terminal */

static int begin(void)
{
	/* Its codeset, and no more: numbers stay as they are everywhere. */
	setlocale(LC_CTYPE, "");
	set_escdelay(ESCAPE_MS);
	terminal_keep();
	if (!newterm(NULL, stdout, stdin)) {
		complain("the terminal type '%s' is not known", getenv("TERM") ?: "");
		return -ENOTTY;
	}
	on = true;
	atexit(leave);
	terminal_learn();
	stop_with(terminal_give_back);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(TROUBLE, COLOR_RED, -1);
	}
	return 0;
}

/* A look that does not work is said, and the next is tried: a node that is gone may come
 * back. */
static void watch(struct screen *s)
{
	uint64_t next = now_ns();

	do {
		draw(s);
		next += s->t->interval_ns;
		/* After a stop of the process, or a look that was slow, there is no hurry. */
		if (next < now_ns())
			next = now_ns();
		if (keys_until(s, next))
			break;
		complaint[0] = '\0';
		sight_take(&s->t->s);
	} while (!stopped());
}

int top_screen(struct top *t)
{
	struct screen s = { .t = t };
	int err = sight_begin(&t->s);

	if (err)
		return err;
	err = begin();
	if (err)
		return err;
	complain_with(note_complaint);
	watch(&s);
	restore();
	complain_with(NULL);
	free(s.to_free);
	return 0;
}
