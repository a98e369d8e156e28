// .pth files made byte by byte; pth_torch_test.cpp reads what torch.save writes.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

class Pth : public ::testing::Test {
 protected:
  StateDict read(const std::string& bytes) {
    write_file(path_, bytes);
    return load(path_);
  }
  std::string refuse(const std::string& bytes) {
    write_file(path_, bytes);
    const std::string message = message_of<FormatError>([&] { load_pth(path_); });
    EXPECT_NE(message.find(path_), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  /// One tensor "w" over a storage of six floats, 0 to 5.
  std::string one(const std::string& tensor) {
    return pth_archive(p_dict({{"w", tensor}}), {{"0", floats(6)}}).bytes();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "a.pth";
  const std::string storage_ = p_storage("FloatStorage", "0", 6);
  const std::string good_ = p_tensor(storage_, 0, {2, 3}, {3, 1});
};

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST_F(Pth, PlainTensor) {
  const StateDict state = read(one(good_));
  EXPECT_TRUE(at::equal(state.at("w"), at::arange(6, at::kFloat).reshape({2, 3})));
  EXPECT_TRUE(state.metadata.empty());
}

TEST_F(Pth, StridesOffsetsAndSharing) {
  const std::string content = p_dict({{"t", p_tensor(storage_, 0, {3, 2}, {1, 3})},
                                      {"tail", p_tensor(storage_, 4, {2}, {1})},
                                      {"repeated", p_tensor(storage_, 1, {3, 2}, {0, 1})},
                                      {"scalar", p_tensor(storage_, 5, {}, {})},
                                      {"empty", p_tensor(storage_, 6, {0, 7}, {7, 1})}});
  const StateDict state = read(pth_archive(content, {{"0", floats(6)}}).bytes());
  EXPECT_TRUE(at::equal(state.at("t"), at::arange(6, at::kFloat).reshape({2, 3}).t()));
  EXPECT_TRUE(at::equal(state.at("tail"), at::arange(4, 6, at::kFloat)));
  EXPECT_TRUE(at::equal(state.at("repeated"), at::arange(1, 3, at::kFloat).expand({3, 2})));
  EXPECT_EQ(state.at("scalar").item<float>(), 5);
  EXPECT_EQ(state.at("empty").sizes(), at::IntArrayRef({0, 7}));
}

TEST_F(Pth, TensorsAreBoundsChecked) {
  for (const std::string& tensor :
       {p_tensor(storage_, 0, {7}, {1}), p_tensor(storage_, 1, {2, 3}, {3, 1}),
        p_tensor(storage_, 7, {0}, {1}), p_tensor(storage_, -1, {1}, {1}), p_tensor(storage_, 0, {-1}, {1}),
        p_tensor(storage_, 0, {2}, {-1}), p_tensor(storage_, 0, {2, 2}, {INT64_MAX, 1}),
        p_tensor(storage_, INT64_MAX, {2}, {1}), p_tensor(storage_, 0, {INT64_MAX, INT64_MAX}, {0, 0}),
        p_tensor(storage_, 0, {int64_t{1} << 40}, {0}), p_tensor(storage_, 0, {1, 2}, {1}),
        p_tensor(p_storage("FloatStorage", "0", 7), 0, {7}, {1}),
        p_tensor(p_storage("FloatStorage", "0", INT64_MAX), 0, {1}, {1}),
        p_tensor(p_storage("FloatStorage", "0", -1), 0, {1}, {1}),
        p_tensor(p_storage("FloatStorage", "1", 6), 0, {1}, {1}),
        p_tensor(p_storage("DoubleStorage", "0", 6), 0, {6}, {1})})
    EXPECT_SAYS(refuse(one(tensor)), ": w: ");
}

TEST_F(Pth, NestedDictsBecomeDottedNames) {
  const std::string inner = p_call(p_global("collections", "OrderedDict"), {}) + "(" + p_text("a") + good_ +
                            p_text("b.c") + good_ + "u";
  const std::string state = "}(" + p_int(7) + good_ + "u";
  const StateDict found = read(
      pth_archive(p_dict({{"model", inner}, {"epoch", p_int(3)}, {"s", state}}), {{"0", floats(6)}}).bytes());
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found.entries()[0].first, "model.a");
  EXPECT_EQ(found.entries()[1].first, "model.b.c");
  EXPECT_EQ(found.entries()[2].first, "s.7");
}

// Values that training scripts store next to the weights state what tensors do not.
TEST_F(Pth, PlainValuesBesideTheWeightsAreMetadata) {
  const std::string arguments = p_call(p_global("argparse", "Namespace"), {}) +
                                p_dict({{"prune_layer", p_text("[0,2]")},
                                        {"done_layer", "](" + p_int(1) + p_int(3) + "e"},
                                        {"lr", "N"},
                                        {"inner", p_dict({{"deep", p_int(1)}})}}) +
                                "b";
  const std::string content = p_dict({{"model", p_dict({{"w", good_}, {"count", p_int(7)}})},
                                      {"epoch", p_int(299)},
                                      {"arch", p_text("vit_tiny")},
                                      {"vitrim.spec", p_text("{}")},
                                      {"args", arguments}});
  const StateDict state = read(pth_archive(content, {{"0", floats(6)}}).bytes());
  EXPECT_EQ(state.size(), 1u);
  const std::map<std::string, std::string> expected = {
      {"epoch", "299"}, {"arch", "vit_tiny"}, {"args.prune_layer", "[0,2]"}, {"args.done_layer", "[1,3]"}};
  EXPECT_EQ(state.metadata, expected) << "no file says of itself that it is vitrim's own";
}

TEST_F(Pth, RepeatedKeysFollowPythonAndClashingNamesAreRefused) {
  EXPECT_EQ(read(pth_archive(p_dict({{"w", p_int(1)}, {"w", good_}}), {{"0", floats(6)}}).bytes()).size(),
            1u);
  EXPECT_SAYS(
      refuse(
          pth_archive(p_dict({{"a.b", good_}, {"a", p_dict({{"b", good_}})}}), {{"0", floats(6)}}).bytes()),
      ": a.b: ");
}

TEST_F(Pth, ForeignObjectsAreInert) {
  const std::string evil = p_call(p_global("posix", "system"), {p_text("touch " + (folder_ / "evil"))});
  const std::string content =
      p_dict({{"args", p_global("argparse", "Namespace") + ")\x81" + p_dict({{"lr", p_int(1)}}) + "b"},
              {"evil", evil},
              {"model", p_dict({{"w", good_}, {"hook", evil}})}});
  EXPECT_EQ(read(pth_archive(content, {{"0", floats(6)}}).bytes()).size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "evil"));
}

TEST_F(Pth, WeightsThatDependOnForeignObjectsAreRefused) {
  const std::string evil = p_call(p_global("posix", "system"), {p_text("touch " + (folder_ / "evil"))});
  const std::string rebuild = p_global("torch._utils", "_rebuild_tensor_v2");
  for (const std::string& tensor :
       {p_call(rebuild, {storage_, evil, p_ints({1}), p_ints({1})}),
        p_call(rebuild, {evil, p_int(0), p_ints({1}), p_ints({1})}),
        p_call(rebuild, {storage_, p_int(0), evil, p_ints({1})}),
        p_call(p_global("torch._utils", "_rebuild_parameter"), {evil, "\x88", "}"}),
        p_call(p_global("torch._tensor", "_rebuild_from_type_v2"),
               {p_global("posix", "system"), p_global("torch", "Tensor"),
                "("
                "t",
                "}"})}) {
    const std::string message = refuse(one(tensor));
    EXPECT_SAYS(message, ": w: ");
    EXPECT_SAYS(message, "posix.system");
  }
  const std::string wrapped = p_dict({{"w", good_}, {"x", p_call(p_global("my", "scale"), {good_})}});
  const std::string message = refuse(pth_archive(wrapped, {{"0", floats(6)}}).bytes());
  EXPECT_SAYS(message, ": x: ");
  EXPECT_SAYS(message, "my.scale");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "evil"));
}

