/* SPDX-License-Identifier: MIT */
/*
 * A source's log among hostile readers and a careless application: gates that say
 * anything, reservations that end in any order, late and under any name, and at
 * times words of the ring written over.
 *
 * An honest reader behind a gate of its own gets every event, whole; one without a
 * gate gets it or is told that it is lost; what is judged not to be for them is left out, or
 * names others, and nothing else. Whoever asks for what is retained starts at an event. What
 * fails changes nothing.
 */
#include "input.h"
#include "node.h"

enum {
	RING = KE_LOG_SIZE_MIN,
	OPS_MAX = 500,
	GATES = 3,
	OPEN_MAX = KE_RESERVATIONS_MAX + 4,
	EVENTS_MAX = 1024,	/* more than OPS_MAX can make */
	BIG_MAX = 3 * RING / 2,
	SINK = 2,		/* whose readers they are, if the source names sinks */
	NAMES_MAX = 3,
};

/* What an event was when it was submitted. */
struct said {
	u32 len;
	u16 attrs_len;
	bool is_void, judged, named;
};

struct open {
	bool used;
	u64 cookie, seq;
	u8 *data;
	u32 len;
};

static struct {
	struct ke_node node;
	struct ke_source s;
	struct kecho_log_header *hdr;
	u8 *ring, *copy, *payload;
	struct ke_reader behind;	/* a gate */
	struct ke_gate gate;
	struct ke_reader free;		/* without one */
	u64 page[GATES];		/* what hostile readers write */
	struct ke_gate gates[GATES];
	bool gated[GATES];
	struct open open[OPEN_MAX];
	struct said said[EVENTS_MAX];
	u32 big_at, big_total;		/* an event that is on its way in pieces */
	u64 big_seq, seq0;
	bool scribbled;
	bool judges;			/* the source does; bit 0 is that of the readers */
	bool names;			/* it says whom its events are for */
	struct input in;
} f;

static u8 byte_of(u64 seq, u32 i)
{
	return seq * 31 + i * 7 + (i >> 8);
}

static void fill(u8 *to, u64 seq, u32 at, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		to[i] = byte_of(seq, at + i);
}

static struct said *said(u64 seq)
{
	check(seq > f.seq0 && seq - f.seq0 < EVENTS_MAX);
	return &f.said[seq - f.seq0];
}

/* What the source's filters say of it. */
static u64 bits_of(u64 seq)
{
	return seq % 3;
}

/* Sinks from 1 on, or nobody; how many. */
static u32 names_of(u64 seq, __le64 *names)
{
	u32 i, n = seq % (NAMES_MAX + 1);

	for (i = 0; i < n; i++)
		names[i] = cpu_to_le64(1 + i);
	return n;
}

static bool is_left_out(u64 seq)
{
	const struct said *is = said(seq);
	__le64 names[NAMES_MAX];

	return is->is_void || (is->judged && !(bits_of(seq) & 1)) ||
	       (is->named && names_of(seq, names) < SINK);
}

static void check_log(void)
{
	const struct ke_log *log = &f.s.log;

	check(log->head <= log->end && log->tail <= log->end && log->end - log->tail <= RING);
	/* the head stays behind only while a reservation does, which nothing may lap */
	check(log->tail <= log->head || log->first == log->next);
	check(log->end <= f.behind.released + RING);
	if (f.scribbled)
		return;
	check(le64_to_cpu(f.hdr->head) == log->head && le64_to_cpu(f.hdr->tail) == log->tail);
}

static void check_event(const struct ke_item *item)
{
	const struct said *is = said(item->seq);
	const u8 *data = item->data, *attrs = item->attrs;
	u32 i;

	check(!is_left_out(item->seq) && item->judged == is->judged);
	check(item->len == is->len && item->attrs_len == is->attrs_len);
	for (i = 0; i < item->len; i++)
		check(data[i] == byte_of(item->seq, i));
	for (i = 0; i < item->attrs_len; i++)
		check(attrs[i] == byte_of(item->seq, i));
}

/* Between two that came. */
static void check_left_out(u64 seq, u64 next)
{
	while (++seq < next)
		check(is_left_out(seq));
}

static void give_memory(struct ke_reader *r)
{
	u32 total = r->big_total;

	free(r->big);
	ke_reader_give(r, malloc(total), total);
	check(r->big);
}

