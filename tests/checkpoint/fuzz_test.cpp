// Mutated checkpoint files. Whatever the bytes, a reader returns a StateDict or throws vitrim::Error; it
// neither crashes nor allocates without bound. VITRIM_FUZZ_SECONDS sets the time, VITRIM_FUZZ_SEED the seed.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>

#include "checkpoint/files.h"
#include "fuzzing.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/core/random.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

/// The largest memory of the process so far, in megabytes.
int64_t peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

const std::vector<std::string> kWords{"\"F32\"",
                                      "\"BOOL\"",
                                      "-1",
                                      "9223372036854775807",
                                      "18446744073709551615",
                                      "1e3",
                                      "[]",
                                      "{}",
                                      "null",
                                      "\"a\":",
                                      "__metadata__",
                                      "shape",
                                      "}q\x01",
                                      "h\x01",
                                      "(",
                                      "t",
                                      "R",
                                      "\x89",
                                      ")",
                                      "b"};

/// Reads every number of small tensors, so that a view beyond its memory is noticed.
void touch(const StateDict& state) {
  for (const auto& [name, tensor] : state.entries())
    if (tensor.nbytes() <= (size_t{1} << 20)) (void)tensor.clone(at::MemoryFormat::Contiguous).nbytes();
}

using Reader = std::function<StateDict(const std::string&)>;

/// Passes the bytes of `next()` to the reader until the time is up.
void fuzz(const std::string& label, const Reader& reader, const std::function<std::string(Random&)>& next) {
  const TemporaryFolder folder;
  const std::string path = folder / "fuzzed";
  Random random(fuzz_seed(), std::hash<std::string>{}(label));
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(fuzz_seconds(1.0 / 3));
  const int64_t before = peak_megabytes();
  int64_t runs = 0, read = 0;
  std::string bytes;
  while (std::chrono::steady_clock::now() < end) {
    bytes = next(random);
    write_file(path, bytes);
    ++runs;
    try {
      touch(reader(path));
      ++read;
    } catch (const Error& error) {
      ASSERT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    } catch (const std::exception& error) {
      const std::string kept = (std::filesystem::temp_directory_path() / ("vitrim-fuzz-" + label)).string();
      write_file(kept, bytes);
      FAIL() << "run " << runs << " threw something else, see " << kept << ": " << error.what();
    }
    ASSERT_LT(peak_megabytes() - before, 1024) << "run " << runs << " took too much memory";
  }
  ::testing::Test::RecordProperty("runs", static_cast<int>(runs));
  EXPECT_GT(runs, 0);
  EXPECT_GT(read, 0) << "mutations so wild that nothing is read test little";
  EXPECT_LT(read, runs);
}

TEST(Fuzz, Safetensors) {
  const TemporaryFolder folder;
  StateDict state;
  state.metadata = {{"format", "pt"}, {"note", "text"}};
  for (const auto dtype : {at::kFloat, at::kHalf, at::kLong, at::kBool, at::kByte})
    state.add(std::string("blocks.0.") + c10::toString(dtype), at::ones({2, 3}, dtype));
  state.add("empty", at::empty({0, 4}));
  save_safetensors(state, folder / "valid");
  const std::string valid = read_file(folder / "valid");
  uint64_t header = 0;
  std::memcpy(&header, valid.data(), 8);
  const std::string text = valid.substr(8, header), data = valid.substr(8 + header);
  fuzz("safetensors", load_safetensors, [&](Random& random) {
    // Either the file as it is, or its header with the length corrected, so that changes get past the first
    // check.
    std::string bytes = random.below(3) == 0 ? valid : text;
    const bool whole = bytes.size() == valid.size();
    for (int64_t count = 1 + random.below(3); count > 0; --count) mutate(bytes, random, kWords);
    return whole ? bytes : safetensors_file(bytes, data);
  });
}

/// The pickle of a file with wrappers, foreign objects, parameters, strides and sharing.
std::string rich_pickle() {
  const std::string storage = p_storage("FloatStorage", "0", 6), flags = p_storage("BoolStorage", "1", 3);
  const std::string weight = p_tensor(storage, 0, {2, 3}, {3, 1});
  const std::string ordered = p_call(p_global("collections", "OrderedDict"), {});
  return p_dict(
      {{"model", ordered + "q\x01(" + p_text("w") + weight + p_text("t") +
                     p_tensor(storage, 0, {3, 2}, {1, 3}) + p_text("f") + p_tensor(flags, 1, {2}, {1}) +
                     p_text("p") +
                     p_call(p_global("torch._utils", "_rebuild_parameter"), {weight, "\x88", ordered}) + "u" +
                     p_dict({{"_metadata", "h\x01"}}) + "b"},
       {"args", p_global("argparse", "Namespace") + ")\x81" + p_dict({{"lr", "G" + bytes_of(0.5)}}) + "b"},
       {"optimizer", "}(K\x01" + p_dict({{"m", weight}}) + "u"},
       {"list",
        "](K\x01M\x01\x02J\x01\x02\x03\x04N\x88\x85\x86\x87"
        "e"}});
}

const std::vector<std::pair<std::string, std::string>>& rich_storages() {
  static const std::vector<std::pair<std::string, std::string>> storages{{"0", floats(6)},
                                                                         {"1", std::string("\0\1\1", 3)}};
  return storages;
}

TEST(Fuzz, PthArchive) {
  ZipWriter plain = pth_archive(rich_pickle(), rich_storages());
  // Without checksums, changes in the records are not rejected at once.
  for (auto& entry : plain.entries) entry.checksum = 0;
  ZipWriter large = plain;
  for (auto& entry : large.entries) entry.zip64 = true;
  large.zip64_end = true;
  const std::string files[] = {plain.bytes(), large.bytes()};
  fuzz("archive", load_pth, [&](Random& random) {
    std::string bytes = files[random.below(2)];
    if (random.below(2) == 0) {  // target the directory
      const size_t start = bytes.find("PK\x01\x02");
      std::string directory = bytes.substr(start);
      mutate(directory, random, kWords);
      return bytes.substr(0, start) + directory;
    }
    for (int64_t count = 1 + random.below(3); count > 0; --count) mutate(bytes, random, kWords);
    return bytes;
  });
}

TEST(Fuzz, PthPickle) {
  const std::string valid = rich_pickle();
  fuzz("pickle", load, [&](Random& random) {
    std::string pickle = valid;
    for (int64_t count = 1 + random.below(3); count > 0; --count) mutate(pickle, random, kWords);
    return pth_archive(pickle, rich_storages()).bytes();
  });
}

}  // namespace
}  // namespace vitrim::checkpoint
