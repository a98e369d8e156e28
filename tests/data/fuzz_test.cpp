// Mutated images, archives and class lists. Whatever the bytes, a reader returns or throws vitrim::Error with
// the file's name, within the resource rule. Changes keep to each format's structure (checksums and lengths
// are made right again), so that they come deeper than its first check. See fuzzing.h for how long and where
// from.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <ctime>
#include <functional>

#include "data/data_fixtures.h"
#include "data/encoded_images.h"
#include "data/tar_files.h"
#include "fuzzing.h"
#include "resource_limits.h"
#include "vitrim/core/error.h"
#include "vitrim/data/class_list.h"

namespace vitrim::data {
namespace {

using namespace test;
using vitrim::test::mutate;

constexpr double kShare = 0.1;           // of the time, for each of the tests below
constexpr int64_t kFewPixels = 1 << 20;  // so that one large image does not use the time of a thousand

int64_t peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

using Words = std::vector<std::string>;
using Next = std::function<std::string(Random&)>;
using Reader = std::function<void(const std::string& bytes, const std::string& name)>;

/// Passes the bytes of `next` to the reader until the time is up.
void fuzz(const std::string& label, const Next& next, const Reader& read) {
  Random random(vitrim::test::fuzz_seed(), std::hash<std::string>{}(label));
  const TempDir folder;
  const std::string name = folder.file("fuzzed." + label);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(vitrim::test::fuzz_seconds(kShare));
  const int64_t before = peak_megabytes();
  int64_t runs = 0, taken = 0;
  while (std::chrono::steady_clock::now() < end) {
    const std::string bytes = next(random);
    const std::clock_t started = std::clock();
    std::string problem;
    ++runs;
    try {
      read(bytes, name);
      ++taken;
    } catch (const Error& error) {
      if (!contains(error.what(), name)) problem = std::string("does not name the file: ") + error.what();
    } catch (const std::exception& error) {
      problem = std::string("throws something else: ") + error.what();
    }
    const double seconds = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
    if (seconds > 2) problem = "takes " + std::to_string(seconds) + " seconds";
    if (peak_megabytes() - before > 512)
      problem = "takes " + std::to_string(peak_megabytes() - before) + " MiB";
    if (problem.empty()) continue;
    const std::string kept = (std::filesystem::temp_directory_path() / ("vitrim-fuzz-" + label)).string();
    put(kept, bytes);
    FAIL() << "run " << runs << " " << problem << "; see " << kept << ", which belongs into tests/corpus";
  }
  ::testing::Test::RecordProperty("runs", static_cast<int>(runs));
  EXPECT_GT(taken, 0) << "mutations so wild that nothing is read test little";
  EXPECT_LT(taken, runs);
}

void read_image(const std::string& bytes, const std::string& name) {
  decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name, kFewPixels);
}

void read_mask(const std::string& bytes, const std::string& name) {
  decode_mask(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name, kFewPixels);
}

void read_archive(const std::string& bytes, const std::string& name) {
  put(name + ".tar", bytes);
  const auto set = open_dataset(name + ".tar");
  for (int64_t i = 0; i < set->size(); ++i) (void)set->name(i), (void)set->label(i), (void)set->read(i);
}

void read_list(const std::string& bytes, const std::string& name) {
  for (const std::string& line : parse_class_list(bytes, name)) ASSERT_FALSE(line.empty());
}

size_t pick(Random& random, size_t n) { return static_cast<size_t>(random.below(static_cast<int64_t>(n))); }

/// A file divided into the parts of its format, of which some are changed, removed, doubled or moved.
void shuffle_parts(std::vector<std::string>& parts, Random& random, const Words& words) {
  for (int64_t changes = 1 + random.below(3); changes > 0 && !parts.empty(); --changes) {
    const size_t at = pick(random, parts.size());
    switch (random.below(8)) {
      case 0:
        parts.erase(parts.begin() + static_cast<int64_t>(at));
        break;
      case 1:
        parts.insert(parts.begin() + static_cast<int64_t>(pick(random, parts.size())), parts[at]);
        break;
      case 2:
        std::swap(parts[at], parts[pick(random, parts.size())]);
        break;
      default:
        mutate(parts[at], random, words);
    }
  }
}

uint32_t number_at(const std::string& bytes, size_t at, bool big) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i)
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << 8 * (big ? 3 - i : i);
  return value;
}