static void read_all(struct ke_reader *r, bool lossless)
{
	struct ke_item item;
	bool plain;
	u64 seq;
	int n;

	for (;;) {
		seq = r->seq;
		/* Both ways, by turns. */
		plain = seq % 2 && ke_reader_plain(r, ke_reader_plain_end(r), &item);
		n = plain ? 1 : ke_reader_next(r, &item);
		if (n == -ENOBUFS) {
			give_memory(r);
			continue;
		}
		if (n < 0)
			check(f.scribbled);
		if (n < 0 || (!n && r->pos == ke_reader_head(r)))
			break;
		if (f.scribbled || !n)
			continue;
		check(item.seq > seq);
		check_left_out(seq, item.seq);
		if (item.kind == KE_ITEM_EVENT)
			check_event(&item);
		else
			check(!lossless && item.seq == seq + 1 && item.last >= item.seq);
		if (plain)
			check(item.kind == KE_ITEM_EVENT && item.seq == seq + 1);
	}
	check(r->pos <= f.s.log.head || f.scribbled);
}

/* ------------------------------------------------------------------ the source */

/* As the library does it: room by the gates, and none that a send is reading. */
static bool has_room(u64 size)
{
	u64 want = f.s.log.end + 2 * ke_record_align(size);

	return ke_log_room(&f.s.log, size, ke_source_limit(&f.s, want)) &&
	       ke_source_unpinned(&f.s, size);
}

static int append(const struct ke_event_info *info, u32 at, u32 len, u64 *seq)
{
	struct ke_log *log = &f.s.log;
	u64 last = log->seq, n = *seq ?: last + 1, end = log->end;
	int err;

	if (!has_room(ke_record_size(info, len)))
		return -EAGAIN;
	fill(f.payload, n, at, len);
	err = ke_log_append(log, info, f.payload, len, f.s.limit, seq);
	check(!err || err == -EAGAIN || err == -EMSGSIZE || err == -ENOBUFS);
	check(!err ? *seq == n : log->end == end && log->seq == last);
	return err;
}

static void append_event(u32 len, u16 attrs_len)
{
	u8 attrs[2 * KE_EVENT_ATTRS_MAX];
	__le64 names[NAMES_MAX];
	struct ke_event_info info = { .time_ns = 1, .attrs = attrs, .attrs_len = attrs_len,
				      .judged = f.judges, .generation = 1,
				      .bits = bits_of(f.s.log.seq + 1),
				      .named = f.names, .to = names,
				      .nto = names_of(f.s.log.seq + 1, names) };
	u64 seq = 0;

	fill(attrs, f.s.log.seq + 1, 0, attrs_len);
	if (!append(&info, 0, len, &seq))
		*said(seq) = (struct said){ .len = len, .attrs_len = attrs_len,
					    .judged = f.judges, .named = f.names };
}

/* The next piece; nobody else appends between the first and the last. */
static void append_piece(u32 len)
{
	u64 seq = f.big_seq ?: f.s.log.seq + 1;
	__le64 names[NAMES_MAX];
	struct ke_event_info info = { .time_ns = 1, .frag_offset = f.big_at,
				      .frag_total = f.big_total,
				      .judged = f.judges, .generation = 1, .bits = bits_of(seq),
				      .named = f.names, .to = names, .nto = names_of(seq, names) };
	u8 attrs[64];

	len = min_t(u32, 1 + len, f.big_total - f.big_at);
	if (!f.big_at) {
		info.attrs = attrs;
		info.attrs_len = f.big_total % sizeof(attrs);
		fill(attrs, f.s.log.seq + 1, 0, info.attrs_len);
	}
	if (append(&info, f.big_at, len, &f.big_seq))
		return;
	if (!f.big_at)
		*said(f.big_seq) = (struct said){ .len = f.big_total,
						  .attrs_len = info.attrs_len,
						  .judged = f.judges, .named = f.names };
	f.big_at += len;
	if (f.big_at == f.big_total)
		f.big_at = f.big_total = f.big_seq = 0;
}

static struct open *find_open(bool used)
{
	u32 i, from = take_u8(&f.in);

	for (i = 0; i < OPEN_MAX; i++) {
		struct open *o = &f.open[(from + i) % OPEN_MAX];

		if (o->used == used)
			return o;
	}
	return NULL;
}

