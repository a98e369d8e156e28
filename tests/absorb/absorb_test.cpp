// Absorption on small models: the student gets closer to the teacher on held-out images, and nothing else
// changes.

#include "vitrim/absorb/absorb.h"

#include "absorb/go_on.h"
#include "core/expect_throw.h"
#include "model/small_models.h"
#include "vitrim/absorb/absorbed_scorer.h"
#include "vitrim/analysis/distortion.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/core/error.h"
#include "vitrim/select/search.h"
#include "vitrim/surgery/cut_channels.h"
#include "vitrim/surgery/make_static.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::absorb {
namespace {

std::unique_ptr<model::Model> cut(const model::Model& dense, const std::vector<int>& layers) {
  const surgery::SpecAndWeights parts = surgery::remove_attention({dense.spec(), dense.parameters()}, layers);
  model::StateDict own;
  for (const auto& [name, tensor] : parts.weights.entries()) own.add(name, tensor.clone());
  return model::make_model(parts.spec, own);
}

AbsorbOptions quick_options() {
  AbsorbOptions options;
  options.batch_size = 16;
  return options;
}

// ||z_student - z_teacher|| / ||z_teacher|| after every block.
std::vector<double> block_errors(const model::Model& teacher, const model::Model& student,
                                 const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  std::vector<double> errors;
  at::Tensor a = teacher.embed(images), b = student.embed(images);
  for (int i = 0; i < teacher.num_blocks(); ++i) {
    a = teacher.run_block(i, a, model::kKeep, nullptr);
    b = student.run_block(i, b, model::kKeep, nullptr);
    // After the last block nothing reads the patches of a model that pools by token.
    const bool token = i + 1 == teacher.num_blocks() && teacher.spec().pooling == Pooling::kToken;
    errors.push_back(analysis::relative_error(token ? a.select(1, 0) : a, token ? b.select(1, 0) : b));
  }
  return errors;
}

class Absorb : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Variants, Absorb,
                         testing::Values("plain", "layerscale_qknorm", "average_pooled", "distilled",
                                         "registers", "pre_norm"),
                         [](const auto& info) { return info.param; });

