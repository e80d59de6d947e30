# Power cuts on a real file system: needs root and nbdkit, see powercut.py. `ctest -L powercut`; skipped, and
# said so, where something is missing.
add_executable(powercut_saver powercut/powercut_saver.c)
target_link_libraries(powercut_saver PRIVATE pawl_test_support)
set_target_properties(powercut_saver PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME powercut COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/powercut/powercut.py
    --saver $<TARGET_FILE:powercut_saver> --points 400)
set_tests_properties(powercut PROPERTIES LABELS powercut SKIP_RETURN_CODE 77 TIMEOUT 900 RUN_SERIAL ON)
