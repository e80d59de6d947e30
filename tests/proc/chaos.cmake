# The example programs (proc/pair.h), and the tests that kill them: 2,000 kills in the default suite (proc_chaos,
# and proc_chaos_hub for the hub), 10,000 with `ctest -L chaos`. Builds of the programs with a broken ring
# (shm/order.h) have to be caught by the same test.

# A program under a sanitizer takes many times as long to start.
if(PAWL_SANITIZE OR PAWL_COVERAGE)
    set(kill_count 200)
    set(hub_kill_count 10)
    set(train_kill_count 30)
else()
    set(kill_count 1950)
    set(hub_kill_count 50)
    set(train_kill_count 200)
endif()
target_compile_definitions(proc_chaos PRIVATE CHAOS_KILL_COUNT=${kill_count})
target_compile_definitions(proc_chaos_hub PRIVATE CHAOS_KILL_COUNT=${hub_kill_count})

# The same for `pawl train` with its real roles: 200 kills in the default suite, 1,000 with `ctest -L chaos`.
target_compile_definitions(proc_train_chaos PRIVATE CHAOS_KILL_COUNT=${train_kill_count})
add_test(NAME chaos_train COMMAND proc_train_chaos --kills=1000)
set_tests_properties(chaos_train PROPERTIES LABELS chaos TIMEOUT 600)

function(pawl_pair program mutant suffix)
    set(name pair_${program}${suffix})
    add_executable(${name} proc/pair_${program}.c)
    target_link_libraries(${name} PRIVATE ${PAWL_LIBRARIES})
    target_compile_definitions(${name} PRIVATE PAWL_MUTANT=${mutant})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_dependencies(proc_chaos ${name})
    add_dependencies(proc_chaos_hub ${name})
endfunction()

pawl_pair(hub 0 "")
pawl_pair(producer 0 "")
pawl_pair(consumer 0 "")
add_test(NAME chaos_programs COMMAND proc_chaos --kills=9750)
add_test(NAME chaos_hub COMMAND proc_chaos_hub --kills=250)
set_tests_properties(chaos_programs chaos_hub PROPERTIES LABELS chaos TIMEOUT 600)

foreach(pair producer:13 producer:14 consumer:15)
    string(REGEX MATCHALL "[^:]+" pair ${pair})
    list(GET pair 0 program)
    list(GET pair 1 mutant)
    pawl_pair(${program} ${mutant} _mutant_${mutant})
    add_test(NAME proc_chaos_mutant_${mutant} COMMAND proc_chaos --${program}=pair_${program}_mutant_${mutant}
        --expect-caught)
    set_tests_properties(proc_chaos_mutant_${mutant} PROPERTIES LABELS proc)
endforeach()

# A learner that learns, killed 500 times, and cut at 20 points.
add_test(NAME chaos_training COMMAND proc_training_chaos)
set_tests_properties(chaos_training PROPERTIES LABELS chaos TIMEOUT 1200
    ENVIRONMENT "PAWL_KILLS=500;CK_TIMEOUT_MULTIPLIER=20")
add_test(NAME chaos_exact COMMAND proc_exact)
set_tests_properties(chaos_exact PROPERTIES LABELS chaos TIMEOUT 1200
    ENVIRONMENT "PAWL_CUTS=20;CK_TIMEOUT_MULTIPLIER=20")

# Each call to the disk of a learner's run fails in turn.
add_test(NAME chaos_calls COMMAND proc_training_calls)
set_tests_properties(chaos_calls PROPERTIES LABELS chaos TIMEOUT 3600
    ENVIRONMENT "PAWL_CALLS=all;CK_TIMEOUT_MULTIPLIER=60")

# Updates per step over any 10 s: 0.1, 1 and 8, slow and fast, for 25 s each and half as long after a resume.
add_test(NAME soak_ratio COMMAND proc_train_ratio)
set_tests_properties(soak_ratio PROPERTIES LABELS soak TIMEOUT 1200 ENVIRONMENT "PAWL_RATIO_S=25")
