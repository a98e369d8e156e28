// Suggestions, layer lists, random numbers, hashes and manifests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/expect_throw.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/manifest.h"
#include "vitrim/core/random.h"
#include "vitrim/core/suggest.h"

namespace vitrim {
namespace {

TEST(Nearest, FindsTypos) {
  const std::vector<std::string> valid = {"images", "image-size", "seed", "search", "model"};
  EXPECT_EQ(nearest("imags", valid), "images");    // deleted
  EXPECT_EQ(nearest("immages", valid), "images");  // inserted
  EXPECT_EQ(nearest("modal", valid), "model");     // replaced
  EXPECT_EQ(nearest("esed", valid), "seed");       // swapped
  EXPECT_EQ(nearest("SEARCH", valid), "search");   // case
  EXPECT_EQ(nearest("image_size", valid), "image-size");
  EXPECT_EQ(nearest("seed", valid), "seed");
}

TEST(Nearest, SwapCostsOne) {
  // Without the swap rule both candidates are two edits away and the first wins.
  EXPECT_EQ(nearest("ba", {"cd", "ab"}), "ab");
  EXPECT_EQ(nearest("abdc", {"abxx", "abcd"}), "abcd");
}

TEST(Nearest, TiesAndEdges) {
  EXPECT_EQ(nearest("x", {}), "");
  EXPECT_EQ(nearest("", {"abc", "a"}), "a");
  EXPECT_EQ(nearest("bat", {"cat", "hat"}), "cat");
  EXPECT_EQ(nearest(std::string(100000, 'a'), {"b", "aaaa"}), "aaaa");
}

TEST(Nearest, NothingCloseIsNoSuggestion) {
  const std::vector<std::string> valid = {"--train", "--std", "--weight-bits", "compress", "--help"};
  EXPECT_EQ(close_to("--dry-run", valid), "");
  EXPECT_EQ(close_to("nowhere", valid), "");
  EXPECT_EQ(close_to("--bits", valid), "--weight-bits");  // a word of it, though --std has fewer edits
  EXPECT_EQ(close_to("--weight_bits", valid), "--weight-bits");
  EXPECT_EQ(close_to("compres", valid), "compress");
  EXPECT_EQ(close_to("", valid), "");
  EXPECT_EQ(close_to("x", {}), "");
}

TEST(ErrorTypes, Messages) {
  EXPECT_STREQ(FormatError("f.json", "te.drop", "expected a number").what(),
               "f.json: te.drop: expected a number");
  EXPECT_STREQ(FormatError("f.json", "", "not valid JSON").what(), "f.json: not valid JSON");
  EXPECT_THROW(throw Interrupted(), Error);
}

TEST(LayerList, Parses) {
  EXPECT_EQ(parse_layer_list("0,1,3", 12), (std::vector<int>{0, 1, 3}));
  EXPECT_EQ(parse_layer_list("11,3,0", 12), (std::vector<int>{0, 3, 11}));
  EXPECT_EQ(parse_layer_list("5", 12), (std::vector<int>{5}));
}

TEST(LayerList, FormatsHowLayersWereChosen) {
  EXPECT_EQ(format_choice("absorbed, beam"), "criterion absorbed, beam search");
  EXPECT_EQ(format_choice("te, greedy; pruned, too"), "criterion te, greedy search; pruned, too");
  EXPECT_EQ(format_choice("named"), "named");
  EXPECT_EQ(format_choice("named; merged, then pruned"), "named; merged, then pruned");
}

TEST(LayerList, RejectsTheRest) {
  for (const char* text : {"", ",", "0,", ",0", "0,,1", "a", "1a", "-1", "+1", " 1", "1 ", "0, 1", "1.0",
                           "0x1", "12", "1,1", "99999999999999999999", "0;1"}) {
    EXPECT_THROW(parse_layer_list(text, 12), std::invalid_argument) << '"' << text << '"';
  }
  const std::string range = message_of<std::invalid_argument>([] { parse_layer_list("0,12", 12); });
  EXPECT_TRUE(contains(range, "layer 12 does not exist, the model has layers 0 to 11"));
  const std::string twice = message_of<std::invalid_argument>([] { parse_layer_list("3,1,3", 12); });
  EXPECT_TRUE(contains(twice, "layer 3 is named twice"));
}

TEST(LayerCount, NumbersAndShares) {
  EXPECT_EQ(parse_layer_count("3", 12), 3);
  EXPECT_EQ(parse_layer_count("0", 12), 0);
  EXPECT_EQ(parse_layer_count("12", 12), 12);
  EXPECT_EQ(parse_layer_count("25%", 12), 3);
  EXPECT_EQ(parse_layer_count("40%", 12), 5);  // 4.8
  EXPECT_EQ(parse_layer_count("50%", 24), 12);
  EXPECT_EQ(parse_layer_count("12.5%", 12), 2);  // 1.5, halves round up
  EXPECT_EQ(parse_layer_count("12.4%", 12), 1);
  EXPECT_EQ(parse_layer_count("0%", 12), 0);
  EXPECT_EQ(parse_layer_count("100%", 12), 12);
  // Every whole percentage of every depth agrees with integer arithmetic.
  for (int layers = 1; layers <= 48; ++layers) {
    for (int percent = 0; percent <= 100; ++percent) {
      EXPECT_EQ(parse_layer_count(std::to_string(percent) + "%", layers), (2 * percent * layers + 100) / 200);
    }
  }
}

TEST(LayerCount, RejectsTheRest) {
  for (const char* text : {"", "%", "13", "101%", "100.1%", "-1", "-5%", "a", "3a", "25%%", "25 %", " 3",
                           "1e1%", "nan%", "inf%", "0.25", "+5%", ".5%", "9999999999"}) {
    EXPECT_THROW(parse_layer_count(text, 12), std::invalid_argument) << '"' << text << '"';
  }
  const std::string share = message_of<std::invalid_argument>([] { parse_layer_count("25", 12); });
  EXPECT_TRUE(contains(share, "more than the 12 layers there are; write 25% for a share"));
}

TEST(LayerList, Formats) {
  EXPECT_EQ(format_layer_list({}), "");
  EXPECT_EQ(format_layer_list({7}), "7");
  EXPECT_EQ(format_layer_list({0, 1, 13}), "0,1,13");
}

TEST(RandomTest, PublishedValuesOfSplitMix64) {
  // Reference output for seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317ULL);
  EXPECT_EQ(random.next(), 3203168211198807973ULL);
  EXPECT_EQ(random.next(), 9817491932198370423ULL);
  EXPECT_EQ(random.next(), 4593380528125082431ULL);
  EXPECT_EQ(random.next(), 16408922859458223821ULL);
}

TEST(RandomTest, StreamsDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (uint64_t stream = 0; stream < 50; ++stream) {
      Random random(seed, stream);
      for (int i = 0; i < 4; ++i) seen.insert(random.next());
    }
  }
  EXPECT_EQ(seen.size(), 50 * 50 * 4);
  EXPECT_EQ(Random(3, 7).next(), Random(3, 7).next());
}

TEST(RandomTest, UniformAndNormalMoments) {
  Random random(1);
  constexpr int kDraws = 200000;
  double sum = 0, sum_normal = 0, square_normal = 0, lowest = 1, highest = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
    sum += u;
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    sum_normal += z;
    square_normal += z * z;
  }
  EXPECT_GE(lowest, 0);
  EXPECT_LT(highest, 1);
  // Five standard errors each: sqrt(1/12), 1 and sqrt(2) over sqrt(draws).
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * 0.289 / std::sqrt(kDraws));
  EXPECT_NEAR(sum_normal / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(square_normal / kDraws, 1, 5 * 1.415 / std::sqrt(kDraws));
}

