/* Any bytes as words of a command line and names of the environment, one per line: no crash,
 * and what is accepted survives being dumped. A line `=NAME=value` goes to the environment. */
#include "support/cfg_sample.h"
#include "support/fuzz.h"

#define WORD_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1), *words[WORD_MAX], *environment[WORD_MAX + 1] = {NULL};
    int word_count = 0, name_count = 0;

    if (!text)
        abort();
    memcpy(text, data, size);
    for (char *at = text, *end; at && word_count < WORD_MAX && name_count < WORD_MAX;
         at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        if (*at == '=')
            environment[name_count++] = at + 1;
        else
            words[word_count++] = at;
    }
    for (int i = 0; i < word_count; i++) {
        int taken = pawl_cfg_override_words(sample_tables, word_count - i, words + i);
        if (taken < 0 || taken > 2 || taken > word_count - i)
            abort();
    }

    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {
        .environment = environment, .words = words, .word_count = word_count};
    int code = pawl_cfg_open(&cfg, sample_tables, &source, NULL);
    if (!cfg || (code == 0) != (pawl_cfg_problem_count(cfg) == 0))
        abort();
    free(sample_print(pawl_cfg_problems_print, cfg));
    free(sample_print(pawl_cfg_dump_origin, cfg));
    pawl_cfg_close(cfg);
    free(text);
    return 0;
}
