/* bench_start.c: from fork to exit of `pawl --version`, what every use of the program pays. The
 * path of the program may be given as the one argument. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/bench.h"

#define RUN_COUNT 201

int main(int argc, char **argv)
{
    static double took_ns[RUN_COUNT];
    char *program = argc > 1 ? argv[1] : PAWL_BIN_DIR "/pawl";
    char *words[] = {program, "--version", NULL};
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (size_t run = 0; run < RUN_COUNT; run++) {
        pid_t child;
        int status;
        double start_ns = bench_now_ns();
        if (posix_spawn(&child, program, &actions, NULL, words, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "%s --version failed\n", program);
            return 1;
        }
        took_ns[run] = bench_now_ns() - start_ns;
    }
    posix_spawn_file_actions_destroy(&actions);
    bench_print_spread("pawl_version_ms", took_ns, RUN_COUNT, 1e-6, "ms");
    return 0;
}
