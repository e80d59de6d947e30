#include "actor/env_check.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/env_spec.h"
#include "runtime/clock.h"

#define ACTION_ROLE         0x6e766368u /* "nvch", of the actions in these checks */
#define GUARD_BYTES         64          /* behind each field, to see who writes too far */
#define GUARD               0xa5
#define SAME_STEPS          200
#define SEED_COUNT          8
#define SEED_STRIDE         7919 /* beyond the seeds of a trace, and round in no base */
#define WARM_COUNT          100
#define REALTIME_STEP_COUNT 20

/* Less growth is the allocator's and the kernel's; the thread sanitizer's shadow comes on top.
 */
#ifdef __SANITIZE_THREAD__
#define RSS_GROWTH_MAX (64l << 20)
#else
#define RSS_GROWTH_MAX (4l << 20)
#endif

/* One checked environment and memory for its observations. */
struct subject {
    const struct pawl_env_check_cfg *cfg;
    struct pawl_env_check *check;
    struct pawl_env_spec spec;
    void *env;
    void *obs[PAWL_ENV_FIELDS_MAX];
    size_t bytes[PAWL_ENV_FIELDS_MAX];
    float action[PAWL_ENV_ACTIONS_MAX];
    struct pawl_philox philox;
    uint32_t step_index;
};

__attribute__((format(printf, 4, 5))) static void note(struct pawl_env_check *check,
                                                       const char *name,
                                                       enum pawl_env_check_verdict verdict,
                                                       const char *format, ...)
{
    struct pawl_env_check_item *item = &check->items[check->item_count++];
    va_list args;

    item->name = name;
    item->verdict = verdict;
    check->bad_count += verdict == PAWL_ENV_CHECK_BAD;
    va_start(args, format);
    vsnprintf(item->text, sizeof(item->text), format, args);
    va_end(args);
}

struct pawl_env_check_cfg pawl_env_check_default_cfg(void)
{
    return (struct pawl_env_check_cfg){
        .args = pawl_env_default_args(),
        .step_count = 5000,
        .reset_count = 10000,
        .speed_ns = PAWL_NS_PER_S / 4,
    };
}

void pawl_env_act_random(float *action, const struct pawl_env_spec *spec,
                         struct pawl_philox *philox)
{
    size_t count = pawl_env_field_count(&spec->action);

    for (size_t i = 0; i < count; i++) {
        double low = (double)pawl_env_field_low(&spec->action, i);
        double high = (double)pawl_env_field_high(&spec->action, i);
        double unit = pawl_philox_double(philox);
        if (spec->choice_count && i == count - 1)
            action[i] = (float)floor(unit * (double)spec->choice_count);
        else
            action[i] = fminf((float)(low + (high - low) * unit), (float)high);
    }
}

void pawl_env_act_null(float *action, const struct pawl_env_spec *spec)
{
    size_t count = pawl_env_field_count(&spec->action);

    for (size_t i = 0; i < count; i++)
        action[i] = fminf(fmaxf(0.0f, pawl_env_field_low(&spec->action, i)),
                          pawl_env_field_high(&spec->action, i));
}

/* Every byte as no observation has it: a float that is left is not a number, a bool neither 0
 * nor 1. */
static void clear_obs(struct subject *subject)
{
    for (uint32_t i = 0; i < subject->spec.obs_count; i++) {
        memset(subject->obs[i], 0xff, subject->bytes[i]);
        memset((unsigned char *)subject->obs[i] + subject->bytes[i], GUARD, GUARD_BYTES);
    }
}

