/* crc32c.h: the checksum of records and headers (CRC-32C, Castagnoli; as iSCSI, ext4,
 * TFRecord).
 *
 *     uint32_t crc = pawl_crc32c(0, header, header_bytes);
 *     crc = pawl_crc32c(crc, body, body_bytes);             the same as over both at once
 *
 * It finds what breaks by accident, not what somebody forges. Thread safety: no state.
 */
#ifndef PAWL_RUNTIME_CRC32C_H
#define PAWL_RUNTIME_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc, that of what came before (0 at the start). By the processor's instruction
 * where it has one (SSE 4.2), chosen at run time. data may be NULL when length_bytes is 0. */
uint32_t pawl_crc32c(uint32_t crc, const void *data, size_t length_bytes);

/* The same result by a table, on any processor. */
uint32_t pawl_crc32c_by_table(uint32_t crc, const void *data, size_t length_bytes);

#endif
