#include "actor/bench_step.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "actor/acting.h"
#include "actor/actor.h"
#include "actor/env_cfg.h"
#include "policy/policy_cfg.h"
#include "runtime/clock.h"
#include "runtime/pace.h"
#include "shm/bench_pair.h"
#include "shm/ring_cfg.h"

#define RUN_COUNT   21
#define RUN_NS      (20 * PAWL_NS_PER_MS)
#define WARM_NS     (40 * PAWL_NS_PER_MS)
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
    bool has_reader;
    atomic_bool is_stopping;
};

/* What is measured: a name for the figures, and the words of a command line. */
struct subject {
    const char *name, *env, *policy, *more;
    uint32_t lane_count;
};

static struct pawl_tsc tsc;

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *read_all(void *argument)
{
    struct bench *bench = argument;
    pawl_bench_pin(1, false);
    /* Relaxed: it orders nothing. */
    while (!atomic_load_explicit(&bench->is_stopping, memory_order_relaxed)) {
        uint64_t count = pawl_ring_peek_batch(&bench->rx, 256);
        pawl_ring_release_batch(&bench->rx, count);
        if (count == 0)
            __builtin_ia32_pause();
    }
    return NULL;
}

static int open_policy(struct bench *bench, uint32_t lane_count, struct pawl_err *err)
{
    const struct pawl_policy_cfg *table = pawl_cfg_fields(bench->cfg, &pawl_policy_table);
    const struct pawl_policy_ops *ops = pawl_policies[table->type];
    const struct pawl_env_spec *spec = pawl_lanes_spec(bench->lanes);
    struct pawl_policy_setup setup = {
        .cfg = bench->cfg, .choice_count = spec->choice_count, .lane_count = lane_count};
    int code = pawl_record_layout_make(&bench->layout, spec, ops, &setup, err);
    setup.spec = &bench->layout.spec;
    return code ? code : ops->open(&bench->policy, &setup, err);
}

/* The parameters of version 1, as the policy makes them. */
static int open_board(struct bench *bench, struct pawl_err *err)
{
    const struct pawl_policy_ops *ops = bench->policy->ops;
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    struct pawl_board_tx tx;
    size_t count;
    int code = 0;
    const struct pawl_tensor *tensors = ops->manifest(bench->policy, &count);
    for (size_t i = 0; i < count && code == 0; i++) {
        uint64_t shape[PAWL_SPEC_RANK_MAX];
        for (uint32_t k = 0; k < tensors[i].rank; k++)
            shape[k] = tensors[i].shape[k];
        code = pawl_manifest_add(&manifest, tensors[i].name, tensors[i].dtype, tensors[i].rank,
                                 shape, err);
    }
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    if (code == 0)
        code = pawl_board_create(&tx, &bench->board, &cfg, err);
    if (code == 0) {
        struct pawl_board_slot *slot = pawl_board_claim(&tx);
        for (size_t i = 0; i < count; i++)
            ops->init(bench->policy, i, slot->data + manifest.tensors[i].offset_bytes);
        pawl_board_publish(&tx, 0);
        code = pawl_params_attach(&bench->params, bench->board.fd, 0, err);
    }
    pawl_manifest_close(&manifest);
    return code;
}

static int open_ring(struct bench *bench, uint32_t lane_count, struct pawl_err *err)
{
    struct pawl_ring_cfg cfg;
    struct pawl_ring_rx_cfg rx_cfg = {0};
    struct pawl_outbox_cfg outbox_cfg = {.tx = &bench->tx, .lane_count = lane_count};
    int code = pawl_ring_cfg_make(&cfg, pawl_cfg_fields(bench->cfg, &pawl_ring_table),
                                  bench->layout.record_bytes,
                                  PAWL_OUTBOX_FRAMES_PER_LANE * lane_count, err);
    if (code != 0 || (code = pawl_ring_create(&bench->tx, &bench->ring, &cfg, err)) != 0 ||
        (code = pawl_ring_acks_create(&bench->acks, 1, true, err)) != 0 ||
        (code = pawl_ring_attach(&bench->rx, &bench->view, bench->ring.fd, &bench->acks,
                                 &rx_cfg, err)) != 0 ||
        (code = pawl_ring_bind(&bench->tx, &bench->acks, 0, -1, err)) != 0)
        return code;
    return pawl_outbox_open(&bench->outbox, &outbox_cfg, err);
}

