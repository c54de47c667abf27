// SPDX-License-Identifier: MIT
/*
 * A process that is attached. It ends when its socket does or its process dies,
 * whichever is seen first: a child may keep the socket of a dead parent open, and
 * then only the pidfd tells. All that it had ends with it.
 *
 * No descriptor that a process has too is read here, or written but by timerfd_settime()
 * and with MSG_DONTWAIT: O_NONBLOCK is the process's to clear.
 *
 * What is to be cut off is marked, and freed when the loop has looked at all events
 * that it took: nobody holds a pointer to it then.
 */
#include "daemon.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>

static int peer_groups(struct kd_session *s)
{
	socklen_t len = 0;

	if (!getsockopt(s->sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE)
		return 0;
	s->groups = malloc(len);
	if (!s->groups)
		return -ENOMEM;
	if (getsockopt(s->sock, SOL_SOCKET, SO_PEERGROUPS, s->groups, &len))
		return -errno;
	s->ngroups = len / sizeof(gid_t);
	return 0;
}

static int peer(struct kd_session *s)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(s->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	s->pid = cred.pid;
	s->gid = cred.gid;
	s->user = kd_user_get(s->d, cred.uid);
	if (!s->user)
		return -ENOMEM;
	if (s->user->sessions == s->d->conf.user_processes)
		return -EUSERS;
	s->user->sessions++;
	s->attached = true;
	s->pidfd = syscall(SYS_pidfd_open, cred.pid, 0);
	if (s->pidfd < 0)
		return -errno;
	return peer_groups(s);
}

/* ----------------------------------------------------------------- events */

static void sock_ready(struct kd_watch *w, u32 events)
{
	struct kd_session *s = container_of(w, struct kd_session, sock_w);

	if (events & EPOLLOUT)
		kd_flush(s);
	kd_receive(s);
	/* Nobody will read what still waits for it. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !list_empty(&s->out))
		kd_session_cut(s, NULL);
}

/* What it still asked for is in the socket, but nobody waits for an answer any more. */
static void pid_ready(struct kd_watch *w, u32 events)
{
	(void)events;
	kd_session_cut(container_of(w, struct kd_session, pid_w), NULL);
}

static void bell_ready(struct kd_watch *w, u32 events)
{
	struct kd_session *s = container_of(w, struct kd_session, bell_w);

	(void)events;
	if (!s->cut)
		kd_session_rang(s);
}

static int watch_all(struct kd_session *s)
{
	int err;

	s->sock_w.ready = sock_ready;
	s->pid_w.ready = pid_ready;
	s->bell_w.ready = bell_ready;
	s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->bell < 0)
		return -errno;
	err = kd_watch(s->d, s->sock, EPOLLIN, &s->sock_w);
	if (!err)
		err = kd_watch(s->d, s->pidfd, EPOLLIN, &s->pid_w);
	if (!err)
		err = kd_watch(s->d, s->bell, EPOLLIN | EPOLLET, &s->bell_w);
	return err;
}

/* ----------------------------------------------------------- coming, going */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void kd_session_free(struct kd_session *s)
{
	kd_waits_drop(s);
	kd_joins_forget(s);
	/* Whose node has ended in good order has left; until then processes fail. */
	while (!list_empty(&s->openings))
		kd_opening_close(list_first_entry(&s->openings, struct kd_opening, session_list),
				 s->d->stop < KD_LEAVES);
	kd_drop_messages(s);
	if (s->gates.state)
		kd_user_uncharge(s->user, KD_SESSION_BYTES);
	kd_slots_free(s->d, &s->gates);
	kd_slots_free(s->d, &s->limits);
	close_fd(s->bell);
	close_fd(s->pidfd);
	close_fd(s->sock);
	if (s->attached)
		s->user->sessions--;
	kd_user_put(s->user);
	s->d->nsessions--;
	s->d->accept_later = false;
	list_del(&s->list);
	free(s->groups);
	free(s);
}

static struct kd_session *session_make(struct kd *d, int sock)
{
	struct kd_session *s = calloc(1, sizeof(*s));
	int bytes = KD_SOCKET_BYTES;

	if (!s) {
		close(sock);
		return NULL;
	}
	s->d = d;
	s->number = ++d->last_session;
	s->sock = sock;
	s->pidfd = s->bell = s->gates.fd = s->gates.rw = s->limits.fd = s->limits.rw = -1;
	INIT_LIST_HEAD(&s->openings);
	INIT_LIST_HEAD(&s->out);
	list_add_tail(&s->list, &d->sessions);
	d->nsessions++;
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return s;
}

/* Without a descriptor left the listener would be ready for ever: it is looked at
 * again when a process has gone, or in a while. */
void kd_accept(struct kd *d)
{
	int sock = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), err;
	struct kd_session *s;

	if (sock < 0) {
		d->accept_later = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
		if (d->accept_later)
			kd_say(LOG_WARNING, "no process can attach now: %m");
		return;
	}
	s = session_make(d, sock);
	if (!s)
		return;
	err = peer(s) ?: watch_all(s);
	if (!err)
		return;
	if (err != -ESRCH)
		kd_say(LOG_WARNING, "process %d of user %d is refused: %s", s->pid,
		       s->user ? (int)s->user->uid : -1, strerror(-err));
	kd_session_free(s);
}

