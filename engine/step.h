#pragma once
// Steps: what a plan runs. A Step is made when a plan is made and belongs to it; each context binds it to its own
// buffers once, so that a run only calls.
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tally/engine/placement.h"
#include "tally/platforms/accesses.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/loop_nest.h"
#include "tally/platforms/planned.h"

namespace tally {

/// Addresses of a plan's buffers in one context.
struct BufferTable {
  std::vector<std::byte*> address;
};

/// Bounds the loops of a run whose trips data decide: by what their trips are worth in multiply-accumulates, as
/// planned.
struct TripBudget {
  int64_t left = 0;
  const std::string* ended = nullptr;  ///< label of the first loop that wanted more, and was ended

  /// One trip more; false where too little is left.
  bool take(const std::string& loop, int64_t worth) noexcept {
    if (left >= worth) return left -= worth, true;
    if (ended == nullptr) ended = &loop;
    return false;
  }
};

/// What changes from run to run.
struct RunEnv {
  const KernelTable* kernels = nullptr;
  Tally* tally = nullptr;       ///< of this thread and layer; null when not counting
  int64_t position = 0;         ///< time steps since the context's reset; 0 in whole runs
  TripBudget* trips = nullptr;  ///< null: no bound
};

/// A step whose operands are addresses.
class BoundStep {
 public:
  virtual ~BoundStep() = default;
  /// Items [begin, end). No allocation, no lock, no exception.
  virtual void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept = 0;
  /// What run() touches, in order (platforms/accesses.h), without touching it; false where the step does not tell.
  virtual bool trace(const KernelTable& kernels, int64_t begin, int64_t end, AccessSink& sink) const {
    (void)kernels, (void)begin, (void)end, (void)sink;
    return false;
  }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const = 0;
  /// Buffers read and written, for liveness.
  virtual std::vector<BufferId> buffers() const = 0;
  /// True where no kernel runs but a plain loop of ours, which issues no lanes of an instruction set.
  virtual bool on_host() const { return false; }
  /// Its loops, for people; empty where they are a plain loop or a plan of their own.
  virtual LoopNest nest(const Geometry&) const { return {}; }

  int64_t items = 1;  ///< independent pieces of work
  double cycles = 0;  ///< planned cost on one core, for choosing threads
  Planned planned;    ///< what it will count
};

/// A pointer operand of a kernel's arguments.
struct PointerBinding {
  size_t member_offset = 0;  ///< offsetof the pointer in Args
  BufferId buffer = 0;
  int64_t byte_offset = 0;
};

/// A step that calls one kernel of the table. `Select`: KernelTable → kernel, so that counting and timing passes run
/// the same step through their own tables. `owned`: tables that the arguments point to (regions, segments, tap
/// offsets).
template <class Args, auto Select>
class KernelStep : public Step {
 public:
  Args args;
  std::vector<PointerBinding> pointers;
  std::vector<std::shared_ptr<const void>> owned;

  KernelStep(Args a, std::vector<PointerBinding> p) : args(a), pointers(std::move(p)) { items = args.items(); }

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>();
    bound->args = args;
    for (const PointerBinding& p : pointers) {
      std::byte* address = buffers.address[static_cast<size_t>(p.buffer)] + p.byte_offset;
      std::memcpy(reinterpret_cast<std::byte*>(&bound->args) + p.member_offset, &address, sizeof address);
    }
    return bound;
  }
  std::vector<BufferId> buffers() const override {
    std::vector<BufferId> ids;
    for (const PointerBinding& p : pointers) ids.push_back(p.buffer);
    return ids;
  }
  /// Pointers are set where the kernel will have an operand, as its formulas expect.
  LoopNest nest(const Geometry& geometry) const override {
    Args described = args;
    static const std::byte kPresent{};
    const std::byte* present = &kPresent;
    for (const PointerBinding& p : pointers)
      std::memcpy(reinterpret_cast<std::byte*>(&described) + p.member_offset, &present, sizeof present);
    return loop_nest(described, geometry);
  }

 private:
  struct Bound : BoundStep {
    Args args;
    void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept override {
      Select (*env.kernels)(args, begin, end, env.tally);
    }
    bool trace(const KernelTable& kernels, int64_t begin, int64_t end, AccessSink& sink) const override {
      return trace_kernel(kernels, Select(kernels), args, begin, end, sink);
    }
  };
};

/// A step that calls a function of ours on the host, for element types and attributes that no kernel serves: slow,
/// plain and right. F: void(const std::vector<std::byte*>& operands, int64_t begin, int64_t end, Tally*) noexcept,
/// operands in the order of `ids`; it adds to the tally (when not null) what it moves and multiplies. Its products
/// count as macs and never as lanes: they are made in double or in integers, one by one.
template <class F>
class HostStep : public Step {
 public:
  F function;
  std::vector<BufferId> ids;
  std::vector<int64_t> byte_offsets;

  HostStep(F f, std::vector<BufferId> buffer_ids) : function(std::move(f)), ids(std::move(buffer_ids)) {}
  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    auto bound = std::make_unique<Bound>(function);
    for (size_t i = 0; i < ids.size(); ++i)
      bound->operands.push_back(ids[i] < 0 ? nullptr
                                           : buffers.address[static_cast<size_t>(ids[i])] +
                                                 (i < byte_offsets.size() ? byte_offsets[i] : 0));
    return bound;
  }
  std::vector<BufferId> buffers() const override {
    std::vector<BufferId> used;
    for (BufferId id : ids)
      if (id >= 0) used.push_back(id);
    return used;
  }
  bool on_host() const override { return true; }

 private:
  struct Bound : BoundStep {
    explicit Bound(F f) : function(std::move(f)) {}
    F function;
    std::vector<std::byte*> operands;
    void run(const RunEnv& env, int64_t begin, int64_t end) const noexcept override {
      if (!env.tally) return function(operands, begin, end, nullptr);
      Tally done;
      function(operands, begin, end, &done);
      done.lane_macs = 0;
      *env.tally += done;
    }
  };
};

}  // namespace tally
