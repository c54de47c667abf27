/* SPDX-License-Identifier: MIT */
/*
 * Recordings that are cut at every byte, damaged at every byte, and made up: what is read
 * is what was written, or it is said where something is not.
 */
#include "tap.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"
#include "crc32c.h"
#include "recording.h"

enum {
	RECORDS_MAX = 64,
	FILE_MAX = 16384,
	BIG = 300000,		/* bytes of an event that is larger than the window */
};

/* What a test has written, and where each record is. */
static struct file {
	struct recording_writer w;
	uint8_t bytes[FILE_MAX];
	size_t len;
	uint64_t end[RECORDS_MAX];
	unsigned int run_of[RECORDS_MAX], n;
	bool begins[RECORDS_MAX];
	int fd;
} f;

void complain(const char *fmt, ...)
{
	(void)fmt;
	abort();	/* buf.c, when there is no memory */
}

/* --------------------------------------------------------------------- writing */

static void put(struct recording_item it)
{
	it.time_ns = 1000 * f.n;
	recording_put(&f.w, &it);
	f.run_of[f.n] = f.w.run;
	f.begins[f.n] = it.kind == RECORDING_RUN;
	f.end[f.n++] = f.w.at + f.w.pending.len;
}

static void put_run(void)
{
	struct recording_channel channels[2] = { { { 1 }, "news" }, { { 2 }, "weather" } };

	put((struct recording_item){ .kind = RECORDING_RUN, .run = { 5, 7, channels, 2 } });
}

static void put_event(uint64_t seq, const void *data, size_t len)
{
	/* One attribute: a string, "k" is "v". */
	static const uint8_t attrs[] = { 2, 1, 1, 0, 'k', 'v' };

	put((struct recording_item){
		.kind = RECORDING_EVENT,
		.channel = seq & 1,
		.event = { .kind = KECHO_EVENT, .source = 77, .seq = seq, .time_ns = 99,
			   .data = data, .len = len, .type = seq == 10 ? 2 : 0,
			   .attrs = seq & 1 ? attrs : NULL,
			   .attrs_len = seq & 1 ? sizeof(attrs) : 0 },
	});
}

/* One of each kind. */
static void put_all(void)
{
	put_run();
	put((struct recording_item){
		.kind = RECORDING_MEMBER,
		.member = { { .id = 77, .node = 3, .role = KECHO_SOURCE, .state = KECHO_JOINED,
			      .remote = 1 }, "north", 5 },
	});
	put_event(1, "first", 5);
	put_event(2, "", 0);
	put((struct recording_item){
		.kind = RECORDING_LOST,
		.event = { .kind = KECHO_LOST, .source = 77, .seq = 3, .last_seq = 9 },
	});
	put((struct recording_item){
		.kind = RECORDING_TYPE, .channel = 1,
		.type = { .source = 77, .number = 2, .wire = "a type", .len = 6 },
	});
	put_event(10, "second, which is longer", 23);
	put((struct recording_item){
		.kind = RECORDING_ENDED, .channel = 1,
		.event = { .kind = KECHO_ENDED, .source = 77, .last_seq = 10, .failed = 1 },
	});
	put((struct recording_item){ .kind = RECORDING_END, .total = { 3, 7, 28 } });
}

static void begin(void)
{
	memset(&f, 0, sizeof(f));
	f.fd = memfd_create("recording", MFD_CLOEXEC);
	ok(f.fd >= 0 && !recording_append(&f.w, f.fd, NULL), "a new file");
}

/* What was put is in the file, and in f.bytes. */
static void end(void)
{
	is_eq(recording_write(&f.w), 0, "written");
	recording_writer_free(&f.w);
	f.len = lseek(f.fd, 0, SEEK_END);
	ok(f.len < FILE_MAX && pread(f.fd, f.bytes, FILE_MAX, 0) == (ssize_t)f.len, "read back");
}

