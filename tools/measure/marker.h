#pragma once
// No-op instructions that tell an emulator where an inference begins and ends (tools/qemu reads them). They have a
// memory clobber, so that the compiler moves no work across. Callgrind, which knows no markers, goes by the function
// around them.
#include <type_traits>

extern "C" {
/// Calls run(argument); its name is what callgrind looks for, and no jump instead of the call may end it early.
[[gnu::noinline]] inline void tally_marked_section(void (*run)(void*), void* argument) {
  run(argument);
  asm volatile("" ::: "memory");
}
}

namespace tally::tools {

inline void mark_begin() {
#if defined(__x86_64__)
  asm volatile(".byte 0x0f, 0x1f, 0x80, 0x01, 0x00, 0x0e, 0x0b" ::: "memory");  // nopl 0x0B0E0001(%rax)
#elif defined(__aarch64__)
  asm volatile("orr xzr, xzr, x1" ::: "memory");
#elif defined(__arm__)
  asm volatile("orr r9, r9, r9" ::: "memory");
#endif
}

inline void mark_end() {
#if defined(__x86_64__)
  asm volatile(".byte 0x0f, 0x1f, 0x80, 0x02, 0x00, 0x0e, 0x0b" ::: "memory");  // nopl 0x0B0E0002(%rax)
#elif defined(__aarch64__)
  asm volatile("orr xzr, xzr, x2" ::: "memory");
#elif defined(__arm__)
  asm volatile("orr r8, r8, r8" ::: "memory");
#endif
}

/// Calls run() between the markers.
template <class F>
void run_between_markers(F&& run) {
  const auto call = [](void* f) { (*static_cast<std::remove_reference_t<F>*>(f))(); };
  mark_begin();
  tally_marked_section(call, &run);
  mark_end();
}

}  // namespace tally::tools
