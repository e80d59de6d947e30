# The protocols are checked by Spin (models and their mutants). Without spin these tests fail. What
# has been searched in this build folder is not searched again until a model or the script changes.
foreach(model ring board weak)
    add_test(NAME model_${model} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/run.sh ${model})
    set_tests_properties(model_${model} PROPERTIES LABELS model
        ENVIRONMENT "PAWL_MODEL_JOBS=1;PAWL_MODEL_KEPT=${CMAKE_BINARY_DIR}/model")
endforeach()
add_custom_target(model_deep COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/run.sh deep USES_TERMINAL)

# The programs for GenMC, as ordinary threads, so that they cannot rot (README.md says how GenMC runs them). With
# fences, so not under the thread sanitizer.
if(NOT PAWL_SANITIZE MATCHES "thread")
    foreach(program ring_commit ring_waiter ring_room board_pin board_given_up board_wait)
        add_executable(genmc_${program} model/genmc/${program}.c)
        target_link_libraries(genmc_${program} PRIVATE pawl_flags Threads::Threads)
        target_include_directories(genmc_${program} PRIVATE ${CMAKE_SOURCE_DIR})
        target_compile_options(genmc_${program} PRIVATE -UPAWL_FAULTS)
        set_target_properties(genmc_${program} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        add_test(NAME genmc_${program} COMMAND genmc_${program})
        set_tests_properties(genmc_${program} PROPERTIES LABELS model)
    endforeach()
endif()
