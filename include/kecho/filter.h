/* SPDX-License-Identifier: MIT */
/*
 * Filters of libkecho: small programs that decide about events. People write them as
 * expressions (docs/filters.md), which are compiled here to what travels to the nodes that
 * judge by them.
 *
 * The conventions are those of kecho.h. A filter never changes once it was made, so any
 * number of threads may use one; it belongs to nothing that needs to be opened first.
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_FILTER_H
#define KECHO_FILTER_H

#include <kecho/kecho.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KECHO_FILTER_TEXT_MAX	4096	/* bytes of an expression */
#define KECHO_FILTER_MESSAGE_MAX	200

struct kecho_filter;

/* What a filter is asked. */
enum kecho_filter_use {
	KECHO_FOR_EVENT = 1,	/* is the event for this sink? Asked where its source is, before
				 * it is sent, once for all sinks with the same filter */
	KECHO_FOR_IN = 2,	/* is it for this sink? Asked where it is dispatched */
	KECHO_FOR_OUT = 3,	/* for which of all sinks is it? Asked by its source */
};

/* What is wrong with an expression. */
struct kecho_filter_error {
	size_t column;		/* in bytes, from 1; 0: it is wrong as a whole */
	size_t length;		/* bytes from there on that are meant; 0 at the end */
	char message[KECHO_FILTER_MESSAGE_MAX];	/* what, and what would fit */
};

/*
 * kecho_filter_compile - make a filter of the expression @text.
 * @err may be NULL; it is filled if the expression is wrong.
 * Does not block. -EINVAL: the expression is wrong; -E2BIG: it has more than
 * KECHO_FILTER_TEXT_MAX bytes; -ENOMEM.
 */
int kecho_filter_compile(struct kecho_filter **out, enum kecho_filter_use use, const char *text,
			 struct kecho_filter_error *err);

/*
 * kecho_filter_load - make a filter of what kecho_filter_wire() gave, here or elsewhere.
 * Nothing in it is believed. Does not block. -EPROTO: it is no filter; -EACCES: its program
 * may do what filters must not; kecho_explain() has the instruction and the reason. -ENOMEM.
 */
int kecho_filter_load(struct kecho_filter **out, const void *wire, size_t len);

/* The filter as it travels, as long as it is not freed. Does not block. */
const void *kecho_filter_wire(const struct kecho_filter *f, size_t *len);

/* What it was compiled for. Does not block. */
enum kecho_filter_use kecho_filter_use(const struct kecho_filter *f);

/*
 * kecho_filter_dump - its instructions and what they refer to, for people to read, in @size
 * bytes of @buf; it ends with a zero byte. @buf may be NULL if @size is 0. Returns the bytes
 * of all of it without the zero, so it was cut if that is not under @size. Does not block.
 */
ssize_t kecho_filter_dump(const struct kecho_filter *f, char *buf, size_t size);

/* @f may be NULL. Does not block. */
void kecho_filter_free(struct kecho_filter *f);

/* --------------------------------------------------------------------- to use one */

struct kecho_type;

/*
 * kecho_sink_filter - from here on kecho_read() and callbacks get only those events that @f
 * says yes to; NULL: all. It takes the place of the one before, while events flow: each is
 * judged by one of them, those that are submitted after this has returned by @f. Losses and
 * ends come as without it.
 * Fields are those of the type that an event's source has announced for it; @type says what
 * all others are (kecho/type.h): a struct, or NULL: plain bytes, which have none. An event
 * that is shorter than what the filter looks at is not for the sink. Neither @f nor @type is
 * kept.
 * One for KECHO_FOR_EVENT is judged where the source is, with the attributes that its node
 * has heard of, and what is for no sink of a host does not travel there. What the source did
 * not judge, and all by one for KECHO_FOR_IN, is judged as it is read, with the attributes of
 * 10 ms ago at the most. Their ages grow from event to event.
 * Blocks until the sources of the channel judge by it; a node that does not answer in 2 s goes
 * over to it later. So it does, 2 s at most, until this sink has read what was submitted 24
 * filters ago: -EAGAIN, it hasn't, and goes on by the one that it had. Not from within a
 * kecho_member_fn, where it would wait for itself: there it does not block. Any thread may
 * call it. -EINVAL: it is one for KECHO_FOR_OUT; -EACCES: it can't be made for @type,
 * kecho_explain() has the reason; -EPIPE: the sink has ended; -ESHUTDOWN: the channel was
 * destroyed; -ENOMEM.
 */
