# The protocols are checked by Spin (models and their mutants). Without spin these tests fail. What
# has been searched in this build folder is not searched again until a model or the script changes.
foreach(model ring board weak)
    add_test(NAME model_${model} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/run.sh ${model})
    set_tests_properties(model_${model} PROPERTIES LABELS model
        ENVIRONMENT "PAWL_MODEL_JOBS=1;PAWL_MODEL_KEPT=${CMAKE_BINARY_DIR}/model")
endforeach()
add_custom_target(model_deep COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/run.sh deep USES_TERMINAL)