/* Writes what is wrong with the observation into text; false when nothing is. */
static bool is_obs_wrong(const struct subject *subject, char *text, size_t text_bytes)
{
    const struct pawl_env_spec *spec = &subject->spec;
    struct pawl_err err = {0};

    for (uint32_t i = 0; i < spec->obs_count; i++) {
        const unsigned char *guard = (const unsigned char *)subject->obs[i] + subject->bytes[i];
        for (int j = 0; j < GUARD_BYTES; j++)
            if (guard[j] != GUARD) {
                snprintf(text, text_bytes, "it writes behind the %zu bytes of obs.%s",
                         subject->bytes[i], spec->obs[i].name);
                return true;
            }
    }
    int bad = pawl_env_obs_find_bad(spec, subject->obs);
    if (bad < 0)
        bad = pawl_env_obs_find_outside(spec, subject->obs);
    if (bad < 0)
        return false;
    pawl_env_obs_explain(spec, subject->obs, bad, &err);
    snprintf(text, text_bytes, "%.*s", (int)text_bytes - 1, err.text);
    return true;
}

/* 0, or the code with its sentence in text. */
static int reset(struct subject *subject, uint64_t seed, char *text, size_t text_bytes)
{
    struct pawl_env_err why = {{0}};
    int code = subject->cfg->ops->reset(subject->env, seed, subject->obs, &why);
    subject->step_index = 0;
    if (code != 0)
        snprintf(text, text_bytes, "reset: %.*s", (int)sizeof(why.text) - 1,
                 why.text[0] ? why.text : strerror(abs(code)));
    return code;
}

static int step(struct subject *subject, struct pawl_env_step *out, char *text,
                size_t text_bytes)
{
    struct pawl_env_err why = {{0}};
    *out = (struct pawl_env_step){0};
    int code = subject->cfg->ops->step(subject->env, subject->action, subject->obs, out, &why);
    subject->step_index++;
    if (code != 0)
        snprintf(text, text_bytes, "step: %.*s", (int)sizeof(why.text) - 1,
                 why.text[0] ? why.text : strerror(abs(code)));
    if (subject->spec.steps_max && subject->step_index >= subject->spec.steps_max)
        out->truncated = 1;
    return code;
}

/* Random actions, every tenth at its lowest and every tenth at its highest. */
static void act(struct subject *subject, uint32_t index)
{
    const struct pawl_env_spec *spec = &subject->spec;

    pawl_env_act_random(subject->action, spec, &subject->philox);
    if (index % 10 > 1)
        return;
    for (size_t i = 0; i < pawl_env_field_count(&spec->action); i++)
        subject->action[i] = index % 10 == 0 ? pawl_env_field_low(&spec->action, i)
                                             : pawl_env_field_high(&spec->action, i);
}

static void check_values(struct subject *subject)
{
    struct pawl_env_check *check = subject->check;
    char text[PAWL_ENV_CHECK_TEXT_BYTES];
    bool is_realtime = subject->spec.flags & PAWL_ENV_REALTIME;
    uint32_t step_count = is_realtime ? REALTIME_STEP_COUNT : subject->cfg->step_count;
    uint32_t episode_count = 0, end_count = 0;
    struct pawl_env_step out = {.truncated = 1};

    for (uint32_t i = 0; i < step_count; i++) {
        if (out.terminated || out.truncated) {
            clear_obs(subject);
            if (reset(subject, subject->cfg->seed + episode_count, text, sizeof(text)) != 0 ||
                is_obs_wrong(subject, text, sizeof(text))) {
                note(check, "values", PAWL_ENV_CHECK_BAD, "after reset %u: %s", episode_count,
                     text);
                return;
            }
            episode_count++;
        }
        if (is_realtime)
            pawl_env_act_null(subject->action, &subject->spec);
        else
            act(subject, i);
        clear_obs(subject);
        if (step(subject, &out, text, sizeof(text)) != 0 ||
            is_obs_wrong(subject, text, sizeof(text))) {
            note(check, "values", PAWL_ENV_CHECK_BAD, "after step %u of reset %u: %s",
                 subject->step_index, episode_count - 1, text);
            return;
        }
        if (!pawl_env_step_is_sane(&out)) {
            note(check, "values", PAWL_ENV_CHECK_BAD,
                 "after step %u of reset %u: reward %g, flags %u %u %u %u; a reward is finite, "
                 "a flag 0 or 1",
                 subject->step_index, episode_count - 1, (double)out.reward, out.terminated,
                 out.truncated, out.success, out.intervention);
            return;
        }
        end_count += out.terminated || out.truncated;
    }
    note(check, "values", PAWL_ENV_CHECK_GOOD,
         "%u steps: whole, finite and within their bounds; %u episodes ended", step_count,
         end_count);
}

