// SPDX-License-Identifier: MIT
/*
 * Types of a process that is attached to a node: announced there, and asked for there.
 *
 * The node gives numbers in the order in which types come, and so does the next one: it gets
 * them again before the source is ready. So one thread announces at a time, and what no node
 * of now has answered for is announced to that.
 *
 * The source knows them, too, for the filters that it judges by.
 */
#include "client.h"
#include "submit.h"
#include "types.h"

static int ask(struct kecho_source *s, const struct kecho_type *t, struct client_call *call)
{
	struct kecho_ctl_announce a = { .type_len = cpu_to_le32(t->t->encoded_len) };
	struct kvec req[2] = { { &a, sizeof(a) }, { (void *)t->t->encoded, t->t->encoded_len } };
	u32 number = 0;
	int err;

	client_call(s->ch->k->client, call, req, 2, JOIN_MS);
	err = client_asked(call, &a, sizeof(a), "source of ", s->ch->ch.name);
	client_call_end(call);
	if (!err)
		number = le32_to_cpu(a.number);
	if (!err && (!number || number > KECHO_TYPES_MAX))
		err = lib_fail(-EPROTO, "source of '%s': kechod's answer", s->ch->ch.name);
	return err ?: (int)number;
}

/* The source's filters are made for it. The kecho lock is held. */
static int know(struct kecho_source *s, int number, const struct ke_type *t)
{
	struct ke_types **types = &s->s.member.types;
	char why[KE_TYPE_WHY_MAX] = "no memory";
	int err = 0;

	lib_lock(&s->lock);
	if (!ke_types_at(*types, number)) {
		err = min(ke_types_add(types, number, t->encoded, t->encoded_len,
				       KE_NODE_TYPES_MAX, why), 0);
		if (!err && s->s.judge)
			ke_judge_announced(s->s.judge, *types, number);
		if (!err && s->s.choice)
			ke_choice_announced(s->s.choice, number);
	}
	lib_unlock(&s->lock);
	return err ? lib_fail(err, "source of '%s': a type: %s", s->ch->ch.name, why) : number;
}

/* The number; @copy is the source's then, or freed. */
static int announce(struct kecho_source *s, struct kecho_type *copy)
{
	struct kecho *k = s->ch->k;
	bool joined;
	int number;

	do {
		struct client_call call = { .cmd = KECHO_CMD_ANNOUNCE, .handle = &s->handle };

		number = ask(s, copy, &call);
		joined = client_lock_joined(k, call.generation);
		if (number > 0 && joined)
			number = know(s, number, copy->t);
		if (number > 0 && joined && !s->announced[number - 1]) {
			s->announced[number - 1] = copy;
			copy = NULL;
		}
		pthread_mutex_unlock(&k->lock);
	} while (number > 0 && !joined);
	kecho_type_free(copy);
	return number;
}

static void alone(struct kecho_source *s)
{
	pthread_mutex_lock(&s->ch->k->lock);
	while (s->announcing)
		lib_wait(s->ch->k, lib_deadline(CALL_MS));
	s->announcing = true;
	pthread_mutex_unlock(&s->ch->k->lock);
}

static void not_alone(struct kecho_source *s)
{
	pthread_mutex_lock(&s->ch->k->lock);
	s->announcing = false;
	pthread_cond_broadcast(&s->ch->k->changed);
	pthread_mutex_unlock(&s->ch->k->lock);
}

int client_announce(struct kecho_source *s, const struct kecho_type *t)
{
	struct kecho_type *copy;
	int number = kecho_type_load(&copy, t->t->encoded, t->t->encoded_len);

	if (number)
		return number;
	if (READ_ONCE(s->s.closed)) {
		kecho_type_free(copy);
		return source_over(s);
	}
	alone(s);
	number = announce(s, copy);
	not_alone(s);
	return number;
}

/* The helper; the node is a new one, and gives them the numbers that they have. */
int client_announce_again(struct kecho_source *s)
{
	int i, number;

	for (i = 0; i < KECHO_TYPES_MAX && s->announced[i]; i++) {
		struct client_call call = { .cmd = KECHO_CMD_ANNOUNCE, .handle = &s->handle };

		number = ask(s, s->announced[i], &call);
		if (number < 0)
			return number;
		if (number != i + 1)
			return lib_fail(-EPROTO, "source of '%s': kechod's number of a type",
					s->ch->ch.name);
	}
	return 0;
}

void client_forget_types(struct kecho_source *s)
{
	int i;

	ke_types_put(s->s.member.types);
	for (i = 0; i < KECHO_TYPES_MAX; i++)
		kecho_type_free(s->announced[i]);
}

int client_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		struct kecho_type **out)
{
	struct kecho_ctl_type type = { .number = cpu_to_le32(number),
				       .member = cpu_to_le64(member) };
	struct client_call call = { .cmd = KECHO_CMD_TYPE, .handle = &ch->client->handle };
	struct kvec req = { &type, sizeof(type) };
	int err = client_call(ch->k->client, &call, &req, 1, 0);

	if (!err && call.len < sizeof(type))
		err = -EPROTO;
	if (!err)
		err = kecho_type_load(out, call.body + sizeof(type), call.len - sizeof(type));
	else if (err != -ENOENT)
		client_asked(&call, &type, sizeof(type), "a type of ", ch->ch.name);
	client_call_end(&call);
	return err;
}
