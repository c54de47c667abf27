/* SPDX-License-Identifier: MIT */
/*
 * bench/node: kecho through kechod, on one host against one shared ring, between two hosts
 * against raw TCP. The sinks of raw TCP read their own sockets; those of kecho are behind
 * two kechods.
 */
#include "claims.h"
#include "floor.h"
#include "kechod_transport.h"
#include "one_host.h"

#define RING .floor = &floor_ring, .subject = &kechod_local
#define ALONE .subject = &kechod_local
#define EACH .floor = &floor_tcp, .subject = &kechod_remote
#define BATCH .floor = &floor_tcp_batch, .subject = &kechod_remote
#define WIRE .floor = &kechod_remote, .subject = &kechod_remote

static const struct bench_claim claims[] = {
	ONE_HOST_CLAIMS("one host: ", RING, ALONE),
	{ "two hosts: p50, us, 1 sink", PROBE_P50_US, 1, 1, EACH, AT_MOST, 2.5 },
	{ "two hosts: p50, us, 8 sinks", PROBE_P50_US, 8, 1, EACH, AT_MOST, 1 },
	{ "two hosts: k events/s, 1 sink", PROBE_RATE_K, 1, 1, EACH, AT_LEAST, 0 },
	{ "two hosts: k events/s, 8 sinks", PROBE_RATE_K, 8, 1, EACH, AT_LEAST, 0 },
	{ "two hosts: k events/s, 1 sink, vector of 64", PROBE_RATE_K, 1, 64, BATCH, AT_LEAST, 0 },
	{ "two hosts: k events/s, 8 sinks, vector of 64", PROBE_RATE_K, 8, 64, BATCH, AT_LEAST, 0 },
	{ "on the wire, B per event, 8 sinks and 1", PROBE_WIRE_B, 8, 1, WIRE, AT_MOST, 1.02, 1 },
};

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv, "kecho through kechod, on one host and two");

	if (status >= 0)
		return status;
	return claims_run(claims, sizeof(claims) / sizeof(claims[0]), &opt);
}
