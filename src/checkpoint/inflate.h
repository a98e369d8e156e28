#pragma once
// Decompresses deflated zip records.

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

/// Decompresses exactly `size` bytes. If the record is damaged, sets `problem` (which follows "the record
/// ...") and returns nothing. Allocates no more than deflate can produce from `packed_size` bytes, whatever
/// `size` claims.
Bytes inflate(const uint8_t* packed, uint64_t packed_size, uint64_t size, const char*& problem);

}  // namespace vitrim::checkpoint
