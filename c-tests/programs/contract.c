/* The allocation table: every allocating function at every size and alignment that is special to someone. Prints facts
 * that all correct allocators share, so that the output under the library must equal plain libc's.
 *
 * Usage: contract [phase]     with `phase` the whole table runs inside a phase (which is nothing without the library) */
#include "check.h"
#include <malloc.h>
#include <stdbool.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    size_t bytes;
} SIZES[] = {
    {"0", 0},
    {"1", 1},
    {"4095", 4095},
    {"4096", 4096},
    {"4097", 4097},
    {"64 KiB", 64 * KIB},
    {"1 MiB - 1", MIB - 1},
    {"1 MiB", MIB},
    {"1 MiB + 1", MIB + 1},
    {"5 MiB", 5 * MIB},
    {"1 GiB", GIB},
    {"PTRDIFF_MAX - 4095", (size_t)PTRDIFF_MAX - 4095},
    {"PTRDIFF_MAX", PTRDIFF_MAX},
    {"PTRDIFF_MAX + 1", (size_t)PTRDIFF_MAX + 1},
    /* Rounded up to pages or to an alignment, these two wrap around. */
    {"SIZE_MAX - 4095", SIZE_MAX - 4095},
    {"SIZE_MAX", SIZE_MAX},
};

static const struct {
    const char *name;
    size_t bytes;
} ALIGNMENTS[] = {
    {"0", 0},
    {"1", 1},
    {"3", 3},
    {"8", 8},
    {"16", 16},
    {"24", 24},
    {"64", 64},
    {"100", 100},
    {"4096", 4096},
    {"2 MiB", 2 * MIB},
    {"1 GiB", GIB},
    {"SIZE_MAX/2 + 1", SIZE_MAX / 2 + 1},
    {"SIZE_MAX/2 + 2", SIZE_MAX / 2 + 2},
    {"SIZE_MAX", SIZE_MAX},
};

static void *by_calloc(size_t size) { return calloc(1, size); }
static void *by_calloc_bytes(size_t size) { return calloc(size, 1); }
static void *by_realloc(size_t size) { return realloc(NULL, size); }
static void *by_reallocarray(size_t size) { return reallocarray(NULL, size, 1); }

static const struct {
    const char *name;
    void *(*call)(size_t);
    size_t alignment;
    bool zeroed;
} PLAIN[] = {
    {"malloc", malloc, 16, false},          {"calloc(1, n)", by_calloc, 16, true},
    {"calloc(n, 1)", by_calloc_bytes, 16, true}, {"realloc(NULL, n)", by_realloc, 16, false},
    {"reallocarray", by_reallocarray, 16, false}, {"valloc", valloc, 4096, false},
    {"pvalloc", pvalloc, 4096, false},
};

/* posix_memalign with the others' shape: its result becomes errno. */
static void *by_posix_memalign(size_t alignment, size_t size) {
    void *const untouched = &alignment;
    void *block = untouched;
    int error = posix_memalign(&block, alignment, size);
    if (error) {
        CHECK(block == untouched);
        errno = error;
        return NULL;
    }
    return block;
}

static const struct {
    const char *name;
    void *(*call)(size_t alignment, size_t size);
} ALIGNED[] = {
    {"posix_memalign", by_posix_memalign},
    {"aligned_alloc", aligned_alloc},
    {"memalign", memalign},
};

/* glibc rounds an alignment that is no power of two up to the next one. */
static size_t effective_alignment(size_t alignment) {
    size_t power = 1;
    while (power < alignment && power <= SIZE_MAX / 2) {
        power *= 2;
    }
    return power;
}

/* Writes the whole block, or 64 bytes at either end of one whose pages should stay untouched. */
static void use_block(void *block, size_t size) {
    if (size <= 5 * MIB) {
        fill_pattern(block, size, size);
        CHECK(has_pattern(block, size, size));
        return;
    }
    char *tail = (char *)block + size - 64;
    fill_pattern(block, 64, 1);
    fill_pattern(tail, 64, 2);
    CHECK(has_pattern(block, 64, 1) && has_pattern(tail, 64, 2));
}

/* Describes a call's result, uses the block and frees it. */
static void report(void *block, size_t size, size_t alignment, bool zeroed) {
    if (!block) {
        printf("NULL %s\n", errno_name(errno));
        return;
    }
    bool aligned = (uintptr_t)block % alignment == 0;
    bool usable = malloc_usable_size(block) >= size;
    bool zero = zeroed && size <= 5 * MIB && all_zero(block, size);
    use_block(block, size);
    printf("block%s%s%s\n", aligned ? ", aligned" : ", MISALIGNED", usable ? ", usable" : ", TOO SMALL",
           zero ? ", zero" : "");
    free(block);
}

static void plain_table(void) {
    for (size_t f = 0; f < COUNT(PLAIN); f++) {
        for (size_t s = 0; s < COUNT(SIZES); s++) {
            printf("%s n = %s: ", PLAIN[f].name, SIZES[s].name);
            errno = 0;
            void *block = PLAIN[f].call(SIZES[s].bytes);
            report(block, SIZES[s].bytes, PLAIN[f].alignment, PLAIN[f].zeroed);
        }
    }
}

static void aligned_table(void) {
    for (size_t f = 0; f < COUNT(ALIGNED); f++) {
        for (size_t a = 0; a < COUNT(ALIGNMENTS); a++) {
            for (size_t s = 0; s < COUNT(SIZES); s++) {
                printf("%s(%s, %s): ", ALIGNED[f].name, ALIGNMENTS[a].name, SIZES[s].name);
                errno = 0;
                void *block = ALIGNED[f].call(ALIGNMENTS[a].bytes, SIZES[s].bytes);
                report(block, SIZES[s].bytes, block ? effective_alignment(ALIGNMENTS[a].bytes) : 1, false);
            }
        }
    }
}

int main(int argc, char **argv) {
    check_preload();
    engage_arena();
    bool phase = argc > 1 && strcmp(argv[1], "phase") == 0;
    if (phase) {
        begin_phase();
    }
    plain_table();
    aligned_table();
    if (phase) {
        end_phase();
    }
    check_arena_use();
    return 0;
}
