/* SPDX-License-Identifier: MIT */
/* bench/local: kecho between processes of one host, against one shared ring. */
#include "claims.h"
#include "floor.h"
#include "kecho_transport.h"
#include "one_host.h"

#define RING .floor = &floor_ring, .subject = &kecho_local
#define TIMED .floor = &floor_ring, .subject = &kecho_local_timed
#define ALONE .subject = &kecho_local

static const struct bench_claim claims[] = {
	ONE_HOST_CLAIMS("", RING, ALONE),
	{ "CPU us, wake-ups, 8 sinks, vector of 64", PROBE_BURST_US, 8, 64, RING, AT_MOST, 0 },
	{ "k events/s, 8 sinks, vector of 64", PROBE_RATE_K, 8, 64, RING, AT_LEAST, 0 },
	{ "k events/s, 8 sinks, with the time", PROBE_RATE_K, 8, 1, TIMED, AT_LEAST, 0 },
	{ "k events/s, 1 sink, with the time", PROBE_RATE_K, 1, 1, TIMED, AT_LEAST, 0 },
	{ "k events/s, 1 sink, vector of 64", PROBE_RATE_K, 1, 64, RING, AT_LEAST, 0 },
};

int main(int argc, char **argv)
{
	struct options opt;
	int status = options_parse(&opt, argc, argv,
				   "kecho between processes of one host, and one shared ring");

	if (status >= 0)
		return status;
	return claims_run(claims, sizeof(claims) / sizeof(claims[0]), &opt);
}
