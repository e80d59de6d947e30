/* A segment header with any bytes: refused, or every offset in it lies inside the file, and so
 * does the ring it describes. The first byte says whether the checksum is put right, which a
 * writer that means harm would do. */
#include "shm/ring.h"

#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_segment_header header = {0};
    struct pawl_ring_geometry geometry;
    struct pawl_err err = {0};
    const struct pawl_segment_want want = {0};
    if (size < 1)
        return 0;
    memcpy(&header, data + 1, size - 1 < sizeof(header) ? size - 1 : sizeof(header));
    if (data[0] & 1)
        header.crc32c = pawl_segment_header_crc32c(&header);
    uint64_t file_bytes = data[0] & 2 ? 1u << 21 : header.total_bytes;

    if (pawl_segment_check(&header, file_bytes, &want, &err) != 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    require(header.total_bytes == file_bytes);
    require(header.spec_offset + header.spec_bytes <= header.body_offset);
    require(header.body_offset <= file_bytes);
    require(header.body_bytes <= file_bytes - header.body_offset);
    if (pawl_ring_read_geometry(&geometry, &header, &err) != 0)
        return 0;
    require(geometry.body_bytes <= header.body_bytes);
    require(sizeof(struct pawl_ring_page) + geometry.slot_count * geometry.stride_bytes <=
            header.body_bytes);
    require(sizeof(struct pawl_ring_slot) + geometry.data_bytes <= geometry.stride_bytes);
    return 0;
}
