#include "vitrim/core/artifact_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/expect_throw.h"
#include "core/replaced.h"
#include "vitrim/core/error.h"

namespace vitrim {
namespace {

using test::replaced;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Manifest a_manifest() {
  return {"vitrim analyze --seed 3",
          {{"fit.ridge", "0.5"}},
          "0.1.0",
          "abc",
          "2.13.0",
          "A CPU",
          "AVX512",
          2,
          0xffffffffffffffffULL,
          "2 files, sha256 0",
          "2026-01-01T00:00:00Z"};
}

EvalResult an_eval() {
  EvalResult result;
  result.manifest = a_manifest();
  result.model = "m.safetensors";
  result.data = "images/val";
  result.images = 5;
  result.params = 5717416;
  result.macs = int64_t{1} << 40;
  result.top1 = 0.6;
  result.top5 = 0.1 + 0.2;
  result.top1_ci95 = {0.25, 1.0 / 3};
  result.correct = {1, 0, 1, 1, 0};
  return result;
}

EvalResult a_segmentation() {
  EvalResult result = an_eval();
  result.top1 = result.top5 = 0;
  result.top1_ci95 = {0, 0};
  result.correct.clear();
  SegmentationFigures figures;
  figures.protocol = "windows of 512 at stride 341";
  figures.miou = 0.4375;
  figures.miou_ci95 = {0.41, 0.46};
  figures.mean_accuracy = 0.5;
  figures.pixel_accuracy = 0.75;
  figures.class_iou = {0.5, kNaN, 0.375};
  figures.class_names = {"wall", "sky", "tree"};
  figures.images = {{{0, 10, 12, 9}, {2, 5, 3, 3}}, {}, {{2, 0, 7, 0}}};
  figures.pictures = {
      {"a.jpg", "data:image/jpeg;base64,AA", "data:image/png;base64,BB", "data:image/png;base64,CC"}};
  result.segmentation = figures;
  return result;
}

LayerScores some_scores() {
  LayerScores scores;
  scores.manifest = a_manifest();
  scores.model = "m.safetensors";
  scores.estimator = "diagonal";
  scores.criterion = "te";
  scores.search = "exact";
  scores.mask = "drop";
  scores.images = 500;
  scores.attention_entropy = {{-1.5, 0.01}, {kNaN, kNaN}, {5e-324, 1e308}};
  scores.mlp_entropy = {{1, 2}, {3, 4}, {5, 6}};
  scores.output_entropy = {-60.938, 0.0625};
  scores.te_drop = {{0, {60.9, 1}}, {2, {1.0 / 3, 2}}, {11, {7, 3}}};
  scores.te_identity = {{0, {1, 0.5}}};
  scores.kl_drop = {{0, 1.25}};
  scores.feature_error_drop = {{0, 0.75}};
  scores.absorbed = {{2, {0.125, 0.25}}};
  scores.interaction = {{0, -1.5}, {-1.5, 0}};
  scores.sets = {{{0, 2}, {1, 0.1}, {2, 0.2}, 3, 4, 0.5}, {{}, {kNaN, 0}, {0, 0}, 0, 0, 0}};
  scores.other_criterion = {{{1}, {9, 8}, {7, 6}, 5, 4, 0.25}};
  scores.chosen = {0, 2};
  scores.block_evaluations = 8190;
  scores.brute_force_block_evaluations = 49152;
  scores.floored_channels = 1;
  scores.other_estimator = {{"attention", {1, kNaN}}, {"mlp", {3, 4}}};
  scores.spectrum = {{0, 0.5, 1}, {{0, -1, -2}, {0, -0.1, -0.2}}};
  return scores;
}

CompressResult a_compression() {
  CompressResult result;
  result.manifest = a_manifest();
  result.model = "in.safetensors";
  result.output = "out.safetensors";
  result.removed = {0, 1};
  result.reason = "absorbed, beam";
  result.dense_spec.embed_dim = 8;
  result.dense_spec.blocks = {{AttentionKind::kSoftmax, 8, 2, 4, 4, 16, 1}};
  result.compressed_spec = result.dense_spec;
  result.compressed_spec.blocks = {{AttentionKind::kNone, 8, 0, 0, 0, 16, 1}};
  result.dense_params = 5717416, result.dense_macs = int64_t{1} << 40;
  result.compressed_params = 100, result.compressed_macs = 200;
  result.dense = an_eval();
  result.compressed = an_eval();
  result.compressed->params = 100;
  result.compressed->macs = 200;
  result.paired = PairedResult{-0.01, {-0.02, 0.003}, 0.0625};
  result.held_out_kl = 0.2;
  result.held_out_agreement = 0.9;
  result.seconds = {{"load", 1.5}, {"analyze", 0.25}, {"absorb", 30}};
  result.scores = some_scores();
  result.compressed_spectrum = {{0, 1}, {{0, -3}}};
  result.controls = {{"random 1", {3, 4}, an_eval(), {-0.5, {-0.6, -0.4}, 1e-9}, 2.5}};
  return result;
}

// Without the blanks and line ends between tokens (none of the texts here has one that matters).
std::string squeezed(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

TEST(EvalJson, RoundTripIsExact) {
  const EvalResult before = an_eval();
  const std::string json = to_json(before);
  const EvalResult after = eval_result_from_json(json, "x");
  EXPECT_EQ(to_json(after), json);
  EXPECT_EQ(after.manifest.command, before.manifest.command);
  EXPECT_EQ(after.manifest.seed, before.manifest.seed);
  EXPECT_EQ(after.manifest.threads, 2);
  EXPECT_EQ(after.manifest.started, before.manifest.started);
  EXPECT_EQ(after.model, before.model);
  EXPECT_EQ(after.data, before.data);
  EXPECT_EQ(after.images, 5);
  EXPECT_EQ(after.params, before.params);
  EXPECT_EQ(after.macs, before.macs);
  EXPECT_EQ(after.top1, before.top1);
  EXPECT_EQ(after.top5, before.top5);
  EXPECT_EQ(after.top1_ci95, before.top1_ci95);
  EXPECT_EQ(after.correct, before.correct);
}

TEST(EvalJson, Contract) {
  const std::string json = squeezed(to_json(an_eval()));
  EXPECT_TRUE(contains(json, "{\"kind\":\"eval\",\"version\":1,"));
  EXPECT_TRUE(contains(json, "\"images\":5"));
  EXPECT_TRUE(
      contains(json, "\"top1\":0.6,\"top5\":0.30000000000000004,\"top1_ci95\":[0.25,0.3333333333333333]"));
  EXPECT_TRUE(contains(json, "\"correct\":\"10110\""));
  EXPECT_TRUE(contains(json, "\"seed\":18446744073709551615"));
}

TEST(EvalJson, Rejections) {
  const std::string json = squeezed(to_json(an_eval()));
  const auto rejection = [](const std::string& text) {
    return message_of<FormatError>([&] { eval_result_from_json(text, "e.json"); });
  };
  EXPECT_EQ(rejection(replaced(json, "\"10110\"", "\"1011\"")),
            "e.json: correct: has 4 images, but \"images\" is 5");
  EXPECT_TRUE(contains(rejection(replaced(json, "\"10110\"", "\"10112\"")), "expected only 0 and 1"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"10110\"", "[1,0]")), "correct: expected a string"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"eval\"", "\"compress\"")),
                       "kind: expected \"eval\", found \"compress\""));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"version\":1,", "\"version\":2,")),
                       "newer than the newest that this vitrim"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"version\":1,", "\"version\":0,")), "no such version"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"threads\":2", "\"threads\":2,\"thread\":2")),
                       "manifest.thread: unknown key; did you mean \"threads\"?"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"top1\":0.6,", "")), "key \"top1\" is missing"));
  EXPECT_TRUE(contains(rejection(replaced(json, "0.6", "\"0.6\"")), "top1: expected a number"));
  EXPECT_TRUE(contains(rejection(replaced(json, "18446744073709551615", "-1")),
                       "manifest.seed: expected a whole number"));
}