int kecho_sink_filter(struct kecho_sink *s, const struct kecho_filter *f,
		      const struct kecho_type *type);

/* Events that were not for it, ever, wherever they were judged; never counted as lost. */
uint64_t kecho_sink_filtered(const struct kecho_sink *s);

/*
 * kecho_source_filter - from here on the events of the source are for those sinks only that
 * @f, which was compiled for KECHO_FOR_OUT, chooses; NULL: for all. It takes the place of the
 * one before, while events flow: each is for whom one of them chooses, those that are
 * submitted after this has returned by @f.
 * It is asked in each submission, for each sink that this node knows of; a sink that joins is
 * one of them when this node has heard of it. A sink that is chosen still has its own filter.
 * An event that is for nobody was submitted, and has its number: see kecho_source_chosen().
 * Events of types that @f can't be made for are for nobody.
 * What is reserved (kecho_reserve()) is for whom it chooses as it is committed; what was
 * reserved before there was a filter is for all.
 * @f is not kept. Does not block, but the first time, if the process is attached to kechod; any
 * thread may call it. -EINVAL: it is for something else; -EACCES: it can't be made for a type
 * that the source has announced; -ESHUTDOWN; -ENOMEM.
 * Attached to kechod a source knows of 4095 members of its channel, and of the attributes of
 * those that have no more than 1 KiB of them, encoded, their node's included.
 * A submission then may fail with -E2BIG: more sinks are chosen than a record of its log can
 * name, which are 1024 in the smallest log, 4096 in one of the default size.
 */
int kecho_source_filter(struct kecho_source *s, const struct kecho_filter *f);

/* Of events that were for some sinks only, by a filter or kecho_submit_to(): how many sinks
 * were named for them, together, and how many events were for nobody. Does not block. */
struct kecho_chosen {
	uint64_t sinks, nobody;
};
void kecho_source_chosen(struct kecho_source *s, struct kecho_chosen *c);

/*
 * kecho_channel_filter - from here on this process's sinks of the channel, those that are open
 * and those to come, get only those events that @f, which was compiled for KECHO_FOR_IN, says
 * yes to; NULL: all. It is asked for each sink, as that reads, of the events that the sink's
 * own filter lets through, so what it asks of the sink decides who gets an event; once() and
 * rate() remember by the sink. It takes the place of the one before, while events flow.
 * What is left out is counted by kecho_sink_filtered().
 * @type is as for kecho_sink_filter(); neither is kept. Does not block; any thread may call it.
 * -EINVAL: it is for something else; -EACCES: it can't be made for @type; -ENOMEM.
 */
int kecho_channel_filter(struct kecho_channel *ch, const struct kecho_filter *f,
			 const struct kecho_type *type);

/* ------------------------------------------------------------------- to try one */

/*
 * Who says what a filter finds. @name is as in expressions: "cpu" is a field of the event,
 * "sink.load" or "source.node.zone" an attribute. An attribute was set *@age_ns ago,
 * which is 0 before the call. What is told is copied. Returns 0; -ENOENT: there is none;
 * another error ends kecho_judge_open().
 */
typedef int (*kecho_filter_ask)(void *arg, const char *name, struct kecho_value *v,
				uint64_t *age_ns);

/* The event that is judged. All may be zero. */
struct kecho_filter_event {
	const char *type;	/* its name; NULL: none */
	uint64_t seq;
	uint64_t time_ns;	/* since 1970; 0: it was submitted without a time */
	size_t len;		/* bytes of it; less than its fields need: as many as they do */
	kecho_filter_ask ask;	/* NULL: there is nothing */
	void *arg;
};

struct kecho_judge;

/*
 * kecho_judge_open - @f and one event, made ready. Its fields and attributes are asked for
 * here, each once. @f must stay. Does not block, unless @ev->ask does. -EACCES:
 * kecho_explain() has the reason; -ENOMEM.
 */
int kecho_judge_open(struct kecho_judge **out, const struct kecho_filter *f,
		     const struct kecho_filter_event *ev);

/*
 * kecho_judge_run - judge it, again if it was before: what once() and rate() have seen is
 * remembered, @seq and time stay. Returns 1 or 0; @score may be NULL. One thread at a time.
 * Does not block.
 */
int kecho_judge_run(struct kecho_judge *j, int64_t *score);

/* @j may be NULL. Does not block. */
void kecho_judge_close(struct kecho_judge *j);

#ifdef __cplusplus
}
#endif

#endif
