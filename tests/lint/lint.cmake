# Each rule about the text of the tree is a test, and lint_selftest shows that each one bites.

foreach(rule layers format headers doors text walk)
    add_test(NAME lint_${rule} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint/${rule}.sh ${CMAKE_SOURCE_DIR})
    set_tests_properties(lint_${rule} PROPERTIES LABELS lint)
endforeach()
add_test(NAME lint_selftest COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint/selftest.sh)
set_tests_properties(lint_selftest PROPERTIES LABELS lint)

add_custom_target(format
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lint/format.sh --fix ${CMAKE_SOURCE_DIR}
    COMMENT "Laying out every C and C++ file" VERBATIM)