static void reserve(u32 len, u16 attrs_len)
{
	u8 attrs[2 * KE_EVENT_ATTRS_MAX];
	struct ke_event_info info = { .time_ns = 1, .attrs = attrs, .attrs_len = attrs_len,
				      .judged = f.judges, .named = f.names,
				      .nto = f.names ? NAMES_MAX : 0 };
	struct ke_log *log = &f.s.log;
	struct open *o = find_open(false);
	u64 end = log->end, seq = log->seq;
	void *data;
	int err;

	if (!o || !has_room(ke_record_size(&info, len)))
		return;
	fill(attrs, seq + 1, 0, attrs_len);
	err = ke_log_reserve(log, &info, len, f.s.limit, &data, &o->cookie);
	check(!err || err == -EAGAIN || err == -EMSGSIZE || err == -ENOBUFS);
	if (err) {
		check(log->end == end && log->seq == seq);
		return;
	}
	check(log->seq == seq + 1);
	*o = (struct open){ .used = true, .cookie = o->cookie, .seq = seq + 1, .data = data,
			    .len = len };
	fill(data, o->seq, 0, len);
	*said(o->seq) = (struct said){ .len = len, .attrs_len = attrs_len };
}

/* One that is open, by what was written into it. */
static void judge(void)
{
	struct open *o = find_open(true);
	int err;

	if (!o)
		return;
	err = ke_log_judged(&f.s.log, o->cookie, bits_of(o->seq), 1);
	check(err == (f.judges ? 0 : -EINVAL));
	said(o->seq)->judged = f.judges;
}

/* Whom it is for is known last; every eighth is for all. */
static void name(struct open *o, u32 len)
{
	__le64 names[NAMES_MAX];
	struct ke_event_info info = { .named = o->seq % 8 != 7, .to = names };
	int room = ke_log_names_room(&f.s.log, o->cookie);

	check(room == (f.names ? NAMES_MAX : -EINVAL));
	if (!f.names)
		return;
	if (info.named)
		info.nto = names_of(o->seq, names);
	ke_log_named(&f.s.log, o->cookie, &info, len);
	said(o->seq)->named = info.named;
}

static void commit(u16 len)
{
	struct open *o = find_open(true);
	int err;

	if (!o)
		return;
	if (len <= o->len)
		name(o, len);
	err = ke_log_commit(&f.s.log, o->cookie, len, 1);
	check(err == (len > o->len ? -EMSGSIZE : 0));
	if (err)
		return;
	said(o->seq)->len = len;
	o->used = false;
	check(ke_log_commit(&f.s.log, o->cookie, 0, 1) == -EINVAL);
}

static void cancel(void)
{
	struct open *o = find_open(true);

	if (!o)
		return;
	check(!ke_log_abort(&f.s.log, o->cookie));
	said(o->seq)->is_void = true;
	o->used = false;
	check(ke_log_abort(&f.s.log, o->cookie) == -EINVAL);
}

/* A name that nobody was given. */
static void bad_cookie(void)
{
	u64 cookie = take_u64(&f.in);
	int i;

	for (i = 0; i < OPEN_MAX; i++)
		if (f.open[i].used && f.open[i].cookie == cookie)
			return;
	check(ke_log_judged(&f.s.log, cookie, 0, 1) == -EINVAL);
	check(ke_log_commit(&f.s.log, cookie, 0, 1) == -EINVAL);
	check(ke_log_abort(&f.s.log, cookie) == -EINVAL);
}

/* ----------------------------------------------------------------- the readers */

static void set_gate(u8 op)
{
	u32 i = op % GATES;

	f.page[i] = op & 64 ? take_u64(&f.in) : f.s.log.head + 8 * (s64)(s16)take_u16(&f.in);
	if (op & 128)
		return;
	if (f.gated[i])
		ke_source_ungate(&f.s, &f.gates[i]);
	else
		ke_source_gate(&f.s, &f.gates[i], &f.page[i]);
	f.gated[i] = !f.gated[i];
}

static void begin(struct ke_reader *r, bool in_place, u64 pos, u64 seq)
{
	ke_reader_init(r, ke_log_view(&f.s.log), in_place, pos, seq, in_place ? NULL : f.copy);
	if (f.judges)
		ke_reader_judged(r, 0, 1, 0);
	if (f.names)
		ke_reader_for(r, SINK);
}

