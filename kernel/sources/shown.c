// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Files of /proc, read by kernel code. For some of what they tell there is no other way for a
 * module, and kernel_read() refuses those that can only be read by a process: so the function
 * that shows the file, which its seq_file names, is asked directly.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/seq_file.h>

#include "sample.h"

void shown_open(struct shown *s)
{
	struct file *file = filp_open(s->path, O_RDONLY, 0);

	s->file = IS_ERR(file) ? NULL : file;
}

void shown_close(struct shown *s)
{
	if (s->file)
		filp_close(s->file, NULL);
	s->file = NULL;
}

/* Nobody else has the file open, and so the seq_file: it has no buffer but ours. */
void shown_read(struct shown *s, char *text, size_t size)
{
	struct seq_file *m = s->file ? s->file->private_data : NULL;

	text[0] = 0;
	if (!m)
		return;
	mutex_lock(&m->lock);
	m->buf = text;
	m->size = size;
	m->count = 0;
	if (m->op->show(m, SEQ_START_TOKEN) || seq_has_overflowed(m))
		m->count = 0;
	text[m->count] = 0;
	m->buf = NULL;
	m->size = m->count = 0;
	mutex_unlock(&m->lock);
}
