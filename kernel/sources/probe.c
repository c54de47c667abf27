// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Probes: functions of ours at tracepoints of the kernel. Few tracepoints are exported to
 * modules, but all can be found by their names.
 */
#include <linux/tracepoint.h>

#include "events.h"

struct search {
	const char *name;
	struct tracepoint *found;
};

static void look(struct tracepoint *point, void *arg)
{
	struct search *s = arg;

	if (!strcmp(point->name, s->name))
		s->found = point;
}

static int begin(struct probe *p)
{
	struct search s = { .name = p->name };
	int err;

	for_each_kernel_tracepoint(look, &s);
	err = s.found ? tracepoint_probe_register(s.found, p->fn, NULL) : -ENOENT;
	if (!err)
		p->point = s.found;
	else
		pr_err("kecho_events: tracepoint %s: error %d\n", p->name, err);
	return err;
}

int probes_begin(struct probe *p, size_t n)
{
	int err = 0;
	size_t i;

	for (i = 0; i < n && !err; i++)
		err = begin(&p[i]);
	if (err)
		probes_end(p, n);
	return err;
}

void probes_end(struct probe *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i].point)
			tracepoint_probe_unregister(p[i].point, p[i].fn, NULL);
	tracepoint_synchronize_unregister();
	for (i = 0; i < n; i++)
		p[i].point = NULL;
}
