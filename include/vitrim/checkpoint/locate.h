#pragma once
// Finds the file or folder that a user's name for a model means.

#include <optional>
#include <string>

namespace vitrim::checkpoint {

/// The path that `source` means. `~/` is replaced by the home folder. A model hub's id
/// ("facebook/dinov2-base", with or without "hf-hub:" or "https://huggingface.co/" before it, or timm's
/// "deit_tiny_patch16_224.fb_in1k", which means "timm/...") is replaced by the snapshot in the local Hugging
/// Face cache, and so is a model's folder in that cache ("models--facebook--dinov2-base"). Existing files and
/// folders of that name take precedence. Nothing is ever downloaded: if a hub's id is not in the cache,
/// vitrim::Error names the command that downloads it. Anything else is returned unchanged, whether it exists
/// or not.
std::string locate(const std::string& source);

/// "~/x" in the home folder (HOME); any other path unchanged. Shells expand `~` only at the beginning of a
/// word, so `--data=~/images` and paths in Python arrive unexpanded.
std::string expand_home(const std::string& path);

/// The folder of the local Hugging Face cache: HF_HUB_CACHE, else hub/ in HF_HOME, else
/// ~/.cache/huggingface/hub.
std::string hub_cache();

}  // namespace vitrim::checkpoint
