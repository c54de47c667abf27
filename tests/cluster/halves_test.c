/* SPDX-License-Identifier: MIT */
/*
 * Two halves of one channel that know nothing of each other: they find each other by what
 * the registry answers when they publish the channel again, and only by that. The registry
 * is the test's own: at first it names to each node nobody but itself.
 */
#include <netinet/in.h>

#include "cluster.h"
#include "uapi/kecho.h"

enum {
	HALVES = 2,
	CONTACT_MAX = 256,
	BODY_MAX = 512,
	NAME_AT = 1,		/* in the body of a PUT: behind how */
	UUID_LEN = 16,
};

static const u8 uuid[UUID_LEN] = "one of two half";

static struct hall {
	bool serving, tell, stop;
	long members[HALVES];
	bool joined[HALVES];
	u8 uuid[HALVES][UUID_LEN];
} *hall;

/* -------------------------------------------------------------- the registry */

struct contact {
	u8 bytes[CONTACT_MAX];
	size_t len;
};

struct client {
	int fd;
	struct contact own;
};

static struct client client[HALVES];
static struct contact known[HALVES];

static bool take(int fd, void *to, size_t len)
{
	return !len || recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* What is behind the name and the uuid. */
static void take_contact(struct client *c, const u8 *body, size_t len)
{
	size_t at = NAME_AT + 2 + (body[NAME_AT] | body[NAME_AT + 1] << 8) + UUID_LEN;
	unsigned int i;

	if (at >= len || len - at > CONTACT_MAX)
		_exit(2);
	c->own.len = len - at;
	memcpy(c->own.bytes, body + at, c->own.len);
	for (i = 0; i < HALVES && known[i].len; i++)
		if (known[i].len == c->own.len && !memcmp(known[i].bytes, body + at, c->own.len))
			return;
	if (i < HALVES)
		known[i] = c->own;
}

static u8 *put_contact(u8 *p, const struct contact *c)
{
	memcpy(p, c->bytes, c->len);
	return p + c->len;
}

static bool answer(struct client *c, const struct kecho_frame *ask)
{
	u8 out[KECHO_FRAME_HEADER_SIZE + BODY_MAX] = { 0 }, *p = out + KECHO_FRAME_HEADER_SIZE;
	struct kecho_frame f = { .type = KECHO_FRAME_REG_ENTRY, .id = ask->id };
	bool all = READ_ONCE(hall->tell);

	*p++ = ask->type;
	*p++ = 0;
	if (ask->type == KECHO_FRAME_REG_PUT) {
		memcpy(p, uuid, sizeof(uuid));
		p += sizeof(uuid) + sizeof(u64); /* and the version, 0 */
		*p++ = all ? HALVES : 1;
		p = put_contact(p, all ? &known[0] : &c->own);
		if (all)
			p = put_contact(p, &known[1]);
	}
	f.len = cpu_to_le32(p - out - KECHO_FRAME_HEADER_SIZE);
	memcpy(out, &f, sizeof(f));
	return write(c->fd, out, p - out) == p - out;
}

static bool serve(struct client *c)
{
	struct kecho_frame f;
	u8 body[BODY_MAX];
	u32 len;

	if (!take(c->fd, &f, sizeof(f)))
		return false;
	len = le32_to_cpu(f.len);
	if (len > sizeof(body) || !take(c->fd, body, len))
		return false;
	if (f.type == KECHO_FRAME_REG_PUT)
		take_contact(c, body, len);
	return answer(c, &f);
}

static void hang_up(struct client *c)
{
	if (c->fd > 0)
		close(c->fd);
	c->fd = 0;
}

static void welcome(int listener)
{
	unsigned int i;

	for (i = 0; i < HALVES; i++)
		if (client[i].fd <= 0) {
			client[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			return;
		}
}

/* Those who are hung up on come back, and say again what they have joined. */
static int registry(void *arg)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(7390),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pollfd p[1 + HALVES] = { { .events = POLLIN } };
	bool told = false;
	unsigned int i;

	(void)arg;
	p[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p[0].fd, (struct sockaddr *)&at, sizeof(at)) || listen(p[0].fd, 8))
		return 2;
	smp_store_release(&hall->serving, true);
	for (;;) {
		for (i = 0; i < HALVES; i++)
			p[1 + i] = (struct pollfd){ client[i].fd ?: -1, POLLIN, 0 };
		poll(p, ARRAY_SIZE(p), 10);
		for (i = 0; i < HALVES; i++) {
			if ((p[1 + i].revents && !serve(&client[i])) ||
			    told != READ_ONCE(hall->tell))
				hang_up(&client[i]);
		}
		told = READ_ONCE(hall->tell);
		if (p[0].revents)
			welcome(p[0].fd);
	}
}

/* ------------------------------------------------------------------- a half */

static int half(void *arg)
{
	int me = *(int *)arg;
	const struct kecho_options opt = { .listen = me ? "127.0.0.3" : "127.0.0.2",
					   .registry = REGISTRY };
	struct kecho_channel *ch;
	struct kecho_sink *s;
	struct kecho *k;

	if (kecho_open(&k, &opt) || kecho_channel_open(k, "halved", NULL, &ch) ||
	    kecho_sink_open(ch, NULL, &s))
		return 1;
	kecho_channel_uuid(ch, hall->uuid[me]);
	smp_store_release(&hall->joined[me], true);
	while (!READ_ONCE(hall->stop)) {
		WRITE_ONCE(hall->members[me], kecho_members(ch, NULL, 0));
		sleep_us(STEP_US);
	}
	kecho_close(k);
	return 0;
}

static void alone_then_together(pid_t *pid)
{
	int i, me[HALVES];

	for (i = 0; i < HALVES; i++) {
		me[i] = i;
		pid[i] = spawn(half, &me[i]);
		must(comes_true(smp_load_acquire(&hall->joined[i])), "half %d is there", i);
		ok(!memcmp(hall->uuid[i], uuid, sizeof(uuid)), "in the one channel");
	}
	for (i = 0; i < HALVES; i++)
		ok(comes_true(READ_ONCE(hall->members[i])), "half %d has looked", i);
	sleep_us(QUIET_MS * 1000);
	for (i = 0; i < HALVES; i++)
		is_eq(READ_ONCE(hall->members[i]), 1, "half %d is alone", i);
	WRITE_ONCE(hall->tell, true);
	for (i = 0; i < HALVES; i++)
		ok(comes_true(READ_ONCE(hall->members[i]) == HALVES), "half %d found the other", i);
	WRITE_ONCE(hall->stop, true);
	for (i = 0; i < HALVES; i++)
		is_eq(ends(pid[i]), 0, "half %d ends", i);
}

TEST(find_each_other)
{
	pid_t reg, pid[HALVES] = { 0 };

	ARENA();
	hall = shared(sizeof(*hall));
	must(hall, "memory");
	reg = spawn(registry, NULL);
	if (ok(comes_true(smp_load_acquire(&hall->serving)), "the registry serves"))
		alone_then_together(pid);
	put_down(reg);
}

TESTS(halves, find_each_other);
