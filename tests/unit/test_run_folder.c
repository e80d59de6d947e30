#include "runtime/run_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;

/* Folders that were synced, in order, each with a newline behind it. */
static char synced[4096];

/* In the place of the C library's. */
int fsync(int fd)
{
    char link[64], path[1024];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length > 0)
        snprintf(synced + strlen(synced), sizeof(synced) - strlen(synced), "%.*s\n",
                 (int)length, path);
    return (int)syscall(SYS_fsync, fd);
}

static void create(struct pawl_run_folder *folder, const char *dir, const char *name)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_run_folder_create(folder, dir, name, "pawl train x.toml", &err) == 0,
                  "%s", err.text);
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(a_run_gets_a_folder_of_its_own_named_after_time_and_name)
{
    struct pawl_run_folder folder;
    scratch_open(&scratch);
    create(&folder, scratch_path(&scratch, "a/runs"), "my run/1");
    const char *name = folder.path + strlen(scratch_path(&scratch, "a/runs"));
    int year, month, day, hour, minute, second, end = 0;
    ck_assert_int_eq(sscanf(name, "/%4d-%2d-%2d/%2d-%2d-%2d_my_run_1%n", &year, &month, &day,
                            &hour, &minute, &second, &end),
                     6);
    ck_assert_uint_eq((size_t)end, strlen(name));
    ck_assert_uint_eq(mode_of(folder.path), 0700);
    ck_assert_uint_eq(mode_of(scratch_path(&scratch, "a/runs")), 0700);
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_folder_that_was_made_survives_a_power_cut)
{
    struct pawl_run_folder folder;
    char wanted[4096], date_path[1024];
    scratch_open(&scratch);
    synced[0] = '\0';
    create(&folder, scratch_path(&scratch, "a/runs"), "demo");
    snprintf(date_path, sizeof(date_path), "%.*s",
             (int)(strrchr(folder.path, '/') - folder.path), folder.path);
    snprintf(wanted, sizeof(wanted), "%s\n%s/a\n%s/a/runs\n%s\n", scratch.path, scratch.path,
             scratch.path, date_path);
    const char *made = strchr(synced, '\n'); /* behind the folder that scratch.path is in */
    ck_assert_str_eq(made ? made + 1 : synced, wanted);
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_folder_whose_maker_may_have_died_is_made_durable_too)
{
    struct pawl_run_folder folder;
    char wanted[4096], date_path[1024];
    scratch_open(&scratch);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "a"), 0700), 0);
    synced[0] = '\0';
    create(&folder, scratch_path(&scratch, "a/runs"), "demo");
    pawl_run_folder_close(&folder);
    ck_assert_ptr_eq(strstr(synced, scratch.path), synced);
    ck_assert_int_eq(synced[strlen(scratch.path)], '\n');
    synced[0] = '\0';
    create(&folder, scratch_path(&scratch, "a/runs"), "demo");
    snprintf(date_path, sizeof(date_path), "%.*s",
             (int)(strrchr(folder.path, '/') - folder.path), folder.path);
    snprintf(wanted, sizeof(wanted), "%s/a\n%s/a/runs\n%s\n", scratch.path, scratch.path,
             date_path);
    ck_assert_str_eq(synced, wanted);
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_name_that_is_taken_is_never_used_again)
{
    struct pawl_run_folder folders[20];
    scratch_open(&scratch);
    for (int i = 0; i < 20; i++) {
        create(&folders[i], scratch.path, "demo");
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(folders[i].path, folders[j].path);
    }
    for (int i = 0; i < 20; i++)
        pawl_run_folder_close(&folders[i]);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_folder_that_is_owned_is_refused_by_naming_its_owner)
{
    struct pawl_run_folder folder, other;
    struct pawl_err err = {0};
    char pid[32];
    scratch_open(&scratch);
    create(&folder, scratch.path, "demo");
    snprintf(pid, sizeof(pid), "process %d: ", getpid());
    ck_assert_int_eq(pawl_run_folder_open(&other, folder.path, "me", &err), -EBUSY);
    ck_assert_msg(strstr(err.text, pid) && strstr(err.text, "pawl train x.toml"), "%s",
                  err.text);
    pawl_run_folder_close(&other);

    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", folder.path);
    pawl_run_folder_close(&folder);
    ck_assert_int_eq(pawl_run_folder_open(&other, path, "me", NULL), 0);
    pawl_run_folder_close(&other);
    scratch_close(&scratch);
}
END_TEST

