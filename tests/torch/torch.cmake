# The torch door. Its C side is tested in every build, with modules that are not the door (unit_door); what is
# behind it, in the builds that have it.

# pawl_fake_module(TARGET NAME KIND SOURCE DEFINITION...): a NAME.so in the folder of the doors of this kind.
function(pawl_fake_module target name kind source)
    add_library(${target} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/torch/${source})
    target_link_libraries(${target} PRIVATE pawl_flags)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
    target_compile_definitions(${target} PRIVATE ${ARGN})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/doors/${kind})
    foreach(test unit_door unit_sac_device unit_sac_auto proc_device)
        add_dependencies(${test} ${target})
    endforeach()
endfunction()

# pawl_fake_door(KIND DEFINITION...): a pawl_torch.so. pawl_fake_cuda(KIND DEFINITION...): its CUDA half.
function(pawl_fake_door kind)
    pawl_fake_module(fake_door_${kind} pawl_torch ${kind} fake_door.c ${ARGN})
endfunction()
function(pawl_fake_cuda kind)
    pawl_fake_module(fake_cuda_${kind} pawl_torch_cuda ${kind} fake_cuda.c ${ARGN})
endfunction()

pawl_fake_door(good FAKE_GOOD=1)
pawl_fake_door(older FAKE_ABI=0u)
pawl_fake_door(longer FAKE_MORE_BYTES=8u)
pawl_fake_door(stranger FAKE_STRANGER=1)

# One with a device, whose memory is not the host's (fake_gpu.c); the CUDA half without the other; one of another
# version beside a door without a device.
pawl_fake_door(gpu FAKE_GPU=1)
target_include_directories(fake_door_gpu PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_sources(fake_door_gpu PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/torch/fake_gpu.c)
target_link_libraries(fake_door_gpu PRIVATE pawl_policy)
pawl_fake_cuda(gpu FAKE_GOOD=1)
pawl_fake_cuda(half FAKE_GOOD=1)
pawl_fake_door(old_cuda FAKE_GOOD=1)
pawl_fake_cuda(old_cuda FAKE_ABI=0u)

# One that needs a library that is not there at run time, under the name of one of libtorch's.
add_library(fake_libtorch SHARED ${CMAKE_CURRENT_SOURCE_DIR}/torch/fake_libtorch.c)
target_link_libraries(fake_libtorch PRIVATE pawl_flags)
set_target_properties(fake_libtorch PROPERTIES OUTPUT_NAME torch_cpu SOVERSION 0.0
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/doors/link)
pawl_fake_door(poor FAKE_NEEDS_LIBRARY=1)
target_link_libraries(fake_door_poor PRIVATE fake_libtorch)
set_target_properties(fake_door_poor PROPERTIES SKIP_BUILD_RPATH ON)

foreach(test unit_door unit_sac_device unit_sac_auto proc_device)
    target_compile_definitions(${test} PRIVATE PAWL_FAKE_DOORS="${CMAKE_BINARY_DIR}/tests/doors")
endforeach()

if(TARGET pawl_torch)
    file(GLOB sources CONFIGURE_DEPENDS torch/test_*.c)
    foreach(source ${sources})
        get_filename_component(name ${source} NAME_WE)
        string(REPLACE "test_" "torch_" name ${name})
        add_executable(${name} ${source})
        target_link_libraries(${name} PRIVATE pawl_test_support)
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        add_dependencies(${name} pawl_torch)
        add_test(NAME ${name} COMMAND ${name})
        set_tests_properties(${name} PROPERTIES LABELS torch
            ENVIRONMENT PAWL_LIBEXEC=${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    endforeach()
    # What gradients are compared with; as a module, like the door, so that a test loads the same libtorch.
    add_library(torch_oracle MODULE torch/oracle.cpp)
    target_link_libraries(torch_oracle PRIVATE pawl_flags pawl_libtorch)
    target_include_directories(torch_oracle PRIVATE ${CMAKE_SOURCE_DIR})
    set_target_properties(torch_oracle PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_compile_definitions(torch_gradients PRIVATE PAWL_ORACLE="$<TARGET_FILE:torch_oracle>")
    add_dependencies(torch_gradients torch_oracle)
    # The door's engine for CUDA on the CPU, with the streams of a CUDA half that has no CUDA.
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/policy/torch/shim*.cpp)
    list(FILTER sources EXCLUDE REGEX "/shim_cuda[^/]*$")
    add_library(streams_torch MODULE ${sources})
    target_compile_definitions(streams_torch PRIVATE PAWL_TORCH_DEVICE="cpu")
    set_target_properties(streams_torch PROPERTIES OUTPUT_NAME pawl_torch)
    add_library(streams_cuda MODULE torch/fake_streams.cpp)
    set_target_properties(streams_cuda PROPERTIES OUTPUT_NAME pawl_torch_cuda)
    foreach(module streams_torch streams_cuda)
        target_sources(${module} PRIVATE ${CMAKE_SOURCE_DIR}/runtime/err.c)
        target_link_libraries(${module} PRIVATE pawl_flags pawl_libtorch)
        target_include_directories(${module} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
        set_target_properties(${module} PROPERTIES PREFIX ""
            LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/doors/streams)
        add_dependencies(torch_streams ${module})
    endforeach()
    target_compile_definitions(torch_streams PRIVATE PAWL_STREAMS_DOOR="${CMAKE_BINARY_DIR}/tests/doors/streams")
    add_test(NAME torch_symbols
        COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/torch/symbols.sh $<TARGET_FILE:pawl_torch>)
    set_tests_properties(torch_symbols PROPERTIES LABELS torch)
endif()

# Both halves with a libtorch of today, which is fetched once: not in the default suite.
add_test(NAME torch_cuda_compile
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/torch/cuda_compile.sh ${CMAKE_BINARY_DIR}/cuda-compile)
set_tests_properties(torch_cuda_compile PROPERTIES LABELS cuda-compile RUN_SERIAL ON TIMEOUT 3600)
