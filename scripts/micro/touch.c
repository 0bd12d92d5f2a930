/* Takes memory from the system in huge pages and gives it back, right before a cold run.
 *
 * A virtual machine with free page reporting gives free huge pages back to its host within seconds, and getting one
 * again costs fifty times what the guest's kernel takes for a fault: without this a cold run would be as slow as the host
 * is busy, under every allocator.
 *
 * Usage: touch <MiB> */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096 };

int main(int argc, char **argv)
{
    size_t bytes = argc == 2 ? strtoull(argv[1], NULL, 10) << 20 : 0;
    if (bytes == 0) {
        fputs("usage: touch <MiB>\n", stderr);
        return 2;
    }
    volatile char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("touch: mmap");
        return 1;
    }
    madvise((void *)memory, bytes, MADV_HUGEPAGE); /* a kernel without huge pages refuses: small ones do as well */
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        memory[at] = 1;
    return 0;
}
