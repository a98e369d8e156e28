# Runs PROGRAM and writes what it prints to OUTPUT: a redirection would be the shell's, which a custom command need not have.
execute_process(COMMAND ${PROGRAM} OUTPUT_FILE ${OUTPUT}.new COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${OUTPUT}.new ${OUTPUT})
