#include "line_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { kLineBytes = 64, kFirstSize = 1 << 12 };

static LineEntry* allocate(size_t size) {
  LineEntry* entries = calloc(size, sizeof *entries);
  if (!entries) {
    fputs("tally plugin: out of memory\n", stderr);
    abort();
  }
  return entries;
}

// The low bits of the line number are kept so that neighbouring lines, the usual next access, are neighbouring entries.
static LineEntry* find(LineEntry* entries, size_t size, uint64_t generation, uint64_t line) {
  size_t i = (line + (line >> 20) * 40503) & (size - 1);
  while (entries[i].generation == generation && entries[i].line != line) i = (i + 1) & (size - 1);
  return &entries[i];
}

static void grow(LineTable* table) {
  LineEntry* grown = allocate(table->size * 2);
  for (size_t i = 0; i < table->size; ++i) {
    LineEntry* entry = &table->entries[i];
    if (entry->generation == table->generation) *find(grown, table->size * 2, table->generation, entry->line) = *entry;
  }
  free(table->entries);
  table->entries = grown;
  table->size *= 2;
}

static void add_to_line(LineTable* table, uint64_t line, uint64_t bytes, bool is_store) {
  LineEntry* entry = find(table->entries, table->size, table->generation, line);
  if (entry->generation != table->generation) {
    if (table->used * 2 >= table->size) {
      grow(table);
      entry = find(table->entries, table->size, table->generation, line);
    }
    *entry = (LineEntry){.line = line, .generation = table->generation};
    ++table->used;
  }
  entry->bytes[is_store] += bytes;
}

void line_table_init(LineTable* table) {
  table->size = kFirstSize;
  table->entries = allocate(kFirstSize);
  table->generation = 0;
  line_table_clear(table);
}

void line_table_clear(LineTable* table) {
  table->used = 0;
  ++table->generation;  // never 0, which calloc'ed entries carry
}

void line_table_add(LineTable* table, uint64_t address, uint64_t size, bool is_store) {
  while (size) {
    uint64_t here = kLineBytes - address % kLineBytes;
    if (here > size) here = size;
    add_to_line(table, address / kLineBytes, here, is_store);
    address += here;
    size -= here;
  }
}

static int by_line(const void* a, const void* b) {
  uint64_t x = ((const LineEntry*)a)->line, y = ((const LineEntry*)b)->line;
  return (x > y) - (x < y);
}

static void write_direction(const LineEntry* live, size_t count, int direction, FILE* out) {
  for (size_t i = 0, n; i < count; i += n) {
    n = 1;
    uint64_t bytes = live[i].bytes[direction];
    if (!bytes) continue;
    while (i + n < count && live[i + n].line == live[i].line + n && live[i + n].bytes[direction] == bytes) ++n;
    fprintf(out, "%c %" PRIx64 " %" PRIu64, "ls"[direction], live[i].line * kLineBytes, bytes);
    if (n > 1) fprintf(out, " %zu", n);
    fputc('\n', out);
  }
}

void line_table_write(LineTable* table, FILE* out) {
  size_t live = 0;
  for (size_t i = 0; i < table->size; ++i)
    if (table->entries[i].generation == table->generation) table->entries[live++] = table->entries[i];
  qsort(table->entries, live, sizeof *table->entries, by_line);
  write_direction(table->entries, live, 0, out);
  write_direction(table->entries, live, 1, out);
}
