// A QEMU TCG plugin (API version 1, qemu-user 7.2) that counts what a guest really executes between markers.
//
//   qemu-x86_64 -cpu max -plugin libtally_qemu_plugin.so,out=FILE[,memory=off] PROGRAM …
//
// A pair of no-op instructions in the guest encloses a *section*; a run may have thousands. For each section the plugin
// writes the executed instructions per address and the bytes loaded and stored per 64-byte line. single_step.cpp writes
// the same file from native execution, without l and s lines. FILE is text, one record a line, blank-separated; ADDR
// and LINE are hexadecimal without prefix, all other numbers decimal:
//
// clang-format off
//   tally-counts 1 TARGET PRODUCER    first line; TARGET x86_64 | aarch64 | arm, PRODUCER qemu | single_step
//   section K                         a section was left; K = 0, 1, 2, … in the order of execution
//   i ADDR HEXBYTES [MNEMONIC]        the machine code at ADDR, in memory order; once in the file, before its first x.
//                                     MNEMONIC (arm only): what the emulator's disassembler calls it, ? if it is
// silent;
//                                     it tells A32 code from Thumb
//   x ADDR COUNT                      the instruction at ADDR executed COUNT times in section K; the markers are not counted
//   l LINE BYTES [N]                  N (1 if absent) consecutive 64-byte lines from address LINE on had BYTES loaded, each
//   s LINE BYTES [N]                  the same for bytes stored
//   error TEXT                        the counts are not to be trusted (markers out of order, code changed in place)
//   end SECTIONS THREADS              last line; a file without it is of a run that died
// clang-format on
//
// Addresses are those of the run: a position-independent program has a load bias, and the machine code is recorded
// because with it nothing needs to be mapped back (and shared libraries are covered) to know what was executed.
//
// An x86 REP string instruction counts once an iteration, and once more where it stops because its counter is zero; the
// stepper counts the iterations only. All other instructions count alike.
//
// Threads: what is judged are single-threaded runs. With several vCPUs nothing is corrupted, but the inline counters
// are not atomic (increments may be lost), instructions of every thread count while a section is open, and memory
// accesses only those of the thread that opened it. THREADS tells the reader.
#define _GNU_SOURCE  // process_vm_readv
#include "qemu_plugin_api.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "line_table.h"

enum { kMaxCodeBytes = 16, kMaxMnemonic = 16, kChunkSize = 1 << 14, kMaxChunks = 1 << 12 };

typedef struct {
  uint64_t address;
  uint8_t length;
  uint8_t bytes[kMaxCodeBytes];
  char mnemonic[kMaxMnemonic];  // empty: of no use for this target
  bool written;                 // its i line is in the file
} Instruction;

// Generated code increments `executed` in place, so a chunk never moves. The counters of a chunk lie together because a
// section begins by copying and ends by comparing all of them: 60,000 instructions are 0.5 MB, some 50 µs a section.
typedef struct {
  uint64_t executed[kChunkSize];
  uint64_t before[kChunkSize];  // `executed` when the section was entered
  Instruction instruction[kChunkSize];
} Chunk;

typedef struct {
  const char* target;
  uint8_t length, start[8], stop[8];
  bool two_encodings;  // machine code that does not say how it is to be read
} Marker;

static const Marker kMarkers[] = {
    {"x86_64", 7, {0x0F, 0x1F, 0x80, 0x01, 0x00, 0x0E, 0x0B}, {0x0F, 0x1F, 0x80, 0x02, 0x00, 0x0E, 0x0B}, false},
    {"aarch64", 4, {0xFF, 0x03, 0x01, 0xAA}, {0xFF, 0x03, 0x02, 0xAA}, false},  // orr xzr,xzr,x1 | x2
    {"arm", 4, {0x09, 0x90, 0x89, 0xE1}, {0x08, 0x80, 0x88, 0xE1}, true},       // A32 orr r9,r9,r9 | r8,r8,r8
};

TALLY_QEMU_EXPORT int qemu_plugin_version = kQemuPluginVersion;

static const Marker* marker;
static FILE* out;
static pid_t owner;  // a forked guest child inherits this state and must not write
static bool count_memory = true;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static Chunk* chunks[kMaxChunks];
static size_t instruction_count;
static uint32_t* slots;  // open addressing by guest address: index of the instruction + 1, 0 = free
static size_t slot_count;

static atomic_bool section_open;
static atomic_uint section_vcpu;
static uint64_t section_number;
static LineTable lines;
static atomic_uint vcpu_count;

static void* must_allocate(size_t count, size_t size) {
  void* p = calloc(count, size);
  if (!p) {
    fputs("tally plugin: out of memory\n", stderr);
    abort();
  }
  return p;
}

