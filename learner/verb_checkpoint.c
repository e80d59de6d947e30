/* verb_checkpoint.c: pawl checkpoint: what a run has saved, whether it is whole, what is in it.
 */
#include "learner/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "learner/checkpoint_find.h"
#include "runtime/json.h"
#include "runtime/safetensors.h"
#include "runtime/text.h"

#define CELL_BYTES 64
#define LINE_BYTES (PAWL_ERR_TEXT_BYTES + 8)
#define FILE_MAX   ((size_t)1 << 40)

/* --- words --- */

static const char *plain(const char *from, char *text, size_t text_bytes)
{
    pawl_text_plain(from, strlen(from), text, text_bytes);
    return text;
}

static const char *size_text(uint64_t bytes, char text[CELL_BYTES])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000.0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000.0;
        unit++;
    }
    snprintf(text, CELL_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

static const char *score_text(double score, char text[CELL_BYTES])
{
    if (isnan(score))
        snprintf(text, CELL_BYTES, "-");
    else
        snprintf(text, CELL_BYTES, "%.6g", score);
    return text;
}

static const char *time_text(uint64_t unix_s, char text[CELL_BYTES])
{
    time_t when = (time_t)unix_s;
    struct tm local;
    if (!localtime_r(&when, &local) ||
        strftime(text, CELL_BYTES, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(text, CELL_BYTES, "-");
    return text;
}

static void put_info(struct pawl_json_writer *json, const struct pawl_checkpoint_info *info)
{
    char hash[PAWL_SHA256_HEX_BYTES];
    pawl_json_put_string(json, "path", info->path);
    pawl_json_put_u64(json, "step", info->step);
    pawl_json_put_bool(json, "valid", info->is_valid);
    pawl_json_put_bool(json, "last", info->is_last);
    if (!info->is_valid)
        pawl_json_put_string(json, "reason", info->reason);
    if (info->manifest.file_count == 0)
        return; /* not even the manifest can be read */
    pawl_text_hex(info->manifest.spec_hash, PAWL_SHA256_BYTES, hash);
    pawl_json_put_u64(json, "bytes", info->size_bytes);
    pawl_json_put_f64_or_null(json, "score", info->manifest.score);
    pawl_json_put_string(json, "run", info->manifest.run);
    pawl_json_put_u64(json, "saved_unix_s", info->manifest.saved_unix_s);
    pawl_json_put_string(json, "spec_sha256", hash);
}

/* --- which --- */

/* Whether the path is a run's folder: it has a folder of checkpoints. */
static bool is_run(const char *path)
{
    char inner[PATH_MAX];
    snprintf(inner, sizeof(inner), "%.*s/%s", PATH_MAX - 32, path, PAWL_CHECKPOINT_FOLDER);
    int fd = pawl_io_open(pawl_io_sys(), PAWL_IO_CWD, inner, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return false;
    pawl_io_close(pawl_io_sys(), fd);
    return true;
}

static bool has_manifest(int folder)
{
    int fd = pawl_io_open(pawl_io_sys(), folder, PAWL_CHECKPOINT_MANIFEST, O_RDONLY, 0);
    if (fd >= 0)
        pawl_io_close(pawl_io_sys(), fd);
    return fd != -ENOENT;
}

static int check_checkpoint(const char *path, struct pawl_err *err)
{
    int folder = pawl_io_open(pawl_io_sys(), PAWL_IO_CWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return pawl_err_set(err, -folder, "%s: %s", path, strerror(-folder));
    bool is_checkpoint = has_manifest(folder);
    pawl_io_close(pawl_io_sys(), folder);
    if (!is_checkpoint)
        return pawl_err_set(err, ENOENT,
                            "%s: neither a run (no " PAWL_CHECKPOINT_FOLDER
                            "/) nor a checkpoint (no " PAWL_CHECKPOINT_MANIFEST ")",
                            path);
    return 0;
}

/* A path that is not there has been typed wrong. */
static int fail(struct pawl_cli *cli, const struct pawl_err *err)
{
    bool is_typed_wrong = err->code == ENOENT || err->code == ENOTDIR;
    return pawl_cli_fail(cli, is_typed_wrong ? PAWL_EXIT_USAGE : PAWL_EXIT_FAILED, "%s",
                         err->text);
}

/* Those of a run, or the one; *infos is the caller's to free. */
static int look(const char *path, enum pawl_checkpoint_depth depth,
                struct pawl_checkpoint_info **infos, size_t *count, struct pawl_err *err)
{
    if (is_run(path))
        return pawl_checkpoint_list(pawl_io_sys(), path, depth, infos, count, err);
    int code = check_checkpoint(path, err);
    if (code != 0)
        return code;
    *infos = calloc(1, sizeof(**infos));
    if (!*infos)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", path);
    *count = 1;
    pawl_checkpoint_verify(pawl_io_sys(), path, depth, &(*infos)[0], NULL);
    return 0;
}

/* --- pawl checkpoint list --- */

static void print_list(struct pawl_cli *cli, const struct pawl_checkpoint_info *infos,
                       size_t count)
{
    char score[CELL_BYTES], size[CELL_BYTES], when[CELL_BYTES], line[LINE_BYTES];
    fprintf(cli->out, "%-10s %12s %10s  %-19s\n", "step", "score", "size", "saved");
    for (size_t i = 0; i < count; i++) {
        const struct pawl_checkpoint_info *info = &infos[i];
        char name[PAWL_CHECKPOINT_NAME_BYTES];
        pawl_checkpoint_name(info->step, name);
        if (info->is_valid)
            fprintf(cli->out, "%-10s %12s %10s  %-19s%s\n", name,
                    score_text(info->manifest.score, score), size_text(info->size_bytes, size),
                    time_text(info->manifest.saved_unix_s, when),
                    info->is_last ? "  last" : "");
        else
            fprintf(cli->out, "%-10s not usable: %s%s\n", name,
                    plain(info->reason, line, sizeof(line)), info->is_last ? "  (last)" : "");
    }
}

static int run_list(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    struct pawl_err err = {0};
    struct pawl_checkpoint_info *infos = NULL;
    size_t count = 0;
    char path[PATH_MAX];
    pawl_cli_folder(argv[0], path);
    int code = look(path, PAWL_CHECKPOINT_QUICK, &infos, &count, &err);
    if (code != 0)
        return fail(cli, &err);
    if (pawl_cli_has(cli, "json")) {
        struct pawl_json_writer json;
        pawl_cli_open_json(&json);
        pawl_json_begin_array(&json, NULL);
        for (size_t i = 0; i < count; i++) {
            pawl_json_begin_object(&json, NULL);
            put_info(&json, &infos[i]);
            pawl_json_end(&json);
        }
        pawl_json_end(&json);
        code = pawl_cli_print_json(cli, &json);
    } else if (count == 0) {
        fprintf(cli->out, "%s has no checkpoint\n", path);
    } else {
        print_list(cli, infos, count);
    }
    free(infos);
    return code;
}

/* --- pawl checkpoint verify --- */

static int run_verify(struct pawl_cli *cli, int argc, char **argv)
{
    bool wants_json = pawl_cli_has(cli, "json");
    struct pawl_json_writer json;
    int exit_code = PAWL_EXIT_DONE;
    pawl_cli_open_json(&json);
    pawl_json_begin_array(&json, NULL);
    for (int i = 0; i < argc; i++) {
        struct pawl_err err = {0};
        struct pawl_checkpoint_info *infos = NULL;
        size_t count = 0;
        char line[LINE_BYTES], path[PATH_MAX];
        pawl_cli_folder(argv[i], path);
        if (look(path, PAWL_CHECKPOINT_FULL, &infos, &count, &err) != 0 ||
            (count == 0 && pawl_err_set(&err, ENODATA, "%s has no checkpoint", path) != 0)) {
            free(infos);
            exit_code = fail(cli, &err);
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            if (!infos[k].is_valid)
                exit_code = PAWL_EXIT_FAILED;
            pawl_json_begin_object(&json, NULL);
            put_info(&json, &infos[k]);
            pawl_json_end(&json);
            if (!wants_json && infos[k].is_valid)
                fprintf(cli->out, "%s: ok\n", plain(infos[k].path, line, sizeof(line)));
            else if (!wants_json)
                fprintf(cli->out, "%s\n", plain(infos[k].reason, line, sizeof(line)));
        }
        free(infos);
    }
    pawl_json_end(&json);
    if (!wants_json) {
        pawl_json_close_writer(&json);
        return exit_code;
    }
    int code = pawl_cli_print_json(cli, &json);
    return code != PAWL_EXIT_DONE ? code : exit_code;
}

/* --- pawl checkpoint show --- */

static const char *form_text(const struct pawl_tensor *tensor, char text[CELL_BYTES])
{
    int at = snprintf(text, CELL_BYTES, "%s ", pawl_safetensors_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank; i++)
        at += snprintf(text + at, CELL_BYTES - (size_t)at, "%s%" PRIu32, i ? "x" : "",
                       tensor->shape[i]);
    if (tensor->rank == 0)
        snprintf(text + at, CELL_BYTES - (size_t)at, "one");
    return text;
}

/* The tensors of a file, one below the other, or as an array of JSON. */
static int show_tensors(struct pawl_cli *cli, const struct pawl_checkpoint_info *info,
                        const char *path, struct pawl_json_writer *json, struct pawl_err *err)
{
    char *bytes;
    size_t byte_count;
    struct pawl_safetensors file;
    int code = pawl_checkpoint_read(pawl_io_sys(), info->path, path, FILE_MAX, &bytes,
                                    &byte_count, err);
    if (code != 0)
        return code;
    code = pawl_safetensors_open(&file, bytes, byte_count, byte_count, path, err);
    if (json)
        pawl_json_begin_array(json, "tensors");
    for (size_t i = 0; code == 0 && i < file.tensor_count; i++) {
        const struct pawl_tensor *tensor = &file.tensors[i];
        char form[CELL_BYTES], name[LINE_BYTES];
        if (!json) {
            fprintf(cli->out, "    %-20s %s\n", form_text(tensor, form),
                    plain(tensor->name, name, sizeof(name)));
            continue;
        }
        pawl_json_begin_object(json, NULL);
        pawl_json_put_string(json, "name", tensor->name);
        pawl_json_put_string(json, "dtype", pawl_safetensors_dtype_name(tensor->dtype));
        pawl_json_begin_array(json, "shape");
        for (uint32_t k = 0; k < tensor->rank; k++)
            pawl_json_put_u64(json, NULL, tensor->shape[k]);
        pawl_json_end(json);
        pawl_json_end(json);
    }
    if (json)
        pawl_json_end(json);
    if (code == 0)
        pawl_safetensors_close(&file);
    free(bytes);
    return code;
}

static bool is_tensor_file(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".safetensors") == 0;
}

static void print_head(struct pawl_cli *cli, const struct pawl_checkpoint_info *info)
{
    char text[LINE_BYTES], hash[PAWL_SHA256_HEX_BYTES];
    const struct pawl_checkpoint_manifest *manifest = &info->manifest;
    pawl_text_hex(manifest->spec_hash, PAWL_SHA256_BYTES, hash);
    fprintf(cli->out, "path    %s\n", plain(info->path, text, sizeof(text)));
    fprintf(cli->out, "step    %" PRIu64 "\n", manifest->step);
    fprintf(cli->out, "score   %s\n", score_text(manifest->score, text));
    fprintf(cli->out, "run     %s\n", plain(manifest->run, text, sizeof(text)));
    fprintf(cli->out, "saved   %s\n", time_text(manifest->saved_unix_s, text));
    fprintf(cli->out, "size    %s in %" PRIu32 " files\n", size_text(info->size_bytes, text),
            manifest->file_count);
    fprintf(cli->out, "spec    %s\n", hash);
}

static int show(struct pawl_cli *cli, const struct pawl_checkpoint_info *info,
                struct pawl_json_writer *json, struct pawl_err *err)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < info->manifest.file_count; i++) {
        const struct pawl_checkpoint_manifest_file *file = &info->manifest.files[i];
        char size[CELL_BYTES], path[LINE_BYTES];
        if (json) {
            pawl_json_begin_object(json, NULL);
            pawl_json_put_string(json, "path", file->path);
            pawl_json_put_u64(json, "bytes", file->size_bytes);
        } else {
            fprintf(cli->out, "\n  %s, %s\n", plain(file->path, path, sizeof(path)),
                    size_text(file->size_bytes, size));
        }
        if (is_tensor_file(file->path))
            code = show_tensors(cli, info, file->path, json, err);
        if (json)
            pawl_json_end(json);
    }
    return code;
}

/* The one that is asked for, or the newest of a run that is valid. */
static int choose(const char *path, struct pawl_checkpoint_info *info, struct pawl_err *err)
{
    if (is_run(path)) {
        int code = pawl_checkpoint_find(pawl_io_sys(), path, PAWL_CHECKPOINT_NEWEST_VALID, NULL,
                                        NULL, info, err);
        if (code == -ENOENT) /* the path is there */
            err->code = ENODATA;
        return code == 0 ? 0 : -err->code;
    }
    int code = check_checkpoint(path, err);
    if (code != 0)
        return code;
    return pawl_checkpoint_verify(pawl_io_sys(), path, PAWL_CHECKPOINT_FULL, info, err);
}

static int run_show(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    struct pawl_err err = {0};
    struct pawl_checkpoint_info *info = calloc(1, sizeof(*info));
    if (!info)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "out of memory");
    char path[PATH_MAX];
    int code = choose(pawl_cli_folder(argv[0], path), info, &err);
    struct pawl_json_writer json = {0};
    bool wants_json = pawl_cli_has(cli, "json");
    if (code == 0 && wants_json) {
        pawl_cli_open_json(&json);
        pawl_json_begin_object(&json, NULL);
        put_info(&json, info);
        pawl_json_begin_array(&json, "files");
    } else if (code == 0) {
        print_head(cli, info);
    }
    if (code == 0)
        code = show(cli, info, wants_json ? &json : NULL, &err);
    free(info);
    if (code != 0) {
        pawl_json_close_writer(&json);
        return fail(cli, &err);
    }
    if (!wants_json)
        return PAWL_EXIT_DONE;
    pawl_json_end(&json);
    pawl_json_end(&json);
    return pawl_cli_print_json(cli, &json);
}

static const struct pawl_cli_option options[] = {
    {.name = "json", .help = "Print JSON."},
};

#define OPERAND_DETAILS                                                                        \
    "RUN is a run folder, CHECKPOINT one of the folders below its checkpoints, or a copy of "  \
    "one."

const struct pawl_cli_verb pawl_verb_checkpoint = {
    .name = "checkpoint",
    .help = "What a run has saved.",
};

const struct pawl_cli_verb pawl_verb_checkpoint_list = {
    .name = "checkpoint list",
    .help = "The checkpoints of a run, newest first.",
    .operands = "RUN",
    .operand_min = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .details =
        "A quick look: the manifests and the sizes of the files. `pawl checkpoint verify` "
        "reads all bytes.\n\n"
        "The score is the mean return of the last 100 episodes that were trained on before it "
        "was saved, of all actors, with the actions that were tried. It begins anew when a run "
        "is resumed or its learner dies: until 20 episodes have ended there is none, shown as "
        "-.",
    .options = options,
    .option_count = 1,
    .run = run_list,
};

const struct pawl_cli_verb pawl_verb_checkpoint_verify = {
    .name = "checkpoint verify",
    .help = "Whether checkpoints are whole.",
    .operands = "RUN|CHECKPOINT...",
    .operand_min = 1,
    .operand_max = PAWL_CLI_OPERANDS_ANY,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .details = OPERAND_DETAILS
    " All bytes are read: sizes and checksums against the manifest, JSON as JSON, "
    ".safetensors by their structure. Exits with 1 when one is not right.",
    .options = options,
    .option_count = 1,
    .run = run_verify,
};

const struct pawl_cli_verb pawl_verb_checkpoint_show = {
    .name = "checkpoint show",
    .help = "What is in a checkpoint.",
    .operands = "RUN|CHECKPOINT",
    .operand_min = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .details = OPERAND_DETAILS " Of a run, the newest valid one is shown: what "
                               "`pawl train --resume` would go on from.",
    .options = options,
    .option_count = 1,
    .run = run_show,
};