/* @why: it has done something wrong; NULL: it is over. */
void kd_session_cut(struct kd_session *s, const char *why)
{
	if (s->cut)
		return;
	if (why)
		kd_say(LOG_WARNING, "process %d of user %u is cut off: %s", s->pid, s->user->uid,
		       why);
	s->cut = true;
	/* A dead one's socket may be held open by a child of it. */
	shutdown(s->sock, SHUT_RDWR);
	epoll_ctl(s->d->ep, EPOLL_CTL_DEL, s->sock, NULL);
	epoll_ctl(s->d->ep, EPOLL_CTL_DEL, s->pidfd, NULL);
	epoll_ctl(s->d->ep, EPOLL_CTL_DEL, s->bell, NULL);
	s->d->cuts = true;
}

void kd_sessions_reap(struct kd *d)
{
	struct kd_session *s, *next;
	bool again = d->cuts;

	/* The end of one may cut others off, whose notes are too many. */
	d->cuts = false;
	while (again) {
		again = false;
		list_for_each_entry_safe(s, next, &d->sessions, list) {
			if (s->cut) {
				kd_session_free(s);
				again = true;
				break;
			}
		}
	}
}

/* ------------------------------------------------------------ the listener */

static void listener_ready(struct kd_watch *w, u32 events)
{
	(void)events;
	kd_accept(container_of(w, struct kd, listener));
}

/* Only one kechod has the run directory; its lock goes with the process. */
int kd_lock_run(struct kd *d)
{
	char path[128];

	kd_run_path(d, path, sizeof(path), "kechod.lock");
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0) {
		kd_say(LOG_ERR, "cannot open %s: %m", path);
		return -errno;
	}
	if (!flock(d->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	kd_say(LOG_ERR, "another kechod runs in %s", d->conf.run);
	return -EADDRINUSE;
}

int kd_sessions_open(struct kd *d)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int err;

	if (strscpy(a.sun_path, d->conf.socket, sizeof(a.sun_path)) < 0)
		return -ENAMETOOLONG;
	unlink(a.sun_path); /* of one that has died: the lock is ours */
	d->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->listen_fd < 0 || bind(d->listen_fd, (void *)&a, sizeof(a)) ||
	    chmod(a.sun_path, 0666) || listen(d->listen_fd, SOMAXCONN)) {
		err = -errno;
		kd_say(LOG_ERR, "cannot listen on %s: %m", a.sun_path);
		return err;
	}
	d->listener.ready = listener_ready;
	return kd_watch(d, d->listen_fd, EPOLLIN, &d->listener);
}
