#include <gtest/gtest.h>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

using namespace vitrim::test;

struct Malformed {
  const char* label;
  std::string bytes;
  const char* place;   ///< must be in the message: the tensor, key or byte
  const char* reason;  ///< must be in the message
};

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}";
}

/// A header of entries over `size` bytes of zeros.
std::string file_of(const std::string& entries, size_t size) {
  return safetensors_file("{" + entries + "}", std::string(size, '\0'));
}

const std::string kGood = tensor("good", "F32", "[1]", "[0,4]");

std::vector<Malformed> malformed_files() {
  const std::string zeros(8, '\0');
  return {
      {"length cut", "abc", "byte 0", "ends after 3 bytes"},
      {"header cut", bytes_of(uint64_t{100}) + "{}", "byte 0", "ends after"},
      {"huge header", bytes_of(uint64_t{100'000'001}) + "{}", "byte 0", "100000000"},
      {"largest header", bytes_of(~uint64_t{0}) + "{}", "byte 0", "100000000"},
      {"empty header", bytes_of(uint64_t{0}), "byte 8", "begin with {"},
      {"array header", safetensors_file("[]", ""), "byte 8", "begin with {"},
      {"space before", safetensors_file(" {}", ""), "byte 8", "begin with {"},
      {"not json", safetensors_file("{\"a\"", ""), "byte", "not valid JSON"},
      {"two objects", safetensors_file("{}{}", ""), "byte", "not valid JSON"},
      {"broken utf-8", safetensors_file("{\"\xff\":1}", ""), "byte", "not valid JSON"},
      {"nested deeply", safetensors_file("{\"a\":" + std::string(100000, '['), ""), "a", "not a JSON object"},
      {"duplicate name", file_of(kGood + "," + tensor("good", "F32", "[1]", "[4,8]"), 8), "good", "twice"},
      {"duplicate metadata", file_of(R"("__metadata__":{},"__metadata__":{})", 0), "__metadata__", "twice"},
      {"duplicate metadata key", file_of(R"("__metadata__":{"k":"a","k":"b"})", 0), "__metadata__",
       "k occurs twice"},
      {"metadata number", file_of(R"("__metadata__":{"k":1})", 0), "__metadata__", "k is not text"},
      {"metadata object", file_of(R"("__metadata__":{"k":{}})", 0), "__metadata__", "k is not text"},
      {"metadata text", file_of(R"("__metadata__":"k")", 0), "__metadata__", "not a JSON object"},
      {"entry number", file_of(R"("bad":7)", 0), "bad", "not a JSON object"},
      {"unknown dtype", file_of(tensor("bad", "F7", "[1]", "[0,4]"), 4), "bad", "F7"},
      {"dtype number", file_of(R"("bad":{"dtype":3,"shape":[1],"data_offsets":[0,4]})", 4), "bad",
       "dtype is not text"},
      {"no dtype", file_of(R"("bad":{"shape":[1],"data_offsets":[0,4]})", 4), "bad", "no dtype"},
      {"no shape", file_of(R"("bad":{"dtype":"F32","data_offsets":[0,4]})", 4), "bad", "no shape"},
      {"no offsets", file_of(R"("bad":{"dtype":"F32","shape":[1]})", 4), "bad", "no data_offsets"},
      {"repeated dtype",
       file_of(R"("bad":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})", 4), "bad", "twice"},
      {"repeated shape", file_of(R"("bad":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})", 4),
       "bad", "twice"},
      {"unknown key", file_of(R"("bad":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})", 4), "bad",
       "key x"},
      {"negative size", file_of(tensor("bad", "F32", "[-1]", "[0,4]"), 4), "bad", "negative"},
      {"size not whole", file_of(tensor("bad", "F32", "[1.5]", "[0,4]"), 4), "bad", "whole number"},
      {"size text", file_of(tensor("bad", "F32", "[\"1\"]", "[0,4]"), 4), "bad", "whole number"},
      {"size over int64", file_of(tensor("bad", "F32", "[9223372036854775808]", "[0,4]"), 4), "bad",
       "too large"},
      {"size over uint64", file_of(tensor("bad", "F32", "[18446744073709551616]", "[0,4]"), 4), "bad",
       "whole number"},
      {"shape overflow", file_of(tensor("bad", "F32", "[4294967296,4294967296]", "[0,4]"), 4), "bad",
       "counted"},
      {"shape wraps to 1", file_of(tensor("bad", "F32", "[4294967297,4294967297,0]", "[0,0]"), 0), "bad",
       "counted"},
      {"bytes overflow", file_of(tensor("bad", "F64", "[2305843009213693952]", "[0,0]"), 0), "bad",
       "counted"},
      {"shape nested", file_of(tensor("bad", "F32", "[[1]]", "[0,4]"), 4), "bad", "whole number"},
      {"shape text", file_of(tensor("bad", "F32", "\"1\"", "[0,4]"), 4), "bad", "not an array"},
      {"33 dimensions",
       file_of(tensor("bad", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
                      "[0,1]"),
               1),
       "bad", "dimensions"},
      {"one offset", file_of(tensor("bad", "F32", "[1]", "[0]"), 4), "bad", "two numbers"},
      {"three offsets", file_of(tensor("bad", "F32", "[1]", "[0,4,8]"), 8), "bad", "two numbers"},
      {"negative offset", file_of(tensor("bad", "F32", "[1]", "[-4,0]"), 4), "bad", "negative"},
      {"offsets reversed", file_of(tensor("bad", "F32", "[1]", "[4,0]"), 4), "bad", "out of order"},
      {"past the end", file_of(tensor("bad", "F32", "[2]", "[0,8]"), 4), "bad", "beyond the end"},
      {"far past the end",
       file_of(tensor("bad", "F32", "[1]", "[18446744073709551611,18446744073709551615]"), 4), "bad",
       "beyond the end"},
      {"too few bytes", file_of(tensor("bad", "F32", "[2]", "[0,4]"), 4), "bad", "need 8"},
      {"too many bytes", file_of(tensor("bad", "F16", "[1]", "[0,4]"), 4), "bad", "need 2"},
      {"overlap", file_of(kGood + "," + tensor("bad", "F32", "[1]", "[2,6]"), 6), "bad",
       "overlap those of good"},
      {"same bytes twice", file_of(kGood + "," + tensor("hood", "F32", "[1]", "[0,4]"), 4), "good",
       "overlap"},
      {"hole before", file_of(tensor("bad", "F32", "[1]", "[4,8]"), 8), "bad", "belong to no tensor"},
      {"hole between", file_of(kGood + "," + tensor("bad", "F32", "[1]", "[5,9]"), 9), "bad",
       "belong to no tensor"},
      {"hole behind", file_of(kGood, 5), "good", "belong to no tensor"},
      {"data without tensors", file_of("", 1), "", "belong to no tensor"},
      {"bool 2", safetensors_file("{" + tensor("bad", "BOOL", "[2]", "[0,2]") + "}", std::string("\x01\x02")),
       "bad", "neither 0 nor 1"},
  };
}

TEST(SafetensorsMalformed, EveryFileIsRefusedWithFilePlaceAndReason) {
  const TemporaryFolder folder;
  const std::string path = folder / "wrong.safetensors";
  for (const Malformed& file : malformed_files()) {
    SCOPED_TRACE(file.label);
    write_file(path, file.bytes);
    const std::string message = message_of<FormatError>([&] { load(path); });
    EXPECT_NE(message.find(path), std::string::npos) << message;
    EXPECT_NE(message.find(file.place), std::string::npos) << message;
    EXPECT_NE(message.find(file.reason), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(SafetensorsMalformed, EveryTruncationIsRefused) {
  const TemporaryFolder folder;
  const std::string whole = file_of(kGood + "," + tensor("more", "I64", "[2]", "[4,20]"), 20);
  write_file(folder / "a", whole);
  EXPECT_EQ(load(folder / "a").size(), 2u);
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(folder / "a", whole.substr(0, size));
    EXPECT_THROW(load_safetensors(folder / "a"), FormatError) << size;
  }
}

}  // namespace
}  // namespace vitrim::checkpoint
