#pragma once
// The records of a zip archive, as torch.save writes it; read-only. Hostile archives are refused.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

/// Reads the central directory (including zip64) and checks all of it: every record is inside the file, no
/// two records overlap, and no name occurs twice.
class ZipArchive {
 public:
  struct Record {
    uint16_t method = 0;  ///< 0 stored, 8 deflated
    uint32_t checksum = 0;
    uint64_t packed_size = 0, size = 0;
    uint64_t header = 0;  ///< offset of the local header
    uint64_t data = 0;    ///< offset of the packed bytes
  };

  /// Throws FormatError if the archive is damaged, encrypted, split, compressed by another method than
  /// deflate, or would decompress to more than 20 times its size (and 64 MB).
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  const std::map<std::string, Record, std::less<>>& records() const { return records_; }
  bool contains(std::string_view name) const { return records_.find(name) != records_.end(); }
  /// The content of a record: a stored record shares the mapping, a deflated one is decompressed. Throws
  /// FormatError if the record is missing or damaged (size, checksum). Torch can omit checksums; it then
  /// writes 0, which is not checked.
  Bytes read(std::string_view name) const;
  const std::string& path() const { return file_->path(); }

 private:
  struct Directory {
    uint64_t offset, size, count;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void locate_data(const std::string& name, Record& record, uint64_t limit) const;
  void check_unpacked(const std::string& name, const Record& record);
  void check_overlap() const;
  [[noreturn]] void fail(const std::string& where, const std::string& what) const;

  std::shared_ptr<const MappedFile> file_;
  uint64_t unpacked_ = 0;  ///< decompressed bytes of all deflated records
  std::map<std::string, Record, std::less<>> records_;
};

}  // namespace vitrim::checkpoint