TEST(EvalJson, WithoutAnswersPerImage) {
  EvalResult result = an_eval();
  result.correct.clear();
  EXPECT_TRUE(eval_result_from_json(to_json(result), "x").correct.empty());
}

TEST(LayerScoresJson, RoundTripIsExact) {
  const LayerScores before = some_scores();
  const std::string json = to_json(before);
  const LayerScores after = layer_scores_from_json(json, "x");
  EXPECT_EQ(to_json(after), json);
  ASSERT_EQ(after.attention_entropy.size(), 3);
  EXPECT_EQ(after.attention_entropy[0].value, -1.5);
  EXPECT_EQ(after.attention_entropy[0].standard_error, 0.01);
  EXPECT_TRUE(std::isnan(after.attention_entropy[1].value));
  EXPECT_TRUE(std::isnan(after.attention_entropy[1].standard_error));
  EXPECT_EQ(after.attention_entropy[2].value, 5e-324);
  EXPECT_EQ(after.attention_entropy[2].standard_error, 1e308);
  EXPECT_EQ(after.output_entropy.standard_error, 0.0625);
  EXPECT_EQ(after.te_drop.size(), 3);
  EXPECT_EQ(after.te_drop.at(2).value, 1.0 / 3);
  EXPECT_EQ(after.te_drop.at(11).standard_error, 3);
  EXPECT_EQ(after.te_identity.at(0).standard_error, 0.5);
  EXPECT_EQ(after.kl_drop, before.kl_drop);
  EXPECT_EQ(after.feature_error_drop, before.feature_error_drop);
  EXPECT_EQ(after.absorbed.at(2).standard_error, 0.25);
  EXPECT_EQ(after.interaction, before.interaction);
  ASSERT_EQ(after.sets.size(), 2);
  EXPECT_EQ(after.sets[0].layers, (std::vector<int>{0, 2}));
  EXPECT_EQ(after.sets[0].score.standard_error, 0.1);
  EXPECT_EQ(after.sets[0].te.standard_error, 0.2);
  EXPECT_EQ(after.sets[0].kl, 3);
  EXPECT_EQ(after.sets[0].feature_error, 4);
  EXPECT_EQ(after.sets[0].chosen_fraction, 0.5);
  EXPECT_TRUE(std::isnan(after.sets[1].score.value));
  ASSERT_EQ(after.other_criterion.size(), 1);
  EXPECT_EQ(after.other_criterion[0].te.value, 7);
  EXPECT_EQ(after.chosen, before.chosen);
  EXPECT_EQ(after.images, 500);
  EXPECT_EQ(after.block_evaluations, 8190);
  EXPECT_EQ(after.brute_force_block_evaluations, 49152);
  EXPECT_EQ(after.floored_channels, 1);
  EXPECT_EQ(after.other_estimator.at("mlp"), (std::vector<double>{3, 4}));
  EXPECT_EQ(after.spectrum.radii, before.spectrum.radii);
  EXPECT_EQ(after.spectrum.log_amplitude, before.spectrum.log_amplitude);
  EXPECT_EQ(after.estimator + after.criterion + after.search + after.mask, "diagonalteexactdrop");
}

