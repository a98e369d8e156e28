#include "vitrim/train/recipe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "core/expect_message.h"
#include "core/temp_dir.h"
#include "resource_limits.h"
#include "vitrim/core/error.h"

namespace vitrim::train {
namespace {

/// Writes recipes into a separate folder and reads them.
class RecipeFiles : public ::testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder_.file(name)).parent_path());
    std::ofstream(folder_.file(name), std::ios::binary) << text;
    return folder_.file(name);
  }
  Recipe read(const std::string& text) { return read_recipe(put("test.toml", text)); }
  std::string problem(const std::string& text) {
    const std::string message = message_of<FormatError>([&] { read(text); });
    EXPECT_TRUE(contains(message, folder_.file("test.toml")));
    return message;
  }
  TempDir folder_;
};

/// A recipe in which no key has its default, with doubles that need all their digits.
Recipe unusual() {
  Recipe recipe;
  double next = 0.1;
  for (const std::string& key : recipe_keys()) {
    next = std::fmod(next * 1.37 + 0.0113, 0.83);
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", next);
    const std::string values[] = {digits, "7", "false", "cosine"};  // one of them fits any key
    const std::string before = to_toml(recipe);
    for (const std::string& value : values) {
      try {
        set(recipe, key, value);
      } catch (const std::invalid_argument&) {
        continue;
      }
      break;
    }
    EXPECT_NE(to_toml(recipe), before) << key;
  }
  // The rate turned the rule off, which came after it and so is back; a text with everything to escape.
  recipe.teacher = "a \"b\" \\ c\n\t\x01\x7f \xc3\xa4";
  return recipe;
}

/// All numbers of a recipe, so that two can be compared without the table of keys.
std::vector<double> numbers(const Recipe& r) {
  const data::AugmentOptions& a = r.augment;
  return {double(r.epochs),
          double(r.batch_size),
          r.learning_rate,
          r.learning_rate_per_512,
          r.min_learning_rate,
          r.warm_up_epochs,
          r.warm_up_learning_rate,
          r.weight_decay,
          r.beta1,
          r.beta2,
          r.eps,
          r.clip_norm,
          double(r.accumulate),
          r.label_smoothing,
          r.drop_path,
          r.high_frequency_weight,
          r.mixup,
          r.cutmix,
          r.mix_probability,
          r.cutmix_share,
          double(a.random_resized_crop),
          a.scale_min,
          a.scale_max,
          a.ratio_min,
          a.ratio_max,
          double(a.padding),
          a.horizontal_flip,
          double(a.rand_augment_ops),
          a.rand_augment_magnitude,
          a.rand_augment_std,
          a.color_jitter,
          a.erase_probability,
          a.erase_area_min,
          a.erase_area_max,
          double(r.repeats),
          r.segmentation.scale_min,
          r.segmentation.scale_max,
          r.segmentation.category_max_ratio,
          r.ema_decay,
          r.distillation_weight,
          r.distillation_temperature,
          r.block_weight,
          double(r.dilution_epochs)};
}

void expect_same(const Recipe& a, const Recipe& b) {
  EXPECT_EQ(numbers(a), numbers(b));  // exact
  EXPECT_EQ(a.teacher, b.teacher);
  EXPECT_EQ(a.dilution_schedule, b.dilution_schedule);
}

TEST_F(RecipeFiles, EveryFieldIsAKeyAndSurvivesTheRoundTrip) {
  const Recipe defaults, other = unusual();
  const std::vector<double> before = numbers(defaults), after = numbers(other);
  // Two texts besides the numbers; a field that the table lacks would keep its default.
  EXPECT_EQ(recipe_keys().size(), before.size() + 2);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NE(before[i], after[i]) << "number " << i;
  EXPECT_NE(other.dilution_schedule, defaults.dilution_schedule);
  for (const Recipe& recipe : {defaults, other}) {
    expect_same(read(to_toml(recipe)), recipe);
    expect_same(recipe_from_json(to_json(recipe), "manifest"), recipe);
  }
  const std::vector<std::string> keys = recipe_keys();
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
}

