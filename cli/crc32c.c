/* SPDX-License-Identifier: MIT */
/*
 * CRC32C by tables, eight bytes at a step: table[k][b] is what the byte b still does to the
 * remainder when k more bytes have followed it.
 */
#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "crc32c.h"

#define CASTAGNOLI	0x82f63b78u	/* bits reversed */

static uint32_t table[8][256];
static pthread_once_t filled = PTHREAD_ONCE_INIT;

static void fill(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t v = b;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? CASTAGNOLI : 0);
		table[0][b] = v;
	}
	for (int k = 1; k < 8; k++)
		for (int b = 0; b < 256; b++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

static uint32_t eight(uint32_t crc, const uint8_t *p)
{
	uint64_t v;
	uint32_t next = 0;

	memcpy(&v, p, 8);
	v = le64toh(v) ^ crc;
	for (int i = 0; i < 8; i++)
		next ^= table[7 - i][v >> 8 * i & 0xff];
	return next;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	pthread_once(&filled, fill);
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8)
		crc = eight(crc, p);
	for (; len; p++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}
