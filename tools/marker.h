#pragma once
// No-op instructions that tell an emulator where an inference begins and ends (tools/qemu reads them). They have a
// memory clobber, so that the compiler moves no work across.

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

}  // namespace tally::tools
