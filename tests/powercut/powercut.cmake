# Power cuts of a disk on which a run learns: needs root and nbdkit, see powercut.py. `ctest -L powercut`; skipped,
# and said so, where something is missing. The second disk's file system orders nothing by itself.
foreach(data ordered writeback)
    add_test(NAME powercut_${data} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/powercut/powercut.py
        --pawl $<TARGET_FILE:pawl> --images 400 --data ${data})
    set_tests_properties(powercut_${data} PROPERTIES LABELS powercut SKIP_RETURN_CODE 77 TIMEOUT 1800 RUN_SERIAL ON)
endforeach()
