/* bench_sac.c: an optimization step of SAC as the learner makes it, beside the matrix products
 * of its own lists replayed in the same run: obs 18, action 4, hidden 256 and 256, two critics,
 * one thread. Processor time, so that a busy machine widens the spread but not the update.
 *
 *     sac_lerobot_256_update_us    everything but the store: noise, lists, report
 *     sac_lerobot_256_products_us  the products alone
 *     sac_lerobot_256_host_us      what of the update is not in lists
 *     sac_lerobot_256_ratio        update over products, the median over pairs
 *     sac_lerobot_256_norm_act_us  a kind of operation, in lists that are timed one by one
 */
#include "policy/engine_cpu.h"
#include "policy/plan_check.h"
#include "policy/policy_cfg.h"
#include "policy/sac_trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"
#include "support/bench.h"

#define OBS          18u
#define ACTIONS      4u
#define RUN_COUNT    101
#define SETTLE_COUNT 5

static float *noise; /* rows of OBS, more than any column has */

/* A store that costs little: the same rows for each column. */
static int fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    (void)arg;
    (void)draw;
    (void)err;
    for (uint32_t c = 0; c < batch->column_count; c++)
        for (uint32_t row = 0; row < batch->count; row++)
            memcpy((char *)batch->columns[c].rows + row * batch->columns[c].stride,
                   noise + (size_t)(row + c) * OBS, batch->columns[c].stride);
    for (uint32_t row = 0; row < batch->count; row++) {
        batch->reward[row] = noise[row];
        batch->discount[row] = 0.99f;
        batch->weight[row] = 1.0f;
        batch->frame[row] = row;
    }
    return 0;
}

static void fail(const struct pawl_err *err)
{
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static const enum pawl_sac_list order[] = {PAWL_SAC_CRITIC, PAWL_SAC_ACTOR,
                                           PAWL_SAC_TEMPERATURE, PAWL_SAC_TARGETS};

static void print(const char *network, uint32_t rows, const char *what, double *took_ns)
{
    char name[64];
    snprintf(name, sizeof(name), "sac_%s_%u_%s_us", network, rows, what);
    bench_print_spread(name, took_ns, RUN_COUNT, 1e-3, "us");
}

static void measure_lists(struct pawl_trainer *trainer, double *products_ns, double *lists_ns,
                          size_t run)
{
    struct pawl_engine *engine = pawl_sac_trainer_engine(trainer);
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(trainer);
    struct pawl_err err = {0};

    double start_ns = bench_cpu_ns();
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        pawl_engine_cpu_products(engine, steps->lists[order[i]]);
    products_ns[run] = bench_cpu_ns() - start_ns;
    start_ns = bench_cpu_ns();
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (engine->ops->run(engine, steps->lists[order[i]], &err) != 0)
            fail(&err);
    lists_ns[run] = bench_cpu_ns() - start_ns;
}

/* What each kind of operation has of an update. */
static void print_kinds(struct pawl_trainer *trainer, const char *network, uint32_t rows)
{
    static double products_ns[RUN_COUNT], lists_ns[RUN_COUNT];
    uint64_t took_ns[PAWL_OP_KIND_COUNT] = {0};
    struct pawl_engine *engine = pawl_sac_trainer_engine(trainer);
    char name[64];

    pawl_engine_cpu_profile(engine, took_ns);
    for (size_t run = 0; run < RUN_COUNT; run++)
        measure_lists(trainer, products_ns, lists_ns, run);
    pawl_engine_cpu_profile(engine, NULL);
    for (int kind = 0; kind < PAWL_OP_KIND_COUNT; kind++) {
        if (took_ns[kind] == 0)
            continue;
        snprintf(name, sizeof(name), "sac_%s_%u_%s_us", network, rows,
                 pawl_op_form_of((enum pawl_op_kind)kind)->name);
        bench_print(name, (double)took_ns[kind] / RUN_COUNT * 1e-3, "us");
    }
}

static void measure(const char *network, uint32_t rows, uint32_t thread_count)
{
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    static double update_ns[RUN_COUNT], products_ns[RUN_COUNT], lists_ns[RUN_COUNT];
    static double host_ns[RUN_COUNT], ratio[RUN_COUNT];
    char word[64];
    char *words[] = {word};
    struct pawl_cfg_source source = {.words = words, .word_count = 1};
    struct pawl_spec spec = {0};
    struct pawl_cfg *cfg;
    struct pawl_trainer *trainer;
    struct pawl_trainer_report report;
    struct pawl_err err = {0};
    struct pawl_sampler sampler = {.fill = fill};

    snprintf(word, sizeof(word), "policy.sac.network=%s", network);
    if (pawl_cfg_open(&cfg, tables, &source, &err) != 0 ||
        pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){OBS}, &err) != 0 ||
        pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){ACTIONS}, &err) != 0)
        fail(&err);
    struct pawl_trainer_setup setup = {.cfg = cfg,
                                       .spec = &spec,
                                       .batch_count = rows,
                                       .seed = 1,
                                       .device = "cpu",
                                       .thread_count = thread_count};
    if (pawl_sac_trainer.open(&trainer, &setup, &err) != 0)
        fail(&err);
    for (size_t run = 0; run < RUN_COUNT + SETTLE_COUNT; run++) {
        size_t at = run < SETTLE_COUNT ? 0 : run - SETTLE_COUNT;
        double start_ns = bench_cpu_ns();
        if (pawl_sac_trainer.update(trainer, &sampler, &report, &err) != 0)
            fail(&err);
        update_ns[at] = bench_cpu_ns() - start_ns;
        measure_lists(trainer, products_ns, lists_ns, at);
        host_ns[at] = update_ns[at] - lists_ns[at];
        ratio[at] = update_ns[at] / products_ns[at];
    }
    print(network, rows, "update", update_ns);
    print(network, rows, "products", products_ns);
    print(network, rows, "host", host_ns);
    snprintf(word, sizeof(word), "sac_%s_%u_ratio", network, rows);
    bench_print_spread(word, ratio, RUN_COUNT, 1.0, "x");
    print_kinds(trainer, network, rows);
    pawl_sac_trainer.close(trainer);
    pawl_cfg_close(cfg);
}

int main(int argc, char **argv)
{
    uint32_t thread_count = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    struct pawl_philox stream;

    noise = calloc(512 * OBS, sizeof(noise[0]));
    if (!noise)
        return 1;
    pawl_philox_open(&stream, 1, 0, 0);
    for (size_t i = 0; i < 512 * OBS; i++)
        noise[i] = (float)(2.0 * pawl_philox_double(&stream) - 1.0);
    measure("lerobot", 256, thread_count);
    measure("plain", 256, thread_count);
    measure("lerobot", 64, thread_count);
    measure("plain", 64, thread_count);
    free(noise);
    return 0;
}