TEST_F(Pth, ForeignTensorsOfTheOptimizerDoNotMatter) {
  const std::string sparse = p_call(p_global("torch._utils", "_rebuild_sparse_tensor"), {good_});
  EXPECT_EQ(
      read(pth_archive(p_dict({{"model", p_dict({{"w", good_}})}, {"optimizer", p_dict({{"m", sparse}})}}),
                       {{"0", floats(6)}})
               .bytes())
          .size(),
      1u);
  EXPECT_SAYS(refuse(pth_archive(p_dict({{"model", p_dict({{"w", sparse}})}}), {{"0", floats(6)}}).bytes()),
              "model.w");
}

TEST_F(Pth, WholeObjectsAndLoneTensorsAreRefusedWithTheMend) {
  for (const std::string& content :
       {p_global("my.models", "Net") + ")\x81" + p_dict({{"w", good_}}) + "b", good_, std::string("]"),
        p_dict({{"net", p_global("my.models", "Net") + ")\x81" + p_dict({{"w", good_}}) + "b"}})})
    EXPECT_SAYS(refuse(pth_archive(content, {{"0", floats(6)}}).bytes()), "state_dict()");
}

TEST_F(Pth, CyclesAndSharedDictsStayBounded) {
  // d = {"self": d, "w": tensor}
  const std::string cycle = std::string("}q\x01(") + p_text("self") + "h\x01" + p_text("w") + good_ + "u";
  EXPECT_EQ(read(pth_archive(cycle, {{"0", floats(6)}}).bytes()).size(), 1u);
  // Every level contains the one below it twice: 2^40 names if all were written out.
  std::string laughs = p_dict({{"w", good_}}) + "q" + std::string(1, '\0');
  std::string barren = std::string("}q") + '\0';
  for (char level = 1; level <= 40; ++level) {
    const std::string below = std::string("h") + static_cast<char>(level - 1);
    for (std::string* text : {&laughs, &barren})
      *text += "0}(" + p_text("a") + below + p_text("b") + below + "uq" + level;
  }
  EXPECT_SAYS(refuse(pth_archive(laughs, {{"0", floats(6)}}).bytes()), "more entries than any model");
  EXPECT_SAYS(refuse(pth_archive(barren, {{"0", floats(6)}}).bytes()), "no tensors");
  // Tensors in lists have their positions as names.
  const std::string listed = p_dict({{"w", good_}, {"ema", p_dict({{"shadow", "]" + good_ + "a"}})}});
  EXPECT_TRUE(read(pth_archive(listed, {{"0", floats(6)}}).bytes()).contains("ema.shadow.0"));
  // Deep nesting: a tower of dicts, and of lists.
  std::string deep = p_dict({{"w", good_}});
  for (int i = 0; i < 200; ++i) deep = "}" + p_text("d") + deep + "s";
  EXPECT_SAYS(refuse(pth_archive(deep, {{"0", floats(6)}}).bytes()), "nested");
  EXPECT_EQ(read(pth_archive("}" + p_text("l") + std::string(100'000, ']') + std::string(99'999, 'a') + "s" +
                                 p_text("w") + good_ + "s",
                             {{"0", floats(6)}})
                     .bytes())
                .size(),
            1u);
}

