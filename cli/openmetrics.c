/* SPDX-License-Identifier: MIT */
/*
 * Writes OpenMetrics 1.0 text.
 */
#include <inttypes.h>
#include <string.h>

#include "escape.h"
#include "openmetrics.h"

void metric_family(struct buf *b, const struct metric *m)
{
	static const char *const types[] = { "gauge", "counter", "info" };

	buf_format(b, "# TYPE %s %s\n", m->name, types[m->type]);
	if (m->unit)
		buf_format(b, "# UNIT %s %s\n", m->name, m->unit);
	buf_format(b, "# HELP %s ", m->name);
	escape(b, m->help, strlen(m->help));
	buf_char(b, '\n');
}

static void sample(struct buf *b, const struct metric *m, const struct label *l, unsigned int n)
{
	static const char *const suffixes[] = { "", "_total", "_info" };

	buf_format(b, "%s%s", m->name, suffixes[m->type]);
	for (unsigned int i = 0; i < n; i++) {
		buf_format(b, "%c%s=\"", i ? ',' : '{', l[i].name);
		escape(b, l[i].value, strlen(l[i].value));
		buf_char(b, '"');
	}
	buf_str(b, n ? "} " : " ");
}

void metric_u64(struct buf *b, const struct metric *m, const struct label *l, unsigned int n,
		uint64_t value)
{
	sample(b, m, l, n);
	buf_format(b, "%" PRIu64 "\n", value);
}

void metric_real(struct buf *b, const struct metric *m, const struct label *l, unsigned int n,
		 double value)
{
	sample(b, m, l, n);
	buf_format(b, "%.9f\n", value);
}

void metric_end(struct buf *b)
{
	buf_str(b, "# EOF\n");
}
