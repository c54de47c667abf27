/* SPDX-License-Identifier: MIT */
/* bench/remote: kecho between embedded nodes of two hosts, against raw TCP. */
#include "claims.h"
#include "floor.h"
#include "kecho_transport.h"

#define EACH .floor = &floor_tcp, .subject = &kecho_remote
#define LOOP .floor = &floor_tcp_loop, .subject = &kecho_remote
#define BATCH .floor = &floor_tcp_batch, .subject = &kecho_remote

static const struct bench_claim claims[] = {
	{ "p50, us, 1 sink", PROBE_P50_US, 1, 1, EACH, AT_MOST, 1.15 },
	{ "p50, us, 1 sink, floor with epoll", PROBE_P50_US, 1, 1, LOOP, AT_MOST, 0 },
	{ "k events/s, 1 sink, vector of 64", PROBE_RATE_K, 1, 64, BATCH, AT_LEAST, .7 },
	{ "k events/s, 1 sink, one by one", PROBE_RATE_K, 1, 1, EACH, AT_LEAST, 0 },
	{ "CPU us per event, 1 sink, vector of 64", PROBE_BURST_US, 1, 64, BATCH, AT_MOST, 0 },
	{ "p50, us, 4 hosts", PROBE_P50_US, 4, 1, EACH, AT_MOST, 0 },
};

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv,
				   "kecho between two hosts over TCP, and raw TCP");

	if (status >= 0)
		return status;
	return claims_run(claims, sizeof(claims) / sizeof(claims[0]), &opt);
}
