#include <algorithm>
#include <filesystem>
#include <string_view>

#include "checkpoint/mapped_file.h"
#include "checkpoint/mistakes.h"
#include "checkpoint/shards.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

using namespace std::string_view_literals;

enum class FileKind { kSafetensors, kPth, kIndex, kUnknown };

/// A safetensors file begins with the length of the header and a {. In a zip archive the byte at this place
/// is part of the method, which is never a {.
FileKind kind_of(std::string_view start) {
  if (start.size() > 8 && start[8] == '{') return FileKind::kSafetensors;
  if (start.starts_with("PK"sv)) return FileKind::kPth;
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    return FileKind::kPth;  // a bare pickle
  if (start.starts_with('{')) return FileKind::kIndex;
  return FileKind::kUnknown;
}

/// Throws if the file is none of these.
FileKind look(const std::string& path) {
  const auto file = MappedFile::open(path);
  const std::string_view start(reinterpret_cast<const char*>(file->data()),
                               std::min<size_t>(file->size(), 32));
  const FileKind kind = kind_of(start);
  if (kind != FileKind::kUnknown) return kind;
  if (const std::string what = mistaken_file(start, path); !what.empty())
    throw FormatError(path, "byte 0", what);
  // The name may show what was intended; that format's reader then gives the best message.
  if (path.ends_with(".safetensors")) return FileKind::kSafetensors;
  throw FormatError(path, "byte 0",
                    "this is neither a safetensors file nor a zip archive written by torch.save; name a "
                    ".safetensors or .pth checkpoint");
}

}  // namespace

Checkpoint load_file(const std::string& path) {
  const FileKind kind = look(path);
  if (kind == FileKind::kIndex)
    throw FormatError(path, "byte 0", "this is text (JSON), not a checkpoint; download the file again");
  return kind == FileKind::kSafetensors ? load_safetensors(path) : load_pth(path);
}

Checkpoint load(const std::string& source) {
  const std::string path = locate(source);
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return load(checkpoint_in(path));
  return look(path) == FileKind::kIndex ? load_shards(path) : load_file(path);
}

}  // namespace vitrim::checkpoint
