/* verb_shm.c: pawl shm RUN. */
#include "shm/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/inspect.h"

/* Rates are of the time between two looks. */
#define ONCE_PERIOD_NS  (200 * PAWL_NS_PER_MS)
#define WATCH_PERIOD_NS PAWL_NS_PER_S

#define SCREEN_ENTER "\x1b[?1049h\x1b[?25l"
#define SCREEN_LEAVE "\x1b[?25h\x1b[?1049l"
#define SCREEN_HOME  "\x1b[H\x1b[J"

static int print(const struct pawl_cli *cli, const struct pawl_inspect *inspect,
                 struct pawl_err *err)
{
    bool is_watched = pawl_cli_has(cli, "watch");
    if (pawl_cli_has(cli, "json"))
        return pawl_inspect_json(inspect, cli->out, is_watched ? 0 : 2, err);
    if (is_watched && cli->has_color)
        fputs(SCREEN_HOME, cli->out);
    pawl_inspect_print(inspect, cli->out, cli->has_color);
    if (is_watched && !cli->has_color)
        fputs("\n", cli->out);
    return 0;
}

/* True when a signal to end came within the time. */
static bool is_ended_within(int signal_fd, uint64_t period_ns)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + period_ns;
    struct pollfd look = {.fd = signal_fd, .events = POLLIN};
    for (uint64_t now_ns; (now_ns = pawl_clock_now_ns()) < deadline_ns;)
        if (poll(&look, 1, (int)((deadline_ns - now_ns) / PAWL_NS_PER_MS) + 1) > 0)
            return true;
    return false;
}

/* Until a signal, an error of the output, or the end of the run's last process. */
static int watch(const struct pawl_cli *cli, struct pawl_inspect *inspect, int signal_fd,
                 struct pawl_err *err)
{
    bool has_screen = cli->has_color && !pawl_cli_has(cli, "json");
    bool is_live = true;
    int status = 0;
    if (has_screen)
        fputs(SCREEN_ENTER, cli->out);
    while (is_live && status == 0 && !is_ended_within(signal_fd, WATCH_PERIOD_NS)) {
        pawl_inspect_look(inspect);
        status = print(cli, inspect, err);
        if (status == 0 && (fflush(cli->out) != 0 || ferror(cli->out)))
            break; /* the program tells of it */
        is_live = pawl_inspect_is_live(inspect);
    }
    if (has_screen)
        fputs(SCREEN_LEAVE, cli->out);
    if (status == 0 && !is_live && !pawl_cli_has(cli, "json")) {
        if (has_screen)
            print(cli, inspect, err);
        fprintf(cli->out, "\nThe run has ended.\n");
    }
    fflush(cli->out);
    return status;
}

/* Signals become readable, so that the screen is restored in one place. */
static int watch_with_signals(const struct pawl_cli *cli, struct pawl_inspect *inspect,
                              struct pawl_err *err)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGHUP);
    sigprocmask(SIG_BLOCK, &wanted, &before);
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC);
    int status = fd < 0 ? pawl_err_set(err, errno, "signalfd: %s", strerror(errno))
                        : watch(cli, inspect, fd, err);
    struct signalfd_siginfo unread;
    struct pollfd look = {.fd = fd, .events = POLLIN};
    while (fd >= 0 && poll(&look, 1, 0) > 0)
        if (read(fd, &unread, sizeof(unread)) < 0)
            break;
    if (fd >= 0)
        close(fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

static int run_shm(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    struct pawl_inspect inspect;
    struct pawl_err err = {0};
    int status = pawl_inspect_open(&inspect, argv[0], &err);
    if (status)
        return pawl_cli_fail(
            cli, status == -EINVAL || status == -ENOENT ? PAWL_EXIT_USAGE : PAWL_EXIT_FAILED,
            "%s", err.text);
    pawl_inspect_look(&inspect);
    if (pawl_cli_has(cli, "watch")) {
        status = watch_with_signals(cli, &inspect, &err);
    } else {
        poll(NULL, 0, (int)(ONCE_PERIOD_NS / PAWL_NS_PER_MS));
        pawl_inspect_look(&inspect);
        status = print(cli, &inspect, &err);
    }
    pawl_inspect_close(&inspect);
    return status ? pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text) : PAWL_EXIT_DONE;
}

static const struct pawl_cli_option shm_options[] = {
    {.name = "watch", .help = "Show it again every second, until Ctrl-C or the run's end."},
    {.name = "json", .help = "Print one JSON object; with --watch, one on each line."},
};

const struct pawl_cli_verb pawl_verb_shm = {
    .name = "shm",
    .help = "What the shared memory of a run says.",
    .operands = "RUN",
    .operand_min = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .details =
        "RUN is a run folder, its runtime folder, or the number of one of its processes. Shown "
        "are rings (rate, fill, waiting, losses, and whether their sums are right), parameters "
        "and who uses which version, readers, and every counter, gauge and histogram.\n"
        "It only reads, and needs nobody's help: a run that hangs, or whose supervisor is "
        "dead, is shown as well. Of a run that has ended nothing is left, by design.",
    .options = shm_options,
    .option_count = sizeof(shm_options) / sizeof(shm_options[0]),
    .run = run_shm,
};
