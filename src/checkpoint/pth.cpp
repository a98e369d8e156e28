#include <algorithm>
#include <map>
#include <unordered_map>

#include "checkpoint/mistakes.h"
#include "checkpoint/pickle.h"
#include "checkpoint/torch_tensor.h"
#include "checkpoint/training_state.h"
#include "checkpoint/view_bytes.h"
#include "checkpoint/zip_archive.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

// Limits far above any checkpoint of a vision model, so that a small hostile file can't use unbounded memory:
// its dicts may share entries and so expand to far more names than the file has bytes.
constexpr size_t kDeepestDict = 64;
constexpr size_t kMostTensors = 100'000;
constexpr size_t kLongestName = 1000;
constexpr size_t kMostNotes = 1000;
constexpr size_t kMostVisits = 2'000'000;
constexpr size_t kVisitBytes = 16;  ///< this many bytes of a name count as one visit
/// Tensors may share storages, and with stride 0 be larger than their storage. All tensors together may be
/// this many times as large as all storages, plus this many bytes.
constexpr int64_t kMostSharing = 16, kMostExpanded = int64_t{256} << 20;
/// The alignment at which every element type can be read; complex128 is the largest.
constexpr size_t kStorageAlignment = 16;

/// Larger than any file, so that sums and products of sizes do not overflow.
constexpr int64_t kLargestFile = int64_t{1} << 50;

constexpr const char* kSaveStateDict = "save plain tensors, torch.save(model.state_dict(), file)";

/// The folder in the archive that contains everything, usually "archive/".
std::string archive_folder(const ZipArchive& archive) {
  for (const auto& [name, record] : archive.records()) {
    const size_t slash = name.find('/');
    if (name == "data.pkl") return "";
    if (slash != std::string::npos && name.substr(slash + 1) == "data.pkl") return name.substr(0, slash + 1);
  }
  std::vector<std::string> names;
  for (const auto& [name, record] : archive.records()) names.push_back(name);
  if (const std::string what = mistaken_archive(names); !what.empty())
    throw FormatError(archive.path(), "", what);
  throw FormatError(
      archive.path(), "",
      "the zip archive contains no data.pkl, so torch.save did not write it; name a .safetensors "
      "or .pth checkpoint");
}

void check_supported(const ZipArchive& archive, const std::string& folder) {
  if (archive.contains(folder + "constants.pkl"))
    throw FormatError(archive.path(), folder + "constants.pkl",
                      std::string("this is a TorchScript program, not a checkpoint; load it in Python and ") +
                          kSaveStateDict);
  const std::string record = folder + "byteorder";
  if (!archive.contains(record)) return;
  const Bytes bytes = archive.read(record);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data), bytes.size);
  if (order != "little")
    throw FormatError(
        archive.path(), record,
        "the tensors are not stored little-endian; save the checkpoint again on a little-endian machine");
}

/// Walks the dicts and collects the tensors under dotted names.
class Collector {
 public:
  Collector(const ZipArchive& archive, std::string folder, const Pickle& pickle)
      : archive_(archive), folder_(std::move(folder)), pickle_(pickle), barren_(pickle.values.size(), false) {
    state_.path = archive.path();
    for (const auto& [name, record] : archive.records())
      most_bytes_ = std::min<uint64_t>(most_bytes_ + record.size, kLargestFile);
    most_bytes_ = kMostSharing * most_bytes_ + kMostExpanded;
  }

  Checkpoint run() {
    if (tensor_kind(pickle_, pickle_.root) != TensorKind::kNone)
      throw FormatError(archive_.path(), "",
                        std::string("it holds a single tensor without a name; ") + kSaveStateDict);
    if (!is_dict(pickle_, pickle_.root))
      throw FormatError(
          archive_.path(), "",
          "it holds " + pickle_.describe(pickle_.root) + ", not a dict of tensors; " + kSaveStateDict);
    walk_dict(pickle_.root, "", false);
    note_plain_values(pickle_.root, "");
    if (state_.size() == 0)
      throw FormatError(
          archive_.path(), "",
          "its dicts contain no tensors" +
              (skipped_ == kNoValue ? std::string()
                                    : " (those inside " + pickle_.describe(skipped_) + " can't be read)") +
              "; " + kSaveStateDict);
    return std::move(state_);
  }

