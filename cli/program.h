/* SPDX-License-Identifier: MIT */
/*
 * Verbs that are programs of their own, kecho-VERB, since they need libraries which all
 * the others would have to load too. They lie beside kecho, as in a build tree, or in
 * LIBEXECDIR.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "cli.h"

/* Become the program of a verb. If that cannot be, complains and returns an exit code. */
int program_become(const struct verb *v, char **argv);

#endif
