// SPDX-License-Identifier: MIT
/*
 * What kechod says of itself: to the journal, with its fields, if that is where standard
 * error goes; else to standard error, a line each.
 */
#include "daemon.h"

#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

static bool to_journal;

/* systemd names the socket that it gave us; our standard error may be another by now. */
void kd_journal_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	to_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		     !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

void kd_say(int priority, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (to_journal)
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", priority,
				"SYSLOG_IDENTIFIER=kechod", NULL);
	else
		fprintf(stderr, "kechod: %s%s\n", priority <= LOG_ERR ? "error: " : "", text);
}
