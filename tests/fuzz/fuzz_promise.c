/* SPDX-License-Identifier: MIT */
/*
 * Who looks for signs of life in the log of a hostile source, and who is told of them.
 *
 * Whatever stands there: silence and its end are told in turns; a silence only after all of the
 * promised time went by with looks and without a sign.
 */
#include "input.h"
#include "promise.h"

static struct {
	struct kecho_log_header hdr;
	struct ke_promise p;
	struct input in;
	u64 now, pos;
	u64 sign, sign_ms;	/* as it stood at the last look; when it had moved last */
	bool silent;		/* as was told last */
} f;

static void look(bool deaf)
{
	u64 looked_ms = f.p.looked_ms;
	bool was_broken = f.p.broken;

	if (deaf || !ke_promise_glance(&f.p, &f.hdr, f.now))
		ke_promise_look(&f.p, &f.hdr, deaf, f.now);
	check(f.p.look_ms > f.now && f.p.look_ms - f.now <= ke_promise_step(f.p.ms));
	if (f.p.looked_ms == looked_ms)		/* it was no time for one */
		return;
	if (ke_log_sign(&f.hdr) != f.sign) {
		f.sign = ke_log_sign(&f.hdr);
		f.sign_ms = f.now;
	}
	check(!f.p.broken || was_broken || f.now - f.sign_ms > f.p.ms);
	check(!f.p.broken || !deaf || was_broken);
}

static void tell(void)
{
	enum ke_promise_news news = ke_promise_news(&f.p, &f.hdr, f.pos);

	check(news != KE_NEWS_SILENT || !f.silent);
	check(news != KE_NEWS_BACK || f.silent);
	check(news != KE_NEWS_SILENT || f.pos >= f.p.at);
	ke_promise_told(&f.p, &f.hdr, news);
	if (news != KE_NO_NEWS)
		f.silent = news == KE_NEWS_SILENT;
	check(ke_promise_until(&f.p) == KE_NO_LIMIT || !f.silent);
}

static void act(u8 op)
{
	u8 arg = op >> 3;

	switch (op & 7) {
	case 0:
		f.hdr.alive = cpu_to_le64(arg ? take_u64(&f.in) : le64_to_cpu(f.hdr.alive) + 1);
		break;
	case 1:
		f.hdr.head = cpu_to_le64(arg > 8 ? take_u64(&f.in) :
						   le64_to_cpu(f.hdr.head) + 8 * arg);
		break;
	case 2:
		f.pos = arg ? le64_to_cpu(f.hdr.head) - 8 * (arg - 1) : take_u64(&f.in);
		break;
	case 3:
		if (arg == 31) {
			ke_promise_end(&f.p);
			f.silent = false;
		}
		break;
	case 4:
	case 5:
		tell();
		break;
	default:	/* time goes by, mostly as it does for who is not late */
		f.now += arg < 24 ? f.p.ms / 16 * arg / 4 : f.p.ms * (u64)(arg - 23);
		look(arg == 3);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	memset(&f, 0, sizeof(f));
	f.in = (struct input){ data, size };
	f.now = 1 + take_u16(&f.in);
	f.hdr.head = cpu_to_le64(8 * (u64)take_u8(&f.in));
	f.pos = le64_to_cpu(f.hdr.head);
	ke_promise_begin(&f.p, &f.hdr, KE_PROMISE_MS_MIN << take_u8(&f.in) % 20, f.now);
	f.sign = ke_log_sign(&f.hdr);
	f.sign_ms = f.now;
	while (f.in.len)
		act(take_u8(&f.in));
	return 0;
}
