#pragma once
// Text of the library as a Python string.

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

namespace vitrim::python {

/// Bytes that are no UTF-8 (of a file's name in a message) come out as \xNN: no sentence is lost over a name.
inline pybind11::str shown(std::string_view text) {
  PyObject* made =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (made == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::str>(made);
}

/// A sentence of the library with the program's flags as the package's arguments are called: --num-heads as
/// num_heads. Flags that the package does not have stay, as those of a command to be typed.
std::string in_python(std::string_view text);

}  // namespace vitrim::python
