/* Resident memory stays near what is live, whatever the program does with it.
 *
 * Usage: resident exception | inferred | pinned | survivors PHASES | classes | volume GIB | truth */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <time.h>

static void check_at_most(const char *what, size_t bytes, size_t bound) {
    dprintf(1, "%s: %zu MiB, bound %zu MiB\n", what, bytes / MIB, bound / MIB);
    if (bytes > bound) {
        dprintf(2, "%s: %zu MiB are resident, the bound is %zu MiB\n", what, bytes / MIB, bound / MIB);
        _exit(1);
    }
}

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* A proof: large blocks of several sizes, all live at once. */
static void prove(size_t total) {
    enum { BLOCKS = 16 };
    void *held[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t bytes = total * (size_t)(i + 1) / (BLOCKS * (BLOCKS + 1) / 2);
        held[i] = malloc(bytes);
        CHECK(held[i] != NULL);
        memset(held[i], i + 1, bytes);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(held[i]);
    }
}

/* One large proof, and three small ones later its memory has gone back; marked as phases, or not. */
static void exception(int marked) {
    size_t large = 2 * GIB, small = 512 * MIB;
    for (int proof = 0; proof < 4; proof++) {
        if (marked) {
            begin_phase();
        }
        prove(proof == 0 ? large : small);
        if (marked) {
            end_phase();
        } else {
            sleep_ms(300);
        }
    }
    size_t bound = small / 5 * 6;
    for (int i = 0; i < 1000 && resident_bytes() > bound; i++) {
        sleep_ms(1);
    }
    check_at_most("after an exception", resident_bytes(), bound);
}

/* Medium blocks of which few survive, in patterns that leave every span a survivor. */
static void pinned(void) {
    enum { BLOCKS = 60000 };
    static void *held[BLOCKS];
    for (size_t every = 2; every <= 512; every *= 4) {
        for (size_t bytes = 4 * KIB; bytes <= MIB; bytes *= 4) {
            size_t blocks = 512 * MIB / bytes, live = 0;
            blocks = blocks < BLOCKS ? blocks : BLOCKS;
            for (size_t i = 0; i < blocks; i++) {
                held[i] = malloc(bytes);
                CHECK(held[i] != NULL);
                memset(held[i], 1, bytes);
            }
            for (size_t i = 0; i < blocks; i++) {
                if (i % every != 0) {
                    free(held[i]);
                } else {
                    live += bytes;
                }
            }
            (void)zk_trim(0);
            char what[64];
            snprintf(what, sizeof what, "1 of %zu blocks of %zu KiB", every, bytes / KIB);
            check_at_most(what, resident_bytes(), live / 2 * 3 + 64 * MIB);
            for (size_t i = 0; i < blocks; i += every) {
                free(held[i]);
            }
        }
    }
}

/* Every phase leaves one of 128 blocks alive for ten phases. */
static void survivors(int phases) {
    enum { BLOCKS = 128, PHASES_ALIVE = 10 };
    void *held[BLOCKS], *kept[PHASES_ALIVE] = {0};
    uint64_t random = 88172645463325252u;
    for (int phase = 0; phase < phases; phase++) {
        begin_phase();
        for (int i = 0; i < BLOCKS; i++) {
            size_t bytes = (4 * KIB) << random_next(&random) % 9;
            bytes -= random_next(&random) % (bytes / 4);
            bytes = bytes < 4096 ? 4096 : bytes;
            held[i] = malloc(bytes);
            CHECK(held[i] != NULL);
            memset(held[i], 1, bytes);
        }
        int survivor = (int)(random_next(&random) % BLOCKS);
        for (int i = 0; i < BLOCKS; i++) {
            if (i != survivor) {
                free(held[i]);
            }
        }
        free(kept[phase % PHASES_ALIVE]);
        kept[phase % PHASES_ALIVE] = held[survivor];
        end_phase();
    }
    check_at_most("survivors", resident_bytes(), read_stats().live_bytes * 2 + 64 * MIB);
    (void)zk_trim(0);
    check_at_most("survivors, trimmed", resident_bytes(), read_stats().live_bytes / 2 * 3 + 64 * MIB);
}

static pthread_barrier_t all_there;

static void *every_class(void *unused) {
    enum { CLASSES = 48 };
    void *held[CLASSES];
    int classes = 0;
    for (size_t step = 4 * KIB; step < 4 * MIB; step *= 2) {
        for (size_t bytes = step; bytes < 2 * step; bytes += step / 4) {
            CHECK(classes < CLASSES && (held[classes] = malloc(bytes)) != NULL);
            memset(held[classes++], 1, bytes);
        }
    }
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < classes; i++) {
        free(held[i]);
    }
    return unused;
}

