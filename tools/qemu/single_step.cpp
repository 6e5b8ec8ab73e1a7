// Counts the instructions that a native x86-64 program executes between its markers, by single-stepping it, for
// instruction sets that the emulator lacks (AVX-512, VNNI with qemu 7.2).
//
//   tally_single_step FILE PROGRAM [ARGUMENT]...
//
// Writes FILE in the format documented in plugin.c, without l and s lines (a trap tells nothing about memory), and
// exits with the program's exit code (128 + signal if it was killed, 125 if it could not be run or traced).
//
// The program runs at full speed between sections: a breakpoint sits on each marker in the executable file's own code
// (markers in shared libraries are not seen). Only the first thread is traced, so a program with further threads must
// not reach a marker in them. Inside a section each instruction is a trap, about 18 µs where tracer and program share a
// CPU and 60 µs where they do not (virtual machine on an EPYC 9004): the stepper pins itself, and with it the program,
// to one CPU.
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t kMarkerBytes = 7;
constexpr std::array<uint8_t, kMarkerBytes> kStart = {0x0F, 0x1F, 0x80, 0x01, 0x00, 0x0E, 0x0B};
constexpr std::array<uint8_t, kMarkerBytes> kStop = {0x0F, 0x1F, 0x80, 0x02, 0x00, 0x0E, 0x0B};
constexpr uint8_t kInt3 = 0xCC;
constexpr size_t kLongestInstruction = 15;
constexpr size_t kPageBytes = 4096;
constexpr int kCannotTrace = 125;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "tally_single_step: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(kCannotTrace);
}

struct Mapping {
  uint64_t begin, end;
};

/// Executable mappings of the program file of process `pid`, which has just passed exec.
std::vector<Mapping> own_code(pid_t pid) {
  char exe[4096];
  ssize_t n = readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), exe, sizeof exe - 1);
  if (n < 0) die("cannot read the program's name");
  exe[n] = '\0';
  std::FILE* maps = std::fopen(("/proc/" + std::to_string(pid) + "/maps").c_str(), "r");
  if (!maps) die("cannot read the program's mappings");
  std::vector<Mapping> found;
  char line[8192];
  while (std::fgets(line, sizeof line, maps)) {
    uint64_t begin, end;
    char permissions[5];
    int path = 0;
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &begin, &end, permissions, &path) < 3) continue;
    line[std::strcspn(line, "\n")] = '\0';
    if (permissions[2] == 'x' && path && std::strcmp(line + path, exe) == 0) found.push_back({begin, end});
  }
  std::fclose(maps);
  return found;
}

class Stepper {
 public:
  Stepper(pid_t pid, std::FILE* out) : pid_(pid), out_(out) {}

  /// Traces the program from its exec stop to its end. Returns its exit code.
  int run() {
    for (const Mapping& mapping : own_code(pid_)) plant_breakpoints(mapping);
    if (markers_.empty()) std::fputs("tally_single_step: the program contains no markers\n", stderr);
    int signal = 0;
    for (;;) {
      resume(PTRACE_CONT, signal);
      if (ended()) return finish();
      signal = WSTOPSIG(status_);
      auto marker = signal == SIGTRAP ? markers_.find(instruction_pointer() - 1) : markers_.end();
      if (marker == markers_.end()) continue;  // its own business: deliver
      signal = 0;
      set_instruction_pointer(marker->first + kMarkerBytes);
      if (marker->second == kStart) {
        if (!step_section()) return finish();
      } else {
        std::fputs("error stop marker without a start marker on its thread\n", out_);
      }
    }
  }

 private:
  void plant_breakpoints(const Mapping& mapping) {
    std::vector<uint8_t> code(mapping.end - mapping.begin);
    if (read_memory(mapping.begin, code.data(), code.size()) != code.size()) die("cannot read the program's code");
    for (const auto& pattern : {kStart, kStop}) {
      for (auto at = code.begin();; ++at) {
        at = std::search(at, code.end(), pattern.begin(), pattern.end());
        if (at == code.end()) break;
        uint64_t address = mapping.begin + static_cast<uint64_t>(at - code.begin());
        markers_[address] = pattern;
        // Memory is poked by the word: the breakpoint, the rest of the marker, and the byte that follows it.
        uint8_t bytes[8] = {kInt3};
        std::copy(pattern.begin() + 1, pattern.end(), bytes + 1);
        read_memory(address + kMarkerBytes, bytes + kMarkerBytes, 1);
        uint64_t word;
        std::memcpy(&word, bytes, sizeof word);
        if (ptrace(PTRACE_POKETEXT, pid_, address, word) != 0) die("cannot plant a breakpoint");
      }
    }
  }