TEST_P(Absorb, BringsUnseenImagesNearer) {
  const ModelSpec spec = test::variant(GetParam());
  const auto dense = test::lively_model(spec), untouched = dense->clone();
  const auto plain = cut(*dense, {1, 2}), student = cut(*dense, {1, 2});
  const data::ImageBatch images = test::colour_images(80);
  const AbsorbReport report = absorb(*student, *dense, images, quick_options());

  EXPECT_EQ(report.fit_images, 72);
  EXPECT_EQ(report.held_out_images, 8);
  EXPECT_GT(report.plain_kl, 1e-3);
  EXPECT_LT(report.kl, 0.7 * report.plain_kl);
  EXPECT_GE(report.agreement, 0);
  EXPECT_LE(report.agreement, 1);
  const at::Tensor unseen = test::colour_input(40, /*seed=*/77);
  const auto before = block_errors(*dense, *plain, unseen), after = block_errors(*dense, *student, unseen);
  for (int i = 1; i < 4; ++i) EXPECT_LT(after[i], before[i]) << "block " << i;

  // Below the first removed layer, and in the dense model, nothing changes, to the bit.
  EXPECT_EQ(after[0], 0);
  for (const auto& [name, tensor] : plain->parameters().entries()) {
    const bool below = !name.starts_with("blocks.") || name.starts_with("blocks.0.");
    if (below && name.find("norm.") == std::string::npos && !name.starts_with("head")) {
      EXPECT_TRUE(at::equal(student->parameter(name), tensor)) << name;
    }
  }
  EXPECT_FALSE(
      at::equal(student->parameter("blocks.1.mlp.fc2.weight"), plain->parameter("blocks.1.mlp.fc2.weight")));
  for (const auto& [name, tensor] : untouched->parameters().entries())
    EXPECT_TRUE(at::equal(dense->parameter(name), tensor)) << name;
  EXPECT_EQ(student->spec(), plain->spec());
  for (const auto& [name, tensor] : student->parameters().entries()) {
    EXPECT_FALSE(tensor.requires_grad()) << name;
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

AbsorbOptions closed_form() {
  AbsorbOptions options = quick_options();
  options.epochs = 0;
  return options;
}

// Pruning folds gains also into parts that keep their full width: such a block differs too, and the resulting
// model is measured.
class AbsorbGains : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Variants, AbsorbGains, testing::Values("plain", "swin", "cswin"),
                         [](const auto& info) { return info.param; });

TEST_P(AbsorbGains, BlocksOfFullWidthWithOtherWeightsAreRefitted) {
  const ModelSpec spec = test::variant(GetParam());
  const auto dense = test::lively_model(spec);
  const int block = static_cast<int>(spec.blocks.size()) - 1;  // softmax everywhere
  std::vector<model::ChannelGates> gates(spec.blocks.size());
  gates.back().qk = at::full({spec.blocks.back().num_heads, spec.blocks.back().qk_dim},
                             3.0);  // sharper attention, which no projection can compensate
  const surgery::SpecAndWeights parts = surgery::cut_channels({spec, dense->parameters()}, gates);
  ASSERT_EQ(parts.spec, spec);
  const auto student = model::make_model(parts.spec, parts.weights);
  const std::string name = architecture::projection_name(spec, block) + ".weight",
                    below = architecture::block_prefix(spec, block - 1) + "mlp.fc2.weight";
  const at::Tensor projection = student->parameter(name).clone();
  const AbsorbReport report = absorb(*student, *dense, test::colour_images(80), quick_options());
  EXPECT_GT(report.plain_kl, 1e-5);
  EXPECT_GT(report.kl, 0);
  EXPECT_LT(report.kl, report.plain_kl);
  EXPECT_FALSE(at::equal(student->parameter(name), projection));
  EXPECT_TRUE(at::equal(student->parameter(below), dense->parameter(below))) << "below, nothing changed";
}

TEST(AbsorbClosedForm, ChangesFc2Alone) {
  for (const char* name : {"plain", "layerscale_qknorm"}) {
    const auto dense = test::lively_model(test::variant(name));
    const auto plain = cut(*dense, {0, 2}), student = cut(*dense, {0, 2});
    absorb(*student, *dense, test::colour_images(80), closed_form());
    const at::Tensor unseen = test::colour_input(40, 77);
    const auto before = block_errors(*dense, *plain, unseen), after = block_errors(*dense, *student, unseen);
    for (int i = 0; i < 4; ++i) EXPECT_LT(after[i], before[i]) << "block " << i;
    for (const auto& [key, tensor] : plain->parameters().entries()) {
      const at::Tensor& now = student->parameter(key);
      if (key.ends_with("ls2.gamma")) {
        EXPECT_TRUE(at::equal(now, at::ones({32}))) << "the layer scale goes into fc2";
      } else {
        EXPECT_EQ(at::equal(now, tensor), key.find(".fc2.") == std::string::npos) << key;
      }
    }
  }
}

TEST(AbsorbClosedForm, TheClassTokenHasItsWeight) {
  const at::NoGradGuard no_grad;
  const auto dense = test::lively_model(test::small_spec(3));
  const data::ImageBatch images = test::colour_images(40);
  const at::Tensor x = dense->run_block(0, dense->embed(normalized(images, 0, 40)), model::kKeep, nullptr);
  const at::Tensor wanted = dense->run_block(1, x, model::kKeep, nullptr);
  std::vector<double> token, patches;
  for (double weight : {1.0, 1000.0}) {
    const auto student = cut(*dense, {1});
    AbsorbOptions options = closed_form();
    options.ridge = 1e-4;
    options.cls_weight = weight;
    absorb(*student, *dense, images, options);
    const at::Tensor got = student->run_block(1, x, model::kKeep, nullptr);
    token.push_back(analysis::relative_error(wanted.select(1, 0), got.select(1, 0)));
    patches.push_back(analysis::relative_error(wanted.slice(1, 1), got.slice(1, 1)));
  }
  EXPECT_LT(token[1], 0.7 * token[0]);
  EXPECT_GT(patches[1], patches[0]);
}

// Over every block of two sweeps; and a second sweep over the closed form is another absorption.
TEST(AbsorbStates, GoOnWithTheSameResult) {
  const auto dense = test::lively_model(test::small_spec(3));
  const data::ImageBatch images = test::colour_images(40);
  AbsorbOptions options = quick_options();
  options.sweeps = 2;
  expect_to_go_on(
      4, options, [&] { return cut(*dense, {1}); },
      [&](model::Model& student, const AbsorbOptions& some) {
        return absorb(student, *dense, images, some);
      });

  options.sweeps = 1;
  options.pair_epochs = 1;
  expect_to_go_on(
      2, options, [&] { return cut(*dense, {1}); },
      [&](model::Model& student, const AbsorbOptions& some) {
        return absorb(student, *dense, images, some);
      });

  const auto twice = cut(*dense, {1}), swept = cut(*dense, {1});
  options = closed_form();
  absorb(*twice, *dense, images, options);
  absorb(*twice, *dense, images, options);
  options.sweeps = 2;
  absorb(*swept, *dense, images, options);
  for (const auto& [name, tensor] : twice->parameters().entries())
    EXPECT_TRUE(at::equal(swept->parameter(name), tensor)) << name;
}

// Pairs are fitted to the output of their second block, after the fits of each alone, and what is reported is
// the model that comes out.
class AbsorbPairs : public testing::TestWithParam<std::string> {};
// The head for pixels reads streams between the blocks, the last of which a pair changes again.
INSTANTIATE_TEST_SUITE_P(Variants, AbsorbPairs, testing::Values("plain", "segment_upernet"),
                         [](const auto& info) { return info.param; });

TEST_P(AbsorbPairs, BringTheOutputNearer) {
  const auto dense = test::lively_model(test::variant(GetParam()));
  const data::ImageBatch images = test::colour_images(60);
  const auto alone = cut(*dense, {1, 2}), paired = cut(*dense, {1, 2});
  AbsorbOptions options = quick_options();
  absorb(*alone, *dense, images, options);
  options.pair_epochs = 2;
  const AbsorbReport report = absorb(*paired, *dense, images, options);

  const data::ImageBatch fit = fit_images(images, options);
  const at::Tensor input = data::normalized(fit, 0, fit.size());
  const auto before = block_errors(*dense, *alone, input), after = block_errors(*dense, *paired, input);
  EXPECT_LT(after[2], before[2]);
  EXPECT_LT(after[3], before[3]);
  EXPECT_EQ(after[0], 0);

  const data::ImageBatch kept_out = held_out_images(images, options);
  const auto answers = [&](const model::Model& model) {
    const at::NoGradGuard no_grad;
    return model::answers(model.spec(), model.forward(data::normalized(kept_out, 0, kept_out.size())));
  };
  const double kl = analysis::kl_per_image(answers(*dense), answers(*paired)).mean().item<double>();
  // A KL is half the variance of the logits' difference. From 4e-4 on this difference is 0.03; float32 logits
  // of sums in other batches err by some 1e-6, and twice that share of 0.03 is below 1e-4.
  EXPECT_NEAR(report.kl, kl, 2e-4 * kl);
}

TEST(AbsorbSeed, DecidesEverything) {
  const auto dense = test::lively_model(test::small_spec(3));
  const data::ImageBatch images = test::colour_images(40);
  const auto fitted = [&](uint64_t seed) {
    auto student = cut(*dense, {1});
    AbsorbOptions options = quick_options();
    options.seed = seed;
    absorb(*student, *dense, images, options);
    return student;
  };
  const auto a = fitted(4), b = fitted(4), other = fitted(5);
  for (const auto& [name, tensor] : a->parameters().entries())
    EXPECT_TRUE(at::equal(b->parameter(name), tensor)) << name;
  EXPECT_FALSE(
      at::equal(a->parameter("blocks.1.mlp.fc2.weight"), other->parameter("blocks.1.mlp.fc2.weight")));
}

TEST(AbsorbNothing, LeavesTheModelAlone) {
  const auto dense = test::lively_model(test::small_spec(2));
  const auto same = dense->clone();
  const AbsorbReport report = absorb(*same, *dense, test::colour_images(16), quick_options());
  for (const auto& [name, tensor] : dense->parameters().entries())
    EXPECT_TRUE(at::equal(same->parameter(name), tensor)) << name;
  EXPECT_NEAR(report.kl, 0, 1e-9);
  EXPECT_EQ(report.agreement, 1);
}

TEST(AbsorbErrors, SayWhatIsWrong) {
  const auto dense = test::lively_model(test::small_spec(3)),
             deeper = test::lively_model(test::small_spec(4));
  const auto student = cut(*dense, {1});
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { absorb(*student, *dense, test::colour_images(7)); }),
               "at least 8 images"));
  EXPECT_THROW(absorb(*student, *deeper, test::colour_images(16)), std::invalid_argument);
  const data::ImageBatch few = test::colour_images(7);
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { AbsorbedScorer(*dense, few); }), "at least 8 images"));
}

