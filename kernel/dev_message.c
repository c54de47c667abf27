// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Messages to a process: answers and notes, in the order in which they were said, until it
 * reads them. One that lets too many wait is cut off, and so is one that there was no memory
 * to tell something: it would believe what is not so.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/stdarg.h>
#include <linux/uaccess.h>

#include "dev.h"

struct message {
	struct list_head list;
	struct file *file[2];
	unsigned int nfiles;
	u32 len;
	struct kecho_msg head;
	u8 body[];
};

static void free_message(struct kn_session *s, struct message *m)
{
	kn_uncharge(s->user, KN_MEMORY, sizeof(*m) + m->len);
	while (m->nfiles)
		fput(m->file[--m->nfiles]);
	kvfree(m);
}

/* NULL: no memory, or its user may have no more. */
static struct message *make(struct kn_session *s, u32 cmd, u32 serial, int result,
			    const struct kn_answer *a)
{
	u32 len = sizeof(struct kecho_msg) + a->len + a->tail_len;
	struct mem_cgroup *was;
	struct message *m;

	if (kn_charge(s->user, KN_MEMORY, sizeof(*m) + len))
		return NULL;
	was = set_active_memcg(s->memcg);
	m = kvmalloc(sizeof(*m) + a->len + a->tail_len, GFP_KERNEL_ACCOUNT);
	set_active_memcg(was);
	if (!m) {
		kn_uncharge(s->user, KN_MEMORY, sizeof(*m) + len);
		return NULL;
	}
	m->nfiles = 0;
	m->len = len;
	m->head = (struct kecho_msg){
		.cmd = cpu_to_le32(cmd), .serial = cpu_to_le32(serial),
		.result = cpu_to_le32((u32)result), .len = cpu_to_le32(a->len + a->tail_len),
	};
	if (a->len)
		memcpy(m->body, a->body, a->len);
	if (a->tail_len)
		memcpy(m->body + a->len, a->tail, a->tail_len);
	for (; m->nfiles < a->nfiles; m->nfiles++)
		m->file[m->nfiles] = get_file(a->file[m->nfiles]);
	return m;
}

void kn_cut(struct kn_session *s)
{
	spin_lock(&s->out_lock);
	s->cut = true;
	spin_unlock(&s->out_lock);
	wake_up_poll(&s->readable, EPOLLIN | EPOLLHUP);
}

/* To one who waits for it, unless something was said before. The lock is held. */
static bool hand_over(struct kn_session *s, struct message *m)
{
	struct kn_call *call;

	if (!m->head.serial || !list_empty(&s->out))
		return false;
	list_for_each_entry(call, &s->calls, list) {
		if (call->serial == le32_to_cpu(m->head.serial) && !call->answer &&
		    m->len <= call->size) {
			call->answer = m;
			return true;
		}
	}
	return false;
}

void kn_send(struct kn_session *s, u32 cmd, u32 serial, int result, const struct kn_answer *a)
{
	struct message *m = make(s, cmd, serial, result, a);
	bool full, taken = false;

	if (!m) {
		kn_cut(s);
		return;
	}
	spin_lock(&s->out_lock);
	full = s->cut || s->nout == KECHO_NOTES_MAX;
	s->cut |= full;
	if (!full)
		taken = hand_over(s, m);
	if (!full && !taken) {
		list_add_tail(&m->list, &s->out);
		s->nout++;
	}
	spin_unlock(&s->out_lock);
	if (full)
		free_message(s, m);
	if (!taken)
		wake_up_poll(&s->readable, EPOLLIN | EPOLLRDNORM);
}

void kn_note(struct kn_session *s, u32 cmd, const void *body, u32 len, struct file *file)
{
	struct kn_answer a = { .body = body, .len = len, .file = { file }, .nfiles = !!file };

	kn_send(s, cmd, 0, 0, &a);
}

void kn_answer(const struct kn_ask *r, const void *body)
{
	struct kn_answer a = { .body = body, .len = r->len };

	kn_send(r->s, r->cmd, r->serial, 0, &a);
}

void kn_refuse(const struct kn_ask *r, int err, const char *fmt, ...)
{
	char why[KN_WHY_MAX + KE_NAME_MAX];
	struct kn_answer a = { .body = why };
	va_list ap;

	va_start(ap, fmt);
	a.len = vscnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	kn_send(r->s, r->cmd, r->serial, err, &a);
}

void kn_messages_drop(struct kn_session *s)
{
	struct message *m, *next;

	list_for_each_entry_safe(m, next, &s->out, list)
		free_message(s, m);
	INIT_LIST_HEAD(&s->out);
}

/* ------------------------------------------------------------------ receiving */

/* NULL: none is there; or it was cut off. */
static struct message *take(struct kn_session *s)
{
	struct message *m;

	spin_lock(&s->out_lock);
	m = s->cut ? NULL : list_first_entry_or_null(&s->out, struct message, list);
	if (m) {
		list_del(&m->list);
		s->nout--;
	}
	spin_unlock(&s->out_lock);
	return m;
}

static void unreserve(const struct kecho_dev_receive *to, unsigned int n)
{
	while (n)
		put_unused_fd(to->fd[--n]);
}

static int reserve(struct kecho_dev_receive *to, const struct message *m)
{
	unsigned int i;
	int fd;

	for (i = 0; i < m->nfiles; i++) {
		fd = get_unused_fd_flags(O_CLOEXEC);
		if (fd < 0) {
			unreserve(to, i);
			return fd;
		}
		to->fd[i] = fd;
	}
	to->nfds = m->nfiles;
	return 0;
}

static void install(struct kecho_dev_receive *to, struct message *m)
{
	unsigned int i;

	for (i = 0; i < m->nfiles; i++)
		fd_install(to->fd[i], m->file[i]);
	m->nfiles = 0;
}

static long give(struct kn_session *s, struct message *m, struct kecho_dev_receive *to,
		 struct kecho_dev_receive __user *arg)
{
	long len;

	memset(to->fd, -1, sizeof(to->fd));
	len = reserve(to, m);
	if (!len && (copy_to_user(u64_to_user_ptr(to->buf), &m->head, m->len) ||
		     copy_to_user(arg, to, sizeof(*to)))) {
		unreserve(to, m->nfiles);
		len = -EFAULT;
	}
	if (!len) {
		install(to, m);
		len = m->len;
	} else {
		kn_cut(s);	/* what it was told is lost */
	}
	free_message(s, m);
	return len;
}

long kn_receive(struct kn_session *s, struct kecho_dev_receive __user *arg)
{
	struct kecho_dev_receive to;
	struct message *m;

	if (copy_from_user(&to, arg, sizeof(to)))
		return -EFAULT;
	m = take(s);
	if (!m)
		return READ_ONCE(s->cut) ? -ECONNRESET : -EAGAIN;
	return give(s, m, &to, arg);
}

void kn_call_begin(struct kn_session *s, struct kn_call *call)
{
	call->answer = NULL;
	spin_lock(&s->out_lock);
	list_add_tail(&call->list, &s->calls);
	spin_unlock(&s->out_lock);
}

long kn_call_end(struct kn_session *s, struct kn_call *call, struct kecho_dev_receive *to,
		 struct kecho_dev_receive __user *arg)
{
	spin_lock(&s->out_lock);
	list_del(&call->list);
	spin_unlock(&s->out_lock);
	return call->answer ? give(s, call->answer, to, arg) : 0;
}
