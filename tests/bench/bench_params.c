/* bench_params.c: what it costs to acquire parameters and to publish them (shm/bench.h). */
#include "shm/bench.h"

int main(void)
{
    struct pawl_err err = {0};
    if (pawl_bench_params(stdout, &err) == 0)
        return 0;
    fprintf(stderr, "bench_params: %s\n", err.text);
    return 1;
}
