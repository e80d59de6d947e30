#include "runtime/fault.h"

#ifdef PAWL_FAULTS

#include "runtime/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POINTS_MAX   32
#define NAME_BYTES   64
#define ERRNO_MAX    4095 /* as the kernel has it */
#define DELAY_MAX_S  3600
#define PASSAGE_MAX  1000000000ul
#define PART_BYTES   160
#define ACTIONS_RULE "expected kill, stop, error=ERRNO or delay=N{us,ms,s}"

enum action { ACTION_KILL, ACTION_STOP, ACTION_ERROR, ACTION_DELAY };

struct point {
    char name[NAME_BYTES];
    enum action action;
    int code;          /* ACTION_ERROR */
    uint64_t delay_ns; /* ACTION_DELAY */
    unsigned long first_passage;
    bool and_later;
    atomic_ulong passage_count; /* relaxed: a count, it orders nothing */
};

static struct point points[POINTS_MAX];

/* Release in pawl_fault_arm() pairs with acquire in pawl_fault_pass(): whoever sees the count
 * sees the points below it. */
static _Atomic size_t point_count;

_Atomic bool pawl_fault_is_armed;

static int errno_of_name(const char *name)
{
    for (int code = 1; code <= ERRNO_MAX; code++) {
        const char *known = strerrorname_np(code);
        if (known && strcmp(known, name) == 0)
            return code;
    }
    return 0;
}

/* Digits only, unlike strtoul, which takes signs and spaces; false for nothing or too much. */
static bool read_number(const char **text, unsigned long max, unsigned long *value)
{
    const char *start = *text;
    *value = 0;
    for (; isdigit((unsigned char)**text); (*text)++) {
        *value = *value * 10 + (unsigned long)(**text - '0');
        if (*value > max)
            return false;
    }
    return *text != start;
}

static bool read_delay(const char *text, uint64_t *delay_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"us", PAWL_NS_PER_US}, {"ms", PAWL_NS_PER_MS}, {"s", PAWL_NS_PER_S}};

    unsigned long count;
    if (!read_number(&text, DELAY_MAX_S * 1000000ul, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].name) == 0) {
            *delay_ns = count * units[i].ns;
            return *delay_ns <= DELAY_MAX_S * PAWL_NS_PER_S;
        }
    }
    return false;
}

static int read_action(struct point *point, const char *text, struct pawl_err *err)
{
    if (strcmp(text, "kill") == 0) {
        point->action = ACTION_KILL;
    } else if (strcmp(text, "stop") == 0) {
        point->action = ACTION_STOP;
    } else if (strncmp(text, "error=", 6) == 0) {
        point->action = ACTION_ERROR;
        point->code = errno_of_name(text + 6);
        if (!point->code)
            return pawl_err_set(err, EINVAL, "%s: \"%s\" is not the name of an errno",
                                point->name, text + 6);
    } else if (strncmp(text, "delay=", 6) == 0) {
        point->action = ACTION_DELAY;
        if (!read_delay(text + 6, &point->delay_ns))
            return pawl_err_set(err, EINVAL,
                                "%s: \"%s\" is not a delay: expected a number with us, ms or "
                                "s, at most %ds",
                                point->name, text + 6, DELAY_MAX_S);
    } else {
        return pawl_err_set(err, EINVAL, "%s: \"%s\": " ACTIONS_RULE, point->name, text);
    }
    return 0;
}

/* NAME:ACTION[@N[+]]; `part` is cut into pieces. */
static int read_point(struct point *point, char *part, struct pawl_err *err)
{
    *point = (struct point){.first_passage = 1};

    char *action = strchr(part, ':');
    if (!action)
        return pawl_err_set(err, EINVAL, "\"%s\": expected NAME:ACTION", part);
    *action++ = '\0';
    size_t length = strlen(part);
    if (length == 0 || length >= NAME_BYTES)
        return pawl_err_set(err, EINVAL, "\"%s\": a name has 1 to %d characters", part,
                            NAME_BYTES - 1);
    memcpy(point->name, part, length + 1);

    char *at = strchr(action, '@');
    if (at) {
        *at++ = '\0';
        const char *rest = at;
        bool is_number = read_number(&rest, PASSAGE_MAX, &point->first_passage);
        point->and_later = *rest == '+';
        if (!is_number || point->first_passage == 0 ||
            strcmp(rest, point->and_later ? "+" : ""))
            return pawl_err_set(err, EINVAL,
                                "%s: \"@%s\" is not a passage: expected @N or @N+, N from 1",
                                point->name, at);
    }
    return read_action(point, action, err);
}

