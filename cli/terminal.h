/* SPDX-License-Identifier: MIT */
/*
 * The terminal as it was before ncurses had it, for who has to give it back from within a
 * signal's handler, where endwin() may not be called.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

/* How it is now; before newterm(). terminal_learn() what leaves ncurses' screen; after. */
void terminal_keep(void);
void terminal_learn(void);
/* May be called in a handler. It does not wait for a terminal that takes nothing. */
void terminal_give_back(void);

#endif
