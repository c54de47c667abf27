/* SPDX-License-Identifier: MIT */
/*
 * Members of a channel: their names, their attributes in text and JSON, who is
 * there, and who comes and goes.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include <stdbool.h>
#include <sys/types.h>

#include <kecho/kecho.h>

#include "args.h"
#include "buf.h"
#include "json.h"

const char *role_name(enum kecho_role role);
const char *policy_name(enum kecho_policy policy);
const char *class_name(enum kecho_class class);
const char *state_name(enum kecho_member_state state);

void value_text(struct buf *b, const struct kecho_value *v);
void value_json(struct json *j, const char *key, const struct kecho_value *v);

/* The attributes among @names that @member has: " NAME=VALUE"… or an object's. */
void member_attrs_text(struct buf *b, struct kecho_channel *ch, uint64_t member,
		       const struct names *names);
void member_attrs_json(struct json *j, struct kecho_channel *ch, uint64_t member,
		       const struct names *names);

/* The name of a member's node, or "?". */
const char *member_node_name(struct kecho_channel *ch, uint64_t member, char *to, size_t size);

/* The fields of a member, within an object that the caller began. */
void member_json(struct json *j, struct kecho_channel *ch, const struct kecho_member *m,
		 const struct names *names);

/* All members now, in an array that the caller frees; how many, or -errno. */
ssize_t members_now(struct kecho_channel *ch, struct kecho_member **m);

/* Members now with @role that are joined. */
size_t members_joined(struct kecho_channel *ch, enum kecho_role role);

/*
 * Changes of a channel's members, queued: the library tells them in a thread of
 * its choice that must not block, a verb prints them in its own.
 */
struct roster;

/* Returns 0, or -errno after complaining. */
int roster_open(struct kecho_channel *ch, struct roster **r);
/* Polls readable while roster_next() has something. */
int roster_fd(const struct roster *r);
bool roster_next(struct roster *r, struct kecho_member *m);
/* Before the channel is closed. @r may be NULL. */
void roster_close(struct roster *r);

/* Wait until @n members with @role are joined; 0, -EINTR when stopped, or -errno
 * after complaining. */
int members_wait(struct kecho_channel *ch, enum kecho_role role, uint64_t n);

#endif
