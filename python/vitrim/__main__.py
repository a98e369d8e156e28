"""`python -m vitrim`: the program, as the command `vitrim`."""

from vitrim_program import main

main()
