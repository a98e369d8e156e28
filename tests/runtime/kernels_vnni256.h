#pragma once
// What a machine with AVX-512's VNNI can test of the kernels for AVX-VNNI.

#include "runtime/kernels.h"

namespace vitrim::test {

/// The kernels of AVX-VNNI; they need AVX-512 VL and VNNI.
const runtime::Kernels& vnni256_kernels();

}  // namespace vitrim::test
