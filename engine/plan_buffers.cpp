#include "tally/engine/plan_buffers.h"

#include <algorithm>

#include "tally/engine/arena.h"

namespace tally {

void PlanBuffers::check_memory(uint64_t bytes) const {
  const uint64_t all = bytes + graph_.folded_bytes;
  if (all > max_memory_)
    fail("plan", text(all, " bytes of buffers and computed constants"),
         text("must be at most ", max_memory_, " (--max-memory)"), ErrorCode::limit);
}

BufferId PlanBuffers::add(BufferInfo info) {
  plan_.buffers.push_back(std::move(info));
  first_.push_back(-1);
  last_.push_back(-1);
  return static_cast<BufferId>(plan_.buffers.size() - 1);
}

void PlanBuffers::touch(BufferId id, int row) {
  auto& first = first_[static_cast<size_t>(id)];
  if (first < 0) first = row;
  last_[static_cast<size_t>(id)] = std::max(last_[static_cast<size_t>(id)], row);
}

BufferId PlanBuffers::constant(ValueId id) {
  const auto [it, is_new] = constants_.try_emplace(id, -1);
  if (is_new) {
    const TypedValue& value = graph_.values[static_cast<size_t>(id)];
    auto owned = std::make_shared<Tensor>(*value.constant);
    const auto* data = static_cast<const std::byte*>(owned->data());
    plan_.weights_bytes += owned->bytes();
    check_memory(plan_.weights_bytes);
    it->second = add({value.name, BufferKind::weights, owned->bytes(), 0, owned, data});
  }
  return it->second;
}

void PlanBuffers::lay_out() {
  std::vector<Lifetime> lifetimes;
  std::vector<size_t> owners;
  uint64_t io_bytes = 0;
  for (size_t b = 0; b < plan_.buffers.size(); ++b) {
    const BufferInfo& info = plan_.buffers[b];
    if (info.kind == BufferKind::input || info.kind == BufferKind::output) io_bytes += info.bytes;
    if (info.kind != BufferKind::arena || first_[b] < 0) continue;
    lifetimes.push_back({info.bytes, first_[b], last_[b]});
    owners.push_back(b);
  }
  const ArenaLayout layout = lay_out_arena(lifetimes);
  check_memory(layout.bytes + plan_.weights_bytes + plan_.state_bytes + io_bytes);
  for (size_t i = 0; i < owners.size(); ++i) plan_.buffers[owners[i]].offset = static_cast<size_t>(layout.offsets[i]);
  plan_.arena_bytes = static_cast<size_t>(layout.bytes);
}

}  // namespace tally