/* Two runs. */
static void make(void)
{
	struct recording_reader r;
	struct recording_item it;

	begin();
	put_all();
	is_eq(recording_write(&f.w), 0, "written");
	recording_writer_free(&f.w);
	is_eq(recording_open(&r, f.fd), 0, "opened");
	while (recording_next(&r, &it) > 0)
		;
	is_eq(recording_append(&f.w, f.fd, &r), 0, "append");
	recording_close(&r);
	put_all();
	end();
}

/* The file is these bytes instead. */
static void set(const void *bytes, size_t len)
{
	if (ftruncate(f.fd, 0) || pwrite(f.fd, bytes, len, 0) != (ssize_t)len)
		ok(false, "the file takes it");
}

/* --------------------------------------------------------------------- reading */

/* What came out of a file. */
struct seen {
	bool record[RECORDS_MAX];	/* those that were put */
	unsigned int n, damages, strangers;
	uint64_t torn, damaged;		/* bytes */
	int err;
	struct recording_reader r;
};

/* It is one that was put: it ends where one did, with the same bytes. */
static void saw(struct seen *s, const struct recording_item *it)
{
	size_t len = it->end - it->offset;
	uint8_t is[FILE_MAX];
	unsigned int i;

	s->n++;
	for (i = 0; i < f.n; i++)
		if (it->end == f.end[i] && it->offset == (i ? f.end[i - 1] : 0))
			break;
	if (i == f.n || s->record[i] || len > sizeof(is) ||
	    pread(f.fd, is, len, it->offset) != (ssize_t)len ||
	    memcmp(is, f.bytes + it->offset, len))
		s->strangers++;
	else
		s->record[i] = true;
}

static void read_all(struct seen *s)
{
	struct recording_item it;
	unsigned int steps = 0;
	uint64_t at = 0;

	memset(s, 0, sizeof(*s));
	s->err = recording_open(&s->r, f.fd);
	while (!s->err && steps++ < 2 * FILE_MAX) {
		s->err = recording_next(&s->r, &it);
		if (!s->err)
			break;
		if (s->r.at <= at)
			ok(false, "it goes on, from %llu", (unsigned long long)at);
		at = s->r.at;
		if (s->err == 1)
			saw(s, &it);
		if (s->err == -EBADMSG) {
			s->damages++;
			s->damaged += s->r.damage.bytes;
		}
		if (s->err == 1 || s->err == -EBADMSG)
			s->err = 0;
	}
	s->torn = s->r.torn;
	recording_close(&s->r);
}

/* ----------------------------------------------------------------------- tests */

TEST(checksum)
{
	uint8_t zeros[32] = { 0 }, ones[32], up[32];
	int i;

	for (i = 0; i < 32; i++) {
		ones[i] = 0xff;
		up[i] = i;
	}
	/* RFC 3720, B.4, and the usual check. */
	is_eq(crc32c(0, zeros, 32), 0x8a9136aa, "32 zeros");
	is_eq(crc32c(0, ones, 32), 0x62a8ab43, "32 ones");
	is_eq(crc32c(0, up, 32), 0x46dd794e, "0 to 31");
	is_eq(crc32c(0, "123456789", 9), 0xe3069283, "digits");
	is_eq(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283, "in two parts");
}

static void check_event(const struct recording_item *it, uint64_t seq, const char *data)
{
	is_eq(it->kind, RECORDING_EVENT, "an event");
	is_eq(it->channel, seq & 1, "its channel");
	is_eq(it->event.source, 77, "its source");
	is_eq(it->event.seq, seq, "its number");
	is_eq(it->event.time_ns, 99, "its time");
	is_eq(it->event.len, strlen(data), "its size");
	ok(!memcmp(it->event.data, data, strlen(data)), "its payload");
}

static void check_attrs(const struct recording_item *it)
{
	struct kecho_attr a[4];
	struct buf room = { 0 };

	is_eq(recording_attrs(&it->event, a, 4, &room), 1, "attributes");
	is_str(a[0].name, "k", "its name");
	is_eq(a[0].value.kind, KECHO_STRING, "its kind");
	is_eq(a[0].value.len, 1, "its value's length");
	is_mem(a[0].value.data, "v", 1, "its value");
	is_eq(recording_attrs(&it->event, a, 0, &room), -EBADMSG, "more than there is room for");
	buf_free(&room);
}

