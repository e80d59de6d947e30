# A fuzz target is a file: fuzz_X.c with the seeds in corpus/X/. The default suite replays the seeds;
# `ctest --test-dir build/dev -L fuzz` builds the targets with libFuzzer (preset fuzz: clang, address and
# undefined-behaviour sanitizers) and runs each for 10 s. For longer runs see docs/testing.md.

set(PAWL_FUZZ_SECONDS 10 CACHE STRING "How long `ctest -L fuzz` runs each target")
option(PAWL_FUZZ "Link the fuzz targets with libFuzzer instead of the replay program" OFF)

if(NOT PAWL_FUZZ)
    add_test(NAME fuzz_configure COMMAND ${CMAKE_COMMAND} --preset fuzz
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    add_test(NAME fuzz_build COMMAND ${CMAKE_COMMAND} --build --preset fuzz
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(fuzz_configure PROPERTIES LABELS fuzz FIXTURES_SETUP fuzz_configured)
    set_tests_properties(fuzz_build PROPERTIES LABELS fuzz FIXTURES_REQUIRED fuzz_configured
        FIXTURES_SETUP fuzz_built)
endif()

add_custom_target(fuzz_targets)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_*.c)
foreach(source ${sources})
    get_filename_component(target ${source} NAME_WE)
    string(REPLACE "fuzz_" "" name ${target})
    set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${PAWL_LIBRARIES})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    add_dependencies(fuzz_targets ${target})
    if(PAWL_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        continue()
    endif()

    target_sources(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.c)
    add_test(NAME replay_${name} COMMAND ${target} ${seeds})
    set_tests_properties(replay_${name} PROPERTIES LABELS replay)

    set(found ${CMAKE_SOURCE_DIR}/build/fuzz/corpus/${name})
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${target} COMMAND ${CMAKE_SOURCE_DIR}/build/fuzz/fuzz/${target}
        -max_total_time=${PAWL_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
        -artifact_prefix=${found}/ ${found} ${seeds})
    set_tests_properties(${target} PROPERTIES LABELS fuzz FIXTURES_REQUIRED fuzz_built)
endforeach()