TEST_F(Pth, DamagedPickles) {
  const std::string content = "\x80\x02" + p_dict({{"w", good_}}) + ".";
  const auto with_pickle = [&](const std::string& pickle) {
    ZipWriter zip;
    zip.add("archive/data.pkl", pickle);
    zip.add("archive/data/0", floats(6));
    return zip.bytes();
  };
  EXPECT_EQ(read(with_pickle(content)).size(), 1u);
  for (size_t size = 0; size < content.size(); ++size) refuse(with_pickle(content.substr(0, size)));
  for (const char* pickle :
       {"\x80\x01}.",        "\x80\x06}.", "0.",  "t.",           "u.",    "}u.",   "}(K\x01u.",
        "K\x01K\x02K\x03s.", "h\x05.",     "R.",  "K\x01K\x02R.", "\x93.", "\x97.", "\x82\x01.",
        "cposix\nsystem",    "o.",         "(o.", "b.",           "Q.",    "a."})
    EXPECT_SAYS(refuse(with_pickle(pickle)), "archive/data.pkl");
}

TEST_F(Pth, Zip64) {
  ZipWriter zip = pth_archive(p_dict({{"w", good_}}), {{"0", floats(6)}});
  for (auto& entry : zip.entries) entry.zip64 = true;
  zip.zip64_end = true;
  EXPECT_EQ(read(zip.bytes()).at("w").numel(), 6);
}

