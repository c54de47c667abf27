/* SPDX-License-Identifier: MIT */
/*
 * Types of events: an event as a C struct that its readers know by the names of its fields.
 *
 * A type is a struct's name, its size and a flat table of its fields. It is made from BTF,
 * the format in which compilers and the kernel describe types, or from a table in the
 * program; docs/types.md says how. A reader that was compiled with another version of the
 * struct than the source gets the fields that both have (kecho_type_match), and whoever has
 * the type can turn an event into JSON and back.
 *
 * The conventions are those of kecho.h. Nothing here blocks, but where a file is read, or where
 * it says so. Types and matches never change once they were made, so any number of threads may
 * use one; they belong to nothing that needs to be opened first. A source announces its types,
 * and a sink then knows those of the events that it reads.
 *
 * Since 0.1, all of it.
 */
#ifndef KECHO_TYPE_H
#define KECHO_TYPE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "field.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KECHO_TYPE_SIZE_MAX	65536	/* bytes of a struct */
#define KECHO_TYPE_FIELDS_MAX	512
#define KECHO_TYPE_NAME_MAX	127	/* bytes of a struct's name */
#define KECHO_FIELD_NAME_MAX	255	/* of a field's, with those of what it is in */
#define KECHO_TYPES_MAX		15	/* of one source */

struct kecho_type;
struct kecho_match;

/* Of kecho.h. */
struct kecho_channel;
struct kecho_event;
struct kecho_sink;
struct kecho_source;

/* ------------------------------------------------------------------- to make one */

/*
 * kecho_type_from_fields - the type @name of @size bytes with the @n fields of @fields, in
 * any order. A "struct " before the name is left out. All is copied.
 * -EINVAL: kecho_explain() names the field and the reason; -E2BIG: over one of the limits;
 * -ENOMEM.
 *
 * KECHO_TYPE() gives all arguments but the first, from a list of KECHO_FIELD():
 *
 *	kecho_type_from_fields(&type, KECHO_TYPE(struct load,
 *		KECHO_FIELD(struct load, cpu), KECHO_FIELD(struct load, host)));
 */
int kecho_type_from_fields(struct kecho_type **out, const char *name, size_t size,
			   const struct kecho_field *fields, size_t n);

/*
 * kecho_type_from_btf, kecho_type_from_file - the struct @name, or the typedef of one, from
 * BTF in memory, as in a .BTF section, or in a file: an ELF file with such a section, or
 * nothing but the BTF. It may be of the other byte order.
 * The first call loads what reads BTF, with libbpf.
 * -ENOENT: there is no such struct, or no such file; -EINVAL: that is no BTF;
 * -EOPNOTSUPP: a field that types can't have; -E2BIG: over one of the limits; -ELIBACC,
 * -ELIBBAD: what reads BTF is not installed, or is of another version; an error of reading
 * the file; -ENOMEM.
 */
int kecho_type_from_btf(struct kecho_type **out, const void *btf, size_t len, const char *name);
int kecho_type_from_file(struct kecho_type **out, const char *path, const char *name);

/*
 * kecho_btf_merge - write the BTF of the @n files @paths into the file @to, each type once.
 * ELF files or BTF. @to is replaced whole, or stays as it was.
 * Errors as those of kecho_type_from_file(), but -ENOENT only of a file, and of writing.
 */
int kecho_btf_merge(const char *to, const char *const *paths, size_t n);

/*
 * kecho_type_load - a type as kecho_type_wire() gave it, here or elsewhere. Nothing in it is
 * believed. -EPROTO: it is none; kecho_explain() says why; -ENOMEM.
 */
int kecho_type_load(struct kecho_type **out, const void *wire, size_t len);

/* The type as it travels: the same bytes on every machine. They live as long as it. */
const void *kecho_type_wire(const struct kecho_type *t, size_t *len);

/* @t may be NULL. */
void kecho_type_free(struct kecho_type *t);

/* ------------------------------------------------------------------- to look at it */

/* Its name lives as long as it. */
const char *kecho_type_name(const struct kecho_type *t);
size_t kecho_type_size(const struct kecho_type *t);
/* A hash of what kecho_type_wire() gives: equal for equal types. */
uint64_t kecho_type_id(const struct kecho_type *t);
/* kecho_type_fields - up to @max fields, in the order of their names' bytes; the names live
 * as long as the type. Returns how many there are. */
size_t kecho_type_fields(const struct kecho_type *t, struct kecho_field *f, size_t max);

/* ------------------------------------------------------------------------- events */

