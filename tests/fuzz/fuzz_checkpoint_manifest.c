/* The bytes as a manifest, and as one whose checksum is right: else nothing would get past
 * that. What is read names files inside alone, and reads the same when written again. */
#include "learner/checkpoint_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/crc32c.h"
#include "support/fuzz.h"

#define TAIL_BYTES 32

static struct pawl_checkpoint_manifest manifest, again;
static char text[PAWL_CHECKPOINT_MANIFEST_MAX];

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

static void check(void)
{
    size_t length_bytes;
    struct pawl_err err = {0};
    must(manifest.file_count >= 1 && manifest.file_count <= PAWL_CHECKPOINT_FILES_MAX);
    for (uint32_t i = 0; i < manifest.file_count; i++) {
        const char *path = manifest.files[i].path;
        must(path[0] != '\0' && path[0] != '/' && strncmp(path, "../", 3) != 0 &&
             !strstr(path, "/../") && strcmp(path, "..") != 0);
    }
    if (pawl_checkpoint_manifest_write(&manifest, text, sizeof(text), &length_bytes, &err) != 0)
        return; /* escapes made it longer */
    must(pawl_checkpoint_manifest_parse(&again, text, length_bytes, "again", &err) == 0);
    must(again.step == manifest.step && again.file_count == manifest.file_count &&
         strcmp(again.run, manifest.run) == 0 &&
         memcmp(again.files, manifest.files, sizeof(again.files)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_err err = {0};
    char *signed_text = malloc(size + TAIL_BYTES);
    must(signed_text != NULL);
    if (size > 0)
        memcpy(signed_text, data, size);
    if (pawl_checkpoint_manifest_parse(&manifest, signed_text, size, "fuzz", &err) == 0)
        check();
    int tail = snprintf(signed_text + size, TAIL_BYTES, ",\"crc32c\":\"%08" PRIx32 "\"}\n",
                        pawl_crc32c(0, data, size));
    if (pawl_checkpoint_manifest_parse(&manifest, signed_text, size + (size_t)tail, "fuzz",
                                       NULL) == 0)
        check();
    free(signed_text);
    return 0;
}
