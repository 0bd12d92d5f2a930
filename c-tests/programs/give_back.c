/* Memory goes back to the system, and what went back, or could not, is known to calloc.
 *
 * Usage: give_back medium | light | computing | child | signals | during-trim | prefault | prefault-idle | prefault-option |
 *                  prefault-kept | prefault-busy | locked | pinned |
 *                  parallel */
#include "check.h"
#include "deny.h"
#include <dirent.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { WAIT_MS = 8000 };

/* Freed medium blocks, and not one large one that would start the give-back. */
static void medium(void) {
    enum { BLOCKS = 4000, SIZE = 65536 };
    static void *held[BLOCKS];
    void *first = malloc(MIB);
    for (int i = 0; i < BLOCKS; i++) {
        held[i] = malloc(SIZE);
        CHECK(held[i] && zk_owns(held[i]));
        memset(held[i], 1, SIZE);
    }
    CHECK(resident_bytes() > 200 * MIB);
    for (int i = 0; i < BLOCKS; i++) {
        free(held[i]);
    }
    free(first);
    CHECK(falls_below(64 * MIB, WAIT_MS));
}

/* With ZK_ALLOC_DECAY_MS=2000. Small requests now and then, as a server makes them, are no use of what is free. */
static void light(void) {
    char *block = malloc(512 * MIB);
    CHECK(block != NULL);
    memset(block, 1, 512 * MIB);
    free(block);
    for (uint64_t end = now_ms() + WAIT_MS; resident_bytes() >= 64 * MIB && now_ms() < end;) {
        void *volatile buffer = malloc(8192);
        CHECK(buffer && zk_owns(buffer));
        usleep(50000);
        free(buffer);
    }
    CHECK(resident_bytes() < 64 * MIB);
}

/* With ZK_ALLOC_DECAY_MS=1000. Half a proof is live and nothing is asked for, but the program computes: the other half
 * stays. Once the program sleeps, it goes. */
static void computing(void) {
    char *live = malloc(256 * MIB), *other = malloc(256 * MIB);
    CHECK(live && other);
    memset(live, 1, 256 * MIB);
    memset(other, 1, 256 * MIB);
    free(other);
    for (uint64_t end = now_ms() + 3000; now_ms() < end;) {
        CHECK(resident_bytes() > 300 * MIB);
    }
    CHECK(falls_below(300 * MIB, WAIT_MS));
    free(live);
}

static int threads(void) {
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) {
        (void)sscanf(line, "Threads: %d", &count);
    }
    fclose(file);
    return count;
}

/* The background thread that a forked child lacks is started again when there is something to give back. */
static void child(void) {
    enum { BYTES = 256 * MIB };
    char *block = malloc(BYTES);
    CHECK(block != NULL);
    memset(block, 1, BYTES);
    free(block);
    CHECK(threads() == 2);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(threads() == 1);
        block = malloc(BYTES);
        CHECK(block && zk_owns(block));
        memset(block, 2, BYTES);
        free(block);
        CHECK(falls_below(64 * MIB, WAIT_MS));
        _exit(0);
    }
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static volatile sig_atomic_t handled, handled_elsewhere;
static pid_t program_thread;

static void on_signal(int number) {
    (void)number;
    handled = 1;
    handled_elsewhere |= (pid_t)syscall(SYS_gettid) != program_thread;
}

/* A signal that the program has blocked waits for it: the library's thread never runs a handler of the program's. */
static void signals(void) {
    program_thread = (pid_t)syscall(SYS_gettid);
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    char *block = malloc(256 * MIB);
    CHECK(block != NULL);
    memset(block, 1, 256 * MIB);
    free(block);
    CHECK(threads() == 2);
    sigset_t all, pending;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    for (uint64_t end = now_ms() + 1000; now_ms() < end && !handled;) {
        usleep(1000);
    }
    CHECK(!handled_elsewhere && !handled);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &all, NULL) == 0);
    CHECK(handled && !handled_elsewhere);
}

/* A block freed while the background thread gives others back: the next round must know of it. */
static void during_trim(void) {
    enum { ROUNDS = 3, BLOCKS = 200 };
    static void *held[BLOCKS];
    for (int round = 0; round < ROUNDS; round++) {
        size_t bytes = 512 * MIB;
        char *late = malloc(bytes);
        CHECK(late != NULL);
        memset(late, 1, bytes);
        for (int i = 0; i < BLOCKS; i++) {
            held[i] = malloc(2 * MIB);
            CHECK(held[i] != NULL);
            memset(held[i], 1, 2 * MIB);
        }
        size_t before = resident_bytes();
        for (int i = 0; i < BLOCKS; i++) {
            free(held[i]);
        }
        CHECK(falls_below(before - 32 * MIB, WAIT_MS));
        free(late);
        CHECK(falls_below(128 * MIB, WAIT_MS));
    }
}

