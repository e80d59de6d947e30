/* Syntax, `extends`, conflicts, environment, words: what people are told, letter by letter. */
#include "support/cfg_messages.h"

#include "support/test.h"

/* clang-format off */
static const struct message_case cases[] = {
    {.about = "duplicate key",
     .file = "[ring]\n"
         "batch = 1\n"
         "\n"
         "batch = 2\n",
     .message =
         "test.toml:4:1: error: 'ring.batch' is set twice\n"
         "   4 | batch = 2\n"
         "     | ^^^^^\n"
         "  first on line 2\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "duplicate dotted key",
     .file = "[policy]\n"
         "sac.discount = 0.5\n"
         "sac.discount = 0.6\n",
     .message =
         "test.toml:3:1: error: 'policy.sac.discount' is set twice\n"
         "   3 | sac.discount = 0.6\n"
         "     | ^^^^^^^^^^^^\n"
         "  first on line 2\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "duplicate table",
     .file = "[ring]\n"
         "batch = 1\n"
         "[env]\n"
         "[ring]\n"
         "capacity = 64\n",
     .message =
         "test.toml:4:1: error: table 'ring' is written twice\n"
         "   4 | [ring]\n"
         "     | ^^^^^^\n"
         "  first on line 1\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "bad syntax",
     .file = "[ring]\n"
         "batch = = 2\n",
     .message =
         "test.toml:2:9: error: not valid TOML: this is not a value\n"
         "   2 | batch = = 2\n"
         "     |         ^\n"
         "  a text is written in quotes: \"...\"\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "bare word in a file",
     .file = "[policy]\n"
         "type = sac\n",
     .message =
         "test.toml:2:8: error: not valid TOML: this is not a value\n"
         "   2 | type = sac\n"
         "     |        ^\n"
         "  a text is written in quotes: \"...\"\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "unclosed text",
     .file = "[env]\n"
         "name = \"cube\n"
         "\n"
         "[ring]\n"
         "batch = 0\n",
     .message =
         "test.toml:2:13: error: not valid TOML: a text without its closing quote\n"
         "   2 | name = \"cube\n"
         "     |             ^\n"
         "test.toml:5:9: error: 'ring.batch' must be at least 1, got 0\n"
         "   5 | batch = 0\n"
         "     |         ^\n"
         "  default 64\n"
         "2 errors; nothing was started.   see: pawl config schema ring\n"},
    {.about = "unclosed list and its echo",
     .file = "[policy.sac]\n"
         "hidden = [1,\n"
         "discount = 5\n"
         "actor_lr = 7\n",
     .message =
         "test.toml:3:1: error: not valid TOML: this is not a value\n"
         "   3 | discount = 5\n"
         "     | ^\n"
         "  a text is written in quotes: \"...\"\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "unclosed header",
     .file = "[ring\n"
         "batch = 0\n"
         "[env]\n"
         "fps = 0\n",
     .message =
         "test.toml:1:6: error: not valid TOML: expected ']', saw '\\n"
         "'\n"
         "   1 | [ring\n"
         "     |      ^\n"
         "test.toml:4:7: error: 'env.fps' must be at least 0.1, got 0\n"
         "   4 | fps = 0\n"
         "     |       ^\n"
         "  default 10\n"
         "2 errors; nothing was started.   see: pawl config schema env\n"},
    {.about = "three syntax errors and a range",
     .file = "[ring]\n"
         "batch = ?\n"
         "\n"
         "\n"
         "[env]\n"
         "fps = 0\n"
         "\n"
         "name = oops\n"
         "\n"
         "\n"
         "render = TRUE\n",
     .message =
         "test.toml:2:9: error: not valid TOML: this is not a value\n"
         "   2 | batch = ?\n"
         "     |         ^\n"
         "  a text is written in quotes: \"...\"\n"
         "test.toml:6:7: error: 'env.fps' must be at least 0.1, got 0\n"
         "   6 | fps = 0\n"
         "     |       ^\n"
         "  default 10\n"
         "test.toml:8:8: error: not valid TOML: this is not a value\n"
         "   8 | name = oops\n"
         "     |        ^\n"
         "  a text is written in quotes: \"...\"\n"
         "test.toml:11:10: error: not valid TOML: expected 'true', saw 'T'\n"
         "  11 | render = TRUE\n"
         "     |          ^\n"
         "4 errors; nothing was started.   see: pawl config schema env\n"},
    {.about = "a tab and a control character in a shown line",
     .file = "[ring]\n"
         "batch\t=\t\"\\u001b[31m\"\n",
     .message =
         "test.toml:2:9: error: 'ring.batch' must be a whole number, got \"?[31m\"\n"
         "   2 | batch = \"\\u001b[31m\"\n"
         "     |         ^^^^^^^^^^^^\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "a long line is shown around the caret",
     .file = "ring = {                                                                                                          capacity = 64, batch = 0 }\n",
     .message =
         "test.toml:1:138: error: 'ring.batch' must be at least 1, got 0\n"
         "   1 | ...                capacity = 64, batch = 0 }\n"
         "     |                                           ^\n"
         "  default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "key of too many parts",
     .file = "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1\n",
     .message =
         "test.toml:1:33: error: not valid TOML: a key of more than 16 parts\n"
         "   1 | a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1\n"
         "     |                                 ^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "extends a file that is not there",
     .file = "extends = [\"nothing.toml\"]\n",
     .message =
         "test.toml:1:12: error: cannot read 'nothing.toml': No such file or directory\n"
         "   1 | extends = [\"nothing.toml\"]\n"
         "     |            ^^^^^^^^^^^^^^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "extends in a circle",
     .file = "extends = [\"base.toml\"]\n",
     .base = "extends = \"test.toml\"\n",
     .message =
         "base.toml:1:11: error: 'extends' goes in a circle: test.toml -> base.toml -> test.toml\n"
         "   1 | extends = \"test.toml\"\n"
         "     |           ^^^^^^^^^^^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "extends of a wrong type",
     .file = "extends = [5]\n",
     .message =
         "test.toml:1:12: error: 'extends' must be a list of file names\n"
         "   1 | extends = [5]\n"
         "     |            ^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "extends an empty name",
     .file = "extends = \"\"\n",
     .message =
         "test.toml:1:11: error: 'extends' holds what cannot be a file name\n"
         "   1 | extends = \"\"\n"
         "     |           ^^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "a problem in the extended file comes after those of the file",
     .file = "extends = [\"base.toml\"]\n"
         "[ring]\n"
         "batch = 0\n",
     .base = "[env]\n"
         "fps = 0\n",
     .message =
         "test.toml:3:9: error: 'ring.batch' must be at least 1, got 0\n"
         "   3 | batch = 0\n"
         "     |         ^\n"
         "  default 64\n"
         "base.toml:2:7: error: 'env.fps' must be at least 0.1, got 0\n"
         "   2 | fps = 0\n"
         "     |       ^\n"
         "  default 10\n"
         "2 errors; nothing was started.   see: pawl config schema ring\n"},
    {.about = "conflict in one file",
     .file = "[ring]\n"
         "capacity = 64\n"
         "batch = 100\n",
     .message =
         "test.toml:3:1: error: 'ring.batch' = 100 conflicts with 'ring.capacity' = 64: a batch has to fit into the ring\n"
         "   3 | batch = 100\n"
         "     | ^^^^^\n"
         "  'ring.capacity' comes from: test.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "conflict with a default",
     .file = "[ring]\n"
         "batch = 2000\n",
     .message =
         "test.toml:2:1: error: 'ring.batch' = 2000 conflicts with 'ring.capacity' = 1024: a batch has to fit into the ring\n"
         "   2 | batch = 2000\n"
         "     | ^^^^^\n"
         "  'ring.capacity' comes from: default\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "conflict between layers",
     .file = "extends = [\"base.toml\"]\n"
         "[ring]\n"
         "capacity = 64\n",
     .base = "[ring]\n"
         "batch = 100\n",
     .message =
         "test.toml:3:1: error: 'ring.capacity' = 64 conflicts with 'ring.batch' = 100: a batch has to fit into the ring\n"
         "   3 | capacity = 64\n"
         "     | ^^^^^^^^\n"
         "  'ring.batch' comes from: base.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "conflict with the command line",
     .file = "[ring]\n"
         "batch = 100\n",
     .words = {"ring.capacity=64"},
     .message =
         "command line: error: 'ring.capacity' = 64 conflicts with 'ring.batch' = 100: a batch has to fit into the ring\n"
         "  'ring.capacity' comes from: command line; 'ring.batch' comes from: test.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "conflict with the environment",
     .file = "[ring]\n"
         "batch = 100\n",
     .environment = {"PAWL__RING__CAPACITY=64"},
     .message =
         "environment: error: 'ring.capacity' = 64 conflicts with 'ring.batch' = 100: a batch has to fit into the ring\n"
         "  'ring.capacity' comes from: PAWL__RING__CAPACITY; 'ring.batch' comes from: test.toml:2\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "environment: not a number",
     .environment = {"PAWL__ENV__FPS=ten"},
     .message =
         "environment: error: 'PAWL__ENV__FPS=ten' is not a number (hz)\n"
         "  allowed 0.1 or more hz, default 10\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "environment: unknown key",
     .environment = {"PAWL__ENV__FSP=10"},
     .message =
         "environment: error: unknown key 'env.fsp' in 'PAWL__ENV__FSP=10'\n"
         "  did you mean 'PAWL__ENV__FPS'?  (allowed 0.1 or more hz, default 10)\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "environment: out of range, sorted by name",
     .environment = {"PAWL__RING__BATCH=0", "PAWL__ENV__FPS=0"},
     .message =
         "environment: error: 'PAWL__ENV__FPS=0' must be at least 0.1, got 0\n"
         "  default 10\n"
         "environment: error: 'PAWL__RING__BATCH=0' must be at least 1, got 0\n"
         "  default 64\n"
         "2 errors; nothing was started.   see: pawl config schema env\n"},
    {.about = "word: unknown key",
     .words = {"--polcy.type=sac"},
     .message =
         "command line: error: unknown key 'polcy.type' in '--polcy.type=sac'\n"
         "  did you mean 'policy.type'?  (allowed \"null\", \"sac\" or \"pi_rl\", default \"sac\")\n"
         "1 error; nothing was started.   see: pawl config schema policy\n"},
    {.about = "word: not an override",
     .words = {"capacity=64"},
     .message =
         "command line: error: 'capacity=64' does not set a key\n"
         "  a key is set by --table.key=value, --table.key value or table.key=value\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "word: no value at the end",
     .words = {"--ring.batch"},
     .message =
         "command line: error: '--ring.batch' has no value\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: no value before another",
     .words = {"--ring.batch", "--env.fps=3"},
     .message =
         "command line: error: '--ring.batch' has no value\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: not a whole number, apart",
     .words = {"--ring.batch", "few"},
     .message =
         "command line: error: '--ring.batch few' is not a whole number (steps)\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: empty",
     .words = {"ring.batch="},
     .message =
         "command line: error: 'ring.batch=' is not a whole number (steps)\n"
         "  allowed 1 or more steps, default 64\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: bad TOML",
     .words = {"--policy.sac.hidden=[256,,]"},
     .message =
         "command line: error: '--policy.sac.hidden=[256,,]' is not valid TOML: expected value or closing ']', saw comma\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "word: more than one value",
     .words = {"ring.batch=1\n"
         "x = 2"},
     .message =
         "command line: error: 'ring.batch=1?x = 2' is not valid TOML: more than one value\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: bad quotes",
     .words = {"env.name=\"cube"},
     .message =
         "command line: error: 'env.name=\"cube' is not valid TOML: it ends too early\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "word: bad item",
     .words = {"policy.sac.hidden=[256, true]"},
     .message =
         "command line: error: 'policy.sac.hidden=[256, true]' is not a list of whole numbers\n"
         "  allowed list of 1 .. 65536, not empty, default [256, 256]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "word: a list without brackets",
     .words = {"policy.sac.hidden=64,64"},
     .message =
         "command line: error: 'policy.sac.hidden=64,64' is not a list of whole numbers\n"
         "  a list has brackets: [64,64]\n"
         "1 error; nothing was started.   see: pawl config schema policy.sac\n"},
    {.about = "word: not a bool",
     .words = {"env.render=1"},
     .message =
         "command line: error: 'env.render=1' is not true or false\n"
         "  default false\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "word: not a choice",
     .words = {"policy.type=sca"},
     .message =
         "command line: error: 'policy.type=sca' must be \"null\", \"sac\" or \"pi_rl\", got \"sca\"\n"
         "  did you mean \"sac\"?\n"
         "1 error; nothing was started.   see: pawl config schema policy\n"},
    {.about = "word: not a power of two",
     .words = {"ring.capacity=100"},
     .message =
         "command line: error: 'ring.capacity=100' must be a power of two between 64 and 1048576, got 100\n"
         "  nearest: 128\n"
         "1 error; nothing was started.   see: pawl config schema ring\n"},
    {.about = "word: not UTF-8",
     .words = {"env.name=\377"},
     .message =
         "command line: error: 'env.name=?' must be UTF-8\n"
         "  default \"cube\"\n"
         "1 error; nothing was started.   see: pawl config schema env\n"},
    {.about = "not UTF-8",
     .file = "[env]\n"
         "name = \"\351\"\n",
     .message =
         "test.toml:2:8: error: not valid TOML: bytes that are not UTF-8\n"
         "   2 | name = \"?\"\n"
         "     |        ^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "a byte order mark and line ends of Windows",
     .file = "\357\273\277x = 1\015\n"
         "[ring]\015\n"
         "batch = 0\015\n",
     .message =
         "test.toml:1:1: error: unknown key 'x'\n"
         "   1 | x = 1\n"
         "     | ^\n"
         "  tables: [policy] [policy.sac] [env] [ring]\n"
         "test.toml:3:9: error: 'ring.batch' must be at least 1, got 0\n"
         "   3 | batch = 0\n"
         "     |         ^\n"
         "  default 64\n"
         "2 errors; nothing was started.   see: pawl config schema ring\n"},
    {.about = "columns count characters",
     .file = "x-\303\251 = 1\n"
         "[env]\n"
         "name = \"\303\251\303\251\" ?\n",
     .message =
         "test.toml:1:3: error: not valid TOML: expected '=', saw '\303\251'\n"
         "   1 | x-\303\251 = 1\n"
         "     |   ^\n"
         "test.toml:3:13: error: not valid TOML: expected a comment or whitespace, saw '?'\n"
         "   3 | name = \"\303\251\303\251\" ?\n"
         "     |             ^\n"
         "2 errors; nothing was started.   see: pawl config schema\n"},
    {.about = "redefined as a table",
     .file = "[policy]\n"
         "sac = 5\n"
         "sac.discount = 0.5\n",
     .message =
         "test.toml:2:1: error: 'policy.sac' is a table, not a value\n"
         "   2 | sac = 5\n"
         "     | ^^^\n"
         "  its keys stand below a line [policy.sac]\n"
         "test.toml:3:1: error: not valid TOML: cannot redefine existing integer as dotted key-value pair\n"
         "   3 | sac.discount = 0.5\n"
         "     | ^\n"
         "2 errors; nothing was started.   see: pawl config schema\n"},
    {.about = "two tables in one file",
     .file = "ring.batch = 3\n"
         "[ring]\n"
         "capacity = 64\n",
     .message =
         "test.toml:2:1: error: table 'ring' is written twice\n"
         "   2 | [ring]\n"
         "     | ^^^^^^\n"
         "  first on line 1\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "an unclosed long text",
     .file = "[env]\n"
         "name = \"\"\"cube\n"
         "\n"
         "[ring]\n"
         "batch = 0\n",
     .message =
         "test.toml:5:11: error: not valid TOML: it ends too early\n"
         "   5 | batch = 0\n"
         "     |          ^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "no conflict is told where a line is lost",
     .file = "[ring]\n"
         "batch = 2000\n"
         "\n"
         "capacity = 4o96\n",
     .message =
         "test.toml:4:13: error: not valid TOML: expected digit, saw 'o'\n"
         "   4 | capacity = 4o96\n"
         "     |             ^\n"
         "1 error; nothing was started.   see: pawl config schema\n"},
    {.about = "all layers at once",
     .file = "[ring]\n"
         "batch = 0\n",
     .environment = {"PAWL__ENV__RENDER=maybe"},
     .words = {"policy.sac.discount=2"},
     .message =
         "test.toml:2:9: error: 'ring.batch' must be at least 1, got 0\n"
         "   2 | batch = 0\n"
         "     |         ^\n"
         "  default 64\n"
         "environment: error: 'PAWL__ENV__RENDER=maybe' is not true or false\n"
         "  default false\n"
         "command line: error: 'policy.sac.discount=2' must be between 0 and 1, got 2\n"
         "  default 0.99\n"
         "3 errors; nothing was started.   see: pawl config schema ring\n"},
};
/* clang-format on */

START_TEST(a_bad_source_is_told_in_these_words)
{
    messages_compare(cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

PAWL_TEST_MAIN("cfg_messages_sources", a_bad_source_is_told_in_these_words)
