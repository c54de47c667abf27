/* SPDX-License-Identifier: MIT */
/*
 * Writes OpenMetrics 1.0 text into a buf. The caller begins each family once and writes
 * all its samples before the next; the end is said once, behind the last.
 *
 * Source: "OpenMetrics, a cloud-native, highly scalable metrics protocol", version 1.0,
 * section 3.2.
 */
#ifndef OPENMETRICS_H
#define OPENMETRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

#define OPENMETRICS_TYPE	"application/openmetrics-text; version=1.0.0; charset=utf-8"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO };

struct metric {
	const char *name;	/* ends with "_" and the unit, if it has one */
	enum metric_type type;
	const char *unit;	/* NULL: none */
	const char *help;
};

struct label {
	const char *name;
	const char *value;	/* whatever bytes: what is no UTF-8 becomes U+FFFD */
};

void metric_family(struct buf *b, const struct metric *m);
void metric_u64(struct buf *b, const struct metric *m, const struct label *l, unsigned int n,
		uint64_t value);
void metric_real(struct buf *b, const struct metric *m, const struct label *l, unsigned int n,
		 double value);
void metric_end(struct buf *b);

#endif
