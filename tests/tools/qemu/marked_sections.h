// The frame of the judge's test programs: sections of hand-written assembly with counts known from reading it, claimed
// in the format that judge.py expects. A program defines kStartMarker, kStopMarker and a list of sections and calls
// run_sections. `--wrong K` falsifies the claim of section K, `--repeat N` runs the list N times, `--isa NAME` only the
// sections of one instruction set.
#ifndef TALLY_MARKED_SECTIONS_H
#define TALLY_MARKED_SECTIONS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kInputBytes = 8192, kOutputBytes = 8192 };
static _Alignas(1024) unsigned char input[kInputBytes];
static _Alignas(1024) unsigned char output[kOutputBytes];
static _Alignas(64) int32_t mask[16] = {-1, -1, -1};  // three lanes on; not a registered buffer

typedef struct {
  const char *name, *isa;
  void (*run)(const void* from, void* to, const void* lane_mask);
  long lanes, int_macs, int_pairs, loaded, stored;
} MarkedSection;

int main(int argc, char** argv);

// The function that callgrind collects in; the empty assembly keeps the call from becoming a jump.
__attribute__((noinline)) static void tally_marked_section(const MarkedSection* s) {
  s->run(input, output, mask);
  __asm__ volatile("" ::: "memory");
}

static int run_sections(int argc, char** argv, const MarkedSection* sections, int count) {
  const char *path = NULL, *isa = NULL;
  long wrong = -1, repeat = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--claims") == 0) path = argv[i + 1];
    if (strcmp(argv[i], "--isa") == 0) isa = argv[i + 1];
    if (strcmp(argv[i], "--wrong") == 0) wrong = strtol(argv[i + 1], NULL, 10);
    if (strcmp(argv[i], "--repeat") == 0) repeat = strtol(argv[i + 1], NULL, 10);
  }
  FILE* claims = path ? fopen(path, "w") : NULL;
  if (!claims) return 2;
  long k = 0;
  for (long r = 0; r < repeat; ++r) {
    for (int i = 0; i < count; ++i) {
      const MarkedSection* s = &sections[i];
      if (isa && strcmp(isa, s->isa) != 0) continue;
      tally_marked_section(s);
      fprintf(claims,
              "{\"section\": %ld, \"name\": \"%s\", \"isa\": \"%s\", \"lane_macs\": %ld, \"lane_fma_other\": 0, "
              "\"int8_macs\": %ld, \"int8_pairs\": %ld, \"bytes_loaded\": %ld, \"bytes_stored\": %ld, "
              "\"buffers\": [{\"name\": \"input\", \"address\": %ju, \"bytes\": %d}, "
              "{\"name\": \"output\", \"address\": %ju, \"bytes\": %d}], "
              "\"anchor\": {\"symbol\": \"main\", \"address\": %ju}}\n",
              k, s->name, s->isa, s->lanes + (k == wrong), s->int_macs, s->int_pairs, s->loaded, s->stored,
              (uintmax_t)(uintptr_t)input, kInputBytes, (uintmax_t)(uintptr_t)output, kOutputBytes,
              (uintmax_t)(uintptr_t)main);
      ++k;
    }
  }
  return fclose(claims) == 0 ? 0 : 1;
}

#endif