/// Of a PNG: each chunk's name and content.
std::vector<std::string> png_parts(const std::string& png) {
  std::vector<std::string> parts;
  for (size_t at = 8; at + 12 <= png.size();) {
    const size_t length = number_at(png, at, true);
    parts.push_back(png.substr(at + 4, 4 + length));
    at += 12 + length;
  }
  return parts;
}

std::string png_of(const std::vector<std::string>& parts) {
  std::string out = "\x89PNG\r\n\x1a\n";
  for (const std::string& part : parts)
    out += png_chunk(part.substr(0, 4), part.size() > 4 ? part.substr(4) : "");
  return out;
}

const Words& png_words() {
  static const Words words{
      "IHDR", "PLTE", "tRNS", "IDAT", "IEND", "iCCP", "zTXt", "\x78\x9c", std::string(4, '\0')};
  return words;
}

/// A PNG whose chunks or whose pixels (before they are packed) are changed.
std::string next_png(const std::vector<std::string>& files, Random& random) {
  const std::string& file = files[pick(random, files.size())];
  if (random.below(8) == 0) {
    std::string raw = file;
    mutate(raw, random, png_words());
    return raw;
  }
  std::vector<std::string> parts = png_parts(file);
  if (random.below(2) == 0) {  // the rows that a header declares, with any filter and any values
    std::string rows(pick(random, 4000), '\0');
    for (char& c : rows)
      c = static_cast<char>(random.below(3) == 0 ? random.next() : static_cast<uint64_t>(random.below(6)));
    for (std::string& part : parts) {
      if (part.starts_with("IDAT")) part = "IDAT" + deflated(rows);
    }
    mutate(parts[0], random, png_words());
    return png_of(parts);
  }
  shuffle_parts(parts, random, png_words());
  return png_of(parts);
}

std::vector<std::string> files_of(std::initializer_list<const char*> names) {
  std::vector<std::string> out;
  for (const char* name : names) out.push_back(fixture_bytes(name));
  return out;
}

TEST(Fuzz, Png) {
  const auto files = files_of({"rgb.png", "palette4.png", "interlaced.png", "rgb16.png",
                               "grey2_interlaced.png", "alpha.png", "grey4.png"});
  fuzz(
      "png", [&](Random& random) { return next_png(files, random); },
      [](const std::string& bytes, const std::string& name) {
        try {
          read_mask(bytes, name);
        } catch (const FormatError&) {
        }
        read_image(bytes, name);
      });
}

/// Of a JPEG: marker segments, those with pixels together with these.
std::vector<std::string> jpeg_parts(const std::string& jpeg) {
  std::vector<std::string> parts;
  size_t begin = 2;
  for (size_t at = 3; at <= jpeg.size(); ++at) {
    const auto next = at + 1 < jpeg.size() ? static_cast<unsigned char>(jpeg[at + 1]) : 0u;
    if (at < jpeg.size() && (jpeg[at] != '\xFF' || next < 0xC0 || (next >= 0xD0 && next <= 0xD7))) continue;
    parts.push_back(jpeg.substr(begin, at - begin));
    begin = at;
  }
  return parts;
}

TEST(Fuzz, Jpeg) {
  const auto files = files_of({"rgb420.jpg", "progressive.jpg", "cmyk.jpg", "optimized.jpeg", "grey.jpg"});
  const Words words{"\xFF\xD8", "\xFF\xD9", "\xFF\xDA", "\xFF\xC0", "\xFF\xC2", "\xFF\xC9",
                    "\xFF\xC4", "\xFF\xDB", "\xFF\xDD", "\xFF\xD0", "Adobe",    std::string(2, '\0')};
  fuzz(
      "jpg",
      [&](Random& random) {
        const std::string& file = files[pick(random, files.size())];
        std::vector<std::string> parts = jpeg_parts(file);
        shuffle_parts(parts, random, words);
        std::string out = "\xFF\xD8";
        for (const std::string& part : parts) out += part;
        return out;
      },
      read_image);
}

TEST(Fuzz, WebP) {
  const auto files = files_of({"lossy.webp", "lossless.webp", "alpha.webp", "animated.webp"});
  const Words words{"VP8 ",         "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP", std::string(4, '\0'),
                    "\x9d\x01\x2a", "\x2f"};
  fuzz(
      "webp",
      [&](Random& random) {
        const std::string& file = files[pick(random, files.size())];
        std::vector<std::string> parts;
        for (size_t at = 12; at + 8 <= file.size();) {
          const size_t length = number_at(file, at + 4, false);
          parts.push_back(file.substr(at, 8 + length + length % 2));
          at += 8 + length + length % 2;
        }
        shuffle_parts(parts, random, words);
        std::string body = "WEBP";
        for (const std::string& part : parts) body += part;
        std::string size = big_endian(static_cast<uint32_t>(body.size()));
        std::reverse(size.begin(), size.end());
        return "RIFF" + size + body;
      },
      read_image);
}

