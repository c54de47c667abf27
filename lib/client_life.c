// SPDX-License-Identifier: MIT
/*
 * What is done to a channel as a whole, by a process that is attached to a node, and to
 * it: freezing, draining, destroying.
 *
 * A frozen source begins nothing. The node is told that all of the channel's stand still
 * when what had begun is finished, events in pieces and reservations.
 */
#include "client.h"
#include "feed.h"

enum { LONG_MS = 1 << 30 };	/* as good as for ever */

static int ask_to(struct kecho_channel *ch, u32 cmd, int timeout_ms)
{
	struct kecho_ctl_channel_wait wait = { .timeout_ms = cpu_to_le32(timeout_ms) };

	return client_ask(ch->k->client, cmd, &ch->client->handle, &wait, sizeof(wait),
			  timeout_ms < 0 ? LONG_MS : timeout_ms, "channel ", ch->ch.name);
}

int client_freeze(struct kecho_channel *ch, int timeout_ms)
{
	return ask_to(ch, KECHO_CMD_FREEZE, timeout_ms);
}

int client_thaw(struct kecho_channel *ch)
{
	return ask_to(ch, KECHO_CMD_THAW, 0);
}

/* The node knows how far sinks are by what they leave for it. */
int client_drain(struct kecho_channel *ch, int timeout_ms)
{
	struct kecho_sink *s;

	pthread_mutex_lock(&ch->k->lock);
	list_for_each_entry(s, &ch->sinks, list)
		feeds_release(s);
	pthread_mutex_unlock(&ch->k->lock);
	return ask_to(ch, KECHO_CMD_DRAIN, timeout_ms);
}

int client_destroy(struct kecho_channel *ch, int timeout_ms)
{
	return ask_to(ch, KECHO_CMD_DESTROY, timeout_ms);
}

int client_other(struct kecho_channel *ch, uint8_t uuid[16])
{
	struct kecho_ctl_other other = { 0 };
	int err = client_ask(ch->k->client, KECHO_CMD_OTHER, &ch->client->handle, &other,
			     sizeof(other), 0, "channel ", ch->ch.name);

	if (err || !other.other)
		return err;
	memcpy(uuid, other.uuid, sizeof(other.uuid));
	return (int)le32_to_cpu(other.other);
}

/* ------------------------------------------------------------ what is done to it */

/* A note of that number, or the node is a new one (0); the kecho lock is held. */
void client_frozen(struct kecho_channel *ch, u32 number)
{
	struct kecho_source *s;

	ch->client->still_due = number;
	ch->client->frozen = number;
	list_for_each_entry(s, &ch->sources, list) {
		lib_lock(&s->lock);
		s->s.frozen = number;
		lib_unlock(&s->lock);
		if (!number)
			client_room_wake(s);
	}
}

/* The same. The ends of the sinks' feeds follow, when the sources have nothing more. */
void client_destroyed(struct kecho_channel *ch, u32 number)
{
	struct kecho_source *s;

	WRITE_ONCE(ch->ch.ended, true);
	client_members_gone(ch, KECHO_LEFT);
	ch->client->still_due = number;
	list_for_each_entry(s, &ch->sources, list) {
		lib_lock(&s->lock);
		s->s.frozen = true;	/* what has begun says when it is done */
		WRITE_ONCE(s->s.closed, true);
		ke_log_abort_all(&s->s.log);
		client_tell(s);
		lib_unlock(&s->lock);
		client_room_wake(s);
	}
	wait_wake(ch->k);
}

/* A source has finished something: the helper looks. No lock is held. */
void client_settle(struct kecho *k)
{
	u64 one = 1;

	if (write(k->wake, &one, sizeof(one)) < 0)
		return;		/* full: it is readable already */
}

static bool stands_still(struct kecho_channel *ch)
{
	struct kecho_source *s;
	bool still = true;

	list_for_each_entry(s, &ch->sources, list) {
		lib_lock(&s->lock);
		still &= !s->s.in_pieces && s->s.log.first == s->s.log.next;
		lib_unlock(&s->lock);
	}
	return still;
}

static struct kecho_channel *still_channel(struct client *c)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &c->k->channels, list)
		if (ch->client->still_due && stands_still(ch))
			return ch;
	return NULL;
}

/* The helper; the kecho lock is held, and let go meanwhile. */
void client_stand_still(struct client *c)
{
	struct kecho_ctl_still still;
	struct client_call call;
	struct kvec req = { &still, sizeof(still) };
	struct kecho_channel *ch;

	while (c->state == CLIENT_UP && (ch = still_channel(c))) {
		still.channel = cpu_to_le32(ch->client->handle);
		still.number = cpu_to_le32(ch->client->still_due);
		ch->client->still_due = 0;
		call = (struct client_call){ .cmd = KECHO_CMD_STILL, .generation = c->generation };
		pthread_mutex_unlock(&c->k->lock);
		/* If it fails, the node has gone, or the channel: nobody waits then. */
		client_call(c, &call, &req, 1, 0);
		client_call_end(&call);
		pthread_mutex_lock(&c->k->lock);
	}
}
