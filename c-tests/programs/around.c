/* What constructors of other libraries did before the library's own had run (shim_around.c) is as if they came after it.
 *
 * Usage: around phase|open|off */
#include "check.h"

static int arena_takes(size_t size) {
    void *block = malloc(size);
    int owned = zk_owns(block);
    free(block);
    return owned;
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2 && preloaded() && read_stats().phases_begun == 1);
    CHECK(zk_min_arena_bytes() == 8192); /* as the environment says */
    if (strcmp(argv[1], "open") == 0) {
        CHECK(zk_phase_depth() == 1 && arena_takes(8192) && !arena_takes(8191) && arena_takes(3 * MIB));
        CHECK(zk_end_phase() == 0);
    }
    CHECK(zk_phase_depth() == 0 && !arena_takes(3 * MIB)); /* a phase was begun: they decide */
    int error = zk_begin_phase();
    CHECK(error == 0 && arena_takes(3 * MIB) == (strcmp(argv[1], "off") != 0));
    CHECK(zk_end_phase() == 0);
    check_nothing_lives();
    printf("%s: as it should be\n", argv[1]);
    return 0;
}
