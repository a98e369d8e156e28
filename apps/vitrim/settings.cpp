#include "settings.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "chain.h"
#include "program.h"

namespace vitrim::app {
namespace {

// Chains of commands are also called recipes.
void check_not_a_chain(const std::string& recipe) {
  const std::vector<std::string> chains = chain_names();
  const std::string name = std::filesystem::path(recipe).stem().string();
  if (std::find(chains.begin(), chains.end(), name) != chains.end() && !std::filesystem::exists(recipe))
    throw UsageError("--recipe " + recipe + ": " + name +
                     " is a chain of commands, not settings; it runs as vitrim run " + name);
}

}  // namespace

void Settings::add_to(CLI::App& command, const std::vector<train::Keys>& keys) {
  for (const train::Keys& some : keys) keys_.insert(keys_.end(), some.begin(), some.end());
  command.add_option("--recipe", recipe,
                     "TOML file of settings; --help-all and the command's page list them");
  command.add_option("--set", sets, "override a setting of the recipe: section.key=value; may be repeated")
      ->allow_extra_args(false)
      ->delimiter(',');
  std::string list = "Settings:";
  for (const train::Key& key : keys_) {
    usual_.push_back(key.value());
    std::string typed = key.key + "=" + train::shown(usual_.back());
    std::erase(typed, '"');
    constexpr size_t kColumn = 28;  // the column of options in --help
    list += "\n  " + typed +
            (typed.size() + 2 > kColumn ? "\n" + std::string(kColumn + 2, ' ')
                                        : std::string(kColumn - typed.size(), ' ')) +
            key.help;
    for (size_t i = 0; i < key.choices.size(); ++i)
      list += (i == 0 ? ": " : i + 1 < key.choices.size() ? ", " : " or ") + key.choices[i];
  }
  if (!keys_.empty()) command.footer(list);
}

void Settings::apply(const train::Keys& beside,
                     const std::vector<std::pair<std::string, std::string>>& more) const {
  train::Keys all = beside;
  all.insert(all.end(), keys_.begin(), keys_.end());
  try {
    check_not_a_chain(recipe);
    if (!recipe.empty()) train::read_keys(all, recipe);
    for (const std::string& setting : sets) {
      const size_t equals = setting.find('=');
      if (equals == std::string::npos)
        throw std::invalid_argument("'" + setting + "' is not of the form section.key=value");
      train::set(all, setting.substr(0, equals), setting.substr(equals + 1));
    }
    for (const auto& [key, value] : more) train::set(all, key, value);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

std::map<std::string, std::string> Settings::changed() const {
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].value() != usual_[i]) out[keys_[i].key] = train::shown(keys_[i].value());
  }
  return out;
}

train::Keys fit_keys(absorb::AbsorbOptions& o) {
  using namespace train;
  return {
      {.key = "fit.learning_rate",
       .slot = &o.learning_rate,
       .range = above(0),
       .help = "learning rate of the gradient epochs"},
      {.key = "fit.ridge",
       .slot = &o.ridge,
       .range = above(0),
       .help = "strength of the closed form's pull towards the old weights"},
      {.key = "fit.cls_weight",
       .slot = &o.cls_weight,
       .range = above(0),
       .help = "weight of the CLS token relative to a patch token in the fit"},
      {.key = "fit.pair_epochs",
       .slot = &o.pair_epochs,
       .range = between(0, 1000),
       .help = "number of gradient epochs in which each block is fitted together with the block before it"},
      {.key = "fit.patches",
       .slot = &o.fit_patches,
       .range = between(1, 100000),
       .help = "number of patch tokens drawn in a step of the gradient fit"},
      {.key = "fit.batch",
       .slot = &o.fit_batch,
       .range = between(1, 4096),
       .help = "number of images in a step of the gradient fit"},
      {.key = "fit.held_out",
       .slot = &o.held_out,
       .range = between(0.01, 0.5),
       .help = "share of the calibration images kept out of the fit"},
      {.key = "fit.flip", .slot = &o.flip, .help = "fit on the mirrored images too"},
  };
}

train::Keys channel_keys(pipeline::PruneOptions& o) {
  using namespace train;
  return {
      {.key = "channels.round",
       .slot = &o.round,
       .range = between(1, 1024),
       .help = "keep a multiple of this many channels in a head, or all of them"},
      {.key = "channels.score_images",
       .slot = &o.score_images,
       .range = between(1, 100000),
       .help = "number of images on which channels are scored"},
      {.key = "indicators.epochs",
       .slot = &o.indicators.epochs,
       .range = between(1, 1000),
       .help = "number of passes over the images in which indicators learn"},
      {.key = "indicators.learning_rate",
       .slot = &o.indicators.learning_rate,
       .range = above(0),
       .help = "learning rate of the indicators"},
      {.key = "indicators.temperature",
       .slot = &o.indicators.temperature,
       .range = above(0),
       .help = "temperature of the sigmoid that turns indicators into proportions"},
  };
}

}  // namespace vitrim::app
