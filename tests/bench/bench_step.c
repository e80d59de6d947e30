/* bench_step.c: environment steps per second of one actor: the acting loop as pawl-actor runs
 * it on one processor, and on another a reader that does nothing but give records back.
 *
 *     step_ENV_POLICY_lanesN_rate     steps/s by the clock: the median of short runs, the best
 *     step_ENV_POLICY_lanesN_ns       processor time of a step: on a busy machine the rate is
 *                                     what others leave, this is what the step costs
 *     step_overhead_ns                of the null policy and the dummy environment, less what
 *                                     these two cost when they are called in a bare loop
 *     stage_time_ns                   of measuring one stage: a clock reading and a record
 *     paced_1khz_lateness_us          and beside it what the machine's own timer does
 */
#include "actor/acting.h"
#include "actor/actor.h"
#include "actor/env_cfg.h"
#include "policy/policy_cfg.h"
#include "runtime/pace.h"
#include "shm/ring_cfg.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/bench.h"

#define RUN_COUNT   21
#define RUN_NS      (40 * PAWL_NS_PER_MS)
#define WARM_NS     (60 * PAWL_NS_PER_MS)
#define LOOP_COUNT  2000
#define PACED_COUNT 2000

/* One actor without its process, and the other end of its ring. */
struct bench {
    struct pawl_cfg *cfg;
    struct pawl_lanes *lanes;
    struct pawl_record_layout layout;
    struct pawl_policy *policy;
    struct pawl_segment ring, acks, view, board;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_outbox outbox;
    struct pawl_params params;
    struct pawl_stats stats;
    struct pawl_acting *acting;
    pthread_t reader;
    atomic_bool is_stopping;
};

static struct pawl_tsc tsc;
static struct pawl_err err;

#define DO(call)                                                                               \
    do {                                                                                       \
        if ((call) != 0) {                                                                     \
            fprintf(stderr, "bench_step: %s\n", err.text);                                     \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* The n-th of the processors that this program may use; with one alone, any. */
static void pin(int n)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || n-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
        return;
    }
}

static void *read_all(void *argument)
{
    struct bench *bench = argument;
    pin(1);
    while (!atomic_load_explicit(&bench->is_stopping, memory_order_relaxed)) {
        uint64_t count = pawl_ring_peek_batch(&bench->rx, 256);
        pawl_ring_release_batch(&bench->rx, count);
        if (count == 0)
            __builtin_ia32_pause();
    }
    return NULL;
}

static void open_policy(struct bench *bench, uint32_t lane_count)
{
    const struct pawl_policy_cfg *table = pawl_cfg_fields(bench->cfg, &pawl_policy_table);
    const struct pawl_policy_ops *ops = pawl_policies[table->type];
    const struct pawl_env_spec *spec = pawl_lanes_spec(bench->lanes);
    struct pawl_policy_setup setup = {
        .cfg = bench->cfg, .choice_count = spec->choice_count, .lane_count = lane_count};
    DO(pawl_record_layout_make(&bench->layout, spec, ops, &setup, &err));
    setup.spec = &bench->layout.spec;
    DO(ops->open(&bench->policy, &setup, &err));
}

static void open_board(struct bench *bench)
{
    const struct pawl_policy_ops *ops = bench->policy->ops;
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    struct pawl_board_tx tx;
    size_t count;
    const struct pawl_tensor *tensors = ops->manifest(bench->policy, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t shape[PAWL_SPEC_RANK_MAX];
        for (uint32_t k = 0; k < tensors[i].rank; k++)
            shape[k] = tensors[i].shape[k];
        DO(pawl_manifest_add(&manifest, tensors[i].name, tensors[i].dtype, tensors[i].rank,
                             shape, &err));
    }
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    DO(pawl_board_create(&tx, &bench->board, &cfg, &err));
    struct pawl_board_slot *slot = pawl_board_claim(&tx);
    for (size_t i = 0; i < count; i++)
        ops->init(bench->policy, i, slot->data + manifest.tensors[i].offset_bytes);
    pawl_board_publish(&tx, 0);
    DO(pawl_params_attach(&bench->params, bench->board.fd, 0, &err));
    pawl_manifest_close(&manifest);
}

static void open_ring(struct bench *bench, uint32_t lane_count)
{
    struct pawl_ring_cfg cfg;
    struct pawl_ring_rx_cfg rx_cfg = {0};
    DO(pawl_ring_cfg_make(&cfg, pawl_cfg_fields(bench->cfg, &pawl_ring_table),
                          bench->layout.record_bytes, PAWL_OUTBOX_FRAMES_PER_LANE * lane_count,
                          &err));
    DO(pawl_ring_create(&bench->tx, &bench->ring, &cfg, &err));
    DO(pawl_ring_acks_create(&bench->acks, 1, true, &err));
    DO(pawl_ring_attach(&bench->rx, &bench->view, bench->ring.fd, &bench->acks, &rx_cfg, &err));
    DO(pawl_ring_bind(&bench->tx, &bench->acks, 0, -1, &err));
    struct pawl_outbox_cfg outbox_cfg = {.tx = &bench->tx, .lane_count = lane_count};
    DO(pawl_outbox_open(&bench->outbox, &outbox_cfg, &err));
}

