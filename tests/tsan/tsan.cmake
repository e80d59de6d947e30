# Rings under the thread sanitizer, whatever the preset: 20 million records, positions that pass 2^32 and
# 2^64, and every mutant of shm/order.h that this machine can show. A mutant is built and run by a test that
# fails when the mutant passes. Mutants 9 to 12 need a weaker machine than any sanitizer simulates;
# tests/model/sb_overwrite.pml finds them.

set(tsan_sources runtime/clock.c runtime/crc32c.c runtime/err.c runtime/fault.c runtime/sha256.c
    runtime/spec.c shm/board.c shm/board_wait.c shm/copy.c shm/distance.c shm/manifest.c shm/memory.c shm/park.c
    shm/process.c shm/ring.c shm/ring_copy.c shm/ring_state.c shm/segment.c)
list(TRANSFORM tsan_sources PREPEND ${CMAKE_SOURCE_DIR}/)
add_library(tsan_product STATIC EXCLUDE_FROM_ALL ${tsan_sources})
target_include_directories(tsan_product PUBLIC ${CMAKE_SOURCE_DIR})
# Not pawl_flags: those carry the sanitizers of the preset, which do not go together with this one.
target_compile_definitions(tsan_product PUBLIC _GNU_SOURCE PAWL_TSAN=1)
target_compile_options(tsan_product PUBLIC -fsanitize=thread -O1 -g -Wall -Wextra -Werror)
target_link_options(tsan_product PUBLIC -fsanitize=thread)
target_link_libraries(tsan_product PUBLIC Threads::Threads)

set(tsan_environment "TSAN_OPTIONS=history_size=7 halt_on_error=1")
add_executable(tsan_ring tsan/tsan_ring.c)
target_link_libraries(tsan_ring PRIVATE tsan_product)
foreach(run "single 5000000 0" "batch 7000000 0xfff00000" "batch 7000000 0xffffffffffe00000"
        "sleep 400000 0xfffffff0" "overwrite 1000000 0x7fffffffffff0000")
    separate_arguments(arguments UNIX_COMMAND ${run})
    string(REPLACE " " "_" name ${run})
    add_test(NAME tsan_ring_${name} COMMAND tsan_ring ${arguments})
    set_tests_properties(tsan_ring_${name} PROPERTIES LABELS tsan ENVIRONMENT ${tsan_environment})
endforeach()

foreach(mutant 1 2 3 4 13 14 15)
    add_executable(tsan_ring_mutant_${mutant} tsan/tsan_ring.c)
    target_link_libraries(tsan_ring_mutant_${mutant} PRIVATE tsan_product)
    target_compile_definitions(tsan_ring_mutant_${mutant} PRIVATE PAWL_MUTANT=${mutant})
    add_test(NAME tsan_ring_mutant_${mutant} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tsan/expect_report.sh
        ${mutant} $<TARGET_FILE:tsan_ring_mutant_${mutant}> single 2000000 0)
    set_tests_properties(tsan_ring_mutant_${mutant} PROPERTIES LABELS tsan
        ENVIRONMENT ${tsan_environment})
endforeach()

# The board: versions up to 2^32 and beyond, and its mutants. 36, 41 and 42 are fences, 39 and 40 protect a
# reader that is wrongly taken for dead: the models find those.
add_executable(tsan_board tsan/tsan_board.c)
target_link_libraries(tsan_board PRIVATE tsan_product)
foreach(first 1 0xfffe0000)
    add_test(NAME tsan_board_${first} COMMAND tsan_board 200000 ${first})
    set_tests_properties(tsan_board_${first} PROPERTIES LABELS tsan ENVIRONMENT ${tsan_environment})
endforeach()
foreach(mutant 33 34 35 37 38 43 44 45 46)
    add_executable(tsan_board_mutant_${mutant} tsan/tsan_board.c)
    target_link_libraries(tsan_board_mutant_${mutant} PRIVATE tsan_product)
    target_compile_definitions(tsan_board_mutant_${mutant} PRIVATE PAWL_MUTANT=${mutant})
    add_test(NAME tsan_board_mutant_${mutant} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tsan/expect_report.sh
        ${mutant} $<TARGET_FILE:tsan_board_mutant_${mutant}> 600000 1)
    set_tests_properties(tsan_board_mutant_${mutant} PROPERTIES LABELS tsan
        ENVIRONMENT ${tsan_environment})
endforeach()

# What a fence is for cannot be seen as a race; it can be seen as a lost wake-up, on two cores.
foreach(mutant 0 5 6 7 8)
    set(name fence_ring_mutant_${mutant})
    add_executable(${name} tsan/fence_ring.c)
    target_link_libraries(${name} PRIVATE ${PAWL_LIBRARIES})
    target_compile_options(${name} PRIVATE -O2)
    target_compile_definitions(${name} PRIVATE PAWL_MUTANT=${mutant})
    target_compile_options(${name} PRIVATE -UPAWL_FAULTS)
endforeach()
foreach(mutant 5 6)
    add_test(NAME fence_ring_mutant_${mutant}
        COMMAND fence_ring_mutant_${mutant} bell 2000000)
endforeach()
foreach(mutant 7 8)
    add_test(NAME fence_ring_mutant_${mutant}
        COMMAND fence_ring_mutant_${mutant} room 2000000)
endforeach()
add_test(NAME fence_ring_bell COMMAND fence_ring_mutant_0 bell 200000)
add_test(NAME fence_ring_room COMMAND fence_ring_mutant_0 room 200000)
set_tests_properties(fence_ring_mutant_5 fence_ring_mutant_6 fence_ring_mutant_7
    fence_ring_mutant_8 PROPERTIES PASS_REGULAR_EXPRESSION "a wake-up was lost")
set_tests_properties(fence_ring_bell fence_ring_room fence_ring_mutant_5 fence_ring_mutant_6
    fence_ring_mutant_7 fence_ring_mutant_8 PROPERTIES LABELS tsan SKIP_RETURN_CODE 77
    RUN_SERIAL ON)
