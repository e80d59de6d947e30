/* The program itself, as a shell starts it. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/json.h"

#include "support/temp.h"
#include "support/test.h"

#define SCREEN_COLUMNS 80
#define SCREEN_LINES   24
#define HANG_GUARD_NS  (30 * PAWL_NS_PER_S)

static char folder[TEMP_BYTES];
static char out_text[1 << 18];
static char err_text[1 << 16];

static void slurp(const char *name, char *text, size_t text_bytes)
{
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, text_bytes - 1, file)] = '\0';
    fclose(file);
}

/* Runs a line of shell with pawl in the PATH, in an empty folder of its own; returns the exit
 * code. What it printed is in out_text and err_text. */
static int shell(const char *line)
{
    if (!folder[0]) {
        temp_folder_make(folder);
        ck_assert_int_eq(chdir(folder), 0);
        char path[4096];
        snprintf(path, sizeof(path), "%s:%s", PAWL_BIN_DIR, getenv("PATH"));
        setenv("PATH", path, 1);
        unsetenv("NO_COLOR");
    }
    char whole[8192];
    snprintf(whole, sizeof(whole), "{ %s\n} >.out 2>.err", line);
    int status = system(whole);
    ck_assert(WIFEXITED(status));
    slurp(".out", out_text, sizeof(out_text));
    slurp(".err", err_text, sizeof(err_text));
    return WEXITSTATUS(status);
}

static void remove_folder(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    temp_folder_remove(folder);
}

static void assert_shell(const char *line, int exit_code, const char *out, const char *err)
{
    int code = shell(line);
    ck_assert_msg(code == exit_code, "%s: exit code %d\n%s%s", line, code, out_text, err_text);
    ck_assert_str_eq(out_text, out);
    ck_assert_str_eq(err_text, err);
}

