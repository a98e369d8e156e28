#pragma once
// Standard output, and text that is safe to show on a terminal.

#include <string>
#include <string_view>

namespace vitrim::app {

/// `text` in which control characters (including escape sequences), marks that change the writing direction,
/// and invalid UTF-8 are replaced by '?'; line ends stay. All names from files must pass through this before
/// they are printed on a terminal.
std::string printable(std::string_view text);

/// printf to standard output, through printable text.
void tell(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// Ensures that descriptors 0 to 2 are in use, so that a file that is opened later can't become standard
/// output if the caller closed it. Call it first.
void hold_standard_streams();

/// Writes `text` unchanged to standard output. Throws Error if not all of it could be written.
void write_standard_output(std::string_view text);
/// Throws Error if anything that was written to standard output, by any means, was lost.
void check_standard_output();

}  // namespace vitrim::app
