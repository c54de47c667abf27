// SPDX-License-Identifier: MIT
/*
 * The memory of a log.
 *
 * A source's is a memfd. Its process maps it for writing; then it is sealed, so that
 * nobody else ever does, and only its read-only descriptor is kept. Its size cannot
 * change from the first.
 *
 * A mirror's is a file of our own that has no name any more and all of its memory, so
 * that a full file system can hit nobody while he reads. Only our mapping writes.
 */
#include "daemon.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

void kd_log_init(struct kd_log *l)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
}

static int log_map(struct kd *d, struct kd_log *l, u64 size, int fd, bool writable)
{
	void *p = mmap(NULL, KECHO_LOG_HEADER_SIZE + size,
		       writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	l->map = p;
	l->size = size;
	l->id = ++d->last_log;
	return 0;
}

/* A source's, of @size bytes; *@memfd is what its process maps. */
int kd_log_make(struct kd *d, struct kd_log *l, u64 size, int *memfd)
{
	char path[32];
	int err;

	*memfd = memfd_create("kecho-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*memfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *memfd);
	if (ftruncate(*memfd, KECHO_LOG_HEADER_SIZE + size) ||
	    fcntl(*memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		goto close_memfd;
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		goto close_memfd;
	err = log_map(d, l, size, l->fd, false);
	if (!err)
		return 0;
	errno = -err;
close_memfd:
	err = -errno;
	close(*memfd);
	*memfd = -1;
	kd_log_fini(l);
	return err;
}

/* Its process has mapped it; nobody writes to it by any other way from here on. */
int kd_log_seal(struct kd_log *l, int memfd)
{
	int seals;

	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return -errno;
	seals = fcntl(l->fd, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS ? 0 : -EPERM;
}

int kd_log_mirror(struct kd *d, struct kd_log *l, u64 size)
{
	int rw, err = kd_run_file(d->conf.run, KECHO_LOG_HEADER_SIZE + size, &rw, &l->fd);

	if (err)
		return err;
	err = -posix_fallocate(rw, 0, KECHO_LOG_HEADER_SIZE + size);
	if (!err)
		err = log_map(d, l, size, rw, true);
	close(rw);
	if (err)
		kd_log_fini(l);
	return err;
}

void kd_log_fini(struct kd_log *l)
{
	if (l->map)
		munmap(l->map, KECHO_LOG_HEADER_SIZE + l->size);
	if (l->fd >= 0)
		close(l->fd);
	kd_log_init(l);
}

struct ke_view kd_log_view(const struct kd_log *l)
{
	return (struct ke_view){ .hdr = l->map, .ring = (u8 *)l->map + KECHO_LOG_HEADER_SIZE,
				 .size = l->size };
}
