/* Preloaded in front of the library: while the program says so, the kernel's answer is that no page is in memory, as for those
 * that lie in swap. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern volatile int shim_is_swapped;
volatile int shim_is_swapped;

int mincore(void *start, size_t bytes, unsigned char *pages) {
    int error = (int)syscall(SYS_mincore, start, bytes, pages);
    if (error == 0 && shim_is_swapped) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        memset(pages, 0, (bytes + page - 1) / page);
    }
    return error;
}
