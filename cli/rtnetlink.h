/* SPDX-License-Identifier: MIT */
/*
 * Messages of rtnetlink in JSON: "event" (newlink, deladdr, …) and the fields of
 * its kind under the names that ip(8) uses. Lengths are checked: a message that
 * is cut gives the fields that are whole.
 */
#ifndef RTNETLINK_H
#define RTNETLINK_H

#include <stdbool.h>

#include <linux/netlink.h>

#include "json.h"

/* A kind that rtnetlink_json() knows, and its header is whole. */
bool rtnetlink_known(const struct nlmsghdr *h);
/* The fields of @h, within an object that the caller began. */
void rtnetlink_json(struct json *j, const struct nlmsghdr *h);

#endif