TEST(round_trip)
{
	struct recording_reader r;
	struct recording_item it;
	int run;

	make();
	is_eq(recording_open(&r, f.fd), 0, "opened");
	for (run = 1; run <= 2; run++) {
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_RUN, "a run");
		is_eq(r.run, run, "its number");
		is_eq(it.run.real_ns, 5, "its time");
		is_eq(it.run.monotonic_ns, 7, "its other time");
		is_eq(it.run.nchannels, 2, "its channels");
		is_str(it.run.channels[1].name, "weather", "their names");
		is_eq(it.run.channels[1].uuid[0], 2, "their uuids");
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_MEMBER, "a member");
		is_eq(it.member.m.id, 77, "its id");
		is_eq(it.member.m.node, 3, "its node");
		is_eq(it.member.m.role, KECHO_SOURCE, "its role");
		is_eq(it.member.m.state, KECHO_JOINED, "its state");
		is_eq(it.member.m.remote, 1, "where it is");
		is_eq(it.member.label_len, 5, "its label");
		is_mem(it.member.label, "north", 5, "its label");
		must(recording_next(&r, &it) == 1, "an event");
		check_event(&it, 1, "first");
		check_attrs(&it);
		must(recording_next(&r, &it) == 1, "an event");
		check_event(&it, 2, "");
		ok(!it.event.attrs && !it.event.attrs_len, "no attributes");
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_LOST, "a loss");
		is_eq(it.event.seq, 3, "its begin");
		is_eq(it.event.last_seq, 9, "its end");
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_TYPE, "a type");
		is_eq(it.type.source, 77, "its source");
		is_eq(it.type.number, 2, "its number");
		is_eq(it.channel, 1, "its channel");
		is_eq(it.type.len, 6, "its length");
		is_mem(it.type.wire, "a type", 6, "it");
		must(recording_next(&r, &it) == 1, "an event");
		check_event(&it, 10, "second, which is longer");
		is_eq(it.event.type, 2, "its type");
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_ENDED, "an end");
		is_eq(it.event.last_seq, 10, "the last event");
		is_eq(it.event.failed, 1, "it failed");
		is_eq(it.channel, 1, "its channel");
		ok(!r.ended, "the run goes on");
		must(recording_next(&r, &it) == 1 && it.kind == RECORDING_END, "the run's end");
		is_eq(it.total.lost, 7, "its losses");
		ok(r.ended, "the run has ended");
	}
	is_eq(recording_next(&r, &it), 0, "that is all");
	is_eq(r.torn, 0, "nothing is torn");
	recording_close(&r);
	close(f.fd);
}

/* Whole records up to there, and what is torn is said; then it goes on behind them. */
TEST(cut_at_every_byte)
{
	static const char more[] = "more";
	struct recording_item it;
	unsigned int whole;
	struct seen s;
	size_t len;

	make();
	for (len = 0; len <= f.len; len++) {
		for (whole = 0; whole < f.n && f.end[whole] <= len; whole++)
			;
		set(f.bytes, len);
		read_all(&s);
		is_eq(s.err, 0, "cut at %zu: read", len);
		is_eq(s.n, whole, "cut at %zu: records", len);
		is_eq(s.damages + s.strangers, 0, "cut at %zu: nothing else", len);
		is_eq(s.torn, len - (whole ? f.end[whole - 1] : 0), "cut at %zu: torn", len);

		is_eq(recording_append(&f.w, f.fd, &s.r), 0, "cut at %zu: append", len);
		put_run();
		put_event(1, more, sizeof(more));
		f.n -= 2;
		is_eq(recording_write(&f.w), 0, "cut at %zu: written", len);
		recording_writer_free(&f.w);
		is_eq(recording_open(&s.r, f.fd), 0, "cut at %zu: opened again", len);
		for (s.n = 0; recording_next(&s.r, &it) == 1; s.n++)
			;
		is_eq(s.n, whole + 2, "cut at %zu: and two more", len);
		is_eq(s.r.at, s.r.size, "cut at %zu: nothing else", len);
		recording_close(&s.r);
	}
	close(f.fd);
}

