/* Keys and values in a file: what people are told, letter by letter. */
#include "support/cfg_messages.h"

#include "support/test.h"

/* clang-format off */
static const struct message_case cases[] = {
    {.about = "the example of the manual",
     .file = "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "[policy.sac]\n"
         "actor_learning_rate = 3e-4\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "#\n"
         "[ring]\n"
         "capacity = 1000\n",
     .words = {"--env.fps=ten"},
     .message =
         "test.toml:14:1: error: unknown key 'policy.sac.actor_learning_rate'\n"
         "  14 | actor_learning_rate = 3e-4\n"
         "     | ^^^^^^^^^^^^^^^^^^^\n"
         "  did you mean 'policy.sac.actor_lr'?  (allowed 1e-7 .. 1, default 3e-4)\n"
         "test.toml:21:12: error: 'ring.capacity' must be a power of two between 64 and 1048576, got 1000\n"
         "  21 | capacity = 1000\n"
         "     |            ^^^^\n"
         "  nearest: 1024\n"
         "command line: error: '--env.fps=ten' is not a number (hz)\n"
         "  allowed 0.1 or more hz, default 10\n"
         "3 errors; nothing was started.   see: pawl config schema ring\n"},
    {.about = "unknown key, nothing near",
     .file = "[ring]\n"
         "zzzzzz = 1\n",
     .message =
         "test.toml:2:1: error: unknown key 'ring.zzzzzz'\n"
         "   2 | zzzzzz = 1\n"
         "     | ^^^^^^\n"
         "  keys of [ring]: capacity batch offset\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "unknown key on the top level",
     .file = "speed = 1\n",
     .message =
         "test.toml:1:1: error: unknown key 'speed'\n"
         "   1 | speed = 1\n"
         "     | ^^^^^\n"
         "  tables: [policy] [policy.sac] [env] [ring]\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "unknown key with the right word in another table",
     .file = "[policy]\n"
         "actor_lr = 1e-3\n",
     .message =
         "test.toml:2:1: error: unknown key 'policy.actor_lr'\n"
         "   2 | actor_lr = 1e-3\n"
         "     | ^^^^^^^^\n"
         "  did you mean 'policy.sac.actor_lr'?  (allowed 1e-7 .. 1, default 3e-4)\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "unknown table",
     .file = "[pollicy]\n"
         "type = \"sac\"\n",
     .message =
         "test.toml:1:2: error: unknown table 'pollicy'\n"
         "   1 | [pollicy]\n"
         "     |  ^^^^^^^\n"
         "  did you mean [policy]?  (tables called x-... are ignored)\n"
         "1 error; nothing was started.   see: pawl config schema policy\n"},
    {.about = "unknown table by its last part",
     .file = "[sac]\n"
         "discount = 0.9\n",
     .message =
         "test.toml:1:2: error: unknown table 'sac'\n"
         "   1 | [sac]\n"
         "     |  ^^^\n"
         "  did you mean [policy.sac]?  (tables called x-... are ignored)\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "unknown table near nothing",
     .file = "[wandb]\n"
         "project = \"x\"\n",
     .message =
         "test.toml:1:2: error: unknown table 'wandb'\n"
         "   1 | [wandb]\n"
         "     |  ^^^^^\n"
         "  tables: [policy] [policy.sac] [env] [ring]\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "quoted key with a dot is another key",
     .file = "\"ring.batch\" = 4\n",
     .message =
         "test.toml:1:1: error: unknown key '\"ring.batch\"'\n"
         "   1 | \"ring.batch\" = 4\n"
         "     | ^^^^^^^^^^^^\n"
         "  did you mean 'ring.batch'?  (allowed 1 or more steps, default 64)\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "a table where a value belongs",
     .file = "[ring.batch]\n"
         "x = 1\n",
     .message =
         "test.toml:1:1: error: 'ring.batch' must be a whole number, got a table\n"
         "   1 | [ring.batch]\n"
         "     | ^^^^^^^^^^^^\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "a value where a table belongs",
     .file = "ring = 3\n",
     .message =
         "test.toml:1:1: error: 'ring' is a table, not a value\n"
         "   1 | ring = 3\n"
         "     | ^^^^\n"
         "  its keys stand below a line [ring]\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "an array of tables",
     .file = "[[ring]]\n"
         "batch = 3\n",
     .message =
         "test.toml:1:3: error: 'ring' is a table, not a value\n"
         "   1 | [[ring]]\n"
         "     |   ^^^^\n"
         "  its keys stand below a line [ring]\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "wrong type: whole number",
     .file = "[ring]\n"
         "batch = \"many\"\n",
     .message =
         "test.toml:2:9: error: 'ring.batch' must be a whole number, got \"many\"\n"
         "   2 | batch = \"many\"\n"
         "     |         ^^^^^^\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "wrong type: a fraction",
     .file = "[ring]\n"
         "batch = 1.5\n",
     .message =
         "test.toml:2:9: error: 'ring.batch' must be a whole number, got 1.5\n"
         "   2 | batch = 1.5\n"
         "     |         ^^^\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "wrong type: number",
     .file = "[env]\n"
         "fps = true\n",
     .message =
         "test.toml:2:7: error: 'env.fps' must be a number, got true\n"
         "   2 | fps = true\n"
         "     |       ^^^^\n"
         "  allowed 0.1 or more hz, default 10\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "wrong type: text",
     .file = "[env]\n"
         "name = 5\n",
     .message =
         "test.toml:2:8: error: 'env.name' must be a text in quotes, got 5\n"
         "   2 | name = 5\n"
         "     |        ^\n"
         "  allowed text of up to 31 bytes, not empty, default \"cube\"\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "wrong type: bool",
     .file = "[env]\n"
         "render = \"yes\"\n",
     .message =
         "test.toml:2:10: error: 'env.render' must be true or false, got \"yes\"\n"
         "   2 | render = \"yes\"\n"
         "     |          ^^^^^\n"
         "  default false\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "wrong type: choice",
     .file = "[policy]\n"
         "type = 2\n",
     .message =
         "test.toml:2:8: error: 'policy.type' must be \"null\", \"sac\" or \"pi_rl\", got 2\n"
         "   2 | type = 2\n"
         "     |        ^\n"
         "  default \"sac\"\n"
         "1 error; nothing was started.   see: pawl config schema policy\n"},
    {.about = "wrong type: list",
     .file = "[policy.sac]\n"
         "hidden = 256\n",
     .message =
         "test.toml:2:10: error: 'policy.sac.hidden' must be a list of whole numbers, got 256\n"
         "   2 | hidden = 256\n"
         "     |          ^^^\n"
         "  allowed list of 1 .. 65536, not empty, default [256, 256]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "wrong type: date",
     .file = "[ring]\n"
         "batch = 2026-11-21\n",
     .message =
         "test.toml:2:9: error: 'ring.batch' must be a whole number, got a date or time\n"
         "   2 | batch = 2026-11-21\n"
         "     |         ^^^^^^^^^^\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "wrong item",
     .file = "[policy.sac]\n"
         "hidden = [256, \"a\"]\n",
     .message =
         "test.toml:2:16: error: 'policy.sac.hidden[1]' must be a whole number, got \"a\"\n"
         "   2 | hidden = [256, \"a\"]\n"
         "     |                ^^^\n"
         "  default [256, 256]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "item out of range",
     .file = "[policy.sac]\n"
         "hidden = [256,\n"
         "          0]\n",
     .message =
         "test.toml:3:11: error: 'policy.sac.hidden[1]' must be between 1 and 65536, got 0\n"
         "   3 |           0]\n"
         "     |           ^\n"
         "  default [256, 256]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "empty list",
     .file = "[policy.sac]\n"
         "hidden = []\n",
     .message =
         "test.toml:2:10: error: 'policy.sac.hidden' must not be empty\n"
         "   2 | hidden = []\n"
         "     |          ^^\n"
         "  default [256, 256]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "too many items",
     .file = "[policy.sac]\n"
         "scales = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n",
     .message =
         "test.toml:2:10: error: 'policy.sac.scales' must have at most 64 items, got 65\n"
         "   2 | scales = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,...\n"
         "     |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
         "  default []\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "out of range",
     .file = "[policy.sac]\n"
         "discount = 1.5\n",
     .message =
         "test.toml:2:12: error: 'policy.sac.discount' must be between 0 and 1, got 1.5\n"
         "   2 | discount = 1.5\n"
         "     |            ^^^\n"
         "  default 0.99\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "below the only bound",
     .file = "[ring]\n"
         "batch = 0\n",
     .message =
         "test.toml:2:9: error: 'ring.batch' must be at least 1, got 0\n"
         "   2 | batch = 0\n"
         "     |         ^\n"
         "  default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "above the only bound",
     .file = "[ring]\n"
         "offset = 6\n",
     .message =
         "test.toml:2:10: error: 'ring.offset' must be at most 5, got 6\n"
         "   2 | offset = 6\n"
         "     |          ^\n"
         "  default 0\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "infinite",
     .file = "[env]\n"
         "fps = inf\n",
     .message =
         "test.toml:2:7: error: 'env.fps' must be a finite number, got inf\n"
         "   2 | fps = inf\n"
         "     |       ^^^\n"
         "  default 10\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "not a number",
     .file = "[env]\n"
         "fps = nan\n",
     .message =
         "test.toml:2:7: error: 'env.fps' must be a finite number, got nan\n"
         "   2 | fps = nan\n"
         "     |       ^^^\n"
         "  default 10\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "not a power of two",
     .file = "[ring]\n"
         "capacity = 5000\n",
     .message =
         "test.toml:2:12: error: 'ring.capacity' must be a power of two between 64 and 1048576, got 5000\n"
         "   2 | capacity = 5000\n"
         "     |            ^^^^\n"
         "  nearest: 4096\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "power of two out of range",
     .file = "[ring]\n"
         "capacity = 32\n",
     .message =
         "test.toml:2:12: error: 'ring.capacity' must be a power of two between 64 and 1048576, got 32\n"
         "   2 | capacity = 32\n"
         "     |            ^^\n"
         "  nearest: 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "not one of the choices",
     .file = "[policy]\n"
         "type = \"pirl\"\n",
     .message =
         "test.toml:2:8: error: 'policy.type' must be \"null\", \"sac\" or \"pi_rl\", got \"pirl\"\n"
         "   2 | type = \"pirl\"\n"
         "     |        ^^^^^^\n"
         "  did you mean \"pi_rl\"?\n"
         "1 error; nothing was started.   see: pawl config schema policy\n"},
    {.about = "text too long",
     .file = "[env]\n"
         "name = \"0123456789012345678901234567890123456789\"\n",
     .message =
         "test.toml:2:8: error: 'env.name' must have at most 31 bytes, got 40\n"
         "   2 | name = \"0123456789012345678901234567890123456789\"\n"
         "     |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
         "  default \"cube\"\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "text empty",
     .file = "[env]\n"
         "name = ''\n",
     .message =
         "test.toml:2:8: error: 'env.name' must not be empty\n"
         "   2 | name = ''\n"
         "     |        ^^\n"
         "  default \"cube\"\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "text with NUL",
     .file = "[env]\n"
         "name = \"a\\u0000b\"\n",
     .message =
         "test.toml:2:8: error: 'env.name' must not hold a NUL character\n"
         "   2 | name = \"a\\u0000b\"\n"
         "     |        ^^^^^^^^^^\n"
         "  default \"cube\"\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
};
/* clang-format on */

START_TEST(a_bad_key_or_value_is_told_in_these_words)
{
    messages_compare(cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

PAWL_TEST_MAIN("cfg_messages", a_bad_key_or_value_is_told_in_these_words)