TEST(Fuzz, Tar) {
  const std::string picture = fixture_bytes("grey4.png");
  const std::string valid =
      tar_member("g", pax_record("comment", "x"), 'g') + tar_member("a.png", picture) +
      tar_member("a.cls", "1") + tar_member("././@LongLink", std::string(150, 'k') + ".png", 'L') +
      tar_member("k", picture) +
      tar_member("x", pax_record("path", std::string(150, 'k') + ".cls") + pax_record("size", "1"), 'x') +
      tar_member("k", "2") + tar_member("b.v1.png", "x") + tar_member("b.bmp", "x") +
      tar_header("l.png", '2', tar_octal(0)) + kTarEnd;
  const Words words{"path=",
                    "size=",
                    "9",
                    "-1",
                    "99999999999999999999",
                    "\n",
                    std::string(1, '\0'),
                    ".cls",
                    ".jpg",
                    "/",
                    "GNU.sparse.",
                    "\x80",
                    "\xff\xff\xff\xff",
                    "77777777777",
                    " ",
                    std::string(512, '\0')};
  fuzz(
      "tar",
      [&](Random& random) {
        std::string bytes = valid;
        for (int64_t changes = 1 + random.below(3); changes > 0 && !bytes.empty(); --changes) {
          const size_t at = pick(random, bytes.size()), block = at / 512 * 512;
          const int64_t kind = random.below(4);
          if (kind == 0 && block + 156 < bytes.size()) {
            bytes[block + 156] = "01257LKxgXSV"[random.below(12)];  // what the member is
          } else if (kind == 1) {
            bytes.replace(std::min(bytes.size() - 1, block + 124), 4,
                          words[pick(random, words.size())]);  // its size
          } else if (kind == 2) {
            bytes.erase(at, 1 + pick(random, 600));
          } else {
            mutate(bytes, random, words);
          }
        }
        if (random.below(4) == 0) return bytes;
        // Blocks that look like headers get their checksum back.
        for (size_t at = 0; at + 512 <= bytes.size(); at += 512) {
          if (bytes.compare(at + 257, 5, "ustar") == 0)
            bytes.replace(at, 512, tar_summed(bytes.substr(at, 512)));
        }
        return bytes;
      },
      read_archive);
}

TEST(Fuzz, ClassList) {
  const std::string lines = "n01 tench, Tinca tinca\r\nAM General Hummer\nCafe\xCC\x81\n\xF0\x9F\x90\x95\n";
  std::string wide = "\xFF\xFE";
  for (const char c : lines.substr(0, 40)) wide += {c, '\0'};
  const Words words{"\n",
                    "\r",
                    "\n\n",
                    "\xEF\xBB\xBF",
                    "\xFF\xFE",
                    "\xFE\xFF",
                    std::string(1, '\0'),
                    "\xCC\x81",
                    "\xCC\xA3",
                    "\xED\xA0\x80",
                    "\xF4\x90\x80\x80",
                    " ",
                    "\xE1\x84\x80\xE1\x85\xA1"};
  fuzz(
      "txt",
      [&](Random& random) {
        std::string bytes = random.below(2) == 0 ? lines : wide;
        for (int64_t changes = 1 + random.below(4); changes > 0; --changes) mutate(bytes, random, words);
        return bytes;
      },
      read_list);
}

/// Every file that once broke a reader, under the resource rule.
TEST(Fuzz, Corpus) {
  const TempDir temporary;
  for (const auto& [folder, read] :
       {std::pair("image", Reader(read_image)), std::pair("archive", Reader(read_archive)),
        std::pair("class_list", Reader(read_list))}) {
    int64_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(VITRIM_SOURCE_DIR) /
                                                                 "tests/corpus" / folder)) {
      const std::string name = entry.path().filename().string(),
                        bytes = read_text_file(entry.path().string());
      EXPECT_EQ(vitrim::test::run_limited([&] { read(bytes, temporary.file(name)); }).broken, "") << name;
      ++count;
    }
    EXPECT_GT(count, 0) << folder;
  }
}

}  // namespace
}  // namespace vitrim::data
