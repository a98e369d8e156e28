#include "vitrim/core/error.h"

namespace vitrim {

FormatError::FormatError(const std::string& file, const std::string& where, const std::string& what)
    : Error(where.empty() ? file + ": " + what : file + ": " + where + ": " + what) {}

Interrupted::Interrupted() : Error("stopped on request") {}

}  // namespace vitrim
