/* run.h: one run, from its first process to its last: what `pawl train` does once the
 * configuration is known.
 *
 *     run.c         the loop: children, hub, signals, and in which order all ends
 *     run_report.c  the run folder's files, what is printed, the first error
 *     run_resume.c  taking up a run that was there before
 *     run_role.c    where the roles' programs are, and how they are called
 *
 * This is the one place that knows all roles. It maps no data and trusts no role: what it hears
 * from them are messages of bounded size (hub.h) and figures that it only prints.
 */
#ifndef PAWL_PAWL_RUN_H
#define PAWL_PAWL_RUN_H

#include "runtime/cfg.h"
#include "runtime/cli.h"
#include "runtime/run_cfg.h"
#include "runtime/run_folder.h"
#include "runtime/supervise.h"
#include "shm/hub.h"
#include "shm/run_progress.h"

#define PAWL_RUN_RUNTIME_NAME                                                                  \
    "runtime"               /* the folder of the run's socket, in the run folder               \
                             */
#define PAWL_RUN_HUB_FD   3 /* under which a role has its connection to the hub */
#define PAWL_RUN_LOCK_FD  4 /* the learner keeps the folder as long as it may write there */
#define PAWL_RUN_STILL_NS (3 * PAWL_NS_PER_S)
/* `timeout` and shells send one wish twice: to the process, and to its group. */
#define PAWL_RUN_AGAIN_NS      (PAWL_NS_PER_S / 2)
#define PAWL_RUN_RESUMES_MAX   999u
#define PAWL_RUN_LIVES_MAX     (1u << 20) /* of one child, until a run is resumed */
#define PAWL_RUN_ROLE_ARGS_MAX 12

/* --- the roles' programs (run_role.c) --- */

/* How one child is called; the child's configuration points into it. */
struct pawl_run_role {
    char name[PAWL_SUPERVISE_NAME_BYTES]; /* "actor 3" */
    char path[PATH_MAX];
    char config_path[PATH_MAX];
    char index_text[8];
    char life_text[24];
    char start_text[24];
    const char *argv[PAWL_RUN_ROLE_ARGS_MAX];
};

/* Finds pawl-ROLE among the parts of the installation. -ENOENT says where it was looked for. */
int pawl_run_role_find(uint32_t role, char path[PATH_MAX], struct pawl_err *err);

/* index: PAWL_HUB_ANY_INDEX lets the hub choose. start_ns: when the run began, the zero of the
 * times in its log. */
void pawl_run_role_fill(struct pawl_run_role *to, uint32_t role, uint32_t index,
                        const char *path, const char *config_path, uint64_t start_ns);

/* For a learner: it goes on from what the run saved, and fails where there is nothing. */
void pawl_run_role_set_resumed(struct pawl_run_role *role);

/* Says which of its lives the next start is, counted from 0. */
void pawl_run_role_set_life(struct pawl_run_role *role, uint64_t life);

/* --- a run --- */

struct pawl_run_order {
    struct pawl_cli *cli;
    const struct pawl_cfg *cfg;
    uint32_t actor_count;     /* to start */
    uint32_t actor_count_min; /* with fewer that have not died for good, the run ends */
    const char *resumed_path; /* the folder of the run to go on with; NULL: a new one */
    const struct pawl_cfg *cfg_before; /* of that run, without what is overridden */
};

enum pawl_run_phase {
    PAWL_RUN_ON,
    PAWL_RUN_STOPPING_ACTORS,
    PAWL_RUN_STOPPING_LEARNER,
    PAWL_RUN_OVER,
};

/* What is known of one child besides what the supervision knows. */
struct pawl_run_child {
    struct pawl_run_role role;
    uint64_t incarnation; /* of its connection */
    bool is_welcome;
    uint64_t lost_ns; /* since when its process is out of touch; 0: it is not */
    bool is_refused;  /* the learner or the hub does not take it */
    uint32_t state;   /* 0: it has not said */
    char waits_for[PAWL_HUB_TEXT_BYTES_MAX + 1]; /* HELD: as it says */
};

