/* cfg_messages.h: compares what people are told about a bad configuration with what is written
 * in a table of cases. A change of a message is a change there; documentation and people's
 * searches are keyed by these texts. */
#ifndef PAWL_TEST_CFG_MESSAGES_H
#define PAWL_TEST_CFG_MESSAGES_H

#include "support/cfg_sample.h"

#include <check.h>
#include <errno.h>

#define MESSAGE_LIST_MAX 4

struct message_case {
    const char *about;
    const char *file; /* written to test.toml; NULL: no file */
    const char *base; /* written to base.toml */
    const char *environment[MESSAGE_LIST_MAX];
    const char *words[MESSAGE_LIST_MAX];
    bool is_looked_at; /* it can be read; what it names is wrong */
    bool is_warning;   /* it can be read, and nothing is wrong; there is a warning */
    const char *message;
};

static inline char *message_of(const struct pawl_cfg_table *const *tables,
                               const struct message_case *at)
{
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    struct pawl_cfg_source source = {.path = at->file ? "test.toml" : NULL,
                                     .environment = (char *const *)at->environment,
                                     .words = (char *const *)at->words};

    while (source.word_count < MESSAGE_LIST_MAX && at->words[source.word_count])
        source.word_count++;
    if (at->file)
        sample_write("test.toml", at->file);
    if (at->base)
        sample_write("base.toml", at->base);
    int wanted = at->is_looked_at || at->is_warning ? 0 : -EINVAL;
    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == wanted, "%s", at->about);
    if (at->is_looked_at)
        ck_assert_msg(pawl_cfg_look(cfg, &err) != 0, "%s", at->about);
    if (at->is_warning)
        ck_assert_msg(pawl_cfg_look(cfg, &err) == 0, "%s: %s", at->about, err.text);
    char *text =
        sample_print(at->is_warning ? pawl_cfg_warnings_print : pawl_cfg_problems_print, cfg);
    pawl_cfg_close(cfg);
    return text;
}

static inline void messages_compare_of(const struct pawl_cfg_table *const *tables,
                                       const struct message_case *cases, size_t case_count)
{
    sample_folder_open();
    for (size_t i = 0; i < case_count; i++) {
        char *text = message_of(tables, &cases[i]);
        ck_assert_msg(strcmp(text, cases[i].message) == 0, "%s:\n%s\ninstead of\n%s",
                      cases[i].about, text, cases[i].message);
        free(text);
    }
    sample_folder_close();
}

static inline void messages_compare(const struct message_case *cases, size_t case_count)
{
    messages_compare_of(sample_tables, cases, case_count);
}

#endif
