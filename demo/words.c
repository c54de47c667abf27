/* SPDX-License-Identifier: MIT */
/* A kernel's event in a few words; see words.h. */
#include <stdio.h>
#include <string.h>

#include "words.h"

#define WORDS_VALUE_MAX 64

struct word {
	const char *key;
	const char *before;	/* what people read instead of the key */
	const char *event;	/* only in events with this in their name; NULL: in all */
};

static const struct word spoken[] = {
	{ "from", "", NULL },
	{ "event", " ", NULL },
	{ "resource", " ", NULL },
	{ "ifname", " ", NULL },
	{ "dst", " ", NULL },
	{ "address", " ", "addr" },
	{ "operstate", " is ", NULL },
	{ "state", " is ", NULL },
	{ "load1", " ", NULL },
	{ "load5", " ", NULL },
	{ "load15", " ", NULL },
	{ "running", ", running ", NULL },
	{ "avg10", " some avg10=", NULL },
	{ "overrun", " overrun ", NULL },
};

bool words_field(const char *json, const char *key, char *to, size_t size)
{
	char quoted[WORDS_VALUE_MAX];
	const char *at;
	size_t len;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(json, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	at += strspn(at, " \"");
	len = strcspn(at, ",\"}]");
	snprintf(to, size, "%.*s", (int)len, at);
	return true;
}

void words_of(const char *json, char *to, size_t size)
{
	char value[WORDS_VALUE_MAX], event[WORDS_VALUE_MAX] = "";
	size_t len = 0;
	int n;

	*to = '\0';
	words_field(json, "event", event, sizeof(event));
	for (size_t i = 0; i < sizeof(spoken) / sizeof(spoken[0]); i++) {
		const struct word *w = &spoken[i];

		if ((w->event && !strstr(event, w->event)) ||
		    !words_field(json, w->key, value, sizeof(value)))
			continue;
		n = snprintf(to + len, size - len, "%s%s", w->before, value);
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}
