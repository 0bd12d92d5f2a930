/* A phase that is left open while much is allocated and freed, and little is live: blocks of 4 KiB to 64 MiB, each
 * doubling as likely as the others, freed in random order.
 *
 * Of each block one byte per page is written, which makes the page resident and costs a fraction of writing it all.
 * What the first and the last page hold is checked when the block is freed.
 *
 * Usage: volume <GiB in all> <MiB live> <threads>; prints "started", and at the end
 * "done <bytes> <blocks> <most bytes live>". */
#include "zkalloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE_BYTES = 4096, SMALLEST_BITS = 12, LARGEST_BITS = 26, BLOCKS_MAX = 1 << 16 };

struct block {
    unsigned char *start;
    size_t bytes;
    unsigned char tag;
};

struct worker {
    pthread_t thread;
    uint64_t random;
    size_t volume_bytes, live_max_bytes;         /* wanted */
    size_t done_bytes, done_blocks, live_bytes;  /* so far, and live now */
    size_t peak_bytes;
    struct block blocks[BLOCKS_MAX];
    int count;
};

static uint64_t next(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random;
}

static size_t random_bytes(struct worker *worker)
{
    size_t doubling = (size_t)1 << (SMALLEST_BITS + next(worker) % (LARGEST_BITS - SMALLEST_BITS));
    return doubling + next(worker) % doubling;
}

static void release_one(struct worker *worker)
{
    struct block *slot = &worker->blocks[next(worker) % worker->count];
    struct block block = *slot;
    *slot = worker->blocks[--worker->count];
    if (block.start[0] != block.tag || block.start[block.bytes - 1] != block.tag) {
        fprintf(stderr, "volume: a block of %zu bytes was overwritten\n", block.bytes);
        abort();
    }
    free(block.start);
    worker->live_bytes -= block.bytes;
}

static void take_one(struct worker *worker)
{
    struct block block = {.bytes = random_bytes(worker), .tag = (unsigned char)next(worker)};
    while (worker->count == BLOCKS_MAX || (worker->count && worker->live_bytes + block.bytes > worker->live_max_bytes))
        release_one(worker);
    block.start = malloc(block.bytes);
    if (!block.start) {
        fprintf(stderr, "volume: no memory for %zu bytes\n", block.bytes);
        exit(1);
    }
    for (size_t at = 0; at < block.bytes; at += PAGE_BYTES)
        block.start[at] = block.tag;
    block.start[block.bytes - 1] = block.tag;
    worker->blocks[worker->count++] = block;
    worker->live_bytes += block.bytes;
    if (worker->live_bytes > worker->peak_bytes)
        worker->peak_bytes = worker->live_bytes;
    worker->done_bytes += block.bytes;
    worker->done_blocks++;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (worker->done_bytes < worker->volume_bytes)
        take_one(worker);
    while (worker->count)
        release_one(worker);
    return NULL;
}

int main(int argc, char **argv)
{
    size_t volume_gib = argc == 4 ? strtoull(argv[1], NULL, 10) : 0;
    size_t live_mib = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
    int threads = argc == 4 ? atoi(argv[3]) : 0;
    if (!volume_gib || !live_mib || threads < 1) {
        fputs("usage: volume <GiB in all> <MiB live> <threads>\n", stderr);
        return 2;
    }
    if (zk_begin_phase)
        zk_begin_phase();
    puts("started");
    fflush(stdout);
    struct worker *workers = calloc(threads, sizeof *workers);
    if (!workers)
        return 1;
    for (int i = 0; i < threads; i++) {
        workers[i].random = 0x9E3779B97F4A7C15 * (i + 1);
        workers[i].volume_bytes = (volume_gib << 30) / threads;
        workers[i].live_max_bytes = (live_mib << 20) / threads;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
            fputs("volume: no thread\n", stderr);
            return 1;
        }
    }
    size_t bytes = 0, blocks = 0, peak_bytes = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        bytes += workers[i].done_bytes;
        blocks += workers[i].done_blocks;
        peak_bytes += workers[i].peak_bytes;
    }
    printf("done %zu %zu %zu\n", bytes, blocks, peak_bytes);
    return 0;
}
