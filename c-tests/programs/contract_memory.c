/* What a block holds and what errno is: zeroing of recycled memory, overflow, errno across free, writing up to
 * malloc_usable_size, outputs left alone on failure. Output equals plain libc's. */
#include "check.h"
#include <malloc.h>

static const size_t SIZES[] = {0, 1, 100, 4095, 4096, 4097, 64 * KIB, MIB - 1, MIB, MIB + 1, 5 * MIB, 17 * MIB + 1};
#define COUNT (sizeof SIZES / sizeof SIZES[0])

static void calloc_zeroes_recycled_memory(void) {
    enum { BLOCKS = 8, ROUNDS = 3 };
    for (size_t s = 0; s < COUNT; s++) {
        void *blocks[BLOCKS];
        for (int round = 0; round < ROUNDS; round++) {
            for (int i = 0; i < BLOCKS; i++) {
                /* Dirty it to the last usable byte: the next block may be a little larger or smaller. */
                CHECK((blocks[i] = malloc(SIZES[s])) != NULL);
                memset(blocks[i], 0xA5, malloc_usable_size(blocks[i]));
            }
            for (int i = 0; i < BLOCKS; i++) {
                free(blocks[i]);
            }
            for (int i = 0; i < BLOCKS; i++) {
                CHECK((blocks[i] = round % 2 ? calloc(SIZES[s], 1) : calloc(1, SIZES[s] - SIZES[s] / 8)) != NULL);
                CHECK(all_zero(blocks[i], round % 2 ? SIZES[s] : SIZES[s] - SIZES[s] / 8));
                /* glibc promises nothing of what lies behind. */
                CHECK(!zk_owns || !zk_owns(blocks[i]) || all_zero(blocks[i], malloc_usable_size(blocks[i])));
            }
            for (int i = 0; i < BLOCKS; i++) {
                free(blocks[i]);
            }
        }
        printf("calloc of %zu recycled bytes: zero\n", SIZES[s]);
    }
}

/* One GiB, dirtied in some places only: the test should not need the memory. */
static void calloc_zeroes_a_gibibyte(void) {
    unsigned char *block = (unsigned char *)malloc(GIB);
    CHECK(block != NULL);
    for (size_t i = 0; i < GIB; i += 4 * MIB) {
        block[i] = 0xA5;
    }
    block[GIB - 1] = 0xA5;
    free(block);
    block = (unsigned char *)calloc(1024, MIB);
    CHECK(block != NULL && block[GIB - 1] == 0);
    for (size_t i = 0; i < GIB; i += 4 * MIB) {
        CHECK(block[i] == 0);
    }
    free(block);
    printf("calloc of a recycled GiB: zero\n");
}

static void overflow(void) {
    static const size_t PAIRS[][2] = {
        {SIZE_MAX, 2},        {2, SIZE_MAX},        {SIZE_MAX / 2 + 1, 2},
        {(size_t)1 << 32, (size_t)1 << 32},         {SIZE_MAX / 4096 + 1, 4096},
        {SIZE_MAX, SIZE_MAX}, {SIZE_MAX, 1},        {PTRDIFF_MAX, 1},
        {0, SIZE_MAX},        {SIZE_MAX, 0},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        errno = 0;
        void *block = calloc(PAIRS[i][0], PAIRS[i][1]);
        printf("calloc(%zu, %zu): %s %s\n", PAIRS[i][0], PAIRS[i][1], block ? "block" : "NULL", errno_name(errno));
        free(block);
        errno = 0;
        block = reallocarray(NULL, PAIRS[i][0], PAIRS[i][1]);
        printf("reallocarray(NULL, %zu, %zu): %s %s\n", PAIRS[i][0], PAIRS[i][1], block ? "block" : "NULL",
               errno_name(errno));
        free(block);
    }
}

typedef void (*free_call)(void *);
typedef void (*free_sized_call)(void *, size_t);
typedef void (*free_aligned_sized_call)(void *, size_t, size_t);

/* glibc 2.36 declares none of these three, and only newer ones have the latter two. Where a name is missing, free()
 * stands in for it in plain libc; the library must have them all. */
