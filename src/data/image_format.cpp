#include "data/image_format.h"

#include <algorithm>
#include <array>

namespace vitrim::data {
namespace {

using namespace std::string_view_literals;

/// Bytes at a fixed place in every file of a format.
struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view format;
};

constexpr Signature kSignatures[] = {
    {0, "\xFF\xD8\xFF"sv, "JPEG"},
    {0, "\x89PNG\r\n\x1A\n"sv, "PNG"},
    {8, "WEBP"sv, "WebP"},  // after "RIFF" and a size
    {0, "GIF8"sv, "GIF"},
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "TIFF"},
    {0, "MM\0+"sv, "TIFF"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftypavis"sv, "AVIF"},
    {4, "ftypheic"sv, "HEIC"},
    {4, "ftypheix"sv, "HEIC"},
    {4, "ftyphevc"sv, "HEIC"},
    {4, "ftypmif1"sv, "HEIC"},
    {4, "ftypmsf1"sv, "HEIC"},
    {0, "\0\0\0\x0CjP  \r\n\x87\n"sv, "JPEG 2000"},
    {0, "\xFF\x4F\xFF\x51"sv, "JPEG 2000"},
    {0, "\0\0\0\x0CJXL \r\n\x87\n"sv, "JPEG XL"},
    {0, "\xFF\x0A"sv, "JPEG XL"},
    {0, "8BPS"sv, "Photoshop"},
    {0, "\0\0\1\0"sv, "icon"},
    {0, "v/1\1"sv, "OpenEXR"},
    {0, "#?RADIANCE"sv, "Radiance HDR"},
    {0, "DDS "sv, "DDS"},
    {0, "<svg"sv, "SVG"},
    {0, "BM"sv, "BMP"},
};

constexpr std::string_view kDecoded[] = {"jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "png", "webp"};
constexpr std::string_view kOtherImages[] = {
    "bmp", "dib", "tif", "tiff", "gif", "avif", "avifs", "heic", "heif", "hif", "jp2", "j2k",
    "jpx", "jxl", "psd", "ico",  "exr", "hdr",  "dds",   "svg",  "svgz", "ppm", "pgm", "pbm",
    "pnm", "pfm", "tga", "pcx",  "dcm", "dng",  "cr2",   "cr3",  "nef",  "arw", "raw", "apng"};
constexpr std::string_view kNoImages[] = {
    "txt", "json", "jsonl", "xml", "csv", "tsv",   "md",      "html", "htm",  "yaml",   "yml", "toml",
    "ini", "log",  "py",    "npy", "npz", "mat",   "pt",      "pth",  "pkl",  "db",     "lnk", "cls",
    "zip", "tar",  "gz",    "pdf", "sh",  "ipynb", "parquet", "h5",   "lock", "sha256", "md5"};

template <size_t n>
bool holds(const std::string_view (&list)[n], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

}  // namespace

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view format_of_content(const uint8_t* bytes, size_t count) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), std::min<size_t>(count, 32));
  for (const Signature& one : kSignatures) {
    if (text.size() < one.offset + one.bytes.size()) continue;
    if (text.substr(one.offset, one.bytes.size()) != one.bytes) continue;
    if (one.format == "WebP" && !text.starts_with("RIFF")) continue;
    return one.format;
  }
  // Netpbm: P1 to P7 and a blank.
  if (text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '7' &&
      (text[2] == '\n' || text[2] == ' ' || text[2] == '\r'))
    return "Netpbm";
  return {};
}

bool is_decoded(std::string_view format) { return format == "JPEG" || format == "PNG" || format == "WebP"; }

Ending kind_of_ending(std::string_view ending) {
  if (ending.starts_with('.')) ending.remove_prefix(1);
  const std::string word = lower_ascii(ending);
  if (holds(kDecoded, word)) return Ending::kDecoded;
  if (holds(kOtherImages, word)) return Ending::kOtherImage;
  return holds(kNoImages, word) ? Ending::kOther : Ending::kUnknown;
}

}  // namespace vitrim::data
