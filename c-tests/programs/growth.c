/* Large blocks that grow by realloc: contents stay, whether their pages can be moved to the new block or not.
 *
 * ZK_TEST_MREMAP says how shim_mremap.c has mremap; without it pages are moved, which the library's counters show. */
#include "stolen.h"

enum { BLOCKS = 6, ROUNDS = 12 };
#define LEAST (4 * MIB + 100)
#define MOST (160 * MIB)
#define STRIDE ((size_t)4096)

struct block {
    unsigned char *bytes;
    size_t size;
    uint64_t seed;
};

/* Every page is written, and every page is looked at. */
static void stamp(const struct block *block, size_t from) {
    for (size_t at = (from + STRIDE - 1) / STRIDE * STRIDE; at + 8 <= block->size; at += STRIDE) {
        uint64_t value = block->seed ^ at;
        memcpy(block->bytes + at, &value, sizeof value);
    }
}

static int is_stamped(const struct block *block, size_t bytes) {
    for (size_t at = 0; at + 8 <= bytes; at += STRIDE) {
        uint64_t value = block->seed ^ at;
        if (memcmp(block->bytes + at, &value, sizeof value) != 0) {
            return 0;
        }
    }
    return 1;
}

int main(void) {
    check_preload();
    struct block held[BLOCKS] = {0};
    uint64_t random = 0x9e3779b97f4a7c15u;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            struct block *block = &held[i];
            if (!block->bytes) {
                *block = (struct block){malloc(LEAST), LEAST, random_next(&random)};
                CHECK(block->bytes != NULL);
                stamp(block, 0);
            }
            size_t size = block->size + block->size / 4 + random_next(&random) % block->size;
            uintptr_t old = (uintptr_t)block->bytes;
            unsigned char *grown = realloc(block->bytes, size);
            CHECK(grown != NULL);
            size_t before = block->size;
            block->bytes = grown;
            block->size = size;
            CHECK(is_stamped(block, before));
            if (zk_owns) {
                CHECK((uintptr_t)grown % 64 == 0 && zk_owns(grown) && zk_owns(grown + size - 1));
                CHECK((uintptr_t)grown == old || !zk_owns((void *)old));
            }
            stamp(block, before);
            if (size > MOST) {
                CHECK(is_stamped(block, size));
                free(block->bytes);
                block->bytes = NULL;
            }
        }
        /* What the old blocks have left behind is no data of theirs. */
        unsigned char *zeroed = calloc(1, (8 + (size_t)round) * MIB);
        CHECK(zeroed && all_zero(zeroed, (8 + (size_t)round) * MIB));
        memset(zeroed, 0xEE, (8 + (size_t)round) * MIB);
        free(zeroed);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(!held[i].bytes || is_stamped(&held[i], held[i].size));
        free(held[i].bytes);
    }
    const char *mode = getenv("ZK_TEST_MREMAP");
    CHECK(!mode || strcmp(mode, "stolen") != 0 || stolen_is_intact());
    if (zk_owns) {
        check_nothing_lives();
        CHECK(mode || read_stats().moved_bytes > 200 * MIB);
    }
    printf("contents kept\n");
    return 0;
}
