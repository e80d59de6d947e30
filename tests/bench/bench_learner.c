/* bench_learner.c: what a learner does besides the mathematics. A whole run of `pawl train`,
 * environment "dummy" (18 observations, 4 actions), SAC with two layers of 256, batches of 256,
 * an update for each step, all else as by default, whose learner is this program: the
 * product's, with a clock around each update and each batch. Between blocks of updates it makes
 * updates of a second trainer that are fed for nothing, replays their products, and publishes.
 * Processor time of the process, medians over blocks; what is done between them is not in it.
 *
 *     learner_updates_per_s         of the whole loop
 *     learner_bare_updates_per_s    of the second trainer
 *     learner_over_bare             the first over the second, pairs of neighbours
 *     learner_products_us           of an update: the matrix products, replayed
 *     learner_mathematics_us        the rest of the update but
 *     learner_sampling_us           the batch from the replay
 *     learner_publish_us            an update's share of a publication
 *     learner_else_us               drain, ingest, mirror, metrics, waits for records, all else
 *     learner_not_mathematics       sampling, publish and else in percent of all
 */
#include "learner/learner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/engine_cpu.h"
#include "policy/sac_trainer.h"
#include "runtime/log.h"
#include "runtime/proc.h"
#include "shm/run_stats.h"
#include "support/bench.h"

#define FIGURES_ENV  "PAWL_BENCH_FIGURES" /* the learner's file for what it prints */
#define BLOCK_COUNT  16                   /* the first is not counted */
#define UPDATE_COUNT 100                  /* in a block */
#define BARE_COUNT   20                   /* behind it */
#define EXTRA_COUNT  5                    /* publications, likewise */
#define START_STEPS  500
#define RUN_GUARD_S  600

static void demand(int code, const struct pawl_err *err)
{
    if (code == 0)
        return;
    fprintf(stderr, "bench_learner: %s\n", err->text);
    exit(1);
}

static double processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* should the learner have threads one day */
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* --- the learner --- */

static struct {
    struct pawl_learner *learner;
    struct pawl_trainer *bare;
    const struct pawl_sampler *sampler; /* the learner's, for the update under way */
    double mark_ns;                     /* when the block began; 0: none has */
    double update_ns, fill_ns;          /* in the block */
    size_t update_count, block_count;
} at;

static struct {
    double all[BLOCK_COUNT], update[BLOCK_COUNT], fill[BLOCK_COUNT], bare[BLOCK_COUNT],
        products[BLOCK_COUNT], over_bare[BLOCK_COUNT];
    double publish[BLOCK_COUNT]; /* a publication */
} took_ns;                       /* by block, for one update */

static int timed_fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    (void)arg;
    double began_ns = processor_ns();
    int code = at.sampler->fill(at.sampler->arg, batch, draw, err);
    at.fill_ns += processor_ns() - began_ns;
    return code;
}

/* The batch that is there already: the numbers of a replay do not matter to the time. */
static int no_fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    (void)arg;
    (void)draw;
    (void)err;
    for (uint32_t row = 0; row < batch->count; row++) {
        batch->discount[row] = 0.99f;
        batch->weight[row] = 1.0f;
    }
    return 0;
}

static double median(double *values)
{
    bench_sort(values + 1, BLOCK_COUNT - 1);
    return bench_percentile(values + 1, BLOCK_COUNT - 1, 50);
}

static void print_figures(void)
{
    static struct pawl_hist_copy publish;
    pawl_hist_read(at.learner->stats.hists[PAWL_LEARNER_STAT_PUBLISH_NS], &publish);
    double all_us = median(took_ns.all) * 1e-3, update_us = median(took_ns.update) * 1e-3;
    double fill_us = median(took_ns.fill) * 1e-3, products_us = median(took_ns.products) * 1e-3;
    double publish_us = median(took_ns.publish) * 1e-3 *
                        (double)(publish.count - BLOCK_COUNT * EXTRA_COUNT) /
                        (BLOCK_COUNT * UPDATE_COUNT);

    if (!freopen(getenv(FIGURES_ENV), "w", stdout))
        exit(1);
    bench_print("learner_updates_per_s", 1e6 / all_us, "1/s");
    bench_print("learner_bare_updates_per_s", 1e9 / median(took_ns.bare), "1/s");
    bench_print("learner_over_bare", median(took_ns.over_bare), "x");
    bench_print("learner_products_us", products_us, "us");
    bench_print("learner_mathematics_us", update_us - fill_us - products_us, "us");
    bench_print("learner_sampling_us", fill_us, "us");
    bench_print("learner_publish_us", publish_us, "us");
    bench_print("learner_else_us", all_us - update_us - publish_us, "us");
    bench_print("learner_not_mathematics", 100.0 * (1.0 - (update_us - fill_us) / all_us), "%");
    fflush(stdout);
}

