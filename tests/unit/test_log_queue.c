#include "runtime/log_queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static struct pawl_log_queue queue;

START_TEST(a_hole_in_the_queue_is_stepped_over)
{
    pawl_log_queue_reset(&queue);
    uint64_t first, second;
    ck_assert_ptr_nonnull(pawl_log_queue_claim(&queue, &first));
    struct pawl_log_slot *slot = pawl_log_queue_claim(&queue, &second);
    pawl_log_queue_publish(&queue, second);
    ck_assert_ptr_null(pawl_log_queue_peek(&queue));
    ck_assert(pawl_log_queue_skip(&queue));
    ck_assert_ptr_eq(pawl_log_queue_peek(&queue), slot);
    ck_assert(pawl_log_queue_skip(&queue));
    ck_assert(!pawl_log_queue_skip(&queue));
}
END_TEST

START_TEST(a_full_queue_refuses_until_a_line_is_released)
{
    pawl_log_queue_reset(&queue);
    uint64_t position;
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < PAWL_LOG_QUEUE_COUNT; i++) {
            ck_assert_ptr_nonnull(pawl_log_queue_claim(&queue, &position));
            ck_assert_uint_eq(position, round * PAWL_LOG_QUEUE_COUNT + i);
            pawl_log_queue_publish(&queue, position);
        }
        ck_assert_ptr_null(pawl_log_queue_claim(&queue, &position));
        for (uint64_t i = 0; i < PAWL_LOG_QUEUE_COUNT; i++) {
            ck_assert_ptr_nonnull(pawl_log_queue_peek(&queue));
            pawl_log_queue_release(&queue);
        }
        ck_assert_ptr_null(pawl_log_queue_peek(&queue));
    }
}
END_TEST

#define THREAD_COUNT 3
#define THREAD_LINES 3000

static void *publish_many(void *arg)
{
    unsigned thread = *(unsigned *)arg;
    for (unsigned i = 0; i < THREAD_LINES;) {
        uint64_t position;
        struct pawl_log_slot *slot = pawl_log_queue_claim(&queue, &position);
        if (!slot) {
            sched_yield();
            continue;
        }
        slot->level = thread;
        slot->length = (uint32_t)snprintf(slot->line, sizeof(slot->line), "%u", i++);
        pawl_log_queue_publish(&queue, position);
    }
    return NULL;
}

/* Also for the thread sanitizer: each ordering of the queue is needed here. */
START_TEST(each_line_arrives_once_whole_and_in_its_threads_order)
{
    pawl_log_queue_reset(&queue);
    pthread_t threads[THREAD_COUNT];
    unsigned numbers[THREAD_COUNT], next[THREAD_COUNT] = {0};
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, publish_many, &numbers[i]), 0);
    }
    for (unsigned count = 0; count < THREAD_COUNT * THREAD_LINES;) {
        struct pawl_log_slot *slot = pawl_log_queue_peek(&queue);
        if (!slot) {
            sched_yield();
            continue;
        }
        ck_assert_uint_lt(slot->level, THREAD_COUNT);
        ck_assert_uint_eq(strtoul(slot->line, NULL, 10), next[slot->level]);
        ck_assert_uint_eq(slot->length, strlen(slot->line));
        next[slot->level]++;
        memset(slot->line, 'x', slot->length);
        pawl_log_queue_release(&queue);
        count++;
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(pawl_log_queue_peek(&queue));
    ck_assert_uint_eq(pawl_log_queue_tail(&queue), pawl_log_queue_head(&queue));
}
END_TEST

PAWL_TEST_MAIN("log_queue", a_full_queue_refuses_until_a_line_is_released,
               a_hole_in_the_queue_is_stepped_over,
               each_line_arrives_once_whole_and_in_its_threads_order)
