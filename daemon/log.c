// SPDX-License-Identifier: MIT
/*
 * The memory of a log.
 *
 * A source's is a memfd. Its process maps it for writing; then it is sealed, so that
 * nobody else ever does, and only its read-only descriptor is kept. Its size cannot
 * change from the first. After a restart its process hands it to us again: we believe
 * its seals.
 *
 * A mirror's is a file of our own in the run directory, with all of its memory, so that
 * a full file system can hit nobody while he reads. Only our mapping writes. The next
 * kechod finds it there.
 */
#include "daemon.h"

#include <sys/stat.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

void kd_log_init(struct kd_log *l)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
}

static int log_map(struct kd_log *l, u64 size, int fd, bool writable)
{
	void *p = mmap(NULL, KECHO_LOG_HEADER_SIZE + size,
		       writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	l->map = p;
	l->size = size;
	return 0;
}

/* A source's, of @size bytes; *@memfd is what its process maps. */
int kd_log_make(struct kd_log *l, u64 size, int *memfd)
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
	/* Nor does anybody get a descriptor for writing by the name of this one. */
	if (l->fd < 0 || fchmod(*memfd, 0400))
		goto close_memfd;
	err = log_map(l, size, l->fd, false);
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

/* One that was made and sealed by the kechod before us. Seals are looked at first: only
 * memory has them, and of that no answer has to be waited for. */
int kd_log_take(struct kd_log *l, u64 size, int memfd)
{
	int seals = fcntl(memfd, F_GET_SEALS), err;
	struct stat st;
	char path[32];

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(memfd, &st) || (u64)st.st_size != KECHO_LOG_HEADER_SIZE + size)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		return -errno;
	err = log_map(l, size, l->fd, false);
	if (err)
		kd_log_fini(l);
	return err;
}

int kd_log_mirror(struct kd *d, struct kd_log *l, u64 size, char *file, size_t file_size)
{
	int rw, err = kd_run_file(d->conf.run, "mirror", file, file_size,
				  KECHO_LOG_HEADER_SIZE + size, &rw, &l->fd);

	if (err)
		return err;
	err = -posix_fallocate(rw, 0, KECHO_LOG_HEADER_SIZE + size);
	if (!err)
		err = log_map(l, size, rw, true);
	close(rw);
	if (!err)
		return 0;
	kd_run_file_remove(d, file);
	kd_log_fini(l);
	return err;
}

/* A mirror that the kechod before us has left. */
int kd_log_again(struct kd_log *l, int dir, const char *file)
{
	int rw = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW), err = -EPROTO;
	struct stat st;
	u64 size;

	kd_log_init(l);
	if (rw < 0)
		return -errno;
	l->fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (l->fd < 0 || fstat(rw, &st)) {
		err = -errno;
	} else if (S_ISREG(st.st_mode) && st.st_size > KECHO_LOG_HEADER_SIZE) {
		size = st.st_size - KECHO_LOG_HEADER_SIZE;
		if (ke_log_size_fits(size))
			err = log_map(l, size, rw, true);
	}
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
