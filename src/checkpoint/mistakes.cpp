#include "checkpoint/mistakes.h"

#include <fnmatch.h>

#include <algorithm>

#include "vitrim/checkpoint/mistakes.h"

namespace vitrim::checkpoint {
namespace {

using namespace std::string_view_literals;

/// The sign by which a mistake is recognised.
enum class Sign {
  kStart,    ///< a file's first bytes
  kFile,     ///< a file's name, as a shell pattern
  kArchive,  ///< a record of a zip archive, without the top folder
  kFolder,   ///< a name in a folder without a checkpoint
  kTensor,   ///< a tensor of the model
};

struct Mistake {
  Sign sign;
  std::string_view pattern;
  const char* what;   ///< what it is, and the remedy
  bool head = false;  ///< a classifier that a new one replaces
};

constexpr const char* kAdapter =
    "this is an adapter (LoRA or another of PEFT's) and not the model; merge it in Python with "
    "model.merge_and_unload() and save the result";
constexpr const char* kOptimiser =
    "this is an optimiser's state and not the model; name the model's own file, which is beside it";
constexpr const char* kOnnx =
    "this is an ONNX graph, which vitrim writes but does not read; name the checkpoint that it was exported "
    "from";
constexpr const char* kTensorflow =
    "this is a TensorFlow or Keras file; load it in Python (transformers: from_pretrained(..., "
    "from_tf=True)) and "
    "save it as safetensors";
constexpr const char* kFlax =
    "this is a Flax or JAX file; load it in Python (transformers: from_pretrained(..., from_flax=True)) and "
    "save "
    "it as safetensors";
constexpr const char* kNumpy =
    "this is a NumPy archive, as Google publishes ViTs; load it in Python "
    "(timm.create_model(NAME, checkpoint_path=FILE)) and save model.state_dict() with torch.save";
constexpr const char* kProgram =
    "this is a compiled program (TorchScript or torch.export), not a checkpoint; load it in Python and save "
    "plain "
    "tensors, torch.save(model.state_dict(), file)";
constexpr const char* kEngine =
    "this is a model compiled for another runtime; name the checkpoint that it was made from";
constexpr const char* kDistributed =
    "this is one part of a distributed checkpoint; gather it in Python into one state_dict "
    "(torch.distributed.checkpoint.format_utils.dcp_to_torch_save, or DeepSpeed's zero_to_fp32.py)";
constexpr const char* kSettings =
    "this is a file of settings and not the model; name the checkpoint, or the folder that contains both";
constexpr const char* kLora =
    "belongs to a LoRA adapter; load the model with its adapter in Python, merge it (peft: "
    "model.merge_and_unload()) "
    "and save the result";
constexpr const char* kPeft =
    "is a weight that an adapter (PEFT) wraps; merge the adapter first in Python with "
    "model.merge_and_unload() and "
    "save the result";
constexpr const char* kPruned =
    "belongs to a pruning mask (torch.nn.utils.prune); make it permanent first in Python with "
    "torch.nn.utils.prune.remove(module, name) for every pruned module, and save again";
constexpr const char* kParametrised =
    "belongs to a parametrisation; remove it first in Python with "
    "torch.nn.utils.parametrize.remove_parametrizations(module, name), and save again";
constexpr const char* kWeightNorm =
    "belongs to a weight normalisation; remove it first in Python with "
    "torch.nn.utils.remove_weight_norm(module), and save again";
constexpr const char* kQuantised =
    "belongs to a quantised layer; use the floating-point checkpoint that it was made from";
constexpr const char* kFlat =
    "is FSDP's flat parameter of many tensors; save the model again with a full state dict "
    "(StateDictType.FULL_STATE_DICT)";
constexpr const char* kOptimiserTensor =
    "is an optimiser's state, and the file holds no model; name the model's own file, which is beside it";
constexpr const char* kOpenClip =
    "is named as in the files of OpenAI's CLIP and of OpenCLIP; use the same model under transformers' or "
    "timm's "
    "names, or rename the tensors in Python with "
    "timm.models.vision_transformer.checkpoint_filter_fn(tensors, "
    "model)";
constexpr const char* kOtherNames =
    "is named as in torchvision's or OpenMMLab's ViTs, which vitrim does not read; use the same model under "
    "timm's names, or rename the tensors in Python (docs/checkpoints.md has the names)";
constexpr const char* kJaxNames =
    "is named as in Google's own files (JAX); load it in Python (timm reads such archives) and save "
    "model.state_dict() with torch.save";
constexpr const char* kSequential =
    "belongs to a classifier of several layers (nn.Sequential), and the layers without weights between them "
    "are not "
    "in the file; where it is one linear layer after dropout, rename it to head.weight and head.bias, "
    "otherwise "
    "train a new one with vitrim train --new-head";
constexpr const char* kPreLogits =
    "belongs to the tanh layer before the classifier (pre_logits) of timm's first in21k models, which vitrim "
    "does not support; use the model from a current timm, which does not have it, or train a new classifier "
    "with vitrim "
    "train "
    "--new-head";

constexpr Mistake kMistakes[] = {
    {Sign::kStart, "version https://git-lfs"sv,
     "this is a Git LFS pointer and not the file itself; fetch it with `git lfs pull`"},
    {Sign::kStart, "<?xml"sv, kEngine},  // OpenVINO's
    {Sign::kStart, "<"sv,
     "this is a web page or XML, perhaps saved instead of the file; download the file itself"},
    {Sign::kStart, "\x1f\x8b"sv, "this is a gzip file; unpack it first"},
    {Sign::kStart,
     "\xfd"
     "7zXZ"sv,
     "this is an xz file; unpack it first"},
    {Sign::kStart, "BZh"sv, "this is a bzip2 file; unpack it first"},
    {Sign::kStart, "7z\xbc\xaf"sv, "this is a 7z archive; unpack it first"},
    {Sign::kStart, "\x28\xb5\x2f\xfd"sv, "this is a zstd file; unpack it first"},
    {Sign::kStart, "\x89HDF"sv, kTensorflow},
    {Sign::kStart, "\x93NUMPY"sv,
     "this is one NumPy array; save all tensors of the model as safetensors in Python"},
    {Sign::kStart, "GGUF"sv, "this is a GGUF file; use the safetensors or .pth checkpoint of the same model"},
    {Sign::kFile, "*.onnx", kOnnx},
    {Sign::kFile, "*.h5", kTensorflow},
    {Sign::kFile, "*.keras", kTensorflow},
    {Sign::kFile, "*.pb", kTensorflow},
    {Sign::kFile, "*.ckpt.index", kTensorflow},
    {Sign::kFile, "*.ckpt-*.index", kTensorflow},
    {Sign::kFile, "*.ckpt.meta", kTensorflow},
    {Sign::kFile, "*.data-[0-9]*-of-[0-9]*", kTensorflow},
    {Sign::kFile, "*.tflite", kEngine},
    {Sign::kFile, "*.msgpack", kFlax},
    {Sign::kFile, "*.npz", kNumpy},
    {Sign::kFile, "*.distcp", kDistributed},
    {Sign::kFile, "*.engine", kEngine},
    {Sign::kFile, "*.plan", kEngine},
    {Sign::kFile, "*.mlmodel", kEngine},
    {Sign::kFile, "*.tar", "this is a tar archive; unpack it first"},
    {Sign::kFile, "*.[jJ][pP][gG]", "this is an image; MODEL names a checkpoint, --data or --calib images"},
    {Sign::kFile, "*.[jJ][pP][eE][gG]",
     "this is an image; MODEL names a checkpoint, --data or --calib images"},
    {Sign::kFile, "*.png", "this is an image; MODEL names a checkpoint, --data or --calib images"},
    {Sign::kFile, "*.py", "this is a Python program; name the checkpoint that it writes"},
    {Sign::kFile, "*.yaml", kSettings},
    {Sign::kFile, "*.yml", kSettings},
    {Sign::kFile, "*.toml", kSettings},
    {Sign::kFile, "adapter_config.json", kAdapter},
    {Sign::kFile, "*config.json", kSettings},
    {Sign::kArchive, "*.npy", kNumpy},
    {Sign::kArchive, "*model.weights.h5", kTensorflow},
    {Sign::kArchive, "*archive_format", kProgram},
    {Sign::kArchive, "*constants.pkl", kProgram},
    {Sign::kArchive, "*serialized_exported_program.json", kProgram},
    {Sign::kArchive, "*.onnx",
     "this is an archive around an ONNX graph, which vitrim does not read; name a checkpoint"},
    {Sign::kArchive, "*.safetensors", "this is a zip archive around a checkpoint; unpack it first"},
    {Sign::kArchive, "*.pth", "this is a zip archive around a checkpoint; unpack it first"},
    {Sign::kArchive, "*.pt", "this is a zip archive around a checkpoint; unpack it first"},
    {Sign::kArchive, "*.bin", "this is a zip archive around a checkpoint; unpack it first"},
    {Sign::kFolder, "adapter_model.*", kAdapter},
    {Sign::kFolder, "adapter_config.json", kAdapter},
    {Sign::kFolder, "saved_model.pb", kTensorflow},
    {Sign::kFolder, "*.h5", kTensorflow},
    {Sign::kFolder, "*.ckpt*.index", kTensorflow},
    {Sign::kFolder, "flax_model*.msgpack", kFlax},
    {Sign::kFolder, "*.distcp", kDistributed},
    {Sign::kFolder, "zero_to_fp32.py", kDistributed},
    {Sign::kFolder, "models--*",
     "this is the Hugging Face cache itself; name a model of it by its id, such as facebook/dinov2-base"},
    {Sign::kFolder, "*.onnx", kOnnx},
    {Sign::kFolder, "optimizer.*", kOptimiser},
    {Sign::kTensor, "*lora_[AB]*", kLora},
    {Sign::kTensor, "*lora_embedding_[AB]*", kLora},
    {Sign::kTensor, "*lora_down.*", kLora},
    {Sign::kTensor, "*lora_up.*", kLora},
    {Sign::kTensor, "*.base_layer.*", kPeft},
    {Sign::kTensor, "*modules_to_save.*", kPeft},
    {Sign::kTensor, "*.original_module.*", kPeft},
    {Sign::kTensor, "*weight_mask", kPruned},
    {Sign::kTensor, "*weight_orig", kPruned},
    {Sign::kTensor, "*bias_mask", kPruned},
    {Sign::kTensor, "*bias_orig", kPruned},
    {Sign::kTensor, "*parametrizations.*", kParametrised},
    {Sign::kTensor, "*.weight_g", kWeightNorm},
    {Sign::kTensor, "*.weight_v", kWeightNorm},
    {Sign::kTensor, "*_packed_params*", kQuantised},
    {Sign::kTensor, "*.qweight", kQuantised},
    {Sign::kTensor, "*.weight.absmax", kQuantised},
    {Sign::kTensor, "*.weight.quant_map", kQuantised},
    {Sign::kTensor, "*.weight.quant_state*", kQuantised},
    {Sign::kTensor, "*.SCB", kQuantised},
    {Sign::kTensor, "*.weight_scale", kQuantised},
    {Sign::kTensor, "*.zero_point", kQuantised},
    {Sign::kTensor, "*flat_param", kFlat},
    {Sign::kTensor, "*_flat_param_*", kFlat},
    {Sign::kTensor, "*state.*.exp_avg*", kOptimiserTensor},
    {Sign::kTensor, "*state.*.momentum_buffer", kOptimiserTensor},
    {Sign::kTensor, "*state.*.square_avg", kOptimiserTensor},
    {Sign::kTensor, "*transformer.resblocks.*", kOpenClip},
    {Sign::kTensor, "*encoder_layer_[0-9]*.self_attention.*", kOtherNames},
    {Sign::kTensor, "*patch_embed.projection.*", kOtherNames},
    {Sign::kTensor, "*Transformer/encoderblock_*", kJaxNames},
    {Sign::kTensor, "pre_logits.*", kPreLogits, true},
    {Sign::kTensor, "head.[0-9]*.*", kSequential, true},
    {Sign::kTensor, "head.fc.[0-9]*.*", kSequential, true},
    {Sign::kTensor, "classifier.[0-9]*.*", kSequential, true},
};

bool fits(const Mistake& mistake, const std::string& name) {
  return fnmatch(std::string(mistake.pattern).c_str(), name.c_str(), 0) == 0;
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// The first row of the table that matches one of the names.
std::string found(Sign sign, const std::vector<std::string>& names) {
  for (const Mistake& mistake : kMistakes) {
    if (mistake.sign == sign &&
        std::any_of(names.begin(), names.end(), [&](const std::string& name) { return fits(mistake, name); }))
      return mistake.what;
  }
  return {};
}

}  // namespace

std::string mistaken_file(std::string_view start, const std::string& path) {
  for (const Mistake& mistake : kMistakes) {
    if (mistake.sign == Sign::kStart && start.starts_with(mistake.pattern)) return mistake.what;
  }
  return found(Sign::kFile, {file_name(path)});
}

std::string mistaken_archive(const std::vector<std::string>& records) {
  return found(Sign::kArchive, records);
}

std::string mistaken_folder(const std::vector<std::string>& names) { return found(Sign::kFolder, names); }

std::optional<MistakenTensor> mistaken_tensor(const std::vector<std::string>& names) {
  for (const Mistake& mistake : kMistakes) {
    if (mistake.sign != Sign::kTensor) continue;
    for (const std::string& name : names) {
      if (fits(mistake, name)) return MistakenTensor{name, mistake.what, mistake.head};
    }
  }
  return std::nullopt;
}

}  // namespace vitrim::checkpoint