/* Which records a flipped byte takes away: that which it is in, of a run's first all. */
static bool is_lost(unsigned int record, unsigned int hit)
{
	return record == hit || (f.begins[hit] && f.run_of[record] == f.run_of[hit]);
}

/* What is wrong with a run's body is told, and that what follows has no beginning. */
static unsigned int damages_by(size_t at, unsigned int hit)
{
	size_t begin = hit ? f.end[hit - 1] : 0;

	return f.begins[hit] && at >= begin + sizeof(struct recording_header) ? 2 : 1;
}

static void check_flipped(size_t at, const struct seen *s, unsigned int hit)
{
	unsigned int i;

	is_eq(s->err, 0, "byte %zu: read", at);
	is_eq(s->strangers, 0, "byte %zu: no record that was not written", at);
	is_eq(s->damages, damages_by(at, hit), "byte %zu: it is told", at);
	is_eq(s->torn, 0, "byte %zu: nothing is torn", at);
	for (i = 0; i < f.n; i++)
		is_eq(s->record[i], !is_lost(i, hit), "byte %zu: record %u", at, i);
}

TEST(each_byte_flipped)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	unsigned int hit, i;
	struct seen s;
	size_t at;

	make();
	for (at = 0, hit = 0; at < f.len; at++) {
		if (at == f.end[hit])
			hit++;
		for (i = 0; i < ARRAY_SIZE(flips); i++) {
			f.bytes[at] ^= flips[i];
			set(f.bytes, f.len);
			f.bytes[at] ^= flips[i];
			read_all(&s);
			check_flipped(at, &s, hit);
		}
	}
	close(f.fd);
}

/* Every byte of a body another, and the checksums right: anything but a crash. */
TEST(each_byte_made_up)
{
	struct recording_header h;
	uint8_t bytes[FILE_MAX];
	size_t begin, at, end_at;
	struct kecho_attr a[8];
	struct buf room = { 0 };
	struct recording_item it;
	struct recording_reader r;
	unsigned int i, value, all = 0;
	int n;

	make();
	for (i = 0; i < f.n / 2; i++) {
		begin = i ? f.end[i - 1] : 0;
		end_at = f.end[i];
		for (at = begin + 4; at < end_at; at++) {
			for (value = 0; value < 256; value += 51) {
				memcpy(bytes, f.bytes, f.len);
				bytes[at] = value;
				memcpy(&h, bytes + begin, sizeof(h));
				h.body_crc = crc32c(0, bytes + begin + sizeof(h),
						    end_at - begin - sizeof(h));
				h.crc = recording_header_crc(&h, begin);
				memcpy(bytes + begin, &h, sizeof(h));
				set(bytes, f.len);
				is_eq(recording_open(&r, f.fd), 0, "opened");
				while ((n = recording_next(&r, &it)) == 1 || n == -EBADMSG)
					if (n == 1 && it.kind == RECORDING_EVENT)
						all += recording_attrs(&it.event, a, 8, &room);
				is_eq(n, 0, "record %u, byte %zu: to the end", i, at - begin);
				recording_close(&r);
			}
		}
	}
	ok(all, "attributes");
	buf_free(&room);
	close(f.fd);
}

