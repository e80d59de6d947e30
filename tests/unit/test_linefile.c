#include "runtime/linefile.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "runtime/io_faulty.h"
#include "runtime/io_mem.h"
#include "support/scratch.h"
#include "support/test.h"

#define LINE_COUNT 6

static struct pawl_io_mem mem;

static struct pawl_linefile_cfg unsynced_cfg(void)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    cfg.sync_period_ns = 0;
    return cfg;
}

static void open_file(struct pawl_linefile *file, struct pawl_io *io, const char *path)
{
    struct pawl_linefile_cfg cfg = unsynced_cfg();
    struct pawl_err err = {0};
    ck_assert_msg(pawl_linefile_open(file, io, path, &cfg, &err) == 0, "%s", err.text);
}

static int append(struct pawl_linefile *file, const char *text)
{
    return pawl_linefile_append(file, text, strlen(text), NULL);
}

/* A text of another length than its neighbours', so that a remainder cannot pass for a line. */
static void make_line(char *text, size_t text_bytes, int i)
{
    snprintf(text, text_bytes, "line %d %.*s", i, 3 * (LINE_COUNT - i), "abcdefghijklmnopqrst");
}

/* How many of the lines are in the file, which must hold those in order and nothing else. A
 * line that was not acknowledged may be left out, or be there. */
static int read_back(struct pawl_io *io, const char *path, const bool *is_acknowledged)
{
    char bytes[1024] = "";
    int fd = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY, 0);
    if (fd == -ENOENT)
        return 0;
    ck_assert_int_ge(fd, 0);
    int64_t count = pawl_io_read_up_to(io, fd, bytes, sizeof(bytes) - 1, 0);
    pawl_io_close(io, fd);
    ck_assert_int_ge(count, 0);

    const char *at = bytes;
    int found_count = 0;
    for (int i = 0; i < LINE_COUNT; i++) {
        char text[64];
        make_line(text, sizeof(text), i);
        size_t length = strlen(text);
        if (strncmp(at, text, length) == 0 && at[length] == '\n') {
            at += length + 1;
            found_count++;
        } else {
            ck_assert_msg(!is_acknowledged[i], "line %d is missing in \"%s\"", i, bytes);
        }
    }
    ck_assert_msg(at == bytes + count, "\"%s\" is no line", at);
    return found_count;
}

