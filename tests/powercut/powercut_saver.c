/* powercut_saver.c: saves checkpoints, or judges what a power cut left of them.
 *
 *     powercut_saver save RUN COUNT ACKS JOURNAL     after each one that is done, a line of
 * ACKS says its step and how long JOURNAL is powercut_saver check RUN LEAST finds the newest
 * valid one, which is at least that step, whole, and no other number is torn; then saves and
 * finds that
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* This is no test of check's: what its assertions mean is enough. */
#define MUST(condition)                                                                        \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "powercut_saver: not so: %s\n", #condition);                       \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)
#undef ck_assert_msg
#undef ck_assert_ptr_nonnull
#undef ck_assert_int_eq
#undef ck_assert_int_ne
#undef ck_assert_str_eq
#undef ck_assert_float_eq
#define ck_assert_msg(condition, ...)  MUST(condition)
#define ck_assert_ptr_nonnull(pointer) MUST((pointer) != NULL)
#define ck_assert_int_eq(a, b)         MUST((a) == (b))
#define ck_assert_int_ne(a, b)         MUST((a) != (b))
#define ck_assert_str_eq(a, b)         MUST(strcmp(a, b) == 0)
#define ck_assert_float_eq(a, b)       MUST((a) == (b))

#include "support/checkpoint_rig.h"

static struct rig rig;

static int complain(const char *what, const struct pawl_err *err)
{
    fprintf(stderr, "powercut_saver: %s: %s\n", what, err->text);
    return 1;
}

static int run_save(const char *run_path, uint64_t count, const char *acks_path,
                    const char *journal_path)
{
    struct pawl_err err = {0};
    struct pawl_checkpoint_setup setup = rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_AUTO, run_path);
    FILE *acks = fopen(acks_path, "we");
    if (!acks || rig_open(&rig, &setup, &err) != 0)
        return complain("open", &err);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = 1 + i * 3 / 4; /* one in four takes the place of the one before */
        struct stat journal;
        if (rig_save(&rig, step, NAN, &err) != PAWL_CHECKPOINT_DONE)
            return complain("save", &err);
        if (stat(journal_path, &journal) != 0)
            return complain("look at the journal", &err);
        fprintf(acks, "%llu %lld\n", (unsigned long long)step, (long long)journal.st_size);
    }
    rig_close(&rig);
    return fclose(acks) != 0;
}

static int check_numbers(const char *run_path, struct pawl_err *err)
{
    struct pawl_checkpoint_info *infos;
    size_t count;
    int code = pawl_checkpoint_list(pawl_io_sys(), run_path, PAWL_CHECKPOINT_FULL, &infos,
                                    &count, err);
    for (size_t i = 0; code == 0 && i < count; i++)
        if (!infos[i].is_valid)
            code = pawl_err_set(err, EINVAL, "torn: %s", infos[i].reason);
    free(infos);
    return code;
}

static int run_check(const char *run_path, uint64_t least)
{
    struct pawl_err err = {0};
    struct pawl_checkpoint_info info;
    int code = pawl_checkpoint_find(pawl_io_sys(), run_path, PAWL_CHECKPOINT_NEWEST_VALID, NULL,
                                    NULL, &info, &err);
    if (code == -ENOENT && least == 0)
        return 0; /* nothing was done yet; a run does not get to step 0 by itself */
    if (code != 0)
        return complain("find", &err);
    if (info.step < least) {
        pawl_err_set(&err, EINVAL, "step %llu, but %llu was done",
                     (unsigned long long)info.step, (unsigned long long)least);
        return complain("find", &err);
    }
    rig_expect(pawl_io_sys(), info.path, info.step);
    if (check_numbers(run_path, &err) != 0)
        return complain("check", &err);

    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, run_path);
    setup.step = info.step;
    if (rig_open(&rig, &setup, &err) != 0 ||
        rig_save(&rig, info.step + 100, NAN, &err) != PAWL_CHECKPOINT_DONE)
        return complain("go on", &err);
    rig_close(&rig);
    printf("%llu\n", (unsigned long long)info.step);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "save") == 0)
        return run_save(argv[2], strtoull(argv[3], NULL, 10), argv[4], argv[5]);
    if (argc == 4 && strcmp(argv[1], "check") == 0)
        return run_check(argv[2], strtoull(argv[3], NULL, 10));
    fprintf(stderr, "usage: powercut_saver save RUN COUNT ACKS JOURNAL | check RUN LEAST\n");
    return 2;
}
