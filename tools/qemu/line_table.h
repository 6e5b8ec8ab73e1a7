// Bytes loaded and stored per 64-byte line of guest memory: a hash table emptied at the start of each section.
#ifndef TALLY_LINE_TABLE_H
#define TALLY_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  uint64_t line;        // address / 64
  uint64_t bytes[2];    // [0] loaded, [1] stored
  uint64_t generation;  // the entry is alive if this equals the table's: clearing is one increment
} LineEntry;

typedef struct {
  LineEntry* entries;
  size_t size, used;  // size is a power of two
  uint64_t generation;
} LineTable;

void line_table_init(LineTable* table);
void line_table_clear(LineTable* table);

/// Adds an access of `size` bytes at `address`, split where it crosses a line.
void line_table_add(LineTable* table, uint64_t address, uint64_t size, bool is_store);

/// Writes `l` and `s` records in ascending order, equal consecutive lines merged. Leaves the table disordered: clear it
/// before the next access.
void line_table_write(LineTable* table, FILE* out);

#endif
