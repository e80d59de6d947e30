/* What resume.h promises. */
#include "learner/resume.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

static struct pawl_ingest ingest;
static struct pawl_resume resume;
static struct pawl_err err;
static char text[4096];

static const struct pawl_warm_mark mark = {.update_count = 5000,
                                           .draw_offset = 1ull << 48,
                                           .ratio_step_count = 7,
                                           .ratio_credit = 0.1};
static const struct pawl_tally_totals totals = {
    .record_count = 1,
    .step_count = 2,
    .episode_count = 3,
    .refused_count = 4,
    .gap_count = 5,
    .episodes_bytes = 6,
    .ledger_bytes = 7,
    .frame_count = 8,
    .offline_frame_count = 9,
};

static size_t write_text(void)
{
    struct pawl_json_writer out;
    size_t length = 0;
    ck_assert_msg(pawl_tally_create(&ingest.tally, &err) == 0, "%s", err.text);
    pawl_tally_restore(&ingest.tally, &totals, 627);
    pawl_json_open_fixed(&out, text, sizeof(text));
    pawl_resume_write(&out, &mark, &ingest);
    ck_assert_ptr_nonnull(pawl_json_finish(&out, &length, &err));
    return length;
}

START_TEST(what_was_written_is_read_back_to_the_last_bit)
{
    size_t length = write_text();
    ck_assert_msg(pawl_resume_parse(&resume, text, length, "pawl.json", &err) == 0, "%s",
                  err.text);
    ck_assert_mem_eq(&resume.mark, &mark, sizeof(mark));
    ck_assert_mem_eq((const char *)&resume.totals + sizeof(uint64_t),
                     (const char *)&totals + sizeof(uint64_t),
                     sizeof(totals) - sizeof(uint64_t));
    ck_assert_uint_eq(resume.version_next, 627);
}
END_TEST

START_TEST(every_number_has_to_be_there)
{
    static const char *const keys[] = {"\"updates\"", "\"credit\"", "\"frames\"",
                                       "\"version_next\""};
    char broken[sizeof(text)];
    size_t length = write_text();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        memcpy(broken, text, length + 1);
        strstr(broken, keys[i])[1] = 'X';
        err = (struct pawl_err){0};
        ck_assert_int_ne(pawl_resume_parse(&resume, broken, length, "pawl.json", &err), 0);
        ck_assert_ptr_nonnull(strstr(err.text, "pawl.json: "));
        ck_assert_ptr_nonnull(strstr(err.text, "missing"));
    }
}
END_TEST

START_TEST(a_text_that_is_cut_or_of_another_layout_is_refused)
{
    size_t length = write_text();
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_int_ne(pawl_resume_parse(&resume, text, cut, "pawl.json", &err), 0);
    strstr(text, "\"pawl\":1")[7] = '2';
    ck_assert_int_eq(pawl_resume_parse(&resume, text, length, "pawl.json", &err), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("resume", what_was_written_is_read_back_to_the_last_bit,
               every_number_has_to_be_there, a_text_that_is_cut_or_of_another_layout_is_refused)