static void bench_open(struct bench *bench, const char *env, const char *policy,
                       uint32_t lane_count)
{
    char env_word[64], policy_word[64], lanes_word[64];
    char *words[] = {env_word, policy_word, lanes_word};
    struct pawl_cfg_source source = {.words = words, .word_count = 3};
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();

    memset(bench, 0, sizeof(*bench));
    snprintf(env_word, sizeof(env_word), "env.type=%s", env);
    snprintf(policy_word, sizeof(policy_word), "policy.type=%s", policy);
    snprintf(lanes_word, sizeof(lanes_word), "env.lanes=%u", lane_count);
    DO(pawl_cfg_open(&bench->cfg, pawl_actor_tables, &source, &err));
    DO(pawl_env_cfg_lanes(&lanes_cfg, bench->cfg, NULL, &err));
    DO(pawl_lanes_open(&bench->lanes, &lanes_cfg, &err));
    open_policy(bench, lane_count);
    open_ring(bench, lane_count);
    pawl_params_open(&bench->params, bench->policy, &bench->tx.page->pin);
    if (bench->policy->ops->manifest)
        open_board(bench);
    DO(pawl_stats_create(&bench->stats, "bench", pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT,
                         &err));
    struct pawl_acting_cfg cfg = {.lanes = bench->lanes,
                                  .layout = &bench->layout,
                                  .policy = bench->policy,
                                  .params = &bench->params,
                                  .outbox = &bench->outbox,
                                  .stats = &bench->stats,
                                  .tsc = &tsc,
                                  .has_times = true};
    DO(pawl_acting_open(&bench->acting, &cfg, &err));
    DO(pthread_create(&bench->reader, NULL, read_all, bench));
}

static void bench_close(struct bench *bench)
{
    atomic_store(&bench->is_stopping, true);
    pthread_join(bench->reader, NULL);
    pawl_acting_close(bench->acting);
    pawl_params_close(&bench->params);
    pawl_outbox_close(&bench->outbox);
    bench->policy->ops->close(bench->policy);
    pawl_lanes_close(bench->lanes);
    pawl_stats_close(&bench->stats);
    pawl_segment_close(&bench->view);
    pawl_segment_close(&bench->acks);
    pawl_segment_close(&bench->ring);
    pawl_segment_close(&bench->board);
    pawl_cfg_close(bench->cfg);
}

struct cost {
    double wall_ns, cpu_ns; /* of a step */
};

/* Rounds for so long. */
static struct cost run_for(struct bench *bench, uint64_t duration_ns)
{
    struct pawl_wait wait = {.whom = "the reader", .timeout_ns = PAWL_NS_PER_S};
    uint64_t steps_before = pawl_acting_step_count(bench->acting);
    uint64_t start_ns = pawl_clock_now_ns(), now_ns = start_ns;
    double cpu_start_ns = bench_cpu_ns();

    while (now_ns - start_ns < duration_ns) {
        for (int i = 0; i < 64; i++) {
            enum pawl_acting_result result = pawl_acting_round(bench->acting, &err);
            if (result == PAWL_ACTING_FULL)
                DO(pawl_ring_wait_room(&bench->tx, bench->tx.slot_count / 2, &wait, &err));
            if (result == PAWL_ACTING_FAILED)
                DO(1);
        }
        now_ns = pawl_clock_now_ns();
    }
    double steps = (double)(pawl_acting_step_count(bench->acting) - steps_before);
    return (struct cost){.wall_ns = (double)(now_ns - start_ns) / steps,
                         .cpu_ns = (bench_cpu_ns() - cpu_start_ns) / steps};
}

/* Returns the median processor time of a step. */
static double measure(const char *env, const char *policy, uint32_t lane_count)
{
    static struct bench bench;
    static double wall_ns[RUN_COUNT], cpu_ns[RUN_COUNT];
    char name[96];

    bench_open(&bench, env, policy, lane_count);
    run_for(&bench, WARM_NS);
    for (int i = 0; i < RUN_COUNT; i++) {
        struct cost cost = run_for(&bench, RUN_NS);
        wall_ns[i] = cost.wall_ns;
        cpu_ns[i] = cost.cpu_ns;
    }
    bench_close(&bench);
    bench_sort(wall_ns, RUN_COUNT);
    snprintf(name, sizeof(name), "step_%s_%s_lanes%u_ns", env, policy, lane_count);
    bench_print_spread(name, cpu_ns, RUN_COUNT, 1.0, "ns");
    snprintf(name, sizeof(name), "step_%s_%s_lanes%u_rate", env, policy, lane_count);
    bench_print(name, round(1e9 / bench_percentile(wall_ns, RUN_COUNT, 50)), "per_s");
    snprintf(name, sizeof(name), "step_%s_%s_lanes%u_rate_best", env, policy, lane_count);
    bench_print(name, round(1e9 / wall_ns[0]), "per_s");
    return bench_percentile(cpu_ns, RUN_COUNT, 50);
}

