/* SPDX-License-Identifier: MIT */
/*
 * A log of another process, looked at from outside, and taken over when that is dead.
 *
 * Its writer is one of ours, so that there is a log at all, until the input changes what
 * it likes, also between two loads of who looks. Looking ends, leaves the ring never, and
 * says what the writer has published as long as nobody has lied. Who takes the log over
 * goes on in whatever lies there: with events of its own, or bytes and skips as they come
 * over a link. What is read of it is no more than a ring holds, and of what was put there
 * afterwards each event comes out once, or is said to be lost.
 */
#include "hostile.h"
#include "../../core/view.c"
#include "reader.h"

enum {
	OPS_MAX = 300,
	/* Of one call: each record once, by two words and where a piece begins. */
	LOADS_MAX = 3 * RING / KECHO_RECORD_ALIGN + 1000,
	LEN_MAX = 7000,
	CALLS_MAX = 2 * RING / KECHO_RECORD_ALIGN,	/* of a reader, until it is through */
};

static struct {
	struct input in;
	struct ke_log writer;
	bool lied;		/* header or ring are not as the writer left them */
	struct ke_view view;
	struct ke_log heir;
	struct ke_reader late;	/* of all that the heir writes */
	u64 came;		/* events that it got, or was said to have lost; not those
				 * that were passed over */
	bool bytes;		/* some came that are no events of ours */
	u8 *copy;
} f;

/* ------------------------------------------------------------------- its writer */

static void new_writer(u8 how)
{
	u64 pos = how & 1 ? 8 * (u64)take_u16(&f.in) : take_u64(&f.in) & KE_POSITION_MAX & ~7ULL;

	hostile_init(&f.in, &f.writer.head, LOADS_MAX);
	check(!ke_log_init(&f.writer, hostile.hdr, hostile.ring, RING, pos,
			   how & 2 ? take_u64(&f.in) >> 1 : 0));
	f.view = ke_log_view(&f.writer);
	f.lied = false;
	hostile.head = pos;
}

/* An event whose bytes are its number's; or room for one that is used in part; or one that
 * is said to be a piece. */
static int append(struct ke_log *log, u32 len, u8 how)
{
	static u8 bytes[LEN_MAX];
	struct ke_event_info info = { .time_ns = how, .judged = how & 4, .bits = how };
	u64 seq = 0, cookie;
	void *data;
	int err;

	len %= LEN_MAX;
	if (how & 1) {
		err = ke_log_reserve(log, &info, len, KE_NO_LIMIT, &data, &cookie);
		if (err)
			return err;
		memset(data, log->seq, len);
		return ke_log_commit(log, cookie, len / 2, 0);
	}
	if (how & 2)
		info.frag_total = len;
	memset(bytes, log->seq + 1, len);
	err = ke_log_append(log, &info, bytes, len, KE_NO_LIMIT, &seq);
	ke_log_publish(log);
	return err;
}

/* ------------------------------------------------------------------ who looks at it */

/* How many events are read from there to the end; what is there may be anything. */
static u64 read_all(struct ke_reader *r, bool sane)
{
	u64 events = 0, bytes = 0, calls = 0;
	struct ke_item item;
	int n;

	for (;;) {
		check(++calls < CALLS_MAX);
		n = ke_reader_next(r, &item);
		if (n == -ENOBUFS) {
			ke_reader_give(r, NULL, 0);
			continue;
		}
		if (n < 0 || (!n && r->pos == ke_reader_head(r)))
			break;
		if (!n)
			continue;
		if (item.kind == KE_ITEM_LOST) {
			check(item.last >= item.seq);
			events += sane ? item.last - item.seq + 1 : 0;
			continue;
		}
		events++;
		bytes += sizeof(struct kecho_record) + item.len;
		check(bytes <= RING);
		touch(item.data, item.len);
		touch(item.attrs, item.attrs_len);
		check(!sane || !item.len || *(const u8 *)item.data == (u8)item.seq);
	}
	check(!sane || !n);
	return events;
}

static void check_now(u64 head, u64 seq)
{
	u64 h = head + 1, s = seq + 1;

	hostile_call(0);
	check(!ke_view_now(&f.view, &h, &s));
	check(h == head && s == seq);
}

/* The same of a log that is over, whose last event is @last: one at its end that there was
 * no memory for is a loss too. */
static u64 read_to_the_last(struct ke_reader *r, u64 last)
{
	u64 events = read_all(r, true);
	struct ke_item item;

	if (ke_reader_finish(r, last, &item))
		events += item.last - item.seq + 1;
	return events;
}

