// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What processes ask about: members, links, and the node itself. A list goes out in answers of
 * KN_ANSWER_MAX bytes; `from` and `next` are numbers of entries.
 */
#include <linux/utsname.h>

#include "dev.h"

bool kn_entries_begin(struct kn_entries *e, const struct kn_ask *r, u32 size)
{
	const struct kecho_ctl_list *in = r->body;

	*e = (struct kn_entries){ .r = r, .size = size, .room = KN_ANSWER_MAX / size,
				  .from = le64_to_cpu(in->from) };
	e->buf = kvmalloc(KN_ANSWER_MAX, GFP_KERNEL_ACCOUNT);
	if (!e->buf)
		kn_refuse(r, -ENOMEM, "a list");
	return e->buf;
}

void kn_entries_add(struct kn_entries *e, const void *entry)
{
	if (e->all++ < e->from || e->n == e->room)
		return;
	memcpy(e->buf + (size_t)e->n++ * e->size, entry, e->size);
}

void kn_entries_answer(struct kn_entries *e)
{
	struct kecho_ctl_list out = *(const struct kecho_ctl_list *)e->r->body;
	struct kn_answer a = { .body = &out, .len = sizeof(out), .tail = e->buf,
			       .tail_len = e->n * e->size };

	out.n = cpu_to_le32(e->n);
	out.more = cpu_to_le32(e->from + e->n < e->all);
	out.next = cpu_to_le64(e->from + e->n);
	out.entry_size = cpu_to_le32(e->size);
	kn_send(e->r->s, e->r->cmd, e->r->serial, 0, &a);
	kvfree(e->buf);
}

/* NULL: it has been refused. */
struct kn_opening *kn_list_opening(const struct kn_ask *r)
{
	const struct kecho_ctl_list *in = r->body;
	struct kn_opening *o = kn_opening(r->s, le32_to_cpu(in->channel));

	if (!o)
		kn_refuse(r, -EBADF, "no channel %u of this process", le32_to_cpu(in->channel));
	return o;
}

/* ------------------------------------------------------------------- members */

struct members {
	struct kn_entries e;
	const struct kn_opening *o;
};

static void add_member(void *arg, const struct kecho_member *m)
{
	struct members *all = arg;
	struct kecho_ctl_member entry = kn_describe(all->o, m);

	kn_entries_add(&all->e, &entry);
}

void kn_members_request(const struct kn_ask *r)
{
	struct members all = { .o = kn_list_opening(r) };

	if (!all.o || !kn_entries_begin(&all.e, r, sizeof(struct kecho_ctl_member)))
		return;
	kn_members_each(all.o->ch, add_member, &all);
	kn_entries_answer(&all.e);
}

/* --------------------------------------------------------------- links, the node */

static void add_link(struct kn_entries *e, const struct ke_peer *p)
{
	const struct ke_link *l = p->link;
	struct kecho_ctl_link out = {
		.up = cpu_to_le32(!!l), .resumed = cpu_to_le64(p->resumed),
		.refused = cpu_to_le32(p->refused != 0),
		.oldest = cpu_to_le32(p->speaks.oldest),
		.newest = cpu_to_le32(p->speaks.newest),
	};

	if (!l)
		out.error = cpu_to_le32((u32)(p->contact.address[0] ? p->error : -EDESTADDRREQ));
	memcpy(&out.node, p->contact.node.b, sizeof(out.node));
	strscpy(out.name, p->name, sizeof(out.name));
	strscpy(out.address, p->contact.address, sizeof(out.address));
	if (l) {
		out.version = cpu_to_le32(l->version);
		out.rtt_ns = cpu_to_le64(kn_conn_of(l)->rtt_ns);
		out.rx_bytes = cpu_to_le64(l->rx_bytes);
		out.tx_bytes = cpu_to_le64(l->tx_bytes);
	}
	kn_entries_add(e, &out);
}

void kn_links_request(const struct kn_ask *r)
{
	struct ke_peer *p;
	struct kn_entries e;

	if (!kn_entries_begin(&e, r, sizeof(struct kecho_ctl_link)))
		return;
	list_for_each_entry(p, &r->s->kn->node.peers, list)
		add_link(&e, p);
	kn_entries_answer(&e);
}

/* A question that other nodes answer at once; when it went out tells it from others. */
struct kn_ping {
	struct list_head list;
	u64 sent_ns, rtt_ns;
};

void kn_pong(struct ke_link *l, u64 sent_ns)
{
	struct kn_conn *conn = kn_conn_of(l);
	struct kn_ping *p;

	list_for_each_entry(p, &conn->kn->pings, list)
		if (p->sent_ns == sent_ns)
			p->rtt_ns = conn->rtt_ns = max_t(u64, ktime_get_ns() - sent_ns, 1);
	kn_changed(conn->kn);
}

static struct ke_link *link_of(const struct kn *kn, __le64 node)
{
	struct ke_peer *p;

	list_for_each_entry(p, &kn->node.peers, list)
		if (p->link && !memcmp(&node, p->contact.node.b, sizeof(node)))
			return p->link;
	return NULL;
}