static void run_bare(double *bare_ns, double *products_ns)
{
    static const enum pawl_sac_list lists[] = {PAWL_SAC_CRITIC, PAWL_SAC_ACTOR,
                                               PAWL_SAC_TEMPERATURE, PAWL_SAC_TARGETS};
    struct pawl_engine *engine = pawl_sac_trainer_engine(at.bare);
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(at.bare);
    const struct pawl_sampler sampler = {.fill = no_fill};
    struct pawl_trainer_report report;
    struct pawl_err err = {0};

    for (size_t i = 0; i < BARE_COUNT; i++) {
        double began_ns = processor_ns();
        demand(pawl_sac_trainer.update(at.bare, &sampler, &report, &err), &err);
        double updated_ns = processor_ns();
        for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
            pawl_engine_cpu_products(engine, steps->lists[lists[k]]);
        *bare_ns += (updated_ns - began_ns) / BARE_COUNT;
        *products_ns += (processor_ns() - updated_ns) / BARE_COUNT;
    }
}

/* A publication, now and not when the next one is due. */
static double published_ns(void)
{
    struct pawl_err err = {0};
    double began_ns = processor_ns();
    for (size_t i = 0; i < EXTRA_COUNT; i++)
        demand(pawl_learner_publish(at.learner, &err), &err);
    return (processor_ns() - began_ns) / EXTRA_COUNT;
}

static void end_block(void)
{
    size_t block = at.block_count++;
    if (block >= BLOCK_COUNT)
        return;
    took_ns.all[block] = (processor_ns() - at.mark_ns) / UPDATE_COUNT;
    took_ns.update[block] = at.update_ns / UPDATE_COUNT;
    took_ns.fill[block] = at.fill_ns / UPDATE_COUNT;
    run_bare(&took_ns.bare[block], &took_ns.products[block]);
    took_ns.publish[block] = published_ns();
    took_ns.over_bare[block] = took_ns.bare[block] / took_ns.all[block];
    if (block + 1 == BLOCK_COUNT)
        print_figures();
}

static int timed_update(struct pawl_trainer *trainer, const struct pawl_sampler *sampler,
                        struct pawl_trainer_report *report, struct pawl_err *err)
{
    const struct pawl_sampler timed = {.fill = timed_fill};
    double began_ns = processor_ns();
    if (at.update_count == UPDATE_COUNT) /* with all that followed its last update */
        end_block();
    if (at.update_count == UPDATE_COUNT || at.mark_ns == 0.0) {
        at.update_count = 0;
        at.update_ns = at.fill_ns = 0.0;
        at.mark_ns = began_ns = processor_ns();
    }
    at.sampler = sampler;
    int code = pawl_sac_trainer.update(trainer, &timed, report, err);
    at.update_ns += processor_ns() - began_ns;
    at.update_count += code == 0;
    return code;
}

static int open_both(struct pawl_trainer **trainer, const struct pawl_trainer_setup *setup,
                     struct pawl_err *err)
{
    int code = pawl_sac_trainer.open(&at.bare, setup, err);
    return code == 0 ? pawl_sac_trainer.open(trainer, setup, err) : code;
}