TEST(RandomTest, BelowIsEvenAndInRange) {
  Random random(2);
  std::vector<int> counts(7);
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) ++counts.at(random.below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * std::sqrt(10000 * 6.0 / 7));
  EXPECT_EQ(random.below(1), 0);
  EXPECT_THROW(random.below(0), std::invalid_argument);
  EXPECT_THROW(random.below(-3), std::invalid_argument);
  // A range of 3 * 2^61: plain remainders would hit the lower two thirds 1.5 times as often as the rest.
  const int64_t large = 3 * (int64_t{1} << 61);
  int low = 0;
  for (int i = 0; i < kDraws; ++i) low += random.below(large) < large / 3;
  EXPECT_NEAR(low, kDraws / 3.0, 5 * std::sqrt(kDraws * 2.0 / 9));
}

TEST(RandomTest, Permutation) {
  Random random(3);
  std::vector<int64_t> order = permutation(100, random);
  std::vector<int64_t> identity(100);
  std::iota(identity.begin(), identity.end(), 0);
  EXPECT_NE(order, identity);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, identity);
  EXPECT_TRUE(permutation(0, random).empty());
  EXPECT_THROW(permutation(-1, random), std::invalid_argument);
  std::map<std::vector<int64_t>, int> counts;
  for (int i = 0; i < 60000; ++i) ++counts[permutation(3, random)];
  ASSERT_EQ(counts.size(), 6);
  for (const auto& [each, count] : counts) EXPECT_NEAR(count, 10000, 5 * std::sqrt(10000 * 5.0 / 6));
}

TEST(Sha256, StandardVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      sha256_hex(
          "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
          "mnopqrstnopqrstu"),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, LengthsAroundTheBlock) {
  // From sha256sum: 55 bytes are the most that fit with their length in one block, 56 the fewest that do not.
  EXPECT_EQ(sha256_hex(std::string(55, 'a')),
            "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(sha256_hex(std::string(56, 'a')),
            "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(sha256_hex(std::string(64, 'a')),
            "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(ManifestTest, Fingerprint) {
  EXPECT_EQ(fingerprint({"a", "b"}), "2 files, sha256 " + sha256_hex("a\nb\n"));
  EXPECT_NE(fingerprint({"a", "b"}), fingerprint({"b", "a"}));
  EXPECT_NE(fingerprint({"ab", "c"}), fingerprint({"a", "bc"}));
  EXPECT_EQ(fingerprint({}),
            "0 files, sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(ManifestTest, Facts) {
  const Manifest manifest = make_manifest("vitrim eval --seed 7", 7, 2);
  EXPECT_EQ(manifest.command, "vitrim eval --seed 7");
  EXPECT_EQ(manifest.seed, 7);
  EXPECT_EQ(manifest.threads, 2);
  EXPECT_EQ(manifest.version, version());
  EXPECT_EQ(std::count(manifest.version.begin(), manifest.version.end(), '.'), 2);
  EXPECT_EQ(manifest.git_commit, git_commit());
  // 2026-01-31T12:00:00Z
  ASSERT_EQ(manifest.started.size(), 20);
  EXPECT_EQ(manifest.started.substr(0, 2), "20");
  EXPECT_EQ(manifest.started[10], 'T');
  EXPECT_EQ(manifest.started.back(), 'Z');
}

}  // namespace
}  // namespace vitrim
