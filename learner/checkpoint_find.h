/* checkpoint_find.h: which checkpoints a run has, and which of them can be trusted.
 *
 *     struct pawl_checkpoint_info info;
 *     if (pawl_checkpoint_find(pawl_io_sys(), "runs/x", PAWL_CHECKPOINT_NEWEST_VALID, skipped,
 *                              NULL, &info, &err) == 0)
 *         go on from info.path
 *     static void skipped(void *arg, const char *sentence)
 *         "checkpoints/001000: model.safetensors: CRC-32C 0b1c2d3e, the manifest says 00112233"
 *
 * Valid is: the manifest is whole and of this folder's number, all files that it names are
 * there with their sizes and checksums, JSON files are JSON and .safetensors files have the
 * structure and finite numbers alone. All folders are looked at, newest first; the link `last`
 * is not followed. Newer is what training had gone back more often before, and among equals the
 * higher step: what was saved before training went back is taken only where nothing that was
 * saved since is valid.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_LEARNER_CHECKPOINT_FIND_H
#define PAWL_LEARNER_CHECKPOINT_FIND_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "learner/checkpoint.h"

#define PAWL_CHECKPOINT_MANIFEST_MAX (64u << 10) /* bytes */

/* What a manifest says. */
struct pawl_checkpoint_manifest {
    uint64_t step;
    uint64_t rollback_count; /* as in pawl_checkpoint_setup */
    double score;            /* NaN: none */
    char run[PAWL_CHECKPOINT_RUN_BYTES];
    uint8_t spec_hash[PAWL_SHA256_BYTES];
    uint64_t saved_unix_s;
    uint32_t file_count;
    struct pawl_checkpoint_manifest_file {
        char path[PAWL_CHECKPOINT_PATH_BYTES];
        uint64_t size_bytes;
        uint32_t crc32c;
    } files[PAWL_CHECKPOINT_FILES_MAX];
};

struct pawl_checkpoint_info {
    char path[PATH_MAX]; /* RUN/checkpoints/NNNNNN */
    uint64_t step;       /* by its name */
    uint64_t size_bytes; /* of all files by the manifest */
    bool is_last;        /* `last` points to it */
    bool is_valid;
    char reason[PAWL_ERR_TEXT_BYTES]; /* why it is not valid; "" */
    struct pawl_checkpoint_manifest manifest;
};

enum pawl_checkpoint_depth {
    PAWL_CHECKPOINT_QUICK, /* the manifest and the sizes */
    PAWL_CHECKPOINT_FULL,  /* all bytes too */
};

enum pawl_checkpoint_wanted {
    PAWL_CHECKPOINT_NEWEST_VALID,
    PAWL_CHECKPOINT_NEWEST_STRICT, /* refuses when the newest is not valid */
};

/* Looks at one folder, which may be a checkpoint of a run or a copy of one elsewhere (then its
 * name is no matter when it is no number). 0 when valid; -EINVAL with the reason when not.
 * `info` is filled as far as it goes, `info->reason` too. */
int pawl_checkpoint_verify(struct pawl_io *io, const char *path,
                           enum pawl_checkpoint_depth depth, struct pawl_checkpoint_info *info,
                           struct pawl_err *err);

/* Likewise all bytes of one that may be LeRobot's: where there is no manifest there is nothing
 * to verify, and the answer is 0. */
int pawl_checkpoint_verify_foreign(struct pawl_io *io, const char *path, struct pawl_err *err);

/* -ENOENT: there is none that is valid, -EIO: some cannot be read; the text says how many were
 * skipped. `skipped` (may be NULL) gets a sentence for each. */
int pawl_checkpoint_find(struct pawl_io *io, const char *run_path,
                         enum pawl_checkpoint_wanted wanted,
                         void (*skipped)(void *arg, const char *sentence), void *arg,
                         struct pawl_checkpoint_info *info, struct pawl_err *err);

/* All of a run, newest first, the invalid ones too. (Those whose manifest says nothing count as
 * saved since training last went back.) *infos is the caller's to free. */
int pawl_checkpoint_list(struct pawl_io *io, const char *run_path,
                         enum pawl_checkpoint_depth depth, struct pawl_checkpoint_info **infos,
                         size_t *count, struct pawl_err *err);

/* The steps of the numbered folders in an open `checkpoints` folder, highest first; as many as
 * steps_max at most. */
int pawl_checkpoint_steps(struct pawl_io *io, int folder, uint64_t *steps, size_t steps_max,
                          size_t *count, struct pawl_err *err);

/* All of a file of the checkpoint at `path`, of bytes_max at most, NUL behind it; the caller's
 * to free. -EFBIG beyond the limit. */
int pawl_checkpoint_read(struct pawl_io *io, const char *path, const char *file,
                         size_t bytes_max, char **bytes, size_t *byte_count,
                         struct pawl_err *err);

/* The manifest's text: whole, strict and with its own checksum. */
int pawl_checkpoint_manifest_parse(struct pawl_checkpoint_manifest *manifest, const char *text,
                                   size_t length_bytes, const char *source,
                                   struct pawl_err *err);

/* Writes it, with a closing zero; *length_bytes is without. -ENOSPC when text_bytes do not
 * suffice (PAWL_CHECKPOINT_MANIFEST_MAX always do). */
int pawl_checkpoint_manifest_write(const struct pawl_checkpoint_manifest *manifest, char *text,
                                   size_t text_bytes, size_t *length_bytes,
                                   struct pawl_err *err);

#endif