static void look(u8 strikes)
{
	u64 head = 1, last = 1, half, from, pos, before, n = take_u8(&f.in);
	struct ke_reader r;
	int err;

	hostile_call(strikes);
	err = ke_view_now(&f.view, &head, &last);
	check(err == 0 || (err == -EAGAIN && head == 1 && last == 1));
	check(err || IS_ALIGNED(head, KECHO_RECORD_ALIGN));
	f.lied |= strikes > 0;
	check(f.lied || (!err && head == f.writer.head && last == f.writer.seq));
	if (err)
		head = f.writer.head;
	half = head - min_t(u64, head, RING / 2);
	hostile_call(strikes);
	from = ke_view_boundary(&f.view, half, head);
	check(from >= half && from <= head && IS_ALIGNED(from, KECHO_RECORD_ALIGN));
	if (f.lied && n & 1)	/* it was looked up again meanwhile */
		head += take_u64(&f.in) % (U64_MAX - head) & ~7ULL;
	hostile_call(strikes);
	pos = ke_view_retained(&f.view, from, head, last, n, &before);
	check(pos >= from && pos <= head && IS_ALIGNED(pos, KECHO_RECORD_ALIGN));
	check(last - before <= n);
	ke_reader_init(&r, f.view, false, pos, before, f.copy);
	check(f.lied || read_to_the_last(&r, last) == last - before);
}

/* The writer's own node, which reads what its process scribbles on. */
static void retain(u8 strikes)
{
	u64 pos, before;

	f.lied |= strikes > 0;
	hostile_call(strikes);
	pos = ke_log_retained(&f.writer, take_u8(&f.in), &before);
	check(pos >= f.writer.tail && pos <= f.writer.head);
}

/* ----------------------------------------------------------- who goes on with it */

static void check_heir(void)
{
	check(f.heir.tail <= f.heir.head && f.heir.head <= f.heir.end);
	check(f.heir.end - f.heir.tail <= RING);
	check(le64_to_cpu(hostile.hdr->head) == f.heir.head);
	check(le64_to_cpu(hostile.hdr->tail) == f.heir.tail);
	check_now(f.heir.head, f.heir.seq);
}

/* Bytes that are in front of the heir's end, which it may take or refuse. */
static void take_in(const void *bytes, u32 len)
{
	void *to = ke_log_window(&f.heir, len);
	int err;

	if (!to)
		return;
	memcpy(to, bytes, len);
	err = ke_log_accept(&f.heir, len);
	check(err == 0 || err == -EPROTO);
	if (err)	/* its link ends; the next one begins at the head */
		check(!ke_log_skip(&f.heir, f.heir.head) || f.heir.head > KE_POSITION_MAX);
}

static void receive_bytes(u32 len)
{
	static u8 bytes[256];

	len %= sizeof(bytes);
	take_bytes(&f.in, bytes, len);
	f.bytes |= len > 0;
	take_in(bytes, len);
}

/* The next event, as it comes from its source; or what numbers are in its way. */
static void receive_event(u32 len, u8 gap)
{
	static __le64 words[(LEN_MAX + sizeof(struct kecho_record)) / 8 + 1];
	u64 left = RING - (f.heir.end & (RING - 1)), seq = f.heir.seq + 1 + gap % 3;

	len = len % LEN_MAX + sizeof(struct kecho_record);
	if (f.heir.end != f.heir.head)
		return;
	if (left < ke_record_align(len)) {
		words[0] = cpu_to_le64(left | (u64)KECHO_RECORD_PAD << 32);
		take_in(words, min_t(u64, left, sizeof(words)));
		return;
	}
	memset(words, seq, sizeof(words));
	words[0] = cpu_to_le64(len | (u64)KECHO_RECORD_EVENT << 32 | 3ULL << 48);
	words[1] = cpu_to_le64(seq);
	words[2] = 0;
	take_in(words, ke_record_align(len));
}

static void skip(u8 how)
{
	u64 to = how & 1 ? take_u64(&f.in) : f.heir.head + 8 * (u64)take_u16(&f.in);
	int err = ke_log_skip(&f.heir, to);

	check(err == 0 || err == -EPROTO);
	check(err || (f.heir.head == to && f.heir.end == to));
}

/* Events that nobody here wants, and perhaps one that is lost before them. */
static void pass(u8 how)
{
	u64 to = f.heir.head + 8 * (u64)take_u16(&f.in), before = f.heir.seq + (how & 1);
	u64 seq = before + (how >> 1 & 3);
	int err = ke_log_pass(&f.heir, to, before, seq, how >> 2 & 1);

	check(err == 0 || err == -EPROTO);
	check(err || (f.heir.head == to && f.heir.end == to && f.heir.seq == seq));
}

static void read_from_the_tail(bool in_place)
{
	struct ke_reader r;

	ke_reader_init(&r, f.view, in_place, f.heir.tail, take_u8(&f.in), f.copy);
	read_all(&r, false);
}

