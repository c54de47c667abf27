/* SPDX-License-Identifier: MIT */
/* All that kecho is measured beside; see peer.h. */
#include "peer.h"
#include "../floor.h"
#include "../kecho_transport.h"

/* In this program if what they need was there when it was built. */
#define OPTIONAL extern const struct transport __attribute__((weak))

OPTIONAL kechod_local, kechod_remote;
OPTIONAL zmq_ipc, zmq_tcp;
OPTIONAL nng_ipc, nng_tcp;
OPTIONAL cyclone_udp;
OPTIONAL nats_tcp;
OPTIONAL mosquitto_tcp;
OPTIONAL redis_tcp;
OPTIONAL iceoryx_shm;
OPTIONAL lcm_udp;

#define BLOCKS "reliable, in order, each once; the source waits for a slow sink"
#define KECHO BLOCKS "; every loss under other policies is counted and told"

#define ZMQ										\
	.packages = "libzmq3-dev", .waits = "poll of an eventfd, an epoll thread",	\
	.promise = "at most once: silently dropped at the high-water mark (here there is none)"
#define NNG									\
	.packages = "libnng-dev", .waits = "condition variable, epoll threads",	\
	.promise = "at most once: silently dropped when a queue is full (here 4096 events)"
#define CYCLONE										\
	.title = "Cyclone DDS", .packages = "cyclonedds-dev cyclonedds-tools",		\
	.transport = &cyclone_udp, .waits = "waitset (condition variable), recvmsg threads",	\
	.promise = "reliable, in order (RELIABLE, KEEP_ALL): the writer waits at 500 kB "	\
		   "unacknowledged"
#define NATS									\
	.title = "NATS", .packages = "nats-server libnats-dev",		\
	.transport = &nats_tcp, .waits = "condition variable, a poll thread",	\
	.promise = "at most once: a slow sink is disconnected by the broker at 64 MiB"
#define MOSQUITTO								\
	.title = "mosquitto", .packages = "mosquitto libmosquitto-dev",	\
	.transport = &mosquitto_tcp, .waits = "pselect",				\
	.promise = "at most once (MQTT QoS 0): dropped by the broker for a slow sink"
#define REDIS									\
	.title = "redis", .packages = "redis-server libhiredis-dev",		\
	.transport = &redis_tcp, .waits = "recv",				\
	.promise = "at most once: a slow sink is disconnected by the broker at 32 MB"
#define LCM											\
	.title = "LCM", .packages = "liblcm-dev", .transport = &lcm_udp,			\
	.waits = "pipe, a select thread",							\
	.promise = "at most once: what a socket or queue (here 4096 events) has no room for is " \
		   "silently dropped"

const struct peer peers[] = {
	{
		.name = "kecho",
		.title = "kecho, embedded",
		.role = ROLE_KECHO,
		.hosts = 1,
		.transport = &kecho_local,
		.waits = "futex",
		.promise = KECHO,
	},
	{
		.name = "kecho-again",
		.title = "the same once more (A/A)",
		.role = ROLE_CONTROL,
		.hosts = 1,
		.transport = &kecho_local,
		.waits = "futex",
		.promise = KECHO,
	},
	{
		.name = "kechod",
		.title = "kecho, kechod",
		.role = ROLE_KECHO,
		.hosts = 1,
		.transport = &kechod_local,
		.waits = "futex",
		.promise = KECHO,
	},
	{
		.name = "ring",
		.title = "floor: one shared ring",
		.role = ROLE_FLOOR,
		.hosts = 1,
		.transport = &floor_ring,
		.waits = "futex",
		.promise = BLOCKS,
	},
	{
		.name = "seqpacket",
		.title = "floor: Unix SEQPACKET",
		.role = ROLE_FLOOR,
		.hosts = 1,
		.transport = &floor_seqpacket,
		.waits = "recv",
		.promise = BLOCKS,
	},
	{
		.name = "tcp",
		.title = "floor: TCP, a write per sink",
		.role = ROLE_FLOOR,
		.hosts = 1,
		.transport = &floor_tcp_batch,
		.waits = "recv",
		.promise = BLOCKS,
	},
	{ .name = "zmq-ipc", .title = "ZeroMQ ipc", .hosts = 1, .transport = &zmq_ipc,
	  .role = ROLE_PEER, ZMQ },
	{ .name = "nng-ipc", .title = "nng ipc", .hosts = 1, .transport = &nng_ipc,
	  .role = ROLE_PEER, NNG },
	{
		.name = "iceoryx",
		.title = "iceoryx",
		.role = ROLE_PEER,
		.hosts = 1,
		.transport = &iceoryx_shm,
		.packages = "iceoryx libiceoryx-binding-c-dev",
		.waits = "WaitSet (semaphore)",
		.promise = "reliable, in order (WAIT_FOR_CONSUMER): the publisher polls while a "
			   "queue of 256 is full",
	},
	{ .name = "cyclone", .hosts = 1, .role = ROLE_PEER, CYCLONE },
	{ .name = "nats", .hosts = 1, .role = ROLE_PEER, NATS },
	{ .name = "mosquitto", .hosts = 1, .role = ROLE_PEER, MOSQUITTO },
	{ .name = "redis", .hosts = 1, .role = ROLE_PEER, REDIS },
	{ .name = "lcm", .hosts = 1, .role = ROLE_PEER, LCM },
	{
		.name = "kecho",
		.title = "kecho, embedded",
		.role = ROLE_KECHO,
		.hosts = 2,
		.transport = &kecho_remote,
		.waits = "recv",
		.promise = KECHO,
	},
	{
		.name = "kecho-again",
		.title = "the same once more (A/A)",
		.role = ROLE_CONTROL,
		.hosts = 2,
		.transport = &kecho_remote,
		.waits = "recv",
		.promise = KECHO,
	},
	{
		.name = "kechod",
		.title = "kecho, kechod",
		.role = ROLE_KECHO,
		.hosts = 2,
		.transport = &kechod_remote,
		.waits = "futex, epoll in the kechods",
		.promise = KECHO,
	},
	{
		.name = "tcp",
		.title = "floor: TCP, a write per sink",
		.role = ROLE_FLOOR,
		.hosts = 2,
		.transport = &floor_tcp_batch,
		.waits = "recv",
		.promise = BLOCKS,
	},
	{ .name = "zmq-tcp", .title = "ZeroMQ tcp", .hosts = 2, .transport = &zmq_tcp,
	  .role = ROLE_PEER, ZMQ },
	{ .name = "nng-tcp", .title = "nng tcp", .hosts = 2, .transport = &nng_tcp,
	  .role = ROLE_PEER, NNG },
	{ .name = "cyclone", .hosts = 2, .role = ROLE_PEER, CYCLONE },
	{ .name = "nats", .hosts = 2, .role = ROLE_PEER, NATS },
	{ .name = "mosquitto", .hosts = 2, .role = ROLE_PEER, MOSQUITTO },
	{ .name = "redis", .hosts = 2, .role = ROLE_PEER, REDIS },
	{ .name = "lcm", .hosts = 2, .role = ROLE_PEER, LCM },
};

const size_t peers_count = sizeof(peers) / sizeof(peers[0]);

const char *peer_role_name(enum peer_role role)
{
	static const char *const names[] = { "kecho", "control", "floor", "peer" };

	return names[role];
}
