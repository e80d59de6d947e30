/* err.h: an error is a sentence, set once where it is noticed and wrapped on the way up.
 *
 *     if (fd < 0)
 *         return pawl_err_set(err, errno, "open %s: %s", path, strerror(errno));
 *     ...
 *     return pawl_err_wrap(err, "open learner");
 *
 * prints as `open learner: open runs/x: Permission denied`. The text has the value and the
 * rule; only a main loop prints it. Thread safety: an error belongs to the thread that passed
 * it in.
 */
#ifndef PAWL_RUNTIME_ERR_H
#define PAWL_RUNTIME_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_ERR_TEXT_BYTES 1024

struct pawl_err {
    int code;                       /* an errno value; 0: no error yet */
    char text[PAWL_ERR_TEXT_BYTES]; /* one sentence, without a newline; cut with "..." when too
                                       long */
};

/* Sets code and text and returns -code. The first error stays: on an err that already holds one
 * nothing changes and -err->code is returned. err may be NULL when the caller wants the code
 * alone. */
int pawl_err_set(struct pawl_err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "WHAT: " before the text and returns -err->code (-EIO when err is NULL or holds no
 * error: a caller that wraps has failed, and must not be read as success). */
int pawl_err_wrap(struct pawl_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For what another process wrote and cannot be: stays in release builds, unlike assert. */
#define PAWL_CHECK(condition)                                                                  \
    do {                                                                                       \
        if (__builtin_expect(!(condition), 0))                                                 \
            pawl_check_failed(#condition, __FILE__, __LINE__);                                 \
    } while (0)

__attribute__((noreturn, cold)) void pawl_check_failed(const char *condition, const char *file,
                                                       int line);

#ifdef __cplusplus
}
#endif

#endif
