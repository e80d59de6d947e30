/* chaos.h: what the tests that kill the example's programs (pair.h) have in common: their
 * options, the ledger, and what has to be so in the end. */
#ifndef PAWL_TEST_CHAOS_H
#define PAWL_TEST_CHAOS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"
#include "runtime/clock.h"
#include "runtime/proc.h"

#ifdef PAWL_FAULTS
#define CHAOS_HAS_POINTS true
#else
#define CHAOS_HAS_POINTS false
#endif

/* Longer than anything takes on a busy machine: who needs it is stuck. */
#define CHAOS_WATCHDOG_NS (30 * PAWL_NS_PER_S)

/* Where a program is made to die, at one of its first `passage_max` passages. */
struct point {
    const char *name;
    uint32_t passage_max;
    int program;          /* the test's own number of it */
    bool needs_full_ring; /* the consumer is stopped meanwhile */
};

struct chaos {
    uint64_t kill_count_max, seed, random_state;
    char producer_path[512], consumer_path[512], hub_path[512], label[32];
    bool expects_caught;
    int fd_count_before;
    uint64_t start_ns;

    struct pair_ledger *ledger;
    int ledger_fd;
    uint64_t kill_count, failure_count;
};

static struct chaos chaos;

/* What a broken build is caught by. The first ones are printed. */
__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;
    if (chaos.failure_count++ >= 10)
        return;
    va_start(arguments, format);
    fprintf(stderr, "kill %" PRIu64 ", seed %" PRIu64 ": ", chaos.kill_count, chaos.seed);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* The test itself cannot go on. */
static void demand(bool is_so, const char *what, const struct pawl_err *err)
{
    if (is_so)
        return;
    fprintf(stderr, "kill %" PRIu64 ", seed %" PRIu64 ": %s%s%s\n", chaos.kill_count,
            chaos.seed, what, err ? ": " : "", err ? err->text : "");
    exit(2); /* the programs end with us */
}

static uint64_t random_below(uint64_t limit)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = chaos.random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

static void open_ledger(void)
{
    chaos.ledger_fd = memfd_create("chaos-ledger", MFD_CLOEXEC);
    demand(chaos.ledger_fd >= 0 && ftruncate(chaos.ledger_fd, sizeof(struct pair_ledger)) == 0,
           "make a ledger", NULL);
    chaos.ledger = mmap(NULL, sizeof(struct pair_ledger), PROT_READ | PROT_WRITE, MAP_SHARED,
                        chaos.ledger_fd, 0);
    demand(chaos.ledger != MAP_FAILED, "map the ledger", NULL);
}

static void close_ledger(void)
{
    munmap(chaos.ledger, sizeof(struct pair_ledger));
    close(chaos.ledger_fd);
}

/* Our environment with PAWL_FAULT=POINT:kill@PASSAGE for the program, or without. */
static const char *const *environment(const struct point *point)
{
    static const char *variables[512];
    static char fault[128];
    size_t count = 0;
    for (char **from = environ; *from && count < 500; from++)
        variables[count++] = *from;
    if (point) {
        snprintf(fault, sizeof(fault), "PAWL_FAULT=%s:kill@%" PRIu64, point->name,
                 1 + random_below(point->passage_max));
        variables[count++] = fault;
    }
    variables[count] = NULL;
    return variables;
}

static void spin(uint64_t duration_ns)
{
    uint64_t end_ns = pawl_clock_now_ns() + duration_ns;
    while (pawl_clock_now_ns() < end_ns)
        ;
}

/* --- what has to be so --- */

static void check_no_damage(uint64_t life_count)
{
    for (uint64_t i = 1; i <= life_count; i++) {
        const struct pair_life *life = &chaos.ledger->lives[i];
        if (life->torn || life->lost || life->torn_boards)
            fail("incarnation %" PRIu64 ": %" PRIu64 " torn and %" PRIu64
                 " lost records, %" PRIu64 " torn parameters",
                 i, life->torn, life->lost, life->torn_boards);
    }
}

