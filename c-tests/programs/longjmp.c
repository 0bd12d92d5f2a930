/* longjmp out of a phase leaves it open: later phases count from there, nothing is lost, and ends close it. Prints the
 * same with and without the library. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>

static jmp_buf escape;
static sigjmp_buf signal_escape;
static void *survivors[8];
static volatile int survivor_count;

static unsigned depth(void) { return zk_phase_depth ? zk_phase_depth() : 0; }
static unsigned phases(unsigned count) { return zk_phase_depth ? count : 0; }

static void *work(uint64_t seed) {
    void *block = malloc(3 * MIB);
    CHECK(block != NULL);
    fill_pattern(block, 3 * MIB, seed);
    return block;
}

static void leave_by_longjmp(void) {
    begin_phase();
    survivors[survivor_count] = work((uint64_t)survivor_count);
    survivor_count++;
    longjmp(escape, 1);
}

static void leave_guarded_by_longjmp(void) {
    ZK_PHASE_SCOPE();
    survivors[survivor_count] = work((uint64_t)survivor_count);
    survivor_count++;
    longjmp(escape, 1);
}

static void on_signal(int signal) {
    (void)signal;
    siglongjmp(signal_escape, 1);
}

int main(void) {
    check_preload();
    engage_arena();
    for (volatile int round = 0; round < 6; round++) {
        if (setjmp(escape) == 0) {
            round % 2 ? leave_guarded_by_longjmp() : leave_by_longjmp();
        }
        CHECK(depth() == phases((unsigned)round + 1));
        begin_phase();
        free(work(99));
        CHECK(depth() == phases((unsigned)round + 2));
        end_phase();
    }

    /* Out of a signal handler, which interrupted the program inside a phase (not inside the library). */
    signal(SIGUSR1, on_signal);
    if (sigsetjmp(signal_escape, 1) == 0) {
        begin_phase();
        survivors[survivor_count] = work((uint64_t)survivor_count);
        survivor_count++;
        raise(SIGUSR1);
        CHECK(!"raise returns");
    }
    CHECK(depth() == phases(7));
    printf("left by longjmp: open\n");

    for (unsigned open = 7; open > 0; open--) {
        CHECK(depth() == phases(open));
        end_phase();
        free(work(98));
    }
    CHECK(depth() == 0);
    CHECK(!zk_end_phase || zk_end_phase() == EINVAL);
    for (int i = 0; i < survivor_count; i++) {
        CHECK(has_pattern(survivors[i], 3 * MIB, (uint64_t)i));
        free(survivors[i]);
    }
    printf("ended later: nothing was lost\n");
    check_arena_use();
    return 0;
}
