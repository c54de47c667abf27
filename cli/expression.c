/* SPDX-License-Identifier: MIT */
/* Expressions on the command line, and where they are wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "expression.h"
#include "json.h"

/* The expression on one line, and below it where it is wrong. A tab is one blank here. */
static void point_at(const char *text, const struct kecho_filter_error *e)
{
	size_t len = strlen(text), at = e->column - 1, end = at + (e->length ? e->length : 1), n;
	struct buf line = { 0 }, marks = { 0 };

	for (size_t i = 0; i < len || i < end; i += n) {
		n = i < len ? utf8_length(text + i, len - i) : 1;
		n = n ? n : 1;
		if (i < len && n == 1 && (text[i] < ' ' || text[i] > '~'))
			buf_char(&line, ' ');
		else if (i < len)
			buf_add(&line, text + i, n);
		if (i < end)
			buf_char(&marks, i < at ? ' ' : i == at ? '^' : '~');
	}
	fprintf(stderr, "  %.*s\n  %.*s\n", (int)line.len, line.p ? line.p : "", (int)marks.len,
		marks.p);
	buf_free(&line);
	buf_free(&marks);
}

int expression(enum kecho_filter_use use, const char *text, struct kecho_filter **f)
{
	struct kecho_filter_error e = { 0 };
	int err = kecho_filter_compile(f, use, text, &e);

	if (!err)
		return 0;
	if (err != -EINVAL || !e.column) {
		complain("%s", kecho_explain());
		return err;
	}
	complain("column %zu: %s", e.column, e.message);
	point_at(text, &e);
	return err;
}
