/* installed.h: where the other parts of an installation are: beside this program, in
 * ../libexec/pawl, or where PAWL_LIBEXEC says, and nowhere else then.
 *
 *     char path[PATH_MAX];
 *     pawl_installed_find("pawl-actor", X_OK, path, &err)
 */
#ifndef PAWL_RUNTIME_INSTALLED_H
#define PAWL_RUNTIME_INSTALLED_H

#include <limits.h>

#include "runtime/err.h"

#define PAWL_INSTALLED_ENV "PAWL_LIBEXEC"

/* mode: R_OK or X_OK, what it must be good for. -ENOENT says where it was looked for. */
int pawl_installed_find(const char *name, int mode, char path[PATH_MAX], struct pawl_err *err);

#endif