static int open_acting(struct bench *bench, struct pawl_err *err)
{
    int code = pawl_stats_create(&bench->stats, "bench", pawl_actor_stat_rows,
                                 PAWL_ACTOR_STAT_COUNT, err);
    const struct pawl_acting_cfg cfg = {.lanes = bench->lanes,
                                        .layout = &bench->layout,
                                        .policy = bench->policy,
                                        .params = &bench->params,
                                        .outbox = &bench->outbox,
                                        .stats = &bench->stats,
                                        .tsc = &tsc,
                                        .has_times = true};
    return code ? code : pawl_acting_open(&bench->acting, &cfg, err);
}

static void bench_close(struct bench *bench)
{
    atomic_store_explicit(&bench->is_stopping, true, memory_order_relaxed);
    if (bench->has_reader)
        pthread_join(bench->reader, NULL);
    pawl_acting_close(bench->acting);
    pawl_params_close(&bench->params);
    pawl_outbox_close(&bench->outbox);
    if (bench->policy)
        bench->policy->ops->close(bench->policy);
    pawl_lanes_close(bench->lanes);
    pawl_stats_close(&bench->stats);
    pawl_segment_close(&bench->view);
    pawl_segment_close(&bench->acks);
    pawl_segment_close(&bench->ring);
    pawl_segment_close(&bench->board);
    pawl_cfg_close(bench->cfg);
}

static int bench_open(struct bench *bench, const struct subject *subject, struct pawl_err *err)
{
    char env[64], policy[64], lanes[64], more[64];
    char *words[] = {env, policy, lanes, more};
    struct pawl_cfg_source source = {.words = words, .word_count = subject->more ? 4 : 3};
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
    int code;

    *bench = (struct bench){
        .ring.fd = -1, .acks.fd = -1, .view.fd = -1, .board.fd = -1, .stats.segment.fd = -1};
    snprintf(env, sizeof(env), "env.type=%s", subject->env);
    snprintf(policy, sizeof(policy), "policy.type=%s", subject->policy);
    snprintf(lanes, sizeof(lanes), "env.lanes=%u", subject->lane_count);
    snprintf(more, sizeof(more), "%s", subject->more ? subject->more : "");
    if ((code = pawl_cfg_open(&bench->cfg, pawl_actor_tables, &source, err)) != 0 ||
        (code = pawl_env_cfg_lanes(&lanes_cfg, bench->cfg, NULL, err)) != 0 ||
        (code = pawl_lanes_open(&bench->lanes, &lanes_cfg, err)) != 0 ||
        (code = open_policy(bench, subject->lane_count, err)) != 0 ||
        (code = open_ring(bench, subject->lane_count, err)) != 0)
        return code;
    pawl_params_open(&bench->params, bench->policy, &bench->tx.page->pin);
    if (bench->policy->ops->manifest && (code = open_board(bench, err)) != 0)
        return code;
    if ((code = open_acting(bench, err)) != 0)
        return code;
    code = pthread_create(&bench->reader, NULL, read_all, bench);
    bench->has_reader = code == 0;
    return code ? pawl_err_set(err, code, "start a thread: %s", strerror(code)) : 0;
}

/* Rounds for so long; *step_ns is the processor time of a step. */
static int run_for(struct bench *bench, uint64_t duration_ns, double *step_ns,
                   struct pawl_err *err)
{
    struct pawl_wait wait = {.whom = "the reader", .timeout_ns = PAWL_NS_PER_S};
    uint64_t steps_before = pawl_acting_step_count(bench->acting);
    uint64_t start_ns = pawl_clock_now_ns();
    double cpu_start_ns = cpu_ns();