TEST(LayerScoresJson, EmptyRoundTrip) {
  const std::string json = to_json(LayerScores());
  EXPECT_EQ(to_json(layer_scores_from_json(json, "x")), json);
}

TEST(LayerScoresJson, Contract) {
  const std::string json = squeezed(to_json(some_scores()));
  EXPECT_TRUE(contains(json, "{\"kind\":\"layer_scores\",\"version\":1,"));
  EXPECT_TRUE(contains(
      json, "\"entropy\":{\"attention\":[-1.5,null,5e-324],\"mlp\":[1.0,3.0,5.0],\"output\":-60.938}"));
  EXPECT_TRUE(contains(
      json, "\"entropy_se\":{\"attention\":[0.01,null,1e+308],\"mlp\":[2.0,4.0,6.0],\"output\":0.0625}"));
  EXPECT_TRUE(contains(
      json, "\"te\":{\"drop\":{\"0\":60.9,\"2\":0.3333333333333333,\"11\":7.0},\"identity\":{\"0\":1.0}}"));
  EXPECT_TRUE(
      contains(json, "\"te_se\":{\"drop\":{\"0\":1.0,\"2\":2.0,\"11\":3.0},\"identity\":{\"0\":0.5}}"));
  EXPECT_TRUE(contains(json, "\"chosen\":[0,2]"));
  EXPECT_TRUE(contains(json, "\"block_evaluations\":8190"));
}

