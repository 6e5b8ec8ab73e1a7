// Steps of a product: packing of operands that are no constants, and the kernel itself.
#include "tally/layers/gemm_tables.h"
#include "tally/layers/host_step.h"
#include "tally/layers/operand.h"
#include "tally/platforms/kernels/planned_gemm.h"

namespace tally {

namespace {

float* floats(std::byte* p) { return reinterpret_cast<float*>(p); }

/// Elements between two values of a bias: 0 where one serves all columns.
int64_t bias_stride(const Operand& bias) { return element_count(bias.shape) == 1 ? 0 : 1; }

PackedOperands pack_constants(Preparation& preparation, const GemmTables& tables, const Operand& w, const Operand* bias,
                              double bias_factor) {
  const Geometry& geometry = preparation.geometry();
  PackedOperands packed;
  AlignedBuffer weights(tables.packing.weight_elements * int64_t{sizeof(float)});
  tables.pack_weights(geometry, w.constant->values<float>().data(), floats(weights.data()));
  packed.weights = preparation.add_weights(std::move(weights), w.name + " packed");
  if (bias) {
    AlignedBuffer values(tables.packing.bias_elements * int64_t{sizeof(float)});
    tables.pack_bias(geometry, bias->constant->values<float>().data(), bias_stride(*bias), bias_factor,
                     floats(values.data()));
    packed.bias = preparation.add_weights(std::move(values), bias->name + " packed");
  }
  return packed;
}

}  // namespace

PackedOperands pack_operands(Preparation& preparation, const std::shared_ptr<GemmTables>& tables, int weights_input,
                             int bias_input, double bias_factor) {
  const Operands in = preparation.inputs();
  const Operand& w = in[static_cast<size_t>(weights_input)];
  const Operand* bias = has_operand(in, bias_input) ? &in[static_cast<size_t>(bias_input)] : nullptr;
  if (w.constant && (!bias || bias->constant)) return pack_constants(preparation, *tables, w, bias, bias_factor);

  const GemmPacking& packing = tables->packing;
  PackedOperands packed;
  packed.at_run_time = true;
  packed.weights = preparation.add_scratch(packing.weight_elements * int64_t{sizeof(float)});
  if (bias) packed.bias = preparation.add_scratch(packing.bias_elements * int64_t{sizeof(float)});
  const int64_t stride = bias ? bias_stride(*bias) : 0;
  const int64_t bias_bytes = bias ? 4 * tables->columns() : 0;
  const int64_t weight_bytes = 4 * tables->columns() * packing.depth;
  auto run = [=, geometry = preparation.geometry()](const std::vector<std::byte*>& p, int64_t, int64_t,
                                                    Tally* tally) noexcept {
    tables->pack_weights(geometry, floats(p[0]), floats(p[2]));
    if (p[3]) tables->pack_bias(geometry, floats(p[1]), stride, bias_factor, floats(p[3]));
    if (!tally) return;
    const int64_t scaled = tables->scale == 1 ? 0 : 4 * tables->packing.weight_elements;
    tally->bytes_loaded += weight_bytes + bias_bytes + scaled;
    tally->bytes_stored +=
        4 * tables->packing.weight_elements + (p[3] ? 4 * tables->packing.bias_elements : 0) + scaled;
  };
  std::vector<BufferId> ids = {preparation.input(weights_input).buffer,
                               bias ? preparation.input(bias_input).buffer : -1, packed.weights, packed.bias};
  Planned planned;
  (w.constant ? planned.loaded_weights : planned.loaded_activations) += weight_bytes;
  if (bias) (bias->constant ? planned.loaded_weights : planned.loaded_activations) += bias_bytes;
  planned.loaded_scratch = tables->scale == 1 ? 0 : 4 * packing.weight_elements;
  planned.stored_scratch = 4 * (packing.weight_elements + (bias ? packing.bias_elements : 0)) + planned.loaded_scratch;
  planned.tally.bytes_loaded = planned.loaded_weights + planned.loaded_activations + planned.loaded_scratch;
  planned.tally.bytes_stored = planned.stored_scratch;
  add_host_step(preparation, std::move(ids), planned, static_cast<double>(packing.weight_elements), std::move(run));
  return packed;
}

void add_gemm_step(Preparation& preparation, const std::shared_ptr<GemmTables>& tables, BufferId a, BufferId c,
                   const PackedOperands& packed, BufferId residual, double cycles, int64_t c_offset) {
  const int64_t c_bytes = c_offset * int64_t{sizeof(float)};
  std::vector<PointerBinding> pointers = {
      {offsetof(GemmArgs, a), a, 0}, {offsetof(GemmArgs, w), packed.weights, 0}, {offsetof(GemmArgs, c), c, c_bytes}};
  if (packed.bias >= 0) pointers.push_back({offsetof(GemmArgs, bias), packed.bias, 0});
  if (residual >= 0) pointers.push_back({offsetof(GemmArgs, residual), residual, c_bytes});
  Planned planned =
      planned_gemm(described(tables->args, packed.bias >= 0, residual >= 0), Num::f32, preparation.geometry());
  if (packed.at_run_time) {
    planned.loaded_scratch += planned.loaded_weights;
    planned.loaded_weights = 0;
  }
  auto& step = preparation.add_kernel<[](const KernelTable& t) { return t.gemm[static_cast<int>(Num::f32)]; }>(
      tables->args, std::move(pointers), planned, cycles);
  step.owned.push_back(tables);
}

GemmArgs described(GemmArgs args, bool has_bias, bool has_residual) {
  // Planned tallies look at whether an operand is there, never at its bytes.
  static constexpr float kSomething = 0;
  if (has_bias) args.bias = &kSomething;
  if (has_residual) args.residual = &kSomething;
  return args;
}

}  // namespace tally
