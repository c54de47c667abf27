/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Filters of sinks, judged at the sources: see filters.c and judging.c.
 */
#ifndef KE_FILTERS_H
#define KE_FILTERS_H

#include "choice.h"

struct ke_channel;
struct ke_in;
struct ke_link;
struct ke_member;
struct ke_node;
struct ke_peer;
struct ke_presence;
struct ke_remote;
struct ke_source;

/*
 * ke_member_filter - set, replace, or with @len 0 remove that of a sink, which may be yet to
 * join. @type, of @type_len bytes, is what events of index 0 are for it; none: bytes. -EPROTO:
 * no event filter, or no type, with the reason in @why, of KE_TYPE_WHY_MAX bytes; -ENOSPC: over
 * KE_NODE_FILTERS_MAX; -ENOMEM. Then it is as it was.
 * ke_member_filtered - every source that we know of and are linked to judges by it, as our
 * sink knows.
 * ke_member_verdict - what the source @source, of whatever node, has said last; false: nothing.
 * ke_member_took - house->judged() said false; now its sink knows what was said of @version.
 */
int ke_member_filter(struct ke_member *sink, const void *wire, u32 len, const void *type,
		     u32 type_len, char *why);
bool ke_member_filtered(const struct ke_member *sink);
bool ke_member_verdict(const struct ke_member *sink, u64 source, struct ke_verdict *v);
void ke_member_took(struct ke_member *sink, u64 source, u32 version);

/*
 * ke_source_judges - a source of ours for which another process judges (source->judged_later,
 * set between ke_source_init and join) does so by generation @generation now. Sinks are told what
 * is new with it only then. U32_MAX: nobody is to wait for it any more.
 */
void ke_source_judges(struct ke_source *s, u32 generation);

/*
 * Whom a source wakes that decides, see wake.c. The source's lock is held.
 * ke_wants - does who wants this get an event?
 * ke_note - add what an event says to what others do; ke_note_view - what all say that are in a
 * log from @pos to @head.
 * ke_wants_noted - does who wants this get one of these?
 * ke_source_note - an event was appended: note in source->wakes_own and the streams of this host
 * who is to be woken for it.
 * ke_source_note_all - who is to be woken for what has changed.
 * ke_source_wakes_all - it was published: are all to be woken now? As whoever does not decide.
 * False: those of whom that is noted, or was not woken for long, which it notes, too.
 * ke_source_woke - they are.
 */
bool ke_wants(const struct ke_wants *w, const struct ke_event_info *info);
void ke_note(struct ke_noted *n, const struct ke_event_info *info);
void ke_note_view(struct ke_noted *n, const struct ke_view *v, u64 pos, u64 head);
bool ke_wants_noted(const struct ke_wants *w, const struct ke_noted *n);
void ke_source_note(struct ke_source *s, const struct ke_event_info *info);
void ke_source_note_all(struct ke_source *s);
bool ke_source_wakes_all(struct ke_source *s);
void ke_source_woke(struct ke_source *s);

/*
 * For which sinks the events of a source of ours are, see choosing.c.
 *
 * ke_source_choose - set, replace, or with @len 0 remove its filter of kind OUT. -EPROTO: it is
 * none, with the reason in @why, of KE_TYPE_WHY_MAX bytes; -EACCES: it can't be made for a type
 * of the source; -E2BIG: its programs have too many bytes; -ENOMEM. Then it is as it was.
 * ke_source_address - s->choice, so that ke_choice_has() knows of the sinks. -ENOMEM.
 * ke_source_names_sinks - its records may name sinks from here on, as that of another process
 * may of which nothing more is known: streams look at whom. After ke_source_init().
 * ke_channel_reply_to - where replies to the source @source, of whatever node, go, as its
 * attribute KE_REPLY_ATTR says: the id of a sink; 0: nowhere, or there is no such source.
 */
#define KE_REPLY_ATTR "reply"
int ke_source_choose(struct ke_source *s, const void *wire, u32 len, char *why);
int ke_source_address(struct ke_source *s);
void ke_source_names_sinks(struct ke_source *s);
u64 ke_channel_reply_to(const struct ke_channel *ch, u64 source);

/* For filters.c, judging.c and who they are told by. */
extern const struct ke_judge_ops ke_source_judge_ops;
extern const struct ke_seats_ops ke_source_seats_ops;
/* The sinks of the channel have changed, for our sources. */
void ke_channel_offer(struct ke_channel *ch);
void ke_source_forget_choice(struct ke_source *s);
/* Orders ids as records have them. Whoever lies may say the same sink. */
void ke_names_settle(struct ke_names *names);
/* For something there was no memory, perhaps: ticks try again. */
void ke_source_look_again(const struct ke_source *s);
void ke_source_choose_again(struct ke_source *s);
/* The sinks of this node in the channel; NULL: no memory. */
struct ke_names *ke_presence_names(const struct ke_presence *pr);
struct ke_member *ke_channel_own(const struct ke_channel *ch, u64 id);
struct ke_remote *ke_channel_remote(const struct ke_channel *ch, u64 id);
void ke_presence_say_filter(struct ke_presence *pr, const struct ke_member *m);
int ke_filter_in(struct ke_presence *pr, u64 version, struct ke_in *in);
int ke_judged_in(struct ke_link *l, u32 log, u64 from, struct ke_in *in);
int ke_judged_ack_in(struct ke_link *l, u32 log, u64 version, struct ke_in *in);
/* A member has joined, leaves; is its filter within its node's limit? */
bool ke_member_fits(const struct ke_member *m, const struct ke_node *n);
void ke_member_seat(struct ke_member *m);
void ke_member_unseat(struct ke_member *m);
/* A sink of another node gives up its seats; its filter, or what it has said, goes. */
void ke_remote_unseat(struct ke_remote *m);
void ke_remote_forget_filter(struct ke_remote *m);
/* A sink of ours. */
void ke_source_seat(struct ke_source *s, struct ke_member *sink);
void ke_source_taken(struct ke_source *s, struct ke_member *sink, u32 version);
bool ke_source_has_seated(const struct ke_source *s, const struct ke_member *sink);
void ke_channel_unseat(struct ke_channel *ch, u64 sink);
struct ke_seat *ke_source_seat_of(const struct ke_source *s, u64 sink);
/* The peer may go on by what our sources have said of its sinks. */
bool ke_peer_seated(const struct ke_peer *p);
void ke_source_forget_judge(struct ke_source *s);
void ke_source_judge_type(struct ke_source *s, u32 index);
/* The stream is new; the sinks of the peer have changed. */
void ke_source_want(struct ke_source *s, const struct ke_peer *p);
void ke_presence_want(const struct ke_presence *pr);
/* Our own have, or what they want. */
void ke_source_want_own(struct ke_source *s);
void ke_channel_want_own(struct ke_channel *ch);
/* These attributes have changed. */
void ke_node_refilter(struct ke_node *n);
void ke_node_refilter_stale(struct ke_node *n);
bool ke_node_is_stale(const struct ke_node *n);
void ke_peer_refilter(struct ke_peer *p);
void ke_channel_refilter(struct ke_channel *ch);
void ke_sink_refilter(struct ke_channel *ch, u64 sink);
void ke_member_refilter(struct ke_member *m);

#endif
