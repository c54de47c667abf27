/* SPDX-License-Identifier: MIT */
/*
 * The compiler of expressions: any bytes, and words of the language in any order, with memory
 * that runs out. It says what is wrong, inside of the text, or makes a filter; and whatever it
 * makes is loaded and verified as such, for a type and for none, runs, and needs nothing.
 */
#include "expr.h"
#include "filter.h"
#include "input.h"
#include "type_test.h"

enum { TEXT_MAX = 2048 };

static const char *const words[] = {
	"cpu", "name", "pos.x", ".len", "sink.load", "sink.zone", "source.zone", "source.node.q",
	"event.prio", "channel.v", "node.mem.age", "sink.\"a-b\"", "seq", "time", "len", "now",
	"random", "type", "1", "0", "-1", "80", "0xffffffffffffffff", "5ms", "4K",
	"9223372036854775807",
	"\"load\"", "\"\"", "'a'", "\"\\x00\"", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<<",
	">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!", "(", ")", "in (1, 5..9)",
	"in ('a', 'b')", "prefix(", "contains(", "has(", "once(", "rate(5)", "hash(", ",", ", 10s)",
	"best 2 by", "any", "all", "where", "most", "least", "in", "..", ".", "sink.", "x y",
};

static struct draft type;

static u64 now(void __maybe_unused *arg)
{
	return 1700000000000000000ULL;
}

static const struct ke_filter_ops ops = { .now_ns = now };

static void make_type(void)
{
	draft_begin(&type, "load", 16, false);
	draft_number(&type, "cpu", KE_FIELD_UNSIGNED, 0, 4);
	draft_number(&type, "pos.x", KE_FIELD_SIGNED, 4, 2);
	draft_number(&type, "len", KE_FIELD_SIGNED, 6, 1);
	draft_number(&type, "name", KE_FIELD_STRING, 8, 8);
}

/* Words where the input asks for them, else its bytes as they are. */
static void make_text(struct input *in, char *text)
{
	u32 len = 0;
	u8 c;

	while (in->len && len < TEXT_MAX) {
		c = take_u8(in);
		if (c >= 128)
			len += scnprintf(text + len, TEXT_MAX - len, "%s ",
					 words[(c - 128) % ARRAY_SIZE(words)]);
		else if (c)
			text[len++] = c;
	}
	text[len] = '\0';
}

static void run(const struct ke_program *p, const struct ke_filter *f, struct ke_filter_state *s)
{
	struct kecho_filter_value slot[KE_FILTER_SLOTS_MAX] = {};
	struct ke_filter_str str[KE_FILTER_SLOTS_MAX] = {};
	u8 payload[16] = { 75, 0, 0, 0, 5, 0, 1, 0, 'a', 'b', 0 };
	struct ke_judged j = { .payload = payload, .len = sizeof(payload), .seq = 7,
			       .slots = slot, .strs = str };
	u32 i;

	for (i = 0; i < f->nslots; i++) {
		slot[i] = (struct kecho_filter_value){ .present = i % 3 > 0, .value = i };
		str[i] = (struct ke_filter_str){ .data = "ab", .len = i % 3 };
	}
	ke_program_run(p, s, &j, &ops, NULL);
}

/* Only what it costs may be against it. */
static void judge(const void *wire, size_t len)
{
	const struct ke_type *types[] = { NULL, &type.type };
	struct ke_filter_state *s = ke_filter_state_make(1);
	char why[KE_FILTER_WHY_MAX];
	struct ke_program *p;
	struct ke_filter *f;
	u32 i;
	int err;

	check(s && !ke_filter_load(&f, wire, len, why));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		err = ke_program_make(&p, f, types[i], why);
		check(!err || strstr(why, "cost"));
		if (err)
			continue;
		check(ke_program_need(p) <= (i ? type.type.size : 0));
		run(p, f, s);
		ke_program_free(p);
	}
	ke_filter_free(f);
	ke_filter_state_free(s);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct kecho_filter_error e = { .message = "" };
	u8 use = KECHO_FOR_EVENT + take_u8(&in) % 3;
	u32 fail = take_u8(&in) % 8;
	char text[TEXT_MAX + 1];
	size_t len = 0;
	void *wire;
	int err;

	make_type();
	make_text(&in, text);
	fail_alloc = fail;
	err = expr_compile(&wire, &len, use, text, &e);
	fail_alloc = 0;
	check(!err || err == -EINVAL || (err == -ENOMEM && fail));
	check((err == -EINVAL) == (e.column > 0));
	check((err == -EINVAL) == (e.message[0] != '\0'));
	check(strnlen(e.message, sizeof(e.message)) < sizeof(e.message));
	check(e.column <= strlen(text) + 1);
	check(e.column + e.length <= strlen(text) + 1);
	if (err)
		return 0;
	judge(wire, len);
	kfree(wire);
	return 0;
}
