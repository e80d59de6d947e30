#include "support/cfg_sample.h"

#include <errno.h>
#include <sys/stat.h>

#include "support/test.h"

/* Opens with at most four words; fails the test on a problem. */
static struct pawl_cfg *opened(const char *path, char *const *environment, int word_count,
                               char *const *words)
{
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    struct pawl_cfg_source source = {
        .path = path, .environment = environment, .words = words, .word_count = word_count};
    int code = pawl_cfg_open(&cfg, sample_tables, &source, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    return cfg;
}

static const struct sample_ring *ring_of(const struct pawl_cfg *cfg)
{
    return pawl_cfg_fields(cfg, &sample_ring_table);
}

static const struct sample_env *env_of(const struct pawl_cfg *cfg)
{
    return pawl_cfg_fields(cfg, &sample_env_table);
}

static const struct sample_sac *sac_of(const struct pawl_cfg *cfg)
{
    return pawl_cfg_fields(cfg, &sample_sac_table);
}

static char *origin_of(const struct pawl_cfg *cfg, const char *key)
{
    static char text[256];
    pawl_cfg_origin(cfg, key, text, sizeof(text));
    return text;
}

START_TEST(a_part_of_a_file_is_read_where_others_know_the_rest)
{
    const struct pawl_cfg_table *const part[] = {&sample_ring_table, NULL};
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = "a.toml"};
    sample_folder_open();
    sample_write("a.toml", "[ring]\ncapacity = 64\nbatch = 8\n[policy.sac]\nactor_lr = 1\n");

    ck_assert_int_eq(pawl_cfg_open(&cfg, part, &source, NULL), -EINVAL);
    pawl_cfg_close(cfg);
    source.has_other_tables = true;
    ck_assert_int_eq(pawl_cfg_open(&cfg, part, &source, NULL), 0);
    ck_assert_int_eq(ring_of(cfg)->capacity, 64);
    pawl_cfg_close(cfg);

    sample_write("a.toml", "[ring]\ncapacitor = 64\n");
    ck_assert_int_eq(pawl_cfg_open(&cfg, part, &source, NULL), -EINVAL);
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(without_a_source_every_key_has_its_default)
{
    struct pawl_cfg *cfg = opened(NULL, NULL, 0, NULL);
    const struct sample_policy *policy = pawl_cfg_fields(cfg, &sample_policy_table);
    ck_assert_int_eq(policy->type, 1);
    ck_assert(sac_of(cfg)->actor_lr == 3e-4);
    ck_assert_uint_eq(sac_of(cfg)->hidden.count, 2);
    ck_assert_int_eq(sac_of(cfg)->hidden.items[1], 256);
    ck_assert_uint_eq(sac_of(cfg)->scales.count, 0);
    ck_assert_str_eq(env_of(cfg)->name, "cube");
    ck_assert_str_eq(env_of(cfg)->cameras.items[0], "front");
    ck_assert_int_eq(ring_of(cfg)->capacity, 1024);
    ck_assert_str_eq(origin_of(cfg, "ring.capacity"), "default");
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(what_a_run_begins_with_is_beneath_what_is_said)
{
    char *base[] = {"ring.capacity=64", "ring.offset=-2", "env.name=arm"};
    const struct pawl_cfg_base there = {
        .words = base, .word_count = 3, .origin = "there/config.json"};
    struct pawl_cfg_source source = {.path = "test.toml", .base = &there};
    struct pawl_cfg *cfg;
    sample_folder_open();
    sample_write("test.toml", "[ring]\noffset = -3\n");
    ck_assert_int_eq(pawl_cfg_open(&cfg, sample_tables, &source, NULL), 0);
    ck_assert_int_eq(ring_of(cfg)->capacity, 64);
    ck_assert_str_eq(origin_of(cfg, "ring.capacity"), "there/config.json");
    ck_assert_str_eq(env_of(cfg)->name, "arm");
    ck_assert_int_eq(ring_of(cfg)->offset, -3);
    ck_assert_str_eq(origin_of(cfg, "ring.offset"), "test.toml:2");
    pawl_cfg_close(cfg);

    base[0] = "ring.capacity=65";
    ck_assert_int_eq(pawl_cfg_open(&cfg, sample_tables, &source, NULL), -EINVAL);
    char *text = sample_print(pawl_cfg_problems_print, cfg);
    ck_assert_str_eq(text, "there/config.json: error: 'ring.capacity' must be a power of two "
                           "between 64 and 1048576, got 65\n  nearest: 64\n1 error; nothing "
                           "was started.   see: pawl config schema ring\n");
    free(text);
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(a_later_layer_wins_and_is_named)
{
    char *environment[] = {"PATH=/bin", "PAWL__RING__BATCH=4", "PAWL__ENV__FPS=4", NULL};
    char *words[] = {"--env.fps=5"};
    sample_folder_open();
    sample_write("base.toml",
                 "[ring]\ncapacity = 64\nbatch = 2\noffset = -2\n[env]\nfps = 2\n");
    sample_write("test.toml", "extends = [\"base.toml\"]\n[ring]\nbatch = 3\noffset = -3\n"
                              "[env]\nfps = 3\n");
    struct pawl_cfg *cfg = opened("test.toml", environment, 1, words);
    ck_assert_int_eq(ring_of(cfg)->capacity, 64);
    ck_assert_str_eq(origin_of(cfg, "ring.capacity"), "base.toml:2");
    ck_assert_int_eq(ring_of(cfg)->offset, -3);
    ck_assert_str_eq(origin_of(cfg, "ring.offset"), "test.toml:4");
    ck_assert_int_eq(ring_of(cfg)->batch, 4);
    ck_assert_str_eq(origin_of(cfg, "ring.batch"), "PAWL__RING__BATCH");
    ck_assert(env_of(cfg)->fps == 5.0);
    ck_assert_str_eq(origin_of(cfg, "env.fps"), "command line");
    ck_assert_str_eq(origin_of(cfg, "env.name"), "default");
    ck_assert_str_eq(origin_of(cfg, "no.such"), "");
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(a_file_is_extended_relative_to_itself_and_in_order)
{
    sample_folder_open();
    ck_assert_int_eq(mkdir("sub", 0700), 0);
    sample_write("sub/a.toml", "extends = \"b.toml\"\n[ring]\nbatch = 1\n");
    sample_write("sub/b.toml", "[ring]\nbatch = 2\noffset = -2\n");
    sample_write("c.toml", "[ring]\nbatch = 3\n");
    sample_write("test.toml", "extends = [\"sub/a.toml\", \"c.toml\", \"sub/../c.toml\"]\n");
    struct pawl_cfg *cfg = opened("test.toml", NULL, 0, NULL);
    ck_assert_int_eq(ring_of(cfg)->batch, 3);
    ck_assert_int_eq(ring_of(cfg)->offset, -2);
    ck_assert_str_eq(origin_of(cfg, "ring.offset"), "sub/b.toml:3");
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(three_spellings_of_an_override_mean_the_same)
{
    char *with_equals[] = {"--policy.sac.actor_lr=1e-3"};
    char *with_space[] = {"--policy.sac.actor_lr", "1e-3"};
    char *without_dashes[] = {"policy.sac.actor_lr=1e-3"};
    char *with_dash[] = {"--policy.sac.actor-lr=1e-3"};
    char *const *spellings[] = {with_equals, with_space, without_dashes, with_dash};
    for (int i = 0; i < 4; i++) {
        int word_count = i == 1 ? 2 : 1;
        ck_assert_int_eq(pawl_cfg_override_words(sample_tables, word_count, spellings[i]),
                         word_count);
        struct pawl_cfg *cfg = opened(NULL, NULL, word_count, spellings[i]);
        ck_assert(sac_of(cfg)->actor_lr == 1e-3);
        pawl_cfg_close(cfg);
    }
}
END_TEST

START_TEST(what_is_no_override_is_left_to_others)
{
    char *words[] = {
        "configs/a.toml", "--origin", "--format=md", "name=x", "./a.b=c", "a.toml", "--",
        "-a.b=c",         "--.a=1",   "a.=1",        "",       "=a.b"};
    for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
        ck_assert_msg(pawl_cfg_override_words(sample_tables, 1, words + i) == 0, "%s",
                      words[i]);
    ck_assert_int_eq(pawl_cfg_override_words(sample_tables, 0, words), 0);
}
END_TEST

START_TEST(a_bool_needs_no_value_and_a_negative_number_may_stand_apart)
{
    char *words[] = {"--env.render", "--ring.offset", "-5",
                     "--env.render", "false",         "--env.render"};
    struct pawl_cfg *cfg = opened(NULL, NULL, 6, words);
    ck_assert(env_of(cfg)->render);
    ck_assert_int_eq(ring_of(cfg)->offset, -5);
    pawl_cfg_close(cfg);
    cfg = opened(NULL, NULL, 5, words);
    ck_assert(!env_of(cfg)->render);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(the_right_hand_side_is_toml_and_a_bare_word_is_a_text)
{
    char *words[] = {"env.name=7 up", "policy.sac.hidden=[1, 2,3]",
                     "env.cameras=['a', \"b\\n\"]", "policy.type=pi_rl"};
    struct pawl_cfg *cfg = opened(NULL, NULL, 4, words);
    const struct sample_policy *policy = pawl_cfg_fields(cfg, &sample_policy_table);
    ck_assert_str_eq(env_of(cfg)->name, "7 up");
    ck_assert_uint_eq(sac_of(cfg)->hidden.count, 3);
    ck_assert_str_eq(env_of(cfg)->cameras.items[1], "b\n");
    ck_assert_int_eq(policy->type, 2);
    pawl_cfg_close(cfg);

    char *quoted[] = {"env.name=\"a\\tb\"", "policy.type='null'", "ring.batch=0x10",
                      "ring.offset=-1_000"};
    cfg = opened(NULL, NULL, 4, quoted);
    ck_assert_str_eq(env_of(cfg)->name, "a\tb");
    ck_assert_int_eq(ring_of(cfg)->batch, 16);
    ck_assert_int_eq(ring_of(cfg)->offset, -1000);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(a_whole_number_may_be_written_with_an_exponent_and_a_number_without_a_dot)
{
    char *words[] = {"ring.capacity=1048576", "ring.batch=1e6", "env.fps=30"};
    struct pawl_cfg *cfg = opened(NULL, NULL, 3, words);
    ck_assert_int_eq(ring_of(cfg)->batch, 1000000);
    ck_assert(env_of(cfg)->fps == 30.0);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(tables_of_others_are_ignored)
{
    sample_folder_open();
    sample_write("test.toml", "x-note = 1\n[x-wandb]\nproject = 5\n[x-wandb.deep]\na = []\n"
                              "[ring]\nbatch = 5\n");
    struct pawl_cfg *cfg = opened("test.toml", NULL, 0, NULL);
    ck_assert_int_eq(ring_of(cfg)->batch, 5);
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(a_refused_value_leaves_the_one_below_it)
{
    struct pawl_cfg *cfg;
    char *words[] = {"policy.sac.hidden=[8, 9]", "policy.sac.hidden=[7, 0]", "env.name=ok",
                     "env.name="};
    struct pawl_cfg_source source = {.words = words, .word_count = 4};
    ck_assert_int_eq(pawl_cfg_open(&cfg, sample_tables, &source, NULL), -EINVAL);
    ck_assert_int_eq(sac_of(cfg)->hidden.items[0], 8);
    ck_assert_str_eq(env_of(cfg)->name, "ok");
    pawl_cfg_close(cfg);
}
END_TEST

static const char all_kinds[] =
    "[policy]\ntype = \"pi_rl\"\n[policy.sac]\nactor_lr = 0.1\ndiscount = 1\n"
    "hidden = [1, 65536]\nscales = [-0.0, 1e-300, 1.7976931348623157e308, 3]\n"
    "[env]\nfps = 123456789012.5\nname = \"q\\\"b\\\\ \\u0007\\u007f\\t\\u00e9\"\n"
    "cameras = [\"\", \"a#b\", 'c\"d']\nrender = true\n"
    "[ring]\ncapacity = 65536\nbatch = 9_000\noffset = -9223372036854775807\n";

START_TEST(a_dump_gives_the_same_values_and_the_same_dump)
{
    sample_folder_open();
    sample_write("test.toml", all_kinds);
    struct pawl_cfg *cfg = opened("test.toml", NULL, 0, NULL);
    char *first = sample_print(pawl_cfg_dump, cfg);
    char *with_origin = sample_print(pawl_cfg_dump_origin, cfg);
    sample_write("again.toml", first);
    sample_write("origin.toml", with_origin);
    struct pawl_cfg *again = opened("again.toml", NULL, 0, NULL);
    struct pawl_cfg *by_origin = opened("origin.toml", NULL, 0, NULL);
    char *second = sample_print(pawl_cfg_dump, again);
    char *third = sample_print(pawl_cfg_dump, by_origin);
    ck_assert_str_eq(second, first);
    ck_assert_str_eq(third, first);
    ck_assert_int_eq(memcmp(sac_of(again), sac_of(cfg), sizeof(struct sample_sac)), 0);
    ck_assert_int_eq(memcmp(env_of(again), env_of(cfg), sizeof(struct sample_env)), 0);
    ck_assert_int_eq(memcmp(ring_of(again), ring_of(cfg), sizeof(struct sample_ring)), 0);
    ck_assert_uint_eq(pawl_cfg_diff(cfg, again, stderr), 0);
    free(first);
    free(second);
    free(third);
    free(with_origin);
    pawl_cfg_close(cfg);
    pawl_cfg_close(again);
    pawl_cfg_close(by_origin);
    sample_folder_close();
}
END_TEST

START_TEST(a_dump_reads_like_this)
{
    char *environment[] = {"PAWL__ENV__NAME=a\"b", NULL};
    char *words[] = {"policy.sac.scales=[1, 0.5]"};
    sample_folder_open();
    sample_write("test.toml", "[ring]\nbatch = 5\n");
    struct pawl_cfg *cfg = opened("test.toml", environment, 1, words);
    char *text = sample_print(pawl_cfg_dump_origin, cfg);
    ck_assert_str_eq(text, "[policy]\n"
                           "type = \"sac\"  # default\n"
                           "\n"
                           "[policy.sac]\n"
                           "actor_lr = 3e-4  # default\n"
                           "discount = 0.99  # default\n"
                           "hidden = [256, 256]  # default\n"
                           "scales = [1.0, 0.5]  # command line\n"
                           "\n"
                           "[env]\n"
                           "fps = 10.0  # default\n"
                           "name = \"a\\\"b\"  # PAWL__ENV__NAME\n"
                           "cameras = [\"front\"]  # default\n"
                           "render = false  # default\n"
                           "\n"
                           "[ring]\n"
                           "capacity = 1024  # default\n"
                           "batch = 5  # test.toml:2\n"
                           "offset = 0  # default\n");
    free(text);
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

START_TEST(a_difference_names_the_key_and_both_values)
{
    char *words[] = {"ring.batch=5", "env.name=x"};
    struct pawl_cfg *a = opened(NULL, NULL, 0, NULL), *b = opened(NULL, NULL, 2, words);
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_uint_eq(pawl_cfg_diff(a, b, out), 2);
    fclose(out);
    ck_assert_str_eq(text, "- env.name = \"cube\"  # default\n"
                           "+ env.name = \"x\"  # command line\n"
                           "- ring.batch = 64  # default\n"
                           "+ ring.batch = 5  # command line\n");
    pawl_cfg_close(a);
    pawl_cfg_close(b);
}
END_TEST

START_TEST(a_struct_can_have_its_defaults_without_a_configuration)
{
    struct sample_ring ring;
    ck_assert_int_eq(pawl_cfg_default(&sample_ring_table, &ring, NULL), 0);
    ck_assert_int_eq(ring.capacity, 1024);
    ck_assert_int_eq(ring.batch, 64);
}
END_TEST

START_TEST(a_table_that_was_not_loaded_has_no_fields)
{
    static const struct pawl_cfg_table *const one[] = {&sample_ring_table, NULL};
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = NULL};
    ck_assert_int_eq(pawl_cfg_open(&cfg, one, &source, NULL), 0);
    ck_assert_ptr_null(pawl_cfg_fields(cfg, &sample_env_table));
    pawl_cfg_close(cfg);
    pawl_cfg_close(NULL);
}
END_TEST

PAWL_TEST_MAIN("cfg", a_part_of_a_file_is_read_where_others_know_the_rest,
               without_a_source_every_key_has_its_default, a_later_layer_wins_and_is_named,
               what_a_run_begins_with_is_beneath_what_is_said,
               a_file_is_extended_relative_to_itself_and_in_order,
               three_spellings_of_an_override_mean_the_same,
               what_is_no_override_is_left_to_others,
               a_bool_needs_no_value_and_a_negative_number_may_stand_apart,
               the_right_hand_side_is_toml_and_a_bare_word_is_a_text,
               a_whole_number_may_be_written_with_an_exponent_and_a_number_without_a_dot,
               tables_of_others_are_ignored, a_refused_value_leaves_the_one_below_it,
               a_dump_gives_the_same_values_and_the_same_dump, a_dump_reads_like_this,
               a_difference_names_the_key_and_both_values,
               a_struct_can_have_its_defaults_without_a_configuration,
               a_table_that_was_not_loaded_has_no_fields)
