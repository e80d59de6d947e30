#include "runtime/log.h"

#include "runtime/clock.h"
#include "runtime/crash.h"
#include "runtime/fault.h"
#include "runtime/log_queue.h"
#include "runtime/log_sink.h"
#include "runtime/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROLE_BYTES    32
#define STOP_WAIT_NS  PAWL_NS_PER_S
#define CRASH_WAIT_NS (200 * PAWL_NS_PER_MS)
#define NAP_NS        (500 * PAWL_NS_PER_US)

enum state { STATE_OFF, STATE_ON, STATE_STUCK };

static struct {
    _Atomic int state; /* enum state; release in start pairs with acquire in write */
    char role[ROLE_BYTES];
    uint64_t start_ns;
    uint64_t window_ns;
    uint64_t wait_ns, slack_ns; /* the writer's; the slack lets the kernel wake several of us
                                   together, and both are together what the caller asked for */

    struct pawl_log_queue queue;
    bool queue_is_ready;
    _Atomic uint64_t dropped_full_count;
    _Atomic uint64_t held_back_count;
    uint64_t told_dropped_full;
    _Atomic(struct pawl_log_site *) sites; /* those that ever warned */

    struct pawl_log_sink file, terminal;
    _Atomic bool is_writing; /* somebody is between peek and release: the writer, or a crash */

    pthread_t writer;
    _Atomic uint32_t wake_word; /* the writer sleeps on it */
    _Atomic bool is_stopping, is_done;
    _Atomic uint32_t settle_count, settled_count; /* asked for, done */
    uint64_t window_end_ns;
} self = {.file.fd = -1, .terminal.fd = STDERR_FILENO, .terminal.level = PAWL_LOG_INFO};

static _Thread_local bool is_the_writer;

_Atomic int pawl_log_level_now = PAWL_LOG_INFO;

static void nap(uint64_t duration_ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(duration_ns / PAWL_NS_PER_S),
                                 .tv_nsec = (long)(duration_ns % PAWL_NS_PER_S)},
              NULL);
}