static void put_file(const char *name, const char *text)
{
    shell(":");
    FILE *file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* A program on a terminal of 80x24; out_text is what it has shown. */
struct terminal {
    int fd;
    pid_t child;
    size_t length, seen;
};

static void open_terminal(struct terminal *terminal, char *const *argv)
{
    struct winsize size = {.ws_row = SCREEN_LINES, .ws_col = SCREEN_COLUMNS};
    *terminal = (struct terminal){0};
    shell(":");
    out_text[0] = '\0';
    terminal->child = forkpty(&terminal->fd, NULL, NULL, &size);
    ck_assert_int_ge(terminal->child, 0);
    if (terminal->child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
}

/* Until it shows this, behind what was waited for before; NULL: until it ends. */
static void wait_for_screen(struct terminal *terminal, const char *wanted)
{
    uint64_t give_up_ns = pawl_clock_now_ns() + HANG_GUARD_NS;
    const char *at = NULL;
    while (!wanted || !(at = strstr(out_text + terminal->seen, wanted))) {
        struct pollfd polled = {.fd = terminal->fd, .events = POLLIN};
        ssize_t count = 0;
        if (poll(&polled, 1, 100) > 0) {
            count = read(terminal->fd, out_text + terminal->length,
                         sizeof(out_text) - 1 - terminal->length);
            if (count <= 0)
                break;
        }
        terminal->length += (size_t)count;
        out_text[terminal->length] = '\0';
        ck_assert_msg(pawl_clock_now_ns() < give_up_ns, "no '%s' on this screen:\n%s",
                      wanted ? wanted : "end", out_text);
    }
    ck_assert_msg(!wanted || at, "it has ended without '%s':\n%s", wanted, out_text);
    if (wanted)
        terminal->seen = (size_t)(at - out_text) + strlen(wanted);
}

static void close_terminal(struct terminal *terminal)
{
    kill(terminal->child, SIGKILL);
    waitpid(terminal->child, NULL, 0);
    close(terminal->fd);
}

static void show_on_terminal(char *const *argv)
{
    struct terminal terminal;
    open_terminal(&terminal, argv);
    wait_for_screen(&terminal, NULL);
    close_terminal(&terminal);
}

START_TEST(the_version_is_printed_and_is_done)
{
    ck_assert_int_eq(shell("pawl --version"), 0);
    ck_assert_int_eq(strncmp(out_text, "pawl ", 5), 0);
    ck_assert_str_eq(err_text, "");
    remove_folder();
}
END_TEST

START_TEST(a_wrong_line_is_one_sentence_and_two)
{
    assert_shell("pawl inof", 2, "", "pawl: no verb 'inof'; did you mean 'info'?\n");
    assert_shell("pawl version", 2, "", "pawl: no verb 'version'; did you mean '--version'?\n");
    assert_shell("pawl info --jsn", 2, "",
                 "pawl info: no option '--jsn'; did you mean '--json'?\n");
    assert_shell("pawl config check", 2, "",
                 "pawl config check: the line is not complete: pawl config check FILE...\n");
    remove_folder();
}
END_TEST

START_TEST(output_that_cannot_be_written_is_a_failure)
{
    static const char *const verbs[] = {"--version",
                                        "help",
                                        "--help=all",
                                        "info",
                                        "info --json",
                                        "config dump",
                                        "config schema --format=json",
                                        "completion bash"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "pawl %s >/dev/full", verbs[i]);
        assert_shell(line, 1, "", "pawl: write to standard output: No space left on device\n");
        snprintf(line, sizeof(line), "pawl %s >&-", verbs[i]);
        assert_shell(line, 1, "", "pawl: write to standard output: Bad file descriptor\n");
    }
    remove_folder();
}
END_TEST

START_TEST(a_reader_that_went_away_is_a_silent_failure_and_no_signal)
{
    /* The reader is gone before the first byte: it is the writer that waits for it. */
    ck_assert_int_eq(shell("mkfifo f gone; { exec 3<f; exec 3<&-; echo >gone; } & "
                           "{ exec 4>f; read x <gone; pawl info >&4; exit $?; }"),
                     1);
    ck_assert_str_eq(err_text, "");
    remove_folder();
}
END_TEST

START_TEST(a_usage_error_keeps_its_code_when_nothing_can_be_written)
{
    ck_assert_int_eq(shell("pawl inof >&-"), 2);
    ck_assert_int_eq(shell("pawl inof >&- 2>&-"), 2);
    ck_assert_int_eq(shell("pawl --version <&-"), 0);
    remove_folder();
}
END_TEST

START_TEST(a_pipe_gets_no_escape_bytes_whatever_the_terminal)
{
    ck_assert_int_eq(shell("export TERM=xterm; pawl --help=all; pawl info; pawl config dump; "
                           "pawl config schema; pawl trian 2>&1; true"),
                     0);
    ck_assert_ptr_null(strchr(out_text, '\033'));
    remove_folder();
}
END_TEST

START_TEST(a_terminal_gets_bold_headings_unless_it_does_not_want_them)
{
    char *help[] = {"pawl", "help", "info", NULL};
    setenv("TERM", "xterm", 1);
    show_on_terminal(help);
    ck_assert_ptr_nonnull(strstr(out_text, "\033[1moptions"));
    setenv("NO_COLOR", "1", 1);
    show_on_terminal(help);
    ck_assert_ptr_nonnull(strstr(out_text, "options"));
    ck_assert_ptr_null(strchr(out_text, '\033'));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    show_on_terminal(help);
    ck_assert_ptr_null(strchr(out_text, '\033'));
    unsetenv("TERM");
    show_on_terminal(help);
    ck_assert_ptr_null(strchr(out_text, '\033'));
    remove_folder();
}
END_TEST

START_TEST(the_help_fits_a_screen)
{
    ck_assert_int_eq(shell("pawl --help"), 0);
    size_t line_count = 0;
    for (char *line = strtok(out_text, "\n"); line; line = strtok(NULL, "\n"))
        line_count++;
    ck_assert_uint_lt(line_count, SCREEN_LINES);
    ck_assert_int_eq(shell("pawl --help=all; pawl config schema"), 0);
    for (char *line = strtok(out_text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= SCREEN_COLUMNS, "%s", line);
    remove_folder();
}
END_TEST

START_TEST(info_and_schema_are_json_that_our_own_reader_takes)
{
    static const char *const lines[] = {"pawl info --json", "pawl config schema --format=json"};
    static const struct pawl_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct pawl_json doc;
        struct pawl_err err = {0};
        ck_assert_int_eq(shell(lines[i]), 0);
        ck_assert_msg(
            pawl_json_open_text(&doc, out_text, strlen(out_text), lines[i], &limits, &err) == 0,
            "%s", err.text);
        pawl_json_close(&doc);
    }
    remove_folder();
}
END_TEST

START_TEST(info_says_in_a_line_that_there_is_no_tensor_library)
{
    ck_assert_int_eq(shell("PAWL_LIBEXEC=/nowhere pawl info | grep ^torch"), 0);
    ck_assert_msg(strstr(out_text, "/nowhere/pawl_torch.so: No such file") != NULL, "%s",
                  out_text);
    ck_assert_ptr_eq(strchr(out_text, '\n'), strrchr(out_text, '\n'));
    remove_folder();
}
END_TEST

START_TEST(a_good_configuration_is_ok)
{
    put_file("a.toml", "[run]\nseed = 3\n");
    put_file("b.toml", "extends = [\"a.toml\"]\n[log]\nlevel = \"warn\"\n");
    assert_shell("pawl config check a.toml b.toml", 0, "a.toml: ok\nb.toml: ok\n", "");
    assert_shell("pawl config check a.toml --run.seed 5 log.level=debug", 0, "a.toml: ok\n",
                 "");
    remove_folder();
}
END_TEST

START_TEST(what_a_configuration_names_and_is_not_there_is_found_without_starting)
{
    put_file("demos.toml", "[replay]\noffline = \"demos.journal\"\n");
    assert_shell("pawl config check demos.toml", 2, "",
                 "demos.toml:2:1: error: 'replay.offline' = \"demos.journal\": open "
                 "demos.journal: No such file or directory\n"
                 "   2 | offline = \"demos.journal\"\n"
                 "     | ^^^^^^^\n"
                 "  `pawl record` writes such a file; \"\" learns without one\n"
                 "1 error; nothing was started.   see: pawl config schema replay\n");
    ck_assert_int_eq(shell("pawl train demos.toml"), 2);
    ck_assert_str_eq(out_text, "");
    ck_assert_int_ne(access("runs", F_OK), 0);
    remove_folder();
}
END_TEST

START_TEST(a_run_folder_that_cannot_be_names_its_key_and_another_way)
{
    put_file("place.toml", "[run]\ndir = \"place.toml\"\n");
    ck_assert_int_eq(shell("pawl train place.toml"), 2);
    ck_assert_str_eq(err_text, "pawl train: supervisor: run.dir = \"place.toml\" "
                               "(place.toml:2): run folder: open place.toml: Not a directory; "
                               "run.dir=FOLDER on this line names another place\n");
    remove_folder();
}
END_TEST

START_TEST(all_problems_are_reported_and_nothing_is_written)
{
    put_file("bad.toml", "[run]\nsede = 3\nname = 7\n[lgo]\nlevel = \"info\"\n");
    put_file("good.toml", "");
    ck_assert_int_eq(shell("pawl config check bad.toml --log.level=loud good.toml"), 2);
    ck_assert_str_eq(out_text, "");
    ck_assert_ptr_nonnull(strstr(err_text, "bad.toml:2:1: error: "));
    ck_assert_ptr_nonnull(strstr(err_text, "run.seed"));
    ck_assert_ptr_nonnull(strstr(err_text, "bad.toml:3:8: error: "));
    ck_assert_ptr_nonnull(strstr(err_text, "bad.toml:4:"));
    ck_assert_ptr_nonnull(strstr(err_text, "log.level"));
    ck_assert_int_eq(shell("pawl config dump bad.toml"), 2);
    ck_assert_str_eq(out_text, "");
    ck_assert_int_eq(shell("pawl config check missing.toml"), 2);
    ck_assert_ptr_nonnull(strstr(err_text, "missing.toml"));
    ck_assert_int_eq(shell("ls"), 0);
    ck_assert_str_eq(out_text, "bad.toml\ngood.toml\n");
    remove_folder();
}
END_TEST

START_TEST(a_dump_checks_and_gives_itself_again)
{
    put_file("a.toml", "[run]\nname = \"a \\\"b\\\" \\u00e9\"\nseed = 9223372036854775807\n");
    ck_assert_int_eq(shell("pawl config dump a.toml log.period_s=0.1 >b.toml && "
                           "pawl config check b.toml && pawl config dump b.toml >c.toml && "
                           "cmp b.toml c.toml && pawl config diff b.toml c.toml"),
                     0);
    ck_assert_str_eq(out_text, "b.toml: ok\n");
    ck_assert_int_eq(shell("PAWL__LOG__COLOR=never pawl config dump a.toml --origin run.dir=x"),
                     0);
    ck_assert_ptr_nonnull(strstr(out_text, "a.toml:3"));
    ck_assert_ptr_nonnull(strstr(out_text, "PAWL__LOG__COLOR"));
    ck_assert_ptr_nonnull(strstr(out_text, "command line"));
    ck_assert_ptr_nonnull(strstr(out_text, "default"));
    remove_folder();
}
END_TEST

START_TEST(a_diff_names_keys_values_and_origins)
{
    put_file("a.toml", "[run]\nseed = 3\n");
    put_file("b.toml", "[run]\nseed = 4\nname = \"b\"\n");
    ck_assert_int_eq(shell("pawl config diff a.toml b.toml"), 0);
    ck_assert_ptr_nonnull(strstr(out_text, "run.seed"));
    ck_assert_ptr_nonnull(strstr(out_text, "a.toml:2"));
    ck_assert_ptr_nonnull(strstr(out_text, "b.toml:2"));
    ck_assert_ptr_nonnull(strstr(out_text, "run.name"));
    ck_assert_ptr_null(strstr(out_text, "run.dir"));
    remove_folder();
}
END_TEST

START_TEST(a_schema_comes_in_every_format_and_a_wrong_table_is_refused)
{
    ck_assert_int_eq(shell("for f in text md json toml man; do "
                           "pawl config schema --format=$f | grep -q seed || exit 9; done"),
                     0);
    ck_assert_int_eq(shell("pawl config schema log"), 0);
    ck_assert_ptr_null(strstr(out_text, "seed"));
    ck_assert_int_eq(
        shell("pawl config schema --format=toml >t.toml && pawl config check t.toml"), 0);
    assert_shell("pawl config schema lgo", 2, "",
                 "pawl config schema: no configuration table 'lgo'; did you mean 'log'?\n");
    remove_folder();
}
END_TEST

START_TEST(the_man_pages_have_no_mistake)
{
    /* A page without a date is what we want: the same sources give the same page. */
    ck_assert_int_eq(shell("command -v mandoc"), 0); /* ./check installs it */
    assert_shell("for p in 'help --format=man' 'config schema --format=man'; do pawl $p | "
                 "mandoc -T lint -W warning | grep -v 'missing date'; done; true",
                 0, "", "");
    remove_folder();
}
END_TEST

/* What the generated script offers at the end of each line, one answer per line. */
static const char bash_completes[] = "cat >try.sh <<'EOF'\n"
                                     "source <(pawl completion bash)\n"
                                     "COMP_WORDBREAKS=${BREAKS-$COMP_WORDBREAKS}\n"
                                     "while IFS= read -r line; do\n"
                                     "    COMP_LINE=$line COMP_POINT=${#line}\n"
                                     "    _pawl\n"
                                     "    echo \"$line> ${COMPREPLY[*]}\"\n"
                                     "done\n"
                                     "EOF\n"
                                     "touch mine.toml\n"
                                     "bash --norc --noprofile try.sh";

START_TEST(bash_completes_verbs_options_keys_values_and_files)
{
    char line[2048];
    snprintf(line, sizeof(line),
             "%s <<'EOF'\n"
             "pawl inf\n"
             "pawl config \n"
             "pawl config du\n"
             "pawl info --j\n"
             "pawl info --json x\n"
             "pawl config dump --or\n"
             "pawl config dump --run.se\n"
             "pawl config dump run.se\n"
             "pawl config dump --log.level=\n"
             "pawl config dump log.level=d\n"
             "pawl config dump --run.deterministic \n"
             "pawl config dump m\n"
             "pawl config schema --format=j\n"
             "pawl config schema --format m\n"
             "pawl config schema lo\n"
             "pawl config dump --help=ru\n"
             "pawl completion z\n"
             "pawl help co\n"
             "pawl help config ch\n"
             "pawl help ch\n"
             "EOF",
             bash_completes);
    assert_shell(line, 0,
                 "pawl inf> info\n"
                 "pawl config > check dump schema diff --help\n"
                 "pawl config du> dump\n"
                 "pawl info --j> --json\n"
                 "pawl info --json x> \n"
                 "pawl config dump --or> --origin\n"
                 "pawl config dump --run.se> --run.seed=\n"
                 "pawl config dump run.se> run.seed=\n"
                 "pawl config dump --log.level=> error warn info debug\n"
                 "pawl config dump log.level=d> debug\n"
                 "pawl config dump --run.deterministic > true false\n"
                 "pawl config dump m> mine.toml\n"
                 "pawl config schema --format=j> json\n"
                 "pawl config schema --format m> md man\n"
                 "pawl config schema lo> log\n"
                 "pawl config dump --help=ru> run\n"
                 "pawl completion z> zsh\n"
                 "pawl help co> config completion\n"
                 "pawl help config ch> check\n"
                 "pawl help ch> checkpoint\n",
                 "");
    remove_folder();
}
END_TEST

START_TEST(bash_that_does_not_break_words_at_equals_gets_the_whole_word)
{
    char line[2048];
    snprintf(line, sizeof(line),
             "export BREAKS=' '; %s <<'EOF'\npawl config dump --log.level=d\nEOF",
             bash_completes);
    assert_shell(line, 0, "pawl config dump --log.level=d> --log.level=debug\n", "");
    remove_folder();
}
END_TEST

/* Two lines typed with the tabulator, in a shell that a person has in front of them: each part
 * when the one before has had its effect. */
static void type_lines(char *const *argv)
{
    static const struct {
        const char *typed, *shown;
    } steps[] = {
        {"", "> "},
        {"pawl conf\t", "ig"},
        {"sch\t", "ema"},
        {"--form\t", "at="},
        {"js\t", "on"},
        {" lo\t", "g"},
        {"\r", "\"log\""},
        {"", "\n]"},
        {"", "> "},
        {"pawl conf\t", "ig"},
        {"du\t", "mp"},
        {"--log.lev\t", "el="},
        {"deb\t", "ug"},
        {"--or\t", "igin"},
        {"\r", "level = \"debug\"  # command line"},
    };
    struct terminal terminal;
    open_terminal(&terminal, argv);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        ssize_t count = (ssize_t)strlen(steps[i].typed);
        ck_assert_int_eq(write(terminal.fd, steps[i].typed, (size_t)count), count);
        wait_for_screen(&terminal, steps[i].shown);
    }
    close_terminal(&terminal);
}

