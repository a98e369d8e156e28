#include "vitrim/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vitrim::train {
namespace {

TEST(CosineSchedule, WarmsUpAndFalls) {
  EXPECT_DOUBLE_EQ(cosine_schedule(0, 110, 10, 2.0), 0.2);
  EXPECT_DOUBLE_EQ(cosine_schedule(9, 110, 10, 2.0), 2.0);
  EXPECT_DOUBLE_EQ(cosine_schedule(10, 110, 10, 2.0), 2.0);
  EXPECT_NEAR(cosine_schedule(60, 110, 10, 2.0), 1.0, 1e-12);
  EXPECT_NEAR(cosine_schedule(60, 110, 10, 2.0, 0.1), 1.1, 1e-12);
  EXPECT_NEAR(cosine_schedule(35, 110, 10, 2.0), 1 + std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(cosine_schedule(110, 110, 10, 2.0), 0, 1e-12);
  EXPECT_NEAR(cosine_schedule(500, 110, 10, 2.0, 0.1), 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(cosine_schedule(0, 1, 0, 2.0), 2.0);
}

// A recipe's rate: from its warm-up's rate to the peak, and down to its least rate at the end.
TEST(LearningRate, FollowsTheRecipe) {
  Recipe recipe;
  recipe.epochs = 11;
  recipe.warm_up_epochs = 1;
  recipe.learning_rate = 2;
  recipe.warm_up_learning_rate = 1;
  recipe.min_learning_rate = 0.5;
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 0, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 5, 10), 1.5);
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 10, 10), 2);
  EXPECT_NEAR(learning_rate(recipe, 60, 10), 1.25, 1e-12);
  EXPECT_NEAR(learning_rate(recipe, 110, 10), 0.5, 1e-12);
}

}  // namespace
}  // namespace vitrim::train
