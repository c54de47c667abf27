// SPDX-License-Identifier: MIT
/*
 * Types from BTF, which btf.so reads (lib/btf/btf.h), and the BTF of many files as one.
 */
#include "internal.h"
#include "btf/btf.h"
#include "plugin.h"
#include "types.h"

static const struct ke_plugin plugin = {
	.what = "BTF",
	.file = "btf.so",
	.table = KE_BTF_TABLE,
	.version = KE_BTF_VERSION,
	.size = sizeof(struct ke_btf_table),
};

static int load(const struct ke_btf_table **table)
{
	const void *loaded;
	char why[300];
	int err;

	/* The trees that kecho is built in have it elsewhere than an installation. */
	err = ke_plugin_load(&loaded, &plugin, secure_getenv("KECHO_BTF_SO"), why, sizeof(why));
	if (err)
		return lib_fail_as(err, why);
	*table = loaded;
	return 0;
}

static int add(void *draft, const char *name, const struct ke_field *f)
{
	return type_draft_add(draft, name, f);
}

static int from_place(struct kecho_type **out, const struct ke_btf_place *from, const char *name)
{
	struct type_draft d = { .name = name + str_has_prefix(name, "struct ") };
	struct ke_btf_sink to = { .arg = &d, .add = add };
	const struct ke_btf_table *table;
	char why[400];
	int err = load(&table);

	if (err)
		return err;
	err = table->flatten(from, d.name, &to, why, sizeof(why));
	d.size = to.size;
	d.big_endian = to.big_endian;
	if (!err)
		err = type_draft_make(out, &d);
	else if (*why)
		lib_fail_as(err, why);
	type_draft_free(&d);
	return err;
}

int kecho_type_from_btf(struct kecho_type **out, const void *btf, size_t len, const char *name)
{
	if (len > U32_MAX)
		return lib_fail(-EINVAL, "BTF of %zu bytes", len);
	return from_place(out, &(struct ke_btf_place){ .data = btf, .len = len }, name);
}

int kecho_type_from_file(struct kecho_type **out, const char *path, const char *name)
{
	return from_place(out, &(struct ke_btf_place){ .path = path }, name);
}

static int write_all(int fd, const u8 *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return fsync(fd) ? -errno : 0;
}

/* Beside what it replaces, so that it is either there whole or not at all. */
static int replace(const char *path, const void *data, size_t len)
{
	char *new;
	int fd, err;

	if (asprintf(&new, "%s.%d", path, gettid()) < 0)
		return -ENOMEM;
	unlink(new);	/* of one who was killed */
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	err = fd < 0 ? -errno : 0;
	if (err)
		goto free_name;
	err = write_all(fd, data, len);
	close(fd);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		unlink(new);
free_name:
	free(new);
	return err;
}

int kecho_btf_merge(const char *to, const char *const *paths, size_t n)
{
	const struct ke_btf_table *table;
	char why[400];
	void *data;
	u32 len;
	int err = load(&table);

	if (err)
		return err;
	err = table->merge(paths, n, &data, &len, why, sizeof(why));
	if (err)
		return lib_fail_as(err, why);
	err = replace(to, data, len);
	table->free(data);
	return err ? lib_fail(err, "%s", to) : 0;
}