static size_t slot_of(uint64_t address, size_t size) {
  return (address * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (size - 1);
}

static Instruction* instruction_at(size_t index) {
  return &chunks[index / kChunkSize]->instruction[index % kChunkSize];
}

static void grow_slots(void) {
  size_t size = slot_count ? slot_count * 2 : 1 << 16;
  uint32_t* grown = must_allocate(size, sizeof *grown);
  for (size_t i = 0; i < instruction_count; ++i) {
    size_t s = slot_of(instruction_at(i)->address, size);
    while (grown[s]) s = (s + 1) & (size - 1);
    grown[s] = (uint32_t)(i + 1);
  }
  free(slots);
  slots = grown;
  slot_count = size;
}

// The first word of the emulator's disassembly, which goes by the state of the CPU that is about to run the block.
static void take_mnemonic(Instruction* instruction, const struct qemu_plugin_insn* insn) {
  char* text = qemu_plugin_insn_disas(insn);
  size_t n = text ? strcspn(text, " \t\n") : 0;
  if (n >= kMaxMnemonic) n = kMaxMnemonic - 1;
  memcpy(instruction->mnemonic, n ? text : "?", n ? n : 1);
  instruction->mnemonic[n ? n : 1] = '\0';
  free(text);
}

// The counter of the instruction `insn` of the given machine code, made on first sight. The same address translated
// again, in this block or another, gets the same counter.
static uint64_t* counter_for(const struct qemu_plugin_insn* insn, const uint8_t* bytes, size_t length) {
  uint64_t address = qemu_plugin_insn_vaddr(insn);
  if (instruction_count * 2 >= slot_count) grow_slots();
  size_t s = slot_of(address, slot_count);
  for (; slots[s]; s = (s + 1) & (slot_count - 1)) {
    size_t index = slots[s] - 1;
    Instruction* known = instruction_at(index);
    if (known->address != address) continue;
    if (known->length != length || memcmp(known->bytes, bytes, length) != 0) {
      // Harmless where no section can have counted the old code (memory reused by a loader).
      if (known->written || section_open) fprintf(out, "error code at %" PRIx64 " changed during the run\n", address);
      known->length = (uint8_t)length;
      memcpy(known->bytes, bytes, length);
      if (marker->two_encodings) take_mnemonic(known, insn);
    }
    return &chunks[index / kChunkSize]->executed[index % kChunkSize];
  }
  size_t index = instruction_count;
  if (index / kChunkSize >= kMaxChunks) {
    fputs("tally plugin: too many distinct instructions\n", stderr);
    abort();
  }
  if (!chunks[index / kChunkSize]) chunks[index / kChunkSize] = must_allocate(1, sizeof(Chunk));
  Instruction* fresh = instruction_at(index);
  fresh->address = address;
  fresh->length = (uint8_t)length;
  memcpy(fresh->bytes, bytes, length);
  if (marker->two_encodings) take_mnemonic(fresh, insn);
  slots[s] = (uint32_t)(++instruction_count);
  return &chunks[index / kChunkSize]->executed[index % kChunkSize];
}

static size_t used_in_chunk(size_t c) {
  size_t rest = instruction_count - c * kChunkSize;
  return rest < kChunkSize ? rest : kChunkSize;
}

static void enter_section(unsigned int vcpu, void* unused) {
  (void)unused;
  if (getpid() != owner) return;
  pthread_mutex_lock(&lock);
  if (section_open) fputs("error start marker inside an open section\n", out);
  for (size_t c = 0; c * kChunkSize < instruction_count; ++c)
    memcpy(chunks[c]->before, chunks[c]->executed, used_in_chunk(c) * sizeof(uint64_t));
  line_table_clear(&lines);
  section_vcpu = vcpu;
  section_open = true;
  pthread_mutex_unlock(&lock);
}

static void write_instruction(Chunk* chunk, size_t i) {
  uint64_t executed = chunk->executed[i] - chunk->before[i];
  if (!executed) return;
  Instruction* instruction = &chunk->instruction[i];
  if (!instruction->written) {
    fprintf(out, "i %" PRIx64 " ", instruction->address);
    for (size_t b = 0; b < instruction->length; ++b) fprintf(out, "%02x", instruction->bytes[b]);
    if (instruction->mnemonic[0]) fprintf(out, " %s", instruction->mnemonic);
    fputc('\n', out);
    instruction->written = true;
  }
  fprintf(out, "x %" PRIx64 " %" PRIu64 "\n", instruction->address, executed);
}

static void leave_section(unsigned int vcpu, void* unused) {
  (void)unused;
  if (getpid() != owner) return;
  pthread_mutex_lock(&lock);
  if (!section_open || section_vcpu != vcpu) {
    fputs("error stop marker without a start marker on its thread\n", out);
  } else {
    section_open = false;
    fprintf(out, "section %" PRIu64 "\n", section_number++);
    // Instructions first translated inside the section have `before` 0 and count in full.
    for (size_t c = 0; c * kChunkSize < instruction_count; ++c)
      for (size_t i = 0, n = used_in_chunk(c); i < n; ++i) write_instruction(chunks[c], i);
    line_table_write(&lines, out);
  }
  pthread_mutex_unlock(&lock);
}

static void on_memory(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void* unused) {
  (void)unused;
  // Accesses of the thread that opened the section only, so that the table needs no lock.
  if (!atomic_load_explicit(&section_open, memory_order_relaxed) ||
      atomic_load_explicit(&section_vcpu, memory_order_relaxed) != vcpu)
    return;
  line_table_add(&lines, address, UINT64_C(1) << qemu_plugin_mem_size_shift(info), qemu_plugin_mem_is_store(info));
}

// Machine code of an instruction. The bytes that qemu 7.2 hands out are garbled where an x86 instruction runs into the
// next page, so code near a page's end is read from memory: 15 bytes, of which the instruction is the first (the
// classifier takes no more), or as many as are mapped.
static size_t code_of(const struct qemu_plugin_insn* insn, uint8_t bytes[kMaxCodeBytes]) {
  enum { kPage = 4096, kLongest = 15 };
  uint64_t offset = qemu_plugin_insn_vaddr(insn) % kPage;
  void* host = qemu_plugin_insn_haddr(insn);
  if (marker->length > 4 && offset > kPage - kLongest && host) {
    struct iovec to = {bytes, kLongest};
    struct iovec from[2] = {{host, kPage - offset}, {(uint8_t*)host + (kPage - offset), kLongest - (kPage - offset)}};
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, 2, 0);
    if (got > 0) return (size_t)got;
  }
  size_t length = qemu_plugin_insn_size(insn);
  if (length > kMaxCodeBytes) length = kMaxCodeBytes;
  memcpy(bytes, qemu_plugin_insn_data(insn), length);
  return length;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  pthread_mutex_lock(&lock);
  for (size_t i = 0, n = qemu_plugin_tb_n_insns(tb); i < n; ++i) {
    struct qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    uint8_t bytes[kMaxCodeBytes];
    size_t length = code_of(insn, bytes);
    bool is_start = length >= marker->length && memcmp(bytes, marker->start, marker->length) == 0;
    bool is_stop = length >= marker->length && memcmp(bytes, marker->stop, marker->length) == 0;
    if (is_start || is_stop) {
      qemu_plugin_register_vcpu_insn_exec_cb(insn, is_start ? enter_section : leave_section, QEMU_PLUGIN_CB_NO_REGS,
                                             NULL);
      continue;
    }
    uint64_t* counter = counter_for(insn, bytes, length);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
    if (count_memory)
      qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
  }
  pthread_mutex_unlock(&lock);
}

