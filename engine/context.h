#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tally/engine/model.h"
#include "tally/platforms/clock.h"
#include "tally/platforms/threads.h"

namespace tally {

class RowCounters;

/// What a run may record besides its outputs. Filled by Context::run_recorded.
struct RunRecord {
  bool count = false;               ///< run the counting kernels
  bool clock = false;               ///< read the clock once after each row
  RowCounters* counters = nullptr;  ///< read the hardware's counters after each row; made for this context
  std::vector<Tally> tallies;       ///< by plan row
  std::vector<int64_t> ticks;       ///< by plan row
};

/// How often a context has got a plan, and how long that took: planning, and binding steps to its buffers.
struct Planning {
  int64_t made = 0;    ///< for shapes (or values of shape-carrying inputs) that were new to the model
  int64_t reused = 0;  ///< for such as the model still kept a plan of
  double ns = 0;
};

/// Buffers, bound steps and state of one user of a model. Many may share a model; one context belongs to one thread at
/// a time. Inputs and outputs are dense row-major and live until the context is bound to other shapes or destroyed.
class Context {
 public:
  /// Plans at once where the model's inputs are fully declared; else feed() must come first.
  explicit Context(CompiledModel model);
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  const CompiledModel& model() const;
  bool bound() const;
  const Plan& plan() const;  ///< throws Error(usage) while unbound
  std::shared_ptr<const Plan> shared_plan() const;
  /// Since the context was made. Feeding the shapes of the present plan again is neither.
  const Planning& planning() const;

  /// Sets inputs, by name; where their shapes, or values of shape-carrying ones, are new, plans anew (the only
  /// allocation after construction). Throws Error on an unknown name, a wrong dtype or shape.
  void feed(const std::map<std::string, Tensor>& inputs);

  /// An input's elements, to be written in place. Throws Error(usage) on an unknown name or another type.
  template <class T>
  std::span<T> input(const std::string& name) {
    return typed<T>(input_bytes(name, type_of<T>()));
  }
  /// An output's elements after run(), by position or name.
  template <class T>
  std::span<const T> output(size_t index) const {
    return typed<const T>(output_bytes(index, type_of<T>()));
  }
  template <class T>
  std::span<const T> output(const std::string& name) const {
    return output<T>(output_index(name));
  }
  /// Bytes of plan().inputs[index] and plan().outputs[index], whatever their type.
  std::span<std::byte> input_data(size_t index);
  std::span<const std::byte> output_data(size_t index) const;
  /// A copy of an output.
  Tensor output_tensor(size_t index) const;
  size_t output_index(const std::string& name) const;

  /// One inference. No allocation, lock, system call (with one thread) or exception.
  void run() noexcept;
  /// Throws Error(limit) where a run since the last reset() had to end a loop whose trips, as planned, take longer than
  /// as many multiply-accumulates as the model may make (LoadOptions::max_macs): its results are then none. Only loops
  /// whose trips data decide can come to that.
  void require_complete() const;
  /// One time step of a model loaded with `stream`, whose inputs and outputs hold one step: run(), then state that the
  /// graph hands out and in (Timeline::carries) goes from its outputs to its inputs. Steps beyond a bounded timeline
  /// repeat the last position of its tables and caches: safe, but no result.
  void step() noexcept;
  /// Time steps since the last reset().
  int64_t position() const;
  /// Sets recurrent state and caches to their first content, and the position to 0.
  void reset() noexcept;

  /// As run(), with counting kernels and clock readings as asked. `record`'s vectors are sized by the plan's rows.
  void run_recorded(RunRecord& record) noexcept;
  /// As run(), with counting kernels whose counts add up over runs until read_tallies takes them: counting at its
  /// cheapest.
  void run_counting() noexcept;
  /// The counts since the last call, by plan row, into record.tallies.
  void read_tallies(RunRecord& record) noexcept;
  /// Sizes a record for this plan.
  RunRecord make_record(bool count, bool clock) const;

  /// Threads that run() uses.
  int threads() const;
  /// f(thread) on each of them at once, thread 0 being the caller. f must not throw.
  void on_each_thread(const std::function<void(int)>& f) noexcept;

  /// Addresses of the plan's buffers here, for emulators that attribute loads and stores.
  struct Region {
    std::string name;
    BufferKind kind;
    const std::byte* address;
    size_t bytes;
  };
  std::vector<Region> regions() const;

 private:
  template <class T>
  static DType type_of();
  template <class T>
  static std::span<T> typed(std::span<std::byte> bytes) {
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  std::span<std::byte> input_bytes(const std::string& name, DType asked);
  std::span<std::byte> output_bytes(size_t index, DType asked) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <>
inline DType Context::type_of<float>() {
  return DType::f32;
}
template <>
inline DType Context::type_of<double>() {
  return DType::f64;
}
template <>
inline DType Context::type_of<Half>() {
  return DType::f16;
}
template <>
inline DType Context::type_of<BFloat16>() {
  return DType::bf16;
}
template <>
inline DType Context::type_of<int8_t>() {
  return DType::i8;
}
template <>
inline DType Context::type_of<uint8_t>() {
  return DType::u8;
}
template <>
inline DType Context::type_of<int16_t>() {
  return DType::i16;
}
template <>
inline DType Context::type_of<uint16_t>() {
  return DType::u16;
}
template <>
inline DType Context::type_of<int32_t>() {
  return DType::i32;
}
template <>
inline DType Context::type_of<uint32_t>() {
  return DType::u32;
}
template <>
inline DType Context::type_of<int64_t>() {
  return DType::i64;
}
template <>
inline DType Context::type_of<uint64_t>() {
  return DType::u64;
}
template <>
inline DType Context::type_of<bool>() {
  return DType::boolean;
}

}  // namespace tally
