/* `pawl train` keeps its updates per step, through kills of learner and actor and a resume.
 *
 *     PAWL_RATIO_S=25 proc_train_ratio      every ratio on fast and slow environments, each for
 *                                           so long, judged by metrics.jsonl over any 10 s
 *
 * By default one ratio for a moment, judged by the counts alone.
 */
#include <math.h>

#include "support/temp.h"
#include "support/train.h"

#define WINDOW_NS (10 * PAWL_NS_PER_S)
#define LINES_MAX 100000
#define STARTS    100

static char folder[TEMP_BYTES];
static struct train train;

struct line {
    unsigned long long t_ns, step, env_step;
};

static struct line lines[LINES_MAX];
static size_t line_count;

static void read_lines(void)
{
    char *text = train_read(train_path(&train, "metrics.jsonl"));
    line_count = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')) && line_count < LINES_MAX;
         at = end + 1) {
        struct line *line = &lines[line_count];
        const char *step = strstr(at, "\"step\":");
        if (sscanf(at, "{\"t_ns\":%llu", &line->t_ns) == 1 && step && step < end &&
            sscanf(step, "\"step\":%llu,\"env_step\":%llu", &line->step, &line->env_step) == 2)
            line_count++;
    }
    free(text);
}

/* The largest relative deviations over windows of at least 10 s. */
struct worst {
    size_t window_count;
    double raw;
    double judged; /* beyond what a line may see: an update is whole, a step's come together */
    double steps_min;
};

static struct worst find_worst(double ratio)
{
    struct worst worst = {.steps_min = INFINITY};
    for (size_t first = 0; first < line_count; first++) {
        size_t last = first;
        /* A resumed run's clock begins anew. */
        while (last < line_count && lines[last].t_ns >= lines[first].t_ns &&
               lines[last].t_ns - lines[first].t_ns < WINDOW_NS)
            last++;
        if (lines[first].env_step <= STARTS || last == line_count ||
            lines[last].t_ns < lines[first].t_ns)
            continue;
        double steps = (double)(lines[last].env_step - lines[first].env_step);
        double updates = (double)lines[last].step - (double)lines[first].step;
        if (steps <= 0.0)
            continue;
        double off = fabs(updates - ratio * steps);
        worst.raw = fmax(worst.raw, off / (ratio * steps));
        worst.judged = fmax(worst.judged, (off - fmax(1.0, ratio)) / (ratio * steps));
        worst.steps_min = fmin(worst.steps_min, steps);
        worst.window_count++;
    }
    return worst;
}

/* Until there have been so many steps, or it hangs. */
static void wait_for_steps(unsigned long long env_step)
{
    uint64_t began_ns = pawl_clock_now_ns();
    do {
        TRAIN_DEMAND(pawl_clock_now_ns() - began_ns < TRAIN_HANG_NS, "no %llu steps: %s",
                     env_step, train_read(train.out_path));
        usleep(10000);
        read_lines();
    } while (line_count == 0 || lines[line_count - 1].env_step < env_step);
}

static void kill_one(bool is_learner)
{
    train_find_children(&train);
    const struct train_child *child = train_child_of(&train, is_learner, 0);
    if (child)
        kill(child->pid, SIGKILL);
}

static void sleep_s(double seconds)
{
    usleep((useconds_t)(seconds * 1e6));
}

static void stop(void)
{
    kill(train.proc.pid, SIGTERM);
    int code = train_wait(&train);
    TRAIN_DEMAND(code == 130, "exit %d: %s", code, train_read(train.out_path));
}

/* What is earned is done but for what the last steps are worth. */
static void check_counts(double ratio)
{
    read_lines();
    const struct line *end = &lines[line_count - 1];
    double earned = ratio * ((double)end->env_step - STARTS);
    /* The stop may come amid the updates of a step; what actors have in their rings then is
     * taken in without. */
    double slack = ratio * 140.0 + 1.0;
    TRAIN_DEMAND((double)end->step <= earned + 1e-6 && (double)end->step >= earned - slack,
                 "%llu updates for %llu steps at %g", end->step, end->env_step, ratio);
}

