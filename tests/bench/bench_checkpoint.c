/* What a checkpoint of 200 MB costs a loop that goes on meanwhile; name value unit per line.
 * The loop learns for half a millisecond a turn (it sleeps here) and polls once. */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learner/checkpoint.h"
#include "runtime/safetensors.h"
#include "support/bench.h"

#define BLOCK_BYTES ((size_t)200 << 20)
#define SAVE_COUNT  5
#define POLLS_MAX   1000000
#define TURN_US     500

static const char run_path[] = "bench_checkpoint.tmp";
static unsigned char *block, *copy;
static struct pawl_safetensors_layout layouts[2];
static double *polls_ns, *polls_cpu_ns;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void clean(void)
{
    nftw(run_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void give_up(const struct pawl_err *err)
{
    fprintf(stderr, "bench_checkpoint: %s\n", err->text);
    clean();
    exit(1);
}

/* A third is the model, the rest its moments. */
static void make_layouts(void)
{
    struct pawl_err err = {0};
    size_t count = BLOCK_BYTES / sizeof(float);
    struct pawl_tensor tensors[2] = {
        {.name = "w", .dtype = PAWL_F32, .rank = 1, .shape = {(uint32_t)(count / 3)}},
        {.name = "m", .dtype = PAWL_F32, .rank = 1, .shape = {(uint32_t)(count - count / 3)}},
    };
    tensors[0].data = copy;
    tensors[1].data = copy + count / 3 * sizeof(float);
    for (int i = 0; i < 2; i++)
        if (pawl_safetensors_layout_open(&layouts[i], &tensors[i], 1, NULL, 0, &err) != 0)
            give_up(&err);
}

static double timed_copy(void)
{
    double start_ns = bench_now_ns();
    memcpy(copy, block, BLOCK_BYTES);
    return bench_now_ns() - start_ns;
}

static size_t save(struct pawl_checkpoint *saver, uint64_t step, size_t poll_count)
{
    struct pawl_err err = {0};
    const struct pawl_checkpoint_file files[] = {
        {"pretrained_model/model.safetensors", layouts[0].parts, layouts[0].part_count},
        {"training_state/actor/optimizer_state.safetensors", layouts[1].parts,
         layouts[1].part_count},
    };
    enum pawl_checkpoint_state state = PAWL_CHECKPOINT_BUSY;
    for (bool is_begun = false; state != PAWL_CHECKPOINT_IDLE; is_begun = true) {
        double cpu_ns = bench_cpu_ns(), now_ns = bench_now_ns();
        if (!is_begun &&
            pawl_checkpoint_begin(saver, step, (double)NAN, files, 2, 0, &err) != 0)
            give_up(&err);
        if (is_begun)
            state = pawl_checkpoint_poll(saver, &err);
        if (poll_count < POLLS_MAX) {
            polls_ns[poll_count] = bench_now_ns() - now_ns;
            polls_cpu_ns[poll_count++] = bench_cpu_ns() - cpu_ns;
        }
        if (state == PAWL_CHECKPOINT_FAILED)
            give_up(&err);
        usleep(TURN_US);
    }
    return poll_count;
}

static void print_polls(const char *prefix, const char *what, double *values_ns, size_t count)
{
    char name[64];
    snprintf(name, sizeof(name), "%s_poll_%s_us", prefix, what);
    bench_print_spread(name, values_ns, count, 1e-3, "us"); /* sorts */
    snprintf(name, sizeof(name), "%s_poll_%s_worst_us", prefix, what);
    bench_print(name, values_ns[count - 1] * 1e-3, "us");
}

static void measure(const char *prefix, enum pawl_io_queue_kind kind)
{
    static double copies_ns[SAVE_COUNT], totals_ns[SAVE_COUNT];
    struct pawl_checkpoint saver;
    struct pawl_err err = {0};
    const struct pawl_checkpoint_setup setup = {
        .io = pawl_io_sys(),
        .queue = kind,
        .run_path = run_path,
        .run = "bench",
        .cfg = {.keep_last = 2},
        .part_count_max = 16,
    };
    clean();
    if (mkdir(run_path, 0700) != 0 || pawl_checkpoint_open(&saver, &setup, &err) != 0)
        give_up(&err);
    size_t poll_count = 0;
    for (uint64_t i = 0; i < SAVE_COUNT; i++) {
        copies_ns[i] = timed_copy();
        poll_count = save(&saver, i + 1, poll_count);
        totals_ns[i] = (double)saver.took_ns;
    }
    char name[64];
    snprintf(name, sizeof(name), "%s_copy_ms", prefix);
    bench_print_spread(name, copies_ns, SAVE_COUNT, 1e-6, "ms");
    print_polls(prefix, "wall", polls_ns, poll_count);
    print_polls(prefix, "cpu", polls_cpu_ns, poll_count);
    snprintf(name, sizeof(name), "%s_total_ms", prefix);
    bench_print_spread(name, totals_ns, SAVE_COUNT, 1e-6, "ms");
    printf("# %s: %zu polls in %d checkpoints of %zu MiB\n", prefix, poll_count, SAVE_COUNT,
           BLOCK_BYTES >> 20);
    pawl_checkpoint_close(&saver);
    clean();
}

int main(void)
{
    block = malloc(BLOCK_BYTES);
    copy = malloc(BLOCK_BYTES);
    polls_ns = calloc(POLLS_MAX, sizeof(double));
    polls_cpu_ns = calloc(POLLS_MAX, sizeof(double));
    if (!block || !copy || !polls_ns || !polls_cpu_ns)
        return 1;
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        block[i] = (unsigned char)(i * 2654435761u >> 24);
    memset(copy, 0, BLOCK_BYTES);
    make_layouts();
    measure("checkpoint_auto", PAWL_IO_QUEUE_AUTO);
    measure("checkpoint_thread", PAWL_IO_QUEUE_THREAD);
    return 0;
}
