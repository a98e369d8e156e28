#pragma once
// Standard output and what may be shown on a terminal.

#include <string>
#include <string_view>

namespace vitrim::app {

/// `text` with control characters (escape sequences among them), marks that turn the direction of writing,
/// and bytes that are no UTF-8 replaced by '?'; line ends stay. Names out of files come to the terminal
/// through this only.
std::string printable(std::string_view text);

/// printf on standard output, made printable.
void tell(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// Makes sure that descriptors 0 to 2 are taken, so that no file that is opened later becomes standard output
/// where the caller closed that. Call first.
void hold_standard_streams();

/// Writes `text` as it is to standard output. Throws Error where not all of it could be written.
void write_standard_output(std::string_view text);
/// Throws Error where anything that was written to standard output, by whatever means, is lost.
void check_standard_output();

}  // namespace vitrim::app
