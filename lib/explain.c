// SPDX-License-Identifier: MIT
/*
 * The sentence about a thread's last error, why a node is refused, and who is a child
 * of a fork.
 */
#include "internal.h"

static _Thread_local char explanation[512];

atomic_uint lib_fork_generation;

int lib_fail(int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(explanation, sizeof(explanation), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(explanation))
		snprintf(explanation + n, sizeof(explanation) - n, ": %s", strerror(-err));
	return err;
}

/* The sentence is another's. */
int lib_fail_as(int err, const char *sentence)
{
	strscpy(explanation, sentence, sizeof(explanation));
	return err;
}

const char *kecho_explain(void)
{
	return explanation;
}

static const char *versions_text(char *buf, size_t size, const struct ke_versions *v)
{
	if (v->oldest == v->newest)
		snprintf(buf, size, "%u", v->newest);
	else
		snprintf(buf, size, "%u to %u", v->oldest, v->newest);
	return buf;
}

static int fail_refused(const struct kecho_channel *ch, const struct ke_peer *p)
{
	const char *at = p->local ? "this host" : p->contact.address;
	char theirs[32], ours[32];

	if (p->refused == KE_REFUSED_LAYOUT)
		return lib_fail(-EPROTONOSUPPORT,
				"channel '%s': node '%s' at %s shares logs of a layout that is "
				"unknown here", ch->ch.name, p->name, at);
	return lib_fail(-EPROTONOSUPPORT,
			"channel '%s': node '%s' at %s speaks protocol %s, this one %s",
			ch->ch.name, p->name, at,
			versions_text(theirs, sizeof(theirs), &p->speaks),
			versions_text(ours, sizeof(ours), &ch->k->node.speaks));
}

int lib_refused(const struct kecho_channel *ch)
{
	struct ke_presence *pr;

	list_for_each_entry(pr, &ch->ch.presences, channel_list)
		if (pr->peer->refused)
			return fail_refused(ch, pr->peer);
	return 0;
}

static void in_child(void)
{
	atomic_fetch_add(&lib_fork_generation, 1);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
