/* SPDX-License-Identifier: MIT */
/*
 * The terminal as it was.
 */
#include <fcntl.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

#include <curses.h>
#include <term.h>

#include "terminal.h"

#define LEAVE_MAX	256	/* bytes that leave the screen */

static struct termios was;
static char leave[LEAVE_MAX];
static size_t leave_len;

void terminal_keep(void)
{
	/* newterm() complains of what is none. */
	tcgetattr(STDIN_FILENO, &was);
}

static int add(int c)
{
	if (leave_len < LEAVE_MAX)
		leave[leave_len++] = c;
	return c;
}

void terminal_learn(void)
{
	static const char *const names[] = { "sgr0", "rmkx", "cnorm", "rmcup" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *s = tigetstr(names[i]);

		if (s && s != (const char *)-1)
			tputs(s, 1, add);
	}
}

void terminal_give_back(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	ssize_t n;

	fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
	n = write(STDOUT_FILENO, leave, leave_len);
	(void)n;
	fcntl(STDOUT_FILENO, F_SETFL, flags);
	tcsetattr(STDIN_FILENO, TCSANOW, &was);
}
