/* SPDX-License-Identifier: MIT */
/*
 * filter CHANNEL: prints events of known types. Each line of stdin is a filter that takes the
 * place of the one before while events flow: type == "load" && cpu < 80.
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>

#include <kecho/filter.h>
#include <kecho/type.h>

static void print(struct kecho_channel *ch, struct kecho_sink *s, const struct kecho_event *ev)
{
	const struct kecho_type *t = ev->kind == KECHO_EVENT ? kecho_event_type(s, ev) : NULL;
	struct kecho_value v = kecho_string("?");
	char json[1000], node[64];

	kecho_member_get(ch, ev->source, "node.name", &v, node, sizeof(node));
	if (t && kecho_type_to_json(t, ev->data, ev->len, json, sizeof(json)) < sizeof(json))
		printf("%.*s: %s %s\n", (int)v.len, (const char *)v.data, kecho_type_name(t), json);
	if (ev->kind == KECHO_ENDED)
		printf("a source %s\n", ev->failed ? "failed" : "left");
	fflush(stdout);
}

static void use(struct kecho_sink *s, const char *text)
{
	struct kecho_filter_error wrong;
	struct kecho_filter *f;

	if (kecho_filter_compile(&f, KECHO_FOR_EVENT, text, &wrong))
		errx(1, "column %zu: %s", wrong.column, wrong.message);
	if (kecho_sink_filter(s, f, NULL))
		errx(1, "%s", kecho_explain());
	kecho_filter_free(f);
}

int main(int argc, char **argv)
{
	struct pollfd fd[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	char line[500] = "";
	struct kecho_event ev;
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho *k;

	setvbuf(stdin, NULL, _IONBF, 0);	/* poll() sees all that is not read */
	if (argc != 2 || kecho_open(&k, NULL) || kecho_channel_open(k, argv[1], NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &s))
		errx(1, "filter CHANNEL: %s", kecho_explain());
	for (fd[1].fd = kecho_sink_fd(s); !feof(stdin) && poll(fd, 2, -1) > 0;) {
		while (!kecho_read(s, &ev, 0))
			print(ch, s, &ev);
		if (fd[0].revents && fgets(line, sizeof(line), stdin))
			use(s, line);
	}
	kecho_close(k);
}
