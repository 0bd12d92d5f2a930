/* Resident memory stays near the live peak, whatever sizes come in turn, and falls when proofs become smaller. Needs the
 * library; run with ZK_ALLOC_DECAY_MS=-1, so that idling gives nothing back.
 *
 * Usage: bounded sizes    rounds of equal total, each of another size class
 *        bounded phases   a large phase, then small ones
 *        bounded retain   blocks freed one by one, with ZK_ALLOC_RETAIN_MB=32 */
#include "check.h"

enum { ROUNDS = 12, MOST_BLOCKS = 128, WAIT_MS = 3000 };
#define TOTAL (128 * MIB)

/* Blocks of `size`, `total` bytes of them, written, and freed together. The most that was resident. */
static size_t round_of(size_t size, size_t total) {
    void *blocks[MOST_BLOCKS];
    size_t count = total / size, most = 0;
    CHECK(count > 0 && count <= MOST_BLOCKS);
    for (size_t i = 0; i < count; i++) {
        CHECK((blocks[i] = malloc(size)) && zk_owns(blocks[i]));
        memset(blocks[i], 1, size);
        size_t now = resident_bytes();
        most = now > most ? now : most;
    }
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    return most;
}

static void sizes(void) {
    size_t at_start = resident_bytes();
    for (size_t i = 0, size = 2 * MIB; i < ROUNDS; i++, size += size / 4 + 100 * KIB) {
        size_t most = round_of(size, TOTAL) - at_start;
        size_t allowed = TOTAL / 4 * 5 + 64 * MIB; /* I8: 1.25 x the live peak + 64 MiB */
        CHECK(most <= allowed);
    }
    CHECK(read_stats().peak_live_bytes <= TOTAL + MIB);
}

static void phase(size_t total) {
    begin_phase();
    (void)round_of(4 * MIB, total);
    end_phase();
}

static void phases(void) {
    size_t at_start = resident_bytes();
    phase(256 * MIB);
    CHECK(resident_bytes() - at_start >= 250 * MIB); /* the next proof may need it */
    for (int i = 0; i < 4; i++) {
        phase(16 * MIB);
    }
    /* The average of phase peaks is 31 MiB now, and 32 MiB more may stay. */
    size_t allowed = at_start + 80 * MIB;
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && resident_bytes() > allowed;) {
        usleep(1000);
    }
    CHECK(resident_bytes() <= allowed);
}

/* What is resident beside what is live stays under the user's cap at every moment. */
static void retain(void) {
    enum { BLOCKS = 16, BLOCK_MIB = 16, RETAIN_MIB = 32, OTHERS_MIB = 8 };
    char *blocks[BLOCKS];
    void *medium[BLOCKS * 16];
    size_t at_start = resident_bytes();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = malloc(BLOCK_MIB * MIB)) && zk_owns(blocks[i]));
            memset(blocks[i], 1, BLOCK_MIB * MIB);
        }
        for (size_t i = BLOCKS; i-- > 0;) {
            free(blocks[i]);
            size_t live = i * BLOCK_MIB * MIB;
            CHECK(resident_bytes() - at_start <= live + (RETAIN_MIB + OTHERS_MIB) * MIB);
        }
        for (int i = 0; i < BLOCKS * 16; i++) {
            CHECK((medium[i] = malloc(MIB)) && zk_owns(medium[i]));
            memset(medium[i], 1, MIB);
        }
        for (int i = 0; i < BLOCKS * 16; i++) {
            free(medium[i]);
        }
        CHECK(resident_bytes() - at_start <= (RETAIN_MIB + OTHERS_MIB) * MIB);
    }
    /* Not less than the cap either: what may stay is reused. */
    CHECK(resident_bytes() - at_start >= RETAIN_MIB / 2 * MIB);
}

int main(int argc, char **argv) {
    check_preload();
    if (argc > 1 && strcmp(argv[1], "phases") == 0) {
        phases();
    } else if (argc > 1 && strcmp(argv[1], "retain") == 0) {
        retain();
    } else {
        CHECK(argc > 1 && strcmp(argv[1], "sizes") == 0);
        sizes();
    }
    check_nothing_lives();
    check_arena_use();
    return 0;
}
