#pragma once
// The exceptions that vitrim throws. The library never prints, exits or aborts. Bad arguments throw
// std::invalid_argument; failures of files or of the machine throw one of the types below. `what()` is one
// sentence that names the place and the remedy, in the form `[surgery::apply] block 7: num_heads 5 does not
// divide embed_dim 384`.

#include <stdexcept>
#include <string>

namespace vitrim {

/// Base of vitrim's run-time failures (files, data, the machine).
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file whose content does not follow its format. The message reads `FILE: WHERE: WHAT`.
class FormatError : public Error {
 public:
  /// `where` names the tensor, key or byte offset; empty if there is none.
  FormatError(const std::string& file, const std::string& where, const std::string& what);
};

/// The user asked to stop (Ctrl-C); thrown at the next progress step. See core/log.h.
class Interrupted : public Error {
 public:
  Interrupted();
};

}  // namespace vitrim