 private:
  /// Counts work, in dict entries and the length of names.
  void visit(size_t name_bytes = 0) {
    visits_ += 1 + name_bytes / kVisitBytes;
    if (visits_ > kMostVisits) fail_too_large();
  }

  [[noreturn]] void fail_too_large() const {
    throw FormatError(archive_.path(), "",
                      std::string("its dicts hold more entries than any model's; ") + kSaveStateDict);
  }

  /// "blocks" or 0; empty if the key is not a name.
  static std::string key_text(const PickleValue& key) {
    if (key.kind == PickleKind::kText && key.text.size() <= kLongestName) return std::string(key.text);
    if (key.kind == PickleKind::kInt) return std::to_string(key.number);
    return {};
  }

  /// The dict's entries as in Python: a repeated key keeps its place and takes the last value.
  std::vector<std::pair<std::string, PickleRef>> entries(PickleRef dict) {
    std::vector<std::pair<std::string, PickleRef>> kept;
    std::unordered_map<std::string, size_t> places;
    for (const auto& [key, value] : dict_items(pickle_, dict)) {
      visit();
      std::string text = key_text(pickle_[key]);
      if (text.empty()) continue;
      visit(text.size());
      const auto [place, is_new] = places.emplace(text, kept.size());
      if (is_new)
        kept.emplace_back(std::move(text), value);
      else
        kept[place->second].second = value;
    }
    return kept;
  }

  void walk_dict(PickleRef dict, const std::string& prefix, bool training_state) {
    if (barren_[dict] || std::find(path_.begin(), path_.end(), dict) != path_.end()) return;
    if (path_.size() == kDeepestDict)
      throw FormatError(
          archive_.path(), prefix.substr(0, kLongestName),
          "dicts are nested more than " + std::to_string(kDeepestDict) + " deep; " + kSaveStateDict);
    if (prefix.size() > kLongestName) fail_long_name(prefix);
    visit(prefix.size());
    path_.push_back(dict);
    const size_t before = state_.size();
    const auto kept = entries(dict);
    const bool among_tensors = std::any_of(kept.begin(), kept.end(), [&](const auto& entry) {
      return tensor_kind(pickle_, entry.second) == TensorKind::kTensor;
    });
    for (const auto& [key, value] : kept) {
      const bool of_training = training_state || (prefix.empty() && is_training_state(key));
      if (is_dict(pickle_, value))
        walk_dict(value, prefix + key + ".", of_training);
      else if (pickle_[value].kind == PickleKind::kObject)
        take_object(value, prefix + key, of_training, among_tensors);
      else if (!of_training)
        walk_list(value, prefix + key + ".");
    }
    path_.pop_back();
    if (state_.size() == before) barren_[dict] = true;
  }

  /// Tensors with numbers instead of names, for example averages that a training script stores with its
  /// model. They can't be used, but the user is told about them.
  void walk_list(PickleRef list, const std::string& prefix) {
    const PickleValue& found = pickle_[list];
    if ((found.kind != PickleKind::kList && found.kind != PickleKind::kTuple) || barren_[list] ||
        path_.size() == kDeepestDict || std::find(path_.begin(), path_.end(), list) != path_.end())
      return;
    path_.push_back(list);
    const size_t before = state_.size();
    for (size_t i = 0; i < found.items.size(); ++i) {
      const PickleRef item = found.items[i];
      const PickleKind kind = pickle_[item].kind;
      if (is_dict(pickle_, item))
        walk_dict(item, prefix + std::to_string(i) + ".", false);
      else if (tensor_kind(pickle_, item) == TensorKind::kTensor)
        add(item, prefix + std::to_string(i));
      else if (kind == PickleKind::kList || kind == PickleKind::kTuple)
        walk_list(item, prefix + std::to_string(i) + ".");
    }
    path_.pop_back();
    if (state_.size() == before) barren_[list] = true;
  }