TEST_F(RecipeFiles, EmptyFileIsTheDefaults) { expect_same(read(""), Recipe()); }

TEST_F(RecipeFiles, ReadsValuesInAllTheirForms) {
  const Recipe recipe = read(
      "schedule.epochs = 1_0\n[optimizer]\nclip_norm = 1 # a whole number for a number\neps = 1e-6\n"
      "[distillation]\nteacher = 'a\\b'\n[augment]\nrandom_resized_crop = false\npadding = 0x4\n");
  EXPECT_EQ(recipe.epochs, 10);
  EXPECT_EQ(recipe.clip_norm, 1.0);
  EXPECT_EQ(recipe.eps, 1e-6);
  EXPECT_EQ(recipe.teacher, "a\\b");
  EXPECT_FALSE(recipe.augment.random_resized_crop);
  EXPECT_EQ(recipe.augment.padding, 4);
  EXPECT_EQ(recipe.batch_size, Recipe().batch_size);
}

TEST_F(RecipeFiles, EveryMistakeIsNamedWithLineKeyAndRemedy) {
  const std::string message = problem(
      "epoch = 3\n[schedule]\nepochz = 5\nweight_decay = 0.1\nbatch_size = 0\n\n[optimiser]\nbeta1 = "
      "0.9\n[ema]\n"
      "decay = 1.0\n[dilution]\nschedule = \"square\"\nepochs = 1.5\n[augment]\nrandom_resized_crop = "
      "1\npadding = [4]\n"
      "[mixing]\nmixup = nan\ncutmix = \"1\"\n");
  for (const char* part : {
           "line 1: unknown key \"epoch\"; did you mean",
           "line 3: unknown key \"schedule.epochz\"; did you mean \"schedule.epochs\"?",
           "line 4: unknown key \"schedule.weight_decay\"; did you mean \"optimizer.weight_decay\"?",
           "line 5: schedule.batch_size must be a whole number of at least 1 and at most 1000000000, not 0",
           "line 7: unknown section [optimiser]; did you mean [optimizer]?",
           "line 10: ema.decay must be a number of at least 0 and below 1, not 1",
           "line 12: dilution.schedule must be linear or cosine or held_out, not \"square\"",
           "line 13: dilution.epochs must be a whole number of at least 0 and at most 1000000000, not 1.5",
           "line 15: augment.random_resized_crop must be true or false, not 1",
           "line 16: augment.padding must be a whole number of at least 0 and at most 4096, not a list",
           "line 18: mixing.mixup must be a number of at least 0 and at most 4, not nan",
           "line 19: mixing.cutmix must be a number of at least 0 and at most 4, not \"1\"",
       }) {
    EXPECT_TRUE(contains(message, part));
  }
  EXPECT_LT(message.find("line 3:"), message.find("line 13:"));
  EXPECT_FALSE(contains(message, "beta1")) << "keys of an unknown section are not told one by one";
}

TEST_F(RecipeFiles, WhatIsNoTomlIsToldWithItsLine) {
  EXPECT_TRUE(contains(problem("[schedule]\nepochs = \n"), "line 2: "));
  EXPECT_TRUE(contains(problem("[schedule]\nepochs = 1\nepochs = 2\n"), "line 3: "));
  EXPECT_TRUE(contains(problem("[ema\n"), "line 1: "));
  EXPECT_TRUE(contains(problem("[schedule]\nepochs = 99999999999999999999\n"), "line 2: "));
  EXPECT_TRUE(contains(problem("ema = 3\n"), "line 1: unknown key \"ema\""));
  EXPECT_TRUE(contains(problem(std::string("\xff\xfe\x00", 3)), "line 1: "));
  const std::string missing = folder_.file("missing.toml");
  EXPECT_TRUE(contains(message_of<Error>([&] { read_recipe(missing); }), missing));
}