TEST(LayerScoresJson, InfinityBecomesNaN) {
  LayerScores scores = some_scores();
  scores.output_entropy.value = -std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isnan(layer_scores_from_json(to_json(scores), "x").output_entropy.value));
}

TEST(LayerScoresJson, Rejections) {
  const std::string json = squeezed(to_json(some_scores()));
  const auto rejection = [](const std::string& text) {
    return message_of<FormatError>([&] { layer_scores_from_json(text, "s.json"); });
  };
  EXPECT_TRUE(contains(rejection(replaced(json, "\"0\":60.9", "\"00\":60.9")),
                       "s.json: te.drop.00: the key is not a layer number"));
  for (const char* key : {"\"-1\":60.9", "\"a\":60.9", "\"\":60.9", "\"1.5\":60.9", "\"99999999999\":60.9"}) {
    EXPECT_TRUE(contains(rejection(replaced(json, "\"0\":60.9", key)), "s.json: te.drop."));
  }
  EXPECT_TRUE(
      contains(rejection(replaced(json, "\"0\":60.9", "\"0\":true")), "te.drop.0: expected a number"));
  EXPECT_TRUE(contains(rejection(replaced(json, "[2.0,4.0,6.0]", "[2.0,4.0]")),
                       "entropy_se.mlp: has 2 entries for 3 figures"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"identity\":{\"0\":0.5}", "\"identity\":{\"1\":0.5}")),
                       "te_se.identity.1"));
  EXPECT_TRUE(
      contains(rejection(replaced(json, "\"identity\":{\"0\":0.5}", "\"identity\":{}")), "te_se.identity"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"chosen_fraction\"", "\"chosen_frac\"")),
                       "sets.0: key \"chosen_fraction\" is missing"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"chosen\":[0,2]", "\"chosen\":[0,2.5]")),
                       "chosen.1: expected a whole number"));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"images\":500", "\"images\":500,\"imagse\":1")),
                       "did you mean \"images\"?"));
}

TEST(CompressJson, RoundTripIsExact) {
  const CompressResult before = a_compression();
  const std::string json = to_json(before);
  const CompressResult after = compress_result_from_json(json, "x");
  EXPECT_EQ(to_json(after), json);
  EXPECT_EQ(after.model, before.model);
  EXPECT_EQ(after.output, before.output);
  EXPECT_EQ(after.removed, before.removed);
  EXPECT_EQ(after.reason, before.reason);
  EXPECT_EQ(after.dense_spec, before.dense_spec);
  EXPECT_EQ(after.compressed_spec, before.compressed_spec);
  EXPECT_EQ(after.dense_params, before.dense_params);
  EXPECT_EQ(after.dense_macs, before.dense_macs);
  EXPECT_EQ(after.compressed_params, 100);
  EXPECT_EQ(after.compressed_macs, 200);
  ASSERT_TRUE(after.dense && after.compressed && after.paired && after.scores);
  EXPECT_EQ(after.dense->correct, before.dense->correct);
  EXPECT_EQ(after.compressed->params, 100);
  EXPECT_EQ(after.paired->difference, -0.01);
  EXPECT_EQ(after.paired->ci95, before.paired->ci95);
  EXPECT_EQ(after.paired->mcnemar_p, 0.0625);
  EXPECT_EQ(after.held_out_kl, 0.2);
  EXPECT_EQ(after.held_out_agreement, 0.9);
  EXPECT_EQ(after.seconds, before.seconds);
  EXPECT_EQ(after.scores->chosen, before.scores->chosen);
  EXPECT_EQ(after.compressed_spectrum.radii, before.compressed_spectrum.radii);
  ASSERT_EQ(after.controls.size(), 1);
  EXPECT_EQ(after.controls[0].name, "random 1");
  EXPECT_EQ(after.controls[0].layers, (std::vector<int>{3, 4}));
  EXPECT_EQ(after.controls[0].eval.correct, before.controls[0].eval.correct);
  EXPECT_EQ(after.controls[0].paired.mcnemar_p, 1e-9);
  EXPECT_EQ(after.controls[0].held_out_kl, 2.5);
}

