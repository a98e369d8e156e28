#pragma once
// Reading and writing checkpoint files.

#include <string>
#include <vector>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {

/// Reads a checkpoint. `source` (after locate()) is a `.safetensors` or `.pth`/`.pt`/`.bin` file, which are
/// told apart by content; an index (`model.safetensors.index.json`), whose files are all read; or a folder
/// that contains one of the usual names (model.safetensors, model.safetensors.index.json, pytorch_model.bin).
/// The result's `path` is the file that was read. Throws vitrim::Error if the file can't be opened (no
/// permission, or missing: with the nearest existing names), FormatError if its content is wrong.
Checkpoint load(const std::string& source);

/// Memory-maps a safetensors file: the tensors share the read-only mapping, so never write into them; it
/// stays until the last of them is destroyed. Misaligned tensors are copied. Dtypes:
/// F64/F32/F16/BF16/I64/I32/I16/I8/U8/BOOL. Throws FormatError for a truncated file or header, a header over
/// 100 MB or not JSON, duplicate names, an unknown dtype, a negative or overflowing shape, and offsets that
/// are out of order, overlap, leave holes, end past the file or do not match shape x dtype.
Checkpoint load_safetensors(const std::string& path);

/// Reads a PyTorch zip checkpoint (torch.save since 1.6) without running any code from it. A small
/// interpreter for the pickle opcodes builds tensors, containers, numbers and strings; every other object
/// becomes an inert placeholder. Tensors in nested dicts get dotted names. Throws FormatError if a weight
/// depends on a foreign object, if the archive is damaged, and for the legacy (non-zip) format, with the
/// remedy (save it again with a current torch).
Checkpoint load_pth(const std::string& path);

/// Writes a safetensors file atomically (core/atomic_file.h): the metadata, then the tensors in order, each
/// aligned to 8 bytes. Strides are not kept; every tensor is written contiguously. Throws
/// std::invalid_argument for dtypes that the format lacks.
void save_safetensors(const Checkpoint& state, const std::string& path);

/// Throws FormatError listing every floating tensor that holds NaN or infinity.
void check_finite(const Checkpoint& state);
/// The error that check_finite() throws: `names` lists, joined by commas, those of the file's `count` tensors
/// that are not finite.
FormatError not_finite(const std::string& path, const std::string& names, int64_t count);

}  // namespace vitrim::checkpoint