TEST_F(RecipeFiles, IncludeTakesAnotherRecipeAsTheBase) {
  put("base/one.toml", "[schedule]\nepochs = 7\nbatch_size = 96\n[ema]\ndecay = 0.5\n");
  put("base/two.toml", "include = \"one.toml\"\n[schedule]\nbatch_size = 32\n");
  const Recipe recipe = read("include = \"base/two.toml\"\n[optimizer]\nclip_norm = 2\n");
  EXPECT_EQ(recipe.epochs, 7);
  EXPECT_EQ(recipe.batch_size, 32);
  EXPECT_EQ(recipe.ema_decay, 0.5);
  EXPECT_EQ(recipe.clip_norm, 2);
  expect_same(read("include = \"deit\""), named_recipe("deit"));

  EXPECT_TRUE(contains(problem("\ninclude = \"base/none.toml\"\n"), "line 2: "));
  EXPECT_TRUE(contains(problem("include = \"diet\"\n"), "did you mean \"deit\"?"));
  EXPECT_TRUE(contains(problem("include = 3\n"), "line 1: include must be the name of a recipe"));
  EXPECT_TRUE(contains(problem("include = \"./test.toml\"\n"), "in a circle"));
  put("base/a.toml", "include = \"b.toml\"\n");
  put("base/b.toml", "include = \"../base/a.toml\"\n");
  const std::string circle = message_of<FormatError>([&] { read_recipe(folder_.file("base/a.toml")); });
  EXPECT_TRUE(contains(circle, "b.toml: line 1: recipes include each other in a circle"));
  // A mistake in the base is reported for the base.
  put("base/wrong.toml", "[schedule]\nepochs = 0\n");
  const std::string wrong = message_of<FormatError>([&] { read("include = \"base/wrong.toml\"\n"); });
  EXPECT_TRUE(contains(wrong, "wrong.toml: line 2: schedule.epochs must be"));
}

TEST(Recipe, BuiltInRecipesEqualTheFilesAndAreValid) {
  EXPECT_EQ(recipe_names(), (std::vector<std::string>{"ade20k", "apma_imagenet", "cifar100", "deit",
                                                      "finetune", "nose_imagenet", "plain"}));
  for (const std::string& name : recipe_names()) {
    const Recipe recipe = named_recipe(name);
    validate(recipe);
    expect_same(recipe, read_recipe(std::string(VITRIM_SOURCE_DIR) + "/recipes/" + name + ".toml"));
    expect_same(recipe, read_recipe(name));
  }
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([] { read_recipe("cifar10"); }),
                       "did you mean \"cifar100\"?"));
}

TEST(Recipe, TheDefaultsAreDeits) {
  Recipe recipe = named_recipe("deit");
  EXPECT_EQ(peak_learning_rate(recipe), 1e-3);  // 5e-4 * 1024 / 512, exact: a power of two
  EXPECT_EQ(recipe.ema_decay, 0.99996);
  recipe.learning_rate_per_512 = 0;
  recipe.ema_decay = 0;
  expect_same(recipe, Recipe());
}

TEST(Recipe, NoseIsDeitWithDilution) {
  Recipe recipe = named_recipe("nose_imagenet");
  EXPECT_EQ(peak_learning_rate(recipe), 2e-3);
  EXPECT_EQ(recipe.epochs, 400);
  EXPECT_EQ(recipe.dilution_epochs, 299);
  recipe.epochs = 300;
  recipe.batch_size = 1024;
  recipe.dilution_epochs = 0;
  EXPECT_EQ(recipe.ema_decay, 0);
  recipe.ema_decay = named_recipe("deit").ema_decay;
  expect_same(recipe, named_recipe("deit"));
}

TEST(Recipe, AGivenRateBeatsTheRuleOfTheBase) {
  Recipe recipe = named_recipe("deit");
  set(recipe, "schedule.batch_size", "256");
  EXPECT_EQ(peak_learning_rate(recipe), 2.5e-4);
  set(recipe, "schedule.learning_rate", "3e-4");
  EXPECT_EQ(peak_learning_rate(recipe), 3e-4);
  set(recipe, "schedule.learning_rate_per_512", "1e-3");
  EXPECT_EQ(peak_learning_rate(recipe), 5e-4);
}

