/* SPDX-License-Identifier: MIT */
/* The process that runs on each host of the demo. */
#ifndef DEMO_NODE_H
#define DEMO_NODE_H

struct node_config {
	int host;		/* which of the hosts it is */
	const char *name;
	const char *listen;
	const char *registry;
	const char *channel;
	int command_fd;		/* reads wire messages from here */
	int report_fd;		/* writes them here */
};

/* Works until the command pipe is closed. Returns an exit code; an error was
 * reported before. */
int node_run(const struct node_config *config);

#endif
