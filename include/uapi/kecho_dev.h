/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * /dev/kecho: the node of the kernel, for the network namespace of who opens it. What is the
 * device's alone; the messages are those of kecho_node.h.
 *
 * A request is one write(), which returns when it is answered; write() fails if it is none.
 * Messages of the node come by RECEIVE, which gives their bytes, or -EAGAIN; the descriptor can be
 * polled for them. CALL is a request, too, and gives its answer as RECEIVE would, if that fits
 * @size bytes and nothing waits that was said before; else it gives 0, and RECEIVE has the answer.
 *
 * No descriptor comes with ATTACH but those of the gates and the limits: RING rings the
 * node. ROOM sleeps while the `bell` of a slot of the limits is @bell and the word at @kick is
 * @kicked, as long as @timeout_ms; KICK ends that for all of this descriptor, to look again.
 *
 * A channel has one doorbell, KERNEL, of all its users, whose memory only the kernel writes;
 * `waiters` says that somebody sleeps. Of its second descriptor, which can be polled for edges:
 * write() rings for all who sleep; ARM says that one does, or polls; who has looked once more
 * then sleeps by WAIT as long as `futex` is @futex. When it is rung the thread that has slept runs
 * before all that are not real-time, for @boost_us at most.
 */
#ifndef _UAPI_KECHO_DEV_H
#define _UAPI_KECHO_DEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KECHO_DEV		"/dev/kecho"
#define KECHO_DEV_FDS_MAX	4

struct kecho_dev_receive {
	__u64 buf;		/* of KECHO_MSG_MAX bytes */
	__u32 nfds;		/* out */
	__s32 fd[KECHO_DEV_FDS_MAX];	/* out */
	__u32 pad;
};

struct kecho_dev_call {
	struct kecho_dev_receive answer;	/* its buf of @size bytes */
	__u64 request;		/* a message of @len bytes */
	__u32 len, size;
};

struct kecho_dev_room {
	__u64 kick;		/* a pointer */
	__u32 kicked, slot, bell;
	__s32 timeout_ms;	/* -1: for ever */
};

struct kecho_bell_wait {
	__u32 futex;
	__s32 timeout_ms;	/* -1: for ever */
	__u32 boost_us;		/* -EPERM: it has no right to that */
	__u32 pad;		/* 0 */
};

#define KECHO_DEV_RECEIVE	_IOWR(0xec, 1, struct kecho_dev_receive)
#define KECHO_DEV_RING		_IO(0xec, 2)
#define KECHO_DEV_ROOM		_IOW(0xec, 3, struct kecho_dev_room)
#define KECHO_DEV_KICK		_IO(0xec, 4)
#define KECHO_DEV_CALL		_IOWR(0xec, 5, struct kecho_dev_call)
#define KECHO_BELL_ARM		_IO(0xec, 8)
#define KECHO_BELL_WAIT		_IOW(0xec, 9, struct kecho_bell_wait)

#endif
