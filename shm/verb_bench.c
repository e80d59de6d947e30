/* verb_bench.c: pawl bench ring, pawl bench params. */
#include "shm/verbs.h"

#include <stdlib.h>

#include "shm/bench.h"

static int run_ring(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static const struct pawl_bench_way *const ways[] = {&pawl_bench_ring_plain,
                                                        &pawl_bench_ring_streaming};
    struct pawl_err err = {0};
    const char *rounds = pawl_cli_value(cli, "rounds");
    char *end = NULL;
    unsigned long round_count = rounds ? strtoul(rounds, &end, 10) : PAWL_BENCH_ROUNDS;
    if (rounds && (end == rounds || *end != '\0' || rounds[0] == '-' || round_count < 1 ||
                   round_count > PAWL_BENCH_ROUNDS_MAX))
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "--rounds=%s: must be 1 to %u", rounds,
                             PAWL_BENCH_ROUNDS_MAX);
    const struct pawl_bench_cfg cfg = {
        .ways = ways, .way_count = 2, .round_count = (uint32_t)round_count};
    if (pawl_bench_ring(&cfg, cli->out, &err) != 0 ||
        pawl_bench_sleep(cfg.round_count, cli->out, &err) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    return PAWL_EXIT_DONE;
}

static int run_params(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct pawl_err err = {0};
    if (pawl_bench_params(cli->out, &err) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    return PAWL_EXIT_DONE;
}

static const struct pawl_cli_option ring_options[] = {
    {.name = "rounds", .value = "N", .help = "How often each trial is made; 9."},
};

const struct pawl_cli_verb pawl_verb_bench = {
    .name = "bench",
    .help = "How fast this machine is at what Pawl does.",
    .details = "Each line is a name, a value and its unit.",
};

const struct pawl_cli_verb pawl_verb_bench_ring = {
    .name = "bench ring",
    .help = "Records from one process to another.",
    .details =
        "Rates and one-way times of four sizes of records, with a copy in and a copy out; a "
        "wake-up; and what producers cost that have nothing to do. It takes two cores, at "
        "real-time priority where that is allowed, for some 10 ms at a time.\n"
        "How far apart the two cores are is probed before and after every trial, and figures "
        "of near and far cores are kept apart. Only the best is free of what else the "
        "machine does.",
    .options = ring_options,
    .option_count = 1,
    .run = run_ring,
};

const struct pawl_cli_verb pawl_verb_bench_params = {
    .name = "bench params",
    .help = "Acquiring and publishing parameters.",
    .details = "Versions of 1 MiB, and of 1 GiB where 6 GiB of memory are free. Every word of "
               "some versions is looked at: a torn one is an error.",
    .run = run_params,
};