/* FNV-1a of 64 bits. */
static void mix(uint64_t *sum, const void *bytes, size_t byte_count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < byte_count; i++)
        *sum = (*sum ^ at[i]) * 0x100000001b3u;
}

/* What is seen from a seed on, as one sum after the reset and one after each step; the same
 * actions each time. */
static int trace(struct subject *subject, uint64_t seed, uint64_t sums[SAME_STEPS + 1],
                 char *text, size_t text_bytes)
{
    uint64_t sum = 0xcbf29ce484222325u;
    bool begins = true;

    pawl_philox_open(&subject->philox, subject->cfg->seed, ACTION_ROLE, 1);
    for (uint32_t i = 0; i <= SAME_STEPS; i++) {
        struct pawl_env_step out = {0};
        clear_obs(subject);
        act(subject, i);
        int code = begins ? reset(subject, seed + i, text, text_bytes)
                          : step(subject, &out, text, text_bytes);
        if (code != 0)
            return code;
        begins = out.terminated || out.truncated;
        for (uint32_t j = 0; j < subject->spec.obs_count; j++)
            mix(&sum, subject->obs[j], subject->bytes[j]);
        mix(&sum, &out, sizeof(out));
        sums[i] = sum;
    }
    return 0;
}

/* The same seed twice in one environment, and once in another of the same make. */
static void check_same(struct subject *subject)
{
    uint64_t first[SAME_STEPS + 1], again[SAME_STEPS + 1];
    struct pawl_env_check *check = subject->check;
    const struct pawl_env_check_cfg *cfg = subject->cfg;
    char text[PAWL_ENV_CHECK_TEXT_BYTES];
    struct pawl_env_err why = {{0}};
    void *original = subject->env;
    const char *where = "in the same environment";

    if (trace(subject, cfg->seed, first, text, sizeof(text)) != 0 ||
        trace(subject, cfg->seed, again, text, sizeof(text)) != 0) {
        note(check, "same seed", PAWL_ENV_CHECK_BAD, "%s", text);
        return;
    }
    if (memcmp(first, again, sizeof(first)) == 0) {
        int code = cfg->ops->open(&cfg->args, &subject->env, &why);
        if (code == 0) {
            code = trace(subject, cfg->seed, again, text, sizeof(text));
            cfg->ops->close(subject->env);
        }
        subject->env = original;
        if (code != 0) {
            note(check, "same seed", PAWL_ENV_CHECK_BAD, "a second environment: %s",
                 strerror(abs(code)));
            return;
        }
        where = "in another environment of the process";
    }
    for (uint32_t i = 0; i <= SAME_STEPS; i++)
        if (first[i] != again[i]) {
            note(check, "same seed", PAWL_ENV_CHECK_BAD,
                 "seed %lu a second time, %s: other bytes from step %u on",
                 (unsigned long)cfg->seed, where, i);
            return;
        }
    note(check, "same seed", PAWL_ENV_CHECK_GOOD, "three times the same bytes over %u steps",
         SAME_STEPS);
}