START_TEST(bash_on_a_terminal_completes_whole_lines)
{
    shell(":");
    put_file("bashrc", "PS1='> '; source <(pawl completion bash)\n");
    setenv("TERM", "dumb", 1);
    char *bash[] = {"bash", "--noprofile", "--rcfile", "bashrc", "-i", NULL};
    type_lines(bash);
    remove_folder();
}
END_TEST

START_TEST(zsh_on_a_terminal_completes_whole_lines)
{
    ck_assert_int_eq(shell("command -v zsh"), 0); /* ./check installs it */
    put_file(".zshrc", "PS1='> '; autoload -U compinit; compinit -D -u\n"
                       "source <(pawl completion zsh)\n");
    setenv("ZDOTDIR", folder, 1);
    setenv("TERM", "dumb", 1);
    char *zsh[] = {"zsh", "-d", "-i", NULL};
    type_lines(zsh);
    remove_folder();
}
END_TEST

START_TEST(an_installed_program_brings_its_pages_and_scripts)
{
    ck_assert_int_eq(shell("cmake --install " PAWL_BIN_DIR "/.. --prefix there >/dev/null"), 0);
    ck_assert_int_eq(
        shell("there/bin/pawl --version && find there -name 'pawl*' -o -name _pawl | "
              "sort"),
        0);
    ck_assert_ptr_nonnull(strstr(out_text, "there/bin/pawl\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "man1/pawl.1\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "man5/pawl.toml.5\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "bash-completion/completions/pawl\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "zsh/site-functions/_pawl\n"));
    remove_folder();
}
END_TEST

