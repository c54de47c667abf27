/* SPDX-License-Identifier: MIT */
/*
 * Expressions, from their text to a filter as it travels. In four steps, one file each,
 * that hand a struct expr on: words (expr_lex.c), a tree (expr_parse.c), what kind
 * everything is and what is known already (expr_check.c, expr_fold.c), instructions
 * (expr_code.c over expr_insn.c). docs/filters.md is the language's manual.
 *
 * The first step that finds something wrong says so with expr_fail(), and all callers
 * return. Nothing here knows more of the outside than its arguments.
 */
#ifndef KECHO_EXPR_H
#define KECHO_EXPR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "plat.h"
#include "attr.h"
#include "bounds.h"
#include "kecho/filter.h"
#include "uapi/kecho_filter.h"

enum expr_limits {
	EXPR_NODES_MAX = 1024,	/* operators and operands of one expression */
	EXPR_DEPTH_MAX = 100,	/* one within the other; all recursion ends by it */
	EXPR_NAMES_MAX = 64,	/* different attributes and fields */
	EXPR_LINKS_MAX = 64,	/* comparisons of two of them */
	EXPR_STRINGS_MAX = 2 * KECHO_FILTER_TEXT_MAX,	/* a quoted name is there twice */
	EXPR_ONCE_DEFAULT_NS = 1000000000,
};

/* What stands behind a word: an operator that is one character is that character. */
enum expr_token_kind {
	TOKEN_END = 0,
	TOKEN_NUMBER = 256,
	TOKEN_STRING,
	TOKEN_NAME,
	TOKEN_EQ,		/* == */
	TOKEN_NE,
	TOKEN_LE,
	TOKEN_GE,
	TOKEN_SHL,
	TOKEN_SHR,
	TOKEN_AND,		/* && */
	TOKEN_OR,
	TOKEN_RANGE,		/* .. */
};

struct expr_token {
	u16 kind;
	u16 at, len;		/* in the text; a string's are those of its quotes */
	u16 str, str_len;	/* of a string: what it means, in the strings */
	s64 value;		/* of a number */
};

enum expr_op {
	/* numbers */
	OP_NUMBER = 1,		/* @value */
	OP_NAME,		/* @name; a string too */
	OP_SEQ,
	OP_TIME,		/* absent if 0 */
	OP_LEN,
	OP_NOW,
	OP_RANDOM,
	OP_HASH,		/* @a: a number or a string */
	OP_NEG,			/* @a, as of all that follow */
	OP_INVERT,
	OP_ADD,			/* and @b, as of all that follow */
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_BITAND,
	OP_BITOR,
	OP_BITXOR,
	OP_SHL,
	OP_SHR,
	/* strings */
	OP_STRING,		/* @str, @str_len */
	OP_TYPE,
	/* conditions that are one: false if anything in it is absent */
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_PREFIX,
	OP_CONTAINS,
	OP_IN,			/* @a in the list of @b */
	OP_HAS,			/* @a: a name, or OP_TIME */
	OP_ONCE,		/* @a, within @value ns; the @site-th of them */
	OP_RATE,		/* @value times a second */
	OP_TRUTH,		/* @a is not 0 */
	/* conditions of conditions */
	OP_NOT,
	OP_ALL,			/* && */
	OP_ANY,			/* || */
	OP_CONDITION,		/* known: @value */
	/* of a set: @value to @b's, or the string; @next */
	OP_ITEM,
};

/* What something is. A name whose use says nothing stays open: it may be either. */
enum expr_kind {
	EXPR_OPEN = 0,
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_CONDITION,
};

/* Of a tree; 0 is none. */
struct expr_node {
	u8 op;			/* enum expr_op */
	u8 site;
	u8 height;
	u16 at, len;		/* where in the text it is complained of */
	u16 a, b, next;
	u16 name;
	u16 str, str_len;
	s64 value, last;	/* of an item: from, to */
};

/* An attribute or a field. */
struct expr_name {
	u8 scope;		/* enum kecho_filter_scope; 0: a field */
	bool age;
	u8 kind;		/* enum expr_kind: as what it is used */
	u16 at, len;		/* where first used so */
	u16 str, str_len;	/* its name, in the strings */
};

struct expr_link {
	u16 a, b;		/* names that are compared with each other */
	u16 at, len;
};

struct expr {
	const char *text;
	u16 text_len, pos;
	u8 use;			/* enum kecho_filter_use */
	struct expr_token token;	/* the next one */
	u16 depth;

	struct expr_node node[EXPR_NODES_MAX];
	u16 nodes;
	struct expr_name name[EXPR_NAMES_MAX];
	u16 names;
	struct expr_link link[EXPR_LINKS_MAX];
	u16 links;
	char strings[EXPR_STRINGS_MAX];
	u16 strings_len;
	u8 onces, rates;

	u16 condition;		/* 0: all */
	u16 score;		/* 0: none; the highest is the best */
	bool least;		/* so far the lowest is */
	u32 best;		/* 0: all */
	bool failed;
	struct kecho_filter_error *err;
};

/* expr_lex.c */
bool expr_next(struct expr *x);	/* the next token */
void expr_fail(struct expr *x, u16 at, u16 len, const char *fmt, ...) __printf(4, 5);
/* Of a token, a node, a name or a link. */
#define expr_fail_at(x, what, ...) expr_fail(x, (what)->at, (what)->len, __VA_ARGS__)
bool expr_is(const struct expr *x, const struct expr_token *t, const char *word);

/* expr_parse.c */
bool expr_parse(struct expr *x);

/* expr_primary.c: operands, which hold expressions again. 0 after a complaint. */
u16 expr_operand(struct expr *x);
u16 expr_condition(struct expr *x);	/* the lowest precedence */
u16 expr_make(struct expr *x, u8 op, const struct expr_token *at, u16 a, u16 b);
bool expr_expect(struct expr *x, u16 kind, const char *what);
bool expr_wanted(struct expr *x, const char *what);

/* expr_check.c */
bool expr_check(struct expr *x);

/* expr_fold.c */
void expr_fold(struct expr *x);
s64 expr_compute(u8 op, s64 a, s64 b);
/* Where @s begins in @in; -1: it is not there. */
int expr_find(const char *in, size_t in_len, const char *s, size_t len);

/* expr_code.c: the filter as it travels, kmalloc()ed. -EINVAL after a complaint; -ENOMEM. */
int expr_code(struct expr *x, void **wire, size_t *len);

/* All of it. @err is filled with -EINVAL only. */
int expr_compile(void **wire, size_t *len, u8 use, const char *text,
		 struct kecho_filter_error *err);

#endif
