// SPDX-License-Identifier: MIT
/*
 * Pages of slots that one process and kechod share: its gates, which it writes, and
 * its limits, which we write. Memory lies behind the slots of the limits only as they
 * are taken.
 *
 * The gates are a memfd that cannot shrink. The limits are a file of our own, which
 * only we may open for writing: the process has it read-only, and cannot open it
 * again for writing by /proc as it could a memfd. It has a name, so that the next kechod can
 * tell who does not come back that nobody waits for him any more.
 */
#include "daemon.h"

void kd_run_path(const struct kd *d, char *path, size_t size, const char *file)
{
	snprintf(path, size, "%s/%s", d->conf.run, file);
}

/* A new file of the run directory, of @size bytes: @prefix and what is put into @file
 * behind it. *@ro is the same, to be read only. */
int kd_run_file(const char *run, const char *prefix, char *file, size_t file_size, u64 size,
		int *rw, int *ro)
{
	char path[160];
	int err;

	snprintf(path, sizeof(path), "%s/%s-XXXXXX", run, prefix);
	*ro = -1;
	*rw = mkostemp(path, O_CLOEXEC);
	if (*rw < 0)
		return -errno;
	*ro = open(path, O_RDONLY | O_CLOEXEC);
	err = *ro < 0 || ftruncate(*rw, size) ? -errno : 0;
	strscpy(file, path + strlen(run) + 1, file_size);
	if (!err)
		return 0;
	unlink(path);
	close(*rw);
	if (*ro >= 0)
		close(*ro);
	*rw = *ro = -1;
	return err;
}

void kd_run_file_remove(const struct kd *d, const char *file)
{
	char path[160];

	kd_run_path(d, path, sizeof(path), file);
	if (d->keep && *file)
		unlink(path);
}

static int slots_map(struct kd_slots *sl, int fd, int prot)
{
	sl->map = mmap(NULL, KD_SLOTS * sl->size, prot, MAP_SHARED, fd, 0);
	if (sl->map == MAP_FAILED)
		sl->map = NULL;
	sl->state = calloc(KD_SLOTS, 1);
	return sl->map && sl->state ? 0 : -ENOMEM;
}

int kd_slots_make_gates(struct kd_slots *g)
{
	g->backed = KD_SLOTS;
	g->size = KECHO_SLOT_SIZE;
	g->rw = -1;
	g->fd = memfd_create("kecho-gates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (g->fd < 0 || ftruncate(g->fd, KD_SLOTS * KECHO_SLOT_SIZE) ||
	    fcntl(g->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return slots_map(g, g->fd, PROT_READ | PROT_WRITE);
}

int kd_slots_make_limits(struct kd_slots *l, const char *run)
{
	int err = kd_run_file(run, "limits", l->file, sizeof(l->file), KD_SLOTS * KECHO_LIMIT_SIZE,
			      &l->rw, &l->fd);

	if (err)
		return err;
	l->size = KECHO_LIMIT_SIZE;
	l->backed = 4096 / KECHO_LIMIT_SIZE;
	if (posix_fallocate(l->rw, 0, 4096))
		return -ENOSPC;
	return slots_map(l, l->rw, PROT_READ | PROT_WRITE);
}

void kd_slots_free(const struct kd *d, struct kd_slots *sl)
{
	kd_run_file_remove(d, sl->file);
	if (sl->map)
		munmap(sl->map, KD_SLOTS * sl->size);
	if (sl->fd >= 0)
		close(sl->fd);
	if (sl->rw >= 0)
		close(sl->rw);
	free(sl->state);
	memset(sl, 0, sizeof(*sl));
	sl->fd = sl->rw = -1;
}

struct kecho_gate_slot *kd_gate(const struct kd_session *s, u32 slot)
{
	return (struct kecho_gate_slot *)s->gates.map + slot;
}

/* One of the gates, at @pos. -ENOSPC. */
int kd_gate_take(struct kd_session *s, u64 pos, u32 *slot)
{
	int err = kd_slot_take(&s->gates, slot);

	if (!err)
		*kd_gate(s, *slot) = (struct kecho_gate_slot){ .pos = cpu_to_le64(pos) };
	return err;
}

/* A slot that the process had lent is ours again when it says so there. */
static bool is_free(struct kd_slots *sl, u32 i)
{
	const void *at = (const u8 *)sl->map + i * sl->size;
	const struct kecho_gate_slot *slot = at;

	if (sl->state[i] == KD_SLOT_LENT && READ_ONCE(slot->pos) == cpu_to_le64(U64_MAX))
		sl->state[i] = KD_SLOT_FREE;
	return sl->state[i] == KD_SLOT_FREE;
}

static int back_more(struct kd_slots *sl)
{
	if (sl->rw < 0 || sl->backed == KD_SLOTS ||
	    posix_fallocate(sl->rw, 0, 2 * sl->backed * sl->size))
		return -ENOSPC;
	sl->backed *= 2;
	return 0;
}

/* The first that is free: pages behind those that are in use at a time stay untouched.
 * -ENOSPC: the process has KD_SLOTS, or there is no memory for more. */
int kd_slot_take(struct kd_slots *sl, u32 *slot)
{
	u32 i;

	for (i = 0; i < sl->backed; i++) {
		if (is_free(sl, i)) {
			sl->state[i] = KD_SLOT_TAKEN;
			*slot = i;
			return 0;
		}
	}
	return back_more(sl) ?: kd_slot_take(sl, slot);
}

void kd_slot_give_back(struct kd_slots *sl, u32 slot)
{
	sl->state[slot] = KD_SLOT_FREE;
}

/* The process goes on using it until it says that it does not. */
void kd_slot_lend(struct kd_slots *sl, u32 slot)
{
	sl->state[slot] = KD_SLOT_LENT;
}
