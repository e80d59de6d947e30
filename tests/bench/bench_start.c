/* bench_start.c: from fork to exit of `pawl --version`, what every use of the program pays. The
 * path of the program may be given as the one argument. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"

#define RUN_COUNT 201

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double took_ms[RUN_COUNT];
    char *program = argc > 1 ? argv[1] : PAWL_BIN_DIR "/pawl";
    char *words[] = {program, "--version", NULL};
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (size_t run = 0; run < RUN_COUNT; run++) {
        pid_t child;
        int status;
        uint64_t start_ns = pawl_clock_now_ns();
        if (posix_spawn(&child, program, &actions, NULL, words, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "%s --version failed\n", program);
            return 1;
        }
        took_ms[run] = (double)(pawl_clock_now_ns() - start_ns) / (double)PAWL_NS_PER_MS;
    }
    posix_spawn_file_actions_destroy(&actions);
    qsort(took_ms, RUN_COUNT, sizeof(took_ms[0]), compare);
    printf("pawl_version_ms %.2f ms\n", took_ms[RUN_COUNT / 2]);
    printf("pawl_version_p99_ms %.2f ms\n", took_ms[RUN_COUNT * 99 / 100]);
    return 0;
}
