# Whole runs, minutes long: `ctest -L learn`.
add_test(NAME learn COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/learn/learn.py --bin=${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(learn PROPERTIES LABELS learn TIMEOUT 1800 RUN_SERIAL ON)
