#include "tally/engine/context.h"

#include <algorithm>
#include <cstring>

#include "tally/engine/row_counters.h"

namespace tally {

namespace {

/// Where constants without elements lie: steps reckon with addresses that they then do not read.
alignas(64) constexpr std::byte kNothing[64] = {};

/// A bound step with what the run loop needs of it.
struct Runnable {
  std::unique_ptr<BoundStep> step;
  int64_t items = 1;
  int row = 0;
  bool parallel = false;
  bool ends_row = false;
  bool barrier = false;  ///< the next step may read what several threads wrote, or the reverse
};

}  // namespace

struct Context::Impl {
  CompiledModel model;
  std::shared_ptr<const Plan> plan;
  AlignedBuffer arena;
  std::vector<AlignedBuffer> io, states;
  Planning planning;
  int64_t position = 0;  ///< time steps since the last reset
  TripBudget trips;      ///< of the run
  BufferTable table;
  std::vector<Runnable> steps;
  std::unique_ptr<Team> team;
  const KernelTable* kernels = nullptr;            ///< those that do not count
  bool alone = false;                              ///< one thread runs it all
  int64_t run_steps = 0;                           ///< time steps that a run takes of a timeline: one, or none
  std::vector<std::vector<Tally>> thread_tallies;  ///< [thread][row], so that threads share no line

  explicit Impl(CompiledModel m) : model(std::move(m)) {}

  void bind(std::shared_ptr<const Plan> next) {
    // Every allocation happens before anything of the present state is changed.
    AlignedBuffer new_arena(std::max<size_t>(next->arena_bytes, 64));
    std::vector<AlignedBuffer> new_io, new_states;
    BufferTable addresses;
    for (const BufferInfo& info : next->buffers) {
      std::byte* address = nullptr;
      switch (info.kind) {
        case BufferKind::arena:
          address = new_arena.data() + info.offset;
          break;
        case BufferKind::weights:
          address = const_cast<std::byte*>(info.data != nullptr ? info.data : kNothing);
          break;
        case BufferKind::state:
          new_states.emplace_back(std::max<size_t>(info.bytes, 64));
          address = new_states.back().data();
          break;
        case BufferKind::input:
        case BufferKind::output:
          new_io.emplace_back(std::max<size_t>(info.bytes, 64));
          address = new_io.back().data();
          break;
      }
      addresses.address.push_back(address);
    }
    std::vector<Runnable> runnables;
    for (size_t i = 0; i < next->steps.size(); ++i) {
      const PlannedStep& planned = next->steps[i];
      Runnable r;
      r.step = planned.step->bind(addresses);
      r.items = planned.step->items;
      r.row = planned.row;
      r.parallel = planned.parallel;
      r.ends_row = i + 1 == next->steps.size() || next->steps[i + 1].row != planned.row;
      r.barrier = planned.parallel || (i + 1 < next->steps.size() && next->steps[i + 1].parallel);
      runnables.push_back(std::move(r));
    }
    auto new_team = std::make_unique<Team>(next->parallel ? next->threads : 1);
    // Rows of the next thread begin on a line of their own.
    std::vector<std::vector<Tally>> new_tallies(static_cast<size_t>(new_team->size()),
                                                std::vector<Tally>(next->rows.size() + 8));
    plan = std::move(next);
    arena = std::move(new_arena);
    io = std::move(new_io);
    states = std::move(new_states);
    table = std::move(addresses);
    steps = std::move(runnables);
    team = std::move(new_team);
    kernels = &kernel_table(plan->isa, false);
    alone = team->size() == 1;
    run_steps = plan->timeline ? 1 : 0;
    trips = {};
    thread_tallies = std::move(new_tallies);
    reset();
  }

  /// Binds the plan of these inputs, where it is not the present one.
  void bind_plan_of(const std::map<std::string, Shape>& shapes, const std::map<std::string, Tensor>& values) {
    const int64_t before = ticks();
    bool made = false;
    std::shared_ptr<const Plan> next = model.plan(shapes, values, &made);
    if (next == plan) return;
    bind(std::move(next));
    ++(made ? planning.made : planning.reused);
    planning.ns += static_cast<double>(ticks() - before) / ticks_per_ns();
  }

  void reset() noexcept {
    position = 0;
    trips.ended = nullptr;
    for (size_t b = 0; plan != nullptr && b < plan->buffers.size(); ++b) {
      const BufferInfo& info = plan->buffers[b];
      if (info.kind != BufferKind::state || info.bytes == 0) continue;
      if (info.data != nullptr)
        std::memcpy(table.address[b], info.data, info.bytes);
      else
        std::memset(table.address[b], 0, info.bytes);
    }
  }

  /// Values that the plan depends on are in it; their buffers hold them all the same, for who reads them back.
  void copy_in(const PlanInput& input, const Tensor& tensor) {
    if (tensor.bytes() > 0)
      std::memcpy(table.address[static_cast<size_t>(input.buffer)], tensor.data(), tensor.bytes());
  }