static void prefault(int idle) {
    void *block = malloc(2 * MIB);
    CHECK(zk_prefault(128 * MIB) == 0);
    /* The background thread does it, a part at a time. */
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && resident_bytes() < 120 * MIB;) {
        usleep(1000);
    }
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && read_stats().resident_bytes < 120 * MIB;) {
        usleep(1000);
    }
    CHECK(read_stats().resident_bytes >= 120 * MIB);
    free(block);
    if (!idle) {
        size_t given = 0;
        /* Memory that is being faulted in is counted, and can be given back once that is finished. */
        for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && given < 100 * MIB;) {
            given += zk_trim(0);
            usleep(1000);
        }
        CHECK(given >= 100 * MIB);
    }
    CHECK(falls_below(64 * MIB, WAIT_MS));
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && read_stats().resident_bytes >= 32 * MIB;) {
        usleep(1000);
    }
    CHECK(read_stats().resident_bytes < 32 * MIB);
}

/* True: the program's thread and the library's are all there are, and that one sleeps. */
static int library_sleeps(void) {
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    int threads = 0, sleeping = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[300], state = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file != NULL) {
            threads++;
            CHECK(fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
            sleeping += state == 'S';
            fclose(file);
        }
    }
    closedir(folder);
    return threads == 2 && sleeping == 1;
}

/* Without a request of its own to the arena, which would have memory given back, or counted as needed. */
static void wait_for_prefault(size_t wanted) {
    (void)zk_set_thread_enabled(0);
    for (uint64_t end = now_ms() + 4 * WAIT_MS; now_ms() < end && !(resident_bytes() >= wanted && library_sleeps());) {
        usleep(1000);
    }
    CHECK(resident_bytes() >= wanted && resident_bytes() < wanted + 64 * MIB);
    (void)zk_set_thread_enabled(1);
}

/* ZK_ALLOC_PREFAULT_MB=1024: the first large request makes the arena and does not wait; the rest comes by itself. */
static void prefault_option(void) {
    CHECK(resident_bytes() < 64 * MIB);
    char *block = (char *)malloc(2 * MIB);
    CHECK(block && zk_owns(block));
    wait_for_prefault(GIB);
    free(block);
}

/* It is there to be used, by whatever comes: neither given back at the first block, nor faulted in again. */
static void prefault_kept(void) {
    enum { BLOCKS = 12 };
    char *blocks[BLOCKS], *first = (char *)malloc(2 * MIB);
    CHECK(zk_prefault(GIB) == 0);
    wait_for_prefault(GIB);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = (char *)malloc(64 * MIB)) && zk_owns(blocks[i]));
        memset(blocks[i], 1, 64 * MIB);
        size_t now = resident_bytes();
        CHECK(now >= GIB - 64 * MIB && now < GIB + 64 * MIB);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    free(first);
}

/* A program that goes on meanwhile: what is faulted in for it are no dead pages of its blocks. */
static void prefault_busy(void) {
    enum { BLOCKS = 200 };
    static void *blocks[BLOCKS];
    size_t wanted = 2048 * MIB, most = 0, now = 0;
    int count = 0;
    CHECK(zk_prefault(wanted) == 0);
    /* Until all of it is there, or much of it has gone again. */
    for (uint64_t end = now_ms() + 10 * WAIT_MS; now_ms() < end && now < wanted && now + 256 * MIB > most;) {
        now = resident_bytes();
        most = now > most ? now : most;
        /* Never faster than memory is faulted in: what is there and nobody has asked for is to look like dead pages. */
        if (count < BLOCKS && now >= (size_t)(count + 1) * 8 * MIB) {
            blocks[count++] = malloc(2 * MIB);
        }
        usleep(1000);
    }
    CHECK(count > 0);
    /* A search that was asked for meanwhile begins now. */
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && !library_sleeps();) {
        usleep(1000);
    }
    CHECK(resident_bytes() >= wanted - 64 * MIB);
    while (count > 0) {
        free(blocks[--count]);
    }
}

