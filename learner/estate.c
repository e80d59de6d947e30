#include "learner/estate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int pawl_estate_add(struct pawl_estate *estate, const char *label, int fd, uint64_t total_bytes,
                    struct pawl_err *err)
{
    if (estate->count == PAWL_ESTATE_COUNT_MAX)
        return pawl_err_set(err, ENOSPC, "store '%s': more than %u were left", label,
                            PAWL_ESTATE_COUNT_MAX);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return pawl_err_set(err, errno, "store '%s': duplicate its descriptor", label);
    struct pawl_heirloom *heirloom = &estate->heirlooms[estate->count++];
    *heirloom = (struct pawl_heirloom){.fd = copy, .total_bytes = total_bytes};
    snprintf(heirloom->label, sizeof(heirloom->label), "%s", label);
    return 0;
}

const struct pawl_heirloom *pawl_estate_find(const struct pawl_estate *estate,
                                             const char *label)
{
    for (uint32_t i = estate->count; i-- > 0;)
        if (strcmp(estate->heirlooms[i].label, label) == 0)
            return &estate->heirlooms[i];
    return NULL;
}

void pawl_estate_close(struct pawl_estate *estate)
{
    for (uint32_t i = 0; i < estate->count; i++)
        close(estate->heirlooms[i].fd);
    *estate = (struct pawl_estate){0};
}
