#include "runtime/installed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of this program, with a slash; "" when the kernel does not say. */
static void own_folder(char folder[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
}

static bool is_there(char path[PATH_MAX], const char *folder, const char *between,
                     const char *name, int mode)
{
    int length = snprintf(path, PATH_MAX, "%s%s%s", folder, between, name);
    return length > 0 && length < PATH_MAX && access(path, mode) == 0;
}

int pawl_installed_find(const char *name, int mode, char path[PATH_MAX], struct pawl_err *err)
{
    char folder[PATH_MAX];
    const char *given = getenv(PAWL_INSTALLED_ENV);
    if (given && given[0]) {
        if (is_there(path, given, "/", name, mode))
            return 0;
        return pawl_err_set(err, ENOENT, "%s: %s (looked there because %s says so)", path,
                            strerror(errno), PAWL_INSTALLED_ENV);
    }
    own_folder(folder);
    if (is_there(path, folder, "", name, mode) ||
        is_there(path, folder, "../libexec/pawl/", name, mode))
        return 0;
    return pawl_err_set(err, ENOENT, "%s is missing: looked in %s and %s../libexec/pawl", name,
                        folder, folder);
}
