/* Where no thread can be started (shim_threads.c), not every free tries: each failure costs four system calls. What is
 * free goes back all the same, by the next large request after ZK_ALLOC_DECAY_MS (500 here). */
#include "check.h"

int main(void) {
    check_preload();
    const unsigned long *refused = (const unsigned long *)dlsym(RTLD_DEFAULT, "refused_threads");
    CHECK(refused && preloaded());
    engage_arena();
    uint64_t begin = now_ms();
    /* So much is free that somebody should watch it. */
    drop_block(make_block(160 * MIB, 1), 160 * MIB, 1);
    CHECK(*refused > 0);
    for (uint64_t i = 0; i < 5000; i++) {
        drop_block(make_block(9000, i), 9000, i);
    }
    uint64_t seconds = (now_ms() - begin) / 1000 + 1;
    CHECK(*refused <= 2 * seconds + 2);
    size_t kept = resident_bytes();
    CHECK(kept > 100 * MIB || now_ms() - begin >= 500);
    usleep(800000);
    drop_block(make_block(2 * MIB, 1), 2 * MIB, 1);
    CHECK(resident_bytes() < 100 * MIB);
    check_arena_use();
    return 0;
}
