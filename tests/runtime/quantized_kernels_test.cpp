// Kernels of int8 layers against scalar integers: exact, on every table of kernels.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "runtime/kernel_tables.h"
#include "runtime/matrix.h"

namespace vitrim::runtime {
namespace {

using test::Table;
using test::tables;

template <typename T>
class QuantizedKernels : public testing::Test {};
using QuantizedTypes = testing::Types<float, Bf16>;
TYPED_TEST_SUITE(QuantizedKernels, QuantizedTypes);

float rounded_to(float x, float*) { return x; }
float rounded_to(float x, Bf16*) {
  Bf16 b;
  set_float(&b, x);
  return to_float(b);
}

// Ragged rows, panels, depths of less and more than a block of the product; all bytes occur, the extreme ones
// often. Scales are powers of two, so that float32 is exact too and only the last sum rounds.
TYPED_TEST(QuantizedKernels, ProductsAreExact) {
  using T = TypeParam;
  const struct {
    int64_t rows, k, out;
  } shapes[] = {{1, 5, 3}, {3, 64, 16}, {7, 192, 48}, {33, 300, 70}, {24, 1100, 129}, {50, 513, 64}};
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    for (const auto& shape : shapes) {
      std::mt19937 draw(11);
      auto extreme = [&](int low, int high) {
        const int die = static_cast<int>(draw() % 8);
        return die == 0 ? low : die == 1 ? high : low + static_cast<int>(draw() % (high - low + 1));
      };
      Linear layer{shape.out, shape.k, {}, {}, {}};
      for (int64_t i = 0; i < shape.out * shape.k; ++i)
        layer.weight.push_back(static_cast<float>(extreme(-128, 127)));
      for (int64_t c = 0; c < shape.out; ++c) {
        layer.bias.push_back(static_cast<float>(extreme(-50, 50)));
        layer.factor.push_back(std::ldexp(1.0f, -static_cast<int>(c % 5)));
      }
      const Matrix<T> matrix(layer);
      ASSERT_TRUE(matrix.quantized());
      Buffer<Byte> a((round_up(shape.rows, 32) + 32) * matrix.k);
      std::vector<float> factors;
      for (int64_t r = 0; r < shape.rows; ++r) {
        factors.push_back(std::ldexp(1.0f, -static_cast<int>(r % 7)));
        for (int64_t i = 0; i < matrix.k; ++i)
          a.data()[r * matrix.k + i].bits = static_cast<uint8_t>(extreme(0, 255));
      }
      Buffer<float> scratch((round_up(shape.rows, 32) + 32) * kPanel);
      for (const Epilogue epilogue : {Epilogue::kFloat, Epilogue::kAdd, Epilogue::kStore, Epilogue::kRelu}) {
        const int64_t ldo = matrix.columns + 3;
        const bool is_float = epilogue == Epilogue::kFloat || epilogue == Epilogue::kAdd;
        std::vector<float> floats(static_cast<size_t>(shape.rows * ldo), 3.0f);
        std::vector<T> values(floats.size());
        Gemm<T> g;
        g.a_bytes = a.data();
        g.b_bytes = matrix.data_bytes.data();
        g.a_factor = factors.data();
        g.b_factor = matrix.factor.data();
        g.b_shift = matrix.shift.data();
        g.lda = g.k = matrix.k;
        g.rows = shape.rows;
        g.columns = matrix.columns;
        g.valid = shape.out;
        g.scratch = scratch.data();
        g.bias = matrix.bias.data();
        g.epilogue = epilogue;
        g.out = is_float ? static_cast<void*>(floats.data()) : values.data();
        g.ldo = ldo;
        kernels.gemm(g);
        for (int64_t r = 0; r < shape.rows; ++r) {
          for (int64_t c = 0; c < shape.out; ++c) {
            int64_t sum = 0;
            for (int64_t i = 0; i < shape.k; ++i)
              sum += (a.data()[r * matrix.k + i].bits - 128) *
                     static_cast<int64_t>(layer.weight[static_cast<size_t>(c * shape.k + i)]);
            float wanted = static_cast<float>(sum) * factors[static_cast<size_t>(r)] *
                               layer.factor[static_cast<size_t>(c)] +
                           layer.bias[static_cast<size_t>(c)];
            const size_t at = static_cast<size_t>(r * ldo + c);
            if (epilogue == Epilogue::kAdd) wanted += 3.0f;
            if (epilogue == Epilogue::kRelu) wanted = std::max(wanted, 0.0f);
            if (!is_float) wanted = rounded_to(wanted, static_cast<T*>(nullptr));
            ASSERT_EQ(is_float ? floats[at] : to_float(values[at]), wanted)
                << table.name << " epilogue " << static_cast<int>(epilogue) << " row " << r << " column " << c
                << " of " << shape.out << " depth " << shape.k;
          }
          if (is_float) {
            EXPECT_EQ(floats[static_cast<size_t>(r * ldo + shape.out)], 3.0f) << "a neighbour's";
          }
        }
      }
    }
  }
}

// Bytes and factors are those of the definition, also where they take the place of what was read.
TYPED_TEST(QuantizedKernels, RowsBecomeBytes) {
  using T = TypeParam;
  for (const Table& table : tables()) {
    for (const int64_t width : {1, 5, 16, 47, 64, 333}) {
      const int64_t rows = 9, ld = round_up(width, 64) + 32, padded = round_up(width, 64);
      Buffer<T> x(rows * ld);
      std::vector<float> read(static_cast<size_t>(rows * width));
      const auto fill = [&] {
        std::mt19937 draw(5);
        std::normal_distribution<float> normal;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < width; ++c) {
            float v = normal(draw) * std::ldexp(1.0f, static_cast<int>(r) * 4 - 16);
            if (r == 3) v = 0;
            if (r == 4 && c == width / 2) v = std::numeric_limits<float>::quiet_NaN();
            if (r == 5) v = static_cast<float>(c % 255 - 127) + (c % 2 ? 0.5f : 0.0f);  // ties
            set_float(x.data() + r * ld + c, v);
            read[static_cast<size_t>(r * width + c)] = to_float(x.data()[r * ld + c]);
          }
        }
      };
      std::vector<float> gain;
      for (int64_t c = 0; c < width; ++c) gain.push_back(0.3f * static_cast<float>(1 + c % 7));
      for (const bool multiplies : {false, true}) {
        for (const bool in_place : {false, true}) {
          fill();
          Buffer<Byte> other(rows * padded);
          std::vector<float> factors(static_cast<size_t>(rows), -1.0f);
          Quantize<T> q;
          q.x = x.data();
          q.ldx = ld;
          q.rows = rows;
          q.width = width;
          q.gain = multiplies ? gain.data() : nullptr;
          q.padded = padded;
          q.out = in_place ? reinterpret_cast<Byte*>(x.data()) : other.data();
          q.ldo = in_place ? ld * static_cast<int64_t>(sizeof(T)) : padded;
          q.factors = factors.data();
          kernels_for<T>(*table.kernels).quantize(q);
          for (int64_t r = 0; r < rows; ++r) {
            if (r == 4) {
              EXPECT_TRUE(std::isnan(factors[4])) << table.name;
              continue;
            }
            std::vector<float> row(read.begin() + r * width, read.begin() + (r + 1) * width);
            for (size_t c = 0; multiplies && c < row.size(); ++c) row[c] *= gain[c];
            float most = 0;
            for (const float v : row) most = std::max(most, std::abs(v));
            EXPECT_EQ(factors[static_cast<size_t>(r)], most / 127) << table.name << " row " << r;
            const float steps = most > 0 ? 127 / most : 0;
            for (int64_t c = 0; c < padded; ++c) {
              const int wanted =
                  c < width ? static_cast<int>(std::nearbyint(row[static_cast<size_t>(c)] * steps)) + 128
                            : 128;
              ASSERT_EQ(q.out[r * q.ldo + c].bits, wanted)
                  << table.name << " width " << width << " row " << r << " column " << c
                  << (multiplies ? " with a gain" : "");
            }
          }
        }
      }
    }
  }
}