/* All is over: every ring that was handed over is drained to the last record that was there. */
static void check_lives(uint64_t life_count, bool must_all_be_drained)
{
    for (uint64_t i = 1; i <= life_count; i++) {
        const struct pair_life *life = &chaos.ledger->lives[i];
        if (!life->has_offered)
            continue;
        if (!life->is_drained && (must_all_be_drained || life->stored > 0))
            fail("incarnation %" PRIu64 ": its ring was not drained", i);
        if (life->is_drained &&
            (life->stored < life->published || life->stored > life->started))
            fail("incarnation %" PRIu64 ": %" PRIu64 " records stored, %" PRIu64
                 " published, %" PRIu64 " started",
                 i, life->stored, life->published, life->started);
    }
}

static bool is_in_file(const char *path, const char *text)
{
    char line[512];
    bool is_there = false;
    FILE *file = fopen(path, "re");
    while (file && !is_there && fgets(line, sizeof(line), file))
        is_there = strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return is_there;
}

static int count_fds(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void check_nothing_left(int fd_count_before)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        char path[300];
        snprintf(path, sizeof(path), "/proc/%s/maps", entry->d_name);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_in_file(path, chaos.label))
            fail("process %s still has a segment", entry->d_name);
    }
    closedir(folder);
    if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
        fail("a process is left");
    if (count_fds() != fd_count_before)
        fail("%d descriptors are open, were %d", count_fds(), fd_count_before);
}

/* --- the frame of a campaign --- */

/* FILE is beside this program unless it has a folder. */
static void set_path(char path[512], const char *file)
{
    char self[400];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    snprintf(path, 512, "%s%.100s", strchr(file, '/') ? "" : self, file);
    demand(access(path, X_OK) == 0, path, NULL);
}

static void read_options(int argc, char **argv)
{
    const char *producer = "pair_producer", *consumer = "pair_consumer";
    chaos.seed = pawl_clock_now_ns() % 1000000;
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        value = value ? value + 1 : "";
        if (strncmp(argv[i], "--kills=", 8) == 0)
            chaos.kill_count_max = strtoull(value, NULL, 10);
        else if (strncmp(argv[i], "--seed=", 7) == 0)
            chaos.seed = strtoull(value, NULL, 10);
        else if (strncmp(argv[i], "--producer=", 11) == 0)
            producer = value;
        else if (strncmp(argv[i], "--consumer=", 11) == 0)
            consumer = value;
        else if (strcmp(argv[i], "--expect-caught") == 0)
            chaos.expects_caught = true;
        else
            demand(false, argv[i], NULL);
    }
    chaos.random_state = chaos.seed;
    set_path(chaos.producer_path, producer);
    set_path(chaos.consumer_path, consumer);
    set_path(chaos.hub_path, "pair_hub");
    snprintf(chaos.label, sizeof(chaos.label), "chaos-%d", (int)getpid());
}

/* kill_count: unless --kills says another. */
static void chaos_open(int argc, char **argv, uint64_t kill_count)
{
    chaos.kill_count_max = kill_count;
    chaos.start_ns = pawl_clock_now_ns();
    chaos.fd_count_before = count_fds();
    read_options(argc, argv);
    printf("seed %" PRIu64 "\n", chaos.seed);
    fflush(stdout);
}

/* The exit code of the test. */
static int chaos_close(void)
{
    if (chaos.failure_count == 0) /* else it was left half-way */
        check_nothing_left(chaos.fd_count_before);
    printf("kills %" PRIu64 ", failures %" PRIu64 ", %.1f s\n", chaos.kill_count,
           chaos.failure_count,
           (double)(pawl_clock_now_ns() - chaos.start_ns) / (double)PAWL_NS_PER_S);
    if (chaos.expects_caught && chaos.failure_count == 0)
        fprintf(stderr, "a broken build was not caught\n");
    return (chaos.failure_count > 0) != chaos.expects_caught;
}

#endif
