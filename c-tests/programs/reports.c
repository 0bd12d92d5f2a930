/* What becomes of the library's reports in programs that change directory, close what is open, or go on after `main`.
 *
 * Usage: reports work               three phases
 *        reports chdir DIRECTORY    a phase, then two more in another directory, as a daemon
 *        reports own-file PATH      opens a file of its own, which gets the lowest descriptor that is free
 *        reports own-files PATH     closes every descriptor first, and has its file at each of them
 *        reports unheard            nobody reads its standard error, a pipe, any more
 *        reports no-room            may not write to files
 *        reports beside             ends while another thread opens and closes phases */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#define LARGE (3 * MIB)

static void phases(int count) {
    for (int i = 0; i < count; i++) {
        begin_phase();
        drop_block(make_block(LARGE, (uint64_t)i), LARGE, (uint64_t)i);
        end_phase();
    }
}

static void write_own(const char *path, int close_all) {
    phases(1);
    for (int i = 0; close_all && i < 1024; i++) {
        close(i);
    }
    int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    CHECK(file == (close_all ? 0 : 2) && write(file, "PAYLOAD\n", 8) == 8);
    for (int i = 1; close_all && i < 1024; i++) {
        (void)dup2(file, i); /* up to the process's limit */
    }
    phases(1);
}

static void *in_thread(void *unused) {
    for (;;) {
        phases(1);
    }
    return unused;
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "chdir") == 0 && argc == 3) {
        phases(1);
        CHECK(chdir(argv[2]) == 0);
        phases(2);
    } else if (strcmp(name, "own-file") == 0 && argc == 3) {
        write_own(argv[2], 0);
    } else if (strcmp(name, "own-files") == 0 && argc == 3) {
        write_own(argv[2], 1);
    } else if (strcmp(name, "unheard") == 0) {
        int ends[2];
        CHECK(pipe(ends) == 0 && dup2(ends[1], 2) == 2 && close(ends[0]) == 0 && close(ends[1]) == 0);
        phases(3); /* each is a line with ZK_ALLOC_VERBOSE=1 */
        /* What the program itself has done stays as it was. */
        sigset_t set;
        CHECK(sigpending(&set) == 0 && !sigismember(&set, SIGPIPE));
        CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0 && !sigismember(&set, SIGPIPE));
        puts("unheard: survived");
    } else if (strcmp(name, "no-room") == 0) {
        static const struct rlimit nothing = {0, 0};
        CHECK(setrlimit(RLIMIT_FSIZE, &nothing) == 0);
        phases(3);
    } else if (strcmp(name, "beside") == 0) {
        pthread_t threads[2];
        CHECK(pthread_create(&threads[0], NULL, in_thread, NULL) == 0);
        CHECK(pthread_create(&threads[1], NULL, in_thread, NULL) == 0);
        phases(20);
    } else {
        CHECK(strcmp(name, "work") == 0);
        phases(3);
    }
    check_arena_use();
    return 0;
}
