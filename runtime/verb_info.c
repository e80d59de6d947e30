/* verb_info.c: pawl info: each fact is said once and printed as text or as JSON. */
#include "runtime/verbs.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "runtime/json.h"
#include "runtime/sysinfo.h"

#define SECTION_COLUMNS 11
#define LABEL_COLUMNS   26

/* Where the facts go. */
struct sink {
    FILE *out;
    struct pawl_json_writer *json; /* NULL: as text */
    const char *section;           /* its name stands on the first line of the section */
};

static void begin_section(struct sink *sink, const char *name)
{
    sink->section = name;
    if (sink->json)
        pawl_json_begin_object(sink->json, name);
}

static void end_section(struct sink *sink)
{
    if (sink->json)
        pawl_json_end(sink->json);
}

/* The label is the key in words, without its unit. */
static void print_line(struct sink *sink, const char *key, const char *text)
{
    char label[LABEL_COLUMNS];
    snprintf(label, sizeof(label), "%s", key);
    char *unit = strrchr(label, '_');
    if (unit && (strcmp(unit, "_bytes") == 0 || strcmp(unit, "_count") == 0))
        *unit = '\0';
    for (char *c = label; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    fprintf(sink->out, "%-*s%-*s%s\n", SECTION_COLUMNS, sink->section, LABEL_COLUMNS, label,
            text);
    sink->section = "";
}

static void put_text(struct sink *sink, const char *key, const char *text)
{
    if (sink->json)
        pawl_json_put_string(sink->json, key, text[0] ? text : NULL);
    else
        print_line(sink, key, text[0] ? text : "unknown");
}

static void put_count(struct sink *sink, const char *key, uint64_t count)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, count);
    if (sink->json)
        pawl_json_put_u64(sink->json, key, count);
    else
        print_line(sink, key, text);
}

