#pragma once
// From what a person names to the file or folder that is meant.

#include <optional>
#include <string>

namespace vitrim::checkpoint {

/// `source` as a path: `~/` stands for the home folder; a model hub's id ("facebook/dinov2-base", with or
/// without "hf-hub:" or "https://huggingface.co/" before it, or timm's "deit_tiny_patch16_224.fb_in1k", which
/// stands for "timm/...") and a model's folder in the cache ("models--facebook--dinov2-base") stand for the
/// snapshot that the local Hugging Face cache holds. Files and folders of that name go first. Nothing is ever
/// downloaded: vitrim::Error, with the command that does, where a hub's id is in no cache. Anything else is
/// returned as it is, whether it exists or not.
std::string locate(const std::string& source);

/// "~/x" under the home folder (HOME); any other path as it is. Shells do this only at the beginning of a
/// word, so that `--data=~/images` and paths in Python arrive unexpanded.
std::string expand_home(const std::string& path);

/// The folder of the local Hugging Face cache: HF_HUB_CACHE, else hub/ in HF_HOME, else
/// ~/.cache/huggingface/hub.
std::string hub_cache();

}  // namespace vitrim::checkpoint