  void clear_tallies() noexcept {
    for (std::vector<Tally>& tallies : thread_tallies) std::fill(tallies.begin(), tallies.end(), Tally{});
  }

  /// One thread, nothing recorded: all that stands between two time steps of a small net. Instructions here are not
  /// free where others wait for results: what a core has waiting (320 on Zen 4) must reach from the last activation of
  /// one step to the first sums of the next.
  void run_alone() noexcept {
    trips.left = plan->max_trips;
    const RunEnv env{kernels, nullptr, position, &trips};
    for (const Runnable& r : steps) r.step->run(env, 0, r.items);
    position += run_steps;
  }

  void run() noexcept {
    if (alone)
      run_alone();
    else
      run_recorded(false, nullptr);
  }

  void run_recorded(bool count, RunRecord* record) noexcept {
    const KernelTable& chosen = count ? kernel_table(plan->isa, true) : *kernels;
    if (alone)
      run_thread(0, chosen, count, record);
    else
      team->run([&](int thread) noexcept { run_thread(thread, chosen, count, record); });
    position += run_steps;
  }

  /// Only the first thread runs loops.
  void run_thread(int thread, const KernelTable& kernels, bool count, RunRecord* record) noexcept {
    if (thread == 0) trips.left = plan->max_trips;
    const int threads = team->size();
    const bool clock = record != nullptr && record->clock && thread == 0;
    RowCounters* counters = record != nullptr ? record->counters : nullptr;
    if (counters != nullptr) counters->begin(thread);
    int64_t before = clock ? ticks() : 0;
    for (const Runnable& r : steps) {
      Tally* tally = count ? &thread_tallies[static_cast<size_t>(thread)][static_cast<size_t>(r.row)] : nullptr;
      const RunEnv env{&kernels, tally, position, &trips};
      if (r.parallel)
        r.step->run(env, r.items * thread / threads, r.items * (thread + 1) / threads);
      else if (thread == 0)
        r.step->run(env, 0, r.items);
      if (r.barrier && threads > 1) team->barrier(thread);
      if (clock && r.ends_row) {
        const int64_t now = ticks();
        record->ticks[static_cast<size_t>(r.row)] += now - before;
        before = now;
      }
      if (counters != nullptr && r.ends_row) counters->end_row(thread, r.row);
    }
  }
};

Context::Context(CompiledModel model) : impl_(std::make_unique<Impl>(std::move(model))) {
  if (impl_->model.fully_declared()) impl_->bind_plan_of({}, {});
}
Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

const CompiledModel& Context::model() const { return impl_->model; }
bool Context::bound() const { return impl_->plan != nullptr; }

const Planning& Context::planning() const { return impl_->planning; }

const Plan& Context::plan() const {
  if (!bound()) fail("context", "inputs of open shape", "must be fed before use", ErrorCode::usage);
  return *impl_->plan;
}

std::shared_ptr<const Plan> Context::shared_plan() const { return impl_->plan; }

void Context::feed(const std::map<std::string, Tensor>& inputs) {
  const Graph& graph = impl_->model.graph();
  const std::vector<std::string>& carrying = impl_->model.shape_carrying();
  std::map<std::string, Shape> shapes;
  std::map<std::string, Tensor> values;
  for (const auto& [key, tensor] : inputs) {
    const std::string& name = key;  // clang before 16 captures no structured binding
    const auto declared =
        std::find_if(graph.inputs.begin(), graph.inputs.end(), [&](const ValueInfo& v) { return v.name == name; });
    if (declared == graph.inputs.end())
      fail("input '" + name + "'", "no such input", "must be one of the graph's", ErrorCode::model);
    if (declared->dtype != DType::undefined && declared->dtype != tensor.dtype())
      fail("input '" + name + "'", text("dtype ", name_of(tensor.dtype())), text("must be ", name_of(declared->dtype)));
    if (std::find(carrying.begin(), carrying.end(), name) != carrying.end())
      values.emplace(name, tensor);
    else
      shapes.emplace(name, tensor.shape());
  }
  // Inputs that are not fed keep the shapes of the present plan.
  if (bound())
    for (const PlanInput& input : impl_->plan->inputs)
      if (!inputs.contains(input.name) && !input.bound_by_value) shapes.emplace(input.name, input.type.shape);
  if (!impl_->model.fully_declared()) {
    impl_->bind_plan_of(shapes, values);
  }
  for (const PlanInput& input : impl_->plan->inputs) {
    const auto it = inputs.find(input.name);
    if (it == inputs.end()) continue;
    if (it->second.shape() != input.type.shape)
      fail("input '" + input.name + "'", "shape " + to_string(it->second.shape()),
           "must be " + to_string(input.type.shape));
    impl_->copy_in(input, it->second);
  }
}

int64_t Context::position() const { return impl_->position; }

std::span<std::byte> Context::input_bytes(const std::string& name, DType asked) {
  for (const PlanInput& input : plan().inputs) {
    if (input.name != name) continue;
    if (input.type.dtype != asked)
      fail("input '" + name + "'", text("asked as ", name_of(asked)), text("must be ", name_of(input.type.dtype)),
           ErrorCode::usage);
    if (input.bound_by_value)
      fail("input '" + name + "'", "written in place", "must be fed: the plan depends on its value", ErrorCode::usage);
    return {impl_->table.address[static_cast<size_t>(input.buffer)],
            impl_->plan->buffers[static_cast<size_t>(input.buffer)].bytes};
  }
  fail("input '" + name + "'", "no such input", "must be one of the graph's", ErrorCode::usage);
}

std::span<std::byte> Context::input_data(size_t index) {
  const PlanInput& input = plan().inputs.at(index);
  return input_bytes(input.name, input.type.dtype);
}

std::span<const std::byte> Context::output_data(size_t index) const {
  return output_bytes(index, plan().outputs.at(index).type.dtype);
}

std::span<std::byte> Context::output_bytes(size_t index, DType asked) const {
  if (index >= plan().outputs.size())
    fail("output", text("index ", index), text("must be below ", plan().outputs.size()), ErrorCode::usage);
  const PlanOutput& output = impl_->plan->outputs[index];
  if (output.type.dtype != asked)
    fail("output '" + output.name + "'", text("asked as ", name_of(asked)),
         text("must be ", name_of(output.type.dtype)), ErrorCode::usage);
  return {impl_->table.address[static_cast<size_t>(output.buffer)],
          static_cast<size_t>(bytes_of(output.type.dtype, element_count(output.type.shape)))};
}

size_t Context::output_index(const std::string& name) const {
  for (size_t i = 0; i < plan().outputs.size(); ++i)
    if (impl_->plan->outputs[i].name == name) return i;
  fail("output '" + name + "'", "no such output", "must be one of the graph's", ErrorCode::usage);
}

Tensor Context::output_tensor(size_t index) const {
  if (index >= plan().outputs.size())
    fail("output", text("index ", index), text("must be below ", plan().outputs.size()), ErrorCode::usage);
  const PlanOutput& output = impl_->plan->outputs[index];
  Tensor tensor(output.type.dtype, output.type.shape);
  if (tensor.bytes() > 0)
    std::memcpy(tensor.mutable_data(), impl_->table.address[static_cast<size_t>(output.buffer)], tensor.bytes());
  return tensor;
}

void Context::run() noexcept {
  Impl& impl = *impl_;
  if (impl.plan != nullptr) impl.run();
}

void Context::step() noexcept {
  Impl& impl = *impl_;
  if (impl.plan == nullptr) return;
  impl.run();
  if (!impl.plan->timeline) return;
  for (const auto& [output, input] : impl.plan->timeline->carries) {
    const auto from = static_cast<size_t>(impl.plan->outputs[output].buffer);
    const auto to = static_cast<size_t>(impl.plan->inputs[input].buffer);
    std::memcpy(impl.table.address[to], impl.table.address[from], impl.plan->buffers[to].bytes);
  }
}

void Context::require_complete() const {
  if (const std::string* loop = impl_->trips.ended)
    fail(*loop, text("trips worth more than ", plan().max_trips, " MACs"), "must be fewer (--max-macs)",
         ErrorCode::limit);
}

void Context::reset() noexcept { impl_->reset(); }

RunRecord Context::make_record(bool count, bool clock) const {
  RunRecord record;
  record.count = count;
  record.clock = clock;
  record.tallies.resize(plan().rows.size());
  record.ticks.resize(plan().rows.size());
  return record;
}

void Context::run_recorded(RunRecord& record) noexcept {
  Impl& impl = *impl_;
  if (impl.plan == nullptr) return;
  std::fill(record.ticks.begin(), record.ticks.end(), 0);
  if (record.count) impl.clear_tallies();
  impl.run_recorded(record.count, &record);
  if (record.count) read_tallies(record);
}

void Context::run_counting() noexcept {
  Impl& impl = *impl_;
  if (impl.plan != nullptr) impl.run_recorded(true, nullptr);
}

void Context::read_tallies(RunRecord& record) noexcept {
  for (size_t row = 0; row < record.tallies.size(); ++row) {
    record.tallies[row] = {};
    for (const std::vector<Tally>& tallies : impl_->thread_tallies) record.tallies[row] += tallies[row];
  }
  impl_->clear_tallies();
}

int Context::threads() const { return bound() ? impl_->team->size() : 1; }

void Context::on_each_thread(const std::function<void(int)>& f) noexcept {
  if (bound()) impl_->team->run([&](int thread) noexcept { f(thread); });
}

std::vector<Context::Region> Context::regions() const {
  std::vector<Region> list;
  const Plan& p = plan();
  for (size_t b = 0; b < p.buffers.size(); ++b)
    if (p.buffers[b].kind != BufferKind::arena && p.buffers[b].bytes > 0)
      list.push_back({p.buffers[b].name, p.buffers[b].kind, impl_->table.address[b], p.buffers[b].bytes});
  if (p.arena_bytes > 0) list.push_back({"arena", BufferKind::arena, impl_->arena.data(), p.arena_bytes});
  return list;
}

}  // namespace tally
