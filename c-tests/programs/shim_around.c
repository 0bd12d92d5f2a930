/* A shared object that uses the library from its constructor and from its destructor, as a tracer may. Behind the
 * library its constructor runs before the library's own; in front of it its destructor runs after.
 *
 * ZK_TEST_AROUND names what its constructor does: "phase" begins and ends one, "open" leaves one open. */
#include "check.h"

#define LARGE (5 * MIB)

__attribute__((constructor)) static void before_main(void) {
    const char *wish = getenv("ZK_TEST_AROUND");
    if (!wish || !zk_begin_phase || zk_phase_depth() > 0) {
        return;
    }
    int error = zk_begin_phase();
    void *block = make_block(LARGE, 1);
    /* The environment has not been read: it may say that there is to be no arena. */
    CHECK(!zk_owns(block));
    CHECK(error == ENOMEM && zk_phase_depth() == 1 && zk_prefault(MIB) == ENOMEM && zk_trim(0) == 0);
    CHECK(read_stats().reserved_bytes == 0 && zk_set_thread_enabled(1) == 1);
    drop_block(block, LARGE, 1);
    if (strcmp(wish, "open") != 0) {
        CHECK(zk_end_phase() == 0 && zk_end_phase() == EINVAL);
    }
}

__attribute__((destructor)) static void after_main(void) {
    for (uint64_t i = 0; zk_begin_phase && i < 3; i++) {
        (void)zk_begin_phase();
        drop_block(make_block(LARGE, i), LARGE, i);
        (void)zk_trim(0);
        (void)zk_end_phase();
    }
    usleep(20000); /* other threads go on meanwhile */
}
