#pragma once
// Tests of the AVX-VNNI kernels on a machine with AVX-512's VNNI.

#include "runtime/kernels.h"

namespace vitrim::test {

/// The kernels of AVX-VNNI; they need AVX-512 VL and VNNI.
const runtime::Kernels& vnni256_kernels();

}  // namespace vitrim::test
