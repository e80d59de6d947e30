/* episodes.h: what episodes.jsonl says about the last episodes, for who prints it.
 *
 *     struct pawl_episodes_recent recent;
 *     pawl_episodes_read_recent(&recent, "runs/x", 20);
 *     if (recent.count > 0) ... recent.return_mean
 *
 * The lines are those of book.h. The file may grow while it is read; a line that is not whole
 * yet, or is none, does not count.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_LEARNER_EPISODES_H
#define PAWL_LEARNER_EPISODES_H

#include <stdint.h>

#define PAWL_EPISODES_RECENT_MAX 100u

/* Of the last episodes that came to an end of their own: one that was cut says nothing. */
struct pawl_episodes_recent {
    uint32_t count; /* the means are of so many; 0: there are none */
    uint32_t success_count;
    double return_mean;
    double length_mean;
};

/* Reads the end of the file alone; at most count_max episodes. No file is no episode. */
void pawl_episodes_read_recent(struct pawl_episodes_recent *recent, const char *run_path,
                               uint32_t count_max);

/* Lines of the file that were written until so many steps were counted. */
uint64_t pawl_episodes_count(const char *run_path, uint64_t env_step_max);

#endif
