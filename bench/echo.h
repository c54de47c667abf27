/* SPDX-License-Identifier: MIT */
/* The user-level ECho of the KECho paper (section 4) as a transport. */
#ifndef KECHO_BENCH_ECHO_H
#define KECHO_BENCH_ECHO_H

#include "transport.h"

extern const struct transport echo_transport;

#endif
