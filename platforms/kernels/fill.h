#pragma once
// The last include of an ISA file: instantiates every kernel for its `Arch` and lays them into the two tables of the
// ISA. Its command line defines TALLY_ISA_NAME=<name>, TALLY_ISA_NAMESPACE=isa_<name> and xsimd=xsimd_<name>
// (cmake/isa.cmake).
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/attention.h"
#include "tally/platforms/kernels/copy.h"
#include "tally/platforms/kernels/depthwise.h"
#include "tally/platforms/kernels/dot.h"
#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/lrn.h"
#include "tally/platforms/kernels/map.h"
#include "tally/platforms/kernels/math.h"
#include "tally/platforms/kernels/peak.h"
#include "tally/platforms/kernels/pixel_conv.h"
#include "tally/platforms/kernels/pool.h"
#include "tally/platforms/kernels/recurrent.h"
#include "tally/platforms/kernels/reduce.h"
#include "tally/platforms/kernels/rotary.h"
#include "tally/platforms/kernels/row_norm.h"
#include "tally/platforms/kernels/softmax.h"

namespace tally::TALLY_ISA_NAMESPACE {

constexpr Geometry make_geometry() {
  Geometry g;
  g.lanes = Arch::kLanes;
  g.channel_pad = Arch::kLanes;
  g.has_fma = Arch::kHasFma;
  fill_gemm_geometry<Arch>(g);
  fill_pixel_geometry<Arch>(g);
  fill_depthwise_geometry<Arch>(g);
  g.recurrent_sums = kRecurrentSums<Arch>;
  g.fma_per_vector = {
#define TALLY_UNARY_OP(op) kFmaPerFunction<Arch, UnaryOp::op>,
#include "tally/platforms/unary_ops.inc"
#undef TALLY_UNARY_OP
  };
  g.exp_nonpositive_fma = kExpNonpositiveFma<Arch>;
  return g;
}

template <class Policy>
constexpr KernelTable make_table() {
  KernelTable t;
  t.isa = Isa::TALLY_ISA_NAME;
  t.counts = Policy::kCounts;
  t.geometry = make_geometry();
  t.gemm = {&gemm<Arch, Num::f32, Policy>, &gemm<Arch, Num::f16, Policy>, &gemm<Arch, Num::i8, Policy>};
  t.dot = {&dot<Arch, Num::f32, Policy>, &dot<Arch, Num::f16, Policy>, &dot<Arch, Num::i8, Policy>};
  t.pixel_conv = &pixel_conv<Arch, Policy>;
  t.depthwise = &depthwise<Arch, Policy>;
  t.pool = &pool<Arch, Policy>;
  t.recurrent = &recurrent<Arch, Policy>;
  t.unary = &unary<Arch, Policy>;
  t.binary = &binary<Arch, Policy>;
  t.channel_affine = &channel_affine<Arch, Policy>;
  t.softmax = &softmax<Arch, Policy>;
  t.attention = &attention<Arch, Policy>;
  t.rotary = &rotary<Arch, Policy>;
  t.reduce = &reduce<Arch, Policy>;
  t.row_norm = &row_norm<Arch, Policy>;
  t.lrn = &lrn<Arch, Policy>;
  t.copy_nd = &copy_nd<Arch, Policy>;
  t.fma_peak = &fma_peak<Arch>;
  t.mac_peak = {&mac_peak<Arch, Num::f32>, &mac_peak<Arch, Num::f16>, &mac_peak<Arch, Num::i8>};
  t.stream_read = &stream_read<Arch>;
  t.stream_write = &stream_write<Arch>;
  t.stream_copy = &stream_copy<Arch>;
  return t;
}

static constexpr KernelTable kCountedTable = make_table<Counted>();
static constexpr KernelTable kUncountedTable = make_table<Uncounted>();

/// The tables of this ISA; the one symbol that leaves the namespace.
const KernelTable& table(bool counted) { return counted ? kCountedTable : kUncountedTable; }

}  // namespace tally::TALLY_ISA_NAMESPACE
