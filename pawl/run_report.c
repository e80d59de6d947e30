#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "learner/checkpoint.h"
#include "learner/episodes.h"
#include "pawl/run.h"
#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/log.h"
#include "runtime/verbs.h"

#define EXIT_JSON_BYTES_MAX (1u << 20)
#define RECENT_EPISODES     20u
#define LAST_LINK           PAWL_CHECKPOINT_FOLDER "/" PAWL_CHECKPOINT_LAST

void pawl_run_fail(struct pawl_run *run, const char *role, const char *format, ...)
{
    va_list args;
    if (run->failed_text[0])
        return;
    va_start(args, format);
    vsnprintf(run->failed_text, sizeof(run->failed_text), format, args);
    va_end(args);
    snprintf(run->failed_role, sizeof(run->failed_role), "%s", role);
}

/* `0.7 error learner failed reason="x: \"y\""` says: x: "y". The line itself where it is of
 * another form: it is not a child's log, or was cut. */
static void say_reason(const char *line, char text[PAWL_SUPERVISE_LINE_BYTES])
{
    static const char *const names[] = {" reason=\"", " error=\""};
    const char *from = NULL;
    size_t length = strlen(line);
    snprintf(text, PAWL_SUPERVISE_LINE_BYTES, "%s", line);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !from; i++) {
        const char *found = strstr(line, names[i]);
        from = found ? found + strlen(names[i]) : NULL;
    }
    if (!from || line[0] < '0' || line[0] > '9' || line[length - 1] != '"')
        return;
    const char *end = line + length - 1;
    char *to = text;
    for (; from < end; from++) {
        if (*from == '\\' && from + 1 < end)
            from++;
        else if (*from == '"')
            break; /* another field is behind it */
        *to++ = *from;
    }
    if (from < end)
        snprintf(text, PAWL_SUPERVISE_LINE_BYTES, "%s", line);
    else
        *to = '\0';
}

void pawl_run_fail_child(struct pawl_run *run, const struct pawl_child *child, const char *how)
{
    char said[PAWL_SUPERVISE_LINE_BYTES];
    say_reason(child->last_line, said);
    pawl_run_fail(run, child->name, "%s%s%s", how, said[0] ? ": " : "", said);
}

/* --- files --- */

int pawl_run_write_config(struct pawl_run *run, struct pawl_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return pawl_err_set(err, errno, "config.toml: %s", strerror(errno));
    fprintf(out,
            "# The configuration of this run: every key, and where its value comes from.\n\n");
    pawl_cfg_dump_origin(run->order.cfg, out);
    int status = fclose(out) == 0
                     ? pawl_run_folder_write(&run->folder, "config.toml", text, bytes, err)
                     : pawl_err_set(err, ENOMEM, "config.toml: out of memory");
    free(text);
    return status;
}

/* A word of the command line as a shell reads it. */
static void print_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,@%+";
    if (word[0] && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
    fputc('\'', out);
}

/* The words as the kernel has them: options and overrides in the order they were typed. */
static void print_command(FILE *out)
{
    FILE *in = fopen("/proc/self/cmdline", "re");
    char *word = NULL;
    size_t bytes = 0;
    for (int i = 0; in && getdelim(&word, &bytes, '\0', in) > 0; i++) {
        if (i > 0)
            fputc(' ', out);
        print_word(out, word);
    }
    free(word);
    if (in)
        fclose(in);
    fputc('\n', out);
}

static void write_text(struct pawl_run *run, const char *name, bool is_command)
{
    struct pawl_err err = {0};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return;
    if (is_command)
        print_command(out);
    else
        pawl_info_print_json(run->order.cli->program, out, NULL);
    if (fclose(out) == 0 && pawl_run_folder_write(&run->folder, name, text, bytes, &err) != 0)
        pawl_log_warn("cannot write", "file=%s error=%s", name, err.text);
    free(text);
}

void pawl_run_write_facts(struct pawl_run *run)
{
    run->has_facts = true;
    write_text(run, "command.txt", true);
    write_text(run, "system.json", false);
}

