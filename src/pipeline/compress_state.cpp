#include "vitrim/pipeline/compress_state.h"

#include <filesystem>

#include "core/json.h"
#include "pipeline/own_model.h"
#include "train/run_state.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::pipeline {

namespace {

constexpr const char* kKey = "vitrim.compressing";
constexpr int64_t kVersion = 1;
const std::string kModel = "model.", kFit = "fit.";

std::string checksum(const model::StateDict& file, json::Json meta) {
  meta.erase("checksum");
  return model::checksum_of(file, json::dump(meta, -1));
}

std::vector<double> numbers(const absorb::AbsorbReport& r) {
  return {static_cast<double>(r.fit_images),
          static_cast<double>(r.held_out_images),
          r.kl,
          r.agreement,
          r.feature_error,
          r.feature_cosine,
          r.feature_cosine_p05,
          r.plain_kl,
          r.plain_agreement};
}

absorb::AbsorbReport report_of(const std::vector<double>& n) {
  absorb::AbsorbReport r;
  r.fit_images = static_cast<int64_t>(n[0]);
  r.held_out_images = static_cast<int64_t>(n[1]);
  r.kl = n[2];
  r.agreement = n[3];
  r.feature_error = n[4];
  r.feature_cosine = n[5];
  r.feature_cosine_p05 = n[6];
  r.plain_kl = n[7];
  r.plain_agreement = n[8];
  return r;
}

}  // namespace

CompressState::CompressState(std::string path, std::string identity, bool writes)
    : path_(std::move(path)), identity_(std::move(identity)), writes_(writes) {
  if (!path_.empty() && std::filesystem::exists(path_)) load();
}

void CompressState::keep_scores(const LayerScores& scores) {
  scores_ = scores;
  save();
}

void CompressState::keep_fixed(const std::vector<int>& layers) {
  fixed_ = layers;
  save();
}

void CompressState::stage(Student& student, const model::Model& like,
                          const std::function<void(const absorb::FitKeeper* keeper)>& work) {
  if (path_.empty()) return work(nullptr);
  if (next_++ < done_) {
    if (next_ < done_) return;
    student.model = own_model({last_.model->spec(), last_.model->parameters()}, like);
    student.report = last_.report;
    return;
  }
  absorb::FitKeeper keeper;
  keeper.begin = std::move(fit_);
  keeper.save = [this](const absorb::FitState& state) {
    fit_ = state;
    save();
  };
  work(&keeper);
  fit_.reset();
  done_ = next_;
  last_.model = own_model({student.model->spec(), student.model->parameters()}, like);
  last_.report = student.report;
  save();
}

void CompressState::remove() const {
  std::error_code ignored;
  if (writes_ && !path_.empty()) std::filesystem::remove(path_, ignored);
}

void CompressState::save() const {
  if (path_.empty() || !writes_) return;
  model::StateDict file;
  json::Json meta = json::document("compress_state", kVersion);
  meta["identity"] = identity_;
  if (scores_) meta["scores"] = to_json(*scores_);
  if (fixed_) meta["static"] = *fixed_;
  meta["done"] = done_;
  if (last_.model) {
    meta["spec"] = to_json(last_.model->spec());
    meta["report"] = numbers(last_.report);
    for (const auto& [name, tensor] : last_.model->parameters().entries())
      file.add(kModel + name, tensor.detach());
  }
  if (fit_) {
    meta["fit_done"] = fit_->done;
    for (const auto& [name, tensor] : fit_->tensors.entries()) file.add(kFit + name, tensor);
  }
  meta["checksum"] = checksum(file, meta);
  file.metadata[kKey] = json::dump(meta, -1);
  try {
    checkpoint::save_safetensors(file, path_);
  } catch (const Error& error) {
    log_warning(std::string("the state of the run could not be written; the run continues: ") + error.what());
  }
}

void CompressState::load() {
  const char* damaged = "; the state is damaged: remove it to start again";
  const model::StateDict file = checkpoint::load_safetensors(path_);
  const auto found = file.metadata.find(kKey);
  if (found == file.metadata.end())
    throw FormatError(path_, "", "this is not a state of vitrim compress; remove it, or name another output");
  const std::string source = path_ + ": metadata " + kKey;
  const json::Json meta = json::parse(found->second, source);
  json::Object object(meta, json::Place{&source, ""});
  json::check_document(object, "compress_state", kVersion);
  std::string identity, check, scores, spec;
  std::vector<double> report;
  int64_t version = 0, fit_done = 0;
  object.get("version", version);
  object.get("identity", identity);
  object.get("checksum", check);
  object.get("done", done_);
  if (object.has("scores")) object.get("scores", scores);
  if (object.has("static")) object.get("static", fixed_.emplace());
  if (object.has("spec")) object.get("spec", spec);
  if (object.has("report")) object.get("report", report);
  const bool fits = object.has("fit_done");
  if (fits) object.get("fit_done", fit_done);
  object.finish();
  if (checksum(file, meta) != check)
    throw FormatError(path_, "", std::string("its checksum does not match its content") + damaged);
  const std::string difference = train::first_difference(identity, identity_);
  if (!difference.empty())
    throw Error(path_ + ": the interrupted run had " + difference +
                "; repeat the command as it was, or remove the file to start again");
  if (done_ > 0 && (spec.empty() || report.size() != numbers({}).size()))
    throw FormatError(path_, "", std::string("it lacks the model of its last stage") + damaged);
  if (!scores.empty()) scores_ = layer_scores_from_json(scores, source);
  model::StateDict weights;
  absorb::FitState fit{fit_done, {}};
  for (const auto& [name, tensor] : file.entries()) {  // the file stays mapped
    if (name.starts_with(kModel)) weights.add(name.substr(kModel.size()), tensor.clone());
    if (name.starts_with(kFit)) fit.tensors.add(name.substr(kFit.size()), tensor.clone());
  }
  if (done_ > 0) {
    last_.model = model::make_model(model_spec_from_json(spec, path_), weights);
    last_.report = report_of(report);
  }
  if (fits) fit_ = std::move(fit);
  resumed_ = true;
  log_info("continuing from " + path_);
}

}  // namespace vitrim::pipeline
