#include "checkpoint/zip_archive.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/inflate.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50, kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20;
constexpr size_t kLongestComment = 0xffff;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kZip64Extra = 1;
constexpr uint32_t kIn64 = 0xffffffff;  // "see the zip64 field instead"

// Weights compress to no less than a half, text to a tenth; anything that expands to more is made to fill the
// memory.
constexpr uint64_t kMostUnpacked = 20, kUnpackedAlways = uint64_t{64} << 20;

constexpr const char* kCopyAgain = "; the archive is damaged or cut short, copy or download it again";

uint32_t checksum_of(const uint8_t* data, size_t size) {
  return static_cast<uint32_t>(crc32_z(0, data, size));
}

/// Replaces the sizes and the offset that do not fit into 32 bits; false if the extra field is damaged.
bool apply_zip64(ByteCursor extra, ZipArchive::Record& record) {
  if (record.size != kIn64 && record.packed_size != kIn64 && record.header != kIn64) return true;
  while (extra.left() >= 4) {
    const uint16_t kind = extra.take<uint16_t>();
    const uint16_t length = extra.take<uint16_t>();
    if (extra.left() < length) return false;
    ByteCursor field(extra.data(), length);
    extra.skip(length);
    if (kind != kZip64Extra) continue;
    for (uint64_t* value : {&record.size, &record.packed_size, &record.header}) {
      if (*value != kIn64) continue;
      if (field.left() < 8) return false;
      *value = field.take<uint64_t>();
    }
    return true;
  }
  return false;
}

}  // namespace

void ZipArchive::fail(const std::string& where, const std::string& what) const {
  throw FormatError(path(), where, what);
}

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  read_directory(find_directory());
  check_overlap();
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const uint8_t* data = file_->data();
  const size_t size = file_->size();
  if (size < kEndSize) fail("", std::string("it ends inside the zip directory") + kCopyAgain);
  // The end record is at the end of the file, followed only by a comment of unknown length, so the search
  // starts from the end.
  size_t end = size - kEndSize;
  const size_t first = end > kLongestComment ? end - kLongestComment : 0;
  for (;; --end) {
    ByteCursor record(data + end, kEndSize);
    if (record.take<uint32_t>() == kEndSignature) break;
    if (end == first) fail("", std::string("it has no zip directory at its end") + kCopyAgain);
  }
  ByteCursor record(data + end + 4, kEndSize - 4);
  const uint16_t disk = record.take<uint16_t>(), directory_disk = record.take<uint16_t>();
  record.skip(2);  // records on this disk
  Directory found{};
  found.count = record.take<uint16_t>();
  found.size = record.take<uint32_t>();
  found.offset = record.take<uint32_t>();
  if ((disk != 0 && disk != 0xffff) || (directory_disk != 0 && directory_disk != 0xffff))
    fail("", "it is one part of a split zip archive; join the parts first");

  uint64_t limit = end;  // the directory ends before this
  if (end >= kLocator64Size) {
    ByteCursor locator(data + end - kLocator64Size, kLocator64Size);
    if (locator.take<uint32_t>() == kLocator64Signature) {
      locator.skip(4);
      const uint64_t position = locator.take<uint64_t>();
      const uint64_t locator_start = end - kLocator64Size;
      if (position > locator_start || locator_start - position < kEnd64Size)
        fail("byte " + std::to_string(locator_start),
             std::string("the zip64 end record lies outside the file") + kCopyAgain);
      ByteCursor end64(data + position, kEnd64Size);
      if (end64.take<uint32_t>() != kEnd64Signature)
        fail("byte " + std::to_string(position), std::string("there is no zip64 end record") + kCopyAgain);
      end64.skip(28);  // its size, versions, disks, records on this disk
      found.count = end64.take<uint64_t>();
      found.size = end64.take<uint64_t>();
      found.offset = end64.take<uint64_t>();
      limit = position;
    }
  }
  if (found.offset > limit || found.size > limit - found.offset)
    fail("byte " + std::to_string(end), std::string("the zip directory lies outside the file") + kCopyAgain);
  return found;
}

