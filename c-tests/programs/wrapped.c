/* realloc under a wrapper that is preloaded in front of the library (shim_header.c): what realloc asks for on its own
 * behalf must not come from the wrapper, which would put a second header in front of it. */
#include "check.h"

int main(void) {
    void *version = dlsym(RTLD_DEFAULT, "zk_version");
    Dl_info ours, mallocs;
    CHECK(version && dladdr(version, &ours) && dladdr(dlsym(RTLD_DEFAULT, "malloc"), &mallocs));
    CHECK(ours.dli_fbase != mallocs.dli_fbase); /* the wrapper's */
    engage_arena();
    char *block = (char *)realloc(NULL, 8192);
    CHECK(block != NULL);
    fill_pattern(block, 8192, 1);
    size_t before = 8192;
    for (size_t size = 8192; size < 64 * MIB; size = size * 3 / 2) {
        CHECK((block = (char *)realloc(block, size)) != NULL);
        CHECK(has_pattern(block, before, 1));
        fill_pattern(block, size, 1);
        before = size;
    }
    CHECK((block = (char *)realloc(block, 100)) != NULL);
    CHECK(has_pattern(block, 100, 1));
    free(block);
    CHECK(read_stats().arena_allocs > 10);
    return 0;
}