  size_t read_memory(uint64_t address, uint8_t* to, size_t size) const {
    iovec local{to, size}, remote{reinterpret_cast<void*>(address), size};
    ssize_t n = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
    return n < 0 ? 0 : static_cast<size_t>(n);
  }

  void resume(__ptrace_request how, int signal) {
    if (ptrace(how, pid_, 0, signal) != 0) die("cannot resume the program");
    while (waitpid(pid_, &status_, 0) < 0)
      if (errno != EINTR) die("cannot wait for the program");
  }

  bool ended() const { return WIFEXITED(status_) || WIFSIGNALED(status_); }

  uint64_t instruction_pointer() const {
    return static_cast<uint64_t>(ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), 0));
  }

  void set_instruction_pointer(uint64_t address) {
    if (ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), address) != 0) die("cannot step over a marker");
  }

  /// Steps from behind a start marker to the next stop marker. False if the program ended on the way.
  bool step_section() {
    executed_.clear();
    uint64_t at = instruction_pointer();
    int signal = 0;
    for (;;) {
      auto marker = markers_.find(at);
      if (marker != markers_.end()) {
        set_instruction_pointer(at + kMarkerBytes);
        if (marker->second == kStop) break;
        std::fputs("error start marker inside an open section\n", out_);
        at += kMarkerBytes;
        continue;
      }
      bool into_handler = signal != 0;  // the trap then comes at the handler's entry and nothing has executed
      resume(PTRACE_SINGLESTEP, signal);
      if (ended()) {
        std::fputs("error the program ended inside a section\n", out_);
        return false;
      }
      signal = WSTOPSIG(status_) == SIGTRAP ? 0 : WSTOPSIG(status_);
      // A stop for another signal comes before the instruction.
      if (signal == 0 && !into_handler) ++executed_[at];
      at = instruction_pointer();
    }
    write_section();
    return true;
  }

  void write_section() {
    std::fprintf(out_, "section %" PRIu64 "\n", section_++);
    std::vector<std::pair<uint64_t, uint64_t>> sorted(executed_.begin(), executed_.end());
    std::sort(sorted.begin(), sorted.end());
    for (auto [address, count] : sorted) {
      if (!written_[address]) write_code(address);
      std::fprintf(out_, "x %" PRIx64 " %" PRIu64 "\n", address, count);
    }
  }

  /// The instruction's length is not known here: the longest possible is written, the reader decodes the first one.
  void write_code(uint64_t address) {
    uint8_t bytes[kLongestInstruction];
    size_t n = read_memory(address, bytes, sizeof bytes);
    size_t in_page = kPageBytes - address % kPageBytes;
    if (n == 0) n = read_memory(address, bytes, std::min(in_page, sizeof bytes));  // the next page is not mapped
    if (n == 0) die("cannot read executed code");
    std::fprintf(out_, "i %" PRIx64 " ", address);
    for (size_t i = 0; i < n; ++i) std::fprintf(out_, "%02x", bytes[i]);
    std::fputc('\n', out_);
    written_[address] = true;
  }

  int finish() {
    std::fprintf(out_, "end %" PRIu64 " 1\n", section_);
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

  pid_t pid_;
  std::FILE* out_;
  int status_ = 0;
  uint64_t section_ = 0;
  std::map<uint64_t, std::array<uint8_t, kMarkerBytes>> markers_;
  std::unordered_map<uint64_t, uint64_t> executed_;
  std::unordered_map<uint64_t, bool> written_;
};

void pin_to_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &set);
  sched_setaffinity(0, sizeof set, &set);  // only speed is lost where it fails
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: tally_single_step FILE PROGRAM [ARGUMENT]...\n", stderr);
    return 2;
  }
  std::FILE* out = std::fopen(argv[1], "w");
  if (!out) die(argv[1]);
  std::fputs("tally-counts 1 x86_64 single_step\n", out);
  std::fflush(out);  // before the fork, so that the child holds no copy
  pin_to_this_cpu();
  pid_t pid = fork();
  if (pid < 0) die("cannot fork");
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) die("cannot be traced");
    execvp(argv[2], argv + 2);
    die(argv[2]);
  }
  int status;
  if (waitpid(pid, &status, 0) < 0) die("cannot wait for the program");
  if (!WIFSTOPPED(status)) return WIFEXITED(status) ? WEXITSTATUS(status) : kCannotTrace;
  if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL) != 0) die("cannot trace");
  int code = Stepper(pid, out).run();
  if (std::fclose(out) != 0) die(argv[1]);
  return code;
}