int pawl_fault_arm(const char *text, struct pawl_err *err)
{
    size_t first = atomic_load_explicit(&point_count, memory_order_relaxed);
    size_t count = first;

    /* Points are written past the published count, so a text with a mistake arms nothing. */
    for (const char *rest = text; *rest;) {
        char part[PART_BYTES];
        size_t length = strcspn(rest, ";");
        if (length >= sizeof(part))
            return pawl_err_set(err, EINVAL, "fault: \"%.*s...\" is longer than %zu characters",
                                40, rest, sizeof(part) - 1);
        memcpy(part, rest, length);
        part[length] = '\0';
        if (count == POINTS_MAX)
            return pawl_err_set(err, EINVAL, "fault: \"%s\": only %d points can be armed", part,
                                POINTS_MAX);
        if (read_point(&points[count], part, err) != 0)
            return pawl_err_wrap(err, "fault");
        count++;
        rest += length;
        if (*rest == ';')
            rest++;
    }
    atomic_store_explicit(&point_count, count, memory_order_release);
    atomic_store_explicit(&pawl_fault_is_armed, count > 0, memory_order_relaxed);
    return 0;
}

int pawl_fault_arm_from_env(struct pawl_err *err)
{
    const char *text = getenv("PAWL_FAULT");
    return text ? pawl_fault_arm(text, err) : 0;
}

void pawl_fault_disarm(void)
{
    atomic_store_explicit(&pawl_fault_is_armed, false, memory_order_relaxed);
    atomic_store_explicit(&point_count, 0, memory_order_release);
}

unsigned long pawl_fault_passages(const char *name)
{
    size_t count = atomic_load_explicit(&point_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (strcmp(points[i].name, name) == 0)
            return atomic_load_explicit(&points[i].passage_count, memory_order_relaxed);
    return 0;
}

static void wait_ns(uint64_t delay_ns)
{
    uint64_t end_ns = pawl_clock_now_ns() + delay_ns;
    struct timespec end = {.tv_sec = (time_t)(end_ns / PAWL_NS_PER_S),
                           .tv_nsec = (long)(end_ns % PAWL_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

/* By plain calls: what fails may be the very table that files are written through. */
static void tell(const struct point *point)
{
    char line[NAME_BYTES + 32];
    const char *path = getenv("PAWL_FAULT_TOLD");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return;
    int length = snprintf(line, sizeof(line), "%s %lu\n", point->name, point->first_passage);
    (void)!write(fd, line, (size_t)length);
    close(fd);
}

static int act(const struct point *point)
{
    switch (point->action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        break;
    case ACTION_STOP:
        kill(getpid(), SIGSTOP);
        break;
    case ACTION_DELAY:
        wait_ns(point->delay_ns);
        break;
    case ACTION_ERROR:
        return point->code;
    }
    return 0;
}

int pawl_fault_pass(const char *name)
{
    int code = 0;
    size_t count = atomic_load_explicit(&point_count, memory_order_acquire);

    for (size_t i = 0; i < count; i++) {
        struct point *point = &points[i];
        if (strcmp(point->name, name) != 0)
            continue;
        unsigned long passage =
            1 + atomic_fetch_add_explicit(&point->passage_count, 1, memory_order_relaxed);
        if (passage == point->first_passage ||
            (point->and_later && passage > point->first_passage)) {
            if (passage == point->first_passage)
                tell(point);
            int point_code = act(point);
            code = code ? code : point_code;
        }
    }
    return code;
}

#else

_Static_assert(1, "a translation unit has a declaration");

#endif
