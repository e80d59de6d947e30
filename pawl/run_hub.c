/* run_hub.c: what the programs of a run say to its hub, and what follows for the run. */
#include "pawl/run.h"

#include <inttypes.h>

#include "runtime/clock.h"
#include "runtime/log.h"

/* Of a learner's or our own actor's connection; NULL for one that joined. */
static struct pawl_run_child *child_of(struct pawl_run *run, const struct pawl_hub_peer *peer)
{
    if (peer->role == PAWL_ROLE_LEARNER)
        return &run->children[PAWL_RUN_LEARNER];
    if (peer->role == PAWL_ROLE_ACTOR && peer->index < run->order.actor_count)
        return &run->children[1 + peer->index];
    return NULL;
}

static void take_refusal(struct pawl_run *run, const struct pawl_hub_event *event)
{
    struct pawl_run_child *child = child_of(run, event->peer);
    if (!child) {
        pawl_log_warn("not taken", "who=%s index=%" PRIu32 " error=%s",
                      pawl_role_name(event->peer->role), event->peer->index, event->text);
        return;
    }
    uint32_t index = (uint32_t)(child - run->children);
    child->is_refused = true;
    pawl_log_error("child is refused", "child=%s error=%s", child->role.name, event->text);
    pawl_run_fail(run, child->role.name, "%s", event->text);
    /* It is told by the hub and ends by itself; this is the bound. */
    pawl_supervise_stop(&run->set, index,
                        pawl_clock_now_ns() +
                            (uint64_t)(run->cfg->stop_s / 2 * (double)PAWL_NS_PER_S));
    pawl_run_check_children(run, PAWL_EXIT_CHILD);
}

static void take_state(struct pawl_run *run, const struct pawl_hub_event *event)
{
    struct pawl_run_child *child = child_of(run, event->peer);
    if (!child)
        return;
    child->state = event->state;
    snprintf(child->waits_for, sizeof(child->waits_for), "%s", event->text);
    if (event->state == PAWL_STATE_DONE && event->peer->role == PAWL_ROLE_LEARNER)
        pawl_run_stop(run, PAWL_EXIT_DONE, PAWL_STOP_DONE);
}

void pawl_run_on_hub(void *context, const struct pawl_hub_event *event)
{
    struct pawl_run *run = context;
    struct pawl_run_child *child = event->peer ? child_of(run, event->peer) : NULL;
    switch (event->kind) {
    case PAWL_HUB_WELCOMED:
        if (child) {
            child->is_welcome = true;
            child->lost_ns = 0;
        } else
            pawl_log_info("joined", "who=%s index=%" PRIu32 " pid=%" PRIu32,
                          pawl_role_name(event->peer->role), event->peer->index,
                          event->peer->pid);
        break;
    case PAWL_HUB_STATE:
        take_state(run, event);
        break;
    case PAWL_HUB_REFUSED:
    case PAWL_HUB_REJECTED:
        take_refusal(run, event);
        break;
    case PAWL_HUB_GONE:
        if (child && child->incarnation == event->peer->incarnation)
            child->lost_ns = pawl_clock_now_ns();
        else if (!child)
            pawl_log_info("left", "who=%s index=%" PRIu32, pawl_role_name(event->peer->role),
                          event->peer->index);
        break;
    case PAWL_HUB_LIMIT:
        pawl_log_warn("hub is at a limit", "error=%s", event->text);
        break;
    }
}
