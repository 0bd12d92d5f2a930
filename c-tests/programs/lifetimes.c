/* Random lifetimes and sizes on eight threads: what is resident stays near what was live in the last 50 ms, without a trim.
 *
 * Usage: lifetimes SECONDS MIB [starved|shifting]
 * The most that is live at once.
 *   starved    the others are preferred to the library's thread
 *   shifting   the same, and all sizes are alike, for 20 ms: what is live then moves so fast that what is resident is held
 *              against the most that may be */
#include "check.h"
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

/* The threads have a table of blocks in common: each replaces random ones, and so frees what others have made. */
enum { CHURNERS = 8, ENTRIES = 4096 };
static void *_Atomic table[ENTRIES];
static _Atomic size_t held_bytes, asked_bytes;
/* The most that was live since somebody last looked. */
static _Atomic size_t most_held_bytes;
static _Atomic int is_over;
static size_t most_bytes;
static int shifts;

static void hold(size_t bytes) {
    size_t now = held_bytes += bytes, most = most_held_bytes;
    while (most < now && !atomic_compare_exchange_weak(&most_held_bytes, &most, now)) {
    }
}

static void drop(void *block) {
    if (block) {
        size_t bytes = malloc_usable_size(block);
        free(block);
        held_bytes -= bytes;
    }
}

/* As many of each power of two. */
static size_t draw_bytes(uint64_t *random) {
    size_t bytes = shifts ? (16 * KIB) << now_ms() / 20 % 6 : (4 * KIB) << random_next(random) % 14;
    return bytes + random_next(random) % bytes;
}

static void *churn(void *seed) {
    uint64_t random = 0x9E3779B97F4A7C15u * ((uintptr_t)seed + 1);
    while (!is_over) {
        size_t bytes = draw_bytes(&random);
        void *block = NULL;
        /* Never more than this, in whatever order the threads get there. */
        if ((asked_bytes += bytes) + held_bytes < most_bytes && random_next(&random) % 100 < 52) {
            block = malloc(bytes);
            CHECK(block != NULL);
            /* Live from here on, not from when it is written: other threads look at the sum meanwhile. */
            hold(malloc_usable_size(block));
            memset(block, 1, bytes);
        }
        asked_bytes -= bytes;
        drop(atomic_exchange(&table[random_next(&random) % ENTRIES], block));
    }
    return NULL;
}

/* True: the library's thread is there, and gets a tenth of another's time from now on. */
static int is_starved(void) {
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[300], name[16] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file != NULL) {
            CHECK(fscanf(file, "%15s", name) == 1);
            fclose(file);
        }
        if (strcmp(name, "zkalloc") == 0) {
            CHECK(setpriority(PRIO_PROCESS, (id_t)atoi(entry->d_name), 10) == 0);
            found = 1;
        }
    }
    closedir(folder);
    return found;
}

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
    check_preload();
    engage_arena();
    CHECK(argc == 3 || argc == 4);
    shifts = argc == 4 && strcmp(argv[3], "shifting") == 0;
    CHECK(argc == 3 || shifts || strcmp(argv[3], "starved") == 0);
    most_bytes = (size_t)atoi(argv[2]) * MIB;
    pthread_t threads[CHURNERS];
    for (uintptr_t i = 0; i < CHURNERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)i) == 0);
    }
    for (int i = 0; argc == 4 && !is_starved(); i++) {
        CHECK(i < 10000);
        sleep_ms(1);
    }
    size_t worst = 0, worst_live = 1, most_resident = 0;
    for (uint64_t end = now_ms() + (uint64_t)atoi(argv[1]) * 1000; now_ms() < end;) {
        sleep_ms(50);
        /* A block of half of all that is live may have died just now: what is resident has the time between two looks to
         * follow. */
        size_t now = resident_bytes(), live = atomic_exchange(&most_held_bytes, held_bytes);
        most_resident = now > most_resident ? now : most_resident;
        if (now * (2 * worst_live + 64 * MIB) > worst * (2 * live + 64 * MIB)) {
            worst = now, worst_live = live;
        }
    }
    is_over = 1;
    for (int i = 0; i < CHURNERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    dprintf(1, "the worst: %zu MiB resident, %zu MiB live; the most: %zu\n", worst / MIB, worst_live / MIB,
            most_resident / MIB);
    if (shifts) {
        /* No random sizes: half as much again is allowed beside what is live. */
        CHECK(most_resident <= 2 * most_bytes + 96 * MIB);
    } else {
        CHECK(worst <= 2 * worst_live + 64 * MIB);
    }
    for (int i = 0; i < ENTRIES; i++) {
        drop(table[i]);
    }
    return 0;
}
