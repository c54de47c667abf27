// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * /proc/net/kecho: what the node of a network namespace has, in lines of names and values, for
 * who is root there; docs/kernel.md says which. Nothing there is kept for it.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <net/net_namespace.h>

#include "counters.h"
#include "kn.h"

enum { COUNTERS_MAX = 64 * KE_MEMBERS_MAX };	/* bytes, of all members */

/* Others say what their names are. */
static void show_name(struct seq_file *m, const char *name)
{
	seq_puts(m, " name ");
	seq_escape(m, name, " \t\n\\");
}

static void show_node(struct seq_file *m, const struct kn *kn)
{
	const struct ke_contact *self = &kn->node.self;

	seq_printf(m, "node %*phN", (int)sizeof(self->node), self->node.b);
	show_name(m, kn->node.name);
	seq_printf(m, " attached %u listen %s registry %s", kn->attached,
		   self->address[0] ? self->address : "-",
		   !kn->registry_used ? "-" : kn->reg.up ? "up" : "down");
	seq_printf(m, " mirrors_bytes %llu mirrors_refused %llu\n", kn->mirrors_bytes,
		   kn->mirrors_refused);
}

static void show_natives(struct seq_file *m, const struct kn_natives *n)
{
	seq_printf(m, "filters native %ld bytes %ld refused %ld full %ld failed %ld\n",
		   atomic_long_read(&n->here), atomic_long_read(&n->bytes),
		   atomic_long_read(&n->refused), atomic_long_read(&n->full),
		   atomic_long_read(&n->failed));
}

static void show_link(struct seq_file *m, const struct ke_peer *p)
{
	seq_printf(m, "link %*phN", (int)sizeof(p->contact.node), p->contact.node.b);
	show_name(m, p->name);
	seq_printf(m, " address %s", p->contact.address[0] ? p->contact.address : "-");
	if (p->link)
		seq_printf(m, " up_ms %llu rx_bytes %llu tx_bytes %llu\n",
			   kn_now_ms() - p->up_ms, READ_ONCE(p->link->rx_bytes),
			   READ_ONCE(p->link->tx_bytes));
	else
		seq_printf(m, " down error %d\n", p->error);
}

/* ------------------------------------------------------------------- members */

/* What is counted of all, as other nodes are told it. */
static void show_counters(struct seq_file *m, const struct ke_counters *c)
{
	static const char *const policies[] = { "latest", "block", "disconnect" };

	seq_printf(m, "  %s %016llx events %llu bytes %llu lost %llu expired %llu",
		   c->role == KE_SOURCE ? "source" : "sink", c->member, c->events, c->bytes,
		   c->lost, c->expired);
	if (c->role != KE_SOURCE)
		seq_printf(m, " policy %s lag_bytes %llu",
			   policies[min_t(u8, c->policy, KECHO_DISCONNECT)], c->lag_bytes);
}

static void show_source(struct seq_file *m, struct kecho_source *s)
{
	struct kecho_source_stats st;

	kecho_source_stats(s, &st);
	seq_printf(m, " module %s refused %llu waited %llu stalled %llu",
		   module_name(s->ch->k->owner), st.refused, st.waited, st.stalled);
}

static void show_sink(struct seq_file *m, struct kecho_sink *s)
{
	const char *how = !s->fn ? "reads" : s->context == KECHO_SOFTIRQ ? "softirq" : "thread";
	struct kecho_sink_stats st;

	kecho_sink_stats(s, &st);
	seq_printf(m, " module %s %s filtered %llu busy_ns %llu longest_ns %llu overruns %llu",
		   module_name(s->ch->k->owner), how, st.filtered, st.busy_ns, st.longest_ns,
		   st.overruns);
	if (kecho_sink_error(s))
		seq_printf(m, " error %d", kecho_sink_error(s));
}

/* Of kernel code's there is more. */
static void show_own(struct seq_file *m, struct kn_channel *c, u64 id)
{
	struct kecho_source *src;
	struct kecho_sink *s;

	list_for_each_entry(src, &c->sources, list) {
		if (!src->proc && src->s.member.id == id) {
			show_source(m, src);
			return;
		}
	}
	list_for_each_entry(s, &c->sinks, list) {
		if (s->m.id == id) {
			show_sink(m, s);
			return;
		}
	}
	seq_puts(m, " process");
}

static void show_remotes(struct seq_file *m, const struct kn_channel *c)
{
	const struct ke_presence *pr;
	const struct ke_remote *r;

	list_for_each_entry(pr, &c->ch.presences, channel_list)
		list_for_each_entry(r, &pr->remotes, list)
			seq_printf(m, "  %s %016llx node %*phN%s\n",
				   r->role == KE_SOURCE ? "source" : "sink", r->id,
				   (int)sizeof(pr->peer->contact.node), pr->peer->contact.node.b,
				   r->state == KE_JOINED ? "" : " gone");
}

static void show_channel(struct seq_file *m, struct kn_channel *c, u8 *buf)
{
	struct ke_out o = { .buf = buf, .size = COUNTERS_MAX };
	struct ke_in in = { .p = buf };
	struct ke_counters of;

	seq_printf(m, "channel %s uuid %*phN%s%s\n", c->ch.name, (int)sizeof(c->ch.uuid),
		   c->ch.uuid.b, ke_channel_frozen(&c->ch) ? " frozen" : "",
		   c->ch.ended ? " destroyed" : "");
	kn_stats_put(&o, c);
	in.end = buf + o.len;
	while (ke_counters_get(&in, &of)) {
		show_counters(m, &of);
		show_own(m, c, of.member);
		seq_putc(m, '\n');
	}
	show_remotes(m, c);
}

static void show_all(struct seq_file *m, struct kn *kn, u8 *buf)
{
	struct kn_channel *c;
	struct ke_peer *p;

	show_node(m, kn);
	show_natives(m, &kn->natives);
	list_for_each_entry(p, &kn->node.peers, list)
		show_link(m, p);
	list_for_each_entry(c, &kn->channels, list)
		show_channel(m, c, buf);
}

/* Without anybody attached there is no node. */
static int show(struct seq_file *m, void *v)
{
	struct kn *kn = kn_of_net(seq_file_single_net(m));
	u8 *buf = kvmalloc(COUNTERS_MAX, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	mutex_lock(&kn->attaching);
	if (kn->attached) {
		kn_lock(kn);
		show_all(m, kn, buf);
		kn_unlock(kn);
	}
	mutex_unlock(&kn->attaching);
	kvfree(buf);
	return 0;
}

int kn_proc_make(struct net *net)
{
	return proc_create_net_single("kecho", 0400, net->proc_net, show, NULL) ? 0 : -ENOMEM;
}

void kn_proc_free(struct net *net)
{
	remove_proc_entry("kecho", net->proc_net);
}
