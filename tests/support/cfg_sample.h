/* cfg_sample.h: tables with one row of each kind, for the tests of configurations, and a folder
 * to write their files into. */
#ifndef PAWL_TEST_CFG_SAMPLE_H
#define PAWL_TEST_CFG_SAMPLE_H

#include "runtime/cfg.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sample_policy {
    int32_t type;
};

struct sample_sac {
    double actor_lr;
    double discount;
    struct pawl_cfg_i64_list hidden;
    struct pawl_cfg_f64_list scales;
};

struct sample_env {
    double fps;
    char name[32];
    struct pawl_cfg_text_list cameras;
    bool render;
};

struct sample_ring {
    int64_t capacity;
    int64_t batch;
    int64_t offset;
};

static const char *const sample_types[] = {"null", "sac", "pi_rl", NULL};

#define ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#define S struct sample_policy
static const struct pawl_cfg_row sample_policy_rows[] = {
    PAWL_CFG_CHOICE_ROW(S, "policy.type", type, 1, sample_types, "The method."),
};
#undef S

#define S struct sample_sac
static const struct pawl_cfg_row sample_sac_rows[] = {
    PAWL_CFG_F64_ROW(S, "policy.sac.actor_lr", actor_lr, 3e-4, 1e-7, 1.0, "",
                     "Step of the actor."),
    PAWL_CFG_F64_ROW(S, "policy.sac.discount", discount, 0.99, 0.0, 1.0, "",
                     "Worth of a reward one step later."),
    PAWL_CFG_I64_LIST_ROW(S, "policy.sac.hidden", hidden, "[256, 256]", 1, 65536,
                          PAWL_CFG_IS_NOT_EMPTY, "", "Widths of the layers."),
    PAWL_CFG_F64_LIST_ROW(S, "policy.sac.scales", scales, "[]", PAWL_CFG_F64_LOWEST,
                          PAWL_CFG_F64_HIGHEST, 0, "", "Factors of the actions."),
};
#undef S

#define S struct sample_env
static const struct pawl_cfg_row sample_env_rows[] = {
    PAWL_CFG_F64_ROW(S, "env.fps", fps, 10.0, 0.1, PAWL_CFG_F64_HIGHEST, "hz",
                     "Steps of the environment per second."),
    PAWL_CFG_TEXT_ROW(S, "env.name", name, "cube", PAWL_CFG_IS_NOT_EMPTY,
                      "What the environment is called."),
    PAWL_CFG_TEXT_LIST_ROW(S, "env.cameras", cameras, "[\"front\"]", 0, "Cameras to read."),
    PAWL_CFG_BOOL_ROW(S, "env.render", render, false, "Draw; a|b."),
};
#undef S

#define S struct sample_ring
static const struct pawl_cfg_row sample_ring_rows[] = {
    PAWL_CFG_POWER_OF_TWO_ROW(S, "ring.capacity", capacity, 1024, 64, 1048576, "steps",
                              "Steps that fit into a ring."),
    PAWL_CFG_I64_ROW(S, "ring.batch", batch, 64, 1, PAWL_CFG_I64_HIGHEST, "steps",
                     "Steps taken at once."),
    PAWL_CFG_I64_ROW(S, "ring.offset", offset, 0, PAWL_CFG_I64_LOWEST, 5, "",
                     "No bound below."),
};
#undef S

static void sample_ring_check(struct pawl_cfg *cfg);

static const struct pawl_cfg_table sample_policy_table = {
    .name = "policy",
    .help = "What is learnt.",
    .rows = sample_policy_rows,
    .row_count = ROW_COUNT(sample_policy_rows),
    .fields_bytes = sizeof(struct sample_policy)};
static const struct pawl_cfg_table sample_sac_table = {.name = "policy.sac",
                                                       .help = "SAC.",
                                                       .rows = sample_sac_rows,
                                                       .row_count = ROW_COUNT(sample_sac_rows),
                                                       .fields_bytes =
                                                           sizeof(struct sample_sac)};
static const struct pawl_cfg_table sample_env_table = {.name = "env",
                                                       .help = "The environment.",
                                                       .rows = sample_env_rows,
                                                       .row_count = ROW_COUNT(sample_env_rows),
                                                       .fields_bytes =
                                                           sizeof(struct sample_env)};
static const struct pawl_cfg_table sample_ring_table = {
    .name = "ring",
    .help = "Rings.",
    .rows = sample_ring_rows,
    .row_count = ROW_COUNT(sample_ring_rows),
    .fields_bytes = sizeof(struct sample_ring),
    .check = sample_ring_check};

static const struct pawl_cfg_table *const sample_tables[] = {
    &sample_policy_table, &sample_sac_table, &sample_env_table, &sample_ring_table, NULL};

static void sample_ring_check(struct pawl_cfg *cfg)
{
    const struct sample_ring *ring = pawl_cfg_fields(cfg, &sample_ring_table);

    if (ring->batch > ring->capacity)
        pawl_cfg_conflict(cfg, "ring.batch", "ring.capacity",
                          "a batch has to fit into the ring");
}

/* A new folder, which becomes the current one, so that messages hold no path of the machine. */
static inline void sample_folder_open(void)
{
    char path[] = "/tmp/pawl_cfg_XXXXXX";
    if (!mkdtemp(path) || chdir(path) != 0)
        abort();
}

/* Removes it with the files that tests write; none of them makes a folder but "sub". */
static inline void sample_folder_close(void)
{
    char path[256], command[300];
    if (!getcwd(path, sizeof(path)) || strncmp(path, "/tmp/pawl_cfg_", 14) != 0)
        abort();
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    if (chdir("/") != 0 || system(command) != 0)
        abort();
}

static inline void sample_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

/* What a printer of a configuration prints; the caller frees it. */
static inline char *sample_print(void (*print)(const struct pawl_cfg *cfg, FILE *out),
                                 const struct pawl_cfg *cfg)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    if (!out)
        abort();
    print(cfg, out);
    if (fclose(out) != 0)
        abort();
    return text;
}

#endif
