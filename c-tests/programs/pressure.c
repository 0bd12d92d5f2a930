/* Free memory goes back before the cgroup's limit is met, and when threads wait for memory; otherwise it stays.
 * shim_files.c shows the library the files that are written here.
 *
 * Usage: pressure limit v1|v2|container|above|spans|prefault
 *        pressure stall cgroup|machine|events-v1|events-v2 */
static int drop_files(void);
#define BEFORE_FAILING() (void)drop_files()
#include "check.h"
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 10000, LONG_MS = 800 };
#define HELD (512 * MIB)

/* Files of the two versions. */
struct version {
    const char *group_line, *group, *limit, *used, *file_line, *events, *event_line;
};
static const struct version V1 = {"9:cpu:/\n4:memory:/pod/prover\n0::/\n", "/sys/fs/cgroup/memory/pod", "memory.limit_in_bytes",
                                  "memory.usage_in_bytes", "inactive_file 1\ntotal_inactive_file", "memory.failcnt", ""};
static const struct version V2 = {"0::/pod/prover\n", "/sys/fs/cgroup/pod", "memory.max", "memory.current",
                                  "active_file", "memory.events", "low 0\nhigh 0\nmax "};
/* Version 2 in a container that shows only its own cgroup, under a path that leads nowhere there. */
static const struct version CONTAINER = {"0::/host/pod/prover\n", "/sys/fs/cgroup", "memory.max", "memory.current",
                                         "inactive_file", "memory.events", "max "};

/* Version 2 where memory is counted further up only. */
static const struct version ABOVE = {"0::/pod/prover/worker\n", "/sys/fs/cgroup/pod", "memory.max", "memory.current",
                                     "active_file", "memory.events", "max "};

/* What shim_files.c takes for the root of the file system. */
static char root[] = "/tmp/zkalloc-pressure-XXXXXX";

static int drop_file(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path);
}

static int drop_files(void) {
    return nftw(root, drop_file, 8, FTW_DEPTH | FTW_PHYS);
}

/* Replaces a file at once, with the folders it lies in. */
__attribute__((format(printf, 3, 4))) static void put(const char *folder, const char *file, const char *format, ...) {
    char path[1024], new_path[1100];
    snprintf(path, sizeof path, "%s%s/%s", root, folder, file);
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    snprintf(new_path, sizeof new_path, "%s.new", path);
    FILE *out = fopen(new_path, "w");
    CHECK(out != NULL);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    CHECK(fclose(out) == 0 && rename(new_path, path) == 0);
}

/* Something for the library to be called for, where it has no thread of its own. */
static void use(void) {
    void *volatile block = malloc(2 * MIB);
    CHECK(block != NULL);
    free(block);
}

static int falls(size_t bytes) {
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && resident_bytes() >= bytes;) {
        use();
        usleep(1000);
    }
    return resident_bytes() < bytes;
}

static size_t stays(void) {
    for (uint64_t end = now_ms() + LONG_MS; now_ms() < end;) {
        use();
        usleep(1000);
    }
    return resident_bytes();
}

static void fill_and_free(void) {
    enum { BLOCKS = 8 };
    char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = (char *)malloc(HELD / BLOCKS)) != NULL);
        memset(blocks[i], 1, HELD / BLOCKS);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    CHECK(resident_bytes() > HELD);
}

static void put_use(const struct version *v, size_t used, size_t cached) {
    put(v->group, "memory.stat", "anon 5\n%s %zu\n", v->file_line, cached);
    put(v->group, v->used, "%zu\n", used);
}

/* The cgroup around the process's own, whose limit somebody lowers, and whose memory others use. */
static void limit(const struct version *v) {
    put("/proc/self", "cgroup", "%s", v->group_line);
    if (v != &ABOVE) {
        char own[200];
        snprintf(own, sizeof own, "%s%s", v->group, v == &CONTAINER ? "" : "/prover");
        put(own, v->limit, v == &V1 ? "9223372036854771712\n" : "max\n");
        put(own, v->used, "0\n");
    }
    put_use(v, 100 * MIB, 0);
    fill_and_free();
    CHECK(stays() > HELD);

    put_use(v, 1000 * MIB, 700 * MIB);
    put(v->group, v->limit, "%zu\n", 1024 * MIB);
    CHECK(stays() > HELD); /* the kernel can drop what caches files */

    put_use(v, 1000 * MIB, 20 * MIB);
    CHECK(falls(HELD)); /* a sixteenth of the limit is left free, which is 20 MiB more */
    put_use(v, 960 * MIB, 0);
    CHECK(stays() > HELD - 100 * MIB);

    put_use(v, 1024 * MIB, 0);
    CHECK(falls(64 * MIB));
}

