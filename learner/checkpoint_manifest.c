/* checkpoint_manifest.c: the text that commits a checkpoint:
 *
 *     {"format":1,"step":500,"rollbacks":0,"score":null,"run":"...","saved_unix_s":...,"spec_sha256":"...",
 *      "files":[{"path":"...","bytes":4,"crc32c":"0b1c2d3e"},...],"crc32c":"00112233"}
 *
 * on one line. The last member is the CRC-32C of all bytes before its comma. */
#include "learner/checkpoint_find.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/crc32c.h"
#include "runtime/json.h"
#include "runtime/text.h"

#define FORMAT      1
#define TAIL        ",\"crc32c\":\""
#define CRC_DIGITS  8
#define TAIL_BYTES  (sizeof(TAIL) - 1 + CRC_DIGITS + sizeof("\"}\n") - 1)
#define HASH_DIGITS (2 * PAWL_SHA256_BYTES)

static const struct pawl_json_limits limits = {.bytes_max = PAWL_CHECKPOINT_MANIFEST_MAX,
                                               .depth_max = 4};

static void put_files(struct pawl_json_writer *out,
                      const struct pawl_checkpoint_manifest *manifest)
{
    pawl_json_begin_array(out, "files");
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct pawl_checkpoint_manifest_file *file = &manifest->files[i];
        char crc[CRC_DIGITS + 1];
        snprintf(crc, sizeof(crc), "%08" PRIx32, file->crc32c);
        pawl_json_begin_object(out, NULL);
        pawl_json_put_string(out, "path", file->path);
        pawl_json_put_u64(out, "bytes", file->size_bytes);
        pawl_json_put_string(out, "crc32c", crc);
        pawl_json_end(out);
    }
    pawl_json_end(out);
}

int pawl_checkpoint_manifest_write(const struct pawl_checkpoint_manifest *manifest, char *text,
                                   size_t text_bytes, size_t *length_bytes,
                                   struct pawl_err *err)
{
    char hash[PAWL_SHA256_HEX_BYTES];
    pawl_text_hex(manifest->spec_hash, PAWL_SHA256_BYTES, hash);

    struct pawl_json_writer out;
    pawl_json_open_fixed(&out, text, text_bytes);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_i64(&out, "format", FORMAT);
    pawl_json_put_u64(&out, "step", manifest->step);
    pawl_json_put_u64(&out, "rollbacks", manifest->rollback_count);
    pawl_json_put_f64_or_null(&out, "score", manifest->score);
    pawl_json_put_string(&out, "run", manifest->run);
    pawl_json_put_u64(&out, "saved_unix_s", manifest->saved_unix_s);
    pawl_json_put_string(&out, "spec_sha256", hash);
    put_files(&out, manifest);
    pawl_json_end(&out);
    size_t length;
    const char *finished = pawl_json_finish(&out, &length, err);
    pawl_json_close_writer(&out);
    if (!finished || length - 1 + TAIL_BYTES >= text_bytes)
        return pawl_err_set(err, ENOSPC, "manifest: more than %zu bytes", text_bytes - 1);

    length--; /* the brace, which comes again with the tail */
    uint32_t crc = pawl_crc32c(0, text, length);
    snprintf(text + length, text_bytes - length, TAIL "%08" PRIx32 "\"}\n", crc);
    *length_bytes = length + TAIL_BYTES;
    return 0;
}

/* Lower-case digits alone, as we write them. */
static int read_hex(const char *text, uint8_t *bytes, size_t byte_count)
{
    if (strlen(text) != 2 * byte_count || strspn(text, "0123456789abcdef") != 2 * byte_count)
        return -EINVAL;
    for (size_t i = 0; i < byte_count; i++) {
        unsigned value = 0;
        sscanf(text + 2 * i, "%2x", &value);
        bytes[i] = (uint8_t)value;
    }
    return 0;
}

static int read_crc(const char *text, uint32_t *crc)
{
    uint8_t bytes[4];
    if (read_hex(text, bytes, sizeof(bytes)) != 0)
        return -EINVAL;
    *crc = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           bytes[3];
    return 0;
}

static int check_whole(const char *text, size_t length_bytes, const char *source,
                       struct pawl_err *err)
{
    char digits[CRC_DIGITS + 1];
    uint32_t crc = 0;
    const char *tail = text + length_bytes - TAIL_BYTES;
    if (length_bytes < TAIL_BYTES || strncmp(tail, TAIL, sizeof(TAIL) - 1) != 0 ||
        strncmp(text + length_bytes - 3, "\"}\n", 3) != 0)
        return pawl_err_set(err, EINVAL, "%s: it does not end with its checksum", source);
    memcpy(digits, tail + sizeof(TAIL) - 1, CRC_DIGITS);
    digits[CRC_DIGITS] = '\0';
    uint32_t found = pawl_crc32c(0, text, length_bytes - TAIL_BYTES);
    if (read_crc(digits, &crc) != 0 || crc != found)
        return pawl_err_set(err, EINVAL, "%s: its checksum is %08" PRIx32 ", it says \"%.8s\"",
                            source, found, digits);
    return 0;
}

/* Relative, and nothing that leads out of the folder. */
static bool is_plain_path(const char *path)
{
    for (;;) {
        size_t length = strcspn(path, "/");
        if (length == 0 || (length <= 2 && strncmp(path, "..", length) == 0))
            return false;
        if (path[length] == '\0')
            return true;
        path += length + 1;
    }
}

