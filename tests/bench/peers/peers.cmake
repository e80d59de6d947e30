# The comparison with the peers is a test of the label interop once step.py has made their environment,
# and only then: nothing here is downloaded by a build or by a suite.
if(DEFINED ENV{PAWL_PEERS})
    set(PAWL_PEERS $ENV{PAWL_PEERS})
elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(PAWL_PEERS $ENV{XDG_CACHE_HOME}/pawl/peers)
else()
    set(PAWL_PEERS $ENV{HOME}/.cache/pawl/peers)
endif()
if(EXISTS ${PAWL_PEERS}/ready)
    add_test(NAME peers_step COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bench/peers/step.py
        --rounds=1 --seconds=1 --bin=${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    set_tests_properties(peers_step PROPERTIES LABELS interop RUN_SERIAL ON
        ENVIRONMENT PAWL_PEERS=${PAWL_PEERS})
endif()
