#include "report/paired.h"

#include <gtest/gtest.h>

#include <cmath>

#include "report/fixture.h"
#include "report/html.h"

namespace vitrim::report {
namespace {

TEST(Paired, ExactMcNemar) {
  // 6 images lost, 1 won: 2 (C(7,0) + C(7,1)) / 2^7 = 16 / 128.
  std::vector<uint8_t> first(20, 1), second(20, 1);
  for (int i = 0; i < 6; ++i) second[i] = 0;
  first[10] = 0;
  const PairedResult result = compare_paired(first, second);
  EXPECT_NEAR(result.mcnemar_p, 0.125, 1e-12);
  EXPECT_NEAR(result.difference, -0.25, 1e-12);
  EXPECT_LT(result.ci95.first, -0.25);
  EXPECT_GT(result.ci95.second, -0.25);
}

TEST(Paired, EqualModelsDoNotDiffer) {
  const std::vector<uint8_t> hits{1, 0, 1, 1};
  const PairedResult result = compare_paired(hits, hits);
  EXPECT_EQ(result.mcnemar_p, 1.0);
  EXPECT_EQ(result.difference, 0.0);
  EXPECT_EQ(result.ci95, (std::pair<double, double>{0.0, 0.0}));
  EXPECT_THROW(compare_paired(hits, {1}), std::invalid_argument);
  EXPECT_THROW(compare_paired({}, {}), std::invalid_argument);
}

TEST(Paired, BootstrapAndNormalAgreeOnLargeSets) {
  const EvalResult a = fixture::eval("a", 0.8, 5000), b = fixture::eval("b", 0.76, 5000);
  const PairedResult drawn = compare_paired(a.correct, b.correct);
  auto more = [](std::vector<uint8_t> v) {
    v.insert(v.end(), v.begin(), v.end());
    return v;
  };
  const PairedResult normal = compare_paired(more(a.correct), more(b.correct));
  const double width = drawn.ci95.second - drawn.ci95.first, half = normal.ci95.second - normal.ci95.first;
  EXPECT_NEAR(half / width, std::sqrt(0.5), 0.06);
}

TEST(Html, Numbers) {
  EXPECT_EQ(fixed(-0.04, 1), "0.0");
  EXPECT_EQ(fixed(-1.25, 1).substr(0, 3), "\u2212");
  EXPECT_EQ(signed_fixed(2, 1), "+2.0");
  EXPECT_EQ(with_error({12.3456, 0.123}), "12.35 \u00b1 0.12");
  EXPECT_EQ(with_error({12.3456, 12}), "12 \u00b1 12");
  EXPECT_EQ(with_error({std::nan(""), 0}), "\u2013");
  EXPECT_EQ(compact(5717416), "5.72\u202fM");
  EXPECT_EQ(p_value(1e-9), "p < 0.0001");
  EXPECT_EQ(duration(192), "3\u202fmin 12\u202fs");
  EXPECT_EQ(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  EXPECT_EQ(script_json({{"a", "</script>"}}), "{\"a\":\"\\u003c/script\\u003e\"}");
}

}  // namespace
}  // namespace vitrim::report
