# Runs PROGRAM and writes its output to OUTPUT, because a redirection would need a shell, which a custom command need not have.
execute_process(COMMAND ${PROGRAM} OUTPUT_FILE ${OUTPUT}.new COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${OUTPUT}.new ${OUTPUT})
