#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "checkpoint/mapped_file.h"
#include "checkpoint/shards.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

using namespace std::string_view_literals;

enum class FileKind { kSafetensors, kPth, kIndex, kUnknown };

struct Signature {
  std::string_view bytes;
  const char* what;  ///< and the mend
};

/// What people hand over by mistake.
constexpr std::array kStrangers{
    Signature{"version https://git-lfs"sv,
              "this is a Git LFS pointer and not the file itself; fetch it with `git lfs pull`"},
    Signature{"<"sv,
              "this is a web page or XML, perhaps saved in place of the file; download the file itself"},
    Signature{"\x1f\x8b"sv, "this is a gzip file; unpack it first"},
    Signature{"\xfd"
              "7zXZ"sv,
              "this is an xz file; unpack it first"},
    Signature{"\x28\xb5\x2f\xfd"sv, "this is a zstd file; unpack it first"},
    Signature{"\x89HDF"sv, "this is an HDF5 file; convert it to safetensors in Python"},
    Signature{"\x93NUMPY"sv, "this is a NumPy array; convert it to safetensors in Python"},
    Signature{"GGUF"sv, "this is a GGUF file; take the safetensors or .pth checkpoint of the same model"},
};

/// safetensors: the header's length, then {. A zip archive has its method in that byte, which is never a {.
FileKind kind_of(std::string_view start) {
  if (start.size() > 8 && start[8] == '{') return FileKind::kSafetensors;
  if (start.starts_with("PK"sv)) return FileKind::kPth;
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    return FileKind::kPth;  // a bare pickle
  if (start.starts_with('{')) return FileKind::kIndex;
  return FileKind::kUnknown;
}

/// Throws where the file is none of these.
FileKind look(const std::string& path) {
  const auto file = MappedFile::open(path);
  const std::string_view start(reinterpret_cast<const char*>(file->data()),
                               std::min<size_t>(file->size(), 32));
  const FileKind kind = kind_of(start);
  if (kind != FileKind::kUnknown) return kind;
  for (const Signature& stranger : kStrangers)
    if (start.starts_with(stranger.bytes)) throw FormatError(path, "byte 0", stranger.what);
  // The name may say what was meant, and that reader says best what is wrong with it.
  if (path.ends_with(".safetensors")) return FileKind::kSafetensors;
  throw FormatError(path, "byte 0",
                    "this is neither a safetensors file nor a zip archive written by torch.save; name a "
                    ".safetensors or .pth checkpoint");
}

}  // namespace

StateDict load_file(const std::string& path) {
  const FileKind kind = look(path);
  if (kind == FileKind::kIndex)
    throw FormatError(path, "byte 0", "this is text (JSON), not a checkpoint; download the file again");
  return kind == FileKind::kSafetensors ? load_safetensors(path) : load_pth(path);
}

StateDict load(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return load(checkpoint_in(path));
  return look(path) == FileKind::kIndex ? load_shards(path) : load_file(path);
}

}  // namespace vitrim::checkpoint
