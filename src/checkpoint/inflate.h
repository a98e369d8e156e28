#pragma once
// Unpacking of deflated zip records.

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

/// Unpacks exactly `size` bytes. On damage sets `problem` (to follow "the record ...") and returns nothing.
/// Allocates no more than deflate can make of `packed_size` bytes, whatever `size` claims.
Bytes inflate(const uint8_t* packed, uint64_t packed_size, uint64_t size, const char*& problem);

}  // namespace vitrim::checkpoint
