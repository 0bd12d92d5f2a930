/* An arena that is too small, or absent: requests overflow to the system, work there and are counted. Needs the library.
 *
 * Usage: overflow slab            with ZK_ALLOC_SLAB_GB=1: more live bytes than the arena may hold (none touched)
 *        overflow limit <MiB>     RLIMIT_AS of so much, set before the arena is made
 *        overflow data <MiB>      RLIMIT_DATA of so much: only what is usable counts, not what is reserved */
#include "check.h"
#include <sys/resource.h>

enum { MOST = 4096 };
static void *blocks[MOST];

/* Allocates until `enough` requests overflowed or memory ends; checks who owns the blocks and what was counted. */
static int fill(size_t size, size_t enough) {
    size_t overflows = 0, counted = 0, bytes = 0;
    int live = 0, owned = 0;
    zk_reset_overflow_stats();
    while (live < MOST && overflows < enough && (blocks[live] = malloc(size)) != NULL) {
        if (zk_owns(blocks[live])) {
            owned++;
        } else {
            overflows++;
        }
        fill_pattern(blocks[live], 64, (uint64_t)live);
        live++;
    }
    zk_overflow_stats(&counted, &bytes);
    zk_stats stats = read_stats();
    CHECK(stats.overflow_count == counted && stats.overflow_bytes == bytes);
    /* The request that ended it overflowed too, and then failed in the system: it may be counted or not. */
    size_t slack = live < MOST && overflows < enough;
    if (stats.reserved_bytes == 0) { /* without any arena nothing overflows from it */
        CHECK(counted == 0 && bytes == 0);
    } else if (counted < overflows || counted > overflows + slack || bytes < overflows * size ||
        bytes > (overflows + slack) * size) {
        dprintf(2, "%zu overflows of %zu bytes, counted %zu of %zu bytes\n", overflows, size, counted, bytes);
        _exit(1);
    }
    for (int i = 0; i < live; i++) {
        CHECK(has_pattern(blocks[i], 64, (uint64_t)i));
    }
    CHECK(overflows > 0);
    return owned;
}

static void empty(size_t size) {
    for (int i = 0; i < MOST; i++) {
        if (blocks[i]) {
            void *moved = realloc(blocks[i], size + 100000); /* may fail where memory has ended */
            CHECK(has_pattern(moved ? moved : blocks[i], 64, (uint64_t)i));
            free(moved ? moved : blocks[i]);
            blocks[i] = NULL;
        }
    }
    zk_reset_overflow_stats();
    size_t counted = 1, bytes = 1;
    zk_overflow_stats(&counted, &bytes);
    CHECK(counted == 0 && bytes == 0);
    CHECK(read_stats().overflow_count == 0 && read_stats().overflow_bytes == 0);
}

static void by_slab(void) {
    engage_arena();
    CHECK(zk_slab_size() >= GIB);
    CHECK(fill(256 * MIB, 10) > 0);
    /* Never more live bytes than one GiB for each processor and four more. */
    CHECK(read_stats().peak_live_bytes <= GIB * ((uint64_t)sysconf(_SC_NPROCESSORS_CONF) + 4));
    empty(256 * MIB);
    CHECK(zk_owns(blocks[0] = malloc(256 * MIB)) == 1); /* there is room again */
    free(blocks[0]);
}

static void by_limit(size_t limit) {
    const struct rlimit space = {limit, limit};
    CHECK(setrlimit(RLIMIT_AS, &space) == 0);
    engage_arena();
    uint64_t reserved = read_stats().reserved_bytes;
    CHECK(reserved <= limit / 2); /* at most half of what is still allowed */
    int owned = fill(2 * MIB, SIZE_MAX);
    CHECK((owned > 0) == (reserved > 0));
    empty(2 * MIB);
    CHECK(zk_begin_phase() == (reserved ? 0 : ENOMEM)); /* counts all the same */
    CHECK(zk_phase_depth() == 1);
    void *block = malloc(3 * MIB);
    CHECK(block != NULL);
    free(block);
    CHECK(zk_end_phase() == 0 && zk_phase_depth() == 0);
    printf("%s\n", reserved ? "smaller arena" : "no arena");
}

/* Strict overcommit counts in the same way, but is a setting of the whole machine. */
static void by_data(size_t limit) {
    const struct rlimit data = {limit, limit};
    CHECK(setrlimit(RLIMIT_DATA, &data) == 0);
    engage_arena();
    CHECK(read_stats().reserved_bytes >= 64 * GIB);
    int live = 0, owned = 0;
    while (live < MOST && (blocks[live] = malloc(2 * MIB)) != NULL) {
        owned += zk_owns(blocks[live]);
        fill_pattern(blocks[live], 64, (uint64_t)live);
        live++;
    }
    CHECK(live < MOST && errno == ENOMEM); /* the limit is met, and the program told */
    CHECK(owned > 0 && read_stats().overflow_count > 0);
    for (int i = 0; i < live; i++) {
        CHECK(has_pattern(blocks[i], 64, (uint64_t)i));
        free(blocks[i]);
    }
    void *block = malloc(2 * MIB);
    CHECK(zk_owns(block));
    free(block);
}

int main(int argc, char **argv) {
    check_preload();
    if (argc == 2 && strcmp(argv[1], "slab") == 0) {
        by_slab();
    } else {
        CHECK(argc == 3);
        size_t bytes = strtoul(argv[2], NULL, 10) * MIB;
        strcmp(argv[1], "data") == 0 ? by_data(bytes) : by_limit(bytes);
    }
    return 0;
}
