#pragma once
// Encoded images made byte by byte, so that a test can make hostile ones.

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace vitrim::data::test {

inline std::string big_endian(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

inline std::string png_chunk(const std::string& kind, const std::string& content) {
  const std::string summed = kind + content;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(summed.data()), static_cast<uInt>(summed.size()));
  return big_endian(static_cast<uint32_t>(content.size())) + summed + big_endian(static_cast<uint32_t>(sum));
}

inline std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                bytes.size(), 6) != Z_OK)
    throw std::runtime_error("zlib refused");
  out.resize(size);
  return out;
}

/// `count` zero bytes as a zlib stream: a block of a mebibyte, packed once and repeated.
inline std::string deflated_zeros(size_t count) {
  constexpr size_t kBlock = 1 << 20;
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib refused");
  const auto packed = [&](size_t zeros, int flush) {
    std::string in(zeros, '\0'), out(4096 + zeros / 100, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, flush);
    out.resize(out.size() - stream.avail_out);
    return out;
  };
  std::string out = "\x78\x9c";
  const std::string block = packed(kBlock, Z_FULL_FLUSH);
  for (size_t i = 0; i < count / kBlock; ++i) out += block;
  out += packed(count % kBlock, Z_FINISH);
  deflateEnd(&stream);
  return out + big_endian(static_cast<uint32_t>(count % 65521 << 16 | 1));  // Adler-32 of zeros
}

struct PngKind {
  uint32_t width = 1, height = 1;
  int depth = 8, color = 2, channels = 3;  ///< RGB
};

/// A black PNG; `extra` are further chunks before the pixels.
inline std::string black_png(const PngKind& kind, const std::string& extra = "") {
  const size_t row =
      1 + (static_cast<size_t>(kind.width) * static_cast<size_t>(kind.channels * kind.depth) + 7) / 8;
  std::string header = big_endian(kind.width) + big_endian(kind.height);
  header += static_cast<char>(kind.depth);
  header += static_cast<char>(kind.color);
  header += std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra +
         png_chunk("IDAT", deflated_zeros(row * kind.height)) + png_chunk("IEND", "");
}

/// A progressive JPEG whose first scan of higher frequencies is there `count` times more.
inline std::string with_more_scans(const std::string& jpeg, int64_t count) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(jpeg.at(at)); };
  for (size_t at = 2; byte(at) == 0xFF;) {
    const size_t begin = at, content = at + 2 + byte(at + 2) * 256u + byte(at + 3);
    at = content;
    if (byte(begin + 1) != 0xDA) continue;
    while (byte(at) != 0xFF || byte(at + 1) == 0 || (byte(at + 1) & 0xF8) == 0xD0) ++at;
    const size_t band = begin + 5 + 2u * byte(begin + 4);
    if (byte(band) == 0 || byte(band + 2) >> 4 != 0) continue;
    const std::string scan = jpeg.substr(begin, at - begin);
    std::string out = jpeg.substr(0, at);
    for (int64_t i = 0; i < count; ++i) out += scan;
    return out + jpeg.substr(at);
  }
  throw std::runtime_error("no such scan");
}

}  // namespace vitrim::data::test
