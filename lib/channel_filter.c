// SPDX-License-Identifier: MIT
/*
 * A channel's filter for IN: each sink of this process has one of its own, made of what was
 * set last, which it judges by as it reads.
 *
 * The channel's dispatch lock comes before all others, those of the sinks' filters included.
 * So a sink that is opened meanwhile has the filter before or the new one, and all that are
 * there change to it, or none.
 */
#include "filter_impl.h"
#include "internal.h"
#include "kecho/type.h"
#include "sink_filter.h"

void channel_filter_init(struct kecho_channel *ch)
{
	pthread_mutex_init(&ch->dispatch_lock, NULL);
	INIT_LIST_HEAD(&ch->dispatched);
}

static void forget(struct kecho_filter *f, struct kecho_type *type)
{
	kecho_filter_free(f);
	kecho_type_free(type);
}

void channel_filter_fini(struct kecho_channel *ch)
{
	forget(ch->in, ch->in_type);
	pthread_mutex_destroy(&ch->dispatch_lock);
}

static int refuse(const struct kecho_channel *ch, int err, const char *why)
{
	return lib_fail(err, "channel '%s': filter: %s", ch->ch.name, why);
}

int channel_filter_join(struct kecho_sink *s)
{
	struct kecho_channel *ch = s->ch;
	struct sink_filter *new = NULL;
	char why[KE_FILTER_WHY_MAX];
	int err;

	pthread_mutex_lock(&ch->dispatch_lock);
	err = ch->in ? sink_filter_make(&new, ch->in, ch->in_type, why) : 0;
	if (!err) {
		sink_filter_in(s, new);
		list_add_tail(&s->dispatched, &ch->dispatched);
	}
	pthread_mutex_unlock(&ch->dispatch_lock);
	return err ? refuse(ch, err, why) : 0;
}

void channel_filter_leave(struct kecho_sink *s)
{
	pthread_mutex_lock(&s->ch->dispatch_lock);
	list_del(&s->dispatched);
	pthread_mutex_unlock(&s->ch->dispatch_lock);
}

/* What sinks that come later get. */
static int copy(const struct kecho_filter *f, const struct kecho_type *type,
		struct kecho_filter **f_copy, struct kecho_type **type_copy)
{
	const void *wire;
	size_t len;
	int err;

	*f_copy = NULL;
	*type_copy = NULL;
	if (!f)
		return 0;
	wire = kecho_filter_wire(f, &len);
	err = kecho_filter_load(f_copy, wire, len);
	if (err || !type)
		return err;
	wire = kecho_type_wire(type, &len);
	err = kecho_type_load(type_copy, wire, len);
	if (err)
		kecho_filter_free(*f_copy);
	return err;
}

static int make_all(struct kecho_channel *ch, const struct kecho_filter *f,
		    const struct kecho_type *type, char *why)
{
	struct kecho_sink *s;
	int err = 0;

	list_for_each_entry(s, &ch->dispatched, dispatched) {
		s->in_next = NULL;
		if (f && !err)
			err = sink_filter_make(&s->in_next, f, type, why);
	}
	return err;
}

/* Each sink gets the new one; or the new ones go. */
static void settle_all(struct kecho_channel *ch, bool good)
{
	struct kecho_sink *s;

	list_for_each_entry(s, &ch->dispatched, dispatched)
		sink_filter_drop(good ? sink_filter_in(s, s->in_next) : s->in_next);
}

/* The dispatch lock is held. */
static int set(struct kecho_channel *ch, const struct kecho_filter *f,
	       const struct kecho_type *type)
{
	struct sink_filter *trial = NULL;
	struct kecho_type *type_copy;
	struct kecho_filter *f_copy;
	char why[KE_FILTER_WHY_MAX];
	int err;

	/* Though there may be no sink, it is to be one that sinks can have. */
	err = f ? sink_filter_make(&trial, f, type, why) : 0;
	sink_filter_drop(trial);
	if (err)
		return refuse(ch, err, why);
	err = copy(f, type, &f_copy, &type_copy);
	if (err)
		return err;
	err = make_all(ch, f, type, why);
	settle_all(ch, !err);
	if (err) {
		forget(f_copy, type_copy);
		return refuse(ch, err, why);
	}
	swap(ch->in, f_copy);
	swap(ch->in_type, type_copy);
	forget(f_copy, type_copy);
	return 0;
}

int kecho_channel_filter(struct kecho_channel *ch, const struct kecho_filter *f,
			 const struct kecho_type *type)
{
	int err;

	if (lib_forked(ch->k))
		return lib_fail(-EBADF, "channel '%s': a child of fork has no part in it",
				ch->ch.name);
	if (f && f->f->kind != KECHO_FILTER_IN)
		return refuse(ch, -EINVAL, "it is not one for IN");
	pthread_mutex_lock(&ch->dispatch_lock);
	err = set(ch, f, type);
	pthread_mutex_unlock(&ch->dispatch_lock);
	return err;
}