static void on_vcpu(qemu_plugin_id_t id, unsigned int vcpu) {
  (void)id, (void)vcpu;
  ++vcpu_count;
}

static void on_exit_of_guest(qemu_plugin_id_t id, void* unused) {
  (void)id, (void)unused;
  if (getpid() != owner) return;
  pthread_mutex_lock(&lock);
  if (section_open) fputs("error the program ended inside a section\n", out);
  fprintf(out, "end %" PRIu64 " %u\n", section_number, (unsigned)vcpu_count);
  if (fclose(out) != 0) perror("tally plugin: cannot write the counts");
  // Left locked: another thread that still runs would write to the closed file.
}

TALLY_QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int argc, char** argv) {
  const char* path = NULL;
  for (int i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "out=", 4) == 0) {
      path = argv[i] + 4;
    } else if (strcmp(argv[i], "memory=off") == 0) {
      count_memory = false;
    } else if (strcmp(argv[i], "memory=on") != 0) {
      fprintf(stderr, "tally plugin: unknown argument '%s', known: out=FILE memory=on|off\n", argv[i]);
      return 1;
    }
  }
  for (size_t m = 0; m < sizeof kMarkers / sizeof *kMarkers; ++m)
    if (strcmp(info->target_name, kMarkers[m].target) == 0) marker = &kMarkers[m];
  if (info->system_emulation || !marker || !path) {
    fprintf(stderr, "tally plugin: needs out=FILE and user emulation of x86_64, aarch64 or arm, not %s\n",
            info->target_name);
    return 1;
  }
  out = fopen(path, "w");
  if (!out) {
    perror(path);
    return 1;
  }
  setvbuf(out, NULL, _IOFBF, 1 << 20);
  fprintf(out, "tally-counts 1 %s qemu\n", info->target_name);
  owner = getpid();
  line_table_init(&lines);
  qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
