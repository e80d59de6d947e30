/* Any bytes as a configuration file: no crash, problems exactly when it is refused, and what is
 * accepted survives being dumped and read again. */
#include "support/cfg_sample.h"
#include "support/fuzz.h"

#include <sys/mman.h>

/* A file in memory, with its path; the caller closes it. */
static int file_of(const void *data, size_t size, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static char *dump_of(const void *data, size_t size)
{
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    char path[32], *text = NULL;
    int fd = file_of(data, size, path);
    struct pawl_cfg_source source = {.path = path};
    int code = pawl_cfg_open(&cfg, sample_tables, &source, &err);

    close(fd);
    if (!cfg || (code == 0) != (pawl_cfg_problem_count(cfg) == 0))
        abort();
    free(sample_print(pawl_cfg_problems_print, cfg));
    if (code == 0)
        text = sample_print(pawl_cfg_dump, cfg);
    pawl_cfg_close(cfg);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = dump_of(data, size);

    if (!first)
        return 0;
    char *second = dump_of(first, strlen(first));
    if (!second || strcmp(first, second) != 0)
        abort();
    free(first);
    free(second);
    return 0;
}
