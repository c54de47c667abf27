// SPDX-License-Identifier: MIT
/*
 * Channels: opening by name, and closing.
 */
#include "internal.h"
#include "sink_filter.h"

static int check_name(const char *name)
{
	const unsigned char *p;

	if (!name || !*name)
		return lib_fail(-EINVAL, "a channel without a name");
	if (strlen(name) > KECHO_NAME_MAX)
		return lib_fail(-EINVAL, "channel '%.20s…': a name of over %d bytes", name,
				KECHO_NAME_MAX);
	for (p = (const void *)name; *p; p++)
		if (*p < 0x21 || *p == '*' || *p == 0x7f)
			return lib_fail(-EINVAL, "channel '%s': byte 0x%02x in the name", name, *p);
	return 0;
}

static bool has_channel(struct kecho *k, const char *name)
{
	struct kecho_channel *ch;

	list_for_each_entry(ch, &k->channels, list)
		if (!ch->ch.ended && !strcmp(ch->ch.name, name))
			return true;
	return false;
}

int kecho_channel_open(struct kecho *k, const char *name,
		       const struct kecho_channel_options *opt, struct kecho_channel **out)
{
	struct kecho_channel *ch;
	int err = check_name(name);

	if (err)
		return err;
	if (lib_forked(k))
		return lib_fail(-EBADF, "channel '%s': a child of fork has no part in it", name);
	pthread_mutex_lock(&k->lock);
	err = has_channel(k, name) ? -EBUSY : 0;
	pthread_mutex_unlock(&k->lock);
	if (err)
		return lib_fail(err, "channel '%s' is open here already", name);
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return lib_fail(-ENOMEM, "channel '%s'", name);
	ch->k = k;
	ch->retain = opt ? opt->retain : 0;
	ch->timeout_ms = opt && opt->timeout_ms ? opt->timeout_ms : k->timeout_ms;
	INIT_LIST_HEAD(&ch->sources);
	INIT_LIST_HEAD(&ch->sinks);
	INIT_LIST_HEAD(&ch->notices);
	channel_filter_init(ch);
	err = k->attach->channel_join(ch, name, opt ? opt->flags : 0);
	if (!err) {
		*out = ch;
		return 0;
	}
	channel_filter_fini(ch);
	free(ch);
	return err;
}

void kecho_channel_close(struct kecho_channel *ch)
{
	if (!ch || lib_forked(ch->k))
		return;
	kecho_channel_watch(ch, NULL, NULL);
	while (!list_empty(&ch->sources))
		kecho_source_close(list_first_entry(&ch->sources, struct kecho_source, list));
	while (!list_empty(&ch->sinks))
		kecho_sink_close(list_first_entry(&ch->sinks, struct kecho_sink, list));
	ch->k->attach->channel_leave(ch);
	channel_filter_fini(ch);
	free(ch);
}

const char *kecho_channel_name(const struct kecho_channel *ch)
{
	return ch->ch.name;
}

void kecho_channel_uuid(const struct kecho_channel *ch, uint8_t uuid[16])
{
	memcpy(uuid, ch->ch.uuid.b, sizeof(ch->ch.uuid.b));
}