START_TEST(lines_are_there_in_order)
{
    struct scratch scratch;
    scratch_open(&scratch);
    int fd_count = temp_fd_count();
    struct pawl_linefile file;
    for (int i = 0; i < 2; i++) {
        open_file(&file, pawl_io_sys(), scratch_path(&scratch, "x"));
        ck_assert_int_eq(append(&file, i ? "second" : "first"), 0);
        ck_assert_int_eq(append(&file, ""), 0);
        ck_assert_uint_eq(file.dropped_bytes, 0);
        pawl_linefile_close(&file);
        pawl_linefile_close(&file);
    }
    scratch_expect(scratch_path(&scratch, "x"), "first\n\nsecond\n\n");
    ck_assert_int_eq(temp_fd_count(), fd_count);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_torn_end_is_dropped_on_open)
{
    static const struct {
        const char *bytes;
        size_t byte_count;
        const char *left;
    } cases[] = {
        {"one\ntwo\nthr", 11, "one\ntwo\n"},
        {"thr", 3, ""},
        {"", 0, ""},
        {"one\n", 4, "one\n"},
        {"one\n\0\0\0\0", 8, "one\n"},
        {"one\nt\0o\nthree\n", 14, "one\n"}, /* a lost write amid kept ones */
        {"\0\0\0\nthree\n", 10, ""},
    };
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_linefile file;
        scratch_write(path, cases[i].bytes, cases[i].byte_count);
        open_file(&file, pawl_io_sys(), path);
        ck_assert_uint_eq(file.dropped_bytes, cases[i].byte_count - strlen(cases[i].left));
        scratch_expect(path, cases[i].left);
        ck_assert_int_eq(append(&file, "next"), 0);
        pawl_linefile_close(&file);
        char expected[64];
        snprintf(expected, sizeof(expected), "%snext\n", cases[i].left);
        scratch_expect(path, expected);
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_torn_end_longer_than_a_piece_of_the_search_is_found)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    size_t byte_count = 300000;
    char *bytes = malloc(byte_count);
    ck_assert_ptr_nonnull(bytes);
    struct pawl_linefile file;

    /* A long unfinished line; then holes in several pieces, whole lines behind them. */
    memset(bytes, 'a', byte_count);
    memcpy(bytes, "one\n", 4);
    scratch_write(path, bytes, byte_count);
    open_file(&file, pawl_io_sys(), path);
    ck_assert_uint_eq(file.size_bytes, 4);
    pawl_linefile_close(&file);

    for (size_t i = 99; i < byte_count; i += 100)
        bytes[i] = '\n';
    for (size_t i = 150050; i < byte_count; i += 50000)
        bytes[i] = '\0';
    scratch_write(path, bytes, byte_count);
    open_file(&file, pawl_io_sys(), path);
    ck_assert_uint_eq(file.size_bytes, 150000);
    pawl_linefile_close(&file);
    free(bytes);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_is_no_line_is_refused_with_the_rule)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_linefile_cfg cfg = {.line_bytes_max = 4};
    struct pawl_linefile file;
    struct pawl_err err = {0};
    const char *path = scratch_path(&scratch, "x");
    ck_assert_int_eq(pawl_linefile_open(&file, pawl_io_sys(), path, &cfg, &err), 0);
    ck_assert_int_eq(pawl_linefile_append(&file, "12345", 5, &err), -EINVAL);
    ck_assert_str_eq(err.text, "a line of 5 bytes, at most 4");
    ck_assert_int_eq(pawl_linefile_append(&file, "1\n3", 3, NULL), -EINVAL);
    ck_assert_int_eq(pawl_linefile_append(&file, "1\0003", 3, NULL), -EINVAL);
    ck_assert_int_eq(pawl_linefile_append(&file, "1234", 4, NULL), 0);
    pawl_linefile_close(&file);
    scratch_expect(path, "1234\n");

    cfg.line_bytes_max = 0;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_linefile_open(&file, pawl_io_sys(), path, &cfg, &err), -EINVAL);
    err = (struct pawl_err){0};
    cfg.line_bytes_max = 1;
    ck_assert_int_eq(pawl_linefile_open(&file, pawl_io_sys(), "/nowhere/x", &cfg, &err),
                     -ENOENT);
    ck_assert_str_eq(err.text, "open folder /nowhere: No such file or directory");
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_linefile_open(&file, pawl_io_sys(), "/proc", &cfg, &err), -EISDIR);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
}
END_TEST

START_TEST(each_line_is_one_write)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_faulty faulty;
    struct pawl_linefile file;
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    open_file(&file, &faulty.io, scratch_path(&scratch, "x"));
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    ck_assert_int_eq(append(&file, "a line"), 0);
    ck_assert_uint_eq(faulty.call_count, 1);
    ck_assert_int_eq(faulty.trace[0].call, PAWL_IO_CALL_WRITE);
    ck_assert_int_eq(faulty.trace[0].result, 7);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
}
END_TEST

START_TEST(an_append_syncs_when_the_period_is_over)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_faulty faulty;
    struct pawl_linefile file;
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    open_file(&file, &faulty.io, scratch_path(&scratch, "x"));
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    file.cfg.sync_period_ns = UINT64_MAX;
    ck_assert_int_eq(append(&file, "one"), 0);
    ck_assert_uint_eq(pawl_io_faulty_count(&faulty, PAWL_IO_CALL_SYNC), 0);
    ck_assert_uint_eq(file.synced_bytes, 0);
    file.cfg.sync_period_ns = 1;
    ck_assert_int_eq(append(&file, "two"), 0);
    ck_assert_uint_eq(pawl_io_faulty_count(&faulty, PAWL_IO_CALL_SYNC), 1);
    ck_assert_uint_eq(file.synced_bytes, 8);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
}
END_TEST

/* Writes the lines, taking failures as they come. */
static void write_lines(struct pawl_io *io, const char *path, bool *is_acknowledged)
{
    struct pawl_linefile_cfg cfg = unsynced_cfg();
    struct pawl_linefile file;
    memset(is_acknowledged, 0, LINE_COUNT * sizeof(bool));
    if (pawl_linefile_open(&file, io, path, &cfg, NULL) != 0)
        return;
    for (int i = 0; i < LINE_COUNT; i++) {
        char text[64];
        make_line(text, sizeof(text), i);
        is_acknowledged[i] = append(&file, text) == 0;
    }
    pawl_linefile_close(&file);
}