static void check_other(struct subject *subject)
{
    uint64_t sums[SEED_COUNT][SAME_STEPS + 1];
    struct pawl_env_check *check = subject->check;
    char text[PAWL_ENV_CHECK_TEXT_BYTES];

    for (uint64_t i = 0; i < SEED_COUNT; i++)
        if (trace(subject, subject->cfg->seed + i * SEED_STRIDE, sums[i], text, sizeof(text)) !=
            0) {
            note(check, "other seeds", PAWL_ENV_CHECK_BAD, "%s", text);
            return;
        }
    for (int i = 1; i < SEED_COUNT; i++)
        if (sums[i][SAME_STEPS] != sums[0][SAME_STEPS]) {
            note(check, "other seeds", PAWL_ENV_CHECK_GOOD, "other seeds, other episodes");
            return;
        }
    note(check, "other seeds", PAWL_ENV_CHECK_BAD,
         "%d seeds give the same bytes over %u steps: say PAWL_ENV_UNSEEDED if that is meant",
         SEED_COUNT, SAME_STEPS);
}

static int descriptor_count(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static long rss_bytes(void)
{
    long total_pages, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &total_pages, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* What malloc has given out and not got back. */
static long heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return (long)(info.uordblks + info.hblkhd);
}

static int resets(struct subject *subject, uint32_t count, char *text, size_t text_bytes)
{
    struct pawl_env_step out;

    for (uint32_t i = 0; i < count; i++) {
        act(subject, i);
        if (reset(subject, i, text, text_bytes) != 0 ||
            step(subject, &out, text, text_bytes) != 0)
            return -1;
    }
    return 0;
}

static void check_leaks(struct subject *subject)
{
    struct pawl_env_check *check = subject->check;
    uint32_t count = subject->cfg->reset_count;
    char text[PAWL_ENV_CHECK_TEXT_BYTES];

    if (resets(subject, WARM_COUNT, text, sizeof(text)) != 0) {
        note(check, "leaks", PAWL_ENV_CHECK_BAD, "%s", text);
        return;
    }
    /* Counting descriptors and pages allocates a little itself: the heap is read inside. */
    int fds = descriptor_count();
    long rss = rss_bytes();
    long heap = heap_bytes();
    uint64_t start_ns = pawl_clock_now_ns();
    int code = resets(subject, count, text, sizeof(text));
    uint64_t took_ns = pawl_clock_now_ns() - start_ns;
    heap = heap_bytes() - heap;
    fds = descriptor_count() - fds;
    rss = rss_bytes() - rss;
    check->resets_per_s = (double)count * 1e9 / (double)(took_ns ? took_ns : 1);
    /* Less than a byte for each reset is no leak of resets. */
    bool is_bad = fds > 0 || heap >= (long)count || rss > RSS_GROWTH_MAX;
    if (code != 0)
        note(check, "leaks", PAWL_ENV_CHECK_BAD, "%s", text);
    else
        note(check, "leaks", is_bad ? PAWL_ENV_CHECK_BAD : PAWL_ENV_CHECK_GOOD,
             "%u resets: %+d descriptors, %+ld bytes of malloc, %+ld KiB resident", count, fds,
             heap, rss / 1024);
}

static void check_speed(struct subject *subject)
{
    char text[PAWL_ENV_CHECK_TEXT_BYTES];
    struct pawl_env_step out = {.truncated = 1};
    uint64_t start_ns = pawl_clock_now_ns(), took_ns;
    uint64_t count = 0, seed = 0;

    pawl_env_act_random(subject->action, &subject->spec, &subject->philox);
    do {
        for (int i = 0; i < 16; i++, count++)
            if (((out.terminated || out.truncated) &&
                 reset(subject, seed++, text, sizeof(text)) != 0) ||
                step(subject, &out, text, sizeof(text)) != 0) {
                note(subject->check, "speed", PAWL_ENV_CHECK_BAD, "%s", text);
                return;
            }
        took_ns = pawl_clock_now_ns() - start_ns;
    } while (took_ns < subject->cfg->speed_ns);
    subject->check->steps_per_s = (double)count * 1e9 / (double)took_ns;
    if (subject->check->resets_per_s > 0.0)
        note(subject->check, "speed", PAWL_ENV_CHECK_GOOD, "%.0f steps/s, %.0f resets/s",
             subject->check->steps_per_s, subject->check->resets_per_s);
    else
        note(subject->check, "speed", PAWL_ENV_CHECK_GOOD, "%.0f steps/s",
             subject->check->steps_per_s);
}

static void check_open(struct subject *subject)
{
    const char *robot = "something real moves";

    check_values(subject);
    if (subject->spec.flags & PAWL_ENV_REALTIME) {
        note(subject->check, "same seed", PAWL_ENV_CHECK_SKIPPED, "%s", robot);
        note(subject->check, "other seeds", PAWL_ENV_CHECK_SKIPPED, "%s", robot);
        note(subject->check, "leaks", PAWL_ENV_CHECK_SKIPPED, "%s", robot);
        note(subject->check, "speed", PAWL_ENV_CHECK_SKIPPED, "%s", robot);
        return;
    }
    if (subject->spec.flags & PAWL_ENV_UNSEEDED) {
        note(subject->check, "same seed", PAWL_ENV_CHECK_SKIPPED, "no seed decides");
        note(subject->check, "other seeds", PAWL_ENV_CHECK_SKIPPED, "no seed decides");
    } else {
        check_same(subject);
        check_other(subject);
    }
    check_leaks(subject);
    check_speed(subject);
}

static bool check_table(struct subject *subject)
{
    struct pawl_err err = {0};
    const struct pawl_env_check_cfg *cfg = subject->cfg;

    if (pawl_env_ops_check(cfg->ops, &err) != 0) {
        note(subject->check, "table", PAWL_ENV_CHECK_BAD, "%s", err.text);
        return false;
    }
    note(subject->check, "table", PAWL_ENV_CHECK_GOOD, "version %u, complete", cfg->ops->abi);
    if (pawl_env_spec_read(&subject->spec, cfg->ops, &cfg->args, &err) != 0) {
        note(subject->check, "spec", PAWL_ENV_CHECK_BAD, "%s", err.text);
        return false;
    }
    size_t bytes = 0, action_count = pawl_env_field_count(&subject->spec.action);
    for (uint32_t i = 0; i < subject->spec.obs_count; i++)
        bytes += subject->bytes[i] = pawl_env_field_bytes(&subject->spec.obs[i]);
    note(subject->check, "spec", PAWL_ENV_CHECK_GOOD,
         "%u field%s of %zu bytes in all, an action of %zu number%s", subject->spec.obs_count,
         subject->spec.obs_count == 1 ? "" : "s", bytes, action_count,
         action_count == 1 ? "" : "s");
    return true;
}

void pawl_env_check_run(struct pawl_env_check *check, const struct pawl_env_check_cfg *cfg)
{
    struct subject subject = {.cfg = cfg, .check = check};
    struct pawl_env_err why = {{0}};
    bool has_memory = true;

    *check = (struct pawl_env_check){0};
    if (!check_table(&subject))
        return;
    for (uint32_t i = 0; i < subject.spec.obs_count; i++) {
        subject.obs[i] = malloc(subject.bytes[i] + GUARD_BYTES);
        has_memory = has_memory && subject.obs[i];
    }
    int fds = descriptor_count();
    check->open_code = has_memory ? cfg->ops->open(&cfg->args, &subject.env, &why) : -ENOMEM;
    if (check->open_code == 0) {
        pawl_philox_open(&subject.philox, cfg->seed, ACTION_ROLE, 0);
        check_open(&subject);
        cfg->ops->close(subject.env);
        fds = descriptor_count() - fds;
        note(check, "open, close", fds > 0 ? PAWL_ENV_CHECK_BAD : PAWL_ENV_CHECK_GOOD,
             "%+d descriptors", fds);
    } else {
        note(check, "open, close", PAWL_ENV_CHECK_BAD, "open: %.*s", (int)sizeof(why.text) - 1,
             why.text[0] ? why.text : strerror(abs(check->open_code)));
    }
    for (uint32_t i = 0; i < subject.spec.obs_count; i++)
        free(subject.obs[i]);
}
