/* saved.h: makes a checkpoint of files that a test has put into a folder.
 *
 *     scratch_write("run/checkpoints/000007/training_state/training_step.json", ...);
 *     saved_seal("run/checkpoints/000007", 7, "training_state/training_step.json");
 */
#ifndef PAWL_TEST_SAVED_H
#define PAWL_TEST_SAVED_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_find.h"
#include "runtime/crc32c.h"
#include "support/scratch.h"

/* Of one file. */
static inline void saved_seal(const char *folder, uint64_t step, const char *name)
{
    static char text[PAWL_CHECKPOINT_MANIFEST_MAX];
    struct pawl_checkpoint_manifest manifest = {.step = step, .file_count = 1, .run = "test"};
    struct pawl_err err = {0};
    char path[PATH_MAX];
    size_t bytes;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    char *content = scratch_read(path, &bytes);
    ck_assert_ptr_nonnull(content);
    snprintf(manifest.files[0].path, sizeof(manifest.files[0].path), "%s", name);
    manifest.files[0].size_bytes = bytes;
    manifest.files[0].crc32c = pawl_crc32c(0, content, bytes);
    free(content);
    int code = pawl_checkpoint_manifest_write(&manifest, text, sizeof(text), &bytes, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    snprintf(path, sizeof(path), "%s/" PAWL_CHECKPOINT_MANIFEST, folder);
    scratch_write(path, text, bytes);
}

#endif