START_TEST(whatever_call_fails_acknowledged_lines_are_there_and_no_other)
{
    static const int codes[] = {EIO, ENOSPC, EINTR};
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    struct pawl_io_faulty faulty;
    bool is_acknowledged[LINE_COUNT];
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    int fd_count = temp_fd_count();

    for (size_t write_bytes_max = 0; write_bytes_max <= 5; write_bytes_max += 5) {
        faulty.write_bytes_max = write_bytes_max;
        pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
        unlink(path);
        write_lines(&faulty.io, path, is_acknowledged);
        uint64_t clean_count = faulty.call_count;
        ck_assert_int_eq(read_back(pawl_io_sys(), path, is_acknowledged), LINE_COUNT);

        for (uint64_t n = 1; n <= clean_count; n++) {
            for (int i = 0; i < 6; i++) {
                unlink(path);
                pawl_io_faulty_arm(&faulty, n, codes[i / 2],
                                   i % 2 ? PAWL_IO_FOR_EVER : PAWL_IO_ONCE);
                write_lines(&faulty.io, path, is_acknowledged);
                ck_assert_int_eq(temp_fd_count(), fd_count);
                if (i == 4)
                    for (int line = 0; line < LINE_COUNT; line++)
                        ck_assert(is_acknowledged[line]); /* a signal is no failure */
                struct pawl_linefile file;
                open_file(&file, pawl_io_sys(), path);
                pawl_linefile_close(&file);
                int acknowledged_count = 0;
                for (int line = 0; line < LINE_COUNT; line++)
                    acknowledged_count += is_acknowledged[line];
                ck_assert_int_eq(read_back(pawl_io_sys(), path, is_acknowledged),
                                 acknowledged_count);
            }
        }
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_line_that_failed_half_way_leaves_nothing_before_the_next)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    struct pawl_io_faulty faulty;
    struct pawl_linefile file;
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    open_file(&file, &faulty.io, path);
    ck_assert_int_eq(append(&file, "one"), 0);

    faulty.write_bytes_max = 3;
    pawl_io_faulty_arm(&faulty, 2, ENOSPC, PAWL_IO_FOR_EVER); /* the repair fails too */
    ck_assert_int_eq(append(&file, "a line that fails"), -ENOSPC);
    ck_assert(file.is_end_torn);
    ck_assert_int_eq(append(&file, "x"), -ENOSPC);
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    ck_assert_int_eq(append(&file, "x"), 0);
    scratch_expect(path, "one\nx\n");

    pawl_io_faulty_arm(&faulty, 2, ENOSPC, PAWL_IO_ONCE); /* it is repaired at once */
    ck_assert_int_eq(append(&file, "a line that fails"), -ENOSPC);
    scratch_expect(path, "one\nx\n");
    pawl_linefile_close(&file);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_failed_sync_is_reported_for_ever)
{
    struct pawl_linefile file;
    struct pawl_err err = {0};
    pawl_io_mem_open(&mem);
    open_file(&file, &mem.io, "x");
    ck_assert_int_eq(append(&file, "one"), 0);
    ck_assert_int_eq(pawl_linefile_sync(&file, NULL), 0);
    ck_assert_int_eq(append(&file, "two"), 0);
    mem.fail_sync_at = mem.sync_count + 1;
    ck_assert_int_eq(pawl_linefile_sync(&file, &err), -EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "only the first 4 bytes"));
    ck_assert_int_eq(pawl_linefile_sync(&file, NULL), -EIO);
    file.cfg.sync_period_ns = 1;
    ck_assert_int_eq(append(&file, "three"), 0);
    pawl_linefile_close(&file);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    open_file(&file, &mem.io, "x");
    ck_assert_uint_eq(file.size_bytes, 4);
    pawl_linefile_close(&file);
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(opening_makes_durable_what_it_finds)
{
    struct pawl_linefile file;
    pawl_io_mem_open(&mem);
    open_file(&file, &mem.io, "x");
    ck_assert_int_eq(append(&file, "one"), 0);
    pawl_linefile_close(&file);
    open_file(&file, &mem.io, "x");
    ck_assert_uint_eq(file.synced_bytes, 4);
    pawl_linefile_close(&file);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    open_file(&file, &mem.io, "x");
    ck_assert_uint_eq(file.size_bytes, 4);
    pawl_linefile_close(&file);
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(what_was_cut_off_never_comes_back_behind_later_lines)
{
    static const char torn[] = "one\n\0\0\0\0old\n"; /* the next line fills just the hole */
    for (uint64_t seed = 0; seed < 32; seed++) {
        struct pawl_linefile file;
        pawl_io_mem_open(&mem);
        int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "x", O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, torn, sizeof(torn) - 1, 0), 0);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_ALL, 0);
        open_file(&file, &mem.io, "x");
        ck_assert_int_eq(append(&file, "two"), 0);
        pawl_linefile_close(&file);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, seed);
        open_file(&file, &mem.io, "x");
        ck_assert(file.size_bytes == 4 || file.size_bytes == 8);
        pawl_linefile_close(&file);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

