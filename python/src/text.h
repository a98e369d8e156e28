#pragma once
// Converts text of the library to a Python string.

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

namespace vitrim::python {

/// Invalid UTF-8 (from a file's name in a message) is written as \xNN, so that no message is lost because of
/// a name.
inline pybind11::str shown(std::string_view text) {
  PyObject* made =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (made == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::str>(made);
}

/// A sentence of the library in which the program's options have the names of the package's arguments:
/// --num-heads as num_heads. Options that the package does not have stay, because they belong to a command to
/// type.
std::string in_python(std::string_view text);

}  // namespace vitrim::python
