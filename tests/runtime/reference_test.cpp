// The engine against an implementation in NumPy that shares nothing with the library
// (tests/model/references).

#include "model/reference_files.h"
#include "runtime/engine_runs.h"

namespace vitrim {
namespace {

using runtime::Precision;
using test::relative_difference;

TEST(References, EngineAnswersAsTheyDo) {
  int64_t files = 0;
  for (const test::ReferenceFile& reference : test::reference_files()) {
    const auto model = model::make_model(reference.spec, reference.weights);
    const at::Tensor& wanted = reference.file.at("output");
    for (const runtime::Isa isa : runtime::available_isas()) {
      const auto engine = test::engine_of(*model, 2, Precision::kF32, runtime::kernels_of(isa));
      const at::Tensor got = test::run(*engine, reference.file.at("input"), wanted.size(1));
      EXPECT_LT(relative_difference(got, wanted),
                test::float_tolerance(192, test::operations(reference.spec), 16))
          << reference.name << ", " << runtime::to_string(isa);
    }
    ++files;
  }
  EXPECT_GE(files, 13);
}

}  // namespace
}  // namespace vitrim
