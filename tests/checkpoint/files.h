#pragma once
// Builds checkpoint files byte by byte, so that a test can make wrong ones.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "core/expect_throw.h"

namespace vitrim::test {

/// A folder that is removed when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "vitrim-checkpoint-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A little-endian number as bytes.
template <typename Number>
std::string bytes_of(Number value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string safetensors_file(const std::string& header, const std::string& data) {
  return bytes_of(static_cast<uint64_t>(header.size())) + header + data;
}

inline uint32_t crc32_of(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

/// Writes zip archives of stored records; the fields can be changed.
struct ZipWriter {
  struct Entry {
    std::string name, content;
    uint16_t method = 0, flags = 0;
    uint32_t size = 0;  ///< 0: the content's
    uint32_t checksum = 0;
    bool zip64 = false;
  };
  std::vector<Entry> entries;
  bool zip64_end = false;

  void add(const std::string& name, const std::string& content) {
    entries.push_back({name, content, 0, 0, 0, crc32_of(content), false});
  }

  std::string bytes() const {
    std::string file, directory;
    for (const Entry& entry : entries) {
      const uint32_t packed = static_cast<uint32_t>(entry.content.size());
      const uint32_t size = entry.size ? entry.size : packed;
      const std::string common =
          bytes_of(entry.flags) + bytes_of(entry.method) + bytes_of(uint32_t{0}) + bytes_of(entry.checksum);
      std::string extra;
      if (entry.zip64)
        extra = bytes_of(uint16_t{1}) + bytes_of(uint16_t{24}) + bytes_of(uint64_t{size}) +
                bytes_of(uint64_t{packed}) + bytes_of(static_cast<uint64_t>(file.size()));
      const uint32_t all = 0xffffffff;
      const std::string sizes = bytes_of(entry.zip64 ? all : packed) + bytes_of(entry.zip64 ? all : size) +
                                bytes_of(static_cast<uint16_t>(entry.name.size()));
      directory += "PK\x01\x02" + bytes_of(uint32_t{0x00140014}) + common + sizes +
                   bytes_of(static_cast<uint16_t>(extra.size())) + bytes_of(uint16_t{0}) +
                   bytes_of(uint64_t{0}) + bytes_of(entry.zip64 ? all : static_cast<uint32_t>(file.size())) +
                   entry.name + extra;
      file += "PK\x03\x04" + bytes_of(uint16_t{20}) + common + sizes + bytes_of(uint16_t{0}) + entry.name +
              entry.content;
    }
    const uint64_t offset = file.size(), count = entries.size();
    file += directory;
    if (zip64_end) {
      const uint64_t end64 = file.size();
      file += "PK\x06\x06" + bytes_of(uint64_t{44}) + bytes_of(uint32_t{0}) + bytes_of(uint64_t{0}) +
              bytes_of(count) + bytes_of(count) + bytes_of(static_cast<uint64_t>(directory.size())) +
              bytes_of(offset);
      file += "PK\x06\x07" + bytes_of(uint32_t{0}) + bytes_of(end64) + bytes_of(uint32_t{1});
      return file + "PK\x05\x06" + bytes_of(uint32_t{0}) + bytes_of(uint32_t{0xffffffff}) +
             bytes_of(uint64_t{~uint64_t{0}}) + bytes_of(uint16_t{0});
    }
    return file + "PK\x05\x06" + bytes_of(uint32_t{0}) + bytes_of(static_cast<uint16_t>(count)) +
           bytes_of(static_cast<uint16_t>(count)) + bytes_of(static_cast<uint32_t>(directory.size())) +
           bytes_of(static_cast<uint32_t>(offset)) + bytes_of(uint16_t{0});
  }
};

// --- pickles, protocol 2
inline std::string p_text(const std::string& text) {
  return "X" + bytes_of(static_cast<uint32_t>(text.size())) + text;
}
inline std::string p_int(int64_t value) { return std::string("\x8a\x08") + bytes_of(value); }
inline std::string p_global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string p_tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string p_ints(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(p_int(value));
  return p_tuple(items);
}
inline std::string p_call(const std::string& callee, const std::vector<std::string>& arguments) {
  return callee + p_tuple(arguments) + "R";
}
inline std::string p_dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string bytes = "}(";
  for (const auto& [key, value] : entries) bytes += p_text(key) + value;
  return bytes + "u";
}
inline std::string p_storage(const std::string& type, const std::string& key, int64_t count) {
  return p_tuple({p_text("storage"), p_global("torch", type), p_text(key), p_text("cpu"), p_int(count)}) +
         "Q";
}
inline std::string p_tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                            const std::vector<int64_t>& strides) {
  return p_call(p_global("torch._utils", "_rebuild_tensor_v2"),
                {storage, p_int(offset), p_ints(shape), p_ints(strides), "\x89",
                 p_call(p_global("collections", "OrderedDict"), {})});
}

/// A .pth file from the pickle of its content (without PROTO and STOP) and its storages.
inline ZipWriter pth_archive(const std::string& content,
                             const std::vector<std::pair<std::string, std::string>>& storages) {
  ZipWriter zip;
  zip.add("archive/data.pkl", "\x80\x02" + content + ".");
  zip.add("archive/byteorder", "little");
  for (const auto& [key, bytes] : storages) zip.add("archive/data/" + key, bytes);
  return zip;
}

/// A storage of float32 0, 1, 2, ...
inline std::string floats(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += bytes_of(static_cast<float>(i));
  return bytes;
}

}  // namespace vitrim::test

/// Whether a message contains a text.
#define EXPECT_SAYS(message, part) EXPECT_NE(std::string(message).find(part), std::string::npos) << (message)