/* Dead pages between live blocks go, too, where free slots are not enough. */
static void limit_spans(void) {
    enum { BLOCKS = HELD / (64 * KIB) };
    static void *blocks[BLOCKS];
    put("/proc/self", "cgroup", "%s", V2.group_line);
    put(V2.group, V2.limit, "%zu\n", 1024 * MIB);
    put_use(&V2, 100 * MIB, 0);
    use();
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(64 * KIB)) != NULL && zk_owns(blocks[i]));
        memset(blocks[i], 1, 64 * KIB);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 32 != 0) {
            free(blocks[i]);
        }
    }
    CHECK(stays() > HELD);
    put_use(&V2, 1024 * MIB, 0);
    CHECK(falls(64 * MIB));
}

/* Nothing is faulted in ahead that the cgroup would not allow. */
static void limit_prefault(void) {
    put("/proc/self", "cgroup", "%s", V2.group_line);
    put(V2.group, V2.limit, "%zu\n", 256 * MIB);
    put_use(&V2, 100 * MIB, 0);
    CHECK(zk_prefault(GIB) == 0);
    for (uint64_t end = now_ms() + WAIT_MS; now_ms() < end && resident_bytes() < 100 * MIB;) {
        usleep(1000);
    }
    for (uint64_t end = now_ms() + 1000; now_ms() < end && resident_bytes() <= 156 * MIB;) {
        usleep(1000);
    }
    CHECK(resident_bytes() >= 100 * MIB && resident_bytes() <= 156 * MIB);
}

/* Who counts: the cgroup how long its threads wait, else the machine, else the cgroup how often its limit was met. */
static void stall(const char *who) {
    const struct version *v = strcmp(who, "events-v1") == 0 ? &V1 : &V2;
    int is_events = strncmp(who, "events", 6) == 0;
    put("/proc/self", "cgroup", "%s", v->group_line);
    put("/sys/fs/cgroup/memory/pod/prover", V1.used, "0\n");
    put("/sys/fs/cgroup/pod/prover", V2.used, "0\n");
    char own[200];
    snprintf(own, sizeof own, "%s/prover", v->group);
    const char *folder = is_events || strcmp(who, "cgroup") == 0 ? own : "/proc/pressure";
    const char *file = is_events ? v->events : strcmp(who, "cgroup") == 0 ? "memory.pressure" : "memory";
    put("/proc", "meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   9000000 kB\n");
    if (strcmp(who, "machine") == 0) {
        /* Threads of others wait for limits of their own, while there is enough memory for us. */
        put(folder, file, "some total=1\n");
        fill_and_free();
        CHECK(stays() > HELD);
        put(folder, file, "some total=5000000\n");
        CHECK(stays() > HELD);
        put("/proc", "meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   1000000 kB\n");
        put(folder, file, "some total=9000000\n");
        CHECK(falls(64 * MIB));
    }
    for (unsigned long counted = 9000000; counted < 12000000; counted += 1000000) {
        if (is_events) {
            put(folder, file, "%s%lu\n", v->event_line, counted);
        } else {
            put(folder, file, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%lu\nfull avg10=0.00 total=7\n", counted);
        }
        if (counted > 9000000) {
            CHECK(falls(64 * MIB));
        }
        fill_and_free();
        CHECK(stays() > HELD);
    }
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 3);
    CHECK(mkdtemp(root) && setenv("ZK_TEST_ROOT", root, 1) == 0);
    if (strcmp(argv[1], "limit") == 0) {
        if (strcmp(argv[2], "spans") == 0) {
            limit_spans();
        } else if (strcmp(argv[2], "prefault") == 0) {
            limit_prefault();
        } else {
            const char *name = argv[2];
            limit(*name == 'c' ? &CONTAINER : *name == 'a' ? &ABOVE : strcmp(name, "v1") == 0 ? &V1 : &V2);
        }
    } else {
        stall(argv[2]);
    }
    CHECK(drop_files() == 0);
    printf("%s, %s: as designed\n", argv[1], argv[2]);
    return 0;
}