    while (pawl_clock_now_ns() - start_ns < duration_ns)
        for (int i = 0; i < 64; i++) {
            enum pawl_acting_result result = pawl_acting_round(bench->acting, err);
            if (result == PAWL_ACTING_FAILED)
                return -EIO;
            if (result == PAWL_ACTING_FULL &&
                pawl_ring_wait_room(&bench->tx, bench->tx.slot_count / 2, &wait, err) != 0)
                return -err->code;
        }
    *step_ns = (cpu_ns() - cpu_start_ns) /
               (double)(pawl_acting_step_count(bench->acting) - steps_before);
    return 0;
}

struct cost {
    double best_ns, median_ns;
};

static struct cost cost_of(struct pawl_bench_samples *samples)
{
    pawl_bench_sort(samples->values, samples->count);
    return (struct cost){samples->values[0], samples->values[samples->count / 2]};
}

/* The processor time of a step. */
static int measure(const struct subject *subject, FILE *out, struct cost *cost,
                   struct pawl_err *err)
{
    struct bench bench;
    struct pawl_bench_samples samples = {.count = 0};
    char name[96];
    double step_ns = 0.0;

    int code = bench_open(&bench, subject, err);
    if (code == 0)
        code = run_for(&bench, WARM_NS, &step_ns, err);
    for (int i = 0; i < RUN_COUNT && code == 0; i++) {
        code = run_for(&bench, RUN_NS, &step_ns, err);
        pawl_bench_add(&samples, step_ns);
    }
    bench_close(&bench);
    if (code != 0)
        return code;
    snprintf(name, sizeof(name), "step_%s_%s_lanes%u_ns", subject->env, subject->name,
             subject->lane_count);
    pawl_bench_print_samples(out, name, &samples, false, "ns");
    *cost = cost_of(&samples);
    return 0;
}

/* The null policy and the dummy environment alone, as their own tables are called. */
static int measure_bare(const struct subject *subject, FILE *out, struct cost *cost,
                        struct pawl_err *err)
{
    static _Alignas(64) unsigned char data[4096];
    struct bench bench;
    struct pawl_bench_samples samples = {.count = 0};
    void *obs[PAWL_ENV_FIELDS_MAX];
    float action[PAWL_ENV_ACTIONS_MAX] = {0};
    unsigned char *records[] = {data};
    struct pawl_env_step step;
    struct pawl_env_err why;

    int code = bench_open(&bench, subject, err);
    if (code == 0) {
        const struct pawl_env_ops *ops = &pawl_env_dummy;
        void *env = pawl_lanes_env(bench.lanes, 0);
        pawl_record_obs(&bench.layout, data, obs);
        ops->reset(env, 1, obs, &why);
        for (int run = 0; run < RUN_COUNT; run++) {
            double start_ns = cpu_ns();
            for (int i = 0; i < LOOP_COUNT; i++) {
                bench.policy->ops->act(bench.policy, records, 1);
                step = (struct pawl_env_step){0};
                ops->step(env, action, obs, &step, &why);
            }
            pawl_bench_add(&samples, (cpu_ns() - start_ns) / LOOP_COUNT);
        }
    }
    bench_close(&bench);
    if (code != 0)
        return code;
    pawl_bench_print_samples(out, "step_bare_ns", &samples, false, "ns");
    *cost = cost_of(&samples);
    return 0;
}

