/* SPDX-License-Identifier: MIT */
/*
 * The rows of `kecho top` as text: columns of fixed width, behind them a name of any
 * length. A row has no line end.
 */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include "buf.h"
#include "top_model.h"

extern const char top_channels_head[], top_members_head[], top_links_head[];

void top_channel_row(struct buf *b, const struct top_channel *c);
void top_member_row(struct buf *b, const struct rated *r);
void top_link_row(struct buf *b, const struct rated_link *l);

#endif
