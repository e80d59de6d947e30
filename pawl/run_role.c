#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pawl/run.h"

/* The folder of this program, with a slash; "" when the kernel does not say. */
static void own_folder(char folder[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
}

/* Whether FOLDER + BETWEEN + pawl-ROLE can be run. */
static bool is_there(char path[PATH_MAX], const char *folder, const char *between,
                     uint32_t role)
{
    int length = snprintf(path, PATH_MAX, "%s%spawl-%s", folder, between, pawl_role_name(role));
    return length > 0 && length < PATH_MAX && access(path, X_OK) == 0;
}

int pawl_run_role_find(uint32_t role, char path[PATH_MAX], struct pawl_err *err)
{
    char folder[PATH_MAX];
    const char *given = getenv(PAWL_RUN_LIBEXEC_ENV);
    if (given && given[0]) {
        if (is_there(path, given, "/", role))
            return 0;
        return pawl_err_set(err, ENOENT, "%s: %s (looked there because %s says so)", path,
                            strerror(errno), PAWL_RUN_LIBEXEC_ENV);
    }
    own_folder(folder);
    if (is_there(path, folder, "", role) || is_there(path, folder, "../libexec/pawl/", role))
        return 0;
    return pawl_err_set(err, ENOENT, "pawl-%s is missing: looked in %s and %s../libexec/pawl",
                        pawl_role_name(role), folder, folder);
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
