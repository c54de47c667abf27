/* SPDX-License-Identifier: MIT */
/*
 * What was seen, as JSON objects.
 */
#ifndef SIGHT_JSON_H
#define SIGHT_JSON_H

#include "json.h"
#include "sight.h"

void rated_json(struct json *j, const struct rated *r);
void rated_link_json(struct json *j, const struct rated_link *r);

#endif