static void retain(void)
{
	u64 seq, last = le64_to_cpu(f.hdr->seq), n = take_u8(&f.in);
	u64 pos = ke_log_retained(&f.s.log, n, &seq);

	check(pos >= f.s.log.tail && pos <= f.s.log.head);
	if (f.scribbled)
		return;
	check(seq <= last && last - seq <= n && (seq == last) == (pos == f.s.log.head));
	free(f.free.big);
	begin(&f.free, false, pos, seq);
	read_all(&f.free, true);
}

static void boundary(void)
{
	u64 from = f.s.log.tail + take_u16(&f.in), pos = ke_log_boundary(&f.s.log, from);

	check(pos <= f.s.log.end && pos >= min(from, f.s.log.end));
}

/* The application writes over what it has submitted, or over the header. */
static void scribble(u8 op)
{
	u64 word = take_u64(&f.in), at = take_u16(&f.in) * 8;

	f.scribbled = true;
	if (op & 16)
		*(__le64 *)(f.ring + at % RING) = word;
	else if (op & 32)
		f.hdr->tail = word;
	else if (op & 64)
		f.hdr->head = word;
	else
		f.hdr->seq = word;
}

static void act_source(u8 op)
{
	u16 len = take_u16(&f.in), attrs_len = 0;

	if (op & 16)
		attrs_len = take_u16(&f.in) % (2 * KE_EVENT_ATTRS_MAX);
	if (f.big_total)
		append_piece(len);
	else if ((op & 0xe0) == 0xe0)
		f.big_total = 1 + len * 2 % BIG_MAX;
	else if (op & 32)
		reserve(len % (RING / 4), attrs_len);
	else
		append_event(len % (op & 64 ? RING / 4 : 512), attrs_len);
	if (op & 128)
		ke_log_publish(&f.s.log);
}

static void act(u8 op)
{
	switch (op & 15) {
	case 0:
		set_gate(op);
		break;
	case 1:
		commit(take_u16(&f.in));
		break;
	case 2:
		cancel();
		break;
	case 3:
		bad_cookie();
		break;
	case 4:
		retain();
		break;
	case 5:
		boundary();
		break;
	case 6:
		if (op >= 240)
			scribble(take_u8(&f.in));
		else
			judge();
		break;
	case 7:
		read_all(&f.behind, true);
		break;
	case 8:
		read_all(&f.free, false);
		break;
	case 9:
		commit(0);
		break;
	default:
		act_source(op);
	}
}

static void init(u8 how)
{
	u64 pos = how & 1 ? 8 * (u64)take_u16(&f.in) : 0;

	f.judges = how & 8;
	f.names = how & 16;
	f.seq0 = how & 2 ? take_u64(&f.in) >> 1 : 0;
	check(ke_log_init(&f.s.log, f.hdr, f.ring, take_u16(&f.in) | 1, pos, 0) == -EINVAL);
	check(ke_log_init(&f.s.log, f.hdr, f.ring, RING, pos | 1, 0) == -EINVAL);
	check(!ke_log_init(&f.s.log, f.hdr, f.ring, RING, pos, f.seq0));
	ke_source_init(&f.s, &f.node);
	f.s.nremote = how >> 2 & 1;
	begin(&f.behind, true, pos, f.seq0);
	begin(&f.free, false, pos, f.seq0);
	ke_source_gate(&f.s, &f.gate, &f.behind.released);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops;

	memset(&f, 0, sizeof(f));
	f.hdr = calloc(1, sizeof(*f.hdr));
	f.ring = calloc(1, RING);
	f.copy = malloc(ke_record_max(RING));
	f.payload = malloc(BIG_MAX);
	check(f.hdr && f.ring && f.copy && f.payload);
	f.in = (struct input){ data, size };
	init(take_u8(&f.in));
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++) {
		act(take_u8(&f.in));
		check_log();
	}
	read_all(&f.behind, true);
	read_all(&f.free, false);
	free(f.behind.big);
	free(f.free.big);
	free(f.payload);
	free(f.copy);
	free(f.ring);
	free(f.hdr);
	return 0;
}