void ZipArchive::read_directory(const Directory& directory) {
  ByteCursor cursor(file_->data() + directory.offset, directory.size);
  const std::string damaged = std::string("the zip directory is inconsistent") + kCopyAgain;
  for (uint64_t i = 0; i < directory.count; ++i) {
    const std::string where = "byte " + std::to_string(directory.offset + (directory.size - cursor.left()));
    if (cursor.left() < kCentralSize || cursor.take<uint32_t>() != kCentralSignature) fail(where, damaged);
    cursor.skip(4);  // versions
    const uint16_t flags = cursor.take<uint16_t>();
    Record record;
    record.method = cursor.take<uint16_t>();
    cursor.skip(4);  // time, date
    record.checksum = cursor.take<uint32_t>();
    record.packed_size = cursor.take<uint32_t>();
    record.size = cursor.take<uint32_t>();
    const uint16_t name_length = cursor.take<uint16_t>();
    const uint16_t extra_length = cursor.take<uint16_t>();
    const uint16_t comment_length = cursor.take<uint16_t>();
    cursor.skip(8);  // disk, attributes
    record.header = cursor.take<uint32_t>();
    if (cursor.left() < size_t{name_length} + extra_length + comment_length) fail(where, damaged);
    std::string name(reinterpret_cast<const char*>(cursor.data()), name_length);
    cursor.skip(name_length);
    if (!apply_zip64(ByteCursor(cursor.data(), extra_length), record)) fail(name, damaged);
    cursor.skip(size_t{extra_length} + comment_length);
    if (flags & kEncryptedFlag)
      fail(name, "the record is encrypted; unpack the archive with its password first");
    if (record.method != kStored && record.method != kDeflated)
      fail(name, "the record is packed by zip method " + std::to_string(record.method) +
                     ", but only stored and deflated records can be read; save it again with torch.save");
    locate_data(name, record, directory.offset);
    check_unpacked(name, record);
    if (!records_.emplace(std::move(name), record).second)
      fail(where,
           "a record's name occurs twice in the zip directory; save the checkpoint again with torch.save");
  }
}

void ZipArchive::locate_data(const std::string& name, Record& record, uint64_t limit) const {
  const std::string outside = std::string("the record lies outside the archive's data") + kCopyAgain;
  if (record.header > limit || limit - record.header < kLocalSize) fail(name, outside);
  ByteCursor local(file_->data() + record.header, kLocalSize);
  if (local.take<uint32_t>() != kLocalSignature)
    fail(name, std::string("the record has no header") + kCopyAgain);
  local.skip(22);  // fields that the directory contains too
  const uint16_t name_length = local.take<uint16_t>();
  const uint16_t extra_length = local.take<uint16_t>();
  record.data = record.header + kLocalSize + name_length + extra_length;
  if (record.data > limit || record.packed_size > limit - record.data) fail(name, outside);
  const char* local_name = reinterpret_cast<const char*>(file_->data() + record.header + kLocalSize);
  if (std::string_view(local_name, name_length) != name)
    fail(name, std::string("the record's own header has another name") + kCopyAgain);
  if (record.method == kStored && record.packed_size != record.size)
    fail(name, std::string("the record is stored, but its two sizes differ") + kCopyAgain);
}

/// All deflated records together must be in a plausible relation to the size of the file.
void ZipArchive::check_unpacked(const std::string& name, const Record& record) {
  if (record.method != kDeflated) return;
  const uint64_t most = kMostUnpacked * file_->size() + kUnpackedAlways;
  if (record.size > most || unpacked_ > most - record.size)
    fail(name, "the archive of " + std::to_string(file_->size()) + " bytes would unpack to more than " +
                   std::to_string(most) + "; save the checkpoint again with torch.save, which does not pack");
  unpacked_ += record.size;
}

/// Overlapping records would let a small archive expand to a huge one.
void ZipArchive::check_overlap() const {
  std::vector<std::pair<const std::string*, const Record*>> sorted;
  for (const auto& [name, record] : records_) sorted.emplace_back(&name, &record);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second->header < b.second->header; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const Record& before = *sorted[i - 1].second;
    if (sorted[i].second->header < before.data + before.packed_size)
      fail(*sorted[i].first, "the record overlaps " + *sorted[i - 1].first + kCopyAgain);
  }
}

Bytes ZipArchive::read(std::string_view name) const {
  const auto found = records_.find(name);
  if (found == records_.end())
    fail(std::string(name), std::string("the archive has no such record") + kCopyAgain);
  const Record& record = found->second;
  const uint8_t* packed = file_->data() + record.data;
  Bytes bytes{file_, packed, record.size};
  if (record.method == kDeflated) {
    const char* problem = nullptr;
    bytes = inflate(packed, record.packed_size, record.size, problem);
    if (problem) fail(found->first, std::string("the record ") + problem + kCopyAgain);
  }
  if (record.checksum != 0 && checksum_of(bytes.data, bytes.size) != record.checksum)
    fail(found->first, std::string("the record's checksum does not match its content") + kCopyAgain);
  return bytes;
}

}  // namespace vitrim::checkpoint
