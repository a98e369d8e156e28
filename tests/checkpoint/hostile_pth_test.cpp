// .pth files of at most 1 MB that are made to be expensive: each is refused, or read, within the limits of
// resource_limits.h.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "checkpoint/files.h"
#include "resource_limits.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

constexpr size_t kMegabyte = 1'000'000;

std::string repeat(const std::string& text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// Raw deflate data, as in zip archives.
std::string deflated(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

ZipWriter::Entry packed_entry(const std::string& name, const std::string& content) {
  return {name, deflated(content), 8, 0, static_cast<uint32_t>(content.size()), 0, false};
}

/// Entries "0", "1", ... that all recall what `first` remembers in slot 9.
std::string sharing(const std::string& first, size_t count) {
  std::string pickle = "}(" + p_text("first") + first + "q\x09";
  for (size_t i = 0; i < count; ++i) pickle += p_text(std::to_string(i)) + "h\x09";
  return pickle + "u";
}

class HostilePth : public ::testing::Test {
 protected:
  std::string refuse(const std::string& bytes) {
    EXPECT_LE(bytes.size(), kMegabyte);
    write_file(path_, bytes);
    return refused_within_limits([&] { load(path_); });
  }
  /// Both results are right, if they are quick.
  void bear(const std::string& bytes) {
    EXPECT_LE(bytes.size(), kMegabyte);
    write_file(path_, bytes);
    EXPECT_EQ(run_limited([&] { load(path_); }).broken, "");
  }
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "a.pth";
};

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST_F(HostilePth, ViewsOfOneStorageShareItWhereverItLies) {
  // Record names of four lengths: at most one of them puts the numbers at a multiple of four.
  for (const char* key : {"0", "00", "000", "0000"}) {
    const std::string storage = p_storage("FloatStorage", key, 6);
    write_file(path_, pth_archive(p_dict({{"a", p_tensor(storage, 0, {2, 3}, {3, 1})},
                                          {"b", p_tensor(storage, 1, {4}, {1})}}),
                                  {{key, floats(6)}})
                          .bytes());
    const StateDict state = load(path_);
    EXPECT_EQ(state.at("b").const_data_ptr<float>(), state.at("a").const_data_ptr<float>() + 1);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(state.at("a").const_data_ptr()) % sizeof(float), 0u);
    EXPECT_TRUE(at::equal(state.at("a"), at::arange(6, at::kFloat).reshape({2, 3})));
  }
}

TEST_F(HostilePth, ManyViewsOfALargeStorage) {
  const int count = 150'000;
  for (const char* key : {"0", "00", "000"}) {
    const std::string view = p_tensor(p_storage("FloatStorage", key, count), 0, {count}, {1});
    EXPECT_SAYS(refuse(pth_archive(sharing(view, 20'000), {{key, floats(count)}}).bytes()),
                "times as large as what is stored");
    // A few of them are normal in files of training scripts.
    write_file(path_, pth_archive(sharing(view, 10), {{key, floats(count)}}).bytes());
    taken_within_limits([&] { load(path_); });
  }
  const std::string flags = p_tensor(p_storage("BoolStorage", "0", 600'000), 0, {2}, {599'999});
  EXPECT_SAYS(refuse(pth_archive(sharing(flags, 20'000), {{"0", std::string(600'000, '\1')}}).bytes()),
              "times as large as what is stored");
  const std::string expanded = p_tensor(p_storage("FloatStorage", "0", 1), 0, {1 << 20}, {0});
  EXPECT_SAYS(refuse(pth_archive(sharing(expanded, 1000), {{"0", floats(1)}}).bytes()),
              "times as large as what is stored");
}

TEST_F(HostilePth, LongMetadataSharedByAllTensors) {
  std::string metadata = "}(";
  for (int i = 0; i < 1000; ++i) metadata += p_text(std::to_string(i)) + "\x89";
  metadata += "u";
  const std::string view = p_call(p_global("torch._utils", "_rebuild_tensor_v2"),
                                  {p_storage("FloatStorage", "0", 1), p_int(0), p_ints({1}), p_ints({1}),
                                   "\x89", p_call(p_global("collections", "OrderedDict"), {}), metadata});
  EXPECT_SAYS(refuse(pth_archive(sharing(view, 50'000), {{"0", floats(1)}}).bytes()), "metadata");
}

TEST_F(HostilePth, InstructionsThatTakeMoreMemoryThanTheirBytes) {
  const size_t most = 900'000;
  // Marks, values, copies of the top, one remembered value under ever new numbers, small tuples.
  for (const std::string& piece :
       {std::string("("), std::string(")"), std::string("}"), std::string("N2"), std::string("N\x94"),
        std::string("\x94"), std::string("N\x85"), std::string("(t"), std::string("K\x01\x85\x85\x85")}) {
    const std::string stored = "N" + repeat(piece, most / piece.size());
    bear(pth_archive(stored, {}).bytes());
    // Compressed, the same megabyte contains millions of instructions.
    ZipWriter zip;
    zip.entries.push_back(
        packed_entry("archive/data.pkl", "\x80\x02N" + repeat(piece, (12 << 20) / piece.size())));
    refuse(zip.bytes());
  }
  std::string slots = "N";
  for (uint32_t i = 0; slots.size() < most; ++i) slots += "r" + bytes_of(i * 2654435761u);
  bear(pth_archive(slots, {}).bytes());
  // A list of lists, each of which is put into the next many times.
  std::string lists = "]q\x01";
  while (lists.size() < most) lists += "](" + repeat("h\x01", 100) + "eq\x01";
  bear(pth_archive(lists, {}).bytes());
}

TEST_F(HostilePth, DictsThatSpellOutMoreNamesThanTheFileHasBytes) {
  const std::string tensor = p_tensor(p_storage("FloatStorage", "0", 1), 0, {1}, {1});
  std::string twice = tensor;
  for (int depth = 0; depth < 60; ++depth)
    twice = "}(" + p_text("a") + twice + "q\x01" + p_text("b") + "h\x01u";
  EXPECT_SAYS(refuse(pth_archive(twice, {{"0", floats(1)}}).bytes()), "more entries than any model's");
  // Without a tensor at the end, and with one in the state of another object.
  std::string barren = "}";
  for (int depth = 0; depth < 60; ++depth)
    barren = "}(" + p_text("a") + barren + "q\x01" + p_text("b") + "h\x01u";
  bear(pth_archive(barren, {}).bytes());
  // Keys as long as names may be, at every depth.
  std::string deep = tensor;
  for (int depth = 0; depth < 60; ++depth)
    deep = "}(" + p_text(std::string(999, 'k')) + deep + "q\x01" + p_text(std::string(998, 'k')) + "h\x01u";
  EXPECT_SAYS(refuse(pth_archive(deep, {{"0", floats(1)}}).bytes()), "name is longer than");
  // One wide dict, met under many names.
  std::string wide = "}(";
  for (int i = 0; wide.size() < 500'000; ++i) wide += p_text(std::to_string(i)) + "N";
  EXPECT_SAYS(
      refuse(pth_archive(sharing(wide + p_text("t") + tensor + "u", 40'000), {{"0", floats(1)}}).bytes()),
      "more entries than any model's");
  const std::string object = p_global("a", "B") + ")\x81" + sharing("N", 40'000) + "b";
  EXPECT_SAYS(refuse(pth_archive(sharing(object, 40'000), {}).bytes()), "more entries than any model's");
}

TEST_F(HostilePth, ZipBombs) {
  ZipWriter zip =
      pth_archive(p_dict({{"w", p_tensor(p_storage("ByteStorage", "0", 80'000'000), 0, {1}, {1})}}), {});
  zip.entries.push_back(packed_entry("archive/data/0", std::string(80'000'000, '\0')));
  EXPECT_SAYS(refuse(zip.bytes()), "would unpack to more than");
  // Many, each of which alone would be allowed.
  ZipWriter many = pth_archive("}", {});
  const ZipWriter::Entry one = packed_entry("", std::string(40'000'000, '\0'));
  for (int i = 0; i < 15; ++i) {
    many.entries.push_back(one);
    many.entries.back().name = "archive/data/" + std::to_string(i);
  }
  EXPECT_SAYS(refuse(many.bytes()), "would unpack to more than");
  // Data that compresses as well as zeros, in a small amount, is not a bomb.
  ZipWriter small =
      pth_archive(p_dict({{"w", p_tensor(p_storage("ByteStorage", "0", 4'000'000), 0, {9}, {1})}}), {});
  small.entries.push_back(packed_entry("archive/data/0", std::string(4'000'000, '\7')));
  write_file(path_, small.bytes());
  EXPECT_EQ(StateDict(load(path_)).at("w").sum().item<int64_t>(), 63);
  // A directory with as many entries as possible.
  ZipWriter names = pth_archive("}", {});
  for (int i = 0; i < 8000; ++i) names.add("a" + std::to_string(i), "");
  bear(names.bytes());
}

// Files that once crashed the program, or filled its machine's memory.
TEST(Corpus, EveryCheckpointIsRefusedWithinTheLimits) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(VITRIM_SOURCE_DIR "/tests/corpus/checkpoint")) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_SAYS(refused_within_limits([&] { load(entry.path().string()); }), entry.path().string());
    ++files;
  }
  EXPECT_GT(files, 4);
}

}  // namespace
}  // namespace vitrim::checkpoint
