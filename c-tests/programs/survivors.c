/* What a proof leaves behind outlives it: blocks of every size made in one phase, read and freed in later ones, while
 * those allocate and write as much as they can. */
#include "check.h"

enum { PHASES = 20, LEFT = 32, WORK = 200, LIVES_FOR = 5 };

struct item {
    void *block;
    size_t size;
    uint64_t seed;
};

static struct item make(uint64_t *state) {
    struct item item = {NULL, 0, random_next(state)};
    item.size = 4096 + random_next(state) % ((size_t)1 << (12 + random_next(state) % 11));
    CHECK((item.block = malloc(item.size)) != NULL);
    fill_pattern(item.block, item.size, item.seed);
    return item;
}

static void check_survivor(struct item item) { CHECK(has_pattern(item.block, item.size, item.seed)); }

int main(void) {
    check_preload();
    static struct item left[PHASES][LEFT];
    uint64_t state = 271828;
    for (int phase = 0; phase < PHASES; phase++) {
        begin_phase();
        struct item work[WORK];
        for (int i = 0; i < WORK; i++) {
            work[i] = make(&state);
        }
        for (int i = 0; i < LEFT; i++) {
            left[phase][i] = make(&state);
        }
        for (int earlier = phase < LIVES_FOR ? 0 : phase - LIVES_FOR; earlier < phase; earlier++) {
            for (int i = 0; i < LEFT; i++) {
                check_survivor(left[earlier][i]);
            }
        }
        for (int i = 0; i < WORK; i++) {
            CHECK(has_pattern(work[i].block, work[i].size, work[i].seed));
            free(work[i].block);
        }
        end_phase();
        /* Freed outside of any phase: still the arena's. */
        for (int i = 0; phase >= LIVES_FOR && i < LEFT; i++) {
            check_survivor(left[phase - LIVES_FOR][i]);
            free(left[phase - LIVES_FOR][i].block);
        }
    }
    for (int phase = PHASES - LIVES_FOR; phase < PHASES; phase++) {
        for (int i = 0; i < LEFT; i++) {
            check_survivor(left[phase][i]);
            free(left[phase][i].block);
        }
    }
    check_nothing_lives();
    printf("%d phases: every survivor intact\n", PHASES);
    check_arena_use();
    return 0;
}
