/* pawl env, as a shell starts it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runtime/json.h"
#include "support/test.h"

#define TEXT_BYTES (1 << 18)

static char out_text[TEXT_BYTES];
static char again_text[TEXT_BYTES];

/* Runs pawl with the words; what it printed, errors included, is in text. Returns its exit
 * code. */
static int pawl(const char *words, char text[TEXT_BYTES])
{
    char line[1024];
    snprintf(line, sizeof(line), "%s/pawl %s 2>&1", PAWL_BIN_DIR, words);
    FILE *pipe = popen(line, "re");
    ck_assert_ptr_nonnull(pipe);
    text[fread(text, 1, TEXT_BYTES - 1, pipe)] = '\0';
    int status = pclose(pipe);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_prints(const char *words, int exit_code, const char *part)
{
    int code = pawl(words, out_text);
    ck_assert_msg(code == exit_code && strstr(out_text, part), "pawl %s: %d, no '%s' in:\n%s",
                  words, code, part, out_text);
}

START_TEST(the_list_has_a_line_for_each_environment)
{
    static const char *const names[] = {"\npendulum ", "\nmountain_car ", "\ncartpole ",
                                        "\nreach2d ", "\ndummy "};
    ck_assert_int_eq(pawl("env list", out_text), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_ptr_nonnull(strstr(out_text, names[i]));
    assert_prints("env list --env.dummy.obs_count=33", 0, "float32[33]");
}
END_TEST

START_TEST(no_line_of_the_list_is_wider_than_80_columns)
{
    static const char *const lists[] = {
        "env list", "env list --env.dummy.obs_count=33 --env.dummy.image_count=8"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        ck_assert_int_eq(pawl(lists[i], out_text), 0);
        for (const char *line = out_text; *line;) {
            size_t bytes = strcspn(line, "\n");
            ck_assert_msg(bytes <= 80, "%zu: %.*s", bytes, (int)bytes, line);
            line += bytes + (line[bytes] == '\n');
        }
    }
    ck_assert_ptr_nonnull(strstr(out_text, "images.7"));
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
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 5 --env.lanes=3", out_text), 0);
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 5 --env.lanes=3", again_text), 0);
    cut_speed(out_text);
    cut_speed(again_text);
    ck_assert_ptr_nonnull(strstr(out_text, "lane 2 episode 1 "));
    ck_assert_str_eq(out_text, again_text);
    ck_assert_int_eq(pawl("env run reach2d --steps 600 --seed 6 --env.lanes=3", again_text), 0);
    cut_speed(again_text);
    ck_assert_str_ne(out_text, again_text);
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
        ck_assert_int_eq(pawl(lines[i], out_text), 0);
        int code = pawl_json_open_text(&doc, out_text, strlen(out_text), "out", &limits, &err);
        ck_assert_msg(code == 0, "%s: %s", lines[i], err.text);
        pawl_json_close(&doc);
    }
    ck_assert_ptr_nonnull(strstr(out_text, "\"steps_per_s\""));
    ck_assert_ptr_nonnull(strstr(out_text, "\"return_mean\""));
}
END_TEST

PAWL_TEST_MAIN("env_verb", the_list_has_a_line_for_each_environment,
               no_line_of_the_list_is_wider_than_80_columns,
               a_built_in_environment_passes_its_check,
               an_environment_that_cannot_be_is_a_failed_check,
               a_wrong_line_is_refused_before_anything_runs,
               the_same_seed_gives_the_same_episodes, a_limit_of_steps_cuts_an_episode_off,
               plain_seeds_give_gymnasiums_episodes, programs_read_json)
