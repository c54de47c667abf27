// SPDX-License-Identifier: MIT
/*
 * Nodes that can't understand each other, with the library: who opens the channel is
 * told which node speaks what, and so is who asks at the other end.
 */
#include "../cluster/cluster.h"
#include "internal.h"

enum { OLD, NEW };

static struct kecho *attach(const char *listen, const char *name)
{
	const struct kecho_options opt = { .listen = listen, .name = name, .registry = REGISTRY };
	struct kecho *k = NULL;

	ok(!kecho_open(&k, &opt), "%s: %s", name, kecho_explain());
	return k;
}

static bool refused(struct kecho *k, struct kecho_link_info *l)
{
	return kecho_links(k, l, 1) == 1 && l->refused;
}

/* The version that is spoken with the one that isn't refused; 0: none is. */
static unsigned int spoken(struct kecho *k)
{
	struct kecho_link_info l[2];
	ssize_t i, n = kecho_links(k, l, 2);

	for (i = 0; i < n && i < 2; i++)
		if (l[i].up && !l[i].refused)
			return l[i].version;
	return 0;
}

/* The first has the channel, the second comes, and once more as another version. */
static void meet(struct kecho *k[2], const char *address)
{
	struct kecho_channel *ch = NULL, *none = NULL;
	struct kecho_link_info l;

	k[NEW]->node.speaks = (struct ke_versions){ 2, 3 };
	ok(!kecho_channel_open(k[OLD], "talk", NULL, &ch), "%s", kecho_explain());
	is_eq(kecho_channel_open(k[NEW], "talk", NULL, &none), -EPROTONOSUPPORT, "no version");
	ok(!none, "no channel");
	ok(strstr(kecho_explain(), "'talk'") && strstr(kecho_explain(), "'old'"), "%s",
	   kecho_explain());
	ok(strstr(kecho_explain(), "speaks protocol 1, this one 2 to 3"), "%s", kecho_explain());
	if (ok(comes_true(refused(k[OLD], &l)), "the other end knows")) {
		is_str(l.name, "new", "who");
		is_eq(l.oldest, 2, "what it speaks");
		is_eq(l.newest, 3, "what it speaks");
		is_eq(l.version, 0, "nothing is spoken");
		ok(!l.up, "no link");
	}
	kecho_close(k[NEW]);
	k[NEW] = attach(address, "new");
	must(k[NEW], "its successor");
	is_eq(kecho_channel_open(k[NEW], "talk", NULL, &none), 0, "with a common one it opens");
	ok(comes_true(spoken(k[OLD]) == 1), "which is spoken");
}

TEST(between_hosts)
{
	struct kecho *k[2];

	ARENA();
	k[OLD] = attach("127.0.0.2:7392", "old");
	k[NEW] = attach("127.0.0.3:7393", "new");
	must(k[OLD] && k[NEW], "nodes");
	meet(k, "127.0.0.3:7393");
	kecho_close(k[NEW]);
	kecho_close(k[OLD]);
}

TEST(on_one_host)
{
	struct kecho *k[2];

	ARENA();
	k[OLD] = attach(NULL, "old");
	k[NEW] = attach(NULL, "new");
	must(k[OLD] && k[NEW], "nodes");
	meet(k, NULL);
	kecho_close(k[NEW]);
	kecho_close(k[OLD]);
}

/* A log that says it is laid out otherwise is not read as if it were ours. */
TEST(unknown_layout)
{
	struct kecho_channel *ch[2] = { NULL };
	struct kecho_source *src = NULL;
	struct kecho_sink *sink = NULL;
	struct kecho_link_info l;
	struct kecho *k[2];

	ARENA();
	k[OLD] = attach(NULL, "old");
	k[NEW] = attach(NULL, "new");
	must(k[OLD] && k[NEW], "nodes");
	ok(!kecho_channel_open(k[NEW], "talk", NULL, &ch[NEW]), "%s", kecho_explain());
	ok(!kecho_source_open(ch[NEW], NULL, &src), "%s", kecho_explain());
	src->s.log.hdr->magic = cpu_to_le64(KECHO_LOG_MAGIC + 1);
	ok(!kecho_channel_open(k[OLD], "talk", NULL, &ch[OLD]), "%s", kecho_explain());
	is_eq(kecho_sink_open(ch[OLD], NULL, &sink), -EPROTONOSUPPORT, "no such layout");
	ok(strstr(kecho_explain(), "'new'") && strstr(kecho_explain(), "layout"), "%s",
	   kecho_explain());
	ok(refused(k[OLD], &l) && !strcmp(l.name, "new"), "its links say so too");
	kecho_close(k[OLD]);
	kecho_close(k[NEW]);
}

/*
 * What nodes of one host share is laid out as version 1 has it; it can't be negotiated
 * for each reader. Who changes this makes a new version, and a new KECHO_LOG_MAGIC.
 */
TEST(shared_layout)
{
	is_eq(KECHO_LOG_MAGIC, 0x3167636f6863656bULL, "a log's");
	is_eq(KECHO_LOG_HEADER_SIZE, 4096, "where the ring begins");
	is_eq(offsetof(struct kecho_log_header, magic), 0, "magic");
	is_eq(offsetof(struct kecho_log_header, size), 8, "size");
	is_eq(offsetof(struct kecho_log_header, head), 64, "head");
	is_eq(offsetof(struct kecho_log_header, seq), 72, "seq");
	is_eq(offsetof(struct kecho_log_header, tail), 128, "tail");
	is_eq(offsetof(struct kecho_log_header, want), 136, "want");
	is_eq(offsetof(struct kecho_log_header, mark), 192, "marks");
	is_eq(KECHO_LOG_MARKS, 16, "marks");
	is_eq(offsetof(struct kecho_doorbell, futex), 0, "futex");
	is_eq(offsetof(struct kecho_doorbell, waiters), 4, "waiters");
	is_eq(sizeof(struct kecho_doorbell), 64, "a doorbell");
	is_eq(KECHO_WAIT_FUTEX, 1, "a sleeper");
	is_eq(KECHO_WAIT_POLL, 2, "a poller");
	is_eq(GATES_MAX, 1024, "gates");
	is_eq(GATE_STRIDE, 64, "bytes apart");
	is_eq(SHARE_GATES, 1, "what is shared");
	is_eq(SHARE_DOORBELL, 2, "what is shared");
	is_eq(SHARE_LOG, 3, "what is shared");
}

TESTS(refused, between_hosts, on_one_host, unknown_layout, shared_layout);
