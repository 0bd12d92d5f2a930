/* zk_trim gives freed memory back: RSS falls, live blocks keep their contents, and what was given back can be used
 * again. Needs the library; run with ZK_ALLOC_BACKGROUND=0, so that nobody else gives anything back. */
#include "check.h"

/* `count` blocks of `size` bytes, all freed but every `kept`-th; then RSS must fall by nearly all that was freed. */
static void trim_around_survivors(size_t size, size_t count, size_t kept) {
    void **blocks = (void **)calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        CHECK((blocks[i] = malloc(size)) && zk_owns(blocks[i]));
        fill_pattern(blocks[i], size, i);
    }
    size_t freed = 0, before = resident_bytes();
    uint64_t counted = read_stats().returned_bytes;
    for (size_t i = 0; i < count; i++) {
        if (i % kept) {
            free(blocks[i]);
            freed += size;
        }
    }
    /* The frees may have given back some already, where the arena saw the end of a phase. */
    size_t returned = read_stats().returned_bytes - counted;
    returned += zk_trim(0);
    CHECK(read_stats().returned_bytes == counted + returned);
    size_t after = resident_bytes();
    /* A page that a survivor touches stays: at most two per survivor and two at its neighbours' ends. */
    size_t pinned = (count / kept + 1) * 4 * 4096;
    printf("blocks of %zu KiB, 1 of %zu kept: ", size / KIB, kept);
    if (after > before || before - after + pinned < freed / 10 * 9 || returned + pinned < freed / 10 * 9) {
        dprintf(2, "%zu KiB x %zu, 1 of %zu kept: freed %zu, RSS fell by %zd, counted %zu\n", size / KIB, count, kept,
                freed, (ssize_t)before - (ssize_t)after, returned);
        _exit(1);
    }
    for (size_t i = 0; i < count; i += kept) {
        CHECK(has_pattern(blocks[i], size, i));
    }
    /* Use it again: zero where calloc promises, and the survivors still stand. */
    for (size_t i = 0; i < count; i++) {
        if (i % kept) {
            CHECK((blocks[i] = calloc(1, size)) && all_zero(blocks[i], size));
            fill_pattern(blocks[i], size, i);
        }
    }
    for (size_t i = 0; i < count; i++) {
        CHECK(has_pattern(blocks[i], size, i));
        free(blocks[i]);
    }
    (void)zk_trim(0);
    free(blocks);
    printf("given back\n");
}

/* `keep` bytes of free memory may stay, and no more. */
static void trim_keeps(size_t keep) {
    enum { BLOCKS = 32 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(4 * MIB)) != NULL);
        memset(blocks[i], 1, 4 * MIB);
    }
    size_t full = resident_bytes();
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    size_t returned = zk_trim(keep);
    size_t kept = resident_bytes();
    CHECK(zk_trim(keep) == 0); /* nothing above `keep` is left */
    (void)zk_trim(0);
    size_t empty = resident_bytes();
    CHECK(full - kept >= returned / 10 * 9);
    if (kept - empty > keep + MIB) {
        dprintf(2, "zk_trim(%zu) left %zu bytes\n", keep, kept - empty);
        _exit(1);
    }
    printf("zk_trim(%zu MiB): no more than that stayed\n", keep / MIB);
}

int main(void) {
    check_preload();
    engage_arena();
    trim_around_survivors(4 * MIB, 64, 64);
    trim_around_survivors(4 * MIB, 64, 8);
    trim_around_survivors(1500 * KIB, 64, 16);
    trim_around_survivors(MIB, 64, 16);
    trim_around_survivors(64 * KIB, 1024, 16);
    trim_around_survivors(40000, 1024, 64);
    trim_around_survivors(4096, 8192, 128);
    trim_keeps(0);
    trim_keeps(16 * MIB);
    trim_keeps(64 * MIB);
    trim_keeps(4 * GIB);
    check_arena_use();
    return 0;
}
