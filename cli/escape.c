/* SPDX-License-Identifier: MIT */
/*
 * What stands between double quotes.
 */
#include "escape.h"
#include "json.h"

void escape(struct buf *b, const char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n) {
		n = utf8_length(s, len);
		if (!n) {
			n = 1;
			buf_str(b, "\xef\xbf\xbd");
		} else if (*s == '\n') {
			buf_str(b, "\\n");
		} else {
			if (*s == '"' || *s == '\\')
				buf_char(b, '\\');
			buf_add(b, s, n);
		}
	}
}
