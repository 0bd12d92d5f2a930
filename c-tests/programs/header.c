/* include/zkalloc.h as a program's only knowledge of the library: strict C99 and C11, not linked with it. Runs with and
 * without it and prints which. */
#include <zkalloc.h>
#include <zkalloc.h> /* twice: the guard */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                               \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The documented types. A different one is a compile error here. */
static void check_types(void) {
    int (*begin)(void) = zk_begin_phase;
    int (*end)(void) = zk_end_phase;
    unsigned (*depth)(void) = zk_phase_depth;
    int (*set_enabled)(int) = zk_set_thread_enabled;
    int (*owns)(const void *) = zk_owns;
    size_t (*trim)(size_t) = zk_trim;
    int (*prefault)(size_t) = zk_prefault;
    int (*stats_get)(zk_stats *) = zk_stats_get;
    void (*overflow_stats)(size_t *, size_t *) = zk_overflow_stats;
    void (*reset_overflow)(void) = zk_reset_overflow_stats;
    size_t (*slab_size)(void) = zk_slab_size;
    size_t (*min_arena_bytes)(void) = zk_min_arena_bytes;
    const char *(*version)(void) = zk_version;
    int expected = strcmp(getenv("ZK_TEST_PRELOAD"), "1") == 0;
    CHECK(!begin == !expected && !end == !expected && !depth == !expected && !set_enabled == !expected);
    CHECK(!owns == !expected && !trim == !expected && !prefault == !expected && !stats_get == !expected);
    CHECK(!overflow_stats == !expected && !reset_overflow == !expected && !slab_size == !expected);
    CHECK(!min_arena_bytes == !expected && !version == !expected);
}

/* Two 32-bit fields, then 64-bit counters without padding, in the documented order. */
static void check_layout(void) {
    CHECK(offsetof(zk_stats, size) == 0 && offsetof(zk_stats, version) == 4);
    CHECK(offsetof(zk_stats, phases_begun) == 8 && offsetof(zk_stats, phases_ended) == 16);
    CHECK(offsetof(zk_stats, arena_allocs) == 24 && offsetof(zk_stats, arena_frees) == 32);
    CHECK(offsetof(zk_stats, live_blocks) == 40 && offsetof(zk_stats, live_bytes) == 48);
    CHECK(offsetof(zk_stats, peak_live_bytes) == 56 && offsetof(zk_stats, resident_bytes) == 64);
    CHECK(offsetof(zk_stats, reserved_bytes) == 72 && offsetof(zk_stats, reused_bytes) == 80);
    CHECK(offsetof(zk_stats, fresh_bytes) == 88 && offsetof(zk_stats, moved_bytes) == 96);
    CHECK(offsetof(zk_stats, returned_bytes) == 104 && offsetof(zk_stats, overflow_count) == 112);
    CHECK(offsetof(zk_stats, overflow_bytes) == 120 && offsetof(zk_stats, system_allocs_in_phase) == 128);
    CHECK(offsetof(zk_stats, survivor_blocks) == 136 && offsetof(zk_stats, survivor_bytes) == 144);
    CHECK(offsetof(zk_stats, threads_seen) == 152 && offsetof(zk_stats, forks) == 160);
}

static unsigned depth(void) { return zk_phase_depth ? zk_phase_depth() : 0; }

static int leaves_by_return(unsigned expected) {
    ZK_PHASE_SCOPE();
    CHECK(depth() == expected);
    return 1;
}

int main(void) {
    check_types();
    check_layout();
    unsigned one = zk_begin_phase ? 1 : 0;
    if (zk_begin_phase) zk_begin_phase();
    CHECK(depth() == one);
    if (zk_end_phase) zk_end_phase();
    CHECK(depth() == 0);
    CHECK(leaves_by_return(one) && depth() == 0);
    for (int i = 0; i < 3; i++) {
        ZK_PHASE_SCOPE();
        {
            ZK_PHASE_SCOPE();
            CHECK(depth() == 2 * one);
        }
        CHECK(depth() == one);
        if (i == 1) {
            break;
        }
    }
    CHECK(depth() == 0);
    if (zk_stats_get) {
        zk_stats stats;
        stats.size = sizeof stats;
        CHECK(zk_stats_get(&stats) == 0 && stats.phases_begun == 6 && stats.phases_ended == 6);
    }
    puts(zk_version ? zk_version() : "no library");
    return 0;
}
