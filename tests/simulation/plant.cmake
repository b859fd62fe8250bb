# cmake -DPATCH=FILE -DSOURCE=FILE -DOUTPUT=FILE -P plant.cmake: a copy of SOURCE with a fault in it.
execute_process(COMMAND patch --silent --output=${OUTPUT} ${SOURCE} ${PATCH}
                RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT result EQUAL 0)
  file(REMOVE ${OUTPUT})
  message(FATAL_ERROR "${PATCH} does not apply to ${SOURCE} any more: the code has moved on; plant the "
                      "same fault in it as it is now.\n${said}")
endif()
