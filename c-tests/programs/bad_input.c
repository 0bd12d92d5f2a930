/* Wrong calls that must fail softly. Prints the same whatever the environment holds: the runner sets it wrong. */
#include "check.h"
#include <malloc.h>

static void unbalanced_phases(void) {
    zk_stats before = read_stats();
    CHECK(zk_end_phase() == EINVAL && zk_end_phase() == EINVAL);
    CHECK(zk_phase_depth() == 0 && read_stats().phases_ended == before.phases_ended);
    CHECK(zk_begin_phase() == 0 && zk_phase_depth() == 1);
    void *block = malloc(2 * MIB);
    CHECK(block != NULL);
    CHECK(zk_end_phase() == 0 && zk_end_phase() == EINVAL && zk_phase_depth() == 0);
    CHECK(zk_begin_phase() == 0 && zk_end_phase() == 0);
    zk_stats after = read_stats();
    CHECK(after.phases_begun == before.phases_begun + 2 && after.phases_ended == before.phases_ended + 2);
    memset(block, 1, 2 * MIB);
    free(block);
    printf("unbalanced end: EINVAL\n");
}

/* `out->size` says how much the caller knows: less is a prefix, more is filled as far as this library goes. */
static void stats_sizes(void) {
    struct {
        zk_stats stats;
        unsigned char beyond[64];
    } out;
    CHECK(zk_stats_get(NULL) == EINVAL);
    static const uint32_t TOO_SMALL[] = {0, 1, 4, 7, 8, 15};
    for (size_t i = 0; i < sizeof TOO_SMALL / sizeof TOO_SMALL[0]; i++) {
        memset(&out, 0x5A, sizeof out);
        out.stats.size = TOO_SMALL[i];
        CHECK(zk_stats_get(&out.stats) == EINVAL);
        CHECK(out.stats.size == TOO_SMALL[i] && out.stats.version == 0x5A5A5A5A);
    }
    memset(&out, 0x5A, sizeof out);
    out.stats.size = offsetof(zk_stats, phases_ended);
    CHECK(zk_stats_get(&out.stats) == 0);
    CHECK(out.stats.size == offsetof(zk_stats, phases_ended) && out.stats.phases_begun < 1000);
    CHECK(out.stats.phases_ended == 0x5A5A5A5A5A5A5A5A);
    memset(&out, 0x5A, sizeof out);
    out.stats.size = offsetof(zk_stats, phases_ended) + 5; /* half a counter is none */
    CHECK(zk_stats_get(&out.stats) == 0);
    CHECK(out.stats.size == offsetof(zk_stats, phases_ended) && out.stats.phases_ended == 0x5A5A5A5A5A5A5A5A);
    memset(&out, 0x5A, sizeof out);
    out.stats.size = sizeof out;
    CHECK(zk_stats_get(&out.stats) == 0 && out.stats.size == sizeof out.stats);
    CHECK(out.beyond[0] == 0x5A && out.beyond[63] == 0x5A);
    out.stats.size = UINT32_MAX;
    CHECK(zk_stats_get(&out.stats) == 0 && out.stats.size == sizeof out.stats);
    printf("zk_stats_get: EINVAL for a size without a counter\n");
}

static void impossible_requests(void) {
    volatile size_t half = SIZE_MAX / 2 + 1;
    errno = 0;
    CHECK(calloc(half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(NULL, half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(half, 64) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(memalign(half + 1, 64) == NULL && errno == EINVAL);
    void *untouched = &untouched;
    CHECK(posix_memalign(&untouched, 24, 10000) == EINVAL && posix_memalign(&untouched, 4, 10000) == EINVAL);
    CHECK(posix_memalign(&untouched, 64, PTRDIFF_MAX) == ENOMEM && untouched == (void *)&untouched);
    printf("impossible requests: NULL\n");
}

static void odd_arguments(void) {
    int on_stack = 0;
    CHECK(zk_owns(NULL) == 0 && zk_owns(&on_stack) == 0 && zk_owns((void *)UINTPTR_MAX) == 0);
    CHECK(zk_owns((void *)zk_owns) == 0 && zk_owns((void *)1) == 0);
    CHECK(zk_set_thread_enabled(7) == 1 && zk_set_thread_enabled(0) == 1 && zk_set_thread_enabled(-1) == 0);
    CHECK(zk_set_thread_enabled(1) == 1);
    (void)zk_trim(SIZE_MAX);
    (void)zk_trim(0);
    int prefault = zk_prefault(0);
    CHECK(prefault == 0 || prefault == ENOMEM);
    zk_overflow_stats(NULL, NULL);
    size_t count = 7, bytes = 7;
    zk_reset_overflow_stats();
    zk_overflow_stats(&count, NULL);
    zk_overflow_stats(NULL, &bytes);
    CHECK(count == 0 && bytes == 0);
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    printf("odd arguments: harmless\n");
}

int main(void) {
    check_preload();
    engage_arena();
    unbalanced_phases();
    stats_sizes();
    impossible_requests();
    odd_arguments();
    return 0;
}
