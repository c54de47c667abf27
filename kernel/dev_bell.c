// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A channel's bell, as processes have it: a page that says whether anybody sleeps, and a
 * descriptor to ring, to sleep on and to poll for edges.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "dev.h"

static ssize_t bell_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	kn_bell_ring(file->private_data);
	return len;
}

static __poll_t bell_poll(struct file *file, poll_table *table)
{
	struct kn_bell *b = file->private_data;

	poll_wait(file, &b->asleep, table);
	return EPOLLIN | EPOLLRDNORM;
}

static long bell_sleep(struct kn_bell *b, const void __user *arg)
{
	struct kecho_bell_wait w;
	long left;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	left = w.timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(w.timeout_ms);
	left = wait_event_interruptible_timeout(b->asleep, READ_ONCE(b->shown->futex) != w.futex,
						left);
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

static long bell_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kn_bell *b = file->private_data;

	switch (cmd) {
	case KECHO_BELL_ARM:
		kn_bell_arm(b, &b->processes);
		return 0;
	case KECHO_BELL_WAIT:
		return bell_sleep(b, (void __user *)arg);
	}
	return -ENOTTY;
}

static int bell_release(struct inode *inode, struct file *file)
{
	kn_bell_put(file->private_data);
	return 0;
}

static const struct file_operations bell_ops = {
	.owner = THIS_MODULE,
	.write = bell_write,
	.poll = bell_poll,
	.unlocked_ioctl = bell_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = bell_release,
	.llseek = noop_llseek,
};

/* Once, before the first feed or answer that needs it. */
int kn_bell_tell(struct kn_opening *o)
{
	struct kn_bell *b = o->ch->c->bell;
	struct kecho_note_doorbell note = {
		.channel = cpu_to_le32(o->handle), .id = cpu_to_le64(1),
		.use = cpu_to_le32(KECHO_RING | KECHO_SLEEP | KECHO_DOORBELL_KERNEL),
	};
	struct kn_answer a = { .body = &note, .len = sizeof(note), .nfiles = 2 };
	int err = o->belled ? 0 : kn_bell_show(b);

	if (err || o->belled)
		return err;
	a.file[0] = b->pages.file;
	a.file[1] = anon_inode_getfile("[kecho-bell]", &bell_ops, kn_bell_get(b), O_RDWR);
	if (IS_ERR(a.file[1])) {
		kn_bell_put(b);
		return PTR_ERR(a.file[1]);
	}
	o->belled = true;
	kn_send(o->s, KECHO_NOTE_DOORBELL, 0, 0, &a);
	fput(a.file[1]);
	return 0;
}
