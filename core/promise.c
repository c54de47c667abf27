// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Whether a source gives the signs of life that it has promised: see promise.h.
 */
#include "promise.h"

u64 ke_log_sign(const struct kecho_log_header *hdr)
{
	return le64_to_cpu(READ_ONCE(hdr->head)) + le64_to_cpu(READ_ONCE(hdr->alive));
}

void ke_promise_begin(struct ke_promise *p, const struct kecho_log_header *hdr, u32 ms, u64 now_ms)
{
	*p = (struct ke_promise){ .ms = ms, .sign = ke_log_sign(hdr), .looked_ms = now_ms };
	if (ms)
		p->look_ms = ke_promise_next_ms(ms, now_ms);
}

void ke_promise_end(struct ke_promise *p)
{
	p->state = KE_PROMISE_KEPT;
	WRITE_ONCE(p->broken, false);
	WRITE_ONCE(p->quiet_ms, 0);
}

static void breaks(struct ke_promise *p, const struct kecho_log_header *hdr)
{
	p->broken = true;
	if (p->state != KE_PROMISE_KEPT)
		return;
	p->state = KE_PROMISE_DUE;
	p->at = le64_to_cpu(READ_ONCE(hdr->head));
}

/* The reader needs to know of a sign only if it was told that there was none. */
static void see_sign(struct ke_promise *p, u64 sign, u64 now_ms)
{
	p->sign = sign;
	WRITE_ONCE(p->quiet_ms, 0);
	p->looked_ms = now_ms;
	p->look_ms = ke_promise_next_ms(p->ms, now_ms);
}

bool ke_promise_glance(struct ke_promise *p, const struct kecho_log_header *hdr, u64 now_ms)
{
	u64 sign;

	if (now_ms < p->look_ms)
		return true;
	sign = ke_log_sign(hdr);
	if (READ_ONCE(p->broken) || sign == p->sign)
		return false;
	see_sign(p, sign, now_ms);
	return true;
}

bool ke_promise_look(struct ke_promise *p, const struct kecho_log_header *hdr, bool deaf,
		     u64 now_ms)
{
	u64 sign = ke_log_sign(hdr), passed = now_ms - p->looked_ms;
	bool was_broken = p->broken;

	if (now_ms < p->look_ms)
		return false;
	if (sign != p->sign) {
		see_sign(p, sign, now_ms);
		p->broken = false;
		return was_broken && p->state == KE_PROMISE_SILENT;
	}
	p->looked_ms = now_ms;
	p->look_ms = ke_promise_next_ms(p->ms, now_ms);
	/* Nobody has looked for that long: all may have stood still, the source too. */
	if (deaf || passed > p->ms / 2) {
		p->quiet_ms = 0;
		return false;
	}
	if (was_broken)
		return false;
	p->quiet_ms += passed;
	if (p->quiet_ms > p->ms + ke_promise_step(p->ms) / 2)	/* clocks may be coarse */
		breaks(p, hdr);
	return p->broken;
}

enum ke_promise_news ke_promise_news(const struct ke_promise *p,
				     const struct kecho_log_header *hdr, u64 pos)
{
	switch (p->state) {
	case KE_PROMISE_DUE:
		return pos >= p->at ? KE_NEWS_SILENT : KE_NO_NEWS;
	case KE_PROMISE_SILENT:
		/* What is there to read has come since, whatever was seen of it. */
		if (p->broken && ke_log_sign(hdr) == p->sign &&
		    le64_to_cpu(READ_ONCE(hdr->head)) == pos)
			return KE_NO_NEWS;
		return KE_NEWS_BACK;
	default:
		return KE_NO_NEWS;
	}
}

void ke_promise_told(struct ke_promise *p, const struct kecho_log_header *hdr,
		     enum ke_promise_news news)
{
	if (news == KE_NEWS_SILENT)
		p->state = KE_PROMISE_SILENT;
	if (news != KE_NEWS_BACK)
		return;
	p->state = KE_PROMISE_KEPT;
	/* It has fallen silent again, before the reader had come so far. A sign that nobody has
	 * looked at yet is not that. */
	if (p->broken && ke_log_sign(hdr) == p->sign)
		breaks(p, hdr);
}
