// SPDX-License-Identifier: MIT
/*
 * The types of a feed's source, as far as its sink has asked for them, and how their events
 * become structs of its reader.
 *
 * They come and go with the feed, and under its sink's lock. A feed goes only when its end
 * was told, and a type does not change: so what was found for an event stays, without the
 * lock, until the sink is read again. Matches are its reader's alone.
 */
#include "feed.h"
#include "types.h"

enum { MATCHES = 2 };	/* of one type, to types of the reader; the oldest goes */

struct feed_type {
	struct kecho_type *type;	/* NULL: not asked for yet */
	struct {
		u64 reader;		/* its type's serial */
		struct kecho_match *match;
	} as[MATCHES];
	unsigned int oldest;
};

struct feed_types {
	struct feed_type of[KECHO_TYPES_MAX];
};

void feed_types_free(struct feed *f)
{
	struct feed_type *ft;
	unsigned int i, j;

	for (i = 0; f->types && i < KECHO_TYPES_MAX; i++) {
		ft = &f->types->of[i];
		kecho_type_free(ft->type);
		for (j = 0; j < MATCHES; j++)
			kecho_match_free(ft->as[j].match);
	}
	free(f->types);
}

/* The place of type @number; NULL: there can be none, or no memory. The lock is held. */
static struct feed_type *place(struct feed *f, unsigned int number)
{
	if (!number || number > KECHO_TYPES_MAX)
		return NULL;
	if (!f->types)
		f->types = calloc(1, sizeof(*f->types));
	return f->types ? &f->types->of[number - 1] : NULL;
}

/* Takes @type, which may be NULL. The lock is held. */
static struct feed_type *put(struct feed *f, unsigned int number, struct kecho_type *type)
{
	struct feed_type *ft = place(f, number);

	if (!ft || ft->type)
		kecho_type_free(type);
	else
		ft->type = type;
	return ft && ft->type ? ft : NULL;
}

/* Its source will soon not be there to be asked. Without memory the events are bytes. */
void feed_type_keep(struct feed *f, unsigned int number, const void *wire, size_t len)
{
	struct kecho_type *type;

	if (!kecho_type_load(&type, wire, len))
		put(f, number, type);
}

void feed_types_keep(struct feed *f, const struct ke_types *types)
{
	const struct ke_type *t;
	u32 i;

	for (i = 1; i <= ke_types_count(types); i++) {
		t = ke_types_at(types, i);
		if (t)
			feed_type_keep(f, i, t->encoded, t->encoded_len);
	}
}

/* Of two feeds of one source the one that is over will be gone. The lock is held. */
static struct feed *feed_of(struct kecho_sink *s, u64 source)
{
	struct feed *f;

	list_for_each_entry(f, &s->feeds, list)
		if (f->member == source && !f->told)
			return f;
	return NULL;
}

/* Not known here yet. No lock is held. */
static struct feed_type *learn(struct kecho_sink *s, const struct kecho_event *ev)
{
	struct kecho_type *type = NULL;
	struct feed_type *ft = NULL;
	struct feed *f;

	if (s->ch->k->attach->type(s->ch, ev->source, ev->type, &type))
		type = NULL;
	lib_lock(&s->lock);
	f = feed_of(s, ev->source);
	if (f)
		ft = put(f, ev->type, type);
	else
		kecho_type_free(type);
	lib_unlock(&s->lock);
	return ft;
}

static struct feed_type *type_of(struct kecho_sink *s, const struct kecho_event *ev)
{
	struct feed_type *ft = NULL;
	struct feed *f;

	if (!ev->type || ev->type > KECHO_TYPES_MAX || lib_forked(s->ch->k))
		return NULL;
	lib_lock(&s->lock);
	f = feed_of(s, ev->source);
	if (f && f->types)
		ft = &f->types->of[ev->type - 1];
	lib_unlock(&s->lock);
	return ft && ft->type ? ft : learn(s, ev);
}

const struct kecho_type *kecho_event_type(struct kecho_sink *s, const struct kecho_event *ev)
{
	struct feed_type *ft = type_of(s, ev);

	return ft ? ft->type : NULL;
}

static struct kecho_match *match_of(struct feed_type *ft, const struct kecho_type *reader)
{
	struct kecho_match *m;
	unsigned int i;

	for (i = 0; i < MATCHES; i++)
		if (ft->as[i].reader == reader->serial)
			return ft->as[i].match;
	if (kecho_type_match(&m, reader, ft->type))
		return NULL;
	i = ft->oldest++ % MATCHES;
	kecho_match_free(ft->as[i].match);
	ft->as[i].reader = reader->serial;
	return ft->as[i].match = m;
}

int kecho_event_as(struct kecho_sink *s, const struct kecho_event *ev, const struct kecho_type *t,
		   void *to, uint64_t *present)
{
	struct feed_type *ft = type_of(s, ev);
	struct kecho_match *m;

	if (!ft)
		return lib_fail(-ENOMSG, "sink of '%s': nothing is known of the event's type",
				s->ch->ch.name);
	m = match_of(ft, t);
	if (!m)
		return -ENOMEM;
	kecho_match_convert(m, ev->data, ev->len, to, present);
	return 0;
}

/* What any sink of the channel knows of a source, which may have gone: -ENOENT, -ENOMEM. The
 * kecho lock is held. */
static int load_known(struct kecho_channel *ch, u64 member, unsigned int number,
		      struct kecho_type **out)
{
	struct kecho_sink *s;
	int err = -ENOENT;
	struct feed *f;
	size_t len;

	list_for_each_entry(s, &ch->sinks, list) {
		lib_lock(&s->lock);
		list_for_each_entry(f, &s->feeds, list) {
			const void *wire;

			if (err != -ENOENT || f->member != member || !f->types ||
			    !f->types->of[number - 1].type)
				continue;
			wire = kecho_type_wire(f->types->of[number - 1].type, &len);
			err = kecho_type_load(out, wire, len);
		}
		lib_unlock(&s->lock);
	}
	return err;
}

int feed_type_load(struct kecho_channel *ch, uint64_t member, unsigned int number,
		   struct kecho_type **out)
{
	int err;

	if (!number || number > KECHO_TYPES_MAX)
		return -ENOENT;
	pthread_mutex_lock(&ch->k->lock);
	err = load_known(ch, member, number, out);
	pthread_mutex_unlock(&ch->k->lock);
	return err;
}
