#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace tally {

/// The threads of one parallel region a run. The pool is OpenMP's and starts in the constructor; a build without OpenMP
/// has one thread. One team size (and 1) a process: libgomp ends and starts threads when the size varies from region to
/// region.
///
/// A pool belongs to the thread that opens its regions: construct the team where it will run, or the first run()
/// elsewhere starts another pool.
class Team {
 public:
  /// At least one thread; fewer than asked for where OpenMP's limits allow no more, see size().
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  /// Threads that run() uses; constant, but 1 while it runs inside another parallel region, where no threads are to be
  /// had.
  int size() const { return active_; }

  /// body(thread) once for each thread in [0, size()), at the same time; returns when all are done. Body must not
  /// throw. With one thread it is a plain call: no OpenMP, no lock, no allocation, no system call.
  template <class F>
  void run(F&& body) noexcept {
    static_assert(std::is_nothrow_invocable_v<F&, int>, "a team's body is noexcept: void (int thread) noexcept");
    if (size_ == 1) return static_cast<void>(body(0));
    fork([](void* f, int thread) noexcept { (*static_cast<std::remove_reference_t<F>*>(f))(thread); },
         const_cast<void*>(static_cast<const void*>(std::addressof(body))));
  }

  /// Returns once every thread of the region has called it as often as this one; what they wrote before is visible
  /// then. Only inside run(), by every thread. Spins for a bounded while, then yields its time slice between looks.
  void barrier(int thread) noexcept {
    if (active_ > 1) wait(thread);
  }

 private:
  struct alignas(64) Line;  // what one thread writes, on a cache line of its own
  using Body = void (*)(void* f, int thread) noexcept;
  void fork(Body body, void* f) noexcept;
  void wait(int thread) noexcept;

  int size_ = 1;
  int active_ = 1;
  std::unique_ptr<Line[]> lines_;
};

}  // namespace tally
