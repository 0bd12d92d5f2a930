/* Phases that each leave some blocks behind: one of 128 lives on for ten phases. Sizes are 4 KiB to 1 MiB, each
 * doubling as likely as the others. Of each block one byte per page is written; a tag in it is checked when it is freed.
 *
 * Now and then it gives back what the allocator will give back (zk_trim or malloc_trim), prints "live <bytes>", and
 * waits for a line: whoever started it reads what is resident meanwhile.
 *
 * Usage: survivors <phases> <phases between two stops> */
#include "zkalloc.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE_BYTES = 4096,
    SMALLEST_BITS = 12,
    LARGEST_BITS = 20,
    BLOCKS = 1280, /* of a phase */
    ONE_OF = 128,
    SURVIVORS = BLOCKS / ONE_OF,
    LIFETIME = 10, /* in phases */
};

struct block {
    unsigned char *start;
    size_t bytes;
    unsigned char tag;
};

static uint64_t state = 0x9E3779B97F4A7C15;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static struct block take(void)
{
    size_t doubling = (size_t)1 << (SMALLEST_BITS + next() % (LARGEST_BITS - SMALLEST_BITS));
    struct block block = {.bytes = doubling + next() % doubling, .tag = (unsigned char)next()};
    block.start = malloc(block.bytes);
    if (!block.start) {
        fprintf(stderr, "survivors: no memory for %zu bytes\n", block.bytes);
        exit(1);
    }
    for (size_t at = 0; at < block.bytes; at += PAGE_BYTES)
        block.start[at] = block.tag;
    block.start[block.bytes - 1] = block.tag;
    return block;
}

static void release(struct block *block)
{
    if (!block->start)
        return;
    if (block->start[0] != block->tag || block->start[block->bytes - 1] != block->tag) {
        fprintf(stderr, "survivors: a block of %zu bytes was overwritten\n", block->bytes);
        abort();
    }
    free(block->start);
    block->start = NULL;
}

/* The blocks of one phase; the first of every 128 goes to `survivors`, where those of ten phases ago were. */
static void phase(struct block *survivors)
{
    static struct block blocks[BLOCKS];
    if (zk_begin_phase)
        zk_begin_phase();
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take();
    for (int i = 0; i < BLOCKS; i++) {
        if (i % ONE_OF == 0) {
            release(&survivors[i / ONE_OF]);
            survivors[i / ONE_OF] = blocks[i];
        } else {
            release(&blocks[i]);
        }
    }
    if (zk_end_phase)
        zk_end_phase();
}

int main(int argc, char **argv)
{
    int phases = argc == 3 ? atoi(argv[1]) : 0;
    int between = argc == 3 ? atoi(argv[2]) : 0;
    if (phases < 1 || between < 1) {
        fputs("usage: survivors <phases> <phases between two stops>\n", stderr);
        return 2;
    }
    static struct block survivors[LIFETIME][SURVIVORS];
    for (int number = 1; number <= phases; number++) {
        phase(survivors[number % LIFETIME]);
        if (number % between)
            continue;
        size_t live_bytes = 0;
        for (int i = 0; i < LIFETIME * SURVIVORS; i++)
            if (survivors[i / SURVIVORS][i % SURVIVORS].start)
                live_bytes += survivors[i / SURVIVORS][i % SURVIVORS].bytes;
        if (zk_trim)
            zk_trim(0);
        malloc_trim(0);
        printf("live %zu\n", live_bytes);
        fflush(stdout);
        if (getchar() == EOF)
            return 1;
    }
    return 0;
}
