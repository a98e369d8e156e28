#pragma once
// The records of a zip archive, as torch.save writes it: read-only, hostile archives refused.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

/// Reads the central directory (zip64 included) and checks it whole: every record inside the file, none
/// overlapping another, none twice.
class ZipArchive {
 public:
  struct Record {
    uint16_t method = 0;  ///< 0 stored, 8 deflated
    uint32_t checksum = 0;
    uint64_t packed_size = 0, size = 0;
    uint64_t header = 0;  ///< offset of the local header
    uint64_t data = 0;    ///< offset of the packed bytes
  };

  /// Throws FormatError where the archive is damaged, encrypted, split, packed by other means than deflate,
  /// or would unpack to more than 20 times its size (and 64 MB).
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  const std::map<std::string, Record, std::less<>>& records() const { return records_; }
  bool contains(std::string_view name) const { return records_.find(name) != records_.end(); }
  /// The record's content: stored ones share the mapping, deflated ones are unpacked. Throws FormatError
  /// where the record is missing or damaged (size, checksum). Torch can be told to leave out checksums and
  /// then writes 0, which is not compared.
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
  uint64_t unpacked_ = 0;  ///< bytes of all deflated records
  std::map<std::string, Record, std::less<>> records_;
};

}  // namespace vitrim::checkpoint
