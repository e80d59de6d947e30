#include "runtime/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/durable.h"

#define NAME_BYTES        128
#define NAME_NUMBER_BYTES 16 /* room for "_" and any number */
#define OWNER_BYTES       256

/* --- folders --- */

static int check_private(int fd, const char *path, struct pawl_err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return pawl_err_set(err, errno, "look at %s: %s", path, strerror(errno));
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return pawl_err_set(err, EPERM, "%s belongs to user %ju, must be yours", path,
                            (uintmax_t)status.st_uid);
    /* In a sticky folder, such as /tmp, nobody can put a folder in the place of ours. */
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX))
        return pawl_err_set(err, EPERM,
                            "%s may be written by others (mode %04o); take that away: chmod "
                            "go-w %s",
                            path, (unsigned)status.st_mode & 07777, path);
    return 0;
}

static int open_checked(int *fd, int in_fd, const char *name, const char *path, int flags,
                        struct pawl_err *err)
{
    *fd = openat(in_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    if (*fd < 0)
        return pawl_err_set(err, errno, "open %s: %s", path, strerror(errno));
    int status = check_private(*fd, path, err);
    if (status != 0)
        close(*fd);
    return status;
}

/* A folder that was just made is in this one: what will be durable in it has to be found after
 * a power cut. */
static int sync_folder(int fd, const char *made_path, struct pawl_err *err)
{
    int code = pawl_io_sync_folder(pawl_io_sys(), fd);
    if (code == 0 || code == -EINVAL || code == -EOPNOTSUPP) /* it orders such changes itself */
        return 0;
    return pawl_err_set(err, -code, "sync the folder that %s is in: %s", made_path,
                        strerror(-code));
}

/* Of the path's first `length` bytes, which are shorter than PATH_MAX. */
static int sync_folder_of(const char *path, size_t length, struct pawl_err *err)
{
    const char *name;
    char made_path[PATH_MAX];
    struct pawl_err unread = {0};
    snprintf(made_path, sizeof(made_path), "%.*s", (int)length, path);
    int fd = pawl_io_open_folder_of(pawl_io_sys(), made_path, &name, &unread);
    if (fd < 0)
        return 0; /* one may write into it and not read it */
    int status = sync_folder(fd, made_path, err);
    close(fd);
    return status;
}

/* As `mkdir -p`: what is there already is fine. The deepest of those may have been made by a
 * process that died before its name was durable; who made the others has made folders in them
 * since, and so had come further. */
static int make_all(const char *path, struct pawl_err *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path), there = 0;
    if (length >= sizeof(part))
        return pawl_err_set(err, ENAMETOOLONG, "make %.60s...: the path is too long", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        bool is_made = mkdir(part, 0700) == 0;
        if (!is_made && errno != EEXIST)
            return pawl_err_set(err, errno, "make folder %s: %s", part, strerror(errno));
        if (!is_made) {
            there = i;
            continue;
        }
        if (there > 0 && sync_folder_of(path, there, err) != 0)
            return -err->code;
        there = 0;
        if (sync_folder_of(path, i, err) != 0)
            return -err->code;
    }
    return there > 0 ? sync_folder_of(path, there, err) : 0;
}

/* --- the lock --- */