/* Child 0 is the learner, child i + 1 actor i. */
struct pawl_run {
    struct pawl_run_order order;
    const struct pawl_run_cfg *cfg;
    struct pawl_loop *loop;
    struct pawl_hub hub;
    struct pawl_supervise set;
    struct pawl_run_folder folder;
    struct pawl_run_figures figures;
    struct pawl_run_progress progress;
    struct pawl_run_child *children;
    uint64_t start_ns;
    int64_t start_wall_s;
    uint32_t resume_number; /* which resumption of the run this is, from 1; 0: none */
    bool has_nothing_to_do; /* resumed, and run.steps are taken: left as it is */

    enum pawl_run_phase phase;
    int exit_code;
    uint32_t stop_reason;
    uint64_t asked_ns; /* when the first signal came; 0: none has */
    uint64_t actors_deadline_ns, learner_deadline_ns;
    uint32_t last_learner_count; /* started while the run was ending */
    bool is_hard;                /* a second signal: nothing is waited for */
    bool is_unclean;             /* somebody did not end in order when asked */
    bool has_facts;              /* command.txt and system.json are written */
    bool has_told_memory;

    char failed_role[PAWL_SUPERVISE_NAME_BYTES]; /* of the first error; "": none */
    char failed_text[PAWL_ERR_TEXT_BYTES];
};

#define PAWL_RUN_LEARNER 0u

/* Runs it to its end and prints what there is to say. Returns an enum pawl_exit. */
int pawl_run_do(const struct pawl_run_order *order);

/* Asks everybody to end: first the actors, then the learner. A run that is ending does already.
 */
void pawl_run_stop(struct pawl_run *run, int exit_code, uint32_t reason);

/* Of a signal: whether it is another wish than the first, whose time is kept in *asked_ns (0:
 * there has been none). Also for `pawl actor --join`. */
bool pawl_run_is_asked_again(uint64_t *asked_ns);

/* Actors and bridges that take part and are not children of the run. */
uint32_t pawl_run_joined_count(const struct pawl_run *run);

/* Ends the run when it cannot go on without those who are gone for good. */
void pawl_run_check_children(struct pawl_run *run, int exit_code);

/* --- what its programs say (run_hub.c) --- */

/* For the hub: context is the run. */
void pawl_run_on_hub(void *context, const struct pawl_hub_event *event);

/* --- going on with a run (run_resume.c) --- */

/* Takes the folder, looks for a checkpoint, says from where it goes on, and keeps the files of
 * the time before: config.toml as config.001.toml and so on. Where has_nothing_to_do is set,
 * that was said instead and the folder let go. -EBUSY names who owns the folder; -ENODATA:
 * there is no checkpoint to go on from, and nothing was changed. */
int pawl_run_resume(struct pawl_run *run, const char *owner, struct pawl_err *err);

/* Whether a resumed run has ended because a role cannot go on with its configuration, or lacks
 * something, before any record was taken in. */
bool pawl_run_is_refused(const struct pawl_run *run);

/* Such a run has the files of the time before again, config.toml first; says which overrides it
 * was that are gone. Once no child is left. */
void pawl_run_put_back(struct pawl_run *run);

/* --- what it says and leaves behind (run_report.c) --- */

/* The first one stays. */
/* The first error is that a child has ended so, with what it said last. */
void pawl_run_fail_child(struct pawl_run *run, const struct pawl_child *child, const char *how);

void pawl_run_fail(struct pawl_run *run, const char *role, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int pawl_run_write_config(struct pawl_run *run, struct pawl_err *err);
/* The command and the machine; a failure is a warning. */
void pawl_run_write_facts(struct pawl_run *run);
int pawl_run_write_exit(struct pawl_run *run, struct pawl_err *err);

void pawl_run_print_start(struct pawl_run *run);
void pawl_run_print_memory(struct pawl_run *run);
/* The line of a period. */
void pawl_run_print_progress(struct pawl_run *run);
/* Who waits for whom. */
void pawl_run_print_still(struct pawl_run *run, uint64_t still_ns, uint64_t now_ns);
void pawl_run_print_end(struct pawl_run *run);

/* One line of a child's standard error; also for `pawl actor --join`. */
void pawl_run_forward_line(struct pawl_cli *cli, const char *child_name, const char *line);

#endif