static const char *outcome_of(const struct pawl_run *run)
{
    switch (run->exit_code) {
    case PAWL_EXIT_DONE:
        return "done";
    case PAWL_EXIT_INTERRUPTED:
        return "interrupted";
    case PAWL_EXIT_CHILD:
        return "a child died for good";
    case PAWL_EXIT_MISSING:
        return "something is missing";
    default:
        return "failed";
    }
}

static void put_children(struct pawl_json_writer *json, const struct pawl_run *run)
{
    pawl_json_begin_array(json, "children");
    for (uint32_t i = 0; i < run->set.child_count; i++) {
        const struct pawl_child *child = &run->set.children[i];
        char how[64];
        pawl_json_begin_object(json, NULL);
        pawl_json_put_string(json, "name", child->name);
        pawl_json_put_u64(json, "starts", child->start_count);
        pawl_json_put_string(json, "end",
                             child->state == PAWL_CHILD_RUNNING
                                 ? "killed by the supervisor"
                                 : pawl_proc_exit_text(&child->exit, how, sizeof(how)));
        pawl_json_put_bool(json, "left_alone", child->state == PAWL_CHILD_QUARANTINED);
        pawl_json_end(json);
    }
    pawl_json_end(json);
}

static void put_sum(struct pawl_json_writer *json, const char *key, const struct pawl_run *run,
                    const char *name)
{
    pawl_json_put_u64(json, key, pawl_run_figures_sum(&run->figures, name).count);
}

static void put_counts(struct pawl_json_writer *json, const struct pawl_run *run)
{
    static const char *const names[] = {"actor.deadline_misses", "actor.records",
                                        "actor.records_dropped", "learner.records_ingested",
                                        "learner.sequence_gaps", "learner.versions_published"};
    pawl_json_begin_object(json, "run");
    put_sum(json, "env_steps", run, "learner.steps_ingested");
    put_sum(json, "episodes", run, "actor.episodes");
    put_sum(json, "updates", run, "learner.updates");
    pawl_json_end(json);
    pawl_json_begin_object(json, "since_began");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put_sum(json, names[i], run, names[i]);
    pawl_json_end(json);
}

int pawl_run_write_exit(struct pawl_run *run, struct pawl_err *err)
{
    struct pawl_json_writer json;
    char began[32];
    time_t wall = (time_t)run->start_wall_s;
    struct tm utc;
    size_t bytes;
    if (!run->has_facts)
        pawl_run_write_facts(run);
    strftime(began, sizeof(began), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&wall, &utc));

    pawl_json_open_growing(&json, EXIT_JSON_BYTES_MAX);
    json.indent_count = 2;
    pawl_json_begin_object(&json, NULL);
    pawl_json_put_i64(&json, "exit_code", run->exit_code);
    pawl_json_put_string(&json, "outcome", outcome_of(run));
    if (run->failed_text[0]) {
        pawl_json_begin_object(&json, "first_error");
        pawl_json_put_string(&json, "role", run->failed_role);
        pawl_json_put_string(&json, "text", run->failed_text);
        pawl_json_end(&json);
    } else
        pawl_json_put_null(&json, "first_error");
    pawl_json_put_string(&json, "began", began);
    pawl_json_put_f64(&json, "seconds",
                      (double)(pawl_clock_now_ns() - run->start_ns) / (double)PAWL_NS_PER_S);
    put_counts(&json, run);
    put_children(&json, run);
    pawl_json_end(&json);
    const char *text = pawl_json_finish(&json, &bytes, err);
    int status = text ? pawl_run_folder_write(&run->folder, "exit.json", text, bytes, err)
                      : pawl_err_wrap(err, "exit.json");
    pawl_json_close_writer(&json);
    return status;
}

/* --- printing --- */

void pawl_run_print_start(struct pawl_run *run)
{
    FILE *out = run->order.cli->out;
    fprintf(out, "run folder  %s\n", run->folder.path);
    fprintf(out, "processes   1 learner, %" PRIu32 " actor%s", run->order.actor_count,
            run->order.actor_count == 1 ? "" : "s");
    if (run->cfg->steps > 0)
        fprintf(out, "; done after %" PRId64 " steps, Ctrl-C stops it before\n",
                run->cfg->steps);
    else
        fprintf(out, "; runs until Ctrl-C\n");
    if (run->order.actor_count == 0)
        fprintf(out, "            waits for actors: pawl actor --join=%s\n", run->folder.path);
    fflush(out);
}