  /// Numbers, text and lists of numbers next to the weights ("epoch", "arch"), and the script's arguments
  /// ("args.model"), as metadata: they state what tensors do not.
  void note_plain_values(PickleRef dict, const std::string& prefix) {
    for (const auto& [key, value] : entries(dict)) {
      if (key.find('.') != std::string::npos || state_.metadata.size() >= kMostNotes) continue;
      const PickleValue& found = pickle_[value];
      const std::string text = plain_text(found);
      if (!text.empty()) {
        state_.metadata.emplace(prefix + key, text);
      } else if (prefix.empty() && key == "args") {
        const PickleRef inner = found.kind == PickleKind::kObject ? found.state : value;
        if (inner != kNoValue && is_dict(pickle_, inner)) note_plain_values(inner, "args.");
      }
    }
  }

  /// Empty if it is not a plain value, or a long one.
  std::string plain_text(const PickleValue& value) const {
    if (value.kind == PickleKind::kInt || value.kind == PickleKind::kBool)
      return std::to_string(value.number);
    if (value.kind == PickleKind::kText && value.text.size() <= kLongestName) return std::string(value.text);
    if (value.kind != PickleKind::kList && value.kind != PickleKind::kTuple) return {};
    if (value.items.size() > kLongestName) return {};
    std::string out;
    for (const PickleRef item : value.items) {
      if (pickle_[item].kind != PickleKind::kInt) return {};
      out += (out.empty() ? "[" : ",") + std::to_string(pickle_[item].number);
    }
    return out.empty() ? "[]" : out + "]";
  }

  void take_object(PickleRef value, const std::string& name, bool training_state, bool among_tensors) {
    const TensorKind kind = tensor_kind(pickle_, value);
    if (kind == TensorKind::kTensor) {
      add(value, name);
    } else if (!training_state && (kind == TensorKind::kForeign || holds_tensor(value))) {
      // Among other tensors it is a weight that can't be read; elsewhere it is some object of the training
      // script.
      if (among_tensors || kind == TensorKind::kForeign)
        throw FormatError(archive_.path(), name.substr(0, kLongestName),
                          "the tensor depends on " + pickle_.describe(value) +
                              ", which vitrim does not run; " + kSaveStateDict);
      skipped_ = value;
    }
  }

  /// Whether there is a tensor anywhere below `start`.
  bool holds_tensor(PickleRef start) {
    std::vector<PickleRef> pending{start};
    std::unordered_map<PickleRef, bool> seen{{start, true}};
    while (!pending.empty()) {
      const PickleRef ref = pending.back();
      pending.pop_back();
      if (tensor_kind(pickle_, ref) != TensorKind::kNone) return true;
      const auto look_at = [&](PickleRef next) {
        if (next == kNoValue) return;
        visit();
        if (seen.emplace(next, true).second) pending.push_back(next);
      };
      const PickleValue& value = pickle_[ref];
      look_at(value.callee);
      look_at(value.arguments);
      look_at(value.state);
      for (const PickleRef item : value.items) look_at(item);
    }
    return false;
  }

  void add(PickleRef value, const std::string& name) {
    if (name.size() > kLongestName) fail_long_name(name);
    if (state_.size() == kMostTensors) fail_too_large();
    visit(name.size());
    if (state_.contains(name))
      throw FormatError(archive_.path(), name,
                        "two tensors have this name once nested dicts are written with dots; rename one");
    state_.add(name, build(torch_tensor(pickle_, value, archive_.path(), name), name));
  }

  [[noreturn]] void fail_long_name(const std::string& name) const {
    throw FormatError(
        archive_.path(), name.substr(0, 80) + "...",
        "the tensor's name is longer than " + std::to_string(kLongestName) + " bytes; rename it");
  }

