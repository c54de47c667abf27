/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <kecho/kecho.h>
int main(void)
{
	struct kecho *k; struct kecho_channel *ch; struct kecho_source *s;

	if (kecho_open(&k, NULL) || kecho_channel_open(k, "hello", NULL, &ch) ||
	    kecho_source_open(ch, NULL, &s) || kecho_submit(s, "hello, world", 12, 0))
		return 1;	/* kecho_explain() says why */
	kecho_close(k);		/* waits until remote sinks have it */
}
