/* SPDX-License-Identifier: MIT */
/* A kernel's event, as the feeds of `kecho pub --from` write it, in a few words. */
#ifndef DEMO_WORDS_H
#define DEMO_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The value of the first @key in the JSON object on the line @json, without its
 * quotes. false: it is not there. */
bool words_field(const char *json, const char *key, char *to, size_t size);

/* "netlink newlink eth0 down" */
void words_of(const char *json, char *to, size_t size);

#endif
