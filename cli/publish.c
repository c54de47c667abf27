/* SPDX-License-Identifier: MIT */
/*
 * Submitting for `kecho pub`.
 */
#include <errno.h>

#include "cli.h"
#include "publish.h"
#include "stop.h"

/* A publisher that was held up this long does not try to make up for it. */
#define CATCH_UP_MAX_NS	1000000000u

bool publisher_done(const struct publisher *p)
{
	return !p->left || stopped();
}

/* Wait for the next event's turn; false when stopped first. */
static bool wait_turn(struct publisher *p)
{
	uint64_t now = now_ns();

	if (!p->next_ns || now > p->next_ns + CATCH_UP_MAX_NS)
		p->next_ns = now;
	if (stop_wait_until(p->next_ns))
		return false;
	p->next_ns += (uint64_t)(1e9 / p->per_s);
	return true;
}

static ssize_t submit(struct publisher *p, const struct iovec *events, size_t n)
{
	int err;

	if (p->to) {
		err = kecho_submit_to(p->source, events->iov_base, events->iov_len, p->to,
				      p->flags);
		return err ? err : 1;
	}
	if (!p->attrs->n)
		return kecho_submit_vector(p->source, events, n, p->flags);
	err = kecho_submit_attrs(p->source, events->iov_base, events->iov_len, p->attrs->attr,
				 p->attrs->n, p->flags);
	return err ? err : 1;
}

int publish(struct publisher *p, const struct iovec *events, size_t n)
{
	size_t done = 0, some;
	ssize_t submitted;

	while (done < n && !publisher_done(p)) {
		if (p->per_s > 0 && !wait_turn(p))
			break;
		some = p->per_s > 0 || p->attrs->n || p->to ? 1 : n - done;
		if (some > p->left)
			some = p->left;
		submitted = submit(p, events + done, some);
		if (submitted > 0) {
			done += submitted;
			p->left -= submitted;
		} else if (submitted == -EAGAIN) {
			done++;
			p->refused++;
		} else {
			complain("cannot submit an event of %zu bytes: %s", events[done].iov_len,
				 kecho_explain());
			return submitted < 0 ? (int)submitted : -EIO;
		}
	}
	return 0;
}
