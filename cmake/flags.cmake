# The flags of every target, as one interface library. Warnings are errors in all builds.

add_library(pawl_flags INTERFACE)

target_compile_definitions(pawl_flags INTERFACE _GNU_SOURCE)
target_compile_options(pawl_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Werror -fno-omit-frame-pointer -g
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>)

if(PAWL_FAULTS)
    target_compile_definitions(pawl_flags INTERFACE PAWL_FAULTS=1)
endif()

if(PAWL_SANITIZE)
    target_compile_options(pawl_flags INTERFACE -fsanitize=${PAWL_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(pawl_flags INTERFACE -fsanitize=${PAWL_SANITIZE})
    if(PAWL_SANITIZE MATCHES "thread")
        target_compile_definitions(pawl_flags INTERFACE PAWL_TSAN=1)
    endif()
endif()

if(PAWL_COVERAGE)
    target_compile_options(pawl_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(pawl_flags INTERFACE --coverage)
endif()

# Hardening of what people run; a sanitizer brings its own checks and wants none of these.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT PAWL_SANITIZE)
    target_compile_options(pawl_flags INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
        -ftrivial-auto-var-init=zero
        $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=full>)
    target_link_options(pawl_flags INTERFACE
        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()