TEST(Recipe, SetTakesTextAndNamesWhatIsWrong) {
  Recipe recipe;
  set(recipe, "augment.padding", "4");
  set(recipe, "augment.random_resized_crop", "false");
  set(recipe, "schedule.warm_up_epochs", "0.5");
  set(recipe, "distillation.teacher", "1e5");  // a text, whatever it looks like
  set(recipe, "dilution.schedule", "cosine");
  EXPECT_EQ(recipe.augment.padding, 4);
  EXPECT_FALSE(recipe.augment.random_resized_crop);
  EXPECT_EQ(recipe.warm_up_epochs, 0.5);
  EXPECT_EQ(recipe.teacher, "1e5");
  EXPECT_EQ(recipe.dilution_schedule, "cosine");
  const std::string before = to_toml(recipe);
  const auto problem = [&](const std::string& key, const std::string& value) {
    return message_of<std::invalid_argument>([&] { set(recipe, key, value); });
  };
  EXPECT_TRUE(contains(problem("augment.pading", "4"), "did you mean \"augment.padding\"?"));
  EXPECT_TRUE(contains(problem("decay", "4"), "did you mean \"ema.decay\"?"));
  EXPECT_TRUE(contains(problem("", "4"), "unknown key \"\""));
  EXPECT_TRUE(contains(problem("optimizer.beta2", "1"),
                       "optimizer.beta2 must be a number of at least 0 and below 1, not 1"));
  EXPECT_TRUE(contains(problem("schedule.epochs", "ten"), "schedule.epochs must be a whole number"));
  EXPECT_TRUE(contains(problem("schedule.epochs", "10 "), "not \"10 \""));
  EXPECT_TRUE(contains(problem("schedule.epochs", "1e3"), "not 1000"));
  EXPECT_TRUE(contains(problem("schedule.epochs", ""), "not \"\""));
  EXPECT_TRUE(contains(problem("schedule.learning_rate", "inf"), "a number above 0, not inf"));
  EXPECT_TRUE(contains(problem("schedule.learning_rate", "0"), "a number above 0, not 0"));
  EXPECT_TRUE(contains(problem("augment.random_resized_crop", "yes"), "true or false, not \"yes\""));
  EXPECT_TRUE(contains(problem("augment.scale_max", "1.01"), "above 0 and at most 1, not 1.01"));
  EXPECT_EQ(to_toml(recipe), before);
}

TEST(Recipe, ValidateListsAllThatIsOutOfRangeOrDoesNotFit) {
  validate(Recipe());
  Recipe recipe;
  recipe.epochs = 4;
  recipe.warm_up_epochs = 5;
  recipe.beta1 = 1;
  recipe.dilution_epochs = 4;
  recipe.accumulate = 3;
  recipe.min_learning_rate = 0.1;
  recipe.augment.scale_min = 0.9;
  recipe.augment.scale_max = 0.5;
  recipe.augment.padding = 2;
  recipe.dilution_schedule = "step";
  recipe.mixup = std::nan("");
  const std::string message = message_of<std::invalid_argument>([&] { validate(recipe); });
  for (const char* part : {"schedule.warm_up_epochs (5) must be at most schedule.epochs (4)",
                           "optimizer.beta1 must be", "dilution.epochs (4) must be below schedule.epochs (4)",
                           "optimizer.accumulate (3) must divide schedule.batch_size (1024)",
                           "schedule.min_learning_rate (0.1) must be at most the peak learning rate (0.001)",
                           "augment.scale_min (0.9) must be at most augment.scale_max (0.5)",
                           "augment.padding does nothing while augment.random_resized_crop is true",
                           "dilution.schedule must be linear or cosine or held_out",
                           "mixing.mixup must be a number of at least 0 and at most 4, not nan"}) {
    EXPECT_TRUE(contains(message, part));
  }
  recipe = Recipe();
  recipe.accumulate = 0;
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { validate(recipe); }), "optimizer.accumulate must be"));
}