// The LayerNorm's own rounding may move a value across a step's epilogue, so a byte may be one step off where
// the value is within 1e-4 steps of it.
TYPED_TEST(QuantizedKernels, NormedRowsBecomeBytes) {
  using T = TypeParam;
  for (const Table& table : tables()) {
    for (const int64_t width : {5, 32, 100, 384}) {
      const int64_t rows = 3, padded = round_up(width, 64);
      std::mt19937 draw(6);
      std::normal_distribution<float> normal;
      std::vector<float> x, gain, shift, factors(3);
      for (int64_t i = 0; i < rows * width; ++i) x.push_back(3 * normal(draw) + 5);
      for (int64_t i = 0; i < width; ++i) {
        gain.push_back(1 + 0.3f * normal(draw));
        shift.push_back(0.2f * normal(draw));
      }
      Buffer<Byte> out(rows * padded);
      Quantize<float> q;
      q.x = x.data();
      q.ldx = q.width = width;
      q.rows = rows;
      q.gain = gain.data();
      q.shift = shift.data();
      q.eps = 1e-6f;
      q.out = out.data();
      q.padded = q.ldo = padded;
      q.factors = factors.data();
      kernels_for<T>(*table.kernels).quantize_normed(q);
      for (int64_t r = 0; r < rows; ++r) {
        const float* row = x.data() + r * width;
        double mean = 0, square = 0, most = 0;
        for (int64_t c = 0; c < width; ++c) mean += row[c] / static_cast<double>(width);
        for (int64_t c = 0; c < width; ++c)
          square += (row[c] - mean) * (row[c] - mean) / static_cast<double>(width);
        std::vector<double> normed;
        for (int64_t c = 0; c < width; ++c) {
          const auto i = static_cast<size_t>(c);
          normed.push_back((row[c] - mean) / std::sqrt(square + 1e-6) * gain[i] + shift[i]);
          most = std::max(most, std::abs(normed.back()));
        }
        EXPECT_NEAR(factors[static_cast<size_t>(r)], most / 127, 1e-5 * most / 127) << table.name;
        for (int64_t c = 0; c < padded; ++c) {
          const double wanted = c < width ? normed[static_cast<size_t>(c)] * 127 / most : 0;
          EXPECT_NEAR(out.data()[r * padded + c].bits - 128, wanted, 0.5001) << table.name << " column " << c;
        }
      }
    }
  }
}

}  // namespace
}  // namespace vitrim::runtime
