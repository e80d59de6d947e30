/* A manifest comes from the segment of another process. What parses is canonical. */
#include "shm/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                     \
    do {                                                                                       \
        if (!(condition))                                                                      \
            abort();                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_manifest manifest;
    struct pawl_err err = {0};
    uint64_t end_bytes = 0;
    if (pawl_manifest_parse(&manifest, (const char *)data, size, &err) != 0) {
        REQUIRE(err.code && err.text[0] && !manifest.tensors && !manifest.tensor_count);
        return 0;
    }
    REQUIRE(manifest.tensor_count >= 1 && manifest.tensor_count <= PAWL_MANIFEST_TENSORS_MAX);
    for (uint32_t i = 0; i < manifest.tensor_count; i++) {
        const struct pawl_manifest_tensor *tensor = &manifest.tensors[i];
        REQUIRE(tensor->offset_bytes % PAWL_MANIFEST_ALIGN == 0);
        REQUIRE(tensor->offset_bytes >= end_bytes && tensor->size_bytes >= 1);
        REQUIRE(pawl_manifest_find(&manifest, tensor->name) == tensor);
        end_bytes = tensor->offset_bytes + tensor->size_bytes;
    }
    REQUIRE(manifest.blob_bytes == end_bytes && end_bytes <= PAWL_MANIFEST_BLOB_BYTES_MAX);
    char *text = malloc(size);
    REQUIRE(text && pawl_manifest_text(&manifest, text, size) == size);
    REQUIRE(memcmp(text, data, size) == 0);
    free(text);
    pawl_manifest_close(&manifest);
    return 0;
}
