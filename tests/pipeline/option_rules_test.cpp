// The rules of which options belong together, on calls that are lists of options.

#include "vitrim/pipeline/option_rules.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace vitrim::pipeline {
namespace {

class Call : public Asked {
 public:
  explicit Call(std::map<std::string, std::string> options) : options_(std::move(options)) {
    prunes = options_.contains("--target-macs") || options_.contains("--attention-macs");
  }
  std::string passed(const std::string& name) const override { return options_.contains(name) ? name : ""; }
  bool is(const std::string& flag) const override { return options_.contains(flag); }
  std::string value(const std::string& flag) const override {
    return options_.contains(flag) ? options_.at(flag) : flag == "--scope" ? "attention" : "";
  }

 private:
  std::map<std::string, std::string> options_;
};

std::string broken(const std::string& command, const std::map<std::string, std::string>& options) {
  return broken_rule(command, Call(options));
}

TEST(OptionRules, TheFirstBrokenRuleOfTheCommandIsStated) {
  EXPECT_EQ(broken("compress", {{"--remove", "1"}}), "");
  EXPECT_EQ(broken("compress", {{"--remove", "1"}, {"--epochs", "2"}, {"--no-absorb", ""}}),
            "--epochs belongs to the fit, which --no-absorb leaves out");
  EXPECT_EQ(broken("compress", {{"--remove", "0"}, {"--attention-macs", "1G"}, {"--scope", "mlp"}}),
            "--attention-macs does not cover the MLP; use --target-macs with --scope mlp");
  EXPECT_EQ(broken("quantize", {{"--ridge", "1"}}), "--ridge belongs to the calibration; pass --calib too");
  EXPECT_EQ(broken("quantize", {{"--ridge", "1"}, {"--calib", "images"}}), "");
}

TEST(OptionRules, ControlsNeedRemovedLayers) {
  const std::string wanted =
      "--controls compares sets of removed layers; pass --remove or --remove-attention too";
  EXPECT_EQ(broken("compress", {{"--controls", ""}, {"--static", "0"}}), wanted);
  EXPECT_EQ(broken("compress", {{"--controls", ""}, {"--remove", "0"}, {"--target-macs", "80%"}}), wanted);
  EXPECT_EQ(broken("compress", {{"--controls", ""}, {"--remove", "1"}}), "");
}

TEST(OptionRules, TargetsExcludeEachOther) {
  const std::set<std::string> targets = {"--target-macs", "--attention-macs", "--target-params"};
  for (const std::string& one : targets) {
    for (const std::string& other : targets) {
      if (one == other) continue;
      const std::string said = broken("prune", {{one, "80%"}, {other, "80%"}});
      EXPECT_NE(said.find("exclude each other; pass one of them"), std::string::npos) << said;
    }
  }
}

}  // namespace
}  // namespace vitrim::pipeline