static struct pawl_run_progress_recent read_recent(const struct pawl_run *run)
{
    struct pawl_episodes_recent recent;
    pawl_episodes_read_recent(&recent, run->folder.path, RECENT_EPISODES);
    return (struct pawl_run_progress_recent){.count = recent.count,
                                             .success_count = recent.success_count,
                                             .return_mean = recent.return_mean};
}

/* In columns; 0: it is no terminal, or not known. */
static uint32_t width_of(FILE *out)
{
    struct winsize size;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void pawl_run_print_progress(struct pawl_run *run)
{
    struct pawl_run_progress_recent recent = read_recent(run);
    pawl_run_progress_print(&run->progress, &run->figures, &recent, pawl_clock_now_ns(),
                            width_of(run->order.cli->out), run->order.cli->out);
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

void pawl_run_print_memory(struct pawl_run *run)
{
    FILE *out = run->order.cli->out;
    uint64_t kind_bytes[PAWL_SEGMENT_LAST + 1] = {0}, sum_bytes = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->hub.table.used_count; i++) {
        const struct pawl_hub_entry *entry = &run->hub.table.entries[i];
        if (entry->id == 0 || entry->is_dropped || entry->kind > PAWL_SEGMENT_LAST)
            continue;
        kind_bytes[entry->kind] += entry->total_bytes;
        sum_bytes += entry->total_bytes;
        count++;
    }
    run->has_told_memory = true;
    fprintf(out, "memory      %.1f MiB shared, in %" PRIu32 " segments that do not grow",
            mib(sum_bytes), count);
    const char *between = ": ";
    for (uint32_t kind = 1; kind <= PAWL_SEGMENT_LAST; kind++) {
        if (kind_bytes[kind] == 0)
            continue;
        fprintf(out, "%s%s %.1f", between, pawl_segment_kind_name(kind), mib(kind_bytes[kind]));
        between = ", ";
    }
    fprintf(out, "\n");
}

/* The state letter of /proc/PID/stat, which stands behind the name in parentheses. */
static char process_state(long pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return '?';
    size_t bytes = fread(text, 1, sizeof(text) - 1, in);
    fclose(in);
    text[bytes] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? end[2] : '?';
}

/* What one child does instead of moving. */
static void print_waiting(const struct pawl_run *run, uint32_t index, uint64_t now_ns)
{
    FILE *out = run->order.cli->out;
    const struct pawl_child *child = &run->set.children[index];
    const struct pawl_run_child *known = &run->children[index];
    fprintf(out, "%s ", child->name);
    if (child->state == PAWL_CHILD_QUARANTINED)
        fprintf(out, "died too often and is left alone");
    else if (child->state == PAWL_CHILD_PAUSED)
        fprintf(out, "died and starts again in %.1f s",
                child->start_ns > now_ns
                    ? (double)(child->start_ns - now_ns) / (double)PAWL_NS_PER_S
                    : 0.0);
    else if (child->state != PAWL_CHILD_RUNNING)
        fprintf(out, "has ended");
    else if (process_state(child->proc.pid) == 'T')
        fprintf(out, "(process %ld) is stopped by a signal", (long)child->proc.pid);
    else if (!known->is_welcome)
        fprintf(out, "(process %ld) has not said hello yet", (long)child->proc.pid);
    else if (known->state == PAWL_STATE_HELD && known->waits_for[0])
        fprintf(out, "says: %s", known->waits_for);
    else if (known->state == PAWL_STATE_STARTING)
        fprintf(out, "is starting%s%s", known->waits_for[0] ? ": " : "", known->waits_for);
    else if (run->order.actor_count == 0 && pawl_run_joined_count(run) == 0)
        fprintf(out, "waits for actors: pawl actor --join=%s", run->folder.path);
    else
        fprintf(out, "(process %ld) %s and does not say for whom it waits",
                (long)child->proc.pid,
                process_state(child->proc.pid) == 'R' ? "computes" : "sleeps");
}

void pawl_run_print_still(struct pawl_run *run, uint64_t still_ns, uint64_t now_ns)
{
    FILE *out = run->order.cli->out;
    fprintf(out, "nothing has moved for %.1f s: ", (double)still_ns / (double)PAWL_NS_PER_S);
    for (uint32_t i = 0; i < run->set.child_count; i++) {
        fprintf(out, i > 0 ? "; " : "");
        print_waiting(run, i, now_ns);
    }
    fprintf(out, "\n");
}

/* RUN/checkpoints/NNNNNN as the link `last` says; false when there is none. */
static bool read_last(const struct pawl_run *run, char path[PATH_MAX])
{
    char link_path[PATH_MAX], name[64];
    ssize_t length = readlink(pawl_run_folder_path(&run->folder, LAST_LINK, link_path), name,
                              sizeof(name) - 1);
    if (length <= 0)
        return false;
    name[length] = '\0';
    return (size_t)snprintf(path, PATH_MAX, "%s/" PAWL_CHECKPOINT_FOLDER "/%s",
                            run->folder.path, name) < PATH_MAX;
}

/* Twice as many steps as there are, or were wanted. */
static uint64_t next_goal(const struct pawl_run *run)
{
    uint64_t goal = (uint64_t)run->cfg->steps;
    uint64_t step_count = pawl_run_figures_sum(&run->figures, "learner.steps_ingested").count;
    return 2 * (step_count > goal ? step_count : goal);
}

/* What was learnt, and what to do with it. Nothing where nothing learns. */
static void print_learned(const struct pawl_run *run)
{
    FILE *out = run->order.cli->out;
    char number[PAWL_RUN_PROGRESS_TEXT_BYTES], path[PATH_MAX];
    uint64_t update_count = pawl_run_figures_sum(&run->figures, "learner.updates").count;
    struct pawl_run_progress_recent recent = read_recent(run);
    if (update_count == 0)
        return;
    fprintf(out, "learnt      %s updates",
            pawl_run_progress_number((double)update_count, number));
    if (recent.count > 0)
        fprintf(out, "; the last %" PRIu32 " episodes: return %.1f", recent.count,
                recent.return_mean);
    if (recent.count > 0 && pawl_run_figures_sum(&run->figures, "actor.successes").count > 0)
        fprintf(out, ", success %.2f", (double)recent.success_count / recent.count);
    if (!read_last(run, path)) {
        fprintf(out, "\ncheckpoint  none: what was learnt is not kept ([checkpoint] says when "
                     "one is written)\n");
        return;
    }
    fprintf(out, "\ncheckpoint  %s\nnext        pawl eval %s\n", path, run->folder.path);
    fprintf(out, "            pawl train --resume=%s", run->folder.path);
    if (run->exit_code == PAWL_EXIT_DONE && run->cfg->steps > 0)
        fprintf(out, " run.steps=%" PRIu64, next_goal(run));
    fputc('\n', out);
}

static const char *number_of(const struct pawl_run *run, const char *name,
                             char text[PAWL_RUN_PROGRESS_TEXT_BYTES])
{
    return pawl_run_progress_number((double)pawl_run_figures_sum(&run->figures, name).count,
                                    text);
}

void pawl_run_print_end(struct pawl_run *run)
{
    struct pawl_cli *cli = run->order.cli;
    char steps[PAWL_RUN_PROGRESS_TEXT_BYTES], episodes[PAWL_RUN_PROGRESS_TEXT_BYTES];
    if (run->folder.is_open && !pawl_run_is_refused(run)) {
        fprintf(cli->out, "%s after %.1f s: %s steps, %s episodes; %s\n", outcome_of(run),
                (double)(pawl_clock_now_ns() - run->start_ns) / (double)PAWL_NS_PER_S,
                number_of(run, "learner.steps_ingested", steps),
                number_of(run, "actor.episodes", episodes), run->folder.path);
        print_learned(run);
        fflush(cli->out);
    }
    if (run->failed_text[0])
        pawl_cli_fail(cli, run->exit_code, "%s: %s", run->failed_role, run->failed_text);
}

void pawl_run_forward_line(struct pawl_cli *cli, const char *child_name, const char *line)
{
    /* A line of the child's log begins with its time and has its role in it. */
    if (line[0] >= '0' && line[0] <= '9')
        fprintf(cli->err, "%s\n", line);
    else
        pawl_log_warn("child says", "child=%s text=%s", child_name, line);
}
