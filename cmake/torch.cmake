# The torch door: pawl_torch.so and, where a libtorch with CUDA is given, pawl_torch_cuda.so. They are modules
# that a program opens when it wants them (policy/door.h), so nothing else here links libtorch.
#
# libtorch is found by its files. Its own CMake package asks for a CUDA toolkit and a GPU where none is needed,
# and takes libraries of another libtorch that is installed beside the one that was asked for.

set(PAWL_TORCH SYSTEM CACHE STRING
    "libtorch of the torch door: SYSTEM (libtorch-dev), PYTHON (that of python3 on the PATH), a folder torch/, or OFF")
set(PAWL_TORCH_CUDA AUTO CACHE STRING "The CUDA half of the torch door: AUTO, ON (an error where it cannot be), OFF")

# Sets root ("" for the system's), include, api and lib to the folders of libtorch.
function(pawl_torch_find)
    set(root "")
    if(PAWL_TORCH STREQUAL "SYSTEM")
        set(include "") # /usr/include among the system folders of -isystem breaks libstdc++
        set(aten /usr/include/ATen/ATen.h)
        set(api /usr/include/torch/csrc/api/include)
        set(lib /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
    else()
        if(PAWL_TORCH STREQUAL "PYTHON")
            # Not FindPython3: it remembers the interpreter of another day. torch is not imported.
            find_program(python NAMES python3 python NO_CACHE REQUIRED)
            execute_process(OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY
                COMMAND ${python} -c "from importlib.util import find_spec
spec = find_spec('torch')
print(spec.submodule_search_locations[0] if spec else '')")
            if(NOT root)
                message(FATAL_ERROR "PAWL_TORCH=PYTHON: ${python} has no torch. Activate an environment that has, or "
                    "use -DPAWL_TORCH=SYSTEM or -DPAWL_TORCH=OFF")
            endif()
        else()
            get_filename_component(root "${PAWL_TORCH}" ABSOLUTE)
        endif()
        set(include ${root}/include)
        set(aten ${include}/ATen/ATen.h)
        set(api ${include}/torch/csrc/api/include)
        set(lib ${root}/lib)
    endif()
    foreach(file ${aten} ${api}/torch/version.h ${lib}/libtorch_cpu.so ${lib}/libc10.so)
        if(NOT EXISTS ${file})
            message(FATAL_ERROR "PAWL_TORCH=${PAWL_TORCH}: no ${file}. Install libtorch-dev and libopenblas0-openmp; "
                "or give the folder of a Python's torch, or PYTHON; or use -DPAWL_TORCH=OFF")
        endif()
    endforeach()
    foreach(name root include api lib aten)
        set(${name} "${${name}}" PARENT_SCOPE)
    endforeach()
endfunction()

# Sets cuda_include and cudart to those of the major version that libtorch was made with, or cuda_why to the
# reason why there are none. No nvcc is needed: g++ compiles the half.
function(pawl_torch_find_cuda)
    set(cuda_include "")
    set(cudart "")
    set(cuda_why "")
    file(STRINGS ${root}/version.py line REGEX "^cuda[^=]*= *'[0-9]+")
    string(REGEX MATCH "'([0-9]+)" line "${line}")
    set(major "${CMAKE_MATCH_1}")
    get_filename_component(site ${root} DIRECTORY)
    foreach(folder ${site}/nvidia/cu${major} ${site}/nvidia/cuda_runtime $ENV{CUDA_HOME} /usr/local/cuda)
        foreach(file ${folder}/lib/libcudart.so.${major} ${folder}/lib64/libcudart.so.${major})
            if(NOT cudart AND EXISTS ${file})
                set(cudart ${file})
            endif()
        endforeach()
        foreach(more ${folder} ${site}/nvidia/cuda_nvcc) # Python's packages keep crt/ apart
            if(NOT cuda_include AND EXISTS ${folder}/include/cuda_runtime_api.h
               AND EXISTS ${more}/include/crt/host_config.h)
                set(cuda_include ${folder}/include ${more}/include)
            endif()
        endforeach()
    endforeach()
    if(NOT EXISTS ${lib}/libtorch_cuda.so)
        set(cuda_why "${lib} has no libtorch_cuda.so: this libtorch is for the CPU alone")
    elseif(NOT cudart)
        set(cuda_why "no libcudart.so.${major}: install CUDA ${major} or pip's nvidia-cuda-runtime of that version")
    elseif(NOT cuda_include)
        set(cuda_why "no headers of CUDA with crt/: install CUDA ${major} or pip's nvidia-cuda-crt of that version")
    else()
        # Headers of another major version compile without a word and fail at run time.
        unset(PAWL_TORCH_CUDA_COMPILES CACHE)
        try_compile(PAWL_TORCH_CUDA_COMPILES ${CMAKE_BINARY_DIR}/torch_cuda_try
            SOURCES ${CMAKE_SOURCE_DIR}/policy/torch/cuda_try.cpp
            CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${include};${cuda_include}"
            COMPILE_DEFINITIONS -DPAWL_CUDA_MAJOR=${major} -D_GLIBCXX_USE_CXX11_ABI=${abi}
            CXX_STANDARD ${level} CXX_STANDARD_REQUIRED ON OUTPUT_VARIABLE log)
        if(NOT PAWL_TORCH_CUDA_COMPILES)
            string(REGEX MATCH "error: [^\n]*" error "${log}")
            set(cuda_why "libtorch was made with CUDA ${major}, and with ${cuda_include}: ${error}")
        endif()
    endif()
    foreach(name cuda_include cudart cuda_why)
        set(${name} "${${name}}" PARENT_SCOPE)
    endforeach()
endfunction()

# pawl_torch_module(NAME SOURCE...): the module NAME.so of the door.
function(pawl_torch_module name)
    # Its own copy of the errors' code: a module takes nothing from the program that opens it.
    add_library(${name} MODULE ${ARGN} ${CMAKE_SOURCE_DIR}/runtime/err.c)
    set_target_properties(${name} PROPERTIES PREFIX ""
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
    target_compile_options(${name} PRIVATE -Wpedantic)
    target_link_libraries(${name} PRIVATE pawl_flags pawl_libtorch)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
    if(root)
        set_target_properties(${name} PROPERTIES BUILD_RPATH ${lib} INSTALL_RPATH ${lib})
    endif()
    install(TARGETS ${name} DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/pawl)
endfunction()

function(pawl_torch_door)
    pawl_torch_find()
    set(level 17)
    file(STRINGS ${aten} needs_20 REGEX "C\\+\\+20 or later" LIMIT_COUNT 1)
    if(needs_20)
        set(level 20)
    endif()
    # Python's libtorch had the strings of old until 2.6, and does not say so in its headers.
    file(STRINGS ${lib}/libc10.so strings REGEX "c10.*__cxx1112basic_string" LIMIT_COUNT 1)
    set(abi 0)
    if(strings)
        set(abi 1)
    endif()

    add_library(pawl_libtorch INTERFACE)
    target_include_directories(pawl_libtorch SYSTEM INTERFACE ${include} ${api})
    target_compile_definitions(pawl_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=${abi})
    target_compile_features(pawl_libtorch INTERFACE cxx_std_${level})
    target_link_libraries(pawl_libtorch INTERFACE ${lib}/libtorch_cpu.so ${lib}/libc10.so)
    if(root)
        # The old kind of path, which LD_LIBRARY_PATH does not override: it must not swap libtorch.
        target_link_options(pawl_libtorch INTERFACE -Wl,--disable-new-dtags)
    endif()

    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/policy/torch/shim*.cpp)
    set(cuda_sources ${sources})
    list(FILTER sources EXCLUDE REGEX "/shim_cuda[^/]*$")
    list(FILTER cuda_sources INCLUDE REGEX "/shim_cuda[^/]*$")
    pawl_torch_module(pawl_torch ${sources})

    set(half OFF)
    set(cuda_why "PAWL_TORCH_CUDA=OFF")
    if(NOT PAWL_TORCH_CUDA STREQUAL "OFF")
        if(NOT root)
            set(cuda_why "Debian's libtorch is for the CPU alone; -DPAWL_TORCH=PYTHON takes that of a Python with torch")
        else()
            pawl_torch_find_cuda()
        endif()
    endif()
    if(NOT cuda_why)
        set(half ON)
        pawl_torch_module(pawl_torch_cuda ${cuda_sources})
        target_include_directories(pawl_torch_cuda SYSTEM PRIVATE ${cuda_include})
        target_link_libraries(pawl_torch_cuda PRIVATE ${lib}/libtorch_cuda.so ${lib}/libc10_cuda.so ${cudart})
        # libtorch_cuda is wanted for what it registers, too, which no symbol of ours asks for.
        target_link_options(pawl_torch_cuda PRIVATE -Wl,--no-as-needed)
    elseif(PAWL_TORCH_CUDA STREQUAL "ON")
        message(FATAL_ERROR "PAWL_TORCH_CUDA=ON: ${cuda_why}")
    endif()
    message(STATUS "torch door: ${lib}, C++${level}, string ABI ${abi}, CUDA half: ${half} ${cuda_why}")
endfunction()

if(NOT PAWL_TORCH STREQUAL "OFF")
    pawl_torch_door()
endif()
