/* SPDX-License-Identifier: MIT */
/*
 * CRC32C: the polynomial of Castagnoli, as in RFC 3720 (iSCSI), appendix B.4.
 */
#ifndef CRC32C_H
#define CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of what @crc is of and then @data; 0 is of nothing. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
