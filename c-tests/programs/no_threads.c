/* Where no thread can be started (shim_threads.c), not every free tries: each failure costs four system calls. */
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
    check_arena_use();
    return 0;
}