  TensorView build(const TensorRecipe& recipe, const std::string& name) {
    const Bytes& storage = read_storage(recipe, name);
    const auto count = element_count(recipe.shape);
    const auto reach = element_reach(recipe.shape, recipe.strides);
    const auto item = static_cast<int64_t>(item_size(recipe.dtype));
    if (!count || !reach)
      throw FormatError(archive_.path(), name, "shape or stride is too large; the file is damaged");
    const int64_t elements = recipe.storage_bytes / item;
    if (recipe.offset > elements || *reach > elements - recipe.offset)
      throw FormatError(archive_.path(), name,
                        "the tensor reaches beyond its storage of " + std::to_string(elements) +
                            " elements; the file is damaged, copy or download it again");
    // Every byte from the first to the last is checked (bools) or copied, though only once per tensor.
    const int64_t bytes = std::max(*count, *reach) * item;
    if (bytes > most_bytes_ - bytes_)
      throw FormatError(archive_.path(), name,
                        "with this one, of " + std::to_string(*count) +
                            " elements, the tensors are more than " + std::to_string(kMostSharing) +
                            " times as large as what is stored; call contiguous() on the parts that matter "
                            "before saving");
    bytes_ += bytes;
    TensorView view;
    view.dtype = recipe.dtype;
    view.shape = recipe.shape;
    view.strides = recipe.strides;
    return view_bytes(storage, static_cast<size_t>(recipe.offset * item), std::move(view), archive_.path(),
                      name);
  }

  /// Each record is decompressed, checked and, if needed, aligned once, however many tensors share it.
  const Bytes& read_storage(const TensorRecipe& recipe, const std::string& name) {
    const auto known = storages_.find(recipe.storage_key);
    const Bytes& bytes =
        known != storages_.end()
            ? known->second
            : storages_
                  .emplace(std::string(recipe.storage_key),
                           aligned(archive_.read(storage_record(recipe, name)), kStorageAlignment))
                  .first->second;
    if (static_cast<uint64_t>(recipe.storage_bytes) > bytes.size)
      throw FormatError(archive_.path(), name,
                        "its storage should be " + std::to_string(recipe.storage_bytes) +
                            " bytes long, but the archive contains " + std::to_string(bytes.size) +
                            "; the file is damaged, copy or download it again");
    return bytes;
  }

  std::string storage_record(const TensorRecipe& recipe, const std::string& name) const {
    std::string record = folder_ + "data/" + std::string(recipe.storage_key.substr(0, kLongestName));
    if (!archive_.contains(record))
      throw FormatError(archive_.path(), name,
                        "the archive lacks the tensor's record " + record +
                            "; the file is damaged, copy or download it again");
    return record;
  }

  const ZipArchive& archive_;
  const std::string folder_;
  const Pickle& pickle_;
  std::map<std::string, Bytes, std::less<>> storages_;
  int64_t bytes_ = 0, most_bytes_ = 0;  ///< bytes of all tensors
  std::vector<bool> barren_;            ///< dicts without tensors are not walked twice
  std::vector<PickleRef> path_;         ///< dicts being walked
  size_t visits_ = 0;
  PickleRef skipped_ = kNoValue;
  Checkpoint state_;
};

/// Describes a file that is not a zip archive, as far as its first bytes allow.
void refuse_legacy(const MappedFile& file) {
  const std::string_view start(reinterpret_cast<const char*>(file.data()), std::min<size_t>(file.size(), 4));
  if (start.starts_with("PK")) return;
  const bool pickle = start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
  throw FormatError(
      file.path(), "byte 0",
      pickle
          ? "this is torch.save's old format from before 1.6, or a bare pickle; load it in Python with a "
            "current torch and save it again with torch.save"
          : "this is not a zip archive, as torch.save writes them; name a .safetensors or .pth checkpoint");
}

}  // namespace

Checkpoint load_pth(const std::string& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  refuse_legacy(*file);
  const ZipArchive archive(file);
  const std::string folder = archive_folder(archive);
  check_supported(archive, folder);
  const std::string record = folder + "data.pkl";
  const Pickle pickle = read_pickle(archive.read(record), path, record);
  return Collector(archive, folder, pickle).run();
}

}  // namespace vitrim::checkpoint
