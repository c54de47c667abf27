/* SPDX-License-Identifier: MIT */
/*
 * A registry with hostile clients: any requests in any order, at any times, of
 * clients that come and go, and memory that runs out. Every reply is one that can
 * be taken apart, fits, and promises no more contacts than there may be; what is
 * malformed changes nothing; when all have gone, all is gone.
 */
#include "input.h"
#include "registry.h"

enum {
	OPS_MAX = 400,
	BODY_MAX = 512,
	CLIENTS = 4,
	NAMES = 5,
};

static struct {
	struct ke_registry *r;
	struct input in;
	u64 now;
} f;

static void put_name(struct ke_out *o)
{
	static const char *const names[] = { "x", "y", "a/b", "", "no name", "*" };
	u8 which = take_u8(&f.in), len = take_u8(&f.in);
	char name[KE_NAME_MAX + 2];

	if (which < 240) {
		ke_put_str(o, names[which < 200 ? which % 3 : which % ARRAY_SIZE(names)]);
		return;
	}
	/* long ones, so that a list has more than a page of them */
	memset(name, 'n', sizeof(name));
	name[0] = which;
	ke_put_bytes(o, name, len % (sizeof(name) + 1));
}

static void put_id(struct ke_out *o, u8 which)
{
	struct ke_id id = { { which % NAMES } };

	ke_put(o, &id, sizeof(id));
}

static void put_contact(struct ke_out *o)
{
	static const struct ke_id host = { { 9 } };
	u8 which = take_u8(&f.in);

	put_id(o, which);
	ke_put_u64(o, which >> 4);
	ke_put(o, &host, sizeof(host));
	ke_put_str(o, which & 8 ? "10.0.0.1:1" : "");
}

/* A body as it should be; the input may cut it or go on behind it. */
static void good_body(u8 type, struct ke_out *o)
{
	switch (type) {
	case KECHO_FRAME_REG_PUT:
		ke_put_u8(o, take_u8(&f.in) % 5);
		put_name(o);
		put_id(o, take_u8(&f.in));
		put_contact(o);
		break;
	case KECHO_FRAME_REG_END:
	case KECHO_FRAME_REG_DROP:
		put_name(o);
		put_id(o, take_u8(&f.in));
		break;
	case KECHO_FRAME_REG_GET:
		put_name(o);
		break;
	case KECHO_FRAME_REG_LIST:
		ke_put_u64(o, take_u8(&f.in));
		break;
	}
}

static void check_entry(struct ke_in *in)
{
	struct ke_contact c;
	u8 n;

	ke_get(in, sizeof(struct ke_id));
	ke_get_u64(in);
	n = ke_get_u8(in);
	check(n <= KE_CONTACTS_MAX);
	while (n--)
		ke_get_contact(in, &c);
}

static void check_list(struct ke_in *in, u64 after)
{
	u8 more = ke_get_u8(in);
	u16 n = ke_get_u16(in);
	char name[KE_NAME_MAX + 1];
	u64 serial;

	check(more <= 1 && n <= ke_registry_entries(f.r));
	for (; n; n--) {
		serial = ke_get_u64(in);
		check(serial > after);
		after = serial;
		ke_get_str(in, name, sizeof(name));
		check(name[0]);
		ke_get(in, sizeof(struct ke_id));
		check(ke_get_u8(in) <= KE_CONTACTS_MAX);
	}
	if (in->p == in->end)
		return;
	n = ke_get_u16(in);
	check(n && n <= ke_registry_entries(f.r));
	for (; n; n--) {
		ke_get_str(in, name, sizeof(name));
		check(name[0]);
		ke_get(in, sizeof(struct ke_id));
	}
}

static void check_reply(u8 type, const struct ke_out *o, u64 after)
{
	struct ke_in in = { .p = o->buf, .end = o->buf + o->len };
	u8 status;

	check(ke_get_u8(&in) == type);
	status = ke_get_u8(&in);
	check(status <= KE_REGISTRY_ENDED);
	if (status == KE_REGISTRY_OK) {
		if (type == KECHO_FRAME_REG_GET || type == KECHO_FRAME_REG_PUT)
			check_entry(&in);
		else if (type == KECHO_FRAME_REG_LIST)
			check_list(&in, after);
	}
	check(!in.bad && in.p == in.end);
}

/* The reply gets exactly the room that it was promised, to see overruns. */
static void ask(u64 client, u8 type, const u8 *body, u32 len, u32 room)
{
	struct ke_out o = { .buf = malloc(room ?: 1), .size = room };
	__le64 after = 0;
	u32 before;
	int err;

	check(o.buf);
	ke_registry_tick(f.r, f.now);
	before = ke_registry_entries(f.r);
	fail_alloc = take_u8(&f.in) % 8;
	err = ke_registry_request(f.r, client, f.now, type, body, len, &o);
	fail_alloc = 0;
	check(err == 0 || err == -EPROTO || err == -ENOSPC);
	check(o.len <= room);
	if (err == -EPROTO)
		check(ke_registry_entries(f.r) == before);
	memcpy(&after, body, min_t(u32, len, sizeof(after)));
	if (!err)
		check_reply(type, &o, le64_to_cpu(after));
	free(o.buf);
}

static void request(u8 op)
{
	u8 type = KECHO_FRAME_REG_GET + take_u8(&f.in) % 7, cut = take_u8(&f.in);
	u8 scratch[BODY_MAX], *body;
	struct ke_out o = { .buf = scratch, .size = sizeof(scratch) };
	u64 client = op / 8 % CLIENTS;

	if (op & 128) {
		o.len = cut;
		take_bytes(&f.in, scratch, cut);
	} else {
		good_body(type, &o);
		if (cut >= 192)
			o.len -= min_t(u32, o.len, cut - 192);
		else if (cut >= 160)
			ke_put(&o, "behind it, with bytes to spare..", cut - 160);
	}
	check(!o.bad);
	body = malloc(o.len ?: 1);
	check(body);
	memcpy(body, scratch, o.len);
	ask(client, type, body, o.len, op & 64 ? take_u16(&f.in) : KECHO_FRAME_BODY_MAX);
	free(body);
}

static void act(u8 op)
{
	u64 next;

	switch (op & 7) {
	case 0:
		f.now += take_u16(&f.in);
		break;
	case 1:
		ke_registry_gone(f.r, op / 8 % CLIENTS, f.now);
		break;
	case 2:
		next = ke_registry_tick(f.r, f.now);
		check(next > f.now);
		if (op & 8 && next != KE_REGISTRY_NEVER)
			f.now = next;
		break;
	default:
		request(op);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops, client;
	u8 how;

	f.in = (struct input){ data, size };
	how = take_u8(&f.in);
	f.now = 1000;
	f.r = ke_registry_new(how & 1, take_u64(&f.in), f.now, how & 2 ? 500 : 0);
	check(f.r);
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++)
		act(take_u8(&f.in));
	for (client = 0; client < CLIENTS && how & 4; client++)
		ke_registry_gone(f.r, client, f.now);
	if (how & 4) {
		check(ke_registry_tick(f.r, f.now + KE_LEASE_MS) == KE_REGISTRY_NEVER);
		check(ke_registry_entries(f.r) == 0);
	}
	ke_registry_free(f.r);
	return 0;
}