static void free_keeps_errno(void) {
    free_call by_cfree = (free_call)dlsym(RTLD_DEFAULT, "cfree");
    free_sized_call by_free_sized = (free_sized_call)dlsym(RTLD_DEFAULT, "free_sized");
    free_aligned_sized_call by_free_aligned_sized =
        (free_aligned_sized_call)dlsym(RTLD_DEFAULT, "free_aligned_sized");
    CHECK(!preloaded() || (by_cfree && by_free_sized && by_free_aligned_sized));
    for (size_t s = 0; s < COUNT; s++) {
        void *blocks[4] = {malloc(SIZES[s]), malloc(SIZES[s]), malloc(SIZES[s]), aligned_alloc(64, SIZES[s])};
        for (int i = 0; i < 4; i++) {
            CHECK(blocks[i] != NULL);
            fill_pattern(blocks[i], SIZES[s], s);
        }
        errno = EBADF;
        free(blocks[0]);
        by_cfree ? by_cfree(blocks[1]) : free(blocks[1]);
        by_free_sized ? by_free_sized(blocks[2], SIZES[s]) : free(blocks[2]);
        by_free_aligned_sized ? by_free_aligned_sized(blocks[3], 64, SIZES[s]) : free(blocks[3]);
        printf("four frees of %zu bytes: errno %s\n", SIZES[s], errno_name(errno));
    }
    static const size_t ALIGNMENTS[] = {8, 16, 64, 4096, 2 * MIB, GIB};
    for (size_t a = 0; a < sizeof ALIGNMENTS / sizeof ALIGNMENTS[0]; a++) {
        /* One GiB at one of them is enough: some settings write to all of it. */
        for (size_t s = 0; s < COUNT + (ALIGNMENTS[a] == GIB); s++) {
            size_t size = s < COUNT ? SIZES[s] : GIB;
            void *aligned = NULL, *plain = malloc(size), *zeroed = calloc(1, size);
            CHECK(plain && zeroed && posix_memalign(&aligned, ALIGNMENTS[a], size) == 0);
            CHECK((uintptr_t)aligned % ALIGNMENTS[a] == 0 && malloc_usable_size(plain) >= size);
            errno = EBADF;
            by_free_aligned_sized ? by_free_aligned_sized(aligned, ALIGNMENTS[a], size) : free(aligned);
            by_free_sized ? by_free_sized(plain, size) : free(plain);
            by_cfree ? by_cfree(zeroed) : free(zeroed);
            printf("%zu bytes at %zu, three frees: errno %s\n", size, ALIGNMENTS[a], errno_name(errno));
        }
    }
    errno = EBADF;
    free(NULL);
    by_cfree ? by_cfree(NULL) : free(NULL);
    by_free_sized ? by_free_sized(NULL, 10) : free(NULL);
    by_free_aligned_sized ? by_free_aligned_sized(NULL, 64, 10) : free(NULL);
    printf("four frees of NULL: errno %s\n", errno_name(errno));
}

static void usable_size(void) {
    printf("malloc_usable_size(NULL): %zu\n", malloc_usable_size(NULL));
    for (size_t s = 0; s < COUNT; s++) {
        /* Neighbours on both sides, so that a usable size which is too large is seen to overwrite one. */
        void *blocks[3] = {malloc(SIZES[s]), malloc(SIZES[s]), malloc(SIZES[s])};
        size_t usable[3];
        for (int i = 0; i < 3; i++) {
            usable[i] = malloc_usable_size(blocks[i]);
            CHECK(usable[i] >= SIZES[s]);
            fill_pattern(blocks[i], usable[i], s + (size_t)i);
        }
        for (int i = 0; i < 3; i++) {
            CHECK(malloc_usable_size(blocks[i]) == usable[i]);
            CHECK((blocks[i] = realloc(blocks[i], usable[i] + 10000)) != NULL);
        }
        for (int i = 0; i < 3; i++) {
            CHECK(has_pattern(blocks[i], usable[i], s + (size_t)i));
            free(blocks[i]);
        }
        printf("all usable bytes of %zu written, kept by realloc\n", SIZES[s]);
    }
}

/* Two live blocks never share an address, not even empty ones. */
static void zero_size(void) {
    void *blocks[] = {malloc(0),          malloc(0),          calloc(0, 0),    calloc(0, 8), realloc(NULL, 0),
                      memalign(64, 0),    aligned_alloc(4096, 0), valloc(0),   pvalloc(0)};
    enum { BLOCKS = sizeof blocks / sizeof blocks[0] };
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(blocks[i] != NULL);
        for (int j = 0; j < i; j++) {
            CHECK(blocks[i] != blocks[j]);
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    printf("empty blocks: distinct\n");
}

int main(void) {
    check_preload();
    engage_arena();
    calloc_zeroes_recycled_memory();
    calloc_zeroes_a_gibibyte();
    overflow();
    free_keeps_errno();
    usable_size();
    zero_size();
    check_arena_use();
    return 0;
}
