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

/* Of one process's part in the channel. */
struct bell_file {
	struct kn_bell *bell;
	struct kn_boosts boosts;
};

static ssize_t bell_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct bell_file *f = file->private_data;

	kn_bell_ring(f->bell);
	return len;
}

static __poll_t bell_poll(struct file *file, poll_table *table)
{
	struct bell_file *f = file->private_data;

	poll_wait(file, &f->bell->asleep, table);
	return EPOLLIN | EPOLLRDNORM;
}

static bool rung(const struct kn_bell *b, u32 since)
{
	return READ_ONCE(b->shown->futex) != since;
}

static long bell_sleep(struct bell_file *f, const void __user *arg)
{
	struct kecho_bell_wait w;
	struct kn_boost *boost;
	long left;
	int err;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	if (w.pad)
		return -EINVAL;
	if (rung(f->bell, w.futex))
		return 0;
	err = kn_boost_sleep(&f->boosts, w.boost_us, &boost);
	if (err)
		return err;
	left = w.timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(w.timeout_ms);
	left = wait_event_interruptible_timeout(f->bell->asleep, rung(f->bell, w.futex), left);
	kn_boost_wakes(boost, w.boost_us, left > 0);
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

static long bell_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bell_file *f = file->private_data;

	switch (cmd) {
	case KECHO_BELL_ARM:
		kn_bell_arm(f->bell, &f->bell->processes);
		return 0;
	case KECHO_BELL_WAIT:
		return bell_sleep(f, (void __user *)arg);
	}
	return -ENOTTY;
}

static int bell_release(struct inode *inode, struct file *file)
{
	struct bell_file *f = file->private_data;

	kn_boosts_end(&f->boosts);
	kn_bell_put(f->bell);
	kfree(f);
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

static struct file *open_bell(struct kn_bell *b)
{
	struct bell_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->bell = b;
	kn_boosts_init(&f->boosts);
	file = anon_inode_getfile("[kecho-bell]", &bell_ops, f, O_RDWR);
	if (IS_ERR(file))
		kfree(f);
	else
		kn_bell_get(b);
	return file;
}

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
	a.file[1] = open_bell(b);
	if (IS_ERR(a.file[1]))
		return PTR_ERR(a.file[1]);
	o->belled = true;
	kn_send(o->s, KECHO_NOTE_DOORBELL, 0, 0, &a);
	fput(a.file[1]);
	return 0;
}