class AbsorbedScores : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<model::Model> model_ = test::lively_model(test::variant(GetParam()));
  data::ImageBatch images_ = test::colour_images(48);
  AbsorbedScorerOptions options() const {
    AbsorbedScorerOptions o;
    o.batch_size = 16;
    o.replicates = 50;
    return o;
  }
};
INSTANTIATE_TEST_SUITE_P(Variants, AbsorbedScores,
                         testing::Values("plain", "layerscale_qknorm", "average_pooled"),
                         [](const auto& info) { return info.param; });

TEST_P(AbsorbedScores, SharePrefixes) {
  AbsorbedScorer scorer(*model_, images_, options());
  EXPECT_EQ(scorer.num_layers(), 4);
  EXPECT_EQ(scorer.candidates(), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(scorer.block_evaluations(), 0);
  const auto scored = scorer.score({{}, {2}, {3}, {2, 3}, {1, 3}});
  // {2}: blocks 2, 3. {3}: block 3. {2, 3}: block 3 after the shared block 2. {1, 3}: blocks 1, 2, 3. Below
  // the first removed one: nothing.
  EXPECT_EQ(scorer.block_evaluations(), 2 + 1 + 1 + 3);
  scorer.score({{2}, {1, 3}});
  EXPECT_EQ(scorer.block_evaluations(), 7) << "known sets cost nothing";

  // The teacher's streams are kept in bfloat16: logits off by 2^-9 or so of their size, whose square is the
  // KL.
  EXPECT_NEAR(scored[0].result.score.value, 0, 1e-4);
  for (size_t i = 1; i < scored.size(); ++i) {
    EXPECT_GT(scored[i].result.score.value, 10 * scored[0].result.score.value);
    EXPECT_EQ(scored[i].result.kl, scored[i].result.score.value);
    EXPECT_GT(scored[i].result.feature_error, 0);
    EXPECT_GT(scored[i].result.score.standard_error, 0);
    ASSERT_EQ(scored[i].replicates.size(), 50u);
  }
  // A set's score does not depend on the other sets of the call: shared work is the same computation.
  AbsorbedScorer alone(*model_, images_, options());
  EXPECT_NEAR(alone.score({{2, 3}})[0].result.score.value, scored[3].result.score.value,
              1e-5 * scored[3].result.score.value);
  EXPECT_EQ(alone.block_evaluations(), 2);
}

TEST_P(AbsorbedScores, AreBelowThoseOfThePlainCut) {
  const at::NoGradGuard no_grad;
  AbsorbedScorer scorer(*model_, images_, options());
  const std::vector<select::LayerSet> sets = {{0}, {1}, {1, 2}};
  const auto scored = scorer.score(sets);
  for (size_t i = 0; i < sets.size(); ++i) {
    const at::Tensor input = normalized(images_, 0, images_.size());
    const double plain =
        analysis::kl_per_image(model_->forward(input).logits, cut(*model_, sets[i])->forward(input).logits)
            .mean()
            .item<double>();
    EXPECT_LT(scored[i].result.score.value, plain) << i;
  }
}

// Static layers lose less than removed ones. A set's score is that of the same model fitted by absorb() in
// closed form, up to the step length; layers that are removed in every set stay removed.
TEST(AbsorbedScorer, ScoresStaticLayersAndWhatIsRemovedAnyway) {
  const auto model = test::lively_model(test::small_spec(4), 9);
  const data::ImageBatch images = test::colour_images(64);
  const auto fixed = [&] {
    const surgery::SpecAndWeights parts =
        surgery::make_static({model->spec(), model->parameters()}, {0, 1, 2, 3});
    return model::make_model(parts.spec, parts.weights);
  }();
  AbsorbedScorer removing(*model, images);
  AbsorbedScorer fixing(*model, images, {}, fixed.get());
  EXPECT_EQ(fixing.candidates(), (std::vector<int>{0, 1, 2, 3}));
  for (const select::LayerSet& set : {select::LayerSet{0}, {1}, {1, 2}}) {
    EXPECT_LT(fixing.score({set})[0].result.score.value, removing.score({set})[0].result.score.value)
        << set.front();
  }
  AbsorbedScorerOptions without;
  without.removed = {1};
  AbsorbedScorer both(*model, images, without, fixed.get());
  EXPECT_EQ(both.candidates(), (std::vector<int>{0, 2, 3}));
  const double base = both.score({{}})[0].result.score.value;
  EXPECT_DOUBLE_EQ(base, removing.score({{1}})[0].result.score.value);
  AbsorbedScorer rest(*model, images, without);
  EXPECT_DOUBLE_EQ(rest.score({{2}})[0].result.score.value, removing.score({{1, 2}})[0].result.score.value);
  // Static where removed, on top of the same removal.
  EXPECT_LT(both.score({{2}})[0].result.score.value, rest.score({{2}})[0].result.score.value);
}

TEST(AbsorbedScorer, ExactSearchIsBruteForce) {
  const auto model = test::lively_model(test::small_spec(4), 9);
  const data::ImageBatch images = test::colour_images(32);
  AbsorbedScorer scorer(*model, images);
  select::SearchOptions search;
  search.count = 2;
  const auto found = select::search(scorer, search);
  AbsorbedScorer fresh(*model, images);
  double best = std::numeric_limits<double>::infinity();
  select::LayerSet best_set;
  for (int i = 0; i < 4; ++i) {
    for (int j = i + 1; j < 4; ++j) {
      const double score = fresh.score({{i, j}})[0].result.score.value;
      if (score < best) best = score, best_set = {i, j};
    }
  }
  EXPECT_EQ(found.sets.front().result.layers, best_set);
}

}  // namespace
}  // namespace vitrim::absorb