static int measure_stage_time(FILE *out, struct pawl_err *err)
{
    struct pawl_stats stats;
    struct pawl_bench_samples samples = {.count = 0};

    int code =
        pawl_stats_create(&stats, "bench", pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT, err);
    if (code != 0)
        return code;
    for (int run = 0; run < RUN_COUNT; run++) {
        uint64_t start_ns = pawl_clock_now_ns(), before_ns = start_ns;
        for (int i = 0; i < LOOP_COUNT; i++) {
            uint64_t now_ns = pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc));
            pawl_stats_record(&stats, PAWL_ACTOR_STAT_STEP_NS, now_ns - before_ns);
            before_ns = now_ns;
        }
        pawl_bench_add(&samples, (double)(pawl_clock_now_ns() - start_ns) / LOOP_COUNT);
    }
    pawl_stats_close(&stats);
    pawl_bench_print_samples(out, "stage_time_ns", &samples, false, "ns");
    return 0;
}

static void print_lateness(FILE *out, const char *name, double *late_ns)
{
    static const unsigned percents[] = {50, 90, 99};
    pawl_bench_sort(late_ns, PACED_COUNT);
    for (int i = 0; i < 3; i++)
        fprintf(out, "%s_p%u %.3f us\n", name, percents[i],
                late_ns[PACED_COUNT * percents[i] / 100] * 1e-3);
}

/* A schedule of 1 kHz by the kernel's timer alone. */
static void measure_timer(FILE *out, double *late_ns)
{
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
    print_lateness(out, "timer_1khz_lateness", late_ns);
}

/* The same schedule of a paced actor. */
static int measure_paced(const struct subject *subject, FILE *out, struct pawl_err *err)
{
    static double late_ns[PACED_COUNT];
    struct bench bench;
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(PAWL_NS_PER_MS);
    struct pawl_pace pace = {0};
    double step_ns;

    measure_timer(out, late_ns);
    int code = bench_open(&bench, subject, err);
    if (code == 0)
        code = run_for(&bench, WARM_NS, &step_ns, err);
    /* The ring has room for all of it: a reader that spins would be beside the point. */
    atomic_store_explicit(&bench.is_stopping, true, memory_order_relaxed);
    if (code == 0)
        code = pawl_pace_start(&pace, &cfg, err);
    for (int i = 0; i < PACED_COUNT && code == 0; i++) {
        late_ns[i] = (double)pawl_pace_wait(&pace).lateness_ns;
        if (pawl_acting_round(bench.acting, err) == PAWL_ACTING_FAILED)
            code = -EIO;
    }
    bench_close(&bench);
    if (code != 0)
        return code;
    print_lateness(out, "paced_1khz_lateness", late_ns);
    fprintf(out, "paced_1khz_skipped %llu ticks\n", (unsigned long long)pace.skipped_count);
    return 0;
}

static int measure_all(FILE *out, struct pawl_err *err)
{
    static const char two_layers[] = "policy.sac.hidden=[256]";
    static const struct subject subjects[] = {
        {"random", "dummy", "random", NULL, 1},     {"random", "dummy", "random", NULL, 16},
        {"sac2", "pendulum", "sac", two_layers, 1}, {"sac2", "pendulum", "sac", two_layers, 16},
        {"sac3", "pendulum", "sac", NULL, 1},       {"sac3", "pendulum", "sac", NULL, 16},
    };
    static const struct subject nothing = {"null", "dummy", "null", NULL, 1};
    struct cost whole, bare;
    int code = 0;

    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]) && code == 0; i++)
        code = measure(&subjects[i], out, &whole, err);
    if (code != 0 || (code = measure(&nothing, out, &whole, err)) != 0 ||
        (code = measure_bare(&nothing, out, &bare, err)) != 0)
        return code;
    fprintf(out, "step_overhead_ns_best %.1f ns\n", whole.best_ns - bare.best_ns);
    fprintf(out, "step_overhead_ns_median %.1f ns\n", whole.median_ns - bare.median_ns);
    if ((code = measure_stage_time(out, err)) != 0)
        return code;
    return measure_paced(&subjects[4], out, err);
}

int pawl_bench_step(FILE *out, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    pawl_bench_pin(0, false);
    int code = measure_all(out, err);
    pawl_bench_release_cores();
    return code ? pawl_err_wrap(err, "bench step") : 0;
}