/* Two learners whose syncs are elsewhere cut the end off; the first dies before any sync. */
START_TEST(what_a_dead_writer_cut_off_never_comes_back_behind_later_lines)
{
    static const char old[] = "{\"a\":1}\n{\"t\":1111111111}\n{\"u\":1111}\n";
    struct pawl_linefile_cfg cfg = unsynced_cfg();
    cfg.syncs = PAWL_LINEFILE_SYNCS_ELSEWHERE;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct pawl_linefile file;
        char text[64] = "";
        pawl_io_mem_open(&mem);
        int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "x", O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, old, sizeof(old) - 1, 0), 0);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_ALL, 0);
        for (int life = 0; life < 2; life++) {
            ck_assert_int_eq(pawl_linefile_open(&file, &mem.io, "x", &cfg, NULL), 0);
            ck_assert_int_eq(pawl_linefile_cut(&file, 8, NULL), 0);
            if (life == 0)
                pawl_linefile_close(&file);
        }
        ck_assert_int_eq(append(&file, "{\"b\":2}"), -EAGAIN);
        pawl_linefile_close(&file);
        /* The next one finds nothing to cut, and waits all the same. */
        ck_assert_int_eq(pawl_linefile_open(&file, &mem.io, "x", &cfg, NULL), 0);
        ck_assert_int_eq(append(&file, "{\"b\":2}"), -EAGAIN);
        struct pawl_linefile_mark mark = pawl_linefile_mark(&file);
        if (seed % 2 == 0) {
            ck_assert_int_eq(pawl_io_sync(&mem.io, file.fd), 0);
            pawl_linefile_synced(&file, &mark, 0);
            ck_assert_int_eq(append(&file, "{\"b\":2}"), 0);
        }
        pawl_linefile_close(&file);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, seed);
        open_file(&file, &mem.io, "x");
        ck_assert_int_ge(pawl_io_read_up_to(&mem.io, file.fd, text, sizeof(text) - 1, 0), 0);
        ck_assert_msg(strcmp(text, "{\"a\":1}\n") == 0 || strcmp(text, old) == 0 ||
                          strcmp(text, "{\"a\":1}\n{\"b\":2}\n") == 0,
                      "\"%s\"", text);
        pawl_linefile_close(&file);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

START_TEST(a_new_file_waits_for_no_sync)
{
    struct pawl_linefile_cfg cfg = unsynced_cfg();
    struct pawl_linefile file;
    cfg.syncs = PAWL_LINEFILE_SYNCS_ELSEWHERE;
    pawl_io_mem_open(&mem);
    ck_assert_int_eq(pawl_linefile_open(&file, &mem.io, "x", &cfg, NULL), 0);
    ck_assert_int_eq(append(&file, "one"), 0);
    pawl_linefile_close(&file);
    pawl_io_mem_close(&mem);
}
END_TEST

static const enum pawl_io_cut cuts[] = {PAWL_IO_CUT_SYNCED, PAWL_IO_CUT_PREFIX,
                                        PAWL_IO_CUT_SUBSET, PAWL_IO_CUT_ALL};
#define CUT_COUNT (sizeof(cuts) / sizeof(cuts[0]))

