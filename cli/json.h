/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON (RFC 8259) into a buf, on one line. The caller keeps begin and end
 * balanced and gives a key before each value of an object; commas and escapes
 * come by themselves. Whatever bytes a string has, the output is valid UTF-8.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct json {
	struct buf *b;
	bool comma;		/* the next item needs one before it */
};

void json_object(struct json *j);
void json_object_end(struct json *j);
void json_array(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_key_n(struct json *j, const char *key, size_t len);

/* A byte that is not part of valid UTF-8 becomes U+FFFD. */
void json_string_n(struct json *j, const void *s, size_t len);
void json_base64(struct json *j, const void *data, size_t len);
/* A 64-bit id as 16 hex digits in a string: JSON's numbers would round it. */
void json_id_value(struct json *j, uint64_t id);

/* Key and value in one. */
void json_str(struct json *j, const char *key, const char *s);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
void json_real(struct json *j, const char *key, double v, int decimals);
void json_bool(struct json *j, const char *key, bool v);
void json_id(struct json *j, const char *key, uint64_t id);
void json_null(struct json *j, const char *key);

/* Bytes of the UTF-8 character at @s, of @len that there are (1 at least); 0: it is none. */
size_t utf8_length(const void *s, size_t len);
bool utf8_valid(const void *s, size_t len);

#endif