/*
 * kecho_type_to_json - the event @data of @len bytes as a JSON object, in @size bytes of
 * @buf; it ends with a zero byte. @buf may be NULL if @size is 0. Fields come in the order
 * of the struct, nested ones in objects of their own; those that lie beyond @len are left
 * out. Numbers are numbers (infinite ones are null), strings strings with U+FFFD for what
 * is no UTF-8, arrays of numbers arrays; bytes, and arrays of unsigned bytes, are strings
 * of hex digits.
 * Returns the bytes of all of it without the zero: it was cut if that is not under @size.
 */
size_t kecho_type_to_json(const struct kecho_type *t, const void *data, size_t len, char *buf,
			  size_t size);

/*
 * kecho_type_from_json - an event of this type from the JSON object @text of @len bytes, in
 * kecho_type_size() bytes at @data. What kecho_type_to_json() writes is read; names with
 * dots are too, true and false are 1 and 0. Fields that are not named, or null, are zero.
 * -EINVAL: it is no JSON object, or has a field that the type has not, or twice, or a value
 * that does not fit; kecho_explain() names the field and the reason, or the column.
 */
int kecho_type_from_json(const struct kecho_type *t, const char *text, size_t len, void *data);

/*
 * kecho_type_match - how events of the type @writer become the struct of the type @reader;
 * it needs neither afterwards. Fields are found by their names. Numbers are converted as C
 * assigns them (widened by the writer's sign, cut to the reader's width), floats are
 * rounded, byte order is turned; a string is cut so that it still ends in a zero; of arrays
 * come as many elements as both have. Between integers, floats, strings and other bytes
 * nothing is converted. What can't be is zero, and absent. -ENOMEM.
 */
int kecho_type_match(struct kecho_match **out, const struct kecho_type *reader,
		     const struct kecho_type *writer);

/* @m may be NULL. */
void kecho_match_free(struct kecho_match *m);

/* Whether field number @field of the reader's kecho_type_fields() is in the writer's whole
 * events, and comes through. */
int kecho_match_has(const struct kecho_match *m, size_t field);

/*
 * kecho_match_convert - fill the reader's struct @to from the event @data of @len bytes,
 * which may be shorter or longer than the writer's struct. @present may be NULL; else it has
 * 64 bits for every 64 fields or fewer of the reader, and bit i % 64 of present[i / 64] is
 * set if field i is there. Allocates nothing, and may be called by any thread.
 */
void kecho_match_convert(const struct kecho_match *m, const void *data, size_t len, void *to,
			 uint64_t *present);

/* ------------------------------------------------------------------- in a channel */

/*
 * kecho_source_announce - let the channel know that events of this source may be of the
 * type @t, which is copied. Returns the type's number, from 1 on; the same for the same type.
 * Blocks until every node that reads the source knows it (5 s at most), so that no sink gets
 * an event of it before. -ENOSPC: the source has KECHO_TYPES_MAX types, or they have over
 * 256 KiB (kecho_type_wire()) together, or all that this node's sources have announced is over
 * 2 MiB, or what kechod grants; -EPIPE, -ESHUTDOWN: as kecho_submit(); -ENOMEM.
 */
int kecho_source_announce(struct kecho_source *s, const struct kecho_type *t);

/*
 * kecho_event_type - the type of an event that @s has just read, as its source announced it.
 * It belongs to the sink, and lives until that was told the end of the event's source
 * (KECHO_ENDED), or is closed. NULL: the event is plain bytes, or its type is not known: its
 * source never announced it, or kechod was started anew and has not heard of the source in
 * time; or no memory. Looks it up once for each type of a source: that blocks only for
 * kechod, if that has just been started anew up to 3 s.
 */
const struct kecho_type *kecho_event_type(struct kecho_sink *s, const struct kecho_event *ev);

/*
 * kecho_event_as - an event that @s has just read as the reader's own struct, of the type @t:
 * kecho_match_convert() with a match that the sink keeps for each type of each source, of the
 * last two @t that it was asked for. @present may be NULL. -ENOMSG: its type is not known,
 * see kecho_event_type(); -ENOMEM.
 *
 * Both are for the thread that reads the sink, and its callback.
 */
int kecho_event_as(struct kecho_sink *s, const struct kecho_event *ev, const struct kecho_type *t,
		   void *to, uint64_t *present);

/*
 * kecho_member_type - type number @number of the source @member, as kecho_member_get() finds
 * it; it is the caller's. -ENOENT: no such member, or it has none of that number (they have
 * no gaps; kecho_explain() says nothing of it); -ENOMEM.
 */
int kecho_member_type(struct kecho_channel *ch, uint64_t member, unsigned int number,
		      struct kecho_type **out);

#ifdef __cplusplus
}
#endif

#endif
