# Checkpoints to LeRobot and back, with LeRobot itself: once sac.py (../bench/peers) has made its
# environment, and only then.
add_executable(interop_act interop/interop_act.c ${CMAKE_SOURCE_DIR}/pawl/weights.c)
target_link_libraries(interop_act PRIVATE pawl_policy pawl_runtime)
set_target_properties(interop_act PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
if(EXISTS ${PAWL_PEERS_SAC}/ready)
    add_test(NAME interop_checkpoint COMMAND ${PAWL_PEERS_SAC}/bin/python
        ${CMAKE_CURRENT_SOURCE_DIR}/interop/checkpoint.py --bin=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
        --act=$<TARGET_FILE:interop_act>)
    set_tests_properties(interop_checkpoint PROPERTIES LABELS interop RUN_SERIAL ON)
endif()