TEST_F(Pth, DamagedArchives) {
  const ZipWriter good = pth_archive(p_dict({{"w", good_}}), {{"0", floats(6)}});
  const std::string whole = good.bytes();
  EXPECT_EQ(read(whole).size(), 1u);
  for (size_t size = 0; size < whole.size(); ++size) refuse(whole.substr(0, size));

  ZipWriter zip = good;
  zip.entries[2].content[5] ^= 1;
  EXPECT_SAYS(refuse(zip.bytes()), "checksum");
  zip.entries[2].checksum = 0;  // as torch writes it without checksums
  EXPECT_EQ(read(zip.bytes()).size(), 1u);
  zip = good;
  zip.entries[2].flags = 1;
  EXPECT_SAYS(refuse(zip.bytes()), "encrypted");
  zip = good;
  zip.entries[2].method = 12;
  EXPECT_SAYS(refuse(zip.bytes()), "method 12");
  zip = good;
  zip.entries[2].size = 1000;
  EXPECT_SAYS(refuse(zip.bytes()), "sizes differ");
  zip.entries[2].method = 8;
  EXPECT_SAYS(refuse(zip.bytes()), "unpacked");
  zip.entries[2].size = 60'000'000;
  EXPECT_SAYS(refuse(zip.bytes()), "deflate can't reach");
  zip.entries[2].size = 0xfffffff0;
  EXPECT_SAYS(refuse(zip.bytes()), "would unpack to more than");
  zip = good;
  zip.add("archive/data/0", floats(6));
  EXPECT_SAYS(refuse(zip.bytes()), "twice");
  zip = good;
  zip.entries.erase(zip.entries.begin() + 2);
  EXPECT_SAYS(refuse(zip.bytes()), "archive/data/0");
  zip = good;
  zip.entries[0].name = "archive/data.pki";
  EXPECT_SAYS(refuse(zip.bytes()), "no data.pkl");
}

TEST_F(Pth, BigEndianAndTorchScriptAreRefused) {
  ZipWriter zip = pth_archive(p_dict({{"w", good_}}), {{"0", floats(6)}});
  zip.entries[1].content = "big";
  zip.entries[1].checksum = crc32_of("big");
  EXPECT_SAYS(refuse(zip.bytes()), "little-endian");
  zip.entries.erase(zip.entries.begin() + 1);
  EXPECT_EQ(read(zip.bytes()).size(), 1u);
  zip.add("archive/constants.pkl", "\x80\x02).");
  EXPECT_SAYS(refuse(zip.bytes()), "TorchScript");
}

TEST_F(Pth, BoolBytesMustBeZeroOrOne) {
  const std::string tensor = p_tensor(p_storage("BoolStorage", "0", 3), 0, {3}, {1});
  EXPECT_EQ(read(pth_archive(p_dict({{"w", tensor}}), {{"0", std::string("\0\1\1", 3)}}).bytes())
                .at("w")
                .sum()
                .item<int>(),
            2);
  EXPECT_SAYS(refuse(pth_archive(p_dict({{"w", tensor}}), {{"0", std::string("\0\1\2", 3)}}).bytes()),
              "neither 0 nor 1");
}

}  // namespace
}  // namespace vitrim::checkpoint