static int read_file_entry(const struct pawl_json_at *entry,
                           struct pawl_checkpoint_manifest_file *file, const char *source,
                           struct pawl_err *err)
{
    const char *path, *crc;
    int64_t size_bytes;
    int code;
    if ((code = pawl_json_get_string(entry, "path", &path, err)) != 0 ||
        (code = pawl_json_get_i64(entry, "bytes", 0, INT64_MAX, &size_bytes, err)) != 0 ||
        (code = pawl_json_get_string(entry, "crc32c", &crc, err)) != 0)
        return code;
    if (strlen(path) >= sizeof(file->path) || !is_plain_path(path))
        return pawl_err_set(err, EINVAL, "%s: \"%.140s\" is no path of a file in a checkpoint",
                            source, path);
    if (read_crc(crc, &file->crc32c) != 0)
        return pawl_err_set(err, EINVAL, "%s: \"%.20s\" is no CRC-32C", source, crc);
    strcpy(file->path, path);
    file->size_bytes = (uint64_t)size_bytes;
    return 0;
}

static int read_files(const struct pawl_json_at *root,
                      struct pawl_checkpoint_manifest *manifest, const char *source,
                      struct pawl_err *err)
{
    struct pawl_json_at files;
    int code = pawl_json_get_array(root, "files", &files, err);
    if (code != 0)
        return code;
    size_t count = pawl_json_count(&files);
    if (count == 0 || count > PAWL_CHECKPOINT_FILES_MAX)
        return pawl_err_set(err, EINVAL, "%s: %zu files: 1 to %u are possible", source, count,
                            PAWL_CHECKPOINT_FILES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct pawl_json_at entry = pawl_json_item(&files, i);
        code = read_file_entry(&entry, &manifest->files[i], source, err);
        if (code != 0)
            return code;
    }
    manifest->file_count = (uint32_t)count;
    return 0;
}

static int read_score(const struct pawl_json_at *root, double *score, struct pawl_err *err)
{
    struct pawl_json_at member = {0};
    while (pawl_json_next(root, &member))
        if (strcmp(member.key, "score") == 0 && pawl_json_type_of(&member) == PAWL_JSON_NULL) {
            *score = (double)NAN;
            return 0;
        }
    return pawl_json_get_f64(root, "score", -INFINITY, INFINITY, score, err);
}

static int read_root(const struct pawl_json_at *root, struct pawl_checkpoint_manifest *manifest,
                     const char *source, struct pawl_err *err)
{
    int64_t format, step, rollback_count = 0, saved_unix_s;
    const char *run, *hash;
    int code;
    if ((code = pawl_json_get_i64(root, "format", 0, INT64_MAX, &format, err)) != 0)
        return code;
    if (format != FORMAT)
        return pawl_err_set(err, EINVAL, "%s: format %" PRId64 ", this program reads %d",
                            source, format, FORMAT);
    if ((code = pawl_json_get_i64(root, "step", 0, INT64_MAX, &step, err)) != 0 ||
        (pawl_json_has(root, "rollbacks") && /* manifests of old have none */
         (code = pawl_json_get_i64(root, "rollbacks", 0, INT64_MAX, &rollback_count, err)) !=
             0) ||
        (code = read_score(root, &manifest->score, err)) != 0 ||
        (code = pawl_json_get_string(root, "run", &run, err)) != 0 ||
        (code = pawl_json_get_i64(root, "saved_unix_s", 0, INT64_MAX, &saved_unix_s, err)) !=
            0 ||
        (code = pawl_json_get_string(root, "spec_sha256", &hash, err)) != 0)
        return code;
    if (read_hex(hash, manifest->spec_hash, PAWL_SHA256_BYTES) != 0)
        return pawl_err_set(err, EINVAL, "%s: spec_sha256: %d hex digits are wanted", source,
                            HASH_DIGITS);
    if (strlen(run) >= sizeof(manifest->run))
        return pawl_err_set(err, EINVAL, "%s: run: a name of %zu bytes, at most %zu", source,
                            strlen(run), sizeof(manifest->run) - 1);
    strcpy(manifest->run, run);
    manifest->step = (uint64_t)step;
    manifest->rollback_count = (uint64_t)rollback_count;
    manifest->saved_unix_s = (uint64_t)saved_unix_s;
    return read_files(root, manifest, source, err);
}

int pawl_checkpoint_manifest_parse(struct pawl_checkpoint_manifest *manifest, const char *text,
                                   size_t length_bytes, const char *source,
                                   struct pawl_err *err)
{
    *manifest = (struct pawl_checkpoint_manifest){.score = (double)NAN};
    int code = check_whole(text, length_bytes, source, err);
    if (code != 0)
        return code;
    struct pawl_json doc;
    code = pawl_json_open_text(&doc, text, length_bytes, source, &limits, err);
    if (code != 0)
        return code;
    struct pawl_json_at root = pawl_json_root(&doc);
    code = pawl_json_type_of(&root) == PAWL_JSON_OBJECT
               ? read_root(&root, manifest, source, err)
               : pawl_err_set(err, EINVAL, "%s: no object", source);
    pawl_json_close(&doc);
    return code;
}