/* Faulting memory in takes threads where there is much of it, and nobody waits for it. */
static void parallel(void) {
    size_t wanted = 2048 * MIB;
    CHECK(zk_prefault(wanted) == 0);
    char *block = (char *)malloc(2 * MIB);
    CHECK(block != NULL);
    memset(block, 1, 2 * MIB);
    CHECK(resident_bytes() < wanted);
    free(block);
    int most = 0;
    for (uint64_t end = now_ms() + 10 * WAIT_MS; now_ms() < end && resident_bytes() < wanted;) {
        int threads = 0;
        DIR *folder = opendir("/proc/self/task");
        CHECK(folder != NULL);
        while (readdir(folder)) {
            threads++;
        }
        closedir(folder);
        most = threads > most ? threads : most;
        usleep(1000);
    }
    CHECK(resident_bytes() >= wanted);
    cpu_set_t allowed;
    int several = sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) > 1;
    /* ".", "..", the test's own, the background thread and, with a second processor, a helper. */
    CHECK(most >= (several ? 5 : 4));
}

/* A program that frees memory which it had locked, as one does that keeps a key there: only that stays. */
static void pinned(void) {
    enum { BLOCKS = 64 };
    void *blocks[BLOCKS], *large = malloc(128 * MIB);
    CHECK(large != NULL);
    memset(large, 1, 128 * MIB);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(4 * MIB)) && zk_owns(blocks[i]));
        memset(blocks[i], 1, 4 * MIB);
    }
    CHECK(mlock((char *)large + MIB, 1) == 0 && mlock(blocks[0], 1) == 0);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    free(large);
    (void)zk_trim(0);
    CHECK(resident_bytes() < 32 * MIB);
}

/* The kernel refuses to drop locked pages: they keep their old data, also after the span that held them is gone. */
static void locked(void) {
    enum { SIZE = 7168, BLOCKS = 200 };
    void *volatile others[BLOCKS];
    engage_arena();
    /* The slot that has huge pages. */
    void *volatile held = malloc(2 * MIB);
    CHECK(held != NULL);
    /* A class with so many blocks gets the slot that was freed last, and a large block one that has most of its pages. */
    for (int i = 0; i < BLOCKS; i++) {
        others[i] = malloc(SIZE);
        CHECK(others[i] != NULL);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(others[i]);
    }
    void *volatile large = malloc(2 * MIB);
    CHECK(large && zk_owns(large));
    memset(large, 0xAA, malloc_usable_size(large));
    free(large);
    void *first = malloc(SIZE);
    uintptr_t slot = (uintptr_t)first & ~(uintptr_t)(2 * MIB - 1);
    CHECK(slot == ((uintptr_t)large & ~(uintptr_t)(2 * MIB - 1)));
    if (mlock((void *)slot, 2 * MIB) != 0) {
        deny(SYS_madvise, EPERM); /* no right to lock as much: the same refusal from a filter */
    }
    (void)zk_trim(0);
    (void)munlock((void *)slot, 2 * MIB);
    for (int i = 0; i < BLOCKS; i++) {
        others[i] = malloc(SIZE);
        CHECK(others[i] != NULL);
    }
    free(first);
    for (int i = 0; i < BLOCKS; i++) {
        free(others[i]);
    }
    void *zeroed = calloc(1, 2 * MIB);
    CHECK(zeroed != NULL && all_zero(zeroed, 2 * MIB));
    free(zeroed);
    free(held);
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "medium") == 0) {
        medium();
    } else if (strcmp(name, "light") == 0) {
        light();
    } else if (strcmp(name, "child") == 0) {
        child();
    } else if (strcmp(name, "during-trim") == 0) {
        during_trim();
    } else if (strcmp(name, "prefault") == 0) {
        prefault(0);
    } else if (strcmp(name, "prefault-idle") == 0) {
        prefault(1);
    } else if (strcmp(name, "prefault-option") == 0) {
        prefault_option();
    } else if (strcmp(name, "prefault-kept") == 0) {
        prefault_kept();
    } else if (strcmp(name, "computing") == 0) {
        computing();
    } else if (strcmp(name, "signals") == 0) {
        signals();
    } else if (strcmp(name, "prefault-busy") == 0) {
        prefault_busy();
    } else if (strcmp(name, "parallel") == 0) {
        parallel();
    } else if (strcmp(name, "pinned") == 0) {
        pinned();
    } else {
        CHECK(strcmp(name, "locked") == 0);
        locked();
    }
    return 0;
}
