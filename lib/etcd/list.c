/* SPDX-License-Identifier: MIT */
/*
 * LIST: the names in the order of their keys, numbered from 1, some keys at a time and all
 * of one revision. Where a listing is, the bridge remembers; if that is not where the tie
 * goes on, the listing begins again and leaves out what was told.
 */
#include "bridge.h"

enum {
	RIVAL_MAX = 2 + KE_NAME_MAX + 16,		/* name with its length, uuid */
	LISTED_MAX = 8 + RIVAL_MAX + 1 + 2 + RIVAL_MAX,	/* serial, the same, contacts; its rival */
};

/* An answer that is being written. */
struct page {
	struct ke_out out;
	u8 rivals_buf[KECHO_FRAME_BODY_MAX / 2];
	struct ke_out rivals;
	u16 n, nrivals;
};

/* What is left of the room, with the rivals that go behind the entries. */
static bool full(const struct page *p)
{
	return p->out.size - p->out.len < p->rivals.len + LISTED_MAX || p->n == U16_MAX ||
	       p->rivals.size - p->rivals.len < RIVAL_MAX;
}

/* The name that was being read has come whole. */
static void name_over(struct listing *l, struct page *p, u64 after)
{
	bool any = l->any;

	l->any = false;
	if (!any || ++l->serial <= after)
		return;
	ke_put_u64(&p->out, l->serial);
	ke_put_str(&p->out, l->name);
	ke_put(&p->out, &l->uuid, sizeof(l->uuid));
	ke_put_u8(&p->out, min_t(u8, l->contacts, KE_CONTACTS_MAX));
	p->n++;
	if (!l->has_rival || !ke_id_cmp(&l->rival, &l->uuid))
		return;
	ke_put_str(&p->rivals, l->name);
	ke_put(&p->rivals, &l->rival, sizeof(l->rival));
	p->nrivals++;
}

static void name_begins(struct listing *l, const char *name)
{
	strcpy(l->name, name);
	l->contacts = 0;
	l->has_rival = false;
	l->rival_revision = 0;
}

/* Of several rivals the one that said so last. */
static int take_key(struct listing *l, const struct name_key *k, const struct kv *kv,
		    char *why, size_t size)
{
	struct ke_id uuid;

	if (k->kind == KIND_CONTACT) {
		l->contacts += l->contacts < U8_MAX;
		return 0;
	}
	if (uuid_parse(kv, &uuid, why, size))
		return -EPROTO;
	if (k->kind == KIND_HOLD) {
		l->any = true;
		l->uuid = uuid;
	} else if (kv->revision >= l->rival_revision) {
		l->has_rival = true;
		l->rival = uuid;
		l->rival_revision = kv->revision;
	}
	return 0;
}

/* 0, -ENOBUFS: the page is full, or -EPROTO. */
static int take_keys(struct listing *l, struct page *p, const json_t *kvs, u64 after, char *why,
		     size_t size)
{
	struct name_key k;
	struct kv kv;
	json_t *one;
	size_t i;

	json_array_foreach(kvs, i, one) {
		if (kv_parse(one, &kv, why, size) || name_key_parse(&kv, &k, why, size))
			return -EPROTO;
		if (strcmp(k.name, l->name)) {
			name_over(l, p, after);
			name_begins(l, k.name);
			strcpy(l->from, kv.key);
			if (full(p))
				return -ENOBUFS;
		}
		if (take_key(l, &k, &kv, why, size))
			return -EPROTO;
		/* The least key that is greater. */
		if (strlen(kv.key) + 1 >= sizeof(l->from))
			return -EPROTO;
		strcpy(l->from, kv.key);
		strcat(l->from, "\x01");
	}
	return 0;
}

static void finish(struct request *q)
{
	struct page *p = q->page;

	p->out.buf[2] = !q->e->listing.over;
	put_unaligned_le16(p->n, p->out.buf + 3);
	if (p->nrivals) {
		ke_put_u16(&p->out, p->nrivals);
		ke_put(&p->out, p->rivals_buf, p->rivals.len);
	}
	request_done(q, &p->out);
}

static void fetch(struct request *q);

/* From the beginning, without the first entries. */
static void begin(struct request *q)
{
	struct listing *l = &q->e->listing;

	memset(l, 0, sizeof(*l));
	strcpy(l->from, keys_of_names().key);
	fetch(q);
}

static void fail(struct request *q)
{
	memset(&q->e->listing, 0, sizeof(q->e->listing));
	free(q->frame);
	q->frame = NULL;
	request_refuse(q, q->e->said);
}

static void fetched(struct ask *a, enum code code, json_t *answer)
{
	struct request *q = container_of(a, struct request, ask);
	struct listing *l = &q->e->listing;
	const json_t *one = json_array_get(answer, 0);
	u64 revision = bridge_revision(q->e, one);
	int err;

	/* That revision is forgotten. What was listed by now is not listed again. */
	if (code == CODE_RANGE && l->revision && ++q->tries <= TRIES_MAX) {
		q->after = max_t(u64, q->after, l->serial);
		begin(q);
		return;
	}
	if (code != CODE_OK) {
		fail(q);
		return;
	}
	l->revision = l->revision ?: revision;
	err = take_keys(l, q->page, json_object_get(one, "kvs"), q->after, q->e->said,
			sizeof(q->e->said));
	l->over = !err && !json_is_true(json_object_get(one, "more"));
	if (l->over)
		name_over(l, q->page, q->after);
	if (err == -EPROTO)
		fail(q);
	else if (err || l->over)
		finish(q);
	else
		fetch(q);
}

static void fetch(struct request *q)
{
	struct listing *l = &q->e->listing;
	struct range r = keys_of_names();

	strcpy(r.key, l->from);
	ask_json(&q->ask, q->e, "kv/range", range_body(&r, LIST_PAGE, l->revision), fetched);
}

void list_run(struct request *q)
{
	const struct listing *l = &q->e->listing;
	struct page *p;

	q->page = p = calloc(1, sizeof(*p));
	if (!p) {
		bridge_give_up(q->e, -ENOMEM, "no memory");
		return;
	}
	if (!request_reply(q, &p->out, KECHO_FRAME_BODY_MAX, KE_REGISTRY_OK))
		return;
	ke_put_u8(&p->out, 0);
	ke_put_u16(&p->out, 0);
	p->rivals = (struct ke_out){ .buf = p->rivals_buf, .size = sizeof(p->rivals_buf) };
	if (q->after && q->after == l->serial && l->revision && !l->over)
		fetch(q);
	else
		begin(q);
}
