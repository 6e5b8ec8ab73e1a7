#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/planned_map.h"
#include "tests/judged.h"
#include "tests/reference/guarded_buffer.h"

using namespace tally;
using test::Judge;
using Bytes = reference::GuardedBuffer<uint8_t>;

namespace {

/// A small generator of our own: the same cases on every machine.
struct Random {
  uint32_t state = 1;
  int below(int n) {
    state = state * 1664525u + 1013904223u;
    return static_cast<int>((state >> 10) % static_cast<uint32_t>(n));
  }
};

/// One copy with its buffers: x[0] is not the first element of the x buffer where strides are negative.
struct Case {
  CopyArgs args;
  int64_t x_elements = 1, y_elements = 1, x_start = 0;
};

/// Dimensions `order` of a dense x of the given sizes, laid out densely in y in that order; `flipped` dimensions of x
/// run backwards.
Case permutation(const std::vector<int64_t>& sizes, const std::vector<int>& order, int element_bytes,
                 unsigned flipped = 0) {
  Case c;
  const int rank = static_cast<int>(sizes.size());
  c.args.rank = rank;
  c.args.element_bytes = element_bytes;
  std::array<int64_t, kCopyRank> x_stride{};
  for (int d = rank - 1; d >= 0; --d) {
    x_stride[static_cast<size_t>(d)] = c.x_elements;
    c.x_elements *= sizes[static_cast<size_t>(d)];
  }
  for (int d = rank - 1; d >= 0; --d) {
    const size_t from = static_cast<size_t>(order[static_cast<size_t>(d)]);
    c.args.size[d] = sizes[from];
    c.args.x_stride[d] = x_stride[from];
    if (flipped >> d & 1) {
      c.args.x_stride[d] = -x_stride[from];
      c.x_start += (sizes[from] - 1) * x_stride[from];
    }
    c.args.y_stride[d] = c.y_elements;
    c.y_elements *= sizes[from];
  }
  return c;
}

/// The definition, element by element.
void reference_copy(const CopyArgs& args, const uint8_t* x, uint8_t* y) {
  int64_t total = 1;
  for (int d = 0; d < args.rank; ++d) total *= args.size[d];
  for (int64_t i = 0; i < total; ++i) {
    int64_t rest = i, from = 0, to = 0;
    for (int d = args.rank - 1; d >= 0; --d) {
      from += rest % args.size[d] * args.x_stride[d];
      to += rest % args.size[d] * args.y_stride[d];
      rest /= args.size[d];
    }
    std::memcpy(y + to * args.element_bytes, x + from * args.element_bytes, static_cast<size_t>(args.element_bytes));
  }
}

void check(Case c) {
  const size_t bytes = static_cast<size_t>(c.args.element_bytes);
  Bytes x(static_cast<size_t>(c.x_elements) * bytes), y(static_cast<size_t>(c.y_elements) * bytes);
  Random random;
  for (uint8_t& b : x.span()) b = static_cast<uint8_t>(random.below(256));
  std::vector<uint8_t> expected(y.size());
  reference_copy(c.args, x.data() + c.x_start * c.args.element_bytes, expected.data());
  c.args.x = x.data() + c.x_start * c.args.element_bytes;
  c.args.y = y.data();
  const auto clear = [&] { std::memset(y.data(), 0, y.size()); };
  const auto done = [&] { return std::memcmp(y.data(), expected.data(), y.size()) == 0; };
  const Planned planned = planned_copy(c.args);
  CHECK(planned.parts_add_up());
  for (const Isa isa : built_isas()) {
    if (!usable(isa) || !Judge::instance().wants(isa)) continue;
    CAPTURE(std::string(name_of(isa)));
    Tally whole, parts;
    clear();
    kernel_table(isa, true).copy_nd(c.args, 0, c.args.items(), &whole);
    CHECK(done());
    CHECK(y.intact());
    CHECK(whole == planned.tally);
    clear();
    const int64_t middle = c.args.items() / 3;
    kernel_table(isa, true).copy_nd(c.args, middle, c.args.items(), &parts);
    kernel_table(isa, true).copy_nd(c.args, 0, middle, &parts);
    CHECK(done());
    CHECK(parts == planned.tally);
    clear();
    Judge::instance().section([&] { kernel_table(isa, false).copy_nd(c.args, 0, c.args.items(), nullptr); });
    const Judge::Buffer buffers[] = {{x.data(), x.size()}, {y.data(), y.size()}};
    Judge::instance().claim(isa, whole, false, buffers);
    CHECK(done());
  }
}

}  // namespace

