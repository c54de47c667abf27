/* SPDX-License-Identifier: MIT */
/* bench/echo: the paper's user-level ECho beside raw TCP with one call per sink. */
#include "echo.h"
#include "floor.h"
#include "table.h"

static const struct table_row rows[] = {
	{ .transport = &floor_tcp, .batch = 1 },
	{ .transport = &echo_transport, .batch = 1 },
};

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv,
				   "user-level ECho, as the KECho paper has it:\n"
				   "a connection and two system calls per sink");

	if (status >= 0)
		return status;
	return table_run(rows, sizeof(rows) / sizeof(rows[0]), &opt) ? 1 : 0;
}
