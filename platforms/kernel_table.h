#pragma once
#include <array>
#include <cstdint>

#include "tally/platforms/dtype.h"
#include "tally/platforms/isa.h"
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/tally.h"

namespace tally {

/// Widest pixel-vector tile of any ISA, in output channels.
inline constexpr int kMaxPixelChannels = 8;

/// Independent chains of the peak loop: three more than two units with a latency of 4 cycles need; with two operands
/// they fit 16 registers.
inline constexpr int kPeakChains = 12;

/// Streams move whole multiples of so many floats.
inline constexpr int64_t kStreamFloats = 128;

/// Register tiles and vector geometry of one ISA's kernels; packing and planned tallies are computed from it.
struct Geometry {
  int lanes = 1;                    ///< fp32 lanes of a vector
  int half_lanes = 0;               ///< lanes of the half-width vector used for short panels; 0 where it brings nothing
  int channel_pad = 1;              ///< channels_last tensors hold round_up(C, channel_pad) channels a pixel
  bool has_fma = true;              ///< false: a multiply-accumulate is a multiply and an add
  std::array<int, 17> gemm_rows{};  ///< [v] = most rows of the register tile with panels of v vectors; 0: no such tile
  int gemm_vectors = 1;             ///< widest panel, in vectors, of the matrix tile
  int gemv_vectors = 1;             ///< widest panel, in vectors, of the one-row tile
  int k_step[3] = {1, 1, 1};        ///< depth elements a multiply-accumulate step takes, by Num; packing pads K to it
  int dot_step[3] = {1, 1, 1};      ///< the same of the dot product, where a vector takes lanes · dot_step elements
  bool i8_column_sums = false;      ///< the int8 kernel needs GemmArgs::column_sums
  int pixel_channels = 1;           ///< most output channels of a pixel-vector convolution tile
  int pixel_registers[kMaxPixelChannels + 1] = {};  ///< [c] = most registers of pixels of a tile of c output channels
  int pixel_piece = 1;        ///< shortest run of pixels (lanes) that the two rows of a tile share a register with
  int depthwise_columns = 1;  ///< most output columns of a depthwise tile
  /// [UnaryOp] = FMA vectors (without FMA: multiply vectors) that one vector of the function takes.
  std::array<int, kUnaryOps> fma_per_vector{};
  int exp_nonpositive_fma = 0;  ///< the same of exp_nonpositive, attention's exponential
  int recurrent_sums = 1;       ///< most sums (vectors) that a panel of a recurrent step keeps in registers
  bool depthwise_resident =
      false;  ///< its 3 × 3 weights stay in registers along the row, else along a tile's kernel row
};

/// Number formats of the multiply-accumulate kernels: storage and weight type → accumulator type.
enum class Num : int { f32 = 0, f16 = 1, i8 = 2 };

/// The only door between layers and instruction sets. One table an ISA and tally policy. Every kernel runs items
/// [begin, end) of the work that its arguments describe (kernel_args.h says what an item is), touches no state but its
/// operands, never allocates, and may be called from several threads on disjoint item ranges. `tally` is null in
/// uncounted tables and ignored there.
struct KernelTable {
  Isa isa{};
  bool counts = false;
  Geometry geometry;

  using Gemm = void (*)(const GemmArgs&, int64_t begin, int64_t end, Tally*) noexcept;
  std::array<Gemm, 3> gemm{};  ///< by Num; a null entry: not on this ISA

  using Dot = void (*)(const DotArgs&, Tally*) noexcept;
  std::array<Dot, 3> dot{};  ///< by Num

  void (*pixel_conv)(const PixelConvArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*depthwise)(const DepthwiseArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*pool)(const PoolArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*recurrent)(const RecurrentArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*unary)(const UnaryArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*binary)(const BinaryArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*channel_affine)(const ChannelAffineArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*softmax)(const SoftmaxArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*attention)(const AttentionArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*rotary)(const RotaryArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*reduce)(const ReduceArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*row_norm)(const RowNormArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*lrn)(const LrnArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;
  void (*copy_nd)(const CopyArgs&, int64_t begin, int64_t end, Tally*) noexcept = nullptr;

  /// Runs `rounds` × kPeakChains independent FMA vectors in registers; returns fp32 FMA lanes executed. The yardstick
  /// of every share of peak.
  int64_t (*fma_peak)(int64_t rounds) noexcept = nullptr;
  /// The same with the step of each number format, in its multiply-accumulates: what calibrate measures. By Num.
  std::array<int64_t (*)(int64_t rounds) noexcept, 3> mac_peak{};

  /// Nothing but loads, stores or both, over n floats (a multiple of kStreamFloats) again and again: what calibrate
  /// measures bandwidths with.
  void (*stream_read)(const float* x, int64_t n, int64_t rounds) noexcept = nullptr;
  void (*stream_write)(float* y, int64_t n, int64_t rounds) noexcept = nullptr;
  void (*stream_copy)(const float* x, float* y, int64_t n, int64_t rounds) noexcept = nullptr;
};

/// The table of `isa`, counted or not. The ISA must be usable().
const KernelTable& kernel_table(Isa isa, bool counted);

}  // namespace tally