TEST(CompressJson, Contract) {
  const std::string json = squeezed(to_json(a_compression()));
  EXPECT_TRUE(contains(json, "{\"kind\":\"compress\",\"version\":1,"));
  EXPECT_TRUE(contains(json, "\"removed\":[0,1]"));
  EXPECT_TRUE(contains(json, "\"dense\":{\"kind\":\"eval\""));
  EXPECT_TRUE(contains(json, "\"compressed\":{\"kind\":\"eval\""));
  EXPECT_TRUE(contains(json, "\"params\":100,\"macs\":200"));
  EXPECT_TRUE(
      contains(json, "\"paired\":{\"difference\":-0.01,\"ci95\":[-0.02,0.003],\"mcnemar_p\":0.0625}"));
  // The phases in their order, which is not the alphabet's.
  EXPECT_TRUE(contains(json, "\"seconds\":{\"load\":1.5,\"analyze\":0.25,\"absorb\":30.0}"));
}

TEST(CompressJson, WithoutLabels) {
  CompressResult result = a_compression();
  result.dense.reset();
  result.compressed.reset();
  result.paired.reset();
  result.scores.reset();
  const std::string json = to_json(result);
  EXPECT_TRUE(contains(squeezed(json), "\"dense\":{\"params\":5717416,\"macs\":1099511627776}"));
  const CompressResult after = compress_result_from_json(json, "x");
  EXPECT_FALSE(after.dense || after.compressed || after.paired || after.scores);
  EXPECT_EQ(after.dense_params, result.dense_params);
  EXPECT_EQ(to_json(after), json);
  EXPECT_TRUE(contains(message_of<FormatError>([&] {
                         compress_result_from_json(
                             replaced(squeezed(json), "\"macs\":200", "\"macs\":200,\"top1\":1"), "c");
                       }),
                       "compressed.top1: unknown key"));
}

TEST(CompressJson, EmptyRoundTrip) {
  const std::string json = to_json(CompressResult());
  EXPECT_EQ(to_json(compress_result_from_json(json, "x")), json);
}

TEST(CompressJson, RepeatedPhasesAddUp) {
  CompressResult result;
  result.seconds = {{"absorb", 1}, {"eval", 2}, {"absorb", 4}};
  const CompressResult after = compress_result_from_json(to_json(result), "x");
  EXPECT_EQ(after.seconds, (std::vector<std::pair<std::string, double>>{{"absorb", 5}, {"eval", 2}}));
}

