#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pawl/run.h"
#include "runtime/installed.h"

int pawl_run_role_find(uint32_t role, char path[PATH_MAX], struct pawl_err *err)
{
    char name[64];
    snprintf(name, sizeof(name), "pawl-%s", pawl_role_name(role));
    return pawl_installed_find(name, X_OK, path, err);
}

void pawl_run_role_fill(struct pawl_run_role *to, uint32_t role, uint32_t index,
                        const char *path, const char *config_path, uint64_t start_ns)
{
    *to = (struct pawl_run_role){0};
    if (index == PAWL_HUB_ANY_INDEX)
        snprintf(to->name, sizeof(to->name), "%s", pawl_role_name(role));
    else
        snprintf(to->name, sizeof(to->name), "%s %u", pawl_role_name(role), index);
    snprintf(to->path, sizeof(to->path), "%s", path);
    snprintf(to->config_path, sizeof(to->config_path), "%s", config_path);
    snprintf(to->index_text, sizeof(to->index_text), "%u", index);
    snprintf(to->start_text, sizeof(to->start_text), "%" PRIu64, start_ns);
    pawl_run_role_set_life(to, 0);
    const char *const argv[PAWL_RUN_ROLE_ARGS_MAX] = {
        to->path, "--config", to->config_path, "--index",      to->index_text,
        "--hub",  "3",        "--start-ns",    to->start_text, NULL};
    memcpy(to->argv, argv, sizeof(argv));
    if (role != PAWL_ROLE_ACTOR || index == PAWL_HUB_ANY_INDEX)
        return; /* lives are counted by who numbers the actors */
    to->argv[9] = "--life";
    to->argv[10] = to->life_text;
}

void pawl_run_role_set_resumed(struct pawl_run_role *role)
{
    size_t count = 0;
    while (role->argv[count])
        count++;
    role->argv[count] = "--resume";
}

void pawl_run_role_set_life(struct pawl_run_role *role, uint64_t life)
{
    snprintf(role->life_text, sizeof(role->life_text), "%" PRIu64, life);
}

_Static_assert(PAWL_RUN_HUB_FD == 3, "the word behind --hub");
