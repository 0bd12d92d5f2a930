/* Writes to memory that it has freed, says where, and then asks for that memory again. With ZK_ALLOC_POISON=1 it must
 * not return from that; otherwise it prints "not noticed".
 *
 * Usage: poison <case> */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MEDIUM ((size_t)20000)
#define LARGE (5 * MIB)
#define PATTERN 0xd5

static void *arena_block(size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL && zk_owns(block));
    return block;
}

/* What the library's line must name. Not by stdio, whose buffer could be the freed block. */
static void announce(const void *volatile block, size_t at, size_t usable) {
    char text[100];
    int length = snprintf(text, sizeof text, "%p %zu %zu\n", block, at, usable);
    CHECK(write(1, text, (size_t)length) == length);
}

static void not_noticed(void) {
    dprintf(1, "not noticed\n");
    _exit(0);
}

/* volatile: the compiler sees a use after free, which is the point. */
static void write_byte(void *volatile block, size_t at) { ((volatile char *)block)[at] ^= 1; }

/* A block that was freed, beside one that keeps its span in use, and its usable bytes. */
static void *freed_block(size_t size, size_t *usable) {
    void *neighbour = arena_block(size), *volatile block = arena_block(size);
    (void)neighbour;
    *usable = malloc_usable_size(block);
    fill_pattern(block, *usable, 1);
    free(block);
    return block;
}

static void changed(size_t size, size_t from_end, size_t at) {
    size_t usable;
    void *volatile block = freed_block(size, &usable);
    at = from_end ? usable - from_end : at;
    write_byte(block, at);
    announce(block, at, usable);
    CHECK(arena_block(size) == block);
    not_noticed();
}

/* Zeroes are what a purged page holds, but nothing was purged here. */
static void zeroed(size_t size) {
    size_t usable;
    void *volatile block = freed_block(size, &usable);
    memset(block, 0, usable);
    announce(block, 0, usable);
    CHECK(arena_block(size) == block);
    not_noticed();
}

/* The new block comes from calloc, which would otherwise hide the write. */
static void hidden_by_calloc(size_t size) {
    size_t usable;
    void *volatile block = freed_block(size, &usable);
    write_byte(block, 4321);
    announce(block, 4321, usable);
    CHECK(calloc(1, size) == block);
    not_noticed();
}

/* After its pages were given back. */
static void trimmed(size_t size) {
    size_t usable;
    void *volatile block = freed_block(size, &usable);
    CHECK(zk_trim(0) > 0);
    write_byte(block, usable / 2);
    announce(block, usable / 2, usable);
    CHECK(arena_block(size) == block);
    not_noticed();
}

/* realloc moved the block: the old address is free. */
static void moved(void) {
    void *neighbour = arena_block(MEDIUM), *volatile block = arena_block(MEDIUM);
    (void)neighbour;
    size_t usable = malloc_usable_size(block);
    CHECK(realloc(block, LARGE) != block);
    write_byte(block, 77);
    announce(block, 77, usable);
    CHECK(arena_block(MEDIUM) == block);
    not_noticed();
}

/* realloc made the block shorter where it lies, and it grows again or is freed. */
static void shrunk(int grows) {
    void *volatile block = arena_block(8 * MIB);
    CHECK(realloc(block, 5 * MIB) == block);
    CHECK(malloc_usable_size(block) == 5 * MIB);
    write_byte(block, 6 * MIB);
    announce(block, 6 * MIB, grows ? 7 * MIB : 8 * MIB);
    if (grows) {
        CHECK(realloc(block, 7 * MIB) == block);
    } else {
        free(block);
        CHECK(arena_block(8 * MIB) == block);
    }
    not_noticed();
}

static void *free_there(void *block) {
    free(block);
    return NULL;
}