/* No limit is null in JSON. */
static void put_bytes(struct sink *sink, const char *key, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    char text[32];
    size_t unit = 0;
    double scaled = (double)bytes;

    if (sink->json) {
        if (bytes == PAWL_SYSINFO_NO_LIMIT)
            pawl_json_put_null(sink->json, key);
        else
            pawl_json_put_u64(sink->json, key, bytes);
        return;
    }
    for (; scaled >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        scaled /= 1024;
    snprintf(text, sizeof(text), unit ? "%.1f %s" : "%.0f %s", scaled, units[unit]);
    print_line(sink, key, bytes == PAWL_SYSINFO_NO_LIMIT ? "unlimited" : text);
}

static void put_bool(struct sink *sink, const char *key, bool value)
{
    if (sink->json)
        pawl_json_put_bool(sink->json, key, value);
    else
        print_line(sink, key, value ? "yes" : "no");
}

static void put_program(struct sink *sink, const struct pawl_cli_program *program)
{
    const struct pawl_cli_build *build = program->build;

    begin_section(sink, program->name);
    put_text(sink, "version", program->version);
    put_text(sink, "build_type", build->type);
    put_text(sink, "build_options", build->options);
    put_text(sink, "compiler", build->compiler);
    put_text(sink, "sanitizer", build->sanitizer[0] ? build->sanitizer : "none");
#ifdef PAWL_FAULTS
    put_bool(sink, "fault_points", true);
#else
    put_bool(sink, "fault_points", false);
#endif
    end_section(sink);

    begin_section(sink, "libraries");
    put_text(sink, "glibc", gnu_get_libc_version());
    put_text(sink, "jansson", jansson_version_str());
    for (size_t i = 0; i < build->library_count; i++)
        put_text(sink, build->libraries[i].name, build->libraries[i].version);
    end_section(sink);
}

static void put_cpu(struct sink *sink, const struct pawl_sysinfo *info)
{
    begin_section(sink, "system");
    put_text(sink, "kernel", info->kernel);
    put_text(sink, "distribution", info->distribution);
    end_section(sink);

    begin_section(sink, "cpu");
    put_text(sink, "model", info->cpu_model);
    put_count(sink, "cores_online_count", info->cores_online_count);
    put_count(sink, "cores_allowed_count", info->cores_allowed_count);
    put_bool(sink, "smt", info->smt_is_on);
    put_bytes(sink, "l2_bytes", info->l2_bytes);
    put_bytes(sink, "l3_bytes", info->l3_bytes);
    put_bool(sink, "tsc_invariant", info->tsc_is_invariant);
    put_text(sink, "clock_source", info->clock_source);
    end_section(sink);
}

static void put_memory(struct sink *sink, const struct pawl_sysinfo *info)
{
    begin_section(sink, "memory");
    put_bytes(sink, "total_bytes", info->memory_total_bytes);
    put_bytes(sink, "available_bytes", info->memory_available_bytes);
    put_bytes(sink, "huge_page_bytes", info->huge_page_bytes);
    put_count(sink, "huge_pages_reserved_count", info->huge_pages_reserved_count);
    put_count(sink, "huge_pages_free_count", info->huge_pages_free_count);
    put_text(sink, "transparent_huge_pages", info->transparent_huge_pages);
    put_text(sink, "shmem_huge_pages", info->transparent_huge_pages_shmem);
    put_bytes(sink, "dev_shm_bytes", info->dev_shm_total_bytes);
    put_bytes(sink, "dev_shm_free_bytes", info->dev_shm_free_bytes);
    end_section(sink);

    begin_section(sink, "limits");
    put_bytes(sink, "locked_memory_bytes", info->locked_memory_limit_bytes);
    put_count(sink, "descriptors_count", info->descriptor_limit_count);
    end_section(sink);
}

static void put_devices(struct sink *sink, const struct pawl_sysinfo *info)
{
    begin_section(sink, "io_uring");
    put_bool(sink, "usable", info->io_uring_errno == 0);
    if (info->io_uring_errno)
        put_text(sink, "reason", info->io_uring_reason);
    end_section(sink);

    begin_section(sink, "gpu");
    put_count(sink, "nvidia_count", info->nvidia_gpu_count);
    if (info->nvidia_gpu_count) {
        put_text(sink, "model", info->nvidia_gpu);
        put_text(sink, "driver", info->nvidia_driver);
    }
    end_section(sink);
}

static void put_all(struct sink *sink, const struct pawl_cli_program *program)
{
    struct pawl_sysinfo info;
    pawl_sysinfo_read(&info, "");
    put_program(sink, program);
    put_cpu(sink, &info);
    put_memory(sink, &info);
    put_devices(sink, &info);
}

static void put_fact(void *sink, const char *key, const char *text)
{
    put_text(sink, key, text);
}

static void put_facts(struct sink *sink, const struct pawl_cli_program *program)
{
    for (size_t i = 0; program->facts && program->facts[i]; i++) {
        begin_section(sink, program->facts[i]->section);
        program->facts[i]->read(put_fact, sink);
        end_section(sink);
    }
}

static int print_json(const struct pawl_cli_program *program, bool has_facts, FILE *out,
                      struct pawl_err *err)
{
    struct pawl_json_writer json;
    struct sink sink = {.out = out, .json = &json};
    pawl_json_open_growing(&json, 1 << 20);
    json.indent_count = 2;
    pawl_json_begin_object(&json, NULL);
    put_all(&sink, program);
    if (has_facts)
        put_facts(&sink, program);
    pawl_json_end(&json);
    const char *text = pawl_json_finish(&json, NULL, err);
    if (text)
        fprintf(out, "%s\n", text);
    pawl_json_close_writer(&json);
    return text ? 0 : pawl_err_wrap(err, "facts of this machine");
}

int pawl_info_print_json(const struct pawl_cli_program *program, FILE *out,
                         struct pawl_err *err)
{
    return print_json(program, false, out, err);
}

static int run_info(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct sink sink = {.out = cli->out};
    struct pawl_err err = {0};
    if (pawl_cli_has(cli, "json")) {
        if (print_json(cli->program, true, cli->out, &err) != 0)
            return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
        return PAWL_EXIT_DONE;
    }
    put_all(&sink, cli->program);
    put_facts(&sink, cli->program);
    return PAWL_EXIT_DONE;
}

static const struct pawl_cli_option info_options[] = {
    {.name = "json", .help = "Print JSON."},
};

const struct pawl_cli_verb pawl_verb_info = {
    .name = "info",
    .help = "What this program and this machine are.",
    .details =
        "The build, the libraries, the processor, the memory, what the kernel allows, and the "
        "tensor library. Nothing is changed; what is tried out is an io_uring, and whether the "
        "tensor library can be loaded.",
    .options = info_options,
    .option_count = 1,
    .run = run_info,
};
