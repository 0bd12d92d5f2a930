/* Looks at memory that it has freed: prints "wiped" if every byte of every block there is zero, "kept" if each still
 * holds what the program wrote, and fails if it is anything else. (A pattern of the library's is "overwritten".)
 *
 * Usage: wipe [swapped]      swapped: of a large block whose pages count as swapped out when it is freed (shim_swap.c) */
#include "check.h"
#include <malloc.h>
#include <pthread.h>

static int wiped, kept, overwritten;

/* volatile: the compiler sees a use after free, which is the point. */
static void look(void *volatile block, size_t size, uint64_t seed) {
    const unsigned char *bytes = (const unsigned char *)block;
    if (all_zero(bytes, size)) {
        wiped++;
    } else if (has_pattern(bytes, size, seed)) {
        kept++;
    } else {
        CHECK(memcmp(bytes, bytes + 1, size - 1) == 0);
        overwritten++;
    }
}

static void *filled_block(size_t size) {
    void *block = malloc(size);
    CHECK(block && zk_owns(block));
    fill_pattern(block, malloc_usable_size(block), size);
    return block;
}

/* Every usable byte, beside a block that keeps the span in use. */
static void freed(size_t size) {
    void *neighbour = filled_block(size), *volatile block = filled_block(size);
    size_t usable = malloc_usable_size(block);
    free(block);
    look(block, usable, size);
    free(neighbour);
}

static void *free_there(void *block) {
    free(block);
    return NULL;
}

static void freed_by_another_thread(size_t size) {
    void *neighbour = filled_block(size), *volatile block = filled_block(size);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_there, block) == 0 && pthread_join(thread, NULL) == 0);
    look(block, size, size);
    free(neighbour);
}

/* realloc moves the block away, into the arena or out of it. */
static void moved(size_t size, size_t to) {
    void *neighbour = filled_block(size), *volatile block = filled_block(size);
    void *other = realloc(block, to);
    CHECK(other && other != block);
    CHECK(has_pattern(other, to < size ? to : size, size));
    look(block, size, size);
    free(other);
    free(neighbour);
}

/* A page here and there of a large block: wiping it makes no other resident. */
static void untouched(void) {
    char *volatile block = (char *)calloc(1, 512 * MIB);
    CHECK(block && zk_owns(block));
    for (size_t at = 0; at < 512 * MIB; at += 64 * MIB) {
        block[at] = 1;
    }
    size_t before = resident_bytes();
    free(block);
    CHECK(resident_bytes() <= before + 4 * MIB);
    for (size_t at = 0; at < 512 * MIB; at += 64 * MIB) {
        CHECK(!wiped || block[at] == 0);
    }
}

/* realloc makes the block a little shorter where it lies, and it keeps its pages. */
static void shrunk(void) {
    char *volatile block = (char *)filled_block(8 * MIB);
    CHECK(realloc(block, 7 * MIB) == block);
    CHECK(has_pattern(block, 7 * MIB, 8 * MIB));
    char *volatile end = (char *)malloc(MIB);
    memcpy(end, block + 7 * MIB, MIB);
    wiped += all_zero(end, MIB);
    free(block);
    free(end);
}

static void swapped(void) {
    volatile int *is_swapped = (volatile int *)dlsym(RTLD_DEFAULT, "shim_is_swapped");
    CHECK(is_swapped != NULL);
    void *volatile block = filled_block(5 * MIB);
    size_t usable = malloc_usable_size(block);
    *is_swapped = 1;
    free(block);
    *is_swapped = 0;
    look(block, usable, 5 * MIB);
}

static void all(void) {
    for (size_t size = 4096; size <= 16 * MIB; size *= 2) {
        freed(size);
        freed(size + 64);
    }
    freed_by_another_thread(20000);
    freed_by_another_thread(5 * MIB);
    moved(20000, 100);
    moved(20000, 5 * MIB);
    moved(5 * MIB, 20000);
    int shrinks = wiped;
    shrunk();
    shrinks = wiped - shrinks;
    CHECK(!kept + !overwritten + !wiped == 2);
    CHECK((shrinks == 1) == (wiped > 0));
    if (!overwritten) {
        untouched();
    }
}

int main(int argc, char **argv) {
    check_preload();
    engage_arena();
    if (argc > 1) {
        CHECK(strcmp(argv[1], "swapped") == 0);
        swapped();
    } else {
        all();
    }
    dprintf(1, "%s\n", wiped ? "wiped" : kept ? "kept" : "overwritten");
    check_nothing_lives();
    return 0;
}
