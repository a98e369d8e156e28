// analyze and compress as functions, on a small model and synthetic images.

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/model/loading.h"
#include "vitrim/pipeline/analyze.h"
#include "vitrim/pipeline/compress.h"
#include "vitrim/select/prefix_tree.h"

namespace vitrim::pipeline {
namespace {

std::unique_ptr<model::Model> small_model(int64_t depth = 4) {
  ModelSpec spec = test::small_spec(depth);
  spec.image_size = {64, 64};
  spec.patch_size = 16;
  spec.preprocess->crop = 64;
  return test::lively_model(spec);
}

data::ImageBatch calibration(int64_t count) {
  data::LoadOptions options;
  options.preprocess.crop = 64;
  options.threads = 2;
  return data::load_images(*data::open_dataset("synthetic:calib:" + std::to_string(count)), options);
}

AnalyzeOptions quick_options(int count) {
  AnalyzeOptions options;
  options.count = count;
  options.te.replicates = options.absorbed.replicates = 20;
  options.te_images = 20;
  options.absorbed_images = 24;
  return options;
}

bool is_set_of(const std::vector<int>& layers, size_t count, int num_layers) {
  return layers.size() == count && std::is_sorted(layers.begin(), layers.end()) &&
         std::adjacent_find(layers.begin(), layers.end()) == layers.end() && layers.front() >= 0 &&
         layers.back() < num_layers;
}

TEST(Analyze, EveryCriterionSearchAndEstimator) {
  const auto model = small_model();
  const data::ImageBatch images = calibration(40);
  for (LayerCriterion criterion : {LayerCriterion::kTransferEntropy, LayerCriterion::kAbsorbed}) {
    for (auto strategy : {select::Strategy::kExact, select::Strategy::kBeam, select::Strategy::kGreedy}) {
      for (auto estimator : {analysis::Estimator::kDiagonal, analysis::Estimator::kFull}) {
        AnalyzeOptions options = quick_options(2);
        options.criterion = criterion;
        options.search.strategy = strategy;
        options.te.estimator = estimator;
        options.both_criteria = true;
        const LayerScores scores = analyze(*model, images, options);
        SCOPED_TRACE(scores.criterion + ' ' + scores.search + ' ' + scores.estimator);

        EXPECT_EQ(scores.criterion, to_string(criterion));
        EXPECT_EQ(scores.search, select::to_string(strategy));
        EXPECT_EQ(scores.estimator, analysis::to_string(estimator));
        EXPECT_EQ(scores.images, 20);
        EXPECT_TRUE(is_set_of(scores.chosen, 2, 4));
        ASSERT_FALSE(scores.sets.empty());
        EXPECT_EQ(scores.sets.front().layers, scores.chosen);
        for (const auto* sets : {&scores.sets, &scores.other_criterion}) {
          ASSERT_FALSE(sets->empty());
          double fractions = 0;
          for (size_t i = 0; i < sets->size(); ++i) {
            const SetResult& set = (*sets)[i];
            EXPECT_TRUE(is_set_of(set.layers, 2, 4));
            EXPECT_GT(set.score.value, 0);
            EXPECT_GT(set.te.value, 0) << "TE stands beside every set";
            EXPECT_GT(set.kl, 0);
            EXPECT_LE((*sets)[i > 0 ? i - 1 : 0].score.value, set.score.value);
            fractions += set.chosen_fraction;
          }
          EXPECT_LE(fractions, 1 + 1e-9);
        }
        EXPECT_EQ(scores.brute_force_block_evaluations, 6 * 4);
        EXPECT_GT(scores.block_evaluations, 0);
        EXPECT_EQ(scores.absorbed.size(), 4u);
        EXPECT_EQ(scores.te_drop.size(), 4u);
        EXPECT_EQ(scores.te_identity.size(), 4u);
        EXPECT_EQ(scores.attention_entropy.size(), 4u);
        EXPECT_EQ(scores.mlp_entropy.size(), 4u);
        EXPECT_GT(scores.output_entropy.standard_error, 0);
        EXPECT_EQ(scores.spectrum.log_amplitude.size(), 4u);
        ASSERT_EQ(scores.interaction.size(), 4u);
        EXPECT_EQ(scores.interaction[1][3], scores.interaction[3][1]);
        const std::string json = to_json(scores);
        EXPECT_EQ(to_json(layer_scores_from_json(json, "test")), json);
      }
    }
  }
}

TEST(Analyze, CountsWhatTheSearchCost) {
  const auto model = small_model(6);
  AnalyzeOptions options = quick_options(2);
  options.criterion = LayerCriterion::kTransferEntropy;
  options.interactions = false;
  const LayerScores scores = analyze(*model, calibration(20), options);
  std::vector<select::LayerSet> pairs;
  for (int i = 0; i < 6; ++i) {
    for (int j = i + 1; j < 6; ++j) pairs.push_back({i, j});
  }
  // The dense model may have been run before.
  EXPECT_LE(scores.block_evaluations, select::PrefixTree(pairs, 6).evaluations());
  EXPECT_GE(scores.block_evaluations, select::PrefixTree(pairs, 6).evaluations() - 6);
  EXPECT_EQ(scores.brute_force_block_evaluations, 15 * 6);
  EXPECT_TRUE(scores.interaction.empty());
}

TEST(Analyze, PercentagesRoundToTheNearest) {
  const auto model = small_model();
  AnalyzeOptions options = quick_options(parse_layer_count("40%", 4));  // 1.6
  options.search.strategy = select::Strategy::kGreedy;
  EXPECT_EQ(analyze(*model, calibration(20), options).chosen.size(), 2u);
}

TEST(Analyze, MeasuresOnlyWhereNothingIsAskedFor) {
  const LayerScores scores = analyze(*small_model(2), calibration(12), quick_options(0));
  EXPECT_TRUE(scores.chosen.empty());
  EXPECT_TRUE(scores.sets.empty());
  EXPECT_EQ(scores.te_drop.size(), 2u);
}

TEST(Analyze, RefusesMoreLayersThanThereAre) {
  const auto model = small_model(2);
  const data::ImageBatch images = calibration(12);
  const std::string message =
      message_of<std::invalid_argument>([&] { analyze(*model, images, quick_options(3)); });
  EXPECT_TRUE(contains(message, "3"));
  EXPECT_TRUE(contains(message, "has 2"));
  CompressOptions options;
  options.analyze = quick_options(3);
  EXPECT_THROW(compress(*model, images, nullptr, {}, options), std::invalid_argument);
  options.layers = {0, 2};
  EXPECT_THROW(compress(*model, images, nullptr, {}, options), std::invalid_argument);
  EXPECT_THROW(parse_layer_criterion("entropy"), std::invalid_argument);
}

TEST(Compress, EndToEnd) {
  const at::NoGradGuard no_grad;  // absorption needs gradients, whatever the caller's mode
  const TempDir folder;
  const auto dense = small_model(), untouched = dense->clone();
  const auto validation = data::open_dataset("synthetic:val:30");
  eval::AccuracyOptions accuracy;
  accuracy.preprocess.crop = 64;
  CompressOptions options;
  options.analyze = quick_options(2);
  options.analyze.search.strategy = select::Strategy::kBeam;
  Compressed out = compress(*dense, calibration(40), validation.get(), accuracy, options);
  const CompressResult& result = out.result;

  EXPECT_TRUE(is_set_of(result.removed, 2, 4));
  ASSERT_TRUE(result.scores.has_value());
  EXPECT_EQ(result.removed, result.scores->chosen);
  EXPECT_TRUE(contains(result.reason, "beam"));
  EXPECT_LT(result.compressed_params, result.dense_params);
  EXPECT_LT(result.compressed_macs, result.dense_macs);
  ASSERT_TRUE(result.dense && result.compressed && result.paired);
  EXPECT_EQ(result.dense->images, 30);
  EXPECT_NEAR(result.paired->difference, result.compressed->top1 - result.dense->top1, 1e-12);
  EXPECT_GE(result.seconds.size(), 3u);
  for (const auto& [name, tensor] : untouched->parameters().entries())
    EXPECT_TRUE(at::equal(dense->parameter(name), tensor)) << name;

  // The file is the model, without the removed blocks' attention.
  model::save_model(*out.model, folder.file("out.safetensors"));
  const auto reloaded = model::load_model(folder.file("out.safetensors"));
  EXPECT_EQ(reloaded->spec(), out.model->spec());
  EXPECT_EQ(reloaded->spec(), result.compressed_spec);
  for (int i = 0; i < 4; ++i) {
    const bool removed = std::find(result.removed.begin(), result.removed.end(), i) != result.removed.end();
    const std::string prefix = "blocks." + std::to_string(i);
    EXPECT_EQ(reloaded->has_parameter(prefix + ".attn.qkv.weight"), !removed);
    EXPECT_EQ(reloaded->has_parameter(prefix + ".norm1.weight"), !removed);
    EXPECT_EQ(reloaded->spec().blocks[i].stream_gain, 1);
  }
  const at::Tensor input = data::normalized(calibration(8), 0, 8);
  EXPECT_LT(test::relative_difference(reloaded->forward(input).logits, out.model->forward(input).logits),
            1e-6);

  const std::string json = to_json(result);
  EXPECT_EQ(to_json(compress_result_from_json(json, "test")), json);
}

// Stopped in every pass over views and resumed: the same model, and no file is left.
TEST(Compress, GoesOnWhereItWasStopped) {
  const TempDir folder;
  const std::string path = folder.file("out.state");
  const auto dense = small_model(3);
  const data::ImageBatch images = calibration(24);
  CompressOptions options;
  options.analyze = quick_options(1);
  options.prune.target = "90%";
  options.prune.round = 2;
  options.prune.criterion = "magnitude";
  options.absorb.epochs = 1;
  options.refine.passes = options.distill.epochs = 1;
  int64_t loads = 0, stop_at = 0;
  options.more = {16, [&](int64_t, const std::vector<int64_t>& rows) {
                    if (++loads == stop_at) throw Interrupted();
                    return data::select_images(images, rows);
                  }};
  const Compressed whole = compress(*dense, images, nullptr, {}, options);
  ASSERT_EQ(loads, 2);
  for (stop_at = 1; stop_at <= 2; ++stop_at) {
    loads = 0;
    CompressState state(path, "remove = 1\nviews = 1\n");
    options.state = &state;
    EXPECT_THROW(compress(*dense, images, nullptr, {}, options), Interrupted);
    EXPECT_EQ(state.resumed(), stop_at == 2);
  }
  const std::string refused = message_of<Error>([&] { CompressState(path, "remove = 1\nviews = 2\n"); });
  for (const char* part : {path.c_str(), "\"views = 1\", but the command now has \"views = 2\""})
    EXPECT_TRUE(contains(refused, part));
  loads = 0;
  CompressState state(path, "remove = 1\nviews = 1\n");
  options.state = &state;
  const Compressed resumed = compress(*dense, images, nullptr, {}, options);
  EXPECT_EQ(resumed.result.removed, whole.result.removed);
  EXPECT_EQ(resumed.result.held_out_kl, whole.result.held_out_kl);
  EXPECT_EQ(resumed.model->spec(), whole.model->spec());
  for (const auto& [name, tensor] : whole.model->parameters().entries())
    EXPECT_TRUE(at::equal(resumed.model->parameter(name), tensor)) << name;
  state.remove();
  EXPECT_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "no state";
  EXPECT_THROW(CompressState(path, ""), FormatError);
}

TEST(Compress, NamedLayersWithoutAbsorptionAreThePlainCut) {
  const at::NoGradGuard no_grad;
  const auto dense = small_model();
  CompressOptions options;
  options.layers = {1, 3};
  options.absorb_layers = false;
  const Compressed out = compress(*dense, calibration(16), nullptr, {}, options);
  EXPECT_EQ(out.result.removed, options.layers);
  EXPECT_EQ(out.result.reason, "named");
  EXPECT_FALSE(out.result.scores || out.result.dense || out.result.paired);
  const at::Tensor input = data::normalized(calibration(8), 0, 8);
  const at::Tensor masked =
      dense->forward(input, {model::kKeep, model::kSkip, model::kKeep, model::kSkip}).logits;
  EXPECT_LT(test::relative_difference(out.model->forward(input).logits, masked),
            test::float_tolerance(768, test::operations(dense->spec()), 8));
}

// Without a layer to remove, layers are analysed only if their figures are requested.
TEST(Compress, NoLayersAreAnalysedIfNoneIsRemoved) {
  const auto dense = small_model(3);
  CompressOptions options;
  options.analyze = quick_options(0);
  options.absorb_layers = false;
  options.prune.target = "90%";
  options.prune.round = 2;
  options.prune.criterion = "magnitude";
  const Compressed out = compress(*dense, calibration(16), nullptr, {}, options);
  EXPECT_TRUE(out.result.removed.empty());
  EXPECT_FALSE(out.result.scores);
  EXPECT_TRUE(out.result.reason.starts_with("magnitude")) << out.result.reason;
  options.analyze.both_criteria = true;
  const Compressed analysed = compress(*dense, calibration(16), nullptr, {}, options);
  EXPECT_TRUE(analysed.result.scores);
  EXPECT_EQ(analysed.result.reason, out.result.reason);
}

TEST(CheckCompress, RefusesWhatNoLayersLeave) {
  ModelSpec spec = test::small_spec();
  spec.blocks[0].qk_dim = spec.blocks[0].v_dim = 8;  // the cheapest attention
  CompressOptions options;
  options.analyze.count = 1;
  options.prune.attention_only = true;
  options.prune.round = 1;
  const auto check = [&](const std::string& target) {
    options.prune.target = target;
    check_compress(spec, options);
  };
  int64_t whole = 0;
  for (int i = 0; i < 4; ++i) whole += architecture::attention_macs(spec, i);
  const int64_t cheap = architecture::attention_macs(spec, 0), dear = architecture::attention_macs(spec, 1);
  ASSERT_LT(cheap, dear);
  check(std::to_string(whole - cheap));
  check("50%");
  EXPECT_THROW(check(std::to_string(whole - cheap + 1)), std::invalid_argument);
  EXPECT_THROW(check("1%"), std::invalid_argument);
  options.layers = {1};
  EXPECT_THROW(check(std::to_string(whole - cheap)), std::invalid_argument);
  check(std::to_string(whole - dear));
  options.prune.target.clear();
  check_compress(spec, options);
}

TEST(PruneChannels, JudgesWithAllTokensAndKeepsTheSchedule) {
  const auto plain = small_model();
  const auto merging = plain->clone();
  merging->set_merging({2, 2, 2, 2});
  PruneOptions options;
  options.target = "60%";
  options.attention_only = true;
  options.round = 1;
  options.score_images = 8;
  options.criterion = "taylor";
  const data::ImageBatch images = calibration(16);
  const auto pruned = prune_channels(*merging, images, options);
  EXPECT_EQ(pruned->spec().blocks[1].merge, 2);
  EXPECT_LT(pruned->spec().blocks[1].qk_dim, 16);
  // Of the same number, the same channels: the scores come from the model with all its tokens.
  options.width = pruned->spec().blocks[1].qk_dim;
  options.target.clear();
  const auto from_merging = prune_channels(*merging, images, options),
             from_plain = prune_channels(*plain, images, options);
  for (const auto& [name, tensor] : from_plain->parameters().entries())
    EXPECT_TRUE(at::equal(from_merging->parameter(name), tensor)) << name;
}

// Widths for heads and for MLPs are separate, and neither changes the other.
TEST(PruneChannels, NarrowsMlpsAlone) {
  const auto dense = small_model();
  const ModelSpec& whole = dense->spec();
  const data::ImageBatch images = calibration(16);
  for (const char* criterion : {"energy", "apma"}) {
    PruneOptions options;
    options.criterion = criterion;
    options.indicators.epochs = 1;
    options.score_images = 8;
    options.mlp_width = 32;
    ASSERT_TRUE(options.prunes());
    const ModelSpec mlps = prune_channels(*dense, images, options)->spec();
    options.width = 8;
    const ModelSpec both = prune_channels(*dense, images, options)->spec();
    int64_t kept = 0, heads = 0;
    for (size_t i = 0; i < whole.blocks.size(); ++i) {
      EXPECT_EQ(mlps.blocks[i].qk_dim, whole.blocks[i].qk_dim) << criterion;
      EXPECT_EQ(mlps.blocks[i].v_dim, whole.blocks[i].v_dim) << criterion;
      kept += mlps.blocks[i].mlp_dim;
      heads += both.blocks[i].v_dim;
    }
    // Learned indicators spread the multiply-adds of such widths over the blocks.
    EXPECT_LT(kept, 40 * static_cast<int64_t>(whole.blocks.size())) << criterion;
    EXPECT_LT(heads, whole.blocks[0].v_dim * static_cast<int64_t>(whole.blocks.size())) << criterion;
    if (criterion == std::string("energy")) {
      for (const BlockSpec& block : both.blocks)
        EXPECT_EQ(std::pair(block.mlp_dim, block.v_dim), std::pair(int64_t{32}, int64_t{8}));
    }
  }
}

// The images that evaluate the fit choose no channels either: with other images in their place, the same
// channels are cut, with the same gains.
TEST(Compress, ChannelsAreChosenOnImagesOfTheFit) {
  const auto dense = small_model();
  const data::ImageBatch images = calibration(40);
  for (const char* criterion : {"apma", "taylor"}) {
    CompressOptions options;
    options.remove_layers = false;
    options.absorb.epochs = 0;
    options.absorb.held_out = 0.25;
    options.prune.target = "60%";
    options.prune.attention_only = true;
    options.prune.round = 1;
    options.prune.criterion = criterion;
    options.prune.score_images = options.prune.indicators.score_images = 8;
    options.prune.indicators.epochs = 1;
    options.prune.indicators.fit_batch = 10;
    const data::ImageBatch fit = absorb::fit_images(images, options.absorb);
    ASSERT_EQ(fit.size(), 30);
    data::ImageBatch others = images;
    others.pixels = images.pixels.clone();
    int64_t changed = 0;
    for (int64_t i = 0; i < images.size(); ++i) {
      if (std::find(fit.names.begin(), fit.names.end(), images.names[static_cast<size_t>(i)]) !=
          fit.names.end())
        continue;
      others.pixels[i] = 255 - others.pixels[i];
      ++changed;
    }
    ASSERT_EQ(changed, 10);
    const Compressed first = compress(*dense, images, nullptr, {}, options),
                     second = compress(*dense, others, nullptr, {}, options);
    for (const auto& [name, tensor] : first.model->parameters().entries())
      EXPECT_TRUE(at::equal(second.model->parameter(name), tensor)) << criterion << " " << name;
    EXPECT_NE(first.result.held_out_kl, second.result.held_out_kl);
  }
}

TEST(Compress, ControlsAreTreatedAlike) {
  const auto dense = small_model();
  const auto validation = data::open_dataset("synthetic:val:20");
  eval::AccuracyOptions accuracy;
  accuracy.preprocess.crop = 64;
  CompressOptions options;
  options.layers = {1};
  options.controls = true;
  options.random_controls = 2;
  options.absorb.epochs = 0;
  options.analyze = quick_options(1);
  const Compressed out = compress(*dense, calibration(16), validation.get(), accuracy, options);
  std::vector<std::string> names;
  for (const ControlResult& control : out.result.controls) {
    names.push_back(control.name);
    EXPECT_TRUE(is_set_of(control.layers, 1, 4)) << control.name;
    EXPECT_EQ(control.eval.images, 20);
    EXPECT_NEAR(control.paired.difference, control.eval.top1 - out.result.dense->top1, 1e-12) << control.name;
  }
  for (const char* wanted : {"random 1", "random 2", "first-k", "last-k", "least-norm"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), wanted), names.end()) << wanted;
  }
}

}  // namespace
}  // namespace vitrim::pipeline