START_TEST(an_owner_that_was_killed_owns_nothing)
{
    struct pawl_run_folder folder;
    char path[PATH_MAX];
    int pipes[2];
    scratch_open(&scratch);
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        create(&folder, scratch.path, "demo");
        if (write(pipes[1], folder.path, sizeof(path)) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(pipes[0], path, sizeof(path)), sizeof(path));
    ck_assert_int_eq(pawl_run_folder_open(&folder, path, "me", NULL), -EBUSY);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(pawl_run_folder_open(&folder, path, "me", NULL), 0);
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_folder_that_others_may_write_is_refused)
{
    struct pawl_run_folder folder;
    struct pawl_err err = {0};
    scratch_open(&scratch);
    ck_assert_int_eq(chmod(scratch.path, 0775), 0);
    ck_assert_int_eq(pawl_run_folder_create(&folder, scratch.path, "demo", "me", &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, "chmod go-w"));
    ck_assert_int_eq(pawl_run_folder_open(&folder, scratch.path, "me", NULL), -EPERM);
    ck_assert_int_eq(scratch_file_count(&scratch), 0);

    ck_assert_int_eq(chmod(scratch.path, 01777), 0); /* as /tmp */
    create(&folder, scratch.path, "demo");
    pawl_run_folder_close(&folder);
    ck_assert_int_eq(chmod(scratch.path, 0700), 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_link_in_the_place_of_a_days_folder_is_not_followed)
{
    struct pawl_run_folder folder;
    struct pawl_err err = {0};
    scratch_open(&scratch);
    create(&folder, scratch.path, "demo");
    char day[PATH_MAX];
    snprintf(day, sizeof(day), "%s", folder.path);
    *strrchr(day, '/') = '\0';
    pawl_run_folder_close(&folder);
    temp_folder_remove(day);
    ck_assert_int_eq(symlink("/tmp", day), 0);
    ck_assert_int_lt(pawl_run_folder_create(&folder, scratch.path, "demo", "me", &err), 0);
    ck_assert_int_eq(unlink(day), 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_file_is_written_for_its_owner_alone)
{
    struct pawl_run_folder folder;
    struct pawl_err err = {0};
    char path[PATH_MAX];
    size_t bytes;
    scratch_open(&scratch);
    umask(0);
    create(&folder, scratch.path, "demo");
    ck_assert_msg(pawl_run_folder_write(&folder, "command.txt", "pawl\n", 5, &err) == 0, "%s",
                  err.text);
    pawl_run_folder_path(&folder, "command.txt", path);
    char *text = scratch_read(path, &bytes);
    ck_assert_str_eq(text, "pawl\n");
    free(text);
    ck_assert_uint_eq(mode_of(path), 0600);
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("run_folder", a_run_gets_a_folder_of_its_own_named_after_time_and_name,
               a_folder_that_was_made_survives_a_power_cut,
               a_folder_whose_maker_may_have_died_is_made_durable_too,
               a_name_that_is_taken_is_never_used_again,
               a_folder_that_is_owned_is_refused_by_naming_its_owner,
               an_owner_that_was_killed_owns_nothing, a_folder_that_others_may_write_is_refused,
               a_link_in_the_place_of_a_days_folder_is_not_followed,
               a_file_is_written_for_its_owner_alone)
