# The comparisons with the peers are tests of the label interop once step.py and sac.py have made their
# environments, and only then: nothing here is downloaded by a build or by a suite.
if(DEFINED ENV{XDG_CACHE_HOME})
    set(PAWL_CACHES $ENV{XDG_CACHE_HOME}/pawl)
else()
    set(PAWL_CACHES $ENV{HOME}/.cache/pawl)
endif()
set(PAWL_PEERS ${PAWL_CACHES}/peers)
set(PAWL_PEERS_SAC ${PAWL_CACHES}/peers-sac)
foreach(folder PAWL_PEERS PAWL_PEERS_SAC)
    if(DEFINED ENV{${folder}})
        set(${folder} $ENV{${folder}})
    endif()
endforeach()
if(EXISTS ${PAWL_PEERS}/ready)
    add_test(NAME peers_step COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bench/peers/step.py
        --rounds=1 --seconds=1 --bin=${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    set_tests_properties(peers_step PROPERTIES LABELS interop RUN_SERIAL ON
        ENVIRONMENT PAWL_PEERS=${PAWL_PEERS})
endif()
if(EXISTS ${PAWL_PEERS_SAC}/ready)
    add_test(NAME peers_sac COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bench/peers/sac.py
        --smoke --build=${CMAKE_BINARY_DIR})
    set_tests_properties(peers_sac PROPERTIES LABELS interop RUN_SERIAL ON
        ENVIRONMENT PAWL_PEERS_SAC=${PAWL_PEERS_SAC})
endif()
