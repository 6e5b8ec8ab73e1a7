#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "tally/platforms/kernels/planned_gemm.h"
#include "tests/judged.h"
#include "tests/reference/gemm_reference.h"
#include "tests/reference/guarded_buffer.h"

namespace tally {
namespace {

using test::Judge;

template <class T, class Random>
void check(Isa isa, Num num, int64_t n, Random random) {
  CAPTURE(name_of(isa));
  CAPTURE(static_cast<int>(num));
  CAPTURE(n);
  reference::GuardedBuffer<T> a(static_cast<size_t>(n)), b(static_cast<size_t>(n));
  double sum = 0, magnitude = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = random();
    b[i] = random();
    const auto k = static_cast<int64_t>(i);
    const double product = reference::element(num, a.data(), k) * reference::element(num, b.data(), k);
    sum += product;
    magnitude += std::fabs(product);
  }
  const auto value = [&](const void* out) {
    return num == Num::i8 ? static_cast<double>(*static_cast<const int32_t*>(out)) : *static_cast<const float*>(out);
  };
  reference::GuardedBuffer<uint32_t> out(1);
  const DotArgs args{a.data(), b.data(), out.data(), n};
  Tally tally;
  const KernelTable& counted = kernel_table(isa, true);
  counted.dot[static_cast<size_t>(num)](args, &tally);
  const uint32_t bits = out[0];
  // γ_{n+1} of the sum of absolute values, as in gemm_test.cpp; the zeros of a tail add nothing.
  const double nu = static_cast<double>(n + 1) * 0x1p-24;
  CHECK(std::fabs(value(out.data()) - sum) <= (num == Num::i8 ? 0 : nu / (1 - nu) * magnitude));
  CHECK((a.intact() && b.intact() && out.intact()));
  const Planned planned = planned_dot(args, num, counted.geometry);
  CHECK(planned.parts_add_up());
  CHECK(tally == planned.tally);
  out[0] = 0;
  Judge::instance().section([&] { kernel_table(isa, false).dot[static_cast<size_t>(num)](args, nullptr); });
  const Judge::Buffer buffers[] = {{a.data(), a.size() * sizeof(T)}, {b.data(), b.size() * sizeof(T)}, {out.data(), 4}};
  Judge::instance().claim(isa, tally, num == Num::i8, buffers);
  CHECK(out[0] == bits);
}

TEST_CASE("dot: every length up to beyond its unrolled loop, and a prime") {
  std::mt19937 engine(3);
  const auto real = [&] { return std::uniform_real_distribution<float>(-1, 1)(engine); };
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    if (!usable(isa)) {
      MESSAGE("skipped: this machine cannot run " << std::string(name_of(isa)));
      continue;
    }
    for (int64_t n = 0; n <= 2003; n += n < 300 ? 1 : 1703) {
      check<float>(isa, Num::f32, n, real);
      check<Half>(isa, Num::f16, n, [&] { return to_half(real()); });
      check<int8_t>(isa, Num::i8, n,
                    [&] { return static_cast<int8_t>(std::uniform_int_distribution<int>(-128, 127)(engine)); });
    }
  }
}

}  // namespace
}  // namespace tally