static int name_owner(int fd, const char *path, struct pawl_err *err)
{
    char owner[OWNER_BYTES];
    ssize_t length = pread(fd, owner, sizeof(owner) - 1, 0);
    owner[length > 0 ? length : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    long pid;
    if (sscanf(owner, "process %ld:", &pid) == 1 && pid > 0 && kill((pid_t)pid, 0) != 0 &&
        errno == ESRCH)
        return pawl_err_set(err, EBUSY,
                            "%s is still in use: %s has ended, and what it started is about to "
                            "end too; try again in some seconds",
                            path, owner);
    return pawl_err_set(err, EBUSY,
                        "%s is in use by %s; wait for its end, or stop it (Ctrl-C, SIGTERM)",
                        path, owner[0] ? owner : "a process that has not yet said its name");
}

/* Relative to the folder, so that what is locked is in what was checked. */
static int take_lock(struct pawl_run_folder *folder, int folder_fd, const char *owner,
                     struct pawl_err *err)
{
    char text[OWNER_BYTES];
    int fd = openat(folder_fd, PAWL_RUN_FOLDER_LOCK_NAME,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pawl_err_set(err, errno, "open %s/%s: %s", folder->path,
                            PAWL_RUN_FOLDER_LOCK_NAME, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int status = errno == EWOULDBLOCK
                         ? name_owner(fd, folder->path, err)
                         : pawl_err_set(err, errno, "lock %s/%s: %s", folder->path,
                                        PAWL_RUN_FOLDER_LOCK_NAME, strerror(errno));
        close(fd);
        return status;
    }
    int length = snprintf(text, sizeof(text), "process %ld: %.200s\n", (long)getpid(), owner);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        int status = pawl_err_set(err, errno ? errno : EIO, "write %s/%s: %s", folder->path,
                                  PAWL_RUN_FOLDER_LOCK_NAME, strerror(errno));
        close(fd);
        return status;
    }
    folder->lock_fd = fd;
    folder->is_open = true;
    return 0;
}

/* --- create, open, close --- */

/* "05-14-35_demo" */
static void make_name(char text[NAME_BYTES], const struct tm *now, const char *name)
{
    size_t length = strftime(text, NAME_BYTES, "%H-%M-%S_", now);
    for (; *name && length < NAME_BYTES - NAME_NUMBER_BYTES; name++) {
        char c = *name;
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-';
        text[length++] = is_plain ? c : '_';
    }
    text[length] = '\0';
}

/* Makes the first name that is free and opens it. */
static int make_run(struct pawl_run_folder *folder, int date_fd, const char *date_path,
                    const char *name, int *fd, struct pawl_err *err)
{
    char free_name[NAME_BYTES];
    for (int i = 1; i <= PAWL_RUN_FOLDER_NAMES_MAX; i++) {
        if (i == 1)
            snprintf(free_name, sizeof(free_name), "%.*s", NAME_BYTES - NAME_NUMBER_BYTES,
                     name);
        else
            snprintf(free_name, sizeof(free_name), "%.*s_%d", NAME_BYTES - NAME_NUMBER_BYTES,
                     name, i);
        int length =
            snprintf(folder->path, sizeof(folder->path), "%s/%s", date_path, free_name);
        if ((size_t)length >= sizeof(folder->path))
            return pawl_err_set(err, ENAMETOOLONG, "%.60s...: the path is too long", date_path);
        if (mkdirat(date_fd, free_name, 0700) == 0) {
            int status = sync_folder(date_fd, folder->path, err);
            return status ? status
                          : open_checked(fd, date_fd, free_name, folder->path, O_NOFOLLOW, err);
        }
        if (errno != EEXIST)
            return pawl_err_set(err, errno, "make folder %s: %s", folder->path,
                                strerror(errno));
    }
    return pawl_err_set(err, EEXIST, "%s: that name and %d more are taken", folder->path,
                        PAWL_RUN_FOLDER_NAMES_MAX - 1);
}

static int create_in(struct pawl_run_folder *folder, int dir_fd, const char *dir,
                     const char *name, const char *owner, struct pawl_err *err)
{
    char date[16], date_path[PATH_MAX + 16], run_name[NAME_BYTES];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(date, sizeof(date), "%Y-%m-%d", &local);
    make_name(run_name, &local, name);
    snprintf(date_path, sizeof(date_path), "%s/%s", dir, date);

    int date_fd, run_fd;
    int status =
        mkdirat(dir_fd, date, 0700) == 0 || errno == EEXIST
            ? sync_folder(dir_fd, date_path, err)
            : pawl_err_set(err, errno, "make folder %s: %s", date_path, strerror(errno));
    if (status == 0)
        status = open_checked(&date_fd, dir_fd, date, date_path, O_NOFOLLOW, err);
    if (status != 0)
        return status;
    status = make_run(folder, date_fd, date_path, run_name, &run_fd, err);
    close(date_fd);
    if (status != 0)
        return status;
    status = take_lock(folder, run_fd, owner, err);
    close(run_fd);
    return status;
}

int pawl_run_folder_create(struct pawl_run_folder *folder, const char *dir, const char *name,
                           const char *owner, struct pawl_err *err)
{
    int dir_fd;
    *folder = (struct pawl_run_folder){.lock_fd = -1};
    umask(077);
    int status = make_all(dir, err);
    if (status == 0)
        status = open_checked(&dir_fd, AT_FDCWD, dir, dir, 0, err);
    if (status == 0) {
        status = create_in(folder, dir_fd, dir, name, owner, err);
        close(dir_fd);
    }
    if (status != 0)
        pawl_err_wrap(err, "run folder");
    return status;
}

int pawl_run_folder_open(struct pawl_run_folder *folder, const char *path, const char *owner,
                         struct pawl_err *err)
{
    int fd;
    *folder = (struct pawl_run_folder){.lock_fd = -1};
    umask(077);
    snprintf(folder->path, sizeof(folder->path), "%s", path);
    int status = open_checked(&fd, AT_FDCWD, path, path, 0, err);
    if (status == 0) {
        status = take_lock(folder, fd, owner, err);
        close(fd);
    }
    if (status != 0)
        pawl_err_wrap(err, "run folder");
    return status;
}

const char *pawl_run_folder_path(const struct pawl_run_folder *folder, const char *name,
                                 char text[PATH_MAX])
{
    if ((size_t)snprintf(text, PATH_MAX, "%s/%s", folder->path, name) >= PATH_MAX)
        text[PATH_MAX - 1] = '\0';
    return text;
}

int pawl_run_folder_write(const struct pawl_run_folder *folder, const char *name,
                          const void *bytes, size_t byte_count, struct pawl_err *err)
{
    char path[PATH_MAX];
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = byte_count};
    pawl_run_folder_path(folder, name, path);
    return pawl_durable_replace(pawl_io_sys(), path, &part, 1, err);
}

void pawl_run_folder_close(struct pawl_run_folder *folder)
{
    if (!folder->is_open)
        return;
    close(folder->lock_fd);
    *folder = (struct pawl_run_folder){0};
}
