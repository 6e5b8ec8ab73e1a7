// Claims one section and dies inside it; the judge must not take the counts of such a run for complete.
#include <stdlib.h>

int main(void) {
  __asm__ volatile("nopl 0x0B0E0001(%%rax)" ::: "memory");
  abort();
}