/* A recording that is the payload of an event is not taken for a part of this one. */
TEST(recording_in_a_recording)
{
	struct seen s;
	uint64_t begin;

	make();
	set("", 0);
	recording_append(&f.w, f.fd, NULL);
	f.w.file = 0;
	memcpy(&f.w.file, f.bytes + offsetof(struct recording_header, file), 8);
	f.n = 0;
	put_run();
	begin = f.end[0];
	put_event(2, f.bytes, f.len);
	put_event(4, "behind", 6);
	end();
	f.bytes[begin + 4] ^= 1;
	set(f.bytes, f.len);
	f.bytes[begin + 4] ^= 1;
	read_all(&s);
	is_eq(s.strangers, 0, "nothing of the payload");
	is_eq(s.n, 2, "what is before and behind");
	ok(s.record[0] && s.record[2], "these two");
	is_eq(s.damaged, f.end[1] - begin, "all of the record is told");
	close(f.fd);
}

TEST(not_written)
{
	struct seen s;

	make();
	memset(f.bytes + f.end[f.n - 2] + 8, 0, f.end[f.n - 1] - f.end[f.n - 2] - 8);
	memset(f.bytes + f.end[f.n - 2], 0, 8);
	set(f.bytes, f.len);
	read_all(&s);
	is_eq(s.n, f.n - 1, "records before zeros");
	is_eq(s.torn, f.end[f.n - 1] - f.end[f.n - 2], "zeros to the end are torn");
	is_eq(s.damages, 0, "and no damage");
	set("not a recording at all, but a text that goes on and on", 54);
	read_all(&s);
	is_eq(s.n, 0, "no record in a text");
	is_eq(s.damaged, 54, "it is all damage");
	close(f.fd);
}

TEST(big_events)
{
	static uint8_t big[BIG];
	struct recording_reader r;
	struct recording_item it;
	size_t i;

	for (i = 0; i < BIG; i++)
		big[i] = i * 7;
	begin();
	put_run();
	put_event(1, big, BIG);
	put_event(2, "small", 5);
	put_event(3, big, BIG);
	is_eq(recording_write(&f.w), 0, "written");
	recording_writer_free(&f.w);
	is_eq(recording_open(&r, f.fd), 0, "opened");
	is_eq(recording_next(&r, &it), 1, "the run");
	for (i = 1; i <= 3; i++) {
		must(recording_next(&r, &it) == 1 && it.event.seq == i, "event %zu", i);
		is_eq(it.event.len, i == 2 ? 5 : BIG, "its size");
		ok(!memcmp(it.event.data, i == 2 ? (const void *)"small" : big, it.event.len),
		   "its payload");
	}
	is_eq(recording_next(&r, &it), 0, "that is all");
	recording_close(&r);
	close(f.fd);
}

/* The file may not grow past some byte: what is not in it is exactly known. */
static void check_full(size_t limit)
{
	struct rlimit most = { limit, RLIM_INFINITY };
	struct recording_item it;
	unsigned int whole, missing = 0;
	struct seen s;
	size_t from = 0;

	for (whole = 0; whole < f.n && f.end[whole] <= limit; whole++)
		;
	begin();
	put_all();
	setrlimit(RLIMIT_FSIZE, &most);
	is_eq(recording_write(&f.w), limit < f.end[f.n - 1] ? -EFBIG : 0, "full at %zu", limit);
	most.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &most);
	is_eq(lseek(f.fd, 0, SEEK_END), whole ? f.end[whole - 1] : 0, "full at %zu: cut", limit);
	while (recording_pending(&f.w, &from, &it))
		missing++;
	is_eq(missing, f.n - whole - !whole, "full at %zu: what is missing but the run", limit);
	is_eq(recording_write(&f.w), 0, "full at %zu: later it is not", limit);
	end();
	read_all(&s);
	is_eq(s.n, f.n, "full at %zu: then all is there", limit);
	close(f.fd);
}

TEST(full)
{
	size_t limit, len;

	signal(SIGXFSZ, SIG_IGN);
	begin();
	put_all();
	end();
	close(f.fd);
	for (limit = 0, len = f.len; limit <= len; limit += 5)
		check_full(limit);
}

TESTS(recording, checksum, round_trip, cut_at_every_byte, each_byte_flipped, each_byte_made_up,
      recording_in_a_recording, not_written, big_events, full);