PAWL_TEST_MAIN("pawl_cli", the_version_is_printed_and_is_done,
               a_wrong_line_is_one_sentence_and_two, output_that_cannot_be_written_is_a_failure,
               a_reader_that_went_away_is_a_silent_failure_and_no_signal,
               a_usage_error_keeps_its_code_when_nothing_can_be_written,
               a_pipe_gets_no_escape_bytes_whatever_the_terminal,
               a_terminal_gets_bold_headings_unless_it_does_not_want_them,
               the_help_fits_a_screen, info_and_schema_are_json_that_our_own_reader_takes,
               info_says_in_a_line_that_there_is_no_tensor_library, a_good_configuration_is_ok,
               what_a_configuration_names_and_is_not_there_is_found_without_starting,
               a_run_folder_that_cannot_be_names_its_key_and_another_way,
               all_problems_are_reported_and_nothing_is_written,
               a_dump_checks_and_gives_itself_again, a_diff_names_keys_values_and_origins,
               a_schema_comes_in_every_format_and_a_wrong_table_is_refused,
               the_man_pages_have_no_mistake,
               bash_completes_verbs_options_keys_values_and_files,
               bash_that_does_not_break_words_at_equals_gets_the_whole_word,
               bash_on_a_terminal_completes_whole_lines,
               zsh_on_a_terminal_completes_whole_lines,
               an_installed_program_brings_its_pages_and_scripts)
