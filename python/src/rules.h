#pragma once
// The program's rules of which options belong together (vitrim/pipeline/option_rules.h), for Python's
// arguments.

#include <pybind11/pybind11.h>

#include <string>

namespace vitrim::python {

/// Throws std::invalid_argument with the sentence of the first rule of the program's `command` that these
/// arguments break. `arguments` holds all arguments that take part; None and False are those that were not
/// passed. Sentences name the arguments instead of the flags.
void check_options(const std::string& command, const pybind11::dict& arguments);

}  // namespace vitrim::python
