#pragma once
// Items of attention, by blocks of queries or by rows; AttentionArgs (kernel_args.h) says what it computes.
#include "tally/platforms/kernels/attention_block.h"
#include "tally/platforms/kernels/attention_rows.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class A, int NV, class Policy>
__attribute__((noinline)) void attention_block(const AttentionArgs& args, float* scratch, int64_t batch, int64_t head,
                                               int64_t first, Tally* tally) {
  AttentionBlock<A, NV, Policy>(args, scratch, batch, head, first).run(tally);
}

/// The narrowest block that holds `vectors` vectors of queries.
template <class A, class Policy, int NV = 1>
void attention_of_width(int64_t vectors, const AttentionArgs& args, float* scratch, int64_t batch, int64_t head,
                        int64_t first, Tally* tally) {
  constexpr int kWidest = static_cast<int>(sizeof(A::kGemmRows) / sizeof(A::kGemmRows[0]));
  if constexpr (NV < kWidest) {
    if (vectors > NV) return attention_of_width<A, Policy, NV + 1>(vectors, args, scratch, batch, head, first, tally);
  }
  attention_block<A, NV, Policy>(args, scratch, batch, head, first, tally);
}

template <class A, class Policy>
void attention_blocks(const AttentionArgs& args, int64_t begin, int64_t end, Tally* tally) {
  alignas(64) float scratch[kAttentionScratch];
  const int64_t blocks = (args.queries + args.block_queries - 1) / args.block_queries;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item % blocks * args.block_queries, head = item / blocks % args.q_heads;
    const int64_t left = args.queries - first;
    const int64_t queries = left < args.block_queries ? left : args.block_queries;
    attention_of_width<A, Policy>((queries + A::kLanes - 1) / A::kLanes, args, scratch, item / blocks / args.q_heads,
                                  head, first, tally);
  }
}

template <class A, class Policy>
void attention_rows(const AttentionArgs& args, int64_t begin, int64_t end, Tally* tally) {
  alignas(64) float scratch[kAttentionScratch];
  const int64_t parts = (args.group() * args.queries + args.rows - 1) / args.rows;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t head = item / parts % args.kv_heads;
    AttentionRows<A, Policy>(args, scratch, item / parts / args.kv_heads, head, item % parts * args.rows, tally).run();
  }
}

/// Items [begin, end) of `args`; see AttentionArgs.
template <class A, class Policy>
void attention(const AttentionArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (args.block_queries > 0) {
    attention_blocks<A, Policy>(args, begin, end, tally);
  } else {
    attention_rows<A, Policy>(args, begin, end, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