/* Opens, appends all lines and syncs after every second; notes which are safe. */
static void write_synced_lines(struct pawl_io *io, const char *path, int first, bool *is_safe)
{
    struct pawl_linefile_cfg cfg = unsynced_cfg();
    struct pawl_linefile file;
    if (pawl_linefile_open(&file, io, path, &cfg, NULL) != 0)
        return;
    for (int i = first; i < LINE_COUNT; i++) {
        char text[64];
        make_line(text, sizeof(text), i);
        if (append(&file, text) != 0)
            break;
        if (i % 2 == 1 && pawl_linefile_sync(&file, NULL) == 0)
            is_safe[i] = is_safe[i - 1] = true;
    }
    pawl_linefile_close(&file);
}

START_TEST(a_power_cut_after_any_call_keeps_what_was_synced_and_no_torn_line)
{
    for (uint64_t n = 0; n <= 18; n++) {
        for (uint64_t seed = 0; seed < 25 * CUT_COUNT; seed++) {
            bool is_safe[LINE_COUNT] = {false};
            pawl_io_mem_open(&mem);
            pawl_io_mem_cut_after(&mem, n);
            write_synced_lines(&mem.io, "run/x", 0, is_safe);
            ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
            pawl_io_mem_restart(&mem, cuts[seed % CUT_COUNT], seed);

            /* The next writer settles the file; its own end is as hard. */
            struct pawl_linefile file;
            open_file(&file, &mem.io, "run/x");
            pawl_linefile_close(&file);
            int found_count = read_back(&mem.io, "run/x", is_safe);
            for (int i = 0; i < found_count; i++)
                is_safe[i] = true; /* open has made them so */
            pawl_io_mem_cut_after(&mem, mem.call_count + seed % 12);
            write_synced_lines(&mem.io, "run/x", found_count, is_safe);
            pawl_io_mem_restart(&mem, cuts[seed / CUT_COUNT % CUT_COUNT], seed);
            open_file(&file, &mem.io, "run/x");
            pawl_linefile_close(&file);
            read_back(&mem.io, "run/x", is_safe);
            pawl_io_mem_close(&mem);
        }
    }
}
END_TEST

START_TEST(several_lines_are_one_write)
{
    struct scratch scratch;
    struct pawl_linefile file;
    struct pawl_err err = {0};
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    open_file(&file, pawl_io_sys(), path);
    ck_assert_int_eq(pawl_linefile_append_lines(&file, "a\nbc\n", 5, &err), 0);
    ck_assert_int_eq(pawl_linefile_append_lines(&file, "", 0, &err), 0);
    ck_assert_int_eq(pawl_linefile_append_lines(&file, "d", 1, &err), -EINVAL);
    ck_assert_int_eq(pawl_linefile_append_lines(&file, "d\0\n", 3, NULL), -EINVAL);
    ck_assert_uint_eq(file.size_bytes, 5);
    pawl_linefile_close(&file);
    scratch_expect(path, "a\nbc\n");
    scratch_close(&scratch);
}
END_TEST

START_TEST(lines_can_be_taken_back)
{
    struct scratch scratch;
    struct pawl_linefile file;
    struct pawl_err err = {0};
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    open_file(&file, pawl_io_sys(), path);
    append(&file, "one");
    uint64_t size_bytes = file.size_bytes;
    append(&file, "two");
    ck_assert_int_eq(pawl_linefile_cut(&file, size_bytes, &err), 0);
    append(&file, "3");
    ck_assert_int_eq(pawl_linefile_cut(&file, 100, &err), -ERANGE);
    ck_assert_str_eq(err.text, "cut to 100 bytes: there are only 6");
    pawl_linefile_close(&file);
    scratch_expect(path, "one\n3\n");
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("linefile", several_lines_are_one_write, lines_can_be_taken_back,
               lines_are_there_in_order, a_torn_end_is_dropped_on_open,
               a_torn_end_longer_than_a_piece_of_the_search_is_found,
               what_is_no_line_is_refused_with_the_rule, each_line_is_one_write,
               an_append_syncs_when_the_period_is_over,
               whatever_call_fails_acknowledged_lines_are_there_and_no_other,
               a_line_that_failed_half_way_leaves_nothing_before_the_next,
               a_failed_sync_is_reported_for_ever, opening_makes_durable_what_it_finds,
               what_was_cut_off_never_comes_back_behind_later_lines,
               what_a_dead_writer_cut_off_never_comes_back_behind_later_lines,
               a_new_file_waits_for_no_sync,
               a_power_cut_after_any_call_keeps_what_was_synced_and_no_torn_line)
