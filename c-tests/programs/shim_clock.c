/* A clock that is no good: it allocates, as libfaketime's does, and goes back a little each time. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    static long seconds = 1000000;
    (void)clock;
    void *volatile block = malloc(2 << 20);
    if (!block) {
        _exit(94);
    }
    free(block);
    *now = (struct timespec){.tv_sec = __atomic_sub_fetch(&seconds, 1, __ATOMIC_RELAXED)};
    return 0;
}
