#pragma once
// Code that the fuzz tests share: their time, their seed, and small changes of bytes. All fuzz tests together
// take the time in VITRIM_FUZZ_SECONDS.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "vitrim/core/random.h"

namespace vitrim::test {

/// The share of one test in the time, as a fraction of VITRIM_FUZZ_SECONDS (10 if it is not set).
inline double fuzz_seconds(double share) {
  const char* named = std::getenv("VITRIM_FUZZ_SECONDS");
  return (named ? std::atof(named) : 10.0) * share;
}

inline uint64_t fuzz_seed() {
  const char* named = std::getenv("VITRIM_FUZZ_SEED");
  return named ? std::strtoull(named, nullptr, 10) : 1;
}

/// One small change: bits, bytes, numbers at their limits in either order of bytes, cuts, copies, digits, the
/// format's own words.
inline void mutate(std::string& bytes, Random& random, const std::vector<std::string>& words) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random.below(static_cast<int64_t>(n))); };
  if (bytes.empty()) {
    bytes.assign(1, static_cast<char>(random.next()));
    return;
  }
  constexpr uint64_t kExtremes[] = {0,
                                    1,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x7fff,
                                    0xffff,
                                    0x8000,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    0x100000000,
                                    0x7fffffffffffffff,
                                    ~uint64_t{0}};
  const size_t at = below(bytes.size());
  switch (random.below(10)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random.next());
      break;
    case 2:
    case 3: {
      const uint64_t value = kExtremes[below(std::size(kExtremes))];
      const size_t width = std::min<size_t>(size_t{1} << random.below(4), bytes.size() - at);
      const bool big_endian = random.below(2) == 0;
      for (size_t i = 0; i < width; ++i)
        bytes[at + (big_endian ? width - 1 - i : i)] = static_cast<char>(value >> (8 * i));
      break;
    }
    case 4:
      bytes.resize(at);
      break;
    case 5:
      bytes.insert(below(bytes.size()), bytes.substr(at, 1 + below(64)));
      break;
    case 6:
      bytes.erase(at, 1 + below(16));
      break;
    case 7:
      bytes.insert(at, words[below(words.size())]);
      break;
    case 8: {  // the next digit becomes another
      const size_t digit = bytes.find_first_of("0123456789", at);
      if (digit != std::string::npos) bytes[digit] = static_cast<char>('0' + random.below(10));
      break;
    }
    default: {
      const std::string& word = words[below(words.size())];
      bytes.replace(at, std::min(word.size(), bytes.size() - at), word);
    }
  }
}

}  // namespace vitrim::test