/* The null policy and the dummy environment alone, as their own tables are called. */
static double measure_bare(void)
{
    static struct bench bench;
    static double step_ns[RUN_COUNT];
    static _Alignas(64) unsigned char data[4096];
    void *obs[PAWL_ENV_FIELDS_MAX];
    float action[PAWL_ENV_ACTIONS_MAX] = {0};
    unsigned char *records[] = {data};
    struct pawl_env_step step;
    struct pawl_env_err why;

    bench_open(&bench, "dummy", "null", 1);
    const struct pawl_env_ops *ops = &pawl_env_dummy;
    void *env = pawl_lanes_env(bench.lanes, 0);
    pawl_record_obs(&bench.layout, data, obs);
    ops->reset(env, 1, obs, &why);
    for (int run = 0; run < RUN_COUNT; run++) {
        double start_ns = bench_cpu_ns();
        for (int i = 0; i < LOOP_COUNT; i++) {
            bench.policy->ops->act(bench.policy, records, 1);
            step = (struct pawl_env_step){0};
            ops->step(env, action, obs, &step, &why);
        }
        step_ns[run] = (bench_cpu_ns() - start_ns) / LOOP_COUNT;
    }
    bench_close(&bench);
    bench_print_spread("step_bare_ns", step_ns, RUN_COUNT, 1.0, "ns");
    return bench_percentile(step_ns, RUN_COUNT, 50);
}

static void measure_stage_time(void)
{
    static struct pawl_stats stats;
    static double took_ns[RUN_COUNT];

    DO(pawl_stats_create(&stats, "bench", pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT, &err));
    for (int run = 0; run < RUN_COUNT; run++) {
        uint64_t start_ns = pawl_clock_now_ns(), before_ns = start_ns;
        for (int i = 0; i < LOOP_COUNT; i++) {
            uint64_t now_ns = pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc));
            pawl_stats_record(&stats, PAWL_ACTOR_STAT_STEP_NS, now_ns - before_ns);
            before_ns = now_ns;
        }
        took_ns[run] = (double)(pawl_clock_now_ns() - start_ns) / LOOP_COUNT;
    }
    pawl_stats_close(&stats);
    bench_print_spread("stage_time_ns", took_ns, RUN_COUNT, 1.0, "ns");
}

static void print_lateness(const char *name, double *late_ns)
{
    char text[96];
    bench_sort(late_ns, PACED_COUNT);
    for (int i = 0; i < 3; i++) {
        static const double percents[] = {50, 90, 99};
        snprintf(text, sizeof(text), "%s_p%.0f", name, percents[i]);
        bench_print(text, bench_percentile(late_ns, PACED_COUNT, percents[i]) * 1e-3, "us");
    }
}

/* A schedule of 1 kHz: of the kernel's timer alone, and of a paced actor. */
static void measure_paced(void)
{
    static struct bench bench;
    static double late_ns[PACED_COUNT];
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(PAWL_NS_PER_MS);
    struct pawl_pace pace;

    uint64_t due_ns = pawl_clock_now_ns();
    for (int i = 0; i < PACED_COUNT; i++) {
        due_ns += PAWL_NS_PER_MS;
        struct timespec due = {.tv_sec = (time_t)(due_ns / PAWL_NS_PER_S),
                               .tv_nsec = (long)(due_ns % PAWL_NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        uint64_t now_ns = pawl_clock_now_ns();
        late_ns[i] = (double)(now_ns - due_ns);
        while (due_ns + PAWL_NS_PER_MS < now_ns)
            due_ns += PAWL_NS_PER_MS;
    }
    print_lateness("timer_1khz_lateness", late_ns);

    bench_open(&bench, "pendulum", "sac", 1);
    atomic_store(&bench.is_stopping, true); /* the ring has room for all of it */
    run_for(&bench, WARM_NS / 4);
    DO(pawl_pace_start(&pace, &cfg, &err));
    for (int i = 0; i < PACED_COUNT; i++) {
        late_ns[i] = (double)pawl_pace_wait(&pace).lateness_ns;
        if (pawl_acting_round(bench.acting, &err) == PAWL_ACTING_FAILED)
            DO(1);
    }
    bench_close(&bench);
    print_lateness("paced_1khz_lateness", late_ns);
    bench_print("paced_1khz_skipped", (double)pace.skipped_count, "ticks");
}

int main(void)
{
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    pin(0);
    measure("dummy", "random", 1);
    measure("dummy", "random", 16);
    measure("pendulum", "sac", 1);
    measure("pendulum", "sac", 16);
    double whole_ns = measure("dummy", "null", 1);
    bench_print("step_overhead_ns", whole_ns - measure_bare(), "ns");
    measure_stage_time();
    measure_paced();
    return 0;
}
