/* SPDX-License-Identifier: MIT */
/* Messages between the show and its nodes; see wire.h. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

static const size_t body_len[] = {
	[WIRE_READY] = sizeof(struct wire_ready),
	[WIRE_STATS] = sizeof(struct wire_stats),
	[WIRE_MEMBER] = sizeof(struct wire_member),
	[WIRE_HEARD] = sizeof(struct wire_heard),
	[WIRE_ERROR] = sizeof(struct wire_error),
	[WIRE_BURST] = sizeof(struct wire_burst),
	[WIRE_QUIET] = 0,
};

bool wire_has_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

int wire_write(int fd, enum wire_type type, const void *body, size_t len)
{
	struct wire_message m = { .head = { .len = (uint32_t)len, .type = type } };
	size_t all = sizeof(m.head) + len;
	ssize_t n;

	assert(len == body_len[type]);
	if (len)
		memcpy(&m.body, body, len);
	do {
		n = write(fd, &m, all);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	assert((size_t)n == all);
	return 0;
}

static int fill(struct wire_reader *r, size_t upto)
{
	ssize_t n;

	while (r->have < upto) {
		n = read(r->fd, (char *)&r->next + r->have, upto - r->have);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		r->have += (size_t)n;
	}
	return 1;
}

int wire_read(struct wire_reader *r)
{
	const struct wire_head *h = &r->next.head;
	int ret = fill(r, sizeof(*h));

	if (ret <= 0)
		return ret;
	if (h->type >= sizeof(body_len) / sizeof(body_len[0]) || h->len != body_len[h->type])
		return -EPROTO;
	ret = fill(r, sizeof(*h) + h->len);
	if (ret == 1)
		r->have = 0;
	return ret;
}

uint64_t wire_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
