/* Whatever is read has its tensors side by side within the file; written again, it says the
 * same. */
#include "runtime/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"

static volatile unsigned sink;

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

static void touch(const struct pawl_safetensors *file, uint64_t file_bytes)
{
    uint64_t end_bytes = file->data_offset_bytes;
    for (size_t i = 0; i < file->tensor_count; i++) {
        const uint8_t *data = file->tensors[i].data;
        must(file->offsets_bytes[i] == end_bytes);
        end_bytes += file->sizes_bytes[i];
        for (uint64_t at = 0; at < file->sizes_bytes[i]; at++)
            sink += data[at];
        must(pawl_safetensors_find(file, file->tensors[i].name) != NULL);
    }
    must(end_bytes == file_bytes);
    for (size_t i = 0; i < file->meta_count; i++)
        must(pawl_safetensors_meta(file, file->metas[i].key) != NULL);
}

static void write_again(const struct pawl_safetensors *file)
{
    struct pawl_safetensors_layout layout;
    struct pawl_safetensors again;
    struct pawl_err err = {0};
    /* Escapes may make the new header longer than the limit. */
    if (pawl_safetensors_layout_open(&layout, file->tensors, file->tensor_count, file->metas,
                                     file->meta_count, &err) != 0)
        return;
    must(pawl_safetensors_open(&again, layout.header, layout.header_bytes, layout.file_bytes,
                               "again", &err) == 0);
    must(again.tensor_count == file->tensor_count && again.meta_count == file->meta_count);
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct pawl_tensor *tensor = pawl_safetensors_find(&again, file->tensors[i].name);
        must(tensor && tensor->dtype == file->tensors[i].dtype &&
             tensor->rank == file->tensors[i].rank &&
             memcmp(tensor->shape, file->tensors[i].shape, sizeof(tensor->shape)) == 0);
    }
    pawl_safetensors_close(&again);
    pawl_safetensors_layout_close(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_safetensors file;
    struct pawl_err err = {0};
    if (pawl_safetensors_open(&file, data, size, size, "fuzz", &err) != 0) {
        must(err.code != 0 && err.text[0] != '\0');
        return 0;
    }
    touch(&file, size);
    write_again(&file);
    pawl_safetensors_close(&file);
    return 0;
}