TEST_CASE("copy_nd: every permutation, element size and direction") {
  Random random;
  for (int trial = 0; trial < 600; ++trial) {
    const int rank = 1 + random.below(5);
    std::vector<int64_t> sizes;
    std::vector<int> order;
    for (int d = 0; d < rank; ++d) {
      sizes.push_back(1 + random.below(7));
      order.push_back(d);
    }
    for (int d = rank - 1; d > 0; --d)
      std::swap(order[static_cast<size_t>(d)], order[static_cast<size_t>(random.below(d + 1))]);
    const int element_bytes = 1 << random.below(5);
    const unsigned flipped = random.below(3) == 0 ? static_cast<unsigned>(random.below(32)) : 0;
    CAPTURE(trial);
    check(permutation(sizes, order, element_bytes, flipped));
  }
}

TEST_CASE("copy_nd: transposes around the register block, batched or not") {
  for (const int64_t h : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31}) {
    for (const int64_t w : {1, 2, 3, 4, 6, 7, 8, 9, 13, 15, 16, 19}) {
      CAPTURE(h);
      CAPTURE(w);
      check(permutation({h, w}, {1, 0}, 4));
      check(permutation({2, h, w}, {0, 2, 1}, 4));
      check(permutation({h, 3, w}, {2, 1, 0}, 4));
      check(permutation({h, w}, {1, 0}, 2));
    }
  }
}

TEST_CASE("copy_nd: two rows by turns, and taken apart again") {
  for (int64_t n = 1; n < 40; ++n) {
    CAPTURE(n);
    check(permutation({2, n}, {1, 0}, 4));
    check(permutation({n, 2}, {1, 0}, 4));
    check(permutation({3, 2, n}, {0, 2, 1}, 4));
    check(permutation({3, n, 2}, {0, 2, 1}, 4));
    for (Case c : {permutation({2, n}, {1, 0}, 4), permutation({n, 2}, {1, 0}, 4)}) {  // rows of y with gaps
      c.args.y_stride[0] += 1;
      c.y_elements += c.args.size[0] - 1;
      check(c);
    }
  }
}

TEST_CASE("copy_nd: rows of every length, adjacent elements in a wider y") {
  for (int64_t n = 1; n < 200; ++n) {
    Case c;
    c.args.rank = 2;
    c.args.element_bytes = 1;
    c.args.size[0] = 3;
    c.args.size[1] = n;
    c.args.x_stride[0] = n;
    c.args.y_stride[0] = n + 5;
    c.args.x_stride[1] = c.args.y_stride[1] = 1;
    c.x_elements = 3 * n;
    c.y_elements = 3 * (n + 5);
    CAPTURE(n);
    check(c);
  }
}

TEST_CASE("copy_nd: broadcast, eight dimensions, nothing to do") {
  Case c;
  c.args.rank = 3;
  c.args.size[0] = 3;
  c.args.size[1] = 4;
  c.args.size[2] = 9;
  c.args.x_stride[1] = 1;  // along the middle dimension only
  c.args.y_stride[0] = 36;
  c.args.y_stride[1] = 9;
  c.args.y_stride[2] = 1;
  c.x_elements = 4;
  c.y_elements = 108;
  check(c);
  check(permutation({2, 3, 2, 2, 3, 2, 1, 2}, {7, 0, 6, 2, 1, 3, 5, 4}, 4));
  Case empty = permutation({4, 5}, {1, 0}, 4);
  empty.args.size[1] = 0;
  check(empty);
}