static int be_the_learner(const char *config, int hub_fd)
{
    static const _Atomic bool never;
    static struct pawl_trainer_ops trainer;
    static struct pawl_policy_ops policy;
    char folder[PATH_MAX], log_path[PATH_MAX + 16];
    struct pawl_cfg_source source = {.path = config, .has_other_tables = true};
    struct pawl_log_cfg log = pawl_log_default_cfg("learner");
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};

    snprintf(folder, sizeof(folder), "%s", config);
    struct pawl_learner_setup setup = {.folder = dirname(folder),
                                       .hub_fd = hub_fd,
                                       .start_ns = pawl_clock_now_ns(),
                                       .is_stopping = &never};
    snprintf(log_path, sizeof(log_path), "%s/log.txt", setup.folder);
    log.path = log_path;
    log.stderr_level = PAWL_LOG_WARN;
    demand(pawl_log_start(&log, &err), &err);
    demand(pawl_cfg_open(&cfg, pawl_learner_tables, &source, &err), &err);
    setup.cfg = cfg;
    demand(pawl_learner_open(&at.learner, &setup, &err), &err);
    trainer = pawl_sac_trainer;
    trainer.open = open_both;
    trainer.update = timed_update;
    policy = *at.learner->policy;
    policy.trainer = &trainer;
    at.learner->policy = &policy;
    demand(pawl_learner_run(at.learner, &err), &err);
    pawl_learner_close(at.learner);
    pawl_sac_trainer.close(at.bare);
    pawl_cfg_close(cfg);
    pawl_log_stop();
    return 0;
}

/* --- the run --- */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static char folder[] = "/tmp/pawl-bench-learner-XXXXXX";

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void check_end(const struct pawl_proc_exit *how)
{
    char text[64];
    struct pawl_err err = {0};
    if (how->signal != 0 || how->code != 0)
        demand(pawl_err_set(&err, ECHILD, "the run has ended with %s",
                            pawl_proc_exit_text(how, text, sizeof(text))),
               &err);
}

static void run_and_print(void)
{
    char self[PATH_MAX] = "", path[PATH_MAX], dir[PATH_MAX], steps[64];
    const char *argv[] = {"pawl",
                          "train",
                          path,
                          dir,
                          steps,
                          "run.seed=1",
                          "env.type=dummy",
                          "policy.type=sac",
                          "policy.sac.network=plain",
                          "policy.sac.hidden=[256, 256]",
                          "learner.update_ratio=1",
                          "learner.batch_size=256",
                          "learner.learning_starts=500",
                          NULL};
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct pawl_proc_fd fds[] = {{.fd = out, .number = STDOUT_FILENO}};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_proc proc = {0};
    struct pawl_err err = {0};

    snprintf(path, sizeof(path), "%s/pawl-learner", folder);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || symlink(self, path) != 0)
        demand(pawl_err_set(&err, errno, "%s: %s", path, strerror(errno)), &err);
    snprintf(path, sizeof(path), "%s/pawl-actor", folder);
    if (symlink(PAWL_BIN_DIR "/pawl-actor", path) != 0)
        demand(pawl_err_set(&err, errno, "%s: %s", path, strerror(errno)), &err);
    setenv("PAWL_LIBEXEC", folder, 1);
    snprintf(path, sizeof(path), "%s/figures", folder);
    setenv(FIGURES_ENV, path, 1);
    snprintf(path, sizeof(path), "%s/bench.toml", folder);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(dir, sizeof(dir), "run.dir=%s/runs", folder);
    snprintf(steps, sizeof(steps), "run.steps=%d",
             START_STEPS + (BLOCK_COUNT + 1) * UPDATE_COUNT);
    cfg.path = PAWL_BIN_DIR "/pawl";
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 1;
    demand(pawl_proc_start(&proc, &cfg, &err), &err);
    demand(pawl_proc_wait(&proc, pawl_clock_now_ns() + RUN_GUARD_S * PAWL_NS_PER_S, &err),
           &err);
    check_end(&proc.exit);
    pawl_proc_close(&proc);
    close(out);

    char line[256];
    FILE *figures = fopen(getenv(FIGURES_ENV), "r");
    if (!figures)
        demand(pawl_err_set(&err, ENOENT, "the run has ended without figures"), &err);
    while (fgets(line, sizeof(line), figures))
        fputs(line, stdout);
    fclose(figures);
}

int main(int argc, char **argv)
{
    const char *config = NULL, *hub_fd = NULL;

    for (int i = 1; i + 1 < argc; i++) {
        config = strcmp(argv[i], "--config") == 0 ? argv[i + 1] : config;
        hub_fd = strcmp(argv[i], "--hub") == 0 ? argv[i + 1] : hub_fd;
    }
    if (config && hub_fd)
        return be_the_learner(config, atoi(hub_fd));
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        return 1;
    run_and_print();
    return 0;
}