static void wake_writer(void)
{
    /* Release pairs with the acquire load in write_until_stopped(): the reason to wake is seen.
     */
    atomic_fetch_add_explicit(&self.wake_word, 1, memory_order_release);
    syscall(SYS_futex, &self.wake_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static struct pawl_log_head head_of(const struct pawl_log_site *site)
{
    uint64_t now_ns = pawl_clock_now_ns();
    bool is_detailed =
        atomic_load_explicit(&pawl_log_level_now, memory_order_relaxed) >= PAWL_LOG_DEBUG;
    return (struct pawl_log_head){
        .since_start_ns = now_ns > self.start_ns ? now_ns - self.start_ns : 0,
        .level = site->level,
        .role = self.role,
        .file = is_detailed ? site->file : NULL,
        .line = site->line,
    };
}

/* ---- repeated warnings */

static void list_site(struct pawl_log_site *site)
{
    if (atomic_exchange_explicit(&site->is_listed, true, memory_order_relaxed))
        return;
    site->next = atomic_load_explicit(&self.sites, memory_order_relaxed);
    /* Release pairs with the acquire load in end_window(): `next` is set. */
    while (!atomic_compare_exchange_weak_explicit(&self.sites, &site->next, site,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* False when the line is to be counted only. */
static bool is_shown(struct pawl_log_site *site)
{
    if (site->level > PAWL_LOG_WARN)
        return true;
    if (!atomic_load_explicit(&site->is_listed, memory_order_relaxed))
        list_site(site);
    uint32_t seen = atomic_fetch_add_explicit(&site->seen_count, 1, memory_order_relaxed);
    if (seen < site->shown_count &&
        !atomic_load_explicit(&site->is_repeating, memory_order_relaxed))
        return true;
    atomic_fetch_add_explicit(&site->held_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self.held_back_count, 1, memory_order_relaxed);
    return false;
}

/* ---- the caller's side */

static void write_straight(const struct pawl_log_site *site, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Without a writer: to stderr, as any program would. */
static void write_straight(const struct pawl_log_site *site, const char *format, va_list args)
{
    struct pawl_log_head head = head_of(site);
    if (!self.role[0]) {
        head.role = program_invocation_short_name;
        head.since_start_ns = 0;
    }
    char line[PAWL_LOG_LINE_BYTES];
    size_t length = pawl_log_line_format(line, &head, format, args);
    struct pawl_log_sink sink = {.fd = STDERR_FILENO, .level = PAWL_LOG_DEBUG};
    pawl_log_sink_write(&sink, site->level, line, length);
}

static void enqueue(const struct pawl_log_site *site, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void enqueue(const struct pawl_log_site *site, const char *format, va_list args)
{
    uint64_t position;
    struct pawl_log_slot *slot = pawl_log_queue_claim(&self.queue, &position);
    if (!slot) {
        atomic_fetch_add_explicit(&self.dropped_full_count, 1, memory_order_relaxed);
        return;
    }
    struct pawl_log_head head = head_of(site);
    slot->level = site->level;
    slot->length = (uint32_t)pawl_log_line_format(slot->line, &head, format, args);
    pawl_log_queue_publish(&self.queue, position);

    /* A wake-up costs several microseconds, so only what cannot wait does it. */
    uint64_t waiting = position + 1 - pawl_log_queue_tail(&self.queue);
    if (site->level == PAWL_LOG_ERROR || waiting == PAWL_LOG_QUEUE_COUNT / 2)
        wake_writer();
}

void pawl_log_write(struct pawl_log_site *site, const char *format, ...)
{
    int code = errno;
    /* Acquire pairs with the release store in pawl_log_start(): the queue and the role are
     * there. */
    int state = atomic_load_explicit(&self.state, memory_order_acquire);
    va_list args;
    va_start(args, format);
    if (state == STATE_OFF)
        write_straight(site, format, args);
    else if (state == STATE_STUCK)
        atomic_fetch_add_explicit(&self.dropped_full_count, 1, memory_order_relaxed);
    else if (is_shown(site))
        enqueue(site, format, args);
    va_end(args);
    errno = code;
}

/* ---- the writer's side */

static void write_line(enum pawl_log_level level, const char *line, size_t length);

/* A line of the log about itself. To `sink` alone, or to all. */
static void write_own(struct pawl_log_sink *sink, const struct pawl_log_site *site,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));

static void write_own(struct pawl_log_sink *sink, const struct pawl_log_site *site,
                      const char *format, ...)
{
    char line[PAWL_LOG_LINE_BYTES];
    struct pawl_log_head head = head_of(site);
    va_list args;
    va_start(args, format);
    size_t length = pawl_log_line_format(line, &head, format, args);
    va_end(args);
    if (sink)
        pawl_log_sink_write(sink, site->level, line, length);
    else
        write_line(site->level, line, length);
}

static const struct pawl_log_site own_site = {
    .file = __FILE__, .line = __LINE__, .level = PAWL_LOG_WARN};

static void write_to(struct pawl_log_sink *sink, struct pawl_log_sink *other,
                     const char *sink_name, enum pawl_log_level level, const char *line,
                     size_t length)
{
    bool was_failing = sink->is_failing;
    int rc = pawl_log_sink_write(sink, level, line, length);

    uint64_t dropped = atomic_load_explicit(&sink->dropped_count, memory_order_relaxed);
    if (rc != 0 && !was_failing) {
        write_own(other, &own_site, "log lines are lost\nsink=%s error=%s", sink_name,
                  strerror(-rc));
    } else if (rc == 0 && dropped > sink->told_dropped) {
        uint64_t lost = dropped - sink->told_dropped;
        sink->told_dropped = dropped;
        write_own(sink, &own_site, "log lines were lost\ncount=%" PRIu64 " error=%s", lost,
                  strerror(sink->code));
    }
}

static void write_line(enum pawl_log_level level, const char *line, size_t length)
{
    write_to(&self.file, &self.terminal, "file", level, line, length);
    write_to(&self.terminal, &self.file, "stderr", level, line, length);
}

static bool is_begun_writing(void)
{
    /* Acquire pairs with the release store in end_writing(): the sinks and the queue's tail are
     * as the other one left them. */
    return !atomic_exchange_explicit(&self.is_writing, true, memory_order_acquire);
}

static void end_writing(void)
{
    atomic_store_explicit(&self.is_writing, false, memory_order_release);
}

/* For the writer: who else holds the sinks is a crash, and the process ends with it. */
static void begin_writing(void)
{
    while (!is_begun_writing())
        nap(PAWL_NS_PER_S);
}

static void write_queued(void)
{
    for (;;) {
        begin_writing();
        struct pawl_log_slot *slot = pawl_log_queue_peek(&self.queue);
        if (slot) {
            write_line(slot->level, slot->line, slot->length);
            pawl_log_queue_release(&self.queue);
        }
        end_writing();
        if (!slot)
            break;
    }

    uint64_t dropped = atomic_load_explicit(&self.dropped_full_count, memory_order_relaxed);
    if (dropped != self.told_dropped_full) {
        begin_writing();
        write_own(NULL, &own_site, "log lines were lost\ncount=%" PRIu64 " error=%s",
                  dropped - self.told_dropped_full, "the queue was full");
        end_writing();
        self.told_dropped_full = dropped;
    }
}

static void end_window(void)
{
    /* Acquire pairs with the release in list_site(). */
    struct pawl_log_site *site = atomic_load_explicit(&self.sites, memory_order_acquire);
    for (; site; site = site->next) {
        uint32_t held = atomic_exchange_explicit(&site->held_count, 0, memory_order_relaxed);
        uint32_t seen = atomic_exchange_explicit(&site->seen_count, 0, memory_order_relaxed);
        atomic_store_explicit(&site->is_repeating, seen > 0 && held > 0, memory_order_relaxed);
        if (held == 0)
            continue;
        begin_writing();
        write_own(NULL, site, "%s, %u time%s in the last %g s\n", site->text, held,
                  held == 1 ? "" : "s", (double)self.window_ns / (double)PAWL_NS_PER_S);
        end_writing();
    }
}

static void write_until_stopped(void)
{
    for (;;) {
        /* Acquire pairs with the release in wake_writer(). Read before looking for work: what
         * comes after changes the word, and then the wait below returns at once. */
        uint32_t word = atomic_load_explicit(&self.wake_word, memory_order_acquire);
        bool is_last_round = atomic_load_explicit(&self.is_stopping, memory_order_acquire);
        /* Acquire pairs with the release in pawl_log_settle(): what was held back by then is
         * counted. */
        uint32_t settle = atomic_load_explicit(&self.settle_count, memory_order_acquire);
        bool is_asked =
            settle != atomic_load_explicit(&self.settled_count, memory_order_relaxed);
        write_queued();
        uint64_t now_ns = pawl_clock_now_ns();
        if (now_ns >= self.window_end_ns || is_last_round || is_asked) {
            end_window();
            self.window_end_ns = now_ns + self.window_ns;
        }
        /* Release pairs with the acquire load in pawl_log_settle(): it is all written. */
        atomic_store_explicit(&self.settled_count, settle, memory_order_release);
        if (is_last_round)
            return;
        syscall(SYS_futex, &self.wake_word, FUTEX_WAIT_PRIVATE, word,
                &(struct timespec){.tv_sec = (time_t)(self.wait_ns / PAWL_NS_PER_S),
                                   .tv_nsec = (long)(self.wait_ns % PAWL_NS_PER_S)},
                NULL, 0);
    }
}

static void *run_writer(void *arg)
{
    (void)arg;
    is_the_writer = true;
    prctl(PR_SET_NAME, "pawl-log");
    prctl(PR_SET_TIMERSLACK, (unsigned long)self.slack_ns);
    write_until_stopped();
    /* Release pairs with the acquire load in pawl_log_stop(). */
    atomic_store_explicit(&self.is_done, true, memory_order_release);
    return NULL;
}

/* ---- a crash */

/* The writer may be amid a line; it is given a moment to end it. */
static bool take_over_writing(void)
{
    if (is_the_writer)
        return true;
    uint64_t end_ns = pawl_clock_now_ns() + CRASH_WAIT_NS;
    while (!is_begun_writing()) {
        if (pawl_clock_now_ns() >= end_ns)
            return false;
        nap(NAP_NS);
    }
    return true;
}

static void say_last_words(int signal, const void *address)
{
    static const struct pawl_log_site site = {.level = PAWL_LOG_ERROR};
    bool is_on = atomic_load_explicit(&self.state, memory_order_acquire) == STATE_ON;
    bool has_sinks = is_on && take_over_writing();

    if (has_sinks) {
        uint64_t end = pawl_log_queue_head(&self.queue);
        while (pawl_log_queue_tail(&self.queue) < end) {
            struct pawl_log_slot *slot = pawl_log_queue_peek(&self.queue);
            if (slot) {
                pawl_log_sink_write(&self.file, slot->level, slot->line, slot->length);
                pawl_log_sink_write(&self.terminal, slot->level, slot->line, slot->length);
            }
            pawl_log_queue_skip(&self.queue);
        }
    }

    char line[PAWL_LOG_LINE_BYTES];
    struct pawl_log_head head = head_of(&site);
    head.file = NULL;
    size_t length = pawl_log_line_crash(line, &head, signal, address);
    if (has_sinks)
        pawl_log_sink_write(&self.file, PAWL_LOG_ERROR, line, length);
    /* Also where a dashboard has the terminal: this is the end of it. */
    struct pawl_log_sink last = {
        .fd = STDERR_FILENO, .level = PAWL_LOG_ERROR, .is_polled = true};
    pawl_log_sink_write(&last, PAWL_LOG_ERROR, line, length);
}

/* ---- start and stop */

struct pawl_log_cfg pawl_log_default_cfg(const char *role)
{
    return (struct pawl_log_cfg){
        .role = role,
        .level = PAWL_LOG_INFO,
        .stderr_level = PAWL_LOG_INFO,
        .write_wait_ns = 50 * PAWL_NS_PER_MS,
        .repeat_window_ns = 10 * PAWL_NS_PER_S,
    };
}

static int check_cfg(const struct pawl_log_cfg *cfg, struct pawl_err *err)
{
    size_t length = cfg->role ? strlen(cfg->role) : 0;
    bool is_word = length > 0 && length < ROLE_BYTES;
    for (size_t i = 0; i < length && is_word; i++)
        is_word = isalnum((unsigned char)cfg->role[i]) || strchr("-_.", cfg->role[i]);
    if (!is_word)
        return pawl_err_set(
            err, EINVAL, "log: role \"%s\" is not a word of 1 to %d letters, digits, -, _, .",
            cfg->role ? cfg->role : "", ROLE_BYTES - 1);
    if (cfg->repeat_window_ns == 0)
        return pawl_err_set(err, EINVAL, "log: a window of 0 s holds no repeated warnings");
    if (atomic_load_explicit(&self.state, memory_order_acquire) != STATE_OFF)
        return pawl_err_set(err, EBUSY, "log: already started");
    return 0;
}

/* A child has no writer thread and must not repeat the lines of its parent. */
static void forget_in_child(void)
{
    self.queue_is_ready = false;
    atomic_store_explicit(&self.state, STATE_OFF, memory_order_relaxed);
    atomic_store_explicit(&self.is_writing, false, memory_order_relaxed);
}

static void stop_at_exit(void)
{
    pawl_log_stop();
}

static void prepare_process_once(void)
{
    static bool is_prepared;
    if (is_prepared)
        return;
    is_prepared = true;
    pthread_atfork(NULL, NULL, forget_in_child);
    atexit(stop_at_exit);
}

static int start_writer(struct pawl_err *err)
{
    /* Signals are the main loop's; a broken pipe on stderr is an errno here. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = PAWL_FAULT_ERRNO("log.thread");
    if (!code)
        code = pthread_create(&self.writer, NULL, run_writer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return pawl_err_set(err, code, "log: start the writer: %s", strerror(code));
    return 0;
}

int pawl_log_start(const struct pawl_log_cfg *cfg, struct pawl_err *err)
{
    int rc = check_cfg(cfg, err);
    if (rc != 0)
        return rc;

    int file_fd = -1;
    if (cfg->path) {
        file_fd = open(cfg->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
        if (file_fd < 0)
            return pawl_err_set(err, errno, "log: open %s: %s", cfg->path, strerror(errno));
    }

    /* Lines of the last moment before a stop may still be in the queue, so it goes on. */
    if (!self.queue_is_ready)
        pawl_log_queue_reset(&self.queue);
    self.queue_is_ready = true;
    snprintf(self.role, sizeof(self.role), "%s", cfg->role);
    self.start_ns = cfg->start_ns ? cfg->start_ns : pawl_clock_now_ns();
    self.window_ns = cfg->repeat_window_ns;
    self.slack_ns = cfg->write_wait_ns / 10 + 1; /* 0 would mean the default */
    self.wait_ns = cfg->write_wait_ns - cfg->write_wait_ns / 10;
    self.window_end_ns = pawl_clock_now_ns() + self.window_ns;
    self.file = (struct pawl_log_sink){.fd = file_fd, .level = cfg->level};
    self.terminal = (struct pawl_log_sink){
        .fd = STDERR_FILENO,
        .level = cfg->stderr_level,
        .is_coloured =
            cfg->colour == PAWL_LOG_COLOUR_ALWAYS ||
            (cfg->colour == PAWL_LOG_COLOUR_AUTO && pawl_text_wants_colour(STDERR_FILENO)),
        .is_polled = true,
    };
    atomic_store_explicit(&self.dropped_full_count, 0, memory_order_relaxed);
    atomic_store_explicit(&self.held_back_count, 0, memory_order_relaxed);
    self.told_dropped_full = 0;
    atomic_store_explicit(&self.is_stopping, false, memory_order_relaxed);
    atomic_store_explicit(&self.is_done, false, memory_order_relaxed);

    rc = start_writer(err);
    if (rc != 0) {
        if (file_fd >= 0)
            close(file_fd);
        self.file.fd = -1;
        return rc;
    }
    prepare_process_once();
    enum pawl_log_level level = cfg->stderr_level;
    if (cfg->path && cfg->level > level)
        level = cfg->level;
    atomic_store_explicit(&pawl_log_level_now, (int)level, memory_order_relaxed);
    /* Release pairs with the acquire loads in pawl_log_write() and say_last_words(). */
    atomic_store_explicit(&self.state, STATE_ON, memory_order_release);
    pawl_crash_install(say_last_words);
    return 0;
}

int pawl_log_flush(uint64_t timeout_ns)
{
    if (atomic_load_explicit(&self.state, memory_order_acquire) != STATE_ON)
        return 0;
    uint64_t head = pawl_log_queue_head(&self.queue);
    uint64_t end_ns = pawl_clock_now_ns() + timeout_ns;
    wake_writer();
    while (pawl_log_queue_tail(&self.queue) < head) {
        if (pawl_clock_now_ns() >= end_ns)
            return -ETIMEDOUT;
        nap(NAP_NS);
    }
    return 0;
}

int pawl_log_settle(uint64_t timeout_ns)
{
    if (atomic_load_explicit(&self.state, memory_order_acquire) != STATE_ON)
        return 0;
    uint64_t end_ns = pawl_clock_now_ns() + timeout_ns;
    /* Release pairs with the acquire load in write_until_stopped(). */
    uint32_t wanted =
        atomic_fetch_add_explicit(&self.settle_count, 1, memory_order_release) + 1;
    wake_writer();
    /* Acquire pairs with the release store in write_until_stopped(). */
    while (atomic_load_explicit(&self.settled_count, memory_order_acquire) - wanted >
           INT32_MAX) {
        if (pawl_clock_now_ns() >= end_ns)
            return -ETIMEDOUT;
        nap(NAP_NS);
    }
    return 0;
}

int pawl_log_stop(void)
{
    int state = STATE_ON;
    /* Lines of other threads go straight to stderr from here on. */
    if (!atomic_compare_exchange_strong_explicit(&self.state, &state, STATE_OFF,
                                                 memory_order_acq_rel, memory_order_acquire))
        return state == STATE_STUCK ? -ETIMEDOUT : 0;

    /* Release pairs with the acquire load in write_until_stopped(): the queue is complete. */
    atomic_store_explicit(&self.is_stopping, true, memory_order_release);
    wake_writer();
    uint64_t end_ns = pawl_clock_now_ns() + STOP_WAIT_NS;
    /* Acquire pairs with the release store in run_writer(). */
    while (!atomic_load_explicit(&self.is_done, memory_order_acquire)) {
        if (pawl_clock_now_ns() >= end_ns) {
            pthread_detach(self.writer);
            atomic_store_explicit(&self.state, STATE_STUCK, memory_order_release);
            return -ETIMEDOUT;
        }
        nap(NAP_NS);
    }
    pthread_join(self.writer, NULL);
    if (self.file.fd >= 0)
        close(self.file.fd);
    self.file.fd = -1;
    return 0;
}

struct pawl_log_counts pawl_log_read_counts(void)
{
    return (struct pawl_log_counts){
        .written_count = atomic_load_explicit(&self.file.written_count, memory_order_relaxed),
        .dropped_full_count =
            atomic_load_explicit(&self.dropped_full_count, memory_order_relaxed),
        .dropped_file_count =
            atomic_load_explicit(&self.file.dropped_count, memory_order_relaxed),
        .dropped_stderr_count =
            atomic_load_explicit(&self.terminal.dropped_count, memory_order_relaxed),
        .held_back_count = atomic_load_explicit(&self.held_back_count, memory_order_relaxed),
    };
}