static void write_config(char *text, size_t bytes, double ratio, bool is_slow)
{
    snprintf(text, bytes,
             "[env]\ntype = \"dummy\"\nlanes = 2\nsteps_max = 50\ntarget_hz = %d\n"
             "[env.dummy]\nobs_count = 4\naction_count = 1\n"
             "[policy]\ntype = \"sac\"\n"
             "[policy.sac]\nnetwork = \"plain\"\nhidden = [8]\n"
             "[learner]\nbatch_size = 8\nlearning_starts = %d\nupdate_ratio = %g\n"
             "metrics_period_s = 0.1\n"
             "[checkpoint]\nperiod_s = 2\n"
             "[run]\ncrash_window_s = 0.01\nrestart_pause_s = 0.005\n",
             is_slow ? 400 : 0, STARTS, ratio);
}

static void resume(void)
{
    char word[PATH_MAX + 16];
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_err err = {0};
    snprintf(word, sizeof(word), "--resume=%s", train.run_folder);
    const char *const argv[] = {"pawl", "train", word, NULL};
    int out = open(train.out_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    const struct pawl_proc_fd fds[] = {{.fd = out, .number = 1}, {.fd = out, .number = 2}};
    cfg.path = PAWL_BIN_DIR "/pawl";
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 2;
    cfg.death_signal = SIGKILL;
    TRAIN_DEMAND(pawl_proc_start(&train.proc, &cfg, &err) == 0, "%s", err.text);
    close(out);
}

/* Some steps, a dead learner, a dead actor, a stop, a resume, and some steps again. */
static void run_short(double ratio)
{
    char config[1024];
    write_config(config, sizeof(config), ratio, false);
    train_start(&train, PAWL_BIN_DIR "/pawl", folder, config, NULL);
    wait_for_steps(300);
    kill_one(true);
    read_lines();
    wait_for_steps(lines[line_count - 1].env_step + 200);
    kill_one(false);
    wait_for_steps(lines[line_count - 1].env_step + 200);
    stop();
    check_counts(ratio);
    unsigned long long before = lines[line_count - 1].env_step;
    resume();
    wait_for_steps(before + 200);
    stop();
    check_counts(ratio);
}

static void run_long(double ratio, bool is_slow, double seconds)
{
    char config[1024];
    write_config(config, sizeof(config), ratio, is_slow);
    train_start(&train, PAWL_BIN_DIR "/pawl", folder, config, NULL);
    wait_for_steps(STARTS + 1);
    for (int part = 0; part < 4; part++) {
        sleep_s(seconds / 5.0);
        kill_one(part % 2 == 0);
    }
    sleep_s(seconds / 5.0);
    stop();
    check_counts(ratio);
    size_t before = line_count;
    resume();
    wait_for_steps(lines[line_count - 1].env_step + 1);
    sleep_s(seconds / 2.0);
    stop();
    check_counts(ratio);
    struct worst worst = find_worst(ratio);
    const char *speed = is_slow ? "slow" : "fast";
    printf("ratio_%g_%s_worst_10s %.3f %%\n", ratio, speed, 100.0 * worst.raw);
    printf("ratio_%g_%s_worst_10s_beyond_one %.3f %%\n", ratio, speed, 100.0 * worst.judged);
    printf("ratio_%g_%s_windows %zu 1\n", ratio, speed, worst.window_count);
    printf("ratio_%g_%s_fewest_steps %.0f 1\n", ratio, speed, worst.steps_min);
    fflush(stdout);
    TRAIN_DEMAND(worst.window_count > 0 && line_count > before, "no 10 s were seen");
    TRAIN_DEMAND(worst.judged <= 0.01, "%g: off by %g in some 10 s", ratio, worst.judged);
}

int main(void)
{
    const char *seconds = getenv("PAWL_RATIO_S");
    snprintf(folder, sizeof(folder), "/tmp/pawl-train-ratio-XXXXXX");
    TRAIN_DEMAND(mkdtemp(folder) != NULL, "no folder in /tmp");
    if (!seconds)
        run_short(2.0);
    for (int i = 0; seconds && i < 6; i++)
        run_long((double[]){0.1, 1.0, 8.0}[i / 2], i % 2 == 0, atof(seconds));
    nftw(folder, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