/* Many threads with a block of every class each: what they hold, and not much more. */
static void classes(void) {
    enum { THREADS = 64 };
    pthread_t threads[THREADS];
    size_t before = resident_bytes();
    CHECK(pthread_barrier_init(&all_there, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, every_class, NULL) == 0);
    }
    pthread_barrier_wait(&all_there);
    check_at_most("64 threads, every class", resident_bytes() - before, read_stats().live_bytes + 256 * MIB);
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* A phase that stays open while much more than is live goes through it. */
static void volume(size_t gib) {
    enum { LIVE = 256 };
    static char *held[LIVE];
    size_t sizes[LIVE] = {0}, live = 0, through = 0, worst = 0;
    uint64_t random = 88172645463325252u;
    begin_phase();
    while (through < gib * GIB) {
        size_t i = random_next(&random) % LIVE;
        free(held[i]);
        live -= sizes[i];
        sizes[i] = MIB / 2 + random_next(&random) % (8 * MIB);
        if (live + sizes[i] > GIB) {
            sizes[i] = GIB - live;
        }
        held[i] = malloc(sizes[i]);
        CHECK(held[i] != NULL);
        for (size_t at = 0; at < sizes[i]; at += 4 * KIB) {
            held[i][at] = 1;
        }
        live += sizes[i];
        through += sizes[i];
        if (random_next(&random) % 1024 == 0) {
            size_t now = resident_bytes();
            worst = now > worst ? now : worst;
        }
    }
    end_phase();
    check_at_most("an open phase", worst, GIB / 10 * 13);
    for (int i = 0; i < LIVE; i++) {
        free(held[i]);
    }
}

static void check_true(const char *what, size_t base) {
    size_t kernel = resident_bytes() - base, ours = read_stats().resident_bytes;
    size_t off = kernel > ours ? kernel - ours : ours - kernel;
    size_t bound = kernel / 50 > 4 * MIB ? kernel / 50 : 4 * MIB;
    dprintf(1, "%s: kernel %zu KiB, library %zu KiB\n", what, kernel / KIB, ours / KIB);
    CHECK(off <= bound);
}

/* Gives all but `keep` bytes back, and compares what the library says it was with what the kernel says. */
static void check_given(size_t keep) {
    uint64_t returned = read_stats().returned_bytes;
    size_t before = resident_bytes(), given = zk_trim(keep);
    size_t gone = before - resident_bytes(), said = read_stats().returned_bytes - returned;
    dprintf(1, "given back: kernel %zu KiB, library %zu KiB\n", gone / KIB, said / KIB);
    CHECK((gone > said ? gone - said : said - gone) <= gone / 50 + 4 * MIB && given == said);
}

/* What the library says of itself is what the kernel says. */
static void truth(void) {
    enum { BLOCKS = 4000 };
    static void *held[BLOCKS];
    (void)zk_trim(0);
    size_t base = resident_bytes() - read_stats().resident_bytes;
    for (int i = 0; i < BLOCKS; i++) {
        size_t bytes = 64 * KIB + (size_t)(i % 16) * 40000;
        held[i] = malloc(bytes);
        CHECK(held[i] != NULL);
        memset(held[i], 1, bytes);
    }
    check_true("medium blocks", base);
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 8) {
            free(held[i]);
        }
    }
    check_true("an eighth of them", base);
    (void)zk_trim(0);
    check_true("trimmed", base);
    for (int i = 0; i < BLOCKS; i += 8) {
        free(held[i]);
    }
    (void)zk_trim(0);
    check_true("nothing", base);
    prove(GIB);
    check_true("large blocks, freed", base);
    check_given(100 * MIB);
    check_true("trimmed to 100 MiB", base);
    char *sparse = (char *)calloc(1, 512 * MIB);
    CHECK(sparse != NULL);
    for (size_t at = 0; at < 512 * MIB; at += 16 * MIB) {
        sparse[at] = 1;
    }
    check_true("a sixteenth of a block", base);
    free(sparse);
    check_given(0);
    check_true("nothing again", base);
}

int main(int argc, char **argv) {
    check_preload();
    engage_arena();
    const char *name = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 1;
    if (strcmp(name, "exception") == 0) {
        exception(1);
    } else if (strcmp(name, "inferred") == 0) {
        exception(0);
    } else if (strcmp(name, "pinned") == 0) {
        pinned();
    } else if (strcmp(name, "survivors") == 0) {
        survivors(count);
    } else if (strcmp(name, "classes") == 0) {
        classes();
    } else if (strcmp(name, "volume") == 0) {
        volume((size_t)count);
    } else {
        CHECK(strcmp(name, "truth") == 0);
        truth();
    }
    return 0;
}