void kn_ping_request(const struct kn_ask *r)
{
	struct kecho_ctl_ping out = *(const struct kecho_ctl_ping *)r->body;
	unsigned long until = jiffies + msecs_to_jiffies(le32_to_cpu(out.timeout_ms));
	struct kn *kn = r->s->kn;
	struct ke_link *l = link_of(kn, out.node);
	struct kn_ping ping = { .sent_ns = max(kn->last_ping_ns + 1, (u64)ktime_get_ns()) };

	if (!l) {
		kn_refuse(r, -ENOTCONN, "ping: no link to that node");
		return;
	}
	kn->last_ping_ns = ping.sent_ns;
	list_add_tail(&ping.list, &kn->pings);
	ke_link_send(l, KECHO_FRAME_PING, 0, ping.sent_ns, NULL, 0);
	while (!ping.rtt_ns && kn_wait(kn, until))
		;
	list_del(&ping.list);
	out.rtt_ns = cpu_to_le64(ping.rtt_ns);
	if (ping.rtt_ns)
		kn_answer(r, &out);
	else
		kn_refuse(r, -ETIMEDOUT, "ping: that node does not answer");
}

/* ------------------------------------------------------------ names, the node */

static void add_named(void *arg, const struct kn_named *named)
{
	struct kecho_ctl_channel_info info = { .contacts = cpu_to_le32(named->contacts),
					       .other = cpu_to_le32(named->other) };

	memcpy(info.uuid, named->uuid.b, sizeof(info.uuid));
	strscpy(info.name, named->name, sizeof(info.name));
	kn_entries_add(arg, &info);
}

/* Without a registry. */
static void add_own_names(struct kn_entries *e, const struct kn *kn)
{
	struct kn_named named = { .contacts = 1 };
	const struct kn_channel *c;

	list_for_each_entry(c, &kn->channels, list) {
		if (c->ch.ended)
			continue;
		strscpy(named.name, c->ch.name, sizeof(named.name));
		named.uuid = c->ch.uuid;
		add_named(e, &named);
	}
}

/* kn.lock is held, and let go while the registry is asked. */
static int add_names(struct kn_entries *e)
{
	const struct kecho_ctl_list *in = e->r->body;
	u32 timeout_ms = le32_to_cpu(in->timeout_ms) ?: KN_OPEN_MS;
	unsigned long until = jiffies + msecs_to_jiffies(min_t(u32, timeout_ms, KN_OPEN_MAX_MS));
	struct kn_session *s = e->r->s;

	if (s->over)
		return -ENOTCONN;
	if (s->kn->registry_used)
		return kn_reg_list(s->kn, add_named, e, until);
	add_own_names(e, s->kn);
	return 0;
}

void kn_channels_request(const struct kn_ask *r)
{
	struct kn_session *s = r->s;
	struct kn_entries e;
	int err;

	if (!kn_entries_begin(&e, r, sizeof(struct kecho_ctl_channel_info)))
		return;
	err = mutex_lock_killable(&s->opening);
	if (!err) {
		kn_lock(s->kn);
		err = add_names(&e);
		kn_unlock(s->kn);
		mutex_unlock(&s->opening);
	}
	if (!err) {
		kn_entries_answer(&e);
		return;
	}
	kvfree(e.buf);
	kn_refuse(r, err, "the registry does not answer");
}

static void count_members(const struct kn *kn, struct kecho_ctl_status *st)
{
	u32 channels = 0, sources = 0, sinks = 0, nodes = 0, links = 0;
	const struct kn_channel *c;
	const struct ke_peer *p;

	list_for_each_entry(c, &kn->channels, list) {
		channels++;
		sinks += c->ch.sinks;
		sources += list_count_nodes((struct list_head *)&c->sources);
	}
	list_for_each_entry(p, &kn->node.peers, list) {
		nodes++;
		links += !!p->link;
	}
	st->channels = cpu_to_le32(channels);
	st->sources = cpu_to_le32(sources);
	st->sinks = cpu_to_le32(sinks);
	st->nodes = cpu_to_le32(nodes);
	st->links = cpu_to_le32(links);
}

void kn_status_request(const struct kn_ask *r)
{
	const struct kn *kn = r->s->kn;
	struct kecho_ctl_status st = { .abi = cpu_to_le32(KECHO_NODE_ABI),
				       .processes = cpu_to_le32(kn->attached),
				       .uptime_ms = cpu_to_le64(kn_now_ms() - kn->started_ms) };
	unsigned long has = atomic_long_read(&r->s->user->has[KN_MEMORY]);

	count_members(kn, &st);
	st.memory_bytes = cpu_to_le64(kn_users_memory());
	st.user_memory_bytes = cpu_to_le64(has);
	st.user_memory_max = cpu_to_le64(kn_user_max(KN_MEMORY));
	strscpy(st.version, THIS_MODULE->version ?: "", sizeof(st.version));
	strscpy(st.name, kn->node.name, sizeof(st.name));
	strscpy(st.listen, kn->node.self.address, sizeof(st.listen));
	strscpy(st.registry, kn->registry, sizeof(st.registry));
	kn_answer(r, &st);
}
