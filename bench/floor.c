/* SPDX-License-Identifier: MIT */
/* bench/floor: what the kernel alone takes; the numbers that kecho is held against. */
#include "floor.h"
#include "table.h"

/* Known: medians of a quiet two-CPU machine. */
static const struct table_row rows[] = {
	{
		.transport = &floor_tcp,
		.batch = 1,
		.known = {
			{ 9.5, 9.3, 15, 27 },
			{ 2.7, 7.5, 11, 22 },
			{ 434, 129, 64, 22 },
		},
	},
	{
		.transport = &floor_tcp_batch,
		.batch = 64,
		.known = {
			{ 4.9, 9.2, 16, 29 },
			{ .06, .11, .19, .35 },
			{ 14805, 6756, 2364, 1415 },
		},
	},
	{
		.transport = &floor_ring,
		.batch = 1,
		.known = {
			{ 1.5, 4.7, 6.2, 13 },
			{ .15, .12, .67, .64 },
			{ 12688, 3531, 860, 504 },
		},
	},
	{
		.transport = &floor_seqpacket,
		.batch = 1,
		.known = {
			{ 2.3, 5.6, 8.6, 18 },
			{ .86, 1.5, 5.5, 15 },
			{ 1113, 404, 129, 44 },
		},
	},
};

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv,
				   "bring events to other processes by the kernel's means alone");

	if (status >= 0)
		return status;
	return table_run(rows, sizeof(rows) / sizeof(rows[0]), &opt) ? 1 : 0;
}