static void heir_acts(u8 op)
{
	u8 how = op >> 4;
	u64 before, pos;

	switch (op & 7) {
	case 0:
	case 1:
		if (f.heir.end == f.heir.head)
			append(&f.heir, take_u16(&f.in), how);
		break;
	case 2:
		receive_event(take_u16(&f.in), how);
		break;
	case 3:
		receive_bytes(take_u8(&f.in));
		break;
	case 4:
		if (how & 8)
			pass(how);
		else
			skip(how);
		break;
	case 5:
		read_from_the_tail(how & 1);
		break;
	case 6:
		f.came += read_all(&f.late, !f.bytes);
		break;
	default:
		hostile_call(0);
		pos = ke_log_retained(&f.heir, take_u8(&f.in), &before);
		check(pos >= f.heir.tail && pos <= f.heir.head);
	}
}

/* The writer is dead. If it did not lie its log comes to what it had published. */
static bool inherit(u64 head, u64 seq)
{
	u64 i;
	int err;

	hostile_call(0);
	err = ke_log_adopt(&f.heir, hostile.hdr, hostile.ring, RING);
	check(err == 0 || err == -EPROTO);
	if (head <= KE_POSITION_MAX)
		check(f.lied || (!err && f.heir.head == head && f.heir.seq == seq));
	if (err)
		return false;
	for (i = 0; i < KECHO_LOG_MARKS; i++)
		check(f.heir.mark[i] >= f.heir.tail && f.heir.mark[i] <= f.heir.head &&
		      IS_ALIGNED(f.heir.mark[i], KECHO_RECORD_ALIGN));
	check_heir();
	return true;
}

static void go_on(u64 head, u64 seq)
{
	u32 ops;

	if (inherit(head, seq)) {
		seq = f.heir.seq;
		f.came = 0;
		f.bytes = seq > U64_MAX / 2;	/* numbers run out: nothing can follow */
		ke_reader_init(&f.late, f.view, false, f.heir.head, seq, f.copy);
		ke_reader_judged(&f.late, KE_BIT_ALL, 0, 0);
		for (ops = 0; f.in.len && ops < OPS_MAX; ops++) {
			heir_acts(take_u8(&f.in));
			check_heir();
		}
		f.came += f.bytes ? 0 : read_to_the_last(&f.late, f.heir.seq);
		check(f.bytes ||
		      f.came + f.late.filtered + f.late.expired == f.heir.seq - seq);
	}
	new_writer(take_u8(&f.in));
}

/* It is stopped while it publishes one more: with its head stored or not. */
static void stop_writer(u8 how)
{
	u64 head = f.writer.head, seq = f.writer.seq;
	bool stored = how & 2;

	if (f.lied || append(&f.writer, take_u16(&f.in), how & 1))
		return;
	hostile.hdr->head_seq = cpu_to_le64(seq);
	if (!stored)
		hostile.hdr->head = cpu_to_le64(head);
	check_now(stored ? f.writer.head : head, stored ? f.writer.seq : seq);
	if (how & 4) {		/* it is killed there */
		go_on(stored ? f.writer.head : head, stored ? f.writer.seq : seq);
		return;
	}
	hostile.hdr->head = cpu_to_le64(f.writer.head);
	hostile.hdr->head_seq = cpu_to_le64(f.writer.seq);
}

/* A word of what has been published, or of what says so. */
static void write_word(u8 how)
{
	if (how & 1)
		*word_near(f.writer.head - 8 * (u64)take_u16(&f.in), 0) = take_u64(&f.in);
	else if (how & 2)
		hostile.hdr->seq = take_u64(&f.in);
	else
		hostile.hdr->head_seq = take_u64(&f.in);
}

static void act(u8 op)
{
	u8 arg = op >> 4;

	switch (op & 15) {
	case 8:
		f.lied = true;
		write_word(arg);
		break;
	case 9:
		stop_writer(arg);
		break;
	case 10:
		look(arg);
		break;
	case 11:
		retain(arg);
		break;
	case 12:
		go_on(f.writer.head, f.writer.seq);
		break;
	case 13:
	case 14:
	case 15:
		append(&f.writer, take_u16(&f.in), arg);
		hostile.head = f.writer.head;
		break;
	default:
		f.lied = true;
		write_any(op & 15, arg, f.writer.seq);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int ops;

	if (!f.copy) {
		f.copy = malloc(ke_record_max(RING));
		check(f.copy);
	}
	f.in = (struct input){ data, size };
	new_writer(take_u8(&f.in));
	for (ops = 0; f.in.len && ops < OPS_MAX; ops++)
		act(take_u8(&f.in));
	return 0;
}
