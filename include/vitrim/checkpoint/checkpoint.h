#pragma once
// Reading and writing checkpoint files.

#include <string>
#include <vector>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {

/// Reads `.safetensors` or `.pth`/`.pt`/`.bin`, told apart by content; the files that an index
/// (`model.safetensors.index.json`) names; or what a folder holds under the usual names (model.safetensors,
/// model.safetensors.index.json, pytorch_model.bin); of what locate() makes of `source`. The result's `path`
/// is the file that was read. Throws vitrim::Error where the file can't be opened (no permission, missing:
/// with the nearest existing names), FormatError where its content is wrong.
Checkpoint load(const std::string& source);

/// Memory-maps a safetensors file: tensors share the read-only mapping (never write into them), which lives
/// as long as any of them; misaligned ones are copied. F64/F32/F16/BF16/I64/I32/I16/I8/U8/BOOL. FormatError
/// for: truncated file or header, header over 100 MB or not JSON, duplicate names, unknown dtype, negative or
/// overflowing shape, offsets that are out of order, overlap, leave holes, end past the file or do not match
/// shape x dtype.
Checkpoint load_safetensors(const std::string& path);

/// Reads a PyTorch zip checkpoint (torch.save since 1.6) without running anything: a small interpreter for
/// the pickle opcodes in which tensors, containers, numbers and strings are built, and every other object
/// becomes an inert placeholder. Tensors are collected from nested dicts as dotted names. FormatError where a
/// weight depends on a foreign object, where the archive is damaged, and for the legacy (non-zip) format,
/// with the remedy (re-save with a current torch).
Checkpoint load_pth(const std::string& path);

/// Writes safetensors atomically (core/atomic_file.h): metadata, then tensors in order, 8-byte aligned.
/// Strides are not kept. std::invalid_argument for dtypes that the format lacks.
void save_safetensors(const Checkpoint& state, const std::string& path);

/// Throws FormatError listing every floating tensor that holds NaN or infinity.
void check_finite(const Checkpoint& state);
/// That error: `names` of `count` tensors, joined by commas.
FormatError not_finite(const std::string& path, const std::string& names, int64_t count);

}  // namespace vitrim::checkpoint
