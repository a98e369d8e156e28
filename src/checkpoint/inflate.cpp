#include "checkpoint/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <new>

namespace vitrim::checkpoint {
namespace {

/// Deflate can code 258 bytes in 2 bits, but no more.
constexpr uint64_t kMostPerByte = 1032;

/// zlib counts in 32 bits, so larger records go through it in pieces.
constexpr uint64_t kPiece = uint64_t{1} << 30;

struct Stream {
  z_stream zlib{};
  bool ready = false;
  // Negative window bits: raw deflate data, as zip stores it.
  Stream() { ready = inflateInit2(&zlib, -MAX_WBITS) == Z_OK; }
  ~Stream() {
    if (ready) inflateEnd(&zlib);
  }
};

}  // namespace

Bytes inflate(const uint8_t* packed, uint64_t packed_size, uint64_t size, const char*& problem) {
  problem = nullptr;
  if (size / kMostPerByte > packed_size) {
    problem = "claims a size that deflate can't reach";
    return {};
  }
  Stream stream;
  if (!stream.ready) {
    problem = "could not be unpacked because memory is short";
    return {};
  }
  // `new` aligns for every element type; one byte more, so that an empty record has an address too.
  std::shared_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[size + 1]);
  if (!memory) {
    problem = "needs more memory than there is";
    return {};
  }
  uint64_t read = 0, written = 0;
  int outcome = Z_OK;
  while (outcome == Z_OK) {
    const auto in = static_cast<uInt>(std::min(packed_size - read, kPiece));
    const auto out = static_cast<uInt>(std::min(size + 1 - written, kPiece));
    stream.zlib.next_in = const_cast<Bytef*>(packed + read);
    stream.zlib.avail_in = in;
    stream.zlib.next_out = memory.get() + written;
    stream.zlib.avail_out = out;
    outcome = ::inflate(&stream.zlib, Z_NO_FLUSH);
    read += in - stream.zlib.avail_in;
    written += out - stream.zlib.avail_out;
    // No progress on either side: the data end early, or there are more than expected.
    if (outcome == Z_OK && in == stream.zlib.avail_in && out == stream.zlib.avail_out) outcome = Z_BUF_ERROR;
  }
  if (outcome != Z_STREAM_END) {
    problem = "can't be unpacked";
    return {};
  }
  if (written != size) {
    problem = "does not unpack to the size it claims";
    return {};
  }
  return Bytes{memory, memory.get(), size};
}

}  // namespace vitrim::checkpoint
