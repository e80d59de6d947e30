/* pawl env, as a shell starts it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"
#include "support/shell.h"
#include "support/test.h"

static int pawl(const char *words)
{
    return shell_run("%s/pawl %s", PAWL_BIN_DIR, words);
}

static void assert_prints(const char *words, int exit_code, const char *part)
{
    SHELL_PRINTS(pawl(words), exit_code, part);
}

START_TEST(the_list_has_a_line_for_each_environment)
{
    static const char *const names[] = {"\npendulum ", "\nmountain_car ", "\ncartpole ",
                                        "\nreach2d ", "\ndummy "};
    ck_assert_int_eq(pawl("env list"), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_ptr_nonnull(strstr(shell_text, names[i]));
    assert_prints("env list --env.dummy.obs_count=33", 0, "float32[33]");
}
END_TEST

START_TEST(no_line_of_the_list_is_wider_than_80_columns)
{
    static const char *const lists[] = {
        "env list", "env list --env.dummy.obs_count=33 --env.dummy.image_count=8"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        ck_assert_int_eq(pawl(lists[i]), 0);
        for (const char *line = shell_text; *line;) {
            size_t bytes = strcspn(line, "\n");
            ck_assert_msg(bytes <= 80, "%zu: %.*s", bytes, (int)bytes, line);
            line += bytes + (line[bytes] == '\n');
        }
    }
    ck_assert_ptr_nonnull(strstr(shell_text, "images.7"));
}
END_TEST

START_TEST(a_built_in_environment_passes_its_check)
{
    assert_prints("env check reach2d", 0, "same seed    ok");
    assert_prints("env check reach2d --env.reach2d.reward=sparse", 0, "leaks        ok");
    assert_prints("env check dummy --env.dummy.image_count=1 --env.dummy.obs_count=2", 0,
                  "2 fields of 49160 bytes");
}
END_TEST

START_TEST(an_environment_that_cannot_be_is_a_failed_check)
{
    assert_prints("env check dummy --env.dummy.choice_count=1", 1, "spec         BAD");
    assert_prints("env run dummy --env.dummy.choice_count=1", 1, "among 2 or more");
}
END_TEST

START_TEST(a_wrong_line_is_refused_before_anything_runs)
{
    assert_prints("env check pendulun", 2, "did you mean 'pendulum'?");
    assert_prints("env run", 2, "not complete");
    assert_prints("env run pendulum --steps=ten", 2, "--steps=ten");
    assert_prints("env run pendulum --steps=0", 2, "from 1 to");
    assert_prints("env run pendulum --seed=-1", 2, "--seed=-1");
    assert_prints("env run pendulum --policy=best", 2, "'best'");
    assert_prints("env run pendulum --env.lanes=0", 2, "env.lanes");
    assert_prints("env check dummy --env.dummy.busy_ms=1", 2, "env.dummy.busy_us");
}
END_TEST

/* Up to the line with the speed. */
static void cut_speed(char *text)
{
    char *speed = strstr(text, " steps/s");
    ck_assert_ptr_nonnull(speed);
    while (speed > text && *speed != '\n')
        speed--;
    *speed = '\0';
}

START_TEST(the_same_seed_gives_the_same_episodes)
{
    static char first_text[SHELL_TEXT_BYTES];
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 5 --env.lanes=3"), 0);
    cut_speed(shell_text);
    strcpy(first_text, shell_text);
    ck_assert_ptr_nonnull(strstr(shell_text, "lane 2 episode 1 "));
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 5 --env.lanes=3"), 0);
    cut_speed(shell_text);
    ck_assert_str_eq(shell_text, first_text);
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 6 --env.lanes=3"), 0);
    cut_speed(shell_text);
    ck_assert_str_ne(shell_text, first_text);
}
END_TEST

START_TEST(a_limit_of_steps_cuts_an_episode_off)
{
    assert_prints("env run pendulum --steps 400", 0, "in 200 steps, truncated");
    assert_prints("env run pendulum --steps 20 --env.steps_max=10", 0,
                  "in 10 steps, truncated");
    assert_prints("env run cartpole --steps 200", 0, "terminated");
}
END_TEST

START_TEST(plain_seeds_give_gymnasiums_episodes)
{
    /* reset(seed=7) and always 0: that many steps in Gymnasium 1.4.0 */
    assert_prints("env run cartpole --steps 30 --policy null --env.seeding=plain --seed 7", 0,
                  "episode 0 seed 7: return 9 in 9 steps, terminated");
}
END_TEST

START_TEST(programs_read_json)
{
    static const char *const lines[] = {"env list --json", "env check cartpole --json",
                                        "env run cartpole --steps 300 --json"};
    static const struct pawl_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct pawl_json doc;
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl(lines[i]), 0);
        int code =
            pawl_json_open_text(&doc, shell_text, strlen(shell_text), "out", &limits, &err);
        ck_assert_msg(code == 0, "%s: %s", lines[i], err.text);
        pawl_json_close(&doc);
    }
    ck_assert_ptr_nonnull(strstr(shell_text, "\"steps_per_s\""));
    ck_assert_ptr_nonnull(strstr(shell_text, "\"return_mean\""));
}
END_TEST

PAWL_TEST_MAIN("env_verb", the_list_has_a_line_for_each_environment,
               no_line_of_the_list_is_wider_than_80_columns,
               a_built_in_environment_passes_its_check,
               an_environment_that_cannot_be_is_a_failed_check,
               a_wrong_line_is_refused_before_anything_runs,
               the_same_seed_gives_the_same_episodes, a_limit_of_steps_cuts_an_episode_off,
               plain_seeds_give_gymnasiums_episodes, programs_read_json)
