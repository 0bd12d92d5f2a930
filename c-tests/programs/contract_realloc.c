/* realloc: contents kept along chains across the arena's threshold, across 1 MiB and across phase ends; failure keeps
 * the block; what glibc does where the C standard leaves it open. Output equals plain libc's. */
#include "check.h"
#include <malloc.h>

static const size_t CHAIN[] = {
    1,           100,      4095,     4096, 4097, 8192, 64 * KIB, MIB - 1, MIB,  MIB + 1, 5 * MIB, 20 * MIB,
    5 * MIB + 1, 3 * MIB,  MIB + 1,  MIB,  300 * KIB, 4097, 4096, 4095,   4096, 100,     1,       5 * MIB,
    1,           8 * MIB,  8 * MIB + 64, 5000, 9000, 17000, 33000, 16,
};
#define LINKS (sizeof CHAIN / sizeof CHAIN[0])

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Walks the chain with a block of `size` bytes; every `stride` links a phase begins or ends. */
static void walk_chain(const char *name, void *block, size_t size, size_t stride) {
    int open = 0;
    CHECK(block != NULL);
    fill_pattern(block, size, 0);
    for (size_t link = 0; link < LINKS; link++) {
        if (stride && link % stride == 0) {
            open ? end_phase() : begin_phase();
            open = !open;
        }
        void *moved = link % 2 ? reallocarray(block, CHAIN[link], 1) : realloc(block, CHAIN[link]);
        CHECK(moved != NULL);
        CHECK(has_pattern(moved, smaller(size, CHAIN[link]), link));
        CHECK(malloc_usable_size(moved) >= CHAIN[link]);
        block = moved;
        size = CHAIN[link];
        fill_pattern(block, size, link + 1);
    }
    if (open) {
        end_phase();
    }
    CHECK(has_pattern(block, size, LINKS));
    free(block);
    printf("chain from %s, stride %zu: contents kept\n", name, stride);
}

static void chains(void) {
    for (size_t stride = 0; stride < 5; stride++) {
        walk_chain("malloc(1)", malloc(1), 1, stride);
        walk_chain("malloc(4096)", malloc(4096), 4096, stride);
        walk_chain("malloc(1 MiB)", malloc(MIB), MIB, stride);
        walk_chain("malloc(5 MiB)", malloc(5 * MIB), 5 * MIB, stride);
        walk_chain("calloc(3, 40000)", calloc(3, 40000), 120000, stride);
        walk_chain("memalign(4096, 5000)", memalign(4096, 5000), 5000, stride);
        walk_chain("aligned_alloc(2 MiB, 6 MiB)", aligned_alloc(2 * MIB, 6 * MIB), 6 * MIB, stride);
    }
}

/* A block born in a phase, grown after it; and born outside, grown inside. */
static void across_phase_end(void) {
    for (size_t i = 0; i < LINKS; i++) {
        begin_phase();
        void *born_inside = malloc(CHAIN[i]);
        fill_pattern(born_inside, CHAIN[i], i);
        end_phase();
        void *born_outside = malloc(CHAIN[i]);
        fill_pattern(born_outside, CHAIN[i], i + 1);
        born_inside = realloc(born_inside, CHAIN[i] * 2 + 5000);
        begin_phase();
        born_outside = realloc(born_outside, CHAIN[i] * 2 + 5000);
        CHECK(born_inside && born_outside);
        end_phase();
        CHECK(has_pattern(born_inside, CHAIN[i], i) && has_pattern(born_outside, CHAIN[i], i + 1));
        free(born_inside);
        free(born_outside);
    }
    printf("grown across phase boundaries: contents kept\n");
}

static void failure_keeps_the_block(void) {
    static const size_t IMPOSSIBLE[] = {SIZE_MAX, SIZE_MAX - 4095, PTRDIFF_MAX, (size_t)PTRDIFF_MAX - 4095};
    /* volatile: the compiler would warn that the product overflows, which is the point. */
    volatile size_t overflowing = SIZE_MAX / 2;
    for (size_t link = 0; link < LINKS; link++) {
        void *block = malloc(CHAIN[link]);
        CHECK(block != NULL);
        fill_pattern(block, CHAIN[link], link);
        for (size_t i = 0; i < sizeof IMPOSSIBLE / sizeof IMPOSSIBLE[0]; i++) {
            errno = 0;
            CHECK(realloc(block, IMPOSSIBLE[i]) == NULL && errno == ENOMEM);
            errno = 0;
            CHECK(reallocarray(block, IMPOSSIBLE[i], 1) == NULL && errno == ENOMEM);
        }
        errno = 0;
        CHECK(reallocarray(block, overflowing, 3) == NULL && errno == ENOMEM);
        CHECK(malloc_usable_size(block) >= CHAIN[link] && has_pattern(block, CHAIN[link], link));
        free(block);
        printf("failed realloc of %zu bytes: ENOMEM, block kept\n", CHAIN[link]);
    }
}

static void to_zero(void) {
    for (size_t link = 0; link < LINKS; link++) {
        void *block = malloc(CHAIN[link]);
        errno = 0;
        void *result = realloc(block, 0);
        printf("realloc(%zu bytes, 0): %s, errno %s\n", CHAIN[link], result ? "block" : "NULL", errno_name(errno));
        free(result);
        block = malloc(CHAIN[link]);
        errno = 0;
        result = reallocarray(block, 0, 8);
        printf("reallocarray(%zu bytes, 0, 8): %s, errno %s\n", CHAIN[link], result ? "block" : "NULL",
               errno_name(errno));
        free(result);
    }
    void *block = realloc(NULL, 0);
    printf("realloc(NULL, 0): %s\n", block ? "block" : "NULL");
    free(block);
}

/* Many live blocks at once, so that a block which moves over another one is noticed. */
static void churn(void) {
    enum { BLOCKS = 64, STEPS = 4000 };
    struct {
        void *block;
        size_t size;
        uint64_t seed;
    } live[BLOCKS] = {{0}};
    uint64_t state = 42;
    for (uint64_t step = 0; step < STEPS; step++) {
        size_t slot = random_next(&state) % BLOCKS;
        /* Sizes of every magnitude up to 2 MiB. */
        size_t size = random_next(&state) % ((size_t)1 << (random_next(&state) % 22)) + 1;
        if (step % 100 == 0) {
            step % 200 ? end_phase() : begin_phase();
        }
        void *moved = realloc(live[slot].block, size);
        CHECK(moved && has_pattern(moved, smaller(size, live[slot].size), live[slot].seed));
        fill_pattern(moved, size, step);
        live[slot].block = moved;
        live[slot].size = size;
        live[slot].seed = step;
    }
    for (size_t slot = 0; slot < BLOCKS; slot++) {
        CHECK(has_pattern(live[slot].block, live[slot].size, live[slot].seed));
        free(live[slot].block);
    }
    printf("churn: contents kept\n");
}

int main(void) {
    check_preload();
    engage_arena();
    chains();
    across_phase_end();
    failure_keeps_the_block();
    to_zero();
    churn();
    check_arena_use();
    return 0;
}