TEST(CompressJson, RejectionsNameTheWholePath) {
  const std::string json = squeezed(to_json(a_compression()));
  const auto rejection = [](const std::string& text) {
    return message_of<FormatError>([&] { compress_result_from_json(text, "c.json"); });
  };
  EXPECT_TRUE(contains(rejection(replaced(json, "\"mcnemar_p\":0.0625", "\"mcnemar_p\":\"x\"")),
                       "c.json: paired.mcnemar_p: "));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"mcnemar_p\":1e-09", "\"mcnemar_p\":[]")),
                       "c.json: controls.0.paired.mcnemar_p: "));
  EXPECT_TRUE(contains(rejection(replaced(json, "30.0", "{}")), "c.json: seconds.absorb: "));
  EXPECT_TRUE(contains(rejection(replaced(json, "\"attention\":\"none\"", "\"attention\":\"x\"")),
                       "c.json: compressed_spec.blocks.0.attention: "));
  EXPECT_TRUE(
      contains(rejection(replaced(json, "\"chosen\":[0,2]", "\"chosen\":0")), "c.json: scores.chosen: "));
}

TEST(PlanJson, RoundTripAndRejections) {
  const CompressionPlan plan{{0, 4}, "named"};
  const std::string json = to_json(plan);
  EXPECT_EQ(squeezed(json),
            "{\"kind\":\"compression_plan\",\"version\":1,\"remove_attention\":[0,4],\"reason\":\"named\"}");
  const CompressionPlan after = compression_plan_from_json(json, "x");
  EXPECT_EQ(after.remove_attention, plan.remove_attention);
  EXPECT_EQ(after.reason, plan.reason);
  EXPECT_THROW(compression_plan_from_json(to_json(an_eval()), "x"), FormatError);
  EXPECT_THROW(compression_plan_from_json("", "x"), FormatError);
}

TEST(ArtifactKind, NamesTheDocument) {
  EXPECT_EQ(artifact_kind(to_json(an_eval()), "x"), "eval");
  EXPECT_EQ(artifact_kind(to_json(some_scores()), "x"), "layer_scores");
  EXPECT_EQ(artifact_kind(to_json(a_compression()), "x"), "compress");
  EXPECT_EQ(artifact_kind(to_json(CompressionPlan()), "x"), "compression_plan");
  EXPECT_EQ(artifact_kind("{\"kind\":3}", "x"), "");
  EXPECT_EQ(artifact_kind("[1]", "x"), "");
  EXPECT_THROW(artifact_kind("{", "x"), FormatError);
}

TEST(ArtifactText, FileNamesThatAreNoUtf8DoNotStopAResult) {
  EvalResult result = an_eval();
  result.data = "caf\xe9";
  EXPECT_EQ(eval_result_from_json(to_json(result), "x").data, "caf\xef\xbf\xbd");
}

TEST(SegmentationJson, SurvivesTheRoundTrip) {
  const EvalResult before = a_segmentation();
  const std::string text = to_json(before);
  const EvalResult after = eval_result_from_json(text, "text");
  ASSERT_TRUE(after.segmentation.has_value());
  EXPECT_EQ(to_json(after), text);
  EXPECT_EQ(after.segmentation->images, before.segmentation->images);
  EXPECT_EQ(after.segmentation->pictures, before.segmentation->pictures);
  EXPECT_EQ(after.segmentation->class_names, before.segmentation->class_names);
  EXPECT_TRUE(std::isnan(after.segmentation->class_iou[1]));
  EXPECT_EQ(after.headline(), 0.4375);
  EXPECT_EQ(after.headline_name(), std::string("mIoU"));
  // A classifier's document does not contain it.
  EXPECT_EQ(to_json(an_eval()).find("segmentation"), std::string::npos);
}

TEST(SegmentationJson, RefusesImpossiblePixels) {
  const std::string text = to_json(a_segmentation());
  for (const char* wrong : {"0 10 12 11", "0 10 12", "0 10 12 9 1", "-1 10 12 9", "x 1 1 1"}) {
    std::string changed = text;
    changed.replace(changed.find("0 10 12 9"), 9, wrong);
    EXPECT_TRUE(contains(message_of<FormatError>([&] { eval_result_from_json(changed, "text"); }),
                         "is not class, labelled, predicted"))
        << wrong;
  }
}

}  // namespace
}  // namespace vitrim