static void freed_by_another_thread(void) {
    void *neighbour = arena_block(MEDIUM), *volatile block = arena_block(MEDIUM);
    (void)neighbour;
    size_t usable = malloc_usable_size(block);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_there, block) == 0 && pthread_join(thread, NULL) == 0);
    write_byte(block, 100);
    announce(block, 100, usable);
    CHECK(arena_block(MEDIUM) == block);
    not_noticed();
}

static void *make_and_free(void *unused) {
    (void)unused;
    void *volatile block = arena_block(MEDIUM);
    free(block);
    return block;
}

/* The span dies with its thread, and its memory becomes another block. */
static void in_another_block(void) {
    pthread_t thread;
    void *result;
    size_t size = 3 * MIB / 2;
    /* What was free already has more pages, and would come first. */
    void *volatile taken = arena_block(size);
    CHECK(pthread_create(&thread, NULL, make_and_free, NULL) == 0 && pthread_join(thread, &result) == 0);
    char *volatile block = (char *)result;
    write_byte(block, 100);
    size_t offset = (uintptr_t)block % (2 * MIB);
    announce(block - offset, offset + 100, size);
    void *other;
    CHECK(posix_memalign(&other, 2 * MIB, size) == 0 && other == block - offset && taken != NULL);
    not_noticed();
}

static void in_child(void) {
    size_t usable;
    void *volatile block = freed_block(MEDIUM, &usable);
    pid_t child = fork();
    if (child == 0) {
        write_byte(block, 5);
        announce(block, 5, usable);
        CHECK(arena_block(MEDIUM) == block);
        not_noticed();
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        CHECK(WTERMSIG(status) == SIGABRT);
        abort();
    }
    _exit(WEXITSTATUS(status));
}

/* What the freed memory holds, and that calloc clears it. */
static void contents(void) {
    for (size_t size = 4096; size <= 16 * MIB; size *= 2) {
        size_t usable;
        unsigned char *volatile block = (unsigned char *)freed_block(size, &usable);
        CHECK(block[0] == PATTERN && memcmp(block, block + 1, usable - 1) == 0);
        CHECK((block = (unsigned char *)calloc(1, size)) && all_zero(block, size));
        free(block);
    }
    dprintf(1, "pattern\n");
    exit(0);
}

static int run(const char *name) {
#define CASE(text, action)                                                                                             \
    if (strcmp(name, text) == 0) {                                                                                     \
        action;                                                                                                        \
        return 1;                                                                                                      \
    }
    CASE("medium-first", changed(MEDIUM, 0, 0))
    CASE("medium-middle", changed(MEDIUM, 0, 9999))
    CASE("medium-last", changed(MEDIUM, 1, 0))
    CASE("smallest-last", changed(4096, 1, 0))
    CASE("mebibyte-last", changed(MIB, 1, 0))
    CASE("large-first", changed(LARGE, 0, 0))
    CASE("large-middle", changed(LARGE, 0, 3 * MIB + 17))
    CASE("large-last", changed(LARGE, 1, 0))
    CASE("medium-zeroes", zeroed(MEDIUM))
    CASE("large-zeroes", zeroed(LARGE))
    CASE("medium-calloc", hidden_by_calloc(MEDIUM))
    CASE("large-calloc", hidden_by_calloc(LARGE))
    CASE("medium-trimmed", trimmed(MEDIUM))
    CASE("large-trimmed", trimmed(LARGE))
    CASE("moved", moved())
    CASE("shrunk-grows", shrunk(1))
    CASE("shrunk-freed", shrunk(0))
    CASE("remote", freed_by_another_thread())
    CASE("another-block", in_another_block())
    CASE("child", in_child())
    CASE("contents", contents())
    return 0;
}

int main(int argc, char **argv) {
    static const struct rlimit no_core = {0, 0};
    check_preload();
    CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0);
    CHECK(argc == 2);
    engage_arena();
    if (!run(argv[1])) {
        dprintf(2, "no case %s\n", argv[1]);
    }
    return 2;
}