TEST(Recipe, JsonIsReadStrictly) {
  const auto problem = [](const std::string& json) {
    return message_of<FormatError>([&] { recipe_from_json(json, "run.json"); });
  };
  EXPECT_EQ(recipe_from_json(R"({"schedule": {"epochs": 3}})", "run.json").epochs, 3);
  expect_same(recipe_from_json("{}", "run.json"), Recipe());
  EXPECT_TRUE(contains(problem(R"({"schedule": {"epoch": 3}})"), "run.json: schedule.epoch: unknown key"));
  EXPECT_TRUE(
      contains(problem(R"({"schedule": {"epochs": 3.5}})"), "schedule.epochs must be a whole number"));
  EXPECT_TRUE(
      contains(problem(R"({"schedule": {"epochs": null}})"), "schedule.epochs: must be a whole number"));
  EXPECT_TRUE(contains(problem(R"({"schedule": {"epochs": 18446744073709551615}})"), "too large"));
  EXPECT_TRUE(contains(problem(R"({"schedule": 3})"), "run.json: schedule: expected an object"));
  EXPECT_TRUE(contains(problem("[]"), "expected an object"));
  EXPECT_TRUE(contains(problem("{"), "not valid JSON"));
}

TEST_F(RecipeFiles, HostileOnesAreRefusedAtOnce) {
  const auto repeat = [](const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  const auto refuse = [&](const std::string& text) {
    const std::string path = put("test.toml", text);
    return test::refused_within_limits([&] { read_recipe(path); });
  };
  EXPECT_TRUE(contains(refuse("[" + repeat("a.", 400'000) + "a]\n"), "line 1: has more than 64 dots"));
  EXPECT_TRUE(
      contains(refuse("\n" + repeat("\"=\".", 200'000) + "a = 1\n"), "line 2: has more than 64 dots"));
  refuse("a = " + repeat("[", 400'000) + repeat("]", 400'000) + "\n");
  refuse("a = " + repeat("{a=", 300'000) + "1" + repeat("}", 300'000) + "\n");
  refuse(repeat("[[a]]\n", 150'000));
  refuse(repeat("a = [\n" + repeat("{b.b.b.b.b.b.b.b.b.b.b.b.b.b=[\n", 10), 3000));
  std::string keys, tables;
  for (int i = 0; i < 60'000; ++i) keys += "k" + std::to_string(i) + " = 1\n";
  for (int i = 0; i < 60'000; ++i) tables += "[t" + std::to_string(i) + "]\nk = 1\n";
  // Only the first twenty mistakes are listed.
  EXPECT_LT(refuse(keys).size(), 4000u);
  EXPECT_LT(refuse("[schedule]\n" + keys).size(), 4000u);
  EXPECT_LT(refuse(tables).size(), 4000u);
  refuse("a = \"" + std::string(900'000, 'x') + "\"\n");
  refuse(std::string(900'000, 'k') + " = 1\n");
  EXPECT_TRUE(contains(refuse(repeat("# comment\n", 200'000)), "larger than 1 MB"));
  EXPECT_NO_THROW(read("# " + repeat(".", 200) + "\n[schedule]\nepochs = 20 # a.b.c\n"));
}

TEST_F(RecipeFiles, DeepChainsOfIncludes) {
  for (int i = 0; i < 30; ++i)
    put("r" + std::to_string(i) + ".toml", "include = \"./r" + std::to_string(i + 1) + ".toml\"\n");
  put("r30.toml", "");
  expect_message<FormatError>([&] { read_recipe(folder_.file("r0.toml")); },
                              "include each other more than 16 deep");
  EXPECT_NO_THROW(read_recipe(folder_.file("r20.toml")));
}

}  // namespace
}  // namespace vitrim::train
